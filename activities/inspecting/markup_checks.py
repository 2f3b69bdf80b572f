"""Whether a page, an image in SVG or any other XML does nothing but show itself. Runs in the child
process only.

It is read as a browser reads it (entities, comments, spaces and case are no disguise), and what a
browser would run or fetch refuses it.
"""

from __future__ import annotations

import html
import re
import sys
import urllib.parse
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any, Final
from xml.parsers import expat

from activities.inspecting.sniffing import HEAD, HTML, SVG, encoding_of, media_of
from activities.inspecting.unfit import Unfit

_SCRIPT: Final = "la page HTML ou l'image SVG contient un script"
_FETCHES: Final = "la page HTML ou l'image SVG charge un contenu extérieur"
_ENTITY: Final = "le fichier XML désigne une entité externe"
_SHEET: Final = "le fichier XML se transforme par une feuille de style"

_SHOWN: Final = ("http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg")
"""The vocabularies that a browser runs, whatever the file is called."""

_RUN: Final = frozenset(
    [
        "script",
        "iframe",
        "frame",
        "object",
        "embed",
        "applet",
        "handler",
        "listener",
        "portal",
        "fencedframe",
    ]
)
_LOADING: Final = frozenset(
    [
        "image",
        "img",
        "use",
        "feimage",
        "link",
        "source",
        "video",
        "audio",
        "track",
        "input",
        "base",
        "form",
        "filter",
        "pattern",
        "lineargradient",
        "radialgradient",
        "textpath",
        "mpath",
        "tref",
        "cursor",
        "color-profile",
        "font-face-uri",
        "body",
        "table",
        "td",
        "th",
        "bgsound",
    ]
)
_ADDRESSES: Final = frozenset(
    [
        "href",
        "src",
        "action",
        "background",
        "poster",
        "data",
        "srcset",
        "lowsrc",
        "dynsrc",
        "to",
        "from",
        "values",
        "by",
    ]
)
_NAMING: Final = frozenset(
    ["canonical", "license", "author", "alternate", "help", "next", "prev", "up", "search"]
)
"""The relations of a <link> that fetch nothing."""

_FETCHED: Final = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?[\\/]{2}|file:")
_RUNNING: Final = re.compile(r"(?:javascript|vbscript|livescript|mocha|mhtml|ms-its|mk):")
_DATA: Final = re.compile(
    r"data:(?!image/(?:png|jpe?g|gif|webp|bmp|tiff|x-icon|vnd\.microsoft\.icon)[;,]"
    r"|(?:application/)?(?:x-)?font|application/(?:vnd\.ms-fontobject|octet-stream))"
)
_BLANK: Final = re.compile(r"[\0-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060\ufeff]")
_EVENT: Final = re.compile(r"on[a-z]{3,}")

_CSS_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))", re.DOTALL)
_CSS_URL: Final = re.compile(r"url\(([^)]*)\)", re.IGNORECASE)
_CSS_RUN: Final = re.compile(r"expression\(|behaviou?r:|-moz-binding")

_HIDING: Final = re.compile(r"<!--|--!?>|<!\[CDATA\[|\]\]>", re.IGNORECASE)
_RAW: Final = re.compile(
    r"(</?)(?=(?:style|textarea|title|xmp|noscript|noembed|plaintext)\b)", re.IGNORECASE
)
_ACTIVE: Final = re.compile(
    r"<\s*(?:\w+:)?script\b|<[^<>]{0,500}[\s/\"']on[a-z]{3,20}\s*=", re.IGNORECASE
)


def check(content: bytes) -> None:
    """Raises ``Unfit`` when a page, an image or another XML acts; any other text is let through."""
    head = content[:HEAD]
    media = media_of(head)
    text = content.decode(encoding_of(head), errors="replace").lstrip("\ufeff")
    if media == HTML:
        _check_page(text)
    elif text.lstrip().startswith("<"):
        _check_xml(content, text, drawing=media == SVG)


def _check_page(text: str) -> None:
    _Page(text)
    # Again with all that may hide markup undone: browsers and parsers end comments differently.
    shown = _RAW.sub(r"\1x-", _HIDING.sub(" ", text))
    _Page(shown)
    if _ACTIVE.search(shown):
        raise Unfit(_SCRIPT)


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self._style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        _check_element(tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, _: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            _check_style(data)


def _check_xml(content: bytes, text: str, *, drawing: bool) -> None:
    """By the rules of XML as far as it follows them; a drawing that does not is read as a page."""
    try:
        _Reader(drawing=drawing).read(content)
    except (expat.ExpatError, LookupError, ValueError):
        if drawing or any(space in text for space in _SHOWN):
            _check_page(text)


class _Reader:
    """What an XML reader meets: entities are undone, namespaces known."""

    def __init__(self, *, drawing: bool) -> None:
        self._drawing = drawing
        self._inside: list[str] = []
        self._style = ""

    def read(self, content: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.EntityDeclHandler = _refuse_external
        parser.ProcessingInstructionHandler = _check_instruction
        parser.Parse(content, True)  # noqa: FBT003 - it takes nothing else

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        self._inside.append(local.lower())
        if self._drawing or space in _SHOWN:
            _check_element(local.lower(), {_local(key): one for key, one in attributes.items()})

    def _end(self, _: str) -> None:
        if self._inside.pop() == "style":
            _check_style(self._style)
            self._style = ""

    def _data(self, said: str) -> None:
        if self._inside[-1] == "style":
            self._style += said


def _refuse_external(*declared: Any) -> None:
    """An entity whose value is to be fetched."""
    if declared[2] is None:
        raise Unfit(_ENTITY)


def _check_instruction(target: str, said: str) -> None:
    if target.lower() != "xml-stylesheet":
        return
    address = re.search(r"href\s*=\s*[\"']([^\"']*)", said)
    plain = _plain(address[1]) if address else ""
    if not plain or plain.startswith(("#", "data:")) or _FETCHED.match(plain):
        raise Unfit(_SHEET)


def _local(name: str) -> str:
    return name.rpartition(" ")[2].rpartition(":")[2].lower()


def _check_element(tag: str, attributes: Mapping[str, str]) -> None:
    tag = tag.rpartition(":")[2]
    if tag in _RUN:
        raise Unfit(_SCRIPT)
    if tag == "meta" and "refresh" in attributes.get("http-equiv", "").lower():
        raise Unfit(_FETCHES)
    named = set(attributes.get("rel", "").lower().split())
    loads = tag in _LOADING and not (tag == "link" and named and named <= _NAMING)
    for key, value in attributes.items():
        name = key.rpartition(":")[2].lower()
        event = value.strip().lower() if name == "attributename" else name
        if _EVENT.match(event) or name == "srcdoc":
            raise Unfit(_SCRIPT)
        _check_value(name, value, loads=loads)


def _check_value(name: str, value: str, *, loads: bool) -> None:
    plain = _plain(value)
    if name == "style" or "url(" in plain:
        # What draws with another drawing too: fill, filter, mask…
        _check_style(value)
    # The values of an animation are a list.
    if any(_RUNNING.match(one) for one in plain.split(";")):
        raise Unfit(_SCRIPT)
    if name in _ADDRESSES:
        if _DATA.match(plain):
            raise Unfit(_SCRIPT)
        if loads and any(_FETCHED.match(one) for one in plain.split(",")):
            raise Unfit(_FETCHES)


def _check_style(text: str) -> None:
    plain = _CSS_ESCAPE.sub(_unescaped, _CSS_COMMENT.sub("", text))
    said = _plain(plain)
    if _CSS_RUN.search(said) or _RUNNING.search(said):
        raise Unfit(_SCRIPT)
    if "@import" in said:
        raise Unfit(_FETCHES)
    for address in _CSS_URL.finditer(plain):
        fetched = _plain(address[1]).strip("\"'")
        if _FETCHED.match(fetched) or _DATA.match(fetched):
            raise Unfit(_FETCHES)


def _unescaped(escape: re.Match[str]) -> str:
    if escape[2] is not None:
        return escape[2]
    number = int(escape[1], 16)
    return chr(number) if 0 < number <= sys.maxunicode else ""


def _plain(value: str) -> str:
    """An address or a style, without what disguises it."""
    for _ in range(2):
        value = urllib.parse.unquote(html.unescape(value))
    return _BLANK.sub("", value).lower()
