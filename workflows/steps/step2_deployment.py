"""Étape 2 — Déploiement (O5 to O7).

« […] avec un planning détaillé communiqué au client au minimum 72 heures avant chaque phase
d'intervention. Le chef de projet organise des points d'avancement hebdomadaires pendant la
phase de déploiement et communique immédiatement au client tout écart par rapport au planning
initial, avec les causes et les mesures de rattrapage prévues. »
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import takewhile
from typing import Any

from process import editions
from process.calendar import elapsed_hours, iso_week, monday_of, paris_day
from process.deviations import Deviation, deviations
from process.facts import PhaseCancelled
from process.french import enumeration, hours
from process.notices import ShortNotice, short_notices
from process.obligations import OBLIGATIONS, weeks_owed
from process.onboarding import Onboarding, Phase
from process.orders import Recipient, Sending
from workflows import invitations
from workflows.sendings import Expected, document, every_site, mail, owed, plain


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """A schedule for each firm phase, the weekly reports, the deviations."""
    for phase in o.phases.values():
        if phase.cancelled:
            key = f"phase_cancelled:{phase.id}"
            yield from owed(gone, key, _cancelled, o, phase, phase.cancelled, now)
        elif phase.slot.plan and not (phase.completed_at and now >= phase.slot.starts_at):
            key = f"intervention_schedule:{phase.id}:{len(phase.firm_slots)}"
            yield from owed(gone, key, _schedule, o, phase)
    known = deviations(o, now)
    for week in o.reports:
        yield from owed(gone, f"progress_report:{week}", _report, o, week, known, now)
    for deviation in known:
        if deviation.declaration is None:
            yield from owed(gone, f"deviation_request:{deviation.key}", _request, o, deviation)
        key = f"deviation_notice:{deviation.key}:{_how(deviation)}"
        yield from owed(gone, key, _notice, o, deviation)
    for short in short_notices(o, now):
        key = f"notice_request:{short.phase.id}:{len(short.phase.slots)}"
        yield from owed(gone, key, _notice_request, o, short)


def _brief(phase: Phase) -> dict[str, str]:
    return {"id": phase.id, "title": phase.title, "site": phase.slot.site}


def _cancelled(o: Onboarding, phase: Phase, cancelled: PhaseCancelled, now: datetime) -> Sending:
    # The client knows the last slot that was announced, else the one of the work plan.
    told = [
        slot
        for version, slot in enumerate(phase.firm_slots, start=1)
        if f"intervention_schedule:{phase.id}:{version}" in o.record.sendings
    ]
    known = told[-1] if told else phase.slots[0]
    start = plain(o, known.starts_at, known.site)
    events = [invitations.intervention(o, phase, known, cancelled=True)] if told else []
    holders: list[Recipient] = []
    if o.since(editions.SECOND):
        holders = invitations.phase_holders(o, phase, now)
        events = [one.model_copy(update={"attendees": holders}) for one in events if holders]
    return mail(
        o,
        "phase_cancelled",
        ["technical_lead", o.site_contact(known.site), *holders],
        {"phase": {**_brief(phase), "starts_at": start}, "reason": cancelled.reason},
        subject=phase.id,
        events=events,
    )


def _schedule(o: Onboarding, phase: Phase) -> Sending:
    *former, slot = phase.firm_slots
    previous = former[-1] if former else None
    data: dict[str, Any] = {
        **plain(o, slot.plan, slot.site),
        "notice_hours": max(0, int(elapsed_hours(_announced_at(phase), slot.starts_at))),
        "moved": previous is not None and not slot.same_start(previous),
        "previous": previous
        and {
            "starts_at": plain(o, previous.starts_at, previous.site),
            "ends_at": plain(o, previous.ends_at, previous.site),
            "site": previous.site,
        },
    }
    return mail(
        o,
        "intervention_schedule",
        # The technical lead first: their mail server's acceptance is the notice (O5).
        [*OBLIGATIONS["O5"].recipients, o.site_contact(slot.site)],
        data,
        subject=f"{phase.id}:{len(former) + 1}",
        documents=(document("planning_intervention", phase.id, data, [slot.site]),),
        events=[invitations.intervention(o, phase, slot)],
    )


def _announced_at(phase: Phase) -> datetime:
    """Since when the start in force is planned: a new end alone takes nothing from the notice."""
    slots = reversed(phase.firm_slots)
    return min(slot.known_at for slot in takewhile(phase.slot.same_start, slots))


def _report(o: Onboarding, week: str, known: list[Deviation], now: datetime) -> Sending:
    report = o.reports[week]
    data = {
        **plain(o, report),
        "week": week,
        "phases": [
            {
                **_brief(phase),
                "state": phase.state(now),
                "starts_at": plain(o, phase.slot.starts_at, phase.slot.site),
                "ends_at": plain(o, phase.slot.ends_at, phase.slot.site),
                "completed_at": plain(o, phase.completed_at, phase.slot.site),
            }
            for phase in o.phases.values()
        ],
        "deviations": [
            {
                "phase": deviation.phase.id,
                "cause": deviation.declaration.cause,
                "measures": deviation.declaration.measures,
            }
            for deviation in known
            if deviation.declaration and not deviation.phase.ended
        ],
    }
    report_document = document("compte_rendu_avancement", week, data, every_site(o))
    return mail(
        o,
        "progress_report",
        OBLIGATIONS["O6"].recipients,
        data,
        subject=week,
        documents=(report_document,),
    )


def _how(deviation: Deviation) -> str:
    return "factual" if deviation.declaration is None else "declared"


def _request(o: Onboarding, deviation: Deviation) -> Sending:
    return mail(
        o,
        "deviation_request",
        ["project_manager"],
        {
            "phase": _brief(deviation.phase),
            "observed": deviation.observed,
            "notice_at": plain(o, deviation.notice_at(o)),
        },
        subject=deviation.key,
    )


def _notice_request(o: Onboarding, short: ShortNotice) -> Sending:
    phase = short.phase
    return mail(
        o,
        "notice_request",
        ["project_manager"],
        {
            "phase": {
                **_brief(phase),
                "starts_at": plain(o, phase.slot.starts_at, phase.slot.site),
            },
            "due_at": plain(o, short.due_at, phase.slot.site),
            "firm": phase.slot.plan is not None,
            "notice": None if short.hours is None else hours(short.hours),
        },
        subject=f"{phase.id}:{len(phase.slots)}",
    )


def _notice(o: Onboarding, deviation: Deviation) -> Sending:
    phase, site = deviation.phase, deviation.planned.site
    declared, moved_to = deviation.declaration, deviation.moved_to
    new_starts_at = moved_to.starts_at if moved_to else declared and declared.new_starts_at
    new_ends_at = moved_to.ends_at if moved_to else declared and declared.new_ends_at
    data = {
        "phase": _brief(phase),
        "planned_starts_at": plain(o, deviation.planned.starts_at, site),
        "planned_ends_at": plain(o, deviation.planned.ends_at, site),
        "new_starts_at": plain(o, new_starts_at, site),
        "new_ends_at": plain(o, new_ends_at, site),
        "cause": declared.cause if declared else None,
        "measures": declared.measures if declared else [],
        "effect": declared.effect if declared else None,
        "factual": declared is None,
        "observed": deviation.observed,
    }
    return mail(
        o,
        "deviation_notice",
        OBLIGATIONS["O7"].recipients,
        data,
        subject=f"{deviation.key}:{_how(deviation)}",
        documents=(document("avis_ecart", deviation.key, data, [phase.slot.site]),),
        at=deviation.notice_at(o) if declared is None else None,
    )


def expected(o: Onboarding, now: datetime) -> Iterator[Expected]:
    """Firm phases, then their completion; the point of the week."""
    if not o.kickoff:
        return
    notices = short_notices(o, now)
    short = [one.phase for one in notices]
    if notices:
        about = enumeration([phase.id for phase in short])
        since = paris_day(min(one.due_at for one in notices))
        yield Expected(
            "phase_planned",
            "project_manager",
            since,
            f"{about} : préavis insuffisant, déplacer ou joindre la dérogation du client",
        )
    provisional = [one for one in o.phases.values() if one.state(now) == "provisional"]
    if provisional := [one for one in provisional if one not in short]:
        about = enumeration([phase.id for phase in provisional])
        yield Expected("phase_planned", "project_manager", o.kickoff.held_on, about)
    if under_way := [one for one in o.phases.values() if one.state(now) == "open"]:
        end = min(paris_day(phase.slot.ends_at) for phase in under_way)
        about = enumeration([phase.id for phase in under_way])
        yield Expected("phase_completed", "project_manager", end, about)
    if not o.deployment_over_at:
        this_week = iso_week(o.local(now).date())
        if this_week in weeks_owed(o, now) and this_week not in o.reports:
            about = f"semaine {int(this_week[-2:])}"
            monday = monday_of(this_week)
            yield Expected("progress_reported", "project_manager", monday, about)
    unexplained = [
        deviation
        for deviation in deviations(o, now)
        if deviation.declaration is None
        and not o.accepted_at(f"deviation_notice:{deviation.key}:factual")
    ]
    if unexplained:
        since = paris_day(min(deviation.detected_at for deviation in unexplained))
        about = enumeration(sorted({deviation.phase.id for deviation in unexplained}))
        yield Expected("deviation_declared", "project_manager", since, about)


def finished(o: Onboarding) -> bool:
    """Every phase completed or cancelled, at least one completed."""
    return o.deployment_over_at is not None
