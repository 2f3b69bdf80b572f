"""What may be told of an HTTP request: its route and its contract, never what its sender wrote."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from observing.metrics import COUNTED_FACTS, count
from process.facts import FACTS
from process.fields import REFERENCE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from temporalio.common import MetricMeter

_FACTS_ROUTE: Final = "/onboardings/{reference}/facts/{name}"
_UNSIGNED: Final = 401
_UNANSWERED: Final = 500
_REFUSED: Final = 400
_OUTCOMES: Final = frozenset({"accepted", "waiting", "known"})
_ANSWER_BYTES: Final = 10_000


def route_of(scope: Scope) -> str:
    """The route that a request took, once it has: ``/onboardings/{reference}``."""
    return str(getattr(scope.get("route"), "path", "?"))


def reference_in(scope: Scope) -> str | None:
    """The contract's reference in its path, if it can be one."""
    given = scope.get("path_params", {}).get("reference")
    well_formed = isinstance(given, str) and re.fullmatch(REFERENCE, given)
    return given if well_formed else None


def path_of(scope: Scope) -> str:
    """The path of a request as a log may show it, once it was routed: without its query, which
    holds signatures, and without what is no contract, fact or file of ours."""
    unknown = route_of(scope) == _FACTS_ROUTE and scope["path_params"].get("name") not in FACTS
    return "?" if unknown or scope.get("route") is None else quote(scope["path"])


class CountedFacts:
    """Counts what became of each fact that came over HTTP."""

    def __init__(self, app: ASGIApp, meter: MetricMeter) -> None:
        self._app = app
        self._meter = meter
        # From zero: Prometheus sees no increase in a series that begins with its first refusal.
        for outcome in ("accepted", "refused"):
            meter.create_counter(COUNTED_FACTS).add(0, {"outcome": outcome, "door": "http"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 500, b""

        async def sending(message: Message) -> None:
            nonlocal status, body
            if message["type"] == "http.response.start":
                status = message["status"]
            elif route_of(scope) == _FACTS_ROUTE and len(body) < _ANSWER_BYTES:
                body += message.get("body", b"")
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            if route_of(scope) == _FACTS_ROUTE:
                count(self._meter, COUNTED_FACTS, outcome=_outcome(status, body), door="http")


def _outcome(status: int, body: bytes) -> str:
    """As the answer says it; ``unsigned`` and ``unanswered`` were not judged."""
    if status == _UNSIGNED:
        return "unsigned"
    if status >= _UNANSWERED:
        return "unanswered"
    if status >= _REFUSED:
        return "refused"
    outcome = json.loads(body).get("outcome")
    return outcome if outcome in _OUTCOMES else "accepted"
