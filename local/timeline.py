"""The story of an onboarding as a person enjoys reading it: one paragraph a day, in French."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.stage import Told
from process import french
from process.calendar import paris
from process.contract import Contract
from process.documents import file_name
from process.facts import FACTS
from process.obligations import OBLIGATIONS
from process.vocabulary import DECISION_NAMES, PROJECT_KIND_NAMES, ROLE_NAMES, VERDICT_NAMES
from register.store import MailRow
from workflows.sendings import MAILS

_OF_FACT: Final = {
    "kickoff_planned": "O1",
    "kickoff_held": "O1",
    "audit_concluded": "O3",
    "scope_change_answered": "O4",
    "phase_planned": "O5",
    "phase_completed": "O5",
    "phase_cancelled": "O5",
    "progress_reported": "O6",
    "deviation_declared": "O7",
    "reserve_contested": "O12",
    "reserve_withdrawn": "O12",
    "training_planned": "O8",
    "commissioned": "O8",
    "training_held": "O9",
    "recette_planned": "O10",
    "recette_signed_off": "O11",
    "reserve_fixed": "O12",
    "reserve_lifted": "O12",
    "reserve_lifting_refused": "O12",
    "doe_piece_filed": "O13",
    "doe_released": "O13",
    "doe_received": "O13",
    "maintenance_presented": "O16",
    "interview_held": "O17",
}
"""The obligation that each fact is about."""


@dataclass
class _Line:
    at: datetime
    mark: str
    obligation: str
    text: Text
    extra: list[Text] = field(default_factory=list)


@dataclass
class _Limit:
    day: date
    mark: Text
    obligation: str
    text: Text


def story(
    contract: Contract, told: list[Told], mails: list[MailRow], status: dict[str, Any]
) -> RenderableType:
    """The whole timeline: facts, mails with their documents, limits kept and missed."""
    lines = [*_facts(told), *_mails(mails), *_activation(status)]
    by_day: dict[date, list[_Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: line.at):
        by_day[paris(line.at).date()].append(line)
    limits: dict[date, list[_Limit]] = defaultdict(list)
    for limit in _limits(status):
        limits[limit.day].append(limit)
    parts: list[RenderableType] = [_title(contract)]
    for day in sorted({*by_day, *limits}):
        heading = french.full_date(day)
        parts.append(Text(f"\n{heading[0].upper()}{heading[1:]}", style="bold"))
        parts.append(Padding(_day(by_day.get(day, []), limits.get(day, [])), (0, 0, 0, 2)))
    parts.append(_end(status))
    return Group(*parts)


def _title(contract: Contract) -> RenderableType:
    sites = french.enumeration([site.name for site in contract.sites])
    text = Text.assemble(
        (f"{contract.client.name}\n", "bold"),
        f"Contrat {contract.reference} — {PROJECT_KIND_NAMES[contract.project_kind]}\n",
        f"{sites} — signé le {french.full_instant(paris(contract.signed_at))}",
    )
    return Panel(text, title="PROC-CRM-003", title_align="left", border_style="cyan")


def _day(lines: list[_Line], limits: list[_Limit]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim", min_width=7, justify="right")
    table.add_column(no_wrap=True, min_width=3, style="cyan")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    previous = ""
    for line in lines:
        hour = french.hour(paris(line.at))
        shown, previous = ("" if hour == previous else hour), hour
        table.add_row(shown, line.obligation, line.mark, line.text)
        for extra in line.extra:
            table.add_row("", "", "", extra)
    for limit in limits:
        table.add_row("", limit.obligation, limit.mark, limit.text)
    return table


def _facts(told: list[Told]) -> Iterator[_Line]:
    pieces: dict[datetime, _Line] = {}
    for one in told:
        obligation = _OF_FACT.get(one.fact, "")
        if one.outcome == "refused":
            text = Text(f"{_what(one)} : refusé", style="red")
            reasons = [Text(reason, style="red") for reason in one.reason.splitlines()]
            yield _Line(one.at, "✋", obligation, text, reasons)
        elif one.fact == "doe_piece_filed":
            # A dozen pieces filed in one go make one line.
            minute = one.at.replace(second=0, microsecond=0)
            line = pieces.get(minute)
            if line is None:
                line = pieces[minute] = _Line(one.at, "●", obligation, Text(), [])
                yield line
            line.extra.append(Text(one.payload["name"], style="dim"))
            count = french.plural(len(line.extra), "pièce versée", "pièces versées")
            line.text = Text(f"DOE : {count}")
        elif one.outcome == "waiting":
            yield _Line(one.at, "…", obligation, Text(f"{_what(one)} : gardé, il vient trop tôt"))
        else:
            yield _Line(one.at, "●", obligation, Text(_what(one)))


def _what(one: Told) -> str:
    title = FACTS[one.fact].TITLE.partition(" (ou ")[0]
    return f"{title}{_precisely(one)}"


def _precisely(one: Told) -> str:
    payload = one.payload
    if one.fact == "recette_signed_off":
        return f" : {DECISION_NAMES[payload['decision']]}"
    if one.fact in ("phase_planned", "phase_completed", "phase_cancelled"):
        waiver = ", avec dérogation du client" if payload.get("waiver") else ""
        return f" ({payload['id']}{waiver})"
    if one.fact == "deviation_declared":
        return f" ({payload['phase']}) : {payload['cause']}"
    if one.fact == "fact_corrected":
        return f" (« {FACTS[payload['fact']].TITLE} ») : {payload['reason']}"
    if one.fact == "contact_replaced":
        return f" : {payload['person']['name']}, {ROLE_NAMES[payload['role']]}"
    if one.fact.startswith("onboarding_"):
        return f" : {payload['reason']}"
    if one.fact == "interview_held" and "tried_on" in payload:
        return f" : tentative, {payload['not_held_reason'].lower()}"
    if "number" in payload:
        reason = f" : {payload['reason']}" if "reason" in payload else ""
        return f" (n° {payload['number']}){reason}"
    if one.fact == "interview_held" and "score" in payload:
        return f" : note {payload['score']}/10"
    return ""


def _mails(mails: list[MailRow]) -> Iterator[_Line]:
    groups: dict[str, list[MailRow]] = defaultdict(list)
    for row in mails:
        groups[row.key].append(row)
    for rows in groups.values():
        accepted = [row.accepted_at for row in rows if row.accepted_at]
        if not accepted:
            continue
        kind = MAILS[rows[0].kind]
        names = [row.name or ROLE_NAMES.get(row.role, row.recipient) for row in rows]
        text = Text.assemble(kind.title, (f" → {french.enumeration(names)}", "dim"))
        attached = [Text(f"📄 {file_name(one)}", style="green") for one in rows[0].attachments]
        yield _Line(min(accepted), "✉", kind.obligation or "", text, attached)


def _activation(status: dict[str, Any]) -> Iterator[_Line]:
    activated = status["maintenance"]["activated_at"]
    if activated:
        text = Text("La maintenance s'active, d'elle-même", style="bold")
        yield _Line(datetime.fromisoformat(activated), "⏰", "O14", text)


def _limits(status: dict[str, Any]) -> Iterator[_Limit]:
    """Each limit on the day it was met, or on the day it was missed."""
    for deadline in status["deadlines"]:
        code, key = deadline["obligation"], deadline["key"]
        title = OBLIGATIONS[code].title + (f" ({key})" if key else "")
        due = datetime.fromisoformat(deadline["due_at"]) if deadline["due_at"] else None
        met = datetime.fromisoformat(deadline["met_at"]) if deadline["met_at"] else None
        limit = f" — échéance : {french.full_instant(due)}" if due else ""
        if deadline["state"] == "met" and met:
            text = Text.assemble(title, (limit, "dim"))
            yield _Limit(met.date(), Text("✔", "green"), code, text)
        elif deadline["state"] == "missed" and due:
            late = f", fait le {_when(met)}" if met else ""
            text = Text.assemble((f"{title} : échéance manquée", "red"), (limit, "dim"), late)
            yield _Limit(due.date(), Text("✘", "bold red"), code, text)


def _when(met: datetime) -> str:
    """A fact states a day: midnight is no hour of anybody's."""
    return french.full_date(met) if met.time() == time(0) else french.full_instant(met)


def _end(status: dict[str, Any]) -> RenderableType:
    states = [deadline["state"] for deadline in status["deadlines"]]
    verdict = VERDICT_NAMES.get(status["interview"]["verdict"], "sans verdict")
    text = Text.assemble(
        (f"{verdict[0].upper()}{verdict[1:]}\n", "bold"),
        f"{french.plural(states.count('met'), 'échéance tenue', 'échéances tenues')}, "
        f"{french.plural(states.count('missed'), 'manquée')} — "
        f"{french.plural(len(status['emails']), 'courriel accepté', 'courriels acceptés')}, "
        f"{french.plural(len(status['documents']), 'document émis', 'documents émis')}",
    )
    return Padding(Panel(text, border_style="green"), (1, 0))
