"""What an onboarding answers to "where are we?" (DESIGN, section 4): the ``status`` model."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from process.health import Health
from process.obligations import DeadlineState
from process.onboarding import PhaseState, ReserveState
from process.vocabulary import SecretsChoice, Severity


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeadlineStatus(_Part):
    obligation: str
    key: str | None = None
    due_at: datetime | None = None
    met_at: datetime | None = None
    state: DeadlineState


class PhaseStatus(_Part):
    id: str
    starts_at: datetime
    ends_at: datetime
    notice_accepted_at: datetime | None = None
    notice_hours: float | None = None
    """Elapsed hours between the acceptance of the schedule and the start."""
    state: PhaseState


class ReserveStatus(_Part):
    number: int
    severity: Severity
    due_on: date
    state: ReserveState
    history: list[dict[str, Any]]


class RefusedPieceStatus(_Part):
    family: str
    name: str
    reason: str


class SecretsStatus(_Part):
    name: str
    what: list[str]
    """With the page where it has one."""
    count: int
    choice: SecretsChoice | None = None
    """What a person decided: without a decision the file leaves sealed."""


class FactoryStatus(_Part):
    name: str
    what: list[str]


class DoeStatus(_Part):
    missing: list[str]
    refused: list[RefusedPieceStatus] = []
    """The pieces whose file cannot be part of the DOE, and why."""
    secrets: list[SecretsStatus] = []
    """The files that hold secrets, which leave sealed unless a person decided otherwise: what was
    found, never the value."""
    factory: list[FactoryStatus] = []
    """The files in which a manufacturer printed the passwords of its factory: told, and left."""
    delivered_at: datetime | None = None


class MaintenanceStatus(_Part):
    effective_on: date | None = None
    activation_on: date | None = None
    activated_at: datetime | None = None


class InterviewStatus(_Part):
    verdict: str | None = None


class DocumentStatus(_Part):
    kind: str
    reference: str
    version: int
    sha256: str
    issued_at: datetime


class EmailStatus(_Part):
    kind: str
    to: str
    message_id: str
    accepted_at: datetime | None = None


class ExpectedFact(_Part):
    fact: str
    owed_by: str


class WaitingStatus(_Part):
    fact: str
    payload: dict[str, Any]
    waits_for: str
    id: str = ""
    """What ``open_point_settled`` names to take it back."""
    received_at: datetime


class RejectedStatus(_Part):
    fact: str
    payload: str
    """The JSON as it came, cut at 2 kB."""
    reason: str
    received_at: datetime


class OpenPointStatus(_Part):
    id: str
    kind: str
    message: str
    since: datetime
    owed_by: str


class Status(_Part):
    """Where an onboarding stands. Instants carry the offset of Paris, or of their site."""

    reference: str
    client: str
    step: int | Literal["completed", "cancelled"]
    stopped_at: datetime | None = Field(default=None, exclude_if=lambda value: value is None)
    """When it was stopped by force (terminated in Temporal): the rest is its last picture."""
    health: Health
    deadlines: list[DeadlineStatus]
    phases: list[PhaseStatus]
    reserves: list[ReserveStatus]
    doe: DoeStatus
    maintenance: MaintenanceStatus
    interview: InterviewStatus
    documents: list[DocumentStatus]
    """The last 500; the register has all."""
    emails: list[EmailStatus]
    """One row a recipient and message; the last 500."""
    waiting_for: list[ExpectedFact]
    waiting: list[WaitingStatus]
    rejected: list[RejectedStatus]
    """The last 50."""
    rejected_count: int
    open_points: list[OpenPointStatus]
