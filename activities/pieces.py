"""The activity that reads the files of a DOE: brought, inspected, kept byte for byte, registered.

« Le Dossier des Ouvrages Exécutés (DOE) est remis au client […]. » (PROC-CRM-003, étape 5)
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import BusinessClock
from activities.doe.assembly import piece_path
from activities.heart import beating
from activities.inspecting.inbox import bring
from activities.inspecting.inspection import inspect
from activities.inspecting.redaction import redact
from activities.inspecting.unfit import Unfit
from process import doe
from process.fields import REFERENCE
from process.orders import (
    PiecesRead,
    PiecesRedacted,
    PieceToRedact,
    ReadPiece,
    ReadPieces,
    RedactedPiece,
    RedactPieces,
    ShownCopy,
    StatedPiece,
)
from register.store import RegisteredPiece

if TYPE_CHECKING:
    from register.store import Register
    from storage.document_store import DocumentStore

_AT_ONCE: Final = 2
"""Files that are inspected at the same time, each in a process with its own memory."""


class PieceActivities:
    """Reads the files that facts name: pieces of the DOE and signed originals."""

    def __init__(
        self, register: Register, store: DocumentStore, inbox: Path, max_bytes: int
    ) -> None:
        self._register = register
        self._store = store
        self._inbox = inbox
        self._max_bytes = max_bytes
        self._turn = asyncio.Semaphore(_AT_ONCE)

    @activity.defn(name="read_pieces")
    async def read_pieces(self, order: ReadPieces) -> PiecesRead:
        """Read, check and keep these files, each in a bounded memory. Doing it again changes
        nothing and answers the same.

        A file that the DOE cannot hold is answered with the reason. What depends on the machine
        (disk, storage, database) raises and may be tried again: the other files are read first,
        and another attempt reads only what is left. Fails for good with
        ``PiecesImpossible`` when the onboarding's reference is malformed.
        """
        clock = BusinessClock()
        if not re.fullmatch(REFERENCE, order.onboarding):
            raise ApplicationError(
                "la référence de l'onboarding est mal formée",
                type="PiecesImpossible",
                non_retryable=True,
            )
        progress = _Progress()
        failure: Exception | None = None
        async with beating(progress.tell):
            for piece in order.pieces:
                if piece.key in progress.read:
                    continue
                progress.tell()
                try:
                    read = await self._read(order.onboarding, piece, clock)
                except Exception as error:  # noqa: BLE001 - whatever it is, the others do not wait
                    failure = failure or error
                else:
                    progress.read[piece.key] = read
            # Told once more: what an attempt found is never to be found again.
            progress.tell()
        if failure is not None:
            raise failure
        return PiecesRead(pieces=[progress.read[piece.key] for piece in order.pieces])

    @activity.defn(name="redact_pieces")
    async def redact_pieces(self, order: RedactPieces) -> PiecesRedacted:
        """Make and keep a copy of each of these pieces from which its secrets were removed. Doing
        it again gives the same.

        A piece of which no such copy can be made is answered with the reason. What depends on the
        machine raises and may be tried again.
        """
        clock = BusinessClock()
        async with beating():
            made = [await self._redacted(order.onboarding, piece, clock) for piece in order.pieces]
        return PiecesRedacted(pieces=made)

    async def _redacted(
        self, onboarding: str, piece: PieceToRedact, clock: BusinessClock
    ) -> RedactedPiece:
        with tempfile.TemporaryDirectory(prefix="piece-", ignore_cleanup_errors=True) as folder:
            original, copy = Path(folder) / "piece", Path(folder) / "copy"
            try:
                await self._store.fetch(piece_path(onboarding, piece.sha256), original)
            except FileNotFoundError:
                reason = "son fichier n'est plus parmi ceux conservés"
                return RedactedPiece(key=piece.key, refused=reason)
            async with self._turn:
                redaction = await redact(original, copy, piece.family)
            if redaction.refused is not None:
                return RedactedPiece(key=piece.key, refused=redaction.refused)
            kept = await self._kept(
                RegisteredPiece(
                    onboarding=onboarding,
                    sha256="",
                    size=0,
                    media=doe.PDF,
                    name=f"{piece.name} (copie caviardée)",
                    uri=piece.uri,
                    path="",
                    secrets=[],
                    received_at=clock.now(),
                ),
                copy,
            )
        shown = ShownCopy(
            sha256=kept.sha256,
            size=kept.size,
            pages=redaction.pages,
            pictures=redaction.pictures,
        )
        return RedactedPiece(key=piece.key, made=shown)

    async def _read(self, onboarding: str, piece: StatedPiece, clock: BusinessClock) -> ReadPiece:
        with tempfile.TemporaryDirectory(prefix="piece-", ignore_cleanup_errors=True) as folder:
            copy, mended = Path(folder) / "piece", Path(folder) / "mended"
            try:
                if self._is_ours(piece.uri):
                    raise Unfit("l'adresse désigne un document de Mileo, et non une pièce du DOE")
                async with self._turn:
                    await bring(piece.uri, self._inbox, copy, self._max_bytes)
                    inspection = await inspect(copy, piece.family, copy=mended)
            except Unfit as refusal:
                return ReadPiece(key=piece.key, refused=str(refusal))
            if inspection.refused is not None:
                return ReadPiece(key=piece.key, refused=inspection.refused)
            secrets = [secret.model_dump() for secret in inspection.secrets]
            row = RegisteredPiece(
                onboarding=onboarding,
                sha256="",
                size=0,
                media=inspection.media,
                name=piece.name,
                uri=piece.uri,
                path="",
                secrets=secrets,
                received_at=clock.now(),
            )
            received = await self._kept(row, copy)
            repaired = None
            if inspection.remarks:
                # Of what was found, only the copy goes into the book.
                name = f"{piece.name} (exemplaire du dossier)"
                shown = await self._kept(row.model_copy(update={"name": name}), mended)
                repaired = ShownCopy(
                    sha256=shown.sha256, size=shown.size, pages=inspection.pages or 0
                )
        return ReadPiece(
            key=piece.key,
            sha256=received.sha256,
            size=received.size,
            repaired=repaired,
            **inspection.model_dump(),
        )

    async def _kept(self, row: RegisteredPiece, file: Path) -> RegisteredPiece:
        """Keep a file, and register it."""
        sha256, size = await asyncio.to_thread(_fingerprint, file)
        path = piece_path(row.onboarding, sha256)
        await self._store.put_file(path, file)
        kept = row.model_copy(update={"sha256": sha256, "size": size, "path": path})
        await self._register.record_piece(kept)
        return kept

    def _is_ours(self, uri: str) -> bool:
        """Whether a fact names what is kept for some client, instead of a file to receive."""
        try:
            return self._store.holds(uri)
        except ValueError:
            return False  # Malformed: whoever fetches it says so.


def _fingerprint(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file and its size in bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


class _Progress:
    """What was found so far, by the keys of the files, in this attempt and those before it."""

    def __init__(self) -> None:
        self.read: dict[str, ReadPiece] = {}
        details: list[Any] = [*activity.info().heartbeat_details]
        # Told by another release, it may not be understood: everything is then read again.
        with suppress(ValidationError, AttributeError, IndexError):
            self.read = {key: ReadPiece.model_validate(one) for key, one in details[0].items()}

    def tell(self) -> None:
        """A sign of life, with what the next attempt would have to know."""
        activity.heartbeat({key: one.model_dump(mode="json") for key, one in self.read.items()})
