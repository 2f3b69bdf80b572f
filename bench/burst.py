"""(h) Reminders that are all due at the same instant, as they are every morning at 09:00.

A few onboardings, then many: what the few cost is what the model of a larger installation is made
of (``bench.simulation``), and the many are what it is held against.
"""

from __future__ import annotations

import asyncio
import tempfile
import time as clock
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from bench.costs import costs, total
from bench.lives import OPENS_AT, PLAIN
from bench.world import World, cpu_seconds, world
from local.stage import stage
from process.calendar import at
from worker import CACHED_RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.scripts import Teller

_DUE_AT: Final = at(date(2031, 3, 12), time(9))
"""The kick-off must be held by 17 March: its first reminder, three jours ouvrés before."""
_AT_ONCE: Final = 8
_AHEAD_SECONDS: Final = 0.03
"""What it takes to set the clock of one run."""
_PATIENCE_SECONDS: Final = 120
_IDLE: Final = 0.1
"""The share of a processor under which nothing is under way any more."""


@dataclass(frozen=True)
class Cost:
    """Seconds of processor used so far."""

    worker: float
    server: float
    smtp: float

    @classmethod
    def of(cls, here: World) -> Cost:
        """Of the two processes, and of ours: the mail server is in it."""
        return cls(
            cpu_seconds(here.worker), cpu_seconds(here.server), cpu_seconds(psutil.Process())
        )


async def measure(*, quick: bool) -> dict[str, Any]:
    """The reminder of one onboarding, of a few at once, then of many at once; then of a few that
    their worker has forgotten."""
    sizes = (1, 3, 6) if quick else (1, 40, 200)
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), "whole") as here:
            runs = await _opened(here, sum(sizes))
            found = {
                name: await _burst(here, [runs.pop() for _ in range(size)])
                for name, size in zip(("one", "few", "many"), sizes, strict=True)
            }
    return {**found, "forgotten": await _forgotten(sizes[1])}


async def _forgotten(count: int) -> dict[str, Any]:
    """What it costs a worker besides that no run is in its cache: everything in one process, with
    room for all of them, then for one. ``events`` is the length of what is replayed."""
    spent, events = {}, 0
    for cached in (CACHED_RUNS, 1):
        with tempfile.TemporaryDirectory() as folder:
            async with stage(Path(folder), cached_runs=cached) as here:
                us = psutil.Process()
                alone = World(here, us, us)
                runs = await _opened(alone, count + 1)
                events = (await _events(runs[0]))["events"]
                await _burst(alone, [runs.pop()])
                spent[cached] = (await _burst(alone, runs))["worker_cpu_ms"]
    return {"events": events, "worker_cpu_ms": round(spent[1] - spent[CACHED_RUNS], 2)}


async def _opened(here: World, count: int) -> list[Teller]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one() -> Teller:
        async with turn:
            run = await here.onboarding(PLAIN.contract(), OPENS_AT)
            await run.at(_DUE_AT - timedelta(hours=1))
            return run

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def _events(run: Teller) -> dict[str, int]:
    """How long its history is, and what it costs, so far."""
    whole = total(costs([event async for event in run.handle.fetch_history_events()]))
    return {"events": whole.events, "bytes": whole.bytes, "actions": whole.actions}


async def _burst(here: World, runs: Sequence[Teller]) -> dict[str, Any]:
    """Let the reminders of all these fall due at the same instant, on the clock of this machine."""
    due = clock.time() + 1 + _AHEAD_SECONDS * len(runs)
    before = await _events(runs[0])
    already = set(_reminders(here))
    await asyncio.gather(*(_set(here, run, due) for run in runs))
    if clock.time() > due:
        raise RuntimeError("the clocks were not set in time")
    cost = Cost.of(here)
    await _sent(here, already, len(runs))
    await _quiet(here)
    spent = Cost.of(here)
    found = _reminders(here)
    sent_at = sorted(found[name] for name in found.keys() - already)
    after = await _events(runs[0])
    late = [1000 * (at_ - due) for at_ in sent_at]
    return {
        "mails": len(late),
        "p50_ms": round(late[len(late) // 2]),
        "p99_ms": round(late[(99 * len(late)) // 100]),
        "last_ms": round(late[-1]),
        "worker_cpu_ms": round(1000 * (spent.worker - cost.worker) / len(late), 2),
        "server_cpu_ms": round(1000 * (spent.server - cost.server) / len(late), 2),
        "smtp_cpu_ms": round(1000 * (spent.smtp - cost.smtp) / len(late), 2),
        "cost": {name: after[name] - before[name] for name in after},
    }


async def _set(here: World, run: Teller, due: float) -> None:
    """Set the clock of that run so that it reads the instant of the reminder at ``due``."""
    ahead = (_DUE_AT - await run.now()).total_seconds() - (due - clock.time())
    await here.stage.environment.fast_forward(run.handle, timedelta(seconds=ahead))


def _reminders(here: World) -> dict[str, float]:
    """When each reminder was taken by the mail server, by the name of its file."""
    folder = here.stage.mailbox.folder
    return {path.name: path.stat().st_mtime for path in folder.glob("*-reminder-*.eml")}


async def _sent(here: World, already: set[str], count: int) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while len(_reminders(here).keys() - already) < count:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.2)


async def _quiet(here: World) -> None:
    """Wait until the worker has nothing left to do."""
    busy = cpu_seconds(here.worker)
    while True:
        await asyncio.sleep(0.5)
        before, busy = busy, cpu_seconds(here.worker)
        if busy - before < _IDLE * 0.5:
            return


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """How late the reminders left, and what each cost."""
    for name in ("one", "few", "many"):
        found = figures[name]
        yield (
            f"{found['mails']:>5} due at once: {found['p50_ms']} / {found['p99_ms']} / "
            f"{found['last_ms']} ms late (p50, p99, last); processor, ms each: "
            f"worker {found['worker_cpu_ms']}, server {found['server_cpu_ms']}, "
            f"mail server {found['smtp_cpu_ms']}"
        )
    cost = figures["many"]["cost"]
    yield f"a reminder: {cost['events']} events, {cost['bytes']} bytes, {cost['actions']} actions"
    forgotten = figures["forgotten"]
    yield (
        f"its run not in the cache: {forgotten['worker_cpu_ms']} ms of worker more, "
        f"with {forgotten['events']} events to replay"
    )
