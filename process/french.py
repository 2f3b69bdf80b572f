"""Dates, hours and lists as a French reader expects them ("mardi 6 mai 2025", "9 h 05")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

_PARIS: Final = ZoneInfo("Europe/Paris")
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
    """``9 h 05``, in the offset the instant carries, with no-break spaces; of the hour that comes
    twice, which one: ``2 h 30 (heure d'été)``."""
    return f"{instant.hour}\u00a0h\u00a0{instant.minute:02d}{_which(instant)}"


def short_hour(instant: datetime) -> str:
    """``9 h``, ``9 h 05``."""
    return hour(instant) if instant.minute else f"{instant.hour}\u00a0h{_which(instant)}"


def _which(instant: datetime) -> str:
    """Nothing, except in the hour that the clocks show twice: those of its own zone, or of Paris
    where it only has an offset."""
    if instant.tzinfo is None:
        return ""
    local = instant.astimezone(instant.tzinfo if isinstance(instant.tzinfo, ZoneInfo) else _PARIS)
    seasons = {local.replace(fold=fold).utcoffset() for fold in (0, 1)}
    if local.utcoffset() != instant.utcoffset() or len(seasons) == 1:
        return ""
    return " (heure d'été)" if local.dst() else " (heure d'hiver)"


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
