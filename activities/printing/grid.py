"""What a technician edits without touching code: the points of the acceptance grid and the modules
of the training and of the user guide (PROCESS, section 7). ``python -m activities.printing.grid`` checks
both files and says in French what is wrong; how to edit them is in docs/grille.md.

The templates read the same files by themselves: nothing here takes part in a rendering.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, StringConstraints, ValidationError

from activities.printing.glyphs import Printable
from process.fields import Count, Flag, Line, Outside
from process.refusals import problems
from process.vocabulary import EquipmentFamily

_TEMPLATES: Final = Path(__file__).resolve().parent.parent.parent / "templates"
POINTS: Final = _TEMPLATES / "documents" / "points_recette.toml"
MODULES: Final = _TEMPLATES / "documents" / "modules.toml"

_IDENTIFIER: Final = re.compile(r"[A-Z]-[0-9]{2,3}")
_PLACE: Final = re.compile(r"(?P<outer>theme|module)\[(?P<i>\d+)\](?:\.point\[(?P<j>\d+)\])?")
_HALF_DAY: Final = 210
"""Minutes of training that a half-day holds."""

T = TypeVar("T")
Some = Annotated[list[T], Field(min_length=1)]
Families = Some[EquipmentFamily]
Code = Annotated[str, StringConstraints(pattern=r"\A[a-z][a-z0-9_-]{1,39}\z")]


class Point(Outside):
    """One point of the grid: verified once, or with ``each`` on every item of its families.

    Its ``families`` replace those of its theme; without either it concerns every installation.
    """

    id: Line
    requirement: Line
    test: Line
    expected: Line
    evidence: Line
    each: Flag = False
    families: Families | None = None


class Theme(Outside):
    code: Code
    title: Line
    families: Families | None = None
    point: Some[Point]


class Library(Outside):
    """All points; ``retired`` are identifiers that were used once and never will be again."""

    retired: list[Line] = []
    theme: Some[Theme]


class Task(Outside):
    """Something users do, step by step; ``tip`` is what to remember."""

    title: Line
    steps: Some[Line]
    tip: Line | None = None


class Module(Outside):
    """A chapter of the guide and what the training says of it.

    It is chosen when equipment of its ``families`` is installed, all of them without it; with
    ``keywords``, only when one is found in the manufacturer or the model of such equipment.
    ``minutes`` is how long the training takes; ``reflex`` is what the sheet to pin up says of it.
    """

    code: Code
    title: Line
    families: Families | None = None
    keywords: Some[Line] | None = None
    purpose: Line
    reflex: Line | None = None
    minutes: Annotated[Count, Field(le=_HALF_DAY)]
    training: Some[Line]
    task: list[Task] = []
    emergency: list[Task] = []
    weekly: list[Line] = []
    monthly: list[Line] = []
    quarterly: list[Line] = []


class Programme(Outside):
    """All modules of the guide and of the training, in their order."""

    module: Some[Module]


def faults(points: str, modules: str) -> list[str]:
    """What is wrong in the text of both files, in French, one fault a line; none when all is
    well."""
    return [
        *(f"points_recette.toml : {fault}" for fault in _faults(points, Library)),
        *(f"modules.toml : {fault}" for fault in _faults(modules, Programme)),
    ]


def _faults(text: str, model: type[Library | Programme]) -> Iterator[str]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"line \d+", str(error))
        line = f", {where[0].replace('line', 'ligne')}" if where else ""
        yield f"le fichier n'est pas du TOML valide{line} (guillemet, crochet ou égal manquant ?)"
        return
    try:
        read = model.model_validate(data)
    except ValidationError as error:
        for problem in problems(error):
            yield f"{_named(problem.path, data)}{problem.message}"
        return
    if isinstance(read, Library):
        yield from _identifiers(read)
    else:
        yield from _repeated("code de module", [module.code for module in read.module])
    yield from _unprintable(text)


def _identifiers(library: Library) -> Iterator[str]:
    identifiers = [point.id for theme in library.theme for point in theme.point]
    for identifier in identifiers:
        if not _IDENTIFIER.fullmatch(identifier):
            yield f"identifiant « {identifier} » mal formé (exemple : V-22)"
        if identifier in library.retired:
            yield f"l'identifiant « {identifier} » est retiré : il ne peut plus servir"
    yield from _repeated("identifiant", identifiers)
    yield from _repeated("code de thème", [theme.code for theme in library.theme])


def _repeated(what: str, values: list[str]) -> Iterator[str]:
    for value in dict.fromkeys(value for value in values if values.count(value) > 1):
        yield f"{what} « {value} » employé plusieurs fois"


def _unprintable(text: str) -> Iterator[str]:
    """What the fonts of the documents lack would keep every one of them from being issued."""
    printable = Printable(sorted((_TEMPLATES / "fonts").glob("*.ttf")))
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.partition(" = ")[2]
        if printable(written) != written:
            yield f"ligne {number} : caractère que les documents ne savent pas imprimer"


def _named(path: str, data: dict[str, object]) -> str:
    """``point V-03, test : `` rather than ``theme[2].point[2].test``."""
    found = _PLACE.match(path)
    if not found:
        return f"{path} : " if path else ""
    holder: object = data
    for key, rank in ((found["outer"], found["i"]), ("point", found["j"])):
        if rank is not None and isinstance(holder, dict):
            holder = holder[key][int(rank)]
    named = holder if isinstance(holder, dict) else {}
    rank_from_1 = int(found["j"] or found["i"]) + 1
    name = named.get("id") or named.get("code") or f"n° {rank_from_1}"
    what = "point" if found["j"] else {"theme": "thème"}.get(found["outer"], "module")
    field = path[found.end() :].lstrip(".")
    return f"{what} {name}, {field} : " if field else f"{what} {name} : "


def main() -> int:
    """Check both files: 0 when all is well, 1 with the faults on standard error."""
    found = faults(POINTS.read_text("utf-8"), MODULES.read_text("utf-8"))
    for fault in found:
        print(fault, file=sys.stderr)
    if not found:
        print("Grille et modules : rien à signaler.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
