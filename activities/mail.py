"""Sends the e-mails: one message a recipient, never twice, with the proof of what left when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import BusinessClock
from activities.heart import beating
from activities.mails.composing import compose, message_id
from activities.mails.connections import Connections
from activities.mails.enclosures import Enclosure, enclose
from activities.mails.smtp import Deferred, Misconfigured, Refused, Unreachable
from activities.mails.texts import WITHOUT_CONTRACT, MailUnsafe
from process.contract import Contract
from process.orders import MailOrder, MailReport, Recipient, SentMail
from register.store import Register
from settings import Settings
from storage.document_store import DocumentStore


@dataclass(frozen=True)
class _Letter:
    recipient: Recipient
    email: str
    message_id: str
    message: EmailMessage

    def sent(self, accepted_at: datetime | None = None, refused: str | None = None) -> SentMail:
        return SentMail(
            to=self.email,
            role=self.recipient.role,
            message_id=self.message_id,
            accepted_at=accepted_at,
            refused=refused,
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

        A message the server has accepted is never sent again, whoever asks: the instant of its
        acceptance is what counts for O5, O7, O9, O10, O13, O14 and O15. A definitive refusal
        is in the report, and does not stop the others. What no sender can exclude: a worker
        killed between the server's acceptance and its record sends once more, under the same
        Message-ID.

        Errors: ``MailDeferred`` (some message is not taken yet) and ``MailServerMisconfigured``
        (an operator must act) are worth a retry; ``MailUnsafe`` is not.
        """
        clock = BusinessClock()
        documents, letters = await self._letters(self._addressed(order), clock.now())
        sent: dict[str, SentMail] = {}
        accepted_before = _remembered()
        for letter in letters:
            row = await self._register.begin_mail(
                order, letter.recipient, letter.message_id, str(letter.message["Subject"])
            )
            accepted_at = row.accepted_at if row.state == "accepted" else None
            if accepted_at is None and letter.message_id in accepted_before:
                # The previous attempt ended between the acceptance and its record.
                accepted_at = datetime.fromisoformat(accepted_before[letter.message_id])
                await self._register.mail_accepted(letter.message_id, accepted_at, "")
            if accepted_at is not None:
                sent[letter.message_id] = letter.sent(accepted_at=accepted_at)

        left = [letter for letter in letters if letter.message_id not in sent]
        if left:
            sent |= await self._deliver(left, clock, accepted_before)
        return MailReport(
            kind=order.kind,
            key=order.key,
            mails=[sent[letter.message_id] for letter in letters],
            withheld=[document.reference for document in documents if document.is_withheld],
        )

    # --- Before the conversation --------------------------------------------------------------

    def _addressed(self, order: MailOrder) -> MailOrder:
        """The order with the head of projects' address, and each address once."""
        recipients: dict[str, Recipient] = {}
        for recipient in map(self._resolved, order.recipients):
            recipients.setdefault((recipient.email or "").lower(), recipient)
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
        self, order: MailOrder, at: datetime
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
            letters = await asyncio.to_thread(self._composed, order, contract, documents, at)
        except MailUnsafe as error:
            raise ApplicationError(str(error), type="MailUnsafe", non_retryable=True) from None
        return documents, letters

    def _composed(
        self, order: MailOrder, contract: Contract | None, documents: list[Enclosure], at: datetime
    ) -> list[_Letter]:
        sender = self._settings.mail_from
        return [
            _Letter(
                recipient,
                recipient.email or "",
                message_id(order, recipient.email or "", sender),
                compose(order, contract, recipient, order.recipients, sender, documents, at),
            )
            for recipient in order.recipients
        ]

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
        self, letters: list[_Letter], clock: BusinessClock, accepted: dict[str, str]
    ) -> dict[str, SentMail]:
        sent: dict[str, SentMail] = {}
        reasons: set[str] = set()
        try:
            async with (
                beating(lambda: activity.heartbeat(accepted)),
                self._connections.conversation() as conversation,
            ):
                for letter in letters:
                    # In a thread, one at a time: ten megabytes take a tenth of a second.
                    message = await asyncio.to_thread(bytes, letter.message)
                    try:
                        reply = await conversation.deliver(letter.email, message)
                    except Refused as refusal:
                        reason = str(refusal)
                        await self._register.mail_refused(letter.message_id, clock.now(), reason)
                        _count("refused")
                        sent[letter.message_id] = letter.sent(refused=reason)
                    except Unreachable:
                        raise
                    except Deferred as deferred:
                        reasons.add(str(deferred))
                    else:
                        at = clock.now()
                        _count("accepted")
                        # Told to Temporal first: it remembers, should the register be down.
                        accepted[letter.message_id] = at.isoformat()
                        activity.heartbeat(accepted)
                        await self._register.mail_accepted(letter.message_id, at, reply)
                        sent[letter.message_id] = letter.sent(accepted_at=at)
        except Unreachable as unreachable:
            reasons.add(str(unreachable))
        except Misconfigured as error:
            raise ApplicationError(str(error), type="MailServerMisconfigured") from None
        if missing := len(letters) - len(sent):
            _count("deferred", missing)
            raise ApplicationError(
                f"Messages que le serveur de messagerie n'a pas encore pris en charge : "
                f"{missing} sur {len(letters)} ({', '.join(sorted(reasons))})",
                type="MailDeferred",
            )
        return sent


def _count(state: str, number: int = 1) -> None:
    """Measured, for those who watch over the sending: ``onboarding_mails_total``."""
    activity.metric_meter().create_counter("onboarding_mails").add(number, {"state": state})


def _remembered() -> dict[str, str]:
    """What the previous attempt told: the instant of acceptance by Message-ID."""
    details = activity.info().heartbeat_details
    return dict(details[0]) if details and isinstance(details[0], dict) else {}
