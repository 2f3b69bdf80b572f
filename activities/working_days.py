"""Which days are worked, as data (PROCESS, sections 3.5 and 3.6).

The public holidays come from the ``holidays`` library, the rest from the settings. Read by an
activity and recorded in the run: a newer library never moves an announced limit.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, cast, get_args

import holidays
from dateutil.easter import easter

from process import french
from process.calendar import MILEO
from process.orders import WorkedDays
from process.vocabulary import Zone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from settings import CalendarSettings


_Rule = tuple[int, int] | int
"""A holiday of the law: month and day, or how many days after Easter."""

_NATIONAL: Final[tuple[_Rule, ...]] = (
    (1, 1),
    1,
    (5, 1),
    (5, 8),
    39,
    50,
    (7, 14),
    (8, 15),
    (11, 1),
    (11, 11),
    (12, 25),
)
"""The eleven national holidays (Code du travail, L3133-1)."""


class _Own(NamedTuple):
    """What a zone adds to the national holidays."""

    subdivision: str
    names: frozenset[str]
    rules: tuple[_Rule, ...]


def _abolition(subdivision: str, month: int, day: int) -> _Own:
    return _Own(subdivision, frozenset({"Abolition de l'esclavage"}), ((month, day),))


_OWN: Final[dict[Zone, _Own]] = {
    "alsace-moselle": _Own("57", frozenset({"Vendredi saint", "Saint-Étienne"}), (-2, (12, 26))),
    "guadeloupe": _abolition("971", 5, 27),
    "martinique": _abolition("972", 5, 22),
    "guyane": _abolition("973", 6, 10),
    "la-reunion": _abolition("974", 12, 20),
    "mayotte": _abolition("976", 4, 27),
    "saint-barthelemy": _abolition("BL", 10, 9),
    "saint-martin": _abolition("MF", 5, 28),
}
"""The statutory holidays of each zone (Code du travail, L3134-13 and L3422-2), by the names of
the library, and their days in the law. It also knows customary days overseas (Good Friday,
Mi-Carême, 21 July): those are the settings' to add, company by company."""


def lawful_holidays(zone: Zone, year: int) -> set[date]:
    """The statutory public holidays of a zone in a year, by the law as we know it."""
    own = _OWN.get(zone)
    rules = (*_NATIONAL, *(own.rules if own else ()))
    return {
        easter(year) + timedelta(days=rule) if isinstance(rule, int) else date(year, *rule)
        for rule in rules
    }


def public_holidays(zone: Zone, year: int) -> set[date]:
    """The same, as the library gives them. Raises whatever it raises."""
    national = holidays.country_holidays("FR", years=year, language="fr")
    found = set(national)
    if own := _OWN.get(zone):
        local = holidays.country_holidays("FR", own.subdivision, years=year, language="fr")
        found |= {day for day in local if own.names.intersection(local.get_list(day))}
    return {day for day in found if day.year == year}


def _doubt(zone: Zone, year: int) -> tuple[set[date], str | None]:
    """What the library gives, and how it differs from the law as we know it, in French."""
    known = lawful_holidays(zone, year)
    try:
        found = public_holidays(zone, year)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, no onboarding may wait
        return known, f"la bibliothèque ne répond pas ({type(error).__name__})"
    more = [f"{french.full_date(day)} en plus" for day in sorted(found - known)]
    fewer = [f"{french.full_date(day)} en moins" for day in sorted(known - found)]
    return found, ", ".join(more + fewer) or None


def read_worked_days(
    zones: Iterable[str], first_year: int, last_year: int, calendar: CalendarSettings
) -> WorkedDays:
    """The calendar of Mileo and of each of these zones, for these years, both included.

    Where the library no longer gives the holidays that we know, the setting ``unusual_holidays``
    says which count: those of the law as we know it, a person being told (``ask``) or not
    (``law``), or the library's own (``library``).

    Raises ``ValueError`` for an unknown zone or years in the wrong order.
    """
    wanted = sorted(set(zones))
    if unknown := [zone for zone in wanted if zone not in get_args(Zone)]:
        message = f"zone inconnue : {', '.join(unknown)}"
        raise ValueError(message)
    if first_year > last_year:
        message = f"années dans le désordre : {first_year}, {last_year}"
        raise ValueError(message)
    years = range(first_year, last_year + 1)
    doubts: dict[int, list[str]] = {}

    def public(zone: Zone, year: int) -> set[date]:
        found, doubt = _doubt(zone, year)
        if doubt is None or calendar.unusual_holidays == "library":
            return found
        told = f"zone {zone} : {doubt}"
        if calendar.unusual_holidays == "ask" and told not in doubts.setdefault(year, []):
            doubts[year].append(told)
        return lawful_holidays(zone, year)

    def closed(zone: Zone, more: Iterable[date]) -> list[str]:
        days = {day for year in years for day in public(zone, year)}
        return _written({*days, *more}, years)

    closed_days = {MILEO: closed(calendar.mileo_zone, calendar.mileo_closed_days)}
    opened_days = {MILEO: _written(calendar.mileo_open_days, years)}
    for zone in cast("list[Zone]", wanted):
        closed_days[zone] = closed(zone, calendar.site_closed_days.get(zone, ()))
        opened_days[zone] = _written(calendar.site_open_days.get(zone, ()), years)
    return WorkedDays(
        first_year=first_year,
        last_year=last_year,
        closed=closed_days,
        opened={name: days for name, days in opened_days.items() if days},
        doubts={year: _told(year, lines) for year, lines in doubts.items()},
    )


def _told(year: int, lines: list[str]) -> str:
    return (
        f"Jours fériés de {year} différents de ceux de la loi connue ({' ; '.join(lines)}) : les "
        "jours connus sont appliqués. Suivre la bibliothèque, ou s'en tenir là, est à décider "
        "(ONBOARDING_UNUSUAL_HOLIDAYS), puis l'année peut être relue"
    )


def _written(days: Iterable[date], years: range) -> list[str]:
    return [day.isoformat() for day in sorted(days) if day.year in years]
