"""At any step: someone is replaced, the onboarding is suspended, resumed or cancelled.

Not in the text of PROC-CRM-003, which knows no interruption; PROCESS, sections 5 and 6.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise, zip_longest
from typing import Any

from process import editions, french
from process.calendar import paris_day, start_of
from process.facts import named
from process.obligations import OBLIGATIONS, Deadline, deadlines
from process.onboarding import MILEO_ROLES, InCharge, Onboarding, Suspension
from process.orders import Invitation, Sending
from process.vocabulary import ROLE_NAMES, Party
from workflows import invitations
from workflows.sendings import Expected, mail, owed, plain

_CLIENT = OBLIGATIONS["O17"].recipients
_INVITED: frozenset[Party] = frozenset({"site_contact", "technical_contact"})
_TEAM: tuple[Party, ...] = ("project_manager", "technical_referent", "sales", "account_manager")


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """What leaves whatever the step."""
    yield from _project_manager_changed(o, now, gone)
    for rank, pause in enumerate(o.suspensions, start=1):
        yield from _suspended(o, rank, pause, now, gone)
    yield from _invitations(o, now)


def cancellation(o: Onboarding) -> Iterator[Sending]:
    """The end before the end: both sides are told once; what was produced stays."""
    if o.cancelled:
        data = {"reason": o.cancelled.reason, "by": o.cancelled.by}
        ahead = list(invitations.still_ahead(o))
        # Others than the client's usual readers hear of it by what they no longer have to expect.
        if not o.since(editions.SECOND):
            invited = [one for event in ahead for one in event.attendees if one.role in _INVITED]
            yield mail(o, "cancelled_client", [*_CLIENT, *invited], data, events=ahead)
            yield mail(o, "cancelled_team", [*_TEAM, "head_of_projects"], data, events=ahead)
            return
        # One mail takes an event away from one mailbox, even where it reads both.
        for_team = _of(ahead, lambda role: role in MILEO_ROLES)
        for_client = _of(ahead, lambda role: role not in MILEO_ROLES)
        clients = [one for event in for_client for one in event.attendees]
        yield mail(o, "cancelled_client", [*_CLIENT, *clients], data, events=for_client)
        team = [*_TEAM, *(one for event in for_team for one in event.attendees)]
        yield mail(o, "cancelled_team", [*team, "head_of_projects"], data, events=for_team)


def _of(events: list[Invitation], concerned: Callable[[str], bool]) -> list[Invitation]:
    """Of these events, what those of such roles attend."""
    kept = [(event, [one for one in event.attendees if concerned(one.role)]) for event in events]
    return [event.model_copy(update={"attendees": who}) for event, who in kept if who]


def late_withdrawals(o: Onboarding, now: datetime) -> Iterator[Sending]:
    """After the cancellation of the onboarding: those to whom an invitation was still under way."""
    yield from _withdrawn(o, now)


def _invitations(o: Onboarding, now: datetime) -> Iterator[Sending]:
    """People change: who holds an event that concerns them no longer is told that it is withdrawn,
    who comes gets what is ahead. By what was sent and accepted, whatever brought the change."""
    if o.since(editions.SECOND):
        yield from _withdrawn(o, now)
        for change in invitations.handed_over(o, now):
            yield _told(o, "invitations_handed_over", change)


def _withdrawn(o: Onboarding, now: datetime) -> Iterator[Sending]:
    for change in invitations.withdrawals(o, now):
        yield _told(o, "invitations_withdrawn", change)


def _told(o: Onboarding, kind: str, change: invitations.Change) -> Sending:
    first = change.events[0]
    events = [
        {
            "title": event.title,
            "starts_at": event.starts_at.isoformat(),
            "ends_at": event.ends_at.isoformat(),
            # Whole days, the last one included.
            "days": [
                event.starts_at.date().isoformat(),
                (event.ends_at - timedelta(days=1)).date().isoformat(),
            ]
            if event.all_day
            else None,
            "place": event.place,
            "why": why,
        }
        for event, why in zip_longest(change.events, change.why)
    ]
    # No two changes give an event the same sequence: it tells this one from those before it.
    subject = f"{change.person.role}:{first.uid}:{first.sequence}"
    told = mail(
        o,
        kind,
        [change.person],
        {"events": events},
        subject=subject,
        events=change.events,
        manager=change.manager,
    )
    return told.model_copy(update={"personal": True, "enclosed": tuple(change.documents)})


def _project_manager_changed(
    o: Onboarding, now: datetime, gone: Collection[str]
) -> Iterator[Sending]:
    """The client is told who the new project manager is; the first one was named at the start."""
    managers = [one for one in o.in_charge if one.role == "project_manager"]
    for rank, (former, new) in enumerate(pairwise(managers), start=2):
        data = {"former": plain(o, former.person), "project_manager": plain(o, new.person)}
        key = f"project_manager_changed:{rank}"
        if o.since(editions.SECOND) and rank == len(managers) and key not in gone:
            yield _taken_over(o, data, rank, now)
        else:
            yield mail(o, "project_manager_changed", _CLIENT, data, subject=str(rank))
        if rank == len(managers):
            yield from owed(gone, f"assignment:{rank}", _handed, o, rank, former, now)


def _taken_over(o: Onboarding, data: dict[str, Any], rank: int, now: datetime) -> Sending:
    """The events ahead have another organizer, whom the client's answers must reach."""
    events = list(invitations.ahead(o, "project_manager", now))
    attending = [one for event in events for one in event.attendees]
    clients = [one for one in attending if one.role not in MILEO_ROLES]
    people = [*_CLIENT, *clients]
    return mail(o, "project_manager_changed", people, data, subject=str(rank), events=events)


def _handed(o: Onboarding, rank: int, former: InCharge, now: datetime) -> Sending:
    held = [d for d in deadlines(o, now) if d.state == "running" or d.is_late]
    handed = {
        "limits": [_brief(o, deadline) for deadline in held if deadline.limit.due_at],
        "expected": [f"Reprendre le dossier avec {former.person.name}.", *_to_organize(o, now)],
    }
    return mail(o, "assignment", ["project_manager"], handed, subject=str(rank))


def _to_organize(o: Onboarding, now: datetime) -> Iterator[str]:
    if o.since(editions.SECOND):
        for event in invitations.ahead(o, "project_manager", now):
            when = french.full_instant(event.starts_at)
            if event.all_day:
                when = f"à partir du {french.full_date(event.starts_at.date())}"
            place = f" ({event.place})" if event.place else ""
            yield f"Rendez-vous à venir : {event.title}, {when}{place}."


def _suspended(
    o: Onboarding, rank: int, pause: Suspension, now: datetime, gone: Collection[str]
) -> Iterator[Sending]:
    since = paris_day(pause.suspended_at)
    data: dict[str, Any] = {"since_on": plain(o, since), "reason": pause.reason}
    if pause.resumed_at is None:
        yield mail(o, "suspended", _CLIENT, data, subject=str(rank))
        return
    data["resumed_on"] = plain(o, paris_day(pause.resumed_at))
    yield mail(o, "resumed", _CLIENT, data, subject=str(rank))
    shift = o.calendar.count(since, paris_day(pause.resumed_at))
    yield from owed(gone, f"resumption_plan:{rank}", _resumption, o, rank, data, shift, now)


def _resumption(
    o: Onboarding, rank: int, pause: dict[str, Any], shift: int, now: datetime
) -> Sending:
    proposals = [
        {
            "obligation": deadline.obligation.code,
            "title": deadline.title,
            "key": deadline.limit.key,
            "due_on": plain(o, due),
            "proposed_on": plain(o, o.calendar.add(due, shift)),
        }
        for deadline, due in _still_owed(deadlines(o, now))
    ]
    phases = [
        {
            "id": phase.id,
            "title": phase.title,
            "starts_at": plain(o, phase.slot.starts_at, phase.slot.site),
            "proposed_on": plain(o, o.calendar.add(paris_day(phase.slot.starts_at), shift)),
        }
        for phase in o.phases.values()
        if not phase.ended and not phase.slot.plan
    ]
    data = {**pause, "jours_ouvres": shift, "limits": proposals, "phases": phases}
    return mail(o, "resumption_plan", ["project_manager"], data, subject=str(rank))


def _still_owed(held: list[Deadline]) -> Iterator[tuple[Deadline, date]]:
    """The limits that a fact may move: owed still, and not bound to a date of their own."""
    for deadline in held:
        due_at = deadline.limit.due_at
        owed = deadline.state == "running" or deadline.is_late
        if due_at and owed and deadline.obligation.code not in ("O5", "O6", "O14", "O15"):
            yield deadline, paris_day(due_at)


def take_over(o: Onboarding, awaited: list[Expected], now: datetime) -> Sending:
    """What a project manager finds when an onboarding under way is taken over, once."""
    held = [d for d in deadlines(o, now) if d.limit.due_at]
    return mail(
        o,
        "take_over",
        ["project_manager"],
        {
            "late": [_brief(o, deadline) for deadline in held if deadline.is_late],
            "limits": [_brief(o, deadline) for deadline in held if deadline.state == "running"],
            "refused": [f"{named(fact.fact)} : {fact.reason}" for fact in o.record.rejected],
            "expected": [f"{named(one.fact)} — {ROLE_NAMES[one.owed_by]}" for one in awaited],
        },
    )


def _brief(o: Onboarding, deadline: Deadline) -> dict[str, Any]:
    return {
        "obligation": deadline.obligation.code,
        "title": deadline.title,
        "due_at": plain(o, deadline.limit.due_at),
    }


def done_at(sending: Sending, now: datetime) -> datetime:
    """When a sending of the past was done, as far as its facts tell: the schedule's own record,
    else the last day that they state."""
    if told := sending.data.get("notice_sent_at"):
        return datetime.fromisoformat(told)
    stated = [
        date.fromisoformat(value)
        for key, value in sending.data.items()
        if key.endswith("_on") and isinstance(value, str)
    ]
    past = [day for day in stated if day <= paris_day(now)]
    return start_of(max(past)) if past else now
