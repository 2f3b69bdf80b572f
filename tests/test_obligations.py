"""What each obligation is held to, row by row (PROCESS, section 2)."""

from __future__ import annotations

import pytest

from activities.working_days import read_worked_days
from process.calendar import WorkCalendar
from process.obligations import OBLIGATIONS, weekly_point_on, weeks_owed
from process.policy import Policy
from settings import CalendarSettings
from tests.builders import PRESENT, Case, contract, d, iso, one_site, phase, reserve, stated, t
from tests.test_rules import AUDIT, HELD, INTERVIEW, SCOPE, TRAINING

AUDITED = {**AUDIT, "scope_change": SCOPE}


def states(case: Case, code: str, now: str) -> dict[str | None, str]:
    return {key: deadline.state for key, deadline in case.limits(code, now).items()}


def test_the_seventeen_obligations_in_order() -> None:
    assert list(OBLIGATIONS) == [f"O{n}" for n in range(1, 18)]
    assert [line.step for line in OBLIGATIONS.values()] == sorted(
        line.step for line in OBLIGATIONS.values()
    )


@pytest.mark.parametrize(
    ("code", "accountable", "recipients"),
    [
        ("O1", ["project_manager"],
         {"technical_referent", "sales", "decision_maker", "technical_lead", "primary_user"}),
        ("O3", ["technical_referent"], {"technical_lead"}),
        ("O4", ["sales", "project_manager"], {"decision_maker"}),
        ("O5", ["project_manager"], {"technical_lead"}),
        ("O6", ["project_manager"], {"technical_lead"}),
        ("O10", ["project_manager"], {"technical_lead"}),
        ("O12", ["project_manager"], {"technical_lead", "decision_maker"}),
        ("O13", ["project_manager"], {"technical_lead", "decision_maker"}),
        ("O15", ["account_manager"], {"technical_contact", "primary_user", "decision_maker"}),
        ("O16", ["account_manager"], {"technical_contact"}),
    ],
)  # fmt: skip
def test_who_is_accountable_and_who_receives(
    code: str, accountable: list[str], recipients: set[str]
) -> None:
    line = OBLIGATIONS[code]
    assert (list(line.accountable), set(line.recipients)) == (accountable, recipients)


# A limit's four states


def test_a_limit_runs_to_its_last_second_and_not_beyond() -> None:
    case = Case()  # signed on Monday 16 March 2026
    due = "2026-03-30 23:59:59"
    assert stated(case.limit("O1", due)) == (due, None, "running")
    assert stated(case.limit("O1", "2026-03-31 00:00")) == (due, None, "missed")
    assert case.limit("O1", "2026-03-31 00:00").is_late


def test_a_late_fact_that_states_a_date_in_time_turns_missed_into_met() -> None:
    case = Case()
    assert states(case, "O1", "2026-04-10 10:00") == {None: "missed"}
    plan = {"held_on": "2026-03-30", "attendees": [], "phases": [phase()]}
    case.take("kickoff_held", "2026-04-10 10:00", **plan)
    assert stated(case.limit("O1", "2026-04-10 10:00")) == (
        "2026-03-30 23:59:59",
        "2026-03-30 00:00:00",
        "met",
    )


def test_done_but_late_is_missed_with_a_date_and_no_longer_late() -> None:
    case = Case().kickoff(held_on="2026-03-31")
    limit = case.limit("O1", "2026-04-10 10:00")
    assert stated(limit) == ("2026-03-30 23:59:59", "2026-03-31 00:00:00", "missed")
    assert not limit.is_late


# Row by row


def test_o2_work_plan_accepted_on_the_day_of_the_kickoff() -> None:
    assert Case().limits("O2", "2026-03-25 10:00") == {}
    case = Case().kickoff()
    assert stated(case.limit("O2", "2026-03-25 18:00")) == ("2026-03-25 23:59:59", None, "running")
    case.sent("kickoff_minutes", "2026-03-25 23:59:59")
    assert case.limit("O2", "2026-03-26 10:00").state == "met"
    case.sent("kickoff_minutes", "2026-03-26 00:00:01")
    assert case.limit("O2", "2026-03-26 10:00").state == "missed"


def test_o3_audit_five_calendar_days_after_the_kickoff() -> None:
    assert Case().limits("O3", "2026-03-25 10:00") == {}
    case = Case().kickoff(held_on="2026-05-11")
    due = "2026-05-18 23:59:59"
    assert stated(case.limit("O3", "2026-05-12 10:00")) == (due, None, "running")
    case.take("audit_concluded", "2026-05-20 10:00", **{**AUDIT, "concluded_on": "2026-05-18"})
    assert stated(case.limit("O3", "2026-05-20 10:00")) == (due, "2026-05-18 00:00:00", "met")


def test_o3_o4_are_void_for_a_new_installation() -> None:
    case = Case(one_site()).kickoff()
    assert states(case, "O3", "2026-05-20 10:00") == {None: "void"}
    assert states(case, "O4", "2026-05-20 10:00") == {None: "void"}


def test_o4_scope_change_proposed_one_worked_day_after_the_audit() -> None:
    case = Case().kickoff()
    assert case.limits("O4", "2026-03-27 10:00") == {}
    case.take("audit_concluded", "2026-03-27 17:00", **AUDITED)
    due = "2026-03-30 23:59:59"
    assert stated(case.limit("O4", "2026-03-27 17:00")) == (due, None, "running")
    case.sent("scope_change_proposal", "2026-03-30 09:00")
    assert stated(case.limit("O4", "2026-04-10 10:00")) == (due, "2026-03-30 09:00:00", "met")


def test_o4_is_void_when_the_audit_asks_for_nothing() -> None:
    case = Case().kickoff().take("audit_concluded", "2026-03-27 17:00", **AUDIT)
    assert states(case, "O4", "2026-04-10 10:00") == {None: "void"}


def test_o5_schedule_accepted_72_hours_before_the_start() -> None:
    case = Case().kickoff(phase(starts="2026-03-30 08:00", ends="2026-03-31 18:00"))
    due = "2026-03-27 07:00:00"
    assert stated(case.limit("O5", "2026-03-26 10:00", "P1")) == (due, None, "running")
    case.firm("2026-03-26 10:00", "P1", "2026-03-30 08:00", "2026-03-31 18:00")
    case.sent("intervention_schedule:P1:1", "2026-03-27 07:00")
    assert stated(case.limit("O5", "2026-04-20 10:00", "P1")) == (due, due, "met")
    case.sent("intervention_schedule:P1:1", "2026-03-27 07:00:01")
    assert case.limit("O5", "2026-04-20 10:00", "P1").state == "missed"


def test_o5_counts_the_acceptance_not_the_departure() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.started("intervention_schedule:P1:1", "2026-04-01 10:00")
    assert case.limit("O5", "2026-04-10 07:00", "P1").state == "running"
    late = case.limit("O5", "2026-04-10 08:01", "P1")
    assert (late.state, late.is_late) == ("missed", True)
    # Nothing done once it has started would still be a notice.
    assert not case.limit("O5", "2026-04-13 08:00", "P1").is_late


def test_o5_breached_with_a_waiver_stays_on_record() -> None:
    waiver = {"by": "Dsi", "on": "2026-04-11", "reason": "Urgence"}
    case = Case().kickoff().firm("2026-04-11 08:00", waiver=waiver)
    case.sent("intervention_schedule:P1:1", "2026-04-11 08:01")
    assert stated(case.limit("O5", "2026-04-11 09:00", "P1")) == (
        "2026-04-10 08:00:00",
        "2026-04-11 08:01:00",
        "missed",
    )
    assert case.o.notice_hours(case.o.phases["P1"]) == pytest.approx(48 - 1 / 60)


def test_o5_a_moved_phase_has_a_new_limit_and_needs_a_new_notice() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:00")
    case.firm("2026-04-02 10:00", "P1", "2026-04-14 08:00")
    due = "2026-04-11 08:00:00"
    assert stated(case.limit("O5", "2026-04-02 10:00", "P1")) == (due, None, "running")
    case.sent("intervention_schedule:P1:2", "2026-04-02 10:01")
    met = "2026-04-02 10:01:00"
    assert stated(case.limit("O5", "2026-04-02 11:00", "P1")) == (due, met, "met")


def test_o5_a_longer_phase_keeps_the_notice_of_its_start() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:00")
    case.firm("2026-04-12 10:00", ends="2026-04-16 18:00")
    case.sent("intervention_schedule:P1:2", "2026-04-12 10:01")
    assert stated(case.limit("O5", "2026-04-12 11:00", "P1"))[1:] == ("2026-04-01 10:00:00", "met")


def test_o5_a_phase_moved_away_and_back_needs_a_new_notice() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:00")
    case.firm("2026-04-02 10:00", "P1", "2026-04-14 08:00")
    case.sent("intervention_schedule:P1:2", "2026-04-02 10:01")
    case.firm("2026-04-08 10:00")
    assert case.limit("O5", "2026-04-08 11:00", "P1").state == "running"
    case.sent("intervention_schedule:P1:3", "2026-04-10 09:00")
    assert stated(case.limit("O5", "2026-04-10 10:00", "P1"))[1:] == (
        "2026-04-10 09:00:00",
        "missed",
    )


def test_o5_the_same_hours_on_another_site_are_another_notice() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:00")
    case.firm("2026-04-02 10:00", site="COLMAR")
    assert case.limit("O5", "2026-04-02 11:00", "P1").limit.met_at is None


def test_o5_is_void_once_the_phase_is_cancelled_and_shown_on_the_sites_clock() -> None:
    sites = [{**contract()["sites"][0], "code": "R", "zone": "la-reunion"}]
    case = Case(contract(sites=sites, equipment=[])).kickoff(phase(site="R"))
    due = case.limit("O5", "2026-04-01 10:00", "P1").limit.due_at
    assert due is not None
    assert due.isoformat() == "2026-04-10T10:00:00+04:00"
    case.take("phase_cancelled", "2026-04-01 10:00", id="P1", reason="x")
    assert states(case, "O5", "2026-04-20 10:00") == {"P1": "void"}


def deployed() -> Case:
    """Deployment from Wednesday 22 April to Tuesday 12 May 2026: May 1 and May 8 are holidays."""
    case = Case().kickoff(phase("P1", "2026-04-22 08:00", "2026-05-12 18:00"))
    return case.firm("2026-04-01 10:00", "P1", "2026-04-22 08:00", "2026-05-12 18:00")


def test_o6_one_point_a_week_from_the_week_of_the_first_start() -> None:
    case = deployed()
    assert case.limits("O6", "2026-04-19 23:59") == {}
    assert stated(case.limit("O6", "2026-04-20 00:00", "2026-W17")) == (
        "2026-04-26 23:59:59",
        None,
        "running",
    )
    case.take("progress_reported", "2026-04-28 10:00", held_on="2026-04-24", done=[], next=[])
    found = case.limits("O6", "2026-04-28 10:00")
    assert stated(found["2026-W17"])[1:] == ("2026-04-24 00:00:00", "met")
    assert {key: one.state for key, one in found.items()} == {
        "2026-W17": "met",
        "2026-W18": "running",
    }


def test_o6_is_missed_when_the_week_ends_and_nothing_done_later_mends_it() -> None:
    case = deployed()
    missed = case.limit("O6", "2026-04-27 00:00", "2026-W17")
    assert (missed.state, missed.is_late) == ("missed", False)
    case.take("progress_reported", "2026-04-28 10:00", held_on="2026-04-28", done=[], next=[])
    assert states(case, "O6", "2026-04-28 10:00") == {"2026-W17": "missed", "2026-W18": "met"}


def test_o6_stops_with_the_last_completion() -> None:
    case = deployed()
    case.take("phase_completed", "2026-05-12 18:00", id="P1", completed_at=iso("2026-05-12 17:00"))
    weeks = ["2026-W17", "2026-W18", "2026-W19", "2026-W20"]
    assert list(case.limits("O6", "2026-06-30 10:00")) == weeks


def test_o6_goes_on_between_phases_until_all_are_over() -> None:
    case = deployed()
    case.firm("2026-04-02 10:00", "P2", "2026-06-01 08:00", "2026-06-02 18:00")
    case.take("phase_completed", "2026-05-12 18:00", id="P1", completed_at=iso("2026-05-12 17:00"))
    assert "2026-W22" in case.limits("O6", "2026-05-26 10:00")
    case.take("phase_cancelled", "2026-05-26 10:00", id="P2", reason="x")
    assert "2026-W22" not in case.limits("O6", "2026-05-26 10:00")


def test_o6_is_not_owed_in_a_week_fully_closed() -> None:
    closed = CalendarSettings(mileo_closed_days=frozenset(d(f"2026-12-{n}") for n in range(28, 32)))
    case = Case(one_site(signed_at="2026-11-16T10:00:00+01:00"))
    case.o.calendar = WorkCalendar(read_worked_days(["metropole"], 2025, 2029, closed))
    case.kickoff(phase(starts="2026-12-21 08:00", ends="2027-01-05 18:00"), held_on="2026-11-20")
    case.firm("2026-12-01 10:00", "P1", "2026-12-21 08:00", "2027-01-05 18:00")
    # 1 January is a Friday: the week of 28 December has no worked day left.
    assert weeks_owed(case.o, t("2027-01-04 10:00")) == ["2026-W52", "2027-W01"]


@pytest.mark.parametrize(
    ("week", "day"),
    [
        ("2026-W17", "2026-04-22"),  # the deployment starts on Wednesday
        ("2026-W18", "2026-04-28"),  # Tuesday
        ("2026-W20", "2026-05-12"),
    ],
)
def test_o6_the_point_falls_on_its_weekday_within_the_deployment(week: str, day: str) -> None:
    assert weekly_point_on(deployed().o, week) == d(day)


@pytest.mark.parametrize(
    ("weekday", "week", "day"),
    [
        (5, "2026-W18", "2026-04-30"),  # Friday 1 May: the nearest is Thursday
        (4, "2026-W20", "2026-05-13"),  # Thursday 14 May (Ascension): Wednesday before Friday
        (1, "2026-W22", "2026-05-26"),  # Whit Monday: Tuesday
    ],
)
def test_o6_the_nearest_worked_day_of_that_week_otherwise(
    weekday: int, week: str, day: str
) -> None:
    case = Case(policy=Policy(weekly_point_weekday=weekday))
    case.kickoff(phase("P1", "2026-04-20 08:00", "2026-06-30 18:00"))
    case.firm("2026-04-01 10:00", "P1", "2026-04-20 08:00", "2026-06-30 18:00")
    assert weekly_point_on(case.o, week) == d(day)


def test_o7_told_one_worked_day_after_the_detection() -> None:
    case = Case().kickoff()
    case.firm("2026-04-03 10:00", "P1", "2026-04-14 08:00")  # Friday before Easter
    assert stated(case.limit("O7", "2026-04-03 10:00", "P1-1")) == (
        "2026-04-07 23:59:59",
        None,
        "running",
    )
    case.sent("deviation_notice:P1-1:factual", "2026-04-07 10:00")
    case.sent("deviation_notice:P1-1:declared", "2026-04-09 10:00")
    assert stated(case.limit("O7", "2026-04-10 10:00", "P1-1"))[1:] == (
        "2026-04-07 10:00:00",
        "met",
    )


def test_o8_training_planned_before_the_commissioning() -> None:
    case = Case()
    assert stated(case.limit("O8", "2026-04-20 10:00")) == (None, None, "running")
    case.take("training_planned", "2026-04-20 10:00", **TRAINING)
    met = "2026-04-20 10:00:00"
    assert stated(case.limit("O8", "2026-04-20 10:00")) == (None, met, "met")
    case.take("commissioned", "2026-05-04 10:00", commissioned_on="2026-05-04")
    due = "2026-05-04 23:59:59"
    assert stated(case.limit("O8", "2026-05-04 10:00")) == (due, met, "met")


def test_o8_overridden_then_planned_too_late() -> None:
    case = Case()
    case.take("commissioned", "2026-04-15 10:00", commissioned_on="2026-04-15", override_reason="x")
    assert case.limit("O8", "2026-04-16 10:00").is_late
    case.take("training_planned", "2026-04-20 10:00", **TRAINING)
    assert case.limit("O8", "2026-04-20 10:00").state == "missed"


def test_o9_one_guide_a_training_on_the_day_it_is_held() -> None:
    case = Case().take("training_planned", "2026-04-20 10:00", **TRAINING)
    assert case.limits("O9", "2026-05-04 10:00") == {}
    case.take("training_held", "2026-05-04 18:00", **HELD)
    due = "2026-05-04 23:59:59"
    assert stated(case.limit("O9", "2026-05-04 18:00", "1")) == (due, None, "running")
    case.sent("user_guide:1", "2026-05-04 18:01")
    assert case.limit("O9", "2026-05-05 18:00", "1").state == "met"
    later = {**TRAINING, "starts_at": iso("2026-05-11 09:00")}
    case.take("training_planned", "2026-05-06 10:00", **later)
    case.take("training_held", "2026-05-11 18:00", **{**HELD, "held_on": "2026-05-11"})
    assert states(case, "O9", "2026-05-12 18:00") == {"1": "met", "2": "missed"}


def test_o10_grid_accepted_five_worked_days_before_the_recette() -> None:
    case = Case().take("recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"))
    due = "2026-04-27 23:59:59"  # 1 May is closed
    assert stated(case.limit("O10", "2026-04-20 10:00", "1")) == (due, None, "running")
    case.sent("recette_convocation:1:1", "2026-04-20 10:01")
    case.take("recette_planned", "2026-04-21 10:00", starts_at=iso("2026-05-12 10:00"))
    case.sent("recette_convocation:1:2", "2026-04-21 10:01")
    assert stated(case.limit("O10", "2026-05-10 10:00", "1")) == (
        "2026-05-04 23:59:59",
        "2026-04-20 10:01:00",
        "met",
    )


def test_o10_lapses_once_the_recette_is_over() -> None:
    case = Case().recette("2026-05-05")
    missed = case.limit("O10", "2026-05-05 13:00", "1")
    assert (missed.state, missed.is_late) == ("missed", False)


def test_o11_has_no_limit_and_is_met_by_the_minutes_whatever_the_decision() -> None:
    case = Case()
    assert stated(case.limit("O11", "2026-04-20 10:00")) == (None, None, "running")
    case.recette("2026-05-05", decision="refused")
    met = (None, "2026-05-05 00:00:00", "met")
    assert stated(case.limit("O11", "2026-05-05 13:00", "1")) == met
    case.recette("2026-06-02")
    assert list(case.limits("O11", "2026-06-02 13:00")) == ["1", "2"]


def test_o12_a_reserve_is_due_at_the_agreed_date_else_by_severity() -> None:
    case = Case().recette(
        "2026-05-05",
        reserve(1, "blocking"),
        reserve(2, "major"),
        reserve(3, "minor"),
        reserve(4, "blocking", due_on="2026-09-06"),
    )
    due = {key: stated(one)[0] for key, one in case.limits("O12", "2026-05-05 13:00").items()}
    assert due == {
        "1": "2026-05-13 23:59:59",  # 5 jo over 8 May
        "2": "2026-05-29 23:59:59",  # 15 jo over 8, 14 and 25 May
        "3": "2026-06-04 23:59:59",  # 30 calendar days
        "4": "2026-09-06 23:59:59",  # agreed, a Sunday
    }


def test_o12_is_met_by_the_clients_levee_and_counts_the_day_it_states() -> None:
    case = Case().recette("2026-05-05", reserve(1, "blocking"), reserve(2, "blocking"))
    case.take("reserve_fixed", "2026-05-07 10:00", number=1, fixed_on="2026-05-07", evidence="x")
    assert case.limit("O12", "2026-05-07 10:00", "1").state == "running"
    assert case.limit("O12", "2026-05-14 10:00", "1").is_late
    case.take("reserve_lifted", "2026-05-18 10:00", number=1, lifted_on="2026-05-13", by="Dsi")
    case.take("reserve_lifted", "2026-05-18 10:00", number=2, lifted_on="2026-05-14", by="Dsi")
    assert states(case, "O12", "2026-05-18 10:00") == {"1": "met", "2": "missed"}


def test_o12_a_minor_reserve_due_on_a_weekend_moves_to_the_next_worked_day() -> None:
    case = Case().recette("2026-05-07", reserve(1, "minor"))  # + 30 days: Saturday 6 June
    assert stated(case.limit("O12", "2026-05-07 13:00", "1"))[0] == "2026-06-08 23:59:59"


def test_o13_doe_twenty_worked_days_after_the_acceptance_without_reserve() -> None:
    case = Case()
    assert stated(case.limit("O13", "2026-04-20 10:00")) == (None, None, "running")
    case.recette("2026-04-24")
    due = "2026-05-28 23:59:59"
    assert stated(case.limit("O13", "2026-04-24 13:00")) == (due, None, "running")
    case.sent("doe_delivery", "2026-05-28 23:59:59")
    assert stated(case.limit("O13", "2026-06-24 13:00")) == (due, due, "met")


def test_o13_counts_from_the_last_levee_of_the_last_site() -> None:
    case = Case().take("recette_planned", "2026-04-01 10:00", starts_at=iso("2026-04-20 10:00"))
    first = {"effective_on": "2026-04-20", "present": PRESENT, "sites": ["ANGERS"]}
    noted = {"decision": "accepted_with_reserves", "reserves": [reserve(1), reserve(2)]}
    case.take("recette_signed_off", "2026-04-20 12:00", **first, **noted)
    case.take("reserve_lifted", "2026-04-28 10:00", number=1, lifted_on="2026-04-27", by="Dsi")
    assert stated(case.limit("O13", "2026-04-28 10:00"))[0] is None
    second = {**first, "sites": ["COLMAR"], "effective_on": "2026-04-22"}
    case.take("recette_signed_off", "2026-04-22 12:00", **second, decision="accepted", reserves=[])
    assert stated(case.limit("O13", "2026-04-28 10:00"))[0] is None
    case.take("reserve_lifted", "2026-04-28 10:00", number=2, lifted_on="2026-04-24", by="Dsi")
    assert case.o.fully_accepted_on == d("2026-04-27")
    assert stated(case.limit("O13", "2026-04-28 10:00"))[0] == "2026-05-29 23:59:59"


def test_o13_a_reserve_found_later_stops_the_clock() -> None:
    case = Case().recette("2026-04-24")
    case.take("reserve_added", "2026-04-28 10:00", **reserve(1, found_on="2026-04-28"))
    assert stated(case.limit("O13", "2026-04-28 10:00"))[0] is None


def test_o13_handed_over_early_is_met_before_its_clock_starts() -> None:
    case = Case().sent("doe_delivery", "2026-04-10 10:00")
    assert case.limit("O13", "2026-04-20 10:00").state == "met"


def test_o14_to_o16_are_void_without_a_maintenance_contract() -> None:
    case = Case(contract(maintenance=None)).recette("2026-04-24")
    for code in ("O14", "O15", "O16"):
        assert states(case, code, "2026-06-30 10:00") == {None: "void"}


def test_o14_o15_follow_the_activation() -> None:
    case = Case(contract(maintenance__effective="2026-06-01"))
    now = "2026-05-04 10:00"
    assert stated(case.limit("O14", now)) == ("2026-06-01 23:59:59", None, "running")
    # Five jours ouvrés before 1 June, over Whit Monday.
    assert stated(case.limit("O15", now)) == ("2026-05-22 23:59:59", None, "running")
    case.sent("incident_sheet:2026-06-01", "2026-05-22 23:00")
    case.activated("2026-06-01 08:00").sent("activation_notice", "2026-06-01 08:01")
    assert stated(case.limit("O14", "2026-06-02 10:00"))[1:] == ("2026-06-01 08:01:00", "met")
    assert stated(case.limit("O15", "2026-06-02 10:00"))[1:] == ("2026-05-22 23:00:00", "met")


def test_o15_counts_only_days_worked_by_mileo_and_at_every_site() -> None:
    # Good Friday 3 April 2026 is closed at Colmar, not at Mileo.
    everywhere = Case(contract(maintenance__effective="2026-04-09"))
    assert stated(everywhere.limit("O15", "2026-03-17 10:00"))[0] == "2026-03-31 23:59:59"
    metropole = Case(one_site(maintenance__effective="2026-04-09"))
    assert stated(metropole.limit("O15", "2026-03-17 10:00"))[0] == "2026-04-01 23:59:59"


def test_o16_presentation_five_worked_days_after_the_activation() -> None:
    case = Case()
    assert stated(case.limit("O16", "2026-05-04 10:00")) == (None, None, "running")
    case.activated("2026-05-18 08:00")
    due = "2026-05-26 23:59:59"  # over Whit Monday
    assert stated(case.limit("O16", "2026-05-18 10:00")) == (due, None, "running")
    case.take("maintenance_presented", "2026-06-10 10:00", held_on="2026-05-26")
    assert case.limit("O16", "2026-06-10 10:00").state == "met"


def test_o17_interview_thirty_days_after_the_activation() -> None:
    case = Case(signed_2026()).activated("2026-04-01 08:00")
    due = "2026-05-04 23:59:59"
    assert stated(case.limit("O17", "2026-04-01 10:00")) == (due, None, "running")
    early = {**INTERVIEW, "held_on": "2026-04-20"}
    case.take("interview_held", "2026-04-20 18:00", **early)
    assert case.limit("O17", "2026-04-20 18:00").state == "running"
    case.take("interview_held", "2026-04-21 18:00", **{**INTERVIEW, "held_on": "2026-04-21"})
    assert stated(case.limit("O17", "2026-04-21 18:00")) == (due, "2026-04-21 00:00:00", "met")


def signed_2026() -> dict[str, object]:
    return contract(signed_at="2026-01-05T10:00:00+01:00")


def test_o17_counts_from_the_final_acceptance_without_maintenance() -> None:
    case = Case(contract(maintenance=None)).recette("2026-04-24", reserve(1))
    assert stated(case.limit("O17", "2026-04-24 13:00"))[0] is None
    case.take("reserve_lifted", "2026-05-04 10:00", number=1, lifted_on="2026-04-29", by="Dsi")
    assert stated(case.limit("O17", "2026-05-04 10:00"))[0] == "2026-05-29 23:59:59"


TRIED = {"tried_on": "2026-06-22", "not_held_reason": "Client absent"}


def test_o17_closed_after_three_tries_is_missed_for_good() -> None:
    case = Case().activated("2026-06-01 08:00")
    for day in (22, 23, 24):
        assert case.o.verdict is None
        case.take(
            "interview_held", f"2026-06-{day} 10:00", **{**TRIED, "tried_on": f"2026-06-{day}"}
        )
    closed = case.limit("O17", "2026-06-24 12:00")
    assert (closed.state, closed.is_late, case.o.verdict) == ("missed", False, "not_held")


# The verdict of the interview, computed


@pytest.mark.parametrize(
    ("score", "system", "procedure", "actions", "verdict"),
    [
        (7, True, True, 0, "succeeded"),
        (10, True, True, 0, "succeeded"),
        (7, True, True, 1, "succeeded_with_actions"),
        (6, True, True, 0, "succeeded_with_actions"),
        (5, True, True, 0, "succeeded_with_actions"),
        (10, False, True, 0, "succeeded_with_actions"),
        (10, True, False, 0, "succeeded_with_actions"),
        (10, False, False, 0, "to_be_redone"),
        (4, True, True, 0, "to_be_redone"),
        (0, True, False, 1, "to_be_redone"),
    ],
)
def test_the_verdict(
    score: int,
    system: bool,  # noqa: FBT001
    procedure: bool,  # noqa: FBT001
    actions: int,
    verdict: str,
) -> None:
    held = {
        **INTERVIEW,
        "score": score,
        "masters_system": system,
        "masters_incident_procedure": procedure,
        "actions": [{"what": "Former"}] * actions,
    }
    case = Case().activated("2026-06-01 08:00").take("interview_held", "2026-06-24 18:00", **held)
    assert case.o.verdict == verdict


def test_an_interview_held_after_all_counts_over_the_tries() -> None:
    case = Case().activated("2026-06-01 08:00")
    for day in (22, 23, 24):
        case.take(
            "interview_held", f"2026-06-{day} 10:00", **{**TRIED, "tried_on": f"2026-06-{day}"}
        )
    case.take("interview_held", "2026-06-24 18:00", **INTERVIEW)
    assert case.o.verdict == "succeeded"


# Years, bridges, long lives


def test_a_leap_day_is_a_day_like_any_other() -> None:
    case = Case(contract(signed_at="2028-02-15T10:00:00+01:00"))
    assert stated(case.limit("O1", "2028-02-16 10:00"))[0] == "2028-02-29 23:59:59"


def test_a_signature_late_in_the_evening_elsewhere_counts_in_paris() -> None:
    case = Case(contract(signed_at="2026-03-16T20:30:00-04:00"))  # 17 March, 01:30 in Paris
    assert stated(case.limit("O1", "2026-03-17 10:00"))[0] == "2026-03-31 23:59:59"


def test_limits_of_an_onboarding_told_very_late_are_missed_at_once() -> None:
    assert Case(started="2026-05-04 10:00").limit("O1", "2026-05-04 10:00").is_late
