"""Write ``docs/schemas/`` from the models and from ``docs/faits.md``: ``python -m local.schemas``.

A schema says, in the common language of JSON Schema (2020-12), what the models of ``process``
enforce: whatever it accepts is well formed. The models tolerate a little more (a space for the
``T`` of an instant). What no schema can say is left to its description: an end that follows its
start, a site that the contract has, the rules of the process.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.schema_words import FIELDS, MODELS, STATUS
from process.contract import Contract
from process.facts import FACTS
from process.fields import MAX_LINE, MAX_TEXT
from process.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
BASE: Final = "https://schemas.mileotech.com/onboarding/"

Schema = dict[str, Any]

_CONTROLS: Final = r"\u0000-\u001f\u007f-\u009f"
_BREAKS: Final = r"\u2028\u2029"
_BUT_LINES: Final = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f"
_DAY: Final = r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"

_BY_LENGTH: Final[dict[int, Schema]] = {
    MAX_LINE: {"pattern": rf"^\s*[^\s{_CONTROLS}][^{_CONTROLS}{_BREAKS}]*$"},
    MAX_TEXT: {"pattern": rf"^\s*[^\s{_CONTROLS}][^{_BUT_LINES}]*$"},
    254: {
        "format": "email",
        "pattern": rf"^(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+$",
    },
}
"""What the validators of ``process.fields`` add to a text, by its length: a line, a text, an
address. Patterns are those of ECMA 262, as the standard asks."""

_BY_FORMAT: Final[dict[str, str]] = {
    "date": f"^{_DAY}$",
    "date-time": rf"^{_DAY}T{_HOUR}:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:Z|[+-]{_HOUR})$",
}


def _exactly(given: tuple[str, ...], absent: tuple[str, ...]) -> Schema:
    """These fields, none of those; ``null`` is absent."""
    return {
        "required": list(given),
        "properties": {
            **{name: {"not": {"type": "null"}} for name in given},
            **{name: {"type": "null"} for name in absent},
        },
    }


def _either(one: tuple[str, ...], other: tuple[str, ...]) -> Schema:
    return {"oneOf": [_exactly(one, other), _exactly(other, one)]}


_BETWEEN_FIELDS: Final[dict[str, Schema]] = {
    "doe_piece_filed": _either(("uri",), ("not_applicable_reason",)),
    "interview_held": _either(
        ("held_on", "score", "masters_system", "masters_incident_procedure"),
        ("tried_on", "not_held_reason"),
    ),
    "maintenance_date_set": {
        "if": {
            "required": ["despite_open_reserves"],
            "properties": {"despite_open_reserves": {"const": True}},
        },
        "then": _exactly(("by", "reason"), ()),
    },
}
"""What the validators of a whole fact add."""


def files() -> dict[str, str]:
    """Every file of the folder, by its path there, as it must be in the repository.

    Raises:
        ValueError: a model or a field has no words in ``local.schema_words``, or a fact no
            section in ``docs/faits.md``.
    """
    page = (ROOT / "docs" / "faits.md").read_text(encoding="utf-8")
    schemas = {"contract.json": _contract(), "status.json": _status()}
    schemas |= {f"facts/{name}.json": _fact(name, _section(page, name)) for name in FACTS}
    index: Schema = {
        "contract": f"{BASE}contract.json",
        "status": f"{BASE}status.json",
        "facts": {name: f"{BASE}facts/{name}.json" for name in FACTS},
    }
    return {
        path: json.dumps(value, ensure_ascii=False, indent=2) + "\n"
        for path, value in {"index.json": index, **schemas}.items()
    }


def _contract() -> Schema:
    examples = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "examples").glob("contract-*.json"))
    ]
    told = (
        "Le contrat signé qui ouvre un onboarding. Les équipements nomment des sites du contrat ; "
        "un fuseau horaire porte un nom de la base IANA."
    )
    return _schema(Contract, "contract.json", "Contrat signé", told, examples)


def _status() -> Schema:
    told = (
        "La réponse à « où en est l'onboarding ? ». Les instants portent le décalage horaire de "
        "Paris, ou de leur site. Une version suivante peut ajouter des champs."
    )
    return _schema(Status, "status.json", "État d'un onboarding", told, [STATUS])


def _fact(name: str, section: str) -> Schema:
    model = FACTS[name]
    examples = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    schema = _schema(
        model, f"facts/{name}.json", model.TITLE, _told(section), [*map(json.loads, examples)]
    )
    return schema | _BETWEEN_FIELDS.get(name, {})


def _section(page: str, name: str) -> str:
    """What the page of facts says of this one."""
    _, found, rest = page.partition(f"\n### `{name}`\n")
    if not found:
        raise ValueError(f"docs/faits.md : décrire {name}")
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _told(section: str) -> str:
    """The prose of a section as plain text, without the list of fields that a schema is."""
    prose = re.sub(r"([^\n]* :\n\n)?```.*?```", "", section, flags=re.DOTALL)
    prose = re.sub(r"Champs :\s.*?\.(?=\s)", "", prose, flags=re.DOTALL)
    prose = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", prose)
    return " ".join(re.sub(r"\*\*|`", "", prose).split())


def _schema(
    model: type[BaseModel], path: str, title: str, description: str, examples: list[Any]
) -> Schema:
    raw = model.model_json_schema(mode="validation")
    defs = raw.pop("$defs", {})
    null_lists = model is not Status
    parts = {
        name: {"description": _model(name)} | _object(node, name, null_lists=null_lists)
        for name, node in sorted(defs.items())
    }
    return {
        "$schema": DIALECT,
        "$id": BASE + path,
        "title": title,
        "description": description,
        **_object(raw, model.__name__, null_lists=null_lists),
        "examples": examples,
        **({"$defs": parts} if parts else {}),
    }


def _object(raw: Schema, model: str, *, null_lists: bool) -> Schema:
    """The schema of one model, each of its fields tightened and described in French.

    ``null_lists``: whether ``null`` is an empty list, as in all that is read from outside.
    """
    fields: dict[str, Schema] = {
        name: {"description": _field(model, name)} | _tightened(node, null_lists=null_lists)
        for name, node in raw["properties"].items()
    }
    if model in {"FactCorrected", "PastFact"}:
        fields["fact"] = {"description": _field(model, "fact"), "enum": list(FACTS)}
    required = {"required": raw["required"]} if "required" in raw else {}
    return {
        "type": "object",
        "properties": fields,
        **required,
        "additionalProperties": False,
    }


def _tightened(node: Schema, *, null_lists: bool) -> Schema:
    """The schema of one value, saying all that ``process.fields`` enforces."""
    node = dict(_renamed(node))
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(node.get(key), dict):
            node[key] = _tightened(node[key], null_lists=null_lists)
    if "anyOf" in node:
        node["anyOf"] = [_tightened(one, null_lists=null_lists) for one in node["anyOf"]]
    if "maxLength" in node:
        node |= _BY_LENGTH[node["maxLength"]]
    if "format" in node and node["format"] in _BY_FORMAT:
        node["pattern"] = _BY_FORMAT[node["format"]]
    if node.get("type") == "array" and null_lists and not node.get("minItems"):
        node["type"] = ["array", "null"]
    return _optional(node)


def _renamed(node: Schema) -> Iterator[tuple[str, Any]]:
    """Without pydantic's titles and empty defaults; bounds and anchors as the standard has them."""
    for key, value in node.items():
        if key == "title" or (key == "default" and value is None):
            continue
        if key == "pattern":
            yield key, value.replace(r"\A", "^").replace(r"\z", "$")
        else:
            yield {"ge": "minimum", "le": "maximum"}.get(key, key), value


def _optional(node: Schema) -> Schema:
    """``type: [x, null]`` for an optional plain value."""
    match node.get("anyOf"):
        case [{"type": str(kind)} as value, {"type": "null"}] if not value.keys() & {
            "enum",
            "const",
        }:
            others = {key: told for key, told in node.items() if key != "anyOf"}
            return {**others, **value, "type": [kind, "null"]}
    return node


def _model(name: str) -> str:
    if name not in MODELS:
        raise ValueError(f"local/schema_words.py : décrire {name}")
    return MODELS[name]


def _field(model: str, name: str) -> str:
    told = FIELDS.get(f"{model}.{name}") or FIELDS.get(name)
    if told is None:
        raise ValueError(f"local/schema_words.py : décrire {model}.{name}")
    return told


def write(folder: Path = FOLDER) -> None:
    """Write every file; those of facts that no longer exist are left for a person to judge."""
    for path, text in files().items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
    print(FOLDER)
