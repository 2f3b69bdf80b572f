"""The activity that issues a document: rendered, kept and registered, once."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import BusinessClock
from activities.rendering import DocumentImpossible, DocumentIncomplete, render
from process.documents import DOCUMENT_KINDS
from process.orders import DocumentOrder, IssuedDocument

if TYPE_CHECKING:
    from activities.document_store import DocumentStore
    from register.store import Register

_ONBOARDING: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DocumentActivities:
    """Issues the documents of PROC-CRM-003 (PROCESS, section 7)."""

    def __init__(self, register: Register, store: DocumentStore) -> None:
        self._register = register
        self._store = store

    @activity.defn(name="issue_document")
    async def issue_document(self, order: DocumentOrder) -> IssuedDocument:
        """Issue one version of one document, once: a version already issued is given back.

        Fails for good with ``DocumentIncomplete`` when a mandatory field is missing, and with
        ``DocumentImpossible`` when the document cannot be produced; the messages are French.
        What depends on the machine (disk, database) may be tried again.
        """
        clock = BusinessClock()
        path = document_path(order)
        if (issued := await self._register.document(order.reference)) is not None:
            return issued
        content = await self._rendered(order)
        await self._store.put(path, content)
        issued = IssuedDocument(
            kind=order.kind,
            reference=order.reference,
            version=order.version,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            issued_at=clock.now(),
        )
        await self._register.record_document(order, issued, path)
        return issued

    async def _rendered(self, order: DocumentOrder) -> bytes:
        try:
            contract = await self._register.contract(order.onboarding)
        except KeyError:
            raise _impossible(order, "le contrat est inconnu du registre") from None
        # `from None`: the cause would carry paths of this machine into the history.
        try:
            return await asyncio.to_thread(render, order, contract)
        except DocumentIncomplete as error:
            raise ApplicationError(
                str(error), error.missing, type="DocumentIncomplete", non_retryable=True
            ) from None
        except DocumentImpossible as error:
            activity.logger.error("Document %s: %s", order.reference, error.diagnostic or error)
            raise ApplicationError(
                str(error), type="DocumentImpossible", non_retryable=True
            ) from None


def document_path(order: DocumentOrder) -> str:
    """Where a document is kept: ``{onboarding}/{reference}.pdf``.

    The reference must be the one the order's own kind, onboarding and version give; nothing
    else ever becomes a file name. ApplicationError ``DocumentImpossible`` otherwise.
    """
    kind = DOCUMENT_KINDS.get(order.kind)
    if kind is None:
        raise _impossible(order, "son genre est inconnu")
    expected = rf"{kind.code}-{re.escape(order.onboarding)}-[1-9][0-9]{{0,5}}-v{order.version}"
    if not _ONBOARDING.fullmatch(order.onboarding) or not re.fullmatch(expected, order.reference):
        raise _impossible(order, "sa référence est mal formée")
    return f"{order.onboarding}/{order.reference}.pdf"


def _impossible(order: DocumentOrder, reason: str) -> ApplicationError:
    error = DocumentImpossible(order.reference[:100], reason)
    return ApplicationError(str(error), type="DocumentImpossible", non_retryable=True)
