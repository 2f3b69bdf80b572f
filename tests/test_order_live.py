"""Order does not matter, duplication does not matter: the same on the real server.

A real run that learns its facts in disorder ends as the run in small of ``test_order`` does in
plain order; so the one in small is no fiction either.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from temporalio.client import WorkflowExecutionStatus

from tests.playing import OPENS_AT, new, replaced
from tests.test_order import (
    EVENING,
    Plot,
    all_in_order,
    copy,
    early,
    essence,
    in_disorder,
    in_series,
    lived,
    minute,
)

if TYPE_CHECKING:
    from local.stage import Play, Stage


async def _send_again(play: Play) -> None:
    """Send the refused facts again, until each is taken."""
    while refused := [one for one in play.told if one.outcome == "refused"]:
        play.told.clear()
        for one in refused:
            await play.fact(one.fact, **one.payload)
        assert len(refused) > sum(one.outcome == "refused" for one in play.told), refused


async def _ended(play: Play, earlier_mails: list[str]) -> dict[str, Any]:
    """What must be the same whatever the order; what must hold in any order."""
    # What states a day to come waits for it.
    if (await play.handle.describe()).status == WorkflowExecutionStatus.RUNNING:
        await play.stage.environment.fast_forward(play.handle, timedelta(days=60))
    ended = await asyncio.wait_for(play.handle.result(), 20)
    assert ended["outcome"] == "completed"
    status = await play.status()
    assert status["waiting"] == []
    mailbox = play.stage.mailbox
    gone = [mailbox.message(name) for name in mailbox.names() if name not in earlier_mails]
    assert max(Counter(message["Message-ID"] for message in gone).values()) == 1
    rows = await play.stage.register.mails(play.contract.reference)
    assert max(Counter((row.key, row.recipient) for row in rows).values()) == 1
    return essence(status)


async def test_everything_told_at_once_in_disorder_ends_the_same(on_stage: Stage) -> None:
    luck = random.Random(1)  # noqa: S311 - the same disorder at each run
    contract, mails = replaced(), on_stage.mailbox.names()
    plot = Plot(contract.model_dump(mode="json"), moved=True, withdrawn=True)
    told, _ = early(plot)
    ranks = [*range(len(told)), *luck.choices(range(len(told)), k=10)]
    luck.shuffle(ranks)
    play = await on_stage.play(contract, OPENS_AT)
    for rank in in_series(told, ranks):
        name, payload = copy(told, rank, anonymous=luck.random() < 0.3)
        await play.fact(name, **payload)
    await _send_again(play)
    await play.at(plot.ending[0].at)
    assert await _ended(play, mails) == minute(plot, all_in_order(plot))


async def test_facts_that_come_late_and_twice_end_the_same(on_stage: Stage) -> None:
    luck = random.Random(2)  # noqa: S311 - the same disorder at each run
    contract, mails = new(date(2031, 6, 2)), on_stage.mailbox.names()
    plot = Plot(contract.model_dump(mode="json"), moved=True, withdrawn=False)
    told = plot.told + plot.ending
    again = [(luck.randrange(len(told) - 1), luck.randrange(72)) for _ in range(8)]
    arrivals = in_disorder(told, [luck.random() for _ in told], again, EVENING)
    play = await on_stage.play(contract, OPENS_AT)
    for instant, rank in arrivals:
        await play.at(instant)
        name, payload = copy(told, rank, anonymous=luck.random() < 0.3)
        await play.fact(name, **payload)
        await _send_again(play)
    in_time = [(one.at, rank, False) for rank, one in enumerate(told)]
    assert await _ended(play, mails) == lived(plot, in_time)
