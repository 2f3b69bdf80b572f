"""What is held about a person is told, and erased: on SQLite and PostgreSQL, with a real server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

import starter
from privacy import people
from privacy.people import Asked, erase, export
from privacy.shelves import Shelves
from privacy.terms import Terms
from privacy.traces import Alias, Person
from process.contract import fingerprint
from reception import start_onboarding
from register.models import Onboarding
from register.store import Register, RegisteredDraft
from tests.holdings import (
    LEAD,
    PHONE,
    a_contract,
    ago,
    client,
    everything,
    lived,
    register,
    running,
    shelves,
)
from tests.postgres import postgres

if TYPE_CHECKING:
    from temporalio.client import Client

__all__ = ["client", "postgres", "register", "shelves"]

TERMS = Terms(documents_years=10, contacts_months=36, deliveries_days=400)
ALIAS = Alias("Personne effacée 1", "personne-1@efface.invalid")


def asked(mail: str = LEAD, reason: str | None = None) -> Asked:
    return Asked(mail, "operateur", datetime.now(UTC), reason)


# --- In plain data --------------------------------------------------------------------------


CLAIRE = Person("c@x.fr", frozenset({"Claire Fontaine", "Rose"}), frozenset({PHONE}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("écrire à C@X.FR.", "écrire à personne-1@efface.invalid."),
        ("dit par claire\u00a0FONTAINE, hier", "dit par Personne effacée 1, hier"),
        ("tél. +33611223344", "tél. Personne effacée 1"),
        ("Rose", "Personne effacée 1"),
        ("une caméra Rose", "une caméra Rose"),
        ("Claire Fontaineau", "Claire Fontaineau"),
        ("abc@x.fr, c@x.fr.org, c@x.french", "abc@x.fr, c@x.fr.org, c@x.french"),
    ],
)
def test_a_text_loses_the_person_and_nothing_else(before: str, after: str) -> None:
    assert CLAIRE.without(before, ALIAS) == after


def test_a_homonym_with_another_address_keeps_their_name() -> None:
    other = {"name": "Claire Fontaine", "email": "autre@x.fr", "phone": "1"}
    mine = {"name": "C. Fontaine", "email": "C@x.fr", "phone": PHONE, "role": "sales"}
    assert CLAIRE.without([other, mine], ALIAS) == [
        other,
        {"name": ALIAS.name, "email": ALIAS.email, "phone": None, "role": "sales"},
    ]


# --- Told -----------------------------------------------------------------------------------


async def test_a_person_is_told_everything_that_is_held_on_them(
    register: Register, client: Client, shelves: Shelves
) -> None:
    await lived(register, shelves, "P-1", opened_at=ago(days=90), closed_at=ago(days=2))
    await register.keep_draft(
        RegisteredDraft(
            reference="P-2",
            contract=a_contract("P-2").model_dump(mode="json", exclude={"signed_at"}),
            signed_at=None,
        )
    )
    told = await export(register, client, asked(LEAD.upper()), TERMS)

    json.dumps(told)
    one, draft = told["onboardings"]
    assert (one["reference"], one["state"]) == ("P-1", "closed")
    assert one["roles"][0]["role"] == "technical_lead"
    assert one["contact"]["phone"] == PHONE
    assert [mail["subject"] for mail in one["mails"]] == ["Bienvenue, Solène Vasseur"]
    assert [paper["reference"] for paper in one["documents"]] == ["ODJ-P-1-1-v1"]
    assert one["documents_until"] > one["named_until"] > one["closed_on"]
    assert draft["state"] == "draft"
    [act] = await register.audited(act="person_exported")
    assert (act.who, act.subject) != ("operateur", LEAD)
    assert LEAD not in str(act)


async def test_who_is_unknown_is_told_so(register: Register, client: Client) -> None:
    told = await export(register, client, asked("personne@nulle-part.fr"), TERMS)
    assert told["onboardings"] == []


# --- Erased ---------------------------------------------------------------------------------


async def test_an_erased_person_is_nowhere_in_the_register_and_proofs_remain(
    register: Register, client: Client, shelves: Shelves
) -> None:
    await lived(register, shelves, "E-1", opened_at=ago(days=90), closed_at=ago(days=2))
    before = await register.onboarding("E-1")
    done = await erase(register, client, asked(reason=f"demande de {LEAD}"), TERMS)

    assert (done.refused, done.erased) == ([], ["E-1"])
    assert any("PDF" in line and "10 ans" in line for line in done.kept), done.kept
    text = (await everything(register)).casefold()
    for trace in (LEAD, "Vasseur", PHONE, "demande de s."):
        assert trace.casefold() not in text, trace
    assert "paul durand" in text
    after = await register.onboarding("E-1")
    assert before is not None
    assert after is not None
    assert after.contract_sha256 == before.contract_sha256 == fingerprint(a_contract("E-1"))
    assert (await register.contract("E-1")).client.technical_lead.email == done.alias.email
    [mail] = await register.mails("E-1")
    assert (mail.recipient, mail.name) == (done.alias.email, done.alias.name)
    assert (mail.message_id, mail.state) == ("<E-1>", "accepted")
    [document] = await register.documents("E-1")
    assert await shelves.get(document.path)
    # The reference is still that of this contract.
    assert not await start_onboarding(client, register, a_contract("E-1"))
    [act] = await register.audited(act="person_erased")
    assert (act.who, act.reason) == ("operateur", "demande de …")


async def test_erased_again_nothing_more_changes(
    register: Register, client: Client, shelves: Shelves
) -> None:
    await lived(register, shelves, "E-2", opened_at=ago(days=90), closed_at=ago(days=2))
    first = await erase(register, client, asked(), TERMS)
    again = await erase(register, client, asked(), TERMS)
    assert (first.erased, again.erased) == (["E-2"], [])
    assert first.alias == again.alias


async def test_a_contact_of_an_onboarding_under_way_is_refused_as_a_whole(
    register: Register, client: Client, shelves: Shelves
) -> None:
    reference = f"E-3-{register._engine.dialect.name}"
    await lived(register, shelves, reference, opened_at=ago(days=9), closed_at=None)
    await lived(register, shelves, "E-4", opened_at=ago(days=90), closed_at=ago(days=2))
    await running(client, reference)
    before = await everything(register)
    done = await erase(register, client, asked(), TERMS)

    assert done.erased == []
    assert any("contact_replaced" in line and reference in line for line in done.refused)
    after = await everything(register)
    assert [line for line in before.splitlines() if line not in after] == []
    assert [one.act for one in await register.audited(act="erasure_refused")] == ["erasure_refused"]
    assert await register.audited(act="person_erased") == []


async def test_who_was_replaced_is_erased_elsewhere_and_later_there(
    register: Register, client: Client, shelves: Shelves
) -> None:
    reference = f"E-5-{register._engine.dialect.name}"
    new = "nouveau@groupe-alizes.example"
    await lived(register, shelves, reference, opened_at=ago(days=9), closed_at=None, lead=new)
    await lived(register, shelves, "E-6", opened_at=ago(days=90), closed_at=ago(days=2))
    await running(client, reference)
    done = await erase(register, client, asked(), TERMS)
    assert (done.refused, done.erased) == ([], ["E-6"])
    assert any(reference in line and "clôture" in line for line in done.kept)
    assert (await register.contract(reference)).client.technical_lead.email == LEAD


async def test_a_run_that_was_terminated_counts_as_over(
    register: Register, client: Client, shelves: Shelves
) -> None:
    reference = f"E-7-{register._engine.dialect.name}"
    await lived(register, shelves, reference, opened_at=ago(days=9), closed_at=None)
    await running(client, reference)
    await client.get_workflow_handle(f"onboarding-{reference}").terminate()
    done = await erase(register, client, asked(), TERMS)
    assert (done.refused, done.erased) == ([], [reference])
    assert any("Temporal" in line for line in done.kept)
    row = await register.onboarding(reference)
    assert row is not None
    assert row.closed_at is not None


async def test_a_draft_that_waits_is_refused(register: Register, client: Client) -> None:
    draft = a_contract("E-8").model_dump(mode="json", exclude={"signed_at"})
    await register.keep_draft(RegisteredDraft(reference="E-8", contract=draft, signed_at=None))
    done = await erase(register, client, asked(), TERMS)
    assert any("brouillon" in line for line in done.refused)


async def test_an_erasure_killed_half_way_is_done_again(
    register: Register, client: Client, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reference in ("E-9", "E-10"):
        await lived(register, shelves, reference, opened_at=ago(days=90), closed_at=ago(days=2))
    hide, calls = people.hide, 0

    async def killed(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return await hide(*arguments)

    monkeypatch.setattr(people, "hide", killed)
    with pytest.raises(KeyboardInterrupt):
        await erase(register, client, asked(), TERMS)
    monkeypatch.undo()
    assert LEAD in await everything(register)
    assert await register.audited(act="person_erased"), "the request is known"
    done = await erase(register, client, asked(), TERMS)
    assert len(done.erased) == 1
    assert LEAD not in await everything(register)


# --- The commands ---------------------------------------------------------------------------


def test_the_commands_speak_french_and_refuse(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"sqlite:///{tmp_path}/commands.db"
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", url)

    async def prepare(closed_at: datetime | None) -> None:
        register = Register(url)
        await register.migrate()
        if await register.onboarding("C-1") is None:
            shelves = Shelves(str(tmp_path / "documents"))
            await lived(register, shelves, "C-1", opened_at=ago(days=9), closed_at=None)
        else:
            async with register.change() as session:
                await session.execute(update(Onboarding).values(closed_at=closed_at))
        await register.close()

    asyncio.run(prepare(None))
    assert starter.run(["person", "export", LEAD]) == 0
    said = capsys.readouterr().out
    assert "Rôle : responsable technique depuis le" in said
    assert "Bienvenue, Solène Vasseur" in said
    assert starter.run(["person", "erase", LEAD, "--reason", "à sa demande"]) == 1
    assert "contact_replaced" in capsys.readouterr().err
    asyncio.run(prepare(ago(days=1)))
    assert starter.run(["person", "erase", LEAD, "--reason", "à sa demande"]) == 0
    assert "C-1" in capsys.readouterr().out
    assert starter.run(["person", "export", LEAD, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["onboardings"], len(told["erasures"])) == ([], 1)
    assert starter.run(["person", "erase", LEAD]) == 2
    assert starter.run(["person", "export", "pas une adresse"]) == 2
