"""The Standard Webhooks signature of any bytes, and the headers that carry it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from math import floor
from typing import Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import hmac_data

_ONE: Final = re.compile(r"v1,[A-Za-z0-9+/]{43}=")


class RawWebhook(Webhook):
    """The official package, for a body that is no text too: it is judged by its signature first,
    and called unreadable afterwards."""

    def holds(self, body: bytes, headers: dict[str, str]) -> None:
        """Whether this was signed with our secret. Raises ``WebhookVerificationError``, and
        ``ValueError`` for a malformed header."""
        self.verify(body.decode(errors="surrogateescape"), headers, json_parse=False)

    def sign(self, msg_id: str, timestamp: datetime, data: str) -> str:
        """The signature of these bytes, as ``holds`` hands them over."""
        at = floor(timestamp.replace(tzinfo=UTC).timestamp())
        signed = f"{msg_id}.{at}.".encode() + data.encode(errors="surrogateescape")
        return f"v1,{b64encode(hmac_data(self._whsecret, signed)).decode()}"


def every_signature(given: Iterable[str]) -> str:
    """The signatures of every header, as one: several headers, or several joined by a proxy. What
    is none stands in the way of no other."""
    joined = " ".join(given)
    return " ".join(_ONE.findall(joined)) or joined
