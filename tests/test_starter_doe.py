"""``starter.py doe-password``, ``verify`` and ``serve``: what stands beside the onboardings."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

import reception
import starter
from connection import opened_register
from local.ports import LOOPBACK, free_port
from process.orders import DocumentOrder, IssuedDocument, OpenOnboarding

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "contract-remplacement.json"
CONTENT = b"%PDF-1.7 un document"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A register with one onboarding and one document; the path of its file."""
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"sqlite:///{tmp_path}/register.db")
    monkeypatch.setenv("ONBOARDING_DOCUMENTS_URL", str(tmp_path / "documents"))
    contract = reception.parse_contract(EXAMPLE.read_bytes())
    reference = f"ODJ-{contract.reference}-1-v1"
    path = f"{contract.reference}/{reference}.pdf"
    now = datetime.now(UTC)

    async def prepare() -> None:
        async with opened_register(f"sqlite:///{tmp_path}/register.db") as register:
            opening = OpenOnboarding(
                contract=contract.model_dump(mode="json"),
                workflow_id="w",
                run_id="r",
                started_at=now,
            )
            assert await register.claim(opening, "0" * 64) is None
            order = DocumentOrder(
                onboarding=contract.reference,
                kind="ordre_du_jour",
                reference=reference,
                version=1,
                dated_on="2026-05-05",
                issuer=None,
                recipients=[],
                sites=[],
                data={},
            )
            issued = IssuedDocument(
                kind="ordre_du_jour",
                reference=reference,
                version=1,
                sha256=hashlib.sha256(CONTENT).hexdigest(),
                size=len(CONTENT),
                issued_at=now,
            )
            await register.record_document(order, issued, path)

    asyncio.run(prepare())
    file = tmp_path / "documents" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return file


def in_register(tmp_path: Path) -> list[tuple[str, datetime]]:
    async def readings() -> list[tuple[str, datetime]]:
        async with opened_register(f"sqlite:///{tmp_path}/register.db") as register:
            return await register.password_readings("MIL-2026-041")

    return asyncio.run(readings())


@pytest.mark.usefixtures("kept")
def test_the_password_is_shown_and_the_reading_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert starter.run(["doe-password", "MIL-2026-041"]) == 1
    assert "n'a pas de conteneur chiffré" in capsys.readouterr().err
    assert in_register(tmp_path) == []

    async def seal() -> None:
        async with opened_register(f"sqlite:///{tmp_path}/register.db") as register:
            assert await register.doe_password("MIL-2026-041", "AAAA-BBBB") == "AAAA-BBBB"
            # The first one stays: a container made again opens with the same.
            assert await register.doe_password("MIL-2026-041", "CCCC-DDDD") == "AAAA-BBBB"

    asyncio.run(seal())
    assert starter.run(["doe-password", "MIL-2026-041"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "AAAA-BBBB\n"
    assert "jamais par courriel" in shown.err
    [(by, _)] = in_register(tmp_path)
    assert by == getpass.getuser()
    assert starter.run(["doe-password", "MIL-9"]) == 1
    assert "aucun onboarding « MIL-9 »" in capsys.readouterr().err


def test_what_is_kept_is_verified_against_the_register(
    kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert starter.run(["verify"]) == 0
    assert capsys.readouterr().out == "1 fichier vérifié\n"
    kept.write_bytes(CONTENT.replace(b"document", b"documenT"))
    assert starter.run(["verify", "MIL-2026-041"]) == 1
    assert "ODJ-MIL-2026-041-1-v1" in capsys.readouterr().err
    kept.unlink()
    assert starter.run(["verify"]) == 1
    assert "ODJ-MIL-2026-041-1-v1" in capsys.readouterr().err
    assert starter.run(["verify", "MIL-9"]) == 1


@pytest.mark.usefixtures("kept")
def test_an_expired_link_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert starter.run(["link", "ODJ-MIL-2026-041-1-v1"]) == 1
    assert "ONBOARDING_PUBLIC_URL" in capsys.readouterr().err
    monkeypatch.setenv("ONBOARDING_PUBLIC_URL", "https://documents.example")
    assert starter.run(["link", "ODJ-MIL-2026-041-1-v9"]) == 1
    assert "aucun document" in capsys.readouterr().err
    assert starter.run(["link", "ODJ-MIL-2026-041-1-v1"]) == 0
    assert capsys.readouterr().out.startswith("https://documents.example/documents/")


@pytest.mark.usefixtures("kept")
def test_the_service_answers_until_it_is_told_to_stop() -> None:
    port = free_port()
    command = [sys.executable, "starter.py", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            assert any(f"http://{LOOPBACK}:{port}" in line for line in lines)
            with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/health/live") as answer:
                assert answer.status == 200
            unsigned = f"http://{LOOPBACK}:{port}/documents/{'0' * 64}"
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(unsigned)
            refused.value.close()
            assert refused.value.code == 401
        finally:
            process.terminate()
        assert process.wait(15) == 0
