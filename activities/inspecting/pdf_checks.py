"""Whether a PDF is whole and does nothing but show pages. Runs in the child process only.

Bombs are bounded thrice: by what streams declare, by what they inflate to, and by the memory and
the processor time of the process.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pikepdf
import pypdfium2

from activities.inspecting.sniffing import HEAD, encoding_of
from activities.inspecting.unfit import Unfit

MAX_PAGES: Final = 5_000
_MAX_PIXELS: Final = 1_000_000_000
"""Of one image: five sheets of A0 at 300 dots an inch."""

_LARGE: Final = 256 * 2**20
"""Bytes below which a stream may be compressed as well as it can."""

_MAX_RATIO: Final = 200
_MAX_INFLATED: Final = 4 * 2**30
"""Bytes, of all streams together."""

_MAX_NOTED: Final = 8 * 2**20
"""Characters of form fields and annotations that are read."""

_BLOCK: Final = 1 << 18
_FLATE: Final = ("/FlateDecode", "/Fl")
_INFLATING: Final = {*_FLATE, "/LZWDecode", "/LZW", "/RunLengthDecode", "/RL"}

_SCRIPT: Final = "le PDF contient un script"
_PROGRAM: Final = "le PDF lance un programme"
_DAMAGED: Final = "le PDF est endommagé ou incomplet : le produire à nouveau"
_BOMB: Final = "le PDF contient des données compressées démesurées"
_AUTOMATIC: Final = "le PDF lance des actions automatiques"

_JOINED: Final = "le PDF contient des fichiers joints"
_FORM: Final = "le PDF contient un formulaire dynamique (XFA)"
_NOTED: Final = "formulaire ou annotation"
_MEDIA: Final = "le PDF contient un contenu multimédia actif"

_HARMLESS_AT_OPENING: Final = {"/GoTo", "/Named"}


class PdfFacts(NamedTuple):
    pages: int
    signed: bool


def check_pdf(path: Path) -> PdfFacts:
    """Go through every object of the PDF. Raises ``Unfit``; MemoryError for a bomb."""
    try:
        # Without repair: once a table of contents is rebuilt, nobody knows what is missing.
        with pikepdf.open(path, attempt_recovery=False) as pdf:
            return _checked(pdf)
    except pikepdf.PasswordError:
        raise Unfit("le PDF est protégé par un mot de passe") from None
    except (Unfit, MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a hostile structure fails in many ways
        if "bad_alloc" in str(error):
            raise MemoryError from None
        raise Unfit(_DAMAGED) from None


def texts_of(path: Path) -> Iterator[tuple[str, str, bool]]:
    """The text of each page, then of what is written over the pages, each with the name of its
    place and whether that is all of it. Raises ``Unfit`` when it cannot be read."""
    yield from _pages_of(path)
    with pikepdf.open(path, attempt_recovery=False) as pdf:
        left = _MAX_NOTED
        for text in _notes(pdf):
            yield _NOTED, text[:left], len(text) <= left
            left -= len(text)
            if left < 0:
                return


def _pages_of(path: Path) -> Iterator[tuple[str, str, bool]]:
    try:
        with pypdfium2.PdfDocument(path) as pdf:
            for number in range(len(pdf)):
                page = pdf[number]
                text = page.get_textpage()
                yield f"page {number + 1}", text.get_text_bounded(), True
                text.close()
                page.close()
    except pypdfium2.PdfiumError:
        raise Unfit(_DAMAGED) from None


def _notes(pdf: pikepdf.Pdf) -> Iterator[str]:
    """The values of form fields, each with what the field is called, and the text of annotations:
    none of it is in the text of a page, all of it shows once the annotations are flattened."""
    for one in _dictionaries(pdf):
        if "/ByteRange" in one:
            continue  # The bytes of a signature.
        labels = [_text(one[key]) for key in ("/T", "/TU") if _is_text(one.get(key))]
        for key in ("/V", "/Contents"):
            for value in _one_or_many(one.get(key)):
                if _is_text(value) or (key == "/V" and isinstance(value, pikepdf.Stream)):
                    text = _text(value)
                    yield "\n".join(f"{label} : {text}" for label in labels) or text


def _one_or_many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, pikepdf.Array) else [value]


def _is_text(value: Any) -> bool:
    return isinstance(value, pikepdf.String)


def _text(value: Any) -> str:
    if isinstance(value, pikepdf.Stream):
        content = value.read_bytes()
        return content.decode(encoding_of(content[:HEAD]), errors="replace")
    try:
        return str(value)
    except UnicodeDecodeError:
        return bytes(value).decode("latin-1")


def _checked(pdf: pikepdf.Pdf) -> PdfFacts:
    pages = len(pdf.pages)
    if not 1 <= pages <= MAX_PAGES:
        raise Unfit(f"le PDF a {pages} page{'s' * (pages > 1)} : de 1 à 5\u00a0000 sont admises")
    signed = False
    inflated = 0
    for one in _dictionaries(pdf):
        keys = set(one.keys())
        if (danger := _danger_of(one, keys)) is not None:
            raise Unfit(danger)
        signed = signed or {"/ByteRange", "/Contents"} <= keys
        if isinstance(one, pikepdf.Stream):
            inflated += _inflated(one)
            if inflated > _MAX_INFLATED:
                raise Unfit(_BOMB)
    return PdfFacts(pages, signed)


def _dictionaries(pdf: pikepdf.Pdf) -> Iterator[Any]:
    """Every dictionary and stream of the file, reachable from its pages or not."""
    for root in (pdf.trailer, *pdf.objects):
        waiting = [root]
        while waiting:
            one = waiting.pop()
            if isinstance(one, pikepdf.Array):
                parts = list(one)
            elif isinstance(one, (pikepdf.Dictionary, pikepdf.Stream)):
                yield one
                parts = [part for _, part in one.items()]
            else:
                continue
            waiting += [
                part
                for part in parts
                if isinstance(part, (pikepdf.Dictionary, pikepdf.Array)) and not part.is_indirect
            ]


def _danger_of(one: Any, keys: set[str]) -> str | None:
    """Why this dictionary is refused. Shapes count as much as keys: a font may be named /JS."""
    action = str(one["/S"]) if "/S" in keys else ""
    if action == "/Launch":
        return _PROGRAM
    if action == "/JavaScript" or "/OnInstantiate" in keys:
        return _SCRIPT
    if "/JS" in keys and (action or isinstance(one["/JS"], pikepdf.String)):
        return _SCRIPT
    if "/EF" in keys and any(isinstance(file, pikepdf.Stream) for file in _values(one["/EF"])):
        return _JOINED
    if "/XFA" in keys and isinstance(one["/XFA"], (pikepdf.Array, pikepdf.Stream)):
        return _FORM
    if "/RichMediaContent" in keys:
        return _MEDIA
    if "/AA" in keys and any("/S" in part for part in _values(one["/AA"]) if _is_plain(part)):
        return _AUTOMATIC
    if "/OpenAction" in keys and _is_plain(one["/OpenAction"]):
        opening = str(one["/OpenAction"].get("/S", "/GoTo"))
        if opening not in {*_HARMLESS_AT_OPENING, "/JavaScript", "/Launch"}:
            return _AUTOMATIC
    return None


def _is_plain(value: Any) -> bool:
    return isinstance(value, pikepdf.Dictionary)


def _values(value: Any) -> list[Any]:
    return [part for _, part in value.items()] if _is_plain(value) else []


def _inflated(stream: Any) -> int:
    """Bytes of the stream once inflated; 0 for what is not compressed, or is an image's own
    format."""
    if _number(stream, "/Width") * _number(stream, "/Height") > _MAX_PIXELS:
        raise Unfit("le PDF contient une image démesurée")
    named = stream.get("/Filter")
    filters = [str(one) for one in named] if isinstance(named, pikepdf.Array) else [str(named)]
    if not _INFLATING & set(filters):
        return 0
    raw = memoryview(stream.get_raw_stream_buffer())
    if filters[0] in _FLATE and (len(filters) == 1 or set(filters) - _INFLATING):
        # Alone, or around an image's own format, which is not ours to undo.
        return _size_of(raw)
    size = len(stream.get_stream_buffer())
    _refuse_bomb(size, len(raw))
    return size


def _size_of(raw: memoryview) -> int:
    """Bytes of a compressed stream once inflated, a block at a time."""
    inflater = zlib.decompressobj()
    size = 0
    for start in range(0, len(raw), _BLOCK):
        waiting = bytes(raw[start : start + _BLOCK])
        while waiting and not inflater.eof:
            size += len(inflater.decompress(waiting, _BLOCK))
            waiting = inflater.unconsumed_tail
            _refuse_bomb(size, len(raw))
    return size


def _refuse_bomb(inflated: int, compressed: int) -> None:
    if inflated > _LARGE and inflated > _MAX_RATIO * compressed:
        raise Unfit(_BOMB)


def _number(stream: Any, key: str) -> int:
    value = stream.get(key)
    return value if isinstance(value, int) else 0
