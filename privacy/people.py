"""What is held about a person: told (GDPR, articles 15 and 20), or erased (article 17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from privacy.holdings import Holding, alias_key, references_of
from privacy.runs import CALL_TIMEOUT, close, ended_at, retention
from privacy.terms import Terms
from privacy.traces import Alias, Person, entries, fingerprint_of, same
from process import french
from process.calendar import paris_day
from process.vocabulary import ROLE_NAMES
from register.store import Audited
from workflows.names import workflow_id

if TYPE_CHECKING:
    from temporalio.client import Client

    from register.models import Onboarding
    from register.store import Register


@dataclass(frozen=True)
class Asked:
    """Who exercises, for someone, a right of theirs."""

    mail: str
    by: str
    at: datetime
    reason: str | None = None


@dataclass
class Erasure:
    """What became of a request. ``refused``: why nothing was erased, in French."""

    alias: Alias
    refused: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    """References of onboardings where the alias took the person's place."""
    kept: list[str] = field(default_factory=list)
    """What the law or Temporal keeps, why and until when, in French."""


# --- Telling --------------------------------------------------------------------------------


async def export(register: Register, client: Client, asked: Asked, terms: Terms) -> dict[str, Any]:
    """Everything that is held about that address, as plain data; it is recorded who asked."""
    key = await alias_key(register)
    told: list[dict[str, Any]] = []
    async with register.change() as session:
        for reference in await references_of(session, asked.mail):
            holding = await Holding.of(session, reference)
            told.append(_told(holding, asked.mail, terms))
    for one in told:
        if one["state"] == "open":
            one["said"] = await _said(client, one["reference"], asked.mail, one["contact"])
    mark = fingerprint_of(asked.mail, key)
    erased = await register.audited(act="person_erased", subject=mark)
    await register.record(_act(asked, "person_exported", mark))
    return {
        "mail": asked.mail,
        "exported_at": asked.at.isoformat(),
        "onboardings": told,
        "erasures": [one.at.isoformat() for one in erased],
    }


def _told(holding: Holding, mail: str, terms: Terms) -> dict[str, Any]:
    person = holding.person(mail)
    row, documents = holding.onboarding, holding.documents
    told: dict[str, Any] = {
        "reference": holding.reference,
        "state": _state(holding),
        "client": row.client_name if row else None,
        "opened_on": _day(row.opened_at if row else None),
        "closed_on": _day(row.closed_at if row else None),
        "roles": _roles(row, mail) if row else [],
        "contact": _contact(holding, mail),
        "mails": [
            {
                "sent_at": (one.accepted_at or one.refused_at or one.created_at).isoformat(),
                "state": one.state,
                "subject": one.subject,
                "documents": one.attachments,
            }
            for one in holding.mails
            if same(one.recipient, mail)
        ],
        "documents": [
            {
                "reference": one.reference,
                "kind": one.kind,
                "issued_at": one.issued_at.isoformat(),
                "addressed_to_them": any(same(r.get("email"), mail) for r in one.recipients),
                "removed_on": _day(one.removed_at),
            }
            for one in documents
            if person.shown_in(one.recipients) or person.shown_in(one.data)
        ],
        "files": [one.name for one in holding.pieces if person.named(one.name)],
    }
    if row is not None and row.closed_at is not None:
        told["named_until"] = _day(terms.contacts_until(row.closed_at))
        told["documents_until"] = _day(terms.documents_until(row.closed_at))
    return told


def _state(holding: Holding) -> str:
    if holding.onboarding is None:
        return "draft" if holding.draft else "never_opened"
    return "open" if holding.onboarding.closed_at is None else "closed"


def _day(at: datetime | None) -> str | None:
    return None if at is None else paris_day(at).isoformat()


def _contact(holding: Holding, mail: str) -> dict[str, Any]:
    """What is written beside the address, the last one that has it all."""
    contact: dict[str, Any] = {}
    contracts = [row.contract for row in (holding.draft, holding.onboarding) if row is not None]
    for value in (*(one.recipients for one in holding.documents), *contracts):
        for one in entries(value):
            if same(one.get("email"), mail):
                known = ("name", "email", "phone", "job", "code")
                contact |= {name: one[name] for name in known if one.get(name)}
    return contact


def _roles(row: Onboarding, mail: str) -> list[dict[str, str | None]]:
    """The roles that were theirs: since when, where it is known."""
    held: list[dict[str, str | None]] = [
        {"role": one["role"], "since": one["since"]}
        for one in row.in_charge or []
        if same(one.get("email"), mail)
    ]
    known = {one["role"] for one in held}
    return held + [
        {"role": role, "since": None}
        for role in _in_contract(row.contract, mail)
        if role not in known
    ]


def _in_contract(contract: dict[str, Any], mail: str) -> list[str]:
    roles = [
        role
        for side in ("client", "team")
        for role, one in contract[side].items()
        if isinstance(one, dict) and same(one.get("email"), mail)
    ]
    return roles + [f"site {code}" for code in _sites(contract, mail)]


def _sites(contract: dict[str, Any], mail: str) -> list[str]:
    return [
        site["code"]
        for site in contract["sites"]
        if same((site.get("contact") or {}).get("email"), mail)
    ]


async def _said(
    client: Client, reference: str, mail: str, contact: dict[str, Any]
) -> list[dict[str, Any]] | None:
    """The facts of a run under way that name them; None when it does not answer."""
    person = Person.seen(mail, contact)
    handle = client.get_workflow_handle(workflow_id(reference))
    try:
        journal = await handle.query(
            "journal", result_type=dict[str, Any], rpc_timeout=CALL_TIMEOUT
        )
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return None
    return [one for one in journal["facts"] if person.shown_in(one)]


# --- Erasing --------------------------------------------------------------------------------


async def erase(register: Register, client: Client, asked: Asked, terms: Terms) -> Erasure:
    """Put an alias in the place of that person in every onboarding that is over. Refused as a
    whole while they are a contact of one under way. Done again, it goes on where it stopped.

    Where they were a contact once, of an onboarding still under way, the clean-up does the same
    once it is over: the request stands.
    """
    key = await alias_key(register)
    mark = fingerprint_of(asked.mail, key)
    erasure = Erasure(Alias.of(asked.mail, key))
    async with register.change() as session:
        references = await references_of(session, asked.mail)
    over, later = [], []
    for reference in references:
        closed_at = await _closed_at(register, client, reference)
        async with register.change() as session:
            holding = await Holding.of(session, reference)
        if holding.onboarding is not None and closed_at is None:
            erasure.refused += _still_contact(holding.onboarding, asked.mail)
            later.append(reference)
        elif holding.onboarding is None and holding.draft is not None:
            erasure.refused.append(_in_draft(holding, terms))
        else:
            over.append(reference)
            if closed_at is not None:
                erasure.kept += await _remains(client, holding, closed_at, asked.mail, terms)
    reason = _impersonal(asked)
    if erasure.refused:
        await register.record(_act(asked, "erasure_refused", mark, reason=reason))
        return erasure
    # First: should we end here, the clean-up finishes.
    await register.record(_act(asked, "person_erased", mark, reason=reason))
    erasure.erased = [one for one in over if await hide(register, one, asked.mail, asked.at)]
    erasure.kept += [
        f"{reference} : onboarding en cours où cette personne n'est plus un contact ; "
        "elle y sera effacée à sa clôture, par starter.py clean"
        for reference in later
    ]
    return erasure


async def hide(register: Register, reference: str, mail: str, at: datetime) -> bool:
    """Put the alias in the place of a person in one onboarding; whether anything changed."""
    key = await alias_key(register)
    mark = fingerprint_of(mail, key)
    async with register.change() as session:
        holding = await Holding.of(session, reference)
        changed = holding.hide(holding.person(mail), Alias.of(mail, key))
        if changed:
            act = Audited(
                key=f"hidden:{reference}:{mark}:{at.isoformat()}",
                onboarding=reference,
                at=at,
                door="system",
                who="clean",
                act="person_hidden",
                subject=mark,
            )
            await register.record_in(session, act)
    return changed


async def _closed_at(register: Register, client: Client, reference: str) -> datetime | None:
    row = await register.onboarding(reference)
    if row is None:
        return None
    if row.closed_at is not None:
        return row.closed_at
    if (at := await ended_at(client, reference)) is not None:
        await close(register, reference, at)
    return at


def _still_contact(row: Onboarding, mail: str) -> list[str]:
    """Why an onboarding under way cannot do without them."""
    now = {one["role"]: one["email"] for one in row.in_charge or []}
    roles = [role for role, email in now.items() if same(email, mail)]
    if not now:
        roles = [r for r in _in_contract(row.contract, mail) if not r.startswith("site ")]
    refused = []
    if roles:
        names = ", ".join(ROLE_NAMES.get(role, role) for role in roles)
        refused.append(
            f"{row.reference} : onboarding en cours dont cette personne est un contact ({names}) ; "
            f"dire d'abord contact_replaced pour {', '.join(roles)}, puis recommencer"
        )
    if sites := _sites(row.contract, mail):
        refused.append(
            f"{row.reference} : onboarding en cours ; contact du site {', '.join(sites)}, inscrit "
            "au contrat : recommencer après la clôture"
        )
    return refused


def _in_draft(holding: Holding, terms: Terms) -> str:
    return (
        f"{holding.reference} : brouillon de contrat qui attend sa signature ; le corriger là d'où "
        f"il vient et le renvoyer, ou attendre sa purge ({terms.deliveries_days} jours)"
    )


async def _remains(
    client: Client, holding: Holding, closed_at: datetime, mail: str, terms: Terms
) -> list[str]:
    kept = []
    person = holding.person(mail)
    named = [
        one
        for one in holding.documents
        if not one.removed_at and (person.shown_in(one.recipients) or person.shown_in(one.data))
    ]
    if named:
        until = french.full_date(paris_day(terms.documents_until(closed_at)))
        count = french.plural(len(named), "document", "documents")
        kept.append(
            f"{holding.reference} : {count} (PDF) : conservation légale "
            f"({terms.documents_years} ans, obligation légale et défense de droits en justice, "
            f"RGPD art. 17.3 b et e) jusqu'au {until}"
        )
    gone = closed_at + await retention(client)
    if gone > datetime.now(closed_at.tzinfo):
        until = french.full_date(paris_day(gone))
        kept.append(
            f"{holding.reference} : historique d'exécution de Temporal, qui s'efface de lui-même "
            f"le {until}"
        )
    return kept


def _impersonal(asked: Asked) -> str | None:
    """The reason, without the address that someone may have written there."""
    if asked.reason is None:
        return None
    return Person(asked.mail).without(asked.reason, Alias("…", "…"))  # type: ignore[no-any-return]


def _act(asked: Asked, act: str, mark: str, *, reason: str | None = None) -> Audited:
    return Audited(
        key=f"{act}:{uuid4()}",
        onboarding=None,
        at=asked.at,
        door="cli",
        who=asked.by,
        act=act,
        subject=mark,
        reason=reason,
    )
