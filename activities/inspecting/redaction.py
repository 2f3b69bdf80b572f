"""The copy of a PDF from which its secrets were removed, made in a process of its own.

A page that shows a secret becomes a picture of itself with the secret painted over: nothing is left
under the paint, in the text, in an annotation, outside the visible part or in a former revision.
The copy is searched again by whoever finds secrets, and exists only when nothing is found any more.

    python -m activities.inspecting.redaction PATH TARGET --family FAMILY      one line of JSON
"""

from __future__ import annotations

import argparse
import math
import os
import zlib
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium
from pikepdf import Array, Dictionary, Name
from pydantic import BaseModel, ConfigDict

from activities import child
from activities.inspecting import credentials
from activities.inspecting.inspection import InspectionFailed
from activities.inspecting.page_words import Box, TooLong, cells_of
from activities.inspecting.pdf_secrets import NOT_ALL, FoundInPdf, secrets_of_pdf

_SECONDS: Final = 300
"""Of processor."""

_PATIENCE: Final = 5 * _SECONDS
_ANSWER: Final = 1 << 16
_FILES: Final = 64
_WRITTEN: Final = 1 << 30
"""Bytes of the copy."""

_DOTS: Final = 200
"""To the inch, of a page that becomes a picture; fewer where the page is so large that it would be
more than ``_PIXELS``."""

_PIXELS: Final = 45_000_000
_MARGIN: Final = 1.5
"""Points painted around each letter."""

_LOST: Final = (
    "/AcroForm", "/Metadata", "/Names", "/OpenAction", "/Outlines", "/PageLabels", "/PieceInfo",
    "/StructTreeRoot", "/MarkInfo",
)  # fmt: skip
"""What a file says beside its pages, in which a secret may be repeated; the book keeps none."""

_FAILED: Final = "ses secrets n'ont pas pu en être retirés"
_LEFT: Final = "un secret y resterait lisible"
_TOO_LONG: Final = "elle est trop longue pour être relue en entier"


class Redaction(BaseModel):
    """What became of it: why there is no copy, else how many pages became pictures."""

    model_config = ConfigDict(frozen=True)

    refused: str | None = None
    pages: int = 0
    pictures: int = 0


# In the worker


async def redact(path: Path, target: Path, family: str) -> Redaction:
    """Write to ``target`` the copy of this PDF without its secrets, or say why there is none.

    Raises ``InspectionFailed`` when the child fails for a reason of this machine.
    """
    try:
        answer, code = await child.answer_of(
            __name__, str(path), str(target), f"--family={family}", most=_ANSWER, seconds=_PATIENCE
        )
        if answer.endswith(b"\n"):
            return Redaction.model_validate_json(answer)
    except (TimeoutError, ValueError) as error:
        raise InspectionFailed(type(error).__name__) from None
    if code < 0:
        return Redaction(refused=_FAILED)
    raise InspectionFailed(f"exit code {code}")


# In the child


def main() -> None:
    """Make the copy that the command line asks for, and print what became of it."""
    parser = argparse.ArgumentParser(prog="python -m activities.inspecting.redaction")
    parser.add_argument("path", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--family", default="")
    asked = parser.parse_args()
    child.limit(seconds=_SECONDS, files=_FILES, written=_WRITTEN)
    print(_redacted(asked.path, asked.target, asked.family).model_dump_json(), flush=True)
    os._exit(0)


def _redacted(path: Path, target: Path, family: str) -> Redaction:
    try:
        return make(path, target, family)
    except MemoryError:
        return Redaction(refused=_FAILED)
    except (ImportError, OSError):
        raise
    except Exception:  # noqa: BLE001 - a strange file fails in ways nobody has listed
        return Redaction(refused=_FAILED)


def make(path: Path, target: Path, family: str) -> Redaction:
    """The same, in this process."""
    found = _found(path, family)
    if any(one.what == NOT_ALL for one in found):
        return Redaction(refused=_TOO_LONG)
    values = {one.value for one in found if credentials.looks_secret(one.value)}
    boxes = _everywhere(path, values)
    touched = {one.page for one in found if one.page is not None} | set(boxes)
    for one in found:
        if one.page is not None and one.boxes:
            boxes[one.page] += one.boxes
    with pikepdf.open(path) as pdf:
        _without_annotations(pdf, touched)
        _paint(path, pdf, boxes)
        for key in _LOST:
            if key in pdf.Root:
                del pdf.Root[key]
        if "/Info" in pdf.trailer:
            del pdf.trailer["/Info"]
        pages = len(pdf.pages)
        pdf.save(target, deterministic_id=True, encryption=False)
    if _found(target, family) or _everywhere(target, values) or _reads(target, set(boxes)):
        target.unlink()
        return Redaction(refused=_LEFT)
    return Redaction(pages=pages, pictures=len(boxes))


def _found(path: Path, family: str) -> list[FoundInPdf]:
    return [one for one in secrets_of_pdf(path, family) if one is not None and not one.factory]


def _everywhere(path: Path, values: set[str]) -> dict[int, tuple[Box, ...]]:
    """Where these values stand on any page, announced there or not."""
    places: dict[int, tuple[Box, ...]] = defaultdict(tuple)
    if not values:
        return places
    with pypdfium2.PdfDocument(path) as pdf:
        for number in range(len(pdf)):
            page = pdf[number]
            if pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS:
                page.close()
                page = pdf[number]
            try:
                cells = cells_of(page)
            except TooLong:
                cells = []
            for cell in cells:
                for value in values:
                    start = cell.text.find(value)
                    while start >= 0:
                        places[number + 1] += cell.boxes(start, start + len(value))
                        start = cell.text.find(value, start + 1)
            page.close()
    return places


def _reads(path: Path, numbers: set[int]) -> bool:
    """Whether a page that became a picture still has letters."""
    with pypdfium2.PdfDocument(path) as pdf:
        for number in numbers:
            text = pdf[number - 1].get_textpage()
            if text.count_chars():
                return True
    return False


def _without_annotations(pdf: pikepdf.Pdf, touched: set[int]) -> None:
    """Forms and notes are drawn into their pages; those with a secret keep no link either."""
    form = pdf.Root.get("/AcroForm", Dictionary())
    if form.get("/NeedAppearances", False):
        pdf.generate_appearance_streams()
    pdf.flatten_annotations("screen")
    for number, page in enumerate(pdf.pages, start=1):
        if "/Annots" not in page.obj:
            continue
        links = [
            one
            for one in page.obj.Annots
            if isinstance(one, Dictionary) and one.get("/Subtype") == Name.Link
        ]
        page.obj.Annots = Array([] if number in touched else links)


def _paint(path: Path, pdf: pikepdf.Pdf, boxes: dict[int, tuple[Box, ...]]) -> None:
    """Put in the place of each of these pages its picture, without what the boxes cover."""
    with pypdfium2.PdfDocument(path) as shown:
        if shown.get_formtype():
            shown.init_forms()
        for number, covered in sorted(boxes.items()):
            page = shown[number - 1]
            width, height = page.get_size()
            dots = min(_DOTS, math.sqrt(_PIXELS / (width * height)) * 72)
            bitmap: Any = page.render(scale=dots / 72, rev_byteorder=True, prefer_bgrx=False)
            place = bitmap.get_posconv(page)
            for box in covered:
                _cover(bitmap, place, box)
            _replace(pdf, number, bitmap, width, height)
            bitmap.close()
            page.close()


def _cover(bitmap: Any, place: Any, box: Box) -> None:
    """Paint one letter over."""
    corners = [
        place.to_bitmap(x, y)
        for x in (box.left - _MARGIN, box.right + _MARGIN)
        for y in (box.bottom - _MARGIN, box.top + _MARGIN)
    ]
    left, right = (limit(x for x, _ in corners) for limit in (min, max))
    top, bottom = (limit(y for _, y in corners) for limit in (min, max))
    left, top = max(0, left), max(0, top)
    right, bottom = min(bitmap.width, right), min(bitmap.height, bottom)
    if right > left and bottom > top:
        bitmap.fill_rect((0, 0, 0, 255), left, top, right - left, bottom - top)


def _replace(pdf: pikepdf.Pdf, number: int, bitmap: Any, width: float, height: float) -> None:
    row = bitmap.width * bitmap.n_channels
    raw = bytes(bitmap.buffer)
    packer = zlib.compressobj(6)
    packed = b"".join(
        packer.compress(raw[bitmap.stride * y : bitmap.stride * y + row])
        for y in range(bitmap.height)
    )
    spaces = {1: Name.DeviceGray, 3: Name.DeviceRGB}
    picture = pikepdf.Stream(
        pdf,
        packed + packer.flush(),
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=bitmap.width,
        Height=bitmap.height,
        BitsPerComponent=8,
        ColorSpace=spaces[bitmap.n_channels],
        Filter=Name.FlateDecode,
    )
    page = pdf.pages[number - 1].obj
    for key in list(page.keys()):
        if key not in {"/Type", "/Parent", "/UserUnit"}:
            del page[key]
    page.MediaBox = Array([0, 0, round(width, 3), round(height, 3)])
    # Said here, or it would be the one of all pages.
    page.CropBox, page.Rotate = page.MediaBox, 0
    page.Resources = Dictionary(XObject=Dictionary(I=pdf.make_indirect(picture)))
    page.Contents = pdf.make_stream(f"q {width:.3f} 0 0 {height:.3f} 0 0 cm /I Do Q".encode())


if __name__ == "__main__":
    main()
