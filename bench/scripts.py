"""A life written down once, then told as often as one likes: to onboardings and to their floor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import EventType as Type

from bench.costs import LOCAL_ACTIVITY
from bench.floor import Plan, Round, Stretch
from local.stage import Play, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import WorkflowHandle

    from process.contract import Contract

_PAUSE_SECONDS: Final = 0.01


@dataclass(frozen=True)
class Step:
    """Let time pass until an instant, or tell a fact."""

    until: datetime | None = None
    fact: str = ""
    payload: dict[str, Any] | None = None


class Teller(Play):
    """Asks the server less often than a story does: that work would be measured with the rest."""

    async def quiet(self) -> None:
        """Wait until nothing is under way."""
        while True:
            raw = (await self.handle.describe()).raw_description
            if not raw.pending_activities and not raw.HasField("pending_workflow_task"):
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def tell(self, script: Iterable[Step], *, under: str = "") -> None:
        """Tell it from end to end; every fact ``under`` one name, if given."""
        for step in script:
            if step.until is not None:
                await self.at(step.until)
            else:
                await self.handle.execute_update(under or step.fact, step.payload)
                await self.quiet()


class Writer(Teller):
    """Writes down what it is told, but what was refused: that leaves no event."""

    def __init__(self, stage: Stage, handle: WorkflowHandle[Any, Any], contract: Contract) -> None:
        super().__init__(stage, handle, contract)
        self.script: list[Step] = []

    async def at(self, instant: datetime) -> None:
        """Let time pass until that instant."""
        self.script.append(Step(until=instant))
        await super().at(instant)

    async def fact(self, name: str, /, **payload: Any) -> str:
        """Send a fact; its outcome, or ``refused``."""
        outcome = await super().fact(name, **payload)
        if outcome != "refused":
            self.script.append(Step(fact=name, payload=payload))
        return outcome


def plan_of(events: Iterable[HistoryEvent]) -> Plan:
    """The waits, messages and activities of that history, and nothing else of it."""
    stretches = [Stretch(after="start")]
    task = 0
    for event in events:
        kind = event.event_type
        if kind == Type.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            stretches.append(Stretch(after="message"))
        elif kind == Type.EVENT_TYPE_TIMER_FIRED:
            at = event.event_time.ToDatetime(UTC)
            stretches.append(Stretch(after="wait", at=at))
        elif kind == Type.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            of = event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
            task = _counted(stretches[-1], of, task, regular=1)
        elif kind == Type.EVENT_TYPE_MARKER_RECORDED:
            marker = event.marker_recorded_event_attributes
            if marker.marker_name == LOCAL_ACTIVITY:
                of = marker.workflow_task_completed_event_id
                task = _counted(stretches[-1], of, task, local=1)
    return Plan(stretches=stretches)


def _counted(stretch: Stretch, of: int, task: int, *, regular: int = 0, local: int = 0) -> int:
    """One more activity, in the round of its workflow task."""
    if of != task or not stretch.rounds:
        stretch.rounds.append(Round())
    last = stretch.rounds[-1]
    last.regular, last.local = last.regular + regular, last.local + local
    return of
