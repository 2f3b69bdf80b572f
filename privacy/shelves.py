"""The document store of the clean-up: the only one that removes a file."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import obstore

from storage.document_store import DocumentStore, Folder
from storage.objects import SCHEME, Bucket


class _EmptyingFolder(Folder):
    async def remove(self, path: str) -> None:
        target = self._inside(path)
        await asyncio.to_thread(target.unlink, missing_ok=True)


class _EmptyingBucket(Bucket):
    async def remove(self, path: str) -> None:
        # A file that is gone already is what was wanted; some storages say so, others do not.
        with suppress(FileNotFoundError), self._said():
            await obstore.delete_async(self._store, self._prefix + path)


class Shelves(DocumentStore):
    """A document store that can be emptied. Raises as ``DocumentStore`` does."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._emptying = (
            _EmptyingBucket(url) if url.startswith(SCHEME) else _EmptyingFolder(Path(url))
        )

    async def remove(self, path: str) -> None:
        """Remove the file at this path of the register; done again, it is the same. ``OSError``
        when the store does not allow it or is away, ``ValueError`` for a path outside it."""
        await self._emptying.remove(path)
