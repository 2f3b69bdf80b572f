"""Where the issued documents are kept: a folder for now."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path, PurePosixPath


class DocumentStore:
    """A folder of documents, addressed by relative paths such as ``MIL-1/ODJ-MIL-1-1-v1.pdf``.

    ValueError when ``url`` is an address that this store cannot serve.
    """

    def __init__(self, url: str) -> None:
        scheme, address, _ = url.partition("://")
        if address:
            raise ValueError(
                f"les documents ne peuvent pas encore être conservés sous « {scheme}:// » : "
                "donnez le chemin d'un dossier"
            )
        self._root = Path(url).resolve()

    def check(self) -> None:
        """Make sure that documents can be kept here. ValueError, in French, otherwise."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass
        except OSError as error:
            message = f"dossier inutilisable ({error.strerror}) : {self._root}"
            raise ValueError(message) from error

    async def put(self, path: str, content: bytes) -> None:
        """Keep this content at this path, whole or not at all, and durably. ValueError for a
        path that would leave the store."""
        await asyncio.to_thread(self._put, self._inside(path), content)

    async def get(self, path: str) -> bytes:
        """The content kept at this path. FileNotFoundError when there is none, ValueError for a
        path that would leave the store."""
        return await asyncio.to_thread(self._inside(path).read_bytes)

    def _inside(self, path: str) -> Path:
        parts = PurePosixPath(path).parts
        plain = parts and not any(p in {"..", "/"} or set(p) & set('\\:*?"<>|\0') for p in parts)
        target = self._root.joinpath(*parts).resolve() if plain else self._root
        if target == self._root or not target.is_relative_to(self._root):
            raise ValueError("chemin de document interdit")
        return target

    @staticmethod
    def _put(target: Path, content: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # Readers see the former file or the whole new one, never a part of it.
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
