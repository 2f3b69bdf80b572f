"""Every fact an onboarding may learn (DESIGN, section 3): one payload model a fact.

Facts are named in the past tense because they state what happened. Adding a fact is adding
a model here, its rule in ``rules`` and its effect in ``onboarding``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, cast

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from process.contract import Person
from process.fields import (
    HELD,
    Count,
    Day,
    Flag,
    Instant,
    Line,
    Listed,
    Outside,
    Percent,
    Reference,
    Score,
    Text,
    Uri,
    is_held,
    meaning,
)
from process.vocabulary import (
    Decision,
    DoeFamily,
    GridResult,
    Role,
    SecretsChoice,
    Severity,
)


class Fact(Outside):
    """Base of all facts. ``fact_id`` makes a repeat count once."""

    TITLE: ClassVar[str]
    """What the fact states, in French, for the people who send it."""

    fact_id: Line | None = None


class Action(Outside):
    """Something to be done: what, by whom, until when."""

    what: Text
    who: Line | None = None
    due_on: Day | None = None


class Responsibility(Outside):
    """What falls to someone during the project."""

    who: Line
    what: Text


class Milestone(Outside):
    """A step of the provisional schedule; ``on`` when its day is known."""

    what: Line
    on: Day | None = None


class _Slot(Outside):
    """A start and an end; the end comes after the start."""

    starts_at: Instant
    ends_at: Instant

    @model_validator(mode="after")
    def _ordered(self) -> _Slot:
        if self.ends_at <= self.starts_at:
            raise ValueError("ends_at doit suivre starts_at")
        return self


class PlannedPhase(_Slot):
    """A phase of the work plan, provisional until ``phase_planned`` makes it firm."""

    id: Reference
    title: Line
    site: Reference
    works: Listed[Line]


class KickoffPlanned(Fact):
    TITLE = "Le kick-off est planifié"

    starts_at: Instant
    place: Line
    objectives: Listed[Line] = []
    schedule: Listed[Milestone] = []
    responsibilities: Listed[Responsibility] = []
    access: Text | None = None
    access_hours: Text | None = None
    badges: Text | None = None
    safety_plan: Text | None = None
    audit_arrangements: Text | None = None
    to_bring: Listed[Line] = []


class KickoffHeld(Fact):
    TITLE = "Le kick-off s'est tenu ; il fixe le plan de travaux"

    held_on: Day
    place: Line | None = None
    attendees: Listed[Line]
    phases: Listed[PlannedPhase] = Field(min_length=1)
    decisions: Listed[Text] = []
    actions: Listed[Action] = []

    @field_validator("phases")
    @classmethod
    def _distinct(cls, phases: list[PlannedPhase]) -> list[PlannedPhase]:
        ids = [phase.id for phase in phases]
        if repeated := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"identifiant de phase en double ({', '.join(repeated)})")
        return phases


class ScopeChange(Outside):
    """A change of the contract's scope that the audit asks for."""

    title: Line
    reason: Text
    phases: Listed[Reference]
    price: Text | None = None
    schedule_effect: Text | None = None


class AuditConcluded(Fact):
    TITLE = "L'audit de l'existant est conclu"

    concluded_on: Day
    conclusions: Text
    scope_change: ScopeChange | None = None
    equipment_in_place: Text | None = None
    network: Text | None = None
    plans: Text | None = None
    accesses: Text | None = None
    gaps: Listed[Text] = []
    risks: Listed[Text] = []
    work_plan_effect: Text | None = None
    contract_effect: Text | None = None


class ScopeChangeAnswered(Fact):
    TITLE = "Le client a répondu à la proposition d'avenant"

    accepted: Flag
    answered_on: Day
    by: Line


class Waiver(Outside):
    """The client's consent to a schedule given less than 72 hours ahead."""

    by: Line
    on: Day
    reason: Text


class DayOfWorks(Outside):
    """What is done on one day of a phase."""

    on: Day
    works: Listed[Line]
    crew: Listed[Line] = []


class PhasePlanned(Fact, _Slot):
    TITLE = "Une phase d'intervention est planifiée (ou déplacée)"

    id: Reference
    title: Line
    site: Reference
    works: Listed[Line]
    waiver: Waiver | None = None
    notice_sent_at: Instant | None = None
    """When a schedule of the past was sent: only in the history of a contract taken over."""
    works_by_day: Listed[DayOfWorks] = []
    crew: Listed[Line] = []
    access: Text | None = None
    outages: Text | None = None
    counter_measures: Text | None = None
    prerequisites: Listed[Text] = []


class PhaseCancelled(Fact):
    TITLE = "Une phase d'intervention est annulée"

    id: Reference
    reason: Text


class PhaseCompleted(Fact):
    TITLE = "Une phase d'intervention est terminée"

    id: Reference
    completed_at: Instant


class PhaseProgress(Outside):
    """How far a phase is, in hundredths of its works."""

    phase: Reference
    percent: Percent
    remark: Text | None = None


class ProgressReported(Fact):
    TITLE = "Le point d'avancement de la semaine s'est tenu"

    held_on: Day
    done: Listed[Text]
    next: Listed[Text]
    decisions: Listed[Text] = []
    progress: Listed[PhaseProgress] = []


class DeviationDeclared(Fact):
    TITLE = "Un écart au planning est déclaré"

    phase: Reference
    cause: Text
    measures: Listed[Text] = Field(min_length=1)
    new_starts_at: Instant | None = None
    new_ends_at: Instant | None = None
    effect: Text | None = None

    @model_validator(mode="after")
    def _ordered(self, info: ValidationInfo) -> DeviationDeclared:
        starts_at, ends_at = self.new_starts_at, self.new_ends_at
        # What was taken before this was asked stays readable.
        if starts_at and ends_at and ends_at <= starts_at and not is_held(info):
            raise ValueError("new_ends_at doit suivre new_starts_at")
        return self


class TrainingPlanned(Fact):
    TITLE = "La formation des utilisateurs est planifiée"

    starts_at: Instant
    site: Reference
    trainer: Line
    trainees: Listed[Line]
    ends_at: Instant | None = None


class TrainingHeld(Fact):
    TITLE = "La formation des utilisateurs s'est tenue"

    held_on: Day
    trainees: Listed[Line]


class Commissioned(Fact):
    TITLE = "Le système est mis en service"

    commissioned_on: Day
    override_reason: Text | None = None


class RecettePlanned(Fact):
    TITLE = "La recette est planifiée"

    starts_at: Instant
    site: Reference | None = None


class Present(Outside):
    """Someone present at the recette; a delegate brings a mandate."""

    name: Line
    role: Role
    mandate: Line | None = None


class Reserve(Outside):
    """A numbered defect noted at the recette."""

    number: Count
    title: Line
    severity: Severity
    due_on: Day | None = None
    equipment: Reference | None = None
    site: Reference | None = None
    action: Text | None = None
    """How it will be corrected (the plan de levée)."""
    who: Line | None = None


class GridLine(Outside):
    """The result of one point of the acceptance grid."""

    point: Line
    result: GridResult
    remark: Text | None = None
    reserve: Count | None = None


class RecetteSignedOff(Fact):
    TITLE = "Le procès-verbal de recette est signé"

    effective_on: Day
    sites: Listed[Reference] = []
    decision: Decision
    present: Listed[Present] = Field(min_length=1)
    reserves: Listed[Reserve]
    grid: Listed[GridLine] = []
    pv_uri: Uri | None = None
    place: Line | None = None
    client_remarks: Text | None = None
    mileo_remarks: Text | None = None


class ReserveAdded(Fact, Reserve):
    TITLE = "Une nouvelle réserve est apparue"

    found_on: Day


class ReserveFixed(Fact):
    TITLE = "Mileo déclare une réserve corrigée"

    number: Count
    fixed_on: Day
    evidence: Text


class ReserveLifted(Fact):
    TITLE = "Le client constate la levée d'une réserve"

    number: Count
    lifted_on: Day
    by: Line


class ReserveLiftingRefused(Fact):
    TITLE = "Le client refuse la levée d'une réserve"

    number: Count
    refused_on: Day
    by: Line
    reason: Text


class _ReserveDisputed(Fact):
    number: Count
    on: Day
    by: Line
    reason: Text


class ReserveContested(_ReserveDisputed):
    TITLE = "Mileo conteste une réserve"


class ReserveWithdrawn(_ReserveDisputed):
    TITLE = "Le client retire une réserve"


class DoePieceFiled(Fact):
    TITLE = "Une pièce du DOE est versée"

    family: DoeFamily
    name: Line
    uri: Uri | None = None
    not_applicable_reason: Text | None = None
    equipment: Listed[Reference] = []

    @model_validator(mode="after")
    def _one_of(self) -> DoePieceFiled:
        if (self.uri is None) == (self.not_applicable_reason is None):
            raise ValueError("donner uri, ou bien not_applicable_reason")
        return self


class DoeReleased(Fact):
    TITLE = "Le chef de projet autorise l'envoi du DOE"

    released_on: Day
    by: Line


class DoeReceived(Fact):
    TITLE = "Le client accuse réception du DOE"

    received_on: Day
    by: Line


class MaintenanceDateSet(Fact):
    TITLE = "La date d'effet de la maintenance est fixée"

    effective_on: Day
    despite_open_reserves: Flag = False
    by: Line | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _decided(self) -> MaintenanceDateSet:
        if self.despite_open_reserves and not (self.by and self.reason):
            raise ValueError("despite_open_reserves demande by et reason")
        return self


class _CallPlanned(Fact):
    """A call at an agreed hour; without ``ends_at`` it lasts half an hour."""

    starts_at: Instant
    ends_at: Instant | None = None

    @model_validator(mode="after")
    def _ordered(self) -> _CallPlanned:
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError("ends_at doit suivre starts_at")
        return self


class PresentationPlanned(_CallPlanned):
    TITLE = "La présentation téléphonique de la maintenance est planifiée"


class MaintenancePresented(Fact):
    TITLE = "Le service de maintenance a été présenté par téléphone"

    held_on: Day
    attendees: Listed[Line] = []
    topics: Listed[Text] = []
    actions: Listed[Action] = []
    remarks: Text | None = None


class InterviewPlanned(_CallPlanned):
    TITLE = "L'entretien à 30 jours est planifié"


class InterviewHeld(Fact):
    TITLE = "L'entretien à 30 jours s'est tenu (ou n'a pu se tenir)"

    held_on: Day | None = None
    score: Score | None = None
    masters_system: Flag | None = None
    masters_incident_procedure: Flag | None = None
    strengths: Listed[Text] = []
    improvements: Listed[Text] = []
    actions: Listed[Action] = []
    attendees: Listed[Line] = []
    scores_by_step: dict[Line, Score] = {}
    tried_on: Day | None = None
    not_held_reason: Text | None = None

    @model_validator(mode="after")
    def _held_or_tried(self) -> InterviewHeld:
        held = {"held_on", "score", "masters_system", "masters_incident_procedure"}
        tried = {"tried_on", "not_held_reason"}
        given = {name for name in held | tried if getattr(self, name) is not None}
        if given not in (held, tried):
            raise ValueError(
                "donner held_on, score, masters_system et masters_incident_procedure, "
                "ou bien tried_on et not_held_reason"
            )
        return self


class ContactReplaced(Fact):
    TITLE = "Un interlocuteur est remplacé"

    role: Role
    person: Person


class LimitMoved(Fact):
    TITLE = "Une échéance est déplacée"

    obligation: Literal[
        "O1",
        "O2",
        "O3",
        "O4",
        "O5",
        "O6",
        "O7",
        "O8",
        "O9",
        "O10",
        "O11",
        "O12",
        "O13",
        "O14",
        "O15",
        "O16",
        "O17",
    ]
    key: Line | None = None
    due_on: Day
    by: Line
    reason: Text


class OpenPointSettled(Fact):
    TITLE = "Un point ouvert est réglé"

    id: Line
    action: Literal["retry", "abandon", "done_otherwise"]
    by: Line
    reason: Text
    secrets: SecretsChoice | None = None
    """What becomes of a piece of the DOE in which secrets were found: with ``done_otherwise``."""


class _Stated(Fact):
    reason: Text
    by: Line | None = None


class OnboardingSuspended(_Stated):
    TITLE = "L'onboarding est suspendu"


class OnboardingResumed(_Stated):
    TITLE = "L'onboarding reprend"


class OnboardingCancelled(_Stated):
    TITLE = "L'onboarding est annulé"


class FactCorrected(Fact):
    TITLE = "Un fait est corrigé"

    fact: Line
    key: Line | None = None
    payload: dict[str, Any]
    by: Line
    reason: Text

    def stated(self) -> dict[str, Any]:
        """What the new fact states, however its payload was written."""
        return super().stated() | {"payload": stated_by(self.fact, self.payload)}


def stated_by(name: str, payload: dict[str, Any]) -> dict[str, Any]:
    """What the payload of a fact states, however it is written; as it is, when it cannot be read."""
    try:
        return FACTS[name].model_validate(payload, context=HELD).stated()
    except (KeyError, ValidationError):
        return cast("dict[str, Any]", meaning(payload))


def _name(model: type[Fact]) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in model.__name__).lstrip("_")


FACTS: Final[dict[str, type[Fact]]] = {
    _name(model): model
    for model in (
        KickoffPlanned,
        KickoffHeld,
        AuditConcluded,
        ScopeChangeAnswered,
        PhasePlanned,
        PhaseCancelled,
        PhaseCompleted,
        ProgressReported,
        DeviationDeclared,
        TrainingPlanned,
        TrainingHeld,
        Commissioned,
        RecettePlanned,
        RecetteSignedOff,
        ReserveAdded,
        ReserveFixed,
        ReserveLifted,
        ReserveLiftingRefused,
        ReserveContested,
        ReserveWithdrawn,
        DoePieceFiled,
        DoeReleased,
        DoeReceived,
        MaintenanceDateSet,
        PresentationPlanned,
        MaintenancePresented,
        InterviewPlanned,
        InterviewHeld,
        ContactReplaced,
        LimitMoved,
        OpenPointSettled,
        OnboardingSuspended,
        OnboardingResumed,
        OnboardingCancelled,
        FactCorrected,
    )
}
"""The facts that an onboarding understands, by the name of their signal and update."""


def named(name: str) -> str:
    """A fact as a person reads it, with the name to send it under; other words as they are."""
    return f"{FACTS[name].TITLE} ({name})" if name in FACTS else name
