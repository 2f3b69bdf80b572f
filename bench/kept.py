"""(i) What a plain onboarding leaves outside Temporal: rows of the register, files, mails."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.lives import PLAIN, lived
from bench.world import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIVES: Final = 5


async def measure(*, quick: bool) -> dict[str, Any]:
    """Live some whole lives; what each has added to the register (SQLite), to the store and to the
    mailbox, on average."""
    count = 1 if quick else _LIVES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with world(folder, "whole") as here:
            before = _register(folder)
            for _ in range(count):
                await lived(here, PLAIN)
            files = [path for path in (folder / "documents").rglob("*") if path.is_file()]
            mails = list((folder / "mails").glob("*.eml"))
            return {
                "register_bytes": (_register(folder) - before) // count,
                "files": len(files) // count,
                "files_bytes": _bytes(files) // count,
                "mails": len(mails) // count,
                "mails_bytes": _bytes(mails) // count,
            }


def _register(folder: Path) -> int:
    """Its pages, wherever SQLite keeps them at that moment."""
    with closing(sqlite3.connect(folder / "onboarding.db")) as database:
        [[pages]] = database.execute("PRAGMA page_count").fetchall()
        [[size]] = database.execute("PRAGMA page_size").fetchall()
    return int(pages * size)


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """One line."""
    yield (
        f"a plain onboarding: {figures['register_bytes'] / 1e3:.0f} kB of register, "
        f"{figures['files']} files of {figures['files_bytes'] / 1e6:.1f} MB, "
        f"{figures['mails']} mails of {figures['mails_bytes'] / 1e6:.1f} MB"
    )
