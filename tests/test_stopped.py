"""Runs that end otherwise than by themselves: before they open, or stopped by force later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

import reception
import situation
from commands.overview import Wanted, found
from connection import create_search_attributes
from local.mailbox import Mailbox
from local.ports import free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from process.contract import Contract, fingerprint
from process.orders import OpenOnboarding
from register.store import Register
from settings import Settings
from storage.document_store import DocumentStore
from tests.senders import a_contract
from worker import build_worker
from workflows.names import TASK_QUEUE, WORKFLOW_TYPE, workflow_id


@dataclass
class Place:
    client: Client
    register: Register
    settings: Settings
    mails: Path

    def worker(self) -> Any:
        store = DocumentStore(self.settings.documents_url)
        return build_worker(self.client, self.settings, self.register, store)

    async def start(self, contract: Contract) -> bool:
        return await reception.start_onboarding(self.client, self.register, contract)

    async def status(self, reference: str) -> dict[str, Any]:
        return await reception.read_status(self.client, self.register, reference)

    async def opened(self, reference: str) -> None:
        """Wait until the register has its first picture."""
        while True:
            row = await self.register.onboarding(reference)
            if row is not None and row.status is not None:
                return
            await asyncio.sleep(0.1)

    async def listed(self, reference: str, step: str) -> None:
        """Wait until ``list --all`` shows it so: the visibility follows a little later."""
        while True:
            lines = await found(self.client, self.register, Wanted(closed=True))
            if step in [line.plain()["step"] for line in lines if line.reference == reference]:
                return
            await asyncio.sleep(0.1)

    async def ended(self, reference: str) -> WorkflowExecutionStatus | None:
        handle = self.client.get_workflow_handle(workflow_id(reference))
        with suppress(WorkflowFailureError):
            await handle.result()
        return (await handle.describe()).status


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("stopped")
    async with AsyncExitStack() as stack:
        mailbox = Mailbox(folder / "mails")
        settings = stage_settings(folder, stack.enter_context(mailbox.smtp()))
        settings.inbox.mkdir()
        register = Register(settings.database_url)
        stack.push_async_callback(register.close)
        await register.migrate()
        client = await stack.enter_async_context(
            lasting_server(folder, port=free_port(), ui_port=free_port())
        )
        await create_search_attributes(client)
        yield Place(client, register, settings, folder / "mails")


def signed(**changes: Any) -> Contract:
    return Contract.model_validate(a_contract(**changes))


async def test_cancelled_before_it_opened_it_leaves_its_reference_free(place: Place) -> None:
    contract = signed()
    reference = contract.reference
    assert await place.start(contract)
    await place.client.get_workflow_handle(workflow_id(reference)).cancel()
    async with asyncio.timeout(60), place.worker():
        assert await place.ended(reference) == WorkflowExecutionStatus.CANCELED
        assert await place.register.onboarding(reference) is None
        await place.listed(reference, "unopened")
        with pytest.raises(reception.Unknown, match="sa référence est libre"):
            await place.status(reference)
        assert not list(place.mails.glob("*.eml"))

        assert await place.start(contract)
        assert not await place.start(contract)
        await place.opened(reference)
        assert (await place.status(reference))["step"] == 1
        lines = await found(place.client, place.register, Wanted(closed=True))
        assert [line.step for line in lines if line.reference == reference] != ["unopened"]


async def test_a_claim_that_came_to_nothing_is_freed_for_another_contract(place: Place) -> None:
    contract = signed()
    reference = contract.reference
    assert await place.start(contract)
    handle = place.client.get_workflow_handle(workflow_id(reference))
    run = await handle.describe()
    order = OpenOnboarding(
        contract=contract.model_dump(mode="json"),
        workflow_id=handle.id,
        run_id=run.run_id,
        started_at=contract.signed_at,
    )
    # As its activity would, while the run is being terminated.
    assert await place.register.claim(order, fingerprint(contract)) is None
    assert not await place.start(contract)
    await handle.terminate()
    await place.listed(reference, "unopened")
    corrected = contract.model_copy(update={"project_kind": "extension"})
    assert await place.start(corrected)
    async with asyncio.timeout(60), place.worker():
        await place.opened(reference)
    kept = await place.register.contract(reference)
    assert kept.project_kind == "extension"


async def test_what_was_no_contract_does_not_keep_the_reference(place: Place) -> None:
    contract = signed()
    reference = contract.reference
    wrong = contract.model_dump(mode="json") | {"project_kind": "moon"}
    await place.client.start_workflow(
        WORKFLOW_TYPE, wrong, id=workflow_id(reference), task_queue=TASK_QUEUE
    )
    async with asyncio.timeout(60), place.worker():
        assert await place.ended(reference) == WorkflowExecutionStatus.FAILED
        assert await place.start(contract)
        await place.opened(reference)


async def test_cancelled_once_its_reference_is_claimed_the_parties_are_told(place: Place) -> None:
    contract = signed()
    reference = contract.reference
    async with asyncio.timeout(60), place.worker():
        assert await place.start(contract)
        await place.opened(reference)
        await place.client.get_workflow_handle(workflow_id(reference)).cancel()
        assert await place.ended(reference) == WorkflowExecutionStatus.COMPLETED
        assert (await place.status(reference))["step"] == "cancelled"
        assert not await place.start(contract)


async def test_stopped_by_force_it_does_not_look_as_if_it_went_on(place: Place) -> None:
    contract = signed()
    reference = contract.reference
    async with asyncio.timeout(60), place.worker():
        assert await place.start(contract)
        await place.opened(reference)
        handle = place.client.get_workflow_handle(workflow_id(reference))
        await handle.terminate()
        told = await place.status(reference)
        assert told["step"] == 1
        assert told["stopped_at"]
        assert "Arrêté de force" in "\n".join(situation.in_french(told, contract.signed_at))
        await place.listed(reference, "stopped")
        with pytest.raises(reception.Refused, match="Reset"):
            await place.start(contract)
