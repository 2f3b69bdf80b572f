"""Whether an office document made of XML does nothing but show itself: no macro under any name, no
control, no command, nothing fetched when it is opened. Runs in the child process only.

A part is what its content type and its relationships say, not what it is called.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from typing import Final
from xml.parsers import expat

from activities.inspecting.unfit import Unfit

MACROS: Final = "le document contient des macros"
_CONTROL: Final = "le document contient un contrôle actif (ActiveX)"
_PACKED: Final = "le document contient un objet incorporé qui peut être un programme"
_FETCHES: Final = (
    "le document charge un modèle, une image ou des données d'un autre fichier : rompre ces "
    "liaisons avant de le déposer"
)
COMMAND: Final = "le document contient un champ qui lance une commande (DDE)"
_LINK: Final = "le document contient un lien qui lance un programme"
_DAMAGED: Final = "l'archive est endommagée ou incomplète"

_MACRO_TYPES: Final = re.compile(
    r"macroenabled|vbaproject|vbadata|macrosheet|dialogsheet|keymapcustomizations|"
    r"attachedtoolbars",
    re.IGNORECASE,
)
_CONTROL_TYPES: Final = re.compile(r"activex|/control(?:binary)?$|/ctrlprop$", re.IGNORECASE)
_CLICKED: Final = re.compile(r"(?:https?|mailto|tel|ftp|file):|[^:]*$", re.IGNORECASE)
"""Where a link that a person follows may lead; a drive is ``file:`` as well."""
_DRIVE: Final = re.compile(r"(?:file:/*)?[a-z]:[\\/]", re.IGNORECASE)

_FIELD_COMMAND: Final = re.compile(r"\bDDE(?:AUTO)?\b|\bQUOTE\b(?:\s*\d{2,3}\b){3}", re.IGNORECASE)
_FIELD_FETCH: Final = re.compile(
    r"\b(?:INCLUDETEXT|INCLUDEPICTURE|IMPORT|INCLUDE|LINK|RD|DATABASE)\b[^{}]*?(?:[a-z]{2,}:|[\\/]{2})",
    re.IGNORECASE,
)
_OPEN_COMMANDS: Final = frozenset(
    ["dde-source", "dde-connection", "dde-connection-decl", "dde-link"]
)
_OPEN_EMBEDDED: Final = frozenset(["applet", "plugin", "floating-frame"])
_REMOTE: Final = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+:|[\\/]{2})", re.IGNORECASE)

_NATIVE: Final = "\x01Ole10Native".encode("utf-16-le")
"""The stream of an object that is any file, programs included."""

_MOST: Final = 64 * 2**20
"""Bytes of a part of text that is read for its fields."""


def check_part(name: str, head: bytes, read: Callable[[int], bytes]) -> None:
    """Raises ``Unfit`` when this part acts. ``read`` gives its content, of so many bytes at most."""
    lower = name.lower()
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        check_object(read(_MOST))
    elif lower.endswith((".xml", ".rels")):
        content = read(_MOST)
        try:
            _Part(lower).read(content)
        except (expat.ExpatError, LookupError, ValueError):
            raise Unfit(_DAMAGED) from None


def check_object(content: bytes | mmap.mmap) -> None:
    """An object of the former format (``OLE``) within a document, or a document of its own."""
    if content.find("_VBA_PROJECT".encode("utf-16-le")) >= 0:
        raise Unfit(MACROS)
    if content.find(_NATIVE) >= 0:
        raise Unfit(_PACKED)


class _Part:
    """What the XML of one part says."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._field = False
        self._fields = ""

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = _refuse_entity
        parser.Parse(content, True)  # noqa: FBT003 - it takes nothing else
        self._check_fields()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        said = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if self._name == "[content_types].xml":
            _check_type(said.get("ContentType", ""))
        elif local == "Relationship":
            _check_relationship(said)
        elif "opendocument" in space or "openoffice.org" in space:
            _check_open(space, local, said)
        elif local in {"ddeLink", "ddeItem"}:
            raise Unfit(COMMAND)
        elif local == "fldSimple":
            self._fields += f" {said.get('instr', '')} "
        self._field = local in {"instrText", "delInstrText"}
        if local == "p":
            # A field may be cut in many runs, never over two paragraphs.
            self._check_fields()

    def _end(self, _: str) -> None:
        self._field = False

    def _data(self, said: str) -> None:
        if self._field:
            self._fields += said

    def _check_fields(self) -> None:
        if _FIELD_COMMAND.search(self._fields):
            raise Unfit(COMMAND)
        if _FIELD_FETCH.search(self._fields):
            raise Unfit(_FETCHES)
        self._fields = ""


def _refuse_entity(*_: object) -> None:
    """No office writes any: they are there to hide what is written."""
    raise Unfit(_DAMAGED)


def _check_type(media: str) -> None:
    if _MACRO_TYPES.search(media):
        raise Unfit(MACROS)
    if _CONTROL_TYPES.search(media):
        raise Unfit(_CONTROL)


def _check_relationship(said: dict[str, str]) -> None:
    _check_type(said.get("Type", ""))
    if said.get("TargetMode", "").lower() != "external":
        return
    target = said.get("Target", "").strip()
    if not said.get("Type", "").lower().endswith("/hyperlink"):
        raise Unfit(_FETCHES)
    if not (_CLICKED.match(target) or _DRIVE.match(target)):
        raise Unfit(_LINK)


def _check_open(space: str, local: str, said: dict[str, str]) -> None:
    """An element of OpenDocument."""
    if local in _OPEN_COMMANDS:
        raise Unfit(COMMAND)
    if local == "event-listener":
        if ":script:" in space:
            raise Unfit(MACROS)
        if said.get("action") in {"execute", "verb", "sound"}:
            raise Unfit(COMMAND)
    if local in _OPEN_EMBEDDED:
        raise Unfit(_CONTROL)
    address = said.get("href", "")
    if local not in {"a", "template"} and _REMOTE.match(address):
        raise Unfit(_FETCHES)
    if local == "a" and not (_CLICKED.match(address) or _DRIVE.match(address)):
        raise Unfit(_LINK)
