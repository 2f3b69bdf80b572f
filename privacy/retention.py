"""The clean-up: nothing is kept beyond its time, and nothing of an onboarding under way is touched.

Each thing is removed in its own transaction, with its line in the audit: killed half way, the
clean-up goes on where it stopped the next time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from privacy import audit
from privacy.holdings import Holding, alias_key
from privacy.people import hide
from privacy.runs import close, ended_at
from privacy.terms import Terms
from privacy.traces import Alias, fingerprint_of
from process import french
from register.models import (
    AuditLine,
    Delivery,
    Document,
    DoePassword,
    Draft,
    Mail,
    Onboarding,
    PasswordReading,
    Piece,
)
from register.store import Audited

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstrumentedAttribute
    from temporalio.client import Client

    from privacy.shelves import Shelves
    from register.store import Register

_REMOVALS: Final = ("document_removed", "piece_removed", "contacts_hidden", "person_hidden")
"""What remains of the audit once the documents of an onboarding are gone, with the marks of runs."""


@dataclass
class Cleaned:
    """What was done, or would be: French lines. ``failed``: what is to be tried again."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Cleaning:
    """One pass over the register, at ``now``; ``dry`` looks and touches nothing."""

    def __init__(  # noqa: PLR0913 - the parts it is put together from
        self,
        register: Register,
        client: Client,
        shelves: Shelves,
        terms: Terms,
        now: datetime,
        *,
        dry: bool = False,
    ) -> None:
        self._register = register
        self._client = client
        self._shelves = shelves
        self._terms = terms
        self._now = now
        self._dry = dry
        self._told = Cleaned()

    async def run(self) -> Cleaned:
        """Do everything that is due. What fails is told, and the rest goes on."""
        await self._try("journal d'audit", self._keep_audit)
        for reference in await self._open():
            await self._try(reference, partial(self._note_end, reference))
        for reference, closed_at in await self._closed():
            await self._try(reference, partial(self._finish_erasures, reference))
            if self._terms.contacts_until(closed_at) < self._now:
                await self._try(reference, partial(self._hide_contacts, reference))
            if self._terms.documents_until(closed_at) < self._now:
                await self._try(reference, partial(self._remove_documents, reference))
        for reference in await self._strays():
            await self._try(reference, partial(self._hide_contacts, reference, "strays"))
        await self._try("brouillons", self._remove_drafts)
        await self._try("messages", self._remove_deliveries)
        return self._told

    async def _try(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except (OSError, ValueError, SQLAlchemyError, RPCError) as error:
            # Only its kind: the texts of drivers may carry addresses.
            self._told.failed.append(f"{what} : à reprendre ({type(error).__name__})")

    def _tell(self, line: str) -> None:
        self._told.done.append(line)

    # --- Temporal forgets -------------------------------------------------------------------

    async def _keep_audit(self) -> None:
        if not self._dry and (count := await audit.keep(self._client, self._register)):
            runs = french.plural(count, "exécution recopiée", "exécutions recopiées")
            self._tell(f"journal d'audit : {runs}")

    async def _note_end(self, reference: str) -> None:
        """A run that was terminated could not say that it is over."""
        ended = await ended_at(self._client, reference)
        if ended is not None:
            if not self._dry:
                await close(self._register, reference, ended)
            self._tell(f"{reference} : exécution interrompue, notée close")

    # --- People -----------------------------------------------------------------------------

    async def _finish_erasures(self, reference: str) -> None:
        """Erase whoever asked for it while this onboarding was under way, or was being erased."""
        erased = await self._register.audited(act="person_erased")
        if not erased:
            return
        asked_at = {one.subject: one.at for one in erased}
        key = await alias_key(self._register)
        async with self._register.change() as session:
            holding = await Holding.of(session, reference)
        for mail in holding.people():
            at = asked_at.get(fingerprint_of(mail, key))
            # Who came back since, with another contract, did not ask for that one.
            if at and holding.onboarding and holding.onboarding.opened_at <= at:
                if not self._dry:
                    await hide(self._register, reference, mail, self._now)
                self._tell(f"{reference} : une personne effacée, à sa demande")

    async def _hide_contacts(self, reference: str, why: str = "contacts") -> None:
        """Name nobody any more: neither contacts nor whoever is named in free words."""
        mark = f"{why}:{reference}"
        if any(one.key == mark for one in await self._register.audited(reference)):
            return
        key = None if self._dry else await alias_key(self._register)
        async with self._register.change() as session:
            holding = await Holding.of(session, reference)
            people = holding.people()
            if key is not None:
                for mail in people:
                    holding.hide(holding.person(mail), Alias.of(mail, key))
                holding.strip()
                await self._removed(session, mark, reference, "contacts_hidden", str(len(people)))
        count = french.plural(len(people), "personne effacée", "personnes effacées")
        self._tell(f"{reference} : {count}, à la fin de la durée de conservation")

    # --- Documents --------------------------------------------------------------------------

    async def _remove_documents(self, reference: str) -> None:
        documents = await self._register.documents(reference)
        pieces = await self._register.pieces(reference)
        for document in documents:
            if not self._dry:
                await self._shelves.remove(document.path)
                async with self._register.change() as session:
                    gone = update(Document).where(Document.reference == document.reference)
                    await session.execute(
                        gone.values(removed_at=self._now, recipients=[], data=None)
                    )
                    key = f"document:{document.reference}"
                    await self._removed(
                        session, key, reference, "document_removed", document.reference
                    )
            self._tell(f"{reference} : document {document.reference} supprimé")
        for piece in pieces:
            if not self._dry:
                await self._shelves.remove(piece.path)
                async with self._register.change() as session:
                    gone = update(Piece).where(
                        Piece.onboarding == reference, Piece.sha256 == piece.sha256
                    )
                    await session.execute(gone.values(removed_at=self._now))
                    key = f"piece:{reference}:{piece.sha256}"
                    await self._removed(session, key, reference, "piece_removed", piece.sha256)
            self._tell(f"{reference} : pièce reçue {piece.sha256[:12]}… supprimée")
        if not self._dry:
            await self._forget(reference)

    async def _forget(self, reference: str) -> None:
        """The password of what is gone, and who did what ten years ago."""
        async with self._register.change() as session:
            for table in (DoePassword, PasswordReading):
                await session.execute(delete(table).where(table.onboarding == reference))
            await session.execute(
                delete(AuditLine).where(
                    AuditLine.onboarding == reference,
                    AuditLine.act.not_in([*_REMOVALS, "run_over"]),
                )
            )

    # --- What other services sent -----------------------------------------------------------

    async def _remove_drafts(self) -> None:
        old = Draft.updated_at < self._terms.deliveries_since(self._now)
        async with self._register.change() as session:
            query = select(Draft.reference).where(old, _not_open(Draft.reference))
            for reference in (await session.scalars(query)).all():
                if not self._dry:
                    await session.execute(delete(Draft).where(Draft.reference == reference))
                    key = f"draft:{reference}:{self._now.isoformat()}"
                    await self._removed(session, key, reference, "draft_removed", None)
                self._tell(f"{reference} : brouillon supprimé")

    async def _remove_deliveries(self) -> None:
        since = self._terms.deliveries_since(self._now)
        old = Delivery.received_at < since, _not_open(Delivery.onboarding)
        async with self._register.change() as session:
            messages = (await session.scalars(select(Delivery).where(*old))).all()
            if messages and not self._dry:
                # Who sent what outlives the message.
                await self._register.record_in(session, *map(audit.delivered, messages))
                for one in messages:
                    await session.delete(one)
                key = f"deliveries:{self._now.isoformat()}"
                await self._removed(session, key, None, "deliveries_removed", str(len(messages)))
            if not self._dry:
                refused = AuditLine.act == "message_refused", AuditLine.at < since
                await session.execute(delete(AuditLine).where(*refused))
        if messages:
            count = french.plural(
                len(messages), "message reçu supprimé", "messages reçus supprimés"
            )
            self._tell(count)

    # --- What it looks at -------------------------------------------------------------------

    async def _open(self) -> list[str]:
        query = select(Onboarding.reference).where(Onboarding.closed_at.is_(None))
        async with self._register.change() as session:
            return sorted(await session.scalars(query))

    async def _closed(self) -> list[tuple[str, datetime]]:
        query = select(Onboarding.reference, Onboarding.closed_at).order_by(Onboarding.reference)
        async with self._register.change() as session:
            rows = (await session.execute(query)).all()
        return [(reference, closed_at) for reference, closed_at in rows if closed_at is not None]

    async def _strays(self) -> list[str]:
        """The references that mails were about, and that no onboarding came to have."""
        query = (
            select(Mail.onboarding, func.max(Mail.created_at))
            .where(Mail.onboarding.not_in(select(Onboarding.reference)))
            .group_by(Mail.onboarding)
            .order_by(Mail.onboarding)
        )
        async with self._register.change() as session:
            rows = (await session.execute(query)).all()
        return [ref for ref, at in rows if self._terms.contacts_until(at) < self._now]

    async def _removed(
        self,
        session: AsyncSession,
        key: str,
        onboarding: str | None,
        act: str,
        subject: str | None,
    ) -> None:
        line = Audited(
            key=key,
            onboarding=onboarding,
            at=self._now,
            door="system",
            who="clean",
            act=act,
            subject=subject,
        )
        await self._register.record_in(session, line)


def _not_open(reference: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Of no onboarding under way."""
    under_way = select(Onboarding.reference).where(Onboarding.closed_at.is_(None))
    return reference.not_in(under_way)
