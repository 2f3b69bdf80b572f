"""The machine and the versions that a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from typing import Any, Final

from local.temporal_server import temporal_binary

_PACKAGES: Final = ("temporalio", "pydantic", "sqlalchemy", "aiosqlite", "asyncpg", "aiosmtplib")


def described() -> dict[str, Any]:
    """System, processors, load, memory, versions."""
    server = subprocess.run(  # noqa: S603 - our own binary
        [temporal_binary(), "--version"], capture_output=True, text=True, check=True
    )
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "memory_mb": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1_000_000,
        "python": platform.python_version(),
        "temporal": server.stdout.strip(),
        **{name: version(name) for name in _PACKAGES},
    }
