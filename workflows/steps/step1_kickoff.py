"""Étape 1 — Kick-off projet et audit de l'existant (O1 to O4).

« Le kick-off projet est organisé dans les 10 jours ouvrés suivant la signature du contrat. […]
L'audit de l'existant est réalisé dans les 5 jours suivant le kick-off pour les projets de
remplacement ou d'extension d'un système existant. »
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from process.calendar import paris_day
from process.facts import AuditConcluded, KickoffHeld
from process.obligations import OBLIGATIONS, deadlines
from process.onboarding import Onboarding
from process.orders import Sending
from process.vocabulary import Party
from workflows import invitations
from workflows.sendings import Expected, document, every_site, mail, owed, plain


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """The welcome, the convocation, the minutes with the work plan, the audit and its effects."""
    if "project_manager" in o.persons:
        yield from owed(gone, "welcome", _welcome, o, now)
        yield from owed(gone, "assignment", _assignment, o, now)
    else:
        # The clock does not stop; the client is welcomed once someone can be named.
        yield from owed(gone, "project_manager_missing", _nobody_named, o, now)
    yield from _kickoff(o, now, gone)
    yield from _audit(o)


def _limits(o: Onboarding, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "obligation": deadline.obligation.code,
            "title": deadline.title,
            "due_at": plain(o, deadline.limit.due_at),
        }
        for deadline in deadlines(o, now)
        if deadline.limit.due_at and deadline.state == "running"
    ]


def _nobody_named(o: Onboarding, now: datetime) -> Sending:
    limits = _limits(o, now)
    return mail(o, "project_manager_missing", ["head_of_projects"], {"limits": limits})


def _welcome(o: Onboarding, now: datetime) -> Sending:
    due_on = _kickoff_due_on(o)
    return mail(
        o,
        "welcome",
        ["decision_maker", "technical_lead", "primary_user"],
        {
            "project_manager": plain(o, o.persons["project_manager"]),
            # Known late, a date behind us is no use to the client.
            "kickoff_due_on": due_on if due_on >= paris_day(now).isoformat() else None,
        },
    )


def _assignment(o: Onboarding, now: datetime) -> Sending:
    return mail(
        o,
        "assignment",
        ["project_manager"],
        {
            "limits": _limits(o, now),
            "expected": [
                "Planifier le kick-off avec le client (fait kickoff_planned).",
                "Prévenir le responsable technique référent et préparer l'ordre du jour.",
            ],
        },
    )


def _kickoff_due_on(o: Onboarding) -> str:
    return o.calendar.add(o.signed_on, o.policy.kickoff_jo).isoformat()


def _kickoff(o: Onboarding, now: datetime, gone: Collection[str]) -> Iterator[Sending]:
    people = OBLIGATIONS["O1"].recipients
    if (plan := o.kickoff_plan) and (not o.kickoff or now < plan.starts_at):
        rank = len(o.kickoff_plans)
        data = {
            **plain(o, plan),
            "audit_owed": o.contract.audit_is_owed,
            "kickoff_due_on": _kickoff_due_on(o),
            "moved": rank > 1,
            "participants": [
                {"name": person.name, "job": person.job, "role": person.role}
                for person in o.people(("project_manager", *people))
            ],
        }
        agenda = document("ordre_du_jour", "kickoff", data, every_site(o))
        yield mail(
            o,
            "kickoff_convocation",
            people,
            data,
            subject=str(rank),
            documents=(agenda,),
            events=[invitations.kickoff(o)],
        )
    if o.kickoff:
        yield from owed(gone, "kickoff_minutes", _minutes, o, "kickoff_minutes", o.kickoff, None)
        # The minutes are version 1: the audit's version may only follow them.
        if o.audit and "kickoff_minutes" in o.record.sendings:
            kind = "work_plan_updated"
            yield from owed(gone, kind, _minutes, o, kind, o.kickoff, o.audit)


def _minutes(
    o: Onboarding, kind: str, kickoff: KickoffHeld, audit: AuditConcluded | None
) -> Sending:
    data = {**plain(o, kickoff), "audit": plain(o, audit)}
    for phase in data["phases"]:
        site = phase["site"]
        planned = o.phases[phase["id"]].slots[0]
        phase["starts_at"] = plain(o, planned.starts_at, site)
        phase["ends_at"] = plain(o, planned.ends_at, site)
    minutes = document("compte_rendu_kickoff", "kickoff", data, every_site(o))
    return mail(o, kind, OBLIGATIONS["O1"].recipients, data, documents=(minutes,))


def _audit(o: Onboarding) -> Iterator[Sending]:
    if not o.audit:
        return
    data = plain(o, o.audit)
    change = o.audit.scope_change
    report = document("rapport_audit", "audit", data, every_site(o))
    people: list[Party] = ["technical_lead"]
    if change:
        people.append("decision_maker")
    yield mail(o, "audit_report", people, data, documents=(report,))
    if change:
        proposal = {
            **plain(o, change),
            "concluded_on": plain(o, o.audit.concluded_on),
            "phases": [{"id": id_, "title": o.phases[id_].title} for id_ in change.phases],
        }
        proposed = document("proposition_avenant", "scope_change", proposal, every_site(o))
        yield mail(
            o,
            "scope_change_proposal",
            OBLIGATIONS["O4"].recipients,
            proposal,
            documents=(proposed,),
            manager="sales" if "sales" in o.persons else "project_manager",
        )


def expected(o: Onboarding, _now: datetime) -> Iterator[Expected]:
    """The kick-off planned and held, the audit where one is owed, the client's answer."""
    if not o.kickoff:
        if not o.kickoff_plan:
            yield Expected("kickoff_planned", "project_manager", o.signed_on)
        held_on = paris_day(o.kickoff_plan.starts_at) if o.kickoff_plan else o.signed_on
        yield Expected("kickoff_held", "project_manager", held_on)
        return
    if o.contract.audit_is_owed and not o.audit:
        yield Expected("audit_concluded", "technical_referent", o.kickoff.held_on)
    if o.audit and o.audit.scope_change and not o.scope_answer:
        proposed = o.accepted_at("scope_change_proposal")
        since = paris_day(proposed) if proposed else o.audit.concluded_on
        yield Expected("scope_change_answered", "decision_maker", since)


def finished(o: Onboarding) -> bool:
    """Kick-off held, and audit concluded or not owed."""
    return o.kickoff is not None and (o.audit is not None or not o.contract.audit_is_owed)
