"""The connections to the mail server that are kept from one mail to the next.

To connect, to encrypt and to authenticate takes longer than to hand a message over.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from activities.mails.smtp import Conversation, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from settings import Settings

AT_ONCE: Final = 3
"""What the strictest of the large providers allow to one sender (Microsoft 365)."""

IDLE_SECONDS: Final = 10
"""How long a connection that serves nobody is kept: servers and firewalls in between forget one
sooner or later, and a place at the server is taken from others."""

_PATIENCE_SECONDS: Final = 120
"""How long a mail waits for its turn."""


class Connections:
    """A few connections, lent to one mail at a time. ``tls`` replaces the system's authorities."""

    def __init__(
        self,
        settings: Settings,
        tls: ssl.SSLContext | None = None,
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._settings = settings
        if tls is None and settings.smtp_security != "none":
            # Once: hundreds of authorities are read.
            tls = ssl.create_default_context()
        self._tls = tls
        self._idle_seconds = idle_seconds
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle: dict[Conversation, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Conversation]:
        """One connection, for the time of the block. Raises Unreachable when none comes free."""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Unreachable("toutes les connexions sont prises") from None
        try:
            one = self._taken()
            try:
                yield one
            finally:
                if one.may_go_on and not self._closed:
                    self._keep(one)
                else:
                    await one.leave()
        finally:
            self._places.release()

    async def close(self) -> None:
        """Take leave of the server; what is still under way does so when it ends."""
        self._closed = True
        while self._idle:
            one, timer = self._idle.popitem()
            timer.cancel()
            self._leave(one)
        await asyncio.gather(*self._leaving)

    def _taken(self) -> Conversation:
        if not self._idle:
            return Conversation(self._settings, self._tls)
        # The last one used: those that are not needed grow old.
        one, timer = self._idle.popitem()
        timer.cancel()
        return one

    def _keep(self, one: Conversation) -> None:
        def grown_old() -> None:
            del self._idle[one]
            self._leave(one)

        self._idle[one] = asyncio.get_running_loop().call_later(self._idle_seconds, grown_old)

    def _leave(self, one: Conversation) -> None:
        task = asyncio.create_task(one.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
