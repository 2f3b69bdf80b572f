"""Nothing is kept beyond its time, and nothing of an onboarding under way is touched."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

import starter
from privacy.people import Asked, erase
from privacy.retention import Cleaned, Cleaning
from privacy.shelves import Shelves
from privacy.terms import Terms, later
from register.models import Draft
from register.store import Register, RegisteredDelivery, RegisteredDraft
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
from tests.s3 import running_s3

if TYPE_CHECKING:
    from temporalio.client import Client

__all__ = ["client", "postgres", "register", "shelves"]

TERMS = Terms(documents_years=10, contacts_months=36, deliveries_days=400)
YEAR = 365.25


async def cleaned(
    register: Register, client: Client, shelves: Shelves, *, dry: bool = False
) -> Cleaned:
    return await Cleaning(register, client, shelves, TERMS, datetime.now(UTC), dry=dry).run()


def a_message(onboarding: str, number: int, received_at: datetime) -> RegisteredDelivery:
    return RegisteredDelivery(
        sender="crm",
        message_id=f"m{number}",
        path=f"/onboardings/{onboarding}/facts/kickoff_held",
        onboarding=onboarding,
        sha256="0" * 64,
        outcome="accepted",
        received_at=received_at,
    )


@pytest.mark.parametrize(
    ("at", "months", "expected"),
    [
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-12-15", 1, "2025-01-15"),
        ("2024-12-15", 120, "2034-12-15"),
    ],
)
def test_a_period_ends_on_the_same_day(at: str, months: int, expected: str) -> None:
    assert later(datetime.fromisoformat(at), months) == datetime.fromisoformat(expected)


async def test_documents_leave_after_ten_years_and_their_rows_remain(
    register: Register, client: Client, shelves: Shelves
) -> None:
    for reference, years in (("OLD", 10.1), ("YOUNG", 9.9)):
        closed_at = ago(days=years * YEAR)
        await lived(register, shelves, reference, opened_at=closed_at, closed_at=closed_at)
    done = await cleaned(register, client, shelves)

    assert done.failed == []
    assert {path.split("/")[0] for path in await shelves.paths()} == {"YOUNG"}
    assert await register.documents("OLD") == []
    assert await register.pieces("OLD") == []
    assert await register.registered_document("ODJ-OLD-1-v1") is None
    # Its fingerprint still proves what was issued.
    kept = await register.document("ODJ-OLD-1-v1")
    assert kept is not None
    assert kept.sha256
    assert await register.doe_password("OLD") is None
    assert await register.doe_password("YOUNG") is not None
    acts = [one.act for one in await register.audited("OLD")]
    assert sorted(acts) == ["contacts_hidden", "document_removed", "piece_removed"]


async def test_people_are_named_no_more_after_thirty_six_months(
    register: Register, client: Client, shelves: Shelves
) -> None:
    closed_at = ago(days=3.05 * YEAR)
    await lived(register, shelves, "OLD", opened_at=closed_at, closed_at=closed_at)
    await cleaned(register, client, shelves)

    text = (await everything(register)).casefold()
    people = a_contract("OLD")
    for person in (people.client.decision_maker, people.team.technical_referent):
        assert person.email.casefold() not in text
        assert person.name.casefold() not in text
    for trace in (LEAD, "Vasseur", PHONE, "Paul Durand"):
        assert trace.casefold() not in text, trace
    assert len(await register.documents("OLD")) == 1
    await register.contract("OLD")


async def test_what_is_young_or_under_way_is_left_as_it_is(
    register: Register, client: Client, shelves: Shelves
) -> None:
    under_way = f"OPEN-{register._engine.dialect.name}"
    lost = f"LOST-{register._engine.dialect.name}"
    for reference in (under_way, lost):
        await lived(register, shelves, reference, opened_at=ago(days=20 * YEAR), closed_at=None)
        await register.record_delivery(a_message(reference, hash(reference), ago(days=900)))
    await register.keep_draft(
        RegisteredDraft(reference=under_way, contract=None, signed_at="2026-01-01T00:00:00Z")
    )
    async with register.change() as session:
        await session.execute(update(Draft).values(updated_at=ago(days=900)))
    await lived(register, shelves, "YOUNG", opened_at=ago(days=90), closed_at=ago(days=80))
    await running(client, under_way)
    before, files = await everything(register), await shelves.paths()
    done = await cleaned(register, client, shelves)

    assert done.failed == []
    after = (await everything(register)).splitlines()
    assert [line for line in before.splitlines() if line not in after] == []
    assert await shelves.paths() == files


async def test_old_drafts_and_messages_leave_and_who_sent_them_is_known(
    register: Register, client: Client, shelves: Shelves
) -> None:
    await lived(register, shelves, "OVER", opened_at=ago(days=500), closed_at=ago(days=410))
    for number, days in enumerate((401, 399)):
        await register.record_delivery(a_message("OVER", number, ago(days=days)))
        await register.keep_draft(
            RegisteredDraft(reference=f"D{number}", contract=None, signed_at="2026-01-01")
        )
        async with register.change() as session:
            old = update(Draft).where(Draft.reference == f"D{number}")
            await session.execute(old.values(updated_at=ago(days=days)))
    await cleaned(register, client, shelves)

    assert [one.message_id for one in await register.deliveries("OVER")] == ["m1"]
    assert await register.draft("D0") is None
    assert await register.draft("D1") is not None
    [act] = await register.audited("OVER", act="message")
    assert (act.door, act.who, act.subject) == ("http", "crm", "kickoff_held")
    [gone] = await register.audited(act="deliveries_removed")
    assert gone.subject == "1"


async def test_a_dry_run_says_the_same_and_touches_nothing(
    register: Register, client: Client, shelves: Shelves
) -> None:
    closed_at = ago(days=11 * YEAR)
    await lived(register, shelves, "OLD", opened_at=closed_at, closed_at=closed_at)
    await register.record_delivery(a_message("OLD", 1, ago(days=900)))
    await cleaned_of_runs(register, client, shelves)
    before, files = await everything(register), await shelves.paths()
    said = await cleaned(register, client, shelves, dry=True)
    assert await everything(register) == before
    assert await shelves.paths() == files

    done = await cleaned(register, client, shelves)
    assert said.done == done.done
    assert len(done.done) >= 4
    assert (await cleaned(register, client, shelves)).done == []


async def cleaned_of_runs(register: Register, client: Client, shelves: Shelves) -> None:
    """The runs of other tests on this server are copied already."""
    await Cleaning(register, client, shelves, TERMS, datetime.now(UTC))._keep_audit()


async def test_killed_half_way_it_goes_on_the_next_time(
    register: Register, client: Client, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_at = ago(days=11 * YEAR)
    for reference in ("OLD-1", "OLD-2"):
        await lived(register, shelves, reference, opened_at=closed_at, closed_at=closed_at)
    remove, calls = Shelves.remove, 0

    async def killed(self: Shelves, path: str) -> None:
        nonlocal calls
        await remove(self, path)
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Shelves, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        await cleaned(register, client, shelves)
    monkeypatch.undo()
    assert len(await register.documents("OLD-1")) + len(await register.pieces("OLD-1")) == 1
    done = await cleaned(register, client, shelves)
    assert done.failed == []
    assert await shelves.paths() == []
    removed = await register.audited(act="document_removed")
    assert [one.subject for one in removed] == ["ODJ-OLD-1-1-v1", "ODJ-OLD-2-1-v1"]


async def test_a_store_that_refuses_is_told_and_the_rest_is_done(
    register: Register, client: Client, shelves: Shelves, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_at = ago(days=11 * YEAR)
    for reference in ("OLD-1", "OLD-2"):
        await lived(register, shelves, reference, opened_at=closed_at, closed_at=closed_at)
    remove = Shelves.remove

    async def refused(self: Shelves, path: str) -> None:
        if path.startswith("OLD-1/"):
            raise PermissionError
        await remove(self, path)

    monkeypatch.setattr(Shelves, "remove", refused)
    done = await cleaned(register, client, shelves)
    assert done.failed == ["OLD-1 : à reprendre (PermissionError)"]
    assert len(await register.documents("OLD-1")) == 1
    assert await register.documents("OLD-2") == []


async def test_who_asked_while_it_was_under_way_is_erased_once_it_is_over(
    register: Register, client: Client, shelves: Shelves
) -> None:
    reference = f"LATER-{register._engine.dialect.name}"
    new = "nouveau@groupe-alizes.example"
    await lived(register, shelves, reference, opened_at=ago(days=9), closed_at=None, lead=new)
    await running(client, reference)
    await erase(register, client, Asked(LEAD, "op", datetime.now(UTC), "x"), TERMS)
    await cleaned(register, client, shelves)
    assert (await register.contract(reference)).client.technical_lead.email == LEAD

    await client.get_workflow_handle(f"onboarding-{reference}").terminate()
    await cleaned(register, client, shelves)
    assert LEAD not in await everything(register)
    # Who comes back with a later contract did not ask for that one.
    soon = datetime.now(UTC) + timedelta(seconds=1)
    await lived(register, shelves, "BACK", opened_at=soon, closed_at=soon)
    await cleaned(register, client, shelves)
    assert (await register.contract("BACK")).client.technical_lead.email == LEAD


async def test_objects_of_a_bucket_leave_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with running_s3(tmp_path) as server:
        server.known_to(monkeypatch)
        folder = server.bucket("retention")
        shelves = Shelves("s3://retention/docs")
        await shelves.put("A/x.pdf", b"x")
        await shelves.remove("A/x.pdf")
        await shelves.remove("A/x.pdf")
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_nothing_outside_the_store_is_ever_removed(shelves: Shelves, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    with pytest.raises(ValueError, match="interdit"):
        await shelves.remove("../outside")
    assert outside.exists()


def test_the_command_says_what_it_did(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, documents = f"sqlite:///{tmp_path}/commands.db", str(tmp_path / "documents")
    monkeypatch.setenv("TEMPORAL_ADDRESS", client.service_client.config.target_host)
    monkeypatch.setenv("ONBOARDING_DATABASE_URL", url)
    monkeypatch.setenv("ONBOARDING_DOCUMENTS_URL", documents)
    monkeypatch.setenv("ONBOARDING_RETENTION_DOCUMENTS_YEARS", "1")

    async def prepare() -> None:
        register = Register(url)
        await register.migrate()
        closed_at = ago(days=400)
        await lived(register, Shelves(documents), "OLD", opened_at=closed_at, closed_at=closed_at)
        await register.close()

    asyncio.run(prepare())
    assert starter.run(["clean", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "OLD : document ODJ-OLD-1-v1 supprimé" in said
    assert "rien n'a été touché" in said
    assert starter.run(["clean"]) == 0
    assert "ODJ-OLD-1-v1" in capsys.readouterr().out
    assert starter.run(["clean"]) == 0
    assert "Rien à supprimer." in capsys.readouterr().out
    assert starter.run(["audit", "OLD", "--json"]) == 0
    acts = {one["act"] for one in json.loads(capsys.readouterr().out)}
    assert acts == {"document_removed", "piece_removed"}
