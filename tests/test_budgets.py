"""An onboarding costs what it must, and not one event more: counted, never timed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHistory

from bench import history
from bench.costs import costs, total
from tests import budgets

ROOT = Path(__file__).resolve().parent.parent
BUDGETS: dict[str, dict[str, dict[str, int]]] = json.loads(budgets.RECORDED.read_text())

GIVEN_UP = "timers given up"
"""One depends on which of the last two mails is accepted first."""
TASKS_BY_CHANCE = 1.04
"""Two answers that fall together wake the run once; a busy machine separates them."""


@pytest.fixture(scope="module")
async def figures() -> dict[str, Any]:
    return await history.measure(quick=False)


@pytest.mark.parametrize("life", BUDGETS)
def test_a_life_of_reference_keeps_to_its_budget(figures: dict[str, Any], life: str) -> None:
    found, budget = budgets.of(figures)[life], BUDGETS[life]
    given_up, expected = (one.pop(GIVEN_UP)["times"] for one in (found, dict(budget)))
    assert given_up in {expected - 1, expected}
    assert {c: without_tasks(cost) for c, cost in found.items()} == {
        c: without_tasks(cost) for c, cost in budget.items() if c != GIVEN_UP
    }, "each event has its reason in docs/performance.md: python -m tests.budgets"
    tasks, allowed = (sum(cost["tasks"] for cost in one.values()) for one in (found, budget))
    assert tasks <= allowed * TASKS_BY_CHANCE


def without_tasks(cost: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in cost.items() if name != "tasks"}


def test_eighteen_months_stay_far_below_the_limits_of_the_engine(figures: dict[str, Any]) -> None:
    whole = figures["eighteen months"]["total"]
    assert whole["events"] < 51_200 / 10
    assert whole["bytes"] < 50_000_000 / 10
    # A weekly point a week, and nobody forgotten.
    assert figures["eighteen months"]["causes"]["updates"]["times"] > 72


def test_every_event_has_its_reason_in_the_documentation() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for cause in {cause for life in BUDGETS.values() for cause in life}:
        assert f"| `{cause}` |" in text, cause


@pytest.mark.parametrize("name", ["new", "replacement", "trouble", "frugal"])
def test_every_event_of_a_history_is_charged_to_a_cause(name: str) -> None:
    recorded = gzip.decompress((ROOT / "tests" / "histories" / f"{name}.json.gz").read_bytes())
    events = WorkflowHistory.from_json("x", recorded.decode()).events
    by_clock = sum(
        event.HasField("workflow_execution_time_skipping_transitioned_event_attributes")
        or event.HasField("workflow_execution_options_updated_event_attributes")
        for event in events
    )
    found = costs(events)
    assert total(found).events == len(events) - by_clock
    assert not [cause for cause in found if cause.startswith("EVENT_TYPE")]
    scheduled = [e for e in events if e.HasField("activity_task_scheduled_event_attributes")]
    assert found["send_mail"].times + found["issue_document"].times <= len(scheduled)
    assert found["timers"].actions == found["timers"].times
    assert found["timers given up"].actions == 0
