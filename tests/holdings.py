"""Registers with something in them about people, for the tests of what is kept and erased."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from connection import create_search_attributes
from local.ports import free_port
from local.temporal_server import lasting_server
from privacy.shelves import Shelves
from process.contract import Contract, fingerprint
from process.orders import (
    DocumentOrder,
    IssuedDocument,
    MailOrder,
    OpenOnboarding,
    Projection,
    Recipient,
)
from register.store import Register, RegisteredPiece
from tests.postgres import Postgres
from workflows.names import WORKFLOW_TYPE, workflow_id

if TYPE_CHECKING:
    from temporalio.client import Client

EXAMPLE: Final = Path(__file__).resolve().parent.parent / "examples" / "contract-remplacement.json"
LEAD: Final = "s.vasseur@groupe-alizes.example"
"""The client's technical lead in the contracts made here, called Solène Vasseur."""

PHONE: Final = "+33 6 11 22 33 44"
CONTENT: Final = b"%PDF-1.7 un document"


@pytest.fixture(scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    folder = tmp_path_factory.mktemp("temporal")
    async with lasting_server(folder, port=free_port(), ui_port=free_port()) as connected:
        await create_search_attributes(connected)
        yield connected


@pytest.fixture(params=["sqlite", "postgresql"])
async def register(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Register]:
    url = f"sqlite:///{tmp_path}/register.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.database()
    register = Register(url)
    await register.migrate()
    yield register
    await register.close()


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(str(tmp_path / "documents"))


def a_contract(reference: str, **changes: Any) -> Contract:
    value = json.loads(EXAMPLE.read_bytes()) | {"reference": reference} | changes
    value["client"]["technical_lead"] = {
        "name": "Solène Vasseur",
        "email": LEAD,
        "phone": PHONE,
        "job": "DSI",
    }
    return Contract.model_validate(value)


async def lived(
    register: Register,
    shelves: Shelves,
    reference: str,
    *,
    opened_at: datetime,
    closed_at: datetime | None,
    lead: str = LEAD,
) -> None:
    """An onboarding with a mail, a document, a piece and a picture that name Solène Vasseur;
    ``lead`` is who holds her role now."""
    contract = a_contract(reference)
    opening = OpenOnboarding(
        contract=contract.model_dump(mode="json"),
        workflow_id=workflow_id(reference),
        run_id=reference,
        started_at=opened_at,
    )
    assert await register.claim(opening, fingerprint(contract)) is None
    claire = Recipient(role="technical_lead", name="Solène Vasseur", email=LEAD, phone=PHONE)
    await _mail(register, reference, claire, opened_at)
    await _document(register, shelves, reference, claire, opened_at)
    await _piece(register, shelves, reference, opened_at)
    people = [_held("technical_lead", LEAD, opened_at)]
    if lead != LEAD:
        people.append(_held("technical_lead", lead, opened_at + timedelta(days=3)))
    await register.project(
        Projection(
            onboarding=reference,
            at=closed_at or opened_at,
            step="2" if closed_at is None else "completed",
            health="on_time",
            project_manager="CFO",
            next_deadline=None,
            last_missed_at=None,
            open_reserves=0,
            missed_deadlines=0,
            status={
                "reference": reference,
                "emails": [{"kind": "welcome", "to": LEAD, "message_id": "1"}],
                "reserves": [{"number": 1, "history": [{"by": "SOLÈNE  VASSEUR"}]}],
                "waiting": [],
                "rejected": [{"fact": "x", "payload": "{}", "reason": f"dit par {LEAD}"}],
                "open_points": [],
            },
            in_charge=people,
            closed=closed_at is not None,
        )
    )


def _held(role: str, email: str, since: datetime) -> dict[str, str]:
    return {"role": role, "name": "Quelqu'un", "email": email, "since": since.isoformat()}


async def _mail(register: Register, reference: str, to: Recipient, at: datetime) -> None:
    order = MailOrder(
        onboarding=reference,
        kind="welcome",
        key="welcome",
        recipients=[to],
        reply_to=None,
        data={},
        attachments=[f"ODJ-{reference}-1-v1"],
    )
    await register.begin_mail(order, to, f"<{reference}>", "Bienvenue, Solène Vasseur")
    await register.mail_accepted(f"<{reference}>", at, f"250 2.1.5 <{LEAD}> OK")


async def _document(
    register: Register, shelves: Shelves, reference: str, to: Recipient, at: datetime
) -> None:
    name = f"ODJ-{reference}-1-v1"
    order = DocumentOrder(
        onboarding=reference,
        kind="ordre_du_jour",
        reference=name,
        version=1,
        dated_on="2026-05-05",
        issuer=None,
        recipients=[to],
        sites=[],
        data={"attendees": ["Solène Vasseur (DSI)", "Paul Durand"]},
    )
    issued = IssuedDocument(
        kind="ordre_du_jour",
        reference=name,
        version=1,
        sha256=hashlib.sha256(CONTENT + reference.encode()).hexdigest(),
        size=len(CONTENT),
        issued_at=at,
    )
    path = f"{reference}/{name}.pdf"
    await shelves.put(path, CONTENT)
    await register.record_document(order, issued, path)


async def _piece(register: Register, shelves: Shelves, reference: str, at: datetime) -> None:
    sha256 = hashlib.sha256(reference.encode()).hexdigest()
    path = f"{reference}/pieces/{sha256}"
    await shelves.put(path, b"plan")
    await register.record_piece(
        RegisteredPiece(
            onboarding=reference,
            sha256=sha256,
            size=4,
            media="application/pdf",
            name="plan Solène Vasseur.pdf",
            uri="plan.pdf",
            path=path,
            secrets=[],
            received_at=at,
        )
    )
    await register.doe_password(reference, "un mot de passe")


async def running(client: Client, reference: str) -> None:
    """A run under way, that no worker takes."""
    await client.start_workflow(WORKFLOW_TYPE, {}, id=workflow_id(reference), task_queue="nobody")


async def everything(register: Register) -> str:
    """Every row of every table but the audit's reasons, as one text."""
    from sqlalchemy import select

    from register.models import Base

    rows: list[str] = []
    async with register.change() as session:
        for table in Base.metadata.sorted_tables:
            rows += [
                json.dumps(list(row), ensure_ascii=False, default=str)
                for row in await session.execute(select(table))
            ]
    return "\n".join(rows)


def ago(**periods: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**periods)
