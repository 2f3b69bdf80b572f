"""Which days are worked: the statutory holidays of each zone, and the settings."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_args

import holidays
import pytest

from activities.working_days import public_holidays, read_worked_days
from process.vocabulary import Zone
from settings import CalendarSettings

YEARS = range(2025, 2033)


def easter(year: int) -> date:
    """Meeus, Jones and Butcher: independent of the library."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def national(year: int) -> set[date]:
    fixed = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)]
    moving = [1, 39, 50]  # Easter Monday, Ascension, Whit Monday
    return {date(year, month, day) for month, day in fixed} | {
        easter(year) + timedelta(days=days) for days in moving
    }


OWN: dict[Zone, tuple[int, int] | None] = {
    "metropole": None,
    "guadeloupe": (5, 27),
    "martinique": (5, 22),
    "guyane": (6, 10),
    "la-reunion": (12, 20),
    "mayotte": (4, 27),
    "saint-barthelemy": (10, 9),
    "saint-martin": (5, 28),
}


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("zone", get_args(Zone))
def test_only_the_statutory_holidays(zone: Zone, year: int) -> None:
    if zone == "alsace-moselle":
        own = {easter(year) - timedelta(days=2), date(year, 12, 26)}
    else:
        abolition = OWN[zone]
        own = {date(year, *abolition)} if abolition else set()
    assert public_holidays(zone, year) == sorted(national(year) | own)


def test_two_holidays_on_one_day_are_both_seen() -> None:
    # 22 May 2051 in Martinique is both the abolition day and Whit Monday.
    assert easter(2051) + timedelta(days=50) == date(2051, 5, 22)
    assert set(public_holidays("martinique", 2051)) == national(2051)


def test_a_library_that_forgets_a_holiday_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = holidays.country_holidays

    def poorer(*arguments: str, **options: object) -> holidays.HolidayBase:
        found = whole(*arguments, **options)  # type: ignore[arg-type]
        for day in (date(2026, 5, 27), date(2027, 7, 14)):
            if day.year in found.years and day in found:  # `in` reads a further year
                found.pop(day)
        return found

    monkeypatch.setattr(holidays, "country_holidays", poorer)
    with pytest.raises(LookupError, match="guadeloupe, 2026"):
        public_holidays("guadeloupe", 2026)
    with pytest.raises(LookupError, match="metropole, 2027"):
        public_holidays("metropole", 2027)


def test_the_calendar_of_mileo_and_of_each_zone() -> None:
    days = read_worked_days(
        ["guadeloupe", "metropole", "guadeloupe"], 2026, 2027, CalendarSettings()
    )
    assert (days.first_year, days.last_year) == (2026, 2027)
    assert list(days.closed) == ["mileo", "guadeloupe", "metropole"]
    assert days.closed["mileo"] == days.closed["metropole"]
    assert len(days.closed["mileo"]) == 22
    assert set(days.closed["guadeloupe"]) - set(days.closed["mileo"]) == {
        "2026-05-27",
        "2027-05-27",
    }
    assert days.opened == {}


def test_what_the_settings_add_and_remove() -> None:
    calendar = CalendarSettings(
        mileo_zone="alsace-moselle",
        mileo_closed_days=frozenset({date(2026, 5, 15), date(2031, 5, 2)}),
        mileo_open_days=frozenset({date(2026, 5, 25)}),
        site_closed_days={"guadeloupe": frozenset({date(2026, 4, 3)})},
        site_open_days={"guyane": frozenset({date(2026, 6, 10)})},
    )
    days = read_worked_days(["guadeloupe", "guyane"], 2026, 2026, calendar)
    assert {"2026-04-03", "2026-12-26", "2026-05-15"} <= set(days.closed["mileo"])
    assert "2031-05-02" not in days.closed["mileo"]
    assert "2026-04-03" in days.closed["guadeloupe"]
    assert "2026-05-15" not in days.closed["guadeloupe"]
    assert days.opened == {"mileo": ["2026-05-25"], "guyane": ["2026-06-10"]}


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="zone inconnue : corse"):
        read_worked_days(["corse", "metropole"], 2026, 2026, CalendarSettings())
    with pytest.raises(ValueError, match="années dans le désordre"):
        read_worked_days([], 2027, 2026, CalendarSettings())
