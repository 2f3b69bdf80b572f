"""The documents: each kind renders, says what it must, and lets nothing in."""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.documents import DocumentActivities
from activities.printing.changes import changes
from activities.printing.glyphs import REPLACEMENT, Printable
from activities.printing.rendering import TEMPLATES, DocumentImpossible, DocumentIncomplete, render
from process.contract import Contract
from process.documents import DOCUMENT_KINDS, document_reference
from process.orders import DocumentOrder, IssuedDocument, Recipient
from process.vocabulary import DECISION_NAMES
from storage.document_store import DocumentStore
from tests.pdf_text import pdf_text

if TYPE_CHECKING:
    from register.store import Register

CONTRACT = Contract.model_validate(
    {
        "reference": "MIL-2026-0042",
        "signed_at": "2026-03-02T16:40:00+01:00",
        "project_kind": "extension",
        "client": {
            "name": "Établissements Lefèvre & Fils",
            "decision_maker": {
                "name": "Hélène Lefèvre",
                "email": "helene.lefevre@lefevre.example",
                "job": "Directrice générale",
            },
            "technical_lead": {
                "name": "Karim Benali",
                "email": "karim.benali@lefevre.example",
                "job": "Directeur des systèmes d'information",
                "phone": "+33 1 23 45 67 89",
            },
        },
        "team": {
            "project_manager": {"name": "Inès Garnier", "email": "ines.garnier@mileotech.com"},
            "technical_referent": {"name": "Luc Ott", "email": "luc.ott@mileotech.com"},
        },
        "sites": [
            {
                "code": "PAR",
                "name": "Siège de Paris",
                "address": "12 rue de l'Œuvre\n75011 Paris",
                "zone": "metropole",
            },
            {
                "code": "STR",
                "name": "Entrepôt de Strasbourg",
                "address": "4 quai des Bateliers, 67000 Strasbourg",
                "zone": "alsace-moselle",
            },
        ],
        "equipment": [
            {
                "tag": "CAM-001",
                "family": "vms",
                "manufacturer": "Axis",
                "model": "P3268-LV",
                "site": "PAR",
                "serial": "B8A44F-001",
            },
            {
                "tag": "CAM-002",
                "family": "vms",
                "manufacturer": "Axis",
                "model": "P3268-LV",
                "site": "STR",
            },
            {
                "tag": "UTL-001",
                "family": "access_control",
                "manufacturer": "TIL",
                "model": "TILLYS CUBE",
                "site": "PAR",
            },
            {
                "tag": "HYP-001",
                "family": "hypervision",
                "manufacturer": "Prysm",
                "model": "AppVision",
                "site": "PAR",
            },
            {
                "tag": "SW-01",
                "family": "network",
                "manufacturer": "Cisco",
                "model": "CBS350",
                "site": "PAR",
            },
        ],
        "maintenance": {
            "effective": "on_acceptance",
            "phones": ["+33 1 80 00 00 00", "+33 6 80 00 00 00 (astreinte)"],
            "emails": ["maintenance@mileotech.com"],
            "portal": "https://portail.mileotech.com",
        },
    }
)

PHASES = [
    {
        "id": "PH-1",
        "title": "Câblage et baies",
        "site": "PAR",
        "starts_at": "2026-03-30T08:00:00+02:00",
        "ends_at": "2026-04-03T17:00:00+02:00",
        "works": ["Tirage des câbles", "Pose de la baie", "Recette du câblage"],
    },
    {
        "id": "PH-2",
        "title": "Pose des caméras",
        "site": "STR",
        "starts_at": "2026-04-07T08:00:00+02:00",
        "ends_at": "2026-04-10T17:00:00+02:00",
        "works": ["Fixation", "Réglages"],
    },
]
RESERVES = [
    {
        "number": 1,
        "title": "Image de la caméra du quai trop sombre la nuit",
        "severity": "major",
        "due_on": "2026-05-18",
        "equipment": "CAM-002",
        "site": "STR",
        "action": "Ajouter un projecteur infrarouge.",
        "who": "Marc Petit",
    },
    {
        "number": 2,
        "title": "Étiquette manquante dans la baie",
        "severity": "minor",
        "due_on": "2026-05-27",
        "action": "Poser l'étiquette.",
        "who": "Zoé Lambert",
    },
]
PRESENT = [
    {"name": "Inès Garnier", "role": "project_manager"},
    {"name": "Sofia Marchetti", "role": "delegate", "mandate": "pour Karim Benali, DSI"},
]

FULL: dict[str, dict[str, Any]] = {
    "ordre_du_jour": {
        "starts_at": "2026-03-10T09:05:00+01:00",
        "place": "Siège de Paris, salle Pasteur",
        "objectives": ["Partager le calendrier", "Désigner les interlocuteurs"],
        "schedule": [{"what": "Début des travaux", "on": "2026-03-30"}, {"what": "Recette"}],
        "responsibilities": [{"who": "Karim Benali", "what": "Ouverture des flux réseau"}],
        "access": "Accueil par la cour nord.\nStationnement au sous-sol.",
        "access_hours": "De 8 h à 18 h, du lundi au vendredi.",
        "badges": "Badge visiteur, sur pièce d'identité.",
        "safety_plan": "À signer avant la première intervention.",
        "audit_arrangements": "Une journée par site, accompagnée.",
        "to_bring": ["Plans des bâtiments", "Liste des utilisateurs"],
        "audit_owed": True,
        "kickoff_due_on": "2026-03-16",
        "participants": [
            {"name": "Hélène Lefèvre", "job": "Directrice générale", "role": "decision_maker"},
            {"name": "Inès Garnier", "job": "Cheffe de projet", "role": "project_manager"},
        ],
    },
    "compte_rendu_kickoff": {
        "held_on": "2026-03-10",
        "place": "Siège de Paris, salle Pasteur",
        "attendees": ["Hélène Lefèvre", "Karim Benali", "Inès Garnier", "Luc Ott"],
        "decisions": ["Travaux de 8 h à 17 h", "Point hebdomadaire le mardi"],
        "actions": [
            {"what": "Fournir les plans du quai", "who": "Karim Benali", "due_on": "2026-03-17"},
            {"what": "Confirmer les accès", "who": "Luc Ott", "due_on": "2026-03-18"},
        ],
        "phases": PHASES,
        "audit": {
            "concluded_on": "2026-03-13",
            "conclusions": "Réseau sain ; deux commutateurs à remplacer.",
            "work_plan_effect": "Une journée de plus en phase 1.",
        },
    },
    "rapport_audit": {
        "concluded_on": "2026-03-13",
        "conclusions": "Réseau sain.\nDeux commutateurs à remplacer.",
        "equipment_in_place": "Douze caméras analogiques, un enregistreur.",
        "network": "Un réseau local par étage, fibre entre bâtiments.",
        "plans": "Plans de 2014, à reprendre.",
        "accesses": "Contrôle d'accès par clavier.",
        "gaps": ["Deux lecteurs de moins que sur les plans"],
        "risks": ["Baie sans onduleur", "Câbles non repérés"],
        "work_plan_effect": "Une journée de plus en phase 1.",
        "contract_effect": "Deux commutateurs en plus, sans autre effet.",
        "scope_change": {
            "title": "Remplacement de deux commutateurs",
            "reason": "Ils ne fournissent pas l'alimentation des caméras.",
            "phases": ["PH-1"],
        },
    },
    "proposition_avenant": {
        "concluded_on": "2026-03-13",
        "title": "Remplacement de deux commutateurs",
        "reason": "Ils ne fournissent pas l'alimentation des caméras.",
        "phases": [{"id": "PH-1", "title": "Câblage et baies"}],
        "price": "1 840 € HT, fourniture et pose.",
        "schedule_effect": "Une journée de plus à Paris.",
    },
    "planning_intervention": {
        **PHASES[0],
        "crew": ["Marc Petit, technicien", "Zoé Lambert, technicienne"],
        "access": "Badge temporaire à l'accueil, permis feu inutile.",
        "works_by_day": [
            {"on": "2026-03-30", "works": ["Dépose de l'ancienne baie"]},
            {"on": "2026-03-31", "works": ["Mise en baie"], "crew": ["Zoé Lambert"]},
        ],
        "outages": "Réseau coupé de 12 h à 13 h.",
        "counter_measures": "Enregistrement local maintenu, ronde du gardien.",
        "prerequisites": ["Local technique ouvert", "Nacelle autorisée"],
        "waiver": {
            "by": "Karim Benali",
            "on": "2026-03-27",
            "reason": "Créneau libéré par un autre corps de métier.",
        },
        "notice_hours": 71,
        "previous": {
            "starts_at": "2026-03-31T08:00:00+02:00",
            "ends_at": "2026-04-03T17:00:00+02:00",
            "site": "PAR",
        },
    },
    "compte_rendu_avancement": {
        "week": "2026-W14",
        "held_on": "2026-03-31",
        "done": ["Baie posée", "Moitié des câbles tirés"],
        "next": ["Fin du tirage", "Recette du câblage"],
        "decisions": ["Accès du samedi accordé"],
        "progress": [
            {"phase": "PH-1", "percent": 100},
            {"phase": "PH-2", "percent": 35, "remark": "Nacelle attendue jeudi."},
        ],
        "phases": [
            {
                **PHASES[0],
                "works": [],
                "state": "completed",
                "completed_at": "2026-04-03T16:30:00+02:00",
            },
            {**PHASES[1], "works": [], "state": "provisional", "completed_at": None},
        ],
        "deviations": [
            {"phase": "PH-1", "cause": "Livraison en retard", "measures": ["Équipe doublée"]}
        ],
    },
    "avis_ecart": {
        "phase": {"id": "PH-1", "title": "Câblage et baies", "site": "PAR"},
        "planned_starts_at": "2026-03-30T08:00:00+02:00",
        "planned_ends_at": "2026-04-03T17:00:00+02:00",
        "new_starts_at": "2026-04-01T08:00:00+02:00",
        "new_ends_at": "2026-04-07T17:00:00+02:00",
        "cause": "Livraison de la baie en retard.",
        "measures": ["Équipe doublée", "Travail le samedi"],
        "effect": "Aucun effet sur la recette.",
        "factual": False,
        "observed": "La phase commence deux jours après la date prévue.",
    },
    "programme_formation": {
        "starts_at": "2026-04-21T09:00:00+02:00",
        "ends_at": "2026-04-21T17:00:00+02:00",
        "site": "PAR",
        "trainer": "Luc Ott",
        "trainees": ["Sofia Marchetti", "Paul Nguyên", "Anaïs Le Goff"],
    },
    "guide_utilisateur": {"held_on": "2026-04-21"},
    "grille_recette": {
        "starts_at": "2026-04-27T09:00:00+02:00",
        "site": None,
        "effective_on": "2026-04-27",
        "results": [
            {"point": "G-01", "result": "conform", "remark": None, "reserve": None},
            {
                "point": "V-03",
                "result": "not_conform",
                "remark": "Quai trop sombre à 22 h.",
                "reserve": 1,
            },
            {"point": "Essai de la sirène", "result": "not_tested", "remark": "Riverains."},
        ],
    },
    "pv_recette": {
        "effective_on": "2026-04-27",
        "starts_at": "2026-04-27T09:00:00+02:00",
        "place": "Siège de Paris",
        "decision": "accepted_with_reserves",
        "sites": ["PAR", "STR"],
        "present": PRESENT,
        "reserves": RESERVES,
        "client_remarks": "Équipe ponctuelle et soigneuse.",
        "mileo_remarks": "Merci de l'accueil.",
        "pv_uri": "inbox/pv-signe.pdf",
    },
    "plan_levee": {"effective_on": "2026-04-27", "reserves": RESERVES},
    "pv_levee": {
        "reserve": RESERVES[0],
        "lifted_on": "2026-05-12",
        "by": "Karim Benali",
        "history": [
            {"on": "2026-05-05", "what": "Déclarée corrigée", "by": "Mileo Technology"},
            {
                "on": "2026-05-06",
                "what": "Levée refusée",
                "by": "Karim Benali",
                "reason": "Toujours sombre à 23 h.",
            },
            {"on": "2026-05-12", "what": "Levée constatée", "by": "Karim Benali"},
        ],
    },
    "doe": {
        "released_on": "2026-05-20",
        "by": "Inès Garnier",
        "pieces": [
            {"family": "plans", "name": "Plan du siège", "uri": "plans/siege.pdf"},
            {"family": "wiring", "name": "Synoptique", "uri": "wiring/synoptique.pdf"},
            {
                "family": "configurations",
                "name": "Configurations",
                "uri": "conf/configurations.zip",
                "sha256": "b" * 64,
            },
            {
                "family": "datasheets",
                "name": "Axis P3268-LV",
                "uri": "sheets/p3268.pdf",
                "equipment": ["CAM-001", "CAM-002"],
            },
            {
                "family": "certificates",
                "name": "Certificat de badge",
                "not_applicable_reason": "Aucun badge fourni au contrat.",
            },
            {"family": "warranties", "name": "Garantie Axis", "uri": "w/axis.pdf"},
        ],
        "documents": [
            {
                "kind": "pv_recette",
                "reference": "PVR-MIL-2026-0042-1-v1",
                "version": 1,
                "sha256": "a" * 64,
            }
        ],
    },
    "fiche_incident": {
        "effective_on": "2026-05-12",
        "activation_on": "2026-05-12",
        "provisional": True,
    },
    "avis_activation": {
        "effective_on": "2026-05-12",
        "activation_on": "2026-05-20",
        "activated_at": "2026-05-20T08:00:00+02:00",
        "open_reserves": RESERVES,
        "decision": {"by": "Nora Weiss", "reason": "Accord du client sur la réserve n° 1."},
    },
    "compte_rendu_presentation": {
        "held_on": "2026-05-22",
        "attendees": ["Karim Benali", "Nora Weiss"],
        "topics": ["Numéros d'appel et astreinte", "Niveaux de criticité"],
        "actions": [{"what": "Ouvrir le compte", "who": "Nora Weiss", "due_on": "2026-05-29"}],
        "remarks": "Le client souhaite un second compte sur le portail.",
        "activated_at": "2026-05-20T08:00:00+02:00",
    },
    "rapport_entretien": {
        "held_on": "2026-06-16",
        "attendees": ["Hélène Lefèvre", "Nora Weiss"],
        "score": 9,
        "masters_system": True,
        "masters_incident_procedure": False,
        "strengths": ["Équipe disponible"],
        "improvements": ["Préavis plus long"],
        "actions": [{"what": "Rappeler la procédure", "who": "Nora Weiss", "due_on": "2026-06-30"}],
        "scores_by_step": {"1": 9, "2": 8, "Accueil": 10},
        "verdict": "succeeded_with_actions",
        "activated_at": "2026-05-20T08:00:00+02:00",
        "limits": [
            {
                "obligation": "O1",
                "title": "Kick-off tenu",
                "due_at": "2026-03-16T23:59:59+01:00",
                "met_on": "2026-03-10",
                "state": "met",
            },
            {
                "obligation": "O5",
                "title": "Planning adressé",
                "key": "PH-1",
                "due_at": "2026-03-27T07:00:00+01:00",
                "met_on": "2026-03-27",
                "state": "missed",
            },
        ],
    },
}

MINIMAL: dict[str, dict[str, Any]] = {
    **{
        kind.kind: {
            path: FULL[kind.kind][path]
            for path in kind.mandatory
            if not path.startswith("contract.") and "." not in path
        }
        for kind in DOCUMENT_KINDS.values()
        if kind.kind in FULL
    },
    "compte_rendu_kickoff": {"held_on": "2026-03-10", "attendees": [], "phases": []},
    "avis_ecart": {
        "phase": {"id": "PH-1", "title": "Câblage", "site": "PAR"},
        "planned_starts_at": "2026-03-30T08:00:00+02:00",
        "planned_ends_at": "2026-04-03T17:00:00+02:00",
        "factual": True,
        "observed": "La phase n'a pas commencé à la date prévue.",
    },
    "pv_levee": {
        "reserve": {"number": 3, "title": "Vis manquante", "severity": "minor"},
        "lifted_on": "2026-05-12",
        "by": "Karim Benali",
    },
    "doe": {"released_on": "2026-05-20", "by": "Inès Garnier", "pieces": []},
    "plan_levee": {"effective_on": "2026-04-27", "reserves": []},
}

KINDS = [kind for kind in DOCUMENT_KINDS if kind != "doe_conteneur"]
"""The printed ones: the container of the DOE is an archive."""


def order(kind: str, data: dict[str, Any], **changes: Any) -> DocumentOrder:
    fields: dict[str, Any] = {
        "onboarding": CONTRACT.reference,
        "kind": kind,
        "reference": document_reference(kind, CONTRACT.reference, 1, 1),
        "version": 1,
        "dated_on": "2026-04-27",
        "issuer": Recipient(
            role="project_manager",
            name="Inès Garnier",
            email="ines.garnier@mileotech.com",
            phone="+33 6 11 22 33 44",
        ),
        "recipients": [
            Recipient(role="technical_lead", name="Karim Benali", email="k@lefevre.example"),
            Recipient(role="decision_maker", name="Hélène Lefèvre", email="h@lefevre.example"),
        ],
        "sites": ["PAR", "STR"],
        "data": data,
        **changes,
    }
    return DocumentOrder.model_validate(fields)


def text_of(kind: str, data: dict[str, Any], **changes: Any) -> str:
    return pdf_text(render(order(kind, data, **changes), CONTRACT))


# --- Every kind -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_renders_with_full_data(kind: str) -> None:
    text = text_of(kind, FULL[kind])

    for header in (
        DOCUMENT_KINDS[kind].title,
        document_reference(kind, CONTRACT.reference, 1, 1),
        "lundi 27 avril 2026",
        "Établissements Lefèvre & Fils",
        "Siège de Paris (PAR), 12 rue de l'Œuvre, 75011 Paris",
        "Mileo Technology — Inès Garnier, chef de projet",
        "Karim Benali, responsable technique",
        "47 boulevard de Courcelles, 75008 Paris — hello@mileotech.com",
        "PROC-CRM-003",
        "Page 1 / ",
    ):
        assert header in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_renders_with_its_mandatory_data_only(kind: str) -> None:
    assert render(order(kind, MINIMAL[kind]), CONTRACT).startswith(b"%PDF-1.7")


SECTIONS: dict[str, str] = {
    "ordre_du_jour": "Participants|Rappel du contrat|Objectifs|Calendrier prévisionnel"
    "|Responsabilités|Horaires d'accès|Badges|Plan de prévention|d'apporter",
    "compte_rendu_kickoff": "Présents|Décisions|Actions|Plan de travaux, version 1",
    "rapport_audit": "Équipements en place|Infrastructure réseau|Plans et schémas|Accès existants"
    "|Écarts|Risques|Effet sur le plan de travaux|Effet sur le contrat",
    "proposition_avenant": "Prix|Effet sur le calendrier|Phases concernées|Pour Mileo Technology",
    "planning_intervention": "PH-1|Site|Début|Fin|Préavis donné|Jour par jour|Équipe"
    "|Accès nécessaires|Coupures|Mesures compensatoires|de préparer|version précédente",
    "compte_rendu_avancement": "Semaine|Avancement par phase|Réalisé|À venir|Écarts|Décisions",
    "avis_ecart": "Prévu|Nouveau|Causes|Mesures de rattrapage|Effet sur les jalons",
    "pv_recette": "Parties, date et lieu|Lieu|Présents|Décision|avec effet le|Réserves|Du client"
    "|De Mileo Technology|Signature :",
    "plan_levee": "Réserves, actions et échéances|Niveaux de gravité",
    "pv_levee": "Réserve n° 3|Échéance|Constat|Historique|Signature :",
    "fiche_incident": "Date d'effet|Activation|Téléphone|Adresse électronique|Portail"
    "|nous dire|Niveaux de criticité|Escalade",
    "avis_activation": "Date d'effet|Date d'activation|Réserves encore ouvertes|Téléphone",
    "compte_rendu_presentation": "Participants|Objet de la présentation|Remarques|Actions",
    "rapport_entretien": "Satisfaction globale|Satisfaction par étape|Points forts"
    "|Points à améliorer|Maîtrise du système|Maîtrise de la procédure|Actions|Bilan|Échéances",
}
"""What PROCESS, section 7, lists for each kind, as the document calls it. The others have tests
of their own."""


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_section_of_the_process_is_there_even_without_data(kind: str) -> None:
    text = text_of(kind, MINIMAL[kind])

    assert [section for section in SECTIONS[kind].split("|") if section not in text] == []


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_document_with_every_field_has_no_hole(kind: str) -> None:
    assert "Non renseigné" not in text_of(kind, FULL[kind])


def test_an_absent_optional_section_says_so() -> None:
    assert text_of("rapport_audit", MINIMAL["rapport_audit"]).count("Non renseigné") == 7


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """Every text of the data that a reader must find; what is chosen has a French name."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, key)
    elif isinstance(value, str) and key not in NOT_AS_WRITTEN and not re.search("_(on|at)$", key):
        yield from value.split("\n")


NOT_AS_WRITTEN = {
    "on",
    "site",
    "sites",
    "role",
    "severity",
    "decision",
    "verdict",
    "state",
    "pv_uri",
}


@pytest.mark.parametrize("kind", SECTIONS)
def test_everything_that_was_stated_is_printed(kind: str) -> None:
    text = " ".join(text_of(kind, FULL[kind]).split())

    assert [stated for stated in _texts(FULL[kind]) if stated not in text] == []


@pytest.mark.parametrize("kind", ["planning_intervention", "grille_recette", "doe"])
def test_the_same_order_gives_the_same_bytes(kind: str) -> None:
    assert render(order(kind, FULL[kind]), CONTRACT) == render(order(kind, FULL[kind]), CONTRACT)


def test_the_files_are_archival_and_accessible() -> None:
    content = render(order("pv_recette", FULL["pv_recette"]), CONTRACT)

    assert b"<pdfaid:part>2</pdfaid:part>" in content
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in content
    assert b"<pdfuaid:part>1</pdfuaid:part>" in content
    assert b"/Lang(fr-FR)" in content
    assert b"Mileo Technology" in content


def test_dates_are_in_full_french() -> None:
    text = text_of("ordre_du_jour", FULL["ordre_du_jour"])

    assert "mardi 10 mars 2026 à 9 h 05" in text
    assert "signé le lundi 2 mars 2026 à 16 h 40" in text


# --- What some kinds must say -----------------------------------------------------------------


def test_the_grid_keeps_to_the_equipment_installed() -> None:
    without_access = CONTRACT.model_copy(
        update={"equipment": [item for item in CONTRACT.equipment if item.family == "vms"]}
    )
    text = pdf_text(render(order("grille_recette", {}), without_access))

    assert {"G-01", "R-01", "V-01", "D-01"} <= set(text.split())
    assert not {"A-01", "H-01"} & set(text.split())


def test_the_filled_grid_shows_results_and_points_of_its_own() -> None:
    text = text_of("grille_recette", FULL["grille_recette"])

    assert "non conforme" in text
    assert "Quai trop sombre à 22 h." in text
    assert "Essai de la sirène" in text


@pytest.mark.parametrize("decision", DECISION_NAMES)
def test_a_pv_says_its_decision(decision: str) -> None:
    text = text_of("pv_recette", {**FULL["pv_recette"], "decision": decision})

    assert f"Recette {DECISION_NAMES[decision]}" in text


def test_an_automatic_deviation_notice_announces_the_causes() -> None:
    text = text_of("avis_ecart", MINIMAL["avis_ecart"])

    assert "La phase n'a pas commencé à la date prévue." in text
    assert "À venir" in text


def test_an_issuer_without_a_name_is_shown_by_role() -> None:
    text = text_of(
        "fiche_incident", FULL["fiche_incident"], issuer=Recipient(role="head_of_projects")
    )

    assert "Mileo Technology — direction de projets" in text


def test_the_doe_shows_file_names_never_our_folders() -> None:
    text = text_of("doe", FULL["doe"])

    assert "siege.pdf" in text
    assert "plans/siege.pdf" not in text


def test_long_signatures_and_tables_flow_over_pages() -> None:
    many = [{"name": f"Présent {i}", "role": "delegate"} for i in range(60)]
    reserves = [{**RESERVES[1], "number": i + 1} for i in range(200)]

    text = text_of("pv_recette", {**FULL["pv_recette"], "present": many, "reserves": reserves})

    assert text.count("Présent 59") == 2


# --- What is missing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path"),
    [(kind, path) for kind in KINDS for path in DOCUMENT_KINDS[kind].mandatory if "." not in path],
)
@pytest.mark.parametrize("hole", ["absent", "null"])
def test_a_missing_mandatory_field_is_named(kind: str, path: str, hole: str) -> None:
    data = {key: value for key, value in FULL[kind].items() if key != path}
    if hole == "null":
        data[path] = None

    with pytest.raises(DocumentIncomplete, match=path) as caught:
        render(order(kind, data), CONTRACT)

    assert caught.value.missing == [f"data.{path}"]


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"reference": ""}, "reference", "la référence"),
        ({"version": 0}, "version", "la version"),
        ({"dated_on": "hier"}, "dated_on", "la date"),
        ({"sites": ["XXX"]}, "sites", "au moins un site"),
        ({"issuer": None}, "issuer", "l'émetteur"),
        ({"recipients": []}, "recipients", "au moins un destinataire"),
    ],
)
def test_a_missing_header_is_named(changes: dict[str, Any], path: str, words: str) -> None:
    with pytest.raises(DocumentIncomplete, match=words) as caught:
        render(order("guide_utilisateur", {"held_on": "2026-04-21"}, **changes), CONTRACT)

    assert caught.value.missing == [path]


def test_a_date_that_cannot_be_read_counts_as_missing() -> None:
    with pytest.raises(DocumentIncomplete, match=r"data\.held_on"):
        render(order("guide_utilisateur", {"held_on": "21/04/2026"}), CONTRACT)


def test_there_is_no_incident_sheet_without_maintenance() -> None:
    with pytest.raises(DocumentIncomplete, match="le contrat de maintenance"):
        render(
            order("fiche_incident", FULL["fiche_incident"]),
            CONTRACT.model_copy(update={"maintenance": None}),
        )


def test_an_unknown_kind_is_impossible() -> None:
    with pytest.raises(DocumentImpossible, match="genre de document inconnu"):
        render(order("doe", {}).model_copy(update={"kind": "../mileo"}), CONTRACT)


# --- What people write ------------------------------------------------------------------------

HOSTILE = '#read("/etc/passwd") *gras* $1/0$ #panic() _x_ <a> @b \\ `c` // d'


@pytest.mark.parametrize("kind", KINDS)
def test_typst_code_is_printed_literally(kind: str) -> None:
    client = CONTRACT.client.model_copy(update={"name": HOSTILE})
    hostile = CONTRACT.model_copy(update={"client": client})

    text = pdf_text(render(order(kind, FULL[kind]), hostile))

    assert '#read("/etc/passwd") *gras* $1/0$ #panic() _x_ <a> @b \\ `c` // d' in text
    assert "root:" not in text


def test_accents_and_french_punctuation_survive() -> None:
    written = "Été à Noël : « cœur » où l'ÂÎÔÛ Ÿ ÇÀÉ – 12 € ; fini !"
    decomposed = unicodedata.normalize("NFD", written)

    text = text_of("rapport_audit", {**FULL["rapport_audit"], "conclusions": decomposed})

    assert written in text


@pytest.mark.parametrize(
    "strange", ["🔥", "👨‍👩‍👧", "你好", "مرحبا", "\x07\x00", chr(0xD800), "\u202e", "\ufffd"]
)
def test_no_character_blocks_a_document(strange: str) -> None:
    text = text_of("rapport_audit", {**FULL["rapport_audit"], "conclusions": f"a{strange}b"})

    assert re.search(f"^a{REPLACEMENT}?b$", text, re.MULTILINE)


def test_what_cannot_be_printed_leaves_one_mark() -> None:
    printable = Printable(sorted((TEMPLATES / "fonts").glob("*.ttf")))

    assert printable("Site 你好 🔥🔥\r\nok\u202f!\tＡ") == (
        f"Site {REPLACEMENT} {REPLACEMENT}\nok\u202f! A"
    )


def test_long_words_stay_on_the_page() -> None:
    word = "x" * 200
    data = {**FULL["plan_levee"], "reserves": [{**RESERVES[0], "title": word, "equipment": word}]}

    # Cut over several lines: the word is there, never in one piece.
    text = text_of("plan_levee", data)
    assert word not in text
    assert text.count("x") >= 400


# --- The activity -----------------------------------------------------------------------------


class RegisterOfOne:
    """The register, as far as a document needs it."""

    def __init__(self) -> None:
        self.issued: dict[str, IssuedDocument] = {}
        self.paths: dict[str, str] = {}
        self.contents: dict[str, str | None] = {}

    async def contract(self, reference: str) -> Contract:
        return {CONTRACT.reference: CONTRACT}[reference]

    async def document(self, reference: str) -> IssuedDocument | None:
        return self.issued.get(reference)

    async def document_content(self, reference: str) -> str | None:
        return self.contents[reference]

    async def stated(self, _reference: str) -> dict[str, Any] | None:
        return None

    async def record_document(
        self, _: DocumentOrder, issued: IssuedDocument, path: str, content: str | None = None
    ) -> None:
        self.contents[issued.reference] = content
        self.issued[issued.reference] = issued
        self.paths[issued.reference] = path


def issue(register: RegisterOfOne, folder: Path, what: DocumentOrder) -> Any:
    activities = DocumentActivities(cast("Register", register), DocumentStore(str(folder)))
    return ActivityEnvironment().run(activities.issue_document, what)


def files(folder: Path, *, erase: bool = False) -> list[str]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    for path in found if erase else ():
        path.unlink()
    return [path.relative_to(folder).as_posix() for path in found]


async def test_a_document_is_issued_once(tmp_path: Path) -> None:
    register = RegisterOfOne()
    first = await issue(register, tmp_path, order("pv_recette", FULL["pv_recette"]))
    path = "MIL-2026-0042/PVR-MIL-2026-0042-1-v1.pdf"
    content = await DocumentStore(str(tmp_path)).get(path)
    files(tmp_path, erase=True)

    again = await issue(register, tmp_path, order("pv_recette", FULL["pv_recette"]))

    assert again == first
    assert files(tmp_path) == []
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    assert first.size == len(content)
    assert first.issued_at.utcoffset() is not None
    assert register.paths == {first.reference: path}


async def test_a_reference_that_stands_for_something_else_gives_way_to_the_next_version(
    tmp_path: Path,
) -> None:
    register = RegisterOfOne()
    first = await issue(register, tmp_path, order("pv_recette", FULL["pv_recette"]))
    second = await issue(register, tmp_path, order("pv_recette", MINIMAL["pv_recette"]))
    assert (second.reference, second.version) == ("PVR-MIL-2026-0042-1-v2", 2)
    assert second.sha256 != first.sha256
    # Each of them asked for again is given back.
    for known, content in ((second, MINIMAL), (first, FULL)):
        assert await issue(register, tmp_path, order("pv_recette", content["pv_recette"])) == known
    # What was issued before contents were kept stands for whatever is asked.
    register.contents[first.reference] = None
    assert await issue(register, tmp_path, order("pv_recette", MINIMAL["pv_recette"])) == first


async def test_an_incomplete_document_is_refused_for_good(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError, match=r"il manque : data\.held_on") as caught:
        await issue(RegisterOfOne(), tmp_path, order("guide_utilisateur", {}))

    assert caught.value.type == "DocumentIncomplete"
    assert caught.value.non_retryable
    assert files(tmp_path) == []


async def test_a_failed_layout_is_refused_without_telling_of_this_machine(tmp_path: Path) -> None:
    broken = {**FULL["plan_levee"], "reserves": [{"title": "without a number"}]}

    with pytest.raises(ApplicationError, match="n'a pas pu être produit") as caught:
        await issue(RegisterOfOne(), tmp_path, order("plan_levee", broken))

    assert caught.value.type == "DocumentImpossible"
    assert caught.value.non_retryable
    assert caught.value.__cause__ is None
    assert "/" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"reference": "../../x"},
        {"reference": "PVR-MIL-2026-0042-1-v2"},
        {"reference": "PVR-MIL-2026-0042-1-v1\n"},
        {"reference": "DOE-MIL-2026-0042-1-v1"},
        {"onboarding": ".."},
        {"onboarding": "a/b", "reference": "PVR-a/b-1-v1"},
    ],
)
async def test_only_our_references_become_file_names(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(ApplicationError, match="référence est mal formée"):
        await issue(RegisterOfOne(), tmp_path, order("pv_recette", FULL["pv_recette"], **changes))

    assert files(tmp_path) == []


# --- References -------------------------------------------------------------------------------


def test_codes_are_distinct_and_references_follow_the_process() -> None:
    assert len({kind.code for kind in DOCUMENT_KINDS.values()}) == len(DOCUMENT_KINDS)
    assert document_reference("planning_intervention", "MIL-1", 3, 2) == "PLA-MIL-1-3-v2"
    with pytest.raises(ValueError, match="commencent à 1"):
        document_reference("doe", "MIL-1", 0, 1)


# --- Versions ---------------------------------------------------------------------------------


def test_a_new_version_names_what_it_replaces_and_what_changed() -> None:
    former = {
        **FULL["compte_rendu_kickoff"],
        "held_on": "2026-03-09",
        "phases": [{**PHASES[0], "title": "Câblage"}],
        "decisions": [],
        "an_unknown_field": 1,
    }
    second = order(
        "compte_rendu_kickoff",
        FULL["compte_rendu_kickoff"],
        reference="CRK-MIL-2026-0042-1-v2",
        replaces="CRK-MIL-2026-0042-1-v1",
    )

    text = " ".join(pdf_text(render(second, CONTRACT, former)).split())

    assert "CRK-MIL-2026-0042-1-v1" in text.partition("Modifications")[0]
    assert (
        "Date de tenue, décisions (2 ajoutées), phases (1 modifiée et 1 ajoutée), an unknown field"
        in text
    )


def test_a_version_whose_former_is_unknown_only_names_it() -> None:
    text = text_of("plan_levee", FULL["plan_levee"], replaces="PLR-MIL-2026-0042-1-v1")

    assert "PLR-MIL-2026-0042-1-v1" in text
    assert "Modifications" not in text


def test_a_correction_of_before_still_names_what_it_replaces() -> None:
    data = {**FULL["plan_levee"], "replaces": {"reference": "PLR-MIL-2026-0042-7-v1"}}

    assert "PLR-MIL-2026-0042-7-v1" in text_of("plan_levee", data)


def test_every_field_of_a_document_has_a_french_name() -> None:
    labels = tomllib.loads((TEMPLATES / "documents" / "labels.toml").read_text("utf-8"))
    named = {*labels["masculine"], *labels["feminine"], *labels["left_out"]}

    assert {field for kind in KINDS for field in FULL[kind]} - named == set()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"access": None}, {"access": ""}, []),
        ({}, {"moved": True, "notice_hours": 72}, []),
        ({"works": ["a", "b"]}, {"works": ["b", "a"]}, ["travaux"]),
        ({"works": ["a", "a"]}, {"works": ["a"]}, ["travaux (1 retiré)"]),
        (
            {"reserves": [{"number": 1, "title": "a"}, {"number": 2}]},
            {"reserves": [{"number": 1, "title": "b"}, {"number": 3}, {"number": 4}]},
            ["réserves (1 modifiée, 2 ajoutées et 1 retirée)"],
        ),
        ({"phases": None}, {"phases": [{"id": "P1"}]}, ["phases (1 ajoutée)"]),
        ({"site": "PAR"}, {"site": "STR"}, ["site"]),
        ({"place": "Paris"}, {}, ["lieu"]),
    ],
)
def test_changes_are_said_in_french(
    before: dict[str, Any], after: dict[str, Any], said: list[str]
) -> None:
    assert changes(before, after) == said
