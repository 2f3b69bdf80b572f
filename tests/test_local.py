"""What runs on this machine only: the mail catcher and the whole stack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import smtplib
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from temporalio.client import Client

from local import stack as local_stack
from local.mailbox import KIND_HEADER, Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "mails")


def _message(kind: str = "welcome") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Mileo <onboarding@mileotech.example>"
    message["To"] = "Hélène Marchand <h.marchand@client.example>"
    message["Subject"] = f"Bienvenue {HOSTILE}"
    message[KIND_HEADER] = kind
    message.set_content("Bonjour, ça commence.")
    message.add_alternative(f"<p>Bonjour</p>{HOSTILE}", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="é.pdf")
    return message


def test_every_mail_is_a_file_of_its_own_in_order(mailbox: Mailbox) -> None:
    with mailbox.smtp() as port, smtplib.SMTP("127.0.0.1", port) as smtp:
        for kind in ("welcome", "../../etc/Réserve 3"):
            smtp.send_message(_message(kind))
    assert mailbox.names() == [
        "0001-welcome-h-marchand.eml",
        "0002-etc-reserve-3-h-marchand.eml",
    ]
    # Found again, and continued, at the next start.
    assert Mailbox(mailbox.folder).deliver(b"Subject: x\r\n\r\n", ["a@b.example"]) == "0003-x-a.eml"


@pytest.fixture
def page(mailbox: Mailbox) -> Iterator[str]:
    mailbox.deliver(bytes(_message()), ["h.marchand@client.example"])
    with mailbox.page() as port:
        yield f"http://127.0.0.1:{port}"


def _read(address: str, host: str | None = None) -> tuple[str, dict[str, str]]:
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode(), dict(answer.headers)


def test_the_page_shows_a_mail_and_runs_none_of_it(page: str) -> None:
    mail = f"{page}/0001-welcome-h-marchand.eml"
    for address in (page, mail):
        shown, headers = _read(address)
        assert "Bienvenue &lt;script&gt;" in shown
        assert HOSTILE not in shown
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Bonjour, ça commence." in shown
    assert "<iframe sandbox " in shown
    _, headers = _read(f"{mail}/html")
    assert headers["Content-Security-Policy"].endswith("; sandbox")
    attached, headers = _read(f"{mail}/0")
    assert attached == "%PDF-"
    assert headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "path", ["/0002-x-y.eml", "/..%2f..%2fetc%2fpasswd", "/0001-welcome-h-marchand.eml/9"]
)
def test_nothing_else_is_served(page: str, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        _read(page + path)
    refused.value.close()


def test_a_page_of_another_site_cannot_read_the_mails(page: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        _read(page, host="rebound.example")
    refused.value.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_the_stack_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    stack = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.stack", str(tmp_path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert stack.stdout is not None
    told = b""
    async with asyncio.timeout(60):
        while b"Ctrl-C" not in told:
            line = await stack.stdout.readline()
            assert line, told.decode()
            told += line
    variables = (tmp_path / "env").read_text(encoding="utf-8")
    [address] = re.findall(r"export TEMPORAL_ADDRESS=(.*)", variables)
    await Client.connect(address)
    # What docs/integration.md shows is pasted as it is.
    names = [line.partition("=")[0] for line in variables.splitlines()]
    assert {"export SERVICE", "export TEMPORAL_HTTP", "export SECRET"} <= set(names)
    [api] = re.findall(r"export TEMPORAL_HTTP=(.*)", variables)
    assert f"et son API HTTP           {api}\n" in told.decode()
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{api}/api/v1/namespaces/default")
    assert answer.json()["namespaceInfo"]["name"] == "default"

    stack.send_signal(number)
    await asyncio.wait_for(stack.communicate(), 30)
    assert stack.returncode == (0 if number is not signal.SIGKILL else -signal.SIGKILL)
    async with asyncio.timeout(10):
        with contextlib.suppress(RuntimeError):
            while True:
                await Client.connect(address)
                await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("stack_has", "terminal_has", "expected"),
    [
        ({}, {}, "0||"),
        # What it would encrypt, this stack could not read.
        ({}, {"ONBOARDING_ENCRYPTION_KEYS": "k=b"}, "0||"),
        ({"ONBOARDING_ENCRYPTION_KEYS": "k=a"}, {"ONBOARDING_ENCRYPTION_KEYS": "k=a"}, "0|k=a|"),
        ({"ONBOARDING_ENCRYPTION_KEYS": "k=a"}, {}, "1||"),
        ({"ONBOARDING_ENCRYPTION_KEYS_FILE": "/a key"}, {}, "0||/a key"),
        (
            {"ONBOARDING_ENCRYPTION_KEYS_FILE": "/a key"},
            {"ONBOARDING_ENCRYPTION_KEYS": "k=b"},
            "0||/a key",
        ),
    ],
)
def test_another_terminal_encrypts_as_the_stack_does_or_is_told(
    stack_has: dict[str, str],
    terminal_has: dict[str, str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DATABASE_URL", "DOCUMENTS_URL", "INBOX"):
        monkeypatch.setenv(f"ONBOARDING_{name}", "x")
    for name, value in stack_has.items():
        monkeypatch.setenv(name, value)
    ports = {"temporal": 1, "http": 2, "api": 3}
    (tmp_path / "webhook-secret").write_text("whsec_x")
    variables = tmp_path / "env"
    variables.write_text(local_stack._variables(tmp_path, ports), encoding="utf-8")
    assert "k=a" not in variables.read_text(encoding="utf-8"), "no key is written"
    shown = "${ONBOARDING_ENCRYPTION_KEYS:-}|${ONBOARDING_ENCRYPTION_KEYS_FILE:-}"
    done = subprocess.run(
        ["/bin/sh", "-c", f'. {variables}; echo "$?|{shown}|${{TEMPORAL_ADDRESS:-}}"'],
        env={"PATH": os.environ["PATH"], **terminal_has},
        capture_output=True,
        text=True,
        check=True,
    )
    address = "" if expected.startswith("1") else "127.0.0.1:1"
    assert done.stdout == f"{expected}|{address}\n"
    assert ("à définir d'abord" in done.stderr) is expected.startswith("1")
