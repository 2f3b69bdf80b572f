"""Any client of Temporal behaves as Python's, and what docs/integration.md shows can be pasted."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import sys
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from connection import create_search_attributes, opened_register
from local import integration_table
from local.mailbox import Mailbox
from local.ports import LOOPBACK, free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from process.calendar import PARIS
from process.facts import FACTS
from process.fields import canonical
from process.status import Status
from storage.document_store import DocumentStore
from tests.clients.speakers import (
    HttpApi,
    Json,
    PythonSdk,
    Refusal,
    Server,
    Speaker,
    TemporalCommand,
    TypeScriptSdk,
    node_modules,
)
from worker import build_worker
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
SOURCES_PAGE: Final = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")

NOW: Final = datetime.now(PARIS).replace(hour=14, minute=0, second=0, microsecond=0)
FIRST, SECOND = (NOW + timedelta(days=days) for days in (9, 10))
KICKOFF: Final = {"starts_at": FIRST.isoformat(), "place": "Angers"}

_PATIENCE_SECONDS: Final = 30
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="module")
async def server(folder: Path) -> AsyncIterator[Server]:
    """A server on the real clock with our worker: what a client finds in production."""
    port, http_port = free_port(), free_port()
    async with AsyncExitStack() as stack:
        settings = stage_settings(folder, stack.enter_context(Mailbox(folder / "mails").smtp()))
        settings.inbox.mkdir()
        register = await stack.enter_async_context(opened_register(settings.database_url))
        client = await stack.enter_async_context(
            lasting_server(folder, port=port, ui_port=free_port(), http_port=http_port)
        )
        await create_search_attributes(client)
        store = DocumentStore(settings.documents_url)
        await stack.enter_async_context(build_worker(client, settings, register, store))
        yield Server(client, f"{LOOPBACK}:{port}", f"http://{LOOPBACK}:{http_port}")


@pytest.fixture(params=[PythonSdk, TypeScriptSdk, TemporalCommand, HttpApi])
def speaker(request: pytest.FixtureRequest, server: Server) -> Speaker:
    made: Speaker = request.param(server)
    return made


@pytest.fixture
def contract() -> Json:
    """A contract signed this week, of a reference of its own."""
    read: Json = json.loads((ROOT / "examples" / "contract-remplacement.json").read_bytes())
    signed_at = (NOW - timedelta(days=1)).isoformat()
    return read | {"reference": f"MIL-{next(_numbers)}", "signed_at": signed_at}


@pytest.fixture
async def onboarding(speaker: Speaker, contract: Json) -> str:
    """The workflow id of an onboarding that this client has started."""
    started = workflow_id(contract["reference"])
    await speaker.start(started, contract)
    return started


async def _until(ask: Callable[[], Awaitable[Json]], seen: Callable[[Json], bool]) -> Json:
    """The answer once it is as expected; a run that is opening refuses at first."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                answer = await ask()
            except Exception as error:  # noqa: BLE001 - each client has its own
                assert "en cours d'ouverture" in str(error)  # noqa: PT017 - it is tried again
            else:
                if seen(answer):
                    return answer
            await asyncio.sleep(0.2)


# --- Any client


async def test_a_client_starts_an_onboarding_and_asks_where_it_stands(
    speaker: Speaker, contract: Json, onboarding: str
) -> None:
    status = await _until(lambda: speaker.status(onboarding), lambda _: True)
    assert status["reference"] == contract["reference"]
    assert status["step"] == 1
    assert "kickoff_planned" in {one["fact"] for one in status["waiting_for"]}
    assert status.keys() == Status.model_fields.keys() - {"stopped_at"}


async def test_a_client_cannot_start_it_twice(
    speaker: Speaker, contract: Json, onboarding: str
) -> None:
    with pytest.raises(Refusal, match="already"):
        await speaker.start(onboarding, contract)


async def test_an_update_is_answered(speaker: Speaker, onboarding: str) -> None:
    answer = await speaker.update(onboarding, "kickoff_planned", KICKOFF)
    assert answer == {"outcome": "accepted", "message": "Accepté."}
    again = await speaker.update(onboarding, "kickoff_planned", KICKOFF)
    assert again["outcome"] == "known"
    early = {"held_on": (NOW - timedelta(days=1)).date().isoformat(), "done": ["…"], "next": ["…"]}
    kept = await speaker.update(onboarding, "progress_reported", early)
    assert kept["outcome"] == "waiting"


async def test_a_refused_update_says_why_in_french(speaker: Speaker, onboarding: str) -> None:
    wrong = {"starts_at": "demain", "lieu": "Angers"}
    with pytest.raises(Refusal) as refused:
        await speaker.update(onboarding, "kickoff_planned", wrong)
    assert str(refused.value).splitlines() == [
        "starts_at : instant attendu (exemple : 2026-03-30T08:00:00+02:00)",
        "place : champ obligatoire absent",
        "lieu : champ inconnu",
    ]


async def test_a_signal_counts(speaker: Speaker, onboarding: str) -> None:
    await speaker.signal(onboarding, "kickoff_planned", KICKOFF)
    answer = await speaker.update(onboarding, "kickoff_planned", KICKOFF)
    assert answer["outcome"] == "known"


async def test_a_refused_signal_is_kept_with_its_reason(speaker: Speaker, onboarding: str) -> None:
    await speaker.signal(onboarding, "kickoff_planned", {"place": "Angers"})
    status = await _until(lambda: speaker.status(onboarding), lambda told: bool(told["rejected"]))
    [rejected] = status["rejected"]
    assert rejected["fact"] == "kickoff_planned"
    assert rejected["reason"] == "starts_at : champ obligatoire absent"


async def test_an_unknown_fact_is_kept_as_a_signal_and_refused_as_an_update(
    speaker: Speaker, onboarding: str
) -> None:
    await speaker.signal(onboarding, "kickof_planned", KICKOFF)
    status = await _until(lambda: speaker.status(onboarding), lambda told: bool(told["rejected"]))
    [rejected] = status["rejected"]
    assert rejected["reason"] == "fait inconnu : « kickof_planned »"
    assert json.loads(rejected["payload"]) == KICKOFF
    with pytest.raises(Refusal, match=r"^fait inconnu : « kickof_planned »$"):
        await speaker.update(onboarding, "kickof_planned", KICKOFF)


async def test_an_empty_list_is_one_whatever_becomes_of_it_on_its_way(
    speaker: Speaker, server: Server, onboarding: str
) -> None:
    empty: Json = {"objectives": [], "schedule": [], "to_bring": []}
    answer = await speaker.update(onboarding, "kickoff_planned", KICKOFF | empty)
    assert answer["outcome"] == "accepted"
    answer = await PythonSdk(server).update(onboarding, "kickoff_planned", KICKOFF)
    assert answer["outcome"] == "known"
    nobody: Json = {"held_on": NOW.date().isoformat(), "attendees": [], "phases": []}
    with pytest.raises(Refusal, match=r"^phases : .*au moins 1"):
        await speaker.update(onboarding, "kickoff_held", nobody)


async def test_a_fact_id_counts_once(speaker: Speaker, onboarding: str) -> None:
    fact = {"fact_id": "crm-1", **KICKOFF}
    assert (await speaker.update(onboarding, "kickoff_planned", fact))["outcome"] == "accepted"
    assert (await speaker.update(onboarding, "kickoff_planned", fact))["outcome"] == "known"
    with pytest.raises(Refusal, match="fact_id"):
        await speaker.update(onboarding, "kickoff_planned", fact | {"place": "Colmar"})


async def test_the_http_api_and_the_command_do_turn_empty_lists_into_null(
    server: Server, contract: Json
) -> None:
    """What ``Listed`` is there for. Should this fail, the trap is gone."""
    started = workflow_id(contract["reference"])
    http = HttpApi(server)
    await http.start(started, contract)
    await http.signal(started, "kickof_planned", {"objectives": []})
    ask = PythonSdk(server)
    status = await _until(lambda: ask.status(started), lambda told: bool(told["rejected"]))
    assert status["rejected"][0]["payload"] == '{"objectives":null}'
    assert status["open_points"] == []
    assert (await TemporalCommand(server).status(started))["open_points"] is None


# --- The page


def _example(name: str, contract: Json, page: str = PAGE) -> str:
    """An example of the page as a reader pastes it, told of this contract and of days to come."""
    [code] = re.findall(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    days = {"2026-12-03T14:00:00+01:00": FIRST, "2026-12-04T14:00:00+01:00": SECOND}
    for shown, day in days.items():
        code = code.replace(shown, day.isoformat())
    return str(code.replace("MIL-2026-041", contract["reference"]))


@pytest.fixture
def here(tmp_path: Path, contract: Json) -> Path:
    """Where an example is pasted: with the contract that it expects."""
    (tmp_path / "contract.json").write_bytes(canonical(contract))
    return tmp_path


async def _moved_to_the_second_day(server: Server, contract: Json) -> None:
    """The update and then the signal of the example have counted."""
    started = workflow_id(contract["reference"])
    journal = await server.client.get_workflow_handle(started).query("journal")
    told = [(one["fact"], one["payload"]["fact_id"]) for one in journal["facts"]]
    assert told == [("kickoff_planned", "crm-1"), ("kickoff_planned", "crm-2")]


@pytest.mark.parametrize("name", ["command", "http"])
async def test_the_shell_examples_run(
    name: str, server: Server, contract: Json, here: Path
) -> None:
    command = ("bash", "-euo", "pipefail", "-c", _example(name, contract))
    code, output, errors = await server.run(*command, folder=here)
    assert code == 0, errors
    assert "accepted" in output
    assert f'"reference":"{contract["reference"]}"' in output
    await _moved_to_the_second_day(server, contract)


async def test_the_example_in_typescript_runs(server: Server, contract: Json, here: Path) -> None:
    (here / "node_modules").symlink_to(node_modules())
    (here / "example.mjs").write_text(_example("typescript", contract), encoding="utf-8")
    code, output, errors = await server.run("node", "example.mjs", folder=here)
    assert (code, output) == (0, "accepted Accepté.\n1 on_time\n"), errors
    await _moved_to_the_second_day(server, contract)
    # Pasted again, it starts nothing and says nothing new.
    code, output, errors = await server.run("node", "example.mjs", folder=here)
    assert (code, output.split()[0]) == (0, "known"), errors


async def test_the_example_in_python_runs(server: Server, contract: Json, here: Path) -> None:
    (here / "example.py").write_text(_example("python", contract), encoding="utf-8")
    code, output, errors = await server.run(sys.executable, "example.py", folder=here)
    assert output == "accepted Accepté.\n1 on_time\n", errors
    assert code == 0 or "PyGILState_Release" in errors
    await _moved_to_the_second_day(server, contract)


@pytest.mark.parametrize("name", ["typescript", "python"])
async def test_the_examples_show_the_reason_of_a_refusal(
    name: str, server: Server, contract: Json, here: Path
) -> None:
    wrong = _example(name, contract).replace(FIRST.isoformat(), "demain")
    if name == "typescript":
        (here / "node_modules").symlink_to(node_modules())
    script, program = ("a.mjs", "node") if name == "typescript" else ("a.py", sys.executable)
    (here / script).write_text(wrong, encoding="utf-8")
    _, output, errors = await server.run(program, script, folder=here)
    assert "starts_at : instant attendu" in output + errors


async def test_the_signed_example_runs_against_our_service(
    server: Server, folder: Path, contract: Json, here: Path
) -> None:
    secret = "whsec_" + base64.b64encode(bytes(range(3, 35))).decode()
    port = free_port()
    address = f"http://{LOOPBACK}:{port}"
    service = await _served(server, folder, secret, port)
    try:
        await _until(lambda: _alive(service, address), lambda answer: bool(answer["alive"]))
        command = ("bash", "-euo", "pipefail", "-c", _example("service", contract))
        told = {"SERVICE": address, "SECRET": secret}
        code, output, errors = await server.run(*command, folder=here, **told)
        assert code == 0, errors
        told_back = re.split(r"\n(\d{3})\n", output)
        assert len(told_back) == 7, output
        started, first, fact, second, status, third, _ = told_back
        assert (first, second, third) == ("202", "200", "200"), output
        assert workflow_id(contract["reference"]) in started
        assert json.loads(fact)["outcome"] == "accepted"
        assert json.loads(status)["reference"] == contract["reference"]
        forged = told | {"SECRET": "whsec_" + base64.b64encode(bytes(32)).decode()}
        _, output, _ = await server.run(*command, folder=here, **forged)
        assert re.findall(r"\n(\d{3})\n", output) == ["401", "401", "401"]
        # A source, as docs/sources.md has it tried.
        command = ("bash", "-euo", "pipefail", "-c", _example("source", contract, SOURCES_PAGE))
        code, output, errors = await server.run(*command, folder=here, **told)
        assert code == 0, errors
        assert "signature gardée : elle attend le contrat" in output
        assert output.endswith("\n202\n")
    finally:
        service.terminate()
        await service.wait()


async def _served(
    server: Server, folder: Path, secret: str, port: int
) -> asyncio.subprocess.Process:
    """``starter.py serve``, with the register and the documents of our worker."""
    ours = {
        "ONBOARDING_DATABASE_URL": f"sqlite:///{folder / 'onboarding.db'}",
        "ONBOARDING_DOCUMENTS_URL": str(folder / "documents"),
        "ONBOARDING_WEBHOOK_SECRETS": f"crm={secret},docusign={secret}",
    }
    with (folder / "service.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "starter.py"), "serve", "--port", str(port)),
            env=server.environment | ours,
            stdout=log,
            stderr=log,
        )


async def _alive(service: asyncio.subprocess.Process, address: str) -> dict[str, Any]:
    assert service.returncode is None
    try:
        async with httpx.AsyncClient() as http:
            return {"alive": (await http.get(f"{address}/health/live")).is_success}
    except httpx.TransportError:
        return {"alive": False}


def test_the_table_of_facts_is_fresh() -> None:
    assert integration_table.page() == PAGE, "python -m local.integration_table"


def test_the_table_has_every_fact_and_what_no_field_tells_alone() -> None:
    assert re.findall(r"^\| \[`(\w+)`\]", integration_table.table(), re.MULTILINE) == [*FACTS]
    assert set(integration_table.EITHER) <= set(FACTS)
