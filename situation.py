"""The ``status`` of an onboarding, told in French to whoever asks on the command line."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from process.calendar import paris_day
from process.documents import DOCUMENT_KINDS
from process.facts import named
from process.french import full_date, full_instant, plural
from process.obligations import OBLIGATIONS
from process.open_points import advice
from process.vocabulary import HEALTH_NAMES, ROLE_NAMES, SEVERITY_NAMES, STEP_TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ENDS: Final = {
    "completed": "terminé",
    "cancelled": "annulé",
    "stopped": "arrêté de force",
    "unopened": "arrêté avant l'ouverture",
}
_RESERVE_STATES: Final = {
    "open": "ouverte",
    "fixed": "déclarée corrigée",
    "contested": "contestée",
}
_LIMITS_SHOWN: Final = 5
_DOCUMENTS_SHOWN: Final = 10


def in_french(status: dict[str, Any], now: datetime) -> Iterator[str]:
    """The lines of a summary: steps, health, limits with the days left at ``now``, réserves, what
    is awaited from whom, open points and how to settle them, documents."""
    yield f"Onboarding {status['reference']} — {status['client']}"
    if stopped_at := status.get("stopped_at"):
        when = full_instant(datetime.fromisoformat(stopped_at))
        yield f"Arrêté de force dans Temporal le {when} : plus rien ne se passe"
    yield f"Étape : {step_title(status['step'])}"
    yield f"Santé : {HEALTH_NAMES.get(status['health'], status['health'])}"
    yield from _section("Étapes", _steps(status["step"]))
    deadlines = status.get("deadlines") or []
    yield from _section("Échéances manquées", (_limit(one, now) for one in _late(deadlines)))
    yield from _section("Prochaines échéances", (_limit(one, now) for one in _next(deadlines)))
    reserves = [one for one in status.get("reserves") or [] if one["state"] in _RESERVE_STATES]
    yield from _section("Réserves ouvertes", map(_reserve, reserves))
    yield from _section("Attendu", map(_awaited, status.get("waiting_for") or []))
    yield from _section(
        "Faits en attente",
        (f"{named(one['fact'])}, attend {one['waits_for']}" for one in status.get("waiting") or []),
    )
    yield from _section(
        f"Points ouverts (les régler : fact {status['reference']} open_point_settled)",
        map(_point, status.get("open_points") or []),
    )
    yield from _section("Documents émis", _documents(status.get("documents") or []))
    if refused := status.get("rejected_count"):
        yield f"{plural(refused, 'fait refusé', 'faits refusés')} : voir --json"


def step_title(step: int | str) -> str:
    """``3. Formation des utilisateurs``, or how it ended."""
    if str(step).isdecimal():
        return f"{step}. {STEP_TITLES.get(int(step), '')}"
    return _ENDS.get(str(step), str(step))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    shown = list(lines)
    if shown:
        yield f"{title} :"
        yield from (f"  - {line}" for line in shown)


def _steps(step: int | str) -> Iterator[str]:
    """Every step of an onboarding under way: ``step`` is the earliest that is not finished."""
    if not str(step).isdecimal():
        return
    for number in STEP_TITLES:
        state = (
            "terminée" if number < int(step) else "en cours" if number == int(step) else "à venir"
        )
        yield f"{step_title(number)} : {state}"


def _late(deadlines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in deadlines if one["state"] == "missed" and not one.get("met_at")]


def _next(deadlines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    running = [one for one in deadlines if one["state"] == "running" and one.get("due_at")]
    return sorted(running, key=lambda one: datetime.fromisoformat(one["due_at"]))[:_LIMITS_SHOWN]


def _limit(one: dict[str, Any], now: datetime) -> str:
    code = str(one["obligation"])
    name = f"{code} {OBLIGATIONS[code].title}" if code in OBLIGATIONS else code
    if one.get("key"):
        name += f" ({one['key']})"
    if not one.get("due_at"):
        return name
    return f"{name} : {_moment(one['due_at'])}, {_left(datetime.fromisoformat(one['due_at']), now)}"


def _left(due: datetime, now: datetime) -> str:
    """The days left, or gone since, between the dates in Paris."""
    days = (paris_day(due) - paris_day(now)).days
    if due < now:
        return f"dépassée de {plural(-days, 'jour')}" if days else "dépassée aujourd'hui"
    return {0: "aujourd'hui", 1: "demain"}.get(days, f"dans {plural(days, 'jour')}")


def _reserve(one: dict[str, Any]) -> str:
    severity = SEVERITY_NAMES.get(one["severity"], one["severity"])
    due = f", à lever avant le {_moment(one['due_on'])}" if one.get("due_on") else ""
    return f"n° {one['number']} ({severity}), {_RESERVE_STATES[one['state']]}{due}"


def _awaited(one: dict[str, Any]) -> str:
    return f"{named(one['fact'])}, de : {_owner(one['owed_by'])}"


def _point(one: dict[str, Any]) -> str:
    how = advice(one["id"])
    owner = _owner(one["owed_by"])
    return f"[{one['id']}] {one['message']}, à régler par : {owner} ; comment : {how}"


def _documents(documents: list[dict[str, Any]]) -> Iterator[str]:
    """The latest first."""
    latest = documents[-_DOCUMENTS_SHOWN:][::-1]
    for one in latest:
        kind = DOCUMENT_KINDS.get(one["kind"])
        title = kind.title if kind else one["kind"]
        yield f"{one['reference']} : {title}, {_moment(one['issued_at'])}"
    if more := len(documents) - len(latest):
        yield f"{plural(more, 'plus ancien', 'plus anciens')} : voir --json"


def _owner(role: str) -> str:
    return {"client": "client", "mileo": "Mileo"}.get(role, ROLE_NAMES.get(role, role))


def _moment(text: str) -> str:
    if len(text) == len("2026-03-30"):
        return full_date(date.fromisoformat(text))
    return full_instant(datetime.fromisoformat(text))
