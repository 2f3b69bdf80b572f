"""``make bench``: every measure, its tables, ``var/bench/*.json`` and the plots beside it.

``python -m bench latency replay`` takes those measures only; ``quick`` among the words makes them
short, to see that they work.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from beginning import keep_private
from bench import (
    burst,
    crowd,
    doors,
    effects,
    growth,
    history,
    kept,
    latency,
    plots,
    replay,
    throughput,
)
from ending import leave
from local.machine import described

_MEASURES: Final[
    dict[str, tuple[Callable[..., Awaitable[dict[str, Any]]], Callable[..., Iterator[str]]]]
] = {
    one.__name__.removeprefix("bench."): (one.measure, one.lines)
    for one in (
        history,
        kept,
        throughput,
        latency,
        doors,
        effects,
        replay,
        growth,
        burst,
        crowd,
    )
}
_QUICK: Final = "quick"


async def run(words: list[str]) -> int:
    """Take the measures named, or all; 2 for a name that is none."""
    wanted = [word for word in words if word != _QUICK] or list(_MEASURES)
    if unknown := [word for word in wanted if word not in _MEASURES]:
        print(f"{', '.join(unknown)}: none of {', '.join(_MEASURES)}", file=sys.stderr)
        return 2
    figures: dict[str, Any] = {}
    path = Path("var/bench") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    for name in wanted:
        measure, lines = _MEASURES[name]
        began = time.monotonic()
        figures[name] = await measure(quick=_QUICK in words)
        # Half an hour's figures do not go with what fails at its end.
        _write(path, figures)
        print(f"\n{name}, {time.monotonic() - began:.0f} s")
        for line in lines(figures[name]):
            print(f"  {line}", flush=True)
    print(f"\n{path}")
    for plot in plots.draw(figures, path.parent):
        print(plot)
    return 0


def _write(path: Path, figures: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    whole = {"at": at, "machine": described(), **figures}
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    keep_private()
    leave(asyncio.run(run(sys.argv[1:])))
