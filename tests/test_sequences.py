"""Whatever is told, in whatever order: an onboarding never breaks (PROCESS, section 6).

A small simulation of the run: facts come in any order, mails are accepted or refused, days pass.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process import maintenance, rules
from process.facts import FactCorrected
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.orders import SentMail
from process.policy import Policy
from process.record import IssuedSending, RejectedFact, WaitingFact
from process.reminders import note_known
from process.vocabulary import DOE_FAMILY_NAMES
from tests.builders import (
    PRESENT,
    Case,
    Payload,
    contract,
    iso,
    one_site,
    person,
    phase,
    reserve,
    t,
)
from workflows.agenda import look
from workflows.page import details
from workflows.reporting import projection, status
from workflows.steps import STEPS, current_step

DAYS = [f"2026-{day}" for day in ("03-25", "04-03", "04-13", "04-30", "05-05", "05-30", "06-15")]
day = st.sampled_from(DAYS)
number = st.integers(1, 3)
id_ = st.sampled_from(["P1", "P2", "P3"])
site = st.sampled_from(["ANGERS", "COLMAR"])
text = st.sampled_from(["a", "b"])
flag = st.booleans()


def instant(hours: tuple[int, ...] = (8, 14)) -> st.SearchStrategy[str]:
    return st.builds(lambda on, hour: iso(f"{on} {hour:02d}:00"), day, st.sampled_from(hours))


def dicts(**fields: Any) -> st.SearchStrategy[Payload]:
    given_fields = {
        name: field if isinstance(field, st.SearchStrategy) else st.just(field)
        for name, field in fields.items()
    }
    return st.fixed_dictionaries(given_fields)


@st.composite
def slots(draw: st.DrawFn) -> Payload:
    start = t(f"{draw(day)} 08:00") + timedelta(days=draw(st.integers(0, 2)))
    end = start + timedelta(hours=draw(st.sampled_from([4, 34, 400])))
    given_site = draw(site)
    return {
        **phase(draw(id_), site=given_site),
        "starts_at": start.isoformat(),
        "ends_at": end.isoformat(),
    }


reserves = st.builds(
    reserve,
    number,
    st.sampled_from(["blocking", "major", "minor"]),
)
waiver = st.sampled_from([{}, {"waiver": {"by": "Dsi", "on": "2026-04-01", "reason": "x"}}])
PIECE = {"name": "x", "uri": "x.pdf", "equipment": ["VMS-01", "SW-01"]}
one_fact: dict[str, st.SearchStrategy[Payload]] = {
    "kickoff_planned": dicts(starts_at=instant(), place=text),
    "kickoff_held": dicts(
        held_on=day, attendees=[], phases=st.lists(slots(), min_size=1, max_size=3,
                                                   unique_by=lambda one: one["id"])
    ),
    "audit_concluded": dicts(
        concluded_on=day,
        conclusions=text,
        scope_change=st.none() | dicts(title="x", reason="y", phases=st.lists(id_, max_size=1)),
    ),
    "scope_change_answered": dicts(accepted=flag, answered_on=day, by=text),
    "phase_planned": st.builds(lambda slot, more: {**slot, **more}, slots(), waiver),
    "phase_cancelled": dicts(id=id_, reason=text),
    "phase_completed": dicts(id=id_, completed_at=instant((7, 12, 20))),
    "progress_reported": dicts(held_on=day, done=[], next=[]),
    "deviation_declared": dicts(phase=id_, cause=text, measures=["m"]),
    "training_planned": dicts(starts_at=instant(), site=site, trainer=text, trainees=[]),
    "training_held": dicts(held_on=day, trainees=[]),
    "commissioned": dicts(commissioned_on=day, override_reason=st.none() | text),
    "recette_planned": st.builds(
        lambda at, where: {"starts_at": at, **({"site": where} if where else {})},
        instant(),
        st.none() | st.none() | site,
    ),
    "recette_signed_off": st.builds(
        lambda on, where, decision, noted: {
            "effective_on": on,
            "sites": where,
            "decision": decision if not noted or decision != "accepted" else "accepted_with_reserves",
            "present": PRESENT,
            "reserves": noted,
        },
        day,
        st.sampled_from([[], [], ["ANGERS"], ["COLMAR"]]),
        st.sampled_from(["accepted", "accepted", "refused"]),
        st.lists(reserves, max_size=2, unique_by=lambda one: one["number"]),
    ),
    "reserve_added": st.builds(lambda one, on: {**one, "found_on": on}, reserves, day),
    "reserve_fixed": dicts(number=number, fixed_on=day, evidence=text),
    "reserve_lifted": dicts(number=number, lifted_on=day, by=text),
    "reserve_lifting_refused": dicts(number=number, refused_on=day, by=text, reason=text),
    "doe_piece_filed": st.builds(
        lambda family: {**PIECE, "family": family}, st.sampled_from(list(DOE_FAMILY_NAMES))
    ),
    "doe_released": dicts(released_on=day, by=text),
    "doe_received": dicts(received_on=day, by=text),
    "maintenance_date_set": dicts(
        effective_on=day, despite_open_reserves=flag, by=text, reason=text
    ),
    "maintenance_presented": dicts(held_on=day),
    "interview_held": dicts(
        held_on=day, score=st.sampled_from([3, 8]), masters_system=flag,
        masters_incident_procedure=flag,
    ) | dicts(tried_on=day, not_held_reason=text),
    "contact_replaced": dicts(
        role=st.sampled_from(["project_manager", "technical_lead", "sales"]),
        person=st.sampled_from([person("x"), person("y")]),
    ),
    "open_point_settled": dicts(id=text, action="abandon", by=text, reason=text),
    "reserve_contested": dicts(number=number, on=day, by=text, reason=text),
    "reserve_withdrawn": dicts(number=number, on=day, by=text, reason=text),
    "limit_moved": dicts(
        obligation=st.sampled_from([f"O{n}" for n in range(1, 18)]),
        key=st.none() | id_ | st.sampled_from(["1", "2", "P1-1"]),
        due_on=day, by=text, reason=text,
    ),
    "onboarding_suspended": dicts(reason=text),
    "onboarding_resumed": dicts(reason=text),
}  # fmt: skip
told = st.one_of([st.tuples(st.just(name), payload) for name, payload in one_fact.items()])
BACKBONE = (
    "kickoff_held",
    "audit_concluded",
    "phase_planned",
    "training_planned",
    "phase_completed",
    "training_held",
    "recette_planned",
    "recette_signed_off",
    "recette_signed_off",
    "reserve_added",
    "reserve_fixed",
    "reserve_lifting_refused",
    "reserve_fixed",
    "reserve_lifted",
    "maintenance_date_set",
    "fact_corrected",
    "interview_held",
    "fact_corrected",
)
one_fact["fact_corrected"] = st.one_of(
    [
        dicts(fact=name, payload=one_fact[name], by=text, reason=text)
        for name in BACKBONE
        if name != "fact_corrected"
    ]
)


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, Payload, int, int]]:
    """Most of a plausible life, with anything in between: a fact, the hours until the next one,
    and whether mail servers accept (0: they do not)."""
    life: list[tuple[str, Payload]] = []
    for name in BACKBONE:
        life += draw(st.lists(told, max_size=1))
        if draw(st.integers(0, 6)):
            life.append((name, draw(one_fact[name])))
    if draw(st.booleans()):
        life += [("doe_piece_filed", {**PIECE, "family": family}) for family in DOE_FAMILY_NAMES]
        life.append(("doe_released", {"released_on": "2026-05-30", "by": "a"}))
    return [(name, payload, draw(hours), draw(luck)) for name, payload in life]


hours = st.sampled_from([0, 1, 24, 72, 240])
luck = st.integers(0, 9)
contracts = st.sampled_from(
    [
        contract(),
        one_site(),
        contract(maintenance=None, team__project_manager=None),
        contract(maintenance__effective="2026-04-30", client__technical_contact=None),
        contract(team__sales=None, team__account_manager=None),
    ]
)
calm = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Life(Case):
    """A run in small: what ``ClientOnboarding`` does with its clock, its mails and its facts."""

    def hear(self, name: str, payload: Payload, now: datetime) -> str:
        fact, canonical = rules.read(name, (payload,))
        try:
            rules.judge(self.o, name, fact, canonical, now)
        except rules.Refused as refusal:
            self.o.record.rejected.append(
                RejectedFact(fact=name, payload="", reason=str(refusal), received_at=now)
            )
            return "refused"
        except rules.Waits as waits:
            self.o.record.waiting.append(
                WaitingFact(fact=name, payload=canonical, waits_for=str(waits), received_at=now)
            )
            return "waiting"
        except rules.AlreadyKnown:
            return "known"
        if isinstance(fact, FactCorrected):
            index, stated = rules.corrected(self.o, fact, now)
            self.o.record.facts[index] = self.o.record.facts[index].model_copy(
                update={"payload": stated}
            )
            record, self.o = self.o.record, self.o.as_of(self.o.record.facts)
            self.o.record = record
        self.o.take(name, fact, canonical, now)
        return "accepted"

    def tell(self, name: str, payload: Payload, now: datetime) -> str:
        """Hear a fact, then those that may have waited for it."""
        outcome = self.hear(name, payload, now)
        if outcome == "accepted":
            # The same event twice: never lost, never a second mail.
            assert self.hear(name, payload, now) == "known"
        waiting, self.o.record.waiting = self.o.record.waiting, []
        for early in waiting:
            self.hear(early.fact, early.payload, now)
        return outcome

    def live(self, now: datetime, luck: int) -> None:
        """One look: what may leave leaves, what time brings about happens."""
        planned = maintenance.activation_at(self.o, now)
        reached = planned and planned <= now and not maintenance.is_blocked(self.o)
        if reached and not self.o.record.activated_at:
            self.o.record.activated_at = planned
        held = deadlines(self.o, now)
        note_known(self.o, held, now)
        agenda = look(self.o, held, now)
        self.o.record.looked_at, self.o.record.rung_at = now, agenda.rung_at
        assert agenda.wake is not None
        assert agenda.wake.at > now
        for sending in agenda.sendings:
            assert sending.key not in self.o.record.sendings, "a second mail"
            assert sending.to
            mail = SentMail(to="x", role="sales", message_id="m", accepted_at=now if luck else None)
            self.o.record.sendings[sending.key] = IssuedSending(
                kind=sending.kind, started_at=now, mails=[mail]
            )
        boxes = [(one.to.email or one.to.role).lower() for one in agenda.reminders]
        assert len(boxes) == len(set(boxes)), "two reminders for one person"

    def looked_at(self, now: datetime) -> tuple[Any, ...]:
        """Everything that can be read at an instant."""
        held = deadlines(self.o, now)
        for one in held:
            assert one.state != "void" or one.limit.void
            assert not (one.is_late and one.limit.met_at)
        shown = status(self.o, held, now).model_dump(mode="json")
        for step in STEPS.values():
            keys = [sending.key for sending in step.sendings(self.o, now)]
            assert len(keys) == len(set(keys)), "one key, one mail"
        page = details(self.o, held, now, completed=False)
        return shown, page, projection(self.o, held, now).model_dump(), current_step(self.o)


@calm
@given(contracts, lives())
def test_nothing_that_is_told_ever_breaks_an_onboarding(
    source: Payload, facts: list[tuple[str, Payload, int, int]]
) -> None:
    life = Life(source)
    now = t("2026-03-17 10:00")
    for name, payload, hours, luck in facts:
        life.tell(name, payload, now)
        life.live(now, luck)
        life.looked_at(now)
        now += timedelta(hours=hours)
    for later in (now, now + timedelta(days=40), t("2027-12-30 10:00")):
        life.live(later, 1)
        life.looked_at(later)


YEARS = [("2026-", "2026-"), ("2026-", "2028-"), ("2026-06-15", "2028-12-29")]


@calm
@given(contracts, lives(), st.lists(st.sampled_from(YEARS), min_size=60, max_size=60), flag)
def test_no_look_ever_fails_on_what_was_accepted_however_far_it_leads(
    source: Payload,
    facts: list[tuple[str, Payload, int, int]],
    years: list[tuple[str, str]],
    slow: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    life = Life(source, Policy(doe_jo=250, reserve_minor_days=365) if slow else None)
    now = t("2028-10-02 10:00") if slow else t("2026-03-17 10:00")
    for (name, payload, hours, luck), (year, other) in zip(facts, years, strict=False):
        life.tell(name, json.loads(json.dumps(payload).replace(year, other)), now)
        life.live(now, luck)
        life.looked_at(now)
        now += timedelta(hours=hours)
    for later in (now, t("2029-12-31 23:00"), t("2031-01-02 10:00")):
        life.live(later, 1)
        life.looked_at(later)


@calm
@given(contracts, lives())
def test_an_onboarding_is_nothing_but_its_contract_and_its_record(
    source: Payload, facts: list[tuple[str, Payload, int, int]]
) -> None:
    life = Life(source)
    now = t("2026-03-17 10:00")
    for name, payload, hours, luck in facts:
        life.tell(name, payload, now)
        life.live(now, luck)
        now += timedelta(hours=hours)
    kept = type(life.o.record).model_validate_json(life.o.record.model_dump_json())
    again = Life(source)
    again.o = Onboarding(life.o.contract, life.o.calendar, life.o.policy, kept)
    assert again.looked_at(now) == life.looked_at(now)


@calm
@given(st.permutations(["1", "2", "3"]))
def test_levees_in_any_order_end_on_the_same_day(order: list[str]) -> None:
    case = Case().recette("2026-05-05", *(reserve(n) for n in (1, 2, 3)))
    for n in order:
        case.take(
            "reserve_lifted", "2026-05-20 10:00", number=int(n), lifted_on=f"2026-05-1{n}", by="D"
        )
    assert str(case.o.fully_accepted_on) == "2026-05-13"
