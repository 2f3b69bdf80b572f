"""The two days of the year on which the clocks change, and who forgets that they did."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest

from activities.mails.texts import _slot
from process import french, offsets, rules
from process.calendar import PARIS, at, paris
from process.policy import Policy
from tests.builders import Case, Payload, contract, d, iso, phase, t
from workflows.intake import Intake
from workflows.page import _last_facts

SPRING, AUTUMN = d("2027-03-28"), d("2027-10-31")

# The hour that comes twice, and the one that never comes


def test_of_the_hour_that_comes_twice_the_text_says_which() -> None:
    first, second = (f"2027-10-31T02:30:00{offset}" for offset in ("+02:00", "+01:00"))
    assert french.hour(datetime.fromisoformat(first)) == "2\u00a0h\u00a030 (heure d'été)"
    assert french.hour(datetime.fromisoformat(second)) == "2\u00a0h\u00a030 (heure d'hiver)"
    again = paris(datetime(2027, 10, 31, 1, 30, tzinfo=UTC))
    assert (
        french.full_instant(again) == "dimanche 31 octobre 2027 à 2\u00a0h\u00a030 (heure d'hiver)"
    )
    assert _slot(first, second) == (
        "dimanche 31 octobre 2027, de 2\u00a0h\u00a030 (heure d'été) à 2\u00a0h\u00a030 (heure d'hiver)"
    )
    for written in (
        "2027-10-31T03:00:00+01:00",
        "2027-10-31T01:59:00+02:00",
        "2027-10-30T02:30:00+02:00",
        "2027-10-31T02:30:00-04:00",
        "2027-03-28T03:30:00+02:00",
        "2027-10-31T02:30:00",
    ):
        assert "heure d" not in french.hour(datetime.fromisoformat(written))


def test_an_hour_between_two_and_three_is_one_instant_on_both_days() -> None:
    hour = time(2, 30)
    assert at(SPRING, hour) == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert at(SPRING, hour).isoformat() == "2027-03-28T03:30:00+02:00", "an hour that clocks show"
    assert at(AUTUMN, hour).astimezone(UTC) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    for day in (SPRING, AUTUMN):
        instants = [at(day, time(h, m)) for h in range(24) for m in (0, 59)]
        assert [one.astimezone(UTC) for one in sorted(instants)] == sorted(
            one.astimezone(UTC) for one in instants
        )


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_reminders_between_two_and_three_come_once_a_day(day: Any) -> None:
    """On a Sunday that is worked, as Mileo's settings allow."""
    case = Case(policy=Policy(reminder_hour=time(2, 30)))
    o = case.o
    vars(o.calendar)["_opened"] = {"mileo": frozenset({day})}
    vars(o.calendar)["_listed"] = {}
    instant = at(day, time(0)).astimezone(UTC)
    rung = o.next_reminder(instant)
    assert rung == at(day, time(2, 30)) or rung.astimezone(UTC) == at(day, time(2, 30)).astimezone(
        UTC
    )
    # Whatever the clock on which the instant is said.
    for minutes in range(0, 6 * 60, 10):
        after = instant + timedelta(minutes=minutes)
        for clock in (UTC, PARIS, timezone(timedelta(hours=2))):
            following = o.next_reminder(after.astimezone(clock))
            assert following.astimezone(UTC) > after
            expected = rung if after < rung.astimezone(UTC) else at(following.date(), time(2, 30))
            assert following.astimezone(UTC) == expected.astimezone(UTC)


NIGHT = {"id": "P1", "title": "Bascule", "site": "ANGERS", "works": ["Bascule"]}


@pytest.mark.parametrize(
    ("name", "payload", "ends", "path"),
    [
        ("phase_planned", NIGHT, "ends_at", ""),
        ("kickoff_held", {"held_on": "2027-10-01", "attendees": ["A"], "phases": [NIGHT]}, "ends_at", "phases[0]"),
        ("training_planned", {"site": "ANGERS", "trainer": "A", "trainees": ["B"]}, "ends_at", ""),
        ("interview_planned", {}, "ends_at", ""),
        ("presentation_planned", {}, "ends_at", ""),
        ("deviation_declared", {"phase": "P1", "cause": "Pluie", "measures": ["Bâche"]}, "new_ends_at", ""),
    ],
)  # fmt: skip
def test_an_end_before_its_start_is_refused_in_the_hour_that_comes_twice(
    name: str, payload: Payload, ends: str, path: str
) -> None:
    starts = ends.replace("ends", "starts")
    first, second = "2027-10-31T02:30:00+02:00", "2027-10-31T02:15:00+01:00"

    def given(start: str, end: str) -> Payload:
        slot = {starts: start, ends: end}
        return payload | ({"phases": [NIGHT | slot]} if path else slot)

    case = Case(contract(signed_at="2027-09-20T10:00:00+02:00"))
    rules.read(
        name, (given(first, second),)
    )  # Shown as 2:30 to 2:15, and three quarters of an hour.
    for wrong in (given(second, first), given(first, first)):
        told = case.refused(name, "2027-09-21 10:00", **wrong)
        assert f"{ends}" in told
        assert "doit suivre" in told


def test_a_deviation_does_not_end_before_the_phase_that_it_moves() -> None:
    case = Case().kickoff(phase())
    told = {"phase": "P1", "cause": "Pluie", "measures": ["Bâche"]}
    assert (
        case.refused(
            "deviation_declared", "2026-04-01 10:00", **told, new_ends_at=iso("2026-04-12 18:00")
        )
        == "new_ends_at : doit suivre le début de la phase P1"
    )
    case.judge(
        "deviation_declared", "2026-04-01 10:00", **told, new_ends_at=iso("2026-04-16 18:00")
    )


# The offset of the other season

NOW = t("2026-04-01 10:00")


def test_an_offset_of_the_other_season_is_told_with_the_hour_understood() -> None:
    case = Case().kickoff(phase())
    intake = Intake(case.o)
    wrong = phase() | {
        "starts_at": "2026-04-13T08:00:00+01:00", "ends_at": "2026-04-13T23:30:00+01:00"
    }  # fmt: skip
    answer = intake.take("phase_planned", [wrong], NOW)
    assert (answer.outcome, answer.message) == (
        "accepted",
        (
            "Accepté. Attention : starts_at 2026-04-13T08:00:00+01:00, soit 9\u00a0h à Angers : "
            "décalage d'été attendu ; ends_at 2026-04-13T23:30:00+01:00, soit 0\u00a0h\u00a030 "
            "le mardi 14 avril 2026 à Angers : décalage d'été attendu."
        ),
    )
    assert intake.take("phase_planned", [wrong], NOW).message.startswith(
        "Déjà connu : rien ne change. Att"
    )
    page = "\n".join(_last_facts(case.o))
    assert "soit 9 h à Angers : décalage d'été attendu" in page


@pytest.mark.parametrize(
    ("starts_at", "told"),
    [
        ("2026-12-03T14:00:00+02:00", "soit 13\u00a0h à Paris : décalage d'hiver attendu"),
        ("2026-07-03T14:30:00+01:00", "soit 15\u00a0h\u00a030 à Paris : décalage d'été attendu"),
        ("2026-12-03T14:00:00+01:00", None),
        ("2026-07-03T14:00:00+02:00", None),
        ("2026-07-03T12:00:00Z", None),
        ("2026-07-03T14:00:00-04:00", None),
        # In the hour that comes twice, both are right.
        ("2026-10-25T02:30:00+02:00", None),
        ("2026-10-25T02:30:00+01:00", None),
    ],
)
def test_only_the_other_season_is_told(starts_at: str, told: str | None) -> None:
    case = Case()
    planned = {"starts_at": starts_at, "place": "Siège"}
    fact, _ = rules.read("kickoff_planned", (planned,))
    assert offsets.slips(case.o, fact) == ([f"starts_at {starts_at}, {told}"] if told else [])
    correction = {"fact": "kickoff_planned", "payload": planned, "by": "A", "reason": "B"}
    fact, _ = rules.read("fact_corrected", (correction,))
    assert offsets.slips(case.o, fact) == (
        [f"payload.starts_at {starts_at}, {told}"] if told else []
    )


@pytest.mark.parametrize(
    ("site", "where"),
    [
        ({"address": "1 rue A\n72000 Le Mans"}, "au Mans"),
        ({"address": "1 rue A, 49000 Angers", "name": "Siège"}, None),
        ({"address": "3 quai B\n13000 Les Baux"}, "aux Baux"),
        ({"address": "49000 Angers", "name": "Siège"}, "à Angers"),
        ({"zone": "la-reunion"}, None),
        ({"zone": "la-reunion", "timezone": "Europe/Paris"}, "à Angers"),
    ],
)
def test_the_clock_is_that_of_the_site(site: dict[str, str], where: str | None) -> None:
    sites = [contract()["sites"][0] | site]
    case = Case(contract(sites=sites)).kickoff(phase(starts="2026-04-13 08:00"))
    done = {"id": "P1", "completed_at": "2026-04-13T18:00:00+01:00"}
    fact, _ = rules.read("phase_completed", (done,))
    found = offsets.slips(case.o, fact)
    if where is None and "zone" in site:
        assert found == []
    else:
        assert f"soit 19\u00a0h {where or 'à Angers'} :" in found[0]
