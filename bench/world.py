"""Where the measures are taken: the real server, the worker in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import psutil

from bench.floor import FLOOR_TYPE, Plan
from bench.scripts import Teller, Writer
from bench.worker import FLOOR_QUEUE, READY
from local.mailbox import Mailbox
from local.stage import Stage, stage_settings
from local.temporal_server import time_skipping_server
from register.store import Register

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from process.contract import Contract

ROOT: Final = Path(__file__).resolve().parent.parent
Activities = Literal["idle", "whole"]


@dataclass
class World:
    """A server and a worker, each a process."""

    stage: Stage
    worker: psutil.Process
    server: psutil.Process
    start_worker: Callable[[], Awaitable[psutil.Process]] | None = None
    """Another one; none where everything is in one process."""

    async def replace_worker(self) -> None:
        """SIGKILL, then another one."""
        if self.start_worker is None:
            raise RuntimeError("this worker is our own process")
        self.worker.kill()
        self.worker.wait()
        self.worker = await self.start_worker()

    async def onboarding(self, contract: Contract, opens_at: datetime) -> Teller:
        """Start one, told by script."""
        play = await self.stage.play(contract, opens_at)
        return Teller(self.stage, play.handle, contract)

    async def written(self, contract: Contract, opens_at: datetime) -> Writer:
        """Start one whose story is written down."""
        play = await self.stage.play(contract, opens_at)
        return Writer(self.stage, play.handle, contract)

    async def floor(self, contract: Contract, opens_at: datetime, plan: Plan) -> Teller:
        """Start the floor of one."""
        handle = await self.stage.environment.client.start_workflow(
            FLOOR_TYPE,
            plan,
            id=f"floor-{contract.reference}",
            task_queue=FLOOR_QUEUE,
            start_delay=opens_at - datetime.now(UTC),
        )
        teller = Teller(self.stage, handle, contract)
        await teller.at(opens_at)
        await teller.begun()
        return teller


def cpu_seconds(process: psutil.Process) -> float:
    """The time of processors that it has used, its children's included once they have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def server_on(port: int) -> psutil.Process:
    """The server of ours that was started on that port."""
    return next(
        child
        for child in psutil.Process().children(recursive=True)
        if child.name() == "temporal" and str(port) in child.cmdline()
    )


@asynccontextmanager
async def world(folder: Path, activities: Activities) -> AsyncIterator[World]:
    """Bring it up in that folder, and down at the end."""
    mailbox = Mailbox(folder / "mails")
    with mailbox.smtp() as port:
        settings = stage_settings(folder, port)
        settings.inbox.mkdir(parents=True, exist_ok=True)
        register = Register(settings.database_url)
        await register.migrate()
        async with time_skipping_server() as environment:
            address = environment.client.service_client.config.target_host
            told = environment_of(folder, port, address)
            here = World(
                Stage(environment, settings, register, mailbox),
                await _worker(activities, told),
                server_on(int(address.rpartition(":")[2])),
                partial(_worker, activities, told),
            )
            try:
                yield here
            finally:
                here.worker.terminate()
                here.worker.wait()
                await register.close()


def environment_of(folder: Path, smtp_port: int, address: str) -> dict[str, str]:
    """What a worker of ours is told, whatever the environment says."""
    kept = {name: one for name, one in os.environ.items() if not name.startswith("ONBOARDING_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {
        **kept,
        # As in production, what a run imports is compiled once.
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        "TEMPORAL_ADDRESS": address,
        "ONBOARDING_DATABASE_URL": f"sqlite:///{folder / 'onboarding.db'}",
        "ONBOARDING_DOCUMENTS_URL": str(folder / "documents"),
        "ONBOARDING_INBOX": str(folder / "inbox"),
        "ONBOARDING_SMTP_HOST": "127.0.0.1",
        "ONBOARDING_SMTP_PORT": str(smtp_port),
        "ONBOARDING_MAIL_FROM": "Mileo Technology <onboarding@mileotech.example>",
        "ONBOARDING_HEAD_OF_PROJECTS": "Marc Delaunay <m.delaunay@mileotech.example>",
    }


async def _worker(activities: Activities, environment: dict[str, str]) -> psutil.Popen:
    """Start one, and wait until it takes work."""
    process = psutil.Popen(
        [sys.executable, "-m", "bench.worker", activities],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
    )
    with process.stdout:
        if (await asyncio.to_thread(process.stdout.readline)).strip() != READY.encode():
            raise RuntimeError("the worker did not start")
    return process
