"""What production is made of is known: its licences, its bill of materials, its known flaws."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from local.audit import FOUND, UNKNOWN, told
from local.licences import LOCK, PAGE, Licensed, licences, locked, page

ROOT = Path(__file__).resolve().parent.parent


def test_every_licence_is_known_and_accepted() -> None:
    assert [one for one in licences() if not one.is_accepted] == []


def test_almost_every_locked_distribution_is_looked_at() -> None:
    """Those that are not installed here are for other systems."""
    absent = set(locked()) - {one.name for one in licences()}
    assert absent <= {"colorama", "tomli", "exceptiongroup", "async-timeout"}


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-2-Clause", True),
        ("GPL-3.0-or-later OR MIT", True),
        ("MIT AND PSF-2.0", True),
        ("MIT AND LGPL-2.1-only", False),
        ("AGPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_licence_is_accepted_only_by_its_name(licence: str, *, accepted: bool) -> None:
    assert Licensed("x", licence).is_accepted is accepted


def test_the_page_of_licences_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m local.licences"


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 paquets vérifiés"),
        ([{"name": "a", "skip_reason": "not found"}], UNKNOWN, "non vérifiés (1 sur 1) : a"),
        ([], UNKNOWN, "rien n'a été vérifié"),
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
                {"name": "b", "skip_reason": "not found"},
            ],
            FOUND,
            "a 1 : CVE-1, corrigé dans 2",
        ),
    ],
)
def test_what_was_not_looked_up_is_not_called_sound(
    dependencies: list[object], code: int, said: str
) -> None:
    answer, lines = told({"dependencies": dependencies, "fixes": []})
    assert answer == code
    assert said in lines[0]


def test_the_bill_of_materials_is_valid_and_lists_the_lock(tmp_path: Path) -> None:
    try:
        metadata.version("cyclonedx-bom")
    except metadata.PackageNotFoundError:
        pytest.skip("cyclonedx-bom is not installed")
    bill = tmp_path / "sbom.json"
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "sbom"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    [command] = [line for line in done.stdout.splitlines() if "cyclonedx" in line]
    arguments = command.split()[1:]
    arguments[arguments.index("--output-file") + 1] = str(bill)
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True
    )  # which validates it against CycloneDX's own schema
    made = json.loads(bill.read_text(encoding="utf-8"))
    assert made["bomFormat"] == "CycloneDX"
    assert made["metadata"]["component"]["name"] == "mileo-onboarding"
    assert sorted(one["name"] for one in made["components"]) == sorted(locked())
    assert all(
        reference["hashes"] for one in made["components"] for reference in one["externalReferences"]
    )
    assert LOCK.is_file()
