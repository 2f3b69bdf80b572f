"""Étape 6 — Activation du contrat de maintenance (O14 to O16).

« Le client est informé 5 jours ouvrés avant l'activation de la procédure à suivre pour signaler
un incident (numéros, adresses email, portail client). Le responsable de compte organise un
entretien téléphonique de présentation du service de maintenance au contact technique du
client. »
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime

from process import maintenance
from process.calendar import at, paris_day
from process.facts import MaintenancePresented
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding
from process.orders import Sending
from workflows import invitations
from workflows.sendings import Expected, document, every_site, mail, owed, plain


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """The incident sheet, the activation notice, the presentation and its minutes."""
    if not o.contract.maintenance:
        return
    yield from _presentation(o)
    effective = maintenance.effective_on(o)
    if not o.record.activated_at:
        yield from _incident_sheet(o, effective, now)
        yield from _blocked(o, effective)
    else:
        yield from owed(gone, "activation_notice", _activated, o, effective, now)
        if o.presented:
            key = "maintenance_call_minutes"
            yield from owed(gone, key, _call_minutes, o, o.presented)


def _incident_sheet(o: Onboarding, effective: date | None, now: datetime) -> Iterator[Sending]:
    """With the convocation to the recette as long as no date is known, else before the date."""
    if effective is None:
        if not any(key.startswith("recette_convocation:") for key in o.record.sendings):
            return
        activation, leaves_at, corrected = None, None, False
    else:
        activation = maintenance.activation_on(o, now)
        leaves_at = maintenance.sheet_leaves_at(o, effective)
        corrected = maintenance.announced_on(o) not in {None, effective}
        given = maintenance.notice_given_at(o, effective)
        if given and activation == effective and not corrected:
            # What the client already holds gives the full notice, and names no other date.
            return
        if corrected:
            leaves_at = None
    key = maintenance.incident_sheet_key(o, effective)
    data = {
        "effective_on": plain(o, effective),
        "activation_on": plain(o, activation),
        "provisional": effective is None,
        "corrected": corrected,
    }
    yield mail(
        o,
        "incident_sheet",
        OBLIGATIONS["O15"].recipients,
        data,
        subject=key.removeprefix("incident_sheet:"),
        documents=(document("fiche_incident", "incident", data, every_site(o)),),
        manager="account_manager",
        at=leaves_at,
    )


def _blocked(o: Onboarding, effective: date | None) -> Iterator[Sending]:
    """A date that arrives while a blocking réserve is open, or before any acceptance, needs an
    explicit decision of the account manager."""
    if effective is None or not maintenance.is_blocked(o):
        return
    yield mail(
        o,
        "activation_blocked",
        ["account_manager"],
        {
            "effective_on": plain(o, effective),
            "reserves": _open_reserves(o),
            "accepted": bool(o.accepted_sites),
        },
        subject=effective.isoformat(),
        manager="account_manager",
        at=at(effective, o.policy.activation_hour),
    )


def _open_reserves(o: Onboarding) -> list[dict[str, object]]:
    return [
        {**plain(o, story.reserve), "due_on": plain(o, story.due_on)} for story in o.open_reserves
    ]


def _presentation(o: Onboarding) -> Iterator[Sending]:
    """The call that presents the service, once its hour is agreed."""
    if o.presentation_plans and not o.presented:
        rank = len(o.presentation_plans)
        yield mail(
            o,
            "presentation_convocation",
            OBLIGATIONS["O16"].recipients,
            {**plain(o, o.presentation_plans[-1]), "moved": rank > 1},
            subject=str(rank),
            events=[invitations.presentation(o)],
            manager="account_manager",
        )


def _activated(o: Onboarding, effective: date | None, now: datetime) -> Sending:
    decided = o.maintenance_dates[-1] if o.maintenance_dates else None
    despite = decided if decided and decided.despite_open_reserves else None
    data = {
        "effective_on": plain(o, effective),
        "activation_on": plain(o, maintenance.activation_on(o, now)),
        "activated_at": plain(o, o.record.activated_at),
        "open_reserves": _open_reserves(o),
        "decision": {"by": despite.by, "reason": despite.reason} if despite else None,
    }
    return mail(
        o,
        "activation_notice",
        OBLIGATIONS["O14"].recipients,
        data,
        documents=(document("avis_activation", "activation", data, every_site(o)),),
        manager="account_manager",
    )


def _call_minutes(o: Onboarding, presented: MaintenancePresented) -> Sending:
    call = {**plain(o, presented), "activated_at": plain(o, o.record.activated_at)}
    return mail(
        o,
        "maintenance_call_minutes",
        OBLIGATIONS["O16"].recipients,
        call,
        documents=(document("compte_rendu_presentation", "presentation", call, every_site(o)),),
        manager="account_manager",
    )


def expected(o: Onboarding, now: datetime) -> Iterator[Expected]:
    """A decision where activation is held up; the presentation of the service."""
    if not o.contract.maintenance:
        return
    if o.record.activated_at:
        if not o.presented:
            since = paris_day(o.record.activated_at)
            yield Expected("maintenance_presented", "account_manager", since)
        return
    effective = maintenance.effective_on(o)
    if effective and maintenance.is_blocked(o) and now >= at(effective, o.policy.activation_hour):
        yield Expected("maintenance_date_set", "account_manager", effective)


def finished(o: Onboarding) -> bool:
    """Activated, or no maintenance contract. The presentation never blocks."""
    return o.record.activated_at is not None or not o.contract.maintenance
