"""Field types for everything that comes from outside, hostile until checked.

Texts have a size limit and no control characters (a name cannot inject a mail header),
dates and instants are strings in ISO 8601 (a bare number is not silently a Unix time),
``null`` in a list field means an empty list (Temporal's HTTP API turns ``[]`` into it).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    StringConstraints,
)

MAX_LINE: Final = 200
MAX_TEXT: Final = 4_000
MAX_ITEMS: Final = 1_000

_NUMBER: Final = re.compile(r"\s*[-+]?[0-9._]+\s*")
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2099
_D = TypeVar("_D", date, datetime)

_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}\Z)"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)


def _one_line(text: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise ValueError("caractère de contrôle ou retour à la ligne interdit")
    return text


def _plain_text(text: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in text):
        raise ValueError("caractère de contrôle interdit")
    return text


def _email(text: str) -> str:
    local = text.split("@", maxsplit=1)[0]
    if not _EMAIL.fullmatch(text) or local.startswith(".") or ".." in local or local.endswith("."):
        raise ValueError("adresse électronique invalide")
    return text


def _written(value: object) -> object:
    """Dates and instants are texts: pydantic would take a number, even one written as a text,
    for a Unix time."""
    if isinstance(value, (int, float)) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("texte ISO 8601 attendu, pas un nombre")
    return value


def _this_century(value: _D) -> _D:
    """A mistyped year must not send a count of days to the end of time."""
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"année hors limites ({_FIRST_YEAR} à {_LAST_YEAR})")
    return value


def _whole(value: object) -> object:
    """JSON has one number type; a client may send 3.0 for 3, never "3" or true."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("nombre entier attendu")
    return value


def _null_is_empty(value: object) -> object:
    return [] if value is None else value


Line = Annotated[
    StrictStr,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LINE),
    AfterValidator(_one_line),
]
"""One line of text, 1 to 200 characters."""

Text = Annotated[
    StrictStr,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT),
    AfterValidator(_plain_text),
]
"""Text of one or more lines, 1 to 4,000 characters."""

REFERENCE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
Reference = Annotated[StrictStr, StringConstraints(pattern=rf"\A{REFERENCE}\z")]
"""An identifier that is safe in a file name, a workflow id and an address."""

Email = Annotated[StrictStr, StringConstraints(max_length=254), AfterValidator(_email)]
Day = Annotated[date, BeforeValidator(_written), AfterValidator(_this_century)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_this_century)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=1_000_000)]
Score = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=10)]
Percent = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=100)]
Flag = StrictBool

T = TypeVar("T")
Listed = Annotated[list[T], BeforeValidator(_null_is_empty), Field(max_length=MAX_ITEMS)]
"""A list of at most 1,000 items; ``null`` is an empty one."""


class Outside(BaseModel):
    """Base of every model that is read from outside: unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def canonical(value: Sequence[Any] | dict[str, Any]) -> bytes:
    """The canonical JSON of a plain value: sorted keys, no spaces, UTF-8. The same meaning
    always gives the same bytes, hence the same SHA-256."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
