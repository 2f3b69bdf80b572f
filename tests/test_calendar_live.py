"""The worked days of a run: read before they are needed, a strange answer is a person's to decide."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import holidays
from temporalio.api.enums.v1 import EventType

from activities.working_days import read_worked_days
from process.calendar import WorkCalendar
from process.french import full_date
from tests.playing import begin, kickoff, new, of, sent

if TYPE_CHECKING:
    import pytest

    from local.stage import Play, Stage

_PRESENT = [
    {"name": "Claire Fontaine", "role": "project_manager"},
    {"name": "Paul Riou", "role": "technical_lead"},
]


def body_of(up: Stage, name: str) -> str:
    """The text of a mail."""
    text = up.mailbox.message(name).get_body(("plain",))
    assert text is not None
    return str(text.get_content())


async def calendars_read(play: Play) -> int:
    """How many times the run asked for worked days, since its opening."""
    asked = 0
    async for event in play.handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            asked += scheduled.activity_type.name == "read_worked_days"
    return asked


async def test_a_limit_that_a_suspension_takes_beyond_the_calendar(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new(maintenance=None))
    await play.at(story.instant(4, 12))
    assert await play.fact("kickoff_held", **kickoff(story)) == "accepted"
    assert await play.fact("recette_planned", starts_at=story.iso(5, 10)) == "accepted"
    await play.at(story.instant(5, 12))
    reserve = {"number": 1, "title": "Porte", "severity": "minor", "due_on": "2033-12-20"}
    minutes = {"effective_on": story.day(5), "decision": "accepted_with_reserves"}
    signed = {**minutes, "present": _PRESENT, "reserves": [reserve]}
    assert await play.fact("recette_signed_off", **signed) == "accepted"
    await play.at(story.instant(6, 10))
    assert await play.fact("onboarding_suspended", reason="Travaux du client") == "accepted"
    await play.at(story.instant(6, 10) + timedelta(days=456))
    asked = await calendars_read(play)
    assert await play.fact("onboarding_resumed", reason="Travaux finis") == "accepted"

    status = await play.status()
    assert status["health"] != "suspended"
    assert of(status, "O12")["due_at"].startswith("2033-12-20")
    assert await calendars_read(play) == asked + 1, "read before anything left"
    assert len(sent(status, "resumption_plan")) == 1
    # By the worked days of the law, not from Monday to Friday.
    days = WorkCalendar(read_worked_days(["metropole"], 2030, 2037, on_stage.settings.calendar))
    resumed_on = story.j(6) + timedelta(days=456)
    proposed = days.add(date(2033, 12, 20), days.count(story.j(6), resumed_on))
    assert proposed.year == 2035
    [name] = [
        name
        for name in on_stage.mailbox.names()
        if "resumption_plan" in name and play.contract.reference in body_of(on_stage, name)
    ]
    assert full_date(proposed) in body_of(on_stage, name)
    moved = {"obligation": "O12", "key": "1", "by": "Claire", "reason": "Reprise"}
    assert await play.fact("limit_moved", due_on="2034-12-20", **moved) == "accepted"
    assert of(await play.status(), "O12")["due_at"].startswith("2034-12-20")


async def test_a_holiday_more_in_law_is_told_and_decided(
    on_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = holidays.country_holidays

    def twelve(country: str, subdivision: str | None = None, **asked: Any) -> holidays.HolidayBase:
        found = whole(country, subdivision, **asked)
        year = asked["years"]
        if year >= 2032:
            found[date(year, 3, 8)] = "Journée nouvelle"
        return found

    monkeypatch.setattr(holidays, "country_holidays", twelve)
    play, _ = await begin(on_stage, new())
    points = {point["id"]: point for point in (await play.status())["open_points"]}
    assert set(points) == {"calendrier:2032", "calendrier:2033", "calendrier:2034"}
    assert "lundi 8 mars 2032 en plus" in points["calendrier:2032"]["message"]
    # By the days that are known the run goes on: 8 March 2032 is worked.
    planned = {"starts_at": "2032-03-08T10:00:00+01:00", "site": "TOURS"}
    training = {**planned, "trainer": "Mileo", "trainees": []}
    assert await play.fact("training_planned", **training) == "accepted"

    settled = {"by": "Claire", "reason": "décret paru"}
    kept = {"id": "calendrier:2034", "action": "done_otherwise"}
    assert await play.fact("open_point_settled", **kept, **settled) == "accepted"
    # The operator follows the library, and has the years read again.
    followed = on_stage.settings.calendar.model_copy(update={"unusual_holidays": "library"})
    monkeypatch.setitem(on_stage.settings.__dict__, "calendar", followed)
    again = {"id": "calendrier:2032", "action": "retry"}
    assert await play.fact("open_point_settled", **again, **settled) == "accepted"
    assert await calendars_read(play) == 1
    assert await play.fact("training_planned", **{**training, "trainer": "Julie"}) == "refused"
    assert "férié" in play.told[-1].reason
    assert not (await play.status())["open_points"], "all three years were read again"
