"""The codec server: over real HTTP, and behind the real web UI and the real ``temporal`` command."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from google.protobuf import json_format
from playwright.async_api import expect
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload, Payloads

import starter
from connection import create_search_attributes
from encryption import EncryptionCodec, codec_of, converter_of, is_encrypted
from local.mailbox import Mailbox
from local.ports import LOOPBACK, free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server, temporal_binary
from local.web_ui import WebUi, chromium, web_ui
from process.contract import Contract
from reception import start_onboarding
from register.store import Register
from service.app import serving
from service.codec import create_codec_app
from service.codec_access import Access, Patience
from settings import CodecToken, SettingsError, load_command_settings
from storage.document_store import DocumentStore
from worker import build_worker
from workflows.names import workflow_id

if TYPE_CHECKING:
    from temporalio.client import Client

ROOT: Final = Path(__file__).resolve().parent.parent
INSTALL: Final = "sudo apt-get install --no-install-recommends chromium"
SKIP: Final = "ONBOARDING_TEST_BROWSER"

KEY: Final = base64.b64encode(bytes(range(32))).decode()
KEYS: Final = {"2026": (SecretStr(KEY),)}
ORIGIN: Final = "http://temporal.mileo.example"
READER: Final = CodecToken(name="claire", right="read", secret=SecretStr("r" * 40))
WRITER: Final = CodecToken(name="marc", right="act", secret=SecretStr("w" * 40))
TOKENS: Final = (READER, WRITER)

CLEAR: Final = Payload(metadata={"encoding": b"json/plain"}, data=b'{"by": "Am\xc3\xa9lie"}')


def codec() -> EncryptionCodec:
    made = codec_of(KEYS)
    assert made
    return made


def bearer(token: CodecToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.secret.get_secret_value()}"}


def written(*payloads: Payload) -> str:
    return json_format.MessageToJson(Payloads(payloads=payloads))


def read(answer: httpx.Response) -> list[Payload]:
    assert answer.status_code == 200, answer.text
    return list(json_format.Parse(answer.content, Payloads()).payloads)


@asynccontextmanager
async def served(origin: str = ORIGIN, port: int = 0) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(create_codec_app(codec(), TOKENS, origin), LOOPBACK, port) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with served() as client:
        yield client


async def session_of(http: httpx.AsyncClient, token: CodecToken) -> dict[str, str]:
    """The headers of the web UI in a browser where that person signed in."""
    answer = await http.post("/connexion", data={"jeton": token.secret.get_secret_value()})
    assert answer.status_code == 303, answer.text
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0], "Origin": ORIGIN}


# --- The protocol -----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/default", "/a/b", "/"])
async def test_what_is_encoded_is_encrypted_and_comes_back(
    http: httpx.AsyncClient, prefix: str
) -> None:
    # Whole addresses: httpx would take two slashes for a host. The web UI adds a query.
    prefix = f"{http.base_url}{prefix}"
    encoded = read(
        await http.post(
            f"{prefix}/encode?preserveStorageRefs=true",
            content=written(CLEAR),
            headers=bearer(WRITER),
        )
    )
    assert [codec().opens(one) for one in encoded] == [True]
    answer = await http.post(f"{prefix}/decode", content=written(*encoded), headers=bearer(READER))
    assert answer.headers["content-type"] == "application/json"
    assert read(answer) == [CLEAR]


async def test_what_no_key_opens_comes_back_as_it_is_in_its_place(http: httpx.AsyncClient) -> None:
    [sealed] = await codec().encode([CLEAR])
    [foreign] = await EncryptionCodec({"2026": bytes(32)}).encode([CLEAR])
    altered = Payload(metadata=sealed.metadata, data=sealed.data[:-1])
    sent = [foreign, CLEAR, sealed, altered, Payload()]
    answer = await http.post("/decode", content=written(*sent), headers=bearer(READER))
    assert read(answer) == [foreign, CLEAR, CLEAR, altered, Payload()]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"3",
        b'{"payloads": [null]}',
        b'{"payloads": {"data": "eA=="}}',
        b'{"payloads": [{"data": "x", "secret": "Am\xc3\xa9lie"}]}',
        b'{"payloads": [{"metadata": {"encoding": 3}}]}',
        b'{"payloads": [], "payloads": []}',
        b"[" * 100_000,
        b'{"payloads":' * 5_000,
    ],
    ids=lambda body: body[:30].decode(errors="replace"),
)
async def test_what_is_malformed_is_refused_and_not_quoted(
    http: httpx.AsyncClient, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await http.post("/decode", content=body, headers=bearer(READER))
    assert answer.status_code == 400
    assert "Amélie" not in answer.text + caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "body", [b'{"payloads": [' + b"{}," * 30_000 + b"{}]}", b'{"x": "' + b"a" * 8_000_000 + b'"}']
)
async def test_what_is_too_large_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/decode", content=body, headers=bearer(READER))
    assert answer.status_code == 413


async def test_the_largest_message_of_temporal_is_read(http: httpx.AsyncClient) -> None:
    large = Payload(metadata={"encoding": b"json/plain"}, data=b"a" * 4_000_000)
    answer = await http.post(
        "/decode", content=written(*await codec().encode([large])), headers=bearer(READER)
    )
    assert read(answer) == [large]


# --- Who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer " + "x" * 40},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic " + "r" * 40},
        {"Authorization": "Bearer é".encode()},
        {"Origin": ORIGIN},
        {"Origin": ORIGIN, "Cookie": "codec="},
        {"Origin": ORIGIN, "Cookie": "codec=claire.99999999999.0000"},
        {"Origin": ORIGIN, "Cookie": "codec=..."},
    ],
    ids=str,
)
async def test_nobody_else_reads_or_writes(http: httpx.AsyncClient, headers: Any) -> None:
    for action in ("decode", "encode"):
        answer = await http.post(f"/{action}", content=written(CLEAR), headers=headers)
        assert answer.status_code == 401, answer.text
        assert "Amélie" not in answer.text


async def test_a_session_lets_in_as_its_token_does(http: httpx.AsyncClient) -> None:
    [sealed] = await codec().encode([CLEAR])
    for token, status in ((READER, 403), (WRITER, 200)):
        session = await session_of(http, token)
        assert read(await http.post("/decode", content=written(sealed), headers=session)) == [CLEAR]
        answer = await http.post("/encode", content=written(CLEAR), headers=session)
        assert answer.status_code == status
        # Nobody but the web UI uses a session, and a browser always says where it comes from.
        del session["Origin"]
        answer = await http.post("/decode", content=written(sealed), headers=session)
        assert answer.status_code == 401


async def test_who_may_read_only_does_not_write(http: httpx.AsyncClient) -> None:
    answer = await http.post("/encode", content=written(CLEAR), headers=bearer(READER))
    assert answer.status_code == 403
    assert "lire, pas d’écrire" in answer.json()["detail"]


def test_a_session_ends_with_its_day_its_token_and_its_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = Access(TOKENS).session(READER)
    assert Access([READER]).in_session(kept) == READER
    raised = READER.model_copy(update={"right": "act"})
    renewed = READER.model_copy(update={"secret": SecretStr("n" * 40)})
    renamed = READER.model_copy(update={"name": "marc"})
    for others in ([], [WRITER], [raised], [renewed], [renamed]):
        assert Access(others).in_session(kept) is None
    name, expires, signature = kept.split(".")
    assert Access([READER]).in_session(f"{name}.{int(expires) + 1}.{signature}") is None
    monkeypatch.setattr("time.time", lambda: int(expires))
    assert Access([READER]).in_session(kept) is None


# --- From where -------------------------------------------------------------------------------


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,authorization-extras,content-type,x-namespace",
        "Access-Control-Request-Private-Network": "true",
    }


async def test_a_browser_is_told_that_the_web_ui_may_ask(http: httpx.AsyncClient) -> None:
    answer = await http.options("/decode", headers=preflight(ORIGIN))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "Origin" in answer.headers["vary"]
    for headers in ({"Origin": ORIGIN}, {"Origin": ORIGIN, **bearer(READER)}):
        # A refusal too: the web UI must be able to tell it from a server that is away.
        answer = await http.post("/decode", content="{}", headers=headers)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["http://elsewhere.example", f"{ORIGIN}.example", f"{ORIGIN}:81", "null", "*", ""]
)
async def test_another_origin_gets_nothing(http: httpx.AsyncClient, origin: str) -> None:
    answer = await http.options("/decode", headers=preflight(origin))
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers
    session = await session_of(http, WRITER)
    for headers in (session, bearer(WRITER)):
        for action in ("decode", "encode"):
            answer = await http.post(
                f"/{action}", content=written(CLEAR), headers={**headers, "Origin": origin}
            )
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


async def test_another_method_is_not_for_the_web_ui(http: httpx.AsyncClient) -> None:
    assert (await http.options("/decode", headers=preflight(ORIGIN, "DELETE"))).status_code == 400
    assert (await http.get("/decode", headers=bearer(READER))).status_code == 405


# --- The page ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "name"), [(ORIGIN, "codec"), ("https://temporal.mileo.example", "__Secure-codec")]
)
async def test_the_session_is_kept_from_scripts_and_other_sites(origin: str, name: str) -> None:
    async with served(origin) as http:
        answer = await http.post("/connexion", data={"jeton": "r" * 40})
        given, *attributes = answer.headers["set-cookie"].split("; ")
        assert given.startswith(f"{name}=claire.")
        assert "r" * 40 not in given
        assert {"HttpOnly", "SameSite=strict", "Max-Age=36000"} <= set(attributes)
        assert ("Secure" in attributes) == origin.startswith("https")
        # Without a path: it stays in the folder where a proxy puts this server.
        assert not [one for one in attributes if one.lower().startswith(("path", "domain"))]
        page = await http.get("/", headers={"Cookie": given})
        assert "claire, vous pouvez lire" in page.text
        left = await http.post("/deconnexion", headers={"Cookie": given})
        assert left.headers["set-cookie"].startswith(f'{name}=""; ')
        assert "Max-Age=0" in left.headers["set-cookie"]


async def test_the_page_asks_for_a_token_and_refuses_a_wrong_one(http: httpx.AsyncClient) -> None:
    page = await http.get("/")
    assert "Connectez-vous avec le jeton" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    for form in (
        {"jeton": "<b>x"},
        {"jeton": ""},
        {},
        {"jeton": "\ud800".encode(errors="replace")},
    ):
        answer = await http.post("/connexion", data=form)
        assert answer.status_code == 403
        assert "Ce jeton n’est pas reconnu" in answer.text
        assert "<b>x" not in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_page_signs_nobody_in_or_out(
    http: httpx.AsyncClient, site: str
) -> None:
    for path in ("/connexion", "/deconnexion"):
        answer = await http.post(path, data={"jeton": "r" * 40}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["https://elsewhere.example", f"{ORIGIN}.example", "null", ""])
async def test_a_foreign_origin_signs_nobody_in_or_out(
    http: httpx.AsyncClient, origin: str
) -> None:
    for path in ("/connexion", "/deconnexion"):
        answer = await http.post(path, data={"jeton": "r" * 40}, headers={"Origin": origin})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


async def test_the_page_itself_signs_in_where_it_is_and_on_the_web_uis_origin(
    http: httpx.AsyncClient,
) -> None:
    for origin in (str(http.base_url).rstrip("/"), ORIGIN):
        told = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        answer = await http.post("/connexion", data={"jeton": "r" * 40}, headers=told)
        assert answer.status_code == 303, origin


async def test_who_guesses_waits_and_the_others_do_not(http: httpx.AsyncClient) -> None:
    guessing = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    for number in range(10):
        if number % 2:
            answer = await http.post("/connexion", data={"jeton": "x"}, headers=guessing)
            assert answer.status_code == 403
        else:
            answer = await http.post(
                "/decode", content="{}", headers={**guessing, "Authorization": "Bearer x"}
            )
            assert answer.status_code == 401
    answer = await http.post("/connexion", data={"jeton": "r" * 40}, headers=guessing)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    for other in ({}, {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}):
        answer = await http.post("/connexion", data={"jeton": "r" * 40}, headers=other)
        assert answer.status_code == 303


async def test_patience_comes_back_and_holds_few_visitors() -> None:
    patience = Patience(tries=1, seconds=0.05, visitors=2)
    for visitor in ("a", "b", "c"):
        patience.wrong(visitor)
    assert [patience.is_over(visitor) for visitor in "abc"] == [False, True, True]
    await asyncio.sleep(0.06)
    assert not patience.is_over("c")


# --- What it tells those who run it -----------------------------------------------------------


async def test_each_call_leaves_one_line_without_content(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sealed = await codec().encode([CLEAR, CLEAR])
    for name in ("default", "a;b/Amelie"):
        await http.post(
            "/decode", content=written(*sealed), headers={**bearer(READER), "X-Namespace": name}
        )
    await http.post("/encode", content=written(CLEAR), headers=bearer(WRITER))
    await http.post("/encode", content=written(CLEAR), headers=bearer(READER))
    await http.post("/connexion", data={"jeton": "r" * 40})
    for visitor in (b"", b"198.51.100.7, 203.0.113.9", "Amélie".encode()):
        told = {b"X-Forwarded-For": visitor}
        await http.post("/connexion", data={"jeton": "Amélie"}, headers=told)
    assert [one.getMessage() for one in caplog.records if one.name == "onboarding.codec"] == [
        "decode par claire : contenus 2, espace default",
        "decode par claire : contenus 2, espace non dit",
        "encode par marc : contenus 1, espace non dit",
        "encode refusé à claire, qui peut lire seulement",
        "connexion de claire (read)",
        "jeton refusé, visiteur 127.0.0.1",
        "jeton refusé, visiteur 203.0.113.9",
        "jeton refusé, visiteur 127.0.0.1",
    ]
    assert not [text for text in ("Amélie", "Amelie", "r" * 40, KEY) if text in caplog.text]


# --- The program ------------------------------------------------------------------------------


def _environment(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name in [name for name in os.environ if name.startswith("ONBOARDING_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"ONBOARDING_{name}", value)


def test_what_it_needs_is_asked_for_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _environment(monkeypatch, CODEC_ORIGIN=ORIGIN)
    assert starter.run(["codec"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "ONBOARDING_ENCRYPTION_KEYS : nécessaire ici, absent",
        "ONBOARDING_CODEC_TOKENS : nécessaire ici, absent",
    ]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CODEC_TOKENS", "x" * 40, "forme attendue"),
        ("CODEC_TOKENS", f"claire={'x' * 40}", "forme attendue"),
        ("CODEC_TOKENS", f"claire:write={'x' * 40}", "forme attendue"),
        ("CODEC_TOKENS", f"a:read={'x' * 31}", "a : jeton de 32 à 128"),
        ("CODEC_TOKENS", f"a:read={'x' * 32},b:act={'x' * 32}", "même jeton est donné deux fois"),
        ("CODEC_ORIGIN", "temporal.mileo.example", "origine attendue"),
        ("CODEC_ORIGIN", "https://temporal.mileo.example/", "origine attendue"),
        ("CODEC_ORIGIN", "*", "origine attendue"),
    ],
)
def test_a_wrong_setting_is_told_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    _environment(monkeypatch, **{name: value})
    with pytest.raises(SettingsError, match=f"ONBOARDING_{name} : .*{reason}") as refused:
        load_command_settings()
    assert "x" * 20 not in str(refused.value)


async def test_the_command_serves_until_it_is_told_to_stop() -> None:
    port = free_port()
    ours = {
        "ONBOARDING_ENCRYPTION_KEYS": f"2026={KEY}",
        "ONBOARDING_CODEC_TOKENS": f"claire:read={'r' * 40},marc:act={'w' * 40}",
        "ONBOARDING_CODEC_ORIGIN": ORIGIN,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ONBOARDING")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "starter.py", "codec", "--port", str(port)),
        cwd=ROOT,
        env={**clean, **ours},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    async with asyncio.timeout(30):
        while "à l'écoute" not in (line := (await process.stderr.readline()).decode()):
            assert line
        async with httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{port}", trust_env=False
        ) as client:
            assert (await client.get("/health/live")).json() == {"service": "ok"}
            [sealed] = await codec().encode([CLEAR])
            answer = await client.post("/decode", content=written(sealed), headers=bearer(READER))
            assert read(answer) == [CLEAR]
        process.send_signal(signal.SIGTERM)
        rest = (await process.stderr.read()).decode()
        assert await process.wait() == 0, rest
    assert "Traceback" not in rest


# --- Behind Temporal's own tools --------------------------------------------------------------

REFERENCE: Final = "CHIFFRE-10"
PERSONAL: Final = re.compile("Fontaine|Belkacem|Étape")


class Scene:
    """An encrypted onboarding, the codec server and the web UI that knows it."""

    def __init__(self, client: Client, ui_port: int, codec_address: str) -> None:
        self.client = client
        self.ui_port = ui_port
        self.codec_address = codec_address
        self.run = client.get_workflow_handle(workflow_id(REFERENCE))

    async def signals(self) -> list[Payload]:
        """What the history holds of the signals received."""
        history = await self.run.fetch_history()
        return [
            payload
            for event in history.events
            for payload in event.workflow_execution_signaled_event_attributes.input.payloads
        ]


@pytest.fixture(scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("codec")
    ui_port, codec_port = free_port(8333), free_port(8181)
    async with AsyncExitStack() as parts:
        smtp = parts.enter_context(Mailbox(folder / "mails").smtp())
        settings = stage_settings(folder, smtp)
        register = Register(settings.database_url)
        parts.push_async_callback(register.close)
        await register.migrate()
        http = await parts.enter_async_context(served(f"http://{LOOPBACK}:{ui_port}", codec_port))
        address = str(http.base_url)
        client = await parts.enter_async_context(
            lasting_server(
                folder,
                port=free_port(7333),
                ui_port=ui_port,
                converter=converter_of(KEYS),
                codec_endpoint=address,
            )
        )
        await create_search_attributes(client)
        store = DocumentStore(settings.documents_url)
        await parts.enter_async_context(build_worker(client, settings, register, store))
        example = json.loads((ROOT / "examples" / "contract-remplacement.json").read_bytes())
        signed_at = datetime.now(UTC).replace(microsecond=0).isoformat()
        contract = Contract.model_validate(
            {**example, "reference": REFERENCE, "signed_at": signed_at}
        )
        assert await start_onboarding(client, register, contract)
        yield Scene(client, ui_port, address)


async def test_the_temporal_command_reads_with_a_token(scene: Scene) -> None:
    async def shown(*more: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *(str(temporal_binary()), "workflow", "show", "--output", "json"),
            *("--address", scene.client.service_client.config.target_host),
            *("--workflow-id", workflow_id(REFERENCE), "--codec-endpoint", scene.codec_address),
            *("--command-timeout", "5s", *more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await asyncio.wait_for(process.communicate(), 30)
        # Payloads as they are, in base64.
        found = re.findall(r'"data": "([^"]*)"', told.decode())
        return "".join(base64.b64decode(one).decode(errors="replace") for one in found)

    assert "Claire Fontaine" in await shown("--codec-auth", bearer(READER)["Authorization"])
    assert "Claire Fontaine" not in await shown("--codec-auth", f"Bearer {'x' * 40}")


@pytest.fixture
async def ui(scene: Scene) -> AsyncIterator[WebUi]:
    """A browser of its own, which has not signed in."""
    if os.environ.get(SKIP) == "skip":
        pytest.skip(f"{SKIP}=skip")
    if chromium() is None:
        pytest.fail(f"Chromium is not installed: {INSTALL}   (or {SKIP}=skip)", pytrace=False)
    async with web_ui(scene.ui_port) as window:
        yield window


async def sign_in(ui: WebUi, scene: Scene, token: CodecToken) -> None:
    """On the page of the codec server, then by the web UI's own dialog, as its text says."""
    await ui.page.goto(scene.codec_address)
    await ui.page.get_by_label("Jeton").fill(token.secret.get_secret_value())
    await ui.page.get_by_role("button", name="Se connecter").click()
    await expect(ui.page.get_by_role("heading")).to_have_text("Vous êtes connecté")
    here = ui.page.url
    await ui.page.get_by_role("link", name="Ouvrir l’interface web").click()
    await ui.page.locator("[data-testid^=data-encoder-status]:visible").first.click()
    dialog = ui.page.locator("dialog[open]")
    await dialog.get_by_text("Use my browser setting").click()
    await dialog.get_by_role("textbox").fill(here)
    await dialog.get_by_text("Include cross-origin credentials").click()
    await dialog.get_by_role("button", name="Apply").click()
    await expect(dialog).to_have_count(0)


async def all_that_is_shown(ui: WebUi) -> str:
    """The text of every tab of the run."""
    await ui.open_run(REFERENCE)
    shown = ""
    for tab in ("Timeline", "User Metadata", "Memo"):
        await ui.page.get_by_role("tab", name=tab).first.click()
        await ui.page.wait_for_timeout(1_000)
        for frame in ui.page.frames:
            shown += await frame.locator("body").inner_text()
    return shown


def a_kickoff() -> dict[str, Any]:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=8)
    return {"starts_at": soon.isoformat(), "place": "Chez Amélie"}


async def test_without_signing_in_the_web_ui_shows_no_name(ui: WebUi, scene: Scene) -> None:
    shown = await all_that_is_shown(ui)
    assert REFERENCE in shown
    assert "Codec Server could not connect" in shown
    assert not PERSONAL.search(shown)
    # The list of the facts cannot be read either: the name is typed.
    await ui.open_menu()
    await ui.page.locator("[data-testid=signal-button]:visible").click()
    form = ui.page.locator("dialog[open]")
    await form.get_by_test_id("signal-name").fill("kickoff_planned")
    await form.get_by_role("textbox", name="Data").click()
    await ui.page.keyboard.insert_text(json.dumps(a_kickoff()))
    answer = await ui.submit(form)
    assert (answer.accepted, answer.text) == (False, "Data encoding failed")
    assert await scene.signals() == []


async def test_who_may_read_reads_everything_and_cannot_send(ui: WebUi, scene: Scene) -> None:
    await sign_in(ui, scene, READER)
    assert PERSONAL.search(await all_that_is_shown(ui)), "what the search is worth"
    await ui.open_run(REFERENCE, "User Metadata")
    for part, told in {
        "summary": "Laiteries du Val",
        "details": "Claire Fontaine",
        "current-details": "Étape 1 sur 7",
    }.items():
        await expect(ui.part(part).locator("main")).to_contain_text(told)  # type: ignore[arg-type]
    answer = await ui.send("signal", "kickoff_planned", a_kickoff())
    assert (answer.accepted, answer.text) == (False, "Data encoding failed")
    assert await scene.signals() == []


async def test_what_is_sent_by_the_form_is_encrypted(ui: WebUi, scene: Scene) -> None:
    await sign_in(ui, scene, WRITER)
    await ui.open_run(REFERENCE)
    answer = await ui.send("signal", "kickoff_planned", a_kickoff())
    assert answer.accepted, answer.text
    [sent] = await scene.signals()
    assert is_encrypted(sent)
    assert codec().opens(sent)
    journal = await scene.run.query("journal")
    assert [fact["payload"]["place"] for fact in journal["facts"]] == ["Chez Amélie"]


async def test_a_web_ui_of_another_origin_shows_no_name(ui: WebUi, scene: Scene) -> None:
    await sign_in(ui, scene, WRITER)
    kept = await ui.page.evaluate("Object.entries(localStorage)")
    elsewhere = WebUi(ui.page, f"http://localhost:{scene.ui_port}")
    await ui.page.goto(f"http://localhost:{scene.ui_port}/namespaces/default/workflows")
    await ui.page.evaluate("kept => kept.forEach(([k, v]) => localStorage.setItem(k, v))", kept)
    shown = await all_that_is_shown(elsewhere)
    assert REFERENCE in shown
    assert not PERSONAL.search(shown)
