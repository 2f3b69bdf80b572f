"""What the service says of itself (OpenAPI 3.1), for those who integrate it: in French, with the
published schemas (``docs/schemas``) and their examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from process.facts import FACTS
from service.adapters import SignatureEvent
from service.openapi_words import (
    ABOUT,
    ANSWERS,
    DETAILS,
    DOCUMENT,
    EVENT_BODY,
    EXAMPLES,
    FIELDS,
    IGNORED,
    MODELS,
    NEVER,
    SECURITY,
    SIGNED_HEADERS,
    TAGS,
)
from service.problems import ProblemDetails

Json = dict[str, Any]

_SCHEMAS: Final = Path(__file__).parent.parent / "docs" / "schemas"
_MODELS: Final = "#/components/schemas/"
_FACT: Final = "/onboardings/{reference}/facts/{name}"
_EVENT: Final = "/contracts/{source}"


def describe(app: FastAPI) -> None:
    """Give the app its description, made when it is first asked for."""
    generated = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generated())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it


def _completed(told: Json) -> Json:
    examples: dict[str, list[Json]] = {}
    schemas = told["components"]["schemas"]
    names = {model.__name__: fact for fact, model in FACTS.items()}
    schemas |= _generated(SignatureEvent, ProblemDetails)
    for name, file in _published():
        schemas |= {name: file} | file.pop("$defs", {})
        examples[name] = file.pop("examples")
        if fact := names.get(name):
            file["title"] = f"{file['title']} ({fact})"
        for key in ("$schema", "$id"):
            del file[key]
    schemas["IgnoredEvent"] = IGNORED
    told["info"]["description"] = ABOUT
    told["tags"] = TAGS
    told["components"]["securitySchemes"] = SECURITY
    for path, operations in told["paths"].items():
        for operation in operations.values():
            _finish(path, operation)
    paths = told["paths"]
    _body(paths["/contracts"])["examples"] = _contracts(examples["Contract"])
    _body(paths[_FACT])["examples"] = dict(_facts(examples))
    paths[_EVENT]["post"]["requestBody"] = EVENT_BODY
    _ok(paths[_EVENT]["post"], "200")["schema"] = {
        "anyOf": [{"$ref": f"{_MODELS}Answer"}, {"$ref": f"{_MODELS}IgnoredEvent"}]
    }
    paths["/documents/{sha256}"]["get"]["responses"]["200"]["content"] = DOCUMENT
    _ok(paths["/onboardings/{reference}"]["get"], "200")["example"] = examples["Status"][0]
    for name, model in schemas.items():
        _reword(name, model)
    _tidy(told["paths"])
    _tidy(schemas)
    told["components"]["schemas"] = {name: schemas[name] for name in sorted(_used(told, schemas))}
    return told


def _generated(*models: type[BaseModel]) -> Json:
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template=_MODELS + "{model}"
    )
    return dict(made["$defs"])


def _published() -> Iterator[tuple[str, Json]]:
    """The schemas of what goes in and out, by the name of their model."""
    names = {"Contract": "contract", "Status": "status"}
    names |= {model.__name__: f"facts/{fact}" for fact, model in FACTS.items()}
    for name, file in names.items():
        text = (_SCHEMAS / f"{file}.json").read_text(encoding="utf-8")
        yield name, json.loads(text.replace("#/$defs/", _MODELS))


# --- Routes ---------------------------------------------------------------------------------------


def _finish(path: str, operation: Json) -> None:
    operation.pop("operationId", None)
    if path in DETAILS:
        operation["description"] = DETAILS[path]
    _finish_answers(path, operation["responses"])
    for parameter in operation.get("parameters", ()):
        if said := SIGNED_HEADERS.get(parameter["name"]):
            parameter.update(required=True, **said)
            operation["security"] = [{name: [] for name in SECURITY}]
        parameter.update(FIELDS.get(f"{path} {parameter['name']}", {}))
        parameter["schema"].pop("default", None)


def _finish_answers(path: str, answers: Json) -> None:
    for status in list(answers):
        # FastAPI's own 422 is not what we answer; ours is described with the others.
        if status in NEVER.get(path, ()) or "HTTPValidationError" in json.dumps(answers[status]):
            del answers[status]
    for status, told in ANSWERS.get(path, {}).items():
        answers[status]["description"] = told
    for status, answer in answers.items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            problem = {"schema": {"$ref": f"{_MODELS}ProblemDetails"}}
            answer.setdefault("content", {"application/problem+json": problem})
        for media, content in answer.get("content", {}).items():
            if example := EXAMPLES.get((path, status), EXAMPLES.get((media, status))):
                content["examples"] = example


def _body(operations: Json) -> Json:
    return _json(operations["post"]["requestBody"])


def _ok(operation: Json, status: str) -> Json:
    return _json(operation["responses"][status])


def _json(described: Json) -> Json:
    """The JSON that a body or an answer holds."""
    content: Json = described["content"]["application/json"]
    return content


def _contracts(published: list[Json]) -> Json:
    first, *others = published
    draft = {name: value for name, value in first.items() if name != "signed_at"}
    signature = {"reference": first["reference"], "signed_at": first["signed_at"]}
    examples = {
        "contract": {"summary": "Un contrat signé", "value": first},
        "draft": {"summary": "Un brouillon : le même, sans signed_at", "value": draft},
        "signature": {"summary": "La signature de ce brouillon", "value": signature},
    }
    for number, other in enumerate(others, 2):
        examples[f"contract-{number}"] = {"summary": "Un autre contrat signé", "value": other}
    return examples


def _facts(examples: dict[str, list[Json]]) -> Iterator[tuple[str, Json]]:
    for fact, model in FACTS.items():
        for number, value in enumerate(examples[model.__name__], 1):
            key = fact if number == 1 else f"{fact}-{number}"
            yield key, {"summary": f"{fact} – {model.TITLE}", "value": value}


# --- Models ---------------------------------------------------------------------------------------


def _reword(name: str, model: Json) -> None:
    if name in MODELS:
        model["description"] = MODELS[name]
    for field, described in model.get("properties", {}).items():
        described.update(FIELDS.get(f"{name}.{field}", {}))


def _tidy(node: Any) -> None:
    """Without the titles that only repeat a name, nor the patterns that repeat, for a machine,
    what the format or the length says: ``docs/schemas`` has them."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), (str, list)) or "anyOf" in node:
            pattern = node.get("pattern", "")
            if "format" in node or r"\u0000" in pattern:
                node.pop("pattern", None)
            if "properties" not in node:
                node.pop("title", None)
        for key, inner in node.items():
            if key not in {"example", "examples"}:
                _tidy(inner)
    elif isinstance(node, list):
        for inner in node:
            _tidy(inner)


def _used(told: Json, schemas: Json) -> set[str]:
    """The models that the routes name, and those that these name."""
    found: set[str] = set()
    waiting = list(_named(told["paths"]))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _named(schemas[name])
    return found


def _named(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference.removeprefix(_MODELS)
        for inner in node.values():
            yield from _named(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _named(inner)
