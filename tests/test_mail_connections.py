"""The connections to the mail server that are kept, against real servers that tire of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, Envelope, Session

from activities.mails import connections as kept
from activities.mails.connections import AT_ONCE, Connections
from activities.mails.smtp import (
    MESSAGES,
    Deferred,
    Misconfigured,
    Refused,
    Unanswered,
    Unreachable,
)
from settings import Mailbox, Settings
from tests.smtp import HOST, MailServer, mail_server, self_signed

TO = "a.noel@musee.fr"
OTHER = "r.lacroix@musee.fr"
MESSAGE = b"Subject: Bonjour\r\n\r\nBonjour.\r\n"


@dataclass
class TiringServer(MailServer):
    """Says something else than yes to the MAIL commands of a connection after the first ones.

    ``limit`` is how many it takes a connection, ``tired`` what it answers then: an answer, or
    ``gone`` (it closes without a word) or ``silent``. ``lost_at`` closes at RCPT or DATA.
    """

    limit: int = 1_000
    tired: str = "421 4.7.0 Too many messages in this connection"
    lost_at: str = ""
    asked: int = 0
    """MAIL commands."""
    left: int = 0
    """Times that a client said goodbye."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    served: Counter[int] = field(default_factory=Counter)

    async def handle_MAIL(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        self.asked += 1
        self.served[id(session)] += 1
        if self.served[id(session)] <= self.limit:
            return await super().handle_MAIL(server, session, envelope, address, options)
        if self.tired == "gone":
            _abort(server)
        if self.tired == "silent":
            await asyncio.sleep(30)
        return self.tired

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.lost_at == "RCPT":
            _abort(server)
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if self.lost_at == "DATA":
            _abort(server)
        if self.lost_at == "answer":
            self.hanging.set()
            await asyncio.sleep(30)
        return answer

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        self.left += 1
        return "221 Bye"


def _abort(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()


def settings_of(port: int, **changes: Any) -> Settings:
    return Settings.model_validate(
        {
            "mail_from": Mailbox(name="Mileo Technology", email="onboarding@mileotech.com"),
            "head_of_projects": Mailbox(name="Paul Mercier", email="p.mercier@mileotech.com"),
            "smtp_host": HOST,
            "smtp_port": port,
            "smtp_security": "none",
            "smtp_timeout_seconds": 0.5,
        }
        | changes
    )


@asynccontextmanager
async def connections_to(port: int, **changes: Any) -> AsyncIterator[Connections]:
    connections = Connections(settings_of(port, **changes))
    try:
        yield connections
    finally:
        await connections.close()


async def send(connections: Connections, *to: str) -> list[str]:
    """A mail to each of these, or to one person."""
    async with connections.conversation() as conversation:
        return [await conversation.deliver(one, MESSAGE) for one in to or (TO,)]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[TiringServer]:
    async with mail_server(TiringServer()) as box:
        assert isinstance(box, TiringServer)
        yield box


# --- Kept ------------------------------------------------------------------------------------


async def test_mails_one_after_the_other_share_a_connection(server: TiringServer) -> None:
    async with connections_to(server.port) as connections:
        for _ in range(5):
            await send(connections, TO, OTHER)
    assert server.connections == 1
    assert len(server.taken) == 10


async def test_encryption_and_authentication_are_done_once(tmp_path: Path) -> None:
    theirs, ours = self_signed(tmp_path)
    async with mail_server(starttls=theirs, auth=True) as box:
        settings = settings_of(
            box.port, smtp_security="starttls", smtp_user="mileo", smtp_password="s3cret"
        )
        connections = Connections(settings, ours)
        for _ in range(3):
            await send(connections)
        await connections.close()
    assert box.encrypted == [True] * 3
    assert box.logins == [("mileo", "s3cret")]


async def test_two_mails_at_once_take_two_connections_and_leave_them_to_the_next(
    server: TiringServer,
) -> None:
    async with connections_to(server.port) as connections:
        async with connections.conversation() as one, connections.conversation() as other:
            await asyncio.gather(one.deliver(TO, MESSAGE), other.deliver(OTHER, MESSAGE))
        assert server.connections == 2
        await asyncio.gather(send(connections), send(connections))
        await send(connections)
    assert server.connections == 2
    assert len(server.taken) == 5


async def test_many_mails_at_once_wait_for_their_turn(server: TiringServer) -> None:
    async with connections_to(server.port) as connections:
        await asyncio.gather(*(send(connections) for _ in range(20)))
    assert server.connections == AT_ONCE
    assert len(server.taken) == 20


async def test_a_turn_that_does_not_come_is_a_server_out_of_reach(
    server: TiringServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_PATIENCE_SECONDS", 0.05)
    async with connections_to(server.port) as connections:
        taken = asyncio.Event()
        done = asyncio.Event()

        async def holds() -> None:
            async with connections.conversation():
                taken.set()
                await done.wait()

        holders = [asyncio.create_task(holds()) for _ in range(AT_ONCE)]
        await taken.wait()
        with pytest.raises(Unreachable, match="prises"):
            await send(connections)
        done.set()
        await asyncio.gather(*holders)
        await send(connections)
    assert len(server.taken) == 1


async def test_a_connection_carries_a_hundred_messages(server: TiringServer) -> None:
    async with connections_to(server.port) as connections:
        await send(connections, *[TO] * MESSAGES)
        assert server.connections == 1
        await send(connections)
    assert server.connections == 2
    assert len(server.taken) == MESSAGES + 1


# --- Let go ----------------------------------------------------------------------------------


async def test_a_connection_that_serves_nobody_is_closed_politely(server: TiringServer) -> None:
    connections = Connections(settings_of(server.port), idle_seconds=0.05)
    await send(connections)
    assert server.left == 0
    await asyncio.sleep(0.3)
    assert server.left == 1
    await send(connections)
    assert server.connections == 2
    await connections.close()


async def test_closing_takes_leave_of_the_server_and_nothing_is_kept_after(
    server: TiringServer,
) -> None:
    connections = Connections(settings_of(server.port))
    async with connections.conversation() as late:
        await send(connections)
        await connections.close()
        assert server.left == 1
        # What is under way may end.
        await late.deliver(TO, MESSAGE)
    assert server.left == 2
    assert len(server.taken) == 2


async def test_a_connection_that_refused_something_serves_the_mail_under_way_only(
    server: TiringServer,
) -> None:
    server.replies[OTHER] = ["550 5.1.1 No such user"]
    async with connections_to(server.port) as connections:
        async with connections.conversation() as conversation:
            await conversation.deliver(TO, MESSAGE)
            with pytest.raises(Refused):
                await conversation.deliver(OTHER, MESSAGE)
        assert server.left == 1
        server.replies[OTHER] = ["451 4.7.1 later"]
        async with connections.conversation() as conversation:
            with pytest.raises(Deferred):
                await conversation.deliver(OTHER, MESSAGE)
            await conversation.deliver(TO, MESSAGE)
    assert server.connections == 2
    assert server.recipients == [TO, TO]


async def test_a_message_given_up_half_way_takes_its_connection_with_it(
    server: TiringServer,
) -> None:
    async with connections_to(server.port, smtp_timeout_seconds=30) as connections:
        await send(connections)
        server.lost_at = "answer"
        under_way = asyncio.create_task(send(connections))
        await server.hanging.wait()
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
        server.lost_at = ""
        await send(connections)
    assert server.connections == 2


# --- Found dead, or tired --------------------------------------------------------------------


async def test_a_server_that_closes_what_is_idle_costs_a_new_connection_only() -> None:
    async with (
        mail_server(TiringServer(), patience=0.1) as box,
        connections_to(box.port) as connections,
    ):
        await send(connections)
        await asyncio.sleep(0.3)
        await send(connections)
    assert box.connections == 2
    assert len(box.taken) == 2


async def test_a_server_that_was_started_again_costs_a_new_connection_only() -> None:
    async with mail_server() as before:
        connections = Connections(settings_of(before.port))
        await send(connections)
    with pytest.raises(Unreachable):
        await send(connections)
    async with mail_server(port=before.port) as after:
        await send(connections, TO, OTHER)
        await connections.close()
    assert (before.recipients, after.recipients) == ([TO], [TO, OTHER])
    assert after.connections == 1


@pytest.mark.parametrize(
    "tired",
    [
        "421 4.7.0 Too many messages in this connection",
        "451 4.7.1 Try later",
        "452 4.5.3 Too many messages",
        "554 5.5.0 Session limit",
        "gone",
        "silent",
    ],
)
async def test_a_server_that_tires_of_a_connection_is_asked_again_over_a_new_one(
    server: TiringServer, tired: str
) -> None:
    server.limit, server.tired = 2, tired
    async with connections_to(server.port) as connections:
        for _ in range(2):
            await send(connections, TO, OTHER, TO)
    # Two a connection, six in all, each once.
    assert server.connections == 3
    assert server.recipients == [TO, OTHER, TO] * 2


@pytest.mark.parametrize(
    ("tired", "told"),
    [
        ("421 4.3.2 Closing", Deferred),
        ("451 4.7.1 Try later", Deferred),
        ("553 5.1.8 Sender unknown", Refused),
        ("530 5.7.0 Authentication required", Misconfigured),
        ("gone", Deferred),
        ("silent", Deferred),
    ],
)
async def test_what_a_new_connection_answers_is_the_last_word(
    server: TiringServer, tired: str, told: type[Exception]
) -> None:
    server.tired = tired
    async with connections_to(server.port) as connections:
        await send(connections)
        server.limit = 0
        with pytest.raises(told):
            await send(connections)
    assert server.connections == 2
    assert server.asked == 3


@pytest.mark.parametrize("lost_at", ["RCPT", "DATA"])
async def test_once_a_recipient_was_named_nothing_is_tried_again(
    server: TiringServer, lost_at: str
) -> None:
    async with connections_to(server.port) as connections:
        await send(connections)
        server.lost_at = lost_at
        with pytest.raises(Unanswered if lost_at == "DATA" else Deferred, match="connexion perdue"):
            await send(connections, OTHER)
        assert server.connections == 1
    # Lost after it was taken, it was taken once.
    assert server.recipients.count(OTHER) == (lost_at == "DATA")


async def test_a_recipient_refused_over_a_kept_connection_is_refused(server: TiringServer) -> None:
    async with connections_to(server.port) as connections:
        await send(connections)
        server.replies[TO] = ["550 5.1.1 No such user"]
        with pytest.raises(Refused, match=r"550 5\.1\.1"):
            await send(connections)
    assert server.connections == 1
