"""A scene: one whole onboarding under one fault, compared with the same one left in peace."""

from __future__ import annotations

import asyncio
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chaos.faults import ONE_A_STEP, Fault, Unavailable
from chaos.outcome import Outcome, compared
from chaos.world import opened, world
from local.scenarios import Scene, play_new

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 540
"""How long a scene may take, on a busy machine too."""


@dataclass
class Report:
    """What a scene has shown."""

    fault: str
    strikes: int = 0
    deaths: int = 0
    """Workers that ended before the onboarding did."""
    seconds: float = 0
    repeated: int = 0
    """Messages delivered again under the same Message-ID, where the fault allows it."""
    violations: tuple[str, ...] = ()
    skipped: str = ""
    """Why the fault could not be provoked."""
    measured: dict[str, Any] = field(default_factory=dict)


async def played(
    fault: Fault, report: Report, scene: Scene = play_new, struck: tuple[str, ...] = ONE_A_STEP
) -> Outcome:
    """Play the onboarding under that fault. Raises ``Unavailable``."""
    left = set(struck)

    async with world(**fault.world) as made:

        async def strike(fact: str) -> None:
            if fact in left:
                left.remove(fact)
                report.strikes += 1
                await fault.strike(made)

        fault.prepare(made)
        play, story = await opened(made, strike)
        await scene(play, story)
        outcome = await made.outcome(play)
        report.deaths = len(made.died_at)
        report.measured = fault.measured()
        return outcome


async def judged(fault: Fault, expected: Outcome, **named: Any) -> Report:
    """Play it, and compare."""
    report = Report(fault.name)
    began = time.monotonic()
    try:
        async with asyncio.timeout(SECONDS):
            found = await played(fault, report, **named)
    except (Unavailable, FileNotFoundError) as reason:
        report.skipped = str(reason)
    except TimeoutError:
        report.violations = (f"the onboarding did not end within {SECONDS} s",)
    except Exception as error:  # noqa: BLE001 - whatever broke the scene, the others are played
        report.violations = ("the scene broke: " + "".join(traceback.format_exception(error)),)
    else:
        comparison = compared(expected, found, may_repeat=fault.may_repeat)
        report.violations, report.repeated = comparison.violations, comparison.repeated
    report.seconds = round(time.monotonic() - began, 1)
    return report


async def undisturbed(scene: Scene = play_new) -> Outcome:
    """The onboarding left in peace."""
    return await played(Fault("nothing"), Report("nothing"), scene, ())


def lines(reports: list[Report]) -> Iterator[str]:
    """The table."""
    yield f"{'fault':<55}{'strikes':>8}{'deaths':>8}{'repeats':>9}{'seconds':>9}  outcome"
    for one in reports:
        outcome = f"{len(one.violations)} VIOLATIONS" if one.violations else "as without it"
        yield (
            f"{one.fault:<55}{one.strikes:>8}{one.deaths:>8}{one.repeated:>9}{one.seconds:>9.0f}  "
            f"{'not provoked: ' + one.skipped if one.skipped else outcome}"
        )
        yield from (f"    {problem}" for problem in one.violations)
