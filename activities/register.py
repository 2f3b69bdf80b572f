"""The activities that read and write the register."""

from __future__ import annotations

from datetime import date

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.working_days import read_worked_days
from process import editions
from process.calendar import paris_day
from process.contract import Contract, fingerprint
from process.fields import HELD
from process.orders import Opening, OpenOnboarding, Projection, ReadWorkedDays, WorkedDays
from process.refusals import problems
from register.store import Register
from settings import Settings

_YEARS_BEFORE = 1
_YEARS_AFTER = 3
"""The calendar covers more than an onboarding lasts; beyond, the run asks for later years."""


class RegisterActivities:
    """The register and the working calendar, for the workflow."""

    def __init__(self, register: Register, settings: Settings) -> None:
        self._register = register
        self._settings = settings

    @activity.defn(name="open_onboarding")
    async def open_onboarding(self, order: OpenOnboarding) -> Opening:
        """Claim the contract's reference, and read the calendar and the settings that the run
        records for its life (PROCESS 3.6). Done twice for the same run, it answers the same.

        Fails with the non-retryable ``InvalidContract``, the problems by field in its details.
        """
        contract = await self._valid(order)
        reason = await self._register.claim(order, fingerprint(contract))
        days = [paris_day(contract.signed_at), paris_day(order.started_at)]
        if contract.maintenance and isinstance(contract.maintenance.effective, date):
            days.append(contract.maintenance.effective)
        years = [day.year for day in days]
        calendar = read_worked_days(
            {site.zone for site in contract.sites},
            min(years) - _YEARS_BEFORE,
            max(years) + _YEARS_AFTER,
            self._settings.calendar,
        )
        return Opening(
            claimed=reason is None,
            reason=reason,
            calendar=calendar,
            policy=self._settings.policy.model_dump(mode="json"),
            headlines=True,
            frugal=True,
            edition=editions.CURRENT,
        )

    async def _valid(self, order: OpenOnboarding) -> Contract:
        try:
            contract = Contract.model_validate(order.contract, context=HELD)
        except ValidationError as error:
            found = [str(problem) for problem in problems(error)]
        else:
            # Where another run has the reference, that is the answer.
            if not order.doubts or await self._register.onboarding(contract.reference):
                return contract
            found = order.doubts
        # Outside the handler: pydantic's error, which quotes the contract, must not be chained.
        raise ApplicationError("\n".join(found), *found, type="InvalidContract", non_retryable=True)

    @activity.defn(name="read_worked_days")
    async def read_worked_days(self, order: ReadWorkedDays) -> WorkedDays:
        """Read the calendar again, for other years (PROCESS 3.6)."""
        return read_worked_days(
            order.zones, order.first_year, order.last_year, self._settings.calendar
        )

    @activity.defn(name="is_signature_alone")
    async def is_signature_alone(self, reference: str) -> bool:
        """Whether a signature still waits for its contract (DESIGN, section 3)."""
        if await self._register.onboarding(reference) is not None:
            return False
        kept = await self._register.draft(reference)
        return kept is not None and kept.contract is None

    @activity.defn(name="project_onboarding")
    async def project_onboarding(self, projection: Projection) -> None:
        """Keep the picture of an onboarding; an older one than the register has is dropped.

        Fails with the non-retryable ``UnknownOnboarding``.
        """
        try:
            await self._register.project(projection)
        except KeyError:
            message = f"onboarding inconnu du registre : {projection.onboarding}"
            raise ApplicationError(message, type="UnknownOnboarding", non_retryable=True) from None

    @activity.defn(name="registre")
    async def show(self, projection: Projection) -> None:
        """The same, under the name that the timeline shows to its readers."""
        await self.project_onboarding(projection)
