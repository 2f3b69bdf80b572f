"""The lives that are measured: a plain onboarding, and one of eighteen months."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from activities.working_days import read_worked_days
from local.scenarios import Story, new_installation, play_new
from process.calendar import WorkCalendar, at
from process.contract import Contract

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client

    from bench.scripts import Step
    from bench.world import World
    from local.stage import Play

OPENS_AT: Final = at(date(2031, 3, 3), time(9, 30))
"""A Monday far ahead, always the same: what is counted does not depend on the day."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Life:
    """How one onboarding goes."""

    name: str
    effective_on: date
    """When its maintenance starts."""
    play: Callable[[Play, Story], Awaitable[None]]

    def contract(self) -> Contract:
        """Another contract each time, with mailboxes of its own."""
        number = next(_numbers)
        contract = new_installation(OPENS_AT - timedelta(minutes=30), self.effective_on)
        text = contract.model_dump_json().replace("@", f"@b{number}.")
        return Contract.model_validate_json(text).model_copy(
            update={"reference": f"BENCH-{number}"}
        )


PLAIN: Final = Life("plain", date(2031, 5, 5), play_new)
EIGHTEEN_MONTHS: Final = Life("eighteen months", date(2032, 10, 4), partial(play_new, longer=360))
"""Works of 72 weeks, each with its point."""
LIVES: Final = (PLAIN, EIGHTEEN_MONTHS)


async def lived(world: World, life: Life) -> tuple[list[Step], list[HistoryEvent]]:
    """Live it once, to its end: what was told, and the events of its history, of all its runs."""
    settings = world.stage.settings
    contract = life.contract()
    zones = {site.zone for site in contract.sites}
    calendar = WorkCalendar(read_worked_days(zones, 2030, 2034, settings.calendar))
    writer = await world.written(contract, OPENS_AT)
    await life.play(writer, Story(contract, calendar, OPENS_AT.date()))
    await writer.handle.result()
    runs = await runs_of(world.stage.environment.client, writer.handle.id)
    return writer.script, [event for run in runs for event in run]


async def runs_of(client: Client, workflow_id: str) -> list[list[HistoryEvent]]:
    """The histories of all the runs of an onboarding, the first one first."""
    runs: list[list[HistoryEvent]] = []
    run_id: str | None = None
    while not runs or run_id:
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        events = list(history.events)
        runs.insert(0, events)
        run_id = events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return runs
