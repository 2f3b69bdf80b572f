"""An onboarding under a flood: nothing is lost, it protects itself and says so."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from temporalio.api.enums.v1 import WorkflowTaskFailedCause

from local.stage import Stage, stage
from tests.playing import OPENS_AT, PickyMailbox, begin, new, unique

if TYPE_CHECKING:
    from pathlib import Path

    from local.stage import Play

_AT_ONCE = 25
_OURS = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE


async def flood(play: Play, name: str, payloads: list[dict[str, Any]]) -> None:
    """Send them all, as fast as the server takes them."""
    handle = play.stage.environment.client.get_workflow_handle(play.handle.id)
    left = list(reversed(payloads))

    async def send() -> None:
        while left:
            await handle.signal(name, left.pop())

    await asyncio.gather(*(send() for _ in range(_AT_ONCE)))


async def rejected(play: Play, count: int) -> dict[str, Any]:
    """The status, once that many were rejected: neither fewer nor more."""
    status = await play.status()
    while status["rejected_count"] < count:
        await asyncio.sleep(0.1)
        status = await play.status()
    assert status["rejected_count"] == count
    return status


async def failed_tasks(play: Play) -> int:
    """Workflow tasks that our code could not do, in every run of the onboarding. The server gives
    up one by itself, and asks again, when more than 100 messages come while it is done."""
    client, failed = play.stage.environment.client, 0
    async for run in client.list_workflows(f"WorkflowId = '{play.handle.id}'"):
        history = client.get_workflow_handle(run.id, run_id=run.run_id)
        async for event in history.fetch_history_events():
            cause = event.workflow_task_failed_event_attributes.cause
            failed += cause == _OURS
    return failed


async def test_a_burst_of_thousands_of_signals_is_read_to_the_last(on_stage: Stage) -> None:
    play, _ = await begin(on_stage, new())
    await flood(play, "reserve_lifted", [{"nombre": n} for n in range(3_000)])
    status = await rejected(play, 3_000)
    assert len(status["rejected"]) == 50
    assert await failed_tasks(play) == 0
    assert await play.fact("kickoff_planned", starts_at="2031-03-10T10:00:00+01:00", place="x") == (
        "accepted"
    )


async def test_facts_that_wait_are_bounded_too(on_stage: Stage) -> None:
    play, _ = await begin(on_stage, new())
    early = [
        {"number": n, "lifted_on": "2031-03-03", "by": "Client", "fact_id": f"f{n}"}
        for n in range(1, 401)
    ]
    await flood(play, "reserve_lifted", early)
    status = await rejected(play, 200)
    assert len(status["waiting"]) == 200
    assert "trop de faits attendent" in status["rejected"][0]["reason"]
    assert await failed_tasks(play) == 0


async def test_a_flood_that_leaves_no_quiet_moment_goes_on_in_a_new_run(tmp_path: Path) -> None:
    mailbox = PickyMailbox(tmp_path / "mails")
    async with stage(tmp_path, mailbox=mailbox, suggested_events=120) as up:
        contract = unique(new())
        lead = contract.client.technical_lead.email
        play = await up.play(contract, OPENS_AT)
        first = (await play.handle.describe()).run_id
        # A mail that is not taken: the run is never quiet.
        mailbox.deferred.add(lead)
        planned = {"starts_at": "2031-03-10T10:00:00+01:00", "place": "Tours"}
        await play.handle.signal("kickoff_planned", planned)
        for n in range(120):
            await play.handle.signal("reserve_lifted", {"nombre": n})
            await asyncio.sleep(0.01)
        handle = up.environment.client.get_workflow_handle(play.handle.id)
        while (await handle.describe()).run_id == first:  # noqa: ASYNC110 - what the server tells
            await asyncio.sleep(0.05)

        status = await play.status()
        assert status["rejected_count"] == 120
        [point] = [point for point in status["open_points"] if point["id"] == "afflux"]
        assert "aucun fait n'est perdu" in point["message"]
        said = {"id": "afflux", "action": "done_otherwise", "by": "Claire", "reason": "vu"}
        await handle.execute_update("open_point_settled", said)

        mailbox.deferred.clear()
        for _ in range(100):
            mails = await up.register.mails(contract.reference)
            if all(mail.state == "accepted" for mail in mails):
                break
            await asyncio.sleep(0.1)
        assert {mail.state for mail in mails} == {"accepted"}
        sent = [one for one in mails if (one.kind, one.recipient) == ("kickoff_convocation", lead)]
        assert len(sent) == 1, "started again, sent once"


async def test_a_run_that_is_full_goes_on_and_still_ends(tmp_path: Path) -> None:
    async with stage(tmp_path, suggested_events=200, message_bytes=260_000) as up:
        play = await up.play(unique(new()), OPENS_AT)
        first = (await play.handle.describe()).run_id
        texts = [
            "".join(sha256(f"{n}{k}".encode()).hexdigest() for k in range(60)) for n in range(150)
        ]
        planned = {"starts_at": "2031-03-10T10:00:00+01:00", "place": "Tours"}
        await flood(play, "kickoff_planned", [{**planned, "access": text} for text in texts])
        handle = up.environment.client.get_workflow_handle(play.handle.id)
        status = await play.status()
        while not status["rejected_count"]:
            await asyncio.sleep(0.1)
            status = await play.status()
        assert "trop de données" in status["rejected"][0]["reason"]

        # Ordinary life pushes it through several more runs.
        for n in range(60):
            await handle.signal("kickoff_planned", {**planned, "place": f"Salle {n}"})
        replaced = {"name": "Léa Roux", "email": "l.roux@mileotech.example"}
        who = {"role": "project_manager", "person": replaced}
        assert (await handle.execute_update("contact_replaced", who))["outcome"] == "accepted"
        shorter = {"fact": "kickoff_planned", "payload": {**planned, "place": "Paris"}}
        said = {**shorter, "by": "Claire", "reason": "erreur de saisie"}
        assert (await handle.execute_update("fact_corrected", said))["outcome"] == "accepted"
        gone = await handle.execute_update("onboarding_cancelled", {"reason": "Client parti"})
        assert gone["outcome"] == "accepted"
        assert (await handle.result())["outcome"] == "cancelled"
        assert (await handle.describe()).run_id != first
        assert await failed_tasks(play) == 0
        registered = await up.register.onboarding(play.contract.reference)
        assert registered is not None
        assert registered.status is not None
        assert registered.status["step"] == "cancelled"
