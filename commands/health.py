"""``worker-health``: does the worker of this machine take work?"""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from commands.shell import HELP, do

_RECENT: Final = timedelta(minutes=3)
"""A poll that finds nothing lasts one minute; one that is older than three belongs to the past."""


@click.command("worker-health", add_help_option=False, options_metavar="")
@HELP
def worker_health() -> None:
    """Dire si le worker de cette machine prend du travail (code 1 sinon)."""
    do(_worker_health())


async def _worker_health() -> None:
    """The server is asked, not the process: a worker that is there and takes nothing is no worker.

    A worker names itself ``process@machine``, and in a container the machine is the container.
    """
    from temporalio.api.enums.v1 import TaskQueueType
    from temporalio.api.taskqueue.v1 import TaskQueue
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
    from temporalio.service import RPCError

    from connection import connect
    from reception import Refused
    from settings import load_command_settings
    from workflows.names import TASK_QUEUE

    client = await connect(load_command_settings())
    here = socket.gethostname()
    for kind in (
        TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    ):
        try:
            described = await client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=client.namespace,
                    task_queue=TaskQueue(name=TASK_QUEUE),
                    task_queue_type=kind,
                ),
                timeout=timedelta(seconds=10),
            )
        except RPCError as error:
            raise Refused(f"le serveur Temporal n'a pas répondu ({error.status.name})") from error
        since = datetime.now(UTC) - _RECENT
        if not any(
            poller.identity.rpartition("@")[2] == here
            and poller.last_access_time.ToDatetime(UTC) > since
            for poller in described.pollers
        ):
            raise Refused(f"aucun worker de {here} ne prend de travail sur la file {TASK_QUEUE}")
    click.echo(f"le worker de {here} prend du travail sur la file {TASK_QUEUE}")
