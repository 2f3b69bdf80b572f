"""Field types for everything that comes from outside, hostile until checked.

Texts have a size limit, no control characters (a name cannot inject a mail header) and nothing
that prints nothing; dates and instants are strings in ISO 8601 (a number is never a Unix time),
``null`` in a list field means an empty list (Temporal's HTTP API turns ``[]`` into it).

What was taken yesterday is read again with ``HELD``: a rule that came since must not make a run
unreadable.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
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
    ValidationInfo,
)

MAX_LINE: Final = 200
MAX_TEXT: Final = 4_000
MAX_ITEMS: Final = 1_000

HELD: Final = {"held": True}
"""The context in which what a run or the register holds is read again: as it was when it was
taken, by the rules of then."""

_FORMER_NUMBER: Final = re.compile(r"\s*[-+]?[0-9._]+\s*")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOUR: Final = r"T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_NAIVE: Final = re.compile(rf"{_DAY.pattern}(?:{_HOUR})?")
_INSTANT: Final = re.compile(rf"{_DAY.pattern}{_HOUR}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})")
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2099
_D = TypeVar("_D", date, datetime)

_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}\Z)"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)


_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc")
"""Letters and marks that print nothing, whatever their category says."""

_SELECTORS: Final = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0000, 0xE0FFF))
"""Variation selectors and tags: they only change how what stands before them looks."""

_BIDIRECTIONAL: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def _prints_nothing(character: str) -> bool:
    """Zero-width spaces and joiners, byte order marks, direction marks, soft hyphens, fillers."""
    return (
        unicodedata.category(character) == "Cf"
        or character in _BLANK
        or any(first <= ord(character) <= last for first, last in _SELECTORS)
    )


def is_held(info: ValidationInfo) -> bool:
    """Whether what is read was taken before, by the rules of then."""
    return bool(info.context and info.context.get("held"))


def _cleared(value: object, info: ValidationInfo) -> object:
    """A text without what prints nothing, in composed characters (NFC): what looks the same is
    the same."""
    if not isinstance(value, str) or value.isascii() or is_held(info):
        return value
    return unicodedata.normalize("NFC", "".join(c for c in value if not _prints_nothing(c)))


def _readable(text: str, info: ValidationInfo) -> str:
    """Marks with nothing to stand on, or characters without a glyph, are no text."""
    seen = any(unicodedata.category(c)[0] in "LNPS" and not _prints_nothing(c) for c in text)
    if not seen and not is_held(info):
        raise ValueError("aucun caractère lisible")
    return text


def _one_direction(text: str, info: ValidationInfo) -> str:
    """A file name is kept as it is, and must not be read as another one."""
    if not is_held(info) and not _BIDIRECTIONAL.isdisjoint(text):
        raise ValueError("caractère invisible qui change le sens de lecture interdit")
    return text


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


def _is_number(value: object) -> bool:
    """A number, or a text that pydantic would take for one: a Unix time."""
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    try:
        float(value)
    except ValueError:
        return False
    return True


def _check_written(value: object, info: ValidationInfo) -> bool:
    """Whether a moment is a text whose form is to be checked. Raises ``ValueError`` for a
    number."""
    if is_held(info):
        if isinstance(value, str) and not _FORMER_NUMBER.fullmatch(value):
            return False
    elif not _is_number(value):
        return isinstance(value, str)
    if isinstance(value, (str, int, float)):
        raise ValueError("texte ISO 8601 attendu, pas un nombre")
    return False


def _written_day(value: object, info: ValidationInfo) -> object:
    """``2026-03-30`` and nothing else."""
    if _check_written(value, info) and not _DAY.fullmatch(str(value)):
        what = "date sans heure attendue" if _DAY.match(str(value)) else "date attendue"
        raise ValueError(f"{what} (exemple : 2026-03-30)")
    return value


def _written_instant(value: object, info: ValidationInfo) -> object:
    """``2026-03-30T08:00:00+02:00``, and nothing but ISO 8601 with an offset."""
    if _check_written(value, info) and not _INSTANT.fullmatch(str(value)):
        what = "fuseau manquant" if _NAIVE.fullmatch(str(value)) else "instant attendu"
        raise ValueError(f"{what} (exemple : 2026-03-30T08:00:00+02:00)")
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
    AfterValidator(_readable),
    BeforeValidator(_cleared),
]
"""One line of text that can be read, 1 to 200 characters."""

Text = Annotated[
    StrictStr,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT),
    AfterValidator(_plain_text),
    AfterValidator(_readable),
    BeforeValidator(_cleared),
]
"""Text of one or more lines that can be read, 1 to 4,000 characters."""

Uri = Annotated[
    StrictStr,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LINE),
    AfterValidator(_one_line),
    AfterValidator(_readable),
    AfterValidator(_one_direction),
]
"""Where a file is, 1 to 200 characters, kept as it was given: the name of a file may hold what
prints nothing, or decomposed letters."""

REFERENCE: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
Reference = Annotated[StrictStr, StringConstraints(pattern=rf"\A{REFERENCE}\z")]
"""An identifier that is safe in a file name, a workflow id and an address."""

Email = Annotated[StrictStr, StringConstraints(max_length=254), AfterValidator(_email)]
Day = Annotated[date, BeforeValidator(_written_day), AfterValidator(_this_century)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written_instant), AfterValidator(_this_century)]
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

    def stated(self) -> dict[str, Any]:
        """What it states, however it was written: see ``meaning``. A field that is absent, null,
        empty or at its default states nothing, so that a new optional field changes nothing."""
        return {
            name: meaning(value)
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) not in (None, [], {}) and value != field.default
        }


def later_field(default: Any = None) -> Any:
    """A field that came after the first release: written only where it was given, so that what
    was held before is written as it was."""
    return Field(default=default, exclude_if=lambda value: value == default)


def meaning(value: object) -> Any:
    """The one canonical form of what can be written in several ways, as plain data: an instant in
    UTC whatever its offset, composed letters (NFC), an address without its capitals (no mail server
    of today tells them apart), 3 for 3.0, no null and no empty list."""
    match value:
        case Outside():
            return value.stated()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case str():
            text = unicodedata.normalize("NFC", value)
            return text.lower() if _EMAIL.fullmatch(text) else text
        case Mapping():
            return {
                meaning(name): meaning(item)
                for name, item in value.items()
                if item not in (None, [], {})
            }
        case list() | tuple():
            return [meaning(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


def canonical(value: Sequence[Any] | dict[str, Any]) -> bytes:
    """The canonical JSON of a plain value: sorted keys, no spaces, UTF-8. The same meaning
    always gives the same bytes, hence the same SHA-256."""
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()
