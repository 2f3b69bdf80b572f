"""(c) What the history of an onboarding costs: events, bytes and billable actions, by cause."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.costs import costs, total
from bench.lives import LIVES, PLAIN, lived
from bench.world import world

if TYPE_CHECKING:
    from collections.abc import Iterator


async def measure(*, quick: bool) -> dict[str, Any]:
    """Live the lives of reference with activities that answer at once, and count."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), "idle") as here:
            for life in (PLAIN,) if quick else LIVES:
                _, events = await lived(here, life)
                found = costs(events)
                figures[life.name] = {
                    "total": asdict(total(found)),
                    "causes": {cause: asdict(cost) for cause, cost in found.items()},
                }
    return figures


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """A table for each life."""
    for life, found in figures.items():
        yield f"{life:<24}{'times':>8}{'events':>8}{'of tasks':>10}{'bytes':>10}{'actions':>9}"
        for cause, cost in [*found["causes"].items(), ("total", found["total"])]:
            yield (
                f"  {cause:<22}{cost['times']:>8}{cost['events']:>8}{cost['tasks']:>10}"
                f"{cost['bytes']:>10}{cost['actions']:>9}"
            )
