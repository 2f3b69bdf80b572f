"""What is shown of a run: search attributes, current details, the register's projection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    is_cancelled_exception,
)

from process.obligations import Deadline
from process.onboarding import Onboarding
from process.orders import Headline, Projection
from workflows import effects
from workflows.agenda import Wake
from workflows.document_links import link_to
from workflows.page import details
from workflows.reporting import headline, projection
from workflows.search_attributes import picture

_PAUSE: Final = timedelta(minutes=10)


_LOST: Final = "registre"
_LOST_MESSAGE: Final = (
    "Le registre ne connaît plus cet onboarding : documents et courriels ne peuvent plus y être "
    "notés. Le restaurer depuis la sauvegarde (docs/operations.md), puis « retry »"
)


class Display:
    """Keeps what others see of one onboarding up to date, and writes only what changed."""

    def __init__(self, o: Onboarding, stir: Callable[[], None]) -> None:
        self._o = o
        self._stir = stir
        self._attributes: dict[str, Any] = {}
        self._projected: Projection | None = None
        self._projecting: asyncio.Task[None] | None = None
        self.retry_at: datetime | None = None
        """When the register is tried again, after it was out of reach."""

    @property
    def idle(self) -> bool:
        """The register is not being written to."""
        return self._projecting is None

    def earliest(self, wake: Wake | None) -> Wake | None:
        """That instant, or the one at which the register is tried again."""
        if self.retry_at and (wake is None or self.retry_at < wake.at):
            return Wake(self.retry_at, "Registre, de nouveau")
        return wake

    def reap(self) -> None:
        """Let go of a projection that is done; a defect of ours in it fails the workflow task."""
        if self._projecting is not None and self._projecting.done():
            done, self._projecting = self._projecting, None
            done.result()

    def show(self, held: list[Deadline], now: datetime, *, quiet: bool, soon: bool) -> None:
        """Show where the onboarding stands; the register too, once it is ``quiet``: nothing is
        under way that would change the picture at once. Lists wait for another look that comes
        ``soon``."""
        shown = headline(self._o, held, now)
        if not soon or not self._attributes:
            self._upsert(shown)
        self._describe(held, now, completed=False)
        if self.retry_at and now >= self.retry_at:
            self.retry_at = None
        lost = any(point.id == _LOST for point in self._o.record.open_points)
        if quiet and self.idle and not (self.retry_at or lost or self._is_registered(shown)):
            whole = projection(self._o, held, now)
            if not self._says_the_same(whole):
                self._projected = whole
                self._projecting = asyncio.create_task(self._project(whole))

    async def show_the_end(self, held: list[Deadline], now: datetime) -> None:
        """Show the last picture; the register's is never given up."""
        last = projection(self._o, held, now, completed=True)
        self._upsert(last)
        self._describe(held, now, completed=True)
        try:
            await effects.project_the_end(last)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # Only a register that has lost the onboarding answers so: the run ends all the same.
            workflow.logger.error("the register does not know this onboarding")

    def _describe(self, held: list[Deadline], now: datetime, *, completed: bool) -> None:
        continued = workflow.info().continued_run_id is not None
        workflow.set_current_details(
            details(self._o, held, now, completed=completed, continued=continued, link=link_to)
        )

    def _upsert(self, shown: Headline) -> None:
        """Search attributes change when, and only when, they must."""
        wanted = picture(shown, self._o.contract.client.name)
        changed = [new for name, new in wanted.items() if self._attributes.get(name) != new]
        if changed:
            workflow.upsert_search_attributes(changed)
            self._attributes.update(wanted)

    def _is_registered(self, shown: Headline) -> bool:
        """Whether the register needs not be written: each writing is an event of the history, and
        a line of the timeline that says nothing to its reader."""
        seen = self._projected
        if seen is None or not self._o.record.headlines:
            return False
        return _looked_for(shown) == _looked_for(seen)

    def _says_the_same(self, whole: Projection) -> bool:
        """Of a run that writes each change of ``status``: whether there is none."""
        seen = self._projected
        if seen is None or self._o.record.headlines:
            return False
        return whole.model_copy(update={"at": seen.at}) == seen

    async def _project(self, shown: Projection) -> None:
        try:
            name = "registre" if self._o.record.headlines else "project_onboarding"
            await effects.project(shown, name)
        except FailureError as error:
            self._projected = None
            if _is_definitive(error):
                self._o.record.open_point(_LOST, "register", _LOST_MESSAGE, workflow.now())
                return
            # The next picture replaces this one, a little later; the last one is never given up.
            workflow.logger.warning("register out of reach, projection postponed")
            self.retry_at = workflow.now() + _PAUSE
        finally:
            self._stir()


def _is_definitive(error: BaseException | None) -> bool:
    """The register answered that it does not know the onboarding: to ask again changes nothing."""
    while error is not None:
        if isinstance(error, ApplicationError) and error.type == "UnknownOnboarding":
            return True
        error = error.__cause__
    return False


def _looked_for(shown: Headline) -> tuple[object, ...]:
    """What those who read the register of an open onboarding look for."""
    return (
        shown.step,
        shown.health,
        shown.missed_deadlines,
        shown.open_reserves,
        shown.in_charge,
    )
