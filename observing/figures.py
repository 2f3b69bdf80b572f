"""The gauges of a worker, every minute: where the onboardings stand, as Temporal has it, which limits
are passed and which mails wait, as the register has it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, get_args

from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from process.health import Health
from process.obligations import OBLIGATIONS
from process.vocabulary import STEP_TITLES
from register.figures import Missed, mail_backlog, missed
from workflows.names import LONE_SIGNATURE_TYPE, WORKFLOW_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from temporalio.client import Client
    from temporalio.common import MetricMeter

    from register.store import Register
    from storage.document_store import DocumentStore

_EVERY_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 30.0
_CALL_TIMEOUT: Final = timedelta(seconds=10)
_BACKLOG: Final = timedelta(hours=1)
_SHOWN_FOR: Final = timedelta(days=7)
"""How long a weekly point that was missed is shown: its week is over, nothing closes it."""

_OPEN: Final = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"
_STUCK: Final = (
    f"WorkflowType IN ('{WORKFLOW_TYPE}', '{LONE_SIGNATURE_TYPE}') AND ExecutionStatus = 'Running' "
    "AND TemporalReportedProblems IS NOT NULL"
)
_HEALTHS: Final = get_args(Health)
_SIDES: Final = ("mileo", "client")

_log: Final = logging.getLogger("onboarding.worker")


Open = dict[tuple[str, str], int]
"""How many onboardings are open, by step and health."""


async def open_runs(client: Client) -> Open:
    """Counted by Temporal, exactly and at once: the register's picture waits for a quiet moment.
    One question a couple, of the steps where there is anybody: servers group by no attribute of
    ours."""

    async def number(condition: str) -> int:
        counted = await client.count_workflows(
            f"{_OPEN} AND {condition}", rpc_timeout=_CALL_TIMEOUT
        )
        return counted.count

    found: Open = {}
    for step in map(str, STEP_TITLES):
        at_step = f"OnboardingStep = '{step}'"
        anybody = await number(at_step)
        for health in _HEALTHS:
            found[step, health] = (
                await number(f"{at_step} AND OnboardingHealth = '{health}'") if anybody else 0
            )
    return found


async def stuck_runs(client: Client) -> int:
    """How many runs have a task that fails again and again: the server marks them itself, after
    five failures in a row, and no longer once a task was done."""
    return (await client.count_workflows(_STUCK, rpc_timeout=_CALL_TIMEOUT)).count


class Figures:
    """Asks how things stand and sets the gauges."""

    def __init__(
        self,
        standing: Callable[[], Awaitable[Open]],
        stuck: Callable[[], Awaitable[int]],
        register: Register,
        store: DocumentStore,
        meter: MetricMeter,
    ) -> None:
        self._standing = standing
        self._stuck = stuck
        self._register = register
        self._store = store
        self._meter = meter

    async def refresh(self, now: datetime) -> None:
        """Set every gauge. When the register is away, the last values stand and
        ``onboarding_register_up`` says so."""
        self._set("onboarding_documents_up", int(await _answers(self._store.answer())))
        there = await _answers(self._read(now))
        self._set("onboarding_register_up", int(there))
        await _answers(self._count())
        await _answers(self._count_stuck())

    async def _count(self) -> None:
        # Zeros too: a gauge that is no longer set would keep its last value for ever.
        for (step, health), number in (await self._standing()).items():
            self._set("onboarding_open", number, step=step, health=health)

    async def _count_stuck(self) -> None:
        self._set("onboarding_stuck", await self._stuck())

    async def _read(self, now: datetime) -> None:
        backlog = await mail_backlog(self._register, now - _BACKLOG)
        late: Counter[tuple[str, str]] = Counter()
        async for one in missed(self._register):
            late.update(_late(one, now))
        for code in OBLIGATIONS:
            for side in _SIDES:
                number = late[code, side]
                self._set("onboarding_missed_limits", number, obligation=code, because_of=side)
        self._set("onboarding_mail_backlog", backlog)

    def _set(self, name: str, value: int, **labels: str) -> None:
        self._meter.create_gauge(name).set(value, labels)


def _late(one: Missed, now: datetime) -> list[tuple[str, str]]:
    """The limits that are passed and not done, each by its obligation and by who holds it up."""
    fixed = {str(reserve["number"]) for reserve in one.reserves if reserve["state"] == "fixed"}
    return [
        (limit["obligation"], _side(limit, fixed))
        for limit in one.deadlines
        if limit["state"] == "missed"
        and not limit.get("met_at")
        and limit["obligation"] in OBLIGATIONS
        and not (limit["obligation"] == "O6" and _past(limit, now))
    ]


def _side(limit: Mapping[str, Any], fixed: set[str]) -> str:
    """A réserve that Mileo has fixed waits for the client's word; all else is Mileo's to do."""
    waits = limit["obligation"] == "O12" and str(limit.get("key")) in fixed
    return "client" if waits else "mileo"


def _past(limit: Mapping[str, Any], now: datetime) -> bool:
    due = limit.get("due_at")
    return due is not None and datetime.fromisoformat(due) + _SHOWN_FOR < now


async def _answers(asked: Awaitable[object]) -> bool:
    try:
        await asyncio.wait_for(asked, _PATIENCE_SECONDS)
    except (SQLAlchemyError, OSError, RPCError) as error:
        # Only its kind: the drivers' texts may carry the address, password included.
        _log.warning("mesures : pas de réponse (%s)", type(error).__name__)
        return False
    return True


@asynccontextmanager
async def kept_up_to_date(
    client: Client, register: Register, store: DocumentStore, meter: MetricMeter
) -> AsyncIterator[None]:
    """Refresh the gauges every minute for the time of the block."""
    figures = Figures(lambda: open_runs(client), lambda: stuck_runs(client), register, store, meter)

    async def refreshing() -> None:
        while True:
            try:
                await figures.refresh(datetime.now(UTC))
            except Exception:  # noqa: BLE001 - whatever becomes of a measure, the worker works on
                _log.exception("mesures : non relevées")
            await asyncio.sleep(_EVERY_SECONDS)

    task = asyncio.create_task(refreshing())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
