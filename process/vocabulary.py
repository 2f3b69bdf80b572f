"""The words of PROC-CRM-003 and how they are written in French."""

from __future__ import annotations

from typing import Final, Literal

PROCESS_REFERENCE: Final = "PROC-CRM-003"

Role = Literal[
    "project_manager",
    "technical_referent",
    "sales",
    "account_manager",
    "decision_maker",
    "technical_lead",
    "primary_user",
    "technical_contact",
    "delegate",
]
"""The roles of a contract (DESIGN, section 3)."""

Party = Literal[Role, "head_of_projects", "site_contact"]
"""Everyone a mail may be addressed to: the roles of the contract, the head of projects
(a setting) and the contact of a site."""

ROLE_NAMES: Final[dict[str, str]] = {
    "project_manager": "chef de projet",
    "technical_referent": "responsable technique référent",
    "sales": "responsable commercial",
    "account_manager": "responsable de compte",
    "decision_maker": "décideur signataire",
    "technical_lead": "responsable technique",
    "primary_user": "utilisateur principal",
    "technical_contact": "contact technique",
    "delegate": "délégué",
    "head_of_projects": "direction de projets",
    "site_contact": "contact du site",
}

ProjectKind = Literal["new", "replacement", "extension"]
PROJECT_KIND_NAMES: Final[dict[str, str]] = {
    "new": "installation neuve",
    "replacement": "remplacement d'un système existant",
    "extension": "extension d'un système existant",
}

EquipmentFamily = Literal["vms", "access_control", "hypervision", "network", "other"]
EQUIPMENT_FAMILY_NAMES: Final[dict[str, str]] = {
    "vms": "Vidéosurveillance (VMS)",
    "access_control": "Contrôle d'accès",
    "hypervision": "Hypervision",
    "network": "Réseau",
    "other": "Autres équipements",
}

Zone = Literal[
    "metropole",
    "alsace-moselle",
    "guadeloupe",
    "martinique",
    "guyane",
    "la-reunion",
    "mayotte",
    "saint-barthelemy",
    "saint-martin",
]
ZONE_TIMEZONES: Final[dict[str, str]] = {
    "metropole": "Europe/Paris",
    "alsace-moselle": "Europe/Paris",
    "guadeloupe": "America/Guadeloupe",
    "martinique": "America/Martinique",
    "guyane": "America/Cayenne",
    "la-reunion": "Indian/Reunion",
    "mayotte": "Indian/Mayotte",
    "saint-barthelemy": "America/St_Barthelemy",
    "saint-martin": "America/Marigot",
}

SecretsChoice = Literal["redact", "container", "harmless"]
"""What a person decides about the secrets that were found in a piece of the DOE."""

Severity = Literal["blocking", "major", "minor"]
SEVERITY_NAMES: Final[dict[str, str]] = {
    "blocking": "bloquante",
    "major": "majeure",
    "minor": "mineure",
}

Decision = Literal["accepted", "accepted_with_reserves", "refused", "adjourned"]
DECISION_NAMES: Final[dict[str, str]] = {
    "accepted": "acceptée sans réserve",
    "accepted_with_reserves": "acceptée avec réserves",
    "refused": "refusée",
    "adjourned": "ajournée",
}

DoeFamily = Literal["plans", "wiring", "configurations", "datasheets", "certificates", "warranties"]
DOE_FAMILY_NAMES: Final[dict[str, str]] = {
    "plans": "Plans d'implantation à jour",
    "wiring": "Schémas de câblage",
    "configurations": "Configurations des équipements",
    "datasheets": "Fiches techniques",
    "certificates": "Certificats de conformité",
    "warranties": "Garanties constructeur",
}

GridResult = Literal["conform", "not_conform", "not_applicable", "not_tested"]
GRID_RESULT_NAMES: Final[dict[str, str]] = {
    "conform": "conforme",
    "not_conform": "non conforme",
    "not_applicable": "sans objet",
    "not_tested": "non testé",
}

STEP_TITLES: Final[dict[int, str]] = {
    1: "Kick-off projet et audit de l'existant",
    2: "Déploiement",
    3: "Formation des utilisateurs",
    4: "Recette et levée des réserves",
    5: "Remise du DOE",
    6: "Activation de la maintenance",
    7: "Évaluation à 30 jours",
}
"""The seven steps of PROC-CRM-003."""

OVER: Final = ("completed", "cancelled")
"""What ``step`` says of an onboarding that is over."""

HEALTH_NAMES: Final[dict[str, str]] = {
    "on_time": "dans les temps",
    "at_risk": "échéance proche",
    "late": "en retard",
    "waiting_on_client": "en attente du client",
    "suspended": "suspendu",
}

VERDICT_NAMES: Final[dict[str, str]] = {
    "succeeded": "onboarding réussi",
    "succeeded_with_actions": "onboarding réussi avec actions",
    "to_be_redone": "onboarding à reprendre",
    "not_held": "entretien non tenu",
}
