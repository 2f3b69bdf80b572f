"""The codes that people type: phases, sites, items of equipment, keys of limits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final

_SHOWN: Final = 12
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")


def mistyped(code: str, known: Collection[str]) -> bool:
    """Whether that code, which is none of the known ones, is one of them written otherwise: other
    capitals, other separators, a zero more (``p1`` or ``P-01`` for ``P1``). ``P9`` is not: it may
    be known later."""
    return code not in known and _bare(code) in {_bare(one) for one in known}


def listed(known: Collection[str]) -> str:
    """``P1, P2, P3``: the first twelve, and how many more there are."""
    shown = ", ".join(list(known)[:_SHOWN])
    more = len(known) - _SHOWN
    return f"{shown}, … ({more} de plus)" if more > 0 else shown


def _bare(code: str) -> str:
    folded = unicodedata.normalize("NFKC", code).casefold()
    letters = "".join(character for character in folded if character.isalnum())
    return _LEADING_ZEROS.sub("", letters)
