"""Where each field of a contract is in what a source sends, and how it is read there.

Plain data, bounded: a mapping runs nothing and follows nothing outside the event.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    RootModel,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from process.fields import MAX_ITEMS, Instant, Outside
from process.refusals import Problem, problems
from reception import Invalid

_MAX_PATH: Final = 500
_MAX_PROBLEMS: Final = 50
"""How many problems of one event are told."""

Constant = StrictBool | StrictInt | StrictStr


# --- Paths ----------------------------------------------------------------------------------

_NAME: Final = r"[^.\[\]=]{1,100}"
_STEP: Final = re.compile(
    rf"\.?(?P<name>{_NAME})|\[(?P<index>[0-9]{{1,3}})\]"
    rf"|\[(?P<key>{_NAME})=(?P<value>[^\[\]]{{1,100}})\]|(?P<every>\[\*\])"
)
_PATH: Final = re.compile(
    rf"{_NAME}(?:\.{_NAME}|\[[0-9]{{1,3}}\]|\[{_NAME}=[^\[\]]{{1,100}}\]){{0,15}}"
)
_PATHS: Final = re.compile(
    rf"{_NAME}(?:\.{_NAME}|\[[0-9]{{1,3}}\]|\[{_NAME}=[^\[\]]{{1,100}}\]|\[\*\]){{0,15}}"
)


_PathStep = str | int | tuple[str, str] | None
"""A name, a rank, the one element that has a value, every element."""


@dataclass(frozen=True)
class FieldPath:
    """Where a value is in an event: ``data.signers[0].email``, ``fields[name=reference].value``."""

    text: str
    steps: tuple[_PathStep, ...]

    @classmethod
    def parse(cls, value: object) -> FieldPath:
        """The path so written. Raises ``ValueError``."""
        return cls._parsed(value, _PATH, "data.signers[0].email")

    @classmethod
    def parse_many(cls, value: object) -> FieldPath:
        """The same, to several values: ``[*]`` stands for every element of a list."""
        return cls._parsed(value, _PATHS, "data.signers[*].signed_at")

    @classmethod
    def _parsed(cls, value: object, form: re.Pattern[str], example: str) -> FieldPath:
        if isinstance(value, FieldPath):
            return value
        if not isinstance(value, str) or len(value) > _MAX_PATH or not form.fullmatch(value):
            raise ValueError(f"chemin attendu (exemple : {example})")
        return cls(value, tuple(_step(found) for found in _STEP.finditer(value)))

    def find_all(self, value: Any) -> list[Any]:
        """All that is there. Raises ``ValueError`` like ``find``, and for too many."""
        if None not in self.steps:
            found = self.find(value)
            return [] if found is None else [found]
        star = self.steps.index(None)
        items = FieldPath(self.text, self.steps[:star]).find(value)
        rest = FieldPath(self.text, self.steps[star + 1 :])
        if not isinstance(items, list):
            return []
        all_found = [one for item in items[:MAX_ITEMS] for one in rest.find_all(item)]
        if len(items) > MAX_ITEMS or len(all_found) > MAX_ITEMS:
            raise ValueError(f"trop d'éléments ({MAX_ITEMS} au plus)")
        return all_found

    def find(self, value: Any) -> Any:
        """What is there; None for nothing, null or an empty text. Raises ``ValueError`` when
        several elements answer to a selector: no choice is made between them."""
        for step in self.steps:
            if step is None:
                raise ValueError("un seul élément attendu")
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            elif not isinstance(value, list):
                return None
            elif isinstance(step, int):
                value = value[step] if step < len(value) else None
            else:
                key, wanted = step
                chosen = [
                    item
                    for item in value
                    if isinstance(item, dict) and _scalar_text(item.get(key)) == wanted
                ]
                if len(chosen) > 1:
                    raise ValueError(f"plusieurs éléments ont {key}={wanted}")
                value = chosen[0] if chosen else None
        return None if value == "" else value


def _step(found: re.Match[str]) -> _PathStep:
    if found["every"] is not None:
        return None
    if found["name"] is not None:
        return found["name"]
    return int(found["index"]) if found["index"] is not None else (found["key"], found["value"])


def _scalar_text(value: Any) -> str | None:
    """A scalar as it is written in a source file; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    # A longer number is no identifier, and Python would refuse to write the longest.
    return str(value) if isinstance(value, int) and abs(value) < 10**18 else None


Where = Annotated[FieldPath, BeforeValidator(FieldPath.parse)]
Wherever = Annotated[FieldPath, BeforeValidator(FieldPath.parse_many)]


# --- Formats --------------------------------------------------------------------------------


def _iso8601(value: Any) -> str:
    try:
        return _INSTANT.validate_python(value).isoformat()
    except ValidationError as error:
        raise ValueError(problems(error)[0].message) from None


_INSTANT: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


def _epoch(value: Any, unit: timedelta, digits: int) -> str:
    text = repr(value) if isinstance(value, float) else _scalar_text(value) or ""
    if isinstance(value, bool) or not re.fullmatch(rf"[0-9]{{1,{digits}}}(\.[0-9]{{1,9}})?", text):
        raise ValueError("nombre de secondes ou de millisecondes depuis 1970 attendu")
    return (datetime(1970, 1, 1, tzinfo=UTC) + float(text) * unit).isoformat()


def _text(value: Any) -> str:
    if (text := _scalar_text(value)) is None:
        raise ValueError("texte attendu")
    return text


_FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    "text": _text,
    "lower": lambda value: _text(value).lower(),
    "iso8601": _iso8601,
    "epoch-seconds": lambda value: _epoch(value, timedelta(seconds=1), 11),
    "epoch-milliseconds": lambda value: _epoch(value, timedelta(milliseconds=1), 14),
}


_INSTANTS: Final = ("iso8601", "epoch-seconds", "epoch-milliseconds")
"""The formats that make an instant of ISO 8601 with its offset."""


# --- Mappings --------------------------------------------------------------------------------------


class Value(Outside):
    """Where the value of a field comes from; a text alone is its path. ``each`` makes a list of
    objects: the paths of its ``maps`` start from each element. ``latest`` is the last of the
    instants found at several places."""

    path: Where | None = None
    latest: list[Wherever] | None = Field(default=None, min_length=1, max_length=20)
    constant: Constant | list[Constant] | None = None
    each: Where | None = None
    maps: Group | None = None
    format: Literal["text", "lower", "iso8601", "epoch-seconds", "epoch-milliseconds"] | None = None
    table: dict[StrictStr, Constant] | None = Field(default=None, min_length=1)
    optional: StrictBool = False

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _consistent(self) -> Value:
        ways = (self.path, self.constant, self.each, self.latest)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("un seul attendu parmi path, latest, constant et each")
        if (self.each is None) != (self.maps is None):
            raise ValueError("each et maps vont ensemble")
        if self.latest is not None:
            if self.format not in _INSTANTS or self.table:
                raise ValueError(f"latest demande un format parmi {', '.join(_INSTANTS)}")
        elif self.path is None and (self.format or self.table):
            raise ValueError("format et table demandent path")
        return self

    @property
    def place(self) -> str | None:
        """Where the value is looked for, for a person."""
        if self.latest:
            return self.latest[0].text
        where = self.path or self.each
        return where.text if where else None


class Group(RootModel[dict[str, "Node"]]):
    """The fields of an object, each by its name in the contract."""


def _kind(node: object) -> str | None:
    if isinstance(node, (str, Value)) or (
        isinstance(node, dict) and node.keys() & {"path", "latest", "constant", "each"}
    ):
        return "(value)"
    return "(group)" if isinstance(node, (dict, Group)) else None


# The tags are no identifiers: they are left out of the paths of problems.
Node = Annotated[
    Annotated[Value, Tag("(value)")] | Annotated[Group, Tag("(group)")], Discriminator(_kind)
]
Value.model_rebuild()
Group.model_rebuild()


def misfits(
    group: Group, model: type[BaseModel], *, spared: Collection[str] = (), where: str = ""
) -> list[Problem]:
    """Where what is mapped has not the shape of this model, but for the ``spared`` fields, that
    may be left out: told when the file is read, not when the first event comes."""
    found = [
        Problem(where + name, "champ obligatoire absent")
        for name, field in model.model_fields.items()
        if field.is_required() and name not in group.root and name not in spared
    ]
    for name, node in group.root.items():
        field = model.model_fields.get(name)
        if field is None:
            found.append(Problem(where + name, "champ inconnu du contrat"))
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        inner = next((k for k in kinds if inspect.isclass(k) and issubclass(k, BaseModel)), None)
        if inner is None:
            if not isinstance(node, Value) or node.each is not None:
                found.append(Problem(where + name, "path ou constant attendu"))
        elif get_origin(field.annotation) is list:
            if not isinstance(node, Value) or node.maps is None:
                found.append(Problem(where + name, "each attendu"))
            else:
                found += misfits(node.maps, inner, where=f"{where}{name}.")
        elif not isinstance(node, Group):
            found.append(Problem(where + name, "objet attendu"))
        else:
            found += misfits(node, inner, where=f"{where}{name}.")
    return found


# --- Reading an event -----------------------------------------------------------------------


class Reading:
    """Takes values out of an event, and keeps every problem met."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def raise_problems(self) -> None:
        """Raises ``Invalid`` when there was a problem."""
        if self._problems:
            raise Invalid(*self._problems[:_MAX_PROBLEMS])

    def find(self, path: FieldPath, place: Any, where: str) -> Any:
        try:
            return path.find(place)
        except ValueError as error:
            self._refuse(where + path.text, str(error))
            return None

    def value(self, node: Value | Group, place: Any, where: str) -> Any:
        """The value of this node in ``place``, which is at ``where``; None for nothing."""
        if isinstance(node, Group):
            taken = {name: self.value(child, place, where) for name, child in node.root.items()}
            return {name: value for name, value in taken.items() if value is not None} or None
        if node.latest is not None:
            return self._latest(node, node.latest, place, where)
        path = node.path or node.each
        if path is None:
            return node.constant
        known = len(self._problems)
        found = self.find(path, place, where)
        at = where + path.text
        if found is None:
            if not node.optional and len(self._problems) == known:
                self._refuse(at, "champ obligatoire absent")
            return None
        try:
            return self._list(node.maps, found, at) if node.maps else _taken(node, found)
        except ValueError as error:
            self._refuse(at, str(error))
            return None

    def _latest(self, node: Value, paths: list[FieldPath], place: Any, where: str) -> str | None:
        known = len(self._problems)
        instants: list[str] = []
        for path in paths:
            try:
                instants += [_taken(node, one) for one in path.find_all(place)]
            except ValueError as error:
                self._refuse(where + path.text, str(error))
        if not instants and not node.optional and len(self._problems) == known:
            self._refuse(where + paths[0].text, "champ obligatoire absent")
        return max(instants, key=datetime.fromisoformat, default=None)

    def _list(self, maps: Group, found: Any, at: str) -> list[Any]:
        if not isinstance(found, list):
            raise ValueError("liste attendue")
        if len(found) > MAX_ITEMS:
            raise ValueError(f"trop d'éléments ({MAX_ITEMS} au plus)")
        return [self.value(maps, item, f"{at}[{rank}].") or {} for rank, item in enumerate(found)]

    def _refuse(self, path: str, message: str) -> None:
        self._problems.append(Problem(path, message))


def _taken(node: Value, found: Any) -> Any:
    if node.format is not None:
        found = _FORMATS[node.format](found)
    if node.table is not None:
        key = _scalar_text(found)
        if key is None or key not in node.table:
            raise ValueError(f"valeur inconnue ; attendu : {', '.join(node.table)}")
        return node.table[key]
    items = found if isinstance(found, list) else [found]
    if len(items) > MAX_ITEMS:
        raise ValueError(f"trop d'éléments ({MAX_ITEMS} au plus)")
    if any(isinstance(item, (dict, list)) for item in items):
        raise ValueError("valeur simple attendue, ou liste de valeurs simples")
    return found
