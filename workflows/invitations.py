"""The events that the client's calendars hold: kick-off, phases, training, recette, presentation
of the maintenance, interview. A date that moves updates its event; a cancellation removes it.

The n-th plan of an event has the sequence 100 × (n - 1), so that a corrected mail may follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Literal

from process import editions, french
from process.calendar import start_of
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding, Phase, Recette, Slot, Training, one_a_mailbox
from process.orders import Invitation, Recipient, Sending
from process.record import Told
from process.vocabulary import Party

Why = Literal["replaced", "moved", "cancelled"]

_STEP: Final = 100

KICKOFF_LASTS: Final = timedelta(hours=2)
TRAINING_LASTS: Final = timedelta(hours=3, minutes=30)
RECETTE_LASTS: Final = timedelta(hours=3)
CALL_LASTS: Final = timedelta(minutes=30)
"""« Un entretien court (30 minutes) » (PROC-CRM-003, étape 7); so is the presentation."""


def kickoff(o: Onboarding) -> Invitation | None:
    """The kick-off as last planned."""
    if not (plan := o.kickoff_plan):
        return None
    return _event(
        o,
        "kickoff",
        len(o.kickoff_plans),
        "Kick-off du projet",
        plan.starts_at,
        plan.starts_at + KICKOFF_LASTS,
        place=plan.place,
    )


def intervention(o: Onboarding, phase: Phase, slot: Slot, *, cancelled: bool = False) -> Invitation:
    """A phase of intervention in that slot."""
    rank = len(phase.firm_slots) + cancelled
    return _event(
        o,
        f"phase-{phase.id}",
        rank,
        f"Intervention {phase.id} : {phase.title}",
        slot.starts_at,
        slot.ends_at,
        site=slot.site,
        cancelled=cancelled,
    )


def training(o: Onboarding, rank: int, session: Training) -> Invitation:
    """A training session as last planned."""
    plan = session.plans[-1]
    return _event(
        o,
        f"formation-{rank}",
        len(session.plans),
        "Formation des utilisateurs",
        plan.starts_at,
        plan.ends_at or plan.starts_at + TRAINING_LASTS,
        site=plan.site,
    )


def recette(o: Onboarding, rank: int, held: Recette) -> Invitation:
    """A recette as last planned."""
    plan = held.plans[-1]
    sites = o.sites_of(plan.site)
    event = _event(
        o,
        f"recette-{rank}",
        len(held.plans),
        "Recette du système",
        plan.starts_at,
        plan.starts_at + RECETTE_LASTS,
        site=sites[0],
    )
    if len(sites) == 1:
        return event
    names = [site.name for site in o.contract.sites if site.code in sites]
    return event.model_copy(update={"place": french.enumeration(names)})


def presentation(o: Onboarding) -> Invitation | None:
    """The call that presents the maintenance service, as last planned."""
    if not o.presentation_plans:
        return None
    plan = o.presentation_plans[-1]
    return _event(
        o,
        "presentation",
        len(o.presentation_plans),
        "Présentation du service de maintenance",
        plan.starts_at,
        plan.ends_at or plan.starts_at + CALL_LASTS,
        place="Par téléphone",
    )


def interview(o: Onboarding) -> Invitation | None:
    """The interview as last planned."""
    if not o.interview_plans:
        return None
    plan = o.interview_plans[-1]
    return _event(
        o,
        "entretien",
        len(o.interview_plans) + 1,
        "Entretien de fin d'onboarding",
        plan.starts_at,
        plan.ends_at or plan.starts_at + CALL_LASTS,
        place="Par téléphone",
    )


def interview_to_agree(o: Onboarding, first: date, last: date) -> Invitation:
    """The days among which the interview is to be agreed."""
    event = _event(
        o,
        "entretien",
        1,
        "Entretien de fin d'onboarding (30 minutes, heure à convenir)",
        start_of(first),
        start_of(last + timedelta(days=1)),
    )
    return event.model_copy(update={"all_day": True})


@dataclass(frozen=True)
class Appointment:
    """An event as it stands: the key of its invitation, whom it concerns."""

    uid: str
    key: str
    parties: Sequence[Party | Recipient | None]
    event: Callable[[], Invitation]
    manager: Party = "project_manager"
    """Who organizes it."""
    over: bool = False
    """It was held: what the calendars have of it is left alone."""
    standing: bool = True
    """Its date holds; otherwise it must be announced anew."""


def appointments(o: Onboarding) -> Iterator[Appointment]:
    """Every event that was planned and not cancelled, in the order of the process."""
    if o.kickoff_plans:
        yield Appointment(
            "kickoff",
            f"kickoff_convocation:{len(o.kickoff_plans)}",
            OBLIGATIONS["O1"].recipients,
            partial(_planned, kickoff, o),
            over=o.kickoff is not None,
        )
    for phase in o.phases.values():
        if (firm := phase.firm_slots) and not phase.cancelled:
            yield Appointment(
                f"phase-{phase.id}",
                f"intervention_schedule:{phase.id}:{len(firm)}",
                [*OBLIGATIONS["O5"].recipients, o.site_contact(firm[-1].site)],
                partial(intervention, o, phase, firm[-1]),
                over=phase.completed_at is not None,
                standing=phase.slot.plan is not None,
            )
    for rank, session in enumerate(o.trainings, start=1):
        yield Appointment(
            f"formation-{rank}",
            f"training_convocation:{rank}:{len(session.plans)}",
            OBLIGATIONS["O8"].recipients,
            partial(training, o, rank, session),
            over=session.held is not None,
        )
    for rank, planned in enumerate(o.recettes, start=1):
        yield Appointment(
            f"recette-{rank}",
            f"recette_convocation:{rank}:{len(planned.plans)}",
            OBLIGATIONS["O10"].recipients,
            partial(recette, o, rank, planned),
            over=planned.concluded_on is not None,
        )
    yield from _calls(o)


def _calls(o: Onboarding) -> Iterator[Appointment]:
    if o.presentation_plans:
        yield Appointment(
            "presentation",
            f"presentation_convocation:{len(o.presentation_plans)}",
            OBLIGATIONS["O16"].recipients,
            partial(_planned, presentation, o),
            manager="account_manager",
            over=o.presented is not None,
        )
    people, over = OBLIGATIONS["O17"].recipients, o.verdict is not None
    if o.interview_plans:
        key = f"interview_convocation:{len(o.interview_plans)}"
        yield Appointment("entretien", key, people, partial(_planned, interview, o), over=over)
    elif o.interview_base and o.interview_from:
        due = o.calendar.add_calendar_days(o.interview_base, o.policy.interview_days)
        event = partial(interview_to_agree, o, o.interview_from, due)
        yield Appointment("entretien", "interview_invitation", people, event, over=over)


def _planned(event: Callable[[Onboarding], Invitation | None], o: Onboarding) -> Invitation:
    planned = event(o)
    if planned is None:
        raise LookupError(event.__name__)
    return planned


def still_ahead(o: Onboarding) -> Iterator[Invitation]:
    """The cancellation of every event that is ahead, each for those who hold it."""
    if not o.since(editions.SECOND):
        yield from _asked(o)
        return
    at = next(t.received_at for t in reversed(o.record.facts) if t.fact == "onboarding_cancelled")
    over = {one.uid for one in appointments(o) if one.over}
    for uid, known in o.record.invited.items():
        holders = [told for told in known.told.values() if _has(o, told, at)]
        if holders and uid not in over:
            cancelled = _cancelled(holders[-1].event, [told.person for told in holders])
            yield cancelled.model_copy(update={"sequence": known.sequence + 1})


def _asked(o: Onboarding) -> Iterator[Invitation]:
    """The first edition: for those who hold the roles today."""
    for one in appointments(o):
        if one.key in o.record.sendings and one.standing and not one.over:
            event = one.event()
            cancelled = _cancelled(event, _people(o, one))
            yield cancelled.model_copy(update={"sequence": event.sequence + _STEP})


def phase_holders(o: Onboarding, phase: Phase, now: datetime) -> list[Recipient]:
    """Those whose calendars hold a phase that is ahead."""
    known = o.record.invited.get(f"phase-{phase.id}")
    return [told.person for told in known.told.values() if _has(o, told, now)] if known else []


def _has(o: Onboarding, told: Told, now: datetime) -> bool:
    """Whether a calendar holds an event that is ahead, and nothing under way takes it away."""
    leaving = told.event.cancelled and _under_way(o, told.by)
    return told.holds and told.event.ends_at > now and not leaving


def _under_way(o: Onboarding, key: str) -> bool:
    entry = o.record.sendings.get(key)
    return entry is not None and entry.state in {"doing", "again"}


def _is_settled(o: Onboarding, told: Told, one: Appointment | None) -> bool:
    """Whether what a mailbox was last told has had its answer. An invitation that a later plan
    replaced before it could leave again no longer leaves."""
    entry = o.record.sendings.get(told.by)
    if entry is None or entry.state != "again":
        return not _under_way(o, told.by)
    in_force = told.event.cancelled or (one is not None and told.by == one.key)
    return entry.held is None and not in_force


def _cancelled(event: Invitation, attendees: list[Recipient]) -> Invitation:
    changes = {"cancelled": True, "uninvited": False, "attendees": attendees}
    return event.model_copy(update=changes)


def _people(o: Onboarding, one: Appointment) -> list[Recipient]:
    return one_a_mailbox(o.person(who) if isinstance(who, str) else who for who in one.parties)


# People change


@dataclass
class Change:
    """What one mailbox is to be told of the events that its holder loses, or is to attend."""

    person: Recipient
    manager: Party
    events: list[Invitation] = field(default_factory=list)
    why: list[Why] = field(default_factory=list)
    """For each event lost: its people changed, it moved to another site, or it is cancelled."""
    documents: list[str] = field(default_factory=list)
    """References of what went along with the invitations."""


def withdrawals(o: Onboarding, now: datetime) -> list[Change]:
    """Those who hold an event ahead that concerns them no longer. Nobody is told twice: a withdrawal
    that was refused or given up is left to the person who settles it."""
    found: dict[tuple[str, Party], Change] = {}
    if not o.record.invited:
        return []
    planned = {one.uid: one for one in appointments(o) if one.over or not o.cancelled}
    for uid, known in o.record.invited.items():
        one = planned.get(uid)
        if (one and one.over) or _tells_of_it(o, uid):
            continue
        concerned = _concerned(o, one)
        manager: Party = one.manager if one else "project_manager"
        for box, told in known.told.items():
            ahead = told.holds and not told.event.cancelled and told.event.ends_at > now
            if box in concerned or not ahead or not _is_settled(o, told, one):
                continue
            change = found.setdefault((box, manager), Change(told.person, manager))
            event = _cancelled(told.event, [told.person])
            after = {"sequence": known.sequence + 1, "uninvited": one is not None}
            change.events.append(event.model_copy(update=after))
            change.why.append(_why(one, told))
    return list(found.values())


def _tells_of_it(o: Onboarding, uid: str) -> bool:
    """Whether the cancellation of this event itself is still to leave, to those who hold it."""
    if o.cancelled:
        return "cancelled_client" not in o.record.sendings
    phase = o.phases.get(uid.removeprefix("phase-"))
    cancelled = phase is not None and phase.cancelled is not None
    return cancelled and f"phase_cancelled:{uid.removeprefix('phase-')}" not in o.record.sendings


def _concerned(o: Onboarding, one: Appointment | None) -> set[str]:
    """The mailboxes that may hold it: those of its people, and of its organizer."""
    if one is None:
        return set()
    people = [*_people(o, one), *o.people([one.manager])]
    return {person.mailbox for person in people}


def _why(one: Appointment | None, told: Told) -> Why:
    if one is None:
        return "cancelled"
    moved = told.person.role == "site_contact" and told.event.place != one.event().place
    return "moved" if moved else "replaced"


def handed_over(o: Onboarding, now: datetime) -> list[Change]:
    """Those whom an event ahead has come to concern since its invitation left."""
    found: dict[tuple[str, Party], Change] = {}
    if o.cancelled or not o.record.invited:
        return []
    for one in appointments(o):
        known = o.record.invited.get(one.uid)
        if known is None or one.over or not one.standing or not _left(o, one.key):
            continue
        if o.suspension and one.uid.startswith("phase-"):
            continue  # No intervention takes place without a new schedule.
        people = _people(o, one)
        lacking = [person for person in people if _lacks(o, known.told.get(person.mailbox), one)]
        event = one.event() if lacking else None
        if event is None or event.ends_at <= now:
            continue
        for person in lacking:
            change = found.setdefault((person.mailbox, one.manager), Change(person, one.manager))
            after = {"sequence": known.sequence + 1, "attendees": people}
            change.events.append(event.model_copy(update=after))
            change.documents += _documents(o, one.key)
    return list(found.values())


def _left(o: Onboarding, key: str) -> bool:
    """Whether the invitation in force has reached someone, and nothing of it is under way."""
    entry = o.record.sendings.get(key)
    if entry is None or _under_way(o, key):
        return False
    mails = (*entry.mails, *entry.former_mails)
    return entry.settled_at is not None or any(sent.accepted_at for sent in mails)


def _lacks(o: Onboarding, told: Told | None, one: Appointment) -> bool:
    """Whether a person whom the event concerns was never told of it as it stands. A refusal is
    told to the project manager, and not tried again here."""
    if told is None:
        return True
    if not _is_settled(o, told, one):
        return False
    return told.event.cancelled or (told.by != one.key and not _same(told.event, one.event()))


def _same(told: Invitation, event: Invitation) -> bool:
    return _told_of(told) == _told_of(event)


def _told_of(event: Invitation) -> tuple[str, str, bool, float, float]:
    # Instants as numbers: at the hour that comes twice, Python finds no two zones equal.
    span = (event.starts_at.timestamp(), event.ends_at.timestamp())
    return event.title, event.place, event.all_day, *span


def _documents(o: Onboarding, key: str) -> list[str]:
    issued = {document.reference for document in o.record.documents}
    return [one for one in o.record.sendings[key].documents if one in issued]


def ahead(o: Onboarding, manager: Party, now: datetime) -> Iterator[Invitation]:
    """What that person is to organize: the events ahead to which invitations have left, with their
    people. Who takes them over invites anew (RFC 5546, 3.2.2.7)."""
    for one in appointments(o):
        known = o.record.invited.get(one.uid)
        if known is None or one.manager != manager or one.over or not one.standing:
            continue
        event = one.event()
        if event.ends_at > now and _left(o, one.key):
            after = {"sequence": known.sequence + 1, "attendees": _people(o, one)}
            yield event.model_copy(update=after)


def taken_away(o: Onboarding) -> list[str]:
    """The sendings under way that withdraw an event: the cancellation of the onboarding lets them
    end, rather than tell their readers once more."""
    if not o.since(editions.SECOND):
        return []
    told = [told for known in o.record.invited.values() for told in known.told.values()]
    return [one.by for one in told if one.event.cancelled and _under_way(o, one.by)]


def outdated(o: Onboarding, sending: Sending, now: datetime) -> bool:
    """Whether what would be tried again says what is no longer true."""
    if sending.kind == "invitations_withdrawn":
        planned = {} if o.cancelled else {one.uid: one for one in appointments(o)}
        return all(
            sending.to[0].mailbox in _concerned(o, planned.get(event.uid)) or event.ends_at <= now
            for event in sending.invitations
        )
    if sending.kind == "invitations_handed_over":
        ahead = {
            one.uid: {person.mailbox for person in _people(o, one)}
            for one in appointments(o)
            if not one.over
        }
        return not any(
            sending.to[0].mailbox in ahead.get(event.uid, ()) and event.ends_at > now
            for event in sending.invitations
        )
    return False


def _event(  # noqa: PLR0913, PLR0917 - each names one property of the event
    o: Onboarding,
    uid: str,
    rank: int,
    title: str,
    starts_at: datetime,
    ends_at: datetime,
    *,
    site: str | None = None,
    place: str = "",
    cancelled: bool = False,
) -> Invitation:
    where = o.contract.site(site) if site else None
    return Invitation(
        uid=uid,
        sequence=_STEP * (rank - 1),
        title=title,
        starts_at=o.local(starts_at, site),
        ends_at=o.local(ends_at, site),
        place=f"{where.name}, {where.address}" if where else place,
        cancelled=cancelled,
    )
