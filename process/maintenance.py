"""When the maintenance contract takes effect and is activated (PROCESS, section 3.7).

Two dates: the *effective date* of the contract, from which cover is owed, and the
*activation*, the first day from it on that leaves the client its full notice.
"""

from __future__ import annotations

from datetime import date, datetime

from process.calendar import at, paris_day
from process.onboarding import Onboarding


def effective_on(o: Onboarding) -> date | None:
    """The effective date, once it is known: set by a fact, fixed by the contract, or the final
    acceptance (without réserve, or of the levée of the last one)."""
    if not o.contract.maintenance:
        return None
    if o.maintenance_dates:
        return o.maintenance_dates[-1].effective_on
    if isinstance(o.contract.maintenance.effective, date):
        return o.contract.maintenance.effective
    return o.fully_accepted_on


def incident_sheets(o: Onboarding) -> list[tuple[str, date | None]]:
    """The incident sheets sent so far, in order: the key of each, and the effective date that it
    announced (none for the provisional one)."""
    keys = [key for key in o.record.sendings if key.startswith("incident_sheet:")]
    dates = [key.split(":")[1] for key in keys]
    return [
        (key, None if day == "provisional" else date.fromisoformat(day))
        for key, day in zip(keys, dates, strict=True)
    ]


def announced_on(o: Onboarding) -> date | None:
    """The last effective date that the client was told."""
    return next((day for _, day in reversed(incident_sheets(o)) if day), None)


def incident_sheet_key(o: Onboarding, effective: date | None) -> str:
    """The key of the incident sheet for that effective date; provisional while there is none.
    A date that comes back after another one was announced is announced again."""
    name = effective.isoformat() if effective else "provisional"
    same = [key for key, day in incident_sheets(o) if day == effective]
    if not same:
        return f"incident_sheet:{name}"
    if announced_on(o) == effective or effective is None:
        return same[-1]
    return f"incident_sheet:{name}:{len(same) + 1}"


def notice_given_at(o: Onboarding, effective: date) -> datetime | None:
    """When the client was told how to report an incident, in time for that date.

    A sheet that left with the convocation to the recette is a notice for whatever date follows;
    one that announced a date is a notice for that date and for later ones. What was said before a
    later date was announced no longer counts: the full delay is due again (PROCESS 6.9).
    """
    given = None
    for key, announced in reversed(incident_sheets(o)):
        accepted = o.accepted_at(key)
        if accepted and announced and announced > effective:
            break
        given = accepted or given
    return given


def sheet_leaves_at(o: Onboarding, effective: date) -> datetime:
    """When the sheet for a known effective date leaves: a few jours ouvrés before the notice is
    due, so that a mailbox out of order can still be put right."""
    margin = max(o.policy.reminder_before_jo, default=0)
    day = o.calendar.subtract(effective, o.policy.incident_sheet_jo + margin, o.every_calendar)
    return at(day, o.policy.reminder_hour)


def activation_on(o: Onboarding, now: datetime) -> date | None:
    """The day of activation; until the notice has left, the one that today's notice would give."""
    if o.record.activated_at:
        return paris_day(o.record.activated_at)
    effective = effective_on(o)
    if effective is None:
        return None
    given = notice_given_at(o, effective)
    notice = paris_day(given or max(now, sheet_leaves_at(o, effective)))
    return o.calendar.first_with_notice(
        effective, notice, o.policy.incident_sheet_jo, o.every_calendar
    )


def activation_at(o: Onboarding, now: datetime) -> datetime | None:
    """The instant of activation: its day at the hour of the settings, worked day or not."""
    day = activation_on(o, now)
    return at(day, o.policy.activation_hour) if day else None


def blocking_numbers(o: Onboarding) -> list[int]:
    """The blocking réserves still open."""
    return [
        number
        for number, story in o.reserves.items()
        if story.reserve.severity == "blocking" and not story.is_over
    ]


def is_blocked(o: Onboarding) -> bool:
    """Whether activation needs an explicit decision of the account manager: a blocking réserve
    is open, or nothing is accepted yet."""
    if o.maintenance_dates and o.maintenance_dates[-1].despite_open_reserves:
        return False
    return bool(blocking_numbers(o)) or not o.accepted_sites
