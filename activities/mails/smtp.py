"""The conversation with the mail server (RFC 5321), and what its answers mean."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NoReturn

import aiosmtplib
from aiosmtplib.protocol import PERIOD_REGEX, normalize_message_line_endings

from activities.mails.headers import header_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from settings import Settings

MESSAGES: Final = 100
"""What one connection carries at most: many servers set a limit, and a name may stand for several."""

_FAREWELL_SECONDS: Final = 2
_MAX_REPLY: Final = 500
_TRANSMITTING_SECONDS: Final = 0.02
_EXCHANGES: Final = 10
"""Before a message is handed over whole: greeting, presentation, encryption, authentication,
sender, recipient, text."""

_GO_AHEAD: Final = 354
_ACCEPTED: Final = range(200, 300)
_TRANSIENT: Final = range(400, 500)
_PERMANENT: Final = range(500, 600)
_TO_BE_AUTHENTICATED: Final = frozenset({530, 534, 535, 538})
"""RFC 4954: the server wants other credentials than ours, or none over this connection."""


class Refused(Exception):  # noqa: N818 - it says what happened
    """The server's definitive refusal of one message, in its own words."""


class Deferred(Exception):  # noqa: N818 - it says what happened
    """The server did not take the message; it may do so later. Says why, without a name."""


class Unreachable(Deferred):
    """No conversation is possible at present, whoever the recipient."""


class Unanswered(Exception):  # noqa: N818 - it says what happened
    """The message was handed over whole, and there was no answer: the server may have taken it,
    and has no way to be asked."""


class Misconfigured(Exception):  # noqa: N818 - it says what happened
    """An operator has something to set right. Says what, in French, without a secret."""


def patience(settings: Settings) -> timedelta:
    """How long one message may take at most, a silent server included: the patience of each
    command (RFC 5321, section 4.5.3.2), then that of the answer to the final dot."""
    before = _EXCHANGES * settings.smtp_timeout_seconds
    return timedelta(seconds=before + settings.smtp_data_timeout_seconds)


class Conversation:
    """One SMTP connection for many messages, one after the other; opened by the first, and again
    if it is lost."""

    def __init__(self, settings: Settings, tls: ssl.SSLContext | None) -> None:
        self._sender: Final = settings.mail_from.email
        self._timeout: Final = settings.smtp_timeout_seconds
        self._data_timeout: Final = settings.smtp_data_timeout_seconds
        self._messages = 0
        self._last_accepted = False
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

    @property
    def may_go_on(self) -> bool:
        """Whether others may use this connection: its last message was accepted. What it refused,
        it may have refused because of what it is."""
        return self._client.is_connected and self._last_accepted

    async def leave(self) -> None:
        """Close the connection."""
        if self._client.is_connected:
            # Everything is said: how the server takes leave changes nothing.
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit(timeout=_FAREWELL_SECONDS)
        self._client.close()

    async def deliver(
        self, to: str, message: bytes, handing: Callable[[], Awaitable[None]] | None = None
    ) -> str:
        """Hand a message over. Returns the server's words of acceptance. ``handing`` is awaited
        when all is said but the final dot, without which no server has the message: what it raises
        is raised, and the message stays here.

        Raises Refused, Deferred, Unreachable, Misconfigured, or Unanswered: then, and only then,
        the server may have taken the message.
        """
        self._last_accepted = False
        handed = False
        try:
            await self._begin(len(message))
            await self._client.rcpt(to)
            await self._say(message)
            if handing is not None:
                await handing()
            handed = True
            answer = await self._client.execute_command(b".", timeout=self._data_timeout)
            if answer.code not in _ACCEPTED:
                raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        except aiosmtplib.SMTPResponseException as error:
            if handed and error.code not in _TRANSIENT and error.code not in _PERMANENT:
                self._client.close()
                raise Unanswered("réponse illisible") from None
            await self._begin_anew()
            _judge(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            reason = _silence(error) or "connexion perdue"
            raise (Unanswered(reason) if handed else Deferred(reason)) from None
        except BaseException:
            # Cancelled: the answer to come would be taken for that to something else.
            self._client.close()
            raise
        self._messages += 1
        self._last_accepted = True
        return _reply(answer.message)

    async def _say(self, message: bytes) -> None:
        """The whole message but its final dot, out of our hands: a server that reads no more has
        not taken it. Raises ``TimeoutError`` when nothing more leaves for the patience of a
        command."""
        answer = await self._client.execute_command(b"DATA")
        if answer.code != _GO_AHEAD:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        transport = self._client.transport
        if not isinstance(transport, asyncio.WriteTransport):
            raise aiosmtplib.SMTPServerDisconnected("connection lost")
        transport.write(PERIOD_REGEX.sub(b"..", normalize_message_line_endings(message)))
        loop = asyncio.get_running_loop()
        ahead, since = transport.get_write_buffer_size(), loop.time()
        while ahead and not transport.is_closing():
            await asyncio.sleep(_TRANSMITTING_SECONDS)
            now_ahead = transport.get_write_buffer_size()
            if now_ahead < ahead:
                ahead, since = now_ahead, loop.time()
            elif loop.time() - since > self._timeout:
                raise TimeoutError
        if transport.is_closing():
            raise aiosmtplib.SMTPServerDisconnected("connection lost")

    async def _begin(self, size: int) -> None:
        """Announce a message of that many bytes, over the connection there is or a new one.

        A connection used before may have died since, or be told that it has served enough: only
        what a new one answers counts. Nothing of the message was said until then, not even for
        whom it is: no server can have taken it.
        """
        if self._client.is_connected:
            if self._messages < MESSAGES:
                with suppress(aiosmtplib.SMTPException, OSError):
                    await self._announce(size)
                    return
            await self.leave()
        await self._connect()
        await self._announce(size)

    async def _announce(self, size: int) -> None:
        options = [f"SIZE={size}"] if self._client.supports_extension("size") else []
        await self._client.mail(self._sender, options=options)

    async def _begin_anew(self) -> None:
        try:
            if self._client.is_connected:
                await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._client.close()

    async def _connect(self) -> None:
        self._messages = 0
        try:
            await self._client.connect()
            await self._present()
        except aiosmtplib.SMTPAuthenticationError as error:
            self._client.close()
            if error.code in _PERMANENT:
                raise Misconfigured(
                    f"Le serveur de messagerie refuse l'authentification ({error.code}) : "
                    "vérifier ONBOARDING_SMTP_USER et ONBOARDING_SMTP_PASSWORD"
                ) from None
            raise Unreachable(str(error.code)) from None
        except aiosmtplib.SMTPResponseException as error:
            self._client.close()
            raise Unreachable(str(error.code)) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            self._client.close()
            if _is_about_tls(error):
                raise Misconfigured(
                    "La connexion chiffrée au serveur de messagerie échoue (certificat ou "
                    "protocole) : vérifier ONBOARDING_SMTP_HOST et ONBOARDING_SMTP_SECURITY"
                ) from None
            if type(error) is aiosmtplib.SMTPException:
                # The library's words for "it offers no STARTTLS" or "no authentication".
                raise Misconfigured(
                    "Le serveur de messagerie n'offre pas le chiffrement ou l'authentification "
                    "demandés : vérifier ONBOARDING_SMTP_SECURITY et ONBOARDING_SMTP_USER"
                ) from None
            raise Unreachable(_silence(error) or "connexion impossible") from None

    async def _present(self) -> None:
        """Unless it was done for the encryption or the authentication."""
        if self._client.is_ehlo_or_helo_needed:
            try:
                await self._client.ehlo()
            except aiosmtplib.SMTPHeloError:
                await self._client.helo()


def _judge(error: aiosmtplib.SMTPResponseException) -> NoReturn:
    """RFC 5321: a reply 4yz may change later, a reply 5yz is definitive."""
    if error.code in _TO_BE_AUTHENTICATED:
        raise Misconfigured(
            f"Le serveur de messagerie demande une authentification ({error.code}) : "
            "vérifier ONBOARDING_SMTP_USER, _PASSWORD et _SECURITY"
        ) from None
    if error.code in _PERMANENT:
        raise Refused(_reply(f"{error.code} {error.message}")) from None
    raise Deferred(str(error.code)) from None


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
