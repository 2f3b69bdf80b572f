"""The comparison sees a mail lost or doubled, a document changed, and whatever else differs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import pytest

from chaos.outcome import Outcome, compared
from chaos.scenes import Report, lines

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
