"""A real PostgreSQL on this machine, from Debian's packages: started in a temporary directory, on a
Unix socket only, stopped and removed at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

INSTALL: Final = "sudo apt-get install --no-install-recommends postgresql"

_TIMEOUT_SECONDS: Final = 60


class Postgres:
    """A running server; ``database()`` gives a new empty database each time."""

    def __init__(self, tools: Path, folder: Path, run_as: list[str]) -> None:
        self._tools = tools
        self.folder: Final = folder
        """Where its socket is."""
        self._data = str(folder / "data")
        self._run_as = run_as
        self._numbers = count(1)

    def make(self) -> None:
        """Make its files."""
        self.run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        # A power cut is not what it is for.
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Every process of it stays there for the time of the block, and answers nothing."""
        first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        others = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()
        processes = [first, *map(int, others)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.run("createdb", "-h", str(self.folder), "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def run(self, tool: str, *arguments: str) -> None:
        """Run one of PostgreSQL's tools; its words are shown when it fails."""
        # Into a file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
        with tempfile.TemporaryFile() as words:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own tools
                [*self._run_as, str(self._tools / tool), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
            words.seek(0)
            why = words.read().decode(errors="replace")
        if done.returncode:
            message = f"{tool}: {why}"
            raise RuntimeError(message)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the time of the block. ``FileNotFoundError``, which says how to install it,
    where there is none."""
    tools = _tools()
    if tools is None:
        message = f"PostgreSQL is not installed: {INSTALL}"
        raise FileNotFoundError(message)
    # A folder that another user than root can enter. Short, because the path of a socket is
    # limited to 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    try:
        run_as: list[str] = []
        if os.geteuid() == 0:
            user = _unprivileged()
            os.chown(folder, user.pw_uid, user.pw_gid)
            run_as = _as_user(user)
        server = Postgres(tools, folder, run_as)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tools() -> Path | None:
    """The folder of initdb and its kin: Debian keeps them out of PATH, one folder a version."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(debian, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    if newest:
        return newest[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _unprivileged() -> pwd.struct_passwd:
    """PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    message = "no user `postgres` or `nobody` to run PostgreSQL as"
    raise FileNotFoundError(message)


def _as_user(user: pwd.struct_passwd) -> list[str]:
    if setpriv := shutil.which("setpriv"):
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return [setpriv, *ids, "--"]
    return [shutil.which("runuser") or "runuser", "-u", user.pw_name, "--"]
