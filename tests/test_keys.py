"""What was decided does not depend on the keys of who reads it later: keys that are added, removed
and rotated, workers of different keys on one queue, a history that all of them go on replaying."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import SecretStr
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowUpdateFailedError
from temporalio.service import RPCError
from temporalio.worker import Replayer

from connection import create_search_attributes
from encryption import converter_of
from local.mailbox import Mailbox
from local.ports import free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from reception import Unanswered, read_status, send_fact, start_onboarding
from register.store import Register
from storage.document_store import DocumentStore
from tests.test_encryption import _key, a_contract
from versioning import WORKFLOWS
from worker import build_worker
from workflows import sealed
from workflows.converter import Undecipherable
from workflows.names import workflow_id

if TYPE_CHECKING:
    from pathlib import Path

    from settings import Settings

Keys = Mapping[str, Any]


def _of(*ids: str) -> Keys:
    return {id_: (SecretStr(_key(ord(id_))),) for id_ in ids}


_numbers = itertools.count(1)

_WAITS: Final = "RuntimeError: la clé qui a chiffré un fait accepté manque à ce worker"

OURS: Final = _of("o")


@dataclass
class House:
    """A server, and the register of its workers, which come and go with their keys."""

    address: str
    settings: Settings
    register: Register

    async def client(self, keys: Keys) -> Client:
        return await Client.connect(self.address, data_converter=converter_of(keys))

    @asynccontextmanager
    async def worker(self, keys: Keys) -> AsyncIterator[None]:
        """A worker that remembers no run: each task replays the whole history."""
        store = DocumentStore(self.settings.documents_url)
        client = await self.client(keys)
        async with build_worker(client, self.settings, self.register, store, cached_runs=0):
            yield


@dataclass
class Onboarding:
    house: House
    client: Client
    reference: str

    @property
    def id(self) -> str:
        return workflow_id(self.reference)

    async def told(self, place: str, keys: Keys) -> None:
        """A signal of who has these keys."""
        sender = await self.house.client(keys)
        soon = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()
        handle = sender.get_workflow_handle(self.id)
        await handle.signal("kickoff_planned", {"starts_at": soon, "place": place})

    async def picture(self) -> tuple[list[str], int] | None:
        """The kick-offs accepted, in order, and how many signals were refused; nothing when it is
        opening, or asked of a worker that lacks a key."""
        handle = self.client.get_workflow_handle(self.id)
        try:
            status = await read_status(self.client, self.house.register, self.reference)
            journal = await handle.query("journal")
        except (Unanswered, WorkflowQueryFailedError, RPCError):
            return None
        accepted = [one["payload"]["place"] for one in journal["facts"]]
        return accepted, status["rejected_count"]

    async def stands(self, places: list[str], rejected: int) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(60):
            while await self.picture() != (places, rejected):  # noqa: ASYNC110 - what it tells
                await asyncio.sleep(0.1)

    async def accepts(self, place: str, keys: Keys = OURS) -> None:
        """An update, answered by whoever works."""
        client = await self.house.client(keys)
        soon = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0).isoformat()
        planned = {"starts_at": soon, "place": place}
        assert (await send_fact(client, self.reference, "kickoff_planned", planned)).outcome

    async def failures(self) -> set[str]:
        """Why tasks failed."""
        handle = self.client.get_workflow_handle(self.id)
        found = set()
        async for event in handle.fetch_history_events():
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failure = event.workflow_task_failed_event_attributes.failure
                found.add(str(await self.client.data_converter.decode_failure(failure)))
        return found

    async def replays(self, *keys: str) -> bool:
        """Whether a worker with these keys goes through the whole history."""
        client = await self.house.client(_of(*keys))
        history = await client.get_workflow_handle(self.id).fetch_history()
        replayer = Replayer(workflows=WORKFLOWS, data_converter=client.data_converter)
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        return result.replay_failure is None


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    async with AsyncExitStack() as stack:
        settings = stage_settings(folder, stack.enter_context(Mailbox(folder / "mails").smtp()))
        register = Register(settings.database_url)
        stack.push_async_callback(register.close)
        await register.migrate()
        client = await stack.enter_async_context(
            lasting_server(folder, port=free_port(), ui_port=free_port())
        )
        await create_search_attributes(client)
        yield House(client.service_client.config.target_host, settings, register)


@pytest.mark.parametrize(
    ("readable", "replaying", "marked", "recorded", "refused"),
    [
        (True, False, False, True, False),
        (True, True, False, True, False),
        (True, True, True, True, True),
        (False, False, False, True, True),
        (False, True, True, True, True),
        (False, True, False, True, None),
        # Opened before refusals were recorded: as it was then, and recorded from now on.
        (False, True, False, False, True),
        (False, False, False, False, True),
    ],
)
def test_what_is_decided(
    readable: bool,  # noqa: FBT001
    replaying: bool,  # noqa: FBT001
    marked: bool,  # noqa: FBT001
    recorded: bool,  # noqa: FBT001
    refused: bool | None,  # noqa: FBT001 - None: the key is waited for
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def patched(marker: str) -> bool:
        asked.append(marker)
        return marked or not replaying

    monkeypatch.setattr(workflow, "patched", patched)
    monkeypatch.setattr(workflow.unsafe, "is_replaying", lambda: replaying)
    arguments: list[Any] = [{}] if readable else [Undecipherable()]
    if refused is None:
        with pytest.raises(RuntimeError, match="clé"):
            sealed.is_refused(7, arguments, recorded=recorded)
        return
    assert sealed.is_refused(7, arguments, recorded=recorded) is refused
    written = not replaying and bool(asked)
    assert written is (not readable and not replaying), "what is read leaves no marker"


@pytest.fixture
async def run(house: House) -> AsyncIterator[Onboarding]:
    """Opened by who has our key, read by who has all of them."""
    reference = f"CLE-{next(_numbers)}"
    opener = await house.client(OURS)
    assert await start_onboarding(opener, house.register, a_contract(reference))
    reader = await house.client(_of("o", *"abfnx"))
    yield Onboarding(house, reader, reference)
    await reader.get_workflow_handle(workflow_id(reference)).terminate()


async def test_a_key_given_later_changes_no_refusal(house: House, run: Onboarding) -> None:
    async with house.worker(OURS):
        await run.told("Foreign", _of("f"))
        await run.told("Angers", OURS)
        await run.stands(["Angers"], rejected=1)
        foreign = (await house.client(_of("f", "o"))).get_workflow_handle(run.id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await foreign.execute_update("kickoff_planned", {"place": "Foreign"})
        assert "clé" in str(refused.value.cause)
    async with house.worker(_of("o", "f")):
        await run.stands(["Angers"], rejected=1)
        await run.accepts("Tours")
        await run.told("Foreign", _of("f"))
        await run.stands(["Angers", "Tours", "Foreign"], rejected=1)
    assert await run.failures() == set()
    assert await run.replays("o", "f")
    assert not await run.replays("o"), "it lacks the key of a fact that was taken"


async def test_a_key_taken_away_is_waited_for(house: House, run: Onboarding) -> None:
    async with house.worker(_of("o", "f")):
        await run.told("Foreign", _of("f"))
        await run.stands(["Foreign"], rejected=0)
        await run.accepts("Update", _of("f", "o"))
    async with house.worker(OURS):
        await run.told("Angers", OURS)
        async with asyncio.timeout(60):
            while not await run.failures():  # noqa: ASYNC110 - what the server tells
                await asyncio.sleep(0.1)
    async with house.worker(_of("o", "f")):
        await run.stands(["Foreign", "Update", "Angers"], rejected=0)
    assert await run.failures() == {_WAITS}


async def test_keys_are_rotated(house: House, run: Onboarding) -> None:
    async with house.worker(OURS):
        await run.told("Too early", _of("n"))
        await run.stands([], rejected=1)
    async with house.worker(_of("o", "n")):
        await run.told("Read by all", _of("n"))
        await run.stands(["Read by all"], rejected=1)
    async with house.worker(_of("n", "o")):
        await run.told("Angers", _of("n", "o"))
        await run.told("Former", _of("o", "n"))
        await run.stands(["Read by all", "Angers", "Former"], rejected=1)
    assert await run.failures() == set()
    assert await run.replays("n", "o")


async def test_two_workers_of_different_keys_on_one_queue(house: House, run: Onboarding) -> None:
    senders = [_of("a"), _of("b"), _of("x"), OURS]
    async with house.worker(_of("o", "a")), house.worker(_of("o", "b")):
        for number in range(24):
            await run.told(f"Place {number}", senders[number % 4])
        async with asyncio.timeout(120):
            while not (seen := await run.picture()) or len(seen[0]) + seen[1] < 24:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        accepted, rejected = seen
        assert rejected >= 6, "those that nobody here could read"
        assert len(accepted) >= 6
    # Whoever has every key agrees; what was refused stays refused, whatever is known since.
    for keys in (_of("o", "a", "b"), _of("x", "b", "a", "o")):
        async with house.worker(keys):
            await run.stands(accepted, rejected)
    assert await run.failures() <= {_WAITS}
    assert await run.replays("o", "a", "b", "x")
