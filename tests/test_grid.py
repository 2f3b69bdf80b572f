"""The acceptance grid: its library, what it keeps to, how results fill it."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from activities.printing import rendering
from activities.printing.grid import MODULES, POINTS, faults, main
from activities.printing.rendering import render
from process.contract import Contract
from process.vocabulary import EQUIPMENT_FAMILY_NAMES
from tests.pdf_text import pdf_text
from tests.test_documents import CONTRACT, order

LIBRARY: Final = tomllib.loads(POINTS.read_text("utf-8"))

FIRST_ISSUED: Final = [
    f"{letter}-{number:02}"
    for letter, last in {"G": 8, "R": 10, "V": 10, "A": 8, "H": 6, "D": 5}.items()
    for number in range(1, last + 1)
]
"""The identifiers of the first grids, some of them signed."""

HELD: Final = {"starts_at": "2026-04-27T09:00:00+02:00", "effective_on": "2026-04-27"}


def grid(contract: Contract, *results: dict[str, Any], **data: Any) -> str:
    given = {"results": list(results), **data}
    sites = [site.code for site in contract.sites]
    return pdf_text(render(order("grille_recette", given, sites=sites), contract))


def filled(contract: Contract, *results: dict[str, Any]) -> str:
    return grid(contract, *results, **HELD)


def with_items(*items: tuple[str, str]) -> Contract:
    """The contract with these items only: tag and family."""
    equipment = [
        {"tag": tag, "family": family, "manufacturer": "Acme", "model": "Un", "site": "PAR"}
        for tag, family in items
    ]
    plain = CONTRACT.model_dump(mode="json")
    return Contract.model_validate({**plain, "equipment": equipment})


TWO_CAMERAS: Final = with_items(("CAM-1", "vms"), ("CAM-2", "vms"))


def expected_checks(contract: Contract) -> int:
    """Counted here from the library, independently of the template."""
    installed = [item.family for item in contract.equipment]
    checks = 0
    for theme in LIBRARY["theme"]:
        for point in theme["point"]:
            wanted = point.get("families", theme.get("families"))
            count = sum(wanted is None or family in wanted for family in installed)
            if point.get("each"):
                checks += count
            else:
                checks += count > 0 or wanted is None
    return checks


def total(text: str) -> list[int]:
    """What the summary says: conform, not conform, not applicable, not tested, all."""
    found = re.search(
        r"Sur (\d+) vérifications : (\d+) conformes?, (\d+) non conformes?, (\d+) sans objet, "
        r"(\d+) non testées?\.",
        " ".join(text.split()),
    )
    assert found, text
    every, *counts = map(int, found.groups())
    return [*counts, every]


# --- The library ------------------------------------------------------------------------------


def test_the_files_a_technician_edits_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "rien à signaler" in capsys.readouterr().out


def test_the_library_is_rich_in_every_theme() -> None:
    sizes = {theme["code"]: len(theme["point"]) for theme in LIBRARY["theme"]}

    assert sum(sizes.values()) >= 70
    assert set(sizes) == {
        "general",
        "network",
        "vms",
        "access_control",
        "hypervision",
        "documentation",
    }
    assert min(sizes.values()) >= 10


def test_an_identifier_once_used_stays_or_is_retired() -> None:
    kept = {point["id"] for theme in LIBRARY["theme"] for point in theme["point"]}

    assert set(FIRST_ISSUED) <= kept | set(LIBRARY.get("retired", []))


POINT: Final = """
[[theme]]
code = "general"
title = "Général"
[[theme.point]]
id = "G-01"
requirement = "a"
test = "b"
expected = "c"
evidence = "d"
"""
MODULE: Final = """
[[module]]
code = "session"
title = "Poste"
purpose = "a"
minutes = 20
training = ["b"]
"""


def test_a_small_library_is_enough() -> None:
    assert faults(POINT, MODULE) == []


@pytest.mark.parametrize(
    ("points", "modules", "fault"),
    [
        (POINT.replace('test = "b"\n', ""), MODULE, "point G-01, test : champ obligatoire absent"),
        (POINT.replace('"b"', '" "'), MODULE, "point G-01, test : texte vide"),
        (POINT.replace("test =", "tset ="), MODULE, "point G-01, tset : champ inconnu"),
        (POINT.replace("G-01", "G1"), MODULE, "identifiant « G1 » mal formé (exemple : V-22)"),
        (POINT + POINT, MODULE, "identifiant « G-01 » employé plusieurs fois"),
        ('retired = ["G-01"]\n' + POINT, MODULE, "« G-01 » est retiré : il ne peut plus servir"),
        (POINT + 'families = ["video"]\n', MODULE, "families[0] : valeur inconnue ; attendu"),
        (POINT + 'each = "oui"\n', MODULE, "point G-01, each : true ou false attendu"),
        (POINT.replace('"d"', '"d'), MODULE, "pas du TOML valide, ligne 10"),
        (POINT.replace('"d"', '"🔥"'), MODULE, "ligne 10 : caractère que les documents"),
        (POINT, MODULE.replace('["b"]', "[]"), "module session, training : au moins 1"),
        (POINT, MODULE.replace("20", "500"), "module session, minutes : doit être au plus 210"),
        (POINT, MODULE + MODULE, "code de module « session » employé plusieurs fois"),
        (POINT, MODULE.replace('code = "session"\n', ""), "module n° 1, code : champ obligatoire"),
        (POINT, "", "modules.toml : module : champ obligatoire absent"),
    ],
)
def test_a_fault_is_told_in_french_and_where_it_is(points: str, modules: str, fault: str) -> None:
    found = faults(points, modules)

    assert any(fault in line for line in found), found


def test_the_examples_of_the_manual_are_right() -> None:
    manual = (POINTS.parents[2] / "docs" / "grille.md").read_text("utf-8")
    point, retired, module = re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    theme = '[[theme]]\ncode = "vms"\ntitle = "Vidéo"\n'

    assert faults(retired + theme + point, module) == []


def test_every_family_that_points_and_modules_name_is_known() -> None:
    points = [*LIBRARY["theme"], *(point for theme in LIBRARY["theme"] for point in theme["point"])]
    modules = tomllib.loads(MODULES.read_text("utf-8"))["module"]

    named = {family for one in [*points, *modules] for family in one.get("families", ())}
    assert named == set(EQUIPMENT_FAMILY_NAMES)


# --- Before the recette -----------------------------------------------------------------------


@pytest.mark.parametrize("contract", [CONTRACT, TWO_CAMERAS, with_items()])
def test_the_grid_announces_how_many_checks_it_holds(contract: Contract) -> None:
    assert f"soit {expected_checks(contract)} vérifications" in grid(contract).replace("\n", " ")


def test_a_blank_grid_claims_nothing() -> None:
    text = grid(TWO_CAMERAS)

    assert "Bilan" not in text
    assert "non testé" not in text.replace("NT : non testé", "")
    assert "Ce qui n'a pas été testé n'est pas réputé conforme." in text
    assert {"CAM-1", "CAM-2", "V-03"} <= set(text.split())


def test_points_keep_to_what_is_installed_on_the_sites_of_the_document() -> None:
    text = pdf_text(render(order("grille_recette", {}, sites=["STR"]), CONTRACT))

    words = set(text.split())
    assert {"CAM-002", "V-01", "V-06", "G-04"} <= words
    assert not {"CAM-001", "UTL-001", "A-01", "A-02", "H-01", "R-11", "G-17"} & words


def test_three_hundred_items_make_readable_pages() -> None:
    content = render(
        order("grille_recette", HELD, sites=["PAR"]),
        with_items(*((f"CAM-{number:03}", "vms") for number in range(300))),
    )
    text = pdf_text(content)

    assert content.count(b"/Type/Page/") < 40
    assert {f"CAM-{number:03}" for number in range(300)} <= set(text.split())
    # The columns and the site are repeated on each page of the relevé.
    assert text.count("Siège de Paris (PAR) — 300 équipements") > 10


# --- After it ---------------------------------------------------------------------------------


def test_what_was_not_tested_is_never_blank_nor_conform() -> None:
    text = filled(TWO_CAMERAS)

    checks = expected_checks(TWO_CAMERAS)
    assert total(text) == [0, 0, 0, checks, checks]
    assert "Ce qui n'a pas été testé n'est pas réputé conforme : cette grille" in " ".join(
        text.split()
    )


def test_results_are_counted_by_check() -> None:
    text = filled(
        TWO_CAMERAS,
        {"point": "V-03", "result": "conform"},
        {"point": "V-03/CAM-2", "result": "not_conform", "remark": "Trop sombre.", "reserve": 7},
        {"point": "G-04", "result": "not_applicable"},
        {"point": "G-05", "result": "not_tested"},
    )

    checks = expected_checks(TWO_CAMERAS)
    assert total(text) == [1, 1, 1, checks - 3, checks]
    # In the list of what does not conform, then in the row of the camera.
    assert text.count("Trop sombre.") == 2


def test_a_fully_tested_grid_says_so() -> None:
    conform = [
        {"point": point["id"], "result": "conform"}
        for theme in LIBRARY["theme"]
        for point in theme["point"]
    ]
    text = filled(CONTRACT, *conform)

    checks = expected_checks(CONTRACT)
    complementary = 1  # G-17 asks for equipment that this contract has not.
    assert total(text) == [checks + complementary, 0, 0, 0, checks + complementary]
    assert "Toutes les vérifications prévues ont reçu un résultat." in text.replace("\n", " ")


@pytest.mark.parametrize(
    "key",
    ["Essai de la sirène", "V-99", "A-01", "V-03/CAM-9", "V-06/CAM-1", "v-03"],
)
def test_a_result_that_no_point_takes_is_listed_apart(key: str) -> None:
    text = filled(TWO_CAMERAS, {"point": key, "result": "not_conform", "remark": "Vu ainsi."})

    apart = text[text.rindex("Points complémentaires") :]
    assert key in apart
    assert "Vu ainsi." in apart
    assert total(text)[1] == 1


def test_of_several_results_of_a_point_the_worst_counts_and_all_are_told() -> None:
    text = filled(
        TWO_CAMERAS,
        {"point": "G-04", "result": "conform", "remark": "Baie A."},
        {"point": "G-04", "result": "not_conform", "remark": "Baie B.", "reserve": 3},
        {"point": "G-04", "result": "not_applicable"},
    )

    assert total(text)[:3] == [0, 1, 0]
    assert "Baie A." in text
    assert "Baie B." in text


def test_a_long_remark_flows_over_pages() -> None:
    text = filled(
        TWO_CAMERAS, {"point": "V-01/CAM-1", "result": "not_conform", "remark": "mot " * 900}
    )

    assert text.count("mot") >= 1800


# --- What a technician may add ----------------------------------------------------------------


def test_points_added_to_the_file_are_printed_without_touching_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = shutil.copytree(POINTS.parent, tmp_path / "documents")
    added = "".join(
        f'\n[[theme.point]]\nid = "D-{number}"\nrequirement = "Exigence {number}."\ntest = "t"\n'
        'expected = "a"\nevidence = "p"\neach = true\n'
        for number in range(50, 70)
    )
    path = documents / "points_recette.toml"
    path.write_text(path.read_text("utf-8") + added, "utf-8")
    assert faults(path.read_text("utf-8"), MODULES.read_text("utf-8")) == []
    monkeypatch.setattr(rendering, "_DOCUMENTS", documents)

    text = grid(TWO_CAMERAS)

    # Too many columns for one table: the relevé goes on in another.
    assert "Vidéosurveillance (VMS) (suite)" in text
    assert "Exigence 69." in text
    assert f"soit {expected_checks(TWO_CAMERAS) + 40} vérifications" in text.replace("\n", " ")
