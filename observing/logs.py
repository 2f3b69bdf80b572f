"""Logs: one line an event, as text or JSON, with the contract, the run and the activity it is about.

What an exception says may quote a payload, an address or a server's answer: its kind and the place
it was raised at are logged, its words are not. They are in the run's history, encrypted with it.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO
from urllib.parse import unquote

import structlog
from temporalio import activity, workflow

from process.fields import REFERENCE

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import Processor

LogFormat = Literal["text", "json"]

_FRAMES: Final = 12
"""The innermost frames of an exception that are told."""

_FIELDS: Final[dict[str, str]] = {
    "workflow_id": "workflow_id",
    "run_id": "run_id",
    "workflow_run_id": "run_id",
    "workflow_type": "workflow",
    "activity_type": "activity",
    "attempt": "attempt",
}
"""What is told of a workflow or an activity, by the SDK's own names."""

_AT: Final = r"(?:[@\uff20\ufe6b]|&#(?:64|x40);|\\u0040)"
_ADDRESS: Final = re.compile(
    rf"(?:(?!{_AT})[^\s<>\"'(),;:=/])+{_AT}[^\s<>\"'(),;:=/\\@]+", re.IGNORECASE
)
_ENCODED: Final = re.compile(r"%[0-9a-f]{2}", re.IGNORECASE)
_DECODINGS: Final = 4
"""How many times an address may have been percent-encoded, one in another."""
_PHONE: Final = re.compile(r"(?<![\w-])(?:\+33\s?|0)[1-9](?:[ .-]?\d{2}){4}(?![\w-])")
_ID: Final = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_RUN: Final = re.compile(rf"(?:onboarding|signature)-(?P<reference>{REFERENCE})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def configure(log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Send every log of this process to ``stream`` (standard error) in that format, the Temporal
    SDK's included."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Below, theirs shows whole payloads, whatever the level of the others.
    logging.getLogger("temporalio").setLevel(logging.INFO)
    # The fields say it already.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False


def formatter(log_format: LogFormat) -> logging.Formatter:
    """What writes a record of anybody's as one line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _context,
        _exception,
        _masked,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if log_format == "json" else _text
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )


def about(**fields: str) -> None:
    """Say these fields in every line of the task under way, until it ends."""
    structlog.contextvars.bind_contextvars(**fields)


def reference_of(workflow_id: str) -> str | None:
    """The contract's reference in the id of a workflow of ours."""
    named = _RUN.fullmatch(workflow_id)
    return named["reference"] if named else None


def masked(text: str) -> str:
    """The text without anything that looks like an e-mail address or a telephone number, and
    without what would forge another line. The last resort: nothing of the sort should come here.
    A path is percent-encoded, perhaps twice: what hides in it is looked for decoded."""
    decoded = text
    for _ in range(_DECODINGS):
        if not _ENCODED.search(decoded):
            break
        decoded = unquote(decoded)
    if _ADDRESS.search(decoded) or _PHONE.search(decoded):
        text = decoded
    text = _PHONE.sub("‹téléphone›", _ADDRESS.sub("‹adresse›", text))
    return _CONTROL.sub("?", text)


Event = MutableMapping[str, Any]


def _context(_logger: object, _method: str, event: Event) -> Event:
    """The run and the activity that a record of the SDK, or one made in them, is about."""
    record: logging.LogRecord = event["_record"]
    given: dict[str, Any] = {}
    for name in ("temporal_workflow", "temporal_activity"):
        one = getattr(record, name, None)
        if isinstance(one, Mapping):
            given |= one
    if (core := getattr(record, "temporal_log", None)) is not None:
        given |= {name: core.fields.get(name) for name in _FIELDS if name in core.fields}
    for theirs, ours in _FIELDS.items():
        value = given.get(theirs)
        # An id from outside may be any text: one of ours has no blank and no sign.
        if isinstance(value, int) or (isinstance(value, str) and _ID.fullmatch(value)):
            event[ours] = value
    if "reference" not in event and (known := reference_of(str(event.get("workflow_id", "")))):
        event["reference"] = known
    return event


def _exception(_logger: object, _method: str, event: Event) -> Event:
    """The kinds of an exception and of its causes, and where it was raised: not its words."""
    raised = event.pop("exc_info", None)
    record: logging.LogRecord = event["_record"]
    if raised is True or raised is None:
        raised = record.exc_info
    error = raised[1] if isinstance(raised, tuple) else raised
    # Nobody else renders it after us.
    record.exc_info = record.exc_text = None
    event.pop("stack_info", None)
    if isinstance(error, BaseException):
        event["error"] = _kinds(error)
        event["raised_at"] = _frames(error.__traceback__)
    return event


def _kinds(error: BaseException) -> str:
    """``ActivityError < ApplicationError(MailDeferred)``: from the last raised to its cause."""
    kinds: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        type_ = getattr(one, "type", None)
        told = isinstance(type_, str) and re.fullmatch(r"[A-Za-z]\w{0,60}", type_)
        kinds.append(f"{type(one).__name__}({type_})" if told else type(one).__name__)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return " < ".join(kinds)


def _frames(where: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(where)[-_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _masked(_logger: object, _method: str, event: Event) -> Event:
    # The first line only: in the others the SDK, asyncio and uvicorn quote exceptions and payloads.
    first, *_ = str(event["event"]).strip().splitlines() or [""]
    event["event"] = first
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = masked(value)
    return event


def _text(_logger: object, _method: str, event: Event) -> str:
    head = [event.pop("timestamp"), event.pop("level").upper(), event.pop("logger")]
    frames = "".join(f"\n    {frame}" for frame in reversed(event.pop("raised_at", [])))
    words = event.pop("event")
    fields = [f"{name}={value}" for name, value in event.items()]
    return " ".join([*head, words, *fields]) + frames
