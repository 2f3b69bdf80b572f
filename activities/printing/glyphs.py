"""Which characters our documents can print, and what stands for those they cannot.

A PDF/A file refuses a character that no embedded font has; a client's emoji must never hold
back a document, so every text is brought to what the vendored fonts cover.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

REPLACEMENT: Final = "□"
"""Stands for what cannot be printed, so that a reader sees that something was there."""

_NO_BREAK_SPACES: Final = "\u00a0\u2007\u202f"
_SEGMENTS: Final = 4
"""The usual format of a ``cmap`` table: segments of 16-bit code points."""


def coverage(fonts: Iterable[Path]) -> frozenset[int]:
    """The code points that *all* of these TrueType fonts can print."""
    return frozenset.intersection(*(_code_points(font.read_bytes()) for font in fonts))


def _code_points(font: bytes) -> frozenset[int]:
    """Read the ``cmap`` table of a TrueType font."""
    (tables,) = struct.unpack_from(">H", font, 4)
    entries = (struct.unpack_from(">4sIII", font, 12 + 16 * i) for i in range(tables))
    cmap = next(offset for tag, _, offset, _ in entries if tag == b"cmap")
    (subtables,) = struct.unpack_from(">H", font, cmap + 2)
    for i in range(subtables):
        (relative,) = struct.unpack_from(">I", font, cmap + 8 + 8 * i)
        if struct.unpack_from(">H", font, cmap + relative)[0] == _SEGMENTS:
            return frozenset(_segments(font, cmap + relative))
    raise ValueError("police sans table de caractères au format 4")


def _segments(font: bytes, start: int) -> Iterable[int]:
    (double,) = struct.unpack_from(">H", font, start + 6)
    count = double // 2
    ends, firsts, deltas, offsets = (
        struct.unpack_from(f">{count}H", font, start + 14 + double * i + (2 if i else 0))
        for i in range(4)
    )
    offsets_at = start + 16 + 3 * double
    for i, (first, last, delta, offset) in enumerate(
        zip(firsts, ends, deltas, offsets, strict=True)
    ):
        for code in range(first, min(last, 0xFFFE) + 1):
            if offset:
                (glyph,) = struct.unpack_from(
                    ">H", font, offsets_at + 2 * i + offset + 2 * (code - first)
                )
                glyph = glyph and (glyph + delta) & 0xFFFF
            else:
                glyph = (code + delta) & 0xFFFF
            if glyph:
                yield code


class Printable:
    """Brings any text to the characters of the given fonts."""

    def __init__(self, fonts: Iterable[Path]) -> None:
        self._covered = coverage(fonts)
        self._one = lru_cache(maxsize=4096)(self._character)

    def __call__(self, text: str) -> str:
        """The text with composed accents and line feeds only; what cannot be printed becomes
        its plainer equivalent if there is one, else one replacement mark for the whole run.
        Printable text comes back as it was."""
        text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
        return re.sub(f"{REPLACEMENT}+", REPLACEMENT, "".join(map(self._one, text)))

    def _character(self, character: str) -> str:
        category = unicodedata.category(character)
        if character == "\n" or (ord(character) in self._covered and category[0] != "C"):
            return character
        if character in _NO_BREAK_SPACES:
            return "\u00a0"
        if character in "\t\r\x0b\x0c" or category[0] == "Z":
            return "\n" if category in {"Zl", "Zp"} else " "
        plainer = unicodedata.normalize("NFKD", character)
        if plainer != character and all(ord(c) in self._covered for c in plainer):
            return unicodedata.normalize("NFC", plainer)
        # Controls, joiners, variation selectors and marks are invisible by themselves.
        return "" if category[0] in "CM" and category != "Co" else REPLACEMENT
