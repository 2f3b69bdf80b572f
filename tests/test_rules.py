"""What is accepted, what waits, what is refused (PROCESS, section 4; DESIGN, section 2)."""

from __future__ import annotations

import unicodedata
from typing import Any, Literal

import pytest
from pydantic import ValidationError

from process import doe, editions, open_points, refusals, rules
from process.contract import Contract
from process.facts import FACTS, DoePieceFiled, OpenPointSettled
from process.orders import ReadPiece
from process.policy import Policy
from process.record import OpenPoint
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

PROJECT_MANAGER, TECHNICAL_LEAD = PRESENT
ALREADY = "déjà enregistré avec une autre valeur : utiliser fact_corrected"
KICKOFF: Payload = {"held_on": "2026-03-25", "attendees": ["Chef"], "phases": [phase()]}
AUDIT: Payload = {"concluded_on": "2026-03-27", "conclusions": "Câblage réutilisable."}
SCOPE: Payload = {"title": "Onduleur", "reason": "Baie non secourue.", "phases": ["P1"]}
ANSWER: Payload = {"accepted": True, "answered_on": "2026-03-31", "by": "Décideuse"}
TRAINING: Payload = {
    "starts_at": iso("2026-05-04 09:00"),
    "site": "ANGERS",
    "trainer": "Référent",
    "trainees": ["Utilisatrice"],
}
HELD: Payload = {"held_on": "2026-05-04", "trainees": ["Utilisatrice"]}
MINUTES: Payload = {
    "effective_on": "2026-05-05",
    "decision": "accepted",
    "present": PRESENT,
    "reserves": [],
}
PIECE: Payload = {"family": "plans", "name": "Plans", "uri": "plans.pdf"}
INTERVIEW: Payload = {
    "held_on": "2026-06-24",
    "score": 8,
    "masters_system": True,
    "masters_incident_procedure": True,
    "strengths": [],
    "improvements": [],
    "actions": [],
}
NOW = "2026-05-05 12:00"


def minutes(**changes: Any) -> Payload:
    return {**MINUTES, **changes}


def planned(source: Payload | None = None, **more: Any) -> Case:
    """A recette is planned, of all sites unless said otherwise."""
    case = Case(source)
    return case.take(
        "recette_planned", "2026-04-20 10:00", starts_at=iso("2026-05-05 10:00"), **more
    )


def accepted(*reserves: Payload) -> Case:
    return Case().recette("2026-05-05", *reserves)


def file_doe(case: Case, *, but: str = "") -> Case:
    for family in ("plans", "wiring", "configurations", "certificates", "warranties"):
        if family != but:
            case.take("doe_piece_filed", NOW, family=family, name=family, uri=f"{family}.pdf")
    for tag in ("VMS-01", "SW-01"):
        if tag != but:
            case.take(
                "doe_piece_filed", NOW, family="datasheets", name=tag, uri="x.pdf", equipment=[tag]
            )
    return case


# Each fact once, as it should come; then the same again, which changes nothing

STORY: list[tuple[str, str, Payload]] = [
    ("kickoff_planned", "2026-03-18 10:00", {"starts_at": iso("2026-03-25 10:00"), "place": "Ici"}),
    ("kickoff_held", "2026-03-25 17:00", KICKOFF),
    ("audit_concluded", "2026-03-27 17:00", {**AUDIT, "scope_change": SCOPE}),
    ("scope_change_answered", "2026-03-31 10:00", ANSWER),
    ("phase_planned", "2026-04-01 10:00", phase()),
    ("phase_planned", "2026-04-02 10:00", phase("P2", "2026-04-20 08:00", "2026-04-21 18:00")),
    ("phase_cancelled", "2026-04-08 10:00", {"id": "P2", "reason": "Hors périmètre"}),
    ("progress_reported", "2026-04-14 11:00", {"held_on": "2026-04-14", "done": [], "next": []}),
    ("deviation_declared", "2026-04-14 12:00",
     {"phase": "P1", "cause": "Livraison", "measures": ["Renfort"]}),
    ("phase_completed", "2026-04-16 10:00", {"id": "P1", "completed_at": iso("2026-04-16 09:00")}),
    ("training_planned", "2026-04-16 11:00", TRAINING),
    ("commissioned", "2026-05-04 08:00", {"commissioned_on": "2026-05-04"}),
    ("training_held", "2026-05-04 18:00", HELD),
    ("recette_planned", "2026-04-20 10:00", {"starts_at": iso("2026-05-05 10:00")}),
    ("recette_signed_off", "2026-05-05 12:00",
     minutes(decision="accepted_with_reserves", reserves=[reserve(1), reserve(2, "blocking")])),
    ("reserve_added", "2026-05-06 12:00", reserve(3, "major", found_on="2026-05-06")),
    ("reserve_fixed", "2026-05-07 12:00", {"number": 1, "fixed_on": "2026-05-07", "evidence": "x"}),
    ("reserve_lifting_refused", "2026-05-07 13:00",
     {"number": 1, "refused_on": "2026-05-07", "by": "Dsi", "reason": "Toujours flou"}),
    ("reserve_lifted", "2026-05-11 12:00", {"number": 2, "lifted_on": "2026-05-11", "by": "Dsi"}),
    ("doe_piece_filed", "2026-05-12 12:00", PIECE),
    ("maintenance_date_set", "2026-05-12 13:00", {"effective_on": "2026-06-01"}),
    ("contact_replaced", "2026-05-13 12:00", {"role": "sales", "person": person("releve")}),
]  # fmt: skip


def test_each_fact_is_taken_once_and_known_the_second_time() -> None:
    case = Case()
    for name, at, payload in STORY:
        case.take(name, at, **payload)
        assert case.is_known(name, at, **payload), name
    file_doe(case, but="plans").take("doe_released", NOW, released_on="2026-05-13", by="Chef")
    case.sent("doe_delivery", "2026-05-13 15:00")
    case.take("doe_received", NOW, received_on="2026-05-14", by="Dsi")
    case.activated("2026-06-01 08:00")
    case.take("maintenance_presented", "2026-06-03 12:00", held_on="2026-06-03")
    case.take("interview_held", "2026-06-24 12:00", **INTERVIEW)
    assert case.is_known("doe_released", NOW, released_on="2026-05-13", by="Chef")
    assert case.is_known("doe_received", NOW, received_on="2026-05-14", by="Dsi")
    assert case.is_known("maintenance_presented", "2026-06-04 12:00", held_on="2026-06-03")
    assert case.is_known("interview_held", "2026-06-24 12:00", **INTERVIEW)


def test_the_same_statement_in_another_time_zone_is_known() -> None:
    case = Case().kickoff(phase())
    case.take("phase_planned", "2026-04-01 10:00", **phase())
    utc = {"starts_at": "2026-04-13T06:00:00Z", "ends_at": "2026-04-15T16:00:00+00:00"}
    assert case.is_known("phase_planned", "2026-04-02 10:00", **{**phase(), **utc})


# fact_id


def test_a_fact_id_counts_once_whatever_has_happened_since() -> None:
    case = Case().kickoff(phase())
    first = {**phase(), "fact_id": "crm-1"}
    case.take("phase_planned", "2026-04-01 10:00", **first)
    case.take("phase_planned", "2026-04-01 11:00", **phase(starts="2026-04-14 08:00"))
    # Without its id the first one would move the phase back.
    assert case.is_known("phase_planned", "2026-04-01 12:00", **first)
    case.judge("phase_planned", "2026-04-01 12:00", **phase())


def test_a_fact_id_with_another_payload_is_refused() -> None:
    case = Case().kickoff(phase()).take("phase_planned", "2026-04-01 10:00", **phase(fact_id="c"))
    why = "fact_id : « c » a déjà servi pour un autre fait"
    moved = phase(starts="2026-04-14 08:00", fact_id="c")
    assert case.refused("phase_planned", "2026-04-01 11:00", **moved) == why
    cancelled = {"id": "P1", "reason": "x", "fact_id": "c"}
    assert case.refused("phase_cancelled", "2026-04-01 11:00", **cancelled) == why


def test_another_fact_id_does_not_make_the_same_statement_new() -> None:
    case = Case().take("kickoff_held", "2026-03-25 17:00", **KICKOFF, fact_id="a")
    assert case.is_known("kickoff_held", "2026-03-25 18:00", **KICKOFF, fact_id="b")


# A mistyped year


@pytest.mark.parametrize("year", [2025, 2029])
def test_a_date_beyond_the_recorded_calendar_is_refused_with_its_path(year: int) -> None:
    far = {
        **phase("P2"),
        "starts_at": f"{year}-04-13T08:00:00+02:00",
        "ends_at": "2029-12-31T18:00:00Z",
    }
    found = Case().refused("kickoff_held", NOW, **{**KICKOFF, "phases": [phase(), far]})
    why = "date hors du calendrier de l'onboarding (2026-2028)"
    assert f"phases[1].starts_at : {why}" in found.splitlines()
    assert f"phases[1].ends_at : {why}" in found.splitlines()
    reserves = [reserve(1, due_on=f"{year}-01-01")]
    late = minutes(decision="accepted_with_reserves", reserves=reserves)
    assert planned().refused("recette_signed_off", NOW, **late) == f"reserves[0].due_on : {why}"


# Step 1


def test_another_value_for_what_happens_once_is_refused() -> None:
    case = Case().take("kickoff_held", NOW, **KICKOFF)
    assert case.refused("kickoff_held", NOW, **{**KICKOFF, "held_on": "2026-03-26"}) == ALREADY
    case.take("audit_concluded", NOW, **AUDIT, scope_change=SCOPE)
    assert case.refused("audit_concluded", NOW, **AUDIT) == ALREADY
    case.take("scope_change_answered", NOW, **ANSWER)
    assert case.refused("scope_change_answered", NOW, **{**ANSWER, "accepted": False}) == ALREADY


def test_the_work_plan_names_sites_of_the_contract() -> None:
    plan = {**KICKOFF, "phases": [phase(), phase("P2", site="BREST")]}
    assert Case().refused("kickoff_held", NOW, **plan) == (
        "phases[1].site : le contrat n'a pas de site « BREST » (sites : ANGERS, COLMAR)"
    )


def test_an_audit_is_only_for_a_replacement_or_an_extension() -> None:
    case = Case(one_site()).kickoff()
    assert case.refused("audit_concluded", NOW, **AUDIT) == (
        "le contrat est une installation neuve : aucun audit n'est dû"
    )
    assert case.refused("scope_change_answered", NOW, **ANSWER) == "aucun avenant n'a été proposé"
    Case(contract(project_kind="extension")).kickoff().judge("audit_concluded", NOW, **AUDIT)


def test_an_audit_waits_for_the_kickoff_and_an_answer_for_the_audit() -> None:
    assert Case().waits("audit_concluded", NOW, **AUDIT) == "kickoff_held"
    assert Case().kickoff().waits("scope_change_answered", NOW, **ANSWER) == "audit_concluded"


def test_an_answer_without_proposal_is_refused() -> None:
    case = Case().kickoff().take("audit_concluded", NOW, **AUDIT)
    assert case.refused("scope_change_answered", NOW, **ANSWER) == "aucun avenant n'a été proposé"


def test_a_scope_change_waits_for_the_phases_it_names() -> None:
    change = {**SCOPE, "phases": ["P1", "P9"]}
    case = Case().kickoff()
    assert case.waits("audit_concluded", NOW, **AUDIT, scope_change=change) == "la phase P9"


@pytest.mark.parametrize("answer", [True, False])
def test_only_the_phases_of_a_scope_change_wait_for_the_answer(answer: bool) -> None:  # noqa: FBT001
    case = Case().kickoff(phase(), phase("P2"))
    case.take("audit_concluded", "2026-03-27 17:00", **AUDIT, scope_change=SCOPE)
    assert case.waits("phase_planned", "2026-04-01 10:00", **phase()) == "scope_change_answered"
    case.judge("phase_planned", "2026-04-01 10:00", **phase("P2"))
    case.take("scope_change_answered", "2026-04-01 11:00", **{**ANSWER, "accepted": answer})
    case.judge("phase_planned", "2026-04-01 12:00", **phase())


# Step 2


def test_facts_about_phases_wait_for_the_work_plan_then_for_the_phase() -> None:
    about: list[tuple[str, Payload]] = [
        ("phase_cancelled", {"id": "P9", "reason": "x"}),
        ("phase_completed", {"id": "P9", "completed_at": iso("2026-04-15 17:00")}),
        ("deviation_declared", {"phase": "P9", "cause": "x", "measures": ["y"]}),
    ]
    for name, payload in about:
        assert Case().waits(name, NOW, **payload) == "kickoff_held"
        assert Case().kickoff().waits(name, NOW, **payload) == "phase_planned"
    assert Case().waits("phase_planned", "2026-04-01 10:00", **phase()) == "kickoff_held"
    report = {"held_on": "2026-04-14", "done": [], "next": []}
    assert Case().waits("progress_reported", NOW, **report) == "kickoff_held"


def test_a_schedule_of_exactly_72_hours_is_enough() -> None:
    case = Case().kickoff()
    # The clocks change in between: 72 elapsed hours before Monday 08:00 is Friday 07:00.
    monday = phase("P2", "2026-03-30 08:00", "2026-03-30 18:00")
    case.judge("phase_planned", "2026-03-27 07:00", **monday)
    assert case.refused("phase_planned", "2026-03-27 07:00:01", **monday) == (
        "starts_at : préavis de 71,9 h, inférieur aux 72 h dues ; "
        "déplacer la phase ou joindre la dérogation du client (waiver)"
    )


def test_less_than_72_hours_goes_ahead_with_the_clients_waiver() -> None:
    case = Case().kickoff()
    assert "préavis de 48 h" in case.refused("phase_planned", "2026-04-11 08:00", **phase())
    waiver = {"by": "Dsi", "on": "2026-04-11", "reason": "Arrêt de production"}
    case.take("phase_planned", "2026-04-11 08:00", **phase(waiver=waiver))


def test_a_phase_moved_in_either_direction_needs_a_new_72_hours() -> None:
    case = Case().kickoff().firm("2026-04-01 10:00")
    late = "2026-04-11 10:00"
    for starts in ("2026-04-13 07:00", "2026-04-13 14:00"):
        assert "préavis" in case.refused("phase_planned", late, **phase(starts=starts))
    elsewhere = phase(site="COLMAR")
    assert "préavis" in case.refused("phase_planned", late, **elsewhere)
    # What does not change the start needs no new notice.
    case.judge("phase_planned", late, **phase(ends="2026-04-16 18:00"))
    case.judge("phase_planned", late, **phase(crew=["Équipe Est"]))


def test_the_notice_is_a_setting() -> None:
    case = Case(policy=Case().o.policy.model_copy(update={"notice_hours": 24})).kickoff()
    case.judge("phase_planned", "2026-04-12 08:00", **phase())
    assert "aux 24 h dues" in case.refused("phase_planned", "2026-04-12 08:01", **phase())


@pytest.mark.parametrize(
    ("site", "starts", "ends", "why"),
    [
        ("ANGERS", "2026-05-14 08:00", "2026-05-15 18:00",
         "starts_at : jeudi 14 mai 2026 est férié sur le site ANGERS"),
        ("ANGERS", "2026-04-30 08:00", "2026-05-01 18:00",
         "ends_at : vendredi 1er mai 2026 est férié sur le site ANGERS"),
        ("COLMAR", "2026-04-03 08:00", "2026-04-03 18:00",
         "starts_at : vendredi 3 avril 2026 est férié sur le site COLMAR"),
    ],
)  # fmt: skip
def test_no_intervention_on_the_sites_holiday(site: str, starts: str, ends: str, why: str) -> None:
    case = Case().kickoff()
    planned_phase = phase("P2", starts, ends, site)
    assert case.refused("phase_planned", "2026-03-26 08:00", **planned_phase) == why


def test_a_holiday_of_one_site_is_a_day_like_any_other_for_the_rest() -> None:
    good_friday = phase("P2", "2026-04-03 08:00", "2026-04-03 18:00", "ANGERS")
    Case().kickoff().judge("phase_planned", "2026-03-26 08:00", **good_friday)


def test_the_holiday_is_the_sites_own_day() -> None:
    reunion = [{**contract()["sites"][0], "code": "R", "zone": "la-reunion"}]
    case = Case(contract(sites=reunion, equipment=[])).kickoff(phase(site="R"))
    # 1 May begins at La Réunion while it is still 30 April in Paris.
    evening = phase("P2", "2026-04-30 22:30", "2026-04-30 23:30", "R")
    why = "starts_at : vendredi 1er mai 2026 est férié sur le site R"
    assert why in case.refused("phase_planned", "2026-04-20 08:00", **evening)


def test_a_phase_names_a_site_of_the_contract() -> None:
    why = "site : le contrat n'a pas de site « BREST » (sites : ANGERS, COLMAR)"
    assert Case().kickoff().refused("phase_planned", NOW, **phase(site="BREST")) == why


def test_an_ended_phase_stays_ended() -> None:
    completed = {"id": "P1", "completed_at": iso("2026-04-15 17:00")}
    cancelled = {"id": "P1", "reason": "x"}
    moved = phase(starts="2026-06-01 08:00", ends="2026-06-02 18:00")

    case = Case().kickoff().take("phase_completed", "2026-04-15 18:00", **completed)
    other = "une autre phase demande un autre id"
    assert case.refused("phase_planned", NOW, **moved) == f"la phase P1 est terminée : {other}"
    assert case.refused("phase_cancelled", NOW, **cancelled) == "la phase P1 est déjà terminée"
    again = {**completed, "completed_at": iso("2026-04-15 18:00")}
    assert case.refused("phase_completed", NOW, **again) == ALREADY

    case = Case().kickoff().take("phase_cancelled", "2026-04-10 18:00", **cancelled)
    assert case.refused("phase_planned", NOW, **moved) == f"la phase P1 est annulée : {other}"
    assert case.refused("phase_completed", NOW, **completed) == "la phase P1 est annulée"
    assert case.refused("phase_cancelled", NOW, **{**cancelled, "reason": "y"}) == ALREADY


def test_one_progress_point_a_week() -> None:
    case = Case().kickoff()
    report = {"held_on": "2026-04-14", "done": ["Pose"], "next": []}
    case.take("progress_reported", NOW, **report)
    assert case.refused("progress_reported", NOW, **{**report, "held_on": "2026-04-15"}) == ALREADY
    case.judge("progress_reported", NOW, **{**report, "held_on": "2026-04-20"})


# Step 3


def test_no_training_on_the_sites_holiday_nor_on_an_unknown_site() -> None:
    on_holiday = {**TRAINING, "starts_at": iso("2026-05-08 09:00")}
    assert Case().refused("training_planned", NOW, **on_holiday) == (
        "starts_at : vendredi 8 mai 2026 est férié sur le site ANGERS"
    )
    ends_on_holiday = {**TRAINING, "ends_at": iso("2026-05-08 12:00")}
    assert Case().refused("training_planned", NOW, **ends_on_holiday) == (
        "ends_at : vendredi 8 mai 2026 est férié sur le site ANGERS"
    )
    backwards = {**TRAINING, "ends_at": iso("2026-05-04 09:00")}
    assert Case().refused("training_planned", NOW, **backwards) == "ends_at : doit suivre starts_at"
    assert Case().refused("training_planned", NOW, **{**TRAINING, "site": "X"}) == (
        "site : le contrat n'a pas de site « X » (sites : ANGERS, COLMAR)"
    )


def test_a_training_held_waits_for_one_planned() -> None:
    assert Case().waits("training_held", NOW, **HELD) == "training_planned"
    case = Case().take("training_planned", "2026-04-20 10:00", **TRAINING)
    case.take("training_held", NOW, **HELD)
    second = {**HELD, "held_on": "2026-05-11"}
    assert case.waits("training_held", NOW, **second) == "training_planned"


def test_no_commissioning_without_a_planned_training() -> None:
    assert Case().refused("commissioned", NOW, commissioned_on="2026-05-04") == (
        "aucune formation n'est planifiée : la formation se planifie avant la mise en service "
        "(sinon, donner override_reason)"
    )
    Case().judge("commissioned", NOW, commissioned_on="2026-05-04", override_reason="Urgence")
    case = Case().take("training_planned", "2026-04-20 10:00", **TRAINING)
    case.take("commissioned", NOW, commissioned_on="2026-05-04")
    assert case.refused("commissioned", NOW, commissioned_on="2026-05-05") == ALREADY


# Step 4

DELEGATE = {"name": "Paul", "role": "delegate", "mandate": "pour la DSI"}


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        ([PROJECT_MANAGER], "le responsable technique du client"),
        ([TECHNICAL_LEAD], "le chef de projet Mileo"),
        ([{"name": "X", "role": "sales"}],
         "le chef de projet Mileo et le responsable technique du client"),
        ([DELEGATE], "le chef de projet Mileo et le responsable technique du client"),
    ],
)  # fmt: skip
def test_a_recette_without_both_sides_is_refused(present: list[Payload], missing: str) -> None:
    assert planned().refused("recette_signed_off", NOW, **minutes(present=present)) == (
        f"present : la recette est contradictoire : il manque {missing}, ou un délégué"
    )


@pytest.mark.parametrize(
    "present",
    [
        [PROJECT_MANAGER, DELEGATE],
        [TECHNICAL_LEAD, DELEGATE],
        [DELEGATE, {**DELEGATE, "mandate": "pour Mileo"}],
    ],
)
def test_each_side_may_send_a_delegate(present: list[Payload]) -> None:
    planned().judge("recette_signed_off", NOW, **minutes(present=present))


def test_a_delegate_brings_a_mandate() -> None:
    present = [*PRESENT, {"name": "Paul", "role": "delegate"}]
    assert planned().refused("recette_signed_off", NOW, **minutes(present=present)) == (
        "present[2].mandate : un délégué apporte un mandat"
    )


def test_the_decision_and_the_reserves_agree() -> None:
    assert planned().refused("recette_signed_off", NOW, **minutes(reserves=[reserve(1)])) == (
        "reserves : une recette acceptée sans réserve n'en porte aucune"
    )
    without = minutes(decision="accepted_with_reserves")
    assert planned().refused("recette_signed_off", NOW, **without) == (
        "reserves : une recette acceptée avec réserves en porte au moins une"
    )


def test_a_recette_signed_off_waits_for_its_plan() -> None:
    assert Case().waits("recette_signed_off", NOW, **MINUTES) == "recette_planned"
    one = planned(site="ANGERS")
    assert one.waits("recette_signed_off", NOW, **MINUTES) == "recette_planned"
    assert one.waits("recette_signed_off", NOW, **minutes(sites=["COLMAR"])) == "recette_planned"
    one.judge("recette_signed_off", NOW, **minutes(sites=["ANGERS"]))


@pytest.mark.parametrize("decision", ["refused", "adjourned"])
def test_after_a_refusal_a_new_recette_is_planned(decision: str) -> None:
    case = planned().take("recette_signed_off", NOW, **minutes(decision=decision))
    assert case.o.accepted_sites == {}
    later = minutes(effective_on="2026-06-02")
    assert case.waits("recette_signed_off", "2026-06-02 12:00", **later) == "recette_planned"
    case.take("recette_planned", "2026-05-11 10:00", starts_at=iso("2026-06-02 10:00"))
    case.take("recette_signed_off", "2026-06-02 12:00", **later)
    assert [r.signed[0].decision for r in case.o.recettes] == [decision, "accepted"]


def test_reserves_of_the_minutes_are_checked_one_by_one() -> None:
    def why(*reserves: Payload) -> str:
        given = minutes(decision="accepted_with_reserves", reserves=list(reserves))
        return planned().refused("recette_signed_off", NOW, **given)

    assert why(reserve(1), reserve(1)) == "reserves[1].number : la réserve n° 1 existe déjà"
    assert (
        why(reserve(1, site="X"))
        == "reserves[0].site : le contrat n'a pas de site « X » (sites : ANGERS, COLMAR)"
    )
    assert why(reserve(1), reserve(2, equipment="CAM-9")) == (
        "reserves[1].equipment : équipement absent du contrat (CAM-9) ; équipements : VMS-01, SW-01"
    )


def test_the_minutes_name_sites_of_the_contract_not_accepted_yet() -> None:
    unknown = minutes(sites=["ANGERS", "X"])
    assert planned().refused("recette_signed_off", NOW, **unknown) == (
        "sites[1] : le contrat n'a pas de site « X » (sites : ANGERS, COLMAR)"
    )
    case = planned().take("recette_signed_off", NOW, **minutes(sites=["ANGERS"]))
    again = minutes(effective_on="2026-05-06")
    assert case.refused("recette_signed_off", NOW, **again) == (
        "sites : recette déjà prononcée (ANGERS) : utiliser fact_corrected"
    )
    case.take("recette_signed_off", NOW, **minutes(sites=["COLMAR"]))
    assert case.refused("recette_planned", NOW, starts_at=iso("2026-06-02 10:00")) == (
        "la recette de ce périmètre est déjà prononcée"
    )


def test_the_minutes_of_one_site_among_several_are_known_the_second_time() -> None:
    for decision in ("accepted", "refused"):
        one = minutes(sites=["ANGERS"], decision=decision)
        case = planned().take("recette_signed_off", NOW, **one)
        assert case.is_known("recette_signed_off", NOW, **one), decision


def test_a_recette_is_planned_on_a_site_of_the_contract() -> None:
    where = {"starts_at": iso("2026-05-05 10:00"), "site": "X"}
    assert Case().refused("recette_planned", NOW, **where) == (
        "site : le contrat n'a pas de site « X » (sites : ANGERS, COLMAR)"
    )


def test_facts_about_reserves_wait_for_the_recette_then_for_the_reserve() -> None:
    about: list[tuple[str, Payload]] = [
        ("reserve_fixed", {"number": 9, "fixed_on": "2026-05-06", "evidence": "x"}),
        ("reserve_lifted", {"number": 9, "lifted_on": "2026-05-06", "by": "Dsi"}),
        ("reserve_lifting_refused",
         {"number": 9, "refused_on": "2026-05-06", "by": "Dsi", "reason": "x"}),
    ]  # fmt: skip
    for name, payload in about:
        assert Case().waits(name, NOW, **payload) == "recette_signed_off"
        assert accepted(reserve(1)).waits(name, NOW, **payload) == "reserve_added"
    added = reserve(9, found_on="2026-05-06")
    assert Case().waits("reserve_added", NOW, **added) == "recette_signed_off"


def test_a_new_reserve_has_a_new_number_and_names_what_exists() -> None:
    case = accepted(reserve(1))
    assert case.refused("reserve_added", NOW, **reserve(1, found_on="2026-05-06")) == (
        "number : la réserve n° 1 existe déjà"
    )
    tagged = reserve(2, found_on="2026-05-06", equipment="CAM-9")
    assert case.refused("reserve_added", NOW, **tagged) == (
        "equipment : équipement absent du contrat (CAM-9) ; équipements : VMS-01, SW-01"
    )
    somewhere = reserve(2, found_on="2026-05-06", site="X")
    assert case.refused("reserve_added", NOW, **somewhere) == (
        "site : le contrat n'a pas de site « X » (sites : ANGERS, COLMAR)"
    )


def test_no_lifting_is_refused_before_mileo_says_it_is_fixed() -> None:
    refusal = {"number": 1, "refused_on": "2026-05-08", "by": "Dsi", "reason": "Flou"}
    case = accepted(reserve(1))
    assert case.waits("reserve_lifting_refused", NOW, **refusal) == "reserve_fixed"
    case.take("reserve_fixed", NOW, number=1, fixed_on="2026-05-07", evidence="Nettoyé")
    case.take("reserve_lifting_refused", NOW, **refusal)
    assert case.o.reserves[1].state == "open"
    other = {**refusal, "refused_on": "2026-05-12"}
    assert case.waits("reserve_lifting_refused", NOW, **other) == "reserve_fixed"


def test_a_reserve_fixed_refused_and_fixed_again_keeps_its_history() -> None:
    case = accepted(reserve(1))
    for day, what in (("07", "Nettoyé"), ("11", "Remplacé")):
        case.take("reserve_fixed", NOW, number=1, fixed_on=f"2026-05-{day}", evidence=what)
        assert case.o.reserves[1].state == "fixed"
        case.take(
            "reserve_lifting_refused", NOW,
            number=1, refused_on=f"2026-05-{day}", by="Dsi", reason=f"{what} mais flou",
        )  # fmt: skip
    case.take("reserve_fixed", NOW, number=1, fixed_on="2026-05-12", evidence="Caméra neuve")
    case.take("reserve_lifted", NOW, number=1, lifted_on="2026-05-13", by="Dsi")
    story = case.o.reserves[1]
    assert story.state == "lifted"
    assert [(entry["on"][-2:], entry["what"]) for entry in story.history] == [
        ("05", "Réserve émise à la recette"),
        ("07", "Déclarée corrigée par Mileo"),
        ("07", "Levée refusée par le client"),
        ("11", "Déclarée corrigée par Mileo"),
        ("11", "Levée refusée par le client"),
        ("12", "Déclarée corrigée par Mileo"),
        ("13", "Levée constatée par le client"),
    ]


def test_a_lifted_reserve_stays_lifted() -> None:
    case = accepted(reserve(1)).take(
        "reserve_lifted", NOW, number=1, lifted_on="2026-05-07", by="Dsi"
    )
    assert (
        case.refused("reserve_lifted", NOW, number=1, lifted_on="2026-05-08", by="Dsi") == ALREADY
    )
    refusal = {"number": 1, "refused_on": "2026-05-08", "by": "Dsi", "reason": "Flou"}
    assert case.refused("reserve_lifting_refused", NOW, **refusal) == (
        "la réserve n° 1 est levée : la noter à nouveau (reserve_added)"
    )
    # Mileo's own statement may come late: it is kept, and changes nothing.
    case.take("reserve_fixed", NOW, number=1, fixed_on="2026-05-06", evidence="x")
    assert case.o.reserves[1].state == "lifted"


def test_saying_it_is_fixed_never_lifts_a_reserve() -> None:
    case = accepted(reserve(1))
    case.take("reserve_fixed", NOW, number=1, fixed_on="2026-05-06", evidence="x")
    assert case.o.fully_accepted_on is None
    assert [story.state for story in case.o.open_reserves] == ["fixed"]


# Step 5


def test_a_piece_of_the_doe_is_about_equipment_of_the_contract() -> None:
    piece = {**PIECE, "family": "datasheets", "equipment": ["VMS-01", "CAM-8", "CAM-9"]}
    assert Case().refused("doe_piece_filed", NOW, **piece) == (
        "equipment : équipement absent du contrat (CAM-8, CAM-9) ; équipements : VMS-01, SW-01"
    )


def test_an_incomplete_doe_is_not_released_and_what_is_missing_is_listed() -> None:
    release = {"released_on": "2026-05-13", "by": "Chef"}
    assert Case().refused("doe_released", NOW, **release) == (
        "DOE incomplet, il manque : "
        "Plans d'implantation à jour, Schémas de câblage, Configurations des équipements, "
        "Fiches techniques, Certificats de conformité, Garanties constructeur"
    )
    assert file_doe(Case(), but="SW-01").refused("doe_released", NOW, **release) == (
        "DOE incomplet, il manque : la fiche technique de SW-01"
    )
    case = file_doe(Case()).take("doe_released", NOW, **release)
    assert case.refused("doe_released", NOW, **{**release, "by": "Autre"}) == ALREADY


def test_a_piece_may_be_not_applicable_with_a_reason() -> None:
    case = file_doe(Case(), but="warranties")
    assert case.o.doe_missing == ["warranties"]
    case.take(
        "doe_piece_filed", NOW, family="warranties", name="x", not_applicable_reason="Contrat-cadre"
    )
    assert case.o.doe_missing == []


def test_a_datasheet_covers_the_items_it_names_and_no_other() -> None:
    case = file_doe(Case(), but="SW-01")
    case.take("doe_piece_filed", NOW, family="datasheets", name="x", uri="x.pdf")
    assert case.o.doe_missing == ["datasheets:SW-01"]
    case.take("doe_piece_filed", NOW, family="plans", name="x", uri="x.pdf", equipment=["SW-01"])
    assert case.o.doe_missing == ["datasheets:SW-01"]


def delivered(case: Case) -> Case:
    """The DOE as it stands was handed over."""
    case.sent("doe_delivery", NOW).o.record.sendings["doe_delivery"].content = case.o.doe_content
    return case


def test_a_piece_filed_again_replaces_the_former_and_asks_for_another_release() -> None:
    release = {"released_on": "2026-05-13", "by": "Chef"}
    case = delivered(file_doe(Case()).take("doe_released", NOW, **release))
    count = len(case.o.pieces)
    assert not case.o.doe_changed
    case.take("doe_piece_filed", NOW, family="plans", name="plans", uri="plans-b.pdf")
    assert len(case.o.pieces) == count
    assert case.o.doe_changed
    # A repeat of the first release is no second one; another day, or another id, is.
    assert case.is_known("doe_released", NOW, **release)
    assert not case.o.doe_may_leave
    case.take("doe_released", NOW, **release, fact_id="second")
    assert case.o.doe_may_leave
    assert case.refused("doe_released", NOW, **{**release, "by": "Autre"}) == ALREADY


def test_a_corrected_piece_and_late_minutes_change_the_doe_too() -> None:
    release = {"released_on": "2026-05-13", "by": "Chef"}
    case = delivered(file_doe(Case()).take("doe_released", NOW, **release))
    plans = next(taken for taken in case.o.record.facts if taken.payload.get("family") == "plans")
    plans.payload = {**plans.payload, "uri": "autre.pdf"}
    case.o.fold()
    assert case.o.doe_changed
    case = delivered(file_doe(Case()).take("doe_released", NOW, **release))
    case.recette("2026-05-05", pv_uri="pv.pdf")
    assert case.o.doe_changed


def test_what_left_by_itself_is_released_again_by_a_person() -> None:
    release = {"released_on": "2026-05-13", "by": "Chef"}
    case = file_doe(Case(policy=Policy(doe_release_automatic=True)))
    assert case.o.doe_may_leave
    assert not delivered(case).o.doe_may_leave
    assert case.is_known("doe_released", NOW, **release)
    case.take("doe_piece_filed", NOW, family="plans", name="plans", uri="plans-b.pdf")
    assert not case.o.doe_may_leave
    case.take("doe_released", NOW, **release)
    assert case.o.doe_may_leave


@pytest.mark.parametrize(
    ("edition", "left"), [(editions.SECOND, ["b.pdf"]), (editions.FIRST, ["a.pdf", "b.pdf"])]
)
def test_a_name_in_another_normal_form_is_the_same_piece(edition: int, left: list[str]) -> None:
    case = Case()
    case.o.record.edition = edition
    forms: dict[Literal["NFC", "NFD"], str] = {"NFD": "a.pdf", "NFC": "b.pdf"}
    for form, uri in forms.items():
        # As it may have been recorded, by a door that composed nothing yet.
        fact = DoePieceFiled.model_construct(
            family="plans", name=unicodedata.normalize(form, "Étage"), uri=uri, equipment=[]
        )
        case.o.pieces[case.o.place_of(fact)] = fact
    assert [piece.uri for piece in case.o.pieces.values()] == left


def test_a_piece_whose_file_is_refused_is_missing_until_it_is_filed_again() -> None:
    case = file_doe(Case())
    file = next(file for file in case.o.files if file.family == "plans")
    case.o.record.reads_pieces = True
    release = {"released_on": "2026-05-13", "by": "Chef"}
    assert case.waits("doe_released", NOW, **release) == "la lecture des pièces déjà versées"
    for each in case.o.files:
        refused = "le fichier est illisible" if each == file else None
        case.o.record.pieces[each.key] = ReadPiece(key=each.key, refused=refused)
    assert case.o.doe_missing == ["plans"]
    assert "Plans d'implantation" in case.refused("doe_released", NOW, **release)
    # One more of a family that has another is missing by its name, as long as its point is open.
    case.take("doe_piece_filed", NOW, family="plans", name="étage", uri="etage.pdf")
    other = next(file for file in case.o.files if file.name == "étage")
    case.o.record.pieces[other.key] = ReadPiece(key=other.key)
    assert case.o.doe_missing == []
    case.o.record.open_point(doe.point_of(file), "piece", "refusée", t(NOW))
    assert case.o.doe_missing == ["piece:plans"]
    assert "la pièce « plans »" in case.refused("doe_released", NOW, **release)
    case.o.record.close_point(doe.point_of(file))
    assert case.o.doe_missing == []
    # The very same fact again: the file may have been put right.
    case.take("doe_piece_filed", NOW, family="plans", name="plans", uri="plans.pdf")
    assert case.is_known("doe_piece_filed", NOW, family="wiring", name="wiring", uri="wiring.pdf")


def test_the_calls_are_planned_until_they_are_held() -> None:
    case = Case()
    call = {"starts_at": iso("2026-06-03 11:00")}
    assert case.waits("interview_planned", NOW, **call) == "activation"
    case.take("presentation_planned", NOW, **call)
    assert case.is_known("presentation_planned", NOW, **call)
    case.recette("2026-05-05").activated("2026-06-01 08:00")
    case.take("presentation_planned", NOW, starts_at=iso("2026-06-04 11:00"))
    case.take("maintenance_presented", "2026-06-04 12:00", held_on="2026-06-04")
    assert "déjà été présenté" in case.refused("presentation_planned", NOW, **call)
    case.take("interview_planned", "2026-06-10 12:00", **call)
    assert case.is_known("interview_planned", "2026-06-10 12:00", **call)
    case.take("interview_held", "2026-06-24 12:00", **INTERVIEW)
    assert "clos" in case.refused("interview_planned", NOW, starts_at=iso("2026-06-25 11:00"))


def test_a_receipt_waits_for_the_doe() -> None:
    case = file_doe(Case())
    receipt = {"received_on": "2026-05-14", "by": "Dsi"}
    assert case.waits("doe_received", NOW, **receipt) == "doe_released"
    case.started("doe_delivery", NOW)
    assert case.waits("doe_received", NOW, **receipt) == "doe_released"
    case.sent("doe_delivery", NOW).take("doe_received", NOW, **receipt)
    assert case.refused("doe_received", NOW, **{**receipt, "by": "Autre"}) == ALREADY


# Step 6


def test_without_a_maintenance_contract_its_facts_are_refused() -> None:
    case = Case(contract(maintenance=None))
    why = "le contrat ne comprend pas de maintenance"
    assert case.refused("maintenance_date_set", NOW, effective_on="2026-06-01") == why
    assert case.refused("maintenance_presented", NOW, held_on="2026-06-01") == why


def test_the_presentation_waits_for_the_activation_and_happens_once() -> None:
    assert Case().waits("maintenance_presented", NOW, held_on="2026-06-03") == "activation"
    case = Case().activated("2026-06-01 08:00")
    case.take("maintenance_presented", NOW, held_on="2026-06-03")
    assert case.refused("maintenance_presented", NOW, held_on="2026-06-04") == ALREADY


def test_the_date_of_an_active_maintenance_does_not_move() -> None:
    case = Case().take("maintenance_date_set", NOW, effective_on="2026-06-01")
    case.take("maintenance_date_set", NOW, effective_on="2026-06-08").activated("2026-06-08 08:00")
    assert case.is_known("maintenance_date_set", NOW, effective_on="2026-06-08")
    assert case.refused("maintenance_date_set", NOW, effective_on="2026-06-15") == (
        "la maintenance est déjà activée"
    )


# Step 7


def test_the_interview_waits_for_what_it_counts_from() -> None:
    assert Case().waits("interview_held", NOW, **INTERVIEW) == "activation"
    alone = Case(contract(maintenance=None))
    assert alone.waits("interview_held", NOW, **INTERVIEW) == "recette_signed_off"
    alone.recette("2026-05-05", reserve(1))
    assert alone.waits("interview_held", NOW, **INTERVIEW) == "recette_signed_off"
    alone.take("reserve_lifted", NOW, number=1, lifted_on="2026-05-11", by="Dsi")
    alone.judge("interview_held", NOW, **INTERVIEW)


def test_one_interview_counts_but_an_early_one_does_not() -> None:
    case = Case().activated("2026-06-01 08:00")
    early = {**INTERVIEW, "held_on": "2026-06-20"}
    case.take("interview_held", "2026-06-20 12:00", **early)
    assert case.o.interview is None
    case.take("interview_held", "2026-06-24 12:00", **INTERVIEW)
    other = {**INTERVIEW, "score": 3}
    assert case.refused("interview_held", "2026-06-25 12:00", **other) == ALREADY


# Any step


def test_a_delegate_is_no_contact() -> None:
    change = {"role": "delegate", "person": person("Paul")}
    assert Case().refused("contact_replaced", NOW, **change) == (
        "role : un délégué se déclare au procès-verbal de recette"
    )


def test_the_next_mail_goes_to_the_person_in_office() -> None:
    case = Case()
    change = {"role": "technical_lead", "person": person("releve")}
    case.take("contact_replaced", NOW, **change)
    assert [p.email for p in case.o.people(["technical_lead"])] == ["releve@client.example"]
    case.take("contact_replaced", NOW, role="technical_lead", person=person("dsi"))
    assert [p.email for p in case.o.people(["technical_lead"])] == ["dsi@client.example"]


def test_an_open_point_is_settled_once() -> None:
    case = Case()
    settle = {"id": "mail:welcome", "action": "abandon", "by": "Chef", "reason": "Vu de vive voix"}
    assert case.refused("open_point_settled", NOW, **settle) == (
        "id : aucun point ouvert « mail:welcome »"
    )
    point = OpenPoint(
        id="mail:welcome", kind="mail", message="x", since=t(NOW), owed_by="project_manager"
    )
    case.o.record.open_points.append(point)
    case.take("open_point_settled", NOW, **settle)
    case.o.record.open_points.clear()
    assert case.is_known("open_point_settled", NOW, **settle)


def test_a_fact_that_waits_is_not_tried_again_by_hand() -> None:
    case = Case()
    case.o.record.open_points.append(
        OpenPoint(
            id="waiting:x:1",
            kind="waiting_fact",
            message="x",
            since=t(NOW),
            owed_by="project_manager",
        )
    )
    settle = {"id": "waiting:x:1", "by": "Chef", "reason": "x"}
    assert case.refused("open_point_settled", NOW, **settle, action="retry") == (
        "action : ce fait est jugé de nouveau à chaque fait reçu"
    )
    case.judge("open_point_settled", NOW, **settle, action="abandon")


def test_a_resumption_told_twice_does_not_wait_for_the_next_suspension() -> None:
    case = Case()
    assert case.waits("onboarding_resumed", NOW, reason="Reprise") == "onboarding_suspended"
    case.take("onboarding_suspended", NOW, reason="Travaux du client")
    case.take("onboarding_resumed", NOW, reason="Reprise")
    assert case.is_known("onboarding_resumed", NOW, reason="Reprise")


def test_a_corrected_work_plan_keeps_the_phases_that_later_facts_name() -> None:
    case = Case().kickoff(phase(), phase("P2"))
    case.take("audit_concluded", "2026-03-27 17:00", **AUDIT, scope_change=SCOPE)
    plan = {**KICKOFF, "phases": [phase("P2")]}
    correction = {"fact": "kickoff_held", "payload": plan, "by": "Chef", "reason": "Saisie"}
    assert case.refused("fact_corrected", NOW, **correction) == (
        "payload : des faits postérieurs dépendent de ce que cette correction retire"
    )
    plan["phases"] = [phase(), phase("P3")]
    case.judge("fact_corrected", NOW, **correction)


def test_judging_changes_nothing() -> None:
    case = Case().kickoff()
    before = case.o.record.model_dump_json()
    case.judge("phase_planned", "2026-04-01 10:00", **phase(fact_id="x"))
    assert case.o.record.model_dump_json() == before
    assert case.o.phases["P1"].firm_slots == []
    assert set(rules._RULES) == set(FACTS.values())


@pytest.mark.parametrize(
    ("id_", "kind", "sending"),
    [
        ("mail:welcome", "mail", "welcome"),
        ("mail:doe_delivery:2", "mail", "doe_delivery:2"),
        ("document:user_guide:1", "document", "user_guide:1"),
        ("silence:welcome", "mail", None),
        ("mailbox:x@y.example", "mail", None),
        ("remise:DOE-X-1-v1", "document", None),
        ("piece:plans", "piece", None),
        ("waiting:doe_received:0123", "waiting_fact", None),
        ("afflux", "flood", None),
    ],
)
def test_the_answer_that_is_proposed_for_a_point_is_taken(
    id_: str, kind: Any, sending: str | None
) -> None:
    case = Case()
    now = t("2026-03-20 10:00")
    case.o.record.open_point(id_, kind, "Refusé", now, sending)
    said = {"id": id_, "by": "Claire", "reason": "fait"}
    proposed = open_points.taken_by(id_)
    assert proposed
    for action in ("retry", "abandon", "done_otherwise"):
        fact = OpenPointSettled.model_validate({**said, "action": action})
        if action in proposed:
            rules.judge(case.o, "open_point_settled", fact, {**said, "action": action}, now)
        else:
            with pytest.raises(rules.Refused):
                rules.judge(case.o, "open_point_settled", fact, {**said, "action": action}, now)


# A message made to take long: a run that works for two seconds is stopped as if it hung

FAULTY_CONTRACT = {**contract(), "sites": [{}] * 300_000}
FAULTY_FACTS = [
    ("kickoff_held", {"phases": [{}] * 42_000}),
    ("kickoff_held", {"attendees": [1] * 63_000}),
    ("recette_signed_off", {"reserves": [{}] * 42_000}),
    ("doe_released", {f"{number:x}": 0 for number in range(13_000)}),
]


@pytest.mark.parametrize(("name", "payload"), FAULTY_FACTS, ids=[one[0] for one in FAULTY_FACTS])
def test_a_fact_of_thousands_of_faults_is_refused_unread(name: str, payload: Payload) -> None:
    with pytest.raises(rules.Refused, match="sans rapport avec ce qui est attendu"):
        rules.read(name, (payload,))


def test_a_contract_of_a_million_faults_is_refused_unread() -> None:
    with pytest.raises(ValidationError) as refused:
        Contract.model_validate(FAULTY_CONTRACT)
    [problem] = refusals.problems(refused.value)
    assert "sans rapport avec ce qui est attendu" in str(problem)


# What names something that exists nowhere


@pytest.mark.parametrize("id_", ["p1", "P-1", "P01", "P_1"])
def test_a_mistyped_phase_is_refused_with_those_there_are(id_: str) -> None:
    case = Case().kickoff(phase(), phase("P2"))
    why = case.refused("phase_completed", NOW, id=id_, completed_at=iso("2026-04-15 17:00"))
    assert why == f"id : il n'y a pas de phase « {id_} » ; phases : P1, P2"
    alike = f"id : « {id_} » se confond avec une phase du plan de travaux ; phases : P1, P2"
    assert case.refused("phase_planned", "2026-04-01 08:00", **phase(id_)) == alike


def test_a_phase_that_may_come_later_is_waited_for_in_words() -> None:
    case = Case().kickoff(phase(), phase("P2"))
    with pytest.raises(rules.Waits) as waits:
        case.judge("phase_completed", NOW, id="P9", completed_at=iso("2026-04-15 17:00"))
    assert str(waits.value) == "phase_planned"
    assert waits.value.about == "la phase P9 n'est pas connue (phases connues : P1, P2)"
    case.take("phase_planned", "2026-04-01 08:00", **phase("P9"))
    case.judge("phase_cancelled", NOW, id="P9", reason="Regroupée")


def test_keys_of_limits_and_of_corrections_are_told_when_mistyped() -> None:
    case = Case().kickoff(phase())
    moved = {"obligation": "O12", "due_on": "2026-06-01", "by": "Chef", "reason": "Accord"}
    case.recette("2026-05-05", reserve(1), reserve(2))
    why = "key : O12 n'a pas d'échéance « 01 » ; clés : 1, 2"
    assert case.refused("limit_moved", NOW, key="01", **moved) == why
    correction = {"fact": "kickoff_held", "by": "Chef", "reason": "Erreur"}
    assert case.waits("limit_moved", NOW, key="7", **moved) == "l'échéance O12 7"
    case.firm("2026-04-01 10:00")
    wrong = {**correction, "fact": "phase_planned", "key": "p1", "payload": phase()}
    assert case.refused("fact_corrected", NOW, **wrong) == (
        "key : aucun « phase_planned » n'a la clé « p1 » ; clés : P1"
    )


def test_runs_of_the_first_edition_wait_for_what_they_waited_for() -> None:
    case = Case().kickoff(phase())
    case.o.record.edition = editions.FIRST
    done = {"id": "p1", "completed_at": iso("2026-04-15 17:00")}
    assert case.waits("phase_completed", NOW, **done) == "phase_planned"


# What was held is not planned again


def test_a_kickoff_that_was_held_is_not_planned_again() -> None:
    case = Case().kickoff(held_on="2026-03-25")
    plan = {"starts_at": iso("2026-03-30 10:00"), "place": "Angers"}
    assert case.refused("kickoff_planned", "2026-03-26 10:00", **plan) == (
        "starts_at : le kick-off a été tenu le mercredi 25 mars 2026 : "
        "ce qui est tenu ne se planifie plus"
    )
    # Its own plan, known late.
    case.judge(
        "kickoff_planned", "2026-03-26 10:00", **{**plan, "starts_at": iso("2026-03-25 10:00")}
    )


def test_a_training_that_was_held_is_not_planned_again_but_another_may_follow() -> None:
    case = Case().kickoff()
    plan = {"site": "ANGERS", "trainer": "Formatrice", "trainees": ["A"]}
    case.take("training_planned", "2026-04-10 10:00", starts_at=iso("2026-04-20 09:00"), **plan)
    case.take("training_held", "2026-04-20 10:00", held_on="2026-04-20", trainees=["A"])
    again = {**plan, "starts_at": iso("2026-04-20 14:00")}
    assert "ne se planifie plus" in case.refused("training_planned", "2026-04-20 12:00", **again)
    case.judge(
        "training_planned", "2026-04-20 12:00", **{**plan, "starts_at": iso("2026-04-22 09:00")}
    )


def test_an_accepted_recette_is_not_planned_again() -> None:
    case = Case().kickoff().recette("2026-05-05")
    later_today = {"starts_at": iso("2026-05-05 16:00")}
    assert "ne se planifie plus" in case.refused(
        "recette_planned", "2026-05-05 14:00", **later_today
    )


def test_a_plan_that_waited_for_a_phase_since_completed_is_closed_as_such() -> None:
    case = Case().kickoff(phase())
    case.take("phase_completed", "2026-04-15 18:00", id="P1", completed_at=iso("2026-04-15 17:00"))
    assert case.refused("phase_planned", "2026-06-21 11:00", **phase()) == (
        "starts_at : la phase P1 est terminée depuis le mercredi 15 avril 2026 : "
        "ce planning n'a plus d'objet"
    )
    passed = Case().kickoff(phase()).refused("phase_planned", "2026-06-21 11:00", **phase())
    assert "qui est passé" in passed
    assert "−" not in passed
    assert "-1" not in passed
