"""How the steps declare what leaves: a mail with its documents, to whom, when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, ParamSpec

from pydantic import BaseModel

from process import french
from process.documents import document_reference
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding, one_a_mailbox
from process.orders import Document, Invitation, Recipient, Sending
from process.vocabulary import ROLE_NAMES, Party

P = ParamSpec("P")


@dataclass(frozen=True)
class MailKind:
    """What a kind of mail is called, for the people who read the timeline, and the obligation
    it serves."""

    title: str
    obligation: str | None = None


MAILS: Final[dict[str, MailKind]] = {
    "welcome": MailKind("Bienvenue au client"),
    "assignment": MailKind("Mission du chef de projet"),
    "project_manager_missing": MailKind("Chef de projet à nommer"),
    "kickoff_convocation": MailKind("Convocation au kick-off", "O1"),
    "kickoff_minutes": MailKind("Compte rendu de kick-off et plan de travaux", "O2"),
    "work_plan_updated": MailKind("Plan de travaux après audit", "O2"),
    "audit_report": MailKind("Rapport d'audit", "O3"),
    "scope_change_proposal": MailKind("Proposition d'avenant", "O4"),
    "intervention_schedule": MailKind("Planning d'intervention", "O5"),
    "phase_cancelled": MailKind("Annulation d'une phase", "O5"),
    "progress_report": MailKind("Compte rendu d'avancement", "O6"),
    "notice_request": MailKind("Préavis insuffisant", "O5"),
    "deviation_request": MailKind("Écart à expliquer", "O7"),
    "deviation_notice": MailKind("Avis d'écart", "O7"),
    "training_convocation": MailKind("Convocation à la formation", "O8"),
    "user_guide": MailKind("Guide utilisateur", "O9"),
    "recette_convocation": MailKind("Convocation à la recette", "O10"),
    "recette_minutes": MailKind("Procès-verbal de recette", "O11"),
    "levee_plan_updated": MailKind("Réserve ajoutée au plan de levée", "O12"),
    "reserve_fixed": MailKind("Réserve corrigée, à constater", "O12"),
    "reserve_reopened": MailKind("Levée refusée", "O12"),
    "reserve_lifted": MailKind("Procès-verbal de levée", "O12"),
    "doe_complete": MailKind("DOE complet, à autoriser", "O13"),
    "doe_delivery": MailKind("Remise du DOE", "O13"),
    "incident_sheet": MailKind("Fiche procédure d'incident", "O15"),
    "activation_blocked": MailKind("Activation à décider", "O14"),
    "activation_notice": MailKind("Avis d'activation", "O14"),
    "presentation_convocation": MailKind("Présentation du service, convenue", "O16"),
    "maintenance_call_minutes": MailKind("Compte rendu de présentation du service", "O16"),
    "interview_invitation": MailKind("Invitation à l'entretien", "O17"),
    "interview_convocation": MailKind("Entretien à 30 jours, convenu", "O17"),
    "interview_report": MailKind("Rapport d'entretien à 30 jours", "O17"),
    "closing_client": MailKind("Fin de l'onboarding (client)"),
    "closing_team": MailKind("Fin de l'onboarding (Mileo)"),
    "project_manager_changed": MailKind("Nouveau chef de projet"),
    "invitations_withdrawn": MailKind("Rendez-vous retirés à qui n'est plus concerné"),
    "invitations_handed_over": MailKind("Rendez-vous à venir, au nouvel interlocuteur"),
    "suspended": MailKind("Projet suspendu"),
    "resumed": MailKind("Projet repris"),
    "resumption_plan": MailKind("Reprise : échéances à revoir"),
    "cancelled_client": MailKind("Fin anticipée (client)"),
    "cancelled_team": MailKind("Onboarding annulé (Mileo)"),
    "take_over": MailKind("Onboarding repris en cours"),
    "signature_alone": MailKind("Signature sans contrat"),
    "reminder": MailKind("Rappels du jour"),
    "client_reminder": MailKind("Relance du client"),
}


def title(sending: Sending) -> str:
    """``Planning d'intervention (P1:2)``: what it is, for the people who read it."""
    subject = sending.key.partition(":")[2]
    if sending.kind in ("reminder", "client_reminder"):
        role, _, day = subject.partition(":")
        names = french.enumeration([ROLE_NAMES[one] for one in role.split("+")])
        subject = f"{names}, {french.full_date(date.fromisoformat(day))}"
    elif sending.personal:
        subject = ROLE_NAMES[subject.partition(":")[0]]
    name = MAILS[sending.kind].title
    return f"{name} ({subject})" if subject else name


def step_of(kind: str) -> int | None:
    """The step that a kind of mail belongs to, if it belongs to one."""
    obligation = MAILS[kind].obligation
    return OBLIGATIONS[obligation].step if obligation else None


@dataclass(frozen=True)
class Expected:
    """A fact that is awaited next, and who owes it."""

    fact: str
    owed_by: Party
    since: date
    """The day from which it is awaited; ahead of now when what it states has its date."""
    about: str = ""
    """What it concerns, where several things may: phases, réserves, a week."""


def plain(o: Onboarding, value: Any, site: str | None = None) -> Any:
    """Data as templates read it: ISO dates, ISO instants on the clock of the site."""
    if isinstance(value, BaseModel):
        return {
            name: plain(o, getattr(value, name), site)
            for name in type(value).model_fields
            if name != "fact_id"
        }
    if isinstance(value, datetime):
        return o.local(value, site).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain(o, item, site) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(o, item, site) for item in value]
    return value


def mail(  # noqa: PLR0913 - each names one property of the mail
    o: Onboarding,
    kind: str,
    to: Sequence[Party | Recipient | None],
    data: dict[str, Any],
    *,
    subject: str = "",
    documents: tuple[Document, ...] = (),
    events: Sequence[Invitation | None] = (),
    manager: Party = "project_manager",
    at: datetime | None = None,
) -> Sending:
    """A sending of that kind; ``subject`` tells apart those that may leave several times."""
    return Sending(
        kind=kind,
        key=f"{kind}:{subject}" if subject else kind,
        to=one_a_mailbox(o.person(who) if isinstance(who, str) else who for who in to),
        data=data,
        documents=documents,
        invitations=tuple(event for event in events if event),
        manager=o.person(manager),
        at=at,
    )


def owed(
    gone: Collection[str],
    key: str,
    write: Callable[P, Sending],
    *arguments: P.args,
    **named: P.kwargs,
) -> Iterator[Sending]:
    """The sending of that key, unless it is among those that are gone: a long life has hundreds of
    them, and each look would write them all again."""
    if key not in gone:
        yield write(*arguments, **named)


def next_reference(o: Onboarding, wanted: Document) -> str:
    """The reference of the next version of a document, fixed for good: ``TYPE-contract-n-vN``."""
    record = o.record
    subjects = record.document_subjects.setdefault(wanted.kind, [])
    if wanted.subject not in subjects:
        subjects.append(wanted.subject)
    number = subjects.index(wanted.subject) + 1
    stem = f"{wanted.kind}:{wanted.subject}"
    version = record.document_versions[stem] = record.document_versions.get(stem, 0) + 1
    return document_reference(wanted.kind, o.contract.reference, number, version)


def document(kind: str, subject: str, data: dict[str, Any], sites: list[str]) -> Document:
    """A document for a sending; the same subject again is its next version."""
    return Document(kind=kind, subject=subject, data=data, sites=sites)


def every_site(o: Onboarding) -> list[str]:
    """The codes of all the sites of the contract."""
    return o.sites_of(None)
