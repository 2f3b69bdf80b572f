"""Étape 5 — Remise du DOE (O13).

« Le Dossier des Ouvrages Exécutés (DOE) est remis au client dans les 20 jours ouvrés suivant la
réception sans réserve (ou la levée de toutes les réserves). »
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from process import doe, editions
from process.calendar import paris_day
from process.facts import DoePieceFiled
from process.french import plural
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding
from process.orders import Sending, StatedPiece
from process.rules import fingerprint
from workflows.sendings import Expected, document, every_site, mail, plain
from workflows.steps import step4_recette


def sendings(o: Onboarding, now: datetime, _gone: Collection[str] = ()) -> Iterator[Sending]:
    """The DOE once it is complete and released; first the project manager is asked."""
    if not o.pieces or o.doe_missing or o.doe_is_being_read:
        return
    if o.doe_may_leave:
        if not step4_recette.minutes_are_under_way(o):
            yield _delivery(o, now)
    elif o.doe_changed or not o.doe_deliveries:
        yield from _request(o)


def _request(o: Onboarding) -> Iterator[Sending]:
    """Asked once a version, and again when secrets were found since."""
    data = _content(o)
    asked = [sent for sent in o.record.sendings.values() if sent.kind == "doe_complete"]
    secrets = fingerprint("doe_complete", {"secrets": data["secrets"]})
    content = f"{len(o.doe_deliveries) + 1}:{secrets}"
    if not asked or (asked[-1].content or f"1:{secrets}") != content:
        rank = str(len(asked) + 1) if asked else ""
        ask = mail(o, "doe_complete", ["project_manager"], data, subject=rank)
        yield ask.model_copy(update={"content": content})


def _delivery(o: Onboarding, now: datetime) -> Sending:
    released = o.doe_released
    manager = o.person("project_manager")
    automatic = manager.name if manager else None
    contents = {
        "released_on": plain(o, released.released_on if released else paris_day(now)),
        "by": released.by if released else automatic,
        "pieces": [_piece(o, piece) for piece in o.doe_pieces],
        "documents": [plain(o, issued) for issued in o.doe_minutes],
        "originals": [_original(o, file) for file in _kept_minutes(o)],
    }
    sealed = _is_sealed(o)
    documents = [document("doe", "doe", contents, every_site(o))]
    if sealed:
        documents.append(document("doe_conteneur", "doe", contents, every_site(o)))
    version = len(o.doe_deliveries) + 1
    delivery = mail(
        o,
        "doe_delivery",
        OBLIGATIONS["O13"].recipients,
        {"released_on": contents["released_on"], "container": sealed, "version": version},
        subject=str(version) if version > 1 else "",
        documents=tuple(documents),
    )
    return delivery.model_copy(update={"content": o.doe_content})


def _content(o: Onboarding) -> dict[str, Any]:
    """What the project manager is told before the release: the secrets found, never their value."""
    data = {
        "pieces_count": len(o.doe_pieces),
        "secrets": o.doe_secrets,
        "container": _is_sealed(o),
        "changed": o.doe_changed,
    }
    if o.since(editions.SECOND):
        data["factory"] = o.doe_factory_passwords
        data["undecided"] = [
            file.name
            for file in o.files
            if (read := o.read(file)) and doe.asks_about_secrets(file.family, read)
        ]
        data["choices"] = {
            name: doe.SECRETS_CHOICES[choice] for name, choice in o.doe_secrets_choices.items()
        }
    return data


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
    if read is None:
        return None
    # What does not concern a file is not said: the order is then what it always was.
    late = ("repaired", "remarks", "attachments", "secrets_choice", "redacted")
    unsaid = {name for name in late if not getattr(read, name)}
    return read.model_dump(mode="json", exclude={"key", "secrets", "factory", *unsaid})


def _kept_minutes(o: Onboarding) -> list[StatedPiece]:
    return [file for file in o.signed_minutes if (read := o.read(file)) and not read.refused]


def expected(o: Onboarding, _now: datetime) -> Iterator[Expected]:
    """Every piece filed, then the release, then the client's receipt."""
    if not o.kickoff:
        return
    if missing := o.doe_missing:
        about = plural(len(missing), "pièce manquante", "pièces manquantes")
        yield Expected("doe_piece_filed", "project_manager", o.kickoff.held_on, about)
    elif not o.doe_is_being_read and not o.doe_may_leave and (o.doe_changed or not finished(o)):
        yield Expected("doe_released", "project_manager", _complete_since(o))
    elif o.doe_delivered_at and not o.doe_received:
        since = paris_day(o.doe_delivered_at)
        yield Expected("doe_received", "technical_lead", since)


def _complete_since(o: Onboarding) -> date:
    """The day on which the last piece came."""
    pieces = [fact for fact in o.record.facts if fact.fact == "doe_piece_filed"]
    return paris_day(pieces[-1].received_at) if pieces else o.signed_on


def finished(o: Onboarding) -> bool:
    """The mail that hands over the DOE is accepted."""
    return o.doe_delivered_at is not None
