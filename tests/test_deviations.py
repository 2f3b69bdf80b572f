"""Deviations from the schedule, declared or only observed (PROCESS, section 4; O7)."""

from __future__ import annotations

from process.deviations import Deviation, deviations, next_detection
from tests.builders import Case, boxes, iso, phase, t

DECLARED = {"phase": "P1", "cause": "Livraison", "measures": ["Renfort"]}


def seen(case: Case, now: str) -> list[Deviation]:
    return deviations(case.o, t(now))


def only(case: Case, now: str) -> Deviation:
    [deviation] = seen(case, now)
    return deviation


def sentence(deviation: Deviation) -> str:
    """What the client reads, with plain spaces."""
    return deviation.observed.replace("\u00a0", " ")


def planned() -> Case:
    """P1 is firm from Monday 13 April 08:00 to Wednesday 15 April 2026 18:00, as in the plan."""
    return Case().kickoff().firm("2026-04-01 10:00")


def test_a_phase_made_firm_as_the_work_plan_says_is_no_deviation() -> None:
    assert seen(planned(), "2026-04-15 18:00") == []


# Moved


def test_a_phase_moved_from_the_work_plan() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00", "P1", "2026-04-14 13:00")
    moved = only(case, "2026-04-01 10:00")
    assert (moved.key, moved.detected_at) == ("P1-1", t("2026-04-01 10:00"))
    assert sentence(moved) == (
        "La phase « Phase P1 », prévue le lundi 13 avril 2026 à 8 h 00, "
        "est déplacée au mardi 14 avril 2026 à 13 h 00."
    )
    assert moved.moved_to is case.o.phases["P1"].slot


def test_a_phase_extended_says_its_new_end() -> None:
    case = planned().firm("2026-04-08 10:00", ends="2026-04-17 12:00")
    assert sentence(only(case, "2026-04-08 10:00")) == (
        "La fin de la phase « Phase P1 » est reportée au vendredi 17 avril 2026 à 12 h 00."
    )


def test_each_move_is_a_deviation() -> None:
    case = planned().firm("2026-04-02 10:00", "P1", "2026-04-14 08:00")
    case.firm("2026-04-03 10:00", "P1", "2026-04-15 08:00")
    assert [one.key for one in seen(case, "2026-04-03 10:00")] == ["P1-1", "P1-2"]


def test_the_same_hours_with_another_crew_are_no_deviation() -> None:
    assert seen(planned().firm("2026-04-02 10:00", crew=["Équipe Est"]), "2026-04-03 10:00") == []


# Started or ended late


def test_a_provisional_start_that_passes_is_noticed_the_next_morning() -> None:
    case = Case().kickoff()
    assert next_detection(case.o, t("2026-04-10 10:00")) == t("2026-04-13 09:00")
    case = Case().kickoff(phase(starts="2026-04-13 14:00"))
    assert next_detection(case.o, t("2026-04-10 10:00")) == t("2026-04-14 09:00")
    assert seen(case, "2026-04-14 08:59") == []
    late = only(case, "2026-04-14 09:00")
    assert late.detected_at == t("2026-04-14 09:00")
    assert sentence(late) == (
        "La phase « Phase P1 » n'a pas débuté le lundi 13 avril 2026 à 14 h 00 comme prévu."
    )


def test_a_phase_not_completed_at_its_end_is_noticed_the_next_morning() -> None:
    case = planned()
    assert next_detection(case.o, t("2026-04-13 10:00")) == t("2026-04-16 09:00")
    assert seen(case, "2026-04-16 08:59") == []
    late = only(case, "2026-04-20 09:00")
    assert late.detected_at == t("2026-04-16 09:00")
    assert sentence(late) == (
        "La phase « Phase P1 » n'est pas achevée le mercredi 15 avril 2026 à 18 h 00 comme prévu."
    )


def test_a_phase_that_ends_on_a_friday_is_noticed_on_monday() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00", ends="2026-04-17 18:00")
    assert next_detection(case.o, t("2026-04-13 10:00")) == t("2026-04-20 09:00")


def test_completed_in_time_is_no_deviation_even_told_late() -> None:
    case = planned()
    assert len(seen(case, "2026-04-20 10:00")) == 1
    done = {"id": "P1", "completed_at": iso("2026-04-15 18:00")}
    case.take("phase_completed", "2026-04-20 10:00", **done)
    assert seen(case, "2026-04-20 10:00") == []
    assert next_detection(case.o, t("2026-04-20 10:00")) is None


def test_completed_late_and_told_at_once_is_detected_then() -> None:
    done = {"id": "P1", "completed_at": iso("2026-04-15 20:00")}
    late = only(planned().take("phase_completed", "2026-04-15 20:05", **done), "2026-04-16 12:00")
    assert late.detected_at == t("2026-04-15 20:05")
    assert sentence(late) == (
        "La phase « Phase P1 », prévue jusqu'au mercredi 15 avril 2026 à 18 h 00, "
        "s'est achevée le mercredi 15 avril 2026 à 20 h 00."
    )


def test_completed_late_and_told_much_later_keeps_the_first_detection() -> None:
    done = {"id": "P1", "completed_at": iso("2026-04-17 12:00")}
    late = only(planned().take("phase_completed", "2026-04-20 10:00", **done), "2026-04-21 10:00")
    assert late.detected_at == t("2026-04-16 09:00")


def test_a_phase_never_made_firm_that_ended_late_is_a_deviation_too() -> None:
    case = Case().kickoff()
    first = only(case, "2026-04-14 09:00")
    done = {"id": "P1", "completed_at": iso("2026-04-17 12:00")}
    case.take("phase_completed", "2026-04-17 13:00", **done)
    late = only(case, "2026-04-17 13:00")
    assert (late.key, late.detected_at) == (first.key, first.detected_at)
    assert "s'est achevée le vendredi 17 avril 2026 à 12 h 00" in sentence(late)


def test_a_phase_moved_after_its_end_had_passed_is_one_deviation() -> None:
    case = planned().firm("2026-04-17 10:00", ends="2026-04-20 18:00")
    late = only(case, "2026-04-17 10:00")
    assert late.detected_at == t("2026-04-16 09:00")
    assert late.moved_to is case.o.phases["P1"].slot
    # The new end is not kept either: another one.
    assert [one.key for one in seen(case, "2026-04-21 09:00")] == ["P1-1", "P1-2"]


def test_a_cancelled_phase_ends_late_no_more() -> None:
    case = planned().take("phase_cancelled", "2026-04-10 10:00", id="P1", reason="x")
    assert seen(case, "2026-05-20 10:00") == []
    assert next_detection(case.o, t("2026-04-10 10:00")) is None


# Declared


def test_declared_before_anything_happens() -> None:
    case = planned().take("deviation_declared", "2026-04-14 10:00", **DECLARED)
    told = only(case, "2026-04-14 10:00")
    assert (told.detected_at, told.moved_to) == (t("2026-04-14 10:00"), None)
    assert told.observed == "Un écart au planning est annoncé."
    assert only(case, "2026-04-15 10:00").detected_at == t("2026-04-14 10:00")


def test_declared_first_then_moved_is_one_deviation() -> None:
    new_end = iso("2026-04-16 18:00")
    case = planned()
    case.take("deviation_declared", "2026-04-14 10:00", **DECLARED, new_ends_at=new_end)
    case.firm("2026-04-14 10:05", ends="2026-04-16 18:00")
    one = only(case, "2026-04-16 18:00")
    assert one.declaration is not None
    assert one.detected_at == t("2026-04-14 10:00")
    assert one.moved_to is case.o.phases["P1"].slot


def test_declared_first_then_late_is_one_deviation() -> None:
    case = planned().take("deviation_declared", "2026-04-14 10:00", **DECLARED)
    assert len(seen(case, "2026-04-20 10:00")) == 1


def test_declared_after_it_was_observed_keeps_the_detection() -> None:
    case = planned().take("deviation_declared", "2026-04-16 15:00", **DECLARED)
    one = only(case, "2026-04-16 16:00")
    assert one.detected_at == t("2026-04-16 09:00")
    assert one.declaration is not None


def test_each_declaration_answers_to_the_deviation_of_its_rank() -> None:
    case = planned().firm("2026-04-02 10:00", "P1", "2026-04-14 08:00")
    case.take("deviation_declared", "2026-04-02 11:00", **DECLARED)
    case.firm("2026-04-03 10:00", "P1", "2026-04-15 08:00")
    found = seen(case, "2026-04-03 10:00")
    assert [one.declaration is not None for one in found] == [True, False]
    case.take("deviation_declared", "2026-04-03 11:00", **{**DECLARED, "cause": "Grève"})
    causes = [one.declaration and one.declaration.cause for one in seen(case, "2026-04-03 12:00")]
    assert causes == ["Livraison", "Grève"]


# What leaves


def test_the_project_manager_is_asked_at_once_and_the_client_told_after_one_worked_day() -> None:
    # Detected on the Friday before Easter: one jour ouvré later is Tuesday, hour for hour.
    case = Case().kickoff().firm("2026-04-03 10:30", "P1", "2026-04-14 08:00")
    found = case.sendings(2, "2026-04-03 10:30")
    request, notice = found["deviation_request:P1-1"], found["deviation_notice:P1-1:factual"]
    assert (request.at, boxes(request)) == (None, ["chef"])
    assert request.data["notice_at"] == iso("2026-04-07 10:30")
    assert notice.at == t("2026-04-07 10:30")
    assert boxes(notice) == ["decideuse", "dsi", "utilisatrice"]
    assert (notice.data["factual"], notice.data["cause"]) == (True, None)
    assert notice.data["planned_starts_at"] == iso("2026-04-13 08:00")
    assert notice.data["new_starts_at"] == iso("2026-04-14 08:00")
    assert "est déplacée au" in notice.data["observed"]


def test_the_automatic_notice_follows_the_clocks_of_paris() -> None:
    case = Case().kickoff(phase(), phase("P2"), held_on="2026-03-25")
    case.firm("2026-03-27 10:30", "P1", "2026-04-14 08:00")  # summer time begins on the 29th
    notice = case.sendings(2, "2026-03-27 10:30")["deviation_notice:P1-1:factual"]
    assert notice.at is not None
    assert notice.at.isoformat() == "2026-03-30T10:30:00+02:00"


def test_once_declared_the_client_is_told_at_once_with_causes_and_measures() -> None:
    case = Case().kickoff().firm("2026-04-03 10:30", "P1", "2026-04-14 08:00")
    case.take("deviation_declared", "2026-04-03 11:00", **DECLARED, effect="Aucun")
    found = case.sendings(2, "2026-04-03 11:00")
    assert [key for key in found if key.startswith("deviation")] == [
        "deviation_notice:P1-1:declared"
    ]
    notice = found["deviation_notice:P1-1:declared"]
    assert notice.at is None
    assert (notice.data["cause"], notice.data["measures"]) == ("Livraison", ["Renfort"])
    assert (notice.data["effect"], notice.data["factual"]) == ("Aucun", False)


def test_declared_after_the_automatic_notice_the_causes_still_leave_as_the_next_version() -> None:
    case = Case().kickoff().firm("2026-04-03 10:30", "P1", "2026-04-14 08:00")
    factual = case.sendings(2, "2026-04-07 10:30")["deviation_notice:P1-1:factual"]
    case.sent(factual.key, "2026-04-07 10:31")
    case.take("deviation_declared", "2026-04-08 11:00", **DECLARED)
    declared = case.sendings(2, "2026-04-08 11:00")["deviation_notice:P1-1:declared"]
    assert [d.subject for d in factual.documents] == [d.subject for d in declared.documents]
    assert case.limit("O7", "2026-04-08 11:00", "P1-1").state == "met"


def test_a_declaration_tells_the_dates_it_announces() -> None:
    case = planned().take(
        "deviation_declared", "2026-04-14 10:00", **DECLARED, new_ends_at=iso("2026-04-16 18:00")
    )
    notice = case.sendings(2, "2026-04-14 10:00")["deviation_notice:P1-1:declared"]
    assert notice.data["new_starts_at"] is None
    assert notice.data["new_ends_at"] == iso("2026-04-16 18:00")
