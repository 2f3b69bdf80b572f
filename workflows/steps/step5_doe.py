"""Étape 5 — Remise du DOE (O13).

« Le Dossier des Ouvrages Exécutés (DOE) est remis au client dans les 20 jours ouvrés suivant la
réception sans réserve (ou la levée de toutes les réserves). »
"""

from collections.abc import Iterator
from datetime import datetime

from process.calendar import paris_day
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding
from process.orders import Sending
from workflows.sendings import Expected, document, every_site, mail, plain


def sendings(o: Onboarding, now: datetime) -> Iterator[Sending]:
    """The DOE once it is complete and released; first the project manager is asked."""
    if not o.pieces or o.doe_missing:
        return
    if not o.doe_may_leave:
        count = {"pieces_count": len(o.pieces)}
        yield mail(o, "doe_complete", ["project_manager"], count)
        return
    released = o.doe_released
    manager = o.person("project_manager")
    automatic = manager.name if manager else None
    data = {
        "released_on": plain(o, released.released_on if released else paris_day(now)),
        "by": released.by if released else automatic,
        "pieces": plain(o, o.pieces),
        "documents": [
            plain(o, issued)
            for issued in o.record.documents
            if issued.kind in ("grille_recette", "pv_recette", "pv_levee")
        ],
    }
    yield mail(
        o,
        "doe_delivery",
        OBLIGATIONS["O13"].recipients,
        {"released_on": data["released_on"]},
        documents=(document("doe", "doe", data, every_site(o)),),
    )


def expected(o: Onboarding, _now: datetime) -> Iterator[Expected]:
    """Every piece filed, then the release, then the client's receipt."""
    if not o.kickoff:
        return
    if o.doe_missing:
        yield Expected("doe_piece_filed", "project_manager")
    elif not o.doe_may_leave:
        yield Expected("doe_released", "project_manager")
    elif finished(o) and not o.doe_received:
        yield Expected("doe_received", "technical_lead")


def finished(o: Onboarding) -> bool:
    """The mail that hands over the DOE is accepted."""
    return o.accepted_at("doe_delivery") is not None
