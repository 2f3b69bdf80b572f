"""When maintenance takes effect and is activated, and the notice it owes (PROCESS, 3.7)."""

from __future__ import annotations

from datetime import time
from typing import Any

from process import maintenance
from process.orders import Sending
from process.policy import Policy
from tests.builders import Case, boxes, contract, d, iso, one_site, reserve, stated, t

FIXED = "2026-09-14"  # a Monday


def fixed(effective: str = FIXED, **changes: Any) -> Case:
    """Maintenance at a fixed date, on one site."""
    return Case(one_site(maintenance__effective=effective, **changes))


def sheets(case: Case, now: str) -> dict[str, Sending]:
    """The incident sheets that the step has still to send."""
    return {
        key: sending
        for key, sending in case.sendings(6, now).items()
        if sending.kind == "incident_sheet" and key not in case.o.record.sendings
    }


def only_sheet(case: Case, now: str) -> Sending:
    [sending] = sheets(case, now).values()
    return sending


def activation(case: Case, now: str) -> str | None:
    day = maintenance.activation_on(case.o, t(now))
    return day.isoformat() if day else None


# A fixed date


def test_a_fixed_date_is_the_effective_date_whatever_the_recette() -> None:
    case = fixed()
    assert maintenance.effective_on(case.o) == d(FIXED)
    case.recette("2026-05-05")
    assert maintenance.effective_on(case.o) == d(FIXED)


def test_the_sheet_leaves_early_enough_for_the_full_notice_and_names_both_dates() -> None:
    sheet = only_sheet(fixed(), "2026-05-04 10:00")
    # Five jours ouvrés before 14 September, and three more to put a mailbox right.
    assert sheet.at == t("2026-09-02 09:00")
    assert sheet.data == {
        "effective_on": FIXED,
        "activation_on": FIXED,
        "provisional": False,
        "corrected": False,
    }
    assert boxes(sheet) == ["mainteneur", "utilisatrice", "decideuse"]
    assert sheet.manager is not None
    assert sheet.manager.role == "account_manager"


def test_known_that_day_without_earlier_notice_activation_waits_for_five_worked_days() -> None:
    case = fixed()
    assert activation(case, f"{FIXED} 07:00") == "2026-09-21"
    case.sent(f"incident_sheet:{FIXED}", f"{FIXED} 09:00")
    assert activation(case, "2026-09-20 10:00") == "2026-09-21"
    assert maintenance.activation_at(case.o, t("2026-09-20 10:00")) == t("2026-09-21 08:00")


def test_a_notice_that_is_late_by_a_day_delays_the_activation() -> None:
    assert (
        activation(fixed().sent(f"incident_sheet:{FIXED}", "2026-09-07 23:59"), f"{FIXED} 07:00")
        == FIXED
    )
    late = fixed().sent(f"incident_sheet:{FIXED}", "2026-09-08 00:01")
    assert activation(late, f"{FIXED} 10:00") == "2026-09-15"


def test_the_activation_may_fall_on_a_day_that_is_not_worked() -> None:
    saturday = "2026-09-12"
    case = fixed(saturday).sent(f"incident_sheet:{saturday}", "2026-09-04 10:00")
    assert activation(case, "2026-09-07 10:00") == saturday
    assert maintenance.activation_at(case.o, t("2026-09-07 10:00")) == t("2026-09-12 08:00")
    # One day later the notice is short for Saturday and for Sunday.
    late = fixed(saturday).sent(f"incident_sheet:{saturday}", "2026-09-07 10:00")
    assert activation(late, "2026-09-07 10:00") == "2026-09-14"


def test_the_hour_and_the_notice_are_settings() -> None:
    policy = Policy(activation_hour=time(0), incident_sheet_jo=10)
    case = Case(one_site(maintenance__effective=FIXED), policy=policy)
    case.sent(f"incident_sheet:{FIXED}", "2026-09-01 10:00")
    assert maintenance.activation_at(case.o, t("2026-09-02 10:00")) == t("2026-09-15 00:00")


def test_days_closed_at_any_site_do_not_count_as_notice() -> None:
    # Good Friday 3 April 2026 is worked in Paris and closed at Colmar.
    effective = "2026-04-09"
    sent = "2026-04-01 10:00"
    one = fixed(effective).sent(f"incident_sheet:{effective}", sent)
    assert activation(one, "2026-04-02 10:00") == effective
    both = Case(contract(maintenance__effective=effective))
    both.sent(f"incident_sheet:{effective}", sent)
    assert activation(both, "2026-04-02 10:00") == "2026-04-10"


def test_without_a_notice_the_activation_is_put_off_every_day() -> None:
    case = fixed()
    assert activation(case, "2026-09-15 10:00") == "2026-09-22"
    assert activation(case, "2026-09-16 10:00") == "2026-09-23"
    case.started(f"incident_sheet:{FIXED}", "2026-09-16 10:00")  # left, not accepted
    assert activation(case, "2026-09-17 10:00") == "2026-09-24"


def test_an_activation_that_took_place_does_not_move() -> None:
    case = fixed().activated("2026-09-21 08:00")
    assert activation(case, "2026-12-01 10:00") == "2026-09-21"


# On acceptance: the provisional sheet


def convoked(reserves: int = 0) -> Case:
    """The recette of 5 May 2026 is convoked; the provisional sheet may leave."""
    case = Case(one_site()).take(
        "recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00")
    )
    assert sheets(case, "2026-04-20 10:00") == {}
    case.started("recette_convocation:1:1", "2026-04-20 10:00")
    if reserves:
        case.recette("2026-05-05", *(reserve(n + 1) for n in range(reserves)))
    return case


def test_the_provisional_sheet_leaves_with_the_convocation_to_the_recette() -> None:
    sheet = only_sheet(convoked(), "2026-04-20 10:00")
    assert (sheet.key, sheet.at) == ("incident_sheet:provisional", None)
    assert sheet.data == {
        "effective_on": None,
        "activation_on": None,
        "provisional": True,
        "corrected": False,
    }


def test_no_date_is_known_before_the_final_acceptance() -> None:
    case = convoked(reserves=1)
    assert maintenance.effective_on(case.o) is None
    assert maintenance.activation_at(case.o, t("2026-05-06 10:00")) is None
    case.take("reserve_lifted", "2026-05-12 10:00", number=1, lifted_on="2026-05-11", by="Dsi")
    assert maintenance.effective_on(case.o) == d("2026-05-11")


def test_a_provisional_sheet_that_gave_the_notice_is_enough() -> None:
    case = convoked().sent("incident_sheet:provisional", "2026-04-27 18:00")
    case.recette("2026-05-05")
    assert activation(case, "2026-05-05 12:00") == "2026-05-05"
    assert sheets(case, "2026-05-05 12:00") == {}


def test_a_provisional_sheet_too_recent_is_not_enough_and_a_notice_leaves_that_day() -> None:
    case = convoked().sent("incident_sheet:provisional", "2026-04-30 18:00")
    case.recette("2026-05-05")
    now = "2026-05-05 12:00"
    # From 30 April: 4, 5, 6, 7 and 11 May (1 and 8 May are closed).
    assert activation(case, now) == "2026-05-11"
    sheet = only_sheet(case, now)
    assert sheet.key == "incident_sheet:2026-05-05"
    assert sheet.at is not None
    assert sheet.at <= t(now)
    assert sheet.data == {
        "effective_on": "2026-05-05",
        "activation_on": "2026-05-11",
        "provisional": False,
        "corrected": False,
    }
    case.sent(sheet.key, "2026-05-05 12:01")
    assert activation(case, "2026-05-06 12:00") == "2026-05-11"
    assert sheets(case, "2026-05-06 12:00") == {}


def test_without_any_sheet_the_notice_runs_from_the_day_the_date_is_known() -> None:
    case = Case(one_site()).recette(FIXED)
    assert activation(case, f"{FIXED} 12:00") == "2026-09-21"
    assert only_sheet(case, f"{FIXED} 12:00").key == f"incident_sheet:{FIXED}"


def test_a_reserve_found_after_the_acceptance_takes_the_date_back() -> None:
    case = convoked().sent("incident_sheet:provisional", "2026-04-20 10:01").recette("2026-05-05")
    case.take("reserve_added", "2026-05-05 13:00", **reserve(1, found_on="2026-05-05"))
    assert maintenance.effective_on(case.o) is None
    assert sheets(case, "2026-05-05 13:00") == {}


# The date moves after the notice left (PROCESS 6.9)


def moved(to: str, at: str = "2026-09-03 10:00") -> Case:
    """The sheet for 14 September was accepted on the 2nd; then the date moves."""
    case = fixed().sent(f"incident_sheet:{FIXED}", "2026-09-02 09:00")
    return case.take("maintenance_date_set", at, effective_on=to)


def test_a_later_date_is_corrected_at_once_and_keeps_the_notice() -> None:
    case = moved("2026-09-28")
    sheet = only_sheet(case, "2026-09-03 10:00")
    assert (sheet.key, sheet.at) == ("incident_sheet:2026-09-28", None)
    assert sheet.data["corrected"]
    assert activation(case, "2026-09-03 10:00") == "2026-09-28"


def test_an_earlier_date_is_corrected_at_once_and_owes_the_full_notice_again() -> None:
    case = moved("2026-09-07")
    assert only_sheet(case, "2026-09-03 10:00").data == {
        "effective_on": "2026-09-07",
        "activation_on": "2026-09-10",
        "provisional": False,
        "corrected": True,
    }
    # Not told yet: O15 is not met by what was said of another date.
    assert case.limit("O15", "2026-09-03 10:00").state == "running"
    case.sent("incident_sheet:2026-09-07", "2026-09-04 10:00")
    assert activation(case, "2026-09-05 10:00") == "2026-09-11"
    assert stated(case.limit("O15", "2026-09-05 10:00")) == (
        "2026-09-04 23:59:59",
        "2026-09-04 10:00:00",
        "met",
    )


def test_a_date_between_the_first_and_the_corrected_one_is_earlier_than_what_was_said() -> None:
    case = moved("2026-09-28").sent("incident_sheet:2026-09-28", "2026-09-03 10:01")
    case.take("maintenance_date_set", "2026-09-15 10:00", effective_on="2026-09-16")
    assert activation(case, "2026-09-15 10:00") == "2026-09-22"
    assert only_sheet(case, "2026-09-15 10:00").data["corrected"]


def test_a_date_that_comes_back_is_announced_again() -> None:
    case = moved("2026-09-28").sent("incident_sheet:2026-09-28", "2026-09-03 10:01")
    case.take("maintenance_date_set", "2026-09-04 10:00", effective_on=FIXED)
    sheet = only_sheet(case, "2026-09-04 10:00")
    assert (sheet.key, sheet.data["corrected"]) == (f"incident_sheet:{FIXED}:2", True)
    case.sent(sheet.key, "2026-09-04 10:01")
    assert sheets(case, "2026-09-04 10:02") == {}
    assert activation(case, "2026-09-04 10:02") == FIXED
    case.take("maintenance_date_set", "2026-09-05 10:00", effective_on="2026-09-28")
    assert only_sheet(case, "2026-09-05 10:00").key == "incident_sheet:2026-09-28:2"


def test_a_provisional_notice_is_overtaken_by_the_date_that_followed_it() -> None:
    case = convoked().sent("incident_sheet:provisional", "2026-04-30 18:00").recette("2026-05-05")
    case.sent("incident_sheet:2026-05-05", "2026-05-05 12:01")
    case.take("maintenance_date_set", "2026-05-06 10:00", effective_on="2026-05-01")
    assert activation(case, "2026-05-06 10:00") == "2026-05-15"


def test_a_sheet_refused_by_the_mail_server_is_no_notice() -> None:
    case = fixed().started(f"incident_sheet:{FIXED}", "2026-09-02 09:00")
    case.take("maintenance_date_set", "2026-09-03 10:00", effective_on="2026-09-07")
    assert maintenance.notice_given_at(case.o, d("2026-09-07")) is None


# Blocked: an explicit decision of the account manager


def test_before_any_acceptance_a_fixed_date_does_not_activate() -> None:
    case = fixed()
    assert maintenance.is_blocked(case.o)
    blocked = case.sendings(6, "2026-05-04 10:00")[f"activation_blocked:{FIXED}"]
    assert boxes(blocked) == ["compte"]
    assert blocked.at == t(f"{FIXED} 08:00")
    assert blocked.data == {"effective_on": FIXED, "reserves": [], "accepted": False}
    assert case.expected(6, f"{FIXED} 07:59") == []
    assert case.expected(6, f"{FIXED} 08:00") == [("maintenance_date_set", "account_manager")]


def test_an_open_blocking_reserve_holds_up_a_fixed_date() -> None:
    case = fixed().recette("2026-09-07", reserve(1, "blocking"), reserve(2, "minor"))
    assert maintenance.is_blocked(case.o)
    assert maintenance.blocking_numbers(case.o) == [1]
    case.take("reserve_fixed", "2026-09-08 10:00", number=1, fixed_on="2026-09-08", evidence="x")
    assert maintenance.is_blocked(case.o), "Mileo's word lifts nothing"
    case.take("reserve_lifted", "2026-09-09 10:00", number=1, lifted_on="2026-09-09", by="Dsi")
    assert not maintenance.is_blocked(case.o)


def test_other_open_reserves_block_nothing_and_are_listed_in_the_notice() -> None:
    case = fixed().recette("2026-09-07", reserve(1, "major"), reserve(2, "minor"))
    assert not maintenance.is_blocked(case.o)
    notice = case.activated(f"{FIXED} 08:00").sendings(6, f"{FIXED} 08:00")["activation_notice"]
    assert [one["number"] for one in notice.data["open_reserves"]] == [1, 2]
    assert notice.data["decision"] is None


def test_the_account_manager_decides_despite_open_reserves() -> None:
    case = fixed().recette("2026-09-07", reserve(1, "blocking"))
    decision = {"by": "Compte", "reason": "Contournement accepté par le client"}
    case.take(
        "maintenance_date_set", "2026-09-15 10:00",
        effective_on=FIXED, despite_open_reserves=True, **decision,
    )  # fmt: skip
    assert not maintenance.is_blocked(case.o)
    notice = case.activated("2026-09-22 08:00").sendings(6, "2026-09-22 08:00")["activation_notice"]
    assert notice.data["decision"] == decision
    assert notice.data["effective_on"] == FIXED
    assert notice.data["activation_on"] == "2026-09-22"


def test_a_later_date_without_the_decision_blocks_again() -> None:
    case = fixed().recette("2026-09-07", reserve(1, "blocking"))
    case.take(
        "maintenance_date_set", "2026-09-08 10:00",
        effective_on=FIXED, despite_open_reserves=True, by="Compte", reason="x",
    )  # fmt: skip
    case.take("maintenance_date_set", "2026-09-09 10:00", effective_on="2026-09-28")
    assert maintenance.is_blocked(case.o)


# Around it


def test_without_a_maintenance_contract_nothing_leaves() -> None:
    case = Case(contract(maintenance=None)).recette("2026-05-05")
    assert case.sendings(6, "2026-05-05 12:00") == {}
    assert case.expected(6, "2026-05-05 12:00") == []
    assert maintenance.activation_on(case.o, t("2026-05-05 12:00")) is None


def test_the_interview_may_be_held_from_the_twentieth_day() -> None:
    assert Case().o.interview_from is None
    case = Case().activated("2026-06-01 08:00")
    assert case.o.interview_from == d("2026-06-21")
