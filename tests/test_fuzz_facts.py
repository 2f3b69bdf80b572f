"""Whatever a payload holds, it is judged: accepted, kept, known, or refused in French.

Payloads are drawn from the published JSON Schemas, then spoilt; the onboarding that is told them
is looked at afterwards as the run does.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import reception
from process import rules
from process.contract import Contract
from process.facts import FACTS
from process.history import problems_of
from process.obligations import deadlines
from process.reminders import note_known
from tests.builders import Case, Payload, phase, reserve, t
from workflows.agenda import look
from workflows.intake import Intake
from workflows.page import contract_details, contract_summary, details
from workflows.reporting import projection, status

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "docs" / "schemas"
MAX_TOLD_BYTES: Final = 100_000
"""A refusal travels twice in the failure of an update, of which a message holds 4 MB."""

ENGLISH: Final = re.compile(
    r"\b(input|should|valid (string|integer)|must be|error|expected)\b", re.IGNORECASE
)

calm = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


# --- Payloads, from the schemas ---------------------------------------------------------------

_DAYS: Final = ("2026-03-25", "2026-04-13", "2026-05-01", "2026-05-06", "2026-12-31", "2028-12-31")
_EDGES: Final = ("2000-01-01", "2028-02-29", "2099-12-31")
_HOURS: Final = ("T00:00:00Z", "T08:00:00+02:00", "T23:59:59.999999999-23:59", "T02:30:00+23:59")
_REFERENCES: Final = ("P1", "P2", "ANGERS", "COLMAR", "VMS-01", "SW-01", "O1", "a.-_" * 16)
_LINES: Final = (
    "a",
    "P1",
    "Zoë — « l'été »",
    "é" * 200,
    "<script>alert(1)</script> {{ 7 * 7 }} {% x %} #import",
    "`*_[x](javascript:x)_*` | ~ & $x$",
    "\u202egauche\u200b 👩‍🚒 𝕏",
    "waiting:kickoff_held:00000000",
)
_NUMBERS: Final = (0, 1, 2, 3, 10, 100, 1_000_000, 3.0)

Schema = dict[str, Any]


def _payloads(schema: Schema, root: Schema, name: str = "") -> st.SearchStrategy[Any]:
    """Values that the schema allows, often those that the onboarding knows."""
    if "$ref" in schema:
        return _payloads(root["$defs"][schema["$ref"].rpartition("/")[2]], root, name)
    if "anyOf" in schema:
        return st.one_of([_payloads(one, root, name) for one in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kinds = schema.get("type", "object")
    if isinstance(kinds, list):
        return st.one_of([_payloads({**schema, "type": kind}, root, name) for kind in kinds])
    match kinds:
        case "object":
            return _objects(schema, root)
        case "array":
            size = schema.get("minItems", 0)
            return st.lists(_payloads(schema["items"], root, name), min_size=size, max_size=2)
        case "string":
            return _texts(schema, name)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    low, high = schema.get("minimum", 0), schema.get("maximum", 10)
    return st.sampled_from([one for one in _NUMBERS if low <= one <= high])


def _objects(schema: Schema, root: Schema) -> st.SearchStrategy[Payload]:
    if "properties" not in schema:
        return st.sampled_from([{}, phase(), {"held_on": "2026-03-25"}, {"reason": "a"}])
    fields = {name: _payloads(one, root, name) for name, one in schema["properties"].items()}
    needed = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: one for name, one in fields.items() if name in needed},
        optional={name: one for name, one in fields.items() if name not in needed},
    )


def _texts(schema: Schema, name: str) -> st.SearchStrategy[str]:
    match schema.get("format"), schema.get("pattern", ""):
        case "date", _:
            return st.sampled_from(_DAYS * 4 + _EDGES)
        case "date-time", _:
            days = st.sampled_from(_DAYS[name == "ends_at" :] * 4 + _EDGES)
            return st.builds(lambda day, hour: day + hour, days, st.sampled_from(_HOURS))
        case "email", _:
            return st.sampled_from(("a@b.example", f"{'a' * 64}@{'b' * 60}.example"))
        case _, pattern if "._-" in pattern:
            known = {"site": _REFERENCES[2:4], "id": _REFERENCES[:2], "phase": _REFERENCES[:2]}
            return st.sampled_from(known.get(name, ()) * 4 + _REFERENCES)
    return st.sampled_from(("Europe/Paris", "Indian/Reunion") if name == "timezone" else _LINES)


def _of(name: str) -> st.SearchStrategy[Any]:
    schema = json.loads((SCHEMAS / f"{name}.json").read_bytes())
    return _payloads(schema, schema)


# --- Spoilt -------------------------------------------------------------------------------------

_DEEP: Any = "x"
for _ in range(180):
    _DEEP = [_DEEP]
_SPOILERS: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 1.5, 10**400, 10**4_299, 1e308, float("nan"), float("inf"), "", " ", "\x00",
    "a\r\nBcc: x@y.example", "\ud800", "\u2028", "é" * 200_000, "0001-01-01", "9999-12-31",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "2026-04-13T08:00:00",
    "20260413", "1776060000", [], {}, [[]], [{}], [None] * 1_001, ["x"] * 60_000,
    {"x": {"y": {"z": []}}}, {str(n): n for n in range(9_000)}, _DEEP,
)  # fmt: skip
_KEYS: Final = ("x", "", "é" * 500, "\x00\n", "\ud800", "__class__", "fact_id", "model_config")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value with each of its keys."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [(value, key) for key, _ in items] + [
        place for _, inner in items for place in _places(inner)
    ]


@st.composite
def _spoilt(draw: st.DrawFn, payloads: st.SearchStrategy[Any]) -> Any:
    """One to three things wrong in what was right."""
    value = json.loads(json.dumps(draw(payloads)))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        spoiler = deepcopy(draw(st.sampled_from(_SPOILERS)))
        way = draw(st.integers(0, 5)) if places else 5
        if way == 5 and isinstance(value, dict):
            value[draw(st.sampled_from(_KEYS))] = spoiler
        elif places:
            container, key = draw(st.sampled_from(places))
            if way == 0:
                del container[key]
            else:
                container[key] = spoiler
    return value


# --- An onboarding that is told them --------------------------------------------------------------


def _beginnings() -> list[Case]:
    """Onboardings at different moments of their life, looked at on 1 June 2026 and later."""
    planned = Case().kickoff(phase(), phase("P2")).firm("2026-04-01 10:00")
    worked = Case().kickoff().firm("2026-04-01 10:00")
    worked.take("phase_completed", "2026-04-15 18:00", id="P1", completed_at="2026-04-15T17:00:00Z")
    accepted = Case().kickoff().recette("2026-05-05", reserve(1), reserve(2, "blocking"))
    maintained = Case().kickoff().recette("2026-05-05").activated("2026-05-06 08:00")
    suspended = Case().kickoff().take("onboarding_suspended", "2026-04-02 10:00", reason="a")
    cancelled = Case().kickoff().take("onboarding_cancelled", "2026-04-02 10:00", reason="a")
    return [Case(), planned, worked, accepted, maintained, suspended, cancelled]


def _tell(case: Case, name: str, payload: Any, at: str) -> str:
    """The outcome of a fact, as an update and as a signal."""
    now = t(at)
    intake = Intake(case.o)
    try:
        outcome: str = intake.take(name, (payload,), now).outcome
    except rules.Refused as refused:
        _check_refusal(str(refused))
        intake.hear(name, (payload,), now)
        assert case.o.record.rejected[-1].reason
        outcome = "refused"
    _look(case, at)
    return outcome


def _check_refusal(told: str) -> None:
    assert told.strip()
    assert len(told.encode()) <= MAX_TOLD_BYTES
    for line in told.splitlines():
        reason = line.rpartition(" : ")[2]
        assert not ENGLISH.search(reason), line


def _look(case: Case, at: str) -> None:
    """All that the run does at a look: what is due, what is shown, what it hands on."""
    for now in (t(at), t(at) + timedelta(days=45)):
        held = deadlines(case.o, now)
        note_known(case.o, held, now)
        look(case.o, held, now)
        shown = status(case.o, held, now).model_dump_json()
        projected = projection(case.o, held, now).model_dump_json()
        assert max(len(shown), len(projected)) < 2_000_000
        assert len(details(case.o, held, now, completed=False).encode()) <= 20_000
    kept = case.o.record.model_dump_json()
    assert len(kept) < 2_000_000
    assert type(case.o.record).model_validate_json(kept).model_dump_json() == kept


@pytest.mark.parametrize("name", FACTS)
def test_a_payload_of_the_schema_never_breaks_an_onboarding(name: str) -> None:
    outcomes: set[str] = set()

    @calm
    @given(st.integers(0, 6), st.lists(_of(f"facts/{name}"), min_size=1, max_size=2))
    def told(moment: int, payloads: list[Any]) -> None:
        case = _beginnings()[moment]
        outcomes.update(_tell(case, name, payload, "2026-06-01 10:00") for payload in payloads)

    told()
    assert outcomes


@pytest.mark.parametrize("name", FACTS)
def test_a_spoilt_payload_is_judged_in_french(name: str) -> None:
    outcomes: set[str] = set()

    @calm
    @given(st.integers(0, 6), _spoilt(_of(f"facts/{name}")))
    def told(moment: int, payload: Any) -> None:
        outcomes.add(_tell(_beginnings()[moment], name, payload, "2026-06-01 10:00"))

    told()
    assert "refused" in outcomes


@calm
@given(_of("contract") | _spoilt(_of("contract")))
def test_a_contract_is_read_or_refused_in_french(source: Any) -> None:
    try:
        read = reception.check_contract(source)
    except reception.Invalid as refused:
        _check_refusal("\n".join(refused.problems))
    else:
        assert not problems_of(read)
        assert Contract.model_validate_json(read.model_dump_json()) == read
        assert len(contract_summary(read).encode()) <= 200
        assert len(contract_details(read).encode()) <= 20_000
