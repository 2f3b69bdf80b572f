"""The activity that issues a document: rendered, kept and registered, once."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import BusinessClock
from activities.doe.assembly import ASSEMBLED, assembled
from activities.heart import beating
from activities.printing.rendering import DocumentImpossible, DocumentIncomplete, render
from process.content import of_document
from process.documents import DOCUMENT_KINDS
from process.fields import REFERENCE
from process.orders import DocumentOrder, IssuedDocument

if TYPE_CHECKING:
    from register.store import Register
    from storage.document_store import DocumentStore


_AT_ONCE: Final = 2
"""Books and containers of a DOE that are assembled at the same time, each in a process with its own
memory."""


class DocumentActivities:
    """Issues the documents of PROC-CRM-003 (PROCESS, section 7)."""

    def __init__(self, register: Register, store: DocumentStore) -> None:
        self._register = register
        self._store = store
        self._turn = asyncio.Semaphore(_AT_ONCE)

    @activity.defn(name="issue_document")
    async def issue_document(self, order: DocumentOrder) -> IssuedDocument:
        """Issue one version of one document, once: a version already issued is given back. Where
        its reference stands for something else (the run was taken back by a server Reset), it is
        issued as the next free version: the answer has its reference.

        The registered SHA-256 is that of the file; of the encrypted container, that of its clear
        content (``activities.doe.container``). Fails for good with ``DocumentIncomplete`` when a
        mandatory field is missing, and with ``DocumentImpossible`` when the document cannot be
        produced; the messages are French. What depends on the machine (disk, database) may be
        tried again.
        """
        clock = BusinessClock()
        path = document_path(order)
        content = of_document(order)
        while (issued := await self._register.document(order.reference)) is not None:
            former = await self._register.document_content(order.reference)
            if former is None or former == content:
                return issued
            order = _next_version(order)
            path = document_path(order)
        async with beating():
            try:
                sha256, size = await self._kept(order, path)
            # `from None`: the causes would carry paths of this machine into the history.
            except DocumentIncomplete as error:
                raise ApplicationError(
                    str(error), error.missing, type="DocumentIncomplete", non_retryable=True
                ) from None
            except DocumentImpossible as error:
                activity.logger.error("Document %s: %s", order.reference, error.diagnostic or error)
                raise ApplicationError(
                    str(error), type="DocumentImpossible", non_retryable=True
                ) from None
        issued = IssuedDocument(
            kind=order.kind,
            reference=order.reference,
            version=order.version,
            sha256=sha256,
            size=size,
            issued_at=clock.now(),
        )
        await self._register.record_document(order, issued, path, content)
        return issued

    async def _kept(self, order: DocumentOrder, path: str) -> tuple[str, int]:
        """Make the document and keep it; its fingerprint and its size in bytes."""
        try:
            contract = await self._register.contract(order.onboarding)
        except KeyError:
            raise DocumentImpossible(
                order.reference, "le contrat est inconnu du registre"
            ) from None
        if order.replaces and await self._register.document(order.replaces) is None:
            # It never was issued: nobody holds what this one would replace.
            order = order.model_copy(update={"replaces": None})
        if order.kind in ASSEMBLED:
            async with (
                self._turn,
                assembled(order, contract, self._register, self._store) as made,
            ):
                await self._store.put_file(path, made.path)
                return made.sha256, made.path.stat().st_size
        former = await self._register.stated(order.replaces) if order.replaces else None
        content = await asyncio.to_thread(render, order, contract, former=former)
        await self._store.put(path, content)
        return hashlib.sha256(content).hexdigest(), len(content)


def _next_version(order: DocumentOrder) -> DocumentOrder:
    stem = order.reference.removesuffix(f"-v{order.version}")
    version = order.version + 1
    return order.model_copy(
        update={
            "reference": f"{stem}-v{version}",
            "version": version,
            "replaces": order.reference,
        }
    )


def document_path(order: DocumentOrder) -> str:
    """Where a document is kept: ``{onboarding}/{reference}.pdf``, ``.zip`` for a container.

    The reference must be the one the order's own kind, onboarding and version give; nothing
    else ever becomes a file name. ApplicationError ``DocumentImpossible`` otherwise.
    """
    kind = DOCUMENT_KINDS.get(order.kind)
    if kind is None:
        raise _impossible(order, "son genre est inconnu")
    expected = rf"{kind.code}-{re.escape(order.onboarding)}-[1-9][0-9]{{0,5}}-v{order.version}"
    if not re.fullmatch(REFERENCE, order.onboarding) or not re.fullmatch(expected, order.reference):
        raise _impossible(order, "sa référence est mal formée")
    return f"{order.onboarding}/{order.reference}{kind.suffix}"


def _impossible(order: DocumentOrder, reason: str) -> ApplicationError:
    error = DocumentImpossible(order.reference[:100], reason)
    return ApplicationError(str(error), type="DocumentImpossible", non_retryable=True)
