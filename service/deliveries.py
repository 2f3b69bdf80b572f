"""A message of another service is taken once, and acknowledged once it is durable."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from privacy.audit import refused
from reception import Refused, Unanswered
from register.store import Register, RegisteredDelivery
from workflows.names import workflow_id

Outcome = Literal["started", "draft", "signature", "accepted", "waiting", "known"]
_STATUSES: Final[dict[str, int]] = {
    "started": 202,
    "draft": 202,
    "signature": 202,
    "waiting": 202,
    "accepted": 200,
    "known": 200,
}
_NOT_STARTED: Final = ("draft", "signature")
_ANSWER_SECONDS: Final = 12
"""After which a sender had better try again: many give up at 30, and a driver that waits for a lock
hears of it only once its own wait is over."""


@dataclass(frozen=True)
class Message:
    """What a service sent, signed; its ``id`` is unique among those of its sender."""

    sender: str
    id: str
    path: str
    body: bytes

    @property
    def sha256(self) -> str:
        """What tells it from another message under the same id."""
        return hashlib.sha256(self.body).hexdigest()


class Answer(BaseModel):
    """What became of a message."""

    reference: str = Field(description="La référence du contrat")
    outcome: Outcome = Field(
        description="started : onboarding démarré ; draft : brouillon gardé jusqu'à la signature ; "
        "signature : gardée jusqu'au contrat ; accepted : fait pris en compte ; waiting : fait "
        "gardé jusqu'à ce qu'il ait un sens ; known : déjà connu, rien n'a changé"
    )
    message: str = Field(description="La même chose, pour une personne")
    workflow_id: str | None = Field(default=None, description="Le workflow de l'onboarding")


class Deliveries:
    """The messages taken so far, as the register keeps them."""

    def __init__(self, register: Register) -> None:
        self._register = register

    async def once(self, message: Message, effect: Callable[[], Awaitable[Answer]]) -> JSONResponse:
        """Answer a message. ``effect`` may be done twice and counts once: should we end after it
        and before the message is recorded, its sender repeats it. Of a message that was refused
        only the audit keeps a line: it is judged again.

        Raises ``Refused`` when its id stands for another message, ``Unanswered`` when what it
        takes does not answer in time.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._once(message, effect)
        except TimeoutError:
            raise Unanswered("la base de données n'a pas répondu à temps") from None

    async def _once(
        self, message: Message, effect: Callable[[], Awaitable[Answer]]
    ) -> JSONResponse:
        kept = await self._register.delivery(message.sender, message.id)
        if kept is not None:
            _check_same(kept, message)
            return _told(_repeated(kept))
        try:
            answer = await effect()
        except Unanswered:
            raise
        except Refused:
            await self._register.record(refused(message, datetime.now(UTC)))
            raise
        first = await self._register.record_delivery(
            RegisteredDelivery(
                sender=message.sender,
                message_id=message.id,
                path=message.path,
                onboarding=answer.reference,
                sha256=message.sha256,
                outcome=answer.outcome,
                received_at=datetime.now(UTC),
            )
        )
        _check_same(first, message)
        return _told(answer)


def _check_same(kept: RegisteredDelivery, message: Message) -> None:
    # The signature does not cover the address: the same words said elsewhere are another message.
    if (kept.sha256, kept.path) != (message.sha256, message.path):
        raise Refused("webhook-id : a déjà servi pour un autre message")


def _repeated(kept: RegisteredDelivery) -> Answer:
    started = kept.outcome not in _NOT_STARTED
    return Answer(
        reference=kept.onboarding,
        outcome="known",
        message="message déjà reçu",
        workflow_id=workflow_id(kept.onboarding) if started else None,
    )


def _told(answer: Answer) -> JSONResponse:
    return JSONResponse(answer.model_dump(exclude_none=True), _STATUSES[answer.outcome])
