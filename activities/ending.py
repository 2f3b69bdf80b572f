"""What an activity under way gets when its worker is asked to stop.

A mail that was handed over to the mail server waits for its answer, ten minutes if need be: cut, it
would perhaps be received twice. ``send_mail`` sees to it by itself; every other activity, which may
be done again at no cost, gets some seconds.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

BRIEF: Final = timedelta(seconds=10)
"""What an activity gets to finish, when nothing is lost by doing it again elsewhere."""

_BY_ITSELF: Final = frozenset({"send_mail"})


class EndsSoon(Interceptor):
    """Has every activity but the sending of mails end soon when the worker stops."""

    def __init__(self, brief: timedelta = BRIEF) -> None:
        self._brief = brief

    def intercept_activity(
        self,
        next: ActivityInboundInterceptor,  # noqa: A002 - the SDK's name
    ) -> ActivityInboundInterceptor:
        """Stand where the worker receives them."""
        return _Ends(next, self._brief)


class _Ends(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, brief: timedelta) -> None:
        super().__init__(inner)
        self._brief = brief

    async def execute_activity(
        self,
        input: ExecuteActivityInput,  # noqa: A002 - the SDK's name
    ) -> Any:
        if activity.info().activity_type in _BY_ITSELF:
            return await super().execute_activity(input)
        work = asyncio.ensure_future(super().execute_activity(input))
        stops = asyncio.ensure_future(activity.wait_for_worker_shutdown())
        try:
            await asyncio.wait({work, stops}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=self._brief.total_seconds())
            if work.done():
                return work.result()
        finally:
            stops.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
        raise ApplicationError(
            "Le worker s'arrête : la suite ailleurs",
            type="WorkerStops",
            next_retry_delay=timedelta(seconds=1),
        )
