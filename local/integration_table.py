"""Write the table of facts of ``docs/integration.md`` from the facts themselves:
``python -m local.integration_table``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel

from process.facts import FACTS

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "integration.md"

_BEGIN: Final = "<!-- facts: written by python -m local.integration_table -->\n"
_END: Final = "<!-- end of facts -->"

EITHER: Final = {
    "doe_piece_filed": "`uri` or `not_applicable_reason`",
    "interview_held": (
        "`held_on`, `score`, `masters_system`, `masters_incident_procedure`; "
        "or `tried_on`, `not_held_reason`"
    ),
}
"""What a fact requires by a rule of its own, which no field tells alone."""


def page() -> str:
    """The page with its table as it must be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + table() + _END + after


def table() -> str:
    """A line a fact: its name, its French title, its required fields."""
    lines = [
        f"| [`{name}`](faits.md#{name}) | {model.TITLE} | {_required(name, model)} |\n"
        for name, model in FACTS.items()
    ]
    return "\n| fact | what it states | required fields |\n|---|---|---|\n" + "".join(lines) + "\n"


def _required(name: str, model: type[BaseModel]) -> str:
    fields = [*_fields(model), *([EITHER[name]] if name in EITHER else [])]
    return ", ".join(fields)


def _fields(model: type[BaseModel]) -> list[str]:
    """The required fields, each with those of the objects it holds."""
    shown = []
    for name, field in model.model_fields.items():
        if field.is_required():
            inner = _model_in(field.annotation)
            held = f" ({', '.join(_fields(inner))})" if inner else ""
            shown.append(f"`{name}`{held}")
    return shown


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model), None)


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
