"""The published JSON Schemas are those of the models, and whoever follows them is understood.

``tests/released/<version>/`` holds what a sender of that version sends, and what is accepted for
ever: ``contract.json``, and one ``<fact>.json`` a fact with every field it has (``<fact>.<form>.
json`` for another form of it). A released folder is never edited. A next version begins by copying
the last folder under its own number, then adds there what is new: a fact, a field.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest
import regress
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.validators import extend

from local.schemas import BASE, DIALECT, FOLDER, ROOT, files, write
from process import rules
from process.contract import Contract
from process.facts import FACTS, FactCorrected
from reception import Refused, parse_contract
from tests.playing import begin, kickoff, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stage import Stage

Payload = dict[str, Any]

RELEASED: Final = ROOT / "tests" / "released"
FIXTURES: Final = sorted(RELEASED.glob("*/*.json"))
SCHEMAS: Final[dict[str, Payload]] = {
    path: json.loads(text) for path, text in files().items() if path != "index.json"
}

_formats = FormatChecker(["date", "email"])
_formats.checks("date-time", raises=ValueError)(
    lambda value: not isinstance(value, str) or datetime.fromisoformat(value)
)


_compiled = functools.cache(functools.partial(regress.Regex, flags="u"))


def _pattern(
    _validator: Any, pattern: str, instance: Any, _schema: Any
) -> Iterator[jsonschema.ValidationError]:
    """Patterns as the standard has them (ECMA 262), which Python's are not."""
    if isinstance(instance, str) and not _compiled(pattern).find(instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: Final = extend(Draft202012Validator, {"pattern": _pattern})


def _errors(path: str, value: Any) -> list[str]:
    """What the schema finds wrong in that value."""
    validator = _Validator(SCHEMAS[path], format_checker=_formats)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def _refused(path: str, value: Any) -> bool:
    """Whether the models refuse that contract, or that fact."""
    try:
        if path == "contract.json":
            parse_contract(json.dumps(value).encode())
        else:
            rules.read(Path(path).stem, (value,))
    except (Refused, rules.Refused):
        return True
    return False


def _schema_of(fixture: Path) -> str:
    name = fixture.name.partition(".")[0]
    return "contract.json" if name == "contract" else f"facts/{name}.json"


def _fixture(path: str) -> Payload:
    """A full value for that schema, as sent to the last version released."""
    found = next(file for file in reversed(FIXTURES) if file.name == Path(path).name)
    value: Payload = json.loads(found.read_text(encoding="utf-8"))
    return value


# The files


def test_the_schemas_are_fresh() -> None:
    written = {
        str(path.relative_to(FOLDER).as_posix()): path.read_bytes()
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    assert written == {path: text.encode() for path, text in files().items()}, (
        "python -m local.schemas"
    )


def test_the_command_writes_every_file(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path: (tmp_path / path).read_text("utf-8") for path in files()} == files()


def test_the_index_lists_every_schema_by_its_address() -> None:
    index = json.loads(files()["index.json"])
    listed = {index["contract"], index["status"], *index["facts"].values()}
    assert listed == {schema["$id"] for schema in SCHEMAS.values()}
    assert set(index["facts"]) == set(FACTS)


@pytest.mark.parametrize("path", SCHEMAS)
def test_a_schema_is_valid_closed_and_told_in_full(path: str) -> None:
    schema = SCHEMAS[path]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == BASE + path
    assert schema["title"]
    assert schema["examples"]
    for part in (schema, *schema.get("$defs", {}).values()):
        assert part["additionalProperties"] is False
        assert part["description"]
        assert all(field["description"] for field in part["properties"].values())
    assert not re.search(r"\*\*|`|\]\(|Champs :", schema["description"])


@pytest.mark.parametrize("path", SCHEMAS)
def test_the_examples_of_a_schema_follow_it(path: str) -> None:
    for example in SCHEMAS[path]["examples"]:
        assert not _errors(path, example)


# The examples of the documentation


def _fenced() -> Iterator[tuple[str, str, Any]]:
    """Every block of JSON of the documentation: its page, the title above it, its value."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"```json\n(.*?)```", text, re.DOTALL):
            title = re.findall(r"^#+ (.*)$", text[: block.start()], re.MULTILINE)[-1]
            yield page.name, title, json.loads(block[1])


def _told_by(title: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schema that an example must follow, by its title or by its shape."""
    named = re.search(r"`(\w+)`", title)
    if isinstance(value, list):
        for past in value:
            if isinstance(past, dict) and "fact" in past:
                yield f"facts/{past['fact']}.json", past["payload"]
    elif named and named[1] in FACTS:
        yield f"facts/{named[1]}.json", value
        if named[1] == "fact_corrected":
            yield f"facts/{value['fact']}.json", value["payload"]
    elif "signed_at" in value:
        yield "contract.json", value
    elif "health" in value:
        yield "status.json", value


def test_every_example_of_the_documentation_follows_its_schema() -> None:
    seen = set()
    for page, title, value in _fenced():
        for path, told in _told_by(title, value):
            assert not _errors(path, told), f"{page}, {title}"
            seen.add(path)
    assert seen >= {f"facts/{name}.json" for name in FACTS}


def test_the_facts_that_the_commands_of_the_documentation_send_follow_a_schema() -> None:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            named = FACTS.keys() & set(re.findall(r"\w+", block))
            for text in re.findall(r'\{"fact_id"[^{}\n]*\}', block):
                sent = json.loads(text)
                assert any(not _errors(f"facts/{name}.json", sent) for name in named), text


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("contract-*.json")), ids=str)
def test_the_contracts_given_as_examples_follow_the_schema(path: Path) -> None:
    assert not _errors("contract.json", json.loads(path.read_text(encoding="utf-8")))


# What was once sent


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_was_sent_to_a_released_version_is_accepted_for_ever(path: Path) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    assert not _errors(_schema_of(path), value)
    if path.name == "contract.json":
        contract = parse_contract(path.read_bytes())
        assert contract.model_dump(mode="json", exclude_unset=True) == value
    else:
        _, kept = rules.read(path.name.partition(".")[0], (value,))
        assert kept == value


def test_this_version_has_its_folder_with_every_fact_and_every_field() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = RELEASED / project["version"]
    for name, model in FACTS.items():
        forms = [json.loads(p.read_text("utf-8")) for p in folder.glob(f"{name}*.json")]
        assert {field for form in forms for field in form} == set(model.model_fields), name
    assert json.loads((folder / "contract.json").read_text("utf-8")).keys() == (
        Contract.model_fields.keys()
    )


# Schema and model agree


def _with(path: str, **changes: Any) -> tuple[str, Payload]:
    """The fixture with some of its fields changed; ``a__b`` is field ``b`` of ``a`` (or of its
    first item), ``...`` takes it away."""
    value = _fixture(path)
    for where, what in changes.items():
        *parents, last = where.split("__")
        node: Any = value
        for parent in parents:
            node = node[parent]
            node = node[0] if isinstance(node, list) else node
        if what is ...:
            del node[last]
        else:
            node[last] = what
    return path, value


_CONTRACT: Final = "contract.json"
_KICKOFF: Final = "facts/kickoff_held.json"
_PHASE: Final = "facts/phase_planned.json"
_FIXED: Final = "facts/reserve_fixed.json"
_DONE: Final = "facts/phase_completed.json"
_DAY: Final = "facts/commissioned.json"
_INTERVIEW: Final = "facts/interview_held.json"
_PIECE: Final = "facts/doe_piece_filed.json"
_MAINTENANCE: Final = "facts/maintenance_date_set.json"
_ANSWER: Final = "facts/scope_change_answered.json"
_CANCELLED: Final = "facts/phase_cancelled.json"
_EMAIL: Final = "client__technical_lead__email"

WRONG: Final = [
    # Fields
    _with(_CONTRACT, colour="blue"),
    _with(_CONTRACT, reference=...),
    _with(_CONTRACT, client__fax="1"),
    _with(_KICKOFF, held_at="2026-03-24"),
    _with(_KICKOFF, phases__colour="blue"),
    _with(_KICKOFF, held_on=...),
    _with(_KICKOFF, held_on=None),
    _with(_KICKOFF, phases__works=...),
    # Lists
    _with(_KICKOFF, phases=[]),
    _with(_KICKOFF, phases=None),
    _with(_KICKOFF, attendees="Claire Fontaine"),
    _with(_KICKOFF, attendees=[None]),
    _with(_KICKOFF, attendees=["x"] * 1001),
    _with(_KICKOFF, attendees={}),
    _with(_CONTRACT, sites=[]),
    _with("facts/deviation_declared.json", measures=None),
    _with("facts/recette_signed_off.json", present=[]),
    # Identifiers
    _with(_CONTRACT, reference="MIL 2026"),
    _with(_CONTRACT, reference="../etc"),
    _with(_CONTRACT, reference="-x"),
    _with(_CONTRACT, reference=""),
    _with(_CONTRACT, reference="x" * 65),
    _with(_CONTRACT, reference="MIL-1\n"),
    _with(_CONTRACT, reference="É1"),
    _with(_CONTRACT, reference=41),
    # Texts
    _with(_CANCELLED, reason=""),
    _with(_CANCELLED, reason=" \n\t "),
    _with(_CANCELLED, reason="\u00a0"),
    _with(_CANCELLED, reason="x" * 4001),
    _with(_CANCELLED, reason="a\u0000b"),
    _with(_CANCELLED, reason="a\u0085b"),
    _with(_CANCELLED, reason="a\rb"),
    _with(_CANCELLED, reason=12),
    _with(_CANCELLED, fact_id=12),
    _with(_CANCELLED, fact_id=""),
    _with(_KICKOFF, place="a\nb"),
    _with(_KICKOFF, place="a\u2028b"),
    _with(_KICKOFF, place="a\u001bb"),
    _with(_KICKOFF, place="x" * 201),
    _with(_KICKOFF, place="  "),
    # Addresses
    _with(_CONTRACT, **{_EMAIL: "nobody"}),
    _with(_CONTRACT, **{_EMAIL: "a@b"}),
    _with(_CONTRACT, **{_EMAIL: ".a@b.fr"}),
    _with(_CONTRACT, **{_EMAIL: "a..b@c.fr"}),
    _with(_CONTRACT, **{_EMAIL: "a.@b.fr"}),
    _with(_CONTRACT, **{_EMAIL: "a@b.fr\nBcc: c@d.fr"}),
    _with(_CONTRACT, **{_EMAIL: "é@b.fr"}),
    _with(_CONTRACT, **{_EMAIL: "A <a@b.fr>"}),
    _with(_CONTRACT, **{_EMAIL: "a" * 65 + "@b.fr"}),
    _with(_CONTRACT, **{_EMAIL: "a@-b.fr"}),
    _with(_CONTRACT, **{_EMAIL: "a@" + "b" * 64 + ".fr"}),
    _with(_CONTRACT, **{_EMAIL: "a@" + "b." * 126 + "fr"}),
    # Dates and instants
    _with(_DAY, commissioned_on="2026-02-30"),
    _with(_DAY, commissioned_on="2026-13-01"),
    _with(_DAY, commissioned_on="06/05/2026"),
    _with(_DAY, commissioned_on="1999-12-31"),
    _with(_DAY, commissioned_on="2100-01-01"),
    _with(_DAY, commissioned_on="2026-05-06T10:00:00+02:00"),
    _with(_DAY, commissioned_on=1_778_025_600),
    _with(_DAY, commissioned_on="1778025600"),
    _with(_DAY, commissioned_on="hier"),
    _with(_DONE, completed_at="2026-04-15T17:00:00"),
    _with(_DONE, completed_at="2026-04-15"),
    _with(_DONE, completed_at="2026-04-31T17:00:00+02:00"),
    _with(_DONE, completed_at="2026-04-15T25:00:00+02:00"),
    _with(_DONE, completed_at="2026-04-15T17:00:00+24:00"),
    _with(_DONE, completed_at="2126-04-15T17:00:00+02:00"),
    _with(_DONE, completed_at=1_776_265_200),
    _with(_DONE, completed_at="1776265200"),
    _with(_CONTRACT, signed_at="2026-03-16T11:20:00"),
    _with(_CONTRACT, maintenance__effective="on_signature"),
    # Numbers and booleans
    _with(_FIXED, number=0),
    _with(_FIXED, number=1_000_001),
    _with(_FIXED, number="3"),
    _with(_FIXED, number=1.5),
    _with(_FIXED, number=True),
    _with("facts/progress_reported.json", progress__percent=101),
    _with("facts/progress_reported.json", progress__percent="60"),
    _with("facts/progress_reported.json", progress__percent=60.5),
    _with(_INTERVIEW, score=11),
    _with(_INTERVIEW, scores_by_step={"Déploiement": -1}),
    _with(_INTERVIEW, scores_by_step={"": 8}),
    _with(_ANSWER, accepted="true"),
    _with(_ANSWER, accepted=1),
    # Words
    _with(_CONTRACT, project_kind="renewal"),
    _with(_CONTRACT, sites__zone="corse"),
    _with(_CONTRACT, equipment__family="camera"),
    _with(_CONTRACT, history__fact="kickoff_forgotten"),
    _with(_PIECE, family="invoices"),
    _with("facts/limit_moved.json", obligation="O18"),
    _with("facts/open_point_settled.json", action="forget"),
    _with("facts/recette_signed_off.json", present__role="passer-by"),
    # What is given together
    _with(_PIECE, not_applicable_reason="Sans objet."),
    _with(_PIECE, uri=None),
    _with(_PIECE, uri=...),
    _with(_INTERVIEW, score=...),
    _with(_INTERVIEW, held_on=None),
    _with(_INTERVIEW, tried_on="2026-07-08"),
    _with(_MAINTENANCE, by=...),
    _with(_MAINTENANCE, reason=None),
    # No object at all
    (_PHASE, []),
    (_PHASE, None),
    (_PHASE, "x"),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=range(len(WRONG)))
def test_what_the_models_refuse_the_schema_refuses(path: str, value: Any) -> None:
    assert _refused(path, value)
    assert _errors(path, value)


RIGHT: Final = [
    _with(_KICKOFF, attendees=None, decisions=None, actions=None),
    _with(_KICKOFF, attendees=[], place=None, fact_id=None),
    _with(_KICKOFF, place="  Salle du conseil 🏭 "),
    _with(_KICKOFF, place="x" * 200),
    _with(_CONTRACT, equipment=None, history=None, maintenance=None),
    _with(_CONTRACT, team__project_manager=None),
    _with(_CONTRACT, maintenance__effective="2026-06-15"),
    _with(_CONTRACT, **{_EMAIL: "a.b+c@d-e.example"}),
    _with(_CONTRACT, reference="x" * 64),
    _with(_CANCELLED, reason="Première ligne\n\tseconde ligne"),
    _with(_CANCELLED, reason="é" * 4000),
    _with(_DAY, commissioned_on="2028-02-29"),
    _with(_DAY, commissioned_on="2000-01-01"),
    _with(_DAY, commissioned_on="2099-12-31"),
    _with(_DONE, completed_at="2026-04-15T17:00:00Z"),
    _with(_DONE, completed_at="2026-04-15T17:00:00.123456789-03:00"),
    _with(_FIXED, number=3.0),
    _with(_INTERVIEW, score=10.0, scores_by_step={}),
    _with(_INTERVIEW, tried_on=None, not_held_reason=None),
    _with(_PIECE, not_applicable_reason=None),
    _with(_MAINTENANCE, despite_open_reserves=False, by=None, reason=...),
    _with("facts/recette_signed_off.json", reserves=None, sites=None, grid=None),
]


@pytest.mark.parametrize(("path", "value"), RIGHT, ids=range(len(RIGHT)))
def test_what_the_schema_accepts_the_models_accept(path: str, value: Any) -> None:
    assert not _errors(path, value)
    assert not _refused(path, value)


def _strangely(value: Any) -> Iterator[Any]:
    """The value with one of its parts, at any depth, replaced by something strange."""
    yield from (None, True, -1, 1e300, "", "\n", "0", "2026-01-01", [], [None], {}, {"x": 1})
    if isinstance(value, dict):
        yield {**value, "unknown": 1}
        for key, inner in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: strange} for strange in _strangely(inner))
    elif isinstance(value, list) and value:
        yield from ([strange, *value[1:]] for strange in _strangely(value[0]))
        yield [*value, value[0]]


_BEYOND: Final = re.compile(r"en double|site inconnu|fuseau horaire|doit suivre")
"""What no schema can say: a repeated identifier, an unknown site or zone, an early end."""


def _misshapen(path: str, value: Any) -> str:
    """Why the models refuse the shape of that value; nothing when they do not."""
    model = Contract if path == _CONTRACT else FACTS[Path(path).stem]
    try:
        read = model.model_validate(value)
    except ValueError as error:
        return str(error)
    named = {read.fact} if isinstance(read, FactCorrected) else set()
    if isinstance(read, Contract):
        named = {past.fact for past in read.history}
    return "fait inconnu" if named - FACTS.keys() else ""


@pytest.mark.parametrize("path", [path for path in SCHEMAS if path != "status.json"])
def test_schema_and_models_agree_whatever_part_is_strange(path: str) -> None:
    validator = _Validator(SCHEMAS[path], format_checker=_formats)
    for value in _strangely(_fixture(path)):
        refused = _misshapen(path, value)
        if not _BEYOND.search(refused):
            assert validator.is_valid(value) is (not refused), (value, refused)


# What comes out


async def test_the_status_of_an_onboarding_follows_its_schema(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    assert not _errors("status.json", await play.status())
    await play.fact("phase_completed", id="P9", completed_at=story.iso(1, 9))
    await play.fact("kickoff_held", **kickoff(story))
    await play.signal("commissioned", {"colour": "blue"})
    status = await play.status()
    assert status["waiting"]
    assert status["rejected"]
    assert not _errors("status.json", status)
    assert _errors("status.json", {**status, "colour": "blue"})
