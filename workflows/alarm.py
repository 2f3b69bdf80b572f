"""What wakes a run: a fact, an effect that is done, or the next absolute instant that matters."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from workflows.agenda import Wake
from workflows.groups import of_step
from workflows.page import summary


class Alarm:
    """A bell that anyone may ring, and one timer armed for an absolute instant.

    Moving the instant cancels the timer it replaces, so no timer outlives what it was for; setting
    the same instant again costs nothing.
    """

    def __init__(self) -> None:
        self.is_ringing = False
        self._wake: Wake | None = None
        self._timer: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Something happened: have another look."""
        self.is_ringing = True

    def hush(self) -> None:
        """A look is being had."""
        self.is_ringing = False

    async def rung(self) -> None:
        """Wait until it rings."""
        await workflow.wait_condition(lambda: self.is_ringing)

    def set(self, wake: Wake | None) -> None:
        """Arm the timer for that instant, or not at all."""
        armed = self._timer is not None and not self._timer.done()
        if armed and wake and self._wake and wake.at == self._wake.at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake = wake
        self._timer = asyncio.create_task(self._sleep(wake)) if wake else None

    async def _sleep(self, wake: Wake) -> None:
        with of_step(wake.step):
            delay = wake.at - workflow.now()
            await workflow.sleep(delay, summary=summary(wake.text, wake.step))
        self.ring()
