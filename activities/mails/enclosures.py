"""The documents of an e-mail: attached, given as a link when they are too large, else only named.

A file that is not attached is never read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from activities.mails.texts import MailUnsafe
from process.documents import DOCUMENT_KINDS
from register.store import Register, RegisteredDocument
from settings import Settings
from storage.document_store import DocumentStore
from storage.links import document_link, link_key

_MEGABYTE: Final = 1_000_000
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MEDIA: Final = {".pdf": ("PDF", "application/pdf"), ".zip": ("ZIP", "application/zip")}


@dataclass(frozen=True)
class Enclosure:
    """One document of a mail. It has a ``content``, or a ``link``, or neither: then the project
    manager hands it over."""

    reference: str
    title: str
    suffix: str
    size: int
    """Bytes."""
    content: bytes | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    @property
    def filename(self) -> str:
        return f"{self.reference}{self.suffix}"

    @property
    def format(self) -> str:
        return _MEDIA[self.suffix][0]

    @property
    def media_type(self) -> str:
        return _MEDIA[self.suffix][1]

    @property
    def is_withheld(self) -> bool:
        return self.content is None and self.link is None


async def enclose(
    order: tuple[str, Sequence[str]],
    register: Register,
    store: DocumentStore,
    settings: Settings,
    at: datetime,
) -> list[Enclosure]:
    """The documents of a mail, ``order`` being its onboarding and their references.

    Together the attached ones keep to ``mail_attachments_max_mb``; the largest ones give way
    first. A link lives ``link_days`` from ``at``. Raises MailUnsafe when a document is not in
    the register, is another onboarding's or is no kind of file that we send.
    """
    onboarding, references = order
    rows = [await _registered(register, onboarding, reference) for reference in references]
    attached = _attached(rows, int(settings.mail_attachments_max_mb * _MEGABYTE))
    key = None
    enclosures = []
    for row in rows:
        enclosure = Enclosure(
            reference=row.reference,
            title=DOCUMENT_KINDS[row.kind].title,
            suffix=PurePosixPath(row.path).suffix,
            size=row.size,
        )
        if row.reference in attached:
            enclosure = replace(enclosure, content=await store.get(row.path))
        elif settings.public_url:
            key = key or await link_key(register)
            expires_at = at + timedelta(days=settings.link_days)
            link = document_link(
                settings.public_url,
                key,
                sha256=row.sha256,
                reference=row.reference,
                expires_at=expires_at,
            )
            enclosure = replace(enclosure, link=link, expires_at=expires_at)
        enclosures.append(enclosure)
    return enclosures


async def _registered(register: Register, onboarding: str, reference: str) -> RegisteredDocument:
    row = await register.registered_document(reference)
    if row is None or row.onboarding != onboarding:
        raise MailUnsafe(f"Le document {reference} n'est pas au registre de ce dossier")
    known = row.kind in DOCUMENT_KINDS and PurePosixPath(row.path).suffix in _MEDIA
    if not known or not _IDENTIFIER.fullmatch(reference):
        raise MailUnsafe("Un document joint n'a ni le nom ni le format d'un document de Mileo")
    return row


def _attached(rows: Sequence[RegisteredDocument], limit: int) -> set[str]:
    """Which documents are attached: all, but the largest ones until the rest fits."""
    kept = sorted(rows, key=lambda row: row.size)
    while sum(row.size for row in kept) > limit:
        kept.pop()
    return {row.reference for row in kept}
