"""The workers that are measured, in a process of their own: ``python -m bench.worker idle|whole``.

``idle`` hosts the workflow with activities that answer at once, ``whole`` the worker of production.
Both host the floor, on a queue of its own, with the same settings. ``BENCH_WORKER``, a JSON object,
gives the idle one other settings: the keyword arguments of ``Worker`` by name, the bounds of an
autoscaling poller as an object, an executor as its number of threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any, Final

from temporalio.worker import PollerBehaviorAutoscaling, Worker

from bench.floor import Floor, nothing
from bench.idle import idle_activities
from connection import connect, opened_register
from ending import asked_to_stop, leave
from sandbox import WithoutContext
from settings import load_settings
from storage.document_store import DocumentStore
from versioning import WORKFLOWS
from worker import ACTIVITIES, CACHED_RUNS, build_worker
from workflows.names import TASK_QUEUE

FLOOR_QUEUE: Final = "floor"
READY: Final = "ready"
SETTINGS: Final = "BENCH_WORKER"


async def serve(activities: str) -> None:
    """Take work until asked to stop; says ``ready`` on standard output."""
    stop = asked_to_stop()
    settings = load_settings()
    client = await connect(settings, "worker")
    async with AsyncExitStack() as stack:
        if activities == "whole":
            register = await stack.enter_async_context(opened_register(settings.database_url))
            store = DocumentStore(settings.documents_url)
            ours = build_worker(client, settings, register, store)
        else:
            ours = Worker(
                client,
                task_queue=TASK_QUEUE,
                workflows=WORKFLOWS,
                activities=idle_activities(settings),
                workflow_runner=WithoutContext(),
                **_asked(),
            )
        floor = Worker(
            client,
            task_queue=FLOOR_QUEUE,
            workflows=[Floor],
            activities=[nothing],
            max_cached_workflows=CACHED_RUNS,
            max_concurrent_activities=ACTIVITIES,
            workflow_runner=WithoutContext(),
        )
        await stack.enter_async_context(ours)
        await stack.enter_async_context(floor)
        print(READY, flush=True)
        await stop.wait()


def _asked() -> dict[str, Any]:
    """The settings of production, but those that are asked for."""
    asked: dict[str, Any] = {
        "max_cached_workflows": CACHED_RUNS,
        "max_concurrent_activities": ACTIVITIES,
        **json.loads(os.environ.get(SETTINGS, "{}")),
    }
    for name, value in asked.items():
        if name.endswith("_poller_behavior"):
            asked[name] = PollerBehaviorAutoscaling(**value)
        elif name.endswith("_executor"):
            asked[name] = ThreadPoolExecutor(value)
    return asked


def main() -> int:
    """Serve the kind of worker that is asked for."""
    asyncio.run(serve(sys.argv[1]))
    return 0


if __name__ == "__main__":
    leave(main())
