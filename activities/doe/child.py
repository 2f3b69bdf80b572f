"""Heavy work on files that others wrote, done in a process of its own (``activities.child``).

The job goes by standard input and the answer by standard output, as JSON: nothing of either is ever
on a command line.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from activities import child
from activities.printing.rendering import DocumentImpossible, DocumentIncomplete
from process.documents import DOCUMENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from process.orders import DocumentOrder

Job = dict[str, Any]

_SECONDS: Final = 900
"""Of processor."""

_FILES: Final = 16_384
"""Files open at once, when the system allows as many."""

_ANSWER: Final = 16 << 20
"""Bytes of the answer, which names every piece that was worked on."""

_BLOCK: Final = 1 << 20


class ChildFailed(Exception):  # noqa: N818 - it states a situation
    """The child could not do its work, for a reason of this machine: it may be tried again."""


async def run(module: str, job: Job, order: DocumentOrder) -> Job:
    """What ``module`` answers to this job, done for that order; cancelled, the child is killed.

    Raises DocumentIncomplete or DocumentImpossible as the child did, DocumentImpossible too when
    a file crashed it, and ChildFailed when the same job may succeed another time.
    """
    try:
        output, code = await child.answer_of(module, job=json.dumps(job).encode(), most=_ANSWER)
    except ValueError as error:
        raise ChildFailed(str(error)) from None
    return _answer(output, code, order)


def _answer(output: bytes, code: int, order: DocumentOrder) -> Job:
    lines: list[Job] = [json.loads(line) for line in output.splitlines()]
    answer = lines[-1] if lines else {}
    if "done" in answer:
        done: Job = answer["done"]
        return done
    if "missing" in answer:
        raise DocumentIncomplete(DOCUMENT_KINDS[order.kind].title, answer["missing"])
    if "impossible" in answer:
        raise DocumentImpossible(order.reference, answer["impossible"], answer["diagnostic"])
    if "failed" in answer or "at" not in answer or code == -signal.SIGKILL:
        raise ChildFailed(answer.get("failed", f"exit code {code}"))
    reason = f"l'assemblage s'est arrêté sur {answer['at']}"
    raise DocumentImpossible(order.reference, reason, f"exit code {code}")


class Trouble(Exception):  # noqa: N818
    """In the child: why the document is impossible, in French; ``diagnostic`` is for the log."""

    def __init__(self, reason: str, diagnostic: str = "") -> None:
        self.diagnostic = diagnostic
        super().__init__(reason)


def serve(work: Callable[[Job], Job]) -> None:
    """In the child: read the job, do it, answer; its memory and its time are limited."""
    child.limit(seconds=_SECONDS, files=_FILES)
    job = json.load(sys.stdin)
    try:
        _tell({"done": work(job)})
    except DocumentIncomplete as error:
        _tell({"missing": error.missing})
    except Trouble as error:
        _tell({"impossible": str(error), "diagnostic": error.diagnostic})
    except MemoryError:
        os._exit(3)  # After what was last told: the file that was too much.
    except Exception as error:  # noqa: BLE001 - told to the parent, without what it quotes
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        _tell({"failed": f"{type(error).__name__}, {where}"})
    # Nothing is left to do, and libraries fed with hostile files may fail while they close.
    os._exit(0)


def at(what: str) -> None:
    """In the child: what is being worked on, named should it crash."""
    _tell({"at": what})


def check(path: Path, sha256: str, what: str) -> None:
    """In the child: the file is the one that was received. Trouble when it no longer is."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != sha256:
        raise Trouble(f"{what} n'est plus identique au fichier enregistré")


def _tell(what: Job) -> None:
    print(json.dumps(what), flush=True)
