"""What a file is, and whether the DOE may hold it, found out in a process of its own
(``activities.child``): the worker never parses a file that someone else wrote.

    python -m activities.inspecting.inspection PATH [--family FAMILY]      prints one line of JSON
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from activities import child
from activities.inspecting import archive_checks, markup_checks, sniffing
from activities.inspecting.secrets_scan import secrets_in
from activities.inspecting.unfit import Unfit, is_by_content
from process.orders import SecretFound

SECONDS: Final = 60
"""Of processor, of which the search for secrets takes at most half."""

_PATIENCE: Final = 5 * SECONDS
"""Seconds by the clock, on a machine that has much else to do."""

_FILES: Final = 64
"""Files open at once."""

_ANSWER: Final = 1 << 20
"""Bytes of the answer, the only thing that is written."""

_WRITTEN: Final = 512 * 2**20
"""Bytes of a file that is written, beyond twice those of the file that is looked at."""

_KEPT: Final = 20
"""Secrets that are told one by one."""

_TOO_MUCH: Final = "le contenu du fichier est trop lourd ou trop complexe pour être examiné"
_CRASHED: Final = "le contenu du fichier est illisible : il semble endommagé"
_NOT_ALL: Final = SecretFound(what="contenu trop long pour être examiné en entier")
_CRASHES: Final = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        # How a library ends on what it holds impossible.
        signal.SIGTRAP,
    }
)
_NAME: Final = 80
"""Characters of an entry's name that are told."""


class Inspection(BaseModel):
    """What was found: why the file is refused, else its type and what is in it."""

    model_config = ConfigDict(frozen=True)

    refused: str | None = None
    media: str = ""
    pages: int | None = None
    signed: bool = False
    secrets: list[SecretFound] = []
    secrets_count: int = 0
    remarks: list[str] = []
    """What was mended in the copy that the book is to show; without any there is no copy."""
    attachments: list[str] = []
    factory: list[SecretFound] = []


class InspectionFailed(Exception):  # noqa: N818 - it states a situation
    """The machine could not inspect a file: it may be tried again."""


# In the worker


async def inspect(
    path: Path,
    family: str,
    *,
    memory: int = child.MEMORY,
    seconds: int = SECONDS,
    copy: Path | None = None,
) -> Inspection:
    """What a child process finds in this file; ``memory`` in bytes, ``seconds`` of processor. A
    PDF in which something had to be mended is written so to ``copy`` (beside it unless told).

    A file on which the child fails is refused. Raises ``InspectionFailed`` when the child fails
    for a reason of this machine.
    """
    copy = copy or path.with_name(f"{path.name}.copy")
    words = (f"--family={family}", f"--memory={memory}", f"--seconds={seconds}", f"--copy={copy}")
    try:
        answer, code = await child.answer_of(
            __name__, str(path), *words, most=_ANSWER, seconds=_PATIENCE
        )
        if answer.endswith(b"\n"):
            return Inspection.model_validate_json(answer)
    except (TimeoutError, ValueError) as error:
        raise InspectionFailed(type(error).__name__) from None
    return _without_answer(code)


def _without_answer(code: int) -> Inspection:
    if code == -signal.SIGXCPU:
        return Inspection(refused=_TOO_MUCH)
    if -code in _CRASHES:
        return Inspection(refused=_CRASHED)
    raise InspectionFailed(f"exit code {code}")


# In the child


def main() -> None:
    """Inspect the file of the command line and print what was found, as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m activities.inspecting.inspection")
    parser.add_argument("path", type=Path)
    parser.add_argument("--family", default="")
    parser.add_argument("--memory", type=int, default=child.MEMORY)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--copy", type=Path, required=True)
    asked = parser.parse_args()
    # A copy is about as large as its original, and so is what is joined to it.
    written = _WRITTEN + 2 * asked.path.stat().st_size
    child.limit(seconds=asked.seconds, files=_FILES, memory=asked.memory, written=written)
    found = _judged(asked.path, asked.family, asked.seconds / 2, asked.copy)
    print(found.model_dump_json(), flush=True)
    # Nothing is left to do, and libraries fed with hostile files may fail while they close.
    os._exit(0)


def _judged(path: Path, family: str, seconds: float, copy: Path) -> Inspection:
    """What is found, or why nothing can be. Raises only for what this machine lacks."""
    try:
        return _inspected(path, family, seconds, copy)
    except Unfit as refusal:
        return Inspection(refused=str(refusal))
    except MemoryError:
        return Inspection(refused=_TOO_MUCH)
    except ImportError:
        raise
    except OSError as error:
        if not is_by_content(error):
            raise
        return Inspection(refused=_CRASHED)
    except Exception:  # noqa: BLE001 - a hostile content fails in ways nobody has listed
        return Inspection(refused=_CRASHED)


def _inspected(path: Path, family: str, seconds: float, copy: Path) -> Inspection:
    with path.open("rb") as file:
        head = file.read(sniffing.HEAD)
    if (danger := sniffing.danger_of(head)) is not None:
        raise Unfit(f"le fichier est {danger}")
    media = sniffing.media_of(head)
    search = _Search(seconds)
    if media == sniffing.PDF:
        # Imported by the child that needs it: one in two does not.
        from activities.inspecting import pdf_attachments, pdf_checks  # noqa: PLC0415

        facts = pdf_checks.check_pdf(path, copy, pdf_attachments.checking(copy))
        # What the book shows is what is searched.
        search.through_pdf(copy if facts.remarks else path, family)
        return search.found(media, facts.pages, signed=facts.signed).model_copy(
            update={"remarks": list(facts.remarks), "attachments": list(facts.attachments)}
        )
    if media == sniffing.OLE:
        archive_checks.check_ole(path)
    elif media == sniffing.ZIP:
        archive = archive_checks.Archive(path)
        media = archive.check()
        if family == "configurations":
            search.through_parts(archive.texts(), numbered=True)
    elif media in sniffing.TEXTS:
        encoding = sniffing.encoding_of(head)
        if media in {sniffing.HTML, sniffing.SVG, sniffing.XML}:
            markup_checks.check(path.read_bytes())
        with path.open(encoding=encoding, errors="replace") as lines:
            search.through(lines)
    return search.found(media)


class _Search:
    """The secrets of one file, looked for during at most this many seconds of processor."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds
        self._secrets: list[SecretFound] = []
        self._count = 0
        self._factory: list[SecretFound] = []

    def found(self, media: str, pages: int | None = None, *, signed: bool = False) -> Inspection:
        return Inspection(
            media=media,
            pages=pages,
            signed=signed,
            secrets=self._secrets,
            secrets_count=self._count,
            factory=self._factory,
        )

    def through_pdf(self, path: Path, family: str) -> None:
        """Every page of a PDF, and what is written over and beside them."""
        from activities.inspecting import pdf_secrets  # noqa: PLC0415

        for found in pdf_secrets.secrets_of_pdf(path, family):
            if found is None:
                if time.process_time() > self._end:
                    self._add(_NOT_ALL)
                    return
            elif not found.factory:
                self._add(found.told())
            elif len(self._factory) < _KEPT:
                self._factory.append(found.told())

    def through(self, lines: Iterable[str]) -> None:
        with suppress(_OutOfTime):
            for secret in secrets_in(self._in_time(lines)):
                self._add(secret)

    def through_parts(self, parts: Iterable[tuple[str, str, bool]], *, numbered: bool) -> None:
        """Parts of the file: the name and the text of each, and whether that is all of it;
        ``numbered`` when its lines are those that its reader sees."""
        with suppress(_OutOfTime):
            for name, text, whole in parts:
                for secret in secrets_in(self._in_time(text.splitlines())):
                    what = f"{secret.what} ({name[-_NAME:]})"
                    self._add(SecretFound(what=what, line=secret.line if numbered else None))
                if not whole:
                    self._add(_NOT_ALL)

    def _add(self, secret: SecretFound) -> None:
        self._count += 1
        if len(self._secrets) < _KEPT:
            self._secrets.append(secret)

    def _in_time(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            if time.process_time() > self._end:
                # What nobody looked at is held as if it had a secret in it.
                self._add(_NOT_ALL)
                raise _OutOfTime
            yield line


class _OutOfTime(Exception):  # noqa: N818 - it states a situation
    """The search for secrets has taken its time."""


if __name__ == "__main__":
    main()
