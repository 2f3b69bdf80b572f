"""Where a PDF puts its text: each printed character with its box, page by page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import pypdfium2

_SHRUNK: Final = 0.3
"""How much of a box its glyph may leave to its neighbours: italics and kerned pairs touch."""

_CELL: Final = 12
"""Points. Characters are compared with those of the same square of the page."""


@dataclass(frozen=True)
class Character:
    """A printed character; points from the bottom left of its page."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.left, self.bottom, self.right, self.top

    @property
    def core(self) -> tuple[float, float, float, float]:
        width, height = self.right - self.left, self.top - self.bottom
        return (
            self.left + width * _SHRUNK,
            self.bottom + height * _SHRUNK,
            self.right - width * _SHRUNK,
            self.top - height * _SHRUNK,
        )


@dataclass(frozen=True)
class Page:
    """A page: its size in points, its text as it is extracted, its visible characters."""

    width: float
    height: float
    text: str
    characters: list[Character]

    def outside(self, margin: float) -> str:
        """The characters that leave the page or its margins."""
        return "".join(
            c.text
            for c in self.characters
            if c.left < margin
            or c.right > self.width - margin
            or c.bottom < margin
            or c.top > self.height - margin
        )

    def overprinted(self) -> str:
        """The characters that another one covers: a column that runs into the next."""
        squares: dict[tuple[int, int], list[Character]] = defaultdict(list)
        for one in self.characters:
            for x in range(int(one.left // _CELL), int(one.right // _CELL) + 1):
                for y in range(int(one.bottom // _CELL), int(one.top // _CELL) + 1):
                    squares[x, y].append(one)
        return "".join(
            one.text
            for square in squares.values()
            for i, one in enumerate(square)
            if any(_overlap(one, other) for other in square[:i])
        )


def _overlap(one: Character, other: Character) -> bool:
    left, bottom, right, top = one.core
    other_left, other_bottom, other_right, other_top = other.core
    return left < other_right and other_left < right and bottom < other_top and other_bottom < top


def pages(content: bytes) -> list[Page]:
    """The pages of a PDF."""
    with pypdfium2.PdfDocument(content) as document:
        return [_page(document[number]) for number in range(len(document))]


def _page(page: pypdfium2.PdfPage) -> Page:
    text = page.get_textpage()
    written = text.get_text_range()
    characters: list[Character] = []
    for index in range(text.count_chars()):
        one = Character(text.get_text_range(index, 1), *text.get_charbox(index))
        # The letters of a ligature share one box.
        ligature = characters and one.box == characters[-1].box
        if one.text.strip() and not ligature:
            characters.append(one)
    return Page(page.get_width(), page.get_height(), written, characters)
