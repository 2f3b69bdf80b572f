"""Whether an onboarding is over, and until when Temporal remembers it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from register.models import Onboarding
from register.store import Audited
from workflows.names import workflow_id

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from register.store import Register

CALL_TIMEOUT: Final = timedelta(seconds=10)


async def ended_at(client: Client, reference: str) -> datetime | None:
    """When the onboarding's run ended, by the server. None while it lives, and for a run that this
    server does not know: it may be another server that does."""
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id(reference))
    try:
        run = await handle.describe(rpc_timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    except ValueError:
        # A state that the SDK has no name for yet, such as paused: it is not over.
        return None
    return None if run.status is WorkflowExecutionStatus.CONTINUED_AS_NEW else run.close_time


async def close(register: Register, reference: str, at: datetime) -> None:
    """Note the end of a run that could not do it itself: it was terminated."""
    ended = (
        update(Onboarding)
        .where(Onboarding.reference == reference, Onboarding.closed_at.is_(None))
        .values(closed_at=at)
    )
    async with register.change() as session:
        await session.execute(ended)
        await register.record_in(
            session,
            Audited(
                key=f"ended:{reference}:{at.isoformat()}",
                onboarding=reference,
                at=at,
                door="system",
                who="clean",
                act="ended_outside",
            ),
        )


async def retention(client: Client) -> timedelta:
    """How long the server keeps the history of a run that is over."""
    answer = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace), timeout=CALL_TIMEOUT
    )
    return answer.config.workflow_execution_retention_ttl.ToTimedelta()
