"""Ports of this machine: the usual one if nothing listens there, else another."""

from __future__ import annotations

import contextlib
import secrets
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""Everything that runs here listens to this machine only."""

_FIRST: Final = 20_000
_MANY: Final = 12_000


def free_port(preferred: int | None = None) -> int:
    """``preferred`` if nothing listens there on this machine, else a port that is free."""
    if preferred is not None:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, preferred))
            return preferred
    while True:
        # Not one of those that the system lends to whoever connects: it might, meanwhile.
        port = _FIRST + secrets.randbelow(_MANY)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
