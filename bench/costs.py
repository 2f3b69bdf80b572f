"""What a history costs, cause by cause: events, bytes, billable actions.

Billable actions are those of Temporal Cloud (docs.temporal.io/cloud/actions): each start, timer,
signal, update, change of search attributes, activity attempt, and the local activities of one
workflow task together. What leaves no event is not counted: heartbeats, queries, updates refused.
Nor is what the virtual clock writes: no history of production has it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import EventType as Type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from temporalio.api.history.v1 import HistoryEvent

_OF_THE_CLOCK: Final = {
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED,
}
_RUN: Final = "the run"
_SIGNALS: Final = "signals"
_UPDATES: Final = "updates"
_TIMERS: Final = "timers"
_CAUSES: Final = {
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _RUN,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _RUN,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: _RUN,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: _SIGNALS,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: _UPDATES,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: _UPDATES,
    Type.EVENT_TYPE_TIMER_STARTED: _TIMERS,
    Type.EVENT_TYPE_TIMER_FIRED: _TIMERS,
    Type.EVENT_TYPE_TIMER_CANCELED: "timers given up",
    Type.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "search attributes",
}
_BEGINS: Final = {
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    Type.EVENT_TYPE_TIMER_STARTED,
    Type.EVENT_TYPE_TIMER_CANCELED,
    Type.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    Type.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    Type.EVENT_TYPE_MARKER_RECORDED,
}
"""The events that count for one time of their cause."""
_ACTIONS: Final = _BEGINS - {
    Type.EVENT_TYPE_TIMER_CANCELED,
    Type.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    Type.EVENT_TYPE_MARKER_RECORDED,
} | {Type.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW}
_WAKES: Final = {
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    Type.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    Type.EVENT_TYPE_TIMER_FIRED,
    Type.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    Type.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    Type.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    Type.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
}
"""What has the server schedule a workflow task. An update does without a trace, until it is
accepted."""
_TASK: Final = {
    Type.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    Type.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    Type.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    Type.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    Type.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
}
LOCAL_ACTIVITY: Final = "core_local_activity"
"""The marker that the SDK records for one."""


@dataclass
class Cost:
    """What one cause costs."""

    times: int = 0
    events: int = 0
    tasks: int = 0
    """Of these events, those of the workflow tasks that it woke the run for."""
    bytes: int = 0
    actions: int = 0
    """Billable."""

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        return Cost(
            self.times + other.times,
            self.events + other.events,
            self.tasks + other.tasks,
            self.bytes + other.bytes,
            self.actions + other.actions,
        )


def costs(events: Iterable[HistoryEvent]) -> dict[str, Cost]:
    """The cost of each cause, in alphabetical order."""
    found: defaultdict[str, Cost] = defaultdict(Cost)
    names: dict[int, str] = {}
    woken_by: str | None = None
    task: list[HistoryEvent] = []
    local_of = 0
    for event in events:
        kind = event.event_type
        if kind in _OF_THE_CLOCK:
            continue
        if kind in _TASK:
            task.append(event)
            continue
        cause = _cause(event, names)
        if task and task[-1].event_type == Type.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            _charge(found[woken_by or cause], task)
            woken_by, task = None, []
        if kind in _WAKES and woken_by is None:
            woken_by = cause
        cost = found[cause]
        cost.times += kind in _BEGINS
        cost.events += 1
        cost.bytes += event.ByteSize()
        if kind == Type.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            cost.actions += event.activity_task_started_event_attributes.attempt
        elif kind == Type.EVENT_TYPE_MARKER_RECORDED:
            marker = event.marker_recorded_event_attributes
            of = marker.workflow_task_completed_event_id
            if marker.marker_name == LOCAL_ACTIVITY and of != local_of:
                cost.actions, local_of = cost.actions + 1, of
        else:
            cost.actions += kind in _ACTIONS
    _charge(found[woken_by or _RUN], task)
    return dict(sorted(found.items()))


def total(found: dict[str, Cost]) -> Cost:
    """All causes together."""
    whole = Cost()
    for cost in found.values():
        whole = whole.plus(cost)
    return whole


def _charge(cost: Cost, task: list[HistoryEvent]) -> None:
    cost.events += len(task)
    cost.tasks += len(task)
    cost.bytes += sum(event.ByteSize() for event in task)


def _cause(event: HistoryEvent, names: dict[int, str]) -> str:
    """In the words of the process where there are some: an activity by its name."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        name = event.activity_task_scheduled_event_attributes.activity_type.name
        names[event.event_id] = name
        return name
    if event.HasField("marker_recorded_event_attributes"):
        local = event.marker_recorded_event_attributes.marker_name == LOCAL_ACTIVITY
        return "the register shown" if local else "patches"
    for field in ("started", "completed", "failed", "timed_out", "cancel_requested", "canceled"):
        name = f"activity_task_{field}_event_attributes"
        if event.HasField(name):  # type: ignore[arg-type]
            return names[getattr(event, name).scheduled_event_id]
    return _CAUSES.get(event.event_type, Type.Name(event.event_type))
