"""What a file is, by its first bytes and never by its name.

Our own short list rather than a library's: what is accepted is a closed list, a refusal must not
depend on a score, and libraries of signatures weigh the extension or guess among hundreds.
"""

from __future__ import annotations

import re
from typing import Final

HEAD: Final = 8_192
"""Bytes that tell what a file is."""

PDF: Final = "application/pdf"
ZIP: Final = "application/zip"
OLE: Final = "application/x-ole-storage"
TEXT: Final = "text/plain"
HTML: Final = "text/html"
SVG: Final = "image/svg+xml"
XML: Final = "application/xml"
JSON: Final = "application/json"
DXF: Final = "image/vnd.dxf"
BINARY: Final = "application/octet-stream"

TEXTS: Final = frozenset({TEXT, HTML, SVG, XML, JSON, DXF})

_PROGRAMS: Final = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",  # Mach-O, 32 and 64 bits, both orders, and universal.
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",  # Also a Java class.
    b"\xca\xfe\xba\xbf",
    b"dex\n",
    b"\0asm",
)
_SHORTCUT: Final = b"L\0\0\0\x01\x14\x02\0"
_SCRIPT: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:#!|\s*@echo\s+off\b|#@~\^)", re.IGNORECASE)

_SIGNATURES: Final = (
    (re.compile(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)"), ZIP),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]"), "image/tiff"),
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "application/x-7z-compressed"),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), OLE),
    (re.compile(rb"AC(?:10\d\d|[12]\.\d\d)\0"), "image/vnd.dwg"),
    (re.compile(rb"AutoCAD Binary DXF\r\n\x1a\0"), DXF),
)
_PDF_WITHIN: Final = 1_024
"""Readers look for the header this far: what they open as a PDF is inspected as one."""

_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CONTROLS: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_MARKUP: Final = (
    (re.compile(r"<!doctype\s+html|<html[\s>]", re.IGNORECASE), HTML),
    (re.compile(r"<(?:\w+:)?svg[\s>]", re.IGNORECASE), SVG),
    (re.compile(r"\s*<(?:\?xml|!--|!doctype|[A-Za-z_][\w.:-]*[\s/>])", re.IGNORECASE), XML),
)
_DXF_TEXT: Final = re.compile(r"(?:\s*999\r?\n[^\n]*\n)*\s*0\r?\n\s*SECTION\b")


def danger_of(head: bytes) -> str | None:
    """What this file would do on the machine that opens it, in French with its article; None when
    it is no program."""
    if head.startswith(_PROGRAMS) or (head.startswith(b"MZ") and not _is_text(head)):
        return "un programme exécutable"
    if _SCRIPT.match(head):
        return "un script exécutable"
    return "un raccourci Windows" if head.startswith(_SHORTCUT) else None


def media_of(head: bytes) -> str:
    """The type of a file that begins so: one of ours, else ``application/octet-stream``."""
    for signature, media in _SIGNATURES:
        if signature.match(head):
            return media
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return PDF
    return _text_media(head) if _is_text(head) else BINARY


def encoding_of(head: bytes) -> str:
    """How the text that begins so is encoded; nothing fails to decode in Windows' own."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    try:
        # The last character may be cut.
        head[: -3 if len(head) >= HEAD else None].decode()
    except UnicodeDecodeError as error:
        return "utf-8" if len(head) >= HEAD and error.start >= len(head) - 6 else "cp1252"
    return "utf-8"


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return b"\0" not in head and len(_CONTROLS.findall(head)) * 100 <= len(head)


def _text_media(head: bytes) -> str:
    text = head.decode(encoding_of(head), errors="replace").lstrip("\ufeff")
    for pattern, media in _MARKUP:
        if media == XML:
            if pattern.match(text):
                return media
        elif pattern.search(text[:2_048]) and text.lstrip().startswith("<"):
            return media
    if _DXF_TEXT.match(text):
        return DXF
    return JSON if re.match(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\d\]])", text) else TEXT
