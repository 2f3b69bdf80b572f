"""A mail server that misbehaves when told to, and counts what it accepts."""

from __future__ import annotations

import asyncio
import email
import threading
import time
from collections import Counter
from email import policy
from typing import TYPE_CHECKING, Literal

from local.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiosmtpd.smtp import SMTP, Envelope, Session

    from chaos.outcome import Delivery

Manner = Literal["polite", "greylisting", "hanging", "unheard"]
"""What happens to the first message for each address in each round: ``greylisting``, it is put off;
``hanging``, it gets no answer; ``unheard``, it is accepted, and the connection lost before that is
said."""


class Post(Mailbox):
    """A real mail server; ``manner`` and ``round`` may change at any time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.manner: Manner = "polite"
        self.round = 0
        self.deliveries: Counter[Delivery] = Counter()
        self.accepted_at: dict[Delivery, float] = {}
        """When each was first taken, by the monotonic clock."""
        self.put_off = 0
        """Attempts that did not go well."""
        self.on_accepted: Callable[[int], None] = lambda _number: None
        """Told, in the server's own thread, the number of each message it takes."""
        self._met: Counter[str] = Counter()
        self._told = threading.Lock()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Take the recipient, or not yet."""
        if self.manner == "greylisting" and self._first(address):
            self.put_off += 1
            return "451 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take the message, or hang, or take it and leave before saying so."""
        id_ = _message_id(envelope.original_content or b"")
        if self.manner == "hanging" and self._first(envelope.rcpt_tos[0]):
            self.put_off += 1
            await asyncio.sleep(3600)
        answer = await super().handle_DATA(server, session, envelope)
        with self._told:
            for address in envelope.rcpt_tos:
                self.deliveries[id_, address] += 1
                self.accepted_at.setdefault((id_, address), time.monotonic())
            number = self.deliveries.total()
        if self.manner == "unheard" and self._first(envelope.rcpt_tos[0]):
            self.put_off += 1
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        self.on_accepted(number)
        return answer

    def _first(self, address: str) -> bool:
        met = f"{self.round}:{address}"
        self._met[met] += 1
        return self._met[met] == 1


def _message_id(content: bytes) -> str:
    return str(email.message_from_bytes(content, policy=policy.default)["Message-ID"])
