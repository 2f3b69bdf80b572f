"""Order does not matter, duplication does not matter (PROCESS 6.1).

A plausible onboarding is told in its plain order, then again shuffled, repeated and late: it ends
the same. Only traces of refusals, versions of documents, and the instants of mails may differ.

What is *plausible*:

- a fact that states the past comes in any order, and late; a phase's completion not later than
  the morning check that would declare a deviation;
- a planning fact asks for something to be sent ahead: it comes late only while what it plans is
  still far enough ahead (72 h for a phase);
- successive plans of one kick-off, phase, training or recette keep their mutual order: nothing
  but the order of arrival tells which is the newer. A deviation and the move that it announces
  are told on the day: it is detected when it becomes known;
- what is refused is sent again, once the rest is known;
- a repeat bears the same ``fact_id``, or none where it states what is still held.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from unittest.mock import ANY

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.scenarios import Story
from process import maintenance, rules
from process.calendar import at, iso_week, paris_day
from process.documents import document_reference
from process.obligations import deadlines
from process.orders import IssuedDocument, Sending, SentMail
from process.record import IssuedSending
from process.reminders import note_known
from process.vocabulary import DOE_FAMILY_NAMES
from tests.builders import PRESENT, Case, Payload, contract, one_site
from workflows.agenda import look
from workflows.client_onboarding import reminders_as_sendings
from workflows.intake import Intake
from workflows.reporting import status
from workflows.steps import current_step

DAY: Final = timedelta(days=1)
EVENING: Final = timedelta(hours=4)
"""A fact told that late is still told on the day that it states."""


@dataclass(frozen=True)
class Told:
    """A fact of the plain order, and how it may be told otherwise."""

    at: datetime
    name: str
    payload: Payload
    late: timedelta = timedelta()
    """How much later it may come."""
    series: str | None = None
    """Those of one series keep their order."""


calm = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# The plausible onboarding


def plausible(story: Story, *, moved: bool, withdrawn: bool) -> list[Told]:
    """Everything that is told before the activation, in its plain order.

    Args:
        story: the dates, counted in jours ouvrés from the signature.
        moved: whether a phase, the training and the recette are moved after they were planned.
        withdrawn: whether the contested réserve is withdrawn, rather than lifted.
    """
    told = [
        *_beginning(story),
        *_deployment(story, moved=moved),
        *_handover(story, moved=moved),
        *_levees(story, withdrawn=withdrawn),
        *_doe(story),
    ]
    return sorted(told, key=lambda one: one.at)


def _beginning(j: Story) -> Iterator[Told]:
    for told, hour in ((1, 14), (2, 15)):
        plan = {"starts_at": j.iso(4, hour), "place": "Angers"}
        yield Told(j.instant(told, 10), "kickoff_planned", plan, series="kickoff")
    held = {"held_on": j.day(4), "attendees": ["Chef"], "phases": [_p1(j), _p2(j, 20), _p3(j)]}
    yield Told(j.instant(4, 17), "kickoff_held", held, DAY)
    if j.contract.audit_is_owed:
        change = {"title": "Onduleur", "reason": "Baie non secourue", "phases": ["P2"]}
        audit = {"concluded_on": j.day(6), "conclusions": "x", "scope_change": change}
        answer = {"accepted": True, "answered_on": j.day(8), "by": "Décideuse"}
        yield Told(j.instant(6, 16), "audit_concluded", audit, DAY)
        yield Told(j.instant(8, 11), "scope_change_answered", answer, 2 * DAY)
    new = {"name": "Léa Roux", "email": "l.roux@mileo.example"}
    yield Told(
        j.instant(9, 9), "contact_replaced", {"role": "project_manager", "person": new}, 9 * DAY
    )
    limit = {"obligation": "O12", "key": "1", "due_on": j.day(52), "by": "x", "reason": "y"}
    yield Told(j.instant(44, 9), "limit_moved", limit, 2 * DAY)


def _phase(j: Story, id_: str, first: int, last: int) -> Payload:
    return {
        "id": id_,
        "title": f"Phase {id_}",
        "site": j.contract.sites[-1 if id_ == "P2" else 0].code,
        "starts_at": j.iso(first, 8),
        "ends_at": j.iso(last, 18),
        "works": ["Pose"],
    }


def _p1(j: Story) -> Payload:
    return _phase(j, "P1", 14, 16)


def _p3(j: Story) -> Payload:
    return _phase(j, "P3", 25, 26)


def _p2(j: Story, first: int) -> Payload:
    return _phase(j, "P2", first, first + 2)


def _deployment(j: Story, *, moved: bool) -> Iterator[Told]:
    yield Told(j.instant(7, 11), "phase_planned", _p1(j), 2 * DAY)
    yield Told(j.instant(9, 11), "phase_planned", _p2(j, 20), DAY, "P2")
    if moved:
        why = {"phase": "P2", "cause": "Livraison", "measures": ["Équipe doublée"]}
        yield Told(j.instant(13, 10), "deviation_declared", why)
        yield Told(j.instant(13, 11), "phase_planned", _p2(j, 21), series="P2")
    # Never made firm: of a phase that is cancelled before its schedule left, none leaves.
    cancelled = {"id": "P3", "reason": "Parc retiré"}
    yield Told(j.instant(16, 11), "phase_cancelled", cancelled, DAY)
    over = 23 if moved else 22
    for id_, last in (("P1", 16), ("P2", over)):
        done = {"id": id_, "completed_at": j.iso(last, 16)}
        yield Told(j.instant(last, 17), "phase_completed", done, timedelta(hours=12))
    weeks: dict[str, int] = {}
    for day in range(14, over + 1):
        weeks.setdefault(iso_week(j.j(day)), day)
    for day in weeks.values():
        report = {"held_on": j.day(day), "done": ["Pose"], "next": []}
        yield Told(j.instant(day, 12), "progress_reported", report, 5 * DAY)


def _handover(j: Story, *, moved: bool) -> Iterator[Told]:
    training = {
        "site": j.contract.sites[0].code,
        "trainer": "Référent",
        "trainees": ["Utilisatrice"],
    }
    for told, on in ((18, 30), (19, 31))[: 1 + moved]:
        plan = {**training, "starts_at": j.iso(on, 9)}
        yield Told(j.instant(told, 10), "training_planned", plan, DAY, "training")
    for told, on in ((22, 34), (23, 35))[: 1 + moved]:
        yield Told(
            j.instant(told, 10), "recette_planned", {"starts_at": j.iso(on, 10)}, DAY, "recette"
        )
    yield Told(j.instant(29, 17), "commissioned", {"commissioned_on": j.day(29)}, 9 * DAY)
    held = {"held_on": j.day(30 + moved), "trainees": ["Utilisatrice"]}
    yield Told(j.instant(30 + moved, 17), "training_held", held, 3 * DAY)
    minutes = {
        "effective_on": j.day(34 + moved),
        "decision": "accepted_with_reserves",
        "present": PRESENT,
        "reserves": [_reserve(1, "major"), _reserve(2, "blocking"), _reserve(3, "minor")],
    }
    yield Told(j.instant(34 + moved, 16), "recette_signed_off", minutes, 3 * DAY)


def _reserve(number: int, severity: str) -> Payload:
    return {"number": number, "title": f"Défaut {number}", "severity": severity}


def _levees(j: Story, *, withdrawn: bool) -> Iterator[Told]:
    added = {**_reserve(4, "minor"), "found_on": j.day(37)}
    yield Told(j.instant(37, 10), "reserve_added", added, 2 * DAY)
    for number, on in ((1, 38), (2, 38), (1, 41), (4, 41)):
        fixed = {"number": number, "fixed_on": j.day(on), "evidence": f"Essai du {on}"}
        yield Told(j.instant(on, 11), "reserve_fixed", fixed, 4 * DAY)
    refused = {"number": 1, "refused_on": j.day(39), "by": "Dsi", "reason": "Flou de nuit"}
    yield Told(j.instant(39, 11), "reserve_lifting_refused", refused, 4 * DAY)
    for number, on in ((2, 39), (4, 42), (1, 43)):
        lifted = {"number": number, "lifted_on": j.day(on), "by": "Dsi"}
        yield Told(j.instant(on, 15), "reserve_lifted", lifted, 3 * DAY)
    contested = {"number": 3, "on": j.day(38), "by": "Chef", "reason": "Hors du marché"}
    yield Told(j.instant(38, 12), "reserve_contested", contested, 4 * DAY)
    if withdrawn:
        end = {"number": 3, "on": j.day(40), "by": "Dsi", "reason": "Vitrine occultée"}
        yield Told(j.instant(40, 12), "reserve_withdrawn", end, 3 * DAY)
    else:
        end = {"number": 3, "lifted_on": j.day(40), "by": "Dsi"}
        yield Told(j.instant(40, 12), "reserve_lifted", end, 3 * DAY)


def _doe(j: Story) -> Iterator[Told]:
    every = [item.tag for item in j.contract.equipment]
    for day, family in enumerate(DOE_FAMILY_NAMES, start=40):
        # Without a file: the run in small reads none.
        stated = {"family": family, "name": family, "equipment": every}
        piece = {**stated, "not_applicable_reason": "Sans objet"}
        yield Told(j.instant(day, 9), "doe_piece_filed", piece, 4 * DAY)
    yield Told(j.instant(46, 10), "doe_released", {"released_on": j.day(46), "by": "x"}, 3 * DAY)
    yield Told(j.instant(48, 10), "doe_received", {"received_on": j.day(48), "by": "x"}, 5 * DAY)


def ending(story: Story, day: date) -> list[Told]:
    """What follows the activation, or the final acceptance without a maintenance contract."""
    j = story.calendar
    interview_on = j.worked_from(day + 25 * DAY)
    interview = {
        "held_on": interview_on.isoformat(),
        "score": 9,
        "masters_system": True,
        "masters_incident_procedure": True,
    }
    held = Told(at(interview_on, time(15)), "interview_held", interview)
    if not story.contract.maintenance:
        return [held]
    call = j.add(day, 3)
    presented = {"held_on": call.isoformat()}
    return [Told(at(call, time(11)), "maintenance_presented", presented, 8 * DAY), held]


# The run in small


class Run:
    """What ``ClientOnboarding`` does with its facts, its mails and its clock; every mail server
    accepts within a second."""

    def __init__(self, source: Payload) -> None:
        self.o = Case(source).o
        self.intake = Intake(self.o)
        self.now = self.o.contract.signed_at
        self.mails: Counter[tuple[str, str]] = Counter()
        self.refused: list[tuple[str, Payload]] = []
        self.over = False
        self.pass_until(self.now)

    def hear(self, name: str, payload: Payload) -> None:
        """Take a fact; a refused one is kept by its sender, who will send it again."""
        assert not self.over, f"{name} comes after the end"
        try:
            self.intake.take(name, (payload,), self.now)
        except rules.Refused:
            self.refused.append((name, payload))
        self._refused_late()

    def send_again(self) -> None:
        """Send the refused facts again, until none of them is taken any more."""
        before = -1
        while before != len(self.refused):
            before = len(self.refused)
            again, self.refused = self.refused, []
            for name, payload in again:
                self.hear(name, payload)

    def _refused_late(self) -> None:
        """What waited and was refused in the end is sent again too."""
        for one in self.o.record.rejected:
            self.refused.append((one.fact, json.loads(one.payload)))
        self.o.record.rejected.clear()

    def pass_until(self, instant: datetime) -> None:
        """Let time pass; whatever falls due meanwhile is done."""
        while (wake := self._settle()) and wake <= instant:
            self.now = max(self.now, wake)
        self.now = max(self.now, instant)
        self._settle()

    def _settle(self) -> datetime | None:
        """Look and do, until nothing is left to do now; the next instant that matters."""
        o = self.o
        while not self.over:
            self._activate()
            self.intake.try_waiting(self.now)
            self._refused_late()
            held = deadlines(o, self.now)
            note_known(o, held, self.now)
            agenda = look(o, held, self.now)
            o.record.looked_at, o.record.rung_at = self.now, agenda.rung_at
            due = [*agenda.sendings, *reminders_as_sendings(o, agenda.reminders)]
            if not due:
                self.over = current_step(o) is None
                return agenda.wake.at if agenda.wake else None
            for sending in due:
                self._send(sending)
            self.now += timedelta(seconds=1)
        return None

    def _activate(self) -> None:
        o, planned = self.o, maintenance.activation_at(self.o, self.now)
        if not planned or planned > self.now or o.record.activated_at or maintenance.is_blocked(o):
            return
        late = paris_day(planned) < paris_day(self.now) or planned > o.record.looked_at
        o.record.activated_at = planned if late else self.now

    def _send(self, sending: Sending) -> None:
        record, accepted_at = self.o.record, self.now + timedelta(seconds=1)
        entry = record.sendings[sending.key] = IssuedSending(
            kind=sending.kind, started_at=self.now, state="done"
        )
        for issued in sending.documents:
            subjects = record.document_subjects.setdefault(issued.kind, [])
            if issued.subject not in subjects:
                subjects.append(issued.subject)
            stem = f"{issued.kind}:{issued.subject}"
            version = record.document_versions[stem] = record.document_versions.get(stem, 0) + 1
            number = subjects.index(issued.subject) + 1
            reference = document_reference(issued.kind, self.o.contract.reference, number, version)
            entry.documents.append(reference)
            record.documents.append(
                IssuedDocument(
                    kind=issued.kind,
                    reference=reference,
                    version=version,
                    sha256="",
                    size=0,
                    issued_at=self.now,
                )
            )
        for who in sending.to:
            address = who.email or who.role
            self.mails[sending.key, address] += 1
            entry.mails.append(
                SentMail(to=address, role=who.role, message_id="", accepted_at=accepted_at)
            )

    def outcome(self) -> dict[str, Any]:
        """What must be the same whatever the order; what must hold in any order."""
        assert self.over, "the seven steps are over"
        assert not self.refused, "no fact is lost"
        assert not self.o.record.waiting, "none is left waiting"
        assert max(self.mails.values()) == 1, "no mail leaves twice"
        held = deadlines(self.o, self.now)
        return essence(status(self.o, held, self.now, completed=True).model_dump(mode="json"))


def essence(status: dict[str, Any]) -> dict[str, Any]:
    """What of a ``status`` does not depend on the order in which the facts came."""
    return {
        "deadlines": {
            f"{one['obligation']} {one['key'] or ''}".strip(): (one["due_at"], one["state"])
            for one in status["deadlines"]
        },
        "phases": sorted(
            (one["id"], one["starts_at"], one["ends_at"], one["state"]) for one in status["phases"]
        ),
        "reserves": sorted(
            (one["number"], one["due_on"], one["state"], sorted(map(str, one["history"])))
            for one in status["reserves"]
        ),
        "documents": sorted(
            {(one["kind"], one["reference"].rsplit("-", 2)[1]) for one in status["documents"]}
        ),
        "doe": status["doe"]["missing"],
        "maintenance": (
            status["maintenance"]["effective_on"],
            (status["maintenance"]["activated_at"] or "")[:10] or None,
        ),
        "interview": status["interview"],
    }


# The disorder


@dataclass(frozen=True)
class Plot:
    """One plausible onboarding."""

    source: Payload
    moved: bool
    withdrawn: bool

    @property
    def story(self) -> Story:
        o = Case(self.source).o
        return Story(o.contract, o.calendar, o.signed_on)

    @property
    def told(self) -> list[Told]:
        return plausible(self.story, moved=self.moved, withdrawn=self.withdrawn)

    @property
    def ending(self) -> list[Told]:
        """Effective with the last levée, or at the date of the contract."""
        story = self.story
        maintained = story.contract.maintenance
        fixed = maintained.effective if maintained else "on_acceptance"
        base = story.j(43) if fixed == "on_acceptance" else fixed
        return ending(story, base)


UNMAINTAINED: Final = {"maintenance": None}
PLOTS: Final = [
    Plot(contract(), moved=True, withdrawn=True),
    Plot(contract(), moved=False, withdrawn=False),
    Plot(contract(maintenance__effective="2026-06-08"), moved=True, withdrawn=False),
    Plot(contract(**UNMAINTAINED), moved=True, withdrawn=True),
    Plot(one_site(**UNMAINTAINED), moved=False, withdrawn=False),
]
plots = st.integers(0, len(PLOTS) - 1)


def copy(told: list[Told], rank: int, *, anonymous: bool) -> tuple[str, Payload]:
    """That fact as it is sent. Those of a series need their ``fact_id``: the plan that a late
    repeat states may not be the one that is held."""
    one = told[rank]
    nameless = anonymous and not one.series
    return one.name, one.payload if nameless else {**one.payload, "fact_id": f"f-{rank}"}


def in_series(told: list[Told], ranks: list[int]) -> list[int]:
    """The same arrivals, where the facts of one series first come in their order."""
    for series in {one.series for one in told if one.series}:
        members = [rank for rank, one in enumerate(told) if one.series == series]
        met = dict.fromkeys(rank for rank in ranks if rank in members)
        new = dict(zip(met, members, strict=True))
        ranks = [new.get(rank, rank) for rank in ranks]
    return ranks


# (a) Everything within one early minute


@dataclass(frozen=True)
class Shuffle:
    """Facts told within one minute: which, without ``fact_id``, and when mails leave between."""

    ranks: list[int]
    anonymous: set[int]
    pauses: set[int]


def early(plot: Plot) -> tuple[list[Told], list[Told]]:
    """What may be told long before it happens, then what is told in its time. The presentation
    and the interview wait for the activation; without one they would end the run at once."""
    maintained = plot.story.contract.maintenance
    return (plot.told + plot.ending, []) if maintained else (plot.told, plot.ending)


@st.composite
def shuffles(draw: st.DrawFn) -> tuple[int, Shuffle]:
    plot = draw(plots)
    told, _ = early(PLOTS[plot])
    repeats = draw(st.lists(st.integers(0, len(told) - 1), max_size=20))
    ranks = in_series(told, draw(st.permutations([*range(len(told)), *repeats])))
    some = st.sets(st.integers(0, len(ranks) - 1))
    return plot, Shuffle(ranks, draw(some), draw(some))


def minute(plot: Plot, shuffle: Shuffle) -> dict[str, Any]:
    """The outcome of facts told in that order, within a minute of the signature."""
    told, later = early(plot)
    run = Run(plot.source)
    run.pass_until(run.now + timedelta(hours=1))
    for place, rank in enumerate(shuffle.ranks):
        run.hear(*copy(told, rank, anonymous=place in shuffle.anonymous))
        if place in shuffle.pauses:
            run.pass_until(run.now + timedelta(seconds=1))
    run.send_again()
    for one in later:
        run.pass_until(one.at)
        run.hear(one.name, one.payload)
    run.pass_until(plot.ending[-1].at + DAY)
    return run.outcome()


def all_in_order(plot: Plot) -> Shuffle:
    ranks = list(range(len(early(plot)[0])))
    return Shuffle(ranks, anonymous=set(), pauses=set(ranks))


@lru_cache
def in_plain_order(plot: int) -> dict[str, Any]:
    return minute(PLOTS[plot], all_in_order(PLOTS[plot]))


@calm
@given(shuffles())
def test_everything_told_at_once_in_any_order_ends_the_same(
    shuffle: tuple[int, Shuffle],
) -> None:
    plot, disorder = shuffle
    assert minute(PLOTS[plot], disorder) == in_plain_order(plot)


@pytest.mark.parametrize("series", ["kickoff", "P2", "training", "recette"])
def test_a_move_known_after_all_the_rest_still_counts(series: str) -> None:
    told, _ = early(PLOTS[0])
    ranks = list(range(len(told)))
    moved = max(rank for rank in ranks if told[rank].series == series)
    disorder = Shuffle([*(rank for rank in ranks if rank != moved), moved], set(), set(ranks))
    assert minute(PLOTS[0], disorder) == in_plain_order(0)


def test_minutes_that_refuse_may_come_after_the_plan_of_the_recette_that_follows() -> None:
    run = Run(contract())
    minutes = {"present": PRESENT, "reserves": []}
    for day in ("2026-05-05", "2026-05-12"):
        run.hear("recette_planned", {"starts_at": f"{day}T10:00:00+02:00"})
        run.pass_until(run.now + DAY)
    for day, decision in (("2026-05-05", "refused"), ("2026-05-12", "accepted")):
        run.hear("recette_signed_off", {**minutes, "effective_on": day, "decision": decision})
        run.pass_until(run.now + DAY)
    assert not run.o.record.waiting
    assert str(run.o.fully_accepted_on) == "2026-05-12"
    sent = [key for key in run.o.record.sendings if key.startswith("recette_")]
    assert sent == [
        "recette_convocation:1:1",
        "recette_convocation:1:2",
        "recette_minutes:1",
        "recette_minutes:1-2",
    ]


# (b) Each in its time, or late


Arrivals = list[tuple[datetime, int, bool]]
"""When each fact is told, first and again: the instant, its rank, and whether it bears no
``fact_id``."""


def in_disorder(
    told: list[Told], shares: list[float], again: list[tuple[int, int]], most: timedelta
) -> list[tuple[datetime, int]]:
    """When each fact comes, with its rank: that share of its delay late, and again some hours
    after that. The last fact ends the run: it comes last."""
    first = [
        (one.at + min(one.late, most) * share, rank)
        for rank, (one, share) in enumerate(zip(told, shares, strict=True))
    ]
    last = first.pop()
    repeats = [(first[rank][0] + timedelta(hours=later), rank) for rank, later in again]
    sent = sorted(one for one in [*first, *repeats] if one < last)
    ranks = in_series(told, [rank for _, rank in sent])
    return [
        (instant, rank) for (instant, _), rank in zip([*sent, last], [*ranks, last[1]], strict=True)
    ]


@st.composite
def delays(draw: st.DrawFn, most: timedelta) -> tuple[int, Arrivals]:
    plot = draw(plots)
    told = PLOTS[plot].told + PLOTS[plot].ending
    n = len(told)
    shares = draw(st.lists(st.sampled_from([0, 0.25, 0.5, 1]), min_size=n, max_size=n))
    again = draw(st.lists(st.tuples(st.integers(0, n - 2), hours), max_size=15))
    sent = in_disorder(told, shares, again, most)
    nameless = draw(st.sets(st.integers(0, len(sent) - 1)))
    return plot, [(instant, rank, nth in nameless) for nth, (instant, rank) in enumerate(sent)]


hours = st.sampled_from([0, 1, 20, 72, 240])


def lived(plot: Plot, arrivals: Arrivals) -> dict[str, Any]:
    """The outcome of facts told at these instants."""
    told = plot.told + plot.ending
    run = Run(plot.source)
    for instant, rank, anonymous in arrivals:
        run.pass_until(instant)
        run.hear(*copy(told, rank, anonymous=anonymous))
        run.send_again()
    run.pass_until(plot.ending[-1].at + DAY)
    return run.outcome()


@lru_cache
def in_time(plot: int) -> dict[str, Any]:
    told = PLOTS[plot].told + PLOTS[plot].ending
    return lived(PLOTS[plot], [(one.at, rank, False) for rank, one in enumerate(told)])


@calm
@given(delays(EVENING))
def test_facts_that_come_by_the_evening_end_the_same(delay: tuple[int, Arrivals]) -> None:
    plot, arrivals = delay
    assert lived(PLOTS[plot], arrivals) == in_time(plot)


SENT: Final = {"O2", "O4", "O9", "O14"}
"""Met by a mail that leaves once a fact is known, on the very day: they bear the fact's delay."""


@calm
@given(delays(9 * DAY))
def test_facts_that_come_days_late_change_nothing_but_the_day_of_their_mails(
    delay: tuple[int, Arrivals],
) -> None:
    late, plain = lived(PLOTS[delay[0]], delay[1]), in_time(delay[0])
    for key, (due, state) in plain["deadlines"].items():
        if key.partition(" ")[0] in SENT and state == "met":
            plain = {**plain, "deadlines": {**plain["deadlines"], key: (due, ANY)}}
    assert late == plain


@pytest.mark.parametrize("plot", range(len(PLOTS)))
def test_the_plain_order_is_an_onboarding_that_goes_well(plot: int) -> None:
    outcome = in_time(plot)
    states = {state for _, state in outcome["deadlines"].values()}
    assert states <= {"met", "void"}
    assert outcome["interview"] == {"verdict": "succeeded"}
    assert outcome["maintenance"][0] == outcome["maintenance"][1]
