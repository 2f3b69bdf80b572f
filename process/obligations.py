"""The seventeen obligations of PROC-CRM-003 as data, and the limits they give (PROCESS, 2).

One line an obligation: who is accountable, who receives what leaves for it, and the function
that gives its limits. Adding an obligation is adding a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, Literal

from process.calendar import (
    days,
    elapsed_before,
    end_of,
    iso_week,
    monday_of,
    paris_day,
    start_of,
)
from process.deviations import deviations
from process.maintenance import activation_on, effective_on, notice_given_at
from process.onboarding import Onboarding
from process.vocabulary import Party

DeadlineState = Literal["running", "met", "missed", "void"]


@dataclass(frozen=True)
class Limit:
    """One instance of an obligation: one phase, one week, one réserve…"""

    due_at: datetime | None = None
    met_at: datetime | None = None
    key: str | None = None
    label: str | None = None
    """What the key stands for, in French."""
    void: bool = False
    lapsed: bool = False
    """Missed for good: nothing done now would still meet it (a week that is over)."""


@dataclass(frozen=True)
class Obligation:
    """What PROC-CRM-003 holds someone to."""

    code: str
    step: int
    title: str
    accountable: tuple[Party, ...]
    recipients: tuple[Party, ...]
    limits: Callable[[Onboarding, datetime], Iterator[Limit]]


@dataclass(frozen=True)
class Deadline:
    """A limit of an obligation as it stands at an instant."""

    obligation: Obligation
    limit: Limit
    state: DeadlineState

    @property
    def id(self) -> str:
        return f"{self.obligation.code}:{self.limit.key or ''}"

    @property
    def title(self) -> str:
        """``Réserve levée (n° 3)``."""
        label = self.limit.label
        return f"{self.obligation.title} ({label})" if label else self.obligation.title

    @property
    def is_late(self) -> bool:
        """Passed, not done, and still to be done."""
        return self.state == "missed" and not self.limit.met_at and not self.limit.lapsed


def _kickoff(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    yield Limit(
        end_of(o.calendar.add(o.signed_on, o.policy.kickoff_jo)),
        start_of(o.kickoff.held_on) if o.kickoff else None,
    )


def _work_plan(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    if o.kickoff:
        yield Limit(end_of(o.kickoff.held_on), o.accepted_at("kickoff_minutes"))


def _audit(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    if not o.contract.audit_is_owed:
        yield Limit(void=True)
    elif o.kickoff:
        yield Limit(
            end_of(o.calendar.add_calendar_days(o.kickoff.held_on, o.policy.audit_days)),
            start_of(o.audit.concluded_on) if o.audit else None,
        )


def _scope_change(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    if not o.contract.audit_is_owed or (o.audit and not o.audit.scope_change):
        yield Limit(void=True)
    elif o.audit:
        yield Limit(
            end_of(o.calendar.add(o.audit.concluded_on, o.policy.scope_change_jo)),
            o.accepted_at("scope_change_proposal"),
        )


def _notice(o: Onboarding, now: datetime) -> Iterator[Limit]:
    for phase in o.phases.values():
        due = elapsed_before(phase.slot.starts_at, o.policy.notice_hours)
        yield Limit(
            o.local(due, phase.slot.site),
            o.notice_accepted_at(phase),
            phase.id,
            phase.title,
            void=phase.cancelled is not None,
            lapsed=phase.state(now) in ("open", "completed"),
        )


def _weekly_points(o: Onboarding, now: datetime) -> Iterator[Limit]:
    for week in weeks_owed(o, now):
        sunday = monday_of(week) + timedelta(days=6)
        report = o.reports.get(week)
        yield Limit(
            end_of(sunday),
            start_of(report.held_on) if report else None,
            week,
            f"semaine {int(week[6:])}",
            lapsed=now > end_of(sunday),
        )


def weeks_owed(o: Onboarding, now: datetime) -> list[str]:
    """The ISO weeks, so far, with at least one worked day of the deployment."""
    started = o.deployment_starts_at
    this_sunday = monday_of(iso_week(paris_day(now))) + timedelta(days=6)
    if started is None or paris_day(started) > this_sunday:
        return []
    first = paris_day(started)
    over = o.deployment_over_at
    last = paris_day(over) if over else this_sunday
    worked = (
        iso_week(day)
        for day in days(first, last)
        if o.calendar.is_worked(day) and not o.was_suspended_on(day)
    )
    return list(dict.fromkeys(worked))


def weekly_point_on(o: Onboarding, week: str) -> date:
    """The day of the weekly point: the fixed weekday, or the nearest worked day of that week
    within the deployment."""
    monday = monday_of(week)
    wanted = monday + timedelta(days=o.policy.weekly_point_weekday - 1)
    started, over = o.deployment_starts_at, o.deployment_over_at or _planned_end(o, monday)
    possible = [
        day
        for day in days(monday, monday + timedelta(days=6))
        if o.calendar.is_worked(day)
        and (not started or day >= paris_day(started))
        and (not over or day <= paris_day(over))
    ]
    return min(possible, key=lambda day: (abs(day - wanted), day), default=wanted)


def _planned_end(o: Onboarding, monday: date) -> datetime | None:
    """When the last phase is to end, unless that is behind already."""
    end = max((p.slot.ends_at for p in o.phases.values() if not p.ended), default=None)
    return end if end and paris_day(end) >= monday else None


def _deviation_notices(o: Onboarding, now: datetime) -> Iterator[Limit]:
    for deviation in deviations(o, now):
        detected_on = paris_day(deviation.detected_at)
        yield Limit(
            end_of(o.calendar.add(detected_on, o.policy.deviation_notice_jo)),
            o.first_accepted(f"deviation_notice:{deviation.key}:"),
            deviation.key,
            deviation.phase.title,
        )


def _training(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    yield Limit(
        end_of(o.commissioned.commissioned_on) if o.commissioned else None,
        # Known late, it was planned at the latest when it began.
        min(o.trainings[0].planned_at, o.trainings[0].plans[0].starts_at) if o.trainings else None,
    )


def _guide(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    for rank, training in enumerate(o.trainings, start=1):
        if training.held:
            yield Limit(
                end_of(training.held.held_on), o.accepted_at(f"user_guide:{rank}"), str(rank)
            )


def _grid(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    for rank, recette in enumerate(o.recettes, start=1):
        day = paris_day(recette.plans[-1].starts_at)
        yield Limit(
            end_of(o.calendar.subtract(day, o.policy.grid_jo)),
            o.first_accepted(f"recette_convocation:{rank}:"),
            str(rank),
            recette.plans[-1].site,
            lapsed=recette.concluded_on is not None,
            # Held before the take-over: nobody can tell when its grid was sent.
            void=_taken_over(o, recette.planned_at) and recette.concluded_on is not None,
        )


def _taken_over(o: Onboarding, known_at: datetime) -> bool:
    """Whether that belongs to the past of an onboarding taken over."""
    return bool(o.contract.history) and known_at <= o.record.started_at


def _recette(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    for rank, recette in enumerate(o.recettes, start=1):
        yield Limit(
            None,
            start_of(recette.concluded_on) if recette.concluded_on else None,
            str(rank),
            recette.plans[-1].site,
        )
    if not o.recettes:
        yield Limit()


def _reserves(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    for number, story in o.reserves.items():
        yield Limit(
            end_of(story.due_on),
            start_of(story.lifted_on) if story.lifted_on else None,
            str(number),
            f"n° {number}",
            void=story.state == "withdrawn",
        )


def _doe(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    clock = o.fully_accepted_on
    yield Limit(
        end_of(o.calendar.add(clock, o.policy.doe_jo)) if clock else None,
        o.doe_delivered_at,
    )


def _activation(o: Onboarding, now: datetime) -> Iterator[Limit]:
    day = activation_on(o, now)
    yield Limit(
        end_of(day) if day else None,
        o.accepted_at("activation_notice"),
        void=not o.contract.maintenance,
    )


def _incident_sheet(o: Onboarding, now: datetime) -> Iterator[Limit]:
    day, effective = activation_on(o, now), effective_on(o)
    jo = o.policy.incident_sheet_jo
    yield Limit(
        end_of(o.calendar.subtract(day, jo, o.every_calendar)) if day else None,
        notice_given_at(o, effective) if effective else o.first_accepted("incident_sheet:"),
        void=not o.contract.maintenance
        or bool(o.record.activated_at and _taken_over(o, o.record.activated_at)),
    )


def _presentation(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    activated = o.record.activated_at
    yield Limit(
        end_of(o.calendar.add(paris_day(activated), o.policy.presentation_jo))
        if activated
        else None,
        start_of(o.presented.held_on) if o.presented else None,
        void=not o.contract.maintenance,
    )


def _interview(o: Onboarding, _now: datetime) -> Iterator[Limit]:
    base = o.interview_base
    held = o.interview
    yield Limit(
        end_of(o.calendar.add_calendar_days(base, o.policy.interview_days)) if base else None,
        start_of(held.held_on) if held and held.held_on else None,
        lapsed=o.interview_closed is not None,
    )


_CLIENT: Final[tuple[Party, ...]] = ("decision_maker", "technical_lead", "primary_user")
_PM: Final[tuple[Party, ...]] = ("project_manager",)
_KICKOFF: Final[tuple[Party, ...]] = (*_CLIENT, "technical_referent", "sales")

OBLIGATIONS: Final[dict[str, Obligation]] = {
    line.code: line
    for line in (
        Obligation("O1", 1, "Tenue du kick-off", _PM, _KICKOFF, _kickoff),
        Obligation("O2", 1, "Remise du plan de travaux", _PM, _KICKOFF, _work_plan),
        Obligation(
            "O3", 1, "Conclusion de l'audit", ("technical_referent",), ("technical_lead",), _audit
        ),
        Obligation(
            "O4", 1, "Proposition d'avenant", ("sales", *_PM), ("decision_maker",), _scope_change
        ),
        Obligation("O5", 2, "Envoi du planning 72 h avant", _PM, ("technical_lead",), _notice),
        Obligation("O6", 2, "Point d'avancement", _PM, ("technical_lead",), _weekly_points),
        Obligation("O7", 2, "Avis d'écart", _PM, _CLIENT, _deviation_notices),
        Obligation(
            "O8",
            3,
            "Planification de la formation avant la mise en service",
            _PM,
            ("primary_user", "technical_lead"),
            _training,
        ),
        Obligation(
            "O9", 3, "Remise du guide utilisateur", _PM, ("primary_user", "technical_lead"), _guide
        ),
        Obligation("O10", 4, "Remise de la grille de recette", _PM, ("technical_lead",), _grid),
        Obligation(
            "O11", 4, "Prononcé de la recette", _PM, ("technical_lead", "decision_maker"), _recette
        ),
        Obligation(
            "O12", 4, "Levée de la réserve", _PM, ("technical_lead", "decision_maker"), _reserves
        ),
        Obligation("O13", 5, "Remise du DOE", _PM, ("technical_lead", "decision_maker"), _doe),
        Obligation(
            "O14", 6, "Activation de la maintenance", ("account_manager",), _CLIENT, _activation
        ),
        Obligation(
            "O15",
            6,
            "Remise de la procédure d'incident",
            ("account_manager",),
            ("technical_contact", "primary_user", "decision_maker"),
            _incident_sheet,
        ),
        Obligation(
            "O16",
            6,
            "Présentation du service de maintenance",
            ("account_manager",),
            ("technical_contact",),
            _presentation,
        ),
        Obligation("O17", 7, "Entretien à 30 jours", _PM, _CLIENT, _interview),
    )
}


def deadlines(o: Onboarding, now: datetime) -> list[Deadline]:
    """Every limit known at that instant, in the order of the obligations."""
    return [
        Deadline(obligation, limit, _state(o, limit, now))
        for obligation in OBLIGATIONS.values()
        for limit in (_moved(o, obligation, limit) for limit in obligation.limits(o, now))
    ]


def _moved(o: Onboarding, obligation: Obligation, limit: Limit) -> Limit:
    """The limit as a person moved it, with a reason (``limit_moved``)."""
    moved = o.moved_limits.get((obligation.code, limit.key))
    return replace(limit, due_at=end_of(moved.due_on)) if moved and limit.due_at else limit


def _state(o: Onboarding, limit: Limit, now: datetime) -> DeadlineState:
    if limit.void or (o.cancelled and not limit.met_at):
        return "void"
    if limit.met_at:
        return "met" if limit.due_at is None or limit.met_at <= limit.due_at else "missed"
    if limit.lapsed or (limit.due_at and now > limit.due_at):
        return "missed"
    return "running"
