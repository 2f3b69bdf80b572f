"""What the e-mails say, and what they never let through."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest
from pydantic import ValidationError

from activities.mails import headers as mail_headers
from activities.mails.composing import compose, message_id
from activities.mails.enclosures import Enclosure
from activities.mails.headers import header_text
from activities.mails.texts import INTERNAL_KINDS, KINDS, TEMPLATES, MailUnsafe, render
from process.contract import Contract, Person
from process.orders import MailOrder, Recipient
from settings import Automatic, Mailbox

AT = datetime(2025, 4, 22, 7, 30, tzinfo=UTC)
SENDER = Mailbox(name="Mileo Technology", email="onboarding@mileotech.com")

MANAGER = Recipient(
    role="project_manager",
    name="Hélène Garnier",
    email="h.garnier@mileotech.com",
    job="cheffe de projet",
    phone="01 44 00 00 12",
)
LEAD = Recipient(role="technical_lead", name="Rémi Lacroix", email="r.lacroix@musee.fr")
DECIDER = Recipient(role="decision_maker", name="Agnès Noël", email="a.noel@musee.fr")
REFERENT = Recipient(role="technical_referent", name="Yanis Brun", email="y.brun@mileotech.com")
HEAD = Recipient(role="head_of_projects", email="projets@mileotech.com")

CONTRACT = Contract.model_validate(
    {
        "reference": "CTR-2025-014",
        "signed_at": "2025-04-18T17:45:00+02:00",
        "project_kind": "replacement",
        "client": {
            "name": "Musée des Beaux-Arts d'Évreux",
            "decision_maker": {"name": "Agnès Noël", "email": "a.noel@musee.fr"},
            "technical_lead": {"name": "Rémi Lacroix", "email": "r.lacroix@musee.fr"},
        },
        "team": {"technical_referent": {"name": "Yanis Brun", "email": "y.brun@mileotech.com"}},
        "sites": [
            {
                "code": "EVX",
                "name": "Galerie principale",
                "address": "6 rue Charles-Corbeau, 27000 Évreux",
                "zone": "metropole",
            },
            {"code": "RES", "name": "Réserves", "address": "27000 Évreux", "zone": "metropole"},
        ],
        "equipment": [],
        "maintenance": {
            "effective": "on_acceptance",
            "phones": ["01 44 00 00 99 (24 h/24)"],
            "emails": ["support@mileotech.com"],
            "portal": "https://portail.mileotech.com",
        },
    }
)

PHASE = {
    "id": "P1",
    "title": "Pose des caméras",
    "site": "EVX",
    "starts_at": "2025-05-12T08:00:00+02:00",
    "ends_at": "2025-05-12T17:00:00+02:00",
}
LONG_PHASE = PHASE | {
    "id": "P2",
    "title": "Câblage & brassage",
    "site": "RES",
    "ends_at": "2025-05-14T12:30:00+02:00",
}
RESERVE = {
    "number": 3,
    "title": "Caméra C12 mal orientée",
    "severity": "major",
    "due_on": "2025-06-20",
}
ACTION = {"what": "Transmettre les plans", "who": "Rémi Lacroix", "due_on": "2025-05-02"}
LIMIT = {
    "obligation": "O1",
    "title": "Tenue du kick-off",
    "due_at": "2025-05-06T23:59:59+02:00",
}
APPOINTMENT: dict[str, Any] = {
    "title": "Kick-off du projet",
    "starts_at": "2025-05-05T09:05:00+02:00",
    "ends_at": "2025-05-05T11:05:00+02:00",
    "days": None,
    "place": "Salle du conseil, 1er étage",
}
MINUTES: dict[str, Any] = {
    "held_on": "2025-05-05",
    "phases": [PHASE, LONG_PHASE],
    "decisions": ["Travaux avant l'ouverture au public"],
    "actions": [ACTION, {"what": "Badges", "who": None, "due_on": None}],
}
SCOPE: dict[str, Any] = {
    "title": "Remplacement des commutateurs",
    "reason": "Les commutateurs en place ne fournissent pas le PoE nécessaire.",
    "phases": [{"id": "P1", "title": "Pose des caméras"}],
}

FULL: dict[str, dict[str, Any]] = {
    "signature_alone": {
        "signed_at": "2025-04-17T18:05:00+02:00",
        "received_at": "2025-04-18T09:30:00+02:00",
    },
    "welcome": {
        "project_manager": {
            "name": "Hélène Garnier",
            "email": "h.garnier@mileotech.com",
            "phone": "01 44 00 00 12",
        },
        "kickoff_due_on": "2025-05-06",
    },
    "kickoff_convocation": {
        "starts_at": "2025-05-05T09:05:00+02:00",
        "place": "Salle du conseil, 1er étage",
        "objectives": ["Partager les objectifs", "Fixer le calendrier"],
        "access": "Se présenter à l'accueil\nPièce d'identité demandée",
        "to_bring": ["Plans du bâtiment", "Liste des accès"],
        "audit_owed": True,
        "moved": False,
    },
    "kickoff_minutes": MINUTES,
    "work_plan_updated": MINUTES
    | {"audit": {"concluded_on": "2025-05-09", "conclusions": "Le réseau est à renforcer."}},
    "audit_report": {
        "concluded_on": "2025-05-09",
        "conclusions": "Le réseau est à renforcer.\nLes plans sont à jour.",
        "scope_change": SCOPE,
    },
    "scope_change_proposal": SCOPE,
    "intervention_schedule": PHASE
    | {
        "works": ["Pose de 12 caméras", "Raccordement"],
        "crew": ["Yanis Brun", "Inès Caron"],
        "access": "Badge à retirer au poste de sécurité",
        "outages": "Coupure de l'éclairage de 8 h à 9 h",
        "prerequisites": ["Nacelle disponible"],
        "waiver": {"by": "Rémi Lacroix", "on": "2025-05-09", "reason": "fermeture imprévue"},
        "notice_hours": 72,
        "previous": {
            "starts_at": "2025-05-10T08:00:00+02:00",
            "ends_at": "2025-05-10T17:00:00+02:00",
        },
        "moved": True,
    },
    "phase_cancelled": {"phase": PHASE, "reason": "Travaux regroupés avec la phase suivante"},
    "progress_report": {
        "week": "2025-W20",
        "held_on": "2025-05-13",
        "done": ["Pose des caméras 1 à 6"],
        "next": ["Pose des caméras 7 à 12"],
        "decisions": ["Déplacer la caméra 4"],
    },
    "deviation_notice": {
        "phase": PHASE,
        "planned_starts_at": PHASE["starts_at"],
        "planned_ends_at": PHASE["ends_at"],
        "new_starts_at": "2025-05-15T08:00:00+02:00",
        "new_ends_at": "2025-05-15T17:00:00+02:00",
        "cause": "Livraison des caméras retardée",
        "measures": ["Équipe renforcée"],
        "effect": "La formation n'est pas décalée",
        "factual": False,
        "observed": "La phase n'a pas commencé à la date prévue.",
    },
    "training_convocation": {
        "starts_at": "2025-05-26T09:00:00+02:00",
        "ends_at": "2025-05-26T12:30:00+02:00",
        "site": "EVX",
        "trainer": "Inès Caron",
        "trainees": ["Rémi Lacroix", "Équipe de surveillance"],
        "moved": False,
    },
    "user_guide": {"held_on": "2025-05-26"},
    "recette_convocation": {
        "starts_at": "2025-06-02T09:00:00+02:00",
        "site": "EVX",
        "moved": False,
        "incident_sheet": True,
    },
    "recette_minutes": {
        "effective_on": "2025-06-02",
        "decision": "accepted_with_reserves",
        "sites": ["EVX", "RES"],
        "reserves": [RESERVE],
    },
    "reserve_fixed": {
        "reserve": RESERVE,
        "fixed_on": "2025-06-10",
        "evidence": "Photo de la caméra réorientée",
    },
    "reserve_lifted": {"reserve": RESERVE, "lifted_on": "2025-06-11", "by": "Rémi Lacroix"},
    "doe_delivery": {"released_on": "2025-06-20", "container": True, "version": 2},
    "incident_sheet": {
        "effective_on": "2025-06-11",
        "activation_on": "2025-06-19",
        "provisional": False,
        "corrected": False,
    },
    "activation_notice": {
        "effective_on": "2025-06-11",
        "activation_on": "2025-06-19",
        "activated_at": "2025-06-19T08:00:00+02:00",
        "open_reserves": [RESERVE],
    },
    "maintenance_call_minutes": {"held_on": "2025-06-24"},
    "interview_invitation": {
        "activated_at": "2025-06-19T08:00:00+02:00",
        "from_on": "2025-07-09",
        "due_on": "2025-07-21",
    },
    "closing_client": {
        "signed_on": "2025-04-18",
        "accepted_on": "2025-06-11",
        "doe_delivered_at": "2025-06-20T10:12:00+02:00",
        "activated_at": "2025-06-19T08:00:00+02:00",
        "interview_on": "2025-07-15",
    },
    "client_reminder": {
        "items": [
            {"text": "Votre réponse à la proposition d'avenant", "since_on": "2025-05-12"},
            {"text": "Votre constat de la réserve n° 3", "since_on": "2025-06-10"},
        ]
    },
    "assignment": {
        "limits": [LIMIT],
        "expected": ["Convenir de la date de la réunion de lancement"],
    },
    "project_manager_missing": {"limits": [LIMIT]},
    "deviation_request": {
        "phase": PHASE,
        "observed": "La phase n'a pas commencé à la date prévue.",
        "notice_at": "2025-05-13T23:59:59+02:00",
    },
    "notice_request": {
        "phase": PHASE,
        "due_at": "2025-05-09T08:00:00+02:00",
        "firm": True,
        "notice": "69,9 h",
    },
    "reserve_reopened": {
        "reserve": RESERVE,
        "refused_on": "2025-06-11",
        "by": "Rémi Lacroix",
        "reason": "L'angle mort demeure",
    },
    "presentation_convocation": {
        "starts_at": "2025-06-24T14:00:00+02:00",
        "ends_at": "2025-06-24T14:30:00+02:00",
        "moved": False,
    },
    "interview_convocation": {
        "starts_at": "2025-07-15T14:00:00+02:00",
        "ends_at": "2025-07-15T14:30:00+02:00",
        "moved": False,
    },
    "doe_complete": {
        "pieces_count": 14,
        "secrets": [
            {"name": "SW-01.cfg", "what": ["mot de passe", "communauté SNMP"], "count": 3},
            {"name": "Plan du réseau.pdf", "what": ["clé privée"], "count": 1},
        ],
        "container": True,
        "changed": True,
    },
    "activation_blocked": {"effective_on": "2025-06-11", "reserves": [RESERVE], "accepted": True},
    "interview_report": {
        "verdict": "succeeded_with_actions",
        "score": 8,
        "held_on": "2025-07-15",
        "actions": [ACTION],
        "not_held_reason": None,
    },
    "closing_team": {
        "verdict": "succeeded",
        "limits": [
            LIMIT | {"state": "met", "met_on": "2025-05-05"},
            LIMIT | {"obligation": "O5", "key": "P1", "state": "missed", "met_at": None},
            {"obligation": "O16", "title": "Service de maintenance présenté", "state": "void"},
        ],
    },
    "project_manager_changed": {
        "former": {"name": "Hélène Garnier", "email": "h.garnier@mileotech.com"},
        "project_manager": {
            "name": "Léa Roux",
            "email": "l.roux@mileotech.com",
            "phone": "01 44 00 00 13",
        },
    },
    "levee_plan_updated": {
        "effective_on": "2025-06-02",
        "reserve": RESERVE,
        "reserves": [RESERVE],
    },
    "invitations_withdrawn": {
        "events": [
            APPOINTMENT | {"why": "replaced"},
            APPOINTMENT | {"title": "Intervention P1 : Caméras", "why": "moved"},
            APPOINTMENT | {"title": "Recette du système", "why": "cancelled"},
        ]
    },
    "invitations_handed_over": {
        "events": [
            APPOINTMENT | {"why": None},
            APPOINTMENT
            | {
                "title": "Entretien de fin d'onboarding (30 minutes, heure à convenir)",
                "days": ["2025-06-01", "2025-06-11"],
                "place": "",
                "why": None,
            },
        ]
    },
    "suspended": {"since_on": "2025-06-02", "reason": "Travaux du client en retard"},
    "resumed": {
        "since_on": "2025-06-02",
        "resumed_on": "2025-06-30",
        "reason": "Travaux du client en retard",
    },
    "resumption_plan": {
        "since_on": "2025-06-02",
        "resumed_on": "2025-06-30",
        "reason": "Travaux du client en retard",
        "jours_ouvres": 19,
        "limits": [
            {
                "obligation": "O13",
                "title": "DOE remis",
                "key": None,
                "due_on": "2025-06-20",
                "proposed_on": "2025-07-18",
            }
        ],
        "phases": [
            {
                "id": "P1",
                "title": "Caméras",
                "starts_at": "2025-06-10T08:00:00+02:00",
                "proposed_on": "2025-07-08",
            }
        ],
    },
    "cancelled_client": {"reason": "Le site est vendu", "by": "Léa Roux"},
    "cancelled_team": {"reason": "Le site est vendu", "by": "Léa Roux"},
    "take_over": {
        "late": [LIMIT],
        "limits": [LIMIT],
        "refused": ["phase_planned : préavis insuffisant"],
        "expected": ["Rendre ferme la phase P2"],
    },
    "reminder": {
        "items": [
            {"text": "Tenir la réunion", "due_at": "2025-05-06T23:59:59+02:00", "level": "late"},
            {
                "text": "Envoyer le planning",
                "due_at": "2025-05-09T08:00:00+02:00",
                "level": "upcoming",
            },
            {"text": "Le document n'a pu être émis", "level": "open_point"},
            {"text": "phase_planned : site inconnu", "due_at": None, "level": "rejected"},
            {"text": "Rendre la phase P1 ferme", "level": "request"},
        ]
    },
}
"""An example of each kind, with everything that may be known."""

OPTIONAL: dict[str, dict[str, Any]] = {
    "welcome": {"project_manager": None},
    "kickoff_convocation": {"access": None, "objectives": [], "to_bring": [], "moved": True},
    "kickoff_minutes": {"decisions": [], "actions": []},
    "work_plan_updated": {"audit": None, "decisions": [], "actions": []},
    "audit_report": {"scope_change": None},
    "scope_change_proposal": {"phases": []},
    "intervention_schedule": {
        "works": [],
        "crew": [],
        "access": None,
        "outages": None,
        "prerequisites": [],
        "waiver": None,
        "previous": None,
        "moved": False,
    },
    "notice_request": {"firm": False, "notice": None},
    "progress_report": {"done": [], "next": [], "decisions": []},
    "deviation_notice": {
        "new_starts_at": None,
        "new_ends_at": None,
        "cause": None,
        "measures": [],
        "effect": None,
        "factual": True,
    },
    "training_convocation": {"ends_at": None, "trainees": [], "moved": True},
    "recette_convocation": {"site": None, "moved": True, "incident_sheet": False},
    "recette_minutes": {"decision": "accepted", "sites": [], "reserves": []},
    "doe_delivery": {"container": False, "version": 1},
    "doe_complete": {"secrets": [], "container": False, "changed": False},
    "presentation_convocation": {"ends_at": None, "moved": True},
    "interview_convocation": {"ends_at": None, "moved": True},
    "incident_sheet": {"effective_on": None, "activation_on": None, "provisional": True},
    "activation_notice": {"open_reserves": []},
    "interview_invitation": {"activated_at": None},
    "closing_client": {
        "accepted_on": None,
        "doe_delivered_at": None,
        "activated_at": None,
        "interview_on": None,
    },
    "client_reminder": {"items": [{"text": "votre réponse à l'avenant", "since_on": None}]},
    "invitations_withdrawn": {"events": [APPOINTMENT | {"place": "", "why": "replaced"}]},
    "invitations_handed_over": {"events": [APPOINTMENT | {"why": None}]},
    "activation_blocked": {"reserves": [], "accepted": False},
    "interview_report": {
        "verdict": "not_held",
        "score": None,
        "held_on": None,
        "actions": [],
        "not_held_reason": "Client injoignable trois fois",
    },
    "closing_team": {"limits": []},
    "reminder": {"items": []},
    "project_manager_changed": {
        "former": {"name": "Hélène Garnier", "email": "h.garnier@mileotech.com"},
        "project_manager": {"name": "Léa Roux", "email": "l.roux@mileotech.com", "phone": None},
    },
    "resumption_plan": {"limits": [], "phases": []},
    "cancelled_team": {"by": None},
    "take_over": {"late": [], "limits": [], "refused": [], "expected": []},
}
"""What each kind may do without."""

INTERNAL = {
    "assignment",
    "signature_alone",
    "project_manager_missing",
    "deviation_request",
    "notice_request",
    "reserve_reopened",
    "doe_complete",
    "activation_blocked",
    "interview_report",
    "closing_team",
    "reminder",
    "resumption_plan",
    "cancelled_team",
    "take_over",
}

CASES = [(kind, FULL[kind]) for kind in sorted(FULL)] + [
    (kind, FULL[kind] | absent) for kind, absent in sorted(OPTIONAL.items())
]


def mail_order(
    kind: str = "user_guide", data: dict[str, Any] | None = None, **changes: Any
) -> MailOrder:
    return MailOrder.model_validate(
        {
            "onboarding": "CTR-2025-014",
            "kind": kind,
            "key": f"{kind}/1",
            "recipients": [LEAD, DECIDER],
            "reply_to": MANAGER,
            "data": FULL[kind] if data is None else data,
            "attachments": [],
            "invitations": [],
        }
        | changes
    )


GUIDE = Enclosure("GUI-CTR-2025-014-1-v1", "Guide utilisateur", ".pdf", 8, content=b"%PDF-1.7")
LINKED = Enclosure(
    "CNT-CTR-2025-014-1-v1",
    "Conteneur chiffré du DOE",
    ".zip",
    45_249_000,
    link="https://onboarding.mileotech.com/documents/abc?reference=CNT&expires=1",
    expires_at=datetime(2025, 7, 21, 22, 30, tzinfo=UTC),
)
WITHHELD = Enclosure("DOE-CTR-2025-014-1-v1", "Dossier des Ouvrages Exécutés", ".pdf", 12_400_000)


def reader(kind: str) -> Recipient:
    """Someone who may read mails of that kind."""
    return REFERENT if kind in INTERNAL else LEAD


def composed(
    order: MailOrder,
    contract: Contract = CONTRACT,
    recipient: Recipient | None = None,
    documents: tuple[Enclosure, ...] = (),
    sender: Mailbox = SENDER,
) -> EmailMessage:
    """The message as its receiver parses it."""
    to = recipient or reader(order.kind)
    message = compose(order, contract, to, order.recipients, sender, documents, AT)
    return message_from_bytes(bytes(message), policy=default)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def named_client(name: str) -> Contract:
    return CONTRACT.model_copy(update={"client": CONTRACT.client.model_copy(update={"name": name})})


def spaces(text: str) -> str:
    return " ".join(text.split())


class _Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"br", "meta"}:
            self.open.append(tag)
            links = [value or "" for name, value in attrs if name == "href"]
            self.links += [link.removeprefix("mailto:") for link in links]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words.append(data)


# --- Every kind -----------------------------------------------------------------------------


def test_every_kind_has_both_texts_and_an_example() -> None:
    pages = {path.stem for path in TEMPLATES.glob("*.html")}
    assert pages == KINDS == set(FULL)
    assert INTERNAL_KINDS == INTERNAL


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_every_mail_is_written(kind: str, data: dict[str, Any]) -> None:
    to = reader(kind)
    texts = render(mail_order(kind, data), CONTRACT, to, [to, DECIDER], [GUIDE])

    page = _Balanced()
    page.feed(texts.html)
    page.close()
    assert page.open == []
    assert texts.subject
    assert texts.text.startswith("Bonjour")
    for text in (texts.text, re.sub(r"[ \n]+", " ", "".join(page.words))):
        assert f"Bonjour {to.name}," in text
        assert "47 boulevard de Courcelles, 75008 Paris" in text
        assert "hello@mileotech.com" in text
        assert "CTR-2025-014" in text
        assert re.search(rf"Destinataires\s: {to.name}, Agnès Noël", text)
        assert "GUI-CTR-2025-014-1-v1" in text
        signed = "Hélène Garnier" in text and "01 44 00 00 12" in text
        assert signed or kind in INTERNAL
        assert ("Message interne" in text) == (kind in INTERNAL)
        # Nothing a machine would write: no ISO date, no empty value, no orphan punctuation.
        assert not re.search(r"\d{4}-\d\d-\d\d|T\d\d:\d\d|None|Undefined|\{\{|\{%", text)
        assert not re.search(r" [:;!?»]|« |,,| ,| \.(?!\.)|\(\)", text)


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_both_texts_say_the_same(kind: str, data: dict[str, Any]) -> None:
    to = reader(kind)
    texts = render(mail_order(kind, data), CONTRACT, to, [to], [GUIDE, LINKED, WITHHELD])
    page = _Balanced()
    page.feed(texts.html)
    words = [
        set(re.findall(r"\w{4,}", text.lower()))
        for text in (texts.text, " ".join([*page.words, *page.links]))
    ]
    banner = set(re.findall(r"\w{4,}", f"{texts.subject} votre projet étape par interne".lower()))
    (title,) = re.findall(r"<h1[^>]*>(.*?)</h1>", texts.html, re.DOTALL)
    heading = set(re.findall(r"\w{4,}", title.lower()))
    assert words[0] - words[1] == set()
    assert words[1] - words[0] <= banner | heading


def test_a_missing_datum_prevents_the_mail() -> None:
    with pytest.raises(MailUnsafe, match="released_on"):
        composed(mail_order("doe_delivery", {}))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(MailUnsafe, match="Aucun modèle"):
        composed(mail_order().model_copy(update={"kind": "../layout/base"}))


def test_an_unreadable_date_is_refused_without_quoting_it() -> None:
    with pytest.raises(MailUnsafe) as caught:
        composed(mail_order("user_guide", {"held_on": "hier soir"}))
    assert "hier soir" not in str(caught.value)


def test_dates_are_shown_in_the_offset_they_carry() -> None:
    data = FULL["recette_convocation"] | {"starts_at": "2025-06-01T09:05:00+04:00"}
    text = part(composed(mail_order("recette_convocation", data)), "plain")
    assert "dimanche 1er juin 2025 à 9 h 05" in spaces(text)


def test_a_slot_of_one_day_names_it_once() -> None:
    text = spaces(part(composed(mail_order("kickoff_minutes")), "plain"))
    assert "Pose des caméras (Galerie principale) : lundi 12 mai 2025, de 8 h 00 à 17 h 00" in text
    assert "du lundi 12 mai 2025 à 8 h 00 au mercredi 14 mai 2025 à 12 h 30" in text


def test_the_head_of_projects_without_a_name_is_greeted() -> None:
    order = mail_order("project_manager_missing", recipients=[HEAD], reply_to=None)
    text = part(composed(order, recipient=HEAD), "plain")
    assert text.startswith("Bonjour,\r\n")
    assert "Direction de projets" in text


def test_a_mail_nobody_signs_is_signed_by_mileo() -> None:
    message = composed(mail_order(reply_to=None))
    assert message["Reply-To"] is None
    assert "L’équipe Mileo Technology" in part(message, "plain")


def test_the_welcome_shows_the_seven_steps() -> None:
    text = part(composed(mail_order("welcome")), "plain")
    assert "7. Évaluation à 30 jours" in text
    assert "mardi 6 mai 2025" in text


def test_the_reminder_says_what_is_late_first() -> None:
    message = composed(mail_order("reminder"))
    assert message["Subject"].startswith("1 point en retard : Musée")
    text = part(message, "plain")
    assert text.index("En retard") < text.index("Échéances à venir") < text.index("Faits refusés")


# --- The message ----------------------------------------------------------------------------


def test_the_headers_of_a_message() -> None:
    message = composed(mail_order(), documents=(GUIDE,))
    assert message["From"] == "Mileo Technology <onboarding@mileotech.com>"
    assert message["To"] == "Rémi Lacroix <r.lacroix@musee.fr>"
    assert message["Reply-To"] == "Hélène Garnier <h.garnier@mileotech.com>"
    assert message["Subject"] == (
        "Votre guide utilisateur — Musée des Beaux-Arts d'Évreux — contrat CTR-2025-014"
    )
    assert message["Date"].datetime == AT
    assert message["X-Mileo-Onboarding"] == "CTR-2025-014"
    assert message["X-Mileo-Kind"] == "user_guide"
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "GUI-CTR-2025-014-1-v1.pdf"
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_content() == b"%PDF-1.7"


AUTOMATIC = {
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "OOF, AutoReply",
    "List-Id": "Onboarding Mileo <onboarding.mileotech.com>",
}


def says_it_is_automatic(kind: str, automatic: Automatic) -> bool:
    order, to = mail_order(kind), reader(kind)
    message = compose(order, CONTRACT, to, [to], SENDER, (), AT, automatic=automatic)
    said = {name: message[name] for name in AUTOMATIC if message[name]}
    assert said in ({}, AUTOMATIC)
    return bool(said)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_letter_to_the_client_is_no_bulletin_and_a_reminder_is_automatic(kind: str) -> None:
    reminds = kind in INTERNAL | {"client_reminder"}
    assert says_it_is_automatic(kind, "reminders") == reminds
    assert says_it_is_automatic(kind, "all")
    assert not says_it_is_automatic(kind, "none")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_subject_ends_with_the_contract(kind: str) -> None:
    for name in ("Musée", "M" * 200):
        subject = composed(mail_order(kind), named_client(name))["Subject"]
        assert subject.endswith(" — contrat CTR-2025-014")
        assert subject.count("CTR-2025-014") == 1
        assert len(subject) <= 180


def test_who_holds_two_roles_reads_the_reminders_of_both_in_one_mail() -> None:
    level = {"due_at": None, "since_on": None, "level": "late"}
    items = [
        {"text": "Planning à envoyer", **level, "for": ["project_manager"]},
        {"text": "Audit à conclure", **level, "for": ["technical_referent", "head_of_projects"]},
    ]
    recipients = [MANAGER, REFERENT, HEAD]
    order = mail_order("reminder", {"items": items}, recipients=recipients)
    both = MANAGER.model_copy(update={"also": ("head_of_projects",)})
    for person, read in ((MANAGER, "Planning"), (REFERENT, "Audit"), (both, "Planning Audit")):
        text = part(composed(order, recipient=person), "plain")
        assert {one for one in ("Planning", "Audit") if one in text} == set(read.split())
        assert f"Destinataire : {person.name}" in spaces(text)


def test_the_message_id_depends_on_the_sending_and_the_address_alone() -> None:
    order = mail_order()
    once = message_id(order, "r.lacroix@musee.fr", SENDER)
    assert re.fullmatch(r"<[0-9a-f]{40}@mileotech\.com>", once)
    assert composed(order)["Message-ID"] == once
    assert message_id(mail_order(data={}), "R.Lacroix@Musee.fr", SENDER) == once
    assert message_id(order, "a.noel@musee.fr", SENDER) != once
    assert message_id(mail_order(key="other"), "r.lacroix@musee.fr", SENDER) != once
    assert message_id(mail_order(onboarding="X"), "r.lacroix@musee.fr", SENDER) != once


@pytest.mark.parametrize(
    "name",
    [
        "Dupont, Élodie",
        "Élodie « Lolo » Dupont, directrice des systèmes d'information, du site de Saint-Étienne",
        'Jean "le Grand" Martin',
        "O'Brien; (Paris) <pirate@evil.fr>",
        "pirate@evil.fr, Rémi",
        "back\\slash\\",
        "é" * 200,
        "日本" * 80,
        "a " * 99 + "b",
    ],
)
def test_any_name_is_a_name_and_not_an_address(name: str) -> None:
    message = composed(mail_order(), recipient=LEAD.model_copy(update={"name": name}))
    (address,) = message["To"].addresses
    assert address.addr_spec == "r.lacroix@musee.fr"
    raw = bytes(compose(mail_order(), named_client(name), LEAD, [LEAD], SENDER, (), AT))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head = raw.split(b"\r\n\r\n")[0]
    assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ \r\n]*\?=", head))


def test_a_long_accented_subject_keeps_its_spaces_and_is_cut() -> None:
    name = "Élodie à l'été " * 13
    subject = composed(mail_order(), named_client(name.strip()))["Subject"]
    assert "Élodie à l'été Élodie à l'été" in subject
    assert "  " not in subject
    assert len(subject) <= 180
    assert subject.endswith("… — contrat CTR-2025-014")


# --- Hostile texts --------------------------------------------------------------------------


@pytest.mark.parametrize("char", ["\n", "\r", "\0", "\x85", "\u2028", "\x1b"])
def test_a_control_character_in_a_name_is_refused_at_the_door(char: str) -> None:
    with pytest.raises(ValidationError):
        Person(name=f"Rémi{char}Bcc: x@y.fr", email="r@musee.fr")
    with pytest.raises(ValidationError):
        Person(name="Rémi", email=f"r@musee.fr{char}Bcc: x@y.fr")


HOSTILE = [
    "=?UTF-8?Q?=0A?=Bcc: x@y.fr",
    "=?UTF-8?Q?a=0D=0ABcc:_x@y.fr?=",
    "=?utf-8?b?QmNjOiB4QHkuZnIKQmNjOiB4QHkuZnI=?=",
    "=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0ABcc=3A?= x@y.fr",
    "Rémi\r\nBcc: x@y.fr",
    "Rémi\nBcc: x@y.fr",
    "=?unknown-charset?q?=0A?=Bcc: x@y.fr",
    "=?utf-8?q?=FF=FE?=",
    "=?utf-8?b?????=?=",
    "=?" * 50,
    "\u202eetaglas",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_an_encoded_word_never_becomes_a_header(text: str) -> None:
    recipient = LEAD.model_copy(update={"name": text})
    manager = MANAGER.model_copy(update={"name": text})
    order = mail_order("intervention_schedule", FULL["intervention_schedule"] | {"title": text})
    order = order.model_copy(update={"reply_to": manager})
    sender = SENDER.model_copy(update={"name": text})
    message = composed(order, named_client(text), recipient, sender=sender)
    assert sorted(message.keys()) == sorted(
        [
            "From",
            "To",
            "Reply-To",
            "Subject",
            "Date",
            "Message-ID",
            "X-Mileo-Onboarding",
            "X-Mileo-Kind",
            "MIME-Version",
            "Content-Type",
        ]
    )
    assert [address.addr_spec for address in message["To"].addresses] == [LEAD.email]
    assert [address.addr_spec for address in message["From"].addresses] == [SENDER.email]
    assert not re.search(r"[\r\n]", message["Subject"])


def test_an_encoded_word_is_read_for_what_it_meant() -> None:
    assert header_text("=?UTF-8?Q?Caf=C3=A9_du_Mus=C3=A9e?=") == "Café du Musée"
    assert header_text("=?UTF-8?Q?=0A?=Bcc: x@y.fr") == "Bcc: x@y.fr"
    assert "=?" not in header_text("=?" * 50)


@pytest.mark.parametrize("reference", ["CTR\nBcc: x@y.fr", "CTR-1\n", "=?utf-8?q?x?=", ""])
def test_a_reference_that_is_none_is_refused(reference: str) -> None:
    with pytest.raises(MailUnsafe):
        composed(mail_order(onboarding=reference))


def test_an_attachment_has_a_plain_name() -> None:
    with pytest.raises(MailUnsafe):
        composed(mail_order(), documents=(replace(GUIDE, reference="../../etc/passwd"),))


def test_markup_in_the_data_is_text() -> None:
    script = "<script>alert('1')</script>{{ 7 * 7 }}{% include 'x' %}"
    data = FULL["audit_report"] | {"conclusions": f"{script}\n<b>ligne 2</b>"}
    message = composed(mail_order("audit_report", data), named_client(script))
    page = part(message, "html")
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "{{ 7 * 7 }}" in part(message, "plain")
    assert "<br>&lt;b&gt;ligne 2" in page


@pytest.mark.parametrize("slip", ["x\nBcc: x@y.fr", "x\n\nx", "another subject", "x, x@y.fr"])
def test_what_is_read_again_is_compared_with_the_intention(
    slip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_headers, "_words", lambda _name, _text: slip)
    with pytest.raises(MailUnsafe, match="il ne part pas"):
        composed(mail_order())
