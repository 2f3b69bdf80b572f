"""Étape 7 — Évaluation à 30 jours (O17).

« Le critère de succès de l'onboarding est évalué 30 jours après l'activation du contrat de
maintenance par un entretien court (30 minutes) entre le chef de projet et le client. »
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any, Final

from process.calendar import at, paris_day
from process.obligations import OBLIGATIONS, deadlines
from process.onboarding import Onboarding
from process.orders import Sending
from process.vocabulary import Party
from workflows import invitations
from workflows.sendings import Expected, document, every_site, mail, owed, plain

_MANAGEMENT: Final[tuple[Party, ...]] = ("account_manager", "head_of_projects")


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """The invitation, the report with its verdict."""
    base, first_day = o.interview_base, o.interview_from
    if base is None or first_day is None:
        return
    if not o.verdict:
        yield from _invitation(o, base, first_day)
        return
    yield from owed(gone, "interview_report", _report, o, now)


def _report(o: Onboarding, now: datetime) -> Sending:
    if held := o.interview:
        data = {
            **plain(o, held),
            "verdict": o.verdict,
            "activated_at": plain(o, o.record.activated_at),
            "limits": limits(o, now),
        }
        report = (document("rapport_entretien", "interview", data, every_site(o)),)
        return mail(o, "interview_report", _MANAGEMENT, data, documents=report)
    closed = o.interview_closed
    data = {
        "verdict": o.verdict,
        "actions": [],
        "not_held_reason": closed.not_held_reason if closed else None,
    }
    return mail(o, "interview_report", _MANAGEMENT, data)


def _invitation(o: Onboarding, base: date, first_day: date) -> Iterator[Sending]:
    """Once its hour is agreed, the interview itself; until then, the days in which to agree."""
    people = OBLIGATIONS["O17"].recipients
    if o.interview_plans:
        rank = len(o.interview_plans)
        yield mail(
            o,
            "interview_convocation",
            people,
            {**plain(o, o.interview_plans[-1]), "moved": rank > 1},
            subject=str(rank),
            events=[invitations.interview(o)],
        )
        return
    due = o.calendar.add_calendar_days(base, o.policy.interview_days)
    yield mail(
        o,
        "interview_invitation",
        people,
        {
            "activated_at": plain(o, o.record.activated_at),
            "from_on": plain(o, first_day),
            "due_on": plain(o, due),
        },
        events=[invitations.interview_to_agree(o, first_day, due)],
        at=at(o.calendar.worked_from(first_day), o.policy.reminder_hour),
    )


def closing(o: Onboarding, now: datetime) -> Iterator[Sending]:
    """The end of the run, told to both sides with a summary (PROCESS, section 4)."""
    held = o.interview
    yield mail(
        o,
        "closing_client",
        OBLIGATIONS["O17"].recipients,
        {
            "signed_on": plain(o, o.signed_on),
            "accepted_on": plain(o, o.fully_accepted_on),
            "doe_delivered_at": plain(o, o.doe_delivered_at),
            "activated_at": plain(o, o.record.activated_at),
            "interview_on": plain(o, held.held_on) if held else None,
        },
    )
    yield mail(
        o,
        "closing_team",
        ["project_manager", "technical_referent", "sales", *_MANAGEMENT],
        {"verdict": o.verdict, "limits": limits(o, now)},
    )


def limits(o: Onboarding, now: datetime) -> list[dict[str, Any]]:
    """Every limit and what became of it, computed."""
    return [
        {
            "obligation": deadline.obligation.code,
            "title": deadline.title,
            "key": None if deadline.limit.label else deadline.limit.key,
            "due_at": plain(o, deadline.limit.due_at),
            # A fact states a day, not an hour.
            "met_on": deadline.limit.met_at and paris_day(deadline.limit.met_at).isoformat(),
            "state": deadline.state,
        }
        for deadline in deadlines(o, now)
        if deadline.state != "void"
    ]


def expected(o: Onboarding, now: datetime) -> Iterator[Expected]:
    """The interview, from its first day on."""
    first_day = o.interview_from
    if first_day and paris_day(now) >= first_day and not o.verdict:
        yield Expected("interview_held", "project_manager", first_day)


def finished(o: Onboarding) -> bool:
    """Interview held, or closed as not held."""
    return o.verdict is not None
