"""A stage: the whole system on this machine with the time under our hand.

The real Temporal server (time skipping), a real SMTP server, the real register and worker. The
demonstration and the tests play onboardings on it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from local.mailbox import Mailbox
from local.temporal_server import time_skipping_server
from process.contract import Contract, fingerprint
from register.store import Register
from settings import Settings, load_settings
from storage.document_store import DocumentStore
from storage.links import link_key
from worker import CACHED_RUNS, build_worker
from workflows.names import CONTRACT_MEMO, TASK_QUEUE, WORKFLOW_TYPE, workflow_id
from workflows.page import contract_details, contract_summary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.client import WorkflowHandle
    from temporalio.testing import WorkflowEnvironment


_FIRST_EVENTS: Final = 4
"""Started, a first task scheduled, begun and completed."""


@dataclass(frozen=True)
class Stage:
    """Everything that an onboarding needs, up and running."""

    environment: WorkflowEnvironment
    settings: Settings
    register: Register
    mailbox: Mailbox

    async def play(self, contract: Contract, opens_at: datetime) -> Play:
        """Start the onboarding of that contract as if it were ``opens_at`` (in the future)."""
        client = self.environment.client
        handle = await client.start_workflow(
            WORKFLOW_TYPE,
            contract.model_dump(mode="json"),
            id=workflow_id(contract.reference),
            task_queue=TASK_QUEUE,
            memo={CONTRACT_MEMO: fingerprint(contract)},
            static_summary=contract_summary(contract),
            static_details=contract_details(contract),
            start_delay=opens_at - datetime.now(UTC),
        )
        play = Play(self, handle, contract)
        await play.at(opens_at)
        await play.begun()
        return play


@dataclass(frozen=True)
class Told:
    """A fact that was sent, and its outcome."""

    at: datetime
    fact: str
    payload: dict[str, Any]
    outcome: str
    reason: str


class Play:
    """One onboarding, on a clock of its own."""

    def __init__(self, stage: Stage, handle: WorkflowHandle[Any, Any], contract: Contract) -> None:
        self.stage = stage
        self.handle = handle
        self.contract = contract
        self.told: list[Told] = []
        """Every fact sent, with what became of it."""

    async def now(self) -> datetime:
        """The instant on the clock of this run."""
        return await self.stage.environment.get_current_time(self.handle)

    async def at(self, instant: datetime) -> None:
        """Let time pass until that instant; whatever falls due meanwhile happens."""
        await self.quiet()
        ahead = instant - await self.now()
        if ahead.total_seconds() > 0:
            await self.stage.environment.fast_forward(self.handle, ahead)
        await self.quiet()

    async def begun(self) -> None:
        """Wait until the run has done its first steps."""
        while (await self.handle.describe()).history_length < _FIRST_EVENTS:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait (a few real milliseconds) until no mail or document is under way."""
        while True:
            described = await self.handle.describe()
            raw = described.raw_description
            if not raw.pending_activities and not raw.HasField("pending_workflow_task"):
                return

    async def fact(self, name: str, /, **payload: Any) -> str:
        """Send a fact as an update; its outcome, or ``refused``."""
        try:
            answer = await self.handle.execute_update(name, payload)
        except WorkflowUpdateFailedError as error:
            reason = cast("ApplicationError", error.cause).message
            self.told.append(Told(await self.now(), name, payload, "refused", reason))
            return "refused"
        self.told.append(Told(await self.now(), name, payload, answer["outcome"], ""))
        await self.quiet()
        return str(answer["outcome"])

    async def signal(self, name: str, *arguments: Any) -> None:
        """Send a fact as a signal."""
        await self.handle.signal(name, args=arguments)
        await self.quiet()

    async def status(self) -> dict[str, Any]:
        """The ``status`` of the run."""
        while True:
            try:
                return cast("dict[str, Any]", await self.handle.query("status"))
            except RPCError as error:
                # A run that has just taken over from another one has not begun yet.
                if error.status is not RPCStatusCode.FAILED_PRECONDITION:
                    raise
                await asyncio.sleep(0.05)


@asynccontextmanager
async def stage(  # noqa: PLR0913 - each is what some caller looks at
    folder: Path,
    *,
    ui_port: int | None = None,
    mailbox: Mailbox | None = None,
    cached_runs: int = CACHED_RUNS,
    suggested_events: int | None = None,
    message_bytes: int | None = None,
    public_url: str | None = None,
) -> AsyncIterator[Stage]:
    """Bring everything up in that folder, and down again at the end. ``public_url`` is where an
    HTTP service answers, if one does."""
    async with AsyncExitStack() as stack:
        mailbox = mailbox or Mailbox(folder / "mails")
        port = stack.enter_context(mailbox.smtp())
        settings = stage_settings(folder, port, public_url)
        if message_bytes is not None:
            policy = settings.policy.model_copy(update={"message_bytes": message_bytes})
            settings = settings.model_copy(update={"policy": policy})
        settings.inbox.mkdir(parents=True, exist_ok=True)
        register = Register(settings.database_url)
        stack.push_async_callback(register.close)
        await register.migrate()
        store = DocumentStore(settings.documents_url)
        environment = await stack.enter_async_context(
            time_skipping_server(
                ui=ui_port is not None,
                ui_port=ui_port,
                suggested_events=suggested_events,
                message_bytes=message_bytes,
            )
        )
        worker = build_worker(
            environment.client,
            settings,
            register,
            store,
            links_key=await link_key(register),
            cached_runs=cached_runs,
        )
        await stack.enter_async_context(worker)
        yield Stage(environment, settings, register, mailbox)


def stage_settings(folder: Path, smtp_port: int, public_url: str | None = None) -> Settings:
    """Settings that keep everything in that folder, whatever the environment says."""
    ours = {
        "ONBOARDING_DATABASE_URL": f"sqlite:///{folder / 'onboarding.db'}",
        "ONBOARDING_DOCUMENTS_URL": str(folder / "documents"),
        "ONBOARDING_INBOX": str(folder / "inbox"),
        "ONBOARDING_SMTP_HOST": "127.0.0.1",
        "ONBOARDING_SMTP_PORT": str(smtp_port),
        "ONBOARDING_SMTP_SECURITY": "none",
        "ONBOARDING_MAIL_FROM": "Mileo Technology <onboarding@mileotech.example>",
        "ONBOARDING_HEAD_OF_PROJECTS": "Marc Delaunay <m.delaunay@mileotech.example>",
    }
    if public_url:
        ours["ONBOARDING_PUBLIC_URL"] = public_url
    before = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("ONBOARDING_")
    }
    os.environ.update(ours)
    try:
        return load_settings()
    finally:
        for name in ours:
            del os.environ[name]
        os.environ.update(before)
