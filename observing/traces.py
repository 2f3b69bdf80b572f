"""Traces (OpenTelemetry), from the door to the activities: one trace an onboarding.

Nothing of a payload, of an exception's words or of a person leaves with a span: ``_Discreet`` lets
through what it knows. Imported only when ``ONBOARDING_TRACES_ENDPOINT`` is set.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.api.common.v1 import Payload
from temporalio.contrib.opentelemetry import (
    TracingInterceptor,
    TracingWorkflowInboundInterceptor,
)
from temporalio.converter import PayloadConverter
from temporalio.worker import WorkflowInboundInterceptor, WorkflowInterceptorClassInput

from observing.requests import reference_in, route_of
from process.facts import FACTS

Program = Literal["worker", "service", "starter"]

_PATH: Final = "/v1/traces"
_COMMAND_PATIENCE: Final = 2.0
"""Seconds that a command waits for the collector: it has something else to tell."""

_ATTRIBUTES: Final = frozenset(
    {
        "temporalWorkflowID",
        "temporalRunID",
        "temporalActivityID",
        "onboarding.reference",
        "http.request.method",
        "http.response.status_code",
        "http.route",
    }
)
_PLAIN: Final = re.compile(r"[\w./{}:-]{1,200}", re.ASCII)
_SENT: Final = re.compile(r"(?P<how>\w*(?:Signal|Update|Query)\w*):(?P<name>.*)", re.DOTALL)
_NAMES: Final = frozenset({*FACTS, "status", "journal"})


@cache
def provider(endpoint: str, program: Program) -> TracerProvider:
    """Where the spans of this process go. A command exports each span as it ends, before it ends
    itself; the others in the background."""
    url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + _PATH
    made = TracerProvider(
        resource=Resource.create({"service.name": f"onboarding-{program}"}), shutdown_on_exit=False
    )
    if program == "starter":
        # A collector that is away is no business of who types a command.
        logging.getLogger("opentelemetry").propagate = False
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        made.add_span_processor(
            SimpleSpanProcessor(_Discreet(OTLPSpanExporter(url, timeout=_COMMAND_PATIENCE)))
        )
    else:
        made.add_span_processor(BatchSpanProcessor(_Discreet(OTLPSpanExporter(url))))
    return made


class Tracing(TracingInterceptor):
    """The SDK's interceptor, which believes no header it did not write: a sender of any could stop
    a run otherwise."""

    def __init__(self, endpoint: str, program: Program) -> None:
        super().__init__(provider(endpoint, program).get_tracer("onboarding"))
        self.text_map_propagator = _PROPAGATOR
        self.payload_converter = _Carrier()

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - the SDK names it
    ) -> type[TracingWorkflowInboundInterceptor]:
        """The side of it that lives in a workflow."""
        super().workflow_interceptor_class(input)
        return _InWorkflow


class _InWorkflow(TracingWorkflowInboundInterceptor):
    def __init__(self, next: WorkflowInboundInterceptor) -> None:  # noqa: A002 - the SDK names it
        super().__init__(next)
        self.text_map_propagator = _PROPAGATOR
        self.payload_converter = _Carrier()


_PROPAGATOR: Final = TraceContextTextMapPropagator()
"""Without baggage, which may hold anything."""


class _Carrier(PayloadConverter):
    """Reads ``traceparent`` of the header of a trace, and nothing else of it."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        return self.default.to_payloads(values)

    def from_payloads(
        self,
        payloads: Sequence[Payload],
        type_hints: list[type] | None = None,  # noqa: ARG002 - the SDK's signature
    ) -> list[Any]:
        return [_parent(payload) for payload in payloads]


def _parent(payload: Payload) -> dict[str, str]:
    try:
        [carrier] = PayloadConverter.default.from_payloads([payload])
    except Exception:  # noqa: BLE001 - whatever a sender wrote there, there is no parent
        return {}
    parent = carrier.get("traceparent") if isinstance(carrier, Mapping) else None
    return {"traceparent": parent} if isinstance(parent, str) else {}


class _Discreet(SpanExporter):
    """Lets known attributes through, and neither events, states nor the words of an exception."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_discreet(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _discreet(span: ReadableSpan) -> ReadableSpan:
    attributes: dict[str, Any] = {
        name: value
        for name, value in (span.attributes or {}).items()
        if name in _ATTRIBUTES and _PLAIN.fullmatch(str(value))
    }
    failed = span.status.status_code is StatusCode.ERROR
    if failed and (kind := re.match(r"[A-Za-z_]\w*", span.status.description or "")):
        attributes["error.type"] = kind[0]
    name = span.name
    if (sent := _SENT.fullmatch(name)) and sent["name"] not in _NAMES:
        name = f"{sent['how']}:?"
    return ReadableSpan(
        name=name if sent or _PLAIN.fullmatch(name.replace(" ", "")) else "?",
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=[Link(link.context) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


class TracedDoor:
    """A span for each request to an application, the first of its trace: what a sender says of a
    trace of its own is not believed."""

    def __init__(self, app: ASGIApp, endpoint: str) -> None:
        self._app = app
        self._tracer = provider(endpoint, "service").get_tracer("onboarding")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/health/"):
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        with self._tracer.start_as_current_span(
            method, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:  # noqa: PLR2004 - HTTP's own
                        span.set_status(StatusCode.ERROR)
                await send(message)

            try:
                await self._app(scope, receive, sending)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.request.method": method, "http.route": route})
                if reference := reference_in(scope):
                    span.set_attribute("onboarding.reference", reference)
