"""Says what changed from one version of a document to the next, in French (PROCESS, section 7)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from process.french import enumeration, plural

_LABELS: Final = (
    Path(__file__).resolve().parent.parent.parent / "templates" / "documents" / "labels.toml"
)
_IDENTITIES: Final = ("id", "number", "key", "reference", "point", "tag", "on", "name", "what")
"""What tells an item of a list from another, the first that it has."""

_NOTHING: Final[tuple[object, ...]] = (None, "", [], {})


@dataclass(frozen=True)
class _Labels:
    """How the fields of the documents are called."""

    masculine: dict[str, str]
    feminine: dict[str, str]
    left_out: frozenset[str]

    def name(self, field: str) -> str:
        return self.masculine.get(field) or self.feminine.get(field) or field.replace("_", " ")


@cache
def _labels() -> _Labels:
    read = tomllib.loads(_LABELS.read_text(encoding="utf-8"))
    return _Labels(read["masculine"], read["feminine"], frozenset(read["left_out"]))


def changes(former: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """What differs from ``former`` to ``data``, both as plain JSON, field by field in the order
    of the data: ``date de début``, ``phases (2 modifiées, 1 ajoutée)``."""
    labels = _labels()
    fields = dict.fromkeys([*data, *former])
    return list(
        dict.fromkeys(
            _change(labels, field, former.get(field), data.get(field))
            for field in fields
            if field not in labels.left_out and _differ(former.get(field), data.get(field))
        )
    )


def _differ(before: object, after: object) -> bool:
    """Absent, null and empty say the same."""
    return before != after and not (before in _NOTHING and after in _NOTHING)


def _change(labels: _Labels, field: str, before: object, after: object) -> str:
    counted = _counted(before or [], after or [], feminine=field in labels.feminine)
    name = labels.name(field)
    return f"{name} ({counted})" if counted else name


def _counted(before: object, after: object, *, feminine: bool) -> str:
    """``2 modifiées et 1 ajoutée`` for two lists; nothing for anything else, or when only their
    order changed."""
    if not (isinstance(before, list) and isinstance(after, list)):
        return ""
    old, new = _by_identity(before), _by_identity(after)
    counts = (
        ("modifié", sum(_differ(old[key], new[key]) for key in old.keys() & new.keys())),
        ("ajouté", len(new.keys() - old.keys())),
        ("retiré", len(old.keys() - new.keys())),
    )
    return enumeration(
        [plural(count, word + ("e" if feminine else "")) for word, count in counts if count]
    )


def _by_identity(items: list[Any]) -> dict[tuple[str, int], Any]:
    """The items, each under what identifies it and its rank among those of the same identity."""
    found: dict[tuple[str, int], Any] = {}
    seen: dict[str, int] = {}
    for item in items:
        identity = repr(item)
        if isinstance(item, Mapping):
            given = next((item[key] for key in _IDENTITIES if item.get(key) is not None), item)
            identity = repr(given)
        rank = seen[identity] = seen.get(identity, 0) + 1
        found[identity, rank] = item
    return found
