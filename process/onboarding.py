"""One onboarding: its contract, and what the facts taken so far make of it.

Nothing here is stored: ``Onboarding`` is folded from the contract and the record, fact after
fact. What is *allowed* is in ``rules``, what is *owed* in ``obligations``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar

from process import doe, editions
from process import facts as f
from process.calendar import MILEO, PARIS, WorkCalendar, at, elapsed_hours, iso_week, paris_day
from process.contract import Contract, Person, Site
from process.facts import Fact
from process.fields import canonical
from process.orders import IssuedDocument, ReadPiece, Recipient, StatedPiece
from process.policy import Policy
from process.record import IssuedSending, Record, TakenFact
from process.vocabulary import Party, SecretsChoice

PhaseState = Literal["provisional", "firm", "open", "completed", "cancelled"]
ReserveState = Literal["open", "fixed", "lifted", "contested", "withdrawn"]

MILEO_ROLES: Final = (
    "project_manager",
    "technical_referent",
    "sales",
    "account_manager",
    "head_of_projects",
)


@dataclass
class Slot:
    """When and where a phase is planned, and since when we know it."""

    starts_at: datetime
    ends_at: datetime
    site: str
    known_at: datetime
    plan: f.PhasePlanned | None = None
    """The fact that made it firm; none for the work plan's provisional slot."""
    after_suspension: bool = False
    """Announced before a suspension: it must be announced anew."""

    def same_start(self, other: Slot) -> bool:
        """Whether a notice given for one is a notice for the other (PROCESS 3.3)."""
        return (self.starts_at, self.site) == (other.starts_at, other.site)


@dataclass
class Phase:
    """A phase of the work plan, with every slot it has been given."""

    id: str
    title: str
    works: list[str]
    slots: list[Slot]
    """The work plan's first (when it has one), then every firm one."""
    declarations: list[tuple[f.DeviationDeclared, datetime]] = field(default_factory=list)
    completed_at: datetime | None = None
    completion_known_at: datetime | None = None
    cancelled: f.PhaseCancelled | None = None

    @property
    def slot(self) -> Slot:
        """The slot in force."""
        return self.slots[-1]

    @property
    def firm_slots(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.plan]

    @property
    def ended(self) -> bool:
        """Completed or cancelled."""
        return self.completed_at is not None or self.cancelled is not None

    def state(self, now: datetime) -> PhaseState:
        """Where the phase stands at that instant."""
        if self.cancelled:
            return "cancelled"
        if self.completed_at:
            return "completed"
        if not self.slot.plan:
            return "provisional"
        return "open" if now >= self.slot.starts_at else "firm"


@dataclass
class Suspension:
    """A time during which nobody is reminded of anything; it ends with the resumption."""

    suspended_at: datetime
    reason: str
    resumed_at: datetime | None = None


@dataclass(frozen=True)
class InCharge:
    """Who held a role, and since when."""

    role: str
    person: Person
    since: datetime


@dataclass
class Training:
    """A training session: its successive plans, and how it went."""

    plans: list[f.TrainingPlanned]
    planned_at: datetime
    held: f.TrainingHeld | None = None


@dataclass
class Recette:
    """A recette: its successive plans, and its minutes."""

    plans: list[f.RecettePlanned]
    planned_at: datetime
    signed: list[f.RecetteSignedOff] = field(default_factory=list)
    """Its minutes: several when its sites are accepted one by one."""
    concluded_on: date | None = None
    """Once each of its sites has its minutes."""


@dataclass(frozen=True)
class ReserveEvent:
    """One thing that happened to a réserve, on the day that was stated."""

    on: date
    what: str
    leads_to: ReserveState
    by: str | None = None
    reason: str | None = None

    @property
    def entry(self) -> dict[str, Any]:
        """The same as plain data, for ``status`` and the minutes."""
        stated = {"on": self.on.isoformat(), "what": self.what, "by": self.by}
        entry = {**stated, "reason": self.reason}
        return {name: value for name, value in entry.items() if value is not None}


@dataclass
class ReserveStory:
    """A réserve and everything that happened to it; its log never changes.

    Its state follows the days that were stated, not the order in which they became known.
    """

    reserve: f.Reserve
    due_on: date
    noted_on: date
    events: list[ReserveEvent]
    fixes: list[tuple[f.ReserveFixed, datetime]] = field(default_factory=list)
    """Each time Mileo declared it fixed, and when that became known."""
    added: bool = False
    """Appeared after the recette."""

    def log(self, event: ReserveEvent) -> None:
        """Put an event at its day; on one day, in the order in which they became known."""
        self.events = sorted([*self.events, event], key=lambda one: one.on)

    @property
    def history(self) -> list[dict[str, Any]]:
        return [event.entry for event in self.events]

    @property
    def ended_on(self) -> date | None:
        """When it was lifted or withdrawn."""
        over = (event.on for event in self.events if event.leads_to in ("lifted", "withdrawn"))
        return next(over, None)

    @property
    def state(self) -> ReserveState:
        """Lifted or withdrawn for good, else what the last event says."""
        ends = [event for event in self.events if event.leads_to in ("lifted", "withdrawn")]
        return (ends or self.events[-1:])[0].leads_to

    @property
    def lifted_on(self) -> date | None:
        return self.ended_on if self.state == "lifted" else None

    @property
    def fixed(self) -> f.ReserveFixed | None:
        """The last fix that Mileo declared."""
        fixes = sorted((fix for fix, _ in self.fixes), key=lambda fix: fix.fixed_on)
        return fixes[-1] if fixes else None

    @property
    def fixed_at(self) -> datetime | None:
        """When that fix became known."""
        return next((known for fix, known in self.fixes if fix is self.fixed), None)

    @property
    def is_over(self) -> bool:
        """Lifted or withdrawn."""
        return self.ended_on is not None


@lru_cache(maxsize=4_096)
def _stated_piece(family: str, name: str, uri: str) -> StatedPiece:
    return StatedPiece(key=doe.key_of(family, name, uri), family=family, name=name, uri=uri)


def _decided(read: ReadPiece | None) -> list[str]:
    """What the decision about its secrets changes of a piece in the DOE."""
    if read is None or read.secrets_choice is None:
        return []
    return [read.redacted.sha256 if read.redacted else read.secrets_choice]


class Onboarding:
    """The state of one onboarding at its last fact.

    Args:
        contract: the signed contract.
        calendar: the worked days recorded for this run.
        policy: the settings recorded for this run.
        record: what the run remembers; folded anew when the object is made.
    """

    def __init__(
        self, contract: Contract, calendar: WorkCalendar, policy: Policy, record: Record
    ) -> None:
        self.contract = contract
        self.calendar = calendar
        self.policy = policy
        self.record = record
        self.fold()

    def fold(self) -> None:
        """Derive everything from the contract and the record, from the start."""
        contract, record = self.contract, self.record
        self.signed_on = paris_day(contract.signed_at)
        self.persons: dict[str, Person] = {}
        self.kickoff_plans: list[f.KickoffPlanned] = []
        self.kickoff: f.KickoffHeld | None = None
        self.audit: f.AuditConcluded | None = None
        self.scope_answer: f.ScopeChangeAnswered | None = None
        self.scope_phases: list[Phase] = []
        self.phases: dict[str, Phase] = {}
        self.reports: dict[str, f.ProgressReported] = {}
        self.trainings: list[Training] = []
        self.commissioned: f.Commissioned | None = None
        self.recettes: list[Recette] = []
        self.reserves: dict[int, ReserveStory] = {}
        self.accepted_sites: dict[str, date] = {}
        self.pieces: dict[str, f.DoePieceFiled] = {}
        """The pieces of the DOE by their place: filed again, a piece replaces the former."""
        self.doe_releases: list[f.DoeReleased] = []
        self.doe_received: f.DoeReceived | None = None
        self.maintenance_dates: list[f.MaintenanceDateSet] = []
        self.presentation_plans: list[f.PresentationPlanned] = []
        self.presented: f.MaintenancePresented | None = None
        self.interview_plans: list[f.InterviewPlanned] = []
        self.interviews: list[f.InterviewHeld] = []
        self.settled: list[f.OpenPointSettled] = []
        self.moved_limits: dict[tuple[str, str | None], f.LimitMoved] = {}
        self.suspensions: list[Suspension] = []
        self.cancelled: f.OnboardingCancelled | None = None
        self.in_charge: list[InCharge] = []
        self.guessed_to = 0
        """The latest year on whose worked days a fact counts and that was never read."""
        for role in ("project_manager", "technical_referent", "sales", "account_manager"):
            self.appoint(role, getattr(contract.team, role), record.started_at)
        for role in ("decision_maker", "technical_lead", "primary_user", "technical_contact"):
            self.appoint(role, getattr(contract.client, role), record.started_at)
        for taken in record.facts:
            self._fold(taken.stated, taken.received_at)

    @property
    def calendar(self) -> WorkCalendar:
        """The worked days, those of each site included."""
        return self._calendar

    @calendar.setter
    def calendar(self, calendar: WorkCalendar) -> None:
        self._calendar = calendar.of_sites(self.contract.sites)

    def since(self, edition: int) -> bool:
        """Whether it was opened in that edition of the process, or a later one."""
        return self.record.edition >= edition

    def as_of(self, facts: list[TakenFact]) -> Onboarding:
        """The same onboarding with these facts instead of those it holds."""
        record = self.record.model_copy(update={"facts": facts})
        return Onboarding(self.contract, self.calendar, self.policy, record)

    def take(self, name: str, fact: Fact, payload: dict[str, Any], now: datetime) -> None:
        """Record an accepted fact and let it change what is known."""
        self.record.facts.append(TakenFact.of(name, fact, payload, now))
        self.record.taken_bytes += len(canonical(payload))
        self._fold(fact, now)

    def appoint(self, role: str, person: Person | None, since: datetime) -> None:
        """Put someone in charge of a role from that instant on."""
        if person is not None:
            self.persons[role] = person
            self.in_charge.append(InCharge(role, person, since))

    def _fold(self, fact: Fact, received_at: datetime) -> None:
        fold = _FOLDS.get(type(fact))
        if fold is not None:
            self.calendar.missed = None
            fold(self, fact, received_at)
            self.guessed_to = max(self.guessed_to, self.calendar.missed or 0)

    # People

    def person(self, role: Party) -> Recipient | None:
        """Who holds that role now, after the fallbacks of PROCESS section 1."""
        for candidate in (role, *_FALLBACKS.get(role, ())):
            if candidate == "head_of_projects":
                return Recipient(role="head_of_projects")
            if person := self.persons.get(candidate):
                return _recipient(role, person)
        return None

    def site_contact(self, code: str) -> Recipient | None:
        """The contact of a site, else the technical lead."""
        site = self.contract.site(code)
        if site is not None and site.contact is not None:
            return _recipient("site_contact", site.contact)
        return self.person("technical_lead")

    def people(self, roles: Iterable[Party]) -> list[Recipient]:
        """The holders of these roles, one entry a mailbox, in that order."""
        return one_a_mailbox(self.person(role) for role in roles)

    def site(self, code: str) -> Site:
        """A site that the contract has (facts that name another one were refused)."""
        site = self.contract.site(code)
        if site is None:
            raise KeyError(code)
        return site

    def local(self, instant: datetime, site: str | None = None) -> datetime:
        """An instant on the clock of a site, of Paris without one."""
        return instant.astimezone(self.site(site).clock if site else PARIS)

    # Suspension

    @property
    def suspension(self) -> Suspension | None:
        """The suspension under way."""
        last = self.suspensions[-1] if self.suspensions else None
        return last if last and not last.resumed_at else None

    def was_suspended(self, instant: datetime) -> bool:
        """Whether that instant falls in a suspension."""
        return any(
            pause.suspended_at <= instant and (not pause.resumed_at or instant < pause.resumed_at)
            for pause in self.suspensions
        )

    def was_suspended_on(self, day: date) -> bool:
        """Whether the whole of that day is in a suspension, its first day included."""
        return any(
            paris_day(pause.suspended_at) <= day
            and (not pause.resumed_at or day < paris_day(pause.resumed_at))
            for pause in self.suspensions
        )

    # Calendars

    @property
    def every_calendar(self) -> tuple[str, ...]:
        """Mileo and every site: the days that count for O15 (PROCESS 3.5)."""
        return tuple(dict.fromkeys((MILEO, *(site.calendar for site in self.contract.sites))))

    def reminder_at(self, day: date) -> datetime:
        """The hour of reminders on that day, or on the next worked one."""
        return at(self.calendar.worked_from(day), self.policy.reminder_hour)

    def next_reminder(self, after: datetime) -> datetime:
        """The first hour of reminders strictly after that instant."""
        slot = self.reminder_at(paris_day(after))
        # In UTC: two instants on one clock are compared by what it shows, and it shows an hour twice.
        if slot <= after.astimezone(UTC):
            slot = self.reminder_at(paris_day(slot) + timedelta(days=1))
        return slot

    # Step 1

    @property
    def kickoff_plan(self) -> f.KickoffPlanned | None:
        return self.kickoff_plans[-1] if self.kickoff_plans else None

    @property
    def phases_awaiting_scope(self) -> list[str]:
        """The phases that wait for the client's answer to a scope change (O4)."""
        if self.audit and self.audit.scope_change and not self.scope_answer:
            return [phase.id for phase in self.scope_phases]
        return []

    # Step 2

    @property
    def deployment_starts_at(self) -> datetime | None:
        """The start of the first phase that was made firm or completed."""
        starts = [
            phase.slot.starts_at
            for phase in self.phases.values()
            if not phase.cancelled and (phase.slot.plan or phase.completed_at)
        ]
        return min(starts, default=None)

    @property
    def deployment_over_at(self) -> datetime | None:
        """The last completion, once every phase is completed or cancelled."""
        if not self.phases or not all(phase.ended for phase in self.phases.values()):
            return None
        return max((p.completed_at for p in self.phases.values() if p.completed_at), default=None)

    def notice_accepted_at(self, phase: Phase) -> datetime | None:
        """When the technical lead's mail server accepted a schedule with the start in force;
        one that left before the phase was moved away and back is no notice."""
        accepted, version = None, len(phase.firm_slots)
        for slot in reversed(phase.slots):
            if not slot.plan or not slot.same_start(phase.slot):
                break
            sent = self.last_accepted_at(f"intervention_schedule:{phase.id}:{version}")
            accepted, version = sent or slot.plan.notice_sent_at or accepted, version - 1
        return accepted

    def notice_hours(self, phase: Phase) -> float | None:
        """The elapsed hours of notice really given."""
        accepted = self.notice_accepted_at(phase)
        return elapsed_hours(accepted, phase.slot.starts_at) if accepted else None

    # Steps 3 and 4

    @property
    def recettes_to_hold(self) -> list[Recette]:
        return [recette for recette in self.recettes if not recette.concluded_on]

    def recette_of(self, plan: f.RecettePlanned, now: datetime) -> Recette | None:
        """The recette that this plan moves: to be held, or known as held before the plan it
        answers to, as long as that is ahead."""
        day = paris_day(plan.starts_at)
        return next(
            (
                recette
                for recette in self.recettes
                if recette.plans[-1].site == plan.site
                and (
                    recette.concluded_on is None
                    or (now < plan.starts_at and day <= recette.concluded_on)
                )
            ),
            None,
        )

    def sites_of(self, code: str | None) -> list[str]:
        """One site, or all of them when none is named."""
        return [code] if code else [site.code for site in self.contract.sites]

    @property
    def open_reserves(self) -> list[ReserveStory]:
        return [story for story in self.reserves.values() if not story.is_over]

    @property
    def fully_accepted_on(self) -> date | None:
        """The effective date of the recette without réserve, or of the levée of the last
        réserve, once every site is accepted: the start of the DOE's clock (O13)."""
        if len(self.accepted_sites) < len(self.contract.sites) or self.open_reserves:
            return None
        ends = (story.ended_on for story in self.reserves.values())
        return max([*self.accepted_sites.values(), *(day for day in ends if day)])

    def reserve_due_on(self, reserve: f.Reserve, noted_on: date) -> date:
        """The agreed date, else by severity (PROCESS section 4)."""
        if reserve.due_on:
            return reserve.due_on
        if reserve.severity == "minor":
            return self.calendar.add_calendar_days(noted_on, self.policy.reserve_minor_days)
        jo = {"blocking": self.policy.reserve_blocking_jo, "major": self.policy.reserve_major_jo}
        return self.calendar.add(noted_on, jo[reserve.severity])

    # Step 5

    def place_of(self, piece: f.DoePieceFiled) -> str:
        """What a piece is in the DOE."""
        return doe.place_of(piece, composed=self.since(editions.SECOND))

    def stated(self, piece: f.DoePieceFiled) -> StatedPiece | None:
        """The file of a piece; None for what is not applicable."""
        if piece.uri is None:
            return None
        return _stated_piece(piece.family, piece.name, piece.uri)

    @property
    def files(self) -> list[StatedPiece]:
        """Every file that the DOE is made of: its pieces, and the signed minutes."""
        pieces = [stated for piece in self.pieces.values() if (stated := self.stated(piece))]
        return [*pieces, *self.signed_minutes]

    @property
    def signed_minutes(self) -> list[StatedPiece]:
        """The signed minutes of the recettes, where a file of them was given."""
        return [
            _stated_piece(doe.SIGNED, f"Procès-verbal de recette signé {rank}", minutes.pv_uri)
            for rank, recette in enumerate(self.recettes, start=1)
            for minutes in recette.signed
            if minutes.pv_uri
        ]

    def read(self, stated: StatedPiece | None) -> ReadPiece | None:
        """What was found in a file, once it was read."""
        return self.record.pieces.get(stated.key) if stated else None

    @property
    def files_to_read(self) -> list[StatedPiece]:
        known = {*self.record.pieces, *self.record.not_read}
        return [stated for stated in self.files if stated.key not in known]

    @property
    def files_to_redact(self) -> list[tuple[StatedPiece, ReadPiece]]:
        """The files of which a copy without secrets is to be made."""
        found = [(file, read) for file in self.files if (read := self.read(file))]
        return [(file, read) for file, read in found if doe.is_to_redact(read)]

    @property
    def doe_pieces(self) -> list[f.DoePieceFiled]:
        """The pieces that count: those whose file was refused do not."""
        return [piece for _, piece, _ in self._counting()]

    def _counting(self) -> Iterator[tuple[str, f.DoePieceFiled, ReadPiece | None]]:
        """Each piece that counts, with its place and what was found in its file."""
        for place, piece in self.pieces.items():
            read = self.read(self.stated(piece))
            if not read or not read.refused:
                yield place, piece, read

    @property
    def doe_missing(self) -> list[str]:
        """What the DOE still lacks: a family, ``datasheets:TAG`` for an item of equipment, or
        ``piece:NAME`` for one more file that was refused, until a person settles it."""
        lacking = doe.missing(self.contract, self.doe_pieces)
        families = {name.partition(":")[0] for name in lacking}
        open_points = {point.id for point in self.record.open_points}
        refused = [
            f"piece:{file.name}"
            for file in self.files
            if (read := self.read(file)) and read.refused and doe.point_of(file) in open_points
            if file.family not in families
        ]
        return [*lacking, *refused]

    @property
    def doe_secrets(self) -> list[dict[str, Any]]:
        """The files that hold secrets: what and how many, never their value."""
        found = [(file, read) for file in self.files if (read := self.read(file))]
        return [
            {
                "name": file.name,
                "what": doe.places_of(read.secrets),
                "count": read.secrets_count,
            }
            for file, read in found
            if read.secrets_count
        ]

    @property
    def doe_secrets_choices(self) -> dict[str, SecretsChoice]:
        """What was decided about the secrets of a file, by the name of the piece."""
        found = [(file, read) for file in self.files if (read := self.read(file))]
        return {file.name: read.secrets_choice for file, read in found if read.secrets_choice}

    @property
    def doe_factory_passwords(self) -> list[dict[str, Any]]:
        """The files in which a manufacturer printed the passwords of its factory."""
        found = [(file, read) for file in self.files if (read := self.read(file))]
        return [
            {"name": file.name, "what": doe.places_of(read.factory)}
            for file, read in found
            if read.factory
        ]

    @property
    def doe_content(self) -> str:
        """What the DOE would be made of now; another value is another DOE."""
        pieces = [
            [
                place,
                piece.uri or piece.not_applicable_reason,
                read.sha256 if read else "",
                *_decided(read),
            ]
            for place, piece, read in self._counting()
        ]
        originals = [
            [file.key, read.sha256 if (read := self.read(file)) else ""]
            for file in self.signed_minutes
        ]
        minutes = [issued.reference for issued in self.doe_minutes]
        return hashlib.sha256(canonical([sorted(pieces), originals, minutes])).hexdigest()

    @property
    def doe_minutes(self) -> list[IssuedDocument]:
        """The last version of each minutes and grid: what was replaced is no part of the DOE."""
        last: dict[str, IssuedDocument] = {}
        for issued in self.record.documents:
            if issued.kind in ("grille_recette", "pv_recette", "pv_levee"):
                last[issued.reference.rpartition("-v")[0]] = issued
        return list(last.values())

    @property
    def doe_is_being_read(self) -> bool:
        """Its files are being read, or a copy without their secrets is being made."""
        return self.record.reads_pieces and bool(self.files_to_read or self.files_to_redact)

    @property
    def doe_deliveries(self) -> list[IssuedSending]:
        """The deliveries that were set going, in order."""
        return [sent for sent in self.record.sendings.values() if sent.kind == "doe_delivery"]

    @property
    def doe_changed(self) -> bool:
        """What was delivered last is no longer what the DOE is made of."""
        last = self.doe_deliveries[-1] if self.doe_deliveries else None
        return last is not None and last.content not in {None, self.doe_content}

    @property
    def doe_released(self) -> f.DoeReleased | None:
        """The last release: there is another one when pieces were filed after the first."""
        return self.doe_releases[-1] if self.doe_releases else None

    @property
    def doe_delivered_at(self) -> datetime | None:
        """When the mail that first handed the DOE over was accepted."""
        keys = [key for key, sent in self.record.sendings.items() if sent.kind == "doe_delivery"]
        return min((at for key in keys if (at := self.accepted_at(key))), default=None)

    @property
    def doe_may_leave(self) -> bool:
        """Complete, read, and released: one release a delivery, the first one spared where the
        settings say so."""
        releases = len(self.doe_releases) + self.policy.doe_release_automatic
        due = not self.doe_deliveries or self.doe_changed
        ready = not self.doe_missing and not self.doe_is_being_read
        return due and ready and releases > len(self.doe_deliveries)

    # Effects

    def accepted_at(self, key: str) -> datetime | None:
        """When the sending of that key reached its first recipient: what counts is the instant
        the mail server accepted it. Done otherwise, it counts from the day a person said so."""
        sending = self.record.sendings.get(key)
        if sending is None:
            return None
        for mails in (sending.former_mails, sending.mails):
            if mails and mails[0].accepted_at:
                return mails[0].accepted_at
        return sending.settled_at

    def last_accepted_at(self, key: str) -> datetime | None:
        """The same for the last version: after a correction, only what was sent since counts."""
        sending = self.record.sendings.get(key)
        if sending and sending.revision:
            return sending.mails[0].accepted_at if sending.mails else None
        return self.accepted_at(key)

    def first_accepted(self, prefix: str) -> datetime | None:
        """The earliest acceptance among the sendings whose key begins so."""
        accepted = [self.accepted_at(k) for k in self.record.sendings if k.startswith(prefix)]
        return min((instant for instant in accepted if instant), default=None)

    # Step 7

    @property
    def interview_base(self) -> date | None:
        """The day the thirty days count from (PROCESS 3.8)."""
        if self.contract.maintenance:
            activated = self.record.activated_at
            return paris_day(activated) if activated else None
        return self.fully_accepted_on

    @property
    def interview_from(self) -> date | None:
        """The first day on which the interview counts (O17)."""
        base = self.interview_base
        return base + timedelta(days=self.policy.interview_from_days) if base else None

    @property
    def interview(self) -> f.InterviewHeld | None:
        """The interview that counts: held, and not earlier than the settings allow."""
        earliest = self.interview_from
        if earliest is None:
            return None
        held = (i for i in self.interviews if i.held_on and i.held_on >= earliest)
        return next(held, None)

    @property
    def interview_closed(self) -> f.InterviewHeld | None:
        """The last of the tries after which the interview is closed as not held."""
        tries = [i for i in self.interviews if i.tried_on]
        if self.interview or len(tries) < self.policy.interview_tries:
            return None
        return tries[self.policy.interview_tries - 1]

    @property
    def verdict(self) -> str | None:
        """The verdict of the interview, computed (PROCESS section 4)."""
        if self.interview_closed:
            return "not_held"
        held = self.interview
        if held is None or held.score is None:
            return None
        mastered = (held.masters_system, held.masters_incident_procedure)
        if held.score < self.policy.verdict_redo_score or not any(mastered):
            return "to_be_redone"
        if held.score >= self.policy.verdict_success_score and all(mastered) and not held.actions:
            return "succeeded"
        return "succeeded_with_actions"


_FALLBACKS: Final[dict[str, tuple[Party, ...]]] = {
    "technical_contact": ("technical_lead",),
    "primary_user": ("technical_lead",),
    "account_manager": ("sales", "head_of_projects"),
    "project_manager": ("head_of_projects",),
    "head_of_projects": (),
}
"""PROCESS section 1: who stands in for a missing person."""


def _recipient(role: Party, person: Person) -> Recipient:
    return Recipient(
        role=role, name=person.name, email=person.email, job=person.job, phone=person.phone
    )


def one_a_mailbox(people: Iterable[Recipient | None]) -> list[Recipient]:
    """The same people without repetition: one person may hold several roles."""
    distinct: dict[str, Recipient] = {}
    for person in people:
        if person is not None:
            distinct.setdefault(person.mailbox, person)
    return list(distinct.values())


# How each fact changes what is known

_Folding = Callable[[Onboarding, Any, datetime], None]
_FOLDS: dict[type[Fact], _Folding] = {}
_F = TypeVar("_F", bound=Fact)


def _folds(model: type[_F]) -> Callable[[Callable[[Onboarding, _F, datetime], None]], None]:
    def register(fold: Callable[[Onboarding, _F, datetime], None]) -> None:
        _FOLDS[model] = fold

    return register


@_folds(f.ContactReplaced)
def _(o: Onboarding, fact: f.ContactReplaced, received_at: datetime) -> None:
    o.appoint(fact.role, fact.person, received_at)


@_folds(f.KickoffPlanned)
def _(o: Onboarding, fact: f.KickoffPlanned, _at: datetime) -> None:
    o.kickoff_plans.append(fact)


@_folds(f.KickoffHeld)
def _(o: Onboarding, fact: f.KickoffHeld, received_at: datetime) -> None:
    o.kickoff = fact
    for phase in fact.phases:
        slot = Slot(phase.starts_at, phase.ends_at, phase.site, received_at)
        o.phases[phase.id] = Phase(phase.id, phase.title, phase.works, [slot])


@_folds(f.AuditConcluded)
def _(o: Onboarding, fact: f.AuditConcluded, _at: datetime) -> None:
    o.audit = fact
    # KeyError when a correction of the work plan takes one of these phases away.
    o.scope_phases = (
        [o.phases[id_] for id_ in fact.scope_change.phases] if fact.scope_change else []
    )


@_folds(f.ScopeChangeAnswered)
def _(o: Onboarding, fact: f.ScopeChangeAnswered, _at: datetime) -> None:
    o.scope_answer = fact


@_folds(f.PhasePlanned)
def _(o: Onboarding, fact: f.PhasePlanned, received_at: datetime) -> None:
    known_at = fact.notice_sent_at or received_at
    slot = Slot(fact.starts_at, fact.ends_at, fact.site, known_at, fact)
    phase = o.phases.setdefault(fact.id, Phase(fact.id, fact.title, fact.works, []))
    phase.title, phase.works = fact.title, fact.works
    phase.slots.append(slot)


@_folds(f.PhaseCancelled)
def _(o: Onboarding, fact: f.PhaseCancelled, _at: datetime) -> None:
    o.phases[fact.id].cancelled = fact


@_folds(f.PhaseCompleted)
def _(o: Onboarding, fact: f.PhaseCompleted, received_at: datetime) -> None:
    phase = o.phases[fact.id]
    phase.completed_at, phase.completion_known_at = fact.completed_at, received_at


@_folds(f.ProgressReported)
def _(o: Onboarding, fact: f.ProgressReported, _at: datetime) -> None:
    o.reports[iso_week(fact.held_on)] = fact


@_folds(f.DeviationDeclared)
def _(o: Onboarding, fact: f.DeviationDeclared, received_at: datetime) -> None:
    o.phases[fact.phase].declarations.append((fact, received_at))


@_folds(f.TrainingPlanned)
def _(o: Onboarding, fact: f.TrainingPlanned, received_at: datetime) -> None:
    last = o.trainings[-1] if o.trainings else None
    # It may be known as held before the plan that it answers to.
    if last and (not last.held or paris_day(fact.starts_at) <= last.held.held_on):
        last.plans.append(fact)
    else:
        o.trainings.append(Training([fact], received_at))


@_folds(f.TrainingHeld)
def _(o: Onboarding, fact: f.TrainingHeld, _at: datetime) -> None:
    o.trainings[-1].held = fact


@_folds(f.Commissioned)
def _(o: Onboarding, fact: f.Commissioned, _at: datetime) -> None:
    o.commissioned = fact


@_folds(f.RecettePlanned)
def _(o: Onboarding, fact: f.RecettePlanned, received_at: datetime) -> None:
    if recette := o.recette_of(fact, received_at):
        recette.plans.append(fact)
    else:
        o.recettes.append(Recette([fact], received_at))


@_folds(f.RecetteSignedOff)
def _(o: Onboarding, fact: f.RecetteSignedOff, _at: datetime) -> None:
    named = fact.sites or o.sites_of(None)
    concerned = [
        recette
        for recette in o.recettes_to_hold
        if not set(named).isdisjoint(o.sites_of(recette.plans[-1].site))
    ]
    # Minutes are kept once, even when they conclude several recettes: by one of these sites only.
    concerned.sort(key=lambda recette: recette.plans[-1].site is None)
    concerned[0].signed.append(fact)
    for recette in concerned:
        # Minutes that refuse may come after the plan of the recette that follows: it stays.
        replanned = len(recette.plans) > 1 and (
            fact.effective_on < paris_day(recette.plans[-1].starts_at)
        )
        if fact.decision in ("refused", "adjourned") and replanned:
            continue
        if {*o.accepted_sites, *named}.issuperset(o.sites_of(recette.plans[-1].site)):
            recette.concluded_on = fact.effective_on
    if fact.decision not in ("accepted", "accepted_with_reserves"):
        return
    for site in named:
        o.accepted_sites[site] = fact.effective_on
    for reserve in fact.reserves:
        _note(o, reserve, fact.effective_on, "Réserve émise à la recette")


@_folds(f.ReserveAdded)
def _(o: Onboarding, fact: f.ReserveAdded, _at: datetime) -> None:
    if not o.accepted_sites:
        # A correction takes away the acceptance that this réserve came after.
        raise LookupError
    _note(o, fact, fact.found_on, "Réserve ajoutée")
    o.reserves[fact.number].added = True


def _note(o: Onboarding, reserve: f.Reserve, noted_on: date, what: str) -> None:
    due_on = o.reserve_due_on(reserve, noted_on)
    noted = ReserveEvent(noted_on, what, "open")
    o.reserves[reserve.number] = ReserveStory(reserve, due_on, noted_on, [noted])


@_folds(f.ReserveFixed)
def _(o: Onboarding, fact: f.ReserveFixed, received_at: datetime) -> None:
    story = o.reserves[fact.number]
    story.fixes.append((fact, received_at))
    what = "Déclarée corrigée par Mileo"
    story.log(ReserveEvent(fact.fixed_on, what, "fixed", reason=fact.evidence))


@_folds(f.ReserveLifted)
def _(o: Onboarding, fact: f.ReserveLifted, _at: datetime) -> None:
    what = "Levée constatée par le client"
    o.reserves[fact.number].log(ReserveEvent(fact.lifted_on, what, "lifted", fact.by))


@_folds(f.ReserveLiftingRefused)
def _(o: Onboarding, fact: f.ReserveLiftingRefused, _at: datetime) -> None:
    what = "Levée refusée par le client"
    o.reserves[fact.number].log(ReserveEvent(fact.refused_on, what, "open", fact.by, fact.reason))


@_folds(f.DoePieceFiled)
def _(o: Onboarding, fact: f.DoePieceFiled, _at: datetime) -> None:
    o.pieces[o.place_of(fact)] = fact


@_folds(f.DoeReleased)
def _(o: Onboarding, fact: f.DoeReleased, _at: datetime) -> None:
    o.doe_releases.append(fact)


@_folds(f.DoeReceived)
def _(o: Onboarding, fact: f.DoeReceived, _at: datetime) -> None:
    o.doe_received = fact


@_folds(f.MaintenanceDateSet)
def _(o: Onboarding, fact: f.MaintenanceDateSet, _at: datetime) -> None:
    o.maintenance_dates.append(fact)


@_folds(f.PresentationPlanned)
def _(o: Onboarding, fact: f.PresentationPlanned, _at: datetime) -> None:
    o.presentation_plans.append(fact)


@_folds(f.InterviewPlanned)
def _(o: Onboarding, fact: f.InterviewPlanned, _at: datetime) -> None:
    o.interview_plans.append(fact)


@_folds(f.MaintenancePresented)
def _(o: Onboarding, fact: f.MaintenancePresented, _at: datetime) -> None:
    o.presented = fact


@_folds(f.OpenPointSettled)
def _(o: Onboarding, fact: f.OpenPointSettled, _at: datetime) -> None:
    o.settled.append(fact)


@_folds(f.InterviewHeld)
def _(o: Onboarding, fact: f.InterviewHeld, _at: datetime) -> None:
    o.interviews.append(fact)


@_folds(f.ReserveContested)
def _(o: Onboarding, fact: f.ReserveContested, _at: datetime) -> None:
    what = "Contestée par Mileo"
    o.reserves[fact.number].log(ReserveEvent(fact.on, what, "contested", fact.by, fact.reason))


@_folds(f.ReserveWithdrawn)
def _(o: Onboarding, fact: f.ReserveWithdrawn, _at: datetime) -> None:
    what = "Retirée par le client"
    o.reserves[fact.number].log(ReserveEvent(fact.on, what, "withdrawn", fact.by, fact.reason))


@_folds(f.LimitMoved)
def _(o: Onboarding, fact: f.LimitMoved, _at: datetime) -> None:
    o.moved_limits[(fact.obligation, fact.key)] = fact
    if fact.obligation == "O12" and fact.key:
        o.reserves[int(fact.key)].due_on = fact.due_on


@_folds(f.OnboardingSuspended)
def _(o: Onboarding, fact: f.OnboardingSuspended, received_at: datetime) -> None:
    o.suspensions.append(Suspension(received_at, fact.reason))


@_folds(f.OnboardingResumed)
def _(o: Onboarding, _fact: f.OnboardingResumed, received_at: datetime) -> None:
    o.suspensions[-1].resumed_at = received_at
    for phase in o.phases.values():
        if phase.slot.plan and not phase.ended:
            slot = phase.slot
            phase.slots.append(
                Slot(slot.starts_at, slot.ends_at, slot.site, received_at, after_suspension=True)
            )


@_folds(f.OnboardingCancelled)
def _(o: Onboarding, fact: f.OnboardingCancelled, _at: datetime) -> None:
    o.cancelled = fact
