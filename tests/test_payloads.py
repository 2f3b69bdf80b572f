"""What earlier versions put into histories is read for ever: an onboarding lives longer than they."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from temporalio.api.enums.v1 import EventType

from process.calendar import WorkCalendar
from process.contract import Contract
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.policy import Policy
from process.record import Carried
from tests.builders import contract
from tests.record_histories import HISTORIES
from tests.record_payloads import MESSAGES, RELEASED
from workflows.agenda import look
from workflows.reporting import status

FILES = sorted(RELEASED.glob("*/histories/*.json"))
MODELS = {model.__name__: model for model in MESSAGES}


def _lost(old: Any, now: Any, path: str = "") -> list[str]:
    """What was said then, and that today's model no longer says."""
    if isinstance(old, dict) and isinstance(now, dict):
        gone = [f"{path}.{key}" for key in old if key not in now]
        return gone + [
            line for key in old if key in now for line in _lost(old[key], now[key], f"{path}.{key}")
        ]
    if isinstance(old, list) and isinstance(now, list) and len(old) == len(now):
        return [
            line
            for n, (a, b) in enumerate(zip(old, now, strict=True))
            for line in _lost(a, b, f"{path}[{n}]")
        ]
    return [] if old == now else [path]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_message_of_a_released_version_still_decodes_whole(path: Path) -> None:
    old = json.loads(path.read_text(encoding="utf-8"))
    read = MODELS[path.name.partition(".")[0]].model_validate(old)
    assert not _lost(old, read.model_dump(mode="json")), "a running onboarding would lose this"


def test_every_message_of_the_last_version_is_kept() -> None:
    last = max(RELEASED.iterdir(), key=lambda folder: tuple(map(int, folder.name.split("."))))
    kept = {path.name.partition(".")[0] for path in FILES if path.parts[-3] == last.name}
    assert kept == MODELS.keys(), "python -m tests.record_payloads"


def test_a_run_handed_on_by_a_released_version_owes_nothing_twice() -> None:
    lived = [path for path in FILES if path.name == "Carried.lived.json"]
    assert lived
    for path in lived:
        carried = Carried.model_validate_json(path.read_text(encoding="utf-8"))
        assert len(carried.record.sendings) > 20
        read = Contract.model_validate(contract())
        o = Onboarding(read, WorkCalendar(carried.days), carried.policy, carried.record)
        now = carried.record.looked_at
        held = deadlines(o, now)
        assert look(o, held, now).sendings == []
        assert status(o, held, now).step != 1


@pytest.mark.parametrize("name", ["Carried.lived", "Opening"])
def test_what_a_later_version_adds_stops_no_older_worker_and_is_handed_on(name: str) -> None:
    path = max(RELEASED.glob(f"*/histories/{name}.json"))
    later = _with_one_more(json.loads(path.read_text(encoding="utf-8")))
    model = MODELS[name.partition(".")[0]].model_validate(later)
    read = model.model_dump(mode="json")
    policy = Policy.model_validate(read["policy"]).model_dump(mode="json")
    assert policy["setting_of_tomorrow"] == {"setting_of_tomorrow": 1}
    if name != "Opening":
        record = read["record"]
        for part in (record, record["facts"][0], next(iter(record["sendings"].values()))):
            assert "setting_of_tomorrow" in part


def _with_one_more(value: Any) -> Any:
    """Every object with a field more; not what is read by its keys, a fact's payload included."""
    if isinstance(value, list):
        return [_with_one_more(one) for one in value]
    if not isinstance(value, dict):
        return value
    by_key = {"payload", "data", "fact_ids", "sendings", "document_subjects", "pieces",
              "document_versions", "known_since", "closed", "opened"}  # fmt: skip
    return {
        key: {name: _with_one_more(inner) for name, inner in one.items()}
        if key == "sendings"
        else one
        if key in by_key
        else _with_one_more(one)
        for key, one in value.items()
    } | {"setting_of_tomorrow": {"setting_of_tomorrow": 1}}


def test_what_activities_were_asked_in_the_recorded_histories_still_decodes() -> None:
    """An activity that waits in a queue is done by the version that comes next."""
    asked = {
        "open_onboarding": "OpenOnboarding",
        "read_worked_days": "ReadWorkedDays",
        "read_pieces": "ReadPieces",
        "issue_document": "DocumentOrder",
        "send_mail": "MailOrder",
        "project_onboarding": "Projection",
    }
    seen = set()
    for path in HISTORIES.glob("*.json.gz"):
        for name, data in _inputs(path):
            if name in asked:
                seen.add(name)
                MODELS[asked[name]].model_validate_json(data)
    assert seen == asked.keys()


def _inputs(path: Path) -> list[tuple[str, bytes]]:
    from temporalio.client import WorkflowHistory

    history = WorkflowHistory.from_json("x", gzip.decompress(path.read_bytes()).decode())
    return [
        (event.activity_task_scheduled_event_attributes.activity_type.name, payload.data)
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        for payload in event.activity_task_scheduled_event_attributes.input.payloads
    ]


def test_a_field_that_is_renamed_is_seen() -> None:
    class Renamed(BaseModel):
        address: str = ""

    old = {"to": "x"}
    assert _lost(old, Renamed.model_validate(old).model_dump()) == [".to"]
