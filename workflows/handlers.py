"""Every fact as a signal and, under the same name, as an update: made from the table of facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from temporalio import workflow

from process.facts import FACTS
from process.orders import FactAnswer
from process.shapes import described


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
    for name, handler in _HANDLERS.items():
        setattr(cls, name, handler)
    return cls


def _handlers_of(name: str, description: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
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
    return workflow.signal(name=name, description=description)(on_signal), update


_HANDLERS: Final[dict[str, Callable[..., Any]]] = {
    handler.__name__: handler
    for name, model in FACTS.items()
    for handler in _handlers_of(name, described(model))
}
"""Made once, and not for each run that the sandbox loads: there are seventy, for ever the same. The
description is what the web UI's form says."""
