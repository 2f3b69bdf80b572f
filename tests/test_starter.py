"""The command line: what it reads, what it answers, how it exits."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import reception
import starter
from connection import create_search_attributes, opened_register
from local.ports import LOOPBACK, free_port
from local.temporal_server import lasting_server
from process.contract import Contract, fingerprint
from process.orders import OpenOnboarding, Projection
from situation import in_french
from workflows.page import contract_details, contract_summary
from workflows.search_attributes import CLIENT_NAME, CONTRACT_REFERENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from temporalio.client import Client

    from register.store import Register

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture
def contract() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EXAMPLES / "contract-remplacement.json").read_bytes())
    return read


@pytest.fixture
def written(tmp_path: Path) -> Callable[[object], str]:
    def write(value: object) -> str:
        path = tmp_path / "content.json"
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Temporal server, and a register of its own."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"{LOOPBACK}:{free_port()}")
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"sqlite:///{tmp_path}/register.db")


# --- What is read


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("contract-*.json")), ids=lambda p: p.stem)
def test_the_examples_are_valid(path: Path) -> None:
    reception.parse_contract(path.read_bytes())


def test_one_example_owes_an_audit_and_the_other_does_not() -> None:
    replacement, new = (
        reception.parse_contract((EXAMPLES / f"contract-{name}.json").read_bytes())
        for name in ("remplacement", "neuf")
    )
    assert replacement.audit_is_owed
    assert len(replacement.sites) == 2
    assert not new.audit_is_owed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a": 1, "a": 2}', "clé « a » donnée deux fois"),
        (b'{"a": {"b": 1, "b": 1}}', "clé « b » donnée deux fois"),
        (b'{"a": NaN}', "JSON invalide : NaN n'est pas un nombre"),
        (b'{"a": -Infinity}', "JSON invalide : -Infinity n'est pas un nombre"),
        (b'{"a":', "JSON invalide (ligne 1, colonne 6)"),
        (b"\xff\xfe", "contenu illisible : texte UTF-8 attendu"),
        (b"[]", "objet JSON attendu"),
        (b"[" * 100_000, "JSON invalide (imbrication ou nombre démesuré)"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "JSON invalide (imbrication ou nombre démesuré)"),
        (b" " * 1_000_001, "contenu trop volumineux (1 Mo au plus)"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else "",
)
def test_ambiguous_or_oversized_json_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(reception.Refused) as refusal:
        reception.parse_object(content)
    assert refusal.value.problems == (reason,)


# --- What it answers


def test_every_problem_of_a_contract_is_told_with_its_path(
    contract: dict[str, Any],
    written: Callable[[object], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    contract["sites"][0]["zone"] = "lune"
    contract["client"]["colour"] = "bleu"
    del contract["signed_at"]
    assert starter.run(["start", written(contract)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" : ")[0] for line in lines] == [
        "signed_at",
        "client.colour",
        "sites[0].zone",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Utilisation : starter.py"),
        (["begin"], "commande inconnue"),
        (["start"], "argument manquant"),
        (["start", "--force"], "option inconnue : --force"),
        (["start", "/nowhere/contract.json"], "fichier illisible"),
        (["start", "/sys/kernel"], "aucun fichier .json dans le dossier"),
        (["fact", "MIL-1"], "argument manquant"),
        (["fact", "MIL-1", "lunch_held"], "fait inconnu « lunch_held »"),
        (["fact", "MIL-1", "kickoff_held", "/nowhere.json"], "fichier illisible"),
        (["status"], "argument manquant"),
        (["status", "MIL-1", "MIL-2"], "trop d'arguments"),
        (["list", "--step", "8"], "--step : valeur inconnue ; valeurs : 1, 2"),
        (["list", "--health", "malade"], "--health : valeur inconnue ; valeurs : on_time"),
        (["list", "--manager", "X' OR 'a' = 'a"], "--manager : code mal formé"),
        (["serve", "--port", "0"], "--port : valeur mal formée"),
    ],
    ids=" ".join,
)
def test_misuse_exits_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert starter.run(arguments) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert not printed.out


def test_help_is_in_french_and_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert starter.run(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "Utilisation : " in printed
    assert "Commandes:" in printed
    assert not any(word in printed for word in ("Usage", "Show", "Commands"))


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "arguments",
    [
        ["start", str(EXAMPLES / "contract-neuf.json")],
        ["fact", "MIL-1", "kickoff_held"],
        ["status", "MIL-1"],
        ["list"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_a_server_it_says_so(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert starter.run(arguments) == 1
    printed = capsys.readouterr()
    assert "serveur Temporal injoignable" in printed.err
    assert not printed.out


@pytest.mark.usefixtures("nowhere")
def test_a_misspelt_setting_stops_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONBOARDING_SMTPP_HOST", "localhost")
    assert starter.run(["status", "MIL-1"]) == 1
    assert "ONBOARDING_SMTPP_HOST" in capsys.readouterr().err


def test_as_a_process_it_reads_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "starter.py", "start", "-"],
        input=b'{"reference": "MIL 1"}',
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("reference : ")
    assert not done.stdout


@pytest.mark.parametrize("arguments", [["begin"], ["--help"], ["start", "--help"]], ids=" ".join)
def test_help_and_misuse_load_nothing_heavy(arguments: list[str]) -> None:
    heavy = {"temporalio", "sqlalchemy", "fastapi", "pydantic", "rich"}
    probe = f"import sys, starter; starter.run({arguments}); print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_past_facts_join_the_contract_and_are_checked_by_the_path_of_their_field(
    contract: dict[str, Any],
) -> None:
    content = json.dumps(contract).encode()
    past = [{"fact": "training_held", "payload": {"held_on": "2026-03-02", "trainees": ["Ana"]}}]
    read = reception.parse_contract(content, json.dumps(past).encode())
    assert [one.fact for one in read.history] == ["training_held"]
    past[0]["payload"] = {"held_on": 3, "surprise": 1}
    with pytest.raises(reception.Refused) as refusal:
        reception.parse_contract(content, json.dumps(past).encode())
    assert refusal.value.problems == (
        "history[0].payload.held_on : texte ISO 8601 attendu, pas un nombre",
        "history[0].payload.trainees : champ obligatoire absent",
        "history[0].payload.surprise : champ inconnu",
    )
    with pytest.raises(reception.Refused, match="history : liste attendue"):
        reception.parse_contract(content, b'{"fact": "training_held"}')


# --- What is shown in the web UI


def _named(contract: dict[str, Any], name: str) -> Contract:
    return Contract.model_validate(contract | {"client": contract["client"] | {"name": name}})


def test_the_summary_names_the_client_and_the_contract(contract: dict[str, Any]) -> None:
    shown = contract_summary(Contract.model_validate(contract))
    assert shown == "Laiteries du Val d'Authion — contrat MIL-2026-041"


def test_the_details_name_people_by_function_without_their_addresses(
    contract: dict[str, Any],
) -> None:
    shown = contract_details(Contract.model_validate(contract))
    assert "- chef de projet : Claire Fontaine" in shown
    assert "- décideur signataire : Hélène Marchand" in shown
    assert "- Plateforme de Colmar (COLMAR)" in shown
    assert "remplacement d'un système existant" in shown
    assert "@" not in shown
    assert "+33" not in shown


def test_outside_text_is_neither_mark_up_nor_html(contract: dict[str, Any]) -> None:
    hostile = _named(contract, "[ici](https://x.example) <img src=x> **gras** `code`")
    for shown in (contract_summary(hostile), contract_details(hostile)):
        assert r"\[ici\]\(https" in shown
        assert r"\<img src=x\>" in shown
        assert r"\*\*gras\*\* \`code\`" in shown


def test_summary_and_details_stay_within_what_the_server_shows(contract: dict[str, Any]) -> None:
    sites = [contract["sites"][0] | {"code": f"S{n}", "name": "é" * 200} for n in range(500)]
    large = _named(contract | {"sites": sites, "equipment": []}, "é" * 200)
    assert len(contract_summary(large).encode()) <= 200
    assert contract_summary(large).endswith("… — contrat MIL-2026-041")
    assert len(contract_details(large).encode()) <= 20_000


# --- Against a server, without any worker


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    folder = tmp_path_factory.mktemp("temporal")
    async with lasting_server(folder, port=free_port(), ui_port=free_port()) as connected:
        await create_search_attributes(connected)
        yield connected


@pytest.fixture
async def register(tmp_path: Path) -> AsyncIterator[Register]:
    async with opened_register(f"sqlite:///{tmp_path}/register.db") as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reception, "CALL_TIMEOUT", timedelta(seconds=1))


def _signed(contract: dict[str, Any], **changes: object) -> Contract:
    return Contract.model_validate(contract | changes)


async def test_the_same_contract_twice_is_the_same_run(
    client: Client, register: Register, contract: dict[str, Any]
) -> None:
    signed = _signed(contract, reference="TWICE")
    assert await reception.start_onboarding(client, register, signed)
    assert not await reception.start_onboarding(client, register, signed)
    run = await client.get_workflow_handle("onboarding-TWICE").describe()
    assert run.typed_search_attributes[CONTRACT_REFERENCE] == "TWICE"
    assert run.typed_search_attributes[CLIENT_NAME] == signed.client.name
    assert await run.memo() == {"contract_sha256": fingerprint(signed)}
    assert await run.static_summary() == contract_summary(signed)
    assert await run.static_details() == contract_details(signed)


async def test_another_contract_under_a_used_reference_is_refused(
    client: Client, register: Register, contract: dict[str, Any]
) -> None:
    first = _signed(contract, reference="USED")
    await reception.start_onboarding(client, register, first)
    with pytest.raises(reception.Refused, match="déjà celle d'un autre contrat"):
        await reception.start_onboarding(
            client, register, _signed(contract, reference="USED", project_kind="extension")
        )


async def test_the_register_remembers_what_temporal_forgot(
    client: Client, register: Register, contract: dict[str, Any]
) -> None:
    signed = _signed(contract, reference="OLD")
    opened = datetime(2026, 3, 16, 12, tzinfo=UTC)
    order = OpenOnboarding(
        contract=signed.model_dump(mode="json"),
        workflow_id="onboarding-OLD",
        run_id="a-run",
        started_at=opened,
    )
    await register.claim(order, fingerprint(signed))
    with pytest.raises(reception.Refused, match="n'existe plus sur ce serveur"):
        await reception.start_onboarding(client, register, signed)

    status = {"reference": "OLD", "client": signed.client.name, "step": "completed"}
    await register.project(
        Projection(
            onboarding="OLD",
            at=opened + timedelta(days=200),
            step="completed",
            health="on_time",
            project_manager="CFO",
            next_deadline=None,
            last_missed_at=None,
            open_reserves=0,
            missed_deadlines=0,
            status=status,
            closed=True,
        )
    )
    assert not await reception.start_onboarding(client, register, signed)
    assert await reception.read_status(client, register, "OLD") == status
    with pytest.raises(reception.Refused, match="déjà celle d'un autre contrat"):
        await reception.start_onboarding(
            client, register, _signed(contract, reference="OLD", project_kind="new")
        )


@pytest.mark.usefixtures("impatient")
async def test_without_a_worker_nothing_is_confirmed(
    client: Client, register: Register, contract: dict[str, Any]
) -> None:
    await reception.start_onboarding(client, register, _signed(contract, reference="ALONE"))
    with pytest.raises(reception.Refused, match="aucun worker"):
        await reception.send_fact(client, "ALONE", "kickoff_held", {"fact_id": "1"})


async def test_an_unknown_onboarding_is_said_to_be(
    client: Client,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", f"sqlite:///{tmp_path}/register.db")
    for command in (["status", "NOBODY"], ["fact", "NOBODY", "kickoff_held"]):
        # In a thread: a command has an event loop of its own.
        assert await asyncio.to_thread(starter.run, command) == 1
        assert capsys.readouterr().err == "aucun onboarding « NOBODY »\n"


# --- What a status reads like


def test_a_status_reads_in_french() -> None:
    lines = list(
        in_french(
            {
                "reference": "MIL-1",
                "client": "Laiteries",
                "step": 4,
                "health": "late",
                "deadlines": [
                    {"obligation": "O2", "state": "met", "due_at": "2026-03-30T23:59:59+02:00"},
                    {
                        "obligation": "O12",
                        "key": "3",
                        "state": "missed",
                        "due_at": "2026-05-01T23:59:59+02:00",
                    },
                    {"obligation": "O13", "state": "running", "due_at": None},
                    {
                        "obligation": "O14",
                        "state": "running",
                        "due_at": "2026-06-01T08:00:00+02:00",
                    },
                ],
                "reserves": [
                    {"number": 3, "severity": "major", "due_on": "2026-05-01", "state": "fixed"},
                    {"number": 2, "severity": "minor", "due_on": "2026-05-02", "state": "lifted"},
                ],
                "waiting_for": [{"fact": "reserve_lifted", "owed_by": "technical_lead"}],
                "open_points": [
                    {
                        "id": "mail:welcome",
                        "kind": "mail",
                        "message": "Mail refusé",
                        "owed_by": "project_manager",
                    },
                    {
                        "id": "piece:plans",
                        "kind": "piece",
                        "message": "Fichier vide",
                        "owed_by": "project_manager",
                    },
                ],
                "documents": [
                    {
                        "kind": "pv_recette",
                        "reference": f"PVR-MIL-1-{number}-v1",
                        "issued_at": "2026-04-24T10:00:00+02:00",
                    }
                    for number in range(1, 13)
                ],
                "rejected_count": 2,
            },
            datetime(2026, 5, 4, 22, 30, tzinfo=UTC),
        )
    )
    documents = [line for line in lines if "PVR-" in line]
    assert documents[0] == (
        "  - PVR-MIL-1-12-v1 : Procès-verbal de recette, vendredi 24 avril 2026 à 10\u00a0h\u00a000"
    )
    assert len(documents) == 10
    assert [line for line in lines if line not in documents] == [
        "Onboarding MIL-1 — Laiteries",
        "Étape : 4. Recette et levée des réserves",
        "Santé : en retard",
        "Étapes :",
        "  - 1. Kick-off projet et audit de l'existant : terminée",
        "  - 2. Déploiement : terminée",
        "  - 3. Formation des utilisateurs : terminée",
        "  - 4. Recette et levée des réserves : en cours",
        "  - 5. Remise du DOE : à venir",
        "  - 6. Activation de la maintenance : à venir",
        "  - 7. Évaluation à 30 jours : à venir",
        "Échéances manquées :",
        # In Paris it is the 5th already.
        (
            "  - O12 Levée de la réserve (3) : vendredi 1er mai 2026 à 23\u00a0h\u00a059, "
            "dépassée de 4 jours"
        ),
        "Prochaines échéances :",
        "  - O14 Activation de la maintenance : lundi 1er juin 2026 à 8\u00a0h\u00a000, dans 27 jours",
        "Réserves ouvertes :",
        "  - n° 3 (majeure), déclarée corrigée, à lever avant le vendredi 1er mai 2026",
        "Attendu :",
        (
            "  - Le client constate la levée d'une réserve (reserve_lifted), "
            "de : responsable technique"
        ),
        "Points ouverts (les régler : fact MIL-1 open_point_settled) :",
        (
            "  - [mail:welcome] Mail refusé, à régler par : chef de projet ; comment : « retry » "
            "(réessayer), « done_otherwise » (fait par un autre moyen) ou « abandon » (y renoncer)"
        ),
        (
            "  - [piece:plans] Fichier vide, à régler par : chef de projet ; comment : « retry » "
            "une fois le fichier remis en ordre, ou verser la pièce de nouveau"
        ),
        "Documents émis :",
        "  - 2 plus anciens : voir --json",
        "2 faits refusés : voir --json",
    ]


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ("2026-05-30T10:00:00+02:00", "dans 2 jours"),
        ("2026-05-31T23:59:00+02:00", "demain"),
        ("2026-06-01T07:59:00+02:00", "aujourd'hui"),
        ("2026-06-01T08:01:00+02:00", "dépassée aujourd'hui"),
        ("2026-06-02T00:00:00+02:00", "dépassée de 1 jour"),
    ],
)
def test_the_days_left_are_counted_by_the_dates_of_paris(now: str, left: str) -> None:
    due = {"obligation": "O14", "state": "running", "due_at": "2026-06-01T08:00:00+02:00"}
    status = {"reference": "M", "client": "L", "step": 6, "health": "on_time", "deadlines": [due]}
    assert any(
        line.endswith(f", {left}") for line in in_french(status, datetime.fromisoformat(now))
    )


@pytest.mark.parametrize(("step", "said"), [("completed", "terminé"), ("cancelled", "annulé")])
def test_an_onboarding_that_is_over_has_no_steps_to_show(step: str, said: str) -> None:
    status = {"reference": "M", "client": "L", "step": step, "health": "on_time"}
    lines = list(in_french(status, datetime.now(UTC)))
    assert lines[1] == f"Étape : {said}"
    assert len(lines) == 3
