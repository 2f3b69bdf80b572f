"""The events of the client's calendars: planned, moved, cancelled, always under the same uid."""

from __future__ import annotations

from process.orders import Invitation, Sending
from tests.builders import Case, boxes, contract, iso, phase, t
from tests.test_rules import TRAINING
from workflows.steps import any_step


def event(sending: Sending) -> Invitation:
    [only] = sending.invitations
    return only


def planned_everything() -> Case:
    """Everything that can be ahead is planned, and the client was invited to it."""
    case = Case().take(
        "kickoff_planned", "2026-03-18 10:00", starts_at=iso("2026-03-25 14:00"), place="Angers"
    )
    case.sent("kickoff_convocation:1", "2026-03-18 10:01").kickoff(
        phase(), phase("P2", "2026-04-20 08:00", "2026-04-21 18:00", site="COLMAR")
    )
    case.firm("2026-04-01 10:00").sent("intervention_schedule:P1:1", "2026-04-01 10:01")
    case.firm("2026-04-01 10:00", "P2", "2026-04-20 08:00", "2026-04-21 18:00", site="COLMAR")
    case.take("training_planned", "2026-04-02 10:00", **TRAINING)
    case.sent("training_convocation:1:1", "2026-04-02 10:01")
    case.take("recette_planned", "2026-04-14 10:00", starts_at=iso("2026-05-05 10:00"))
    return case.sent("recette_convocation:1:1", "2026-04-14 10:01")


def test_a_kickoff_that_moves_is_the_same_event_with_a_higher_sequence() -> None:
    plan = {"starts_at": iso("2026-03-25 14:00"), "place": "Angers"}
    case = Case().take("kickoff_planned", "2026-03-18 10:00", **plan)
    first = event(case.sendings(1, "2026-03-18 10:00")["kickoff_convocation:1"])
    assert (first.uid, first.place, first.cancelled) == ("kickoff", "Angers", False)
    assert (first.starts_at, first.ends_at) == (t("2026-03-25 14:00"), t("2026-03-25 16:00"))
    plan["starts_at"] = iso("2026-03-26 09:00")
    case.take("kickoff_planned", "2026-03-19 10:00", **plan)
    moved = event(case.sendings(1, "2026-03-19 10:00")["kickoff_convocation:2"])
    assert moved.uid == first.uid
    assert moved.sequence > first.sequence
    assert moved.starts_at == t("2026-03-26 09:00")


def test_a_phase_is_shown_at_its_site_and_disappears_when_it_is_cancelled() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    schedule = event(case.sendings(2, "2026-04-01 10:00")["intervention_schedule:P1:1"])
    assert schedule.uid == "phase-P1"
    assert "Angers" in schedule.place
    assert (schedule.starts_at, schedule.ends_at) == (t("2026-04-13 08:00"), t("2026-04-15 18:00"))
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:01")
    case.take("phase_cancelled", "2026-04-02 10:00", id="P1", reason="Hors périmètre")
    gone = event(case.sendings(2, "2026-04-02 10:00")["phase_cancelled:P1"])
    assert (gone.uid, gone.cancelled) == ("phase-P1", True)
    assert gone.sequence > schedule.sequence


def test_a_provisional_phase_that_is_cancelled_removes_nothing_from_a_calendar() -> None:
    case = Case().kickoff()
    case.take("phase_cancelled", "2026-04-02 10:00", id="P1", reason="Hors périmètre")
    assert case.sendings(2, "2026-04-02 10:00")["phase_cancelled:P1"].invitations == ()


def test_the_training_and_the_recette_are_events_too() -> None:
    case = planned_everything()
    training = event(case.sendings(3, "2026-04-02 10:00")["training_convocation:1:1"])
    assert training.uid == "formation-1"
    recette = event(case.sendings(4, "2026-04-20 10:00")["recette_convocation:1:1"])
    assert (recette.uid, recette.ends_at) == ("recette-1", t("2026-05-05 13:00"))


def test_the_presentation_is_an_event_once_its_hour_is_agreed() -> None:
    case = Case().recette("2026-05-05").activated("2026-05-12 08:00")
    case.sent("activation_notice", "2026-05-12 08:01")
    assert "presentation_convocation:1" not in case.sendings(6, "2026-05-12 10:00")
    for rank, hour in enumerate(("2026-05-15 11:00", "2026-05-18 11:00"), start=1):
        case.take("presentation_planned", "2026-05-12 10:00", starts_at=iso(hour))
        convocation = case.sendings(6, "2026-05-12 10:00")[f"presentation_convocation:{rank}"]
        assert boxes(convocation) == ["mainteneur"]
        assert convocation.data["moved"] == (rank > 1)
        shown = event(convocation)
        assert (shown.uid, shown.starts_at) == ("presentation", t(hour))
        assert (shown.ends_at - shown.starts_at).total_seconds() == 30 * 60
    case.take("maintenance_presented", "2026-05-18 12:00", held_on="2026-05-18")
    assert "presentation_convocation:2" not in case.sendings(6, "2026-05-18 12:00")


def test_the_interview_is_first_a_span_of_days_then_an_hour() -> None:
    case = Case().activated("2026-05-12 08:00")
    span = event(case.sendings(7, "2026-05-12 10:00")["interview_invitation"])
    assert span.all_day
    assert (span.starts_at, span.ends_at) == (t("2026-06-01 00:00"), t("2026-06-12 00:00"))
    case.take("interview_planned", "2026-06-02 10:00", starts_at=iso("2026-06-04 15:00"))
    [(key, convocation)] = case.sendings(7, "2026-06-02 10:00").items()
    agreed = event(convocation)
    assert key == "interview_convocation:1"
    assert (agreed.uid, agreed.all_day) == (span.uid, False)
    assert agreed.sequence > span.sequence


def test_a_cancellation_removes_every_event_still_ahead_and_no_other() -> None:
    case = planned_everything()
    case.take("onboarding_cancelled", "2026-04-15 17:00", reason="Contrat résilié")
    told = next(iter(any_step.cancellation(case.o)))
    assert told.kind == "cancelled_client"
    # The kick-off was held; the client was never invited to P2; P1 lasts another hour.
    gone = {event.uid: event for event in told.invitations}
    assert sorted(gone) == ["formation-1", "phase-P1", "recette-1"]
    assert all(event.cancelled for event in gone.values())
    # The contact of a site where an intervention was announced hears of it too.
    assert gone["phase-P1"].sequence > 0
    concerned = {one.role for one in gone["phase-P1"].attendees}
    assert "technical_lead" in concerned
    assert len(boxes(told)) == len(set(boxes(told)))


def test_what_is_past_stays_in_the_calendars() -> None:
    case = planned_everything()
    case.take("onboarding_cancelled", "2026-04-15 18:00", reason="Contrat résilié")
    told = next(iter(any_step.cancellation(case.o)))
    assert [event.uid for event in told.invitations] == ["formation-1", "recette-1"]


def test_a_site_contact_hears_that_the_intervention_will_not_come() -> None:
    source = contract()
    keeper = {"name": "Gardien", "email": "gardien@client.example"}
    source["sites"][0]["contact"] = keeper
    case = Case(source).kickoff().firm("2026-04-01 10:00")
    case.sent("intervention_schedule:P1:1", "2026-04-01 10:01")
    case.take("onboarding_cancelled", "2026-04-02 10:00", reason="Contrat résilié")
    told = next(iter(any_step.cancellation(case.o)))
    assert "gardien" in boxes(told)


def test_a_cancellation_reaches_those_who_were_invited_to_a_call_or_to_the_kickoff() -> None:
    case = Case().take(
        "kickoff_planned", "2026-03-18 10:00", starts_at=iso("2026-06-25 14:00"), place="Angers"
    )
    case.sent("kickoff_convocation:1", "2026-03-18 10:01").recette("2026-05-05")
    case.activated("2026-05-12 08:00").sent("interview_invitation", "2026-06-01 09:00")
    case.take("presentation_planned", "2026-05-12 10:00", starts_at=iso("2026-06-15 11:00"))
    case.sent("presentation_convocation:1", "2026-05-12 10:01")
    case.take("onboarding_cancelled", "2026-06-02 10:00", reason="Contrat résilié")
    client, team = any_step.cancellation(case.o)
    gone = {event.uid: event for event in client.invitations}
    assert sorted(gone) == ["entretien", "kickoff", "presentation"]
    assert gone["entretien"].all_day
    # The maintenance contact, and Mileo's own people at the kick-off.
    assert "mainteneur" in boxes(client)
    [kickoff] = team.invitations
    assert [one.role for one in kickoff.attendees] == ["technical_referent", "sales"]
    assert "technical_lead" in {one.role for one in gone["kickoff"].attendees}


def test_a_recette_of_every_site_names_them_all() -> None:
    shown = event(planned_everything().sendings(4, "2026-04-20 10:00")["recette_convocation:1:1"])
    assert "Angers" in shown.place
    assert "Colmar" in shown.place
