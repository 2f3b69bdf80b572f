"""``make chaos``: every fault, the table, and ``var/chaos/*.json``."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaos.faults import Fault, all_faults
from chaos.scenes import Report, judged, lines, undisturbed
from ending import leave
from local.machine import described

if TYPE_CHECKING:
    from chaos.outcome import Outcome

_AT_ONCE: Final = 8
"""Scenes at the same time: most of their time is waiting."""


async def run(words: list[str]) -> int:
    """Play the faults whose names have these words, or all; 1 if any onboarding ended otherwise
    than it would have."""
    faults = [one for one in all_faults() if all(word in one.name for word in words)]
    began = time.monotonic()
    print("the onboarding left in peace…", flush=True)
    expected = await undisturbed()
    print(
        f"  {time.monotonic() - began:.0f} s: {len(expected.mails)} messages, "
        f"{len(expected.documents)} documents, {len(expected.limits)} limits",
        flush=True,
    )
    turn = asyncio.Semaphore(_AT_ONCE)
    reports = await asyncio.gather(*(_in_turn(turn, one, expected) for one in faults))
    path = _write(expected, reports, time.monotonic() - began)
    print()
    for line in lines(reports):
        print(line)
    print(f"\n{path}")
    return int(any(one.violations for one in reports))


async def _in_turn(turn: asyncio.Semaphore, fault: Fault, expected: Outcome) -> Report:
    async with turn:
        print(f"… {fault.name}", flush=True)
        report = await judged(fault, expected)
    outcome = report.skipped or ("VIOLATED" if report.violations else "held")
    print(f"  {report.seconds:.0f} s {fault.name}: {outcome} {report.measured or ''}", flush=True)
    return report


def _write(expected: Outcome, reports: list[Report], seconds: float) -> Path:
    now = datetime.now(UTC)
    folder = Path("var/chaos")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}.json"
    whole = {
        "at": now.isoformat(timespec="seconds"),
        "seconds": round(seconds),
        "machine": described(),
        "onboarding": {
            "messages": len(expected.mails),
            "documents": len(expected.documents),
            "pieces": len(expected.pieces),
            "limits": len(expected.limits),
        },
        "faults": [asdict(one) for one in reports],
    }
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    leave(asyncio.run(run(sys.argv[1:])))
