"""Étape 5 — Remise du DOE (O13).

« Le Dossier des Ouvrages Exécutés (DOE) est remis au client dans les 20 jours ouvrés suivant la
réception sans réserve (ou la levée de toutes les réserves). »
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from process import doe
from process.calendar import paris_day
from process.facts import DoePieceFiled
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding
from process.orders import IssuedDocument, Sending, StatedPiece
from workflows.sendings import Expected, document, every_site, mail, plain


def sendings(o: Onboarding, now: datetime) -> Iterator[Sending]:
    """The DOE once it is complete and released; first the project manager is asked."""
    if not o.pieces or o.doe_missing or o.doe_is_being_read:
        return
    version = len(o.doe_releases)
    if not o.doe_may_leave or o.doe_changed:
        rank = str(version + 1) if version else ""
        yield mail(o, "doe_complete", ["project_manager"], _content(o), subject=rank)
    if not o.doe_may_leave:
        return
    released = o.doe_released
    manager = o.person("project_manager")
    automatic = manager.name if manager else None
    contents = {
        "released_on": plain(o, released.released_on if released else paris_day(now)),
        "by": released.by if released else automatic,
        "pieces": [_piece(o, piece) for piece in o.doe_pieces],
        "documents": [plain(o, issued) for issued in _minutes_and_grids(o)],
        "originals": [_original(o, file) for file in _kept_minutes(o)],
    }
    sealed = _is_sealed(o)
    documents = [document("doe", "doe", contents, every_site(o))]
    if sealed:
        documents.append(document("doe_conteneur", "doe", contents, every_site(o)))
    yield mail(
        o,
        "doe_delivery",
        OBLIGATIONS["O13"].recipients,
        {
            "released_on": contents["released_on"],
            "container": sealed,
            "version": max(1, version),
        },
        subject=str(version) if version > 1 else "",
        documents=tuple(documents),
    )


def _content(o: Onboarding) -> dict[str, Any]:
    """What the project manager is told before the release: the secrets found, never their value."""
    found = [(file, read) for file in o.files if (read := o.read(file)) and read.secrets_count]
    return {
        "pieces_count": len(o.doe_pieces),
        "secrets": [
            {
                "name": file.name,
                "what": sorted({secret.what for secret in read.secrets}),
                "count": read.secrets_count,
            }
            for file, read in found
        ],
        "container": _is_sealed(o),
        "changed": o.doe_changed,
    }


def _is_sealed(o: Onboarding) -> bool:
    """Whether something travels in the encrypted container."""
    kept = ((file, o.read(file)) for file in o.files)
    return any(
        read and not read.refused and doe.has_original(file.family, read) for file, read in kept
    )


def _piece(o: Onboarding, piece: DoePieceFiled) -> dict[str, Any]:
    return {**plain(o, piece), "read": _read(o, o.stated(piece))}


def _original(o: Onboarding, file: StatedPiece) -> dict[str, Any]:
    return {"name": file.name, "uri": file.uri, "read": _read(o, file)}


def _read(o: Onboarding, file: StatedPiece | None) -> dict[str, Any] | None:
    read = o.read(file)
    return read.model_dump(mode="json", exclude={"key", "secrets"}) if read else None


def _kept_minutes(o: Onboarding) -> list[StatedPiece]:
    return [file for file in o.signed_minutes if (read := o.read(file)) and not read.refused]


def _minutes_and_grids(o: Onboarding) -> list[IssuedDocument]:
    """The last version of each: what was replaced is no part of the DOE."""
    last: dict[str, IssuedDocument] = {}
    for issued in o.record.documents:
        if issued.kind in ("grille_recette", "pv_recette", "pv_levee"):
            last[issued.reference.rpartition("-v")[0]] = issued
    return list(last.values())


def expected(o: Onboarding, _now: datetime) -> Iterator[Expected]:
    """Every piece filed, then the release, then the client's receipt."""
    if not o.kickoff:
        return
    if o.doe_missing:
        yield Expected("doe_piece_filed", "project_manager")
    elif (not o.doe_may_leave and not o.doe_is_being_read) or o.doe_changed:
        yield Expected("doe_released", "project_manager")
    elif finished(o) and not o.doe_received:
        yield Expected("doe_received", "technical_lead")


def finished(o: Onboarding) -> bool:
    """The mail that hands over the DOE is accepted."""
    return o.doe_delivered_at is not None
