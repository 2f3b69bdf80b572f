"""The harness of the faults sees what it is there to see: a mail lost, one sent twice, a document
changed. The workers are real processes, the bugs are planted in them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from chaos.faults import Fault
from chaos.outcome import Outcome, compared
from chaos.scenes import Report, judged, lines, undisturbed
from local.scenarios import Story
from local.stage import Play

OUTCOME = Outcome(
    result={"outcome": "completed"},
    limits={"O1": "met"},
    documents={"ODJ-1-v1": "a" * 64},
    pieces=frozenset({"b" * 64}),
    mails={"<1@x>": "accepted"},
    deliveries=Counter({("<1@x>", "a@b"): 1}),
    unheard=frozenset(),
    open_points=(),
    unkept=(),
)


@pytest.mark.parametrize(
    "change",
    [
        {"result": {"outcome": "cancelled"}},
        {"limits": {"O1": "missed"}},
        {"limits": {}},
        {"documents": {"ODJ-1-v1": "c" * 64}},
        {"documents": {**OUTCOME.documents, "ODJ-1-v2": "a" * 64}},
        {"pieces": frozenset()},
        {"mails": {"<1@x>": "pending"}},
        {"deliveries": Counter({("<1@x>", "a@b"): 2})},
        {"deliveries": Counter()},
        {"deliveries": Counter({("<1@x>", "a@b"): 1, ("<2@x>", "a@b"): 1})},
        {"open_points": ("mail:1",)},
        {"unkept": ("ODJ-1-v1",)},
    ],
    ids=str,
)
def test_whatever_differs_is_a_violation(change: dict[str, Any]) -> None:
    found = dataclasses.replace(OUTCOME, **change)
    assert len(compared(OUTCOME, found, may_repeat=False).violations) == 1
    assert compared(OUTCOME, OUTCOME, may_repeat=False).violations == ()


def test_a_repeat_is_excused_where_the_fault_allows_it_and_nowhere_else() -> None:
    twice = dataclasses.replace(OUTCOME, deliveries=Counter({("<1@x>", "a@b"): 2}))
    excused = compared(OUTCOME, twice, may_repeat=True)
    assert (excused.violations, excused.repeated) == ((), 1)
    struck = dataclasses.replace(twice, unheard=frozenset({("<1@x>", "a@b")}))
    by_chance = compared(OUTCOME, struck, may_repeat=False)
    assert (by_chance.violations, by_chance.repeated) == ((), 1)
    elsewhere = dataclasses.replace(twice, unheard=frozenset({("<2@x>", "a@b")}))
    assert compared(OUTCOME, elsewhere, may_repeat=False).violations
    other = dataclasses.replace(
        OUTCOME, deliveries=Counter({("<1@x>", "a@b"): 1, ("<2@x>", "a@b"): 1})
    )
    assert compared(OUTCOME, other, may_repeat=True).violations


def test_the_table_says_what_was_violated_and_what_was_not_provoked() -> None:
    shown = "\n".join(
        lines([Report("a", violations=("mail lost: <1@x>",)), Report("b", skipped="no disk")])
    )
    assert "1 VIOLATIONS" in shown
    assert "mail lost: <1@x>" in shown
    assert "not provoked: no disk" in shown


# Real workers


async def opening(play: Play, story: Story) -> None:
    """The first days of an onboarding: a document, and mails to everybody."""
    await play.at(story.instant(2, 11))
    await play.fact("kickoff_planned", starts_at=story.iso(5, 10), place="Clinique de Tours")
    await play.handle.cancel()


_PLANTED = """
from activities.mails.smtp import Conversation
from chaos import worker
from ending import leave
from register.store import Register

deliver = Conversation.deliver
{bug}
leave(worker.main())
"""

LOSES = """
async def loses(self, to, message, handing):
    return "250 OK" if b"X-Mileo-Kind: kickoff" in message else await deliver(self, to, message, handing)
Conversation.deliver = loses
"""
"""Some mails are taken for sent, and never leave."""

DOUBLES = """
async def doubles(self, to, message, handing):
    await deliver(self, to, message, handing)
    return await deliver(self, to, message, handing)
Conversation.deliver = doubles
"""

FORGETS = """
async def forgets(self, message_id, at, reply):
    pass
Register.mail_accepted = forgets
"""
"""No mail is written down as accepted: whoever does the activity again sends again."""


def with_bug(bug: str) -> dict[str, Any]:
    """A world whose worker has it."""
    return {"program": ("-c", _PLANTED.format(bug=bug))}


@pytest.fixture(scope="module")
async def expected() -> Outcome:
    return await undisturbed(opening)


async def under(fault: Fault, expected: Outcome) -> Report:
    return await judged(fault, expected, scene=opening, struck=("kickoff_planned",))


async def test_a_worker_killed_once_each_activity_is_done_and_unanswered_changes_nothing(
    expected: Outcome,
) -> None:
    report = await under(Fault("killed", world={"doom": "after"}), expected)
    assert report.violations == ()
    assert report.deaths > 3


async def test_a_mail_that_never_leaves_is_seen_as_lost(expected: Outcome) -> None:
    report = await under(Fault("loses", world=with_bug(LOSES)), expected)
    assert report.violations
    assert all(one.startswith("mail lost: ") for one in report.violations)


async def test_a_mail_sent_twice_is_seen_as_doubled(expected: Outcome) -> None:
    report = await under(Fault("doubles", world=with_bug(DOUBLES)), expected)
    assert report.deaths == 0
    assert len(report.violations) == len(expected.deliveries)
    assert all(one.startswith("mail delivered 2 times for 1: ") for one in report.violations)


async def test_a_mail_sent_again_after_a_death_is_seen_where_it_was_done(expected: Outcome) -> None:
    world = {"doom": "after send_mail welcome", **with_bug(FORGETS)}
    report = await under(Fault("forgets", world=world), expected)
    assert report.deaths == 1
    assert any(one.startswith("mail delivered 2 times for 1: ") for one in report.violations)
