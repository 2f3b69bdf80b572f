"""The book of the DOE: one PDF, with its front pages, the minutes and every piece that is a PDF.

A copy to read and search: merging undoes signatures, so that the originals travel untouched in
the container, and the archival and accessible files remain the ones that were merged. Nothing
active (script, action, form, attachment) comes along. The same order on the same files always
gives the same bytes. Runs as a child (``python -m activities.doe.book``): see ``activities.doe.child``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pikepdf
from pikepdf import Array, Dictionary, Name, OutlineItem, Pdf

from activities.doe import child, container
from activities.doe.contents import Contents, Original, Piece, contents_of
from activities.printing.rendering import DocumentImpossible, render
from process.contract import Contract
from process.documents import DOCUMENT_KINDS
from process.fields import HELD
from process.orders import DocumentOrder
from process.vocabulary import DOE_FAMILY_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE: Final = "doe:"
"""How the front pages write a link to a page of the book: ``doe:12`` is its page 12."""

_MINUTES: Final = "Procès-verbaux et grille de recette"
_RENDERS: Final = 5
"""The front says on which page each piece is, which depends on how long the front is."""

_PAGE_KEYS: Final = ("/AA", "/B", "/Metadata", "/PieceInfo", "/PresSteps", "/StructParents")
"""What a page may hold that acts, or that means nothing outside its own file."""

_SAFE_LINKS: Final = ("http://", "https://", "mailto:")
_BROKEN: Final = (
    pikepdf.PdfError, ValueError, TypeError, AttributeError, LookupError, RuntimeError,
)  # fmt: skip
"""How a file ends whose parts are not what they should be."""

_HIDDEN: Final = "/MileoHidden"
_PROMISES: Final = ("{http://www.aiim.org/", "{http://ns.adobe.com/xap/1.0/t/pg/}")
"""PDF/A and PDF/UA, and the number of pages of the front alone."""


@dataclass(frozen=True)
class _Source:
    """A file that is merged: a document of ours or a piece."""

    sha256: str
    key: str
    """The reference of the document, or the number of the piece."""
    chapter: str
    title: str
    called: str
    """How a person is told of it."""


@dataclass(frozen=True)
class Part:
    """The same, ready to be merged."""

    source: _Source
    path: Path
    pages: int
    version: str
    """Of PDF."""
    layered: bool


@dataclass(frozen=True)
class _Stated:
    """What the front pages are made from."""

    order: DocumentOrder
    contract: Contract
    contents: Contents
    former: dict[str, Any] | None


def make(job: child.Job) -> child.Job:
    """Write the book. The job gives the order, the contract, the former version's data, the
    local file of each fingerprint and the target, beside which this writes what it needs; the
    answer gives the book's ``sha256``.

    Raises DocumentIncomplete when a mandatory field is missing, Trouble, naming the piece, when
    a file can no longer be read or merged.
    """
    order = DocumentOrder.model_validate(job["order"])
    contents = contents_of(order)
    stated = _Stated(
        order, Contract.model_validate(job["contract"], context=HELD), contents, job["former"]
    )
    target = Path(job["target"])
    parts = [
        _ready(source, Path(job["files"][source.sha256]), target.with_suffix(f".{number}"))
        for number, source in enumerate(_sources(contents))
    ]
    child.at("ses premières pages")
    front = target.with_suffix(".front")
    pages = _write_front(front, stated, parts)
    child.at("la réunion des pièces")
    merged = target.with_suffix(".merged")
    _merge(front, parts, merged)
    # A disk holds the book twice, not three times.
    for path in (front, *(part.path for part in parts)):
        path.unlink(missing_ok=True)
    try:
        with Pdf.open(merged, access_mode=pikepdf.AccessMode.stream) as book:
            _finish(book, parts, pages)
            book.save(
                target,
                min_version=max(("1.7", *(part.version for part in parts))),
                object_stream_mode=pikepdf.ObjectStreamMode.generate,
                deterministic_id=True,
            )
    except pikepdf.PdfError as error:
        raise child.Trouble("impossible d'achever le dossier", str(error)) from error
    merged.unlink()
    with target.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _sources(contents: Contents) -> Iterator[_Source]:
    """What is merged, in order."""
    for issued in contents.documents:
        reference = issued.reference
        title = f"{DOCUMENT_KINDS[issued.kind].title} — {reference}"
        yield _Source(issued.sha256, reference, _MINUTES, title, f"le document {reference}")
    for piece in contents.pieces:
        if (sha256 := piece.in_book) is not None:
            title = f"{piece.number} {piece.name}"
            called = f"la pièce « {piece.name} »"
            yield _Source(sha256, piece.number, _chapter(piece), title, called)


def _chapter(piece: Piece) -> str:
    return f"{piece.number.partition('.')[0]}. {DOE_FAMILY_NAMES[piece.family]}"


def _ready(source: _Source, path: Path, copy: Path) -> Part:
    """The file itself when it only has pages; otherwise a copy, without what acts."""
    child.at(source.called)
    child.check(path, source.sha256, source.called)
    try:
        # Read as it is needed: mapped, three hundred megabytes would count as ours.
        with Pdf.open(path, access_mode=pikepdf.AccessMode.stream) as pdf:
            pages, version = len(pdf.pages), pdf.pdf_version
            layered = "/OCProperties" in pdf.Root
            if layered or pdf.is_encrypted or any("/Annots" in page for page in pdf.pages):
                _disarm(pdf)
                if layered:
                    _mark_hidden_layers(pdf)
                pdf.save(copy, static_id=True, encryption=False)
                path = copy
    except _BROKEN as error:
        raise child.Trouble(f"impossible de lire {source.called}", str(error)) from error
    if not pages:
        raise child.Trouble(f"{source.called} n'a aucune page")
    return Part(source, path, pages, version, layered)


# --- The front pages --------------------------------------------------------------------------


def _write_front(path: Path, stated: _Stated, parts: list[Part]) -> int:
    """Write the front, which says on which page of the book each part begins; how many pages it
    has."""
    pages = 1
    for _ in range(_RENDERS):
        book = _placed(stated, parts, pages)
        order = stated.order.model_copy(update={"data": {**stated.order.data, "book": book}})
        # Where things are is no change of what they are.
        former = None if stated.former is None else {**stated.former, "book": book}
        try:
            content = render(order, stated.contract, former=former)
        except DocumentImpossible as error:
            raise child.Trouble("la mise en page du dossier a échoué", error.diagnostic) from error
        with Pdf.open(BytesIO(content)) as front:
            if len(front.pages) == pages:
                path.write_bytes(content)
                return pages
            pages = len(front.pages)
    raise child.Trouble("le nombre de ses premières pages ne se fixe pas")


def _places(parts: list[Part], front: int) -> dict[str, int]:
    """The page of the book, from 1, on which each part begins after so many pages of front."""
    begins = accumulate((part.pages for part in parts), initial=front + 1)
    return {part.source.key: page for part, page in zip(parts, begins, strict=False)}


def _placed(stated: _Stated, parts: list[Part], front: int) -> dict[str, Any]:
    """What the front prints: the contents, each with its place in the book and the container."""
    places = _places(parts, front)
    lengths = {part.source.key: part.pages for part in parts}

    def place(key: str) -> dict[str, int | None]:
        return {"page": places.get(key), "pages": lengths.get(key)}

    def entry(one: Piece | Original) -> dict[str, Any]:
        sha256 = one.kept.sha256 if one.kept else None
        said = one.model_dump(mode="json", exclude={"read"})
        if one.kept and one.kept.repaired:
            said |= {"remarks": one.kept.remarks, "attachments": one.kept.attachments}
        redacted = one.kept is not None and one.kept.redacted is not None
        where = {"packed": one.packed, "redacted": redacted}
        return {**said, **place(one.number), **where, "sha256": sha256}

    contents = stated.contents
    packed = len(list(contents.packed()))
    sha256 = container.fingerprint(contents, stated.contract)
    return {
        "pages": front + sum(lengths.values()),
        "pieces": [entry(piece) for piece in contents.pieces],
        "originals": [entry(original) for original in contents.originals],
        "documents": [
            {**issued.model_dump(mode="json"), **place(issued.reference)}
            for issued in contents.documents
        ],
        "container": {"files": packed, "sha256": sha256} if packed else None,
    }


# --- Merging ----------------------------------------------------------------------------------


def _merge(front: Path, parts: list[Part], merged: Path) -> None:
    """Put the pages together. By qpdf itself: through pikepdf's own pages, whatever is copied
    from one file to another is held in memory until it is saved."""
    pages = [{"file": str(path), "range": "1-z"} for path in (front, *(one.path for one in parts))]
    try:
        pikepdf.Job(
            {
                "inputFile": str(front),
                "outputFile": str(merged),
                "pages": pages,
                "staticId": "",
                "warningExit0": "",
                "noWarn": "",
            }
        ).run()
    except (*_BROKEN, pikepdf.JobUsageError) as error:
        raise child.Trouble("impossible de réunir les pièces", str(error)) from error


def _finish(book: Pdf, parts: list[Part], front: int) -> None:
    """Links, bookmarks and layers; nothing is left that says or does what it should not."""
    for number, page in enumerate(book.pages):
        for key in _PAGE_KEYS if number >= front else ():
            if key in page:
                del page[key]
    _link(book, front)
    _bookmark(book, parts, front)
    if any(part.layered for part in parts):
        book.Root.OCProperties = _layers(book)
    book.Root.PageMode = Name.UseOutlines
    # What others wrote is neither archival nor tagged: the whole must not promise that it is.
    del book.Root.OutputIntents
    if "/PageLabels" in book.Root:
        del book.Root.PageLabels  # The pieces' own: a reader must show the book's.
    with book.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as metadata:
        for promise in [key for key in metadata if key.startswith(_PROMISES)]:
            del metadata[promise]


def _disarm(pdf: Pdf) -> None:
    """Draw forms and annotations into their pages; nothing remains that acts, but links to the
    web."""
    form = pdf.Root.get("/AcroForm", Dictionary())
    if form.get("/NeedAppearances", False):
        pdf.generate_appearance_streams()
    pdf.flatten_annotations("screen")
    if "/AcroForm" in pdf.Root:
        del pdf.Root.AcroForm
    for page in pdf.pages:
        if "/Annots" in page:
            links = [link for one in page.Annots if (link := _plain_link(one)) is not None]
            page.Annots = pdf.make_indirect(Array(links))


def _plain_link(annotation: pikepdf.Object) -> Dictionary | None:
    """The same link to the web, made anew; None for anything else."""
    if not isinstance(annotation, Dictionary) or annotation.get("/Subtype") != Name.Link:
        return None
    action = annotation.get("/A")
    if not isinstance(action, Dictionary) or action.get("/S") != Name.URI:
        return None
    uri = str(action.get("/URI", ""))
    if not uri.startswith(_SAFE_LINKS) or "/Rect" not in annotation:
        return None
    return Dictionary(
        Type=Name.Annot,
        Subtype=Name.Link,
        Rect=annotation.Rect,
        Border=Array([0, 0, 0]),
        F=4,
        A=Dictionary(S=Name.URI, URI=pikepdf.String(uri)),
    )


def _mark_hidden_layers(pdf: Pdf) -> None:
    """Note on each layer of a drawing whether it is hidden when the drawing is opened: only the
    layers themselves are merged."""
    shown = pdf.Root.OCProperties.get("/D", Dictionary())
    off = {layer.objgen for layer in shown.get("/OFF", Array())}
    on = {layer.objgen for layer in shown.get("/ON", Array())}
    for layer in pdf.Root.OCProperties.get("/OCGs", Array()):
        if layer.objgen in off or (shown.get("/BaseState") == Name.OFF and layer.objgen not in on):
            layer[_HIDDEN] = True


def _layers(book: Pdf) -> Dictionary:
    """The layers of all drawings, as each was shown."""
    every = [
        one for one in book.objects if isinstance(one, Dictionary) and one.get("/Type") == Name.OCG
    ]
    hidden = [layer for layer in every if _HIDDEN in layer]
    for layer in hidden:
        del layer[_HIDDEN]
    return Dictionary(
        OCGs=Array(every), D=Dictionary(Name="Calques", Order=Array(every), OFF=Array(hidden))
    )


def _link(book: Pdf, front: int) -> None:
    """The front's links become links to the pages of the book."""
    for number in range(front):
        for annotation in book.pages[number].get("/Annots", Array()):
            uri = str(annotation.get("/A", Dictionary()).get("/URI", ""))
            if uri.startswith(PLACE):
                page = book.pages[int(uri.removeprefix(PLACE)) - 1]
                annotation.A = Dictionary(S=Name.GoTo, D=Array([page.obj, Name.Fit]))


def _bookmark(book: Pdf, parts: list[Part], front: int) -> None:
    """Chapter > document or piece, after the bookmarks of the front pages."""
    places = _places(parts, front)
    with book.open_outline() as outline:
        for title, of_chapter in groupby(parts, key=lambda part: part.source.chapter):
            pages = [(part.source.title, places[part.source.key] - 1) for part in of_chapter]
            chapter = OutlineItem(title, pages[0][1], "Fit")
            chapter.is_closed = True
            chapter.children.extend(OutlineItem(name, page, "Fit") for name, page in pages)
            outline.root.append(chapter)


if __name__ == "__main__":
    child.serve(make)
