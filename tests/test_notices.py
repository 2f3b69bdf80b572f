"""A notice that comes too late: the phase must be moved or waived (PROCESS, section 4; O5)."""

from __future__ import annotations

from process import editions
from process.obligations import deadlines
from process.reminders import chases
from tests.builders import Case, boxes, phase, t
from workflows.agenda import look
from workflows.steps import STEPS

KEY = "notice_request:P1:2"
TOLD = "2026-04-10 06:00"
"""74 hours before the start of P1, on Monday 13 April 2026 at 8:00."""
WAIVER = {"by": "Dsi", "on": "2026-04-10", "reason": "Arrêt de production"}


def accepted(at: str) -> Case:
    """The schedule is told with 74 h of notice, and accepted by the mail server at that instant."""
    return Case().kickoff().firm(TOLD).sent("intervention_schedule:P1:1", at)


def asked(case: Case, now: str) -> list[str]:
    return [key for key in case.sendings(2, now) if key.startswith("notice_request")]


def awaited(case: Case, now: str) -> list[str]:
    found = STEPS[2].expected(case.o, t(now))
    return [one.about for one in found if one.fact == "phase_planned"]


def test_a_schedule_told_in_time_and_accepted_too_late_is_asked_about_at_once() -> None:
    case = accepted("2026-04-10 10:06")
    assert case.limit("O5", "2026-04-10 10:06", "P1").state == "missed"
    sending = case.sendings(2, "2026-04-10 10:06")[KEY]
    assert boxes(sending) == ["chef"]
    assert sending.data["notice"] == "69,9 h"
    assert sending.at is None, "at once"
    assert awaited(case, "2026-04-10 10:06") == [
        "P1 : préavis insuffisant, déplacer ou joindre la dérogation du client"
    ]


def test_it_is_chased_until_the_phase_is_moved_or_waived() -> None:
    case, now = accepted("2026-04-10 10:06"), t("2026-04-10 10:07")

    def chased() -> list[str]:
        found = chases(case.o, deadlines(case.o, now), now)
        return [one.text for one in found if one.id == "O5:P1"]

    [text] = chased()
    assert text.endswith(
        "préavis insuffisant, déplacer la phase ou joindre la dérogation du client"
    )
    case.firm("2026-04-10 11:00", waiver=WAIVER)
    assert chased() == []


def test_one_that_no_server_took_in_time_is_asked_about_when_the_limit_passes() -> None:
    case = Case().kickoff().firm(TOLD).started("intervention_schedule:P1:1", TOLD)
    assert asked(case, "2026-04-10 08:00") == []
    assert case.sendings(2, "2026-04-10 08:01")[KEY].data["notice"] is None


def test_nothing_is_asked_about_a_notice_given_in_time() -> None:
    assert asked(accepted("2026-04-10 08:00"), "2026-04-11 08:00") == []


def test_moved_waived_begun_cancelled_there_is_nothing_to_ask_any_more() -> None:
    def short() -> Case:
        return accepted("2026-04-10 10:06")

    moved = short().firm("2026-04-10 11:00", starts="2026-04-20 08:00", ends="2026-04-21 18:00")
    waived = short().firm("2026-04-10 11:00", waiver=WAIVER)
    cancelled = short().take("phase_cancelled", "2026-04-10 11:00", id="P1", reason="Reportée")
    assert [asked(one, "2026-04-10 12:00") for one in (moved, waived, cancelled)] == [[], [], []]
    assert asked(short(), "2026-04-13 08:00") == []


def test_a_provisional_phase_without_schedule_is_asked_about_too() -> None:
    case = Case().kickoff()
    assert case.sendings(2, "2026-04-10 08:01")["notice_request:P1:1"].data["firm"] is False
    assert len(awaited(case, "2026-04-10 08:01")) == 1, "awaited once"


def test_nobody_is_asked_on_suspension() -> None:
    case, now = accepted("2026-04-10 10:06"), t("2026-04-10 12:00")
    keys = [one.key for one in look(case.o, deadlines(case.o, now), now).sendings]
    assert KEY in keys
    case.take("onboarding_suspended", "2026-04-10 11:00", reason="Travaux du client")
    keys = [one.key for one in look(case.o, deadlines(case.o, now), now).sendings]
    assert KEY not in keys


def test_runs_of_the_first_edition_do_as_they_did() -> None:
    case = accepted("2026-04-10 10:06")
    case.o.record.edition = editions.FIRST
    assert asked(case, "2026-04-10 10:06") == []


def test_a_move_that_is_waived_keeps_its_breach() -> None:
    case = accepted("2026-04-10 10:06").take(
        "phase_planned", "2026-04-10 11:00", **phase(waiver=WAIVER)
    )
    assert case.limit("O5", "2026-04-10 11:00", "P1").state == "missed"
