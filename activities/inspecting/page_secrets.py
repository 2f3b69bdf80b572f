"""The secrets of a page, found by where its words stand: beside what announces them, below it, or
in its column. Runs in the child process only; a value never leaves it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from activities.inspecting import credentials
from activities.inspecting.credentials import IDENTIFIERS, Label
from activities.inspecting.page_words import Box, Cell
from activities.inspecting.secrets_scan import COMMUNITY, PASSWORD, PIN, places_in

_HINTS: Final = re.compile(
    r"pass|mdp|m\.d\.p|pwd|phrase|kennwort|contrase|communaut|communit|snmp|psk|wpa|wi-?fi|wep|key|cl[eé]"
    r"|secret|token|jeton|code|pin|puk|combinaison|ident|login|log-in|credential|acc[eèé]s|compte|account"
    r"|user|utilisat|admin|root|connexion|connect|operat|mainten|exploit|guest|invit|super|onvif|session|sign|auth|://|\$|begin|akia|asia|eyj|\{s|:::|putty|sink"
    r"|com2sec|rocom|rwcom|createuser|hash|encr|priv",
    re.IGNORECASE,
)
"""A page without any of these, spaces aside, is passed over."""

_FAR: Final = 45
"""Heights of a line between a label and its value, beside each other."""

_BELOW: Final = 3.2
"""Heights of a line between a label and its value, one below the other."""

_ROWS: Final = 400
_GAPS: Final = 6
"""Rows of a table that are read below its header, and rows in a row without a value."""

_PARTS: Final = 3
"""Cells that a label may be broken into."""

_NUMBERED: Final = re.compile(r"(?:[.·…_]\s?){3,}\s*\d{1,4}$")
_MANY_NUMBERED: Final = 4
"""Lines that end with leaders and a number: a page with as many is a table of contents."""

_SAME: Final = 0.35
"""How much of the lower of two cells must be level with the other for both to be on one row."""


@dataclass(frozen=True)
class Hit:
    """A secret on a page: what it is, its value, where the value stands, and whether it is one
    that a manufacturer prints in its manuals."""

    what: str
    value: str
    boxes: tuple[Box, ...]
    factory: bool = False


def may_hold(text: str) -> bool:
    """Whether the words of a page are worth a look at where they stand."""
    return _HINTS.search(re.sub(r"\s+", "", text)) is not None


def secrets_of(cells: list[Cell]) -> list[Hit]:
    """Each secret among the cells of a page, once."""
    page = _Page(cells)
    found: list[Hit] = []
    taken: set[tuple[int, int]] = set()
    for hit, cell, start, end in page.hits():
        places = {(id(cell), place) for place in range(start, end)}
        if places and not places & taken:
            taken |= places
            found.append(hit)
    return found


_Found = tuple[Hit, Cell, int, int]


class _Page:
    """The cells of a page, and what stands beside and below each."""

    def __init__(self, cells: list[Cell]) -> None:
        self._cells = cells
        self._of_angle: dict[int, list[Cell]] = defaultdict(list)
        self._lines: dict[tuple[int, int], list[Cell]] = defaultdict(list)
        for cell in cells:
            self._of_angle[cell.angle].append(cell)
            self._lines[cell.angle, cell.line].append(cell)
        numbered = sum(_NUMBERED.search(cell.text) is not None for cell in cells)
        self._is_contents = numbered >= _MANY_NUMBERED
        self._default = any(credentials.is_default(cell.text) for cell in cells)

    def hits(self) -> Iterator[_Found]:
        for cell in self._cells:
            yield from self._formal(cell)
        for cell in self._cells:
            if not (self._is_example(cell) or self._is_entry(cell)):
                yield from self._announced(cell)
        yield from self._on_lines()

    # What announces itself

    def _formal(self, cell: Cell) -> Iterator[_Found]:
        """By the form of the value alone, or in the words of a device."""
        text = cell.text
        for place in places_in(text):
            end = place.end
            if "://" not in text and "<" not in text[:end]:
                # On a page nothing ends a value but what surrounds it.
                end += len(re.match(r"[^\s\"'”»<>;,)]*", text[end:])[0])  # type: ignore[index]
            value = text[place.start : end]
            if place.by == "form" or self._is_command(place.what, place.by, text, value):
                yield self._found(place.what, cell, place.start, end, default=False)

    @staticmethod
    def _is_command(what: str, by: str, text: str, value: str) -> bool:
        """Whether what looks like a command is one, and no sentence of a manual about it."""
        if credentials.is_example(text) and by != "form":
            return False
        if "://" in text and f":{value}@" in text:
            user = re.search(rf"//([^/\s:@]*):{re.escape(value)}@", text)
            sample = re.fullmatch(
                r"(?:pass(?:word|wd)?|pwd|mdp|mot_?de_?passe|motdepasse|secret|x+)",
                value,
                re.IGNORECASE,
            )
            return not (sample and user and re.fullmatch(
                r"(?:user(?:name)?|login|utilisateur|identifiant|nom|id|name)", user[1], re.IGNORECASE
            ))  # fmt: skip
        if credentials.looks_secret(value):
            return True
        if by == "name":
            # « password=soleil », without a space: nobody writes a sentence so.
            return bool(
                re.search(rf"[\w\"']=[\"']?{re.escape(value)}(?:[&\"';,)\]]|$)", text)
                or re.search(rf">\s*{re.escape(value)}\s*</", text)
            ) and credentials.may_be_value(value, what)
        starts = (
            r"\s*(?:snmp-server|snmp-agent|r[ow]community|com2sec|enable|username|local-user)\s"
        )
        return bool(re.match(starts, text)) and credentials.may_be_value(value, what)

    # What a label announces

    def _announced(self, cell: Cell) -> Iterator[_Found]:
        label = credentials.label_of(cell.text)
        if label is None or label.what == IDENTIFIERS:
            yield from self._in_parts(cell)
        if label is None:
            if (found := credentials.inline(cell.text)) is not None:
                yield self._found(
                    found.label.what, cell, found.start, found.end, default=found.label.default
                )
            else:
                yield from self._wrapped(cell)
            return
        if (found := credentials.inline(cell.text)) is not None:
            yield self._found(found.label.what, cell, found.start, found.end, default=label.default)
            return
        yield from self._near(cell, label)

    def _in_parts(self, cell: Cell) -> Iterator[_Found]:
        """A label whose words stand far apart: « Mot   de   passe »."""
        after = sorted(
            (one for one in self._lines[cell.angle, cell.line] if one.start > cell.end),
            key=lambda one: one.start,
        )
        words, end = cell.words, cell.end
        for one in after[:_PARTS]:
            if one.start - end > 1.5 * cell.height:
                return
            words, end = (*words, *one.words), one.end
            whole = Cell(words, cell.angle, cell.low, cell.high, cell.line)
            label = credentials.label_of(whole.text)
            if label is not None and label.what != IDENTIFIERS and not label.pair:
                right = self._right(whole, None)
                if right is not None and not credentials.is_header(right.text):
                    span = credentials.value_in(right.text, label, alone=True)
                    if span is not None:
                        yield self._found(label.what, right, *span, default=label.default)
                        return

    def _wrapped(self, cell: Cell) -> Iterator[_Found]:
        """A label on two lines of its cell: « Mot de » above « passe »."""
        if len(cell.text) > 40:  # noqa: PLR2004 - no label is as long
            return
        below = self._below(cell, 1.7)
        if below is None:
            return
        label = credentials.label_of(f"{cell.text} {below.text}")
        if label is not None and label.what != IDENTIFIERS and not credentials.label_of(below.text):
            around = Cell(cell.words, cell.angle, below.low, cell.high, below.line)
            yield from self._near(around, label, but=below)

    def _near(self, cell: Cell, label: Label, but: Cell | None = None) -> Iterator[_Found]:
        right = self._right(cell, but)
        column = list(self._column(cell, label, but))
        if column and (right is None or credentials.is_header(right.text)):
            yield from column
            return
        if right is not None and not credentials.is_header(right.text):
            sure = not column
            span = credentials.value_in(right.text, label, alone=sure and self._is_key(cell, right))
            if span is not None:
                yield self._found(label.what, right, *span, default=label.default)
                return
        yield from column
        if not column and right is None:
            yield from self._under(cell, label, but)

    def _is_key(self, cell: Cell, right: Cell) -> bool:
        """Whether the label is the key of the cell beside it, rather than one head of many."""
        row = [one for one in self._level(cell) if one is not cell and one is not right]
        before = [one for one in row if one.end <= cell.start]
        heads = any(credentials.is_header(one.text) for one in row)
        # « Identifiant | admin | Mot de passe | … »: key, value, key, value.
        return not heads or len(before) % 2 == 0

    def _column(self, head: Cell, label: Label, but: Cell | None) -> Iterator[_Found]:
        """The values below a label that heads a column."""
        row = [one for one in self._level(head) if one is not head and one is not but]
        if not any(credentials.is_head_of_accounts(one.text) for one in row):
            return
        left = max((one.end for one in row if one.end <= head.start), default=float("-inf"))
        right = min((one.start for one in row if one.start >= head.end), default=float("inf"))
        low, gaps, height = head.low, 0, max(head.height, 1)
        bottom = but.low if but is not None else head.low
        for cells in self._rows_below(head.angle, min(bottom, low)):
            top = max(one.high for one in cells)
            if low - top > 4.5 * height or gaps > _GAPS:
                return
            low = min(low, *(one.low for one in cells))
            inside = [
                one
                for one in cells
                if one.start < min(right, max(head.end, head.start + 14 * height)) - 0.2 * height
                and one.end > max(left, head.start - 3 * height)
                and (one.start >= left - height * 0.5)
                and one is not but
            ]
            if len(cells) == 1 and not inside:
                gaps += 1
                continue
            gaps = 0 if inside else gaps + 1
            for one in inside:
                said = credentials.label_of(one.text)
                if said is not None and said.what != IDENTIFIERS:
                    return  # Another table begins.
                span = credentials.value_in(one.text, label, alone=len(cells) > 1)
                if span is not None:
                    yield self._found(label.what, one, *span, default=label.default)

    def _under(self, cell: Cell, label: Label, but: Cell | None) -> Iterator[_Found]:
        """The value on the line below a label that has the line for itself."""
        below = self._below(but or cell, _BELOW)
        if below is None or credentials.is_header(below.text):
            return
        before = [one for one in self._level(cell) if one.end <= cell.start]
        if not all(credentials.is_header(one.text) for one in before):
            return  # What stands beside a key is its value: « Modes d'accès | badge / code PIN ».
        if label.what == PASSWORD and not re.search(r"[:=→]\s*$", cell.text):
            alone = False
        else:
            alone = label.what != PIN or len(cell.text) > 3  # noqa: PLR2004 - a bare « PIN »
        if len(self._level(below)) > 2:  # noqa: PLR2004 - the row of a table
            return
        span = credentials.value_in(below.text, label, alone=alone)
        if span is not None and len(below.text.split()) <= 4:  # noqa: PLR2004
            yield self._found(label.what, below, *span, default=label.default)

    def _on_lines(self) -> Iterator[_Found]:
        """A label and a value with leaders or an arrow between them, in cells of their own."""
        for line in self._lines.values():
            cells = sorted(line, key=lambda one: one.start)
            for one, middle, last in zip(cells, cells[1:], cells[2:], strict=False):
                if (
                    any(c.isalnum() for c in middle.text)
                    or self._is_example(one)
                    or self._is_entry(one)
                ):
                    continue
                label = credentials.label_of(one.text)
                if label is None:
                    continue
                span = credentials.value_in(last.text, label, alone=True)
                if span is not None:
                    yield self._found(label.what, last, *span, default=label.default)

    # Where things stand

    def _right(self, cell: Cell, but: Cell | None) -> Cell | None:
        """The nearest cell beside this one that says something."""
        beside = [
            one
            for one in self._level(cell)
            if one is not but
            and one.start >= cell.end - 0.3 * cell.height
            and one.start - cell.end < _FAR * cell.height
            and any(c.isalnum() or c in "*●•" for c in one.text)
        ]
        return min(beside, key=lambda one: one.start, default=None)

    def _level(self, cell: Cell) -> list[Cell]:
        """The cells of the same row, whatever the size of their letters."""
        found = []
        for one in self._of_angle[cell.angle]:
            if one.words is cell.words:
                continue
            common = min(one.high, cell.high) - max(one.low, cell.low)
            if common > _SAME * min(one.height, cell.height):
                found.append(one)
        return [*found, cell]

    def _below(self, cell: Cell, lines: float) -> Cell | None:
        """The nearest cell below this one, that begins or is centred where it does."""
        near = []
        for one in self._of_angle[cell.angle]:
            drop = cell.low - one.low
            if not 0.5 * one.height < drop < lines * max(cell.height, one.height):
                continue
            # Beginning a little before or after, or under the middle.
            begins = -1.5 * cell.height < one.start - cell.start < 4 * cell.height
            middle = abs((one.start + one.end) - (cell.start + cell.end)) / 2 < 1.5 * cell.height
            if begins or middle:
                near.append(one)
        return min(
            near, key=lambda one: (cell.low - one.low, abs(one.start - cell.start)), default=None
        )

    def _rows_below(self, angle: int, low: float) -> Iterator[list[Cell]]:
        """The cells of each line below, line by line."""
        rows: dict[int, list[Cell]] = defaultdict(list)
        for one in self._of_angle[angle]:
            if one.high - 0.4 * one.height < low:
                rows[one.line].append(one)
        for line in sorted(rows)[:_ROWS]:
            yield rows[line]

    def _is_entry(self, cell: Cell) -> bool:
        """Whether the cell is a line of a table of contents, which ends with a page number."""
        return self._is_contents and any(
            _NUMBERED.search(one.text) for one in self._lines[cell.angle, cell.line]
        )

    def _is_example(self, cell: Cell) -> bool:
        """Whether the cell, or another on its line, says that it is an example."""
        return any(credentials.is_example(one.text) for one in self._level(cell))

    def _found(self, what: str, cell: Cell, start: int, end: int, *, default: bool) -> _Found:
        value = cell.text[start:end]
        factory = credentials.is_factory(value) and (
            default or self._default or what in {PASSWORD, PIN, COMMUNITY}
        )
        factory = factory or (default and value.isalnum() and value.islower() and len(value) <= 10)  # noqa: PLR2004
        called = PASSWORD if what == IDENTIFIERS else what
        return Hit(called, value, cell.boxes(start, end), factory), cell, start, end
