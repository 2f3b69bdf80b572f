"""The clock of an activity: business instants never come from the machine's wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio import activity


class BusinessClock:
    """What time it is for the process: the instant at which the Temporal server started this
    attempt, plus the time that has elapsed since.

    Right on the real clock and under time skipping, where days go by in milliseconds. To be
    created first thing in an activity.
    """

    def __init__(self) -> None:
        self._started: Final = activity.info().started_time.astimezone(UTC)
        self._origin: Final = time.monotonic()

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return self._started + timedelta(seconds=time.monotonic() - self._origin)
