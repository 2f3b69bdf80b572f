"""Who may use the codec server: tokens given to people, and the sessions that they open with them.

A session is signed with its token: it ends when the token is withdrawn or its right changes, and
any instance of the server knows it.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from settings import CodecToken

SESSION_SECONDS: Final = 10 * 3600
"""A working day."""


class Access:
    """The people of the settings. Every token is compared, in constant time."""

    def __init__(self, tokens: Sequence[CodecToken]) -> None:
        self._tokens = tokens

    def holder(self, secret: str) -> CodecToken | None:
        """The token that this text is, if it is one."""
        return _one([token for token in self._tokens if _same(_secret(token), secret)])

    def session(self, token: CodecToken) -> str:
        """What the browser of that person keeps, good for ``SESSION_SECONDS``."""
        expires = str(int(time.time()) + SESSION_SECONDS)
        return f"{token.name}.{expires}.{_signature(token, expires)}"

    def in_session(self, kept: str) -> CodecToken | None:
        """Whose session this is, if it is one and is not over."""
        expires = kept.rpartition(".")[0].rpartition(".")[2]
        found = _one(
            [
                token
                for token in self._tokens
                if _same(f"{token.name}.{expires}.{_signature(token, expires)}", kept)
            ]
        )
        # Signed, hence written above.
        return found if found and time.time() < int(expires) else None


class Patience:
    """How many wrong tokens a visitor may give: ``tries`` in ``seconds``, of the ``visitors``
    who were last seen."""

    def __init__(self, tries: int = 10, seconds: float = 60, visitors: int = 10_000) -> None:
        self._tries, self._seconds, self._visitors = tries, seconds, visitors
        self._wrong: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def is_over(self, visitor: str) -> bool:
        """Whether nothing more is compared for that visitor at present."""
        since, count = self._wrong.get(visitor, (0.0, 0))
        return count >= self._tries and time.monotonic() - since < self._seconds

    def wrong(self, visitor: str) -> None:
        """That visitor gave a wrong token."""
        now = time.monotonic()
        since, count = self._wrong.pop(visitor, (now, 0))
        self._wrong[visitor] = (since, count + 1) if now - since < self._seconds else (now, 1)
        if len(self._wrong) > self._visitors:
            self._wrong.popitem(last=False)


def _one(found: list[CodecToken]) -> CodecToken | None:
    # A whole list: to stop at the first would tell how many were compared.
    return found[0] if found else None


def _same(ours: str, theirs: str) -> bool:
    # Bytes: compare_digest refuses text that is not ASCII.
    return hmac.compare_digest(ours.encode(), theirs.encode(errors="replace"))


def _secret(token: CodecToken) -> str:
    return token.secret.get_secret_value()


def _signature(token: CodecToken, expires: str) -> str:
    signed = f"codec-session\n{token.name}\n{token.right}\n{expires}".encode(errors="replace")
    return hmac.new(_secret(token).encode(), signed, hashlib.sha256).hexdigest()
