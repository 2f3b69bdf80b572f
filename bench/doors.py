"""(g) ``POST /contracts`` and ``POST …/facts``: how many are acknowledged a second, durably, against
a client that starts an empty workflow, or updates one, on the same server.

Everything is on its disk before the answer: the server and SQLite with ``synchronous=full``,
PostgreSQL with ``fsync``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final

import httpx
import psutil
from standardwebhooks import Webhook

from bench.floor import FLOOR_TYPE, Plan, Stretch
from bench.worker import FLOOR_QUEUE, READY
from bench.world import ROOT, Activities, cpu_seconds, environment_of, server_on
from connection import create_search_attributes
from local.ports import LOOPBACK, free_port
from local.postgres import running_postgres
from local.scenarios import new_installation
from local.temporal_server import lasting_server
from process.contract import Contract
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from temporalio.client import Client

_AT_ONCE: Final = 16
"""Clients that speak at once; each waits for its answer."""
_SECRET: Final = "whsec_" + "B" * 40
_NO_SMTP: Final = 9
"""Nothing listens there: the activities that would are those that answer at once."""
_UP_SECONDS: Final = 30
_PAUSE_SECONDS: Final = 0.01
_MESSAGES: Final = 10_000
"""More than will come: the floor only ever hears and answers."""

_numbers = itertools.count(1)


async def measure(*, quick: bool) -> dict[str, Any]:
    """Contracts and facts, by turns with the floor; the register on SQLite, then on PostgreSQL
    where it is installed (else, and in a hurry, ``None``)."""
    count, rounds = (16, 1) if quick else (200, 5)
    figures: dict[str, Any] = {"at_once": _AT_ONCE, "requests": count * rounds}
    with tempfile.TemporaryDirectory() as folder:
        figures["sqlite"] = await _figures(Path(folder), count, rounds, None)
    figures["postgresql"] = None
    if quick:
        return figures
    with ExitStack() as stack:
        try:
            database = stack.enter_context(_lasting_postgres())
        except FileNotFoundError:
            return figures
        with tempfile.TemporaryDirectory() as folder:
            figures["postgresql"] = await _figures(Path(folder), count, rounds, database)
    return figures


# --- The doors, and who speaks at them ----------------------------------------------------------


@dataclass(frozen=True)
class Doors:
    """A Temporal server, the service and a worker, each a process; and a client of each."""

    client: Client
    http: httpx.AsyncClient
    processes: dict[str, psutil.Process]
    """By what they are: ``service``, ``server``, ``worker``, and ``client``, which is us."""

    async def post(self, path: str, value: object) -> str:
        """Send a signed message; its outcome. Raises ``RuntimeError`` unless it is acknowledged."""
        body = json.dumps(value)
        id_, at = f"bench-{next(_numbers)}", datetime.fromtimestamp(int(time.time()), UTC)
        headers = {
            "webhook-id": id_,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(_SECRET).sign(id_, at, body),
            "content-type": "application/json",
        }
        answer = await self.http.post(path, content=body, headers=headers)
        if not answer.is_success:
            raise RuntimeError(answer.text)
        return str(answer.json()["outcome"])

    async def quiet(self, reference: str) -> None:
        """Wait until nothing of that onboarding is under way."""
        handle = self.client.get_workflow_handle(workflow_id(reference))
        while True:
            raw = (await handle.describe()).raw_description
            if not raw.pending_activities and not raw.HasField("pending_workflow_task"):
                return
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def open_doors(
    folder: Path,
    *,
    worker: Activities,
    smtp_port: int = _NO_SMTP,
    database_url: str | None = None,
) -> AsyncIterator[Doors]:
    """Everything on the real clock and on the disk, in that folder; the register there too unless
    its address is given."""
    port, http_port = free_port(), free_port()
    environment = {
        **environment_of(folder, smtp_port, f"{LOOPBACK}:{port}"),
        "ONBOARDING_SMTP_SECURITY": "none",
        "ONBOARDING_WEBHOOK_SECRETS": f"crm={_SECRET}",
    }
    if database_url is not None:
        environment["ONBOARDING_DATABASE_URL"] = database_url
    (folder / "inbox").mkdir()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            lasting_server(folder, port=port, ui_port=free_port())
        )
        await create_search_attributes(client)
        service = await stack.enter_async_context(
            _running("starter.py", "serve", "--port", str(http_port), environment=environment)
        )
        hosting = await stack.enter_async_context(
            _running("-m", "bench.worker", worker, environment=environment)
        )
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://{LOOPBACK}:{http_port}", trust_env=False, timeout=_UP_SECONDS
            )
        )
        await _answers(http)
        if hosting.stdout is None or (await hosting.stdout.readline()).strip() != READY.encode():
            raise RuntimeError("the worker did not start")
        yield Doors(
            client,
            http,
            {
                "service": psutil.Process(service.pid),
                "server": server_on(port),
                "worker": psutil.Process(hosting.pid),
                "client": psutil.Process(),
            },
        )


@asynccontextmanager
async def _running(
    *arguments: str, environment: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _answers(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(_UP_SECONDS):
        while True:
            try:
                await http.get("/health/live")
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return


@contextmanager
def _lasting_postgres() -> Iterator[tuple[str, psutil.Process]]:
    """The address of a database that would outlive a power cut, and its first process."""
    with running_postgres() as postgres:
        postgres.stop()
        options = f"-c listen_addresses='' -c unix_socket_directories={postgres.folder}"
        data = postgres.folder / "data"
        postgres.run(
            *("pg_ctl", "start", "-w", "-D", str(data)),
            *("-l", str(postgres.folder / "log"), "-o", options),
        )
        first = int((data / "postmaster.pid").read_text(encoding="ascii").split()[0])
        yield postgres.database(), psutil.Process(first)


def posted_contract() -> Contract:
    """Signed just now, under a reference and with mailboxes of its own."""
    now = datetime.now(UTC).replace(microsecond=0)
    number = next(_numbers)
    contract = new_installation(now, (now + timedelta(days=60)).date())
    text = contract.model_dump_json().replace("@", f"@d{number}.")
    return Contract.model_validate_json(text).model_copy(update={"reference": f"DOOR-{number}"})


def _json(contract: Contract) -> dict[str, Any]:
    return contract.model_dump(mode="json", exclude_none=True)


# --- What is measured ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turn:
    """Requests made some at once: how long each took, all of them, and of which processors."""

    latencies: list[float]
    seconds: float
    cpu: dict[str, float]
    """Seconds for one request, by process."""


Request = Callable[[int], Awaitable[None]]
"""Made by the client of that number."""


async def _figures(
    folder: Path, count: int, rounds: int, database: tuple[str, psutil.Process] | None
) -> dict[str, Any]:
    address, postgres = database or (None, None)
    async with open_doors(folder, worker="idle", database_url=address) as doors:
        if postgres is not None:
            doors.processes["postgresql"] = postgres
        facts = await _compared(doors, count, rounds, *await _facts(doors))
        # Contracts come faster than they are opened: here, they wait for their worker.
        doors.processes.pop("worker").terminate()
        return {"facts": facts, "contracts": await _compared(doors, count, rounds, *_starts(doors))}


async def _facts(doors: Doors) -> tuple[Request, Request]:
    """A floor and an onboarding for each client, told something that sends no mail."""
    contracts = [posted_contract() for _ in range(_AT_ONCE)]
    plan = Plan(stretches=[Stretch(after="start"), *[Stretch(after="message")] * _MESSAGES])
    floors = []
    for contract in contracts:
        await doors.post("/contracts", _json(contract))
        id_ = f"floor-{contract.reference}"
        floors.append(
            await doors.client.start_workflow(FLOOR_TYPE, plan, id=id_, task_queue=FLOOR_QUEUE)
        )

    def piece() -> dict[str, str]:
        name = f"Plan {next(_numbers)}"
        return {"family": "plans", "name": name, "not_applicable_reason": "Ouvrage inchangé."}

    async def floor(client: int) -> None:
        await floors[client].execute_update("message", piece())

    async def ours(client: int) -> None:
        path = f"/onboardings/{contracts[client].reference}/facts/doe_piece_filed"
        _check(await doors.post(path, piece()), "accepted")

    for client, contract in enumerate(contracts):
        await floor(client)
        await ours(client)
        await doors.quiet(contract.reference)
    return floor, ours


def _starts(doors: Doors) -> tuple[Request, Request]:
    async def floor(_client: int) -> None:
        id_ = f"empty-{next(_numbers)}"
        await doors.client.start_workflow(
            FLOOR_TYPE, Plan(stretches=[]), id=id_, task_queue=FLOOR_QUEUE
        )

    async def ours(_client: int) -> None:
        _check(await doors.post("/contracts", _json(posted_contract())), "started")

    return floor, ours


def _check(outcome: str, expected: str) -> None:
    if outcome != expected:
        raise RuntimeError(f"{outcome}, not {expected}")


async def _compared(
    doors: Doors, count: int, rounds: int, floor: Request, ours: Request
) -> dict[str, Any]:
    turns: dict[str, list[_Turn]] = {"floor": [], "ours": []}
    for _ in range(rounds):
        turns["floor"].append(await _turn(doors, floor, count))
        turns["ours"].append(await _turn(doors, ours, count))
    figures: dict[str, Any] = {
        name: {
            "acknowledged": sum(len(turn.latencies) for turn in taken),
            "acknowledged_a_second": round(median(count / turn.seconds for turn in taken), 1),
            **spread([latency for turn in taken for latency in turn.latencies]),
            "cpu_ms": {
                process: round(1000 * median(turn.cpu[process] for turn in taken), 2)
                for process in taken[0].cpu
            },
        }
        for name, taken in turns.items()
    }
    ratios = [
        empty.seconds / one.seconds
        for empty, one in zip(turns["floor"], turns["ours"], strict=True)
    ]
    return {**figures, "ratio": round(median(ratios), 2)}


async def _turn(doors: Doors, request: Request, count: int) -> _Turn:
    latencies: list[float] = []

    async def one(client: int) -> None:
        for _ in range(client, count, _AT_ONCE):
            began = time.perf_counter()
            await request(client)
            latencies.append(time.perf_counter() - began)

    before = _cpu(doors.processes)
    began = time.perf_counter()
    await asyncio.gather(*(one(client) for client in range(_AT_ONCE)))
    seconds = time.perf_counter() - began
    after = _cpu(doors.processes)
    return _Turn(latencies, seconds, {name: (after[name] - before[name]) / count for name in after})


def _cpu(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Seconds used so far."""
    return {name: _seconds(name, process) for name, process in processes.items()}


def _seconds(name: str, process: psutil.Process) -> float:
    """PostgreSQL has a process for each connection, that ends with it; of our own children, some
    have ended that are not us."""
    if name == "postgresql":
        return sum(map(cpu_seconds, (process, *process.children())))
    times = process.cpu_times()
    return float(times.user + times.system)


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """The median and the last hundredths of these durations, in milliseconds."""
    hundredths = quantiles(seconds, n=100, method="inclusive")
    return {f"p{n}_ms": round(1000 * hundredths[n - 1], 1) for n in (50, 95, 99)}


# --- For people ---------------------------------------------------------------------------------


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """How many a second, how long each waits, and what it costs each process."""
    for register in ("sqlite", "postgresql"):
        for what in ("contracts", "facts") if figures[register] else ():
            found = figures[register][what]
            for name in ("floor", "ours"):
                one = found[name]
                waits = " / ".join(f"{one[key]}" for key in ("p50_ms", "p95_ms", "p99_ms"))
                cpu = ", ".join(f"{process} {ms}" for process, ms in one["cpu_ms"].items())
                yield (
                    f"{register:<11}{what:<10}{name:<6}{one['acknowledged_a_second']:>7} a second, "
                    f"{waits} ms; processor, ms each: {cpu}"
                )
            yield f"{register:<11}{what:<10}ratio {found['ratio']:>7}"
        if not figures[register]:
            yield f"{register:<11}not measured here"
