"""Every onboarding in one table: those that run, from Temporal's visibility, and on demand those
that are over: from the register and, for what it could not be told, from the visibility again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from temporalio.service import RPCError, RPCStatusCode

from process.calendar import paris
from process.french import hour
from process.vocabulary import HEALTH_NAMES, OVER
from reception import CALL_TIMEOUT, Refused, explained
from situation import step_title
from workflows.names import WORKFLOW_TYPE, workflow_id
from workflows.search_attributes import (
    CLIENT_NAME,
    CONTRACT_REFERENCE,
    NEXT_DEADLINE,
    ONBOARDING_HEALTH,
    ONBOARDING_STEP,
    PROJECT_MANAGER,
)

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowExecution

    from register.store import Register, RegisteredOnboarding

TITLES: Final = ("Référence", "Client", "Étape", "Santé", "Chef de projet", "Prochaine échéance")
_BROKEN_OFF: Final = ("Canceled", "Failed", "Terminated", "TimedOut")
"""How a run ends that does not end by itself."""
_NONE: Final = "—"


@dataclass(frozen=True)
class Wanted:
    """What is asked for. The values are checked: they become part of a query."""

    step: str | None = None
    health: str | None = None
    manager: str | None = None
    closed: bool = False

    @property
    def query(self) -> str:
        """The running ones, for Temporal's visibility."""
        asked = {
            ONBOARDING_STEP: self.step,
            ONBOARDING_HEALTH: self.health,
            PROJECT_MANAGER: self.manager,
        }
        named = {key.name: value for key, value in asked.items() if value is not None}
        fixed = {"WorkflowType": WORKFLOW_TYPE, "ExecutionStatus": "Running"}
        return " AND ".join(f"{name} = '{value}'" for name, value in (fixed | named).items())

    @property
    def with_those_over(self) -> bool:
        """Whether those that are over are asked for too."""
        return self.closed or self.step in OVER

    def takes(self, line: Line) -> bool:
        """Whether an onboarding that is over is asked for."""
        return (
            self.step in (None, line.step)
            and self.health in (None, line.health)
            and self.manager in (None, line.project_manager)
        )


@dataclass(frozen=True)
class Line:
    """One onboarding; None is what it does not say (yet). ``step`` is also ``stopped`` for one that
    was stopped by force, and ``unopened`` for one that ended before it opened."""

    reference: str
    client: str | None
    step: str | None
    health: str | None
    project_manager: str | None
    next_deadline: datetime | None
    closed_at: datetime | None = None

    def plain(self) -> dict[str, Any]:
        """As ``status`` writes it: the step is a number, instants are those of Paris."""
        step = int(self.step) if self.step and self.step.isdecimal() else self.step
        instants = {
            name: value and paris(value).isoformat()
            for name, value in (
                ("next_deadline", self.next_deadline),
                ("closed_at", self.closed_at),
            )
        }
        return asdict(self) | {"step": step} | instants

    def in_french(self) -> tuple[str, ...]:
        return (
            self.reference,
            self.client or _NONE,
            step_title(self.step) if self.step else _NONE,
            HEALTH_NAMES.get(self.health or "", self.health or _NONE),
            self.project_manager or _NONE,
            _moment(self.next_deadline) if self.next_deadline else _NONE,
        )


async def found(client: Client, register: Register, wanted: Wanted) -> list[Line]:
    """The onboardings that are asked for, by reference. Raises ``Refused``."""
    lines = {}
    try:
        async for run in client.list_workflows(wanted.query, rpc_timeout=CALL_TIMEOUT):
            line = _shown(run)
            lines[line.reference] = line
        over = await _over(client, register, wanted) if wanted.with_those_over else []
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            message = f"le serveur Temporal n'a pas l'espace de noms « {client.namespace} »"
            raise Refused(message) from error
        raise explained(error, "") from error
    lines = {line.reference: line for line in over} | lines
    return [lines[reference] for reference in sorted(lines)]


async def _over(client: Client, register: Register, wanted: Wanted) -> list[Line]:
    """Those that are over, as the register tells them. One that was stopped by force could not tell
    it its end, nor could one that ended before it opened tell it anything."""
    lines = {row.reference: _told(row) for row in await register.closed()}
    ended = ", ".join(f"'{status}'" for status in _BROKEN_OFF)
    query = f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus IN ({ended})"
    async for run in client.list_workflows(query, rpc_timeout=CALL_TIMEOUT):
        line = _shown(run)
        if line.reference not in lines:
            row = await register.onboarding(line.reference)
            told = replace(line, step="unopened") if row is None else _told(row)
            lines[line.reference] = replace(told, next_deadline=None, closed_at=run.close_time)
    return [line for line in lines.values() if wanted.takes(line)]


def _shown(run: WorkflowExecution) -> Line:
    shown = run.typed_search_attributes
    return Line(
        # A direct client may start one without its attributes: the worker sets them a bit later.
        reference=shown.get(CONTRACT_REFERENCE) or run.id.removeprefix(workflow_id("")),
        client=shown.get(CLIENT_NAME),
        step=shown.get(ONBOARDING_STEP),
        health=shown.get(ONBOARDING_HEALTH),
        project_manager=shown.get(PROJECT_MANAGER),
        next_deadline=shown.get(NEXT_DEADLINE),
    )


def _told(row: RegisteredOnboarding) -> Line:
    stopped = "unopened" if row.status is None else "stopped"
    return Line(
        reference=row.reference,
        client=row.client_name,
        step=row.step if row.step in OVER else stopped,
        health=row.health,
        project_manager=row.project_manager,
        # Nothing is due any more.
        next_deadline=None,
        closed_at=row.closed_at,
    )


def _moment(instant: datetime) -> str:
    """``01/06/2026 8 h 00``, in Paris."""
    there = paris(instant)
    return f"{there:%d/%m/%Y} {hour(there)}"
