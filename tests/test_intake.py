"""What becomes of a fact: counted once, waiting, taken back, refused and told."""

from __future__ import annotations

import pytest

from process import reminders, rules
from process.obligations import deadlines
from tests.builders import Case, Payload, iso, phase, t
from workflows.intake import Intake

NOW = t("2026-04-16 10:00")


def test_a_correction_that_is_refused_does_not_use_up_its_fact_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = Case().kickoff(phase()).firm("2026-04-01 10:00")
    correction: Payload = {
        "fact_id": "c-1",
        "fact": "phase_planned",
        "key": "P1",
        "payload": phase(works=["Câblage"]),
        "by": "Chef",
        "reason": "Erreur",
    }

    def refuse(*_: object) -> None:
        raise rules.Refused("trop tard")

    intake = Intake(case.o)
    with monkeypatch.context() as patched:
        patched.setattr("workflows.intake._check_bearable", refuse)
        with pytest.raises(rules.Refused, match="trop tard"):
            intake.take("fact_corrected", [correction], NOW)
    assert intake.take("fact_corrected", [correction], NOW).outcome == "accepted"
    assert intake.take("fact_corrected", [correction], NOW).outcome == "known"


def test_a_fact_that_waits_says_so_and_can_be_taken_back_at_once() -> None:
    case = Case().kickoff(phase())
    intake = Intake(case.o)
    done = {"id": "P9", "completed_at": iso("2026-04-15 17:00")}
    answer = intake.take("phase_completed", [done], NOW)
    [waiting] = case.o.record.waiting
    id_ = rules.waiting_id(waiting)
    assert answer.outcome == "waiting"
    assert answer.message == (
        "En attente, pas encore retenu : la phase P9 n'est pas connue (phases connues : P1) ; il "
        "sera appliqué dès que « Une phase d'intervention est planifiée (ou déplacée) "
        "(phase_planned) » sera connu. Pour le retirer : fait open_point_settled, "
        f"id {id_}, action abandon."
    )
    settled = {"id": id_, "action": "abandon", "by": "Chef", "reason": "Mauvais code"}
    assert not case.o.record.open_points, "it is no open point yet"
    assert intake.take("open_point_settled", [settled], NOW).outcome == "accepted"
    assert case.o.record.waiting == []
    assert case.o.record.rejected[-1].reason == (
        "en attente de « phase_planned », abandonné par Chef"
    )


def test_each_fact_refused_at_one_instant_is_told() -> None:
    case = Case().kickoff(phase())
    intake = Intake(case.o)
    for name, payload in (
        ("phase_completed", {"id": "p1"}),
        ("phase_completed", {"id": "P-1", "completed_at": iso("2026-04-15 17:00")}),
        ("phase_completed", {"id": "P-1", "completed_at": iso("2026-04-15 17:00")}),
        ("training_planned", {}),
    ):
        intake.hear(name, [payload], NOW)
    chased = reminders.chases(case.o, deadlines(case.o, NOW), NOW)
    morning = t("2026-04-17 09:00")
    [mail] = [
        one
        for one in reminders.due_reminders(chased, morning, morning)
        if one.to.role == "project_manager"
    ]
    told = [chase.text for chase, level in mail.chases if level == "rejected"]
    assert len(told) == 3
    assert told[1].startswith("Fait « phase_completed » refusé (2 fois) : id : il n'y a pas")
    assert len({one.id for one in chased}) == len(chased)
