"""Which version of the code takes the work of the onboardings (docs/upgrades.md)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, WorkerDeploymentConfig

from workflows.client_onboarding import ClientOnboarding
from workflows.lone_signature import LoneSignature
from workflows.names import LONE_SIGNATURE_TYPE, TASK_QUEUE, WORKFLOW_TYPE

if TYPE_CHECKING:
    from temporalio.client import Client

DEPLOYMENT: Final = "client-onboarding"
"""The name under which the server knows our workers, whatever their version."""

WORKFLOWS: Final = (ClientOnboarding, LoneSignature)
"""Every workflow of ours."""

_CALL_TIMEOUT: Final = timedelta(seconds=10)
_RECENT: Final = timedelta(seconds=90)
"""A poll that finds nothing lasts one minute; one that is older belongs to the past."""

_NOT_YET: Final = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
"""What the server answers while it has not recorded a version that it has just seen…"""
_RECORDED_SECONDS: Final = 15.0
"""…or, past that time, to what it will not do."""


class NotReleased(Exception):  # noqa: N818 - it states a situation
    """The work was not given to that version; the message says why."""


def deployment_of(build_id: str | None) -> WorkerDeploymentConfig | None:
    """How a worker of that version presents itself; without one, versions are not told apart.

    Runs last for months and are patched, so each goes on with the current version at its next
    task. Pinned ones would keep the first worker alive, faults included, until the last run ends.
    """
    if build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(DEPLOYMENT, build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def make_current(
    client: Client, build_id: str, *, percent: int | None = None, patience: timedelta
) -> None:
    """Give the work to that version: all of it, or that share of the onboardings for a trial.

    Waits for a worker of that version. Raises ``NotReleased`` when none came within
    ``patience``, or the server will not have it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds()
    while True:
        refusal = "aucun worker ne demande de travail pour elle"
        if await _is_polled(client, build_id):
            try:
                await _set(client, build_id, percent)
            except RPCError as error:
                if error.status not in _NOT_YET:
                    raise
                refusal = error.message
                deadline = min(deadline, loop.time() + _RECORDED_SECONDS)
            else:
                return
        if loop.time() > deadline:
            raise NotReleased(f"version {build_id} : {refusal}")
        await asyncio.sleep(0.5)


async def _is_polled(client: Client, build_id: str) -> bool:
    """Whether workers of that version take workflow tasks and activities at this time. The server
    alone would accept a version that is known and gone, and the work would wait for nobody."""
    since = datetime.now(UTC) - _RECENT
    for kind in (
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    ):
        described = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=TASK_QUEUE),
                task_queue_type=kind,
            ),
            timeout=_CALL_TIMEOUT,
        )
        if not any(
            poller.deployment_options.deployment_name == DEPLOYMENT
            and poller.deployment_options.build_id == build_id
            and poller.deployment_options.worker_versioning_mode
            == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
            and poller.last_access_time.ToDatetime(UTC) > since
            for poller in described.pollers
        ):
            return False
    return True


async def _set(client: Client, build_id: str, percent: int | None) -> None:
    if percent is None:
        await client.workflow_service.set_worker_deployment_current_version(
            SetWorkerDeploymentCurrentVersionRequest(
                namespace=client.namespace,
                deployment_name=DEPLOYMENT,
                build_id=build_id,
                identity=client.identity,
            ),
            timeout=_CALL_TIMEOUT,
        )
    else:
        await client.workflow_service.set_worker_deployment_ramping_version(
            SetWorkerDeploymentRampingVersionRequest(
                namespace=client.namespace,
                deployment_name=DEPLOYMENT,
                build_id=build_id,
                percentage=percent,
                identity=client.identity,
            ),
            timeout=_CALL_TIMEOUT,
        )


async def rehearse(client: Client) -> tuple[int, list[str]]:
    """Replay every open run with the code of this program: how many there are, and the workflow
    ids of those that it could not go on with. Nothing is changed."""
    types = f"'{WORKFLOW_TYPE}', '{LONE_SIGNATURE_TYPE}'"
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ({types})"
    replayer = Replayer(workflows=WORKFLOWS, data_converter=client.data_converter)
    histories = client.list_workflows(query).map_histories()
    count, stuck = 0, []
    async with replayer.workflow_replay_iterator(histories) as results:
        async for result in results:
            count += 1
            if result.replay_failure is not None:
                stuck.append(result.history.workflow_id)
    return count, sorted(stuck)
