"""The register, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import ValidationError
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.register import RegisterActivities
from process.contract import Contract, fingerprint, former_fingerprint
from process.orders import (
    DocumentOrder,
    IssuedDocument,
    MailOrder,
    OpenOnboarding,
    Projection,
    ReadWorkedDays,
    Recipient,
)
from process.policy import Policy
from register.address import with_driver
from register.models import Base
from register.store import AlreadyIssued, Register
from settings import Mailbox, Settings
from tests.postgres import Postgres, postgres

__all__ = ["postgres"]

PARIS_SUMMER = timezone(timedelta(hours=2))
STARTED = datetime(2026, 5, 4, 10, 0, tzinfo=PARIS_SUMMER)
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/register.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
async def register(database_url: str) -> AsyncIterator[Register]:
    register = Register(database_url)
    await register.migrate()
    yield register
    await register.close()


def contract(reference: str = "MIL-2026-001", **changes: Any) -> dict[str, Any]:
    person = {"name": "Zoé Lefèvre", "email": "zoe@example.com"}
    return {
        "reference": reference,
        "signed_at": "2026-04-30T18:00:00+02:00",
        "project_kind": "new",
        "client": {"name": "Musée d'Orsay", "decision_maker": person, "technical_lead": person},
        "team": {"technical_referent": person},
        "sites": [
            {"code": "S1", "name": "Siège", "address": "1 rue de Lille", "zone": "metropole"},
            {"code": "S2", "name": "Annexe", "address": "Les Abymes", "zone": "guadeloupe"},
        ],
        "equipment": [],
        **changes,
    }


def opening(run_id: str = "run-1", **changes: Any) -> OpenOnboarding:
    body = contract(**changes)
    return OpenOnboarding(
        contract=body,
        workflow_id=f"onboarding-{body['reference']}",
        run_id=run_id,
        started_at=STARTED,
    )


async def claim(register: Register, order: OpenOnboarding) -> str | None:
    return await register.claim(order, fingerprint(Contract.model_validate(order.contract)))


def projection(at: datetime, step: str = "2", **changes: Any) -> Projection:
    fields: dict[str, Any] = {
        "onboarding": "MIL-2026-001",
        "at": at,
        "step": step,
        "health": "on_time",
        "project_manager": "PM-7",
        "next_deadline": at + timedelta(days=3),
        "last_missed_at": None,
        "open_reserves": 2,
        "missed_deadlines": 1,
        "status": {"step": step},
    }
    return Projection(**(fields | changes))


def mail(key: str = "kickoff:1") -> MailOrder:
    return MailOrder(
        onboarding="MIL-2026-001",
        kind="kickoff_convocation",
        key=key,
        recipients=[],
        reply_to=None,
        data={},
        attachments=["ODJ-MIL-2026-001-1-v1"],
    )


LEAD = Recipient(role="technical_lead", name="Zoé Lefèvre", email="zoe@example.com")


# Migrations


async def schema_gaps(url: str) -> list[Any]:
    """What the models have and the migrated tables have not, or the reverse."""

    def compare(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    engine = create_async_engine(with_driver(url))
    async with engine.connect() as connection:
        gaps = await connection.run_sync(compare)
    await engine.dispose()
    return gaps


async def test_the_migrations_make_exactly_the_tables_of_the_models(
    register: Register, database_url: str
) -> None:
    assert await schema_gaps(database_url) == []


async def test_migrating_twice_keeps_the_rows(register: Register) -> None:
    await claim(register, opening())
    await register.migrate()
    assert await register.onboarding("MIL-2026-001") is not None


async def test_several_workers_may_migrate_at_once(database_url: str) -> None:
    registers = [Register(database_url) for _ in range(4)]
    await asyncio.gather(*(register.migrate() for register in registers))
    await asyncio.gather(*(register.close() for register in registers))
    assert await schema_gaps(database_url) == []


async def test_several_databases_may_be_migrated_at_once_in_one_process(tmp_path: Path) -> None:
    registers = [Register(f"sqlite:///{tmp_path}/{number}.db") for number in range(4)]
    await asyncio.gather(*(register.migrate() for register in registers))
    for one in registers:
        assert await one.onboarding("MIL-2026-001") is None
    await asyncio.gather(*(register.close() for register in registers))


async def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    program = (
        "import asyncio, sys; from register.store import Register\n"
        "async def main():\n"
        "    register = Register(sys.argv[1]); await register.migrate(); await register.close()\n"
        "asyncio.run(main())"
    )
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, database_url, cwd=ROOT, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    words = await asyncio.gather(*(worker.communicate() for worker in workers))
    assert [worker.returncode for worker in workers] == [0, 0, 0], words
    assert await schema_gaps(database_url) == []


async def test_a_migration_that_fails_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", broken)
        register = Register(database_url)
        with pytest.raises(RuntimeError, match="power cut"):
            await register.migrate()
        await register.close()
    engine = create_async_engine(with_driver(database_url))
    async with engine.connect() as connection:
        assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
    await engine.dispose()
    register = Register(database_url)
    await register.migrate()
    await register.close()
    assert await schema_gaps(database_url) == []


# Claiming a reference


@pytest.mark.parametrize("made_by", [former_fingerprint, fingerprint])
async def test_a_contract_written_otherwise_is_known(
    register: Register, made_by: Callable[[Contract], str]
) -> None:
    given = opening()
    sha256 = made_by(Contract.model_validate(given.contract))
    assert await register.claim(given, sha256) is None
    same = await claim(register, opening("run-2", signed_at="2026-04-30T16:00:00Z"))
    assert same is not None
    assert "déjà connu" in same
    other = await claim(register, opening("run-3", project_kind="extension"))
    assert other is not None
    assert "autre contrat" in other


async def test_a_claim_holds_for_its_run_only(register: Register) -> None:
    assert await claim(register, opening()) is None
    assert await claim(register, opening()) is None
    same = await claim(register, opening("run-2"))
    assert same == (
        "le contrat MIL-2026-001 est déjà connu : son onboarding est onboarding-MIL-2026-001"
    )
    other = await claim(register, opening("run-2", project_kind="extension"))
    assert other == (
        "la référence MIL-2026-001 est déjà prise par un autre contrat, dont le contenu diffère"
    )
    kept = await register.contract("MIL-2026-001")
    assert kept == Contract.model_validate(contract())


async def test_of_two_claims_at_once_one_wins(database_url: str, register: Register) -> None:
    second = Register(database_url)
    for number in range(15):
        reference = f"C-{number}"
        reasons = await asyncio.gather(
            *(
                claim(one, opening(run_id, reference=reference))
                for one in (register, second)
                for run_id in ("run-1", "run-2", "run-3")
            )
        )
        holder = await register.onboarding(reference)
        assert holder is not None
        won = [
            run_id
            for run_id, reason in zip(["run-1", "run-2", "run-3"] * 2, reasons, strict=True)
            if reason is None
        ]
        assert won == [holder.run_id] * 2
    await second.close()


async def test_an_unknown_onboarding(register: Register) -> None:
    assert await register.onboarding("nobody") is None
    with pytest.raises(KeyError):
        await register.contract("nobody")
    with pytest.raises(KeyError):
        await register.project(projection(STARTED, onboarding="nobody"))


# The picture of an onboarding


async def test_instants_come_back_as_the_same_instants(register: Register) -> None:
    await claim(register, opening())
    await register.project(projection(STARTED))
    found = await register.onboarding("MIL-2026-001")
    assert found is not None
    assert found.opened_at == found.updated_at == STARTED
    assert found.opened_at.utcoffset() == timedelta(0)
    assert found.next_deadline == STARTED + timedelta(days=3)
    assert found.last_missed_at is None
    assert found.client_name == "Musée d'Orsay"


async def test_a_naive_instant_is_refused(register: Register) -> None:
    await claim(register, opening())
    with pytest.raises(Exception, match="without offset"):
        await register.project(projection(STARTED, last_missed_at=datetime(2026, 5, 4)))  # noqa: DTZ001


async def test_an_older_picture_never_replaces_a_newer_one(register: Register) -> None:
    await claim(register, opening())
    # Later on the clock of Paris, earlier in time: what counts is the instant.
    newer = datetime(2026, 5, 5, 9, 0, tzinfo=UTC)
    older = datetime(2026, 5, 5, 10, 30, tzinfo=PARIS_SUMMER)
    await register.project(projection(newer, "3"))
    await register.project(projection(older, "2"))
    found = await register.onboarding("MIL-2026-001")
    assert found is not None
    assert (found.step, found.status, found.updated_at) == ("3", {"step": "3"}, newer)


async def test_the_end_is_kept_once(register: Register) -> None:
    await claim(register, opening())
    end = STARTED + timedelta(days=300)
    await register.project(projection(end, "completed", closed=True))
    await register.project(projection(end + timedelta(hours=1), "completed", closed=True))
    found = await register.onboarding("MIL-2026-001")
    assert found is not None
    assert found.closed_at == end


async def test_any_json_from_outside_can_be_kept(register: Register) -> None:
    await claim(register, opening())
    status = {"rejected": [{"payload": 'nul \0, demi-caractère \ud800, "guillemets", 1e400'}]}
    await register.project(projection(STARTED, status=status))
    found = await register.onboarding("MIL-2026-001")
    assert found is not None
    assert found.status == status


# Documents


def document_order() -> DocumentOrder:
    return DocumentOrder(
        onboarding="MIL-2026-001",
        kind="agenda",
        reference="ODJ-MIL-2026-001-1-v1",
        version=1,
        dated_on="2026-05-04",
        issuer=None,
        recipients=[LEAD],
        sites=["S1"],
        data={},
    )


def issued(sha256: str = "a" * 64) -> IssuedDocument:
    return IssuedDocument(
        kind="agenda",
        reference="ODJ-MIL-2026-001-1-v1",
        version=1,
        sha256=sha256,
        size=123_456,
        issued_at=STARTED,
    )


async def test_a_document_is_recorded_once_and_never_overwritten(register: Register) -> None:
    await claim(register, opening())
    path = "MIL-2026-001/ODJ-MIL-2026-001-1-v1.pdf"
    assert await register.document(issued().reference) is None
    assert await register.document_path(issued().reference) is None
    await asyncio.gather(
        *(register.record_document(document_order(), issued(), path) for _ in range(4))
    )
    with pytest.raises(AlreadyIssued):
        await register.record_document(document_order(), issued("b" * 64), path)
    assert await register.document(issued().reference) == issued()
    assert await register.document_path(issued().reference) == path
    (row,) = await register.documents("MIL-2026-001")
    assert row.sha256 == "a" * 64
    assert row.recipients[0]["email"] == "zoe@example.com"


async def test_foreign_keys_hold(register: Register) -> None:
    with pytest.raises(IntegrityError) as caught:
        await register.record_document(document_order(), issued(), "x.pdf")
    assert "zoe@example.com" not in str(caught.value)


# Mails


async def test_one_row_a_message_even_when_begun_at_once(
    register: Register, database_url: str
) -> None:
    await claim(register, opening())
    second = Register(database_url)
    rows = await asyncio.gather(
        *(
            one.begin_mail(mail(), LEAD, "<a@mileo>", "Convocation")
            for one in (register, second) * 4
        )
    )
    await second.close()
    assert sorted(row.attempts for row in rows) == list(range(1, 9))
    (row,) = await register.mails("MIL-2026-001")
    assert (row.state, row.recipient, row.role) == ("pending", "zoe@example.com", "technical_lead")
    assert row.attachments == ["ODJ-MIL-2026-001-1-v1"]


async def test_the_first_acceptance_is_the_proof(register: Register) -> None:
    await claim(register, opening())
    await register.begin_mail(mail(), LEAD, "<a@mileo>", "Convocation")
    await register.mail_accepted("<a@mileo>", STARTED, "250 2.0.0 queued\0")
    await register.mail_accepted("<a@mileo>", STARTED + timedelta(hours=1), "250 again")
    await register.mail_refused("<a@mileo>", STARTED + timedelta(hours=2), "550 no")
    row = await register.begin_mail(mail(), LEAD, "<a@mileo>", "Autre objet")
    assert (row.state, row.accepted_at, row.refused_at) == ("accepted", STARTED, None)
    assert (row.reply, row.subject, row.attempts) == ("250 2.0.0 queued", "Convocation", 1)


async def test_a_refusal_may_be_followed_by_an_acceptance(register: Register) -> None:
    await claim(register, opening())
    await register.begin_mail(mail(), LEAD, "<a@mileo>", "Convocation")
    await register.begin_mail(mail("kickoff:2"), LEAD, "<b@mileo>", "Convocation")
    await register.mail_refused("<a@mileo>", STARTED, "550 5.1.1 unknown user")
    first, second = await register.mails("MIL-2026-001")
    assert (first.state, first.refused_at, first.reply) == (
        "refused",
        STARTED,
        "550 5.1.1 unknown user",
    )
    assert second.state == "pending"
    later = STARTED + timedelta(days=1)
    await register.mail_accepted("<a@mileo>", later, "250 ok")
    first, _ = await register.mails("MIL-2026-001")
    assert (first.state, first.accepted_at, first.refused_at) == ("accepted", later, STARTED)


async def test_an_answer_about_an_unknown_message(register: Register) -> None:
    with pytest.raises(KeyError):
        await register.mail_accepted("<nobody@mileo>", STARTED, "250 ok")
    with pytest.raises(KeyError):
        await register.mail_refused("<nobody@mileo>", STARTED, "550 no")


# The activities


@contextmanager
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        for name in ("KICKOFF_JO", "MILEO_ZONE"):
            patch.delenv(f"ONBOARDING_{name}", raising=False)
        yield


@pytest.fixture
def activities(register: Register, monkeypatch: pytest.MonkeyPatch) -> RegisterActivities:
    with no_settings_in_the_environment(monkeypatch):
        settings = Settings(
            mail_from=Mailbox(email="onboarding@example.com"),
            head_of_projects=Mailbox(email="head@example.com"),
            policy=Policy.model_validate({"kickoff_jo": 12}),
        )
    return RegisterActivities(register, settings)


async def test_opening_an_onboarding(activities: RegisterActivities, register: Register) -> None:
    environment = ActivityEnvironment()
    first = await environment.run(activities.open_onboarding, opening())
    assert first == await environment.run(activities.open_onboarding, opening())
    assert first.claimed
    assert first.reason is None
    assert (first.calendar.first_year, first.calendar.last_year) == (2025, 2029)
    assert set(first.calendar.closed) == {"mileo", "metropole", "guadeloupe"}
    assert Policy.model_validate(first.policy).kickoff_jo == 12
    other = await environment.run(activities.open_onboarding, opening("run-2"))
    assert not other.claimed
    assert "déjà connu" in (other.reason or "")


async def test_an_old_signature_is_covered(activities: RegisterActivities) -> None:
    order = opening(signed_at="2024-12-31T23:30:00Z")  # Already 2025 in Paris.
    answer = await ActivityEnvironment().run(activities.open_onboarding, order)
    assert answer.calendar.first_year == 2024
    assert answer.calendar.last_year == 2029


async def test_an_invalid_contract_fails_with_the_fields(activities: RegisterActivities) -> None:
    order = opening(sites=[{"code": "S1", "zone": "corse"}], project_kind="neuf")
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities.open_onboarding, order)
    assert caught.value.type == "InvalidContract"
    assert caught.value.non_retryable
    assert any(str(detail).startswith("sites[0].zone : ") for detail in caught.value.details)
    assert not isinstance(caught.value.__context__, ValidationError)


async def test_the_picture_of_an_unknown_onboarding_is_not_retried(
    activities: RegisterActivities,
) -> None:
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities.project_onboarding, projection(STARTED))
    assert (caught.value.type, caught.value.non_retryable) == ("UnknownOnboarding", True)


async def test_projecting(activities: RegisterActivities, register: Register) -> None:
    environment = ActivityEnvironment()
    await environment.run(activities.open_onboarding, opening())
    await environment.run(activities.project_onboarding, projection(STARTED, "4"))
    found = await register.onboarding("MIL-2026-001")
    assert found is not None
    assert found.step == "4"


async def test_reading_later_years(activities: RegisterActivities) -> None:
    order = ReadWorkedDays(zones=["guadeloupe"], first_year=2030, last_year=2031)
    days = await ActivityEnvironment().run(activities.read_worked_days, order)
    assert days.closed["guadeloupe"][0] == "2030-01-01"
    assert days.closed["mileo"][-1] == "2031-12-25"
