"""An onboarding of any size: as many phases, réserves and items of equipment as one likes.

Works follow each other, two jours ouvrés a phase; réserves are fixed then lifted ten a day; each item
of equipment has its datasheet filed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from activities.working_days import read_worked_days
from bench.lives import OPENS_AT
from bench.scripts import Step
from local.scenarios import Story, new_installation
from process.calendar import WorkCalendar, at, days, iso_week
from process.contract import Contract
from process.orders import WorkedDays
from process.vocabulary import DOE_FAMILY_NAMES
from settings import CalendarSettings

_SITE: Final = "TOURS"
_BY: Final = "Inès Haddad"
_FIRST_PHASE: Final = 14
"""The jour ouvré after the signature on which works begin."""
_A_DAY: Final = 10
_WEEK_ENDS: Final = 5


@dataclass(frozen=True)
class Size:
    """What may be many in an onboarding."""

    phases: int = 1
    reserves: int = 1
    equipment: int = 10

    @property
    def over(self) -> int:
        """The jour ouvré on which the works are over."""
        return _FIRST_PHASE + 2 * self.phases


def contract_of(size: Size, number: int) -> Contract:
    """A contract of that size; another reference for each number."""
    signed_at = OPENS_AT - timedelta(minutes=30)
    effective_on = date(2031, 5, 5) + timedelta(days=3 * size.phases + size.reserves)
    made = new_installation(signed_at, effective_on)
    item = made.equipment[0]
    items = [item.model_copy(update={"tag": f"CAM-{n:03}"}) for n in range(size.equipment)]
    return made.model_copy(update={"reference": f"SIZE-{number}", "equipment": items})


def worked_days(contract: Contract) -> WorkedDays:
    """The calendar that an onboarding of that contract records."""
    zones = {site.zone for site in contract.sites}
    return read_worked_days(zones, OPENS_AT.year - 1, OPENS_AT.year + 3, CalendarSettings())


def script_of(size: Size, contract: Contract) -> list[Step]:
    """What is told of it, from the kick-off to the interview."""
    story = Story(contract, WorkCalendar(worked_days(contract)), OPENS_AT.date())
    told = [*_works(story, size), *_weekly_points(story, size), *_reserves(story, size)]
    told += [*_doe(story, size), *_maintained(story)]
    told.sort(key=lambda one: one[0])
    steps: list[Step] = []
    for instant, name, payload in told:
        if not steps or steps[-1].until != instant:
            steps.append(Step(until=instant))
        steps.append(Step(fact=name, payload=payload))
    return steps


_Told = tuple[Any, str, dict[str, Any]]


def _works(j: Story, size: Size) -> Iterator[_Told]:
    phases = [
        {
            "id": f"P{n}",
            "title": f"Zone {n}",
            "site": _SITE,
            "starts_at": j.iso(_FIRST_PHASE + 2 * n - 2, 8),
            "ends_at": j.iso(_FIRST_PHASE + 2 * n - 1, 18),
            "works": ["Pose et raccordement", "Essais unitaires"],
        }
        for n in range(1, size.phases + 1)
    ]
    yield j.instant(2, 11), "kickoff_planned", {"starts_at": j.iso(5, 10), "place": "Tours"}
    held = {"held_on": j.day(5), "attendees": [_BY], "phases": phases}
    yield j.instant(5, 12), "kickoff_held", held
    for n, phase in enumerate(phases, start=1):
        yield j.instant(_FIRST_PHASE + 2 * n - 8, 9), "phase_planned", phase
        done = {"id": phase["id"], "completed_at": j.iso(_FIRST_PHASE + 2 * n - 1, 17)}
        yield j.instant(_FIRST_PHASE + 2 * n - 1, 17), "phase_completed", done
    over = size.over
    training = {"starts_at": j.iso(over, 14), "site": _SITE, "trainer": "T", "trainees": [_BY]}
    yield j.instant(over - 8, 10), "training_planned", training
    yield j.instant(over, 18), "commissioned", {"commissioned_on": j.day(over)}
    yield j.instant(over, 18), "training_held", {"held_on": j.day(over), "trainees": [_BY]}


def _weekly_points(j: Story, size: Size) -> Iterator[_Told]:
    """On the Tuesday of each week of the works, or on the first worked day after it."""
    last: dict[str, date] = {}
    worked = (
        day for day in days(j.j(_FIRST_PHASE), j.j(size.over - 1)) if j.calendar.is_worked(day)
    )
    for day in worked:
        week = iso_week(day)
        if week not in last or last[week].isoweekday() == 1:
            last[week] = day
    for day in last.values():
        report = {"held_on": day.isoformat(), "done": ["Travaux conformes"], "next": ["Suite"]}
        yield (
            at(day, OPENS_AT.replace(hour=17, minute=0).timetz().replace(tzinfo=None)),
            "progress_reported",
            report,
        )


def _reserves(j: Story, size: Size) -> Iterator[_Told]:
    recette = size.over + 3
    yield j.instant(recette - 9, 9), "recette_planned", {"starts_at": j.iso(recette, 10)}
    noted = [
        {"number": n, "title": f"Défaut d'image {n}", "severity": "minor"}
        for n in range(1, size.reserves + 1)
    ]
    yield (
        j.instant(recette, 12),
        "recette_signed_off",
        {
            "effective_on": j.day(recette),
            "decision": "accepted_with_reserves" if noted else "accepted",
            "present": [
                {"name": "Claire Fontaine", "role": "project_manager"},
                {"name": _BY, "role": "technical_lead"},
            ],
            "reserves": noted,
        },
    )
    for n in range(1, size.reserves + 1):
        day = recette + 1 + n // _A_DAY
        fixed = {"number": n, "fixed_on": j.day(day), "evidence": "Objectif réglé."}
        yield j.instant(day, 11), "reserve_fixed", fixed
        lifted = {"number": n, "lifted_on": j.day(day + 1), "by": _BY}
        yield j.instant(day + 1, 15), "reserve_lifted", lifted


def _doe(j: Story, size: Size) -> Iterator[_Told]:
    lifted = size.over + 5 + size.reserves // _A_DAY
    filed_at = j.instant(lifted + 1, 10)
    for family in DOE_FAMILY_NAMES:
        if family != "datasheets":
            piece = {"family": family, "name": family, "uri": f"doe/{family}.pdf"}
            yield filed_at, "doe_piece_filed", piece
    for item in j.contract.equipment:
        sheet = {"family": "datasheets", "name": f"Fiche {item.tag}", "equipment": [item.tag]}
        yield filed_at, "doe_piece_filed", {**sheet, "uri": f"doe/{item.tag}.pdf"}
    day = lifted + 2
    yield j.instant(day, 9), "doe_released", {"released_on": j.day(day), "by": "Claire Fontaine"}
    yield j.instant(day, 15), "doe_received", {"received_on": j.day(day), "by": _BY}


def _maintained(j: Story) -> Iterator[_Told]:
    maintenance = j.contract.maintenance
    if maintenance is None or not isinstance(maintenance.effective, date):
        return
    hour = OPENS_AT.time()
    call = j.calendar.add(maintenance.effective, 3)
    yield at(call, hour), "maintenance_presented", {"held_on": call.isoformat()}
    last = j.calendar.worked_from(maintenance.effective + timedelta(days=25))
    held = {"held_on": last.isoformat(), "score": 9}
    mastered = {"masters_system": True, "masters_incident_procedure": True}
    yield at(last, hour), "interview_held", {**held, **mastered}
