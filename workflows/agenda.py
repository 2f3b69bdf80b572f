"""What is to be done now, and when to look again: one look at everything that is known."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from process import deviations, editions, french, maintenance, reminders
from process.calendar import at, end_of, iso_week, monday_of, paris, paris_day, start_of
from process.facts import named
from process.obligations import Deadline
from process.onboarding import Onboarding
from process.orders import Sending
from process.reminders import Reminder
from workflows.sendings import step_of, title
from workflows.steps import STEPS, any_step

_REMINDED: Final = 80
"""Characters of what a reminder is about: a line of the timeline shows no more."""

_PAUSED: Final = frozenset(
    {"deviation_request", "deviation_notice", "notice_request", "interview_invitation"}
)
"""What time alone would send, and a suspension holds back."""


@dataclass(frozen=True)
class Wake:
    """An absolute instant at which to look again, and what for, in French."""

    at: datetime
    why: str
    step: int | None = None
    until: datetime | None = None
    """The instant that a person reads, where it is the one before."""

    @property
    def text(self) -> str:
        """What for, and until when."""
        return f"jusqu'au {french.full_instant(paris(self.until or self.at))} : {self.why}"


@dataclass(frozen=True)
class Agenda:
    """The sendings that may leave now, the reminders of the hour, the next instant."""

    sendings: list[Sending]
    reminders: list[Reminder]
    wake: Wake | None
    instants: frozenset[datetime]
    """All those to come that matter."""
    rung_at: datetime | None
    """The next rung of the reminders."""


def everything(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """All that the steps have to send, past and future, in the order of the process; of the keys
    that are ``gone``, no more than costs nothing."""
    if o.cancelled:
        yield from any_step.cancellation(o)
        if o.since(editions.SECOND):
            yield from any_step.late_withdrawals(o, now)
        return
    for step in STEPS.values():
        yield from step.sendings(o, now, gone)
    yield from any_step.sendings(o, now, gone)


def look(o: Onboarding, held: list[Deadline], now: datetime) -> Agenda:
    """Everything owed that has not been started, and the earliest instant that changes it."""
    started = o.record.sendings
    gone = {key for key, entry in started.items() if entry.state != "again"}
    owed = {
        sending.key: sending
        for sending in everything(o, now, gone)
        if sending.to and sending.key not in gone and not (o.suspension and sending.kind in _PAUSED)
    }
    for key, entry in started.items():
        if entry.state != "again" or not entry.held:
            continue
        if o.cancelled and o.since(editions.SECOND):
            # What is withdrawn from calendars dwindles as the others learn of it: as it was.
            owed[key] = entry.held
        else:
            # Asked to try again: as it would be today, else as it was.
            owed.setdefault(key, entry.held)
    chased = reminders.chases(o, held, now)
    wakes = [
        *(
            Wake(sending.at, f"envoi prévu, {title(sending)}", step_of(sending.kind))
            for sending in owed.values()
            if sending.at and sending.at > now
        ),
        *_wakes(o, held, now),
    ]
    rung = reminders.next_rung(chased, now)
    if rung is not None:
        text = textwrap.shorten(rung.text, _REMINDED, placeholder="…")
        wakes.append(Wake(rung.at, f"rappel, {text}"))
    to_come = [wake for wake in wakes if wake.at > now]
    return Agenda(
        sendings=[sending for sending in owed.values() if sending.at is None or sending.at <= now],
        reminders=reminders.due_reminders(chased, o.record.rung_at, now),
        wake=min(to_come, key=lambda wake: wake.at, default=None),
        instants=frozenset(wake.at for wake in to_come),
        rung_at=rung.at if rung else None,
    )


def _wakes(o: Onboarding, held: list[Deadline], now: datetime) -> Iterator[Wake]:
    for deadline in held:
        if deadline.state == "running" and deadline.limit.due_at:
            due_at, obligation = deadline.limit.due_at, deadline.obligation
            why = f"échéance {obligation.code}, {deadline.title}"
            yield Wake(due_at + timedelta(seconds=1), why, obligation.step, until=due_at)
    if not o.suspension:
        yield from _deployment_wakes(o, now)
    if o.contract.maintenance and not o.record.activated_at and not maintenance.is_blocked(o):
        activation = maintenance.activation_at(o, now)
        if activation:
            yield Wake(activation, "activation de la maintenance", 6)
    for fact in o.record.waiting:
        too_long = waiting_too_long_at(o, fact.received_at)
        for instant in (too_long, fact.until):
            if instant:
                yield Wake(instant, f"fait en attente, {named(fact.fact)}")
    yield from doubt_wakes(o)
    # Each new year, to see whether the calendar must be read for later ones.
    new_year = date(paris_day(now).year + 1, 1, 2)
    yield Wake(at(new_year, o.policy.reminder_hour), "lecture du calendrier de l'année")


def _deployment_wakes(o: Onboarding, now: datetime) -> Iterator[Wake]:
    for phase in o.phases.values():
        if not phase.ended:
            yield Wake(phase.slot.starts_at, f"début de la phase {phase.id}", 2)
    if unnoticed := deviations.next_detection(o, now):
        yield Wake(unnoticed, "contrôle du planning des phases", 2)
    if o.deployment_starts_at and not o.deployment_over_at:
        monday = monday_of(iso_week(paris_day(now))) + timedelta(days=7)
        yield Wake(start_of(monday), "nouvelle semaine de déploiement", 2)


def doubt_wakes(o: Onboarding) -> Iterator[Wake]:
    """When each message that was never answered leaves again."""
    for entry in o.record.sendings.values():
        if entry.doubt_ends_at:
            yield Wake(entry.doubt_ends_at, "courriel resté sans réponse", step_of(entry.kind))


def waiting_too_long_at(o: Onboarding, received_at: datetime) -> datetime:
    """When a fact that waits becomes an open point (5 jo, setting)."""
    return end_of(o.calendar.add(paris_day(received_at), o.policy.waiting_fact_jo))
