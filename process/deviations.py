"""Deviations from the schedule, declared or only observed (PROCESS, section 4; O7).

A phase deviates when it is moved from the slot last announced, when its provisional start
passes without a firm schedule, or when it ends late. Each deviation of a phase answers to the
declaration of the same rank: declaring first and moving afterwards is one deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from process import facts as f
from process import french
from process.calendar import at, paris, paris_day
from process.onboarding import Onboarding, Phase, Slot


@dataclass(frozen=True)
class Deviation:
    """One deviation of one phase."""

    phase: Phase
    rank: int
    detected_at: datetime
    planned: Slot
    """The slot announced before it."""
    moved_to: Slot | None
    observed: str
    """What happened, as a sentence for the client."""
    declaration: f.DeviationDeclared | None

    @property
    def key(self) -> str:
        return f"{self.phase.id}-{self.rank}"

    def notice_at(self, o: Onboarding) -> datetime:
        """When the client receives a factual notice if nobody declared the causes: one jour
        ouvré (setting) after the detection, hour for hour."""
        day = o.calendar.add(paris_day(self.detected_at), o.policy.deviation_notice_jo)
        return at(day, paris(self.detected_at).time())


def deviations(o: Onboarding, now: datetime) -> list[Deviation]:
    """Every deviation known at that instant, phase by phase, in the order of their detection."""
    found = [deviation for phase in o.phases.values() for deviation in _of(o, phase, now)]
    if o.contract.history:
        # Of what was taken over, only what was declared is known to be a deviation.
        start = o.record.started_at
        found = [one for one in found if one.declaration or one.detected_at > start]
    return found


def next_detection(o: Onboarding, now: datetime) -> datetime | None:
    """When a phase that neither starts nor ends as announced would be noticed."""
    checks = [
        _noticed_at(o, phase.slot.ends_at if phase.slot.plan else phase.slot.starts_at)
        for phase in o.phases.values()
        if not phase.ended
    ]
    return min((instant for instant in checks if instant > now), default=None)


def _noticed_at(o: Onboarding, instant: datetime) -> datetime:
    """A person has until the next morning to say that a phase started or ended as planned."""
    return o.next_reminder(instant)


def _of(o: Onboarding, phase: Phase, now: datetime) -> list[Deviation]:
    observed = _observed(o, phase, now)
    declared = phase.declarations
    found = []
    for rank in range(1, max(len(observed), len(declared)) + 1):
        declaration, declared_at = declared[rank - 1] if rank <= len(declared) else (None, None)
        if rank <= len(observed):
            detected_at, planned, moved_to, sentence = observed[rank - 1]
        else:
            # Declared before anything could be observed: the usual, honest case.
            planned, moved_to, sentence = phase.slot, None, "Un écart au planning est annoncé."
            detected_at = now
        detected_at = min(detected_at, declared_at) if declared_at else detected_at
        found.append(Deviation(phase, rank, detected_at, planned, moved_to, sentence, declaration))
    return found


_Observation = tuple[datetime, Slot, Slot | None, str]


def _observed(o: Onboarding, phase: Phase, now: datetime) -> list[_Observation]:
    found: list[_Observation] = []
    # What a suspension put off is no deviation: it is announced anew at the resumption.
    for slot, following in zip(phase.slots, [*phase.slots[1:], None], strict=True):
        if slot.after_suspension:
            continue
        passed = _passed_over(o, phase, slot, following.known_at if following else now)
        moved = following is not None and (
            (following.starts_at, following.ends_at) != (slot.starts_at, slot.ends_at)
        )
        if passed:
            detected_at, sentence = passed
            found.append((detected_at, slot, following if moved else None, sentence))
        elif moved and following is not None:
            found.append((following.known_at, slot, following, _move(o, phase, slot, following)))
    return found


def _move(o: Onboarding, phase: Phase, slot: Slot, following: Slot) -> str:
    before = o.local(slot.starts_at, slot.site)
    after = o.local(following.starts_at, following.site)
    if before == after:
        end = french.full_instant(o.local(following.ends_at, following.site))
        return f"La fin de la phase « {phase.title} » est reportée au {end}."
    return (
        f"La phase « {phase.title} », prévue le {french.full_instant(before)}, "
        f"est déplacée au {french.full_instant(after)}."
    )


def _passed_over(
    o: Onboarding, phase: Phase, slot: Slot, until: datetime
) -> tuple[datetime, str] | None:
    """Whether the slot was missed while it was in force: not started, or not ended, in time."""
    if phase.cancelled:
        return None
    last = slot is phase.slot
    done_at = phase.completed_at if last and phase.completion_known_at else None
    if done_at and done_at <= slot.ends_at:
        return None
    noticed = _noticed_at(o, slot.ends_at if slot.plan else slot.starts_at)
    if not done_at and (noticed > until or o.was_suspended(noticed)):
        return None
    end = french.full_instant(o.local(slot.ends_at, slot.site))
    if done_at and phase.completion_known_at:
        done = french.full_instant(o.local(done_at, slot.site))
        sentence = f"La phase « {phase.title} », prévue jusqu'au {end}, s'est achevée le {done}."
        return min(noticed, max(phase.completion_known_at, slot.ends_at)), sentence
    if not slot.plan:
        start = french.full_instant(o.local(slot.starts_at, slot.site))
        return noticed, f"La phase « {phase.title} » n'a pas débuté le {start} comme prévu."
    return noticed, f"La phase « {phase.title} » n'est pas achevée le {end} comme prévu."
