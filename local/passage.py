"""A relay between a program and what it depends on, which sees each message pass."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Literal

Way = Literal["question", "answer"]
Trap = Callable[[Way, bytes], bool]
"""Whether what passes this way, after all that was asked, springs it."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def before(words: bytes) -> Trap:
    """As soon as this is asked: what depends on the answer has not happened."""
    return lambda way, asked: way == "question" and words in asked


def after(*words: bytes) -> Trap:
    """Once these were asked one after the other, when the answer comes: what was asked is done,
    and who asked never knows."""

    def sprung(way: Way, asked: bytes) -> bool:
        place = 0
        for word in words:
            place = asked.find(word, place) + len(word)
            if place < len(word):
                return False
        return way == "answer"

    return sprung


def nth(number: int, awaited: Way) -> Trap:
    """When the message of that number passes."""
    left = number

    def sprung(way: Way, _asked: bytes) -> bool:
        nonlocal left
        left -= way == awaited
        return left == 0

    return sprung


class Passage:
    """What passes is relayed, until something springs the trap: it is lost, and whatever comes
    after it."""

    def __init__(self, reach: Callable[[], Awaitable[Streams]]) -> None:
        self._reach = reach
        self._trap: Trap | None = None
        self._on_sprung: Callable[[], None] = lambda: None
        self.sprung: Final = asyncio.Event()

    def arm(self, trap: Trap, on_sprung: Callable[[], None]) -> None:
        """Do this at the very moment when the trap springs."""
        self._trap, self._on_sprung = trap, on_sprung

    def disarm(self) -> None:
        """Let everything pass again."""
        self._trap = None
        self.sprung.clear()

    async def serve(self, program: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Relay one connection, until either side ends it."""
        try:
            reader, writer = await self._reach()
        except OSError:
            back.close()
            return
        asked = bytearray()
        ways = (
            asyncio.ensure_future(self._relay("question", program, writer, asked)),
            asyncio.ensure_future(self._relay("answer", reader, back, asked)),
        )
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()
        back.close()

    async def _relay(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytearray
    ) -> None:
        with contextlib.suppress(OSError):
            while passing := await reader.read(1 << 16):
                if self._springs(way, passing, asked):
                    return
                writer.write(passing)
                await writer.drain()

    def _springs(self, way: Way, passing: bytes, asked: bytearray) -> bool:
        if self.sprung.is_set():
            return True
        if self._trap is None:
            return False
        if way == "question":
            asked += passing
        if not self._trap(way, bytes(asked)):
            return False
        self._trap = None
        self._on_sprung()
        self.sprung.set()
        return True


@asynccontextmanager
async def tcp_passage(host: str, port: int, to_port: int) -> AsyncIterator[Passage]:
    """A relay on ``port`` to another port of that host."""
    passage = Passage(lambda: asyncio.open_connection(host, to_port))
    async with _listening(await asyncio.start_server(passage.serve, host, port)):
        yield passage


@asynccontextmanager
async def unix_passage(path: str, to_path: str) -> AsyncIterator[Passage]:
    """A relay at the socket ``path`` to another one."""
    passage = Passage(lambda: asyncio.open_unix_connection(to_path))
    async with _listening(await asyncio.start_unix_server(passage.serve, path)):
        yield passage


@asynccontextmanager
async def _listening(server: asyncio.Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()
