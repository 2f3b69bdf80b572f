"""What a DOE is made of: its pieces in order, where each travels and how its file is called.

Read by both deliveries, the book and the container, so that one number means one piece in both.
Pure: no file is opened here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from activities.printing.rendering import DocumentImpossible
from process import doe
from process.orders import DocumentOrder, IssuedDocument, ReadPiece
from process.vocabulary import DOE_FAMILY_NAMES, DoeFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDERS: Final[dict[str, str]] = {
    "plans": "1-plans",
    "wiring": "2-schemas",
    "configurations": "3-configurations",
    "datasheets": "4-fiches-techniques",
    "certificates": "5-certificats",
    "warranties": "6-garanties",
}
_ORIGINALS: Final = "originaux-signes"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN: Final = "application/vnd.oasis.opendocument."
_EXTENSIONS: Final = {
    "application/json": "json",
    "application/pdf": "pdf",
    "application/vnd.ms-visio.drawing": "vsdx",
    "application/x-7z-compressed": "7z",
    "application/xml": "xml",
    "application/zip": "zip",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "image/vnd.dwg": "dwg",
    "image/vnd.dxf": "dxf",
    "text/html": "html",
    "text/plain": "txt",
    f"{_OFFICE}presentationml.presentation": "pptx",
    f"{_OFFICE}spreadsheetml.sheet": "xlsx",
    f"{_OFFICE}wordprocessingml.document": "docx",
    f"{_OPEN}graphics": "odg",
    f"{_OPEN}presentation": "odp",
    f"{_OPEN}spreadsheet": "ods",
    f"{_OPEN}text": "odt",
}
"""By the type the content has, whatever the file was called."""

_OLE: Final = "application/x-ole-storage"
_OLE_EXTENSIONS: Final = ("doc", "msg", "ppt", "vsd", "xls")
"""One format for all of these: only the name tells them apart."""

_LONGEST: Final = 60
"""Characters of a name within the container: paths must hold on any machine."""


class _Read(ReadPiece):
    key: str = ""
    """No use here: the contents of an order do without it."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    uri: str | None = None
    read: _Read | None = None
    number: str = ""
    """Its place in the table of contents: ``3.1``; ``S.1`` for a signed original."""

    @property
    def kept(self) -> ReadPiece | None:
        """What was found in its file, when that file is kept. There is none for a piece that is
        not applicable, nor for one filed before files were read."""
        return self.read if self.read is not None and not self.read.refused else None


class Piece(_Entry):
    """A piece of one of the six families."""

    family: DoeFamily
    equipment: list[str] = []
    not_applicable_reason: str | None = None

    @property
    def in_book(self) -> str | None:
        """The fingerprint of the file whose pages are part of the book: the piece itself, or a
        copy of it. None for a piece that is not in it."""
        if self.kept is None or doe.is_sealed(self.family, self.kept):
            return None
        return doe.shown(self.kept)

    @property
    def packed(self) -> str | None:
        """Its path in the container, when it travels there."""
        if self.kept is None or not doe.has_original(self.family, self.kept):
            return None
        return _packed(_FOLDERS[self.family], self.number, self, self.kept)


class Original(_Entry):
    """The signed copy of minutes, untouched."""

    @property
    def packed(self) -> str | None:
        """Its path in the container."""
        if self.kept is None:
            return None
        return _packed(_ORIGINALS, self.number, self, self.kept)


class Contents(BaseModel):
    """The pieces by family and name, the minutes and grids, the signed originals."""

    model_config = ConfigDict(frozen=True)

    pieces: list[Piece]
    documents: list[IssuedDocument] = []
    originals: list[Original] = []

    def packed(self) -> Iterator[tuple[str, Piece | Original]]:
        """What travels in the container, with its path there."""
        entries: list[Piece | Original] = [*self.pieces, *self.originals]
        for entry in entries:
            if (path := entry.packed) is not None:
                yield path, entry


def contents_of(order: DocumentOrder) -> Contents:
    """The contents that an order of a book or of a container states, numbered.

    Raises DocumentImpossible when they cannot be read.
    """
    try:
        stated = Contents.model_validate(
            {name: order.data.get(name) or [] for name in ("pieces", "documents", "originals")}
        )
    except ValidationError:
        # `from None`: the cause quotes what people wrote.
        raise DocumentImpossible(order.reference, "la liste de ses pièces est illisible") from None
    return stated.model_copy(
        update={
            "pieces": list(_numbered(stated.pieces)),
            "originals": [
                original.model_copy(update={"number": f"S.{rank}"})
                for rank, original in enumerate(stated.originals, start=1)
            ],
        }
    )


def plain_name(name: str) -> str:
    """A name any machine takes for a file: ASCII, lower case, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", name.replace("œ", "oe").replace("Œ", "oe"))
    words = re.findall("[a-z0-9]+", plain.encode("ascii", "ignore").decode().lower())
    return "-".join(words)[:_LONGEST].strip("-") or "sans-nom"


def _numbered(pieces: list[Piece]) -> Iterator[Piece]:
    for rank, family in enumerate(DOE_FAMILY_NAMES, start=1):
        of_family = sorted((one for one in pieces if one.family == family), key=_order)
        for place, piece in enumerate(of_family, start=1):
            yield piece.model_copy(update={"number": f"{rank}.{place}"})


def _order(piece: Piece) -> tuple[Any, ...]:
    """As a person sorts names: « Plan 2 » before « Plan 10 », accents and capitals aside."""
    words = re.split("([0-9]+)", plain_name(piece.name))
    natural = [(int(word), "") if word.isdecimal() else (0, word) for word in words]
    return natural, piece.name, sorted(piece.equipment), piece.uri or ""


def _packed(folder: str, number: str, entry: Piece | Original, read: ReadPiece) -> str:
    rank = int(number.partition(".")[2])
    return f"{folder}/{rank:02d}-{plain_name(entry.name)}.{_extension(entry.uri or '', read)}"


def _extension(uri: str, read: ReadPiece) -> str:
    if read.media == _OLE:
        named = uri.rpartition(".")[2].lower()
        return named if named in _OLE_EXTENSIONS else "ole"
    return _EXTENSIONS.get(read.media, "bin")
