"""Sendings of whole onboardings that meet trouble: once, told, and to whoever is in charge."""

from __future__ import annotations

import asyncio
import email
import uuid
from datetime import timedelta
from email import policy
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, update
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from local.stage import Play, Stage
from register.models import Document, Mail, Onboarding
from tests.playing import PickyMailbox, begin, new, of, phase, sent
from tests.test_life import _kicked_off

if TYPE_CHECKING:
    from email.message import EmailMessage

    from local.scenarios import Story

SCHEDULE = "intervention_schedule"
KEY = f"{SCHEDULE}:P1:1"
POINT = f"mail:{KEY}"


def picky(up: Stage) -> PickyMailbox:
    assert isinstance(up.mailbox, PickyMailbox)
    return up.mailbox


def received(play: Play, kind: str, to: str) -> list[EmailMessage]:
    read = [
        email.message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted(play.stage.mailbox.folder.glob("*.eml"))
    ]
    return [
        one
        for one in read
        if one["X-Mileo-Kind"] == kind
        and one["X-Mileo-Onboarding"] == play.contract.reference
        and one["To"].addresses[0].addr_spec == to
    ]


async def points(play: Play) -> dict[str, str]:
    return {point["id"]: point["message"] for point in (await play.status())["open_points"]}


async def until_known(play: Play, id_: str, *, there: bool = True) -> str:
    """Wait for that open point, or until it is closed; whatever is under way goes on."""
    async with asyncio.timeout(120):
        while (id_ in (found := await points(play))) is not there:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found.get(id_, "")


async def settled(play: Play, id_: str, action: str) -> None:
    told = {"id": id_, "action": action, "by": "Claire Fontaine", "reason": "vu avec le client"}
    assert await play.fact("open_point_settled", **told) == "accepted"


async def asked(play: Play, kind: str) -> int:
    """How many activities were asked for the mails of that kind."""
    orders = [
        event.activity_task_scheduled_event_attributes.input.payloads[0].data
        async for event in play.handle.fetch_history_events()
        if event.activity_task_scheduled_event_attributes.activity_type.name == "send_mail"
    ]
    return sum(f'"kind":"{kind}"'.encode() in order for order in orders)


# --- Never answered ----------------------------------------------------------------------------


async def unheard(up: Stage) -> tuple[Play, Story, str]:
    """A schedule that the client's server takes without saying so."""
    play, story = await _kicked_off(up)
    await play.at(story.instant(6, 10))
    lead = play.contract.client.technical_lead.email
    picky(up).unheard.add(lead)
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
    picky(up).unheard.clear()
    assert len(received(play, SCHEDULE, lead)) == 1
    return play, story, lead


async def test_what_may_have_been_received_is_told_and_a_person_says_that_it_was(
    on_stage: Stage,
) -> None:
    play, story, lead = await unheard(on_stage)
    message = (await points(play))[POINT]
    assert "a peut-être été reçu" in message
    assert lead in message
    assert of(await play.status(), "O5")["met_at"] is None
    await play.at(story.instant(6, 12))
    await settled(play, POINT, "done_otherwise")
    await play.at(story.instant(8, 12))
    status = await play.status()
    assert of(status, "O5")["met_at"].startswith(story.day(6))
    assert status["open_points"] == []
    assert len(received(play, SCHEDULE, lead)) == 1


async def test_a_person_has_it_sent_again_as_the_same_message(on_stage: Stage) -> None:
    play, story, lead = await unheard(on_stage)
    await settled(play, POINT, "retry")
    first, second = received(play, SCHEDULE, lead)
    assert first["Message-ID"] == second["Message-ID"]
    assert await points(play) == {}
    assert of(await play.status(), "O5")["met_at"].startswith(story.day(6))


async def test_without_a_decision_it_leaves_once_more_after_a_day_and_no_more(
    on_stage: Stage,
) -> None:
    play, story, lead = await unheard(on_stage)
    await play.at(story.instant(7, 9))
    assert len(received(play, SCHEDULE, lead)) == 1
    picky(on_stage).unheard.add(lead)
    await play.at(story.instant(7, 12))
    picky(on_stage).unheard.clear()
    assert len({one["Message-ID"] for one in received(play, SCHEDULE, lead)}) == 1
    assert len(received(play, SCHEDULE, lead)) == 2
    assert "ne repart plus de lui-même" in (await points(play))[POINT]
    await play.at(story.instant(9, 12))
    assert len(received(play, SCHEDULE, lead)) == 2
    await settled(play, POINT, "retry")
    assert await points(play) == {}
    # The others had theirs once.
    others = [one for one in sent(await play.status(), SCHEDULE) if one != lead]
    assert all(len(received(play, SCHEDULE, one)) == 1 for one in others)


async def test_a_run_does_not_end_before_it_knows_what_became_of_its_last_mails(
    on_stage: Stage,
) -> None:
    play, story = await _kicked_off(on_stage)
    await play.at(story.instant(6, 10))
    lead = play.contract.client.technical_lead.email
    # A schedule that is in doubt is not sent again once all is cancelled; the end is.
    picky(on_stage).unheard.add(lead)
    await play.handle.execute_update("phase_planned", phase(story, "P1", "TOURS", 14, 15))
    await play.quiet()
    await play.handle.execute_update("onboarding_cancelled", {"reason": "Projet abandonné"})
    await play.quiet()
    picky(on_stage).unheard.clear()
    assert "mail:cancelled_client" in await points(play)
    # Those who have it hold nothing any more; the one who may not have it still receives the same.
    await play.at(await play.now() + timedelta(days=1, minutes=1))
    async with asyncio.timeout(120):
        assert (await play.handle.result())["outcome"] == "cancelled"
    first, second = received(play, "cancelled_client", lead)
    assert first["Message-ID"] == second["Message-ID"]
    assert len(received(play, SCHEDULE, lead)) == 1


# --- Put off -----------------------------------------------------------------------------------


async def test_a_mail_put_off_for_hours_is_one_activity_and_one_alert(on_stage: Stage) -> None:
    play, story = await _kicked_off(on_stage)
    await play.at(story.instant(6, 10))
    lead = play.contract.client.technical_lead.email
    addresses = {
        lead,
        *(one.contact.email for one in play.contract.sites if one.contact),
    }
    picky(on_stage).deferred |= addresses
    await play.handle.execute_update("phase_planned", phase(story, "P1", "TOURS", 14, 15))
    await on_stage.environment.fast_forward(play.handle, timedelta(hours=5))
    message = await until_known(play, f"silence:{KEY}")
    assert "n'est toujours pas accepté après 1 heure d'essais" in message
    assert await asked(play, SCHEDULE) == 1
    picky(on_stage).deferred.clear()
    await on_stage.environment.fast_forward(play.handle, timedelta(minutes=30))
    await play.quiet()
    assert await points(play) == {}
    assert await asked(play, SCHEDULE) == 1
    assert len(received(play, SCHEDULE, lead)) == 1


async def test_a_mail_put_off_goes_to_the_person_who_has_come_and_a_refusal_is_told_at_once(
    on_stage: Stage,
) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(1, 11))
    client = play.contract.client
    former, other = client.decision_maker.email, client.technical_lead.email
    picky(on_stage).deferred |= {former, other}
    await play.handle.execute_update(
        "kickoff_planned", {"starts_at": story.iso(6, 10), "place": "Clinique de Tours"}
    )
    # Everybody else has it, and that is known while these two are put off.
    async with asyncio.timeout(120):
        while not sent(await play.status(), "kickoff_convocation"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert former not in sent(await play.status(), "kickoff_convocation")

    new_one = f"nouveau.{play.contract.reference.lower()}@client.example"
    person = {"name": "Nadia Perrin", "email": new_one}
    picky(on_stage).refused.add(new_one)
    fact = {"role": "decision_maker", "person": person}
    await play.handle.execute_update("contact_replaced", fact)
    point = "mail:kickoff_convocation:1"
    message = await until_known(play, point)
    picky(on_stage).refused.clear()
    assert new_one in message
    assert "boîte inconnue" in message
    # The other one is still being tried.
    assert (await play.handle.describe()).raw_description.pending_activities

    again = f"encore.{play.contract.reference.lower()}@client.example"
    fact = {"role": "decision_maker", "person": {**person, "email": again}}
    await play.handle.execute_update("contact_replaced", fact)
    picky(on_stage).deferred.clear()
    await play.quiet()
    await play.at(await play.now() + timedelta(hours=1))
    status = await play.status()
    assert point not in await points(play)
    assert again in sent(status, "kickoff_convocation")
    assert received(play, "kickoff_convocation", former) == []
    assert len(received(play, "kickoff_convocation", other)) == 1


async def test_a_cancelled_sending_is_not_one_that_could_not_leave(on_stage: Stage) -> None:
    play, story = await _kicked_off(on_stage)
    await play.at(story.instant(6, 10))
    lead = play.contract.client.technical_lead.email
    picky(on_stage).deferred.add(lead)
    await play.handle.execute_update("phase_planned", phase(story, "P1", "TOURS", 14, 15))
    await play.handle.execute_update("onboarding_cancelled", {"reason": "Projet abandonné"})
    picky(on_stage).deferred.clear()
    async with asyncio.timeout(120):
        result = await play.handle.result()
    assert result["outcome"] == "cancelled"
    kept = await on_stage.register.onboarding(play.contract.reference)
    assert kept
    assert kept.status
    assert kept.status["open_points"] == []
    assert received(play, SCHEDULE, lead) == []


# --- Taken back --------------------------------------------------------------------------------


async def reset_before(play: Play, fact: str) -> Play:
    """The run taken back by the server to before that fact, which is forgotten with all since."""
    last = 0
    async for event in play.handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            last = event.event_id
        accepted = event.workflow_execution_update_accepted_event_attributes
        if accepted.accepted_request.input.name == fact:
            break
    client = play.stage.environment.client
    # The task that took the update ends just before it is written down.
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(
            workflow_id=play.handle.id, run_id=(await play.handle.describe()).run_id
        ),
        reason="essai",
        workflow_task_finish_event_id=last,
        request_id=str(uuid.uuid4()),
        reset_reapply_exclude_types=[
            ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
            ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
        ],
    )
    await client.workflow_service.reset_workflow_execution(request)
    again = Play(play.stage, client.get_workflow_handle(play.handle.id), play.contract)
    await again.quiet()
    return again


async def test_after_a_server_reset_another_plan_leaves_as_the_next_version(
    on_stage: Stage,
) -> None:
    play, story = await _kicked_off(on_stage)
    await play.at(story.instant(6, 10))
    lead = play.contract.client.technical_lead.email
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
    first = of(await play.status(), "O5")["met_at"]

    # The same plan: the same answer, whoever asks.
    play = await reset_before(play, "phase_planned")
    assert of(await play.status(), "O5")["met_at"] is None
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
    assert len(received(play, SCHEDULE, lead)) == 1
    assert of(await play.status(), "O5")["met_at"] == first

    # Another one: the next version, and its own acceptance.
    play = await reset_before(play, "phase_planned")
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 15, 16))
    status = await play.status()
    former, latter = received(play, SCHEDULE, lead)
    assert former["Message-ID"] != latter["Message-ID"]
    schedules = [one for one in status["documents"] if one["kind"] == "planning_intervention"]
    assert [one["version"] for one in schedules] == [2]
    assert schedules[0]["reference"].endswith("-v2")
    [attached] = [
        one for one in latter.iter_attachments() if one.get_content_type() == "application/pdf"
    ]
    assert attached.get_filename() == f"{schedules[0]['reference']}.pdf"
    assert _sequence(former) < _sequence(latter)
    assert of(status, "O5")["state"] == "met"
    assert of(status, "O5")["met_at"] > first
    assert await points(play) == {}
    # And so on: what is planned next is the version after.
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 16, 17))
    documents = (await play.status())["documents"]
    versions = [one["version"] for one in documents if one["kind"] == "planning_intervention"]
    assert versions == [2, 3]


def _sequence(message: EmailMessage) -> int:
    [calendar] = [one for one in message.walk() if one.get_content_type() == "text/calendar"]
    line = next(one for one in calendar.get_content().splitlines() if one.startswith("SEQUENCE"))
    return int(line.partition(":")[2])


# --- A register that lost an onboarding --------------------------------------------------------


async def test_a_register_that_lost_the_onboarding_is_told_and_written_to_no_more(
    on_stage: Stage,
) -> None:
    play, story = await _kicked_off(on_stage)
    reference = play.contract.reference
    kept = await on_stage.register.onboarding(reference)
    assert kept
    async with on_stage.register.change() as session:
        await session.execute(delete(Mail).where(Mail.onboarding == reference))
        await session.execute(delete(Document).where(Document.onboarding == reference))
        row = await session.get_one(Onboarding, reference)
        lost: dict[str, Any] = {
            column.name: getattr(row, column.name) for column in Onboarding.__table__.columns
        }
        await session.delete(row)
    await play.at(story.instant(11, 8))  # O1 is met; whatever changes the headline is shown.
    person = {"name": "Nadia Perrin", "email": "n.perrin@mileotech.example", "code": "NPE"}
    await play.fact("contact_replaced", role="sales", person=person)
    message = await until_known(play, "registre")
    assert "ne connaît plus cet onboarding" in message
    before = await markers(play)
    await play.at(story.instant(13, 8))
    assert await markers(play) == before

    async with on_stage.register.change() as session:
        session.add(Onboarding(**lost))
    told = {"id": "registre", "by": "Claire Fontaine", "reason": "base restaurée"}
    assert await play.fact("open_point_settled", action="abandon", **told) == "refused"
    assert await play.fact("open_point_settled", action="retry", **told) == "accepted"
    async with asyncio.timeout(60):
        while (await on_stage.register.onboarding(reference)) == kept:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert "registre" not in await points(play)


async def test_a_run_that_the_register_lost_still_ends(on_stage: Stage) -> None:
    play, _ = await begin(on_stage, new())
    reference = play.contract.reference
    async with on_stage.register.change() as session:
        await session.execute(
            update(Onboarding).where(Onboarding.reference == reference).values(reference="LOST")
        )
    await play.handle.execute_update("onboarding_cancelled", {"reason": "Projet abandonné"})
    async with asyncio.timeout(120):
        assert (await play.handle.result())["outcome"] == "cancelled"


async def markers(play: Play) -> int:
    """How many times the register was written to."""
    return sum(
        [
            event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED
            async for event in play.handle.fetch_history_events()
        ]
    )
