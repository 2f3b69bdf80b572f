"""What a PDF would do beyond showing its pages. Runs in the child process only.

Shapes count as much as keys (a font may be named /JS), and every object of the file is looked at,
reachable or not: where an action hangs (at the opening, on a page, in a name tree, behind another
one) changes nothing to what it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pikepdf

_SCRIPT: Final = "le PDF contient un script"
_PROGRAM: Final = "le PDF lance un programme"
_AUTOMATIC: Final = "le PDF lance des actions automatiques"
_FORM: Final = "le PDF contient un formulaire dynamique (XFA)"
_SENT: Final = "le PDF envoie ou importe des données de formulaire"
_MEDIA: Final = "le PDF contient un contenu multimédia actif"
_ELSEWHERE: Final = "le PDF ouvre un fichier d'une autre machine"

_OF_ACTION: Final = {
    "/Launch": _PROGRAM,
    "/JavaScript": _SCRIPT,
    "/SubmitForm": _SENT,
    "/ImportData": _SENT,
    "/Rendition": _MEDIA,
    "/RichMediaExecute": _MEDIA,
}
_HARMLESS_AT_OPENING: Final = {"/GoTo", "/Named"}
_CHAIN: Final = 1_000
"""Actions of one chain that are followed."""

_REMOTE: Final = re.compile(r"\s*(?:[\\/]{2}|[a-z][a-z0-9+.-]+:)", re.IGNORECASE)
"""A share of the network, or an address. One letter and a colon is a drive, which is here."""


def dictionaries(pdf: pikepdf.Pdf) -> Iterator[Any]:
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


def danger_of(one: Any, keys: set[str]) -> str | None:
    """Why this dictionary is refused, in French; None when it does nothing by itself."""
    action = str(one["/S"]) if "/S" in keys else ""
    if (danger := _OF_ACTION.get(action)) is not None:
        return danger
    if "/OnInstantiate" in keys:
        return _SCRIPT
    if "/JS" in keys and (action or isinstance(one["/JS"], pikepdf.String)):
        return _SCRIPT
    if "/XFA" in keys and isinstance(one["/XFA"], (pikepdf.Array, pikepdf.Stream)):
        return _FORM
    if "/RichMediaContent" in keys or str(one.get("/Subtype", "")) == "/RichMedia":
        return _MEDIA
    if "/AA" in keys and any("/S" in part for part in _values(one["/AA"]) if _is_plain(part)):
        return _AUTOMATIC
    if "/OpenAction" in keys and not _shows_a_page(one["/OpenAction"]):
        return _AUTOMATIC
    return _ELSEWHERE if _leads_elsewhere(one, keys, action) else None


def _shows_a_page(opening: Any) -> bool:
    """Whether what is done at the opening, with all that follows from it, only shows a page."""
    waiting, seen = [opening], 0
    while waiting:
        one = waiting.pop()
        seen += 1
        if seen > _CHAIN:
            return False
        if isinstance(one, pikepdf.Array) and seen > 1:
            waiting += list(one)
        elif _is_plain(one):
            kind = str(one.get("/S", "/GoTo"))
            # What has a name of its own keeps it: a script or a program is told as such.
            if kind not in _HARMLESS_AT_OPENING and kind not in _OF_ACTION:
                return False
            if (after := one.get("/Next")) is not None:
                waiting.append(after)
    return True


def _leads_elsewhere(one: Any, keys: set[str], action: str) -> bool:
    """Whether it fetches a file from another machine: a link to a file of a share or of an
    address, or a stream whose content is not in the PDF."""
    if isinstance(one, pikepdf.Stream):
        return "/F" in keys and isinstance(one["/F"], (pikepdf.String, pikepdf.Dictionary))
    if action and action not in {"/GoToR", "/GoToE", "/Thread"} and "/EF" not in keys:
        return False
    named = [one[key] for key in ("/F", "/UF", "/Unix", "/DOS", "/Mac") if key in keys]
    return any(isinstance(name, pikepdf.String) and _REMOTE.match(_said(name)) for name in named)


def _said(text: Any) -> str:
    try:
        return str(text)
    except UnicodeDecodeError:
        return bytes(text).decode("latin-1")


def _is_plain(value: Any) -> bool:
    return isinstance(value, pikepdf.Dictionary)


def _values(value: Any) -> list[Any]:
    return [part for _, part in value.items()] if _is_plain(value) else []
