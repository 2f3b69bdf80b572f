"""Links to documents: signed, and good until an instant (PROCESS, section 8)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode

if TYPE_CHECKING:
    from register.store import Register

_KEY: Final = "document-links"
_KEY_BYTES: Final = 32

Standing = Literal["valid", "expired", "forged"]


async def link_key(register: Register) -> str:
    """The key that signs the links, the same for whoever writes and whoever reads them; the
    first one asked for is kept in the register."""
    return await register.key(_KEY, secrets.token_hex(_KEY_BYTES))


def document_link(base: str, key: str, *, sha256: str, reference: str, expires_at: datetime) -> str:
    """The address of a document for whoever holds it, until ``expires_at``. ``base`` is
    ``ONBOARDING_PUBLIC_URL``."""
    expires = str(int(expires_at.timestamp()))
    query = {
        "reference": reference,
        "expires": expires,
        "signature": _signature(key, sha256, reference, expires),
    }
    return f"{base.rstrip('/')}/documents/{sha256}?{urlencode(query)}"


def check_link(  # noqa: PLR0913 - the parts of a link, each by its name
    key: str, *, sha256: str, reference: str, expires: str, signature: str, now: datetime
) -> Standing:
    """What a link that came in is worth, from its parts as they came. A link that was never ours
    is forged, whatever its date."""
    expected = _signature(key, sha256, reference, expires)
    # Bytes: compare_digest refuses text that is not ASCII.
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        return "forged"
    # Signed, hence written above; a key is only as good as what is checked of it.
    if not re.fullmatch(r"[0-9]{1,12}", expires, re.ASCII):
        return "forged"
    return "valid" if now.timestamp() < int(expires) else "expired"


def _signature(key: str, sha256: str, reference: str, expires: str) -> str:
    # None of ours holds a line break, so that no two links are signed alike.
    signed = f"{sha256}\n{reference}\n{expires}".encode(errors="replace")
    return hmac.new(bytes.fromhex(key), signed, hashlib.sha256).hexdigest()
