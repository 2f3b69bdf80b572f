"""The ``status`` of a run and its projection for the register, from the same picture."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic_core import to_json

from process import maintenance
from process.calendar import paris
from process.carrying import SHOWN
from process.health import Health, health
from process.obligations import Deadline
from process.onboarding import Onboarding, Phase
from process.orders import Headline, Projection
from process.rules import waiting_id
from process.status import (
    DeadlineStatus,
    DocumentStatus,
    DoeStatus,
    EmailStatus,
    ExpectedFact,
    FactoryStatus,
    InterviewStatus,
    MaintenanceStatus,
    OpenPointStatus,
    PhaseStatus,
    RefusedPieceStatus,
    RejectedStatus,
    ReserveStatus,
    SecretsStatus,
    Status,
    WaitingStatus,
)
from workflows.steps import STEPS, current_step

KEPT: Final = SHOWN
_ROOM: Final = 0.9
"""Of a message."""
_FEWER: Final = 50
_LISTS: Final = (
    "rejected",
    "waiting",
    "open_points",
    "emails",
    "documents",
    "reserves",
    "deadlines",
)
"""What is cut, in this order, where a picture would not fit in one message."""


def status(
    o: Onboarding, held: list[Deadline], now: datetime, *, completed: bool = False
) -> Status:
    """The answer to the ``status`` query (DESIGN, section 4)."""
    record = o.record
    return Status(
        reference=o.contract.reference,
        client=o.contract.client.name,
        step=_step(o, completed=completed),
        health=_health(o, held, now, completed=completed),
        deadlines=[
            DeadlineStatus(
                obligation=deadline.obligation.code,
                key=deadline.limit.key,
                due_at=deadline.limit.due_at,
                met_at=_paris(deadline.limit.met_at),
                state=deadline.state,
            )
            for deadline in held
        ],
        phases=[_phase(o, phase, now) for phase in o.phases.values()],
        reserves=[
            ReserveStatus(
                number=number,
                severity=story.reserve.severity,
                due_on=story.due_on,
                state=story.state,
                history=story.history,
            )
            for number, story in o.reserves.items()
        ],
        doe=DoeStatus(
            missing=o.doe_missing,
            refused=[
                RefusedPieceStatus(family=file.family, name=file.name, reason=read.refused)
                for file in o.files
                if (read := o.read(file)) and read.refused
            ],
            secrets=[
                SecretsStatus(**found, choice=o.doe_secrets_choices.get(found["name"]))
                for found in o.doe_secrets
            ],
            factory=[FactoryStatus(**found) for found in o.doe_factory_passwords],
            delivered_at=_paris(o.doe_delivered_at),
        ),
        maintenance=MaintenanceStatus(
            effective_on=maintenance.effective_on(o),
            activation_on=maintenance.activation_on(o, now),
            activated_at=_paris(record.activated_at),
        ),
        interview=InterviewStatus(verdict=o.verdict),
        documents=[
            DocumentStatus(
                kind=document.kind,
                reference=document.reference,
                version=document.version,
                sha256=document.sha256,
                issued_at=paris(document.issued_at),
            )
            for document in record.documents[-KEPT:]
        ],
        emails=[
            EmailStatus(
                kind=sending.kind,
                to=sent.to,
                message_id=sent.message_id,
                accepted_at=_paris(sent.accepted_at),
            )
            for sending in record.sendings.values()
            for sent in (*sending.former_mails, *sending.mails)
        ][-KEPT:],
        waiting_for=[]
        if completed or o.cancelled
        else [
            ExpectedFact(fact=expected.fact, owed_by=expected.owed_by)
            for step in STEPS.values()
            for expected in step.expected(o, now)
        ],
        waiting=[
            WaitingStatus(
                fact=fact.fact,
                payload=fact.payload,
                waits_for=fact.waits_for,
                id=waiting_id(fact),
                received_at=paris(fact.received_at),
            )
            for fact in record.waiting
        ],
        rejected=[
            RejectedStatus(
                fact=fact.fact,
                payload=fact.payload,
                reason=fact.reason,
                received_at=paris(fact.received_at),
            )
            for fact in record.rejected
        ],
        rejected_count=record.rejected_count,
        open_points=[
            OpenPointStatus(
                id=point.id,
                kind=point.kind,
                message=point.message,
                since=paris(point.since),
                owed_by=point.owed_by,
            )
            for point in record.open_points
        ],
    )


def in_one_message(o: Onboarding, full: Status) -> dict[str, Any]:
    """The same as plain data; the last of each list only, where all would be more than one message
    of the server: it must still be answered, and the end must still reach the register."""
    plain = full.model_dump(mode="json")
    if len(full.model_dump_json()) <= o.policy.message_bytes * _ROOM:
        return plain
    for name in _LISTS:
        plain[name] = plain[name][-_FEWER:]
    plain["doe"]["refused"] = plain["doe"]["refused"][-_FEWER:]
    plain["doe"]["secrets"] = plain["doe"]["secrets"][-_FEWER:]
    return plain


def journal(o: Onboarding) -> dict[str, Any]:
    """The answer to the ``journal`` query."""
    record = o.record.model_dump(mode="json", include={"facts", "corrections"})
    people = [
        {"role": one.role, "name": one.person.name, "since": one.since.isoformat()}
        for one in o.in_charge
    ]
    answer = {**record, "in_charge": people}
    omitted = 0
    while len(to_json(answer)) > o.policy.message_bytes * _ROOM and any(map(len, answer.values())):
        longest = max(answer, key=lambda name: len(to_json(answer[name])))
        cut = (len(answer[longest]) + 1) // 2
        answer[longest] = answer[longest][cut:]
        omitted += cut
    return {**answer, "omitted": omitted} if omitted else answer


def headline(
    o: Onboarding, held: list[Deadline], now: datetime, *, completed: bool = False
) -> Headline:
    """What the search attributes show."""
    running = [d.limit.due_at for d in held if d.state == "running" and d.limit.due_at]
    missed = [d for d in held if d.state == "missed"]
    manager = o.persons.get("project_manager")
    return Headline(
        onboarding=o.contract.reference,
        step=str(_step(o, completed=completed)),
        health=_health(o, held, now, completed=completed),
        project_manager=manager.code if manager else None,
        next_deadline=None if completed else min(running, default=None),
        last_missed_at=max((d.limit.due_at for d in missed if d.limit.due_at), default=None),
        open_reserves=len(o.open_reserves),
        missed_deadlines=len(missed),
        in_charge=[
            {
                "role": one.role,
                "name": one.person.name,
                "email": one.person.email,
                "since": one.since.isoformat(),
            }
            for one in o.in_charge
        ],
    )


def projection(
    o: Onboarding, held: list[Deadline], now: datetime, *, completed: bool = False
) -> Projection:
    """The picture that the register keeps."""
    shown = headline(o, held, now, completed=completed)
    full = status(o, held, now, completed=completed)
    return Projection(**dict(shown), at=now, status=in_one_message(o, full), closed=completed)


def _step(o: Onboarding, *, completed: bool) -> int | Literal["completed", "cancelled"]:
    if completed:
        return "cancelled" if o.cancelled else "completed"
    return current_step(o) or len(STEPS)


def _phase(o: Onboarding, phase: Phase, now: datetime) -> PhaseStatus:
    accepted, hours = o.notice_accepted_at(phase), o.notice_hours(phase)
    site = phase.slot.site
    return PhaseStatus(
        id=phase.id,
        starts_at=o.local(phase.slot.starts_at, site),
        ends_at=o.local(phase.slot.ends_at, site),
        notice_accepted_at=o.local(accepted, site) if accepted else None,
        notice_hours=round(hours, 2) if hours is not None else None,
        state=phase.state(now),
    )


def _health(o: Onboarding, held: list[Deadline], now: datetime, *, completed: bool) -> Health:
    return "on_time" if completed else health(o, held, now)


def _paris(instant: datetime | None) -> datetime | None:
    return paris(instant) if instant else None
