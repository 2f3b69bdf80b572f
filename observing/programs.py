"""What a program that lasts does for its traces, and one that has none does not load."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from observing.traces import Program


@asynccontextmanager
async def traced(endpoint: str | None, program: Program) -> AsyncIterator[None]:
    """Let the last spans leave at the end of the block."""
    try:
        yield
    finally:
        if endpoint is not None:
            from observing.traces import provider  # noqa: PLC0415 - heavy, and for who asks only

            await asyncio.to_thread(provider(endpoint, program).force_flush, 5_000)
