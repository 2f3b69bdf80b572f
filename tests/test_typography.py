"""The printed page: French as a typesetter sets it, and nothing that leaves its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pikepdf
import pytest
from pdfua import validate

from activities.printing.rendering import render
from activities.printing.typography import tidy
from process.contract import Contract
from process.documents import DOCUMENT_KINDS, document_reference
from tests.pdf_layout import pages
from tests.test_documents import CONTRACT, FULL, KINDS, MINIMAL, RESERVES, order

_MARGIN: Final = 24.0
"""Points. Nothing is printed nearer to the edge of the paper."""

# --- What people type -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "set_as"),
    [
        ('Il dit "oui",  puis non', "Il dit « oui », puis non"),
        ("«Quai» nord", "« Quai » nord"),
        ("Attention: badge refusé!", "Attention : badge refusé !"),
        ("À suivre...", "À suivre…"),
        ("Fin de ligne   \nSuite", "Fin de ligne\nSuite"),
        ("a ! ! ! ! !", "a !!!!!"),
    ],
)
def test_what_people_type_is_tidied(typed: str, set_as: str) -> None:
    assert tidy(typed) == set_as


@pytest.mark.parametrize(
    "typed",
    [
        'une baie 19" et un écran 24"',
        "à 08:30, voir https://a.example/b?c=d",
        'read("/etc/passwd")',
        "10.0.0.1:443",
        "  retrait voulu",
        "« cœur » ; fini !",
    ],
)
def test_what_could_be_lost_is_left_as_typed(typed: str) -> None:
    assert tidy(typed) == typed


def test_names_and_codes_are_left_as_typed() -> None:
    assert tidy('Yahoo!  "Nord"', "name") == 'Yahoo!  "Nord"'
    assert tidy("plan  final.pdf", "uri") == "plan  final.pdf"


def test_a_huge_text_is_tidied_at_once() -> None:
    for hostile in (" " * 100_000, '"a' * 50_000, "!? " * 30_000, "« " * 50_000):
        tidy(hostile)


@cache
def full(kind: str) -> bytes:
    """The document with every field; the tests only read it."""
    return render(order(kind, FULL[kind]), CONTRACT)


# --- What is printed --------------------------------------------------------------------------


def _lines(conclusions: str) -> list[str]:
    """The printed lines of a report that concludes so."""
    data = {**FULL["rapport_audit"], "conclusions": conclusions}
    content = render(order("rapport_audit", data), CONTRACT)
    return [line for page in pages(content) for line in page.text.splitlines()]


@pytest.mark.parametrize(
    "together",
    [
        "vrai\u202f; faux\u202f! quoi\u202f?",
        "mot : suite",
        "« mot »",
        "réserve n° 3",
        "12 mars 2026",
        "1er mars 2026",
        "72 h",
        "15 jours",
        "10 000 €",
        "20 %",
        "M. Durand",
        "01 80 00 00 00",
    ],
)
def test_what_belongs_together_is_never_parted(together: str) -> None:
    # Wherever it falls in its line: after a padding of every length.
    typed = together.replace("\u202f", " ")
    parts = [
        part for part in re.split(r"(?<=[;!:]) |(?<=réserve) ", together) if re.search(r"\s", part)
    ]
    lines = _lines("\n".join(f"{'mot ' * 20}{'i' * n} {typed} suite" for n in range(5, 45)))

    for part in parts or [together]:
        assert sum(part in line for line in lines) == 40, part


def test_apostrophes_are_printed_curly() -> None:
    assert "L’armoire d’angle" in _lines("L'armoire d'angle")


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_opens_or_ends_on_the_wrong_sign(kind: str) -> None:
    for page in pages(full(kind)):
        assert not re.search(r"^[:;?!»]|«$", page.text.replace("\r", ""), re.MULTILINE)
        assert "'" not in page.text
        assert '"' not in page.text


def test_names_are_never_hyphenated() -> None:
    filler = "Mileo Technology accompagne les Établissements et leur responsabilité " * 60
    # pdfium marks the hyphen of a cut word, which is not part of the text.
    cut = re.findall(r"(\w+)\ufffe", " ".join(_lines(filler)))
    assert cut
    assert not [word for word in cut if word[0].isupper()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_bears_its_reference_and_says_what_is_confidential(kind: str) -> None:
    reference = document_reference(kind, CONTRACT.reference, 1, 1)
    printed = pages(full(kind))
    for number, page in enumerate(printed, start=1):
        assert reference in page.text
        assert f"Page {number} / {len(printed)}" in page.text
        assert ("Confidentiel" in page.text) == DOCUMENT_KINDS[kind].confidential


# --- Extremes ---------------------------------------------------------------------------------

_WORD: Final = "Anticonstitutionnellement" * 8  # 200 characters, no space
_PROSE: Final = ("Le 你好 lecteur 🔥 n'a pas reconnu مرحبا le badge : voir « l'annexe ». " * 80)[
    :5000
]
_LONG_LINES: Final = frozenset(
    [
        "title",
        "name",
        "place",
        "by",
        "who",
        "job",
        "mandate",
        "trainer",
        "pv_uri",
        "what",
        "evidence",
    ]
)
_CHOSEN: Final = {
    *("decision", "severity", "role", "state", "family", "result", "verdict", "obligation"),
    *("kind", "site", "id", "number", "point", "reference", "sha256", "uri", "week"),
    *("equipment", "key"),
}


def _stretched(value: Any, key: str = "") -> Any:
    """The same data, every name as long as it may be, every text 5,000 characters, lists of 40."""
    if isinstance(value, str):
        if key in _CHOSEN or re.fullmatch(r"\w+_(on|at)|on", key):
            return value
        return _WORD if key in _LONG_LINES else _PROSE
    if isinstance(value, Mapping):
        return {name: _stretched(item, name) for name, item in value.items()}
    if isinstance(value, list):
        if key in ("sites", "equipment"):
            return value
        if value and isinstance(value[0], str):
            return [_WORD, *(f"Élément {n} de la liste" for n in range(39))]
        return [_stretched(item, key) for item in value]
    return value


def _large() -> Contract:
    """Ten sites and 300 items of equipment; every site and 30 of the items with long names."""
    plain = CONTRACT.model_dump(mode="json")
    plain["client"]["name"] = _WORD
    plain["sites"] = [
        {**plain["sites"][0], "code": f"SITE-{n}-{'X' * 50}", "name": _WORD, "address": _WORD}
        for n in range(10)
    ]
    codes = [site["code"] for site in plain["sites"]]
    plain["equipment"] = [
        {
            **plain["equipment"][n % 5],
            "tag": f"CAM-{n:03d}",
            "site": codes[n % 10],
            **({"tag": f"{n}{'W' * 60}", "model": _WORD, "serial": _WORD} if n < 30 else {}),
        }
        for n in range(300)
    ]
    return Contract.model_validate(plain)


LARGE: Final = _large()


def _is_font_descriptor(held: pikepdf.Object) -> bool:
    return isinstance(held, pikepdf.Dictionary) and held.get("/Type") == "/FontDescriptor"


def _assert_in_place(content: bytes) -> None:
    for number, page in enumerate(pages(content), start=1):
        assert not page.outside(_MARGIN), f"page {number}"
        assert not page.overprinted(), f"page {number}"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_its_page_or_its_column(kind: str) -> None:
    data = _stretched(FULL[kind])
    if "site" in data:
        data["site"] = LARGE.sites[0].code
    if "sites" in data:
        data["sites"] = [site.code for site in LARGE.sites]
    issuer = order(kind, {}).issuer
    assert issuer
    asked = order(
        kind,
        data,
        sites=[site.code for site in LARGE.sites],
        issuer=issuer.model_copy(update={"name": _WORD}),
    )

    _assert_in_place(render(asked, LARGE))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_its_page_without_optional_parts(kind: str) -> None:
    _assert_in_place(render(order(kind, MINIMAL[kind]), CONTRACT))


def test_fifty_phases_repeat_their_header_on_each_page() -> None:
    phase = FULL["compte_rendu_kickoff"]["phases"][0]
    phases = [{**phase, "id": f"PH-{n}", "works": ["Tirage"] * 10} for n in range(50)]
    content = render(
        order("compte_rendu_kickoff", {**FULL["compte_rendu_kickoff"], "phases": phases}), CONTRACT
    )

    _assert_in_place(content)
    with_phases = [page.text for page in pages(content) if re.search(r"\bPH-\d", page.text)]
    assert len(with_phases) > 5
    assert all("Objet et travaux" in text for text in with_phases)


def test_forty_reserves_and_their_signatures_stay_whole() -> None:
    reserves = [{**RESERVES[n % 2], "number": n + 1} for n in range(40)]
    for count in range(36, 41):
        data = {**FULL["pv_recette"], "reserves": reserves[:count]}
        content = render(order("pv_recette", data), CONTRACT)

        _assert_in_place(content)
        for page in pages(content):
            # A frame is on one page: its name, its date and its signature.
            assert page.text.count("Nom :") == page.text.count("Signature :")
            # What opens the frames is on their page.
            assert ("Signatures." in page.text) == ("Signature :" in page.text)


# --- The file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_sound_and_says_what_it_is(kind: str) -> None:
    content = full(kind)

    with pikepdf.open(BytesIO(content)) as pdf:
        assert pdf.check_pdf_syntax() == []
        assert pdf.Root.Lang == "fr-FR"
        assert pdf.Root.MarkInfo.Marked
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        info = pdf.docinfo
        assert DOCUMENT_KINDS[kind].title in str(info["/Title"])
        assert info["/Author"] == "Mileo Technology"
        assert CONTRACT.client.name in str(info["/Subject"])
        assert "PROC-CRM-003" in str(info["/Keywords"])
        fonts = [font for font in pdf.objects if _is_font_descriptor(font)]
        assert fonts
        assert all("Lato" in str(font.FontName) and "/FontFile2" in font for font in fonts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_accessible(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "document.pdf"
    path.write_bytes(full(kind))

    assert validate(str(path)).findings == ()
