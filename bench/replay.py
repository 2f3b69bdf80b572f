"""(e) Replay: events a second of recorded histories, in the sandbox and without, against the floor.

It is what a worker pays for each open onboarding when it starts anew, and whenever its cache is
too small.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner

from bench.floor import Floor
from bench.lives import OPENS_AT, PLAIN, lived
from bench.scripts import plan_of
from bench.world import ROOT, world
from sandbox import WithoutContext
from versioning import WORKFLOWS
from workflows.converter import data_converter

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED: Final = ROOT / "tests" / "histories"
_RUNNERS: Final[dict[str, Callable[[], WorkflowRunner]]] = {
    "sandbox": WithoutContext,
    "without sandbox": UnsandboxedWorkflowRunner,
}


@dataclass
class _Rounds:
    """What rounds of the same histories took: seconds by the clock, and of processor."""

    events: int
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        return {
            "events_a_second": round(self.events / median(self.seconds)),
            "best_events_a_second": round(self.events / min(self.seconds)),
            "events_a_cpu_second": round(self.events / median(self.cpu_seconds)),
        }


async def measure(*, quick: bool, recorded: Path = RECORDED) -> dict[str, Any]:
    """Whole histories one after the other, by turns with those of the floor."""
    rounds = 1 if quick else 7
    histories = _recorded(recorded, 2 if quick else None)
    floor = await _floor()
    events = sum(len(one.events) for one in histories.values())
    sets = {
        "ours": list(histories.values()),
        # About as many events, so that what begins each round weighs the same.
        "floor": [floor] * max(1, round(events / len(floor.events))),
    }
    taken = {
        runner: {who: _Rounds(sum(len(h.events) for h in told)) for who, told in sets.items()}
        for runner in _RUNNERS
    }
    # The first one imports.
    for runner in _RUNNERS:
        for told in sets.values():
            await _replayed(runner, told[:1])
    for _ in range(rounds):
        for runner, by in taken.items():
            for who, told in sets.items():
                seconds, cpu_seconds = await _replayed(runner, told)
                by[who].seconds.append(seconds)
                by[who].cpu_seconds.append(cpu_seconds)
    return {
        "histories": {
            name: {
                "events": len(one.events),
                "kilobytes": round(sum(event.ByteSize() for event in one.events) / 1_000),
                "sandbox_ms": await _milliseconds(one, rounds),
            }
            for name, one in histories.items()
        },
        "events": events,
        "rounds": rounds,
        **{runner: _compared(by) for runner, by in taken.items()},
    }


def _compared(by: dict[str, _Rounds]) -> dict[str, Any]:
    ours, floor = by["ours"], by["floor"]
    ratios = [
        (ours.events / mine) / (floor.events / theirs)
        for mine, theirs in zip(ours.seconds, floor.seconds, strict=True)
    ]
    figures: dict[str, Any] = {who: one.figures() for who, one in by.items()}
    return {**figures, "ratio": round(median(ratios), 2)}


async def _milliseconds(history: WorkflowHistory, rounds: int) -> float:
    return round(
        1_000 * min([(await _replayed("sandbox", [history]))[0] for _ in range(rounds)]), 1
    )


async def _replayed(runner: str, histories: list[WorkflowHistory]) -> tuple[float, float]:
    """What it took: seconds by the clock, and of processor. Raises what a replay finds wrong."""
    replayer = Replayer(
        workflows=[*WORKFLOWS, Floor],
        data_converter=data_converter,
        workflow_runner=_RUNNERS[runner](),
    )
    began, cpu = time.perf_counter(), time.process_time()
    await replayer.replay_workflows(_each(histories))
    return time.perf_counter() - began, time.process_time() - cpu


async def _each(histories: list[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for one in histories:
        yield one


def _recorded(folder: Path, most: int | None) -> dict[str, WorkflowHistory]:
    """By their names; the first ones only, if so many are too many."""
    files = sorted(folder.glob("*.json.gz"))[:most]
    return {path.name.removesuffix(".json.gz"): _read(path) for path in files}


def _read(path: Path) -> WorkflowHistory:
    text = gzip.decompress(path.read_bytes()).decode()
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


async def _floor() -> WorkflowHistory:
    """The history of the floor of a plain onboarding."""
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), "idle") as here:
            script, events = await lived(here, PLAIN)
            teller = await here.floor(PLAIN.contract(), OPENS_AT, plan_of(events))
            await teller.tell(script, under="message")
            await teller.handle.result()
            return await teller.handle.fetch_history()


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """Events a second, ours and the floor's; then each history."""
    for runner in _RUNNERS:
        found = figures[runner]
        for who in ("floor", "ours"):
            one = found[who]
            yield (
                f"{runner:<16}{who:<6}{one['events_a_second']:>7} events a second"
                f" (best {one['best_events_a_second']}, {one['events_a_cpu_second']} a second of"
                " processor)"
            )
        yield f"{runner:<16}ratio {found['ratio']:>7}"
    for name, one in figures["histories"].items():
        yield (
            f"{name:<16}{one['events']:>5} events{one['kilobytes']:>6} kB{one['sandbox_ms']:>8} ms"
        )
