"""A signal that no key of the worker opens: what became of it is recorded, whoever reads it later.

Workers are given keys and lose them, while a history is read again for years. Whether a signal was
taken must therefore not depend on the keys of who reads it: a refusal for want of a key leaves a
marker in the history, under the number of the signal. A worker that has the key since finds the
marker and refuses again; one that lacks the key of a signal that was taken waits for it, as it does
for the contract's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from temporalio import workflow

from workflows.converter import Undecipherable

REFUSED: Final = (
    "chiffré avec une clé que ce système n'a pas, ou altéré : à envoyer de nouveau, en clair ou "
    "avec une clé connue"
)


def is_refused(number: int, arguments: Sequence[Any], *, recorded: bool) -> bool:
    """Whether the ``number``-th signal that the run reads is refused for want of its key.

    ``recorded``: every such refusal of this run has its marker; in runs opened before there were
    any, what cannot be read was refused.

    Raises ``RuntimeError``, which has the task tried again, when it was taken by a worker that had
    the key, and this one has not.
    """
    marker = f"undecipherable-{number}"
    if not is_undecipherable(arguments):
        # Its first reader may have lacked the key. Nothing is to be recorded of what is read.
        return workflow.unsafe.is_replaying() and workflow.patched(marker)
    if workflow.patched(marker) or not recorded:
        return True
    check_accepted(arguments)
    return False


def check_accepted(arguments: Sequence[Any]) -> None:
    """Wait for the key of a fact that was accepted: raises ``RuntimeError``, which has the task
    tried again. An update is accepted by who could read it."""
    if is_undecipherable(arguments):
        raise RuntimeError("la clé qui a chiffré un fait accepté manque à ce worker")


def is_undecipherable(arguments: Sequence[Any]) -> bool:
    """Whether any of these is encrypted, and no key opened it."""
    return any(isinstance(argument, Undecipherable) for argument in arguments)
