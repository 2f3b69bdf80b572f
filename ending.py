"""How a program that used Temporal ends."""

from __future__ import annotations

import os
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
