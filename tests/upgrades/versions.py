"""Versions of the workflow code, each a change of the real one, in a folder from which the real
programs run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Change:
    """In that file of ``workflows/``, this text, which stands there once, becomes that one."""

    file: str
    text: str
    becomes: str


_SEND: Final = "            report = await self._send(sending, entry, patience)\n"
_REREAD: Final = '_sleep(timedelta(hours=2), "relecture")\n'
_SLEEP: Final = Change(
    "dispatch.py",
    "def _cause(error: ActivityError) -> str:\n",
    "async def _sleep(delay: timedelta, why: str) -> None:\n"
    "    await workflow.sleep(delay, summary=why)\n\n\n"
    "def _cause(error: ActivityError) -> str:\n",
)


def _before_sending(lines: str) -> tuple[Change, ...]:
    return _SLEEP, Change("dispatch.py", _SEND, lines + _SEND)


FIRST: Final[tuple[Change, ...]] = ()
"""Today's code."""

SECOND: Final = _before_sending(
    '            if sending.kind == "kickoff_convocation" and workflow.patched("reread"):\n'
    f"                await {_REREAD}"
)
"""A convocation is read again for two hours before it leaves: a new step, under a patch."""

THIRD: Final = (
    *_before_sending(
        '            if sending.kind == "kickoff_convocation" and workflow.patched("reread"):\n'
        f"                await {_REREAD}"
        '            if sending.kind == "user_guide" and workflow.patched("reread-guide"):\n'
        f"                await {_REREAD}"
    ),
    Change("sendings.py", '"Remise du DOE"', '"Remise du dossier DOE"'),
)
"""The same for the guide, and another text."""

CARELESS: Final = _before_sending(
    f'            if sending.kind == "kickoff_convocation":\n                await {_REREAD}'
)
"""The new step of the second one, by an author who forgot the patch."""

TOO_SOON: Final = _before_sending(
    '            if sending.kind == "kickoff_convocation":\n'
    '                workflow.deprecate_patch("reread")\n'
    f"                await {_REREAD}"
)
"""The patch of the second one taken for over, while runs that went without it are open."""


def tree(folder: Path, changes: tuple[Change, ...]) -> Path:
    """That version of the program, in that folder: the rest of it is ours."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in {"workflows", "worker.py", "starter.py", "tests", "var"}:
            (folder / path.name).symlink_to(path)
    # Python looks for modules beside the program it runs, links followed.
    for name in ("worker.py", "starter.py"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflows", folder / "workflows", ignore=ignored)
    for change in changes:
        path = folder / "workflows" / change.file
        text = path.read_text(encoding="utf-8")
        if text.count(change.text) != 1:
            raise ValueError(f"{change.file} has changed: write this version of it again")
        path.write_text(text.replace(change.text, change.becomes), encoding="utf-8")
    return folder
