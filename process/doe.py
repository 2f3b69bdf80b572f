"""The DOE as the process sees it: which pieces count, what is missing, what travels sealed.

« Le Dossier des Ouvrages Exécutés (DOE) est remis au client […]. » (PROC-CRM-003, étape 5)
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Final

from process.contract import Contract
from process.facts import DoePieceFiled
from process.fields import canonical
from process.orders import ReadPiece, StatedPiece
from process.vocabulary import DOE_FAMILY_NAMES

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
    and a configuration, or anything in which a secret was found, never leaves in clear."""
    return family == "configurations" or read.media != PDF or read.secrets_count > 0


def has_original(family: str, read: ReadPiece) -> bool:
    """Whether the untouched file travels in the container: it is sealed, or merging it into the
    book would undo its signature, or the book has a copy of it that was repaired."""
    return is_sealed(family, read) or read.signed or family == SIGNED or read.repaired is not None


def shown(read: ReadPiece) -> str:
    """The fingerprint of the file whose pages the book shows."""
    return read.repaired.sha256 if read.repaired else read.sha256


SIGNED: Final = "signed"
"""The family of the signed minutes, which are no piece of the six families."""
