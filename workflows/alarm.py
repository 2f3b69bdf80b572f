"""One timer, always armed for the next absolute instant that matters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from temporalio import workflow

from workflows.agenda import Wake
from workflows.page import summary


class Alarm:
    """Rings at an absolute instant that can be moved. Moving it cancels the timer it replaces,
    so no timer outlives what it was for; setting the same instant again costs nothing."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._wake: Wake | None = None
        self._timer: asyncio.Task[None] | None = None

    def set(self, wake: Wake | None) -> None:
        """Arm the alarm for that instant, or not at all."""
        armed = self._timer is not None and not self._timer.done()
        if armed and wake and self._wake and wake.at == self._wake.at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake = wake
        self._timer = asyncio.create_task(self._sleep(wake)) if wake else None

    async def _sleep(self, wake: Wake) -> None:
        await workflow.sleep(wake.at - workflow.now(), summary=summary(wake.why))
        self._ring()
