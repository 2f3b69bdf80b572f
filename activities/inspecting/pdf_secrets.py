"""The secrets of a PDF: on its pages as they show, in its annotations, forms and links, and in what
it says of itself. Runs in the child process only: a value never leaves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium

from activities.inspecting import credentials
from activities.inspecting.page_secrets import Hit, may_hold, secrets_of
from activities.inspecting.page_words import Box, TooLong, cells_of
from activities.inspecting.secrets_scan import places_in
from activities.inspecting.sniffing import HEAD, encoding_of
from activities.inspecting.unfit import Unfit
from process.orders import SecretFound

_MAX_NOTED: Final = 8 * 2**20
"""Characters of forms, annotations and properties that are read."""

_LINE: Final = 4_000
"""Characters of a line of them."""

_DAMAGED: Final = "le PDF est endommagé ou incomplet : le produire à nouveau"

_MAKERS: Final = frozenset({"datasheets", "certificates", "warranties"})
"""The families whose files manufacturers write, with the passwords of their factories."""


@dataclass(frozen=True)
class FoundInPdf:
    """A secret of a PDF; ``page`` from 1, None for what belongs to none; ``boxes`` where its value
    is written on the page, none for what is written over it."""

    page: int | None
    what: str
    value: str
    boxes: tuple[Box, ...] = ()
    factory: bool = False
    place: str = ""

    def told(self) -> SecretFound:
        """What may be said of it: everything but its value."""
        what = FACTORY if self.factory else self.what
        return SecretFound(what=f"{what} ({self.place})" if self.place else what, page=self.page)


FACTORY: Final = "mot de passe d'usine imprimé par le fabricant"
NOT_ALL: Final = "contenu trop long pour être examiné en entier"


def secrets_of_pdf(path: Path, family: str) -> Iterator[FoundInPdf | None]:
    """Every secret of the file, page after page; None after each page, for who counts the time.

    Raises ``Unfit`` when it cannot be read.
    """
    maker = family in _MAKERS
    try:
        with pypdfium2.PdfDocument(path) as pdf:
            for number in range(len(pdf)):
                for hit in _on_page(pdf, number):
                    if hit is None:
                        yield FoundInPdf(number + 1, NOT_ALL, "")
                    else:
                        yield FoundInPdf(
                            number + 1, hit.what, hit.value, hit.boxes, hit.factory and maker
                        )
                yield None
    except pypdfium2.PdfiumError:
        raise Unfit(_DAMAGED) from None
    for found in _beside(path, maker=maker):
        yield found
        yield None


def _on_page(pdf: pypdfium2.PdfDocument, number: int) -> Iterator[Hit | None]:
    page = pdf[number]
    try:
        # Appearances of annotations and forms become letters of the page.
        if pdfium.FPDFPage_Flatten(page, pdfium.FLAT_NORMALDISPLAY) == pdfium.FLATTEN_SUCCESS:
            page.close()
            page = pdf[number]
        text = page.get_textpage()
        said = text.get_text_range() if text.count_chars() else ""
        text.close()
        if may_hold(said):
            yield from secrets_of(cells_of(page))
    except TooLong:
        yield None
    finally:
        page.close()


def _beside(path: Path, *, maker: bool) -> Iterator[FoundInPdf]:
    """In notes, fields, links, bookmarks and properties."""
    left = _MAX_NOTED
    with pikepdf.open(path) as pdf:
        for page, place, text in _texts(pdf):
            for found in _in_text(text[:left]):
                factory = maker and credentials.is_factory(found.value)
                yield FoundInPdf(page, found.what, found.value, factory=factory, place=place)
            left -= len(text)
            if left < 0:
                yield FoundInPdf(page, NOT_ALL, "", place=place)
                return


def _in_text(text: str) -> Iterator[Hit]:
    """The secrets of a text without columns, line by line."""
    for line in text.splitlines():
        for start in range(0, len(line), _LINE):
            part = line[start : start + 2 * _LINE]
            places = list(places_in(part))
            for place in places:
                if place.start < _LINE:
                    yield Hit(place.what, part[place.start : place.end], ())
            if not places and (said := credentials.inline(part)) is not None:
                yield Hit(said.label.what, part[said.start : said.end], ())


def _texts(pdf: pikepdf.Pdf) -> Iterator[tuple[int | None, str, str]]:
    """What is written elsewhere than on the pages: the page, its place, its text."""
    seen: set[tuple[int, int]] = set()
    for number, page in enumerate(pdf.pages, start=1):
        for one in _one_or_many(page.obj.get("/Annots")):
            if isinstance(one, pikepdf.Dictionary):
                seen.add(one.objgen)
                for text in _of_dictionary(one):
                    yield number, "annotation ou formulaire", text
    for one in pdf.objects:
        if isinstance(one, pikepdf.Dictionary) and one.objgen not in seen:
            for text in _of_dictionary(one):
                yield None, "formulaire, lien ou signet", text
    for text in _of_properties(pdf):
        yield None, "propriétés du document", text


def _of_properties(pdf: pikepdf.Pdf) -> Iterator[str]:
    info = pdf.trailer.get("/Info")
    if isinstance(info, pikepdf.Dictionary):
        yield from (text_of(value) for _, value in info.items() if _is_text(value))
    metadata = pdf.Root.get("/Metadata")
    if isinstance(metadata, pikepdf.Stream):
        yield text_of(metadata)


def _of_dictionary(one: Any) -> Iterator[str]:
    if "/ByteRange" in one:
        return  # The bytes of a signature.
    labels = [text_of(one[key]) for key in ("/T", "/TU") if _is_text(one.get(key))]
    for key in ("/V", "/Contents"):
        for value in _one_or_many(one.get(key)):
            if _is_text(value) or (key == "/V" and isinstance(value, pikepdf.Stream)):
                text = text_of(value)
                yield "\n".join(f"{label} : {text}" for label in labels) or text
    action = one.get("/A")
    links = [one, action] if isinstance(action, pikepdf.Dictionary) else [one]
    yield from (text_of(link["/URI"]) for link in links if _is_text(link.get("/URI")))
    # A bookmark; the title of the document is read with its properties.
    if _is_text(one.get("/Title")) and "/Parent" in one:
        yield text_of(one["/Title"])


def _one_or_many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, pikepdf.Array) else [value]


def _is_text(value: Any) -> bool:
    return isinstance(value, pikepdf.String)


def text_of(value: Any) -> str:
    """The text of a string or of a stream."""
    if isinstance(value, pikepdf.Stream):
        content = value.read_bytes()
        return content.decode(encoding_of(content[:HEAD]), errors="replace")
    try:
        return str(value)
    except UnicodeDecodeError:
        return bytes(value).decode("latin-1")
