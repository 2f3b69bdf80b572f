"""Which days are worked: the statutory holidays of each zone, and the settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import get_args

import holidays
import pytest

from activities.working_days import lawful_holidays, public_holidays, read_worked_days
from process.orders import WorkedDays
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
    assert public_holidays(zone, year) == lawful_holidays(zone, year) == national(year) | own


def test_two_holidays_on_one_day_are_both_seen() -> None:
    # 22 May 2051 in Martinique is both the abolition day and Whit Monday.
    assert easter(2051) + timedelta(days=50) == date(2051, 5, 22)
    assert public_holidays("martinique", 2051) == national(2051)


Answer = Callable[[int, "set[date]"], None]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Have the library answer otherwise than the law says: ``answer`` changes its days of a year."""
    whole = holidays.country_holidays

    def plant(answer: Answer) -> None:
        def changed(
            country: str, subdivision: str | None = None, *, years: int, language: str
        ) -> holidays.HolidayBase:
            found = whole(country, subdivision, years=years, language=language)
            days = set(found)
            answer(years, days)
            for day in set(found) - days:
                found.pop(day)
            for day in days - set(found):
                found[day] = "Journée nouvelle"
            return found

        monkeypatch.setattr(holidays, "country_holidays", changed)

    return plant


def ten_then_twelve(year: int, days: set[date]) -> None:
    """A national holiday fewer in 2027, one more in 2028, and Guadeloupe forgotten in 2026."""
    days -= {date(2026, 5, 27), date(2027, 7, 14)}
    if year == 2028:
        days.add(date(2028, 3, 8))


LAW = {"2026-05-27", "2027-05-27", "2028-05-27", "2027-07-14"}


def test_a_holiday_more_or_less_is_a_person_s_to_decide(
    library: Callable[[Answer], None],
) -> None:
    library(ten_then_twelve)

    def read(unusual: str) -> WorkedDays:
        settings = CalendarSettings.model_validate({"unusual_holidays": unusual})
        return read_worked_days(["guadeloupe"], 2025, 2028, settings)

    asked = read("ask")
    assert set(asked.closed["guadeloupe"]) >= LAW
    assert "2028-03-08" not in asked.closed["mileo"], "the last rule known holds"
    assert sorted(asked.doubts) == [2026, 2027, 2028]
    assert "zone guadeloupe : mercredi 27 mai 2026 en moins" in asked.doubts[2026]
    assert "zone metropole : mercredi 14 juillet 2027 en moins" in asked.doubts[2027]
    assert "mercredi 8 mars 2028 en plus" in asked.doubts[2028]

    law = read("law")
    assert (law.closed, law.doubts) == (asked.closed, {})

    followed = read("library")
    assert followed.doubts == {}
    assert not LAW - {"2027-05-27", "2028-05-27"} & set(followed.closed["guadeloupe"])
    assert "2028-03-08" in followed.closed["mileo"]


def test_a_library_that_does_not_answer_stops_nobody(library: Callable[[Answer], None]) -> None:
    def broken(_year: int, _days: set[date]) -> None:
        raise NotImplementedError

    library(broken)
    days = read_worked_days(["martinique"], 2031, 2031, CalendarSettings())
    assert set(days.closed["martinique"]) == {
        day.isoformat() for day in lawful_holidays("martinique", 2031)
    }
    assert "ne répond pas" in days.doubts[2031]


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
