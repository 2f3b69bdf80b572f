"""Étape 2 — Déploiement (O5 to O7).

« […] avec un planning détaillé communiqué au client au minimum 72 heures avant chaque phase
d'intervention. Le chef de projet organise des points d'avancement hebdomadaires pendant la
phase de déploiement et communique immédiatement au client tout écart par rapport au planning
initial, avec les causes et les mesures de rattrapage prévues. »
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile
from typing import Any

from process.calendar import elapsed_hours, iso_week, monday_of, paris_day
from process.deviations import Deviation, deviations
from process.french import enumeration
from process.obligations import OBLIGATIONS, weeks_owed
from process.onboarding import Onboarding, Phase, Slot
from process.orders import Sending
from workflows import invitations
from workflows.sendings import Expected, document, every_site, mail, plain


def sendings(o: Onboarding, now: datetime) -> Iterator[Sending]:
    """A schedule for each firm phase, the weekly reports, the deviations."""
    for phase in o.phases.values():
        yield from _schedules(o, phase, now)
    known = deviations(o, now)
    for week in o.reports:
        yield _report(o, week, known, now)
    for deviation in known:
        yield from _deviation(o, deviation)


def _brief(phase: Phase) -> dict[str, str]:
    return {"id": phase.id, "title": phase.title, "site": phase.slot.site}


def _schedules(o: Onboarding, phase: Phase, now: datetime) -> Iterator[Sending]:
    slots = phase.firm_slots
    # The technical lead first: their mail server's acceptance is the notice (O5).
    if phase.cancelled:
        # The client knows the last slot that was announced, else the one of the work plan.
        told = [
            slot
            for version, slot in enumerate(slots, start=1)
            if f"intervention_schedule:{phase.id}:{version}" in o.record.sendings
        ]
        known = told[-1] if told else phase.slots[0]
        start = plain(o, known.starts_at, known.site)
        yield mail(
            o,
            "phase_cancelled",
            ["technical_lead", o.site_contact(known.site)],
            {"phase": {**_brief(phase), "starts_at": start}, "reason": phase.cancelled.reason},
            subject=phase.id,
            events=[invitations.intervention(o, phase, known, cancelled=True)] if told else (),
        )
        return
    if not phase.slot.plan or (phase.completed_at and now >= phase.slot.starts_at):
        return
    yield _schedule(o, phase, slots[-1], slots[-2] if len(slots) > 1 else None)


def _schedule(o: Onboarding, phase: Phase, slot: Slot, previous: Slot | None) -> Sending:
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
        [*OBLIGATIONS["O5"].recipients, o.site_contact(slot.site)],
        data,
        subject=f"{phase.id}:{len(phase.firm_slots)}",
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


def _deviation(o: Onboarding, deviation: Deviation) -> Iterator[Sending]:
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
    notice_at = deviation.notice_at(o)
    if declared is None:
        yield mail(
            o,
            "deviation_request",
            ["project_manager"],
            {
                "phase": data["phase"],
                "observed": deviation.observed,
                "notice_at": plain(o, notice_at),
            },
            subject=deviation.key,
        )
    how = "factual" if declared is None else "declared"
    yield mail(
        o,
        "deviation_notice",
        OBLIGATIONS["O7"].recipients,
        data,
        subject=f"{deviation.key}:{how}",
        documents=(document("avis_ecart", deviation.key, data, [phase.slot.site]),),
        at=notice_at if declared is None else None,
    )


def expected(o: Onboarding, now: datetime) -> Iterator[Expected]:
    """Firm phases, then their completion; the point of the week."""
    if not o.kickoff:
        return
    if provisional := [one for one in o.phases.values() if one.state(now) == "provisional"]:
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
