"""``starter.py`` day after day: many contracts at once, lists, an editor, completion."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
)

import reception
import starter
from commands.overview import Wanted, found
from commands.shell import as_json
from connection import create_search_attributes, opened_register
from local.ports import LOOPBACK, free_port
from local.temporal_server import lasting_server
from process.contract import fingerprint
from process.facts import FACTS, AuditConcluded, KickoffHeld, ReserveAdded
from process.orders import OpenOnboarding, Projection
from process.shapes import filled, shape
from tests.playing import begin, replaced
from workflows.names import TASK_QUEUE, WORKFLOW_TYPE
from workflows.search_attributes import (
    CLIENT_NAME,
    CONTRACT_REFERENCE,
    NEXT_DEADLINE,
    ONBOARDING_HEALTH,
    ONBOARDING_STEP,
    PROJECT_MANAGER,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from temporalio.client import Client

    from local.stage import Stage

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "contract-remplacement.json"


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    folder = tmp_path_factory.mktemp("temporal")
    async with lasting_server(folder, port=free_port(), ui_port=free_port()) as connected:
        await create_search_attributes(connected)
        yield connected


@pytest.fixture
def register_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: Client) -> str:
    """The commands reach this server, and a register of their own."""
    url = f"sqlite:///{tmp_path}/register.db"
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", url)
    return url


@pytest.fixture
def contract_in() -> Callable[..., Path]:
    def write(folder: Path, reference: str, **changes: Any) -> Path:
        path = folder / f"{reference}.json"
        contract = json.loads(EXAMPLE.read_bytes()) | {"reference": reference} | changes
        path.write_text(json.dumps(contract), encoding="utf-8")
        return path

    return write


async def run(*arguments: str) -> int:
    # In a thread: a command has an event loop of its own.
    return await asyncio.to_thread(starter.run, list(arguments))


# --- start


@pytest.mark.usefixtures("register_url")
async def test_a_folder_and_files_start_and_one_refusal_does_not_stop_the_others(
    tmp_path: Path,
    contract_in: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "contrats"
    folder.mkdir()
    contract_in(folder, "MANY-2")
    contract_in(folder, "MANY-1")
    wrong = contract_in(folder, "MANY-3", project_kind="moon")
    (folder / "notes.txt").write_text("no contract")
    (folder / "empty.json").mkdir()
    alone = contract_in(tmp_path, "MANY-4", client="nobody")
    other = contract_in(tmp_path, "MANY-5")
    assert await run("start", str(folder), str(alone), str(other), str(folder)) == 1
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()[2:]] == [
        "MANY-1",
        "MANY-2",
        "—",
        "—",
        "MANY-5",
    ]
    assert [line.split()[-1] for line in printed.out.splitlines()[2:4]] == ["démarré", "démarré"]
    assert f"refusé ({wrong})" in printed.out
    assert {line.split(" : ")[0] for line in printed.err.splitlines()} == {str(wrong), str(alone)}
    assert "\x1b" not in printed.out + printed.err
    assert await run("start", str(other)) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("déjà connu")


@pytest.mark.usefixtures("register_url")
async def test_progress_is_shown_to_a_terminal_only(
    tmp_path: Path, contract_in: Callable[..., Path]
) -> None:
    command = [sys.executable, "starter.py", "start", str(contract_in(tmp_path, "PROGRESS"))]
    ours, theirs = pty.openpty()
    try:
        shown = await asyncio.to_thread(
            subprocess.run, command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, check=True
        )
        assert "Démarrage" in os.read(ours, 65_536).decode()
        assert b"\x1b" not in shown.stdout
    finally:
        os.close(ours)
        os.close(theirs)
    silent = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, check=True
    )
    assert not silent.stderr


@pytest.mark.usefixtures("register_url")
async def test_mark_up_in_a_name_is_only_text(
    tmp_path: Path, contract_in: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    named = json.loads(EXAMPLE.read_bytes())["client"] | {"name": "[red]A[/] \u202eB"}
    assert await run("start", str(contract_in(tmp_path, "MARKUP", client=named))) == 0
    assert "[red]A[/] B" in capsys.readouterr().out


def test_facts_of_the_past_go_with_one_contract_only(
    tmp_path: Path, contract_in: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    contract_in(tmp_path, "A")
    contract_in(tmp_path, "B")
    assert starter.run(["start", str(tmp_path), "--facts", str(tmp_path / "A.json")]) == 2
    assert "--facts accompagne un seul contrat" in capsys.readouterr().err


def test_what_is_refused_is_told_even_when_no_server_answers(
    tmp_path: Path,
    contract_in: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:{free_port()}")
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"sqlite:///{tmp_path}/register.db")
    contract_in(tmp_path, "A")
    contract_in(tmp_path, "B", project_kind="moon")
    assert starter.run(["start", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "project_kind" in printed.err
    assert "serveur Temporal injoignable" in printed.err
    assert not printed.out


# --- list


@pytest.fixture
async def listed(client: Client, register_url: str) -> None:
    """Three onboardings under way, as a worker would show them, and one that is over."""
    due = datetime(2026, 6, 1, 6, tzinfo=UTC)
    for reference, step, health, manager in (
        ("LIST-1", "2", "late", "CFO"),
        ("LIST-2", "4", "on_time", "ARO"),
        ("LIST-3", "2", "on_time", None),
    ):
        shown: list[SearchAttributePair[Any]] = [
            SearchAttributePair(CONTRACT_REFERENCE, reference),
            SearchAttributePair(CLIENT_NAME, f"Client {reference}"),
            SearchAttributePair(ONBOARDING_STEP, step),
            SearchAttributePair(ONBOARDING_HEALTH, health),
            SearchAttributePair(NEXT_DEADLINE, due),
        ]
        if manager:
            shown.append(SearchAttributePair(PROJECT_MANAGER, manager))
        await client.start_workflow(
            WORKFLOW_TYPE,
            id=f"onboarding-{reference}",
            task_queue=TASK_QUEUE,
            search_attributes=TypedSearchAttributes(shown),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
    example = reception.parse_contract(EXAMPLE.read_bytes())
    async with opened_register(register_url) as register:
        # The second one was ended by hand: neither under way nor over.
        for reference, step, health in (
            (example.reference, "completed", "on_time"),
            ("TERMINATED", "2", "late"),
        ):
            contract = example.model_copy(update={"reference": reference})
            order = OpenOnboarding(
                contract=contract.model_dump(mode="json"),
                workflow_id="w",
                run_id="r",
                started_at=due,
            )
            await register.claim(order, fingerprint(contract))
            await register.project(
                Projection(
                    onboarding=reference,
                    at=due + timedelta(days=200),
                    step=step,
                    health=health,
                    project_manager="CFO",
                    next_deadline=None,
                    last_missed_at=None,
                    open_reserves=0,
                    missed_deadlines=0,
                    status={},
                    closed=step == "completed",
                )
            )
    running = "WorkflowType = 'ClientOnboarding' AND OnboardingStep IS NOT NULL"
    for _ in range(100):
        if (await client.count_workflows(running)).count >= 3:
            return
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("options", "references"),
    [
        (["--step", "2"], ["LIST-1", "LIST-3"]),
        (["--health", "late"], ["LIST-1"]),
        (["--manager", "ARO"], ["LIST-2"]),
        (["--manager", "CFO", "--step", "4"], []),
        (["--manager", "CFO", "--all"], ["LIST-1", "MIL-2026-041"]),
        (["--step", "completed"], ["MIL-2026-041"]),
        (["--step", "2", "--all"], ["LIST-1", "LIST-3"]),
    ],
    ids=" ".join,
)
async def test_onboardings_are_listed_by_what_is_asked(
    options: list[str], references: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("list", "--json", *options) == 0
    assert [one["reference"] for one in json.loads(capsys.readouterr().out)] == references
    assert await run("list", *options) == 0
    printed = capsys.readouterr().out
    if references:
        assert [line.split()[0] for line in printed.splitlines()[2:]] == references
    else:
        assert printed == "aucun onboarding\n"


@pytest.mark.usefixtures("listed")
async def test_the_register_is_asked_once_for_all_that_is_over(
    client: Client, register_url: str
) -> None:
    async with opened_register(register_url) as register:
        asked: list[str] = []

        def note(_c: object, _u: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(register._engine.sync_engine, "before_cursor_execute", note)
        lines = await found(client, register, Wanted(closed=True))
    assert len(lines) > 1
    assert len([one for one in asked if "onboardings" in one]) == 1


@pytest.mark.usefixtures("listed")
async def test_a_line_says_step_health_manager_and_next_limit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await run("list", "--health", "late") == 0
    line = capsys.readouterr().out.splitlines()[-1]
    for text in ("Client LIST-1", "2. Déploiement", "en retard", "CFO", "01/06/2026 8\u00a0h"):
        assert text in line
    assert await run("list", "--health", "late", "--json") == 0
    [one] = json.loads(capsys.readouterr().out)
    assert one == {
        "reference": "LIST-1",
        "client": "Client LIST-1",
        "step": 2,
        "health": "late",
        "project_manager": "CFO",
        "next_deadline": "2026-06-01T08:00:00+02:00",
        "closed_at": None,
    }


@pytest.mark.usefixtures("register_url")
async def test_another_namespace_is_said_to_be_unknown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "ailleurs")
    assert await run("list") == 1
    assert "ailleurs" in capsys.readouterr().err


def test_only_runs_of_onboardings_that_go_on_are_asked_for() -> None:
    assert Wanted(health="late").query == (
        "WorkflowType = 'ClientOnboarding' AND ExecutionStatus = 'Running' "
        "AND OnboardingHealth = 'late'"
    )


def test_no_control_character_goes_through_json() -> None:
    written = as_json({"é": "a\x1b[2J\x9b\u202e\U000e0001\n"})
    assert written == '{\n  "é": "a\\u001b[2J\\u009b\\u202e\\udb40\\udc01\\n"\n}'
    assert json.loads(written) == {"é": "a\x1b[2J\x9b\u202e\U000e0001\n"}


# --- The shape of a payload


@pytest.mark.parametrize("name", FACTS)
def test_a_shape_has_every_field_and_is_no_fact_as_it_stands(name: str) -> None:
    model = FACTS[name]
    shown = shape(model)
    assert set(shown) == set(model.model_fields) - {"fact_id"}
    required = [field for field, info in model.model_fields.items() if info.is_required()]
    assert set(list(shown)[: len(required)]) == set(required)
    assert set(filled(shown)) == set(required)
    with pytest.raises(ValidationError):
        model.model_validate(filled(shown))


def test_a_shape_says_what_each_value_must_be() -> None:
    phase = shape(KickoffHeld)["phases"][0]
    assert phase["starts_at"] == "AAAA-MM-JJTHH:MM:SS+02:00"
    assert shape(ReserveAdded)["severity"] == "blocking | major | minor"
    assert shape(ReserveAdded)["number"] == "nombre entier"
    assert shape(AuditConcluded)["scope_change"]["phases"] == [None]


def test_nulls_are_left_out_and_what_was_typed_stays() -> None:
    shown = shape(AuditConcluded)
    shown |= {"concluded_on": "2026-05-05", "conclusions": "Rien", "gaps": ["Un", None]}
    assert filled(shown) == {
        "concluded_on": "2026-05-05",
        "conclusions": "Rien",
        "gaps": ["Un"],
    }
    assert filled({"done": [], "next": [None], "payload": {}}) == {"done": [], "payload": {}}


# --- fact in an editor


def _editor(tmp_path: Path, *payloads: str) -> str:
    """An editor that writes these texts, one each time it is opened; then it saves nothing."""
    for rank, payload in enumerate(payloads):
        (tmp_path / f"typed-{rank}").write_text(payload, encoding="utf-8")
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "opened = len(list(here.glob('seen-*')))\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "(here / f'seen-{opened}').write_text(file.read_text())\n"
        "if (here / f'typed-{opened}').exists():\n"
        "    file.write_text((here / f'typed-{opened}').read_text())\n"
    )
    return f"{sys.executable} {script}"


def _in_terminal(
    arguments: list[str], typed: str, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """The command with a real terminal as its standard input."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())
        return subprocess.run(
            [sys.executable, "starter.py", *arguments],
            cwd=ROOT,
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | environment,
        )
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_refused_fact_is_edited_again_until_it_is_accepted(
    on_stage: Stage, tmp_path: Path
) -> None:
    play, story = await begin(on_stage, replaced())
    right = {"starts_at": story.iso(3, 10), "place": "Angers", "to_bring": None}
    wrong = right | {"place": None, "starts_at": "demain"}
    editor = _editor(tmp_path, "{", json.dumps(wrong), json.dumps(right))
    done = await asyncio.to_thread(
        _in_terminal,
        ["fact", play.contract.reference, "kickoff_planned"],
        "\no\n",
        {
            "VISUAL": editor,
            "TEMPORAL_ADDRESS": on_stage.environment.client.service_client.config.target_host,
        },
    )
    assert done.returncode == 0, done.stderr
    assert "JSON invalide" in done.stderr
    assert "starts_at : " in done.stderr
    assert "place : champ obligatoire absent" in done.stderr
    assert json.loads((tmp_path / "seen-0").read_text())["place"] == ""
    # What was typed is there again.
    assert (tmp_path / "seen-1").read_text() == "{\n"
    assert json.loads((tmp_path / "seen-2").read_text()) == wrong
    assert "kickoff_held" in [one["fact"] for one in (await play.status())["waiting_for"]]
    assert (await play.status())["rejected_count"] == 0


@pytest.mark.parametrize(
    ("payloads", "typed", "said"),
    [
        ([], "", "contenu inchangé : rien n'a été envoyé"),
        (["{}"], "n\n", "abandonné"),
        (["[]"], "\x04", "abandonné"),
    ],
    ids=["not saved", "no", "end of input"],
)
def test_what_is_given_up_is_not_sent(
    tmp_path: Path, payloads: list[str], typed: str, said: str
) -> None:
    # No server is there: sending would say so.
    environment = {
        "VISUAL": _editor(tmp_path, *payloads),
        "TEMPORAL_ADDRESS": f"{LOOPBACK}:{free_port()}",
    }
    done = _in_terminal(["fact", "MIL-1", "kickoff_planned"], typed, environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(said)
    assert "injoignable" not in done.stderr


def test_an_editor_that_does_not_open_is_said_in_french() -> None:
    done = _in_terminal(["fact", "MIL-1", "kickoff_planned"], "", {"VISUAL": "/nowhere/editor"})
    assert done.returncode == 1
    assert done.stderr == "l'éditeur n'a pas pu s'ouvrir (variables VISUAL et EDITOR)\n"


def test_a_misspelt_fact_is_answered_with_its_neighbours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert starter.run(["fact", "MIL-1", "kickof_held"]) == 2
    assert "voisins : kickoff_held" in capsys.readouterr().err


# --- Completion


def _completed(shell: str, *words: str) -> list[str]:
    """What the program answers to a shell that completes the last word."""
    protocol = {
        "_STARTER_PY_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(["starter.py", *words]),
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words)),
    }
    done = subprocess.run(
        [sys.executable, "starter.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | protocol,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["st"], ["plain,start", "plain,status"]),
        (["fact", "MIL-1", "interview_"], ["plain,interview_planned", "plain,interview_held"]),
        (["fact", "MIL-1", "kickoff_held", "x"], ["file,x"]),
        (["start", "x"], ["file,x"]),
        (["list", "--he"], ["plain,--health", "plain,--help"]),
        (["list", "--health", "la"], ["plain,late"]),
        (["list", "--step", "c"], ["plain,completed", "plain,cancelled"]),
    ],
    ids=" ".join,
)
def test_bash_completes_commands_facts_files_and_options(
    words: list[str], answer: list[str]
) -> None:
    assert _completed("bash", *words) == answer


def test_zsh_and_fish_show_what_a_fact_states() -> None:
    title = FACTS["doe_received"].TITLE
    assert _completed("zsh", "fact", "MIL-1", "doe_rec") == ["plain", "doe_received", title]
    [line] = [one for one in _completed("fish", "fact", "MIL-1", "doe_rec") if one]
    assert line.startswith("plain")
    assert "doe_received" in line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_its_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "starter.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"_STARTER_PY_COMPLETE": f"{shell}_source"},
    )
    assert "_STARTER_PY_COMPLETE" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself_completes_with_the_script() -> None:
    lines = (
        'eval "$(_STARTER_PY_COMPLETE=bash_source ./starter.py)"',
        "complete -p starter.py",
        "COMP_WORDS=(./starter.py fact MIL-1 kickoff_h) COMP_CWORD=3",
        "_starterpy_completion ./starter.py kickoff_h MIL-1",
        'echo "${COMPREPLY[@]}"',
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": path},
    )
    assert done.stdout.splitlines()[-1] == "kickoff_held"
