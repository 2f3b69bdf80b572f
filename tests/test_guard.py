"""Those who hold connections: half-open in hundreds, slow, or without end. Over raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

import service.guard
import service.limits
from connection import Unreachable
from local.ports import LOOPBACK
from register.store import Register
from service.app import create_app, serving
from service.guard import Guard
from storage.document_store import DocumentStore
from tests.senders import CRM, SIGN, signed

LIMIT = 20
HEAD = b"POST /contracts HTTP/1.1\r\nHost: evil.example\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The service, in which every wait is short and few connections are held."""
    monkeypatch.setattr("service.app.Guard", lambda: Guard(limit=LIMIT, head_seconds=1.0))
    monkeypatch.setattr(service.guard, "REST_SECONDS", 1.0)
    monkeypatch.setattr(service.guard, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(service.limits, "_READ_SECONDS", 1.0)

    async def nowhere() -> Client:
        raise Unreachable("personne")

    register = Register(f"sqlite:///{tmp_path}/register.db")
    await register.migrate()
    secrets = {"crm": (SecretStr(CRM),), "sign": (SecretStr(SIGN),)}
    app = create_app(register, DocumentStore(str(tmp_path / "documents")), nowhere, secrets)

    @app.get("/large")
    async def large() -> str:
        return "x" * 50_000_000

    async with (
        serving(app, LOOPBACK, 0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=60) as client,
    ):
        yield client
    await register.close()


async def connected(http: httpx.AsyncClient) -> Streams:
    return await asyncio.open_connection(http.base_url.host, http.base_url.port)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the service closes."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(60):
            while part := await reader.read(65_536):
                received += part
    return bytes(received)


async def drip(writer: asyncio.StreamWriter, one: bytes) -> None:
    """Write it again and again, as slowly as is needed to seem alive."""
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(one)
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (HEAD, b"x: y\r\n"),
        (LIVE, b"x"),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n", b"x"),
        (HEAD + b"Content-Length: 99999\r\n\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", b""),
        (b"\x16\x03\x01 nothing\r\n\r\n", b"x"),
        (LIVE * 200, b""),
    ],
    ids=[
        "silent", "half", "slow headers", "slow next", "slow rest", "slow body", "slow chunks",
        "expects", "no request", "pipelined",
    ],
)  # fmt: skip
async def test_whoever_holds_a_connection_loses_it(
    http: httpx.AsyncClient, first: bytes, then: bytes
) -> None:
    reader, writer = await connected(http)
    writer.write(first)
    dripping = asyncio.create_task(drip(writer, then)) if then else None
    received = await ended(reader)
    if dripping is not None:
        dripping.cancel()
    writer.close()
    assert received.count(b"HTTP/1.1 200") == first.count(LIVE) + (
        b"99999" in first and b"GET" in first
    )
    assert b"HTTP/1.1 5" not in received


async def test_hundreds_that_are_half_open_shut_nobody_out_and_fill_no_log(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    held = [await connected(http) for _ in range(300)]
    for index, (_, writer) in enumerate(held):
        writer.write([b"", b"GET / HT", HEAD][index % 3])
    for _ in range(20):
        assert (await http.get("/health/live")).status_code == 200
    for reader, writer in held:
        assert await ended(reader) == b""
        writer.close()
    lines = [one for one in caplog.records if "health" not in one.getMessage()]
    assert len(lines) <= 3


async def test_a_reader_that_does_not_read_is_left(http: httpx.AsyncClient) -> None:
    reader, writer = await connected(http)
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.read(100)
    await asyncio.sleep(3)
    received = 0
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(1_000_000):
            received += len(part)
    assert received < 50_000_000
    writer.close()


@pytest.mark.parametrize("how", [b"", b"Connection: close\r\n", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("size", [2_000_000, 30_000_000])
async def test_what_is_too_large_gets_its_answer(
    http: httpx.AsyncClient, how: bytes, size: int
) -> None:
    reader, writer = await connected(http)
    writer.write(HEAD + how + f"Content-Length: {size}\r\n\r\n".encode())
    if b"Expect" not in how:
        with contextlib.suppress(ConnectionError):
            for _ in range(size // 100_000):
                writer.write(b"x" * 100_000)
                await writer.drain()
    assert (await ended(reader)).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_what_is_too_large_in_parts_gets_its_answer(http: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 100_000

    assert (await http.post("/contracts", content=parts())).status_code == 413


async def test_nothing_redirects_nor_repeats_the_name_it_is_called_by(
    http: httpx.AsyncClient,
) -> None:
    host = {"host": "evil.example"}
    for path in ("/contracts/", "/health/live/", "/docs/", "//evil.example/", "/onboardings/X/"):
        for method in ("GET", "POST"):
            answer = await http.request(method, path, headers=host)
            assert answer.status_code in {401, 404, 405}, (method, path)
            assert "location" not in answer.headers
            assert "evil" not in answer.text
    assert "evil" not in (await http.get("/openapi.json", headers=host)).text


async def test_a_strange_host_does_not_change_the_address_of_a_message(
    http: httpx.AsyncClient,
) -> None:
    headers = signed(b"[]", "h-1") | {"host": "x/onboardings/A?"}
    assert (await http.post("/contracts", content=b"[]", headers=headers)).status_code == 400
    for wrong in ("[", "x:y", "x/../y"):
        headers = signed(b"[]", "h-2") | {"host": wrong}
        assert (await http.post("/contracts", content=b"[]", headers=headers)).status_code == 400


async def test_a_signed_body_that_is_no_text_is_unreadable_and_no_forgery(
    http: httpx.AsyncClient,
) -> None:
    body, headers = b'{"a": "\xe9"}', signed(b"", "b-1")
    to_sign = f"b-1.{headers['webhook-timestamp']}.".encode() + body
    key = b64decode(CRM.removeprefix("whsec_"))
    right = "v1," + b64encode(hmac.new(key, to_sign, "sha256").digest()).decode()
    answer = await http.post(
        "/contracts", content=body, headers=headers | {"webhook-signature": right}
    )
    assert answer.status_code == 400
    assert "UTF-8" in answer.text
    assert (await http.post("/contracts", content=body, headers=headers)).status_code == 401


async def test_every_header_of_signatures_is_read(http: httpx.AsyncClient) -> None:
    body = json.dumps([]).encode()
    headers = signed(body, "s-1")
    right = headers.pop("webhook-signature")
    other = "v1," + b64encode(bytes(32)).decode()
    for given in ([other, right], [right, other], [f"{other}, {right}"], ["v1a,x", right, "v1,"]):
        several = [*headers.items(), *(("webhook-signature", one) for one in given)]
        answer = await http.post("/contracts", content=body, headers=several)
        assert answer.status_code == 400, given
    twice = [*headers.items(), ("webhook-signature", right), ("webhook-id", "s-2")]
    assert (await http.post("/contracts", content=body, headers=twice)).status_code == 401
