"""Where a person shows in plain data, and the same data without them. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

ERASED_DOMAIN: Final = "efface.invalid"
"""No mail ever reaches that domain (RFC 2606)."""

_IN_A_PHONE: Final = re.compile(r"[\s.()-]+")
_SHORTEST_PHONE: Final = 6


def same(mail: object, other: str) -> bool:
    """Whether these are one address: case tells nobody apart."""
    return isinstance(mail, str) and mail.casefold() == other.casefold()


def fingerprint_of(mail: str, key: str) -> str:
    """What stands for an address where it must not be written: without ``key`` (hexadecimal),
    nobody can tell which one it is, nor try them all."""
    return hmac.new(bytes.fromhex(key), mail.casefold().encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Alias:
    """What is written instead of a person, the same everywhere."""

    name: str
    email: str

    @classmethod
    def of(cls, mail: str, key: str) -> Alias:
        """The alias of that address, by the key of the register."""
        short = fingerprint_of(mail, key)[:16]
        return cls(f"Personne effacée {short}", f"personne-{short}@{ERASED_DOMAIN}")


@dataclass(frozen=True)
class Person:
    """What tells someone: an address, and what is written beside it."""

    mail: str
    names: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()

    @classmethod
    def seen(cls, mail: str, *values: object) -> Person:
        """Someone as these data show them."""
        found = [one for value in values for one in entries(value) if same(one.get("email"), mail)]
        return cls(
            mail,
            frozenset(str(one["name"]).strip() for one in found if one.get("name")),
            frozenset(str(one["phone"]).strip() for one in found if one.get("phone")),
        )

    def named(self, text: str) -> bool:
        """Whether they are named in that text."""
        return bool(self._pattern.search(text)) or text.casefold() in self._alone

    def shown_in(self, value: object) -> bool:
        """Whether they show anywhere in these data."""
        return any(self.named(text) for text in texts(value))

    def without(self, value: Any, alias: Alias) -> Any:
        """The same data with the alias for the person. Beside the address of someone else, a name
        is someone else's."""
        match value:
            case dict() if same(value.get("email"), self.mail):
                rest = {k: self.without(v, alias) for k, v in value.items()}
                hidden = dict.fromkeys({"phone", "job", "code"} & value.keys())
                return rest | {"name": alias.name, "email": alias.email} | hidden
            case dict():
                others = isinstance(value.get("email"), str)
                return {
                    k: v if others and k == "name" else self.without(v, alias)
                    for k, v in value.items()
                }
            case list():
                return [self.without(one, alias) for one in value]
            case str():
                return self._hidden(value, alias)
        return value

    def _hidden(self, text: str, alias: Alias) -> str:
        if text.casefold() in self._alone:
            return alias.name
        return self._pattern.sub(lambda found: alias.email if "@" in found[0] else alias.name, text)

    @cached_property
    def _alone(self) -> frozenset[str]:
        """A name of one word hides in too many texts: it counts only by itself."""
        return frozenset(name.casefold() for name in self.names)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # ".fr" must not be taken for the end of "a@b" in "a@b.fr", nor "x.a@b.fr" for "a@b.fr".
        forms = [rf"(?<![\w.!#$%&'*+/=?^`{{|}}~-]){re.escape(self.mail)}(?![\w-]|\.\w)"]
        for name in self.names:
            if len(name.split()) > 1:
                # An accent may be written as one character or as two.
                for form in {unicodedata.normalize(way, name) for way in ("NFC", "NFD")}:
                    words = r"\s+".join(map(re.escape, form.split()))
                    forms.append(rf"(?<!\w){words}(?!\w)")
        for phone in self.phones:
            digits = _IN_A_PHONE.sub("", phone)
            if len(digits) >= _SHORTEST_PHONE:
                spaced = r"[\s.()-]*".join(map(re.escape, digits))
                forms.append(rf"(?<!\d){spaced}(?!\d)")
        return re.compile("|".join(forms), re.IGNORECASE)


def entries(value: object) -> Iterator[dict[str, Any]]:
    """Every object in these data that has an address."""
    if isinstance(value, dict):
        if isinstance(value.get("email"), str):
            yield value
        for one in value.values():
            yield from entries(one)
    elif isinstance(value, list):
        for one in value:
            yield from entries(one)


def addresses(*values: object) -> list[str]:
    """The addresses of the people in these data, each once, but those that are erased."""
    found = {one["email"].casefold(): one["email"] for value in values for one in entries(value)}
    return [mail for mail in found.values() if not mail.casefold().endswith(f"@{ERASED_DOMAIN}")]


def texts(value: object) -> Iterator[str]:
    """Every text in these data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
