"""What comes from outside is hostile until checked: the shape of contracts and of facts, refused
with the path of each field."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from process import rules
from process.contract import Contract, fingerprint
from process.facts import FACTS
from process.refusals import problems
from tests.builders import PRESENT, Payload, contract, iso, one_site, person, phase, reserve


def wrong(**changes: Any) -> list[str]:
    """The problems of the usual contract once changed."""
    with pytest.raises(ValidationError) as error:
        Contract.model_validate(contract(**changes))
    return [str(problem) for problem in problems(error.value)]


def read(name: str, /, **payload: Any) -> Payload:
    """The canonical payload of a well-formed fact."""
    return rules.read(name, (payload,))[1]


def malformed(name: str, /, **payload: Any) -> list[str]:
    with pytest.raises(rules.Refused) as refusal:
        rules.read(name, (payload,))
    return str(refusal.value).splitlines()


SITE: Payload = contract()["sites"][0]
ITEM: Payload = contract()["equipment"][0]


# The contract


def test_the_usual_contracts_are_valid() -> None:
    assert Contract.model_validate(contract()).audit_is_owed
    assert not Contract.model_validate(one_site()).audit_is_owed
    assert Contract.model_validate(contract(project_kind="extension")).audit_is_owed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reference": None}, ["reference : champ obligatoire absent"]),
        (
            {"reference": "../../etc/passwd"},
            ["reference : forme invalide (lettres, chiffres, « . », « _ » ou « - »)"],
        ),
        (
            {"reference": "A\n"},
            ["reference : forme invalide (lettres, chiffres, « . », « _ » ou « - »)"],
        ),
        (
            {"reference": "A" * 65},
            ["reference : forme invalide (lettres, chiffres, « . », « _ » ou « - »)"],
        ),
        (
            {"signed_at": "2026-03-16T11:20:00"},
            ["signed_at : fuseau manquant (exemple : 2026-03-30T08:00:00+02:00)"],
        ),
        ({"signed_at": 1773656400}, ["signed_at : texte ISO 8601 attendu, pas un nombre"]),
        ({"signed_at": "1773656400"}, ["signed_at : texte ISO 8601 attendu, pas un nombre"]),
        (
            {"signed_at": "0226-03-16T11:20:00+01:00"},
            ["signed_at : année hors limites (2000 à 2099)"],
        ),
        (
            {"project_kind": "renewal"},
            [
                ("project_kind : valeur inconnue ; attendu : "
                "'new', 'replacement' ou 'extension'")
            ],
        ),
        ({"client": "Laiteries"}, ["client : objet JSON attendu"]),
        ({"client__technical_lead": None}, ["client.technical_lead : champ obligatoire absent"]),
        ({"client__nickname": "x"}, ["client.nickname : champ inconnu"]),
        ({"team__technical_referent": None}, ["team.technical_referent : champ obligatoire absent"]),
        ({"sites": []}, ["sites : au moins 1 élément attendu"]),
        ({"sites": {}}, ["sites : liste attendue"]),
        ({"sites": [SITE, SITE]}, ["sites : code en double (ANGERS)"]),
        ({"sites": [{**SITE, "timezone": "Paris"}]},
         ["sites[0].timezone : fuseau horaire inconnu (exemple : Europe/Paris)"]),
        ({"equipment": [ITEM, ITEM]}, ["equipment : repère en double (VMS-01)"]),
        (
            {"equipment": [ITEM, {**ITEM, "tag": "B", "site": "BREST"}]},
            ["equipment[1].site : site inconnu « BREST »"],
        ),
        ({"maintenance": {"phones": []}}, ["maintenance.effective : champ obligatoire absent"]),
        (
            {"maintenance__effective": 20260401},
            [
                "maintenance.effective : valeur inconnue ; attendu : 'on_acceptance'",
                "maintenance.effective : texte ISO 8601 attendu, pas un nombre",
            ],
        ),
    ],
)  # fmt: skip
def test_a_contract_is_refused_with_the_path_of_each_field(
    changes: dict[str, Any], expected: list[str]
) -> None:
    assert wrong(**changes) == expected


def test_every_problem_of_a_contract_is_told_at_once() -> None:
    sites = [{**SITE, "zone": "corse"}, {**SITE, "code": "B", "address": ""}]
    found = wrong(sites=sites, client__decision_maker__email="nobody")
    assert [line.partition(" : ")[0] for line in found] == [
        "client.decision_maker.email",
        "sites[0].zone",
        "sites[1].address",
    ]


@pytest.mark.parametrize("key", ["nickname", "date", "str", "zone-2", "clé à espaces", "1st", ""])
def test_an_unknown_key_is_always_named(key: str) -> None:
    assert wrong(sites=[{**SITE, key: 1}]) == [f"sites[0].{key} : champ inconnu"]
    assert malformed("doe_released", released_on="2026-03-30", by="A", **{key: 1}) == [
        f"{key} : champ inconnu" if key else "champ inconnu"
    ]


def test_an_unknown_key_stays_on_one_short_line() -> None:
    found = malformed("doe_received", received_on="2026-03-30", by="A", **{"a\nb" + "x" * 900: 1})
    assert len(found) == 1
    assert len(found[0]) < 130


@pytest.mark.parametrize(
    "email",
    ["a@b", "a b@c.fr", "a@c.fr\n", "a@c.fr\nBcc: x@y.fr", ".a@c.fr", "a..b@c.fr", "<a@c.fr>",
     "a@c.fr,b@c.fr", "é@c.fr", "a@-c.fr", f"{'a' * 65}@c.fr"],
)  # fmt: skip
def test_an_address_that_could_mislead_a_mail_server_is_refused(email: str) -> None:
    assert wrong(client__technical_lead__email=email) == [
        "client.technical_lead.email : adresse électronique invalide"
    ]


@pytest.mark.parametrize("name", ["A\nBcc: x@y.fr", "A\rB", "A\x00B", "A\u2028B", "A\x1bB"])
def test_a_name_carries_no_control_character(name: str) -> None:
    assert wrong(client__technical_lead__name=name) == [
        "client.technical_lead.name : caractère de contrôle ou retour à la ligne interdit"
    ]


def test_texts_are_bounded_and_not_blank() -> None:
    assert wrong(client__name="x" * 201) == [
        "client.name : texte trop long (200 caractères au plus)"
    ]
    assert wrong(client__name="   ") == ["client.name : texte vide ou trop court"]
    assert wrong(client__name=3) == ["client.name : texte attendu"]
    assert wrong(maintenance__phones=["1"] * 1001) == [
        "maintenance.phones : trop d'éléments (1000 au plus)"
    ]


def test_null_in_a_list_means_an_empty_list() -> None:
    read_back = Contract.model_validate(contract() | {"equipment": None, "history": None})
    assert (read_back.equipment, read_back.history) == ([], [])
    assert wrong(sites=None) == ["sites : champ obligatoire absent"]
    with pytest.raises(ValidationError) as error:
        Contract.model_validate(contract() | {"sites": None})
    assert [str(p) for p in problems(error.value)] == ["sites : au moins 1 élément attendu"]


def test_the_same_contract_however_written_has_one_fingerprint() -> None:
    reordered = dict(reversed(contract().items()))
    spaced = contract(client__name="  Laiteries du Val d'Authion ", history=[])
    same = {fingerprint(Contract.model_validate(c)) for c in (contract(), reordered, spaced)}
    assert len(same) == 1
    assert fingerprint(Contract.model_validate(contract(client__name="Autre"))) not in same


def test_what_a_contract_knows_of_its_sites() -> None:
    sites = [
        {**SITE, "zone": "la-reunion"},
        {**SITE, "code": "B", "zone": "la-reunion", "timezone": "UTC"},
    ]
    known = Contract.model_validate(contract(sites=sites))
    assert [site.clock.key for site in known.sites] == ["Indian/Reunion", "UTC"]
    assert known.site("B") is known.sites[1]
    assert known.site("Z") is None
    assert known.families == ["vms", "network"]


# Facts: what any of them may not be


def test_an_unknown_fact_is_refused_by_name() -> None:
    with pytest.raises(rules.Refused, match="fait inconnu : « kickoff_forgotten »"):
        rules.read("kickoff_forgotten", ({},))


@pytest.mark.parametrize("arguments", [(), ({}, {}), ("{}",), (["x"],), (None,), (3,), (object(),)])
def test_a_fact_is_exactly_one_json_object(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(rules.Refused, match=r"^un seul objet JSON est attendu$"):
        rules.read("doe_received", arguments)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, "\ud800"])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(rules.Refused, match="n'est pas du JSON valide"):
        rules.read("doe_received", ({"received_on": value},))


def test_a_payload_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(rules.Refused, match="JSON"):
        rules.read("doe_received", (deep,))
    large = ["x" * 1000] * 129
    with pytest.raises(rules.Refused, match=r"trop volumineux \(128000 octets au plus\)"):
        rules.read("training_held", ({"held_on": "2026-03-30", "trainees": large},))


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_refuses_an_unknown_key_and_says_what_is_missing(name: str) -> None:
    found = malformed(name, surprise=1)
    assert "surprise : champ inconnu" in found
    required = {key for key, field in FACTS[name].model_fields.items() if field.is_required()}
    assert {line.partition(" : ")[0] for line in found} - {""} == required | {"surprise"}


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_takes_null_for_an_empty_list(name: str) -> None:
    fields = FACTS[name].model_fields
    lists = [key for key, field in fields.items() if str(field.annotation).startswith("list[")]
    found = malformed(name, surprise=1, **dict.fromkeys(lists))
    assert not [line for line in found if "liste attendue" in line]


@pytest.mark.parametrize("name", FACTS)
def test_no_fact_takes_a_number_for_a_date(name: str) -> None:
    moments = [
        key
        for key, field in FACTS[name].model_fields.items()
        if any(kind.__name__ in str(field.annotation) for kind in (date, datetime))
    ]
    for value in (1773656400, 1773656400.5, "1773656400", "20260330", "-1", True):
        found = malformed(name, surprise=1, **dict.fromkeys(moments, value))
        for key in moments:
            assert f"{key} : texte ISO 8601 attendu, pas un nombre" in found


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("kickoff_planned", {"starts_at": "2026-03-25", "place": "x"},
         ["starts_at : fuseau manquant (exemple : 2026-03-30T08:00:00+02:00)"]),
        ("kickoff_planned", {"starts_at": "demain", "place": "x"},
         ["starts_at : instant attendu (exemple : 2026-03-30T08:00:00+02:00)"]),
        ("kickoff_held", {"held_on": "25/03/2026", "attendees": [], "phases": [phase()]},
         ["held_on : date attendue (exemple : 2026-03-30)"]),
        ("kickoff_held", {"held_on": "2026-03-25T10:00:00", "attendees": [], "phases": [phase()]},
         ["held_on : date sans heure attendue (exemple : 2026-03-30)"]),
        ("kickoff_held", {"held_on": "2026-03-25", "attendees": [], "phases": []},
         ["phases : au moins 1 élément attendu"]),
        ("kickoff_held", {"held_on": "2026-03-25", "attendees": [3], "phases": [phase(), phase()]},
         ["attendees[0] : texte attendu", "phases : identifiant de phase en double (P1)"]),
        ("kickoff_held",
         {"held_on": "2026-03-25", "attendees": [],
          "phases": [phase(), phase("P2", "2026-04-15 18:00", "2026-04-15 18:00")]},
         ["phases[1] : ends_at doit suivre starts_at"]),
        ("phase_planned", phase("P 1"),
         ["id : forme invalide (lettres, chiffres, « . », « _ » ou « - »)"]),
        ("phase_planned", phase(ends="2026-04-13 08:00"), ["ends_at doit suivre starts_at"]),
        ("phase_planned", phase(waiver={"by": "Dsi", "on": "2026-04-10"}),
         ["waiver.reason : champ obligatoire absent"]),
        ("deviation_declared", {"phase": "P1", "cause": "x", "measures": None},
         ["measures : au moins 1 élément attendu"]),
        ("scope_change_answered", {"accepted": "yes", "answered_on": "2026-03-30", "by": "x"},
         ["accepted : true ou false attendu"]),
        ("recette_signed_off",
         {"effective_on": "2026-03-30", "decision": "tacit", "present": [], "reserves": []},
         [("decision : valeur inconnue ; attendu : "
          "'accepted', 'accepted_with_reserves', 'refused' ou 'adjourned'"),
          "present : au moins 1 élément attendu"]),
        ("recette_signed_off",
         {"effective_on": "2026-03-30", "decision": "accepted_with_reserves", "present": PRESENT,
          "reserves": [reserve(1), reserve(2, "huge", due_on="bientôt")]},
         ["reserves[1].severity : valeur inconnue ; attendu : 'blocking', 'major' ou 'minor'",
          "reserves[1].due_on : date attendue (exemple : 2026-03-30)"]),
        ("reserve_fixed", {"number": "3", "fixed_on": "2026-03-30", "evidence": "x"},
         ["number : nombre entier attendu"]),
        ("reserve_fixed", {"number": 0, "fixed_on": "2026-03-30", "evidence": "x"},
         ["number : doit être au moins 1"]),
        ("reserve_fixed", {"number": 1.5, "fixed_on": "2026-03-30", "evidence": "x"},
         ["number : nombre entier attendu"]),
        ("doe_piece_filed", {"family": "plans", "name": "x"},
         ["donner uri, ou bien not_applicable_reason"]),
        ("doe_piece_filed",
         {"family": "plans", "name": "x", "uri": "x", "not_applicable_reason": "x"},
         ["donner uri, ou bien not_applicable_reason"]),
        ("maintenance_date_set", {"effective_on": "2026-06-01", "despite_open_reserves": True},
         ["despite_open_reserves demande by et reason"]),
        ("interview_held", {"held_on": "2026-06-01", "score": 11}, ["score : doit être au plus 10"]),
        ("interview_held", {"held_on": "2026-06-01", "score": 8},
         [("donner held_on, score, masters_system et masters_incident_procedure, "
          "ou bien tried_on et not_held_reason")]),
        ("contact_replaced", {"role": "boss", "person": person("x")},
         [("role : valeur inconnue ; attendu : 'project_manager', 'technical_referent', 'sales', "
          "'account_manager', 'decision_maker', 'technical_lead', 'primary_user', "
          "'technical_contact' ou 'delegate'")]),
        ("contact_replaced", {"role": "sales", "person": {"name": "x", "email": "x"}},
         ["person.email : adresse électronique invalide"]),
    ],
)  # fmt: skip
def test_a_malformed_fact_is_refused_with_the_path_of_each_field(
    name: str, payload: Payload, expected: list[str]
) -> None:
    assert malformed(name, **payload) == expected


# Facts: what is kept of them


def test_a_payload_is_kept_in_one_canonical_form() -> None:
    kept = read(
        "reserve_fixed", number=3.0, fixed_on="2026-03-30", evidence="  Lampe changée.\nVue. "
    )
    assert kept == {"number": 3, "fixed_on": "2026-03-30", "evidence": "Lampe changée.\nVue."}
    assert read("training_held", held_on="2026-03-30", trainees=None)["trainees"] == []


@pytest.mark.parametrize("name", ["phase_planned", "kickoff_planned"])
def test_what_is_kept_reads_back_the_same(name: str) -> None:
    payloads: dict[str, Payload] = {
        "phase_planned": phase(waiver={"by": "Dsi", "on": "2026-04-10", "reason": "Urgent"}),
        "kickoff_planned": {"starts_at": iso("2026-03-25 10:00"), "place": "Angers"},
    }
    kept = read(name, **payloads[name])
    assert read(name, **json.loads(json.dumps(kept))) == kept
