"""Write down what this version puts into histories: ``python -m tests.record_payloads``.

One file for each message between the workflow and the activities, and for what a run hands to the
next, every field filled, in ``tests/released/<version>/histories/``; and one that was lived. What is
there is never written again: it is what the onboardings opened by that version hold.
"""

from __future__ import annotations

import json
import tomllib
import types
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from activities.working_days import read_worked_days
from process.orders import (
    DocumentOrder,
    FactAnswer,
    IssuedDocument,
    MailOrder,
    MailReport,
    Opening,
    OpenOnboarding,
    PiecesRead,
    Projection,
    ReadPieces,
    ReadWorkedDays,
    WorkedDays,
)
from process.record import Carried
from settings import CalendarSettings
from tests.fingerprints import lived

_ROOT: Final = Path(__file__).resolve().parent.parent
RELEASED: Final = _ROOT / "tests" / "released"
MESSAGES: Final[tuple[type[BaseModel], ...]] = (
    OpenOnboarding,
    Opening,
    ReadWorkedDays,
    WorkedDays,
    ReadPieces,
    PiecesRead,
    DocumentOrder,
    IssuedDocument,
    MailOrder,
    MailReport,
    Projection,
    FactAnswer,
    Carried,
)
"""The inputs and answers of activities, the answers of updates, and what a run hands on."""

_PLAIN: Final[dict[Any, Any]] = {
    str: "texte",
    int: 3,
    float: 1.5,
    bool: True,
    datetime: datetime.fromisoformat("2026-04-13T08:00:00+02:00"),
    date: date(2026, 4, 13),
    time: time(9, 0),
    Any: "texte",
    object: "texte",
}


def full(model: type[BaseModel]) -> dict[str, Any]:
    """A value with every field, defaults that nothing constrains excepted."""
    return {
        name: field.default
        if field.metadata and not field.is_required()
        else _sample(field.annotation)
        for name, field in model.model_fields.items()
    }


def _sample(kind: Any) -> Any:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return full(kind)
    parts = get_args(kind)
    match get_origin(kind):
        case origin if origin is Literal:
            return parts[0]
        case origin if origin in {Union, types.UnionType}:
            return _sample(next(part for part in parts if part is not type(None)))
        case origin if origin is Annotated:
            return _sample(parts[0])
        case origin if origin is dict:
            return {_sample(parts[0]): _sample(parts[1])}
        case origin if isinstance(origin, type) and issubclass(origin, Sequence | frozenset):
            return [_sample(parts[0])]
    raise ValueError(f"a type that no example is known of: {kind}")


def main() -> None:
    """Write what is missing of this version."""
    version = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
    folder = RELEASED / version / "histories"
    folder.mkdir(parents=True, exist_ok=True)
    for model in MESSAGES:
        _keep(folder / f"{model.__name__}.json", model.model_validate(full(model)))
    life = lived(0)
    zones = {site.zone for site in life.o.contract.sites}
    days = read_worked_days(zones, 2025, 2029, CalendarSettings())
    carried = Carried(record=life.o.record, days=days, policy=life.o.policy)
    _keep(folder / "Carried.lived.json", carried)


def _keep(path: Path, value: BaseModel) -> None:
    if not path.exists():
        text = json.dumps(value.model_dump(mode="json"), ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        print(path.relative_to(_ROOT))


if __name__ == "__main__":
    main()
