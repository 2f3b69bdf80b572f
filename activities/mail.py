"""Sends the e-mails: one message a recipient, never twice, with the proof of what left when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import BusinessClock
from activities.heart import beating
from activities.mails.composing import compose, message_id
from activities.mails.connections import Connections
from activities.mails.enclosures import Enclosure, enclose
from activities.mails.smtp import (
    Conversation,
    Deferred,
    Misconfigured,
    Refused,
    Unanswered,
    Unreachable,
    patience,
)
from activities.mails.texts import WITHOUT_CONTRACT, MailUnsafe
from process.content import of_mail
from process.contract import Contract
from process.orders import MailOrder, MailReport, Recipient, SentMail
from register.store import MailRow, Register
from settings import Settings
from storage.document_store import DocumentStore


@dataclass(frozen=True)
class _Letter:
    recipient: Recipient
    email: str
    message_id: str
    message: EmailMessage
    content: str | None

    @property
    def to(self) -> str:
        return self.email.lower()

    def sent(
        self,
        accepted_at: datetime | None = None,
        refused: str | None = None,
        unanswered_at: datetime | None = None,
    ) -> SentMail:
        return SentMail(
            to=self.email,
            role=self.recipient.role,
            message_id=self.message_id,
            accepted_at=accepted_at,
            refused=refused,
            unanswered_at=unanswered_at,
        )


class MailActivities:
    """The activity that sends e-mails. ``tls`` replaces the system's trusted authorities."""

    def __init__(
        self,
        register: Register,
        store: DocumentStore,
        settings: Settings,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._register = register
        self._store = store
        self._settings = settings
        self._connections = Connections(settings, tls)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """The time during which connections to the mail server may be kept."""
        try:
            yield
        finally:
            await self._connections.close()

    @activity.defn(name="send_mail")
    async def send_mail(self, order: MailOrder) -> MailReport:
        """Send a mail to each of its recipients and tell what became of each message.

        A message is known by its onboarding, its key and its address. One that the server has
        accepted is never sent again, whoever asks: the instant of its acceptance is what counts
        for O5, O7, O9, O10, O13, O14 and O15. A definitive refusal is in the report, stops nobody
        else, and is not asked for again by this activity. One handed over whole that was never
        answered may have been received: it is told, and sent again when ``order.anew_from`` says
        so. Where something else has left under the key, nothing leaves (``superseded``).

        Told to stop, it begins no message more, and waits for the answer to the one that it has
        handed over.

        Errors: ``MailDeferred`` (some message is not taken yet) and ``MailServerMisconfigured``
        (an operator must act) are worth a retry; ``MailUnsafe`` is not.
        """
        clock = BusinessClock()
        order = self._addressed(order)
        content = of_mail(order)
        rows = await self._register.mails_of(order.onboarding, order.key)
        sent = {one.to.lower(): one for one in order.settled}
        if any(_says_otherwise(rows[to], content) for to in rows.keys() - sent.keys()):
            return MailReport(kind=order.kind, key=order.key, mails=[], superseded=True)
        documents, letters = await self._letters(order, rows, clock.now())
        memory = _Memory()
        for letter in letters:
            if letter.to not in sent and (known := await self._known(order, letter, memory)):
                sent[letter.to] = known
        left = [letter for letter in letters if letter.to not in sent]
        try:
            reasons = await self._deliver(left, sent, clock, memory) if left else set()
        except asyncio.CancelledError:
            if not (order.progressive and len(sent) > len(order.settled)):
                raise
            # Who gives it up must know whom it has reached: their calendars hold its events.
            reasons = {"abandonné"}
        if missing := sum(letter.to not in sent for letter in letters):
            _count("deferred", missing)
            if not (order.progressive and len(sent) > len(order.settled)):
                raise ApplicationError(
                    f"Messages que le serveur de messagerie n'a pas encore pris en charge : "
                    f"{missing} sur {len(left)} ({', '.join(sorted(reasons))})",
                    type="MailDeferred",
                )
        return MailReport(
            kind=order.kind,
            key=order.key,
            mails=[sent.get(letter.to) or letter.sent() for letter in letters],
            withheld=[document.reference for document in documents if document.is_withheld],
        )

    async def _known(self, order: MailOrder, letter: _Letter, memory: _Memory) -> SentMail | None:
        """What became of a message already, if anything did; from now on it has its row."""
        row = await self._register.begin_mail(
            order,
            letter.recipient,
            letter.message_id,
            str(letter.message["Subject"]),
            letter.content,
        )
        if row.state == "accepted":
            return letter.sent(accepted_at=row.accepted_at)
        if row.message_id in memory.accepted:
            # The previous attempt ended between the acceptance and its record.
            accepted_at = memory.accepted[row.message_id]
            await self._register.mail_accepted(row.message_id, accepted_at, "")
            return letter.sent(accepted_at=accepted_at)
        if row.message_id in memory.refused:
            at, reason = memory.refused[row.message_id]
            await self._register.mail_refused(row.message_id, at, reason)
            return letter.sent(refused=reason)
        info = activity.info()
        if row.refused_at and info.attempt > 1 and row.refused_at >= info.scheduled_time:
            return letter.sent(refused=row.reply or "")
        if row.handed_at and not (order.anew_from and row.handed_at < order.anew_from):
            return letter.sent(unanswered_at=row.handed_at)
        return None

    # --- Before the conversation --------------------------------------------------------------

    def _addressed(self, order: MailOrder) -> MailOrder:
        """The order with the head of projects' address, and each address once."""
        recipients: dict[str, Recipient] = {}
        for recipient in map(self._resolved, order.recipients):
            known = recipients.setdefault(recipient.mailbox, recipient)
            if known is not recipient:
                also = (*known.also, recipient.role)
                recipients[known.mailbox] = known.model_copy(update={"also": also})
        return order.model_copy(
            update={
                "recipients": list(recipients.values()),
                "reply_to": self._resolved(order.reply_to) if order.reply_to else None,
            }
        )

    def _resolved(self, recipient: Recipient) -> Recipient:
        if recipient.role != "head_of_projects" or recipient.email:
            return recipient
        head = self._settings.head_of_projects
        return recipient.model_copy(update={"name": head.name, "email": head.email})

    async def _letters(
        self, order: MailOrder, rows: Mapping[str, MailRow], at: datetime
    ) -> tuple[list[Enclosure], list[_Letter]]:
        """The documents of the order and every message, composed before any leaves: all can
        leave, or none."""
        try:
            contract = await self._contract(order)
            documents = await enclose(
                (order.onboarding, order.attachments),
                self._register,
                self._store,
                self._settings,
                at,
            )
            # In a thread: megabytes are encoded, and read again.
            letters = await asyncio.to_thread(self._composed, order, contract, documents, rows, at)
        except MailUnsafe as error:
            raise ApplicationError(str(error), type="MailUnsafe", non_retryable=True) from None
        return documents, letters

    def _composed(
        self,
        order: MailOrder,
        contract: Contract | None,
        documents: list[Enclosure],
        rows: Mapping[str, MailRow],
        at: datetime,
    ) -> list[_Letter]:
        sender, content = self._settings.mail_from, of_mail(order)
        letters = []
        for one in order.recipients:
            email = one.email or ""
            row = rows.get(email.lower())
            known_as = row.message_id if row else message_id(order, email, sender)
            message = compose(
                order,
                contract,
                one,
                order.recipients,
                sender,
                documents,
                at,
                known_as,
                automatic=self._settings.mail_automatic,
            )
            letters.append(_Letter(one, email, known_as, message, content))
        return letters

    async def _contract(self, order: MailOrder) -> Contract | None:
        try:
            return await self._register.contract(order.onboarding)
        except KeyError:
            if order.kind in WITHOUT_CONTRACT:
                return None
            problem = f"Le contrat {order.onboarding} est inconnu du registre"
            raise MailUnsafe(problem) from None

    # --- The conversation ---------------------------------------------------------------------

    async def _deliver(
        self,
        letters: list[_Letter],
        sent: dict[str, SentMail],
        clock: BusinessClock,
        memory: _Memory,
    ) -> set[str]:
        """Hand these messages over, and add to ``sent`` what becomes of each. Why those that are
        not there have not left."""
        reasons: set[str] = set()
        longest = patience(self._settings)
        try:
            async with (
                beating(memory.tell),
                self._connections.conversation() as conversation,
            ):
                for number, letter in enumerate(letters):
                    if number and not _there_is_time_for(longest, clock):
                        reasons.add("la suite au prochain essai")
                        break
                    try:
                        outcome, ending = await self._hand_over(conversation, letter, clock, memory)
                        sent[letter.to] = outcome
                        ending.end()
                    except Unreachable:
                        raise
                    except Deferred as deferred:
                        reasons.add(str(deferred))
        except Unreachable as unreachable:
            reasons.add(str(unreachable))
        except Misconfigured as error:
            raise ApplicationError(str(error), type="MailServerMisconfigured") from None
        return reasons

    async def _hand_over(
        self, conversation: Conversation, letter: _Letter, clock: BusinessClock, memory: _Memory
    ) -> tuple[SentMail, _Ending]:
        """Hand one message over and record what became of it. Raises what the conversation does,
        but a refusal and the lack of an answer, which are outcomes."""
        id_ = letter.message_id
        # In a thread, one at a time: ten megabytes take a tenth of a second.
        message = await asyncio.to_thread(bytes, letter.message)
        handed: list[datetime] = []

        async def handing() -> None:
            handed.append(clock.now())
            # Whoever comes after a death of ours knows that the server may have it.
            await self._register.mail_handed(id_, handed[0], letter.content)

        work = asyncio.ensure_future(conversation.deliver(letter.email, message, handing))
        ending = await _asked_to_end(work, lambda: bool(handed))
        try:
            reply = work.result()
        except Refused as refusal:
            reason, at = str(refusal), clock.now()
            _count("refused")
            memory.refuse(id_, at, reason)
            await self._register.mail_refused(id_, at, reason)
            outcome = letter.sent(refused=reason)
        except Unanswered:
            _count("unanswered")
            outcome = letter.sent(unanswered_at=handed[0])
        except Deferred:
            if handed:
                await self._register.mail_handed(id_, None)
            ending.end()
            raise
        except asyncio.CancelledError:
            ending.end()
            raise
        else:
            at = clock.now()
            _count("accepted")
            # Told to Temporal first: it remembers, should the register be down.
            memory.accept(id_, at)
            await self._register.mail_accepted(id_, at, reply)
            outcome = letter.sent(accepted_at=at)
        return outcome, ending


@dataclass(frozen=True)
class _Ending:
    """Whether this activity was asked to end while it did something."""

    cancelled: bool
    worker_stops: bool

    def end(self) -> None:
        """End it now, if it was: what is left is tried again elsewhere, or no more."""
        if self.cancelled:
            raise asyncio.CancelledError
        if self.worker_stops:
            raise ApplicationError(
                "Le worker s'arrête : la suite ailleurs",
                type="WorkerStops",
                next_retry_delay=timedelta(seconds=1),
            )


async def _asked_to_end(work: asyncio.Future[str], engaged: Callable[[], bool]) -> _Ending:
    """Wait until that work is done. Should this activity be cancelled, or its worker stop, work that
    is not engaged is given up; what is engaged is waited for."""
    stops = asyncio.ensure_future(activity.wait_for_worker_shutdown())
    cancelled = False
    try:
        while not work.done():
            waited: set[asyncio.Future[Any]] = {work} if stops.done() else {work, stops}
            try:
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                cancelled = True
            if (cancelled or stops.done()) and not engaged():
                work.cancel()
        return _Ending(cancelled, stops.done())
    finally:
        stops.cancel()


class _Memory:
    """What the mail server answered, told to Temporal, which gives it back to the next attempt: the
    register may be away for longer than this one."""

    def __init__(self) -> None:
        self.accepted: dict[str, datetime] = {}
        self.refused: dict[str, tuple[datetime, str]] = {}
        details = activity.info().heartbeat_details
        told = details[0] if details and isinstance(details[0], dict) else {}
        for id_, what in told.items():
            if isinstance(what, str):
                self.accepted[id_] = datetime.fromisoformat(what)
            else:
                at, reason = what
                self.refused[id_] = datetime.fromisoformat(at), reason
        if told:
            self.tell()

    def accept(self, id_: str, at: datetime) -> None:
        self.accepted[id_] = at
        self.tell()

    def refuse(self, id_: str, at: datetime, reason: str) -> None:
        self.refused[id_] = at, reason
        self.tell()

    def tell(self) -> None:
        activity.heartbeat(
            {
                **{id_: at.isoformat() for id_, at in self.accepted.items()},
                **{id_: [at.isoformat(), why] for id_, (at, why) in self.refused.items()},
            }
        )


def _there_is_time_for(longest: timedelta, clock: BusinessClock) -> bool:
    """Whether this attempt has time for another message, however slow the server is. An activity
    that was given less than that from the start, by code of before, goes on while it may."""
    info = activity.info()
    given = info.start_to_close_timeout
    if given is None or given <= longest:
        return True
    return clock.now() - info.started_time + longest < given


def _says_otherwise(row: MailRow, content: str | None) -> bool:
    """Whether something else left, or may have left, under that key."""
    left = row.state == "accepted" or row.handed_at is not None
    return left and None not in {row.content, content} and row.content != content


def _count(state: str, number: int = 1) -> None:
    """Measured, for those who watch over the sending: ``onboarding_mails_total``."""
    activity.metric_meter().create_counter("onboarding_mails").add(number, {"state": state})
