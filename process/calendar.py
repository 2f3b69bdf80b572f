"""Counting time as PROC-CRM-003 does (PROCESS, section 3), over recorded worked days.

A limit in days is the last second of its last day in Paris; hours are elapsed hours. The
days worked are data (``WorkedDays``), read once by an activity: a newer holiday library
never moves an announced limit. Beyond the years that were read a count goes on, Monday to Friday,
so that no look ever fails on what was accepted; the calendar then tells which year it missed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from copy import copy
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from process.contract import Site
from process.orders import WorkedDays

PARIS: Final = ZoneInfo("Europe/Paris")
MILEO: Final = "mileo"
_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


def paris(instant: datetime) -> datetime:
    """The same instant on the clocks of Paris."""
    return instant.astimezone(PARIS)


def paris_day(instant: datetime) -> date:
    """The date of an instant is its date in Europe/Paris (PROCESS 3.5)."""
    return paris(instant).date()


def at(day: date, hour: time) -> datetime:
    """That hour of that day in Paris. The hour that is skipped in spring is the one after it, of
    the hour that comes twice in autumn it is the first."""
    # Through UTC: an hour that no clock shows would compare wrongly with those around it.
    return datetime.combine(day, hour, PARIS).astimezone(UTC).astimezone(PARIS)


def end_of(day: date) -> datetime:
    """23:59:59 in Paris: when a limit in days falls due (PROCESS 3.1)."""
    return at(day, time(23, 59, 59))


def start_of(day: date) -> datetime:
    """Midnight in Paris: the instant that stands for a stated date."""
    return at(day, time(0))


def elapsed_before(instant: datetime, hours: float) -> datetime:
    """The instant that many elapsed hours earlier (PROCESS 3.3: computed in UTC)."""
    return (instant.astimezone(UTC) - timedelta(hours=hours)).astimezone(instant.tzinfo)


def elapsed_hours(start: datetime, end: datetime) -> float:
    """Elapsed hours between two instants, whatever the clocks did in between."""
    return (end.astimezone(UTC) - start.astimezone(UTC)) / timedelta(hours=1)


def iso_week(day: date) -> str:
    """``2026-W14``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def monday_of(week: str) -> date:
    """The Monday of an ISO week written ``2026-W14``."""
    return date.fromisocalendar(int(week[:4]), int(week[6:]), 1)


class WorkCalendar:
    """The worked days of Mileo, of the zones of the sites and of the sites that have their own.

    Every count takes ``names``: the calendars on which a day must be worked to count; Mileo's
    alone unless said otherwise.
    """

    def __init__(self, days: WorkedDays) -> None:
        self.recorded = days
        self._first_year = days.first_year
        self._last_year = days.last_year
        self._closed = {name: _dates(tuple(listed)) for name, listed in days.closed.items()}
        self._opened = {name: _dates(tuple(listed)) for name, listed in days.opened.items()}
        self._listed: dict[tuple[str, ...], tuple[date, ...]] = {}
        self._span = days.first_year, days.last_year
        """The years that are listed: those that were read, and those that were guessed."""
        self.missed: int | None = None
        """The latest year that a count reached and that was never read; what was counted there is
        a guess. Whoever looks sets it back before, and has that year read after."""

    def of_sites(self, sites: Iterable[Site]) -> WorkCalendar:
        """The same with the calendar of each site that has days of its own (``Site.calendar``):
        they are in the contract, hence never read again."""
        own = [site for site in sites if site.calendar != site.zone]
        if all(site.calendar in self._closed for site in own):
            return self
        closed, opened = dict(self._closed), dict(self._opened)
        for site in own:
            shut = frozenset(site.closed_days)
            closed[site.calendar] = closed[site.zone] | shut
            opened[site.calendar] = opened.get(site.zone, _NONE) - shut | frozenset(site.open_days)
        made = copy(self)
        vars(made).update(_closed=closed, _opened=opened, _listed={})
        return made

    @property
    def horizon(self) -> tuple[int, int]:
        """The first and last year in which an event may fall: every count from it or towards
        it stays on recorded days."""
        return self._first_year + 1, self._last_year - 1

    def is_worked(self, day: date, names: Collection[str] = (MILEO,)) -> bool:
        """Whether that day counts as a jour ouvré on every calendar named."""
        worked = self._worked(names, day)
        place = bisect_left(worked, day)
        return place < len(worked) and worked[place] == day

    def is_holiday(self, day: date, name: str) -> bool:
        """Whether that calendar is closed that day for a holiday (not for a weekend)."""
        self._reach(day.year)
        return day in self._closed[name] and day not in self._opened.get(name, ())

    def add(self, day: date, jours_ouvres: int, names: Collection[str] = (MILEO,)) -> date:
        """The last day of a forward delay: the day of the event does not count (PROCESS 3.1)."""
        if not jours_ouvres:
            return day
        worked = self._worked(names, day + _DAY)
        last = bisect_right(worked, day) + jours_ouvres - 1
        while last >= len(worked):
            worked = self._worked(names, date(self._span[1] + 1, 1, 1))
        return worked[last]

    def subtract(self, day: date, jours_ouvres: int, names: Collection[str] = (MILEO,)) -> date:
        """The last day of a notice owed before an event; it only moves earlier (PROCESS 3.2)."""
        worked = self._worked(names, day)
        while (first := bisect_right(worked, day) - 1 - jours_ouvres) < 0:
            worked = self._worked(names, date(self._span[0] - 1, 12, 31))
        return worked[first]

    def add_calendar_days(self, day: date, days: int) -> date:
        """The last day of a delay in calendar days: one that ends on a day that is not worked
        moves to the next jour ouvré (PROCESS 3.2)."""
        return self.worked_from(day + days * _DAY)

    def worked_from(self, day: date, names: Collection[str] = (MILEO,)) -> date:
        """That day, or the next worked one."""
        return day if self.is_worked(day, names) else self.add(day, 1, names)

    def count(self, start: date, end: date) -> int:
        """The jours ouvrés after ``start``, up to ``end`` included; negative when it is past."""
        if end < start:
            return -self.count(end, start)
        if end == start:
            return 0
        self._worked((MILEO,), start)
        worked = self._worked((MILEO,), end)
        return bisect_right(worked, end) - bisect_right(worked, start)

    def first_with_notice(
        self, wanted: date, notice_given: date, jours_ouvres: int, names: Collection[str]
    ) -> date:
        """The first day from ``wanted`` on, worked or not, that leaves the full notice
        (PROCESS 3.7)."""
        day = wanted
        while self.subtract(day, jours_ouvres, names) < notice_given:
            day += _DAY
        return day

    def _worked(self, names: Collection[str], day: date) -> tuple[date, ...]:
        """The days worked on these calendars, listed at least as far as that day."""
        self._reach(day.year)
        wanted = tuple(names)
        if wanted not in self._listed:
            kept = frozenset((self._closed[name], self._opened.get(name, _NONE)) for name in wanted)
            self._listed[wanted] = _worked_days(*self._span, kept)
        return self._listed[wanted]

    def _reach(self, year: int) -> None:
        if year > self._last_year:
            self.missed = max(year, self.missed or 0)
        first, last = self._span
        if not first <= year <= last:
            self._span = min(first, year), max(last, year)
            self._listed.clear()


_NONE: Final[frozenset[date]] = frozenset()


@lru_cache(maxsize=256)
def _worked_days(
    first_year: int,
    last_year: int,
    calendars: frozenset[tuple[frozenset[date], frozenset[date]]],
) -> tuple[date, ...]:
    """The days worked on all these calendars (closed, opened), in order; listed once for all the
    onboardings that have the same ones."""
    return tuple(
        day
        for day in days(date(first_year, 1, 1), date(last_year, 12, 31))
        if all(
            day in opened or (day.weekday() < _SATURDAY and day not in closed)
            for closed, opened in calendars
        )
    )


@lru_cache(maxsize=256)
def _dates(days: tuple[str, ...]) -> frozenset[date]:
    return frozenset(date.fromisoformat(day) for day in days)


def days(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last, both included."""
    for n in range((last - first).days + 1):
        yield first + n * _DAY
