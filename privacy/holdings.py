"""Everything that the register holds about one onboarding, and its people, read and rewritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, cast, func, or_, select

from privacy.traces import Alias, Person, addresses, same
from register.models import Base, Document, Draft, Mail, Onboarding, Piece

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstrumentedAttribute

    from register.store import Register

_KEY: Final = "person-aliases"

_COLUMNS: Final[dict[type[Base], tuple[str, ...]]] = {
    Onboarding: ("client_name", "contract", "status", "in_charge"),
    Document: ("recipients", "data"),
    Mail: ("recipient", "subject", "reply"),
    Piece: ("name", "uri"),
    Draft: ("contract",),
}
"""Where a person may be named."""


async def alias_key(register: Register) -> str:
    """The key behind every alias and every fingerprint of an address."""
    import secrets  # noqa: PLC0415 - only what the first call makes

    return await register.key(_KEY, secrets.token_hex(32))


@dataclass(frozen=True)
class Holding:
    """The rows of one onboarding; ``onboarding`` is None for mails about a contract that never
    came."""

    reference: str
    onboarding: Onboarding | None
    documents: list[Document]
    mails: list[Mail]
    pieces: list[Piece]
    draft: Draft | None

    @classmethod
    async def of(cls, session: AsyncSession, reference: str) -> Holding:
        """Those of that reference, locked for the time of the transaction."""

        async def rows(column: InstrumentedAttribute[str]) -> list[Any]:
            query = select(column.class_).where(column == reference).with_for_update()
            return list(await session.scalars(query))

        onboardings = await rows(Onboarding.reference)
        drafts = await rows(Draft.reference)
        return cls(
            reference,
            next(iter(onboardings), None),
            await rows(Document.onboarding),
            await rows(Mail.onboarding),
            await rows(Piece.onboarding),
            next(iter(drafts), None),
        )

    def person(self, mail: str) -> Person:
        """Someone as these rows show them."""
        written = [
            {"email": row.recipient, "name": row.name}
            for row in self.mails
            if same(row.recipient, mail)
        ]
        return Person.seen(mail, written, *self._values())

    def people(self) -> list[str]:
        """The address of everyone in these rows who is not erased."""
        return addresses([{"email": row.recipient} for row in self.mails], *self._values())

    def hide(self, person: Person, alias: Alias) -> bool:
        """Write the alias instead of the person, everywhere; whether anything changed."""
        changed = False
        for row in self._rows():
            for name in _COLUMNS[type(row)]:
                before = getattr(row, name)
                after = person.without(before, alias)
                if after != before:
                    if name == "recipient":
                        row.name = alias.name  # type: ignore[attr-defined] # a mail's
                    setattr(row, name, after)
                    changed = True
        return changed

    def strip(self) -> None:
        """Drop what may name people in free words, and serves nothing once it is over."""
        if (row := self.onboarding) is not None:
            row.contract = {**row.contract, "history": []}
            row.project_manager = None
            if row.status is not None:
                row.status = _bare(row.status)
        for document in self.documents:
            document.data = None

    def _rows(self) -> list[Base]:
        single = [row for row in (self.onboarding, self.draft) if row is not None]
        return [*single, *self.documents, *self.mails, *self.pieces]

    def _values(self) -> list[object]:
        return [
            getattr(row, name)
            for row in self._rows()
            if not isinstance(row, Mail)
            for name in _COLUMNS[type(row)]
        ]


async def references_of(session: AsyncSession, mail: str) -> list[str]:
    """The onboardings whose rows have that address, in order."""

    def has(column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        # An address is ASCII: JSON writes it as it is.
        return func.lower(cast(column, String)).contains(mail.lower(), autoescape=True)

    queries = (
        select(Onboarding.reference).where(
            or_(has(Onboarding.contract), has(Onboarding.status), has(Onboarding.in_charge))
        ),
        select(Document.onboarding).where(or_(has(Document.recipients), has(Document.data))),
        select(Mail.onboarding).where(has(Mail.recipient)),
        select(Draft.reference).where(has(Draft.contract)),
    )
    return sorted({one for query in queries for one in await session.scalars(query)})


def _bare(status: dict[str, Any]) -> dict[str, Any]:
    """The last picture without what people wrote."""
    reserves = [{**one, "history": []} for one in status.get("reserves", [])]
    return {**status, "reserves": reserves, "waiting": [], "rejected": [], "open_points": []}
