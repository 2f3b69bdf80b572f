"""The body of a request, read within limits: its size is checked before and while it is read."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from reception import MAX_JSON_BYTES, Unreadable
from service.problems import Problem

_READ_SECONDS: Final = 10.0
"""What a sender gets to send its message, and a second more for each ``_BYTES_A_SECOND`` received: at
most 30 for 1 MB."""
_BYTES_A_SECOND: Final = 50_000

_DISCARDED: Final = 10
"""How many times the limit is read, and not kept, of a message that is too large: a connection that is
cut while its sender still writes would lose our answer."""


async def read_body(request: Request, limit: int = MAX_JSON_BYTES) -> bytes:
    """The body of the request, of which ``limit`` bytes at most are ever held. Raises ``Problem`` beyond,
    ``Unreadable`` when it does not come whole."""
    size = 0
    announced = _announced(request)
    waits_for_us = "expect" in request.headers
    if announced > _DISCARDED * limit or (waits_for_us and announced > limit):
        raise _too_large(limit)
    body = bytearray()
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(_READ_SECONDS) as patience:
            async for part in request.stream():
                size += len(part)
                patience.reschedule(began + _READ_SECONDS + size / _BYTES_A_SECOND)
                if size > _DISCARDED * limit:
                    break
                if max(size, announced) <= limit:
                    body += part
    except (TimeoutError, ClientDisconnect):
        raise Unreadable("le contenu n'est pas arrivé en entier") from None
    if size > limit:
        raise _too_large(limit)
    return bytes(body)


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    # Without one it comes in parts; the server itself refuses one that is not a number.
    return int(length) if length.isdecimal() else 0


def _too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Ce message est trop volumineux",
        f"Un message compte au plus {limit // 1_000_000} Mo.",
        {"Connection": "close"},
    )
