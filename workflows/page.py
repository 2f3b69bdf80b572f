"""What a person reads in Temporal's web UI, in French. Pure; lists, since tables render poorly.

Short enough to be read in ten seconds: who must act comes first, and every list is cut. Whatever was
written by others is shown as text, on one line, without its mark-up; limits are in bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Final

from process import french, offsets
from process.calendar import paris, paris_day
from process.contract import Client, Contract, Team
from process.documents import DOCUMENT_KINDS
from process.facts import FACTS
from process.fields import HELD
from process.health import health
from process.obligations import Deadline
from process.onboarding import MILEO_ROLES, Onboarding
from process.open_points import advice, taken_by
from process.orders import IssuedDocument
from process.record import OpenPoint, TakenFact
from process.rules import waiting_id
from process.vocabulary import (
    HEALTH_NAMES,
    PROJECT_KIND_NAMES,
    ROLE_NAMES,
    SEVERITY_NAMES,
    STEP_TITLES,
    VERDICT_NAMES,
)
from workflows.sendings import Expected
from workflows.steps import STEPS, current_step

_SUMMARY_BYTES: Final = 200
_DETAILS_BYTES: Final = 20_000
_SHOWN: Final = 8
"""Lines a section shows before it says how many more there are."""
_FACTS_SHOWN: Final = 5
_REJECTED_SHOWN: Final = 3

Link = Callable[[IssuedDocument], str | None]
"""Where a document can be read, if it can be."""


def summary(text: str, step: int | None = None) -> str:
    """One line for a timer or an activity, with its step, at most 200 bytes."""
    line = " ".join(text.split())
    line = f"Étape {step} · {line}" if step else line[:1].upper() + line[1:]
    return _cut(line, _SUMMARY_BYTES)


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
    sites = [f"{_safe(site.name)} ({_safe(site.code)})" for site in contract.sites]
    return _fitting([*lines, *_section("Sites", sites, shown=len(sites))])


def _people(side: Client | Team) -> list[str]:
    people = ((role, getattr(side, role, None)) for role in ROLE_NAMES)
    return [f"{ROLE_NAMES[role]} : {_safe(one.name)}" for role, one in people if one]


def details(  # noqa: PLR0913 - what a page is drawn from
    o: Onboarding,
    held: list[Deadline],
    now: datetime,
    *,
    completed: bool,
    continued: bool = False,
    link: Link = lambda _: None,
) -> str:
    """The current details of a run: where it stands, who must act, limits, réserves, open points,
    facts, documents.

    A run that goes on from a former one (``continued``) has lost the summary it was started with:
    it is said here.
    """
    if completed:
        return _fitting([*_ended(o), *_missed(held), *_documents(o, link)])
    step = current_step(o) or len(STEPS)
    today = paris_day(now)
    awaited = [one for module in STEPS.values() for one in module.expected(o, now)]
    lines = [contract_summary(o.contract), ""] if continued else []
    lines += [
        f"**Étape {step} sur 7 — {STEP_TITLES[step]}** · {HEALTH_NAMES[health(o, held, now)]}",
        *_section(
            "Attendu de Mileo", [_awaited(o, e, today) for e in awaited if e.owed_by in MILEO_ROLES]
        ),
        *_section(
            "Attendu du client",
            [_awaited(o, e, today) for e in awaited if e.owed_by not in MILEO_ROLES],
        ),
        *_open_points(o),
        *_upcoming(o, held, today),
        *_missed(held),
        *_reserves(o),
        *_waiting(o),
        *_last_facts(o),
        *_rejected(o),
        *_documents(o, link),
    ]
    return _fitting(lines)


# --- The sections ---------------------------------------------------------------------------


def _awaited(o: Onboarding, expected: Expected, today: date) -> str:
    person = o.persons.get(expected.owed_by)
    who = ROLE_NAMES[expected.owed_by] + (f" ({_safe(person.name)})" if person else "")
    about = f" ({_safe(expected.about)})" if expected.about else ""
    day = french.full_date(expected.since)
    when = f"depuis le {day}" if expected.since <= today else f"à partir du {day}"
    return f"{who}, {when} : {FACTS[expected.fact].TITLE}{about} — `{expected.fact}`"


def _open_points(o: Onboarding) -> list[str]:
    points = o.record.open_points
    if not points:
        return []
    return [
        *_section("Points ouverts", [_point(point) for point in points]),
        "",
        "Pour en régler un, la mise à jour `open_point_settled` : " + _code(_answer(points[0])),
    ]


def _point(point: OpenPoint) -> str:
    since = french.full_date(paris_day(point.since))
    who = ROLE_NAMES.get(point.owed_by, point.owed_by)
    how = advice(point.id, point.kind)
    return f"{_code(point.id)} depuis le {since}, {who} : {_safe(point.message)} → {_safe(how)}"


def _answer(point: OpenPoint) -> str:
    said = {
        "id": point.id,
        "action": taken_by(point.id)[0],
        "by": "votre nom",
        "reason": "pourquoi",
    }
    if point.kind == "piece_secrets":
        said |= {"action": "done_otherwise", "secrets": "redact"}
    return json.dumps(said, ensure_ascii=False)


def _upcoming(o: Onboarding, held: list[Deadline], today: date) -> list[str]:
    running = [(d.limit.due_at, d) for d in held if d.state == "running" and d.limit.due_at]
    running.sort(key=lambda pair: pair[0])
    return _section(
        "Prochaines échéances",
        [
            f"{french.full_instant(paris(due))} ({_left(o, today, paris_day(due))}) — "
            f"{d.obligation.code} {_safe(d.title)}"
            for due, d in running
        ],
    )


def _left(o: Onboarding, today: date, due: date) -> str:
    """The jours ouvrés left, the last one included."""
    if due == today:
        return "aujourd'hui"
    count = o.calendar.count(today, due)
    return french.plural(count, "jour ouvré", "jours ouvrés") if count else "aucun jour ouvré"


def _missed(held: list[Deadline]) -> list[str]:
    missed = [(d.limit.due_at, d) for d in held if d.state == "missed" and d.limit.due_at]
    missed.sort(key=lambda pair: (pair[1].limit.met_at is not None, pair[0]))
    return _section(
        "Échéances manquées",
        [
            f"{d.obligation.code} {_safe(d.title)} — {french.full_instant(paris(due))}"
            + (" (fait depuis)" if d.limit.met_at else "")
            for due, d in missed
        ],
    )


def _reserves(o: Onboarding) -> list[str]:
    return _section(
        "Réserves ouvertes",
        [
            f"n°\u00a0{number} ({SEVERITY_NAMES[story.reserve.severity]}) — "
            f"{_safe(story.reserve.title)}, échéance {french.full_date(story.due_on)}"
            for number, story in sorted(o.reserves.items(), key=lambda pair: pair[1].due_on)
            if not story.is_over
        ],
    )


def _waiting(o: Onboarding) -> list[str]:
    return _section(
        "Faits en attente",
        [
            f"`{fact.fact}`, reçu le {french.full_date(paris_day(fact.received_at))}, "
            f"pas encore retenu : attend {_code(fact.waits_for)}"
            + (f", {_safe(fact.about)}" if fact.about else "")
            + f" → « abandon » de {_code(waiting_id(fact))} pour le retirer"
            for fact in o.record.waiting
        ],
    )


def _last_facts(o: Onboarding) -> list[str]:
    latest = o.record.facts[-_FACTS_SHOWN:][::-1]
    return _section(
        "Derniers faits",
        [
            f"{french.full_instant(paris(fact.received_at))} : {FACTS[fact.fact].TITLE}"
            + _warned(o, fact)
            for fact in latest
        ],
    )


def _warned(o: Onboarding, fact: TakenFact) -> str:
    """Its instants with the offset of the other season."""
    found = offsets.slips(o, FACTS[fact.fact].model_validate(fact.payload, context=HELD))
    return f" — attention : {_safe(' ; '.join(found))}" if found else ""


def _rejected(o: Onboarding) -> list[str]:
    latest = o.record.rejected[-_REJECTED_SHOWN:][::-1]
    return _section(
        "Faits refusés",
        [
            f"{french.full_instant(paris(fact.received_at))}, {_code(fact.fact)} : "
            f"{_safe(' ; '.join(fact.reason.splitlines()))}"
            for fact in latest
        ],
    )


def _documents(o: Onboarding, link: Link) -> list[str]:
    """The last version of each, the latest first."""
    last = {one.reference.rpartition("-v")[0]: one for one in o.record.documents}
    documents = sorted(last.values(), key=lambda one: one.issued_at, reverse=True)
    return _section("Documents", [_document(one, link) for one in documents])


def _document(document: IssuedDocument, link: Link) -> str:
    kind = DOCUMENT_KINDS.get(document.kind)
    title = kind.title if kind else document.kind
    where = link(document)
    reference = f"[{_safe(document.reference)}]({where})" if where else _safe(document.reference)
    return f"{reference} : {title}, {french.full_date(paris_day(document.issued_at))}"


def _ended(o: Onboarding) -> list[str]:
    if o.cancelled:
        return [f"**Onboarding annulé** — {_safe(o.cancelled.reason)}"]
    verdict = VERDICT_NAMES.get(o.verdict or "", "sans verdict")
    return [f"**Onboarding terminé** — {verdict}"]


# --- The text -------------------------------------------------------------------------------


def _section(title: str, items: Iterable[str], shown: int = _SHOWN) -> list[str]:
    listed = list(items)
    if more := len(listed) - shown if len(listed) > shown else 0:
        listed = [*listed[:shown], f"… et {french.plural(more, 'autre')}"]
    return ["", f"**{title}**", "", *(f"- {item}" for item in listed)] if listed else []


def _safe(text: str) -> str:
    """Untrusted text shown as it is, on one line: no mark-up, no link, no HTML."""
    return re.sub(r"([\\`*_{}\[\]()<>#|~!&])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Untrusted text as code, on one line: nothing has a meaning in it but the mark that ends it."""
    return f"`{' '.join(text.replace('`', 'ʼ').split()) or '?'}`"


def _fitting(lines: list[str]) -> str:
    """The lines that fit, whole: half a link would be another one."""
    kept: list[str] = []
    size = 0
    for line in lines:
        size += len(line.encode()) + 1
        if size > _DETAILS_BYTES - len("\n…".encode()):
            return "\n".join([*kept, "…"])
        kept.append(line)
    return "\n".join(kept)


def _cut(text: str, limit: int) -> str:
    """At most that many bytes, whole characters, marked when something is missing."""
    data = text.encode()
    if len(data) <= limit:
        return text
    return data[: limit - len("…".encode())].decode(errors="ignore").rstrip("\\") + "…"
