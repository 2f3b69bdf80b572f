"""(a) Onboardings a minute through the whole process, against the floor."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.lives import OPENS_AT, PLAIN, lived
from bench.scripts import plan_of
from bench.world import Activities, World, cpu_seconds, world

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE: Final = 8


@dataclass(frozen=True)
class _Turn:
    """What some lives took: seconds on the clock, and of processor, for one."""

    seconds: float
    worker: float
    server: float


async def measure(*, quick: bool) -> dict[str, Any]:
    """Whole lives, some at once, the floor's and ours by turns: with activities that answer at
    once, then with those of production."""
    count, rounds = (2, 1) if quick else (24, 5)
    return {
        "idle": await _compared("idle", count, rounds),
        "whole": await _compared("whole", max(2, count // 2), 1 if quick else 3),
    }


async def _compared(activities: Activities, count: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), activities) as here:
            script, events = await lived(here, PLAIN)
            plan = plan_of(events)

            async def floor() -> None:
                teller = await here.floor(PLAIN.contract(), OPENS_AT, plan)
                await teller.tell(script, under="message")
                await teller.handle.result()

            async def ours() -> None:
                teller = await here.onboarding(PLAIN.contract(), OPENS_AT)
                await teller.tell(script)
                await teller.handle.result()

            await floor()
            turns: dict[str, list[_Turn]] = {"floor": [], "ours": []}
            for _ in range(rounds):
                turns["floor"].append(await _turn(here, floor, count))
                turns["ours"].append(await _turn(here, ours, count))
    figures: dict[str, Any] = {
        name: {
            "onboardings_a_minute": round(60 / median(one.seconds for one in taken), 1),
            "worker_cpu_seconds": round(median(one.worker for one in taken), 3),
            "server_cpu_seconds": round(median(one.server for one in taken), 3),
        }
        for name, taken in turns.items()
    }
    ratios = [
        theirs.seconds / ours.seconds
        for theirs, ours in zip(turns["floor"], turns["ours"], strict=True)
    ]
    return {**figures, "ratio": round(median(ratios), 2), "at_once": _AT_ONCE, "lives": count}


async def _turn(here: World, live: Callable[[], Awaitable[None]], count: int) -> _Turn:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one() -> None:
        async with turn:
            await live()

    began = time.monotonic()
    worker, server = cpu_seconds(here.worker), cpu_seconds(here.server)
    await asyncio.gather(*(one() for _ in range(count)))
    return _Turn(
        (time.monotonic() - began) / count,
        (cpu_seconds(here.worker) - worker) / count,
        (cpu_seconds(here.server) - server) / count,
    )


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """Ours and the floor's, and the ratio."""
    for activities, found in figures.items():
        for name in ("floor", "ours"):
            one = found[name]
            yield (
                f"{activities:<8}{name:<8}{one['onboardings_a_minute']:>8} a minute"
                f"{one['worker_cpu_seconds']:>9} s of worker{one['server_cpu_seconds']:>9} s of server"
            )
        yield f"{activities:<8}ratio   {found['ratio']:>8}"
