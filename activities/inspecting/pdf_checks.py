"""Whether a PDF is whole and does nothing but show pages. Runs in the child process only.

What is not as it should be, and of which nothing is lost, is mended in a copy
(``activities.inspecting.pdf_repair``). Bombs are bounded by what the child really needs to show the
pages: the memory and the processor time of its process.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pikepdf

from activities.inspecting import pdf_repair
from activities.inspecting.pdf_dangers import danger_of, dictionaries
from activities.inspecting.pdf_streams import Weight, weigh
from activities.inspecting.unfit import Unfit

MAX_PAGES: Final = 5_000

_LARGE: Final = 64 * 2**20
"""Bytes of one stream or image beyond which a PDF is rendered to know what it takes."""

_MAX_ATTACHED: Final = 50
_NAMED: Final = 80
"""Characters of a name that are told."""

_DAMAGED: Final = pdf_repair.DAMAGED

REBUILT: Final = "sa structure a été réparée"
CHECKSUM: Final = "la somme de contrôle d'un contenu compressé a été corrigée"
UNLOCKED: Final = "sa protection contre la modification a été retirée"
SET_ASIDE: Final = "ses fichiers joints ont été mis à part"


class PdfFacts(NamedTuple):
    pages: int
    signed: bool
    remarks: tuple[str, ...] = ()
    """What had to be mended in the copy, in French; without any there is no copy."""
    attachments: tuple[str, ...] = ()
    """The names of the files joined to it, all harmless."""


@dataclass
class _Found:
    """What the objects of a PDF say."""

    pages: int
    signed: bool = False
    weights: dict[tuple[int, int], Weight] = field(default_factory=dict)
    """Of the streams, by object."""
    joined: dict[tuple[int, int], tuple[str, Any]] = field(default_factory=dict)
    """The files that it carries, each once: name and stream."""

    @property
    def mendable(self) -> list[tuple[int, int]]:
        return [number for number, weight in self.weights.items() if weight.content is not None]


Joined = Callable[[str, Any], None]
"""What looks at a file that a PDF carries: its name and its stream. Raises ``Unfit``."""


def check_pdf(path: Path, copy: Path, joined: Joined) -> PdfFacts:
    """Go through every object of the PDF and of what is joined to it; write to ``copy`` the same
    pages without what had to be mended or set aside, when there is anything such.

    Raises ``Unfit``; MemoryError for what cannot be shown in the memory of this process.
    """
    try:
        return _checked(path, copy, joined)
    except pikepdf.PasswordError:
        raise Unfit("le PDF est protégé par un mot de passe") from None
    except (Unfit, MemoryError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - a hostile structure fails in many ways
        if "bad_alloc" in str(error):
            raise MemoryError from None
        raise Unfit(_DAMAGED) from None


def _checked(path: Path, copy: Path, joined: Joined) -> PdfFacts:
    pdf, rebuilt = pdf_repair.opened(path)
    with pdf:
        found = _examined(pdf)
        if rebuilt:
            pdf_repair.refuse_losses(pdf, path, found.weights.values())
        for name, stream in found.joined.values():
            joined(name, stream)
        done = {
            REBUILT: rebuilt,
            CHECKSUM: bool(found.mendable),
            UNLOCKED: pdf.is_encrypted,
            SET_ASIDE: bool(found.joined),
        }
        remarks = tuple(remark for remark, needed in done.items() if needed)
        heaviest = _heaviest(pdf, found)
        if remarks:
            pdf_repair.mend(pdf, {number: found.weights[number] for number in found.mendable})
            pdf_repair.save(pdf, copy)
    if heaviest is not None:
        pdf_repair.show(copy if remarks else path, heaviest)
    if remarks:
        _check_copy(path, copy, found.pages)
    names = tuple(name[-_NAMED:] for name, _ in found.joined.values())
    return PdfFacts(found.pages, found.signed, remarks, names)


def _check_copy(path: Path, copy: Path, pages: int) -> None:
    """The copy needs no mending any more, and shows what the original shows."""
    with pikepdf.open(
        copy, attempt_recovery=False, access_mode=pikepdf.AccessMode.stream
    ) as mended:
        found = _examined(mended)
    if found.mendable or found.joined or found.pages != pages:
        raise Unfit(_DAMAGED)
    pdf_repair.compare(path, copy)


def _read_text(value: pikepdf.String) -> str:
    try:
        return str(value)
    except UnicodeDecodeError:
        return bytes(value).decode("latin-1")


def _examined(pdf: pikepdf.Pdf) -> _Found:
    pages = len(pdf.pages)
    if not 1 <= pages <= MAX_PAGES:
        raise Unfit(f"le PDF a {pages} page{'s' * (pages > 1)} : de 1 à 5\u00a0000 sont admises")
    found = _Found(pages)
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    for one in dictionaries(pdf):
        keys = set(one.keys())
        if (danger := danger_of(one, keys)) is not None:
            raise Unfit(danger)
        found.signed = found.signed or {"/ByteRange", "/Contents"} <= keys
        if "/EF" in keys:
            _note_joined(one, found)
        if isinstance(one, pikepdf.Stream):
            found.weights[one.objgen] = weigh(one, memory)
    return found


def _note_joined(one: Any, found: _Found) -> None:
    """A file specification and the file that it embeds, under one or several keys."""
    embedded = one["/EF"]
    if not isinstance(embedded, pikepdf.Dictionary):
        return
    streams = [part for _, part in embedded.items() if isinstance(part, pikepdf.Stream)]
    named = next(
        (one[key] for key in ("/UF", "/F") if isinstance(one.get(key), pikepdf.String)), None
    )
    for stream in streams:
        found.joined.setdefault(
            stream.objgen, ("sans nom" if named is None else _read_text(named), stream)
        )
    if len(found.joined) > _MAX_ATTACHED:
        raise Unfit(f"le PDF contient plus de {_MAX_ATTACHED} fichiers joints")


def _heaviest(pdf: pikepdf.Pdf, found: _Found) -> int | None:
    """The page, from 0, that takes the most to be shown; None when no stream is large."""
    if not any(weight.shown > _LARGE for weight in found.weights.values()):
        return None
    sizes = [_size_of_page(page.obj, found) for page in pdf.pages]
    return sizes.index(max(sizes))


def _size_of_page(page: Any, found: _Found) -> int:
    """Bytes of what the page draws, and of what that draws in turn."""
    waiting, seen, size = [page], set(), 0
    while waiting:
        one = waiting.pop()
        drawn = one.get("/Resources")
        objects = drawn.get("/XObject") if isinstance(drawn, pikepdf.Dictionary) else None
        parts = objects.items() if isinstance(objects, pikepdf.Dictionary) else ()
        for _, part in parts:
            if isinstance(part, pikepdf.Stream) and part.objgen not in seen:
                seen.add(part.objgen)
                size += found.weights[part.objgen].shown
                waiting.append(part)
    return size
