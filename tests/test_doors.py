"""The doors of the HTTP service, over real HTTP, with a real Temporal server and a worker."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from temporalio.client import Client

import reception
from connection import Unreachable, create_search_attributes
from local.mailbox import Mailbox
from local.ports import LOOPBACK, free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from process.facts import FACTS
from process.orders import OpenOnboarding, Projection
from register.store import Register
from service.app import create_app, serving
from service.temporal import Connect
from storage.document_store import DocumentStore
from tests.senders import CRM, ROOT, SIGN, a_contract, number, parts, runs, signed
from worker import build_worker

YOUSIGN = "whsec_" + "Y" * 40
SECRETS = {
    "crm": (SecretStr(CRM),),
    "sign": (SecretStr(SIGN),),
    "yousign": (SecretStr(YOUSIGN),),
}

SOON = (datetime.now(UTC) + timedelta(days=10)).replace(microsecond=0).isoformat()


@dataclass
class Door:
    """The service that runs, and those who speak to it."""

    http: httpx.AsyncClient
    register: Register
    temporal: Client | None

    async def post(
        self, path: str, value: object, *, id_: str | None = None, secret: str = CRM
    ) -> httpx.Response:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = signed(body, id_ or f"m-{number()}", secret)
        return await self.http.post(path, content=body, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers=signed(b"", f"m-{number()}"))

    async def fact(self, reference: str, name: str, value: object, **how: Any) -> httpx.Response:
        return await self.post(f"/onboardings/{reference}/facts/{name}", value, **how)


def settled(answer: httpx.Response, status: int, outcome: str) -> None:
    assert (answer.status_code, answer.json().get("outcome")) == (status, outcome), answer.text


def refused(answer: httpx.Response, status: int) -> list[tuple[str, str]]:
    """The errors of a problem, by path and reason."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return [(error["path"], error["reason"]) for error in told.get("errors", [])]


@asynccontextmanager
async def served(
    folder: Path, register: Register, client: Client | Connect
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(register, DocumentStore(str(folder / "documents")), client, SECRETS)
    async with (
        serving(app, LOOPBACK, 0) as address,
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=40) as http,
    ):
        yield http


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("doors")
    async with AsyncExitStack() as stack:
        mailbox = Mailbox(folder / "mails")
        settings = stage_settings(folder, stack.enter_context(mailbox.smtp()))
        settings.inbox.mkdir()
        register = Register(settings.database_url)
        stack.push_async_callback(register.close)
        await register.migrate()
        client = await stack.enter_async_context(
            lasting_server(folder, port=free_port(), ui_port=free_port())
        )
        await create_search_attributes(client)
        store = DocumentStore(settings.documents_url)
        await stack.enter_async_context(build_worker(client, settings, register, store))
        http = await stack.enter_async_context(served(folder, register, client))
        yield Door(http, register, client)


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Door]:
    """The service without any Temporal server."""

    async def nowhere() -> Client:
        raise Unreachable("personne")

    register = Register(f"sqlite:///{tmp_path}/register.db")
    await register.migrate()
    async with served(tmp_path, register, nowhere) as http:
        yield Door(http, register, None)
    await register.close()


async def running(door: Door) -> str:
    """The reference of an onboarding that runs and that the register knows."""
    whole = a_contract()
    settled(await door.post("/contracts", whole), 202, "started")
    for _ in range(200):
        if await door.register.onboarding(whole["reference"]) is not None:
            return str(whole["reference"])
        await asyncio.sleep(0.05)
    raise AssertionError("the onboarding did not open")


# --- Contracts


async def test_a_contract_starts_its_onboarding_once(door: Door) -> None:
    whole = a_contract()
    first = await door.post("/contracts", whole)
    settled(first, 202, "started")
    assert first.json()["workflow_id"] == f"onboarding-{whole['reference']}"
    again = await door.post("/contracts", whole)
    settled(again, 200, "known")
    assert again.json()["workflow_id"] == f"onboarding-{whole['reference']}"


async def test_twenty_at_once_start_one_onboarding(door: Door) -> None:
    whole = a_contract()
    answers = await asyncio.gather(
        *(door.post("/contracts", whole, id_=f"{whole['reference']}-{n % 5}") for n in range(20))
    )
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert door.temporal is not None
    assert await runs(door.temporal, f"onboarding-{whole['reference']}") == 1


async def test_another_contract_under_a_used_reference_is_a_conflict(door: Door) -> None:
    whole = a_contract()
    await door.post("/contracts", whole)
    answer = await door.post("/contracts", {**whole, "project_kind": "extension"})
    assert refused(answer, 409) == [
        ("reference", f"« {whole['reference']} » est déjà celle d'un autre contrat")
    ]


async def test_each_field_of_an_invalid_contract_is_told(door: Door) -> None:
    whole = a_contract()
    whole["sites"][0]["zone"] = "lune"
    whole["client"]["colour"] = "bleu"
    errors = dict(refused(await door.post("/contracts", whole), 422))
    assert set(errors) == {"sites[0].zone", "client.colour"}
    assert errors["client.colour"] == "champ inconnu"
    whole = a_contract()
    whole["equipment"][0]["site"] = "AILLEURS"
    assert refused(await door.post("/contracts", whole), 422)[0] == (
        "equipment[0].site",
        "site inconnu « AILLEURS »",
    )


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[]", b"", b'"\\ud800"', b"[" * 50_000]
)
async def test_what_is_not_one_clear_object_is_unreadable(door: Door, body: bytes) -> None:
    assert refused(await door.post("/contracts", body), 400)


async def test_a_draft_and_its_signature_meet_in_either_order(door: Door) -> None:
    draft, signature = parts(a_contract())
    settled(await door.post("/contracts", draft), 202, "draft")
    settled(await door.post("/contracts", signature, secret=SIGN), 202, "started")
    settled(await door.post("/contracts", draft), 200, "known")
    settled(await door.post("/contracts", signature), 200, "known")

    draft, signature = parts(a_contract())
    settled(await door.post("/contracts", signature, secret=SIGN), 202, "signature")
    settled(await door.post("/contracts", {**draft, "signed_at": None}), 202, "started")
    settled(await door.post("/contracts", {**draft, **signature}), 200, "known")


async def test_a_signature_in_utc_and_the_contract_in_paris_time_are_one(door: Door) -> None:
    draft, signature = parts(a_contract())
    utc = datetime.fromisoformat(signature["signed_at"]).astimezone(UTC).isoformat()
    settled(await door.post("/contracts", draft), 202, "draft")
    settled(await door.post("/contracts", {**draft, "history": None}), 202, "draft")
    settled(
        await door.post("/contracts", {**signature, "signed_at": utc}, secret=SIGN), 202, "started"
    )
    settled(await door.post("/contracts", {**draft, **signature}), 200, "known")
    settled(await door.post("/contracts", {**draft, "signed_at": utc}), 200, "known")


async def test_a_signature_of_tomorrow_is_refused(door: Door) -> None:
    draft, signature = parts(a_contract())
    tomorrow = {**signature, "signed_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    for body in ({**draft, **tomorrow}, tomorrow):
        [(path, reason)] = refused(await door.post("/contracts", body), 422)
        assert path == "signed_at"
        assert reason.startswith("signature dans le futur")


async def test_a_draft_may_change_until_it_is_signed_and_no_longer(door: Door) -> None:
    draft, signature = parts(a_contract())
    await door.post("/contracts", {**draft, "project_kind": "new"})
    settled(await door.post("/contracts", draft), 202, "draft")
    settled(await door.post("/contracts", signature), 202, "started")
    refused(await door.post("/contracts", {**draft, "project_kind": "new"}), 409)
    other = {**signature, "signed_at": "2026-01-05T10:00:00+01:00"}
    refused(await door.post("/contracts", other), 409)
    settled(await door.post("/contracts", {**draft, **signature}), 200, "known")


async def test_the_parts_of_a_contract_that_came_whole_are_known(door: Door) -> None:
    reference = await running(door)
    whole = (await door.register.contract(reference)).model_dump(mode="json", exclude_none=True)
    draft, signature = parts(whole)
    settled(await door.post("/contracts", signature), 200, "known")
    settled(await door.post("/contracts", draft), 200, "known")
    refused(await door.post("/contracts", {**draft, "project_kind": "new"}), 409)
    refused(
        await door.post("/contracts", {**signature, "signed_at": "2026-01-05T10:00:00+01:00"}), 409
    )


async def test_a_faulty_draft_or_signature_is_told_at_once(door: Door) -> None:
    draft, signature = parts(a_contract())
    del draft["sites"]
    assert ("sites", "champ obligatoire absent") in refused(
        await door.post("/contracts", draft), 422
    )
    faulty = {**signature, "signed_at": "hier"}
    assert refused(await door.post("/contracts", faulty), 422)[0][0] == "signed_at"


# --- Facts


async def test_two_services_with_one_id_are_two_senders(door: Door) -> None:
    reference = await running(door)
    planned = {"starts_at": SOON, "place": "Paris"}
    released = {"role": "sales", "person": {"name": "Zoé Petit", "email": "z@mileotech.example"}}
    told = [("kickoff_planned", planned, CRM), ("contact_replaced", released, SIGN)]
    for name, value, secret in told:
        answer = await door.fact(reference, name, value, id_="one-id", secret=secret)
        settled(answer, 200, "accepted")
    for name, value, secret in told:
        answer = await door.fact(reference, name, value, id_="one-id", secret=secret)
        settled(answer, 200, "known")
    # What a sender names itself is one id for all.
    named = {**released, "fact_id": "one-id", "role": "account_manager"}
    refused(await door.fact(reference, "contact_replaced", named), 409)


async def test_a_fact_is_accepted_then_known_and_the_register_knows_who_said_it(
    door: Door,
) -> None:
    reference = await running(door)
    planned = {"starts_at": SOON, "place": "Paris"}
    settled(await door.fact(reference, "kickoff_planned", planned, id_="k-1"), 200, "accepted")
    settled(await door.fact(reference, "kickoff_planned", planned, id_="k-1"), 200, "known")
    # By another door, the id of the message makes it count once too.
    assert door.temporal is not None
    answer = await reception.send_fact(
        door.temporal, reference, "kickoff_planned", {**planned, "fact_id": "k-1"}
    )
    assert answer.outcome == "known"
    said = (await door.register.deliveries(reference))[-1]
    assert (said.sender, said.message_id, said.outcome) == ("crm", "k-1", "accepted")
    assert said.path == f"/onboardings/{reference}/facts/kickoff_planned"


async def test_an_early_fact_waits(door: Door) -> None:
    reference = await running(door)
    done = {"id": "P9", "completed_at": datetime.now(UTC).isoformat()}
    settled(await door.fact(reference, "phase_completed", done), 202, "waiting")


async def test_a_fact_that_the_process_refuses_is_a_conflict_and_is_judged_again(
    door: Door,
) -> None:
    reference = await running(door)
    wrong = {"starts_at": SOON, "site": "AILLEURS"}
    for _ in range(2):
        answer = await door.fact(reference, "recette_planned", wrong, id_=f"{reference}-r")
        assert [path for path, _ in refused(answer, 409)] == ["site"]


async def test_a_malformed_fact_is_told_by_field(door: Door) -> None:
    reference = await running(door)
    errors = refused(await door.fact(reference, "kickoff_planned", {"starts_at": 3, "x": 1}), 422)
    assert [path for path, _ in errors] == ["starts_at", "place", "x"]


async def test_what_is_unknown_is_not_found(door: Door) -> None:
    reference = await running(door)
    refused(await door.fact(reference, "lunch_held", {}), 404)
    place = {"starts_at": SOON, "place": "Paris"}
    refused(await door.fact("NOBODY", "kickoff_planned", place), 404)
    refused(await door.get("/onboardings/NOBODY"), 404)
    assert (await door.get("/onboardings/%00")).status_code == 400


async def test_an_id_stands_for_one_message_of_one_sender(door: Door) -> None:
    reference = await running(door)
    planned = {"starts_at": SOON, "place": "Paris", "fact_id": "own"}
    id_ = f"{reference}-1"
    settled(await door.fact(reference, "kickoff_planned", planned, id_=id_), 200, "accepted")
    refused(
        await door.fact(reference, "kickoff_planned", {**planned, "place": "Lyon"}, id_=id_), 409
    )
    # The signature does not cover the address.
    refused(await door.fact(await running(door), "kickoff_planned", planned, id_=id_), 409)
    settled(
        await door.fact(reference, "kickoff_planned", planned, id_=id_, secret=SIGN), 200, "known"
    )


async def close(register: Register, reference: str) -> None:
    """What the register holds of an onboarding at its end."""
    registered = await register.onboarding(reference)
    assert registered is not None
    await register.project(
        Projection(
            onboarding=reference,
            at=registered.updated_at + timedelta(days=1),
            step="completed",
            health="on_time",
            project_manager=None,
            next_deadline=None,
            last_missed_at=None,
            open_reserves=0,
            missed_deadlines=0,
            status={"reference": reference, "step": "completed"},
            in_charge=[],
            closed=True,
        )
    )


async def test_an_onboarding_that_is_over_takes_no_fact_and_is_still_told(door: Door) -> None:
    reference = await running(door)
    live = await door.get(f"/onboardings/{reference}")
    assert live.status_code == 200
    assert live.json()["reference"] == reference
    assert door.temporal is not None
    await door.temporal.get_workflow_handle(f"onboarding-{reference}").terminate()
    await close(door.register, reference)
    place = {"starts_at": SOON, "place": "Paris"}
    errors = refused(await door.fact(reference, "kickoff_planned", place), 409)
    assert errors == [("", f"l'onboarding « {reference} » est clos")]
    assert (await door.get(f"/onboardings/{reference}")).json()["step"] == "completed"


# --- Who may speak, and how much


async def test_nothing_unsigned_is_read(door: Door) -> None:
    body = json.dumps(a_contract()).encode()
    for answer in (
        await door.http.post("/contracts", content=body),
        await door.http.post("/contracts", content=body, headers=signed(b"{}", "m")),
        await door.post("/contracts", body, secret="whsec_" + "X" * 40),
        await door.http.post("/onboardings/X/facts/kickoff_planned", content=b"{}"),
        await door.http.get("/onboardings/X"),
        await door.http.post("/contracts", content=b"\xff\xfe", headers=signed(b"{}", "m")),
    ):
        refused(answer, 401)
        assert "www-authenticate" in answer.headers


async def test_a_body_beyond_1_mb_is_not_read(door: Door) -> None:
    size = reception.MAX_JSON_BYTES
    refused(await door.http.post("/contracts", content=b" " * (size + 1)), 413)

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (size // 10)

    refused(await door.http.post("/contracts", content=unannounced()), 413)
    whole = json.dumps(a_contract()).encode()
    settled(await door.post("/contracts", whole.ljust(size)), 202, "started")


# --- What does not answer


async def test_without_a_server_nothing_is_acknowledged(alone: Door) -> None:
    whole = a_contract()
    for answer in (
        await alone.post("/contracts", whole, id_="w-1"),
        await alone.fact("X", "kickoff_planned", {"starts_at": whole["signed_at"], "place": "P"}),
        await alone.get("/onboardings/X"),
    ):
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    assert await alone.register.delivery("crm", "w-1") is None
    assert (await alone.http.get("/health/live")).status_code == 200


async def test_an_onboarding_that_is_over_is_told_without_a_server(alone: Door) -> None:
    over, under_way = a_contract(), a_contract()
    for whole in (over, under_way):
        order = OpenOnboarding(
            contract=whole, workflow_id="w", run_id="r", started_at=datetime.now(UTC)
        )
        assert await alone.register.claim(order, "0" * 64) is None
    await close(alone.register, over["reference"])
    told = await alone.get(f"/onboardings/{over['reference']}")
    assert (told.status_code, told.json()["step"]) == (200, "completed")
    refused(await alone.get(f"/onboardings/{under_way['reference']}"), 503)


async def test_a_server_that_comes_back_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reception, "CALL_TIMEOUT", timedelta(seconds=2))
    port, ui_port = free_port(), free_port()
    folder = tmp_path / "temporal"
    folder.mkdir()
    register = Register(f"sqlite:///{tmp_path}/register.db")
    await register.migrate()
    whole = a_contract()
    async with AsyncExitStack() as stack:
        async with lasting_server(folder, port=port, ui_port=ui_port) as client:
            await create_search_attributes(client)
            http = await stack.enter_async_context(served(tmp_path, register, client))
            door = Door(http, register, client)
            # No worker: what needs one is for later, a contract is durable without.
            settled(await door.post("/contracts", whole, id_="c-1"), 202, "started")
            refused(await door.get(f"/onboardings/{whole['reference']}"), 503)
            planned = {"starts_at": whole["signed_at"], "place": "Paris"}
            refused(await door.fact(whole["reference"], "kickoff_planned", planned), 503)
        other = a_contract()
        refused(await door.post("/contracts", other, id_="c-2"), 503)
        # What is known needs no server.
        settled(await door.post("/contracts", whole, id_="c-1"), 200, "known")
        async with lasting_server(folder, port=port, ui_port=ui_port):
            settled(await door.post("/contracts", other, id_="c-2"), 202, "started")
            settled(await door.post("/contracts", whole, id_="c-3"), 200, "known")
    await register.close()


async def test_without_a_database_nothing_is_acknowledged(alone: Door) -> None:
    draft, _ = parts(a_contract())
    async with alone.register._engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO away")
    refused(await alone.post("/contracts", draft, id_="d-1"), 503)
    async with alone.register._engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE away RENAME TO deliveries")
    settled(await alone.post("/contracts", draft, id_="d-1"), 202, "draft")
    settled(await alone.post("/contracts", draft, id_="d-1"), 200, "known")


# --- How it is described


async def test_the_description_holds_every_body_and_every_problem(alone: Door) -> None:
    described = (await alone.http.get("/openapi.json")).json()
    schemas = described["components"]["schemas"]
    fact = described["paths"]["/onboardings/{reference}/facts/{name}"]["post"]
    bodies = fact["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert len(bodies) == len(FACTS)
    assert set(fact["responses"]) >= {"200", "202", *map(str, (400, 401, 404, 409, 413, 422, 503))}
    references = set(_references(described))
    assert "#/components/schemas/Contract" in references
    assert {ref.rpartition("/")[2] for ref in references} <= set(schemas)


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for inner in value.values() for ref in _references(inner)]
    if isinstance(value, list):
        return [ref for inner in value for ref in _references(inner)]
    return []


# Signing services


async def test_the_event_of_a_signing_service_completes_the_draft(door: Door) -> None:
    whole = a_contract()
    draft, _ = parts(whole)
    settled(await door.post("/contracts", draft), 202, "draft")
    event = json.loads((ROOT / "tests/payloads/yousign.json").read_bytes())
    event["data"]["signature_request"]["external_id"] = whole["reference"]
    event["event_time"] = str(int(datetime.fromisoformat(whole["signed_at"]).timestamp()))

    async def sent(value: dict[str, Any]) -> httpx.Response:
        body = json.dumps(value).encode()
        key = base64.b64decode(YOUSIGN.removeprefix("whsec_"))
        signature = "sha256=" + hmac.new(key, body, "sha256").hexdigest()
        headers = {"X-Yousign-Signature-256": signature}
        return await door.http.post("/contracts/yousign", content=body, headers=headers)

    ignored = await sent({**event, "event_name": "signature_request.activated"})
    assert (ignored.status_code, ignored.json()["outcome"]) == (200, "ignored")
    settled(await sent(event), 202, "started")
    # A retry tells the same event again, with other words around it.
    settled(await sent({**event, "subscription_description": "again"}), 200, "known")
    refused(await door.http.post("/contracts/yousign", content=b"{}"), 401)
    refused(await door.http.post("/contracts/nobody", content=b"{}"), 404)
    # Its key opens its own route only.
    refused(await door.post("/contracts", draft, secret=YOUSIGN), 401)


async def test_a_thousand_copies_of_one_message_are_one_onboarding(door: Door) -> None:
    whole = a_contract()
    kickoff = {"starts_at": SOON, "place": "Angers"}
    path = f"/onboardings/{whole['reference']}/facts/kickoff_planned"

    async def copies(where: str, value: object, id_: str) -> Counter[str]:
        left = list(range(500))
        outcomes = Counter[str]()

        async def send() -> None:
            while left:
                left.pop()
                answer = await door.post(where, value, id_=id_)
                outcomes[answer.json().get("outcome", str(answer.status_code))] += 1

        await asyncio.gather(*(send() for _ in range(40)))
        return outcomes

    started = await copies("/contracts", whole, "same-contract")
    assert set(started) <= {"started", "known"}
    assert started["started"] >= 1
    told = await copies(path, kickoff, "same-fact")
    assert set(told) <= {"accepted", "known"}

    assert door.temporal is not None
    assert await runs(door.temporal, f"onboarding-{whole['reference']}") == 1
    journal = await door.temporal.get_workflow_handle(f"onboarding-{whole['reference']}").query(
        "journal"
    )
    assert [one["fact"] for one in journal["facts"]] == ["kickoff_planned"]
    kept = await door.register.deliveries(whole["reference"])
    assert [one.message_id for one in kept] == ["same-contract", "same-fact"]
