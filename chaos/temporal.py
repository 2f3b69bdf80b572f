"""A Temporal server with virtual time, on a file: killed, it finds its runs again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from local.ports import LOOPBACK, free_port
from local.temporal_server import LATENCY, TIME_SKIPPING, temporal_binary
from workflows.converter import data_converter

_UNTIL_WE_END: Final = '"$0" "$@" >>"$LOG" 2>&1 & echo $!; read -r _; kill $!; wait $!'
"""A shell that tells the server's process, and ends it when its own input ends, however we do."""

_START_SECONDS: Final = 60.0


class TemporalServer:
    """The development server as a process of its own, keeping everything in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._server = 0
        self.port: Final = free_port()
        self._other_ports: Final = (free_port(), free_port())

    async def start(self) -> None:
        """Start it on its file. ``RuntimeError`` when it does not come up."""
        ui, http = self._other_ports
        self._process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _UNTIL_WE_END, str(temporal_binary())),
            *("server", "start-dev", "--headless", "--ip", LOOPBACK),
            *("--port", str(self.port), "--ui-port", str(ui), "--http-port", str(http)),
            *("--db-filename", str(self._folder / "temporal.db")),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=full"),
            *("--log-level", "warn"),
            *(
                word
                for value in TIME_SKIPPING + LATENCY
                for word in ("--dynamic-config-value", value)
            ),
            env={**os.environ, "LOG": str(self._folder / "temporal.log")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._server = int(await self._process.stdout.readline())
        await self._answers()

    async def _answers(self) -> None:
        """It listens before its default namespace is ready: count on it once it answers."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                with contextlib.suppress(Exception):
                    client = await Client.connect(f"{LOOPBACK}:{self.port}")
                    await client.count_workflows(rpc_timeout=timedelta(seconds=2))
                    return
                await asyncio.sleep(0.1)

    async def skipper(self) -> TimeSkipper:
        """A client whose onboardings have clocks of their own, moved by hand."""
        client = await Client.connect(f"{LOOPBACK}:{self.port}", data_converter=data_converter)
        return TimeSkipper(client, config=TimeSkippingConfig(enabled=False))

    async def kill(self) -> None:
        """SIGKILL: what it had not written is lost."""
        os.kill(self._server, signal.SIGKILL)
        await self._ended()

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def _ended(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
