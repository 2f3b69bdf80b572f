"""The DOE as the process sees it: which pieces count, what is missing, what travels sealed.

« Le Dossier des Ouvrages Exécutés (DOE) est remis au client […]. » (PROC-CRM-003, étape 5)
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

from process import french
from process.contract import Contract
from process.facts import DoePieceFiled
from process.fields import canonical
from process.orders import ReadPiece, SecretFound, StatedPiece
from process.vocabulary import DOE_FAMILY_NAMES, SecretsChoice

PDF: Final = "application/pdf"


def place_of(piece: DoePieceFiled, *, composed: bool) -> str:
    """What a piece is in the DOE: filed again for the same place, it replaces the former, also
    when its name has its accents encoded otherwise (``composed``, since the second edition)."""
    name = unicodedata.normalize("NFC", piece.name) if composed else piece.name
    place = [piece.family, name, sorted(piece.equipment)]
    return hashlib.sha256(canonical(place)).hexdigest()[:16]


def key_of(family: str, name: str, uri: str) -> str:
    """What tells one file that must be read from another, within an onboarding."""
    return hashlib.sha256(canonical([family, name, uri])).hexdigest()[:16]


def point_of(file: StatedPiece) -> str:
    """The id of the open point about a file that was refused."""
    return f"piece:{file.key[:8]}"


def missing(contract: Contract, pieces: list[DoePieceFiled]) -> list[str]:
    """What the DOE lacks with these pieces: a family, or ``datasheets:TAG`` for an item of
    equipment."""
    filed = {piece.family for piece in pieces}
    lacking = [family for family in DOE_FAMILY_NAMES if family not in filed]
    if "datasheets" not in lacking:
        covered = {
            tag for piece in pieces if piece.family == "datasheets" for tag in piece.equipment
        }
        tags = [item.tag for item in contract.equipment]
        lacking += [f"datasheets:{tag}" for tag in tags if tag not in covered]
    return lacking


def is_sealed(family: str, read: ReadPiece) -> bool:
    """Whether a file travels in the encrypted container only: what is no PDF cannot be merged,
    and a configuration, or anything in which a secret was found, never leaves in clear, unless a
    person declared it harmless or had a copy made without it."""
    if family == "configurations" or read.media != PDF:
        return True
    cleared = read.secrets_choice == "harmless" or read.redacted is not None
    return read.secrets_count > 0 and not cleared


def asks_about_secrets(family: str, read: ReadPiece) -> bool:
    """Whether a person has to say what becomes of the secrets found in a file. Where it travels
    sealed in any case there is nothing to say."""
    sealed = family in {"configurations", SIGNED} or read.media != PDF
    return read.secrets_count > 0 and read.secrets_choice is None and not sealed


def is_to_redact(read: ReadPiece) -> bool:
    """Whether the copy without secrets is asked for, and not made yet."""
    return read.secrets_choice == "redact" and read.redacted is None


def places_of(found: list[SecretFound]) -> list[str]:
    """What was found and on which pages, never its value: « mot de passe (pages 3 et 7) »."""
    pages: dict[str, set[int]] = {}
    for secret in found:
        pages.setdefault(secret.what, set()).update([secret.page] if secret.page else [])
    return [
        f"{what} (page{'s' * (len(on) > 1)} {french.enumeration([str(page) for page in sorted(on)])})"
        if (on := pages[what])
        else what
        for what in sorted(pages)
    ]


SECRETS_CHOICES: Final[dict[SecretsChoice, str]] = {
    "redact": "copie caviardée au dossier, original au conteneur chiffré",
    "container": "au conteneur chiffré seulement",
    "harmless": "déclaré sans danger",
}


def has_original(family: str, read: ReadPiece) -> bool:
    """Whether the untouched file travels in the container: it is sealed, or merging it into the
    book would undo its signature, or the book has a copy of it, repaired or without its secrets."""
    copied = read.repaired is not None or read.redacted is not None
    return is_sealed(family, read) or read.signed or family == SIGNED or copied


def shown(read: ReadPiece) -> str:
    """The fingerprint of the file whose pages the book shows."""
    copy = read.redacted or read.repaired
    return copy.sha256 if copy else read.sha256


SIGNED: Final = "signed"
"""The family of the signed minutes, which are no piece of the six families."""
