"""The notice of a phase that comes too late (PROCESS, section 4; O5): the phase must be moved, or
waived by the client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from process import editions
from process.calendar import elapsed_before
from process.onboarding import Onboarding, Phase


@dataclass(frozen=True)
class ShortNotice:
    """A phase ahead whose schedule was not accepted 72 hours (setting) before its start."""

    phase: Phase
    due_at: datetime
    """The last instant at which its schedule would have been in time."""
    hours: float | None
    """The notice really given, once the schedule was accepted."""


def short_notices(o: Onboarding, now: datetime) -> list[ShortNotice]:
    """The phases still ahead that must be moved or waived."""
    if not o.since(editions.SECOND):
        return []
    found = (_short_notice(o, phase, now) for phase in o.phases.values())
    return [short for short in found if short]


def _short_notice(o: Onboarding, phase: Phase, now: datetime) -> ShortNotice | None:
    slot = phase.slot
    waived = slot.plan is not None and slot.plan.waiver is not None
    due_at = elapsed_before(slot.starts_at, o.policy.notice_hours)
    if phase.ended or waived or not due_at < now < slot.starts_at:
        return None
    accepted = o.notice_accepted_at(phase)
    if accepted and accepted <= due_at:
        return None
    return ShortNotice(phase, due_at, o.notice_hours(phase))
