"""The ``status`` of an onboarding, told in French to whoever asks on the command line."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from process.french import full_date, full_instant, plural
from process.vocabulary import HEALTH_NAMES, ROLE_NAMES, SEVERITY_NAMES, STEP_TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS: Final = {"completed": "terminé", "cancelled": "annulé"}
_RESERVE_STATES: Final = {
    "open": "ouverte",
    "fixed": "déclarée corrigée",
    "contested": "contestée",
}
_LIMITS_SHOWN: Final = 5


def in_french(status: dict[str, Any]) -> Iterator[str]:
    """The lines of a summary: step, health, next limits, réserves, what is awaited from whom."""
    yield f"Onboarding {status['reference']} — {status['client']}"
    yield f"Étape : {_step(status['step'])}"
    yield f"Santé : {HEALTH_NAMES.get(status['health'], status['health'])}"
    deadlines = status.get("deadlines") or []
    yield from _section("Échéances manquées", map(_limit, _late(deadlines)))
    yield from _section("Prochaines échéances", map(_limit, _next(deadlines)))
    reserves = [one for one in status.get("reserves") or [] if one["state"] in _RESERVE_STATES]
    yield from _section("Réserves ouvertes", map(_reserve, reserves))
    yield from _section("Attendu", map(_awaited, status.get("waiting_for") or []))
    yield from _section(
        "Faits en attente",
        (f"{one['fact']}, attend {one['waits_for']}" for one in status.get("waiting") or []),
    )
    yield from _section("Points ouverts", map(_point, status.get("open_points") or []))
    if refused := status.get("rejected_count"):
        yield f"{plural(refused, 'fait refusé', 'faits refusés')} : voir --json"


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield f"{title} :"
        yield from (f"  - {line}" for line in shown)


def _step(step: int | str) -> str:
    if str(step).isdecimal():
        return f"{step}. {STEP_TITLES.get(int(step), '')}"
    return _STEPS.get(str(step), str(step))


def _late(deadlines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in deadlines if one["state"] == "missed" and not one.get("met_at")]


def _next(deadlines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    running = [one for one in deadlines if one["state"] == "running" and one.get("due_at")]
    return sorted(running, key=lambda one: datetime.fromisoformat(one["due_at"]))[:_LIMITS_SHOWN]


def _limit(one: dict[str, Any]) -> str:
    name = f"{one['obligation']} ({one['key']})" if one.get("key") else str(one["obligation"])
    return f"{name} : {_moment(one['due_at'])}" if one.get("due_at") else name


def _reserve(one: dict[str, Any]) -> str:
    severity = SEVERITY_NAMES.get(one["severity"], one["severity"])
    due = f", à lever avant le {_moment(one['due_on'])}" if one.get("due_on") else ""
    return f"n° {one['number']} ({severity}), {_RESERVE_STATES[one['state']]}{due}"


def _awaited(one: dict[str, Any]) -> str:
    return f"{one['fact']}, de : {_owner(one['owed_by'])}"


def _point(one: dict[str, Any]) -> str:
    return f"[{one['id']}] {one['message']}, à régler par : {_owner(one['owed_by'])}"


def _owner(role: str) -> str:
    return {"client": "client", "mileo": "Mileo"}.get(role, ROLE_NAMES.get(role, role))


def _moment(text: str) -> str:
    if len(text) == len("2026-03-30"):
        return full_date(date.fromisoformat(text))
    return full_instant(datetime.fromisoformat(text))
