"""What the lives of reference may cost, written down: ``python -m tests.budgets`` renews it.

Renewed only with the reason of each difference in docs/performance.md.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from bench import history
from ending import leave

RECORDED: Final = Path(__file__).with_suffix(".json")


def of(figures: dict[str, Any]) -> dict[str, dict[str, dict[str, int]]]:
    """What must not change, for each cause of each life: how often it occurs, its own events, its
    billable actions; and how many events its workflow tasks have, which depends a little on what
    happens to fall together."""
    return {
        life: {
            cause: {
                "times": cost["times"],
                "events": cost["events"] - cost["tasks"],
                "tasks": cost["tasks"],
                "actions": cost["actions"],
            }
            for cause, cost in found["causes"].items()
        }
        for life, found in figures.items()
    }


async def main() -> None:
    """Measure and write."""
    found = of(await history.measure(quick=False))
    RECORDED.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
    leave(0)
