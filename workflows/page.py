"""What a person reads in Temporal's web UI, in French. Pure; lists, since tables render poorly."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from process import french
from process.calendar import paris, paris_day
from process.contract import Client, Contract, Team
from process.health import client_waits, health
from process.obligations import Deadline
from process.onboarding import Onboarding
from process.vocabulary import (
    HEALTH_NAMES,
    PROJECT_KIND_NAMES,
    ROLE_NAMES,
    STEP_TITLES,
    VERDICT_NAMES,
)
from workflows.steps import STEPS, current_step

_SUMMARY_BYTES: Final = 200
_DETAILS_BYTES: Final = 20_000


def summary(text: str) -> str:
    """One line for a timer or an activity, at most 200 bytes."""
    return _cut(" ".join(text.split()), _SUMMARY_BYTES)


def contract_summary(contract: Contract) -> str:
    """The one line that names a run for good: client and contract."""
    tail = f" — contrat {_safe(contract.reference)}"
    head = _cut(_safe(contract.client.name), _SUMMARY_BYTES - len(tail.encode()))
    return head + tail


def contract_details(contract: Contract) -> str:
    """What never changes: client, contract, sites and people by function. No address and no
    telephone."""
    signed = french.full_date(paris_day(contract.signed_at))
    maintenance = "avec maintenance" if contract.maintenance else "sans contrat de maintenance"
    lines = [
        f"- Client : {_safe(contract.client.name)}",
        f"- Contrat : {_safe(contract.reference)}, signé le {signed}",
        f"- Projet : {PROJECT_KIND_NAMES[contract.project_kind]}, {maintenance}",
    ]
    lines += _section("Chez Mileo", _people(contract.team))
    lines += _section("Chez le client", _people(contract.client))
    lines += _section("Sites", [f"{_safe(s.name)} ({_safe(s.code)})" for s in contract.sites])
    return _cut("\n".join(lines), _DETAILS_BYTES)


def _people(side: Client | Team) -> list[str]:
    people = ((role, getattr(side, role, None)) for role in ROLE_NAMES)
    return [f"{ROLE_NAMES[role]} : {_safe(one.name)}" for role, one in people if one]


def details(
    o: Onboarding,
    held: list[Deadline],
    now: datetime,
    *,
    completed: bool,
    continued: bool = False,
) -> str:
    """The current details of a run: where it stands, who is awaited, limits, réserves, points.

    A run that goes on from a former one (``continued``) has lost the summary it was started with:
    it is said here.
    """
    if completed:
        return _cut("\n".join(_ended(o, held)), _DETAILS_BYTES)
    step = current_step(o) or len(STEPS)
    lines = [contract_summary(o.contract), ""] if continued else []
    lines += [
        f"**Étape {step} sur 7 — {STEP_TITLES[step]}** · {HEALTH_NAMES[health(o, held, now)]}"
    ]
    lines += _section(
        "Attendu",
        [
            f"`{expected.fact}` — {ROLE_NAMES[expected.owed_by]}"
            for one in STEPS.values()
            for expected in one.expected(o, now)
        ],
    )
    lines += _section(
        "En attente du client",
        [
            f"{_safe(wait.text)} (depuis le {french.full_date(paris_day(wait.since))})"
            for wait in client_waits(o)
        ],
    )
    running = [(d.limit.due_at, d) for d in held if d.state == "running" and d.limit.due_at]
    running.sort(key=lambda pair: pair[0])
    lines += _section(
        "Prochaines échéances",
        [
            f"{french.full_instant(paris(due))} — {d.obligation.code} {_safe(d.title)}"
            for due, d in running[:5]
        ],
    )
    lines += _missed(held)
    lines += _section(
        "Réserves ouvertes",
        [
            f"n° {number} — {_safe(story.reserve.title)}, échéance {french.full_date(story.due_on)}"
            for number, story in o.reserves.items()
            if not story.is_over
        ],
    )
    lines += _section(
        "Points ouverts (fait `open_point_settled`)",
        [f"`{point.id}` — {_safe(point.message)}" for point in o.record.open_points],
    )
    lines += _section(
        "Faits en attente",
        [f"`{fact.fact}` attend `{fact.waits_for}`" for fact in o.record.waiting],
    )
    lines += _section(
        "Derniers faits refusés",
        [f"`{_safe(fact.fact)}` — {_safe(fact.reason)}" for fact in o.record.rejected[-3:]],
    )
    return _cut("\n".join(lines), _DETAILS_BYTES)


def _ended(o: Onboarding, held: list[Deadline]) -> list[str]:
    if o.cancelled:
        return [f"**Onboarding annulé** — {_safe(o.cancelled.reason)}"]
    verdict = VERDICT_NAMES.get(o.verdict or "", "sans verdict")
    met = french.plural(
        [deadline.state for deadline in held].count("met"), "échéance tenue", "échéances tenues"
    )
    return [f"**Onboarding terminé** — {verdict} · {met}", *_missed(held)]


def _missed(held: list[Deadline]) -> list[str]:
    return _section(
        "Échéances manquées",
        [
            f"{d.obligation.code} {_safe(d.title)} — {french.full_instant(paris(d.limit.due_at))}"
            + (" (fait depuis)" if d.limit.met_at else "")
            for d in held
            if d.state == "missed" and d.limit.due_at
        ],
    )


def _section(title: str, items: list[str]) -> list[str]:
    return ["", f"**{title}**", "", *(f"- {item}" for item in items)] if items else []


def _safe(text: str) -> str:
    """Untrusted text shown as it is, on one line: no mark-up, no link, no HTML."""
    return re.sub(r"([\\`*_{}\[\]()<>#|~!&@])", r"\\\1", " ".join(text.split()))


def _cut(text: str, limit: int) -> str:
    """At most that many bytes, whole characters, marked when something is missing."""
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - len("…".encode())].decode(errors="ignore").rstrip("\\") + "…"
