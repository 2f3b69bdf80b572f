"""Bring a file that the outside named into a private place.

What is inspected, kept and delivered is always our copy: a file that changes or vanishes after
that is harmless.

A name is found as it is written; failing that as another machine writes it (accents in one sign or
two, backslashes), then in other capitals, where exactly one file fits.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import stat
import unicodedata
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from activities.inspecting.unfit import Unfit
from storage.objects import SCHEME as S3
from storage.objects import TooLarge, download

_BLOCK: Final = 1 << 20
"""Bytes copied at a time."""

_FILE: Final = "file://"
_OTHER_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
"""How a path of Windows begins; one of the network does with two backslashes."""

_MISSING: Final = "le fichier est introuvable dans le dossier de dépôt"
_OUTSIDE: Final = "le chemin du fichier sort du dossier de dépôt"
_LINK: Final = "le chemin du fichier passe par un lien, ce qui est interdit"
_UNREADABLE: Final = "la lecture du fichier est refusée : vérifier ses droits d'accès"
_NOT_A_FILE: Final = "ce n'est pas un fichier ordinaire"
_EMPTY: Final = "le fichier est vide"

_CANDIDATES: Final = 5
"""Names that are told when several files fit."""

_TRIED: Final = 1_000
"""Folders and files that may fit one name."""

_REASONS: Final = {
    errno.ENOENT: _MISSING,
    errno.ENOTDIR: _MISSING,
    errno.ENAMETOOLONG: _MISSING,
    errno.ELOOP: _LINK,
    errno.EACCES: _UNREADABLE,
    errno.EPERM: _UNREADABLE,
    # A socket, or a device without its driver.
    errno.ENXIO: _NOT_A_FILE,
    errno.ENODEV: _NOT_A_FILE,
}
"""What a refusal of the system says of the file; any other error is the machine's."""


async def bring(uri: str, inbox: Path, target: Path, max_bytes: int) -> None:
    """Copy the file that ``uri`` names to ``target``: a path relative to the inbox or inside it,
    the same after ``file://``, or ``s3://bucket/key``.

    Raises ``Unfit`` when the file cannot be accepted, ``OSError`` when the inbox, the storage or
    the disk fails.
    """
    if uri.startswith(S3):
        size = await _from_s3(uri, target, max_bytes)
    else:
        parts = _inside(uri, inbox)
        size = await asyncio.to_thread(_from_inbox, parts, inbox, target, max_bytes)
    if size == 0:
        raise Unfit(_EMPTY)


async def _from_s3(uri: str, target: Path, max_bytes: int) -> int:
    try:
        # A bucket is not listed: the two ways to write accents are tried.
        for written in dict.fromkeys(
            [uri, *(unicodedata.normalize(form, uri) for form in ("NFC", "NFD"))]
        ):
            with suppress(FileNotFoundError):
                return await download(written, target, max_bytes)
        raise Unfit("le fichier est introuvable dans le stockage S3")
    except PermissionError:
        raise Unfit("le stockage S3 refuse l'accès à ce fichier") from None
    except TooLarge:
        raise _too_large(max_bytes) from None
    except ValueError:
        raise Unfit("l'adresse S3 du fichier est mal formée") from None


def _inside(uri: str, inbox: Path) -> tuple[str, ...]:
    """The components of the path, from the inbox down."""
    written = uri
    if uri.startswith(_FILE):
        written = urllib.parse.unquote(uri.removeprefix(_FILE).removeprefix("localhost"))
    elif _OTHER_SCHEME.match(uri):
        raise Unfit("l'adresse du fichier n'est ni un chemin ni une adresse s3://")
    if "\0" in written or "\ufffd" in written:
        raise Unfit(_MISSING)
    if _DRIVE.match(written) or written.startswith("\\\\"):
        raise Unfit(_OUTSIDE)
    path = PurePosixPath(written)
    if path.is_absolute():
        root = next(
            (r for r in (inbox.absolute(), inbox.resolve()) if path.is_relative_to(r)), None
        )
        if root is None:
            raise Unfit(_OUTSIDE)
        path = path.relative_to(root)
    # Written by Windows or not, what goes up goes outside.
    if ".." in re.split(r"[\\/]", str(path)):
        raise Unfit(_OUTSIDE)
    if not path.parts:
        raise Unfit(_NOT_A_FILE)
    return path.parts


def _from_inbox(parts: tuple[str, ...], inbox: Path, target: Path, max_bytes: int) -> int:
    source = _found(parts, inbox)
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise Unfit(_NOT_A_FILE)
        if status.st_size > max_bytes:
            raise _too_large(max_bytes)
        size = 0
        with target.open("xb") as copy:
            while block := os.read(source, _BLOCK):
                size += len(block)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                copy.write(block)
    finally:
        os.close(source)
    return size


def _found(parts: tuple[str, ...], inbox: Path) -> int:
    """The descriptor of the file of this name, or of the only one that fits it."""
    try:
        return _opened(parts, inbox)
    except Unfit as refusal:
        if str(refusal) != _MISSING:
            raise
    split = tuple(part for one in parts for part in one.split("\\") if part not in {"", "."})
    for same in (_composed, _folded):
        fitting = _fitting(split, inbox, same)
        if len(fitting) == 1:
            return _opened(fitting[0], inbox)
        if fitting:
            names = ", ".join(f"« {'/'.join(one)} »" for one in sorted(fitting)[:_CANDIDATES])
            more = "…" if len(fitting) > _CANDIDATES else ""
            raise Unfit(f"plusieurs fichiers peuvent être celui-ci : {names}{more}")
    raise Unfit(_MISSING)


def _composed(name: str) -> str:
    """The same for names that differ by how their accents are encoded only."""
    return unicodedata.normalize("NFC", name)


def _folded(name: str) -> str:
    """The same for names that differ by their capitals as well."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _fitting(
    parts: tuple[str, ...], inbox: Path, same: Callable[[str], str]
) -> list[tuple[str, ...]]:
    """The paths below the inbox that are this one by that measure. No link is followed."""
    reached: list[tuple[str, ...]] = [()]
    for depth, part in enumerate(parts, start=1):
        wanted, last = same(part), depth == len(parts)
        below: list[tuple[str, ...]] = []
        for folder in reached:
            try:
                source = _opened(folder, inbox, folder=True)
            except Unfit:
                continue
            try:
                with os.scandir(source) as entries:
                    below += [
                        (*folder, entry.name)
                        for entry in entries
                        if same(entry.name) == wanted
                        and (last or not entry.is_file(follow_symlinks=False))
                    ]
            finally:
                os.close(source)
        reached = below[:_TRIED]
    return reached if parts else []


def _opened(parts: tuple[str, ...], inbox: Path, *, folder: bool = False) -> int:
    """The descriptor of the file, or of the ``folder``, each component opened below the former, no
    link followed. A fifo that nobody writes to does not block."""
    flags = os.O_DIRECTORY if folder else os.O_NONBLOCK | os.O_NOCTTY
    try:
        above = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OSError(error.errno, "le dossier de dépôt est indisponible") from None
    try:
        for rank, part in enumerate(parts, start=1):
            kind = os.O_DIRECTORY if rank < len(parts) else flags
            below = _open(part, os.O_RDONLY | kind, above)
            os.close(above)
            above = below
    except BaseException:
        os.close(above)
        raise
    return above


def _open(name: str, flags: int, folder: int) -> int:
    try:
        # Asked first for a reason that says what is wrong; O_NOFOLLOW is what guards.
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise Unfit(_LINK)
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
    except UnicodeEncodeError:
        raise Unfit(_MISSING) from None
    except OSError as error:
        if (refused := _REASONS.get(error.errno or 0)) is not None:
            raise Unfit(refused) from None
        raise OSError(error.errno, "le dossier de dépôt ne peut pas être lu") from None


def _too_large(max_bytes: int) -> Unfit:
    return Unfit(f"le fichier dépasse la taille permise ({max_bytes // 1_000_000}\u00a0Mo)")
