"""What each step sends, awaits and when it is over, from the facts alone."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from process.doe import PDF
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.orders import IssuedDocument, ReadPiece, SecretFound, Sending, StatedPiece
from process.policy import Policy
from tests.builders import (
    PRESENT,
    Case,
    boxes,
    contract,
    d,
    iso,
    one_site,
    person,
    phase,
    reserve,
    t,
)
from tests.test_rules import (
    ANSWER,
    AUDIT,
    HELD,
    INTERVIEW,
    NOW,
    SCOPE,
    TRAINING,
    delivered,
    file_doe,
)
from workflows.agenda import look
from workflows.sendings import MAILS, title
from workflows.steps import STEPS, current_step
from workflows.steps.step7_evaluation import closing

EVERYONE = ["decideuse", "dsi", "utilisatrice", "referent", "commerciale"]


def kinds(sending: Sending) -> list[str]:
    return [document.kind for document in sending.documents]


def to_send(case: Case, step: int, now: str) -> list[str]:
    """The keys of what the step has not started yet."""
    return [key for key in case.sendings(step, now) if key not in case.o.record.sendings]


# Step 1


def test_the_client_is_welcomed_and_the_project_manager_is_told_what_is_expected() -> None:
    found = Case().sendings(1, "2026-03-16 11:20")
    assert list(found) == ["welcome", "assignment"]
    welcome, assignment = found.values()
    assert boxes(welcome) == ["decideuse", "dsi", "utilisatrice"]
    assert welcome.data["project_manager"]["name"] == "Chef"
    assert welcome.data["kickoff_due_on"] == "2026-03-30"
    assert boxes(assignment) == ["chef"]
    assert assignment.data["limits"] == [
        {"obligation": "O1", "title": "Tenue du kick-off", "due_at": "2026-03-30T23:59:59+02:00"}
    ]


def test_without_a_project_manager_the_head_is_told_and_the_client_is_welcomed_later() -> None:
    case = Case(contract(team__project_manager=None))
    [(key, alert)] = case.sendings(1, "2026-03-16 11:20").items()
    assert (key, boxes(alert)) == ("project_manager_missing", ["head_of_projects"])
    case.sent(key, "2026-03-16 11:21")
    change = {"role": "project_manager", "person": person("nouveau", "mileo.example")}
    case.take("contact_replaced", "2026-03-18 10:00", **change)
    assert to_send(case, 1, "2026-03-18 10:00") == ["welcome", "assignment"]


def test_a_replaced_project_manager_does_not_welcome_the_client_again() -> None:
    case = Case().sent("welcome", "2026-03-16 11:21").sent("assignment", "2026-03-16 11:21")
    change = {"role": "project_manager", "person": person("nouveau", "mileo.example")}
    case.take("contact_replaced", "2026-03-18 10:00", **change)
    assert to_send(case, 1, "2026-03-18 10:00") == []


def test_the_convocation_to_the_kickoff_and_its_next_version() -> None:
    plan = {"starts_at": iso("2026-03-25 14:00"), "place": "Angers"}
    case = Case().take("kickoff_planned", "2026-03-18 10:00", **plan)
    convocation = case.sendings(1, "2026-03-18 10:00")["kickoff_convocation:1"]
    assert (boxes(convocation), kinds(convocation)) == (EVERYONE, ["ordre_du_jour"])
    assert convocation.data["moved"] is False
    assert convocation.data["starts_at"] == iso("2026-03-25 14:00")
    assert convocation.data["participants"][0]["role"] == "project_manager"
    case.sent("kickoff_convocation:1", "2026-03-18 10:01")
    case.take("kickoff_planned", "2026-03-19 10:00", **{**plan, "place": "Colmar"})
    again = case.sendings(1, "2026-03-19 10:00")["kickoff_convocation:2"]
    assert again.data["moved"] is True
    assert [one.subject for one in again.documents] == [
        one.subject for one in convocation.documents
    ]


def test_the_minutes_carry_the_work_plan_and_the_audit_its_second_version() -> None:
    case = Case().kickoff()
    minutes = case.sendings(1, "2026-03-25 17:00")["kickoff_minutes"]
    assert (boxes(minutes), kinds(minutes)) == (EVERYONE, ["compte_rendu_kickoff"])
    assert minutes.data["phases"][0]["starts_at"] == iso("2026-04-13 08:00")
    case.take("audit_concluded", "2026-03-27 17:00", **AUDIT)
    assert to_send(case, 1, "2026-03-27 17:00")[2:] == ["kickoff_minutes", "audit_report"]
    case.sent("kickoff_minutes", "2026-03-27 17:01")
    updated = case.sendings(1, "2026-03-27 17:02")["work_plan_updated"]
    assert [one.subject for one in updated.documents] == ["kickoff"]
    assert updated.data["audit"]["conclusions"] == AUDIT["conclusions"]


def test_the_work_plan_of_the_minutes_does_not_change_with_the_phases() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00", "P1", "2026-04-14 08:00")
    minutes = case.sendings(1, "2026-04-01 10:00")["kickoff_minutes"]
    assert minutes.data["phases"][0]["starts_at"] == iso("2026-04-13 08:00")


@pytest.mark.parametrize(("change", "to"), [(None, ["dsi"]), (SCOPE, ["dsi", "decideuse"])])
def test_the_audit_report_reaches_the_decision_maker_only_if_the_scope_moves(
    change: dict[str, Any] | None, to: list[str]
) -> None:
    more = {"scope_change": change} if change else {}
    case = Case().kickoff().take("audit_concluded", "2026-03-27 17:00", **AUDIT, **more)
    found = case.sendings(1, "2026-03-27 17:00")
    assert boxes(found["audit_report"]) == to
    assert ("scope_change_proposal" in found) == bool(change)


@pytest.mark.parametrize(
    ("sales", "signed_by"), [(person("commerciale"), "sales"), (None, "project_manager")]
)
def test_the_scope_change_is_proposed_by_sales_else_the_project_manager(
    sales: dict[str, Any] | None, signed_by: str
) -> None:
    case = Case(contract(team__sales=sales)).kickoff()
    case.take("audit_concluded", "2026-03-27 17:00", **AUDIT, scope_change=SCOPE)
    proposal = case.sendings(1, "2026-03-27 17:00")["scope_change_proposal"]
    assert boxes(proposal) == ["decideuse"]
    assert proposal.manager is not None
    assert proposal.manager.role == signed_by
    assert proposal.data["phases"] == [{"id": "P1", "title": "Phase P1"}]


def test_step_1_is_over_once_the_audit_is_concluded_or_not_owed() -> None:
    assert not STEPS[1].finished(Case().o)
    case = Case().kickoff()
    assert not STEPS[1].finished(case.o)
    assert STEPS[1].finished(case.take("audit_concluded", "2026-03-27 17:00", **AUDIT).o)
    assert STEPS[1].finished(Case(one_site()).kickoff().o)


def test_what_step_1_awaits() -> None:
    case = Case()
    held, audit = ("kickoff_held", "project_manager"), ("audit_concluded", "technical_referent")
    assert case.expected(1, "2026-03-16 12:00") == [("kickoff_planned", "project_manager"), held]
    plan = {"starts_at": iso("2026-03-25 14:00"), "place": "Angers"}
    assert case.take("kickoff_planned", "2026-03-18 10:00", **plan).expected(
        1, "2026-03-18 12:00"
    ) == [held]
    assert case.kickoff().expected(1, "2026-03-25 18:00") == [audit]
    case.take("audit_concluded", "2026-03-27 17:00", **AUDIT, scope_change=SCOPE)
    answer = [("scope_change_answered", "decision_maker")]
    assert case.expected(1, "2026-03-27 17:00") == answer
    assert case.take("scope_change_answered", "2026-03-31 10:00", **ANSWER).expected(
        1, "2026-03-31 10:00"
    ) == []  # fmt: skip


# Step 2


def test_a_firm_phase_sends_its_schedule_to_the_technical_lead_first() -> None:
    sites = [{**contract()["sites"][0], "contact": person("contact")}]
    case = Case(one_site() | {"sites": sites}).kickoff()
    assert case.sendings(2, "2026-04-01 10:00") == {}
    case.firm("2026-04-01 10:00", crew=["Équipe Ouest"])
    schedule = case.sendings(2, "2026-04-01 10:00")["intervention_schedule:P1:1"]
    assert (boxes(schedule), schedule.at) == (["dsi", "contact"], None)
    assert schedule.data["notice_hours"] == 286
    assert (schedule.data["moved"], schedule.data["previous"]) == (False, None)
    assert title(schedule) == "Planning d'intervention (P1:1)"


def test_a_site_without_contact_falls_back_to_the_technical_lead_in_one_mail() -> None:
    schedule = Case().kickoff().firm("2026-04-01 10:00").sendings(2, "2026-04-01 10:00")
    assert boxes(schedule["intervention_schedule:P1:1"]) == ["dsi"]


def test_a_moved_phase_sends_the_next_version_only() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.firm("2026-04-02 10:00", "P1", "2026-04-14 08:00")
    found = case.sendings(2, "2026-04-02 10:00")
    schedules = [key for key in found if key.startswith("intervention_schedule")]
    assert schedules == ["intervention_schedule:P1:2"]
    moved = found["intervention_schedule:P1:2"].data
    assert moved["moved"] is True
    assert moved["previous"]["starts_at"] == iso("2026-04-13 08:00")


def test_the_schedule_speaks_the_time_of_its_site() -> None:
    sites = [{**contract()["sites"][0], "code": "R", "zone": "la-reunion"}]
    case = Case(contract(sites=sites, equipment=[])).kickoff(phase(site="R"))
    case.firm("2026-04-01 10:00", site="R")
    schedule = case.sendings(2, "2026-04-01 10:00")["intervention_schedule:P1:1"]
    assert schedule.data["starts_at"] == "2026-04-13T10:00:00+04:00"


def cancelled(case: Case) -> list[Sending]:
    case.take("phase_cancelled", "2026-04-03 10:00", id="P1", reason="Gel du site")
    return list(case.sendings(2, "2026-04-03 10:00").values())


def test_a_cancelled_phase_is_told_with_the_start_that_the_client_knows() -> None:
    [planned] = cancelled(Case().kickoff())
    assert planned.data["phase"]["starts_at"] == iso("2026-04-13 08:00")
    case = Case().kickoff().firm("2026-04-01 10:00")
    [told] = cancelled(case.sent("intervention_schedule:P1:1", "2026-04-01 10:01"))
    assert (told.key, boxes(told)) == ("phase_cancelled:P1", ["dsi"])
    assert told.data["reason"] == "Gel du site"


def test_a_phase_cancelled_before_its_new_schedule_left_is_told_as_it_was_announced() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:01")
    case.firm("2026-04-02 10:00", "P1", "2026-04-14 08:00")
    told = next(one for one in cancelled(case) if one.kind == "phase_cancelled")
    assert told.data["phase"]["starts_at"] == iso("2026-04-13 08:00")


def test_each_weekly_point_sends_one_report() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.take("progress_reported", "2026-04-14 11:00", held_on="2026-04-14", done=["Pose"], next=[])
    report = case.sendings(2, "2026-04-14 11:00")["progress_report:2026-W16"]
    assert (boxes(report), kinds(report)) == (["dsi"], ["compte_rendu_avancement"])
    assert report.data["week"] == "2026-W16"
    assert [one["state"] for one in report.data["phases"]] == ["open"]


def test_step_2_is_over_when_every_phase_is_over_and_one_was_completed() -> None:
    done = {"completed_at": iso("2026-04-15 17:00")}
    assert not STEPS[2].finished(Case().o)
    case = Case().kickoff(phase(), phase("P2"))
    case.take("phase_completed", "2026-04-15 18:00", id="P1", **done)
    assert not STEPS[2].finished(case.o)
    case.take("phase_cancelled", "2026-04-15 18:00", id="P2", reason="x")
    assert STEPS[2].finished(case.o)
    none = Case().kickoff().take("phase_cancelled", "2026-04-15 18:00", id="P1", reason="x")
    assert not STEPS[2].finished(none.o)


def test_what_step_2_awaits() -> None:
    case = Case()
    assert case.expected(2, "2026-03-20 10:00") == []
    case.kickoff()
    assert case.expected(2, "2026-03-26 10:00") == [("phase_planned", "project_manager")]
    case.firm("2026-04-01 10:00")
    assert case.expected(2, "2026-04-01 10:00") == []
    assert [fact for fact, _ in case.expected(2, "2026-04-13 08:00")] == [
        "phase_completed",
        "progress_reported",
    ]
    assert [fact for fact, _ in case.expected(2, "2026-04-16 09:00")][-1] == "deviation_declared"


def test_a_new_end_alone_takes_nothing_from_the_notice() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    first = case.sendings(2, "2026-04-01 10:00")["intervention_schedule:P1:1"]
    case.firm("2026-04-14 10:00", "P1", "2026-04-13 08:00", "2026-04-16 18:00")
    longer = case.sendings(2, "2026-04-14 10:00")["intervention_schedule:P1:2"]
    assert longer.data["notice_hours"] == first.data["notice_hours"] > 72
    case.firm("2026-04-14 11:00", "P1", "2026-04-20 08:00", "2026-04-21 18:00")
    moved = case.sendings(2, "2026-04-14 11:00")["intervention_schedule:P1:3"]
    assert 72 < moved.data["notice_hours"] < first.data["notice_hours"]


# Step 3


def test_the_convocation_to_the_training_then_the_guide() -> None:
    case = Case().take("training_planned", "2026-04-20 10:00", **TRAINING)
    convocation = case.sendings(3, "2026-04-20 10:00")["training_convocation:1:1"]
    assert boxes(convocation) == ["utilisatrice", "dsi"]
    assert kinds(convocation) == ["programme_formation"]
    case.take("training_planned", "2026-04-21 10:00", **{**TRAINING, "trainer": "Autre"})
    assert list(case.sendings(3, "2026-04-21 10:00")) == ["training_convocation:1:2"]
    case.take("training_held", "2026-05-04 18:00", **HELD)
    guide = case.sendings(3, "2026-05-04 18:00")["user_guide:1"]
    assert (boxes(guide), kinds(guide)) == (["utilisatrice", "dsi"], ["guide_utilisateur"])


def test_step_3_is_over_once_the_guide_is_accepted() -> None:
    case = Case().take("training_planned", "2026-04-20 10:00", **TRAINING)
    case.take("training_held", "2026-05-04 18:00", **HELD)
    assert not STEPS[3].finished(case.started("user_guide:1", "2026-05-04 18:01").o)
    assert STEPS[3].finished(case.sent("user_guide:1", "2026-05-04 18:02").o)


def test_what_step_3_awaits() -> None:
    case = Case().kickoff()
    assert case.expected(3, "2026-04-01 10:00") == [("training_planned", "project_manager")]
    case.take("training_planned", "2026-04-20 10:00", **TRAINING)
    assert case.expected(3, "2026-04-20 10:00") == [("training_held", "project_manager")]
    case.take("phase_completed", "2026-04-15 18:00", id="P1", completed_at=iso("2026-04-15 17:00"))
    assert ("commissioned", "project_manager") in case.expected(3, "2026-04-20 10:00")


# Step 4


def test_the_convocation_to_the_recette_carries_the_grid() -> None:
    case = Case().take("recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"))
    convocation = case.sendings(4, "2026-04-20 10:00")["recette_convocation:1:1"]
    assert (boxes(convocation), kinds(convocation)) == (["dsi"], ["grille_recette"])
    assert convocation.documents[0].sites == ["ANGERS", "COLMAR"]
    assert convocation.data["incident_sheet"] is True
    case.take("recette_planned", "2026-04-21 10:00", starts_at=iso("2026-05-06 10:00"))
    assert list(case.sendings(4, "2026-04-21 10:00")) == ["recette_convocation:1:2"]


@pytest.mark.parametrize(
    ("decision", "reserves", "documents"),
    [
        ("accepted", [], ["grille_recette", "pv_recette"]),
        ("accepted_with_reserves", [reserve(1)], ["grille_recette", "pv_recette", "plan_levee"]),
        ("refused", [reserve(1)], ["grille_recette", "pv_recette"]),
        ("adjourned", [], ["grille_recette", "pv_recette"]),
    ],
)
def test_every_decision_has_its_pv(
    decision: str, reserves: list[dict[str, Any]], documents: list[str]
) -> None:
    case = Case().recette("2026-05-05", *reserves, decision=decision)
    minutes = case.sendings(4, "2026-05-05 12:00")["recette_minutes:1"]
    assert (boxes(minutes), kinds(minutes)) == (["dsi", "decideuse"], documents)


def test_the_plan_de_levee_gives_every_reserve_a_date() -> None:
    case = Case().recette("2026-05-05", reserve(1, "blocking"), reserve(2, due_on="2026-07-01"))
    plan = case.sendings(4, "2026-05-05 12:00")["recette_minutes:1"].documents[-1]
    assert [one["due_on"] for one in plan.data["reserves"]] == ["2026-05-13", "2026-07-01"]


def one_by_one(*steps: tuple[str, str, str]) -> Case:
    """A recette of both sites, signed off site by site: (site, day, decision)."""
    case = Case().take("recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"))
    for site, day, decision in steps:
        case.take(
            "recette_signed_off", f"{day} 12:00",
            effective_on=day, sites=[site], decision=decision, present=PRESENT, reserves=[],
        )  # fmt: skip
    return case


def test_sites_accepted_one_by_one_have_each_their_pv() -> None:
    case = one_by_one(("ANGERS", "2026-05-05", "accepted"))
    now = "2026-05-05 12:00"
    assert case.sendings(4, now)["recette_minutes:1"].data["sites"] == ["ANGERS"]
    assert case.o.fully_accepted_on is None
    assert not STEPS[4].finished(case.o)
    assert case.expected(4, now) == [("recette_signed_off", "technical_lead")]

    case = one_by_one(("ANGERS", "2026-05-05", "accepted"), ("COLMAR", "2026-05-07", "accepted"))
    found = case.sendings(4, "2026-05-07 12:00")
    assert {key: one.data["sites"] for key, one in found.items()} == {
        "recette_minutes:1": ["ANGERS"],
        "recette_minutes:1-2": ["COLMAR"],
    }
    pvs = {one.subject for s in found.values() for one in s.documents if one.kind == "pv_recette"}
    assert pvs == {"1", "1-2"}, "two documents, not two versions of one"
    assert case.o.fully_accepted_on == d("2026-05-07")
    assert STEPS[4].finished(case.o)


def test_a_site_refused_then_accepted_keeps_both_pvs() -> None:
    case = one_by_one(
        ("ANGERS", "2026-05-05", "refused"),
        ("COLMAR", "2026-05-06", "accepted"),
        ("ANGERS", "2026-05-12", "accepted"),
    )
    found = case.sendings(4, "2026-05-12 12:00")
    assert [one.data["decision"] for one in found.values()] == ["refused", "accepted", "accepted"]
    assert case.o.fully_accepted_on == d("2026-05-12")
    assert case.o.recettes_to_hold == []


def test_minutes_that_conclude_two_recettes_leave_once() -> None:
    case = Case()
    for site in ("ANGERS", "COLMAR", None):
        where = {"site": site} if site else {}
        case.take("recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"), **where)
    assert len(case.o.recettes) == 3
    case.recette("2026-05-05")
    found = case.sendings(4, "2026-05-05 12:00")
    assert list(found) == ["recette_minutes:1"]
    assert case.o.recettes_to_hold == []
    assert [one.state for one in case.limits("O11", "2026-05-05 12:00").values()] == ["met"] * 3


def test_minutes_are_kept_by_the_recette_of_their_own_site() -> None:
    case = Case()
    for where in ({}, {"site": "ANGERS"}):
        case.take("recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"), **where)
    case.recette("2026-05-05", sites=["ANGERS"])
    assert "recette_minutes:2" in case.sendings(4, "2026-05-05 12:00")
    assert [len(recette.signed) for recette in case.o.recettes] == [0, 1]
    assert case.o.recettes_to_hold == [case.o.recettes[0]]


def test_the_life_of_a_reserve() -> None:
    case = Case().recette("2026-05-05", reserve(1))

    def now_sent(at: str) -> list[tuple[str, list[str]]]:
        return [
            (key, boxes(one))
            for key, one in case.sendings(4, at).items()
            if one.kind.startswith("reserve")
        ]

    fixed = {"number": 1, "evidence": "Nettoyé"}
    refusal = {"number": 1, "by": "Dsi", "reason": "Flou"}
    case.take("reserve_fixed", "2026-05-06 10:00", **fixed, fixed_on="2026-05-06")
    assert now_sent("2026-05-06 10:00") == [("reserve_fixed:1:2026-05-06", ["dsi"])]
    case.take("reserve_lifting_refused", "2026-05-07 10:00", **refusal, refused_on="2026-05-07")
    assert now_sent("2026-05-07 10:00") == [("reserve_reopened:1:1", ["chef"])]
    case.take("reserve_fixed", "2026-05-11 10:00", **fixed, fixed_on="2026-05-11")
    assert now_sent("2026-05-11 10:00") == [("reserve_fixed:1:2026-05-11", ["dsi"])]
    case.take("reserve_lifting_refused", "2026-05-12 10:00", **refusal, refused_on="2026-05-12")
    assert now_sent("2026-05-12 10:00") == [("reserve_reopened:1:2", ["chef"])]
    case.take("reserve_lifted", "2026-05-13 10:00", number=1, lifted_on="2026-05-13", by="Dsi")
    assert now_sent("2026-05-13 10:00") == [("reserve_lifted:1", ["dsi", "decideuse"])]
    levee = case.sendings(4, "2026-05-13 10:00")["reserve_lifted:1"]
    assert (levee.data["by"], len(levee.data["history"])) == ("Dsi", 6)


def test_what_step_4_awaits() -> None:
    case = Case().kickoff()
    assert case.expected(4, "2026-04-01 10:00") == []
    case.take("phase_completed", "2026-04-15 18:00", id="P1", completed_at=iso("2026-04-15 17:00"))
    assert case.expected(4, "2026-04-16 10:00") == [("recette_planned", "project_manager")]
    case.take("recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"))
    assert case.expected(4, "2026-04-20 10:00") == [("recette_signed_off", "technical_lead")]
    case.recette("2026-05-05", reserve(1), reserve(2))
    assert case.expected(4, "2026-05-05 12:00") == [("reserve_fixed", "project_manager")]
    case.take("reserve_fixed", "2026-05-06 10:00", number=1, fixed_on="2026-05-06", evidence="x")
    assert ("reserve_lifted", "technical_lead") in case.expected(4, "2026-05-06 12:00")


# Step 5


def test_the_doe_is_released_by_the_project_manager_then_handed_over() -> None:
    case = file_doe(Case(), but="SW-01")
    assert case.sendings(5, "2026-05-12 10:00") == {}
    case.take(
        "doe_piece_filed", "2026-05-12 10:00",
        family="datasheets", name="x", uri="x.pdf", equipment=["SW-01"],
    )  # fmt: skip
    [ask] = case.sendings(5, "2026-05-12 10:00").values()
    assert (ask.key, boxes(ask)) == ("doe_complete", ["chef"])
    case.take("doe_released", "2026-05-13 10:00", released_on="2026-05-13", by="Chef")
    [doe] = case.sendings(5, "2026-05-13 10:00").values()
    assert (doe.key, boxes(doe), kinds(doe)) == ("doe_delivery", ["dsi", "decideuse"], ["doe"])
    assert len(doe.documents[0].data["pieces"]) == 7
    assert not STEPS[5].finished(case.o)
    assert STEPS[5].finished(case.sent("doe_delivery", "2026-05-13 10:01").o)
    assert case.expected(5, "2026-05-13 10:01") == []
    case.kickoff()
    assert case.expected(5, "2026-05-13 10:01") == [("doe_received", "technical_lead")]


def read_files(case: Case, **found: Any) -> Case:
    """Every file of the DOE was read; ``found`` says what else the configurations hold."""
    case.o.record.reads_pieces = True
    for file in case.o.files:
        more = found if file.family == "configurations" else {"media": PDF}
        case.o.record.pieces[file.key] = ReadPiece(key=file.key, sha256=file.key, size=9, **more)
    return case


def test_the_project_manager_hears_of_the_secrets_and_the_client_gets_two_files() -> None:
    case = read_files(
        file_doe(Case()),
        media="text/plain",
        secrets=[SecretFound(what="mot de passe", line=3), SecretFound(what="clé", line=9)],
        secrets_count=2,
    )
    ask = case.sendings(5, "2026-05-12 10:00")["doe_complete"]
    assert ask.data["secrets"] == [
        {"name": "configurations", "what": ["clé", "mot de passe"], "count": 2}
    ]
    assert ask.data["container"]
    case.take("doe_released", "2026-05-13 10:00", released_on="2026-05-13", by="Chef")
    delivery = case.sendings(5, "2026-05-13 10:00")["doe_delivery"]
    assert kinds(delivery) == ["doe", "doe_conteneur"]
    assert (delivery.data["container"], delivery.data["version"]) == (True, 1)
    pieces = delivery.documents[0].data["pieces"]
    assert {piece["family"]: piece["read"]["media"] for piece in pieces}["plans"] == PDF
    # What was found never travels with the documents.
    assert "secrets" not in pieces[2]["read"]


def test_nothing_is_asked_nor_sent_while_the_files_are_being_read() -> None:
    case = file_doe(Case())
    case.o.record.reads_pieces = True
    assert case.sendings(5, "2026-05-12 10:00") == {}
    assert list(read_files(case, media=PDF).sendings(5, "2026-05-12 10:00")) == ["doe_complete"]


def test_pieces_filed_after_the_delivery_make_the_next_version_once_released() -> None:
    case = read_files(file_doe(Case()), media=PDF)
    case.take("doe_released", "2026-05-13 10:00", released_on="2026-05-13", by="Chef")
    delivered(case.sent("doe_complete", "2026-05-12 10:00"))
    case.take(
        "doe_piece_filed", "2026-05-20 10:00", family="plans", name="plans", uri="plans-b.pdf"
    )
    read_files(case, media=PDF)
    assert to_send(case, 5, "2026-05-20 10:00") == ["doe_complete:2"]
    case.kickoff()
    assert ("doe_released", "project_manager") in case.expected(5, "2026-05-20 10:00")
    assert STEPS[5].finished(case.o)
    case.take("doe_released", "2026-05-21 10:00", released_on="2026-05-21", by="Chef")
    again = case.sendings(5, "2026-05-21 10:00")["doe_delivery:2"]
    assert again.data["version"] == 2
    assert [(one.kind, one.subject) for one in again.documents] == [
        ("doe", "doe"),
        ("doe_conteneur", "doe"),
    ]


def test_a_look_at_many_pieces_costs_what_they_are_and_not_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, many = file_doe(Case()), 200
    for n in range(many):
        case.take("doe_piece_filed", NOW, family="plans", name=f"P{n}", uri=f"{n}.pdf")
    case = read_files(case, media=PDF)
    delivered(case.take("doe_released", NOW, released_on="2026-05-04", by="Chef"))
    calls = 0
    read = Onboarding.read

    def counted(o: Onboarding, stated: StatedPiece | None) -> ReadPiece | None:
        nonlocal calls
        calls += 1
        return read(o, stated)

    monkeypatch.setattr(Onboarding, "read", counted)
    now = t(NOW)
    look(case.o, deadlines(case.o, now), now)
    assert 0 < calls < 20 * many


def test_only_the_last_grid_and_minutes_are_part_of_the_doe() -> None:
    case = read_files(file_doe(Case()), media=PDF)
    for reference, kind in (
        ("GRI-MIL-1-1-v1", "grille_recette"),
        ("GRI-MIL-1-1-v2", "grille_recette"),
        ("PVR-MIL-1-1-v1", "pv_recette"),
        ("PLA-MIL-1-1-v1", "planning_intervention"),
    ):
        case.o.record.documents.append(
            IssuedDocument(
                kind=kind,
                reference=reference,
                version=int(reference[-1]),
                sha256="0" * 64,
                size=1,
                issued_at=t("2026-05-05 12:00"),
            )
        )
    case.take("doe_released", "2026-05-13 10:00", released_on="2026-05-13", by="Chef")
    book, _container = case.sendings(5, "2026-05-13 10:00")["doe_delivery"].documents
    references = [document["reference"] for document in book.data["documents"]]
    assert references == ["GRI-MIL-1-1-v2", "PVR-MIL-1-1-v1"]


def test_the_doe_may_leave_by_itself() -> None:
    case = file_doe(Case(policy=Policy(doe_release_automatic=True)))
    [doe] = case.sendings(5, "2026-05-13 10:00").values()
    assert (doe.key, doe.data["released_on"]) == ("doe_delivery", "2026-05-13")


def test_a_doe_without_any_piece_is_no_doe() -> None:
    case = Case(contract(equipment=[]), policy=Policy(doe_release_automatic=True))
    assert case.sendings(5, "2026-05-13 10:00") == {}


# Step 6 (the notice itself is in test_maintenance)


def test_the_activation_notice_and_the_minutes_of_the_call() -> None:
    case = Case().recette("2026-05-05").activated("2026-05-12 08:00")
    found = case.sendings(6, "2026-05-12 08:00")
    assert list(found) == ["activation_notice"]
    assert boxes(found["activation_notice"]) == ["decideuse", "dsi", "utilisatrice"]
    assert found["activation_notice"].data["effective_on"] == "2026-05-05"
    assert case.expected(6, "2026-05-12 08:00") == [("maintenance_presented", "account_manager")]
    case.take("maintenance_presented", "2026-05-18 10:00", held_on="2026-05-18")
    call = case.sendings(6, "2026-05-18 10:00")["maintenance_call_minutes"]
    assert (boxes(call), kinds(call)) == (["mainteneur"], ["compte_rendu_presentation"])
    assert case.expected(6, "2026-05-18 10:00") == []


def test_step_6_is_over_once_activated_or_without_a_maintenance_contract() -> None:
    assert not STEPS[6].finished(Case().o)
    assert STEPS[6].finished(Case().activated("2026-05-12 08:00").o)
    assert STEPS[6].finished(Case(contract(maintenance=None)).o)


# Step 7


def test_the_invitation_leaves_twenty_days_after_the_activation() -> None:
    assert Case().sendings(7, "2026-05-12 10:00") == {}
    case = Case().activated("2026-05-12 08:00")
    [invitation] = case.sendings(7, "2026-05-12 10:00").values()
    assert invitation.key == "interview_invitation"
    assert invitation.at == t("2026-06-01 09:00")
    assert (invitation.data["from_on"], invitation.data["due_on"]) == ("2026-06-01", "2026-06-11")
    assert case.expected(7, "2026-05-31 23:00") == []
    assert case.expected(7, "2026-06-01 00:00") == [("interview_held", "project_manager")]


def test_the_report_with_its_verdict_goes_to_the_account_manager_and_the_head() -> None:
    case = Case().activated("2026-05-12 08:00")
    case.take("interview_held", "2026-06-24 18:00", **INTERVIEW)
    [report] = case.sendings(7, "2026-06-24 18:00").values()
    assert (report.key, boxes(report)) == ("interview_report", ["compte", "head_of_projects"])
    assert (report.data["verdict"], kinds(report)) == ("succeeded", ["rapport_entretien"])
    assert {"obligation", "due_at", "met_on", "state"} <= set(report.data["limits"][0])
    assert STEPS[7].finished(case.o)


def test_an_interview_closed_as_not_held_tells_why_and_is_no_success() -> None:
    case = Case().activated("2026-05-12 08:00")
    for day in (2, 3, 4):
        tried = {"tried_on": f"2026-06-0{day}", "not_held_reason": f"Absence {day}"}
        case.take("interview_held", f"2026-06-0{day} 18:00", **tried)
    [report] = case.sendings(7, "2026-06-04 18:00").values()
    assert report.data == {"verdict": "not_held", "actions": [], "not_held_reason": "Absence 4"}
    assert report.documents == ()
    assert STEPS[7].finished(case.o)


def test_the_end_is_told_to_both_sides() -> None:
    case = Case().activated("2026-05-12 08:00")
    case.take("interview_held", "2026-06-24 18:00", **INTERVIEW)
    client, team = closing(case.o, t("2026-06-24 18:00"))
    assert boxes(client) == ["decideuse", "dsi", "utilisatrice"]
    assert boxes(team) == ["chef", "referent", "commerciale", "compte", "head_of_projects"]
    assert "verdict" not in client.data, "a client's mail carries no internal note"


# The run of the steps


def test_the_step_shown_is_the_earliest_unfinished_one() -> None:
    case = Case(one_site())
    assert current_step(case.o) == 1
    case.sent("doe_delivery", "2026-03-20 10:00")  # early: the steps are not a queue
    assert current_step(case.kickoff().o) == 2
    case.take("phase_completed", "2026-04-15 18:00", id="P1", completed_at=iso("2026-04-15 17:00"))
    assert current_step(case.o) == 3
    case.take("training_planned", "2026-04-20 10:00", **TRAINING)
    case.take("training_held", "2026-05-04 18:00", **HELD).sent("user_guide:1", "2026-05-04 18:01")
    assert current_step(case.o) == 4
    case.recette("2026-05-05")
    assert current_step(case.o) == 6
    case.activated("2026-05-12 08:00")
    assert current_step(case.o) == 7
    case.take("interview_held", "2026-06-24 18:00", **INTERVIEW)
    assert current_step(case.o) is None


@pytest.mark.parametrize(
    ("role", "missing", "falls_back_to"),
    [
        ("technical_contact", ["client__technical_contact"], "dsi"),
        ("primary_user", ["client__primary_user"], "dsi"),
        ("account_manager", ["team__account_manager"], "commerciale"),
        ("account_manager", ["team__account_manager", "team__sales"], "head_of_projects"),
        ("project_manager", ["team__project_manager"], "head_of_projects"),
    ],
)
def test_a_missing_person_falls_back(role: Any, missing: list[str], falls_back_to: str) -> None:
    found = Case(contract(**dict.fromkeys(missing))).o.person(role)
    assert found is not None
    assert (found.email or found.role).startswith(falls_back_to)


def test_one_person_with_several_roles_receives_one_mail() -> None:
    same = {**person("dsi"), "email": "DSI@client.example"}
    case = Case(contract(client__decision_maker=same, client__primary_user=None))
    assert boxes(case.sendings(1, "2026-03-16 12:00")["welcome"]) == ["DSI"]


def test_every_kind_of_mail_has_its_title() -> None:
    case = Case(contract(team__project_manager=None))
    for number in STEPS:
        for sending in case.sendings(number, "2026-03-16 12:00").values():
            assert sending.kind in MAILS


# One look


def owed(case: Case, now: str) -> list[str]:
    return [one.key for one in look(case.o, [], t(now)).sendings]


def test_what_was_started_does_not_leave_again_unless_asked() -> None:
    case = Case()
    assert owed(case, "2026-03-16 12:00") == ["welcome", "assignment"]
    case.started("welcome", "2026-03-16 12:00").sent("assignment", "2026-03-16 12:01")
    assert owed(case, "2026-03-16 12:01") == []
    case.o.record.sendings["welcome"].state = "again"
    assert owed(case, "2026-03-16 12:02") == ["welcome"]


def test_the_run_wakes_at_the_next_instant_that_matters() -> None:
    case = Case(policy=Policy(reminder_hour=time(9)))
    wake = look(case.o, list(case.limits("O1", "2026-03-16 12:00").values()), t("2026-03-16 12:00"))
    assert wake.wake is not None
    assert wake.wake.at == t("2026-03-25 09:00")
    case.kickoff(phase("P1", "2026-03-30 08:00", "2026-03-31 18:00"))
    waiver = {"by": "Dsi", "on": "2026-03-28", "reason": "x"}
    case.firm("2026-03-28 10:00", "P1", "2026-03-30 08:00", "2026-03-31 18:00", waiver=waiver)
    later = look(case.o, [], t("2026-03-29 23:00"))
    assert later.wake is not None
    assert (later.wake.at, later.wake.step) == (t("2026-03-30 00:00"), 2)
    told = "jusqu'au lundi 30 mars 2026 à 0 h 00 : nouvelle semaine de déploiement"
    assert later.wake.text.replace("\u00a0", " ") == told
