"""Ports of this machine: the usual one if nothing listens there, else another."""

from __future__ import annotations

import contextlib
import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
"""Everything that runs here listens to this machine only."""


def free_port(preferred: int | None = None) -> int:
    """``preferred`` if nothing listens there on this machine, else a port that is free."""
    if preferred is not None:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, preferred))
            return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
