"""The seven steps of PROC-CRM-003, in the order of the text.

Each module says, for its step, what leaves (``sendings``), what is awaited (``expected``) and
when it is over (``finished``), from what is known and nothing else. They are not a queue: every
step is looked at whenever something happens.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final, Protocol, cast

from process.onboarding import Onboarding
from process.orders import Sending
from workflows.sendings import Expected
from workflows.steps import (
    step1_kickoff,
    step2_deployment,
    step3_training,
    step4_recette,
    step5_doe,
    step6_maintenance,
    step7_evaluation,
)


class Step(Protocol):
    """What a module of this package offers."""

    def sendings(
        self, o: Onboarding, now: datetime, gone: Collection[str] = ()
    ) -> Iterator[Sending]:
        """Everything the step has to send, past and future. Of the keys that are ``gone``, those
        that are many or take long to write are left out."""

    def expected(self, o: Onboarding, now: datetime) -> Iterator[Expected]:
        """The facts awaited next."""

    def finished(self, o: Onboarding) -> bool:
        """Whether the step is over (PROCESS, section 4)."""


STEPS: Final[dict[int, Step]] = {
    number: cast("Step", module)
    for number, module in enumerate(
        (
            step1_kickoff,
            step2_deployment,
            step3_training,
            step4_recette,
            step5_doe,
            step6_maintenance,
            step7_evaluation,
        ),
        start=1,
    )
}


def current_step(o: Onboarding) -> int | None:
    """The earliest unfinished step; none when all seven are finished."""
    return next((number for number, step in STEPS.items() if not step.finished(o)), None)
