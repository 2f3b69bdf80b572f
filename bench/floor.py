"""The floor: a workflow that waits, hears and acts as often as an onboarding, and does nothing else.

What it costs is what the engine costs; what an onboarding costs above it is ours.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import BaseModel
from temporalio import activity, workflow

FLOOR_TYPE: Final = "Floor"
_TIMEOUT: Final = timedelta(seconds=30)


class Round(BaseModel):
    """Activities started together."""

    regular: int = 0
    local: int = 0


class Stretch(BaseModel):
    """What follows one thing that happens: a message, or the end of a wait."""

    after: Literal["start", "message", "wait"]
    at: datetime | None = None
    """Until when to wait."""
    rounds: list[Round] = []
    """One after the other."""


class Plan(BaseModel):
    """A whole life."""

    stretches: list[Stretch]


@activity.defn(name="nothing")
async def nothing() -> None:
    """Done."""


@workflow.defn(name=FLOOR_TYPE)
class Floor:
    """Lives a plan to its end."""

    def __init__(self) -> None:
        self._messages = 0

    @workflow.run
    async def run(self, plan: Plan) -> None:
        """Do as often as the plan says what it says."""
        read = 0
        for stretch in plan.stretches:
            if stretch.after == "message":
                read += 1
                await workflow.wait_condition(lambda: self._messages >= read)  # noqa: B023 - at once
            elif stretch.at is not None:
                await workflow.sleep(stretch.at - workflow.now())
            for one in stretch.rounds:
                await asyncio.gather(
                    *(
                        workflow.execute_activity(nothing, start_to_close_timeout=_TIMEOUT)
                        for _ in range(one.regular)
                    ),
                    *(
                        workflow.execute_local_activity(nothing, start_to_close_timeout=_TIMEOUT)
                        for _ in range(one.local)
                    ),
                )

    @workflow.update
    async def message(self, _payload: dict[str, Any]) -> dict[str, str]:
        """Hear a message, and answer."""
        self._messages += 1
        return {"outcome": "accepted", "message": ""}
