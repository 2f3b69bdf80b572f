"""The user guide and the training programme: made of the modules the equipment calls for."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from activities.printing.rendering import render
from process.contract import Contract
from tests.pdf_text import pdf_text
from tests.test_documents import CONTRACT, order

Item = tuple[str, str, str]
"""Tag, family, manufacturer and model in one."""

MIXED: Final[list[Item]] = [
    *((f"CAM-{number:02}", "vms", "Axis P3268-LV") for number in range(1, 11)),
    ("PTZ-01", "vms", "Axis Q6135-LE"),
    ("UTL-01", "access_control", "TIL TILLYS"),
    ("INT-01", "access_control", "Commend OD1"),
    ("HYP-01", "hypervision", "Prysm AppVision"),
    ("SW-01", "network", "Cisco CBS350"),
    ("OND-01", "network", "APC Smart-UPS"),
    ("SIR-01", "other", "Bosch Sirène"),
]


def contract(*items: Item, **changes: Any) -> Contract:
    equipment = []
    for tag, family, what in items:
        manufacturer, model = what.split(" ", 1)
        equipment.append(
            {
                "tag": tag,
                "family": family,
                "manufacturer": manufacturer,
                "model": model,
                "site": "PAR",
            }
        )
    plain = CONTRACT.model_dump(mode="json")
    return Contract.model_validate({**plain, "equipment": equipment, **changes})


def pages(kind: str, data: dict[str, Any], of: Contract) -> list[str]:
    """The text of each page on one line: each ends with its number."""
    sites = [site.code for site in of.sites]
    text = " ".join(pdf_text(render(order(kind, data, sites=sites), of)).split())
    return re.split(r"Page \d+ / \d+", text)


def guide(of: Contract) -> str:
    return " ".join(pages("guide_utilisateur", {"held_on": "2026-04-21"}, of))


def programme(of: Contract, **changes: Any) -> str:
    data = {
        "starts_at": "2026-04-20T09:00:00+02:00",
        "site": "PAR",
        "trainer": "Luc Ott",
        "trainees": ["Samir Haddad", "Élodie Petit"],
        **changes,
    }
    return " ".join(pages("programme_formation", data, of))


# --- The guide --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "chapter"),
    [
        (("C", "vms", "Axis P3268"), "Vidéo : relire et rechercher"),
        (("C", "vms", "Axis q6135-LE"), "Vidéo : piloter une caméra mobile"),
        (("C", "vms", "Pelco Spectra PTZ"), "Vidéo : piloter une caméra mobile"),
        (("U", "access_control", "TIL TILLYS"), "Accès : évacuation et issues de secours"),
        (("U", "access_control", "Commend OD1"), "Accès : interphonie"),
        (("H", "hypervision", "Prysm AppVision"), "Hypervision : traiter une alarme"),
        (("S", "network", "Cisco CBS350"), "Réseau de sûreté et baies"),
        (("S", "network", "APC Smart-UPS"), "Onduleurs"),
        (("X", "other", "Bosch Sirène"), "Équipements complémentaires"),
    ],
)
def test_a_chapter_is_there_when_its_equipment_is(item: Item, chapter: str) -> None:
    every_other = [other for other in MIXED if other[1] != item[1]]

    assert chapter in guide(contract(item))
    assert chapter in programme(contract(item))
    assert chapter not in guide(contract(*every_other))


def test_a_keyword_opens_a_word_and_is_of_its_family() -> None:
    for item in [
        ("C", "vms", "Axis P3268-XPTZ"),
        ("S", "network", "Cisco PTZ"),
        ("C", "vms", "Microsoft MICRO"),
    ]:
        assert "piloter une caméra mobile" not in guide(contract(item))


def test_the_guide_holds_the_sites_and_every_item() -> None:
    text = guide(contract(*MIXED))

    assert "12 rue de l'Œuvre, 75011 Paris" in text
    assert "4 quai des Bateliers, 67000 Strasbourg" in text
    assert "Aucun équipement n'est inscrit au contrat pour ce site." in text
    index = text[text.rindex("Index des équipements") :]
    for tag, _, model in MIXED:
        assert text.count(tag) >= 2
        assert tag in index
        assert model in index


def test_the_contents_give_the_page_of_each_chapter() -> None:
    given = pages("guide_utilisateur", {"held_on": "2026-04-21"}, contract(*MIXED))

    for chapter in ["Entretien courant", "Données personnelles", "Index des équipements"]:
        found = re.search(rf"{chapter}[ .]*(\d+)", given[0] + given[1])
        assert found
        holds = [number for number, page in enumerate(given, start=1) if f" {chapter} " in page]
        assert int(found[1]) in holds


@pytest.mark.parametrize("items", [[], MIXED[:1], MIXED])
def test_every_section_is_there_whatever_is_installed(items: list[Item]) -> None:
    text = guide(contract(*items))

    for section in [
        "Sommaire",
        "Votre système",
        "Usage quotidien",
        "Procédures d'urgence",
        "Entretien courant",
        "Données personnelles",
        "Qui appeler",
        "Aide-mémoire à afficher",
    ]:
        assert section in text


def test_a_small_system_has_a_short_guide_and_a_mixed_one_a_full_one() -> None:
    data = {"held_on": "2026-04-21"}

    assert len(pages("guide_utilisateur", data, contract(MIXED[0]))) - 1 <= 8
    assert 10 <= len(pages("guide_utilisateur", data, contract(*MIXED))) - 1 <= 20
    assert "Index des équipements" not in guide(contract(MIXED[0]))


def test_durations_and_duties_keep_to_what_is_installed() -> None:
    camera = guide(contract(MIXED[0]))
    badges = guide(contract(MIXED[11]))

    assert "un mois au plus" in camera
    assert "autorisation préfectorale" in camera
    assert "Trois mois au plus" not in camera
    assert "Trois mois au plus" in badges
    assert "autorisation préfectorale" not in badges


def test_the_sheet_to_pin_up_holds_on_one_page() -> None:
    long_lists = {
        "effective": "on_acceptance",
        "phones": [
            f"+33 1 80 00 00 {number:02} (astreinte de nuit, secteur)" for number in range(30)
        ],
        "emails": [f"maintenance-{number}@mileotech.com" for number in range(30)],
    }
    given = pages(
        "guide_utilisateur",
        {"held_on": "2026-04-21"},
        contract(*MIXED, maintenance=long_lists),
    )

    sheet = [page for page in given if "Des personnes sont en danger" in page]
    assert len(sheet) == 1
    assert "Aide-mémoire à afficher" in sheet[0]
    assert "Accueil, astreinte" in sheet[0]
    assert "+33 1 80 00 00 02" in sheet[0]


def test_before_the_activation_the_project_manager_is_called() -> None:
    text = guide(contract(*MIXED))

    assert "+33 1 80 00 00 00" in text
    assert re.search(r"Horaires ?Non renseigné", text)
    assert "Jusque-là, votre interlocuteur reste votre chef de projet" in text
    assert "+33 6 11 22 33 44" in text


def test_without_maintenance_only_the_project_manager_is_called() -> None:
    text = guide(contract(*MIXED, maintenance=None))

    assert "Aucun contrat de maintenance n'est enregistré." in text
    assert "maintenance@mileotech.com" not in text
    assert "+33 6 11 22 33 44" in text


# --- The training -----------------------------------------------------------------------------


def test_a_training_without_an_end_lasts_what_its_modules_need() -> None:
    short = programme(contract(MIXED[0]))
    long = programme(contract(*MIXED))

    assert "Demi-journée 1 — lundi 20 avril 2026, matin" in short
    assert "Demi-journée 2" not in short
    assert "Demi-journée 2 — lundi 20 avril 2026, après-midi" in long
    assert "Demi-journée 3 — date à convenir" in long


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "halves"),
    [
        ("2026-04-20T09:00:00+02:00", "2026-04-20T12:30:00+02:00", ["20/04 Matin"]),
        ("2026-04-20T14:00:00+02:00", "2026-04-20T17:00:00+02:00", ["20/04 Après-midi"]),
        (
            "2026-04-30T14:00:00+02:00",
            "2026-05-01T17:00:00+02:00",
            ["30/04 Après-midi", "01/05 Matin", "01/05 Après-midi"],
        ),
        # Over a week-end.
        (
            "2026-04-24T14:00:00+02:00",
            "2026-04-27T12:00:00+02:00",
            ["24/04 Après-midi", "27/04 Matin"],
        ),
        # The last day counts, be it a Saturday.
        (
            "2026-04-24T14:00:00+02:00",
            "2026-04-25T12:00:00+02:00",
            ["24/04 Après-midi", "25/04 Matin"],
        ),
    ],
)
def test_there_is_a_signature_for_each_half_day(
    starts_at: str, ends_at: str, halves: list[str]
) -> None:
    text = programme(contract(*MIXED), starts_at=starts_at, ends_at=ends_at)

    sheet = text[text.rindex("Chaque participant signe") :]
    assert re.findall(r"\d\d/\d\d (?:Matin|Après-midi)", sheet) == halves
    for rank in range(1, len(halves) + 1):
        assert f"Demi-journée {rank} — " in text
    assert f"Demi-journée {len(halves) + 1}" not in text
    assert "Samir Haddad" in sheet
    assert "Formateur : Luc Ott" in sheet


def test_the_first_of_a_month_is_written_in_full() -> None:
    text = programme(
        contract(*MIXED),
        starts_at="2026-04-30T09:00:00+02:00",
        ends_at="2026-05-01T17:00:00+02:00",
    )

    assert re.search(r"vendredi 1\s?er\s?mai 2026, matin", text)


def test_the_evaluation_lists_what_each_trainee_can_do() -> None:
    text = programme(contract(*MIXED))

    assert "acquis (A)" in text
    assert "répondre à une réquisition" in text
    assert text.count("Élodie Petit") >= 3


def test_many_trainees_and_long_names_flow_over_pages() -> None:
    names = [f"Participante numéro {number} {'au nom interminable ' * 8}" for number in range(60)]

    text = programme(contract(*MIXED), trainees=names)

    assert "60 participants" in text
    for number in (0, 59):
        assert text.count(f"Participante numéro {number} ") >= 2


def test_where_the_site_holds_nothing_the_whole_system_is_taught() -> None:
    data = {
        "starts_at": "2026-04-20T09:00:00+02:00",
        "site": "STR",
        "trainer": "Luc Ott",
        "trainees": ["Samir Haddad"],
    }
    text = pdf_text(render(order("programme_formation", data, sites=["STR"]), contract(*MIXED)))

    assert "Vidéo : relire et rechercher" in text
