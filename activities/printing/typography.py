"""Tidies what people typed, as a French typesetter would, and only where nothing can be lost.

The templates bind the spaces (see ``bound`` in ``mileo.typ``); here, the text is brought to one
way of writing first: « guillemets », ellipses, a space before double punctuation, none doubled.
"""

from __future__ import annotations

import re
from typing import Final

_AS_TYPED: Final = frozenset(
    [
        "name",
        "email",
        "phone",
        "portal",
        "uri",
        "sha256",
        "serial",
        "tag",
        "model",
        "manufacturer",
        "reference",
        "code",
        "key",
        "id",
        "point",
        "equipment",
        "address",
        "zone",
        "timezone",
        "kind",
        "family",
        "role",
    ]
)
"""Fields that hold a name, a number or a code: what was typed is what it is."""

_RULES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Our templates decide which spaces may break a line.
        ("(?<![ \u00a0\u202f])[ \u00a0\u202f]++(?=\n|$)", ""),
        (r"(?<=\S)[ \u00a0\u202f]++(?=\S)", " "),
        # "mot" between spaces, never an inch mark (19") nor a piece of code.
        (r"(?<![^\s(])\"(?=\w)([^\"\n]{1,300}?)(?<=[\w.!?…)])\"(?![^\s.,;:!?)…])", r"« \1 »"),
        (r"«(?=\w)", "« "),
        (r"(?<=[\w.!?…)])»", " »"),
        (r"(?<=\w)\.\.\.(?!\.)", "…"),
        # A space before these signs at the end of a word: not in 08:30, nor in an address.
        (r"(?<=[^\W_])([;:!?]+)(?=\s|$)", r" \1"),
        # A run of signs stays one word that may be cut, not a chain of bound spaces.
        (r"(?: [:;?!»]){3,}", lambda run: " " + run[0].replace(" ", "")),
        (r"(?:« ){2,}", lambda run: run[0].replace(" ", "") + " "),
    )
)


def tidy(text: str, key: str = "") -> str:
    """The text of the field ``key``, tidied; names, codes and numbers come back as they were."""
    if key in _AS_TYPED:
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
