"""Counting time (PROCESS, section 3): the worked examples, and an independent count."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from process.calendar import (
    MILEO,
    PARIS,
    WorkCalendar,
    at,
    elapsed_before,
    elapsed_hours,
    end_of,
    iso_week,
    monday_of,
    paris_day,
    start_of,
)
from process.orders import WorkedDays
from tests.builders import calendar, d, t

METROPOLE = calendar("metropole", "alsace-moselle", "la-reunion", first=2023, last=2033)
ALSACE = calendar("alsace-moselle", mileo="alsace-moselle", first=2023, last=2033)
ORACLE = holidays.country_holidays("FR", years=range(2023, 2034), language="fr")
EVERYWHERE = (MILEO, "alsace-moselle", "la-reunion")

some_day = st.dates(date(2024, 1, 1), date(2031, 12, 31))
some_jo = st.integers(0, 60)


def oracle_is_worked(day: date) -> bool:
    return day.weekday() < 5 and day not in ORACLE


def oracle_add(day: date, count: int) -> date:
    """Walk forward, one finger a worked day."""
    while count:
        day += timedelta(days=1)
        count -= oracle_is_worked(day)
    return day


def oracle_back(day: date, count: int) -> date:
    """The naive notice: walk backward, one finger a worked day."""
    while count:
        day -= timedelta(days=1)
        count -= oracle_is_worked(day)
    return day


# The worked examples of PROCESS section 3


@pytest.mark.parametrize(
    ("signed", "due"),
    [
        ("2025-04-18", "2025-05-06"),
        ("2026-04-30", "2026-05-19"),
        ("2026-12-18", "2027-01-05"),
        ("2027-03-25", "2027-04-09"),
    ],
)
def test_kickoff_ten_jours_ouvres_after_the_signature(signed: str, due: str) -> None:
    assert METROPOLE.add(d(signed), 10) == d(due)


def test_kickoff_when_mileo_itself_is_in_alsace_moselle() -> None:
    assert ALSACE.add(d("2027-03-25"), 10) == d("2027-04-12")


@pytest.mark.parametrize(
    ("held", "due"), [("2026-05-11", "2026-05-18"), ("2026-11-06", "2026-11-12")]
)
def test_audit_five_calendar_days_after_the_kickoff(held: str, due: str) -> None:
    assert METROPOLE.add_calendar_days(d(held), 5) == d(due)


def test_doe_twenty_jours_ouvres_after_the_effective_date() -> None:
    assert METROPOLE.add(d("2026-04-24"), 20) == d("2026-05-28")


def test_activation_leaves_the_full_notice() -> None:
    day = METROPOLE.first_with_notice(d("2026-09-14"), d("2026-09-14"), 5, (MILEO,))
    assert day == d("2026-09-21")


def test_interview_thirty_calendar_days_after_the_activation() -> None:
    assert METROPOLE.add_calendar_days(d("2026-04-01"), 30) == d("2026-05-04")


def test_seventy_two_hours_when_the_clocks_go_forward() -> None:
    due = elapsed_before(t("2026-03-30 08:00"), 72)
    assert (due, due.isoformat()) == (t("2026-03-27 07:00"), "2026-03-27T07:00:00+01:00")


def test_seventy_two_hours_when_the_clocks_go_back() -> None:
    due = elapsed_before(t("2026-10-26 08:00"), 72)
    assert (due, due.isoformat()) == (t("2026-10-23 09:00"), "2026-10-23T09:00:00+02:00")


# Against an independent count


@given(some_day)
def test_a_worked_day_is_monday_to_friday_without_holiday(day: date) -> None:
    assert METROPOLE.is_worked(day) == oracle_is_worked(day)


@given(some_day, some_jo)
def test_a_forward_delay_in_jours_ouvres(day: date, count: int) -> None:
    assert METROPOLE.add(day, count) == oracle_add(day, count)


@given(some_day, st.integers(0, 90))
def test_a_calendar_delay_ends_on_a_worked_day_or_moves_to_the_next(day: date, count: int) -> None:
    end = METROPOLE.add_calendar_days(day, count)
    naive = day + timedelta(days=count)
    assert oracle_is_worked(end)
    assert end >= naive
    assert not any(oracle_is_worked(naive + timedelta(n)) for n in range((end - naive).days))


@given(some_day, some_jo)
def test_a_backward_delay_never_moves_later(day: date, count: int) -> None:
    limit = METROPOLE.subtract(day, count)
    assert limit <= oracle_back(day, count)
    assert oracle_is_worked(limit)
    if oracle_is_worked(day):
        assert limit == oracle_back(day, count)


@given(some_day, some_jo)
def test_a_backward_delay_leaves_that_many_jours_ouvres(day: date, count: int) -> None:
    # From the limit, counting forward, the delay is over at the event at the latest.
    assert METROPOLE.add(METROPOLE.subtract(day, count), count) <= day


@given(some_day, some_jo, st.sampled_from([(MILEO,), EVERYWHERE]))
def test_more_calendars_never_give_less_time(day: date, count: int, names: tuple[str, ...]) -> None:
    assert METROPOLE.add(day, count, names) >= METROPOLE.add(day, count)
    assert METROPOLE.subtract(day, count, names) <= METROPOLE.subtract(day, count)


@given(some_day, st.integers(-20, 40), st.integers(1, 10), st.sampled_from([(MILEO,), EVERYWHERE]))
def test_activation_is_the_first_day_with_the_full_notice(
    wanted: date, given_before: int, count: int, names: tuple[str, ...]
) -> None:
    notice = wanted - timedelta(days=given_before)
    day = METROPOLE.first_with_notice(wanted, notice, count, names)
    assert day >= wanted
    assert METROPOLE.subtract(day, count, names) >= notice  # sufficient
    if day > wanted:  # minimal
        assert METROPOLE.subtract(day - timedelta(days=1), count, names) < notice


@given(some_day, some_day)
def test_counting_jours_ouvres_between_two_days(a: date, b: date) -> None:
    first, last = sorted((a, b))
    last = min(last, first + timedelta(days=200))
    expected = sum(oracle_is_worked(first + timedelta(n + 1)) for n in range((last - first).days))
    assert METROPOLE.count(first, last) == expected
    assert METROPOLE.count(last, first) == -expected


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2031, 1, 1)),  # noqa: DTZ001 - made aware below
    st.integers(1, 500),
    st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Martinique", "UTC"]),
)
def test_hours_are_elapsed_hours_whatever_the_clocks_do(
    naive: datetime, hours: int, zone: str
) -> None:
    start = naive.replace(tzinfo=ZoneInfo(zone))
    due = elapsed_before(start, hours)
    assert due.astimezone(UTC) == start.astimezone(UTC) - timedelta(hours=hours)
    assert due.tzinfo == start.tzinfo
    assert elapsed_hours(due, start) == hours


# Days, instants, weeks


@pytest.mark.parametrize(
    ("day", "written"),
    [
        ("2026-01-15", "2026-01-15T23:59:59+01:00"),
        ("2026-07-15", "2026-07-15T23:59:59+02:00"),
        ("2026-03-29", "2026-03-29T23:59:59+02:00"),  # the clocks went forward that night
        ("2026-10-25", "2026-10-25T23:59:59+01:00"),  # and back that one
        ("2028-02-29", "2028-02-29T23:59:59+01:00"),
    ],
)
def test_a_limit_falls_due_at_the_last_second_of_its_day_in_paris(day: str, written: str) -> None:
    assert end_of(d(day)).isoformat() == written


@given(some_day)
def test_the_last_second_of_a_day_comes_before_the_next_day(day: date) -> None:
    assert elapsed_hours(end_of(day), start_of(day + timedelta(days=1))) == pytest.approx(1 / 3600)
    assert paris_day(start_of(day)) == paris_day(end_of(day)) == day


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-16T23:30:00+00:00", "2026-03-17"),
        ("2026-07-15T22:00:00+00:00", "2026-07-16"),
        ("2026-03-17T02:30:00+04:00", "2026-03-16"),
        ("2026-12-31T20:00:00-04:00", "2027-01-01"),
    ],
)
def test_the_date_of_an_instant_is_its_date_in_paris(instant: str, day: str) -> None:
    assert paris_day(datetime.fromisoformat(instant)) == d(day)


def test_an_hour_of_a_day_is_that_hour_in_paris() -> None:
    assert at(d("2026-01-05"), time(9)).isoformat() == "2026-01-05T09:00:00+01:00"
    assert at(d("2026-07-06"), time(9)).isoformat() == "2026-07-06T09:00:00+02:00"


@pytest.mark.parametrize(
    ("day", "week", "monday"),
    [
        ("2026-03-30", "2026-W14", "2026-03-30"),
        ("2027-01-01", "2026-W53", "2026-12-28"),
        ("2024-12-30", "2025-W01", "2024-12-30"),
        ("2026-01-04", "2026-W01", "2025-12-29"),
    ],
)
def test_iso_weeks_across_year_ends(day: str, week: str, monday: str) -> None:
    assert iso_week(d(day)) == week
    assert monday_of(week) == d(monday)


@given(some_day)
def test_the_monday_of_the_week_of_a_day(day: date) -> None:
    assert monday_of(iso_week(day)) == day - timedelta(days=day.weekday())


# The calendar is recorded data


def test_a_count_beyond_the_recorded_years_goes_on_and_says_so() -> None:
    small = WorkCalendar(
        WorkedDays(first_year=2026, last_year=2026, closed={MILEO: ["2026-12-25"]})
    )
    assert small.add(d("2026-12-01"), 3) == d("2026-12-04")
    assert small.subtract(d("2026-01-02"), 3) == d("2025-12-30")
    assert small.missed is None, "later years alone can be read"
    assert small.add(d("2026-12-24"), 300) == d("2028-02-18")
    assert small.missed == 2028
    small.missed = None
    assert small.is_worked(d("2027-01-04"))
    assert small.missed == 2027
    assert small.worked_from(d("2029-06-02")) == d("2029-06-04")
    assert small.count(d("2026-12-31"), d("2030-01-02")) == 784
    assert small.missed == 2030


def test_settings_open_and_close_days() -> None:
    days = WorkCalendar(
        WorkedDays(
            first_year=2026,
            last_year=2026,
            closed={MILEO: ["2026-05-15", "2026-05-25"]},
            opened={MILEO: ["2026-05-25", "2026-05-30"]},
        )
    )
    assert not days.is_worked(d("2026-05-15"))  # a bridge
    assert days.is_worked(d("2026-05-25"))  # Whit Monday worked
    assert days.is_worked(d("2026-05-30"))  # a Saturday worked
    assert days.is_holiday(d("2026-05-15"), MILEO)
    assert not days.is_holiday(d("2026-05-25"), MILEO)
    assert not days.is_holiday(d("2026-05-16"), MILEO)  # a weekend is no holiday


def test_the_days_of_later_years_leave_the_recorded_ones_as_they_were() -> None:
    recorded = WorkedDays(first_year=2025, last_year=2026, closed={MILEO: ["2026-05-01"]})
    read_later = WorkedDays(
        first_year=2026,
        last_year=2028,
        closed={MILEO: ["2026-06-02", "2027-05-01"], "mayotte": ["2026-04-27", "2027-04-27"]},
        opened={MILEO: ["2028-05-01"]},
    )
    joined = recorded.and_later(read_later)
    assert (joined.first_year, joined.last_year) == (2025, 2028)
    assert joined.closed[MILEO] == ["2026-05-01", "2027-05-01"]
    assert joined.closed["mayotte"] == ["2027-04-27"]
    assert joined.opened == {MILEO: ["2028-05-01"]}
    assert WorkCalendar(joined).is_worked(d("2026-06-02"))
    assert PARIS.key == "Europe/Paris"
