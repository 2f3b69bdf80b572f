"""How a program that used Temporal ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End this process with that exit code, once what it wrote is out.

    A process that used a Temporal client and ends the ordinary way may abort with code 134
    (temporalio/sdk-python#300): exit codes could not be trusted.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the reader of our output left before its end
            code = code or 1
    os._exit(code)


def asked_to_stop() -> asyncio.Event:
    """What is set when this program receives SIGTERM or SIGINT. Called within its loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
