"""The settings of PROCESS.md: the durations and hours that Mileo may choose.

They are read from the environment once, when an onboarding starts, and recorded in its run:
a later change concerns later onboardings only.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Jours = Annotated[int, Field(ge=1, le=250)]


class Policy(BaseModel):
    """Every *setting* of PROCESS.md, with its default. jo = jours ouvrés.

    Each is an environment variable of the same name, in capitals, behind ``ONBOARDING_``. One that
    only a later version knows is kept, for a run may pass through workers of both.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    # Section 2 and 3: limits
    kickoff_jo: int = Field(10, ge=1, le=250, description="O1: kick-off tenu, après signature")
    audit_days: int = Field(5, ge=1, le=365, description="O3: audit conclu, après le kick-off")
    scope_change_jo: int = Field(1, ge=1, le=250, description="O4: avenant proposé, après audit")
    notice_hours: int = Field(72, ge=1, le=2_000, description="O5: préavis d'intervention")
    deviation_notice_jo: int = Field(1, ge=1, le=250, description="O7: avis d'écart automatique")
    grid_jo: int = Field(5, ge=0, le=250, description="O10: grille remise avant la recette")
    doe_jo: int = Field(20, ge=1, le=250, description="O13: remise du DOE")
    incident_sheet_jo: int = Field(
        5, ge=1, le=250, description="O15: fiche incident avant activation"
    )
    presentation_jo: int = Field(5, ge=1, le=250, description="O16: présentation du service")
    interview_from_days: int = Field(20, ge=0, le=365, description="O17: premier jour d'entretien")
    interview_days: int = Field(30, ge=1, le=365, description="O17: entretien, après activation")
    interview_tries: int = Field(3, ge=1, le=20, description="O17: tentatives avant clôture")
    activation_hour: time = Field(time(8), description="Heure d'activation, Europe/Paris")

    # Section 4: how the steps go
    firm_phase_jo: int = Field(
        5, ge=0, le=250, description="Demande de planning ferme, avant une phase"
    )
    weekly_point_weekday: int = Field(2, ge=1, le=5, description="Jour du point, 1 = lundi")
    weekly_point_hour: time = Field(time(10), description="Heure du point hebdomadaire")
    reserve_blocking_jo: int = Field(5, ge=1, le=250, description="Levée d'une réserve bloquante")
    reserve_major_jo: int = Field(15, ge=1, le=250, description="Levée d'une réserve majeure")
    reserve_minor_days: int = Field(30, ge=1, le=365, description="Levée d'une réserve mineure")
    doe_release_automatic: bool = Field(
        default=False, description="Le DOE complet part sans autorisation"
    )
    verdict_success_score: int = Field(7, ge=0, le=10, description="Note d'un onboarding réussi")
    verdict_redo_score: int = Field(5, ge=0, le=10, description="En dessous : à reprendre")

    # Section 5: reminders and escalation
    reminder_hour: time = Field(time(9), description="Heure des rappels, Europe/Paris")
    reminder_before_jo: tuple[Jours, ...] = Field((3, 1), description="Rappels avant une échéance")
    late_again_jo: int = Field(
        2, ge=1, le=250, description="Relance après un retard, puis par semaine"
    )
    client_reminder_jo: tuple[Jours, ...] = Field((2, 5), description="Relances du client")
    client_escalation_jo: int = Field(
        10, ge=1, le=250, description="Décideur et commercial prévenus"
    )
    client_suspension_jo: int = Field(15, ge=1, le=250, description="Suspension proposée")
    waiting_on_client_jo: int = Field(2, ge=0, le=250, description="Santé « en attente du client »")
    at_risk_jo: int = Field(3, ge=0, le=250, description="Santé « à risque »")

    # DESIGN, section 2
    message_bytes: int = Field(
        2_000_000,
        ge=200_000,
        le=2_000_000,
        description="Le plus grand message que le serveur Temporal accepte",
    )
    waiting_fact_jo: int = Field(5, ge=1, le=250, description="Fait en attente : point ouvert")
    mail_alert_hours: int = Field(1, ge=1, le=72, description="Serveur de messagerie muet : alerte")
    mail_patience_hours: int = Field(
        24, ge=1, le=2_000, description="Serveur de messagerie muet : point ouvert"
    )
