"""How the cost of an onboarding grows with its size: phases, réserves, items of equipment.

Each size is lived twice: on the real server with activities that answer at once (events, bytes,
billable actions, processor of the worker), and folded without Temporal (what one look costs). The
exponent of a cost is that of what it exceeds the smallest size's by, over the three largest sizes: 1
is linear. What every life costs would flatter it.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from bench.costs import costs, total
from bench.folded import Folded
from bench.lives import OPENS_AT, runs_of
from bench.sizes import Size, contract_of, script_of
from bench.world import cpu_seconds, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.world import World

SIZES: Final[dict[str, tuple[int, ...]]] = {
    "phases": (1, 5, 12, 25, 50),
    "reserves": (1, 25, 50, 100, 200),
    "equipment": (10, 60, 125, 250, 500),
}
_QUICK: Final[dict[str, tuple[int, ...]]] = {"phases": (1, 3)}
_LOOKS: Final = 9
_FITTED: Final = 3
COSTS: Final = {
    "events": "history events",
    "bytes": "history bytes",
    "actions": "billable actions",
    "worker_cpu_seconds": "worker, s of CPU",
    "looks": "looks",
    "looks_cpu_seconds": "looks, s of CPU",
    "look_cpu_ms": "one look, ms of CPU",
    "handed_bytes": "handed on, bytes",
    "largest_event_bytes": "largest event, bytes",
}
"""What is measured of each size, in the order in which it is shown."""


async def measure(*, quick: bool) -> dict[str, Any]:
    """Live an onboarding of each size: for each of what may be many, a list of figures, and their
    exponents."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), "idle") as here:
            await _lived(here, Size(), 0)  # what is done once a worker is not a cost of a life
            for what, sizes in (_QUICK if quick else SIZES).items():
                rows: list[dict[str, Any]] = []
                for size in sizes:
                    one = replace(Size(), **{what: size})
                    number = sum(len(known["rows"]) for known in figures.values()) + len(rows) + 1
                    row = {"size": size, **await _lived(here, one, number), **folded(one)}
                    rows.append(row)
                exponents = {cost: exponent(rows, cost) for cost in COSTS}
                figures[what] = {"rows": rows, "exponents": exponents}
    return figures


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """A table for each of what may be many, a line for each cost, its exponent at the end."""
    for what, found in figures.items():
        sizes = "".join(f"{row['size']:>12}" for row in found["rows"])
        yield f"{what:<24}{sizes}{'exponent':>12}"
        for cost, title in COSTS.items():
            row = "".join(f"{_shown(row[cost]):>12}" for row in found["rows"])
            yield f"  {title:<22}{row}{_said(found['exponents'][cost]):>12}"


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _said(slope: float | None) -> str:
    return "" if slope is None else f"{slope:.2f}"


def exponent(rows: list[dict[str, Any]], cost: str) -> float | None:
    """The slope, both on logarithmic scales and over the last rows, of what a cost and the size
    exceed those of the first row by; None where there is too little to tell."""
    base = rows[0]
    points = [
        (math.log(row["size"] - base["size"]), math.log(row[cost] - base[cost]))
        for row in rows[1:][-_FITTED:]
        if row[cost] > base[cost]
    ]
    if len(points) < 2:  # noqa: PLR2004 - what a slope needs
        return None
    x0 = sum(x for x, _ in points) / len(points)
    y0 = sum(y for _, y in points) / len(points)
    return sum((x - x0) * (y - y0) for x, y in points) / sum((x - x0) ** 2 for x, _ in points)


def folded(size: Size) -> dict[str, Any]:
    """What it decides without Temporal: its looks, one look when everything but the end is known
    (median), and what a next run would be handed."""
    life = Folded(size)
    life.tell(but=4)
    spent = []
    for _ in range(_LOOKS):
        begun = time.process_time()
        life.look(life.now)
        spent.append((time.process_time() - begun) * 1000)
    handed = [life.o.contract.model_dump(mode="json"), life.carried.model_dump(mode="json")]
    whole = Folded(size)
    whole.tell()
    return {
        "looks": whole.looks,
        "looks_cpu_seconds": round(whole.seconds, 4),
        "look_cpu_ms": round(median(spent), 3),
        "handed_bytes": sum(len(json.dumps(one, ensure_ascii=False).encode()) for one in handed),
    }


async def _lived(world: World, size: Size, number: int) -> dict[str, Any]:
    """A whole life on the server."""
    contract = contract_of(size, number)
    before = cpu_seconds(world.worker)
    teller = await world.onboarding(contract, OPENS_AT)
    await teller.tell(script_of(size, contract))
    result = await teller.handle.result()
    if result["outcome"] != "completed":
        raise RuntimeError(f"{size}: {result}")
    spent = cpu_seconds(world.worker) - before
    runs = await runs_of(world.stage.environment.client, teller.handle.id)
    events = [event for run in runs for event in run]
    cost = total(costs(events))
    return {
        "runs": len(runs),
        "events": cost.events,
        "bytes": cost.bytes,
        "actions": cost.actions,
        "worker_cpu_seconds": round(spent, 3),
        "largest_event_bytes": max(event.ByteSize() for event in events),
    }
