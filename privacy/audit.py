"""Who did what, through which door: read from Temporal's own histories and from the register.

Nothing is added to a history for it, and no content leaves one: names of facts and outcomes do.
A name is what a client declares, unless the server authenticated it (``principal``); a message of
the HTTP service was signed.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from sqlalchemy import select
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.service import RPCError, RPCStatusCode

from encryption import is_encrypted
from process.facts import FACTS
from process.fields import REFERENCE
from register.models import Delivery, PasswordReading
from register.store import Audited
from workflows.names import WORKFLOW_TYPE, workflow_id

if TYPE_CHECKING:
    from temporalio.api.common.v1 import Payload
    from temporalio.api.history.v1 import HistoryEvent
    from temporalio.client import Client, WorkflowExecution
    from temporalio.converter import DataConverter

    from register.store import Register

Door = Literal["http", "cli", "temporal", "system"]


class Sent(Protocol):
    """A message of another service, signed by it."""

    @property
    def sender(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def sha256(self) -> str: ...


_UPDATE_ID: Final = re.compile(r"(?P<door>http|cli):(?P<who>[^:\s]{1,100}):[0-9a-f-]{36}")
_COMMAND: Final = re.compile(r"starter\.py (?P<who>\S{1,200})")
_SERVICE: Final = re.compile(r"service\b.*")
_FACT_PATH: Final = re.compile(rf"/onboardings/(?P<reference>{REFERENCE})/facts/(?P<fact>\w+)")
_LONGEST: Final = 200
"""Of a text that comes from outside."""

_E: Final = EventType
_BARE_ACTS: Final[dict[int, str]] = {
    _E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: "cancel_requested",
    _E.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
    _E.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED: "paused",
    _E.EVENT_TYPE_WORKFLOW_EXECUTION_UNPAUSED: "unpaused",
}
"""Those of which nothing is told but who did them."""

_OVER: Final = "'Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut'"
_CALL_TIMEOUT: Final = timedelta(seconds=10)


async def audit(client: Client, register: Register, reference: str) -> list[Audited]:
    """Every act on that onboarding, the oldest first: what Temporal still knows, and what the
    register kept."""
    found = {one.key: one for one in await _registered(register, reference)}
    async for run_id in _runs(client, workflow_id(reference)):
        found |= {one.key: one for one in await _acts(client, reference, run_id)}
    # What was kept had been judged with the keys of then.
    found |= {one.key: one for one in await register.audited(reference)}
    return sorted(found.values(), key=lambda one: (one.at, one.key))


async def keep(client: Client, register: Register) -> int:
    """Copy to the register the acts of the runs that are over, which Temporal forgets some time
    later, once each; how many runs were copied."""
    copied = {one.subject for one in await register.audited(act="run_over")}
    count = 0
    over = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus IN ({_OVER})"
    async for run in client.list_workflows(over):
        if run.run_id not in copied:
            acts = await _acts(client, _reference(run), run.run_id)
            await register.record(*acts, _over(run))
            count += 1
    return count


async def _registered(register: Register, reference: str) -> list[Audited]:
    """The messages taken and the passwords read, as acts."""
    readings = select(PasswordReading).where(PasswordReading.onboarding == reference)
    deliveries = select(Delivery).where(Delivery.onboarding == reference)
    async with register.change() as session:
        read = (await session.scalars(readings)).all()
        taken = (await session.scalars(deliveries)).all()
    return [delivered(one) for one in taken] + [
        Audited(
            key=f"password:{one.id}",
            onboarding=reference,
            at=one.read_at,
            door="cli",
            who=one.read_by,
            act="password_read",
        )
        for one in read
    ]


def delivered(message: Delivery) -> Audited:
    """A signed message that was taken, as an act."""
    return Audited(
        key=f"delivery:{message.sender}:{message.message_id}",
        onboarding=message.onboarding,
        at=message.received_at,
        door="http",
        who=message.sender,
        act="message",
        subject=subject_of(message.path),
        outcome=message.outcome,
    )


def refused(message: Sent, at: datetime) -> Audited:
    """A signed message that was refused, as an act: without the reason, which may quote it. The
    same message sent again is the same act."""
    named = _FACT_PATH.fullmatch(message.path)
    return Audited(
        key=f"refused:{message.sender}:{message.id}:{message.sha256}",
        onboarding=named["reference"] if named else None,
        at=at,
        door="http",
        who=message.sender,
        act="message_refused",
        subject=subject_of(message.path),
        outcome="refused",
    )


def subject_of(path: str) -> str:
    """What a message was about, by the address it was sent to: a fact, else a contract."""
    named = _FACT_PATH.fullmatch(path)
    return named["fact"] if named and named["fact"] in FACTS else "contract"


def _over(run: WorkflowExecution) -> Audited:
    """The mark of a run that was copied to its end."""
    return Audited(
        key=f"temporal:{run.run_id}:over",
        onboarding=_reference(run),
        at=run.close_time or datetime.now(UTC),
        door="system",
        who="clean",
        act="run_over",
        subject=run.run_id,
    )


def _reference(run: WorkflowExecution) -> str:
    return run.id.removeprefix(workflow_id(""))[:64]


async def _runs(client: Client, id_: str) -> AsyncIterator[str]:
    """The ids of its runs. The SDK's own list fails on a run that is paused, which it has no name
    for."""
    asked = ListWorkflowExecutionsRequest(namespace=client.namespace, query=f"WorkflowId = '{id_}'")
    while True:
        listed = await client.workflow_service.list_workflow_executions(
            asked, timeout=_CALL_TIMEOUT
        )
        for run in listed.executions:
            yield run.execution.run_id
        asked.next_page_token = listed.next_page_token
        if not asked.next_page_token:
            return


async def _acts(client: Client, reference: str, run_id: str) -> list[Audited]:
    """Those of one run; none when the server has just forgotten it."""
    handle = client.get_workflow_handle(workflow_id(reference), run_id=run_id)
    reading = _Reading(client.data_converter, reference, run_id)
    try:
        async for event in handle.fetch_history_events():
            await reading.hear(event)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    return list(reading.acts.values())


class _Reading:
    """One history, event by event."""

    def __init__(self, converter: DataConverter, reference: str, run_id: str) -> None:
        self._converter = converter
        self._reference = reference
        self._run_id = run_id
        self._updates: dict[str, str] = {}
        self.acts: dict[str, Audited] = {}

    async def hear(self, event: HistoryEvent) -> None:
        attributes: Any = getattr(event, event.WhichOneof("attributes") or "", None)
        match event.event_type:
            case _E.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
                # A run that takes over from another one is nobody's act.
                if not attributes.continued_execution_run_id:
                    clear = self._clear(attributes.input.payloads)
                    self._add(event, attributes.identity, "started", in_clear=clear)
            case _E.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
                clear = self._clear(attributes.input.payloads)
                name = attributes.signal_name
                self._add(event, attributes.identity, "signal", subject=name, in_clear=clear)
            case _E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                asked = attributes.accepted_request
                self._updates[asked.meta.update_id] = self._add(
                    event,
                    asked.meta.identity,
                    "fact",
                    subject=asked.input.name,
                    in_clear=self._clear(asked.input.args.payloads),
                    update_id=asked.meta.update_id,
                )
            case _E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
                await self._answered(attributes)
            case _E.EVENT_TYPE_WORKFLOW_TASK_FAILED if attributes.base_run_id:
                # What came before was copied from the run that was reset: it is told there.
                self.acts.clear()
                self._add(event, attributes.identity, "reset")
            case other if other in _BARE_ACTS:
                self._add(event, attributes.identity, _BARE_ACTS[other])

    async def _answered(self, completed: Any) -> None:
        key = self._updates.get(completed.meta.update_id)
        if key in self.acts:
            outcome = await self._outcome(completed.outcome)
            self.acts[key] = self.acts[key].model_copy(update={"outcome": outcome})

    def _add(  # noqa: PLR0913 - the parts of an act, each by its name
        self,
        event: HistoryEvent,
        identity: str,
        act: str,
        *,
        subject: str | None = None,
        in_clear: bool | None = None,
        update_id: str = "",
    ) -> str:
        door, who = door_of(identity, update_id)
        key = f"temporal:{self._run_id}:{event.event_id}"
        self.acts[key] = Audited(
            key=key,
            onboarding=self._reference,
            at=event.event_time.ToDatetime(UTC),
            door=door,
            who=_plain(event.principal.name) or who,
            act=act,
            subject=None if subject is None else _plain(subject),
            in_clear=in_clear,
        )
        return key

    def _clear(self, payloads: Iterable[Payload]) -> bool | None:
        if self._converter.payload_codec is None:
            return None
        return any(not is_encrypted(one) for one in payloads)

    async def _outcome(self, outcome: Any) -> str | None:
        if outcome.HasField("failure"):
            return "refused"
        try:
            [answer] = await self._converter.decode(outcome.success.payloads, [dict[str, Any]])
            return str(answer["outcome"])
        except (RuntimeError, ValueError, TypeError, KeyError):
            # Its key is not among ours any more.
            return None


def door_of(identity: str, update_id: str = "") -> tuple[Door, str]:
    """The door that was taken, and who took it, as they declare."""
    if marked := _UPDATE_ID.fullmatch(update_id):
        return ("http" if marked["door"] == "http" else "cli"), _plain(marked["who"])
    if command := _COMMAND.fullmatch(identity):
        return "cli", _plain(command["who"])
    if _SERVICE.fullmatch(identity):
        return "http", _plain(identity)
    return "temporal", _plain(identity)


def _plain(text: str) -> str:
    """No control character, and no more than a line."""
    return "".join(c for c in text if c.isprintable())[:_LONGEST]
