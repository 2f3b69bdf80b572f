"""Sends the e-mails: one message a recipient, never twice, with the proof of what left when."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Final, NoReturn, Self

import aiosmtplib
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import BusinessClock
from activities.composing import MailUnsafe, compose, header_text, message_id
from activities.document_store import DocumentStore
from process.contract import Contract
from process.orders import MailOrder, MailReport, Recipient, SentMail
from register.store import Register
from settings import Settings

_BEAT_SECONDS: Final = 5
"""How often a sending under way tells that it is alive: a worker that dies is noticed soon."""

_MAX_REPLY: Final = 500
_PERMANENT: Final = range(500, 600)
_TO_BE_AUTHENTICATED: Final = frozenset({530, 534, 535, 538})
"""RFC 4954: the server wants other credentials than ours, or none over this connection."""


class _Refused(Exception):  # noqa: N818 - it says what happened
    """The server's definitive refusal of one message, in its own words."""


class _Deferred(Exception):  # noqa: N818 - it says what happened
    """The server did not take the message; it may do so later. Says why, without a name."""


class _Unreachable(_Deferred):
    """No conversation is possible at present, whoever the recipient."""


class _Misconfigured(Exception):  # noqa: N818 - it says what happened
    """An operator has something to set right. Says what, in French, without a secret."""


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
        self._tls = tls

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
        letters = await self._letters(self._addressed(order), clock.now())
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
            kind=order.kind, key=order.key, mails=[sent[letter.message_id] for letter in letters]
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

    async def _letters(self, order: MailOrder, at: datetime) -> list[_Letter]:
        """Every message of the order, composed before any leaves: all can leave, or none."""
        sender = self._settings.mail_from
        try:
            contract = await self._contract(order.onboarding)
            files = [(f"{name}.pdf", await self._file(name)) for name in order.attachments]
            return [
                _Letter(
                    recipient,
                    recipient.email or "",
                    message_id(order, recipient.email or "", sender),
                    compose(order, contract, recipient, order.recipients, sender, files, at),
                )
                for recipient in order.recipients
            ]
        except MailUnsafe as error:
            raise ApplicationError(str(error), type="MailUnsafe", non_retryable=True) from None

    async def _contract(self, reference: str) -> Contract:
        try:
            return await self._register.contract(reference)
        except KeyError:
            raise MailUnsafe(f"Le contrat {reference} est inconnu du registre") from None

    async def _file(self, reference: str) -> bytes:
        path = await self._register.document_path(reference)
        if path is None:
            raise MailUnsafe(f"Le document {reference} n'est pas au registre")
        return await self._store.get(path)

    # --- The conversation ---------------------------------------------------------------------

    async def _deliver(
        self, letters: list[_Letter], clock: BusinessClock, accepted: dict[str, str]
    ) -> dict[str, SentMail]:
        sent: dict[str, SentMail] = {}
        reasons: set[str] = set()
        try:
            async with _beating(accepted), _Conversation(self._settings, self._tls) as conversation:
                for letter in letters:
                    try:
                        reply = await conversation.deliver(letter.email, bytes(letter.message))
                    except _Refused as refusal:
                        reason = str(refusal)
                        await self._register.mail_refused(letter.message_id, clock.now(), reason)
                        sent[letter.message_id] = letter.sent(refused=reason)
                    except _Unreachable as unreachable:
                        reasons.add(str(unreachable))
                        break
                    except _Deferred as deferred:
                        reasons.add(str(deferred))
                    else:
                        at = clock.now()
                        # Told to Temporal first: it remembers, should the register be down.
                        accepted[letter.message_id] = at.isoformat()
                        activity.heartbeat(accepted)
                        await self._register.mail_accepted(letter.message_id, at, reply)
                        sent[letter.message_id] = letter.sent(accepted_at=at)
        except _Misconfigured as error:
            raise ApplicationError(str(error), type="MailServerMisconfigured") from None
        if missing := len(letters) - len(sent):
            raise ApplicationError(
                f"Messages que le serveur de messagerie n'a pas encore pris en charge : "
                f"{missing} sur {len(letters)} ({', '.join(sorted(reasons))})",
                type="MailDeferred",
            )
        return sent


def _remembered() -> dict[str, str]:
    """What the previous attempt told: the instant of acceptance by Message-ID."""
    details = activity.info().heartbeat_details
    return dict(details[0]) if details and isinstance(details[0], dict) else {}


@asynccontextmanager
async def _beating(accepted: dict[str, str]) -> AsyncIterator[None]:
    """Tell Temporal regularly that the sending goes on, and what is accepted so far."""

    async def beat() -> None:
        while True:
            activity.heartbeat(accepted)
            await asyncio.sleep(_BEAT_SECONDS)

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart


class _Conversation:
    """One SMTP connection for several messages; opened by the first, and again if it is lost."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None) -> None:
        self._sender: Final = settings.mail_from.email
        password = settings.smtp_password
        self._client: Final = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=password.get_secret_value() if password else None,
            use_tls=settings.smtp_security == "tls",
            # Never "if the server offers it": whoever sits in between could unoffer it.
            start_tls=settings.smtp_security == "starttls",
            validate_certs=True,
            tls_context=tls,
            timeout=settings.smtp_timeout_seconds,
            # Not this machine's name, which is nobody's business.
            local_hostname=self._sender.rpartition("@")[2],
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client.is_connected:
            # Everything is said: how the server takes leave changes nothing.
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit()
        self._client.close()

    async def deliver(self, to: str, message: bytes) -> str:
        """Hand a message over. Returns the server's words of acceptance.

        Raises _Refused, _Deferred, _Unreachable or _Misconfigured.
        """
        if not self._client.is_connected:
            await self._connect()
        try:
            _, reply = await self._client.sendmail(self._sender, [to], message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            _judge(error.recipients[0])
        except aiosmtplib.SMTPResponseException as error:
            _judge(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            raise _Deferred(_silence(error) or "connexion perdue") from None
        return _reply(reply)

    async def _connect(self) -> None:
        try:
            await self._client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            self._client.close()
            if error.code in _PERMANENT:
                raise _Misconfigured(
                    f"Le serveur de messagerie refuse l'authentification ({error.code}) : "
                    "vérifier ONBOARDING_SMTP_USER et ONBOARDING_SMTP_PASSWORD"
                ) from None
            raise _Unreachable(str(error.code)) from None
        except aiosmtplib.SMTPResponseException as error:
            self._client.close()
            raise _Unreachable(str(error.code)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            if _is_about_tls(error):
                raise _Misconfigured(
                    "La connexion chiffrée au serveur de messagerie échoue (certificat ou "
                    "protocole) : vérifier ONBOARDING_SMTP_HOST et ONBOARDING_SMTP_SECURITY"
                ) from None
            if type(error) is aiosmtplib.SMTPException:
                # The library's words for "it offers no STARTTLS" or "no authentication".
                raise _Misconfigured(
                    "Le serveur de messagerie n'offre pas le chiffrement ou l'authentification "
                    "demandés : vérifier ONBOARDING_SMTP_SECURITY et ONBOARDING_SMTP_USER"
                ) from None
            raise _Unreachable(_silence(error) or "connexion impossible") from None


def _judge(error: aiosmtplib.SMTPResponseException) -> NoReturn:
    """RFC 5321: a reply 4yz may change later, a reply 5yz is definitive."""
    if error.code in _TO_BE_AUTHENTICATED:
        raise _Misconfigured(
            f"Le serveur de messagerie demande une authentification ({error.code}) : "
            "vérifier ONBOARDING_SMTP_USER, _PASSWORD et _SECURITY"
        ) from None
    if error.code in _PERMANENT:
        raise _Refused(_reply(f"{error.code} {error.message}")) from None
    raise _Deferred(str(error.code)) from None


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _silence(error: Exception) -> str | None:
    return "sans réponse" if isinstance(error, TimeoutError) else None


def _reply(words: str) -> str:
    """The server's words: a stranger's, kept to one line and a reasonable length."""
    return header_text(words)[:_MAX_REPLY]
