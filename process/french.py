"""Dates, hours and lists as a French reader expects them ("mardi 6 mai 2025", "9 h 05")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

_DAYS: Final = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_MONTHS: Final = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)


def full_date(day: date) -> str:
    """``mardi 6 mai 2025``; the first of a month is ``1er``."""
    number = "1er" if day.day == 1 else str(day.day)
    return f"{_DAYS[day.weekday()]} {number} {_MONTHS[day.month - 1]} {day.year}"


def hour(instant: datetime) -> str:
    """``9 h 05``, in the offset the instant carries, with no-break spaces."""
    return f"{instant.hour}\u00a0h\u00a0{instant.minute:02d}"


def full_instant(instant: datetime) -> str:
    """``mardi 6 mai 2025 à 9 h 05``, in the offset the instant carries."""
    return f"{full_date(instant)} à {hour(instant)}"


def enumeration(items: Sequence[str]) -> str:
    """``a, b et c``."""
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} et {items[-1]}"


def plural(count: int, singular: str, many: str | None = None) -> str:
    """``0 réserve``, ``1 réserve``, ``2 réserves``: in French, zero and one are singular."""
    return f"{count} {singular if abs(count) <= 1 else many or singular + 's'}"


def hours(elapsed: float) -> str:
    """``45,2 h``, rounded down: a notice is never said to be longer than it was."""
    return f"{math.floor(elapsed * 10) / 10:.1f} h".replace(".", ",").replace(",0 ", " ")
