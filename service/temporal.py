"""The Temporal server as the service reaches it: when asked, and for as long as a sender waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from connection import Unreachable
from reception import Unanswered, Unknown, explained, over
from register.store import Register

Connect = Callable[[], Awaitable[Client]]
T = TypeVar("T")

_ANSWER_SECONDS: Final = 25
"""After which a sender had better try again: many give up at 30."""


class Temporal:
    """One client, connected by the first who needs it: the links to documents do not."""

    def __init__(self, client: Client | Connect, register: Register) -> None:
        self._client = client
        self._register = register
        self._connecting: asyncio.Future[Client] | None = None

    async def ask(self, reference: str, question: Callable[[Client], Awaitable[T]]) -> T:
        """What the server and the worker answer about that onboarding.

        Raises ``Refused`` for a fact of an onboarding that is over, ``Unknown``, and ``Unanswered``
        for whatever another try may mend.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await question(await self._connected())
        except (Unreachable, TimeoutError):
            raise Unanswered("le serveur Temporal n'a pas répondu à temps") from None
        except RPCError as error:
            refused = explained(error, reference)
            if isinstance(refused, Unknown):
                await self._check_not_over(reference, refused)
            raise refused from None

    async def _check_not_over(self, reference: str, refused: Unknown) -> None:
        """The register outlives what Temporal retains."""
        known = await self._register.onboarding(reference)
        if known is not None and known.closed_at is not None:
            raise over(reference) from refused

    async def _connected(self) -> Client:
        if isinstance(self._client, Client):
            return self._client
        # One attempt for all who wait: a server that is away is not asked by each of them in turn.
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.ensure_future(self._client())
        self._client = await asyncio.shield(self._connecting)
        return self._client
