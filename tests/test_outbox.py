"""Nothing leaves twice, and what may have been received is told: against a real SMTP server."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from temporalio.exceptions import ApplicationError

from activities.ending import BRIEF
from activities.mails.smtp import patience
from process.content import of_document, of_mail
from process.orders import DocumentOrder
from settings import Mailbox, Settings
from tests.test_mail_composing import DECIDER, LEAD, mail_order
from tests.test_mail_smtp import STARTED, Sender, sender, server
from worker import GRACE
from workflows.effects import MAIL_ATTEMPT

if TYPE_CHECKING:
    from temporalio.testing import ActivityEnvironment

    from process.orders import MailOrder
    from tests.smtp import MailServer

__all__ = ["sender", "server"]

LATER = STARTED + timedelta(days=1)
QUICK: dict[str, Any] = {"smtp_timeout_seconds": 5, "smtp_data_timeout_seconds": 0.3}


def to_lead(**changes: Any) -> MailOrder:
    return mail_order(recipients=[LEAD], **changes)


# --- A server that answers late, or never ------------------------------------------------------


async def test_the_answer_to_a_message_has_a_patience_of_its_own(
    sender: Sender, server: MailServer
) -> None:
    server.late = [1.0]
    report = await sender.send(to_lead(), server.port, smtp_timeout_seconds=0.4)
    assert report.mails[0].accepted_at
    assert len(server.taken) == 1


@pytest.mark.parametrize("how", ["silent", "lost"])
async def test_what_was_never_answered_is_told_and_not_sent_again(
    sender: Sender, server: MailServer, how: str
) -> None:
    if how == "silent":
        server.late = [30]
    else:
        server.unheard = 1
    first = await sender.send(to_lead(), server.port, **QUICK)
    [mail] = first.mails
    assert mail.unanswered_at
    assert STARTED <= mail.unanswered_at < STARTED + timedelta(seconds=10)
    assert (mail.accepted_at, mail.refused) == (None, None)
    # Whoever asks again, a worker that was killed at that instant included.
    assert await sender.send(to_lead(), server.port, attempt=2, started=LATER) == first
    assert server.named == [LEAD.email]
    # A person says so, or a day has passed: once more, as the same message.
    again = await sender.send(to_lead(anew_from=LATER), server.port, started=LATER)
    assert again.mails[0].accepted_at
    assert again.mails[0].message_id == mail.message_id
    assert {message["Message-ID"] for _, message in server.taken} == {mail.message_id}
    row = await sender.row(mail.to)
    assert (row.state, row.handed_at) == ("accepted", None)


async def test_what_is_lost_before_the_final_dot_is_tried_again(
    sender: Sender, server: MailServer
) -> None:
    async def down(*_: object) -> None:
        raise ConnectionError("the register is down")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sender.register, "mail_handed", down)
        with pytest.raises(ConnectionError):
            await sender.send(to_lead(), server.port)
    assert server.taken == []
    assert (await sender.send(to_lead(), server.port, attempt=2)).mails[0].accepted_at


async def test_a_message_put_off_after_the_final_dot_leaves_no_doubt(
    sender: Sender, server: MailServer
) -> None:
    server.data_replies = ["452 4.3.1 disk full"]
    with pytest.raises(ApplicationError, match="1 sur 1 \\(452\\)"):
        await sender.send(to_lead(), server.port)
    assert (await sender.send(to_lead(), server.port, attempt=2)).mails[0].accepted_at


def test_every_time_out_holds_those_within_it() -> None:
    longest: dict[str, float] = {}
    for name in ("smtp_timeout_seconds", "smtp_data_timeout_seconds"):
        [bound] = [one.le for one in Settings.model_fields[name].metadata if hasattr(one, "le")]
        longest[name] = bound
    settings = Settings.model_construct(None, **cast("Any", longest))
    after_the_dot = timedelta(seconds=settings.smtp_data_timeout_seconds)
    assert timedelta(minutes=10) <= after_the_dot  # RFC 5321, section 4.5.3.2.6
    assert patience(settings) < MAIL_ATTEMPT
    assert BRIEF < after_the_dot < GRACE
    compose = yaml.safe_load(Path("docker-compose.yml").read_text(encoding="utf-8"))
    stop = re.fullmatch(r"(\d+)m", compose["services"]["worker"]["stop_grace_period"])
    assert stop
    assert timedelta(minutes=int(stop[1])) > GRACE


# --- What is known, and by what ----------------------------------------------------------------


async def test_another_domain_of_the_sender_sends_nothing_again(
    sender: Sender, server: MailServer
) -> None:
    moved: dict[str, Any] = {"mail_from": Mailbox(name="Mileo", email="onboarding@mileo.example")}
    server.replies[DECIDER.email or ""] = ["451 later"]
    with pytest.raises(ApplicationError):
        await sender.send(mail_order(), server.port)
    report = await sender.send(mail_order(), server.port, started=LATER, **moved)
    assert sorted(server.recipients) == sorted([LEAD.email or "", DECIDER.email or ""])
    # The message that had been put off keeps the name it was first tried under.
    assert all(mail.message_id.endswith("@mileotech.com>") for mail in report.mails)
    assert server.taken[-1][1]["Message-ID"].endswith("@mileotech.com>")
    other = await sender.send(to_lead(key="other"), server.port, **moved)
    assert other.mails[0].message_id.endswith("@mileo.example>")


@pytest.mark.parametrize("register_away", [False, True])
async def test_a_refusal_is_not_asked_for_again_while_another_is_put_off(
    sender: Sender, server: MailServer, monkeypatch: pytest.MonkeyPatch, *, register_away: bool
) -> None:
    lead, decider = LEAD.email or "", DECIDER.email or ""
    server.replies = {lead: ["550 5.1.1 no"], decider: ["451 later"]}
    remembered: tuple[Any, ...] = ()
    if register_away:

        async def down(*_: object) -> None:
            raise ConnectionError("the register is down")

        with monkeypatch.context() as patch:
            patch.setattr(sender.register, "mail_refused", down)
            with pytest.raises(ConnectionError):
                await sender.send(mail_order(), server.port)
        remembered = (sender.beats[-1],)
    else:
        with pytest.raises(ApplicationError):
            await sender.send(mail_order(), server.port)
    for _ in range(2):
        server.replies[decider] = server.replies.get(decider) or ["451 later"]
        with pytest.raises(ApplicationError):
            await sender.send(mail_order(), server.port, attempt=2, remembered=remembered)
    report = await sender.send(mail_order(), server.port, attempt=4)
    assert server.named.count(lead) == 1
    assert {mail.to: mail.refused for mail in report.mails} == {lead: "550 5.1.1 no", decider: None}


async def test_what_is_known_is_told_while_the_rest_is_put_off(
    sender: Sender, server: MailServer
) -> None:
    decider = DECIDER.email or ""
    server.replies[decider] = ["451 later", "451 later"]
    order = mail_order(progressive=True)
    report = await sender.send(order, server.port)
    settled = [mail for mail in report.mails if mail.is_settled]
    assert [mail.to for mail in settled] == [LEAD.email]
    # Nothing more to tell: it is tried again.
    order = order.model_copy(update={"settled": settled})
    with pytest.raises(ApplicationError, match="1 sur 1"):
        await sender.send(order, server.port)
    whole = await sender.send(order, server.port, started=LATER)
    assert whole.mails[0].accepted_at == settled[0].accepted_at or (
        whole.mails[1].accepted_at == settled[0].accepted_at
    )
    assert len(server.taken) == 2


async def test_something_else_under_the_same_key_is_not_what_was_sent(
    sender: Sender, server: MailServer
) -> None:
    first = await sender.send(to_lead(), server.port)
    other = to_lead(attachments=["GUI-CTR-2025-014-1-v2"])
    assert (await sender.send(other, server.port)).superseded
    assert await sender.send(to_lead(), server.port) == first
    assert len(server.taken) == 1


def test_the_same_content_is_the_same_whoever_receives_it_and_whenever() -> None:
    order = mail_order(data={"notice_hours": 80, "starts_at": "2025-06-02T08:00:00+02:00"})
    same = order.model_copy(
        update={
            "recipients": [LEAD],
            "data": {**order.data, "notice_hours": 72},
            "reply_to": LEAD,
        }
    )
    moved = order.model_copy(
        update={"data": {**order.data, "starts_at": "2025-06-03T08:00:00+02:00"}}
    )
    assert of_mail(order) == of_mail(same) != of_mail(moved)
    assert of_mail(mail_order("reminder")) is None

    document = DocumentOrder(
        onboarding="X",
        kind="guide_utilisateur",
        reference="GUI-X-1-v1",
        version=1,
        dated_on="2025-05-26",
        issuer=None,
        recipients=[LEAD],
        sites=["EVX"],
        data={"held_on": "2025-05-25"},
    )
    later = document.model_copy(update={"dated_on": "2025-05-27", "version": 2})
    other = document.model_copy(update={"data": {"held_on": "2025-05-24"}})
    assert of_document(document) == of_document(later) != of_document(other)


# --- Asked to end ------------------------------------------------------------------------------


async def test_a_worker_that_stops_waits_for_what_it_handed_over_and_begins_nothing_more(
    sender: Sender, server: MailServer
) -> None:
    server.late = [0.6]

    async def stop(environment: ActivityEnvironment) -> None:
        await server.whole.wait()
        environment.worker_shutdown()

    with pytest.raises(ApplicationError) as caught:
        await sender.send(mail_order(), server.port, during=stop)
    assert caught.value.type == "WorkerStops"
    assert not caught.value.non_retryable
    assert len(server.named) == len(server.taken) == 1
    report = await sender.send(mail_order(), server.port, attempt=2)
    assert all(mail.accepted_at for mail in report.mails)
    assert len(server.taken) == 2


@pytest.mark.parametrize("how", ["stopped", "cancelled"])
async def test_what_is_not_handed_over_is_given_up_at_once(sender: Sender, how: str) -> None:
    heard = asyncio.Event()
    talking: list[asyncio.StreamWriter] = []

    async def mute(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        talking.append(writer)

    async def ended(environment: ActivityEnvironment) -> None:
        await heard.wait()
        if how == "stopped":
            environment.worker_shutdown()
        else:
            environment.cancel()

    mute_server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = mute_server.sockets[0].getsockname()[1]
    async with asyncio.timeout(20):
        with pytest.raises((ApplicationError, asyncio.CancelledError)) as caught:
            await sender.send(to_lead(), port, smtp_timeout_seconds=300, during=ended)
    assert getattr(caught.value, "type", "") == ("WorkerStops" if how == "stopped" else "")
    for writer in talking:
        writer.close()
        await writer.wait_closed()
    mute_server.close()
    assert (await sender.row(LEAD.email or "")).handed_at is None


async def test_a_cancelled_mail_records_what_the_server_has_taken(
    sender: Sender, server: MailServer
) -> None:
    server.late = [0.6]

    async def cancel(environment: ActivityEnvironment) -> None:
        await server.whole.wait()
        environment.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sender.send(mail_order(), server.port, during=cancel)
    assert len(server.named) == len(server.taken) == 1
    states = [row.state for row in await sender.register.mails("CTR-2025-014")]
    assert sorted(states) == ["accepted", "pending"]


async def test_a_cancelled_mail_tells_the_run_whom_it_has_reached(
    sender: Sender, server: MailServer
) -> None:
    """Their calendars hold its events, which must be taken away should others replace them."""
    server.late = [0.6]

    async def cancel(environment: ActivityEnvironment) -> None:
        await server.whole.wait()
        environment.cancel()

    order = mail_order().model_copy(update={"progressive": True})
    report = await sender.send(order, server.port, during=cancel)
    assert len(server.taken) == 1
    assert [one.is_settled for one in report.mails] == [True, False]
    assert report.mails[0].accepted_at
