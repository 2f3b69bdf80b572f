"""A backup taken while onboardings run is restored elsewhere: every document is there, the runs go
on, and nothing that had left leaves again."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from local.mailbox import Mailbox
from local.ports import LOOPBACK, free_port
from tests.deployment import ROOT, Deployment, image_files, temporal_server
from tests.postgres import Postgres, running_postgres
from tests.senders import a_contract

BACKUP, RESTORE = ROOT / "deploy" / "backup", ROOT / "deploy" / "restore"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)

# Stands before pg_dump: when Temporal's database is dumped, the server's file is copied, as it is at
# that instant, and a writer tries to change the register.
WATCHED_PG_DUMP = """\
#!/bin/sh
set -eu
for last; do :; done
if [ "$last" = temporal ]; then
    python3 -c 'import os, sqlite3
with sqlite3.connect(os.environ["LIVE"]) as live, sqlite3.connect(os.environ["COPY"]) as copy:
    live.backup(copy)'
    PGOPTIONS='-c lock_timeout=300ms' psql --quiet --dbname=onboarding 2>"$SAID" \\
        --command="UPDATE onboardings SET client_name = 'Autre'" && echo written >"$SAID"
fi
exec PG_DUMP "$@"
"""


def _variables(postgres: Postgres, data: Path, **more: str) -> dict[str, str]:
    return os.environ | {
        "PGHOST": str(postgres.folder),
        "PGUSER": "postgres",
        "DATABASES": "temporal temporal_visibility onboarding",
        "DOCUMENTS": str(data / "documents"),
        "INBOX": str(data / "inbox"),
        **more,
    }


def _script(script: Path, *words: str, variables: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [script, *words], env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _deployment(folder: Path, image: Path, port: int) -> Deployment:
    folder.mkdir()
    for name in ("documents", "inbox"):
        (folder / "data" / name).mkdir(parents=True)
    return Deployment(folder, image, {"temporal:7233": f"{LOOPBACK}:{port}"})


async def _status(deployment: Deployment, reference: str) -> dict[str, Any]:
    code, printed = await deployment.starter("status", reference, "--json")
    assert code == 0, printed
    status: dict[str, Any] = json.loads(printed)
    return status


async def _told(deployment: Deployment, reference: str, name: str, payload: dict[str, Any]) -> None:
    given = json.dumps(payload).encode()
    code, printed = await deployment.starter("fact", reference, name, "-", given=given)
    assert code == 0, printed


async def _sent(mailbox: Mailbox, more_than: int) -> list[str]:
    """The mails, once there are more and none comes any longer."""
    async with asyncio.timeout(60):
        while True:
            before = mailbox.names()
            await asyncio.sleep(2)
            if len(before) > more_than and mailbox.names() == before:
                return before


def _planned(day: datetime) -> dict[str, Any]:
    return {"starts_at": day.isoformat(), "place": "Siège"}


def _ids(mailbox: Mailbox, names: list[str]) -> set[str]:
    return {
        str(message_from_bytes((mailbox.folder / name).read_bytes())["Message-ID"])
        for name in names
    }


async def test_a_restored_onboarding_goes_on(tmp_path: Path) -> None:
    image = image_files(tmp_path / "app")
    mailbox = Mailbox(tmp_path / "mails")
    port = free_port()
    first = _deployment(tmp_path / "first", image, port)
    first.make_secrets()
    backups = tmp_path / "backups"
    backups.mkdir()
    contract = a_contract()
    reference = contract["reference"]
    with mailbox.smtp() as smtp:
        mail = {"ONBOARDING_SMTP_HOST": LOOPBACK, "ONBOARDING_SMTP_PORT": str(smtp)}
        with running_postgres() as postgres:
            first.make_databases(postgres)
            async with temporal_server(first.folder, port):
                assert (await first.run("prepare"))[0] == 0
                async with first.working(**mail):
                    assert (await first.run("release"))[0] == 0
                    given = json.dumps(contract).encode()
                    assert (await first.starter("start", "-", given=given))[0] == 0
                    await _told(first, reference, "kickoff_planned", _planned(SOON))
                    before = await _sent(mailbox, 2)
                    assert (first.folder / "data" / "documents" / reference).is_dir()
                    made = _backed_up(tmp_path, first, postgres, backups)
                    # What comes after the backup is lost, but for what people received.
                    await _told(
                        first, reference, "kickoff_planned", _planned(SOON + timedelta(days=1))
                    )
                    await _sent(mailbox, len(before))
        second = _deployment(tmp_path / "second", image, port)
        shutil.copytree(first.secrets, second.secrets)
        shutil.copy(tmp_path / "temporal.db", second.folder / "temporal.db")
        with running_postgres() as postgres:
            second.make_databases(postgres)
            variables = _variables(postgres, second.folder / "data")
            assert _script(RESTORE, str(made), variables=variables)[0] == 0
            async with temporal_server(second.folder, port):
                assert (await second.run("prepare"))[0] == 0
                code, printed = await second.starter("verify")
                assert code == 0, printed
                assert "0 fichier" not in printed
                there = len(mailbox.names())
                async with second.working(**mail):
                    assert (await second.run("release"))[0] == 0
                    status = await _status(second, reference)
                    assert status["open_points"] == []
                    await _told(
                        second, reference, "kickoff_planned", _planned(SOON + timedelta(days=2))
                    )
                    after = (await _sent(mailbox, there))[there:]
                    assert after
                    assert not _ids(mailbox, after) & _ids(mailbox, before)
                    assert (await second.starter("verify"))[0] == 0
            code, printed = _script(RESTORE, str(made), variables=variables)
            assert code == 1
            assert "n'est pas vide" in printed


def _backed_up(folder: Path, first: Deployment, postgres: Postgres, backups: Path) -> Path:
    tools = folder / "tools"
    tools.mkdir()
    real = shutil.which("pg_dump")
    assert real is not None
    (tools / "pg_dump").write_text(WATCHED_PG_DUMP.replace("PG_DUMP", real), encoding="utf-8")
    (tools / "pg_dump").chmod(0o755)
    code, printed = _script(
        BACKUP,
        variables=_variables(
            postgres,
            first.folder / "data",
            BACKUPS=str(backups),
            PATH=f"{tools}:{os.environ['PATH']}",
            LIVE=str(first.folder / "temporal.db"),
            COPY=str(folder / "temporal.db"),
            SAID=str(folder / "said"),
        ),
    )
    assert code == 0, printed
    assert "lock timeout" in (folder / "said").read_text(encoding="utf-8")
    made = Path(printed.strip())
    assert sorted(path.name for path in made.iterdir()) == [
        "SHA256SUMS",
        "documents.tar",
        "inbox.tar",
        "onboarding.dump",
        "temporal.dump",
        "temporal_visibility.dump",
    ]
    assert all(path.stat().st_mode & 0o077 == 0 for path in [made, *made.iterdir()])
    return made


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The folders of a backup that has next to nothing in it."""
    for name in ("documents", "inbox", "backups"):
        (tmp_path / name).mkdir()
    (tmp_path / "documents" / "one.pdf").write_bytes(b"%PDF")
    return tmp_path


def test_an_altered_backup_is_not_restored(small: Path) -> None:
    with running_postgres() as postgres:
        variables = _variables(postgres, small, BACKUPS=str(small / "backups"))
        variables["DATABASES"] = postgres.database().split("/")[3].partition("?")[0]
        database = variables["DATABASES"]
        subprocess.run(
            ["psql", "--quiet", f"--dbname={database}", "--command=CREATE TABLE one (a int)"],
            env=variables,
            check=True,
        )
        code, printed = _script(BACKUP, variables=variables)
        assert code == 0, printed
        made = Path(printed.strip())
        with (made / "documents.tar").open("ab") as file:
            file.write(b"x")
        code, printed = _script(RESTORE, str(made), variables=variables)
        assert code == 1
        assert "sauvegarde altérée" in printed


def test_a_backup_that_fails_leaves_nothing_behind(small: Path) -> None:
    with running_postgres() as postgres:
        variables = _variables(postgres, small, BACKUPS=str(small / "backups"))
        code, _ = _script(BACKUP, variables=variables)
        assert code != 0
    assert list((small / "backups").iterdir()) == []
