"""The orders of a whole life, and an office of production that carries them out again."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel
from temporalio.api.enums.v1 import EventType
from temporalio.testing import ActivityEnvironment

from activities.documents import DocumentActivities
from activities.mail import MailActivities
from activities.pieces import PieceActivities
from bench.lives import PLAIN, lived
from bench.world import world
from local.pieces import write_pieces
from local.stage import stage_settings
from process.contract import Contract, fingerprint
from process.orders import (
    DocumentOrder,
    IssuedDocument,
    MailOrder,
    MailReport,
    OpenOnboarding,
    PiecesRead,
    ReadPieces,
    StatedPiece,
)
from register.store import Register
from storage.document_store import DocumentStore
from workflows.converter import data_converter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Asked = ReadPieces | DocumentOrder | MailOrder
_Order = TypeVar("_Order", bound=BaseModel)
_ORDERS: Final[dict[str, type[BaseModel]]] = {
    "open_onboarding": OpenOnboarding,
    "read_pieces": ReadPieces,
    "issue_document": DocumentOrder,
    "send_mail": MailOrder,
}


@dataclass(frozen=True)
class Orders:
    """What a plain onboarding asks for, in that order."""

    opening: OpenOnboarding
    asked: list[Asked]
    issued: dict[str, str]
    """The SHA-256 of each document, by its reference."""
    inbox: Path

    @property
    def reference(self) -> str:
        """The contract's."""
        return Contract.model_validate(self.opening.contract).reference

    def of_another(self, number: int) -> Orders:
        """The same for another onboarding: none of its documents was drawn before."""
        former = self.reference
        new = f"{former}N{number}"
        shutil.copytree(self.inbox / former, self.inbox / new)
        return Orders(
            _replaced(self.opening, {former: new}),
            [_replaced(one, {former: new}) for one in self.asked],
            {reference.replace(former, new): one for reference, one in self.issued.items()},
            self.inbox,
        )


def _replaced(order: _Order, texts: dict[str, str]) -> _Order:
    text = order.model_dump_json()
    for former, new in texts.items():
        text = text.replace(former, new)
    return type(order).model_validate_json(text)


async def orders_of_a_life(folder: Path) -> Orders:
    """Live a plain onboarding with the worker of production; its files stay in that folder."""
    opening: OpenOnboarding | None = None
    asked: list[Asked] = []
    async with world(folder, "whole") as here:
        _, events = await lived(here, PLAIN)
        for event in events:
            if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                continue
            scheduled = event.activity_task_scheduled_event_attributes
            if (kind := _ORDERS.get(scheduled.activity_type.name)) is None:
                continue
            [order] = await data_converter.decode(scheduled.input.payloads, [kind])
            if isinstance(order, OpenOnboarding):
                opening = order
            else:
                asked.append(order)
        if opening is None:
            raise RuntimeError("a life that was never opened")
        reference = Contract.model_validate(opening.contract).reference
        issued = {
            one.reference: one.sha256 for one in await here.stage.register.documents(reference)
        }
        return Orders(opening, asked, issued, here.stage.settings.inbox)


class Office:
    """The activities of production, with a register and a store of their own."""

    def __init__(
        self, orders: Orders, register: Register, store: DocumentStore, mails: MailActivities
    ) -> None:
        self.orders = orders
        self._register = register
        self._documents = DocumentActivities(register, store)
        self._pieces = PieceActivities(register, store, orders.inbox, 100_000_000)
        self._mails = mails
        self._redrawn: dict[str, str] = {}

    async def read(self, order: ReadPieces) -> PiecesRead:
        """Read files. RuntimeError when one is refused."""
        found: PiecesRead = await ActivityEnvironment().run(self._pieces.read_pieces, order)
        if refused := [one.refused for one in found.pieces if one.refused]:
            raise RuntimeError(refused[0])
        return found

    async def issue(self, order: DocumentOrder) -> IssuedDocument:
        """Issue a document; what it says of those before it is what became of them here."""
        issued: IssuedDocument = await ActivityEnvironment().run(
            self._documents.issue_document, _replaced(order, self._redrawn)
        )
        if (former := self.orders.issued.get(order.reference)) is not None:
            self._redrawn[former] = issued.sha256
        return issued

    async def send(self, order: MailOrder) -> int:
        """Send a mail; how many messages that made. RuntimeError when one is not accepted."""
        report: MailReport = await ActivityEnvironment().run(self._mails.send_mail, order)
        if not all(one.accepted_at for one in report.mails):
            raise RuntimeError(f"{order.kind}: a message was not accepted")
        return len(report.mails)

    def many_pieces(self, count: int) -> ReadPieces:
        """Write so many files, a page each, as an onboarding with as much equipment has."""
        contract = Contract.model_validate(self.orders.opening.contract)
        item = contract.equipment[0]
        drawn = [item.model_copy(update={"tag": f"CAM-{n:03}"}) for n in range(count)]
        uris = write_pieces(self.orders.inbox, contract.model_copy(update={"equipment": drawn}))
        sheets = [uris[f"datasheet:{one.tag}"] for one in drawn]
        return ReadPieces(
            onboarding=contract.reference,
            pieces=[
                StatedPiece(key=uri, family="datasheets", name=f"Fiche {n}", uri=uri)
                for n, uri in enumerate(sheets)
            ],
        )


@asynccontextmanager
async def office(
    folder: Path, orders: Orders, smtp_port: int, database: str | None = None
) -> AsyncIterator[Office]:
    """One that knows the contract and has done nothing yet; SQLite unless told otherwise."""
    await asyncio.to_thread(folder.mkdir, parents=True)
    settings = stage_settings(folder, smtp_port)
    register = Register(database or settings.database_url)
    await register.migrate()
    store = DocumentStore(settings.documents_url)
    mails = MailActivities(register, store, settings)
    try:
        contract = Contract.model_validate(orders.opening.contract)
        await register.claim(orders.opening, fingerprint(contract))
        async with mails.connected():
            yield Office(orders, register, store, mails)
    finally:
        await register.close()
