"""Secrets are found where they stand on a page, ordinary pages are left alone, and what is removed
is gone. The measure is that of docs/secrets.md."""

from __future__ import annotations

import io
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from activities.inspecting.page_words import cells_of
from activities.inspecting.pdf_secrets import FACTORY, secrets_of_pdf
from activities.inspecting.redaction import redact
from process.orders import SecretFound
from tests.secret_figures import measure, total
from tests.secret_pages import (
    MEASURING,
    Sheet,
    held_out,
    secret_sheets,
)

FILES = Path(__file__).parent / "secret_files"


def test_98_secrets_in_100_are_found_and_2_ordinary_pages_in_100_are_stopped_at_most() -> None:
    measured = measure(MEASURING)
    figures = total(measured)
    assert len(measured) >= 30
    assert figures.secret >= 200
    assert figures.ordinary >= 150
    assert figures.recall >= 0.98, figures.wrong
    assert figures.false_stops <= 0.02, figures.wrong
    # Not only where the search was written for.
    apart = total(measured, held_out)
    assert apart.secret >= 90
    assert apart.recall >= 0.98, apart.wrong
    assert apart.false_stops <= 0.02, apart.wrong


@pytest.mark.parametrize(
    "name", ["label-and-value-side-by-side.pdf", "Identifiants--admin---value.pdf"]
)
@pytest.mark.parametrize("family", ["plans", "datasheets"])
def test_files_that_once_passed_are_caught(name: str, family: str) -> None:
    found = [one for one in secrets_of_pdf(FILES / name, family) if one is not None]
    assert [one.told() for one in found] == [SecretFound(what="mot de passe", page=1)]


@pytest.mark.parametrize("family", ["plans", "datasheets"])
def test_a_factory_password_is_one_only_where_a_manufacturer_prints_it(
    family: str, tmp_path: Path
) -> None:
    with pikepdf.new() as pdf:
        page = pdf.add_blank_page()
        font = pikepdf.Dictionary(
            Type=pikepdf.Name.Font,
            Subtype=pikepdf.Name.Type1,
            BaseFont=pikepdf.Name.Helvetica,
        )
        page.obj.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F1=font))
        lines = ("Default password: admin", "Site password: Orage!2031")
        page.obj.Contents = pdf.make_stream(
            b"".join(
                b"BT /F1 10 Tf 50 %d Td (%s) Tj ET " % (500 - 40 * i, line.encode())
                for i, line in enumerate(lines)
            )
        )
        pdf.save(tmp_path / "sheet.pdf")
    found = [one for one in secrets_of_pdf(tmp_path / "sheet.pdf", family) if one is not None]
    said = sorted(one.told().what for one in found)
    assert said == ["mot de passe", FACTORY if family == "datasheets" else "mot de passe"]


REDACTED = [
    sheet
    for sheet in secret_sheets(MEASURING)
    if sheet.layout
    in {
        "header row", "turned text", "oblique text", "annotation's appearance", "link",
        "outside the crop box", "form, as it shows", "turned page", "drawing within a drawing",
    }
]  # fmt: skip


@pytest.mark.parametrize("sheet", REDACTED, ids=lambda sheet: sheet.layout)
async def test_what_is_redacted_is_gone(sheet: Sheet, tmp_path: Path) -> None:
    original, copy = tmp_path / "original.pdf", tmp_path / "copy.pdf"
    original.write_bytes(sheet.content)
    made = await redact(original, copy, sheet.family)
    assert made.refused is None
    assert made.pages == sheet.pages
    # Neither the search, nor any text, nor any byte of the file tells the values any more.
    assert not [one for one in secrets_of_pdf(copy, sheet.family) if one is not None]
    whole = _undone(copy)
    with pypdfium2.PdfDocument(copy) as pdf:
        text = "\n".join(page.get_textpage().get_text_range() for page in pdf)
    for value in sheet.secrets:
        assert value not in text
        assert value.encode("latin-1") not in whole
        assert value.encode("utf-16-be") not in whole
    _looks_the_same_elsewhere(original, copy, sheet)


def _undone(path: Path) -> bytes:
    """Every byte of the file, with nothing compressed."""
    with pikepdf.open(path) as pdf:
        content = io.BytesIO()
        pdf.save(
            content,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
    return content.getvalue()


def _looks_the_same_elsewhere(original: Path, copy: Path, sheet: Sheet) -> None:
    """The first page looks as it did, but for the letters of the secret, which are painted over."""
    with pypdfium2.PdfDocument(original) as before, pypdfium2.PdfDocument(copy) as after:
        if before.get_formtype():
            before.init_forms()
        first, copied = before[0], after[0]
        assert [*map(round, first.get_size())] == [*map(round, copied.get_size())]
        old, new = (page.render(scale=1, grayscale=True) for page in (first, copied))
        changed = sum(
            abs(a - b) > 128 for a, b in zip(bytes(old.buffer), bytes(new.buffer), strict=True)
        )
        assert changed < 0.01 * old.width * old.height
        if sheet.layout in {"header row", "turned page", "turned text"}:
            [value] = sheet.secrets[:1]
            spot = old.get_posconv(first)
            boxes = [
                box
                for cell in cells_of(first)
                if value in cell.text
                for box in cell.boxes(cell.text.index(value), cell.text.index(value) + len(value))
            ]
            assert boxes
            for box in boxes:
                x, y = spot.to_bitmap((box.left + box.right) / 2, (box.bottom + box.top) / 2)
                assert bytes(new.buffer)[y * new.stride + x] < 32


async def test_a_copy_that_would_still_tell_is_not_made(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing")
    made = await redact(broken, tmp_path / "copy.pdf", "plans")
    assert made.refused
    assert not (tmp_path / "copy.pdf").exists()
