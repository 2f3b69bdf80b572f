"""A run whose tasks fail for ever is freed: it goes on from its last good task, without what it
cannot take.

Temporal's own reset either sends all the signals again, what stopped the run included, or none of
them, and facts are lost. Here all are sent again but those that are named.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_OID, uuid5

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.history.v1 import WorkflowExecutionSignaledEventAttributes
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
)
from temporalio.service import RPCError, RPCStatusCode

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from temporalio.client import Client, WorkflowHandle

_CALL_TIMEOUT: Final = timedelta(seconds=10)
_FAILED_TWICE: Final = 2


class NotFreed(Exception):  # noqa: N818 - it states a situation, as the SDK's own do
    """Nothing was changed; the message says why, in French."""


@dataclass(frozen=True)
class Came:
    """A signal that came since the last task that was done."""

    event: int
    at: datetime
    signal: WorkflowExecutionSignaledEventAttributes


@dataclass(frozen=True)
class Stuck:
    """A run that does not go on."""

    workflow_id: str
    run_id: str
    last_good: int
    """The event of the last task that was done."""
    came: tuple[Came, ...]


async def stuck(client: Client, workflow_id: str, run_id: str | None = None) -> Stuck:
    """What the run of that id would go on from, and without. ``run_id`` names one that was freed
    before, to take up what was interrupted.

    Raises ``NotFreed`` when it does not exist, goes on, or never did anything.
    """
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        described = await handle.describe(rpc_timeout=_CALL_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFreed(f"exécution inconnue de Temporal : {workflow_id}") from None
        raise
    task = described.raw_description.pending_workflow_task
    if run_id is None and task.attempt < _FAILED_TWICE:
        raise NotFreed(f"{workflow_id} : ses tâches n'échouent pas, il n'y a rien à libérer")
    handle = client.get_workflow_handle(workflow_id, run_id=described.run_id)
    last_good, came = await _since_the_last_good_task(handle)
    if not last_good:
        raise NotFreed(
            f"{workflow_id} : aucune tâche n'a abouti ; l'arrêter (temporal workflow terminate) et "
            "recommencer"
        )
    return Stuck(workflow_id, described.run_id, last_good, came)


async def free(client: Client, run: Stuck, without: AbstractSet[int], reason: str) -> int:
    """Reset the run to its last good task, then send it again all that had come since, without
    those events: how many were sent. Interrupted, it may be done again: nothing is sent twice.

    Raises ``NotFreed`` when one of these is no signal that came since.
    """
    if unknown := without - {one.event for one in run.came}:
        raise NotFreed(f"--without {min(unknown)} : aucun message de ce numéro depuis cette tâche")
    reset = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
            reason=reason,
            workflow_task_finish_event_id=run.last_good,
            request_id=str(uuid5(NAMESPACE_OID, f"{run.run_id}:{run.last_good}")),
            identity=client.identity,
            reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
        ),
        timeout=_CALL_TIMEOUT,
    )
    # Read once more: the former run is over, and nothing more comes to it.
    former = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    _, came = await _since_the_last_good_task(former)
    again = [one for one in came if one.event not in without]
    for one in again:
        await client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=run.workflow_id, run_id=reset.run_id
                ),
                signal_name=one.signal.signal_name,
                input=one.signal.input,
                header=one.signal.header,
                # As its sender: the audit tells who acted, not who sent it again.
                identity=one.signal.identity,
                request_id=str(uuid5(NAMESPACE_OID, f"{run.run_id}:{one.event}")),
            ),
            timeout=_CALL_TIMEOUT,
        )
    return len(again)


async def _since_the_last_good_task(
    handle: WorkflowHandle[Any, Any],
) -> tuple[int, tuple[Came, ...]]:
    last_good, came = 0, list[Came]()
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            last_good = event.event_id
            came.clear()
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            at = event.event_time.ToDatetime(UTC)
            signal = event.workflow_execution_signaled_event_attributes
            came.append(Came(event.event_id, at, signal))
    return last_good, tuple(came)
