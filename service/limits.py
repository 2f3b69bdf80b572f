"""The body of a request, read within limits: its size is checked before and while it is read."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from reception import MAX_JSON_BYTES, Unreadable
from service.problems import Problem

_READ_SECONDS: Final = 30
"""What a sender gets to send its message."""

_DISCARDED_BYTES: Final = 10 * MAX_JSON_BYTES
"""What is read, and not kept, of a message that is too large: a connection that is cut while its
sender still writes would lose our answer."""


async def read_body(request: Request) -> bytes:
    """The body of the request, of which 1 MB at most is ever held. Raises ``Problem`` beyond,
    ``Unreadable`` when it does not come whole."""
    size = 0
    announced = _announced(request)
    waits_for_us = "expect" in request.headers
    if announced > _DISCARDED_BYTES or (waits_for_us and announced > MAX_JSON_BYTES):
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > _DISCARDED_BYTES:
                    break
                if max(size, announced) <= MAX_JSON_BYTES:
                    body += part
    except (TimeoutError, ClientDisconnect):
        raise Unreadable("le contenu n'est pas arrivé en entier") from None
    if size > MAX_JSON_BYTES:
        raise _too_large()
    return bytes(body)


def _announced(request: Request) -> int:
    length = request.headers.get("content-length", "")
    # Without one it comes in parts; the server itself refuses one that is not a number.
    return int(length) if length.isdecimal() else 0


def _too_large() -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Ce message est trop volumineux",
        f"Un message compte au plus {MAX_JSON_BYTES // 1_000_000} Mo.",
    )
