"""How the files of the DOE are read: as they are filed, one batch at a time.

A file that cannot be part of the DOE is a point that a person sees; it never stops the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from process import doe
from process.onboarding import Onboarding
from process.orders import ReadPiece, ReadPieces, StatedPiece
from workflows import effects

_BATCH: Final = 50
"""Files read by one activity: an event less for each, and still an answer within minutes."""

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

    def _close_points(self) -> None:
        """A point about a file that has been replaced, or put right, has no object any more."""
        refused = {
            doe.point_of(file)
            for file in self._o.files
            if (read := self._o.read(file)) and read.refused
        }
        for point in list(self._o.record.open_points):
            if point.kind == "piece" and point.id not in refused:
                self._o.record.close_point(point.id)

    @property
    def _patience(self) -> timedelta:
        return timedelta(hours=self._o.policy.mail_patience_hours)
