"""Events grouped by step in the web UI: experimental in Temporal, hence behind one helper.

To be without it, let ``of_step`` return ``contextlib.nullcontext()``: groups are a label on what a
run commands, and no part of what is replayed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from temporalio import workflow

from process.vocabulary import STEP_TITLES

_WHOLE: Final = "Vie du projet"
"""What no step owns: reminders, suspension, changes of people."""


def of_step(number: int | None) -> AbstractContextManager[None]:
    """Whatever is commanded inside is shown under that step; without one, under the project."""
    label = f"{number}. {STEP_TITLES[number]}" if number else _WHOLE
    return workflow.create_event_group(f"step-{number or 0}", label=label).scope()
