"""Every fact as a signal and, under the same name, as an update: made from the table of facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from temporalio import workflow

from process.facts import FACTS
from process.orders import FactAnswer
from process.shapes import described

_DESCRIPTIONS: Final = {name: described(model) for name, model in FACTS.items()}
"""What the web UI's form says of each; made once, not for each run that the sandbox loads."""


class TakesFacts(Protocol):
    """What a workflow with these handlers can do."""

    def hear(self, name: str, arguments: Sequence[Any]) -> None:
        """Take a signal: never fails, never loses it."""

    def check(self, name: str, arguments: Sequence[Any]) -> None:
        """Refuse an update that cannot be taken, before it is recorded."""

    async def answer(self, name: str, arguments: Sequence[Any]) -> FactAnswer:
        """Take an update and tell its outcome."""


_C = TypeVar("_C", bound=type[TakesFacts])


def facts_as_handlers(cls: _C) -> _C:
    """Give the workflow one signal and one update a fact.

    The handlers take any number of arguments, untyped: a signal with too many would otherwise
    block the run for ever, and one that does not decode would vanish.
    """
    for name, description in _DESCRIPTIONS.items():
        _add(cls, name, description)
    return cls


def _add(cls: type[TakesFacts], name: str, description: str) -> None:
    def on_signal(self: TakesFacts, *arguments: Any) -> None:
        self.hear(name, arguments)

    async def on_update(self: TakesFacts, *arguments: Any) -> FactAnswer:
        return await self.answer(name, arguments)

    def validate(self: TakesFacts, *arguments: Any) -> None:
        self.check(name, arguments)

    # The SDK finds handlers among the methods of the class, each under a name of its own.
    on_signal.__name__ = on_signal.__qualname__ = f"signal_{name}"
    on_update.__name__ = on_update.__qualname__ = f"update_{name}"
    update = workflow.update(name=name, description=description)(on_update)
    update.validator(validate)
    setattr(cls, f"signal_{name}", workflow.signal(name=name, description=description)(on_signal))
    setattr(cls, f"update_{name}", update)
