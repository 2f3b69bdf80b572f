"""Signs of life of an activity that takes long: a worker that dies is noticed soon, and a
cancellation reaches the activity."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from temporalio import activity

_SECONDS: Final = 5
"""Between two signs of life."""


@asynccontextmanager
async def beating(tell: Callable[[], None] = activity.heartbeat) -> AsyncIterator[None]:
    """Tell Temporal regularly that the work goes on, for the time of the block."""

    async def beat() -> None:
        while True:
            tell()
            await asyncio.sleep(_SECONDS)

    heart = asyncio.create_task(beat())
    try:
        yield
    finally:
        heart.cancel()
        with suppress(asyncio.CancelledError):
            await heart
