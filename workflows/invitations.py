"""The events that the client's calendars hold: kick-off, phases, training, recette, presentation
of the maintenance, interview. A date that moves updates its event; a cancellation removes it.

The n-th plan of an event has the sequence 100 × (n - 1), so that a corrected mail may follow it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from process import french
from process.calendar import start_of
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding, Phase, Recette, Slot, Training, one_a_mailbox
from process.orders import Invitation, Recipient
from process.vocabulary import Party

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


def still_ahead(o: Onboarding) -> Iterator[Invitation]:
    """The cancellation of every event that the client was invited to and that has not been held,
    each for those who were invited."""
    sent = o.record.sendings
    for event, asked, recipients in _asked(o):
        if asked in sent:
            yield event.model_copy(
                update={
                    "sequence": event.sequence + _STEP,
                    "cancelled": True,
                    "attendees": _mailboxes(o, recipients),
                }
            )


def _asked(o: Onboarding) -> Iterator[tuple[Invitation, str, Sequence[Party | Recipient | None]]]:
    """What has not been held: the event, the key of its invitation, those it was sent to."""
    if (event := kickoff(o)) and not o.kickoff:
        key = f"kickoff_convocation:{len(o.kickoff_plans)}"
        yield event, key, OBLIGATIONS["O1"].recipients
    for phase in o.phases.values():
        if phase.slot.plan and not phase.ended:
            people = [*OBLIGATIONS["O5"].recipients, o.site_contact(phase.slot.site)]
            key = f"intervention_schedule:{phase.id}:{len(phase.firm_slots)}"
            yield intervention(o, phase, phase.slot), key, people
    for rank, session in enumerate(o.trainings, start=1):
        if not session.held:
            key = f"training_convocation:{rank}:{len(session.plans)}"
            yield training(o, rank, session), key, OBLIGATIONS["O8"].recipients
    for rank, planned in enumerate(o.recettes, start=1):
        if planned.concluded_on is None:
            key = f"recette_convocation:{rank}:{len(planned.plans)}"
            yield recette(o, rank, planned), key, OBLIGATIONS["O10"].recipients
    yield from _calls_asked(o)


def _calls_asked(
    o: Onboarding,
) -> Iterator[tuple[Invitation, str, Sequence[Party | Recipient | None]]]:
    if (event := presentation(o)) and not o.presented:
        key = f"presentation_convocation:{len(o.presentation_plans)}"
        yield event, key, OBLIGATIONS["O16"].recipients
    if o.verdict:
        return
    if event := interview(o):
        key = f"interview_convocation:{len(o.interview_plans)}"
        yield event, key, OBLIGATIONS["O17"].recipients
    elif o.interview_base and o.interview_from:
        due = o.calendar.add_calendar_days(o.interview_base, o.policy.interview_days)
        event = interview_to_agree(o, o.interview_from, due)
        yield event, "interview_invitation", OBLIGATIONS["O17"].recipients


def _mailboxes(o: Onboarding, recipients: Sequence[Party | Recipient | None]) -> list[Recipient]:
    return one_a_mailbox(o.person(who) if isinstance(who, str) else who for who in recipients)


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
