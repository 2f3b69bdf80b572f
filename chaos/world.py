"""The whole system on this machine, each part a process that can be killed: one world a scene."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from activities.working_days import read_worked_days
from chaos.outcome import Delivery, Outcome, outcome_of
from chaos.post import Post
from chaos.temporal import TemporalServer
from chaos.worker import DOOM, SPARED, UNHEARD_SECONDS
from local.passage import Passage, tcp_passage
from local.ports import LOOPBACK, free_port
from local.postgres import Postgres, running_postgres
from local.scenarios import Story, new_installation
from local.stage import Play, Stage, stage_settings
from process.calendar import WorkCalendar, at
from process.contract import Contract
from register.store import Register
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from temporalio.client import WorkflowHandle
    from temporalio.testing import TimeSkipper, WorkflowEnvironment

    from settings import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
SMTP_SECONDS: Final = 2
"""How long the worker waits for the mail server here."""
_STARTED: Final = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
_NAMESPACE: Final = "default"
_PAUSE: Final = 0.05
T = TypeVar("T")

OPENS_AT: Final = at(date(2031, 3, 3), time(9, 30))
"""A Monday far ahead: every onboarding begins there, on its own clock."""


def the_contract() -> Contract:
    """The same in every world: a new site, with an audit, so that all seven steps are lived."""
    signed = new_installation(OPENS_AT - timedelta(minutes=30), date(2031, 5, 5))
    return signed.model_copy(update={"project_kind": "extension"})


@dataclass
class World:
    """Its parts, and what happened to them."""

    folder: Path
    settings: Settings
    temporal: TemporalServer
    skipper: TimeSkipper
    to_temporal: Passage
    to_post: Passage
    post: Post
    register: Register
    postgres: Postgres | None
    environment: dict[str, str]
    program: tuple[str, ...]
    worker: asyncio.subprocess.Process | None = None
    died_at: list[float] = field(default_factory=list)
    """When the worker ended, by the monotonic clock."""
    may_start: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether the worker is started again when it ends, as a restart policy does."""

    spared: bool = False
    """Whether the clock is being moved, so that no worker must be killed meanwhile."""

    @contextlib.contextmanager
    def sparing(self) -> Iterator[None]:
        """No worker is doomed for the time of the block."""
        mark = self.folder / "doom" / SPARED
        self.spared = True
        if mark.parent.exists():
            mark.touch()
        try:
            yield
        finally:
            self.spared = False
            mark.unlink(missing_ok=True)

    def kill_worker(self) -> None:
        """SIGKILL: the worker ends at this very instant."""
        if self.worker is not None and self.worker.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.worker.kill()

    async def keep_working(self) -> None:
        """Start a worker, and another one whenever it ends."""
        with (self.folder / "worker.log").open("ab") as log:
            while True:
                await self.may_start.wait()
                self.worker = await asyncio.create_subprocess_exec(
                    *(sys.executable, *self.program),
                    cwd=ROOT,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                )
                try:
                    await self.worker.wait()
                finally:
                    self.kill_worker()
                self.died_at.append(monotonic())
                await self._notice()

    async def _notice(self) -> None:
        """Have the server know now, and not after the minutes of the time-outs, that what the dead
        worker had in hand, or in its cache, is lost: it is tried again as after a time-out."""
        handle = self.skipper.client.get_workflow_handle(workflow_id(the_contract().reference))
        run = WorkflowExecution(workflow_id=handle.id)
        with contextlib.suppress(RPCError):
            await self.skipper.client.workflow_service.reset_sticky_task_queue(
                ResetStickyTaskQueueRequest(namespace=_NAMESPACE, execution=run)
            )
            pending = (await handle.describe()).raw_description.pending_activities
            for one in pending:
                if one.state == _STARTED:
                    lost = self.skipper.client.get_async_activity_handle(
                        workflow_id=handle.id, run_id=None, activity_id=one.activity_id
                    )
                    await lost.fail(RuntimeError("the worker died"))

    @property
    def _unheard(self) -> frozenset[Delivery]:
        return frozenset(
            delivery
            for delivery, accepted_at in self.post.accepted_at.items()
            if any(0 <= died_at - accepted_at < UNHEARD_SECONDS for died_at in self.died_at)
        )

    async def outcome(self, play: ToughPlay) -> Outcome:
        """What the onboarding left behind."""
        await play.ended()
        documents = Path(self.settings.documents_url)
        return await outcome_of(play, self.register, documents, self.post.deliveries, self._unheard)


class ToughPlay(Play):
    """Tells the facts as the doors do: again, under the same id, until they are answered."""

    def __init__(
        self,
        world: World,
        handle: WorkflowHandle[Any, Any],
        contract: Contract,
        strike: Callable[[str], Awaitable[None]],
    ) -> None:
        stage = Stage(
            cast("WorkflowEnvironment", world.skipper), world.settings, world.register, world.post
        )
        super().__init__(stage, handle, contract)
        self._world = world
        self._strike = strike
        self._number = 0

    async def now(self) -> datetime:
        """The instant on the clock of this run."""
        return await _until_answered(super().now)

    async def at(self, instant: datetime) -> None:
        """Let time pass until that instant; whatever falls due meanwhile happens."""
        await self.quiet()
        with self._world.sparing():
            while (ahead := instant - await self.now()) > timedelta():
                with contextlib.suppress(RPCError, RuntimeError):
                    await self.stage.environment.fast_forward(self.handle, ahead)
                await self.quiet()
                await self._decide()

    async def _decide(self) -> None:
        """What may have been received and was never answered is sent again at once, by somebody in
        a hurry."""
        while doubts := await self._doubts():
            for told in doubts:

                async def tell(told: dict[str, str] = told) -> None:
                    with contextlib.suppress(WorkflowUpdateFailedError):
                        await self.handle.execute_update("open_point_settled", told)

                await _until_answered(tell)
            await self.quiet()

    async def _doubts(self) -> list[dict[str, str]]:
        """What that somebody says, of each."""
        said = {"action": "retry", "by": "Claire Fontaine", "reason": "urgent"}
        points = (await self.status())["open_points"]
        return [{"id": one["id"], **said} for one in points if one["id"].startswith("mail:")]

    async def ended(self) -> None:
        """Wait for the end of the run, which comes once nothing that it sent is in doubt."""
        ending = asyncio.ensure_future(_until_answered(self.handle.result))
        while not (await asyncio.wait({ending}, timeout=_PAUSE))[0]:
            for told in await self._doubts():
                # It may have ended meanwhile.
                with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
                    await self.handle.execute_update("open_point_settled", told)
        await ending

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        while True:
            raw = (await _until_answered(self.handle.describe)).raw_description
            if not raw.pending_activities and not raw.HasField("pending_workflow_task"):
                return
            await asyncio.sleep(_PAUSE)

    async def fact(self, name: str, /, **payload: Any) -> str:
        """Send a fact as an update while the fault strikes; its outcome, or ``refused``."""
        self._number += 1
        id_ = f"{self._number}-{name}"

        async def tell() -> str:
            try:
                answer = await self.handle.execute_update(name, payload, id=id_)
            except WorkflowUpdateFailedError:
                return "refused"
            return str(answer["outcome"])

        telling = asyncio.ensure_future(_until_answered(tell))
        await self._strike(name)
        outcome = await telling
        await self.quiet()
        await self._decide()
        if name == "kickoff_held":
            day = payload["held_on"]
            await self.fact("audit_concluded", concluded_on=day, conclusions="Câblage conforme.")
        return outcome

    async def status(self) -> dict[str, Any]:
        """The ``status`` of the run."""
        return await _until_answered(super().status)


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            # The SDK says the same of our own cancellation, which must be one.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError from None
            await asyncio.sleep(0.2)


async def no_strike(_fact: str) -> None:
    """Nothing happens."""


async def opened(
    world: World, strike: Callable[[str], Awaitable[None]] = no_strike
) -> tuple[ToughPlay, Story]:
    """Start the onboarding of the contract, and wait until it has opened."""
    contract = the_contract()
    stage = Stage(
        cast("WorkflowEnvironment", world.skipper), world.settings, world.register, world.post
    )
    begun = await stage.play(contract, OPENS_AT)
    zones = {site.zone for site in contract.sites}
    calendar = WorkCalendar(read_worked_days(zones, 2030, 2034, world.settings.calendar))
    return ToughPlay(world, begun.handle, contract, strike), Story(
        contract, calendar, OPENS_AT.date()
    )


@asynccontextmanager
async def world(
    *,
    postgres: bool = False,
    doom: str = "",
    kept_on: Callable[[Path], AbstractContextManager[None]] | None = None,
    program: tuple[str, ...] = ("-m", "chaos.worker"),
    variables: Callable[[Path], Mapping[str, str]] | None = None,
) -> AsyncIterator[World]:
    """Bring it up in a folder of its own, which goes at the end. ``doom`` is for the worker
    (``chaos.worker``), ``kept_on`` gives the disk of the documents and of the register.
    ``FileNotFoundError`` without PostgreSQL, for who asks for it."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        temporal = TemporalServer(folder)
        stack.push_async_callback(temporal.stop)
        await temporal.start()
        post = Post(folder / "mails")
        smtp, passing_smtp, passing = stack.enter_context(post.smtp()), free_port(), free_port()
        to_post = await stack.enter_async_context(tcp_passage(LOOPBACK, passing_smtp, smtp))
        to_temporal = await stack.enter_async_context(tcp_passage(LOOPBACK, passing, temporal.port))
        kept = folder / "kept"
        kept.mkdir()
        if kept_on is not None:
            stack.enter_context(kept_on(kept))
        settings = stage_settings(kept, passing_smtp)
        settings.inbox.mkdir()
        server = stack.enter_context(running_postgres()) if postgres else None
        url = server.database() if server else settings.database_url
        register = Register(url)
        stack.push_async_callback(register.close)
        environment = {
            **{key: value for key, value in os.environ.items() if "ONBOARDING_" not in key},
            "TEMPORAL_ADDRESS": f"{LOOPBACK}:{passing}",
            "ONBOARDING_DATABASE_URL": url,
            "ONBOARDING_DOCUMENTS_URL": settings.documents_url,
            "ONBOARDING_INBOX": str(settings.inbox),
            "ONBOARDING_SMTP_HOST": LOOPBACK,
            "ONBOARDING_SMTP_PORT": str(passing_smtp),
            "ONBOARDING_SMTP_TIMEOUT_SECONDS": str(SMTP_SECONDS),
            "ONBOARDING_SMTP_DATA_TIMEOUT_SECONDS": str(SMTP_SECONDS),
            "ONBOARDING_MAIL_FROM": "Mileo Technology <onboarding@mileotech.example>",
            "ONBOARDING_HEAD_OF_PROJECTS": "Marc Delaunay <m.delaunay@mileotech.example>",
            **(variables(folder) if variables else {}),
        }
        if doom:
            (folder / "doom").mkdir()
            (folder / "doom" / "when").write_text(doom, encoding="utf-8")
            environment[DOOM] = str(folder / "doom")
        made = World(
            *(folder, settings, temporal, await temporal.skipper(), to_temporal, to_post, post),
            *(register, server, environment, program),
        )
        made.may_start.set()
        working = asyncio.create_task(made.keep_working())
        try:
            yield made
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
