"""The shape of a fact's payload, for a person who fills it in.

JSON has no comments: a required value says what it must be, which no fact accepts as it stands;
an optional one is ``null``, and left out of what is sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from process.facts import Fact

_HINTS: Final = {
    "date": "AAAA-MM-JJ",
    "date-time": "AAAA-MM-JJTHH:MM:SS+02:00",
    "boolean": "true | false",
    "integer": "nombre entier",
}

_Schema = dict[str, Any]


def shape(model: type[Fact]) -> dict[str, Any]:
    """What to fill in: the required fields first, then the optional ones."""
    schema = model.model_json_schema()
    fields = _fields(schema, schema.get("$defs", {}), needed=True)
    # That id is for programs, which may repeat themselves.
    del fields["fact_id"]
    return fields


def filled(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload without its nulls, nor the objects and lists that held nothing else."""
    return {key: kept for key, one in payload.items() if (kept := _kept(one)) is not None}


def described(model: type[Fact]) -> str:
    """What the fact states, the JSON to fill in, and what may be added: for a form's list."""
    whole = shape(model)
    required = filled(whole)
    lines = [f"{model.TITLE}."]
    if required:
        lines.append(f"À remplir : {json.dumps(required, ensure_ascii=False)}.")
    if optional := [name for name in whole if name not in required]:
        lines.append(f"Facultatif : {', '.join(optional)}.")
    return " ".join(lines)


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return filled(value) or (None if value else value)
    if isinstance(value, list):
        items = [kept for one in value if (kept := _kept(one)) is not None]
        return items or (None if value else value)
    return value


def _fields(schema: _Schema, known: _Schema, *, needed: bool) -> dict[str, Any]:
    required = schema.get("required", [])
    fields = {
        name: _value(one, known, needed=needed and name in required)
        for name, one in schema["properties"].items()
    }
    return dict(sorted(fields.items(), key=lambda field: field[0] not in required))


def _value(schema: _Schema, known: _Schema, *, needed: bool) -> Any:
    """What stands for a value of that schema."""
    for one in schema.get("anyOf", []):
        if one.get("type") != "null":
            return _value(one, known, needed=needed)
    if "$ref" in schema:
        return _value(known[schema["$ref"].rpartition("/")[2]], known, needed=needed)
    if "properties" in schema:
        return _fields(schema, known, needed=needed)
    if schema.get("type") == "array":
        return [_value(schema["items"], known, needed=needed)]
    if not needed:
        return None
    if "enum" in schema:
        return " | ".join(schema["enum"])
    if schema.get("type") == "object":
        return {}
    return _HINTS.get(schema.get("format") or schema["type"], "")
