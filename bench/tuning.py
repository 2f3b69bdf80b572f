"""Which settings a worker is better off with: ``python -m bench.tuning``, some ten minutes.

One setting at a time, against those of production, with activities that answer at once: what is
compared is how work is fetched and kept. Not part of ``make bench``.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.lives import OPENS_AT, PLAIN, lived
from bench.worker import SETTINGS
from bench.world import cpu_seconds, world
from ending import leave

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.scripts import Step

_AT_ONCE: Final = 8
_OURS: Final = "production"
_AUTOSCALING: Final = {"minimum": 1, "initial": 5, "maximum": 20}
_VARIED: Final[dict[str, dict[str, Any]]] = {
    _OURS: {},
    **{f"cache of {n}": {"max_cached_workflows": n} for n in (0, 10)},
    **{f"{n} workflow pollers": {"max_concurrent_workflow_task_polls": n} for n in (2, 10)},
    **{f"{n} activity pollers": {"max_concurrent_activity_task_polls": n} for n in (2, 10)},
    "autoscaling pollers": {
        "workflow_task_poller_behavior": _AUTOSCALING,
        "activity_task_poller_behavior": _AUTOSCALING,
    },
    **{f"{n} workflow tasks": {"max_concurrent_workflow_tasks": n} for n in (5, 20)},
    **{f"{n} activities": {"max_concurrent_activities": n} for n in (5, 100)},
    **{f"{n} workflow threads": {"workflow_task_executor": n} for n in (2, 16)},
}
"""A setting that is not named is that of production; the cache is bounded by the open lives."""

_QUICK: Final = (_OURS, "cache of 10")


@dataclass(frozen=True)
class _Turn:
    seconds: float
    worker_cpu: float


async def measure(*, quick: bool) -> dict[str, Any]:
    """Whole lives, some at once, each setting by turns in a world of its own."""
    varied = {name: _VARIED[name] for name in _QUICK} if quick else _VARIED
    lives, rounds = (2, 1) if quick else (_AT_ONCE, 3)
    script: list[Step] = []
    turns: dict[str, list[_Turn]] = {name: [] for name in varied}
    for _ in range(rounds):
        for name, settings in varied.items():
            turns[name].append(await _turn(settings, script, lives))
    ours = turns[_OURS]
    return {
        name: {
            "life_seconds": round(median(one.seconds for one in taken), 3),
            "worker_cpu_seconds": round(median(one.worker_cpu for one in taken), 3),
            "throughput_ratio": round(
                median(a.seconds / b.seconds for a, b in zip(ours, taken, strict=True)), 2
            ),
            "cpu_ratio": round(
                median(b.worker_cpu / a.worker_cpu for a, b in zip(ours, taken, strict=True)), 2
            ),
        }
        for name, taken in turns.items()
    }


async def _turn(settings: dict[str, Any], script: list[Step], lives: int) -> _Turn:
    """Live so many; the script is written by the first life of all."""
    os.environ[SETTINGS] = json.dumps(settings)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with world(Path(folder), "idle") as here:
                if not script:
                    script += (await lived(here, PLAIN))[0]

                async def one() -> None:
                    teller = await here.onboarding(PLAIN.contract(), OPENS_AT)
                    await teller.tell(script)
                    await teller.handle.result()

                # The first one imports.
                await one()
                began, cpu = time.monotonic(), cpu_seconds(here.worker)
                await asyncio.gather(*(one() for _ in range(lives)))
                return _Turn(
                    (time.monotonic() - began) / lives, (cpu_seconds(here.worker) - cpu) / lives
                )
    finally:
        del os.environ[SETTINGS]


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """Each setting: throughput and processor of the worker, production being 1."""
    for name, one in figures.items():
        yield (
            f"{name:<22}{one['life_seconds']:>8} s a life{one['throughput_ratio']:>7} of throughput"
            f"{one['worker_cpu_seconds']:>9} s of worker{one['cpu_ratio']:>7} of processor"
        )


def main() -> int:
    """Measure, print, and keep under var/bench/."""
    figures = asyncio.run(measure(quick="quick" in sys.argv[1:]))
    for line in lines(figures):
        print(line)
    folder = Path("var/bench")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "tuning.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    leave(main())
