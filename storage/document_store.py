"""Where the issued documents and the files of the DOE are kept: a folder, or an S3 bucket."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from storage.objects import SCHEME, Bucket, save, whole

_CHUNK: Final = 1_000_000
"""Bytes read at a time."""

_FORBIDDEN: Final = frozenset('\\:*?"<>|')


class Place(Protocol):
    """What keeps files under plain relative paths."""

    def check(self) -> None: ...
    def holds(self, url: str) -> bool: ...
    async def answer(self) -> None: ...
    async def write(self, path: str, content: bytes | Path) -> None: ...
    def stream(self, path: str) -> AsyncIterator[bytes]: ...
    async def size(self, path: str) -> int: ...
    async def paths(self, folder: str) -> list[str]: ...


class DocumentStore:
    """Documents addressed by relative paths such as ``MIL-1/ODJ-MIL-1-1-v1.pdf``, kept in a folder
    or under ``s3://bucket/prefix``.

    ValueError, in French, when ``url`` or the environment describes no store to be had. Every method
    raises ValueError for a path that would leave the store, and OSError, worth another attempt,
    for a store that is away.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, _ = url.partition("://")
        if separator and scheme != "s3":
            raise ValueError(
                f"des documents ne peuvent pas être conservés sous « {scheme}:// » : "
                "donnez le chemin d'un dossier ou s3://compartiment/chemin"
            )
        try:
            self._place: Place = Bucket(url) if url.startswith(SCHEME) else Folder(Path(url))
        except OSError as error:
            raise ValueError(str(error)) from None

    def check(self) -> None:
        """Make sure that documents can be kept here. ValueError, in French, otherwise."""
        self._place.check()

    def holds(self, url: str) -> bool:
        """Whether this ``s3://…`` address leads into the store: the documents of another client
        must not be named as a file to deliver."""
        return self._place.holds(url)

    async def answer(self) -> None:
        """Return when the store is there. OSError otherwise."""
        await self._place.answer()

    async def put(self, path: str, content: bytes) -> None:
        """Keep this content at this path, whole or not at all, and durably."""
        await self._place.write(_plain(path), content)

    async def put_file(self, path: str, source: Path) -> None:
        """The same with the content of this file, which may be larger than the memory."""
        await self._place.write(_plain(path), source)

    async def get(self, path: str) -> bytes:
        """The content kept at this path. FileNotFoundError when there is none."""
        return b"".join([chunk async for chunk in self.stream(path)])

    async def fetch(self, path: str, target: Path) -> None:
        """Copy the content kept at this path to this file, whole or not at all.
        FileNotFoundError when there is none."""
        await save(self.stream(path), target)

    def stream(self, path: str) -> AsyncIterator[bytes]:
        """The content kept at this path, piece by piece. FileNotFoundError when there is none,
        at the first piece."""
        return self._place.stream(_plain(path))

    async def size(self, path: str) -> int:
        """Of the content kept at this path, in bytes. FileNotFoundError when there is none."""
        return await self._place.size(_plain(path))

    async def paths(self, folder: str = "") -> list[str]:
        """Every path under this one, or all of them, in order."""
        return sorted(await self._place.paths(_plain(folder) if folder else ""))


def _plain(path: str) -> str:
    """The path, if it can only be one of ours. Drafts and probes begin with a dot."""
    parts = PurePosixPath(path).parts
    if (
        not parts
        or any(part.startswith(("/", ".")) or _FORBIDDEN & set(part) for part in parts)
        or not path.isprintable()
    ):
        raise ValueError("chemin de document interdit")
    return "/".join(parts)


class Folder:
    """A folder of private files."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def check(self) -> None:
        """Make sure that files can be kept here. ValueError, in French, otherwise."""
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass
        except OSError as error:
            message = f"dossier inutilisable ({error.strerror}) : {self._root}"
            raise ValueError(message) from error

    def holds(self, url: str) -> bool:  # noqa: ARG002 - a bucket is elsewhere
        """No address of an object leads into a folder."""
        return False

    async def answer(self) -> None:
        """OSError when the folder is not there."""
        await asyncio.to_thread(self._root.stat)

    async def write(self, path: str, content: bytes | Path) -> None:
        """Keep this content, or that of this file, whole or not at all, and durably."""
        await asyncio.to_thread(self._write, self._inside(path), content)

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The content, piece by piece. FileNotFoundError when there is none."""
        with await asyncio.to_thread(self._file(path).open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk

    async def size(self, path: str) -> int:
        """In bytes. FileNotFoundError when there is no such file."""
        return (await asyncio.to_thread(self._file(path).stat)).st_size

    async def paths(self, folder: str) -> list[str]:
        """Every file under this folder."""
        return await asyncio.to_thread(self._paths, self._inside(folder))

    def _inside(self, path: str) -> Path:
        """Links could lead elsewhere."""
        target = self._root.joinpath(path).resolve()
        if not target.is_relative_to(self._root):
            raise ValueError("chemin de document interdit")
        return target

    def _file(self, path: str) -> Path:
        target = self._inside(path)
        if not target.is_file():
            raise FileNotFoundError("aucun document à ce chemin")
        return target

    def _paths(self, folder: Path) -> list[str]:
        found = (path for path in folder.rglob("*") if path.is_file())
        paths = (path.relative_to(self._root).as_posix() for path in found)
        return [path for path in paths if "/." not in f"/{path}"]

    def _write(self, target: Path, content: bytes | Path) -> None:
        self._open(target.parent)
        with whole(target) as file:
            if isinstance(content, Path):
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file, _CHUNK)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync(target.parent)

    def _open(self, folder: Path) -> None:
        """Make the folder, private, and those above it."""
        if folder.is_dir():
            return
        if folder != folder.parent:
            self._open(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """A new name in a folder survives a power cut once the folder is written too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
