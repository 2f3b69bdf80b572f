"""Who may hold a connection of ours, and for how long.

uvicorn waits without end for the headers of a request, for what follows an answer, and for a reader
that does not read; it takes connections until the process has no descriptor left. Here each wait has
an end, and the connections a number: beyond it the one that has waited longest for its request makes
room, so that hundreds of half-open ones shut nobody out. None of it writes a line for each.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CONNECTIONS: Final = 256
"""Of one address of ours: each may hold a message of 1 MB, and one descriptor of the 1,024 that a
process usually has."""

HEAD_SECONDS: Final = 10.0
"""What a sender gets from the first byte of a request, or from its connection, to its last header."""

REST_SECONDS: Final = 10.0
"""How long what a sender still writes is read, and not kept, once it has been answered: a connection
closed under its writing would lose our answer."""

STALL_SECONDS: Final = 60.0
"""How long an answer may wait for a reader that takes nothing of it."""

_TELL_SECONDS: Final = 60.0

_log: Final = logging.getLogger("onboarding.service")


def no_noise(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's is worth writing: not one for each who sends what is no request."""
    return record.msg != "Invalid HTTP request received."


class Guard:
    """The connections of one address."""

    def __init__(self, limit: int = MAX_CONNECTIONS, head_seconds: float = HEAD_SECONDS) -> None:
        self.head_seconds = head_seconds
        self._limit = limit
        self._held: set[Guarded] = set()
        self._waiting: dict[Guarded, None] = {}
        """Those that have not sent a whole request, the oldest first."""
        self._cut = 0
        self._told_at = -_TELL_SECONDS

    def protocol(self, **how: Any) -> Guarded:
        """A connection, as uvicorn makes it."""
        return Guarded(self, **how)

    def enter(self, one: Guarded) -> bool:
        """Take a connection in; whether there is room for it."""
        if len(self._held) >= self._limit:
            oldest = next(iter(self._waiting), None)
            if oldest is None:
                self.cut(one)
                return False
            self.leave(oldest)
            self.cut(oldest)
        self._held.add(one)
        return True

    def leave(self, one: Guarded) -> None:
        """Forget a connection."""
        self._held.discard(one)
        self._waiting.pop(one, None)

    def waits(self, one: Guarded) -> None:
        """That connection waits for a request."""
        if one in self._held:
            self._waiting.setdefault(one)

    def asks(self, one: Guarded) -> None:
        """That connection has sent one."""
        self._waiting.pop(one, None)

    def cut(self, one: Guarded) -> None:
        """Close a connection that waited too long; one line a minute says how many."""
        one.abort()
        self._cut += 1
        now = time.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            _log.warning("connexions fermées, trop lentes ou trop nombreuses : %d", self._cut)
            self._cut, self._told_at = 0, now


class Guarded(H11Protocol):
    """A connection whose every wait has an end."""

    def __init__(self, guard: Guard, **how: Any) -> None:
        super().__init__(**how)
        self._guard = guard
        self._timer: asyncio.TimerHandle | None = None
        self._expects_request = False
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it in, or not."""
        lingering = _Lingering(transport, self._linger)
        super().connection_made(lingering)  # type: ignore[arg-type]
        if self._guard.enter(self):
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._guard.leave(self)
        self._settle()
        if self._stall is not None:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the time for the headers does not start anew with each byte."""
        if self.transport.is_closing():
            # Answered already: what still comes is not kept.
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            if not self._expects_request:
                self._await_request()
        elif self.conn.our_state is not h11.DONE:
            self._guard.asks(self)
            self._settle()

    def on_response_complete(self) -> None:
        """Answered: the rest of the request, then the next one, have their time too."""
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            # uvicorn's own wait, until the first byte of the next request.
            self._guard.waits(self)
        elif self.conn.our_state is h11.DONE:
            self._set_timer(REST_SECONDS)

    def pause_writing(self) -> None:
        """Its reader does not follow."""
        super().pause_writing()
        self._stall = self.loop.call_later(STALL_SECONDS, self._guard.cut, self)

    def resume_writing(self) -> None:
        """Its reader follows again."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()

    def _should_upgrade(self) -> bool:
        # There is nothing to upgrade to here, and uvicorn writes two lines for each who asks.
        return False

    def abort(self) -> None:
        """Close it now, whatever is under way."""
        self.transport.abort()

    def _await_request(self) -> None:
        self._guard.waits(self)
        self._set_timer(self._guard.head_seconds)
        self._expects_request = True

    def _set_timer(self, seconds: float) -> None:
        self._settle()
        self._timer = self.loop.call_later(seconds, self._guard.cut, self)

    def _settle(self) -> None:
        self._expects_request = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _linger(self) -> bool:
        """Whether the sender still writes: what it writes is read for a while before we close."""
        unfinished = self.conn.their_state in {h11.SEND_BODY, h11.ERROR}
        if unfinished:
            self._set_timer(REST_SECONDS)
        return unfinished


class _Lingering:
    """A transport whose end lets our answer arrive: closed under a sender that still writes, the
    system throws away what we wrote."""

    def __init__(self, transport: asyncio.Transport, wanted: Callable[[], bool]) -> None:
        self._transport = transport
        self._wanted = wanted
        self._ending = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Say that nothing more comes; close once the sender has heard it."""
        if self._ending:
            return
        self._ending = True
        if self._wanted() and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def is_closing(self) -> bool:
        """Whether nothing more is written."""
        return self._ending or self._transport.is_closing()
