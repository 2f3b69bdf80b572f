"""Where an onboarding stands: who is waited for, and its health (PROCESS, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from process.calendar import paris_day
from process.obligations import Deadline
from process.onboarding import Onboarding

Health = Literal["on_time", "at_risk", "late", "waiting_on_client", "suspended"]


@dataclass(frozen=True)
class ClientWait:
    """Something only the client can do."""

    id: str
    text: str
    since: datetime


def client_waits(o: Onboarding) -> list[ClientWait]:
    """An answer to a scope change, or a levée after ``reserve_fixed``."""
    waits = []
    proposed = o.accepted_at("scope_change_proposal")
    if proposed and o.audit and o.audit.scope_change and not o.scope_answer:
        title = o.audit.scope_change.title
        waits.append(
            ClientWait("scope_change", f"réponse à la proposition d'avenant « {title} »", proposed)
        )
    for number, story in o.reserves.items():
        if story.state == "fixed" and story.fixed_at:
            text = f"constat de levée de la réserve n° {number} « {story.reserve.title} »"
            waits.append(ClientWait(f"reserve:{number}", text, story.fixed_at))
    return waits


def health(o: Onboarding, held: list[Deadline], now: datetime) -> Health:
    """The first that applies: suspended, late, waiting on the client, at risk, on time."""
    if o.suspension:
        return "suspended"
    if any(deadline.is_late for deadline in held):
        return "late"
    today = paris_day(now)
    patience = o.policy.waiting_on_client_jo
    if any(o.calendar.add(paris_day(wait.since), patience) <= today for wait in client_waits(o)):
        return "waiting_on_client"
    horizon = o.calendar.add(today, o.policy.at_risk_jo)
    running = [d.limit.due_at for d in held if d.state == "running" and d.limit.due_at]
    if any(paris_day(due) <= horizon for due in running):
        return "at_risk"
    return "on_time"
