"""Metrics, on an address of their own: the SDK's (``temporal_*``) and ours (``onboarding_*``).

No label is a person, a contract or anything a sender chooses.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from temporalio import activity
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from process.orders import DocumentOrder
from settings import PREFIX, SettingsError

if TYPE_CHECKING:
    from temporalio.common import MetricMeter

COUNTED_DOCUMENTS: Final = "onboarding_documents"
COUNTED_FACTS: Final = "onboarding_facts"
"""Counters, without the ``_total`` that Prometheus is shown."""


def watched_runtime(address: str | None) -> Runtime:
    """The SDK's runtime for a program that lasts: its metrics at that ``host:port``, if given, and
    its core's logs among ours.

    Raises ``SettingsError`` when the address cannot be had.
    """
    metrics = (
        PrometheusConfig(
            bind_address=address,
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
        )
        if address
        else None
    )
    # The core writes by itself otherwise, failures of activities with their words included.
    forwarded = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"),
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,
    )
    kept = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarded)
    try:
        return Runtime(telemetry=TelemetryConfig(logging=kept, metrics=metrics))
    except (RuntimeError, ValueError):
        raise SettingsError(
            [f"{PREFIX}METRICS_ADDRESS : adresse impossible ou déjà prise : {address}"]
        ) from None


def count(meter: MetricMeter, name: str, **labels: str) -> None:
    """Add one to a counter."""
    meter.create_counter(name).add(1, labels)


class CountsDocuments(Interceptor):
    """Counts the documents that the activities of a worker issue."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK names it
        """Stand before the activities."""
        return _Counting(next)


class _Counting(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK names it
        done = await super().execute_activity(input)
        if input.args and isinstance(order := input.args[0], DocumentOrder):
            count(activity.metric_meter(), COUNTED_DOCUMENTS, kind=order.kind)
        return done
