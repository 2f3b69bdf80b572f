"""The HTTP service over real HTTP: what a link gives, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from connection import Unreachable
from local.ports import LOOPBACK, free_port
from local.stage import Stage
from process.facts import FACTS
from process.orders import DocumentOrder, IssuedDocument, OpenOnboarding
from reception import check_contract, check_fact
from register.store import Register
from service.app import create_app, serving
from settings import SettingsError
from storage.document_store import DocumentStore
from storage.links import document_link, link_key
from tests.builders import contract
from tests.s3 import running_s3

ROOT = Path(__file__).resolve().parent.parent
ONBOARDING = contract()["reference"]
PDF = b"%PDF-1.7 " + bytes(range(256)) * 20_000
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass
class Service:
    """A service that runs, and what a test prepares behind it."""

    register: Register
    store: DocumentStore
    folder: Path
    client: httpx.AsyncClient
    stage: Stage

    async def issue(
        self,
        reference: str,
        content: bytes,
        *,
        sha256: str | None = None,
        size: int | None = None,
        suffix: str = ".pdf",
    ) -> str:
        """Keep and register a document; its SHA-256."""
        path = f"{ONBOARDING}/{reference}{suffix}"
        await self.store.put(path, content)
        issued = IssuedDocument(
            kind="doe",
            reference=reference,
            version=1,
            sha256=sha256 or hashlib.sha256(content).hexdigest(),
            size=size or len(content),
            issued_at=datetime.now(UTC),
        )
        order = DocumentOrder(
            onboarding=ONBOARDING,
            kind="doe",
            reference=reference,
            version=1,
            dated_on="2026-05-15",
            issuer=None,
            recipients=[],
            sites=[],
            data={},
        )
        await self.register.record_document(order, issued, path)
        return issued.sha256

    async def link(self, sha256: str, reference: str, **lasting: float) -> str:
        expires_at = datetime.now(UTC) + timedelta(**lasting or {"days": 30})
        key = await link_key(self.register)
        return document_link("", key, sha256=sha256, reference=reference, expires_at=expires_at)


@pytest.fixture
async def service(tmp_path: Path, on_stage: Stage) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        register = Register(f"sqlite:///{tmp_path}/register.db")
        stack.push_async_callback(register.close)
        await register.migrate()
        claimed = OpenOnboarding(
            contract=contract(),
            workflow_id="onboarding",
            run_id="run",
            started_at=datetime.now(UTC),
        )
        assert await register.claim(claimed, "0" * 64) is None
        store = DocumentStore(str(tmp_path / "documents"))
        store.check()
        app = create_app(register, store, on_stage.environment.client)
        address = await stack.enter_async_context(serving(app, LOOPBACK, 0))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=address, trust_env=False)
        )
        yield Service(register, store, tmp_path / "documents", client, on_stage)


# --- A link that is good ----------------------------------------------------------------------


async def test_a_link_gives_the_document(service: Service) -> None:
    sha256 = await service.issue("DOE-1-v1", PDF)

    answer = await service.client.get(await service.link(sha256, "DOE-1-v1"))

    assert answer.status_code == 200
    assert answer.content == PDF
    expected = {
        "content-type": "application/pdf",
        "content-length": str(len(PDF)),
        "content-disposition": 'attachment; filename="DOE-1-v1.pdf"',
        "etag": f'"{sha256}"',
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "server" not in answer.headers


async def test_a_head_tells_the_same_without_the_document(service: Service) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")

    got, described = await service.client.get(link), await service.client.head(link)

    assert described.status_code == 200
    assert described.content == b""
    del got.headers["date"], described.headers["date"]
    assert described.headers == got.headers


async def test_a_container_is_sent_as_it_is_under_the_fingerprint_of_what_it_holds(
    service: Service,
) -> None:
    # Two documents of one clear content: the reference tells which one is meant.
    clear = hashlib.sha256(b"clear").hexdigest()
    await service.issue("DOE-1-v1", b"encrypted once", sha256=clear, suffix=".zip")
    await service.issue("DOE-1-v2", b"encrypted again", sha256=clear, size=5, suffix=".zip")

    answer = await service.client.get(await service.link(clear, "DOE-1-v2"))

    assert answer.content == b"encrypted again"
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-length"] == "15"
    assert answer.headers["content-disposition"] == 'attachment; filename="DOE-1-v2.zip"'


async def test_several_readers_are_served_at_once(service: Service) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
    answers = await asyncio.gather(*(service.client.get(link) for _ in range(20)))
    assert {answer.content for answer in answers} == {PDF}


async def test_a_reader_who_leaves_keeps_nothing_open(service: Service) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF * 10), "DOE-1-v1")

    async with service.client.stream("GET", link) as answer:
        await anext(answer.aiter_bytes())
        assert _open_documents() == 1

    for _ in range(100):
        if _open_documents() == 0:
            break
        await asyncio.sleep(0.05)
    assert _open_documents() == 0


def _open_documents() -> int:
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(descriptor.readlink().name)
    return sum(name.endswith("-v1.pdf") for name in names)


async def test_a_document_kept_in_a_bucket_is_given_the_same(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3(tmp_path / "s3") as s3:
        s3.bucket("documents")
        s3.known_to(monkeypatch)
        service.store = DocumentStore("s3://documents/mileo")
        link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
        app = create_app(service.register, service.store, service.stage.environment.client)
        async with (
            serving(app, LOOPBACK, 0) as address,
            httpx.AsyncClient(base_url=address, trust_env=False) as client,
        ):
            answer = await client.get(link)
            ready = await client.get("/health/ready")
            s3.kill()
            away = await client.get(link)
            not_ready = await client.get("/health/ready")

    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer.headers["content-length"] == str(len(PDF))
    assert ready.status_code == 200
    assert away.status_code == not_ready.status_code == 503
    assert not_ready.json()["documents"] == "unavailable"


# --- A link that is not -----------------------------------------------------------------------


async def test_a_link_that_has_expired_is_gone(service: Service) -> None:
    sha256 = await service.issue("DOE-1-v1", PDF)
    answer = await service.client.get(await service.link(sha256, "DOE-1-v1", seconds=-1))
    assert answer.status_code == 410


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("DOE-1-v1", "DOE-1-v2"),
        ("expires=1", "expires=2"),
        ("signature=", "signature=0"),
        ("&signature=", "&other="),
        ("?", "?x="),
        ("/documents/", "/documents/0"),
    ],
)
async def test_a_link_that_was_changed_is_not_ours(service: Service, here: str, there: str) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
    await service.issue("DOE-1-v2", PDF)

    answer = await service.client.get(link.replace(here, there))

    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
    assert PDF[:8] not in answer.content


async def test_a_bare_address_is_not_enough(service: Service) -> None:
    sha256 = await service.issue("DOE-1-v1", PDF)
    assert (await service.client.get(f"/documents/{sha256}")).status_code == 401
    assert (await service.client.get("/documents/%00%0d%0a?signature=%ff")).status_code == 401


async def test_what_the_register_does_not_have_is_unknown(service: Service) -> None:
    sha256 = await service.issue("DOE-1-v1", PDF)
    for link in (
        await service.link(sha256, "DOE-9-v1"),
        await service.link("0" * 64, "DOE-1-v1"),
    ):
        assert (await service.client.get(link)).status_code == 404


async def test_nothing_else_is_served(service: Service) -> None:
    for address in ("/", "/documents", "/redoc", "/documents/x/../../etc/passwd"):
        assert (await service.client.get(address)).status_code in {401, 404}
    assert (await service.client.post(f"/documents/{'0' * 64}")).status_code == 405


# --- How a refusal is told --------------------------------------------------------------------


async def test_a_person_reads_a_page_and_a_program_a_problem(service: Service) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1", seconds=-1)

    page = await service.client.get(link, headers=BROWSER)
    problem = await service.client.get(link, headers={"Accept": "application/json"})

    assert page.status_code == problem.status_code == 410
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Ce lien a expiré</h1>" in page.text
    assert '<html lang="fr">' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert problem.headers["content-type"] == "application/problem+json"
    told = problem.json()
    assert (told["status"], told["title"]) == (410, "Ce lien a expiré")
    for answer in (page, problem):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Accept"
        assert "DOE-1-v1" not in answer.text


async def test_what_breaks_is_told_with_excuses_and_without_details(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: str) -> None:
        raise RuntimeError("postgresql://user:password@host")

    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
    monkeypatch.setattr(service.register, "registered_document", broken)

    answer = await service.client.get(link, headers=BROWSER)

    assert answer.status_code == 500
    assert "Nous vous prions de nous en excuser" in answer.text
    assert "password" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_a_document_that_cannot_be_read_is_for_later(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
    next(service.folder.rglob("*.pdf")).unlink()

    answer = await service.client.get(link)

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert "DOE-1-v1 : absent de là où le registre le dit" in caplog.text


async def test_a_database_that_fails_is_for_later(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
    await _drop_the_tables(service.register)

    answer = await service.client.get(link)

    assert answer.status_code == 503
    assert "OperationalError" in caplog.text
    assert "SELECT" not in caplog.text


async def test_the_log_never_shows_a_signature(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.handler.setLevel(logging.DEBUG)
    sha256 = await service.issue("DOE-1-v1", PDF)
    link = await service.link(sha256, "DOE-1-v1")
    # Not what the client of this test logs of itself.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("httpcore").setLevel(logging.WARNING)

    await service.client.get(link)
    await service.client.get(link.replace("signature=", "signature=0"))
    await service.client.get("/documents/%0aforged%20line")

    assert f"GET /documents/{sha256} 200" in caplog.text
    assert f"GET /documents/{sha256} 401" in caplog.text
    assert "GET /documents/%0Aforged%20line 401" in caplog.text
    assert link.rpartition("=")[2] not in caplog.text
    assert "signature" not in caplog.text


# --- Health -----------------------------------------------------------------------------------


async def test_it_is_ready_when_database_documents_and_temporal_answer(service: Service) -> None:
    live, ready = [await service.client.get(f"/health/{name}") for name in ("live", "ready")]
    assert (live.status_code, ready.status_code) == (200, 200)
    assert ready.json() == {"database": "ok", "documents": "ok", "temporal": "ok"}


async def test_it_lives_but_is_not_ready_without_documents_or_database(service: Service) -> None:
    service.folder.rmdir()
    without_documents = await service.client.get("/health/ready")
    await _drop_the_tables(service.register)
    without_either = await service.client.get("/health/ready")

    assert without_documents.status_code == without_either.status_code == 503
    assert _unavailable(without_documents) == {"documents"}
    assert _unavailable(without_either) == {"database", "documents"}
    assert (await service.client.get("/health/live")).status_code == 200


async def _away() -> Client:
    raise Unreachable("away")


async def _silent() -> Client:
    await asyncio.sleep(60)
    raise AssertionError


async def _elsewhere(stage: Stage) -> Client:
    config = stage.environment.client.service_client.config
    return await Client.connect(config.target_host, namespace="ailleurs")


async def test_it_lives_and_gives_documents_but_is_not_ready_without_temporal(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.health._PATIENCE_SECONDS", 0.5)
    link = await service.link(await service.issue("DOE-1-v1", PDF), "DOE-1-v1")
    for connect in (_away, _silent, lambda: _elsewhere(service.stage)):
        app = create_app(service.register, service.store, connect)
        async with (
            serving(app, LOOPBACK, 0) as address,
            httpx.AsyncClient(base_url=address, trust_env=False) as client,
        ):
            ready = await client.get("/health/ready")
            assert (ready.status_code, _unavailable(ready)) == (503, {"temporal"})
            assert (await client.get("/health/live")).json() == {"service": "ok"}
            assert (await client.get(link)).content == PDF


def _unavailable(answer: httpx.Response) -> set[str]:
    told: dict[str, str] = answer.json()
    assert told.keys() == {"database", "documents", "temporal"}
    return {name for name, standing in told.items() if standing == "unavailable"}


async def _drop_the_tables(register: Register) -> None:
    async with register._engine.begin() as connection:
        for table in ("documents", "onboardings"):
            await connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_away")


# --- The program ------------------------------------------------------------------------------

_PROGRAM = """
    import asyncio, logging, sys
    from service.app import serve
    from settings import SettingsError, load_command_settings

    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(serve(load_command_settings(), "127.0.0.1", int(sys.argv[1])))
    except SettingsError as error:
        sys.exit(str(error))
"""


def _program(tmp_path: Path, port: int, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONBOARDING")}
    ours = {
        "ONBOARDING_DATABASE_URL": f"sqlite:///{tmp_path}/register.db",
        "ONBOARDING_DOCUMENTS_URL": str(tmp_path / "documents"),
    }
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_PROGRAM), str(port)],
        cwd=ROOT,
        env={**clean, **ours, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_finishes_what_it_began_when_asked_to_stop(
    tmp_path: Path, number: signal.Signals, on_stage: Stage
) -> None:
    port = free_port()
    temporal = on_stage.environment.client.service_client.config.target_host
    with _program(tmp_path, port, TEMPORAL_ADDRESS=temporal) as process:
        assert process.stderr
        for line in process.stderr:
            if "à l'écoute" in line:
                break
        async with httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{port}", trust_env=False
        ) as client:
            assert (await client.get("/health/ready")).status_code == 200
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(20) == 0, rest
    assert "arrêté" in rest
    assert "Traceback" not in rest


async def test_a_port_that_is_taken_is_told(service: Service) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} : déjà utilisés"):
            async with serving(create_app(service.register, service.store, _away), LOOPBACK, port):
                pass


def test_a_place_that_cannot_hold_documents_stops_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "documents").write_text("not a folder")
    with _program(tmp_path, free_port()) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ONBOARDING_DOCUMENTS_URL : dossier inutilisable" in told


async def test_a_large_document_takes_little_memory(tmp_path: Path, service: Service) -> None:
    size = 300_000_000
    with (service.folder / "large").open("wb") as file:
        file.truncate(size)
    sha256 = await service.issue("DOE-1-v1", PDF)
    next(service.folder.rglob("*.pdf")).unlink()
    (service.folder / "large").rename(service.folder / ONBOARDING / "DOE-1-v1.pdf")
    link = await service.link(sha256, "DOE-1-v1")
    port = free_port()
    with _program(tmp_path, port) as process:
        assert process.stderr
        for line in process.stderr:
            if "à l'écoute" in line:
                break
        async with httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{port}", trust_env=False, timeout=30
        ) as client:
            await client.get("/health/ready")
            before = _peak_kilobytes(process.pid)
            received = 0
            async with client.stream("GET", link) as answer:
                async for chunk in answer.aiter_bytes():
                    received += len(chunk)
        grown = _peak_kilobytes(process.pid) - before
        process.send_signal(signal.SIGTERM)
    assert received == size
    assert grown < 64_000


def _peak_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def test_a_wrong_source_of_the_operator_stops_it_at_once(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "crm.yaml").write_text("name: crm\n")
    with _program(tmp_path, free_port(), ONBOARDING_SOURCES=str(sources)) as process:
        _, told = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ONBOARDING_SOURCES : crm.yaml : maps : champ obligatoire absent" in told
    assert "Traceback" not in told


# --- How it describes itself ------------------------------------------------------------------


async def _described(service: Service) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((await service.client.get("/openapi.json")).content)
    return described


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            yield f"{method} {path}", operation


async def test_every_route_parameter_and_answer_is_described_in_french(service: Service) -> None:
    described = await _described(service)
    assert described["openapi"].startswith("3.1")
    usual = {http.HTTPStatus(status).phrase for status in (200, 202, 401, 404, 410, 503)}
    usual |= {"Successful Response", "Validation Error"}
    for name, operation in _operations(described):
        assert operation["summary"], name
        assert operation["description"], name
        for status, answer in operation["responses"].items():
            assert answer["description"] not in usual, (name, status)
            assert answer["content"], (name, status)
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter["name"])
    assert "HTTPValidationError" not in described["components"]["schemas"]


async def test_every_signed_route_asks_for_the_three_headers(service: Service) -> None:
    described = await _described(service)
    headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
    schemes = described["components"]["securitySchemes"]
    assert [schemes[name]["name"] for name in headers] == headers
    signed = {}
    for name, operation in _operations(described):
        if given := [one for one in operation.get("parameters", ()) if one["in"] == "header"]:
            assert [one["name"] for one in given if one["required"]] == headers
            signed[name] = [sorted(one) for one in operation["security"]]
    assert signed == {
        name: [sorted(headers)]
        for name in (
            "post /contracts",
            "post /onboardings/{reference}/facts/{name}",
            "get /onboardings/{reference}",
        )
    }


async def test_its_examples_are_what_it_takes(service: Service) -> None:
    paths = (await _described(service))["paths"]
    contracts = paths["/contracts"]["post"]["requestBody"]["content"]["application/json"]
    given = {name: one["value"] for name, one in contracts["examples"].items()}
    check_contract(given["contract"])
    assert given["draft"] | given["signature"] == given["contract"]
    facts = paths["/onboardings/{reference}/facts/{name}"]["post"]
    examples = facts["requestBody"]["content"]["application/json"]["examples"]
    named = {name.partition("-")[0] for name in examples}
    assert named == set(FACTS)
    for name, example in examples.items():
        check_fact(name.partition("-")[0], example["value"])


# --- The page that shows it -------------------------------------------------------------------


async def test_the_page_asks_nothing_of_another_host(service: Service) -> None:
    page = await service.client.get("/docs", headers=BROWSER)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert '<html lang="fr">' in page.text
    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert re.findall(r"<script(?! src)|<style|\son\w+=|\sstyle=", page.text) == []
    asked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    style = (await service.client.get("/docs/docs.css")).text
    asked += [f"docs/{name}" for name in re.findall(r'url\("([^"]+)"\)', style)]
    assert len(asked) > 6
    for address in asked:
        assert not re.match(r"[a-z]+:|/", address)
        answer = await service.client.get(f"/{address}")
        assert answer.status_code == 200, address
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.content) > 300


async def test_the_page_sends_nothing(service: Service) -> None:
    script = (await service.client.get("/docs/docs.js")).text
    assert "supportedSubmitMethods: []" in script
    assert "validatorUrl: null" in script


async def test_the_page_gives_nothing_but_its_own_files(service: Service) -> None:
    for name in ("main.py", "..%2Fapp.py", "%2e%2e/app.py", "docs.html%00", "lato-italic.ttf"):
        assert (await service.client.get(f"/docs/{name}")).status_code == 404
