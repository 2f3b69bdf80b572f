"""A signature whose contract does not come: the head of projects is told, once."""

from __future__ import annotations

import asyncio
import email
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import policy
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from temporalio.api.enums.v1 import EventType
from temporalio.worker import Worker

from activities.register import RegisterActivities
from connection import Unreachable
from local.ports import LOOPBACK
from process.calendar import paris
from service.app import create_app, serving
from storage.document_store import DocumentStore
from tests.builders import contract
from workflows.lone_signature import LoneSignature
from workflows.names import LONE_SIGNATURE_TYPE, lone_signature_id

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from temporalio.client import WorkflowHandle

    from local.stage import Stage

SECRET = "whsec_" + "S" * 40
SIGNED_AT = datetime(2025, 2, 28, 18, 5, tzinfo=UTC).isoformat()


@pytest.fixture
async def http(on_stage: Stage, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = DocumentStore(str(tmp_path / "documents"))
    secrets = {"sign": (SecretStr(SECRET),)}
    app = create_app(on_stage.register, store, on_stage.environment.client, secrets)
    async with (
        serving(app, LOOPBACK, 0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        yield client


def signed(body: str, id_: str) -> dict[str, str]:
    at = datetime.fromtimestamp(int(time.time()), tz=UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(id_, at, body),
    }


async def post(http: httpx.AsyncClient, value: dict[str, Any], id_: str) -> dict[str, Any]:
    body = json.dumps(value)
    answer = await http.post("/contracts", content=body, headers=signed(body, id_))
    assert answer.status_code in (200, 202), answer.text
    told: dict[str, Any] = answer.json()
    return told


async def one_jour_ouvre_later(on_stage: Stage, handle: WorkflowHandle[Any, Any]) -> None:
    """A week has one at least, bank holidays and all."""
    await handle.describe()
    await on_stage.environment.fast_forward(handle, timedelta(days=7))


def alerts(on_stage: Stage, reference: str) -> list[EmailMessage]:
    read = [
        email.message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted(on_stage.mailbox.folder.glob("*.eml"))
    ]
    return [
        one
        for one in read
        if one["X-Mileo-Kind"] == "signature_alone" and one["X-Mileo-Onboarding"] == reference
    ]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\u00a0", " ")


async def test_a_signature_left_alone_alerts_the_head_of_projects_once(
    on_stage: Stage, http: httpx.AsyncClient
) -> None:
    told = await post(http, {"reference": "LONE-1", "signed_at": SIGNED_AT}, "lone-1")
    again = await post(http, {"reference": "LONE-1", "signed_at": SIGNED_AT}, "lone-1-again")
    assert (told["outcome"], again["outcome"]) == ("signature", "signature")

    handle = on_stage.environment.client.get_workflow_handle(lone_signature_id("LONE-1"))
    received = paris((await handle.describe()).start_time)
    await one_jour_ouvre_later(on_stage, handle)
    assert await handle.result() == "Le responsable est alerté."

    alert, *others = alerts(on_stage, "LONE-1")
    assert others == []
    assert alert["To"].addresses[0].addr_spec == "m.delaunay@mileotech.example"
    assert alert["Subject"] == "Contrat signé, mais jamais reçu — contrat LONE-1"
    text = text_of(alert)
    assert "Signé le : vendredi 28 février 2025 à 19 h 05" in text
    assert f"à {received.hour} h {received.minute:02d}" in text

    # Its sender says it again: the same watch, no other alert.
    later = await post(http, {"reference": "LONE-1", "signed_at": SIGNED_AT}, "lone-1-later")
    assert later["outcome"] == "signature"
    assert len(alerts(on_stage, "LONE-1")) == 1
    [row] = await on_stage.register.mails("LONE-1")
    assert (row.kind, row.state) == ("signature_alone", "accepted")


async def test_it_is_told_one_jour_ouvre_after_the_signature_came(
    on_stage: Stage, http: httpx.AsyncClient
) -> None:
    await post(http, {"reference": "LONE-2", "signed_at": SIGNED_AT}, "lone-2")
    handle = on_stage.environment.client.get_workflow_handle(lone_signature_id("LONE-2"))
    started = (await handle.describe()).start_time
    await one_jour_ouvre_later(on_stage, handle)
    await handle.result()

    [row] = await on_stage.register.mails("LONE-2")
    assert row.accepted_at is not None
    waited = row.accepted_at - started
    # From the next day to, at most, the day after a long week-end.
    assert timedelta(hours=22) < waited < timedelta(days=5, hours=2)


async def test_nobody_is_told_once_the_contract_has_come(
    on_stage: Stage, http: httpx.AsyncClient
) -> None:
    whole = contract(reference="LONE-3", signed_at=SIGNED_AT)
    await post(http, {"reference": "LONE-3", "signed_at": SIGNED_AT}, "lone-3")
    draft = {name: value for name, value in whole.items() if name != "signed_at"}
    assert (await post(http, draft, "lone-3-draft"))["outcome"] == "started"

    handle = on_stage.environment.client.get_workflow_handle(lone_signature_id("LONE-3"))
    await one_jour_ouvre_later(on_stage, handle)
    assert await handle.result() == "Le contrat est arrivé."
    assert alerts(on_stage, "LONE-3") == []


async def test_a_signature_is_not_acknowledged_before_it_is_watched(
    on_stage: Stage, tmp_path: Path
) -> None:
    async def unreachable() -> Any:
        raise Unreachable("serveur Temporal injoignable")

    store = DocumentStore(str(tmp_path / "documents"))
    app = create_app(on_stage.register, store, unreachable, {"sign": (SecretStr(SECRET),)})
    body = json.dumps({"reference": "LONE-4", "signed_at": SIGNED_AT})
    async with (
        serving(app, LOOPBACK, 0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        answer = await client.post("/contracts", content=body, headers=signed(body, "lone-4"))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


async def test_the_wait_counts_from_the_start_and_not_from_the_first_task(
    on_stage: Stage, tmp_path: Path
) -> None:
    client, queue = on_stage.environment.client, "lone-late"
    handle = await client.start_workflow(
        LONE_SIGNATURE_TYPE, args=["LONE-9", SIGNED_AT], id="late", task_queue=queue
    )
    await asyncio.sleep(3)  # Nobody works meanwhile: however long, the hour is that of the start.
    activities = RegisterActivities(on_stage.register, on_stage.settings)
    reading = [activities.read_worked_days]
    started = first = armed = None
    async with (
        Worker(client, task_queue=queue, workflows=[LoneSignature], activities=reading),
        asyncio.timeout(60),
    ):
        while armed is None:
            async for event in handle.fetch_history_events():
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                    started = event.event_time.ToDatetime(UTC)
                elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                    first = event.event_time.ToDatetime(UTC)
                elif event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
                    armed = event.timer_started_event_attributes.start_to_fire_timeout
                    break
    await handle.terminate()
    assert started is not None
    assert first is not None
    due = paris(first + armed.ToTimedelta())
    at = paris(started)
    assert abs(due - due.replace(hour=at.hour, minute=at.minute, second=at.second)) < timedelta(
        seconds=1.5
    )
