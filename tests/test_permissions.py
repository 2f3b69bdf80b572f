"""What the programs write is for their own user: personal data, documents, secrets."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from local.ports import free_port
from local.temporal_server import lasting_server

ROOT = Path(__file__).resolve().parent.parent
OPEN = 0o022
"""A usual umask, which lets everybody read."""


def _open_to_others(folder: Path) -> list[str]:
    """What anyone else may read, write or enter. Sockets and links have no mode of their own."""
    found = [folder, *folder.rglob("*")]
    return [
        f"{path.relative_to(folder)} {stat.filemode(path.lstat().st_mode)}"
        for path in found
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


def _environment(**variables: str) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("ONBOARDING_", "TEMPORAL"))}
    return kept | variables


async def test_everything_that_make_run_leaves_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    # Left open by another program, or an earlier version.
    (folder / "mails").mkdir(parents=True)
    folder.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.stack", str(folder)),
        cwd=ROOT,
        env=_environment(),
        stdout=asyncio.subprocess.PIPE,
        umask=OPEN,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"Ctrl-C" not in await process.stdout.readline():
                assert process.returncode is None
            while len(list((folder / "mails").glob("*.eml"))) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    written = {path.name for path in folder.rglob("*")}
    assert {"register.db", "temporal.db", "env", "webhook-secret", "contract.json"} <= written
    # The folder closes what was open in it.
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [one for one in _open_to_others(folder) if not one.startswith("mails ")] == []


async def test_what_a_worker_and_a_command_make_is_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with lasting_server(tmp_path, port=free_port(), ui_port=free_port()) as client:
        variables = _environment(
            TEMPORAL_ADDRESS=client.service_client.config.target_host,
            ONBOARDING_DATABASE_URL=f"sqlite:///{data / 'register.db'}",
            ONBOARDING_DOCUMENTS_URL=str(data / "documents"),
            ONBOARDING_INBOX=str(data / "inbox"),
            ONBOARDING_MAIL_FROM="onboarding@mileotech.example",
            ONBOARDING_HEAD_OF_PROJECTS="projets@mileotech.example",
        )
        prepared = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "starter.py"), "prepare"), env=variables, umask=OPEN
        )
        assert await asyncio.wait_for(prepared.wait(), 60) == 0
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "worker.py")),
            env=variables,
            stderr=asyncio.subprocess.PIPE,
            umask=OPEN,
        )
        assert worker.stderr is not None
        try:
            async with asyncio.timeout(60):
                while "l'écoute".encode() not in await worker.stderr.readline():
                    assert worker.returncode is None
        finally:
            worker.send_signal(signal.SIGTERM)
            await worker.communicate()
    assert {"register.db", "documents", "inbox"} <= {path.name for path in data.iterdir()}
    assert _open_to_others(data) == []


@pytest.mark.parametrize("mode", [0o644, 0o750])
def test_what_is_open_is_seen(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "x").touch()
    (tmp_path / "x").chmod(mode)
    assert len(_open_to_others(tmp_path)) == 1
