"""Running onboardings outlive our code: the histories recorded so far still replay.

The stock replayer compares the shape of the commands; here what the activities are asked is
compared too: which mail to whom, which document, so that a swapped or changed effect does not
pass unseen. The texts' data may grow: a history does not depend on it.
"""

from __future__ import annotations

import gzip
import json
from typing import Any, ClassVar

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from tests.record_histories import HISTORIES, LONE_SIGNATURE, SCENES
from workflows.client_onboarding import ClientOnboarding
from workflows.converter import data_converter
from workflows.lone_signature import LoneSignature
from workflows.names import WORKFLOW_TYPE


def _history(name: str) -> WorkflowHistory:
    text = gzip.decompress((HISTORIES / f"{name}.json.gz").read_bytes()).decode()
    first = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(first["workflowId"], text)


def _essence(activity: str, data: bytes) -> tuple[str, ...]:
    """What an activity is asked, without the data of its texts."""
    order = json.loads(data)
    match activity:
        case "send_mail":
            to = [f"{person['role']} {person['email']}" for person in order["recipients"]]
            return (activity, order["kind"], order["key"], *to, *order["attachments"])
        case "issue_document":
            return (activity, order["reference"], order["dated_on"], *order["sites"])
        case "read_pieces":
            return (activity, *(piece["key"] for piece in order["pieces"]))
    return (activity,)


class _Asked(WorkflowOutboundInterceptor):
    """Writes down what each activity is asked."""

    log: ClassVar[list[tuple[str, ...]]] = []

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - the SDK names it
        [payload] = data_converter.payload_converter.to_payloads(input.args)
        self.log.append(_essence(input.activity, payload.data))
        return super().start_activity(input)


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Asked(outbound))


class _Listening(Interceptor):
    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK names it
    ) -> type[WorkflowInboundInterceptor]:
        return _Inbound


def _recorded(history: WorkflowHistory) -> list[tuple[str, ...]]:
    return [
        _essence(
            event.activity_task_scheduled_event_attributes.activity_type.name,
            event.activity_task_scheduled_event_attributes.input.payloads[0].data,
        )
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


def _markers(name: str) -> set[str]:
    """The local activities of a history."""
    return {
        json.loads(event.marker_recorded_event_attributes.details["data"].payloads[0].data)[
            "activity_type"
        ]
        for event in _history(name).events
        if event.marker_recorded_event_attributes.marker_name == "core_local_activity"
    }


def _patches(name: str) -> bool:
    """Whether a history bears the marker of a patch."""
    return any(
        event.marker_recorded_event_attributes.marker_name == "core_patch"
        for event in _history(name).events
    )


@pytest.mark.parametrize("name", sorted([*SCENES, LONE_SIGNATURE]))
async def test_a_recorded_onboarding_replays_with_the_same_effects(name: str) -> None:
    history = _history(name)
    _Asked.log.clear()
    replayer = Replayer(
        workflows=[ClientOnboarding, LoneSignature],
        data_converter=data_converter,
        interceptors=[_Listening()],
    )
    await replayer.replay_workflow(history)
    recorded = _recorded(history)
    assert len(recorded) > (20 if name in SCENES else 2)
    assert _Asked.log == recorded


def test_the_histories_hold_what_they_are_for() -> None:
    """So that recording again cannot silently empty them."""
    effects = {name: _recorded(_history(name)) for name in SCENES}
    for asked in effects.values():
        assert {"open_onboarding", "issue_document", "send_mail"} <= {one[0] for one in asked}
    keys = {
        name: [one[2] for one in asked if one[0] == "send_mail"] for name, asked in effects.items()
    }
    whole = {"audit_report", "reserve_reopened:1:1", "doe_delivery", "closing_team"}
    assert whole <= set(keys["replacement"])
    assert {"read_pieces"} <= {one[0] for one in effects["doe"]}
    assert {"doe_delivery", "doe_delivery:2", "cancelled_client"} <= set(keys["doe"])
    assert keys["trouble"].count("intervention_schedule:P1:2") == 2
    assert keys["headlines"].count("intervention_schedule:P1:2") == 2
    # Its document was asked for again after the early alert, and nothing was patched.
    orders = [one[2] for one in effects["frugal"] if one[0] == "issue_document"]
    assert len(orders) > len(set(orders))
    assert "doe_delivery" in keys["frugal"]
    assert not _patches("frugal")
    assert _patches("doe")
    written = {name: _markers(name) for name in ("trouble", "headlines")}
    assert "registre" in written["headlines"]
    assert "registre" not in written["trouble"]
    assert "deviation_notice:P1-1:factual" in keys["trouble"]
    # Of the second edition.
    assert keys["handed-over"].count("intervention_schedule:P1:1") == 2, "sent again after a day"
    assert {"cancelled_client", "cancelled_team"} <= set(keys["handed-over"])
    assert any(key.startswith("invitations_") for key in keys["handed-over"])
    assert keys["second-edition"].count("intervention_schedule:P1:2") == 2


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class _Impatient:
    """An onboarding whose author changed the order of its commands."""

    @workflow.run
    async def run(self, *_arguments: Any) -> None:
        await workflow.sleep(1)


async def test_a_change_of_order_is_caught() -> None:
    replayer = Replayer(workflows=[_Impatient], data_converter=data_converter)
    with pytest.raises(workflow.NondeterminismError):
        await replayer.replay_workflow(_history("new"))
