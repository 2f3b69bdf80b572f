"""The words of a PDF page where they stand, put together again as cells: what a reader's eye holds
together on a line, whatever the order and the angle in which it was written.

Runs in the child process only. The appearances of annotations and forms are read as they show, and
what lies outside the visible part of the page is read as well.
"""

from __future__ import annotations

import math
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from ctypes import byref, c_double
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import pypdfium2
import pypdfium2.raw as pdfium

_MAX_GLYPHS: Final = 200_000
"""Of one page: beyond, the page is told as too long to be searched."""

_WORD_GAP: Final = 0.2
_CELL_GAP: Final = 0.62
_SAME_LINE: Final = 0.4
"""Parts of the height of the letters: a gap between words, between cells, and what two baselines
of one line may differ by."""

_RULES: Final = "|│┃¦║"
"""What draws the column of a table with letters."""

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp", "Zs"})
_SPACES: Final = frozenset({0x20, 0xA0, 0x2002, 0x2003, 0x2007, 0x2009, 0x202F, 0x3000})
_SPACED_OUT: Final = 5
"""Letters apart from each other that make one word."""


class TooLong(Exception):  # noqa: N818 - it states a situation
    """The page has more letters than are searched."""


class Box(NamedTuple):
    """A part of the page, in points, as the page's own coordinates have it."""

    left: float
    bottom: float
    right: float
    top: float


class _Glyph(NamedTuple):
    text: str
    start: float
    end: float
    base: float
    low: float
    high: float
    box: Box


@dataclass(frozen=True)
class Word:
    """Letters without a gap, along the line on which they stand."""

    text: str
    start: float
    end: float
    boxes: tuple[Box, ...]
    """Of each character."""


@dataclass(frozen=True)
class Cell:
    """Words that stand together on one line; ``angle`` in degrees. Along the line it goes from
    ``start`` to ``end``, across it from ``low`` to ``high``."""

    words: tuple[Word, ...]
    angle: int
    low: float
    high: float
    line: int
    """Its line on the page, from the top, among those of its angle."""

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end

    @property
    def height(self) -> float:
        return self.high - self.low

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def boxes(self, start: int, end: int) -> tuple[Box, ...]:
        """Where the characters ``start`` to ``end`` of its text stand."""
        found: list[Box] = []
        place = 0
        for word in self.words:
            for offset, box in enumerate(word.boxes):
                if start <= place + offset < end:
                    found.append(box)
            place += len(word.text) + 1
        return tuple(found)


def cells_of(page: pypdfium2.PdfPage) -> list[Cell]:
    """Every cell of the page, from top to bottom and from left to right, one angle after another.

    Raises ``TooLong``.
    """
    text = page.get_textpage()
    try:
        return [
            cell
            for angle, glyphs in sorted(_glyphs(text).items())
            for cell in _cells(angle, glyphs)
        ]
    finally:
        text.close()


def _glyphs(text: pypdfium2.PdfTextPage) -> dict[int, list[_Glyph]]:
    count = pdfium.FPDFText_CountChars(text)
    if count > _MAX_GLYPHS:
        raise TooLong
    raw: Any = text.raw
    x, y = c_double(), c_double()
    box = pdfium.FS_RECTF()
    found: dict[int, list[_Glyph]] = defaultdict(list)
    at, turn, where = byref(box), (byref(x), byref(y)), pdfium.FPDFText_GetLooseCharBox
    for index in range(count):
        code = pdfium.FPDFText_GetUnicode(raw, index)
        if code > sys.maxunicode or 0xD800 <= code < 0xE000:  # noqa: PLR2004 - no character
            continue
        if code in _SPACES:
            # One that pdfium made up says no more than the gap that it saw.
            if pdfium.FPDFText_IsGenerated(raw, index):
                continue
            letter = " "
        elif unicodedata.category(chr(code)) in _UNSEEN:
            continue
        else:
            # A ligature is its letters.
            letter = unicodedata.normalize("NFKC", chr(code)).replace(" ", "")
        if not where(raw, index, at) or not pdfium.FPDFText_GetCharOrigin(raw, index, *turn):
            continue
        radians = pdfium.FPDFText_GetCharAngle(raw, index)
        # Told clockwise; -1 when it cannot be.
        angle = round(-math.degrees(radians)) % 360 if radians > 0 else 0
        one = Box(
            min(box.left, box.right),
            min(box.bottom, box.top),
            max(box.left, box.right),
            max(box.bottom, box.top),
        )
        glyph = _turned(letter, angle, x.value, y.value, one)
        if math.isfinite(glyph.start) and math.isfinite(glyph.base):
            found[angle].append(glyph)
    return found


def _turned(letter: str, angle: int, x: float, y: float, box: Box) -> _Glyph:
    """The same as if its line were level."""
    if angle == 0:
        return _Glyph(letter, box.left, box.right, y, box.bottom, box.top, box)
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))

    def along(a: float, b: float) -> float:
        return a * cosine + b * sine

    def across(a: float, b: float) -> float:
        return b * cosine - a * sine

    corners = [(a, b) for a in (box.left, box.right) for b in (box.bottom, box.top)]
    starts = [along(*corner) for corner in corners]
    heights = [across(*corner) for corner in corners]
    start, end = min(starts), max(starts)
    low, high = min(heights), max(heights)
    base = across(x, y)
    if angle % 90:
        # The box around a letter that leans is larger than the letter.
        size = (high - low) / (abs(sine) + abs(cosine))
        start, end = along(x, y), along(x, y) + 0.62 * size
        low, high = base - 0.2 * size, base + 0.8 * size
    return _Glyph(letter, start, end, base, low, high, box)


def _cells(angle: int, glyphs: list[_Glyph]) -> Iterator[Cell]:
    for number, line in enumerate(_lines(glyphs)):
        for words in _apart(_words(line)):
            low = min(word[1] for word in words)
            high = max(word[2] for word in words)
            yield Cell(tuple(word[0] for word in words), angle, low, high, number)


def _lines(glyphs: list[_Glyph]) -> Iterator[list[_Glyph]]:
    """The letters of each line, from the top, in the order in which they are read."""
    line: list[_Glyph] = []
    for glyph in sorted(glyphs, key=lambda one: -one.base):
        if line:
            tall = max(glyph.high - glyph.low, line[0].high - line[0].low)
            if line[0].base - glyph.base > _SAME_LINE * tall:
                yield _in_order(line)
                line = []
        line.append(glyph)
    if line:
        yield _in_order(line)


def _in_order(line: list[_Glyph]) -> list[_Glyph]:
    """From left to right; what is printed twice to look bold is read once."""
    kept: list[_Glyph] = []
    for glyph in sorted(line, key=lambda one: one.start):
        near = 0.15 * (glyph.high - glyph.low)
        twice = any(glyph.text == one.text and glyph.start - one.start < near for one in kept[-3:])
        if not twice:
            kept.append(glyph)
    return kept


_Placed = tuple[Word, float, float]


def _words(line: list[_Glyph]) -> list[_Placed]:
    pitch = _pitch(line)
    words: list[list[_Glyph]] = []
    spaced = False
    for glyph in line:
        if glyph.text == " ":
            spaced = True
            continue
        last = words[-1][-1] if words and words[-1] else None
        if glyph.text in _RULES:
            words.append([])
        elif last is None or spaced or _is_apart(last, glyph, pitch):
            words.append([glyph])
        else:
            words[-1].append(glyph)
        spaced = False
    return [_placed(word, pitch) for word in words]


def _is_apart(last: _Glyph, glyph: _Glyph, pitch: float | None) -> bool:
    """Whether another word begins: after a gap, or one step further where all letters are set at
    one distance, as drawings and terminals do."""
    if pitch is not None:
        return glyph.start - last.start > 1.5 * pitch
    return glyph.start - last.end > _WORD_GAP * _height(glyph, last)


def _pitch(line: list[_Glyph]) -> float | None:
    """The one distance between the letters of this line, if they are set so."""
    steps = sorted(
        after.start - one.start
        for one, after in pairwise(line)
        if one.text.isalnum() and after.text.isalnum()
    )
    if len(steps) < _SPACED_OUT:
        return None
    middle = steps[len(steps) // 3]
    alike = sum(abs(step - middle) < 0.04 * middle for step in steps)
    return middle if middle > 0 and alike * 10 >= 7 * len(steps) else None


def _placed(word: list[_Glyph], pitch: float | None) -> _Placed:
    if not word:
        return Word("", 0, 0, ()), 0, 0
    text = "".join(glyph.text for glyph in word)
    boxes = tuple(glyph.box for glyph in word for _ in glyph.text)
    low, high = min(glyph.low for glyph in word), max(glyph.high for glyph in word)
    end = max(word[-1].end, word[-1].start + (pitch or 0))
    return Word(text, word[0].start, end, boxes), low, high


def _height(one: _Glyph, other: _Glyph) -> float:
    return min(one.high - one.low, other.high - other.low)


def _apart(words: Iterable[_Placed]) -> Iterator[list[_Placed]]:
    """The words of each cell: a wide gap or a rule ends it."""
    cell: list[_Placed] = []
    for word in words:
        if not word[0].text:
            if cell:
                yield _joined(cell)
            cell = []
            continue
        if cell:
            last = cell[-1]
            tall = min(word[2] - word[1], last[2] - last[1])
            if word[0].start - last[0].end > _CELL_GAP * tall:
                yield _joined(cell)
                cell = []
        cell.append(word)
    if cell:
        yield _joined(cell)


def _joined(cell: list[_Placed]) -> list[_Placed]:
    """Letters set apart from each other (« M o t  d e  p a s s e ») are words again."""
    single = sum(len(word.text) == 1 for word, _, _ in cell)
    every = single == len(cell) and single > 1  # « M D P »
    if not every and (single < _SPACED_OUT or single * 10 < len(cell) * 8):
        return cell
    gaps = sorted(after[0].start - one[0].end for one, after in pairwise(cell))
    wide = 1.6 * gaps[len(gaps) // 4]
    words: list[list[_Placed]] = [[cell[0]]]
    for one, after in pairwise(cell):
        if after[0].start - one[0].end > wide:
            words.append([])
        words[-1].append(after)
    return [
        (
            Word(
                "".join(word.text for word, _, _ in part),
                part[0][0].start,
                part[-1][0].end,
                tuple(box for word, _, _ in part for box in word.boxes),
            ),
            min(low for _, low, _ in part),
            max(high for _, _, high in part),
        )
        for part in words
    ]
