"""docker-compose.yml as it would run, on this machine: its services' environments and commands, the
image's files, its secrets as files, with addresses of here in the place of its networks' names."""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from local.ports import LOOPBACK, free_port
from tests.postgres import Postgres

ROOT: Final = Path(__file__).resolve().parent.parent
COMPOSE: Final = ROOT / "docker-compose.yml"

OURS: Final = ("prepare", "worker", "release", "service", "codec", "cleaning")
"""The services of our own image."""

_SECONDS: Final = 60


def compose() -> dict[str, Any]:
    """The file, its merges and aliases resolved."""
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return loaded


def image_files(target: Path) -> Path:
    """What ``COPY . .`` puts in the image: what .dockerignore leaves. A later line wins."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    def left_out(path: str) -> bool:
        out = False
        for rule in rules:
            wanted = rule.removeprefix("!").removeprefix("**/")
            parts = path.split("/")
            starts = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
            anywhere = parts if "**/" in rule else starts
            if any(fnmatch.fnmatchcase(one, wanted) for one in anywhere):
                out = not rule.startswith("!")
        return out

    kept = [rule[1:] for rule in rules if rule.startswith("!")]

    def ignored(folder: str, names: list[str]) -> set[str]:
        above = Path(folder).relative_to(ROOT)
        paths = {name: str(above / name) for name in names}
        return {
            name
            for name, path in paths.items()
            if left_out(path) and not any(one.startswith(f"{path}/") for one in kept)
        }

    shutil.copytree(ROOT, target, ignore=ignored)
    return target


@dataclass
class Deployment:
    """The services of docker-compose.yml on this machine."""

    folder: Path
    image: Path
    addresses: dict[str, str]
    """``host:port`` of docker-compose.yml → that of here."""

    ports: dict[str, int] = field(default_factory=dict)
    """Where each service listens, by its name."""

    metrics: dict[str, int] = field(default_factory=dict)

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def make_secrets(self) -> None:
        """Those of deploy/make-secrets."""
        subprocess.run([ROOT / "deploy" / "make-secrets", self.secrets], check=True)

    def make_databases(self, postgres: Postgres) -> None:
        """Those of deploy/postgresql/databases.sh; the register's address leads to them."""
        subprocess.run(
            [ROOT / "deploy" / "postgresql" / "databases.sh"],
            env=os.environ
            | {"PGHOST": str(postgres.folder), "POSTGRES_USER": "postgres"}
            | {"SECRETS": str(self.secrets)},
            check=True,
        )
        password = (self.secrets / "onboarding_db_password").read_text(encoding="ascii")
        address = f"postgresql://onboarding:{password}@/onboarding?host={postgres.folder}"
        self.put_secret("database_url", address)

    def put_secret(self, name: str, value: str) -> None:
        """In the place of what make-secrets put there."""
        (self.secrets / name).unlink()
        (self.secrets / name).write_text(value, encoding="utf-8")

    def environment(self, service: str, **more: str) -> dict[str, str]:
        """The service's own, with what this machine has instead."""
        given = compose()["services"][service]["environment"]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ONBOARDING_", "TEMPORAL_"))
        }
        image = dict(re.findall(r"(ONBOARDING_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
        return (
            kept
            | {name: self._here(service, str(value)) for name, value in image.items()}
            | {name: self._here(service, _substituted(str(value))) for name, value in given.items()}
            | more
        )

    def _here(self, service: str, value: str) -> str:
        if value.endswith(":9464"):
            port = self.metrics.setdefault(service, free_port())
            return f"{LOOPBACK}:{port}"
        value = value.replace("/run/secrets", str(self.secrets))
        value = re.sub(r"^/data", str(self.folder / "data"), value)
        return self.addresses.get(value, value)

    def command(self, service: str) -> list[str]:
        """The service's own, listening here."""
        words = [str(word) for word in compose()["services"][service]["command"]]
        if "--port" in words:
            words[words.index("--host") + 1] = LOOPBACK
            port = self.ports.setdefault(service, free_port())
            words[words.index("--port") + 1] = str(port)
        return [sys.executable if word == "python" else word for word in words]

    async def run(
        self, service: str, *command: str, given: bytes = b"", **more: str
    ) -> tuple[int, str]:
        """What ``docker compose run`` would: exit code and what was printed."""
        process = await asyncio.create_subprocess_exec(
            *(command or self.command(service)),
            cwd=self.image,
            env=self.environment(service, **more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await asyncio.wait_for(process.communicate(given), _SECONDS)
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def starter(self, *arguments: str, given: bytes = b"", **more: str) -> tuple[int, str]:
        """``docker compose run worker python starter.py …``"""
        return await self.run(
            "worker", sys.executable, "starter.py", *arguments, given=given, **more
        )

    @asynccontextmanager
    async def lasting(self, service: str, **more: str) -> AsyncIterator[None]:
        """The service for the time of the block; its log is a file of the folder. Raises when it
        does not say that it listens, or ends badly."""
        log = self.folder / f"{service}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *self.command(service),
                cwd=self.image,
                env=self.environment(service, **more),
                stdout=file,
                stderr=file,
            )
        try:
            async with asyncio.timeout(_SECONDS):
                while "à l'écoute" not in log.read_text(encoding="utf-8"):
                    assert process.returncode is None, log.read_text(encoding="utf-8")
                    await asyncio.sleep(0.1)
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), _SECONDS)
        assert process.returncode == 0, log.read_text(encoding="utf-8")

    @asynccontextmanager
    async def working(self, **more: str) -> AsyncIterator[None]:
        """A worker for the time of the block, that was given the work."""
        async with self.lasting("worker", **more):
            code, printed = await self.run("release")
            assert code == 0, printed
            yield


def _substituted(value: str) -> str:
    """``${NAME:-default}`` → the default: nothing of this machine's environment."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


@asynccontextmanager
async def temporal_server(
    folder: Path, port: int, *, metrics_port: int | None = None
) -> AsyncIterator[None]:
    """A server that keeps its runs in ``folder``/temporal.db, until it answers."""
    from temporalio.client import Client

    from local.temporal_server import temporal_binary

    watched = () if metrics_port is None else ("--metrics-port", str(metrics_port))
    process = await asyncio.create_subprocess_exec(
        *(str(temporal_binary()), "server", "start-dev", "--headless", "--ip", LOOPBACK),
        *("--port", str(port), "--db-filename", str(folder / "temporal.db"), *watched),
        *("--log-level", "never"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            while True:
                try:
                    client = await Client.connect(f"{LOOPBACK}:{port}")
                    await client.count_workflows()
                    break
                except RuntimeError:
                    await asyncio.sleep(0.2)
        yield
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), _SECONDS)
