"""Mend a PDF of which nothing is lost, and prove it. Runs in the child process only.

A manufacturer cannot be asked to produce its manual again: what every reader opens is taken. The
file received is kept as it is; what is mended here is a copy. Nothing is guessed: where an object is
missing, where the end of the file is, or where the pages differ afterwards, there is no copy.
"""

from __future__ import annotations

import mmap
import re
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pikepdf
import pypdfium2
from pikepdf import Name

from activities.inspecting.pdf_dangers import dictionaries
from activities.inspecting.unfit import Unfit

if TYPE_CHECKING:
    from activities.inspecting.pdf_streams import Weight

DAMAGED: Final = "le PDF est endommagé ou incomplet : le produire à nouveau"
_HEAVY: Final = "le PDF contient une image démesurée"

_END: Final = re.compile(rb"startxref\s+\d")
_OBJECT: Final = re.compile(rb"\d[ \t\r\n]+\d+[ \t\r\n]+obj\b")
_STREAM: Final = re.compile(rb"\bstream\r?\n.*?endstream", re.DOTALL)
_REFERENCE: Final = re.compile(rb"(?<![\d.])(\d{1,7})[ \t\r\n]+(\d{1,5})[ \t\r\n]+R\b")

_SHOWN: Final = 400
"""Dots of the longer side of a page that is compared."""

_SECONDS: Final = 15
"""Of processor, for the pages that are compared: the first of a long document, and its last."""

_SIDE: Final = 2_000
"""Dots of the longer side of the page that takes the most."""


def opened(path: Path) -> tuple[pikepdf.Pdf, bool]:
    """The PDF, and whether its structure had to be repaired to open it. Raises ``Unfit`` when
    it has no end, and pikepdf's own errors when nothing can open it."""
    strict = None
    try:
        strict = pikepdf.open(path, attempt_recovery=False, suppress_warnings=True)
        # Every object and every stream is where it is said to be: what is not is left out, with
        # nothing but a warning.
        for one in strict.objects:
            if isinstance(one, pikepdf.Stream):
                one.get_raw_stream_buffer()
        if not strict.get_warnings():
            return strict, False
    except pikepdf.PasswordError:
        raise
    except (pikepdf.PdfError, RuntimeError):
        _refuse_without_end(path)
    if strict is not None:
        strict.close()
    return pikepdf.open(path, suppress_warnings=True), True


def _refuse_without_end(path: Path) -> None:
    """After the last object comes the place of the table of objects: a file cut short, or an
    addition cut short, has lost it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = content.rfind(b"startxref")
        if end < 0 or not _END.match(content, end) or _OBJECT.search(content, end):
            raise Unfit(DAMAGED)


def refuse_losses(pdf: pikepdf.Pdf, path: Path, weights: Iterable[Weight]) -> None:
    """Raises ``Unfit`` when something that the file names is not in it any more: an object, the end
    of a stream, a page."""
    counted = pdf.Root.Pages.get("/Count")
    if counted != len(pdf.pages) or not all(weight.whole for weight in weights):
        raise Unfit(DAMAGED)
    if not any("reconstruct" in warning for warning in pdf.get_warnings()):
        return
    # Its table of objects was made anew from what was found.
    known = {one.objgen[0] for one in pdf.objects if one.is_indirect}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = 0
        for stream in _STREAM.finditer(content):
            _refuse_unknown(content[start : stream.start()], known)
            start = stream.end()
        _refuse_unknown(content[start:], known)
    for one in pdf.objects:
        if isinstance(one, pikepdf.Stream) and one.get("/Type") == Name.ObjStm:
            _refuse_unknown(one.read_bytes(), known)


def _refuse_unknown(text: bytes, known: set[int]) -> None:
    for reference in _REFERENCE.finditer(text):
        if int(reference[1]) not in known:
            raise Unfit(DAMAGED)


def mend(pdf: pikepdf.Pdf, wrong: Mapping[tuple[int, int], Weight]) -> None:
    """Compress anew the streams with a wrong checksum; leave out the files that are joined."""
    for number, weight in wrong.items():
        stream = pdf.get_object(number)
        # What it was filtered with, its predictor included, stays as it is.
        filters: Any = stream.get("/Filter")
        parameters: Any = stream.get("/DecodeParms")
        assert weight.content is not None, "only those are mended"
        stream.write(zlib.compress(weight.content), filter=filters, decode_parms=parameters)
    for one in dictionaries(pdf):
        for key in ("/EF", "/AF"):
            if key in one:
                del one[key]
        if one.get("/Subtype") == Name.FileAttachment and "/FS" in one:
            del one["/FS"]
    if "/Collection" in pdf.Root:
        del pdf.Root.Collection
    names = pdf.Root.get("/Names")
    if isinstance(names, pikepdf.Dictionary) and "/EmbeddedFiles" in names:
        del names.EmbeddedFiles


def save(pdf: pikepdf.Pdf, copy: Path) -> None:
    """Write the same objects anew: no stream is undone, nothing that is not reached is kept."""
    pdf.save(
        copy,
        encryption=False,
        stream_decode_level=pikepdf.StreamDecodeLevel.none,
        object_stream_mode=pikepdf.ObjectStreamMode.preserve,
        deterministic_id=True,
    )


def show(path: Path, number: int) -> None:
    """Render the page that takes the most, in the memory of this process. Raises ``MemoryError``
    when that is not enough."""
    with pypdfium2.PdfDocument(path) as pdf:
        page = pdf[number]
        for image in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE], max_depth=5):
            try:
                # What does not fit is left blank by a rendering, which says nothing.
                image.get_bitmap(render=False)
            except pypdfium2.PdfiumError:
                raise MemoryError from None
        _picture(page, _SIDE)


def compare(original: Path, copy: Path) -> None:
    """Both have the same pages, with the same text, and look the same. Where nothing but qpdf opens
    the original, there is nothing to compare with. Raises ``Unfit`` when they differ."""
    try:
        before = pypdfium2.PdfDocument(original)
    except pypdfium2.PdfiumError:
        return
    with before, pypdfium2.PdfDocument(copy) as after:
        if len(before) != len(after):
            raise Unfit(DAMAGED)
        end = time.process_time() + _SECONDS
        for number in (len(before) - 1, *range(len(before) - 1)):
            if _look(before[number]) != _look(after[number]):
                raise Unfit(DAMAGED)
            if time.process_time() > end:
                return


def _look(page: Any) -> tuple[Any, ...]:
    """What a page says and how it looks."""
    text = page.get_textpage()
    said = text.get_text_bounded()
    text.close()
    return page.get_size(), said, _picture(page, _SHOWN)


def _picture(page: Any, side: int) -> bytes:
    bitmap = page.render(scale=side / max(*page.get_size(), 1))
    seen = bytes(bitmap.buffer)
    bitmap.close()
    page.close()
    return seen
