"""Who did what through which door: read from real histories, encrypted, and kept after them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.api.workflowservice.v1 import (
    PauseWorkflowExecutionRequest,
    UnpauseWorkflowExecutionRequest,
)
from temporalio.client import Client

from local import temporal_server
from privacy.audit import audit, door_of, keep
from reception import Refused, Unanswered, read_status, send_fact, start_onboarding
from register.store import Register, RegisteredDelivery
from service.deliveries import Answer, Deliveries, Message
from tests.test_encryption import ROTATED, System, a_contract, system
from workflows.converter import data_converter
from workflows.names import workflow_id

PLACE = "Chez Amélie Secrète"


def kickoff() -> dict[str, str]:
    soon = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()
    return {"starts_at": soon, "place": PLACE}


@pytest.mark.parametrize(
    ("identity", "update_id", "expected"),
    [
        ("service", "http:crm:7bf3adac-f2bd-43ed-949b-ff054914f264", ("http", "crm")),
        ("starter.py a@host", "cli:a:7bf3adac-f2bd-43ed-949b-ff054914f264", ("cli", "a")),
        ("starter.py a@host", "", ("cli", "a@host")),
        ("service", "", ("http", "service")),
        ("12@host", "quelconque", ("temporal", "12@host")),
        ("", "http:crm:court", ("temporal", "")),
        ("a\x00\x1b[31mb", "", ("temporal", "a[31mb")),
    ],
)
def test_a_door_is_told_by_what_is_declared(
    identity: str, update_id: str, expected: tuple[str, str]
) -> None:
    assert door_of(identity, update_id) == expected


async def test_every_act_is_told_with_its_door_and_what_came_in_clear(tmp_path: Path) -> None:
    async with system(tmp_path / "a", ROTATED) as up:
        assert await start_onboarding(up.client, up.register, a_contract("AUDIT-1"))
        handle = up.client.get_workflow_handle(workflow_id("AUDIT-1"))
        await handle.execute_update("kickoff_planned", kickoff(), id=f"http:crm:{uuid4()}")
        with pytest.raises(Refused):
            await send_fact(up.client, "AUDIT-1", "reserve_lifted", {"inconnu": 1})
        in_clear = await Client.connect(
            up.address, data_converter=data_converter, identity="starter.py eve@poste"
        )
        form = in_clear.get_workflow_handle(workflow_id("AUDIT-1"))
        await form.signal("reserve_lifted", {"number": 3, "by": PLACE})
        await up.register.record_delivery(
            RegisteredDelivery(
                sender="crm",
                message_id="m1",
                path="/onboardings/AUDIT-1/facts/kickoff_planned",
                onboarding="AUDIT-1",
                sha256="0" * 64,
                outcome="accepted",
                received_at=datetime.now(UTC),
            )
        )
        while await up.register.onboarding("AUDIT-1") is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await up.register.doe_password("AUDIT-1", "secret")
        await up.register.password_read("AUDIT-1", "paul")
        before = (await handle.describe()).history_length
        while not (acts := await audit(up.client, up.register, "AUDIT-1")) or len(acts) < 5:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert (await handle.describe()).history_length <= before + 40, "nothing is added"

        told = {one.act: (one.door, one.subject, one.outcome, one.in_clear) for one in acts}
        assert told == {
            "started": ("temporal", None, None, False),
            "fact": ("http", "kickoff_planned", "accepted", False),
            "signal": ("cli", "reserve_lifted", None, True),
            "message": ("http", "kickoff_planned", "accepted", None),
            "password_read": ("cli", None, None, None),
        }
        assert {one.act: one.who for one in acts}["signal"] == "eve@poste"
        assert [one.at for one in acts] == sorted(one.at for one in acts)
        assert "Secrète" not in str(acts)


async def test_a_run_that_is_paused_tells_who_did_it_and_what_went_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = (*temporal_server.LATENCY, "frontend.WorkflowPauseEnabled=true")
    monkeypatch.setattr(temporal_server, "LATENCY", allowed)
    async with system(tmp_path / "a", ROTATED) as up:
        assert await start_onboarding(up.client, up.register, a_contract("AUDIT-4"))
        while await up.register.onboarding("AUDIT-4") is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        of_that_run: dict[str, str] = {
            "namespace": up.client.namespace,
            "workflow_id": workflow_id("AUDIT-4"),
            "request_id": str(uuid4()),
        }
        paused = PauseWorkflowExecutionRequest(**of_that_run, identity="eve@poste", reason=PLACE)
        await up.client.workflow_service.pause_workflow_execution(paused)
        while "paused" not in (told := await acts_and_people(up, "AUDIT-4")):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert told.keys() == {"started", "paused"}
        assert told["paused"] == "eve@poste"
        with pytest.raises(Unanswered, match="en pause"):
            await read_status(up.client, up.register, "AUDIT-4")
        resumed = UnpauseWorkflowExecutionRequest(**of_that_run, identity="paul@poste")
        await up.client.workflow_service.unpause_workflow_execution(resumed)
        assert (await acts_and_people(up, "AUDIT-4"))["unpaused"] == "paul@poste"


async def acts_and_people(up: System, reference: str) -> dict[str, str]:
    acts = await audit(up.client, up.register, reference)
    assert "Secrète" not in str(acts)
    return {one.act: one.who for one in acts}


async def test_the_acts_of_a_run_that_is_over_outlive_its_history(tmp_path: Path) -> None:
    async with system(tmp_path / "a", ROTATED) as up:
        for reference in ("AUDIT-2", "AUDIT-3"):
            assert await start_onboarding(up.client, up.register, a_contract(reference))
        handle = up.client.get_workflow_handle(workflow_id("AUDIT-2"))
        await handle.execute_update("kickoff_planned", kickoff(), id=f"cli:paul:{uuid4()}")
        await handle.terminate()
        while not await keep(up.client, up.register):  # noqa: ASYNC110 - once it is listed
            await asyncio.sleep(0.1)
        kept = await up.register.audited("AUDIT-2")
        assert [(one.act, one.who) for one in kept if one.act == "fact"] == [("fact", "paul")]
        assert {one.act for one in kept} == {"started", "fact", "terminated", "run_over"}
        assert await up.register.audited("AUDIT-3") == [], "it is under way"
        # Copied once.
        assert await keep(up.client, up.register) == 0
        assert await up.register.audited("AUDIT-2") == kept
        live = await audit(up.client, up.register, "AUDIT-2")
    async with system(tmp_path / "b", ROTATED) as elsewhere:
        # A server that knows nothing of it any more.
        register = Register(f"sqlite:///{tmp_path}/a/onboarding.db")
        try:
            told = await audit(elsewhere.client, register, "AUDIT-2")
        finally:
            await register.close()
        assert [one.key for one in told] == [one.key for one in live]


async def test_a_refused_message_is_known_once_and_its_content_never(tmp_path: Path) -> None:
    register = Register(f"sqlite:///{tmp_path}/register.db")
    await register.migrate()
    try:
        deliveries = Deliveries(register)
        message = Message("crm", "m1", "/onboardings/A-1/facts/doe_received", b"Secret")

        async def refused() -> Answer:
            raise Refused("Secret")

        async def unanswered() -> Answer:
            raise Unanswered("plus tard")

        for effect, kind in ((unanswered, Unanswered), (refused, Refused), (refused, Refused)):
            with pytest.raises(kind):
                await deliveries.once(message, effect)
        [act] = await register.audited()
        assert (act.onboarding, act.act, act.who) == ("A-1", "message_refused", "crm")
        assert act.subject == "doe_received"
        assert "Secret" not in str(act)
    finally:
        await register.close()
