"""What wakes a run: a fact, an effect that is done, or the next absolute instant that matters."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime

from temporalio import workflow

from workflows.agenda import Wake
from workflows.groups import of_step
from workflows.page import summary


class Alarm:
    """A bell that anyone may ring, and timers armed for absolute instants.

    A timer is given up as soon as its instant does not matter any more, so that none outlives what
    it was for; setting the same instant again costs nothing.
    """

    def __init__(self) -> None:
        self.is_ringing = False
        self._timers: dict[datetime, asyncio.Task[None]] = {}

    def ring(self) -> None:
        """Something happened: have another look."""
        self.is_ringing = True

    def hush(self) -> None:
        """A look is being had."""
        self.is_ringing = False

    async def rung(self) -> None:
        """Wait until it rings."""
        await workflow.wait_condition(lambda: self.is_ringing)

    def set(self, wake: Wake | None, kept: Collection[datetime] = ()) -> None:
        """Arm a timer for that instant, or none. One armed for an instant ``kept`` stays: it will
        serve, and another need not be started then."""
        for at, timer in list(self._timers.items()):
            if timer.done():
                del self._timers[at]
            elif at not in kept and (wake is None or at != wake.at):
                timer.cancel()
                del self._timers[at]
        if wake is not None and wake.at not in self._timers:
            self._timers[wake.at] = asyncio.create_task(self._sleep(wake))

    async def _sleep(self, wake: Wake) -> None:
        with of_step(wake.step):
            delay = wake.at - workflow.now()
            await workflow.sleep(delay, summary=summary(wake.text, wake.step))
        self.ring()
