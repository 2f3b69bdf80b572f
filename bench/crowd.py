"""(d) What many open onboardings cost: 1 to 10,000 on one server, against as many floor workflows.

On the real clock, with activities that answer at once: each onboarding opens, sends its first two
mails and waits. Beyond ``worker.CACHED_RUNS`` the worker forgets the run that served longest ago: a
fact told to it has its history replayed first.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Literal

import psutil

from bench.floor import FLOOR_TYPE, Plan, Stretch
from bench.worker import FLOOR_QUEUE, READY
from bench.world import ROOT, cpu_seconds, environment_of, world
from local.scenarios import new_installation
from worker import CACHED_RUNS
from workflows.names import TASK_QUEUE, WORKFLOW_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temporalio.client import WorkflowHandle

    from bench.world import World

Kind = Literal["ours", "floor"]

_SIZES: Final[dict[Kind, tuple[int, ...]]] = {
    "ours": (1, 10, 100, 1_000, 10_000),
    "floor": (1, 10, 100, 1_000),
}
_QUICK: Final[dict[Kind, tuple[int, ...]]] = {"ours": (1, 6), "floor": (1, 6)}
_AT_ONCE: Final = 32
_TOLD: Final = 20
_KILLS: Final = 2
_MB: Final = 1_000_000
_QUIET: Final = 0.05
"""Of a core: below that, a worker has nothing under way."""
_SETTLED_SECONDS: Final = 0.5
"""A worker that leaves while its first polls are on their way has the server complain."""
_LISTENING: Final = "à l'écoute"


async def measure(*, quick: bool) -> dict[str, Any]:
    """Start-up of a worker, then a crowd of onboardings, then one of floor workflows."""
    figures: dict[str, Any] = {"cached_runs": CACHED_RUNS}
    for kind, sizes in (_QUICK if quick else _SIZES).items():
        with tempfile.TemporaryDirectory() as folder:
            async with world(Path(folder), "idle") as here:
                if kind == "ours":
                    figures["start_up"] = await _start_up(here, Path(folder), 1 if quick else 5)
                figures[kind] = await _crowd(here, kind, sizes, 0.2 if quick else 10)
                if kind == "ours":
                    figures["restarted"] = await _restarted(here, sizes[-1], 4 if quick else 300)
        figures[f"{kind}_mb_a_thousand"] = _slope(figures[kind])
    return figures


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The start-up of a worker, then a line for each size."""
    for program, found in figures["start_up"].items():
        yield (
            f"{program:<16} ready in {found['seconds']:.2f} s, {found['rest_mb']:.0f} MB at rest"
        )
    one = figures["restarted"]
    yield (
        f"{one['open']} open, workers killed {one['kills']} times: {one['counted_once']} of "
        f"{one['told']} facts counted once, in {one['seconds']} s; worker {one['worker_mb']} MB"
    )
    for kind in _SIZES:
        yield (
            f"{kind:<8}{'open':>8}{'started /s':>12}{'server MB':>11}{'worker MB':>11}"
            f"{'server %':>10}{'worker %':>10}{'update ms':>11}{'evicted ms':>12}{'count ms':>10}"
        )
        for row in figures[kind]:
            evicted = row["evicted_update_ms"]
            yield (
                f"{'':<8}{row['open']:>8}{row['starts_a_second']:>12.1f}{row['server_mb']:>11.0f}"
                f"{row['worker_mb']:>11.0f}{row['server_idle_percent']:>10.1f}"
                f"{row['worker_idle_percent']:>10.1f}{row['update_ms']:>11.1f}"
                f"{evicted if evicted is not None else '':>12}{row['count_ms']:>10.1f}"
            )
        found = figures[f"{kind}_mb_a_thousand"]
        yield (
            f"{'':<8}a thousand more: server {found['server_mb']:.0f} MB, "
            f"worker {found['worker_mb']:.0f} MB (while they fit in its cache)"
        )


async def _restarted(here: World, size: int, told: int) -> dict[str, Any]:
    """Tell a fact to some of them, the workers killed twice meanwhile: what became of it."""
    client = here.stage.environment.client
    numbers = range(0, size, max(1, size // told))
    starts_at = (datetime.now(UTC) + timedelta(days=20)).isoformat(timespec="seconds")
    limit = asyncio.Semaphore(_AT_ONCE)

    async def tell(number: int) -> bool:
        """Whether it counts, once."""
        place, handle = f"Salle {number}", client.get_workflow_handle(f"onboarding-CROWD-{number}")
        payload = {"starts_at": starts_at, "place": place, "fact_id": "restarted"}
        async with limit:
            answer = await handle.execute_update("kickoff_planned", payload, id="restarted")
            journal = await handle.query("journal")
        found = [fact for fact in journal["facts"] if fact["payload"].get("place") == place]
        return bool(answer["outcome"] == "accepted" and len(found) == 1)

    begun = time.monotonic()
    telling = [asyncio.create_task(tell(number)) for number in numbers]
    for _ in range(_KILLS):
        await asyncio.sleep(0.2)
        await here.replace_worker()
    counted = sum(await asyncio.gather(*telling))
    await _quiet(here)
    running = await client.count_workflows("ExecutionStatus = 'Running'")
    return {
        "kills": _KILLS,
        "told": len(telling),
        "counted_once": counted,
        "seconds": round(time.monotonic() - begun, 1),
        "open": running.count,
        "worker_mb": round(here.worker.memory_info().rss / _MB, 1),
    }


# --- The start of a worker --------------------------------------------------------------------


async def _start_up(here: World, folder: Path, times: int) -> dict[str, Any]:
    """From its start to its first poll, and its memory then; the first start, which compiles, is
    left out."""
    address = here.stage.environment.client.service_client.config.target_host
    environment = environment_of(folder, here.stage.settings.smtp_port, address)
    found = {}
    for program, command, ready in (
        ("bench.worker", ("-m", "bench.worker", "idle"), READY),
        ("worker.py", ("worker.py",), _LISTENING),
    ):
        starts = [await _started(command, ready, environment) for _ in range(times + 1)][1:]
        found[program] = {
            "seconds": round(median(seconds for seconds, _ in starts), 3),
            "rest_mb": round(median(mb for _, mb in starts), 1),
        }
    return found


async def _started(
    command: tuple[str, ...], ready: str, environment: dict[str, str]
) -> tuple[float, float]:
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the worker has no output")
        async for line in process.stdout:
            if ready in line.decode():
                spent = time.monotonic() - begun
                at_rest = psutil.Process(process.pid).memory_info().rss / _MB
                await asyncio.sleep(_SETTLED_SECONDS)
                return spent, at_rest
        raise RuntimeError(f"{' '.join(command)} did not start")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


# --- The crowd --------------------------------------------------------------------------------


async def _crowd(
    here: World, kind: Kind, sizes: tuple[int, ...], idle_seconds: float
) -> list[dict[str, Any]]:
    """More and more of them, measured at each size."""
    runs: list[WorkflowHandle[Any, Any]] = []
    rows = []
    for size in sizes:
        before = len(runs)
        begun = time.monotonic()
        limit = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int, limit: asyncio.Semaphore = limit) -> WorkflowHandle[Any, Any]:
            async with limit:
                return await _open(here, kind, number)

        runs += await asyncio.gather(*(one(number) for number in range(before, size)))
        await _quiet(here)
        spent = time.monotonic() - begun
        rows.append(
            {
                "open": size,
                "start_seconds": round(spent, 2),
                "starts_a_second": round((size - before) / spent, 2),
                "server_mb": round(here.server.memory_info().rss / _MB, 1),
                "worker_mb": round(here.worker.memory_info().rss / _MB, 1),
                **await _idle(here, idle_seconds),
                "update_ms": await _told(kind, runs[-_TOLD:], f"{size}"),
                # The last of them opened last: the first ones are the ones forgotten.
                "evicted_update_ms": await _told(kind, runs[:_TOLD], f"{size} first")
                if size > CACHED_RUNS + _TOLD
                else None,
                "count_ms": await _counted(here, size),
            }
        )
        await _quiet(here)
    return rows


async def _open(here: World, kind: Kind, number: int) -> WorkflowHandle[Any, Any]:
    client = here.stage.environment.client
    now = datetime.now(UTC)
    if kind == "floor":
        plan = Plan(stretches=[Stretch(after="wait", at=now + timedelta(days=30))])
        return await client.start_workflow(
            FLOOR_TYPE, plan, id=f"floor-{number}", task_queue=FLOOR_QUEUE
        )
    contract = new_installation(now - timedelta(minutes=30), date(now.year + 1, 6, 2))
    made = contract.model_copy(update={"reference": f"CROWD-{number}"})
    return await client.start_workflow(
        WORKFLOW_TYPE,
        made.model_dump(mode="json"),
        id=f"onboarding-{made.reference}",
        task_queue=TASK_QUEUE,
    )


async def _quiet(here: World) -> None:
    """Wait until the worker has nothing left to do."""
    while (await _busy(here.worker, 0.5)) > _QUIET:
        continue


async def _busy(process: psutil.Process, seconds: float) -> float:
    """The part of a core that it uses meanwhile."""
    before = cpu_seconds(process)
    await asyncio.sleep(seconds)
    return (cpu_seconds(process) - before) / seconds


async def _idle(here: World, seconds: float) -> dict[str, float]:
    server, worker = await asyncio.gather(_busy(here.server, seconds), _busy(here.worker, seconds))
    return {
        "server_idle_percent": round(100 * server, 2),
        "worker_idle_percent": round(100 * worker, 2),
    }


async def _told(kind: Kind, runs: list[WorkflowHandle[Any, Any]], place: str) -> float:
    """The median latency of a fact, in milliseconds."""
    starts_at = (datetime.now(UTC) + timedelta(days=9)).replace(hour=9, second=0, microsecond=0)
    spent = []
    for rank in range(_TOLD):
        payload = {
            "starts_at": (starts_at + timedelta(minutes=rank)).isoformat(),
            "place": f"Salle {place}",
        }
        name = "message" if kind == "floor" else "kickoff_planned"
        begun = time.monotonic()
        await runs[rank % len(runs)].execute_update(name, payload)
        spent.append(time.monotonic() - begun)
    return round(median(spent) * 1000, 2)


async def _counted(here: World, expected: int) -> float:
    """The median duration of a count of those that are open, in milliseconds."""
    client = here.stage.environment.client
    spent: list[float] = []
    while len(spent) < _TOLD:
        begun = time.monotonic()
        counted = await client.count_workflows("ExecutionStatus = 'Running'")
        if counted.count == expected:  # else the server's index is still behind
            spent.append(time.monotonic() - begun)
    return round(median(spent) * 1000, 2)


def _slope(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Megabytes a thousand more, between the first size and the largest that fits in the cache."""
    fits = [row for row in rows if row["open"] <= CACHED_RUNS]
    first, last = fits[0], fits[-1]
    more = (last["open"] - first["open"]) / 1000
    return {
        name: round((last[name] - first[name]) / more, 1) for name in ("server_mb", "worker_mb")
    }
