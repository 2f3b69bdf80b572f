"""Who is reminded of what, and when (PROCESS, section 5)."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from process import editions, reminders
from process.health import health
from process.obligations import deadlines
from process.policy import Policy
from process.record import OpenPoint, RejectedFact
from tests.builders import Case, contract, diary, one_site, person, phase, reserve, t
from tests.test_rules import AUDIT, SCOPE
from workflows.client_onboarding import reminders_as_sendings
from workflows.sendings import title


def of(found: dict[str, Any], chase: str) -> list[tuple[str, list[str], str]]:
    """When, to whom and how one thing was reminded."""
    told = []
    for day, boxes in found.items():
        levels = {level for items in boxes.values() for id_, level in items if id_ == chase}
        if levels:
            to = [box for box, items in boxes.items() if chase in {id_ for id_, _ in items}]
            told.append((day, to, levels.pop()))
    return told


PM = ["chef"]
BOTH = ["chef", "head_of_projects"]


# A limit


def test_three_and_one_worked_days_before_then_late_then_after_two_then_weekly() -> None:
    found = diary(Case(), "2026-03-16", "2026-04-20")  # kick-off due on Monday 30 March
    assert of(found, "O1:") == [
        ("2026-03-25", PM, "upcoming"),
        ("2026-03-27", PM, "upcoming"),
        ("2026-03-31", BOTH, "late"),
        ("2026-04-02", BOTH, "late"),
        ("2026-04-09", BOTH, "late"),
        ("2026-04-16", BOTH, "late"),
    ]


def test_reminders_stop_at_once_when_the_fact_arrives() -> None:
    case = Case()
    diary(case, "2026-03-16", "2026-03-25")
    case.kickoff(held_on="2026-03-26")
    assert of(diary(case, "2026-03-26", "2026-04-20"), "O1:") == []


def test_rungs_already_past_when_a_limit_becomes_known_are_skipped() -> None:
    # Signed on 16 March, known to the system on Thursday 26: D-3 is past, D-1 is not.
    case = Case(started="2026-03-26 10:00")
    assert of(diary(case, "2026-03-26", "2026-03-31"), "O1:") == [
        ("2026-03-27", PM, "upcoming"),
        ("2026-03-31", BOTH, "late"),
    ]


def test_a_limit_known_once_missed_is_told_without_a_burst() -> None:
    case = Case(started="2026-05-20 10:00")
    case.o.record.known_since = {}
    now = t("2026-05-20 10:00")
    reminders.note_known(case.o, deadlines(case.o, now), now)
    found = diary(case, "2026-05-21", "2026-06-03")
    assert [day for day, _, _ in of(found, "O1:")] == ["2026-05-21", "2026-05-26", "2026-06-02"]


def test_a_limit_learnt_after_its_rung_is_not_caught_up_within_the_day() -> None:
    case = Case()
    now = t("2026-03-27 10:00")  # D-1 was at 09:00; the last look was days ago
    held = deadlines(case.o, now)
    reminders.note_known(case.o, held, now)
    chased = reminders.chases(case.o, held, now)
    assert reminders.due_reminders(chased, t("2026-03-20 09:00"), now) == []


def test_a_limit_that_moves_starts_afresh() -> None:
    case = Case()
    first = of(diary(case, "2026-03-17", "2026-03-25"), "O1:")
    assert first == [("2026-03-25", PM, "upcoming")]
    moved = {"due_on": "2026-04-15", "by": "Chef", "reason": "Congés du client"}
    case.take("limit_moved", "2026-03-25 10:00", obligation="O1", **moved)
    told = of(diary(case, "2026-03-26", "2026-04-15"), "O1:")
    assert told == [("2026-04-10", PM, "upcoming"), ("2026-04-14", PM, "upcoming")]


def test_what_leaves_by_itself_is_nobodys_task_beforehand() -> None:
    case = Case(contract(maintenance__effective="2026-06-01"))
    case.sent("incident_sheet:2026-06-01", "2026-05-11 09:00")
    assert of(diary(case, "2026-05-11", "2026-05-31"), "O14:") == []


def test_reminders_leave_on_worked_days_only() -> None:
    # O3 due on Tuesday 7 April: D-1 is Friday 3, late on Wednesday 8; nothing on Easter Monday.
    found = diary(Case().kickoff(held_on="2026-04-01"), "2026-04-01", "2026-04-10")
    assert of(found, "O3:") == [
        ("2026-04-01", ["referent"], "upcoming"),
        ("2026-04-03", ["referent"], "upcoming"),
        ("2026-04-08", ["referent", "head_of_projects"], "late"),
        ("2026-04-10", ["referent", "head_of_projects"], "late"),
    ]


def test_the_hour_and_the_rungs_are_settings() -> None:
    policy = Policy(reminder_hour=time(7, 30), reminder_before_jo=(5,), late_again_jo=1)
    case = Case(policy=policy)
    assert [day for day, _, _ in of(diary(case, "2026-03-16", "2026-04-02"), "O1:")] == [
        "2026-03-23",
        "2026-03-31",
        "2026-04-01",
    ]
    held = deadlines(case.o, t("2026-03-16 12:00"))
    chased = reminders.chases(case.o, held, t("2026-03-16 12:00"))
    coming = reminders.next_rung(chased, t("2026-03-16 12:00"))
    assert coming is not None
    assert (coming.at, coming.text) == (t("2026-03-23 07:30"), "Tenue du kick-off")


# One grouped mail


def test_one_grouped_mail_a_person_and_a_day() -> None:
    case = Case().kickoff(phase(), phase("P2"), held_on="2026-04-01")
    case.o.record.rejected.append(
        RejectedFact(
            fact="doe_released", payload="{}", reason="a\nb", received_at=t("2026-04-02 10:00")
        )
    )
    found = diary(case, "2026-04-01", "2026-04-03")
    rejected = f"rejected:doe_released:{t('2026-04-02 10:00').isoformat()}:0"
    assert found["2026-04-03"]["chef"] == [
        ("O5:P1", "upcoming"),
        ("O5:P2", "upcoming"),
        (rejected, "rejected"),
    ]
    assert found["2026-04-02"]["chef"] == [("O2:", "late")]


def test_a_person_with_several_roles_has_one_mail() -> None:
    same = person("chef", "mileo.example")
    case = Case(contract(team__technical_referent=same, team__account_manager=same))
    case.kickoff(held_on="2026-04-01").activated("2026-03-30 08:00")
    found = diary(case, "2026-04-01", "2026-04-10")
    due = {id_ for id_, _ in found["2026-04-03"]["chef"]}
    assert {"O3:", "O16:"} <= due


def test_the_reminders_of_a_team_leave_together_where_the_head_of_projects_is_told() -> None:
    """Its address is a setting, which may be that of the project manager: one mail then."""
    case = Case()
    now = t("2026-03-31 09:00")
    reminders.note_known(case.o, deadlines(case.o, t("2026-03-16 12:00")), t("2026-03-16 12:00"))
    chased = reminders.chases(case.o, deadlines(case.o, now), now)
    told = reminders.due_reminders(chased, now, now)
    assert {one.to.role for one in told} == {"project_manager", "head_of_projects"}
    [together] = reminders_as_sendings(case.o, told)
    assert [one.role for one in together.to] == ["project_manager", "head_of_projects"]
    assert together.key == "reminder:project_manager+head_of_projects:2026-03-31"
    assert "direction de projets" in title(together)
    assert {tuple(item["for"]) for item in together.data["items"]} == {
        ("project_manager", "head_of_projects")
    }
    alone = [one for one in told if one.to.role == "project_manager"]
    assert [one.key for one in reminders_as_sendings(case.o, alone)] == [
        "reminder:project_manager:2026-03-31"
    ]
    case.o.record.edition = editions.FIRST
    assert len(reminders_as_sendings(case.o, told)) == len(told)


def test_a_rejected_fact_is_told_once_the_next_morning() -> None:
    case = Case()
    for minute in ("10:00", "10:01"):
        case.o.record.rejected.append(
            RejectedFact(
                fact="x", payload="{}", reason="a : b\nc : d", received_at=t(f"2026-03-20 {minute}")
            )
        )
    found = diary(case, "2026-03-20", "2026-03-30")
    told = {day: items for day, boxes in found.items() for items in boxes.values()}
    rejected = {
        day: [id_ for id_, level in items if level == "rejected"] for day, items in told.items()
    }
    assert {day: len(ids) for day, ids in rejected.items() if ids} == {"2026-03-23": 2}
    [first, _] = [
        chase
        for chase in reminders.chases(case.o, [], t("2026-03-20 12:00"))
        if chase.id.startswith("rejected:")
    ]
    assert first.text == "Fait « x » refusé : a : b ; c : d"


def test_an_open_point_is_recalled_until_it_is_settled() -> None:
    case = Case()
    case.o.record.open_points.append(
        OpenPoint(
            id="mail:welcome", kind="mail", message="Non parti", since=t("2026-03-20 10:00"),
            owed_by="project_manager", sending="welcome",
        )
    )  # fmt: skip
    found = of(diary(case, "2026-03-20", "2026-04-03"), "point:mail:welcome")
    assert found == [
        ("2026-03-23", PM, "open_point"),
        # One that lasts reaches the head of projects too.
        ("2026-03-25", [*PM, "head_of_projects"], "open_point"),
        ("2026-04-01", [*PM, "head_of_projects"], "open_point"),
    ]
    case.o.record.open_points.clear()
    assert of(diary(case, "2026-04-04", "2026-04-20"), "point:mail:welcome") == []


# A missing project manager


def test_the_head_of_projects_is_alerted_until_a_project_manager_is_named() -> None:
    case = Case(contract(team__project_manager=None))
    found = diary(case, "2026-03-16", "2026-03-30")
    head = ["head_of_projects"]
    assert of(found, "project_manager") == [
        ("2026-03-17", head, "late"),
        ("2026-03-19", head, "late"),
        ("2026-03-26", head, "late"),
    ]
    # The clock does not stop: what the project manager owes reaches the head of projects.
    assert of(found, "O1:")[0] == ("2026-03-25", head, "upcoming")
    change = {"role": "project_manager", "person": person("nouveau", "mileo.example")}
    case.take("contact_replaced", "2026-03-30 10:00", **change)
    later = diary(case, "2026-03-31", "2026-04-10")
    assert of(later, "project_manager") == []
    assert of(later, "O1:")[0] == ("2026-03-31", ["nouveau", "head_of_projects"], "late")


@pytest.mark.parametrize(
    ("changes", "box"),
    [
        ({}, "commerciale"),
        ({"team__sales": None}, "chef"),
        ({"team__sales": None, "team__project_manager": None}, "head_of_projects"),
    ],
)
def test_a_scope_change_is_owed_by_sales_else_the_project_manager(
    changes: dict[str, None], box: str
) -> None:
    case = Case(contract(**changes)).kickoff()
    case.take("audit_concluded", "2026-03-26 17:00", **AUDIT, scope_change=SCOPE)
    found = of(diary(case, "2026-03-27", "2026-03-31"), "O4:")
    assert found[0][1][0] == box


@pytest.mark.parametrize(
    ("changes", "box"),
    [
        ({}, "compte"),
        ({"team__account_manager": None}, "commerciale"),
        ({"team__account_manager": None, "team__sales": None}, "head_of_projects"),
    ],
)
def test_the_account_manager_falls_back_to_sales_then_to_the_head(
    changes: dict[str, None], box: str
) -> None:
    case = Case(contract(**changes)).activated("2026-05-18 08:00")
    assert of(diary(case, "2026-05-18", "2026-05-25"), "O16:")[0][1] == [box]


# Phases and weekly points have their own rungs


def test_a_provisional_phase_is_asked_to_be_made_firm_five_worked_days_before() -> None:
    case = Case().kickoff(phase("P1", "2026-04-22 08:00", "2026-04-24 18:00"))
    found = of(diary(case, "2026-04-01", "2026-04-24"), "O5:P1")
    assert found == [
        ("2026-04-15", PM, "upcoming"),
        ("2026-04-16", PM, "upcoming"),  # the last call before Sunday 08:00: only earlier
        ("2026-04-20", BOTH, "late"),
        ("2026-04-22", BOTH, "late"),
    ]


def test_a_phase_whose_schedule_is_accepted_is_left_alone() -> None:
    case = Case().kickoff(phase("P1", "2026-04-22 08:00", "2026-04-24 18:00"))
    case.firm("2026-04-10 10:00", "P1", "2026-04-22 08:00", "2026-04-24 18:00")
    case.sent("intervention_schedule:P1:1", "2026-04-10 10:01")
    assert of(diary(case, "2026-04-11", "2026-04-24"), "O5:P1") == []


def test_a_weekly_point_is_recalled_that_morning_and_the_day_after_then_missed_once() -> None:
    case = Case(one_site()).kickoff(phase("P1", "2026-04-20 08:00", "2026-05-29 18:00"))
    case.firm("2026-04-10 10:00", "P1", "2026-04-20 08:00", "2026-05-29 18:00")
    found = diary(case, "2026-04-20", "2026-05-18")
    assert of(found, "O6:2026-W17") == [
        ("2026-04-21", PM, "upcoming"),
        ("2026-04-22", PM, "upcoming"),
        ("2026-04-27", BOTH, "late"),
    ]


def test_a_weekly_point_on_friday_is_not_recalled_in_the_next_week() -> None:
    case = Case(one_site(), policy=Policy(weekly_point_weekday=5))
    case.kickoff(phase("P1", "2026-04-20 08:00", "2026-05-29 18:00"))
    case.firm("2026-04-10 10:00", "P1", "2026-04-20 08:00", "2026-05-29 18:00")
    assert of(diary(case, "2026-04-20", "2026-04-30"), "O6:2026-W17") == [
        ("2026-04-24", PM, "upcoming"),
        ("2026-04-27", BOTH, "late"),
    ]


def test_a_weekly_point_already_held_is_not_recalled() -> None:
    case = Case(one_site()).kickoff(phase("P1", "2026-04-20 08:00", "2026-05-29 18:00"))
    case.firm("2026-04-10 10:00", "P1", "2026-04-20 08:00", "2026-05-29 18:00")
    case.take("progress_reported", "2026-04-20 17:00", held_on="2026-04-20", done=[], next=[])
    assert of(diary(case, "2026-04-21", "2026-04-30"), "O6:2026-W17") == []


# The client


def waiting_client() -> Case:
    """A réserve declared fixed on Tuesday 12 May 2026: the client owes its levée."""
    case = Case().recette("2026-05-05", reserve(1, due_on="2026-12-18"))
    for code in ("O13", "O14", "O15", "O17"):
        assert case.limit(code, "2026-05-12 10:00").limit.due_at is None
    return case.take(
        "reserve_fixed", "2026-05-12 10:00", number=1, fixed_on="2026-05-12", evidence="x"
    )


def test_the_client_is_reminded_after_two_five_ten_then_a_suspension_is_proposed() -> None:
    found = diary(waiting_client(), "2026-05-12", "2026-07-31")
    assert of(found, "client:reserve:1") == [
        ("2026-05-15", ["dsi"], "request"),  # 14 May is closed
        ("2026-05-20", ["dsi"], "request"),
        ("2026-05-28", ["decideuse", "commerciale"], "late"),
    ]
    assert of(found, "suspension:reserve:1") == [("2026-06-04", BOTH, "late")]


def test_a_refused_levee_ends_the_wait_and_a_new_fix_starts_another() -> None:
    case = waiting_client()
    refusal = {"number": 1, "refused_on": "2026-05-18", "by": "Dsi", "reason": "Flou"}
    case.take("reserve_lifting_refused", "2026-05-18 10:00", **refusal)
    assert of(diary(case, "2026-05-18", "2026-06-12"), "client:reserve:1") == []
    case.take("reserve_fixed", "2026-06-15 10:00", number=1, fixed_on="2026-06-15", evidence="y")
    days = [day for day, _, _ in of(diary(case, "2026-06-15", "2026-06-30"), "client:reserve:1")]
    assert days == ["2026-06-17", "2026-06-22", "2026-06-29"]


def test_the_decision_maker_is_asked_for_the_answer_to_a_scope_change() -> None:
    case = Case().kickoff()
    case.take("audit_concluded", "2026-03-26 17:00", **AUDIT, scope_change=SCOPE)
    assert of(diary(case, "2026-03-26", "2026-04-20"), "client:scope_change") == []
    case.sent("scope_change_proposal", "2026-03-27 09:00")
    found = of(diary(case, "2026-03-27", "2026-04-20"), "client:scope_change")
    assert found == [
        ("2026-03-31", ["decideuse"], "request"),
        ("2026-04-03", ["decideuse"], "request"),
        ("2026-04-13", ["decideuse", "commerciale"], "late"),
    ]


def test_a_reminder_to_a_client_is_told_from_one_to_mileo() -> None:
    case = waiting_client()
    now = t("2026-05-28 09:00")
    chased = reminders.chases(case.o, deadlines(case.o, now), now)
    mails = reminders.due_reminders(chased, t("2026-05-27 09:00"), now)
    assert {mail.to.role: mail.for_client for mail in mails} == {
        "decision_maker": True,
        "sales": False,
    }


# Health, first that applies


def test_health_on_time_then_at_risk_then_late() -> None:
    case = Case()
    assert [
        health(case.o, deadlines(case.o, t(now)), t(now))
        for now in ("2026-03-24 23:59", "2026-03-25 00:00", "2026-03-30 23:59", "2026-03-31 00:00")
    ] == ["on_time", "at_risk", "at_risk", "late"]


def test_health_waiting_on_client_from_the_second_worked_day_and_late_before_it() -> None:
    case = waiting_client()
    now = t("2026-05-13 23:59")
    assert health(case.o, [], now) == "on_time"
    now = t("2026-05-15 00:00")
    assert health(case.o, [], now) == "waiting_on_client"
    late = deadlines(case.o, now)  # the kick-off was never held
    assert health(case.o, late, now) == "late"


def test_what_was_done_late_is_no_longer_late() -> None:
    case = Case(one_site()).kickoff(phase("P1", "2026-06-01 08:00", "2026-06-05 18:00"),
                                    held_on="2026-04-10")  # fmt: skip
    case.sent("kickoff_minutes", "2026-04-13 09:00")
    now = t("2026-04-14 10:00")
    assert [d.state for d in deadlines(case.o, now) if d.obligation.code in {"O1", "O2"}] == [
        "missed",
        "missed",
    ]
    assert health(case.o, deadlines(case.o, now), now) == "on_time"


def test_an_interview_closed_as_not_held_is_not_chased_for_ever() -> None:
    case = Case().activated("2026-05-04 08:00")
    for day in (25, 26, 27):
        tried = {"tried_on": f"2026-05-{day}", "not_held_reason": "Absent"}
        case.take("interview_held", f"2026-05-{day} 10:00", **tried)
    found = of(diary(case, "2026-05-28", "2026-07-31"), "O17:")
    assert [level for _, _, level in found] == ["late"]
