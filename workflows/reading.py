"""How the files of the DOE are read: as they are filed, one batch at a time.

A file that cannot be part of the DOE is a point that a person sees; it never stops the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from process import doe, editions, french
from process.onboarding import Onboarding
from process.orders import (
    PieceToRedact,
    ReadPiece,
    ReadPieces,
    RedactedPiece,
    RedactPieces,
    StatedPiece,
)
from workflows import effects

_BATCH: Final = 50
"""Files read by one activity: an event less for each, and still an answer within minutes."""

_REDACTED: Final = 10
"""Files of which one activity makes a copy without secrets: a page is minutes of work at most."""

_SEALED: Final = (
    "Sans décision, elle ne part que dans le conteneur chiffré ; elle peut être caviardée, gardée "
    "pour le conteneur, ou déclarée sans danger."
)

_PATCH: Final = "doe-pieces-read"


class Reading:
    """Has the files of one onboarding's DOE read."""

    def __init__(self, o: Onboarding, stir: Callable[[], None]) -> None:
        self._o = o
        self._stir = stir
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Nothing is being read."""
        return self._task is None

    def reap(self) -> None:
        """Let go of what is done; a defect of ours in it fails the workflow task."""
        if self._task is not None and self._task.done():
            done, self._task = self._task, None
            if not done.cancelled():
                done.result()

    def drop(self) -> None:
        """Give up what is being read."""
        if self._task is not None:
            self._task.cancel()

    def start(self) -> None:
        """Have what was filed since be read, unless something is being read."""
        self._close_points()
        files = self._o.files_to_read
        if self.idle and self._o.pieces and files and self._reads():
            self._task = asyncio.create_task(self._read(self._o.files_to_read[:_BATCH]))
        if self.idle and (asked := self._o.files_to_redact):
            self._task = asyncio.create_task(self._redact(asked[:_REDACTED]))

    def _reads(self) -> bool:
        """Whether this run reads files: one that had pieces before that could be done does not.
        Those of a DOE that the client already has are left alone."""
        record = self._o.record
        if not record.reads_pieces and (record.frugal or workflow.patched(_PATCH)):
            record.reads_pieces = True
            if self._o.doe_deliveries:
                record.not_read = [file.key for file in self._o.files_to_read]
        return record.reads_pieces and bool(self._o.files_to_read)

    async def _read(self, files: list[StatedPiece]) -> None:
        record = self._o.record
        order = ReadPieces(onboarding=self._o.contract.reference, pieces=files)
        try:
            report = await effects.read_pieces(order, self._patience)
            found = report.pieces
        except ActivityError as error:
            if is_cancelled_exception(error):
                return
            reason = "elle n'a pas pu être lue dans le délai prévu"
            found = [ReadPiece(key=file.key, refused=reason) for file in files]
        finally:
            self._stir()
        for file, read in zip(files, found, strict=True):
            record.pieces[file.key] = read
            if read.refused:
                message = f"La pièce « {file.name} » du DOE est refusée : {read.refused}"
                record.open_point(doe.point_of(file), "piece", message, workflow.now())
            elif self._o.since(editions.SECOND) and doe.asks_about_secrets(file.family, read):
                what = french.enumeration(doe.places_of(read.secrets))
                self._ask(file, f"contient en clair, semble-t-il : {what}. {_SEALED}")

    async def _redact(self, asked: list[tuple[StatedPiece, ReadPiece]]) -> None:
        """Have copies made without secrets; where none can be, the person is asked again."""
        record = self._o.record
        order = RedactPieces(
            onboarding=self._o.contract.reference,
            pieces=[
                PieceToRedact(**file.model_dump(), sha256=doe.shown(read)) for file, read in asked
            ],
        )
        try:
            report = await effects.redact_pieces(order, self._patience)
            made = report.pieces
        except ActivityError as error:
            if is_cancelled_exception(error):
                return
            reason = "sa copie n'a pas pu être faite dans le délai prévu"
            made = [RedactedPiece(key=file.key, refused=reason) for file, _ in asked]
        finally:
            self._stir()
        for (file, read), redacted in zip(asked, made, strict=True):
            if record.pieces.get(file.key) != read:
                continue  # Filed or read again meanwhile.
            if redacted.made is not None:
                change: dict[str, Any] = {"redacted": redacted.made}
            else:
                change = {"secrets_choice": None}
                self._ask(file, f"n'a pas pu être caviardée : {redacted.refused}. {_SEALED}")
            record.pieces[file.key] = read.model_copy(update=change)

    def _ask(self, file: StatedPiece, why: str) -> None:
        message = f"La pièce « {file.name} » du DOE {why}"
        self._o.record.open_point(doe.point_of(file), "piece_secrets", message, workflow.now())

    def _close_points(self) -> None:
        """A point about a file that has been replaced, or put right, has no object any more."""
        read = [(file, found) for file in self._o.files if (found := self._o.read(file))]
        open_ = {
            "piece": {doe.point_of(file) for file, found in read if found.refused},
            "piece_secrets": {
                doe.point_of(file)
                for file, found in read
                if doe.asks_about_secrets(file.family, found)
            },
        }
        for point in list(self._o.record.open_points):
            if point.kind in open_ and point.id not in open_[point.kind]:
                self._o.record.close_point(point.id)

    @property
    def _patience(self) -> timedelta:
        return timedelta(hours=self._o.policy.mail_patience_hours)
