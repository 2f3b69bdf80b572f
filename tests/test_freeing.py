"""A run whose tasks fail for ever: it is seen, and freed without losing a fact."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from connection import create_search_attributes
from local.ports import free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from observing.figures import stuck_runs
from reception import Unanswered, read_status, start_onboarding
from register.store import Register
from storage.document_store import DocumentStore
from tests.playing import PickyMailbox
from tests.senders import ROOT
from tests.test_encryption import a_contract
from worker import build_worker
from workflows.converter import TolerantPayloadConverter
from workflows.names import workflow_id

if TYPE_CHECKING:
    from pathlib import Path

_POISON = Payload(metadata={"encoding": b"json/external-storage-reference"}, data=b"{}")
_YESTERDAY = DataConverter(payload_converter_class=TolerantPayloadConverter)
"""That of a worker which such a payload stops: what stopped it is of no matter here."""


def _planned(place: str) -> dict[str, Any]:
    soon = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()
    return {"starts_at": soon, "place": place}


class _Everybody(set[str]):
    def __contains__(self, _address: object) -> bool:
        return True


@dataclass
class System:
    """A server, a worker of yesterday, and the command line."""

    client: Client
    register: Register
    mailbox: PickyMailbox

    def mute(self) -> None:
        """The mail server puts off every mail."""
        self.mailbox.deferred = _Everybody()

    async def command(self, *arguments: str) -> tuple[int, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith("ONBOARDING_")}
        address = self.client.service_client.config.target_host
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "starter.py"), *arguments),
            env=kept | {"TEMPORAL_ADDRESS": address},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def status(self) -> dict[str, Any]:
        try:
            return await read_status(self.client, self.register, "LIBRE-1")
        except Unanswered:
            return {"emails": [], "rejected_count": 0}

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(120):
            while not await true():  # noqa: ASYNC110 - what others tell
                await asyncio.sleep(0.2)


@pytest.fixture
async def up(tmp_path: Path) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        mailbox = PickyMailbox(tmp_path / "mails")
        settings = stage_settings(tmp_path, stack.enter_context(mailbox.smtp()))
        register = Register(settings.database_url)
        stack.push_async_callback(register.close)
        await register.migrate()
        client = await stack.enter_async_context(
            lasting_server(
                tmp_path,
                port=free_port(),
                ui_port=free_port(),
                dynamic=("system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2",),
            )
        )
        await create_search_attributes(client)
        yesterday = await Client.connect(
            client.service_client.config.target_host, data_converter=_YESTERDAY
        )
        store = DocumentStore(settings.documents_url)
        await stack.enter_async_context(build_worker(yesterday, settings, register, store))
        yield System(client, register, mailbox)


async def test_a_run_that_is_stuck_is_counted_and_freed_without_losing_a_fact(up: System) -> None:
    assert await start_onboarding(up.client, up.register, a_contract("LIBRE-1"))
    handle = up.client.get_workflow_handle(workflow_id("LIBRE-1"))
    await handle.execute_update("kickoff_planned", _planned("Before"))

    async def written() -> bool:
        return bool((await up.status())["emails"])

    async def one_stuck() -> bool:
        return await stuck_runs(up.client) == 1

    async def none_stuck() -> bool:
        return await stuck_runs(up.client) == 0

    async def judged() -> bool:
        return bool((await up.status())["rejected_count"])

    await up.until(written)
    code, printed = await up.command("free", "LIBRE-1")
    assert (code, "n'échouent pas" in printed) == (1, True), printed

    await handle.signal("kickoff_planned", args=[RawValue(_POISON)])
    await handle.signal("kickoff_planned", _planned("After"))
    await handle.signal("reserve_lifted", {"number": 3})
    await up.until(one_stuck)

    code, shown = await up.command("free", "LIBRE-1")
    assert code == 0, shown
    came = [line.split() for line in shown.splitlines() if line.endswith("octets")]
    assert [line[3] for line in came] == [
        "'kickoff_planned'", "'kickoff_planned'", "'reserve_lifted'",
    ]  # fmt: skip
    code, printed = await up.command("free", "LIBRE-1", "--reason", "x", "--without", "1")
    assert (code, "aucun message de ce numéro" in printed) == (1, True), printed

    former = (await handle.describe()).run_id
    free = ("free", "LIBRE-1", "--reason", "illisible", "--without", came[0][0])
    code, printed = await up.command(*free)
    assert code == 0, printed
    assert "2 message(s) rendu(s), 1 écarté(s)" in printed
    # Taken up after an interruption: nothing is sent twice.
    code, printed = await up.command(*free, "--run", former)
    assert code == 0, printed

    await up.until(judged)
    await up.until(none_stuck)
    await handle.execute_update("kickoff_planned", _planned("Later"))
    journal = await handle.query("journal")
    places = [one["payload"]["place"] for one in journal["facts"]]
    assert places == ["Before", "After", "Later"]
    status = await up.status()
    assert [one["fact"] for one in status["rejected"]] == ["reserve_lifted"]
    rows = [(one.key, one.recipient) for one in await up.register.mails("LIBRE-1")]
    assert len(rows) == len(set(rows)), "no mail left twice"


async def test_an_answer_that_a_stranger_gave_for_an_activity_is_asked_again(up: System) -> None:
    """Anyone who may complete activities can answer one with what its reader cannot take."""
    up.mute()
    assert await start_onboarding(up.client, up.register, a_contract("LIBRE-2"))
    handle = up.client.get_workflow_handle(workflow_id("LIBRE-2"))

    async def asked() -> bool:
        described = (await handle.describe()).raw_description
        return any(one.activity_type.name == "send_mail" for one in described.pending_activities)

    async def one_stuck() -> bool:
        return await stuck_runs(up.client) == 1

    async def none_stuck() -> bool:
        return await stuck_runs(up.client) == 0

    await up.until(asked)
    [pending, *_] = [
        one
        for one in (await handle.describe()).raw_description.pending_activities
        if one.activity_type.name == "send_mail"
    ]
    stranger = up.client.get_async_activity_handle(
        workflow_id=handle.id, run_id=None, activity_id=pending.activity_id
    )
    await stranger.complete("nonsense")
    await up.until(one_stuck)
    code, printed = await up.command("free", "LIBRE-2", "--reason", "réponse illisible")
    assert code == 0, printed
    await up.until(none_stuck)
    assert (await handle.query("status"))["reference"] == "LIBRE-2"
