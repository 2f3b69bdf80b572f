"""What the search finds and stops on the pages of ``secret_pages``."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from activities.inspecting.pdf_secrets import secrets_of_pdf
from tests.secret_pages import (
    MEASURING,
    TUNING,
    Sheet,
    held_out,
    is_late,
    ordinary_sheets,
    secret_sheets,
)


@dataclass
class Figures:
    """Pages with a secret, those found; ordinary pages, those stopped; which ones were wrong."""

    secret: int = 0
    found: int = 0
    ordinary: int = 0
    stopped: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found / max(self.secret, 1)

    @property
    def false_stops(self) -> float:
        return self.stopped / max(self.ordinary, 1)


def measure(part: str) -> dict[str, Figures]:
    """Search every page of that set: the figures of each layout. A secret counts as found when its
    very value was."""
    figures: dict[str, Figures] = {}
    for sheet in (*secret_sheets(part), *ordinary_sheets(part)):
        count(figures.setdefault(sheet.layout, Figures()), sheet)
    return figures


def total(figures: dict[str, Figures], which: Callable[[str], bool] = lambda _: True) -> Figures:
    """The sum over these layouts."""
    some = [one for layout, one in figures.items() if which(layout)]
    return Figures(
        sum(one.secret for one in some),
        sum(one.found for one in some),
        sum(one.ordinary for one in some),
        sum(one.stopped for one in some),
        [said for one in some for said in one.wrong],
    )


def count(figures: Figures, sheet: Sheet) -> None:
    """Add one sheet to the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sheet.pdf")
        path.write_bytes(sheet.content)
        found = [one for one in secrets_of_pdf(path, sheet.family) if one is not None]
    if sheet.secrets:
        figures.secret += sheet.pages
        for number, value in enumerate(sheet.secrets, start=1):
            values = [one.value for one in found if one.page == number and not one.factory]
            if value in values:
                figures.found += 1
            else:
                figures.wrong.append(f"missed: {sheet.layout} {number}: {value!r} {values}")
    else:
        figures.ordinary += sheet.pages
        stopped = Counter(one.page for one in found if not one.factory)
        figures.stopped += len(stopped)
        figures.wrong += [
            f"stopped: {sheet.layout} {one.page}: {one.what} {one.value!r}"
            for one in found
            if not one.factory
        ]


def report(words: list[str]) -> None:
    """Print the figures of the sets."""
    for part in words or (TUNING, MEASURING):
        measured = measure(part)
        sets: dict[str, Callable[[str], bool]] = {"": lambda _: True}
        if part == MEASURING:
            sets |= {", layouts never tuned on": held_out, ", layouts written last": is_late}
        for said, which in sets.items():
            figures = total(measured, which)
            print(
                f"{part}{said}: {figures.found} of {figures.secret} secrets found "
                f"({figures.recall:.1%}), {figures.stopped} of {figures.ordinary} ordinary pages "
                f"stopped ({figures.false_stops:.1%})"
            )
        print("\n".join(total(measured).wrong))
