"""The files of S3 buckets, ours and those that pieces of the DOE come from.

Credentials, region and endpoint are those of the usual ``AWS_*`` environment variables.
"""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config

SCHEME: Final = "s3://"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MAX_KEY: Final = 1_024
"""Bytes, as S3 has it."""

_CHUNK: Final = 1_000_000
"""Bytes read at a time."""
_PART: Final = 8 * 1024 * 1024
"""Bytes of a part of a large object; S3 takes 10 000 of them, of 5 MiB at least."""
_PARTS_AT_ONCE: Final = 3

_PATIENCE: Final[RetryConfig] = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
"""Who asked tries again later: a storage that is away is soon told."""
_TIMES: Final[ClientConfig] = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "1d"}
"""A silence is an error; the whole of a large file takes the time it takes."""

_PROBE: Final = ".onboarding"
"""An object that is written and erased; no document's name begins with a dot."""


class TooLarge(ValueError):  # noqa: N818 - it states a situation
    """A file is larger than what is accepted."""


class Bucket:
    """The objects of ``s3://bucket/prefix``. The environment is read here, once.

    ValueError for an address that is not one. Everything raises ``PermissionError`` when the
    storage refuses access and ``OSError`` when it is away, fails or is badly configured, in French
    and without a secret.
    """

    def __init__(self, url: str) -> None:
        self._name, prefix = parted(url)
        self._prefix = prefix and f"{prefix}/"
        config = _configured()
        self._store = S3Store(
            self._name,
            config=config,
            client_options={
                **_TIMES,
                "allow_http": config["aws_endpoint_url_s3"].startswith("http://"),
            },
            retry_config=_PATIENCE,
        )

    def check(self) -> None:
        """Make sure that objects can be kept here. ValueError, in French, otherwise."""
        try:
            with self._said(writing=True):
                obstore.put(self._store, self._prefix + _PROBE, b"")
        except OSError as error:
            raise ValueError(str(error)) from None
        # A bucket where nothing may be erased is a good one for documents.
        with suppress(BaseError, OSError):
            obstore.delete(self._store, self._prefix + _PROBE)

    def holds(self, url: str) -> bool:
        """Whether this address is that of one of these objects. ValueError when it is none."""
        name, key = parted(url)
        return name == self._name and f"{key}/".startswith(self._prefix)

    async def answer(self) -> None:
        """Ask for nothing in particular: returns when the storage answers."""
        with suppress(FileNotFoundError):
            await self.size(_PROBE)

    async def write(self, path: str, content: bytes | Path) -> None:
        """Keep this content, or that of this file, whole or not at all."""
        if isinstance(content, Path):
            # A source that is missing must not pass for a missing bucket.
            await asyncio.to_thread(content.stat)
        with self._said(writing=True):
            await obstore.put_async(
                self._store,
                self._prefix + path,
                content,
                chunk_size=_PART,
                max_concurrency=_PARTS_AT_ONCE,
            )

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The content, piece by piece. FileNotFoundError when there is none."""
        with self._said():
            found = await obstore.get_async(self._store, self._prefix + path)
            async for chunk in found.stream(_CHUNK):
                yield bytes(chunk)

    async def size(self, path: str) -> int:
        """In bytes. FileNotFoundError when there is no such object."""
        with self._said():
            return (await obstore.head_async(self._store, self._prefix + path))["size"]

    async def paths(self, folder: str) -> list[str]:
        """Every object under this folder, or all of them."""
        with self._said():
            listed = await obstore.list(self._store, self._prefix + folder or None).collect_async()
        return [one["path"].removeprefix(self._prefix) for one in listed]

    @contextmanager
    def _said(self, *, writing: bool = False) -> Iterator[None]:
        """The library's errors in our words: its own quote whole answers and addresses."""
        try:
            yield
        except FileNotFoundError:
            if writing:
                raise OSError(f"le compartiment « {self._name} » n'existe pas") from None
            raise FileNotFoundError("aucun fichier de ce nom dans le stockage S3") from None
        except BaseError as error:
            raise self._failure(error) from None

    def _failure(self, error: BaseError) -> OSError:
        answer = re.search(r"status code: (\d{3})", str(error))
        status = answer[1] if answer else ""
        denied = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
        if denied or status in {"401", "403"}:
            return PermissionError(
                f"le stockage S3 refuse l'accès au compartiment « {self._name} » : vérifier "
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY et les droits sur le compartiment"
            )
        if status == "404":
            return OSError(f"le compartiment « {self._name} » n'existe pas")
        reason = f"réponse {status}" if status else "pas de réponse"
        return OSError(
            f"le stockage S3 n'a pas fait ce qui lui était demandé ({reason}) : vérifier "
            "AWS_ENDPOINT_URL et AWS_REGION s'il n'a jamais fonctionné"
        )


def _configured() -> S3Config:
    """What the environment says, checked: the library panics on what is no header or address, and
    takes an empty variable, which Docker Compose passes, for a value."""
    key_id = _variable("AWS_ACCESS_KEY_ID")
    if bool(key_id) != bool(_variable("AWS_SECRET_ACCESS_KEY")):
        raise OSError("AWS_ACCESS_KEY_ID et AWS_SECRET_ACCESS_KEY vont ensemble : il en manque une")
    _variable("AWS_SESSION_TOKEN")
    region = _variable("AWS_REGION") or _variable("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = _variable("AWS_ENDPOINT_URL_S3") or _variable("AWS_ENDPOINT_URL")
    if endpoint and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+(/[^?#]*)?", endpoint):
        raise OSError("AWS_ENDPOINT_URL : adresse attendue : https://…")
    return {
        "region": region,
        "aws_endpoint_url_s3": endpoint or f"https://s3.{region}.amazonaws.com",
    }


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not re.fullmatch(r"[!-~]*", value):
        raise OSError(f"{name} : espaces et accents ne sont pas admis")
    return value


def parted(url: str) -> tuple[str, str]:
    """The bucket and the key of ``s3://bucket/key``, taken literally (``%20`` is no space).

    ValueError, in French, when it is not such an address or when its key could be read otherwise.
    """
    name, _, key = url.removeprefix(SCHEME).partition("/")
    key = key.strip("/")
    parts = key.split("/") if key else []
    if not url.startswith(SCHEME) or not _BUCKET.fullmatch(name) or ".." in name:
        raise ValueError("adresse attendue : s3://compartiment/chemin")
    if not key.isprintable() or {"", ".", ".."} & set(parts) or len(key.encode()) > _MAX_KEY:
        raise ValueError("chemin S3 interdit")
    return name, key


async def download(url: str, target: Path, max_bytes: int) -> int:
    """Bring the object ``s3://bucket/key`` to this file; its size in bytes.

    Raises ``FileNotFoundError``, ``PermissionError``, ``TooLarge`` (as told before, or found while
    reading), ``ValueError`` for another address, ``OSError`` for a storage worth asking again.
    Whatever fails, there is no ``target``.
    """
    await asyncio.to_thread(target.unlink, missing_ok=True)
    name, key = parted(url)
    if not key:
        raise ValueError("chemin S3 interdit")
    bucket = Bucket(SCHEME + name)
    if await bucket.size(key) > max_bytes:
        raise _too_large(max_bytes)
    return await save(bucket.stream(key), target, max_bytes)


async def save(chunks: AsyncIterator[bytes], target: Path, max_bytes: int | None = None) -> int:
    """Write what comes to this file, private, whole or not at all; its size in bytes.

    Raises ``TooLarge`` beyond ``max_bytes``.
    """
    size = 0
    with whole(target) as file:
        async for chunk in chunks:
            size += len(chunk)
            if max_bytes is not None and size > max_bytes:
                raise _too_large(max_bytes)
            await asyncio.to_thread(file.write, chunk)
    return size


@contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """A draft beside ``target``, private, that takes its place once it is written."""
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        # Readers see the former file or the whole new one, never a part of it.
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"fichier de plus de {max_bytes} octets")
