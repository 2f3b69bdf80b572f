"""Which days are worked, as data (PROCESS, sections 3.5 and 3.6).

The public holidays come from the ``holidays`` library, the rest from the settings. Read by an
activity and recorded in the run: a newer library never moves an announced limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast, get_args

import holidays

from process.calendar import MILEO
from process.orders import WorkedDays
from process.vocabulary import Zone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from settings import CalendarSettings


class _Own(NamedTuple):
    """What a zone adds to the eleven national holidays."""

    subdivision: str
    names: frozenset[str]


_ABOLITION: Final = frozenset({"Abolition de l'esclavage"})
_OWN: Final[dict[Zone, _Own]] = {
    "alsace-moselle": _Own("57", frozenset({"Vendredi saint", "Saint-Étienne"})),
    "guadeloupe": _Own("971", _ABOLITION),
    "martinique": _Own("972", _ABOLITION),
    "guyane": _Own("973", _ABOLITION),
    "la-reunion": _Own("974", _ABOLITION),
    "mayotte": _Own("976", _ABOLITION),
    "saint-barthelemy": _Own("BL", _ABOLITION),
    "saint-martin": _Own("MF", _ABOLITION),
}
"""The statutory holidays of each zone (Code du travail, L3134-13 and L3422-2), by the names of
the library. It also knows customary days overseas (Good Friday, Mi-Carême, 21 July): those are
the settings' to add, company by company."""

_NATIONAL_HOLIDAYS: Final = 11


def public_holidays(zone: Zone, year: int) -> list[date]:
    """The statutory public holidays of a zone in a year, in order.

    Raises ``LookupError`` when the library no longer knows one of them: a limit computed with a
    holiday too few would be wrong without a sign.
    """
    national = holidays.country_holidays("FR", years=year, language="fr")
    found = set(national)
    names = {name for day in national for name in national.get_list(day)}
    missing = _NATIONAL_HOLIDAYS - len(names)
    if own := _OWN.get(zone):
        local = holidays.country_holidays("FR", own.subdivision, years=year, language="fr")
        kept = {day: own.names.intersection(local.get_list(day)) for day in local}
        found |= {day for day, names in kept.items() if names}
        missing += len(own.names - frozenset().union(*kept.values()))
    if missing > 0:
        message = f"jours fériés incomplets dans la bibliothèque holidays : {zone}, {year}"
        raise LookupError(message)
    return sorted(found)


def read_worked_days(
    zones: Iterable[str], first_year: int, last_year: int, calendar: CalendarSettings
) -> WorkedDays:
    """The calendar of Mileo and of each of these zones, for these years, both included.

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

    def closed(zone: Zone, more: Iterable[date]) -> list[str]:
        days = {day for year in years for day in public_holidays(zone, year)}
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
    )


def _written(days: Iterable[date], years: range) -> list[str]:
    return [day.isoformat() for day in sorted(days) if day.year in years]
