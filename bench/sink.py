"""A real mail server that keeps nothing, in a process of its own: ``python -m bench.sink PORT``."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiosmtpd.controller import Controller

from bench.world import ROOT
from ending import leave
from local.mailbox import MAX_BYTES
from local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosmtpd.smtp import SMTP, Envelope, Session


class _Sink:
    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        return "250 OK"


@asynccontextmanager
async def sink() -> AsyncIterator[int]:
    """The port of one, for the time of the block."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.sink", str(port)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdout is None or not await process.stdout.readline():
            raise RuntimeError("the mail server did not start")
        yield port
    finally:
        process.terminate()
        # Read to the end: its pipes are closed then.
        await process.communicate()


def main() -> int:
    """Accept mails until whoever started it is gone."""
    controller = Controller(
        _Sink(),
        hostname=LOOPBACK,
        port=int(sys.argv[1]),
        data_size_limit=MAX_BYTES,
        enable_SMTPUTF8=True,
    )
    controller.start()
    print("ready", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    leave(main())
