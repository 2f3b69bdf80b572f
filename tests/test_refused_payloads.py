"""What the SDK cannot decode, sent by every door: refused and kept, and the run goes on.

``TolerantDataConverter`` and ``WithoutContext`` rest on what ``PROVED`` lists; another version is
added here once these tests, and those of ``tests/test_worker.py``, have passed with it.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from local.ports import LOOPBACK, free_port
from privacy.audit import audit
from reception import Unanswered, read_status, send_fact, start_onboarding
from tests.test_encryption import ROTATED, System, a_contract, system
from workflows.converter import data_converter
from workflows.names import CONTRACT_MEMO, TASK_QUEUE, WORKFLOW_TYPE, workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from temporalio.client import WorkflowHandle

PROVED: Final = {"1.35.0"}

_TYPE: Final = b"temporal.api.sdk.v1.ExternalStorageReference"
_WHOLE: Final = b'{"driverName": "s3", "claimData": {"key": "x"}}'
_FORMER: Final = b'{"driver_name": "s3", "driver_claim": {"claim_data": {"key": "x"}}}'
_MARK: Final = {"__temporal_external_storage_reference": b"true"}


def _payload(data: bytes, encoding: bytes, **metadata: bytes) -> Payload:
    return Payload(metadata={"encoding": encoding, **metadata}, data=data)


REFERENCES: Final = {
    "former, empty": _payload(b"{}", b"json/external-storage-reference"),
    "former, no JSON": _payload(b"\xff{", b"json/external-storage-reference"),
    "former, whole": _payload(_FORMER, b"json/external-storage-reference"),
    "message, whole": _payload(_WHOLE, b"json/protobuf", messageType=_TYPE),
    "message, nonsense": _payload(b"[1]", b"json/protobuf", messageType=_TYPE),
    "marked JSON": _payload(b'{"starts_at": 1}', b"json/plain", **_MARK),
    "marked, encrypted": _payload(b"\x00" * 40, b"binary/encrypted", **_MARK),
    "marked message": _payload(_WHOLE, b"json/protobuf", messageType=_TYPE, **_MARK),
}
OTHERS: Final = {
    "bytes": _payload(b"\xff\xfe", b"binary/plain"),
    "message of another type": _payload(b'{"data": "AAEC"}', b"json/protobuf",
                                        messageType=b"temporal.api.common.v1.Payload"),
    "unknown message": _payload(b"{}", b"json/protobuf", messageType=b"no.such.Type"),
    "binary message": _payload(b"\xff\xff", b"binary/protobuf", messageType=_TYPE),
    "no encoding": Payload(data=b"{}"),
    "compressed": _payload(b"\x1f\x8b", b"binary/zlib"),
    "no UTF-8": _payload(b'"\xff"', b"json/plain"),
    "half a character": _payload(b'{"place": "\\ud800"}', b"json/plain"),
}  # fmt: skip


def _sealed(data: bytes) -> Payload:
    """Sealed by who holds our key, and does not know what is to be sealed."""
    [(id_, (key,))] = list(ROTATED.items())[:1]
    nonce = bytes(12)
    secret = AESGCM(base64.b64decode(key.get_secret_value()))
    sealed = secret.encrypt(nonce, data, id_.encode())
    return Payload(
        metadata={"encoding": b"binary/encrypted", "encryption-key-id": id_.encode()},
        data=nonce + sealed,
    )


def _every(keys: dict[str, Any]) -> dict[str, Payload]:
    sealed = {
        "sealed JSON": _sealed(b'{"starts_at": 1}'),
        **{f"sealed {name}": _sealed(one.SerializeToString()) for name, one in REFERENCES.items()},
    }
    return REFERENCES | OTHERS | (sealed if keys else {})


@dataclass
class Run:
    """An onboarding, and a stranger who may send it anything."""

    up: System
    stranger: Client
    http: httpx.AsyncClient
    handle: WorkflowHandle[Any, Any]
    reference: str
    every: dict[str, Payload]

    async def rejected(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(60):
            while True:
                status = await read_status(self.up.client, self.up.register, self.reference)
                if status["rejected_count"] >= count:
                    assert status["rejected_count"] == count
                    return cast("list[dict[str, Any]]", status["rejected"])
                await asyncio.sleep(0.05)

    async def failed_tasks(self) -> list[str]:
        return [
            event.workflow_task_failed_event_attributes.failure.message
            async for event in self.handle.fetch_history_events()
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        ]


class InTheHeader(Interceptor):
    """Puts a payload in the header of each signal."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        payload = self._payload

        class Outbound(OutboundInterceptor):
            async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002
                input.headers = {**input.headers, "any": payload, "_tracer-data": payload}
                await super().signal_workflow(input)

        return Outbound(next)


@asynccontextmanager
async def _run(folder: Path, keys: dict[str, Any]) -> AsyncIterator[Run]:
    port = free_port()
    async with (
        system(folder, keys, port) as up,
        httpx.AsyncClient(
            base_url=f"http://{LOOPBACK}:{port}/api/v1/namespaces/default", trust_env=False
        ) as http,
    ):
        given = a_contract("REFUS-1")
        assert await start_onboarding(up.client, up.register, given)
        handle = up.client.get_workflow_handle(workflow_id("REFUS-1"))
        stranger = await Client.connect(up.address, data_converter=data_converter)
        yield Run(up, stranger, http, handle, "REFUS-1", _every(keys))


@pytest.fixture(scope="module", params=["in clear", "encrypted"])
async def run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Run]:
    keys = ROTATED if request.param == "encrypted" else {}
    async with _run(tmp_path_factory.mktemp("refused"), keys) as up:
        yield up


def test_this_version_of_the_sdk_was_proved() -> None:
    assert version("temporalio") in PROVED


async def test_nothing_that_cannot_be_decoded_stops_a_run(run: Run) -> None:
    handle = run.stranger.get_workflow_handle(run.handle.id)
    sent = 0
    for name in ("kickoff_planned", "no such fact", "__temporal_any"):
        for payload in run.every.values():
            await handle.signal(name, args=[RawValue(payload)])
            await handle.signal(name, args=[RawValue(payload), RawValue(payload)])
            sent += 2
    for payload in run.every.values():
        talkative = await Client.connect(
            run.up.address, data_converter=data_converter, interceptors=[InTheHeader(payload)]
        )
        await talkative.get_workflow_handle(run.handle.id).signal("kickoff_planned", {})
        sent += 1
    for payload in run.every.values():
        for name in ("kickoff_planned", "no such fact"):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(name, args=[RawValue(payload)])
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == "FactRefused"
        for query in ("status", "no such query"):
            try:
                await handle.query(query, RawValue(payload))
            except WorkflowQueryFailedError as error:
                assert "TMPRL" not in str(error)  # noqa: PT017 - an answer is right too

    rejected = await run.rejected(sent)
    assert len(rejected) == 50, "the last ones are kept"
    assert await run.failed_tasks() == []

    # What is ours still goes through, and the audit reads it all.
    soon = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()
    planned = {"starts_at": soon, "place": "Angers"}
    answer = await send_fact(run.up.client, run.reference, "kickoff_planned", planned)
    assert answer.outcome == "accepted"
    acts = await audit(run.up.client, run.up.register, run.reference)
    assert len(acts) > sent


async def test_the_refused_fact_keeps_what_it_held(run: Run) -> None:
    before = (await read_status(run.up.client, run.up.register, run.reference))["rejected_count"]
    handle = run.stranger.get_workflow_handle(run.handle.id)
    for name in ("former, whole", "message, whole", "marked JSON"):
        await handle.signal("kickoff_planned", args=[RawValue(REFERENCES[name])])
    kept = (await run.rejected(before + 3))[-3:]
    assert [one["payload"] for one in kept] == [
        _FORMER.decode(), _WHOLE.decode(), '{"starts_at": 1}',
    ]  # fmt: skip
    assert {one["reason"] for one in kept} == {"un seul objet JSON est attendu"}


async def test_by_the_http_api(run: Run) -> None:
    before = (await read_status(run.up.client, run.up.register, run.reference))["rejected_count"]
    bodies: list[Any] = [
        {"payloads": [json_format.MessageToDict(payload)]} for payload in run.every.values()
    ]
    # Its short form: the message by its type.
    bodies.append([{"_protoMessageType": _TYPE.decode(), "driverName": "s3", "claimData": {}}])
    for body in bodies:
        answer = await run.http.post(
            f"/workflows/{run.handle.id}/signal/kickoff_planned", json={"input": body}
        )
        assert answer.status_code == 200, answer.text
        answer = await run.http.post(
            f"/workflows/{run.handle.id}/query/status", json={"query": {"queryArgs": body}}
        )
        assert "TMPRL" not in answer.text
    await run.rejected(before + len(bodies))
    assert await run.failed_tasks() == []


async def test_a_contract_that_cannot_be_decoded_is_invalid(run: Run) -> None:
    for number, payload in enumerate(run.every.values()):
        handle = await run.stranger.start_workflow(
            WORKFLOW_TYPE,
            args=[RawValue(payload)],
            id=f"onboarding-REFUS-{number + 10}",
            task_queue=TASK_QUEUE,
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "InvalidContract"


async def test_a_memo_that_cannot_be_decoded_stops_nothing(run: Run) -> None:
    for number, payload in enumerate(run.every.values()):
        given = a_contract(f"MEMO-{number}")
        await run.stranger.start_workflow(
            WORKFLOW_TYPE,
            given.model_dump(mode="json"),
            id=workflow_id(given.reference),
            task_queue=TASK_QUEUE,
            memo={CONTRACT_MEMO: RawValue(payload), "any": RawValue(payload)},
        )
        async with asyncio.timeout(30):
            while True:
                try:
                    status = await read_status(run.up.client, run.up.register, given.reference)
                except Unanswered:  # It is opening.
                    await asyncio.sleep(0.05)
                else:
                    break
        assert status["reference"] == given.reference
