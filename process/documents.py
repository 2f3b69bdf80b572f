"""The documents of PROC-CRM-003: their titles, their codes and what they cannot do without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DocumentKind:
    """One kind of document.

    ``code`` opens its references. ``mandatory`` are the dotted paths without which it cannot be
    issued: in the data of the order, or in the contract when they start with ``contract.``.
    A ``confidential`` document tells of the weaknesses or the inside of a security system, or
    what a client said in confidence: each of its pages says so.
    """

    kind: str
    code: str
    title: str
    mandatory: tuple[str, ...]
    confidential: bool = False

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return ".zip" if self.kind == "doe_conteneur" else ".pdf"


_CONFIDENTIAL: Final = frozenset(
    [
        "rapport_audit",
        "planning_intervention",
        "grille_recette",
        "pv_recette",
        "plan_levee",
        "pv_levee",
        "doe",
        "doe_conteneur",
        "rapport_entretien",
    ]
)

DOCUMENT_KINDS: Final[dict[str, DocumentKind]] = {
    kind: DocumentKind(kind, code, title, tuple(mandatory.split()), kind in _CONFIDENTIAL)
    for kind, code, title, mandatory in (
        # Step 1: kick-off and audit
        ("ordre_du_jour", "ODJ", "Ordre du jour du kick-off",
         "starts_at place"),
        ("compte_rendu_kickoff", "CRK", "Compte rendu de kick-off et plan de travaux",
         "held_on attendees phases"),
        ("rapport_audit", "AUD", "Rapport d'audit de l'existant",
         "concluded_on conclusions"),
        ("proposition_avenant", "AVE", "Proposition d'avenant",
         "concluded_on title reason phases"),
        # Step 2: deployment
        ("planning_intervention", "PLA", "Planning d'intervention",
         "id title site starts_at ends_at works notice_hours"),
        ("compte_rendu_avancement", "AVA", "Compte rendu d'avancement",
         "week held_on done next"),
        ("avis_ecart", "ECA", "Avis d'écart au planning",
         "phase.id phase.title planned_starts_at planned_ends_at observed"),
        # Step 3: training
        ("programme_formation", "FOR", "Convocation, programme et feuille d'émargement",
         "starts_at site trainer trainees"),
        ("guide_utilisateur", "GUI", "Guide utilisateur",
         "held_on"),
        # Step 4: recette and levée
        ("grille_recette", "GRI", "Grille de recette",
         ""),
        ("pv_recette", "PVR", "Procès-verbal de recette",
         "effective_on decision present reserves"),
        ("plan_levee", "PLR", "Plan de levée de réserves",
         "effective_on reserves"),
        ("pv_levee", "PVL", "Procès-verbal de levée de réserve",
         "reserve.number reserve.title reserve.severity lifted_on by"),
        # Step 5: DOE
        ("doe", "DOE", "Dossier des Ouvrages Exécutés",
         "released_on by pieces"),
        ("doe_conteneur", "CNT", "Conteneur chiffré du DOE",
         "released_on by pieces"),
        # Step 6: maintenance
        ("fiche_incident", "INC", "Fiche procédure d'incident",
         "contract.maintenance"),
        ("avis_activation", "ACT", "Avis d'activation de la maintenance",
         "effective_on activation_on activated_at"),
        ("compte_rendu_presentation", "PRE", "Compte rendu de présentation du service",
         "held_on activated_at"),
        # Step 7: evaluation
        ("rapport_entretien", "ENT", "Rapport d'entretien à 30 jours",
         "held_on score masters_system masters_incident_procedure verdict"),
    )
}  # fmt: skip
"""Every kind of document, in the order of the process (PROCESS, section 7)."""


def document_reference(kind: str, contract_reference: str, number: int, version: int) -> str:
    """The reference of one version of one document: ``TYPE-contract-n-vN``.

    ``number`` counts the documents of that kind in the onboarding, from 1; ``version`` counts
    the issues of one document, from 1. KeyError for an unknown kind, ValueError for a number or
    a version below 1.
    """
    if number < 1 or version < 1:
        raise ValueError("le numéro et la version d'un document commencent à 1")
    return f"{DOCUMENT_KINDS[kind].code}-{contract_reference}-{number}-v{version}"


def file_name(reference: str) -> str:
    """The name of the file of an issued document."""
    code = reference.partition("-")[0]
    kind = next(kind for kind in DOCUMENT_KINDS.values() if kind.code == code)
    return f"{reference}{kind.suffix}"
