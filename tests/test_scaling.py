"""What many onboardings need: the arithmetic, the simulation, and the page that shows them."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.needs import Assumed, Life, Measured, Needs, dollars, life, needs
from bench.scaling import SIZES, tables, written
from bench.scaling_plot import draw
from bench.simulation import (
    FACTS,
    REMINDERS,
    Costs,
    Flow,
    Installation,
    Visit,
    day,
    held_against,
    simulate,
)

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "docs" / "performance.json"
PAGE = ROOT / "docs" / "scaling.md"
PLOT = ROOT / "docs" / "images" / "scaling-burst.svg"


def _burst(mails: int, last_ms: float) -> dict[str, Any]:
    times = {"p50_ms": last_ms / 2, "p99_ms": last_ms, "last_ms": last_ms}
    cpu = {"worker_cpu_ms": 40.0, "server_cpu_ms": 25.0, "smtp_cpu_ms": 4.0}
    return {"mails": mails, **times, **cpu, "cost": _total(13, 2_650, 4)}


def _total(events: int, bytes_: int, actions: int) -> dict[str, int]:
    return {"events": events, "bytes": bytes_, "actions": actions}


MADE_UP: dict[str, Any] = {
    "history": {
        "plain": {"total": _total(500, 150_000, 115)},
        "eighteen months": {"total": _total(3_300, 1_100_000, 810)},
    },
    "throughput": {
        "whole": {
            "ours": {
                "onboardings_a_minute": 12.8,
                "worker_cpu_seconds": 4.8,
                "server_cpu_seconds": 2.0,
            }
        }
    },
    "burst": {
        "few": _burst(40, 2_000),
        "many": _burst(200, 10_000),
        "forgotten": {"events": 30, "worker_cpu_ms": 60.0},
    },
    "replay": {"sandbox": {"ours": {"events_a_second": 3_500}}},
    "crowd": {"ours_mb_a_thousand": {"worker_mb": 100, "server_mb": 60}},
    "kept": {
        "register_bytes": 75_000,
        "files": 22,
        "files_bytes": 2_100_000,
        "mails": 44,
        "mails_bytes": 5_300_000,
    },
    "doors": {
        "postgresql": None,
        "sqlite": {"facts": {"ours": {"cpu_ms": {"service": 6}}}},
    },
}
MEASURED = Measured(
    plain=Life(500, 150_000, 115),
    long=Life(3_300, 1_100_000, 810),
    life_worker_seconds=4.8,
    life_server_seconds=2.0,
    reminder=Life(13, 2_650, 4),
    reminder_worker_seconds=0.04,
    reminder_server_seconds=0.025,
    forgotten_seconds=0.06,
    forgotten_events=30,
    replay_events_a_second=3_500,
    run_mb=0.1,
    register_bytes=75_000,
    files=22,
    files_bytes=2_100_000,
    mails=44,
    service_seconds=0.006,
)
COSTS = Costs(0.1, 0.02, 0.002, 0.01)
THERE = Installation(workers=4, server_processors=2, register_writers=2, mails_a_second=100)

PROPORTIONAL = (
    "starts_a_month",
    "facts_mails_an_hour",
    "mails_a_second",
    "transactions_a_second",
    "caches_gb",
    "history_gb",
    "register_gb_a_year",
    "files_a_year",
    "files_tb_a_year",
    "actions_a_month",
    "actions_a_second",
    "activations",
)
NEVER_FEWER = (
    "reminders",
    "workers",
    "workers_without_replay",
    "server_processors",
    "shards",
    "mailboxes",
    "service_processors",
    "resource_units",
    "dollars_a_month",
)

# --- The arithmetic -------------------------------------------------------------------------------


@given(st.integers(1, 20_000_000), st.integers(1, 20_000_000))
def test_more_onboardings_never_need_less_of_anything(one: int, other: int) -> None:
    less, more = (needs(MEASURED, Assumed(), open_) for open_ in sorted((one, other)))
    for name in (*PROPORTIONAL, *NEVER_FEWER):
        assert getattr(less, name) <= getattr(more, name), name


@given(st.integers(10, 10_000_000).map(lambda tens: 10 * tens))
def test_twice_the_onboardings_need_twice_as_much(open_: int) -> None:
    once, twice = (needs(MEASURED, Assumed(), times * open_) for times in (1, 2))
    for name in PROPORTIONAL:
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name)), name


@given(st.floats(1, 30), st.floats(1, 2))
def test_more_time_never_asks_for_more_workers(minutes: float, times: float) -> None:
    def workers(drained: float) -> Needs:
        return needs(MEASURED, Assumed(drained_minutes=drained), 1_000_000)

    soon, late = workers(minutes), workers(minutes * times)
    assert late.workers <= soon.workers
    assert late.mails_a_second <= soon.mails_a_second


def test_units_are_those_they_are_said_to_be() -> None:
    """By hand: 60,000 open for 6 months, and nothing else happens than their reminders."""
    quiet = replace(MEASURED, mails=1e-9, replay_events_a_second=1e12)
    assumed = Assumed(reminded=0.1, drained_minutes=10, used=1, life_months=3)
    found = needs(quiet, assumed, 60_000)
    assert found.starts_a_month == 20_000
    assert found.reminders == 6_000
    assert found.mails_a_second == pytest.approx(10, rel=1e-3)  # 6,000 in 600 s
    assert found.actions_a_second == pytest.approx(40, rel=1e-3)  # 4 each
    assert found.transactions_a_second == pytest.approx(65, rel=1e-3)  # 13 events, an event in two
    assert found.mailboxes == 21  # 600 a minute, 30 each, and a trace of facts
    assert found.files_a_year == 12 * 20_000 * 22
    assert found.files_tb_a_year == pytest.approx(12 * 20_000 * 2.1e6 / 1e12)
    assert found.caches_gb == pytest.approx(6)  # 60,000 x 100 kB


def test_a_forgotten_run_costs_what_was_measured_and_its_further_events() -> None:
    """By hand: 20 ms more for each of both tasks, and 220 events more than the 30, at 10 ms each."""
    measured = replace(MEASURED, forgotten_seconds=0.04, replay_events_a_second=100)
    found = needs(measured, Assumed(life_months=3), 1_000)
    assert found.replay_seconds == pytest.approx(0.02 + 220 * 0.01)
    assert found.worker_seconds_a_reminder == pytest.approx(0.04 + 2 * 2.22)


def test_a_life_is_on_the_line_between_the_two_that_were_measured() -> None:
    assert life(MEASURED, 3) == MEASURED.plain
    assert life(MEASURED, 18) == MEASURED.long
    assert life(MEASURED, 10.5).events == 1_900


def test_shards_are_a_power_of_two_and_never_few() -> None:
    for open_ in (1, *SIZES, 200_000_000):
        shards = needs(MEASURED, Assumed(), open_).shards
        assert shards >= 512
        assert shards & (shards - 1) == 0
    # As many as write all the time, ten times that to be free, eight times that to grow.
    busy = needs(MEASURED, Assumed(commit_seconds=0.01), 10_000_000)
    least = busy.transactions_a_second * 0.01 / 0.1 * 8
    assert least <= busy.shards < 2 * least


def test_the_price_is_that_of_the_public_example() -> None:
    """docs.temporal.io/cloud/pricing: 11.25 million actions beyond those included cost 525 dollars,
    720 GBh active and 3,600 GBh retained cost 34.02; support is 500 dollars at least."""
    active, retained = 2.5 + 720 / 744, 100 + 3_600 / 744
    assert dollars(13_750_000, active, retained) == pytest.approx(525 + 34.02 + 500)


# --- The simulation -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_day_and_another_one_another() -> None:
    def told(seed: int) -> object:
        return day((200, COSTS), (100, COSTS), THERE, seed=seed)

    assert told(1) == told(1)
    assert told(1) != told(2)


@given(
    reminders=st.integers(0, 40),
    facts=st.integers(0, 40),
    places=st.fixed_dictionaries(
        dict.fromkeys(("server", "workers", "register", "connections"), st.integers(1, 5))
    ),
    urgent=st.booleans(),
)
def test_every_mail_leaves_exactly_once(
    reminders: int,
    facts: int,
    places: dict[str, int],
    *,
    urgent: bool,
) -> None:
    path = [Visit(name, 0.01) for name in sorted(places)] + [Visit("relay", 0.01, exact=True)]
    flows = {
        REMINDERS: Flow([0.0] * reminders, path),
        FACTS: Flow([0.1 * n for n in range(facts)], path[::-1], urgent=urgent),
    }
    found = simulate(flows, {**places, "relay": 1}, seed=3)
    assert found.late[REMINDERS].mails == reminders
    assert found.late[FACTS].mails == facts


def test_one_place_and_one_second_each_make_a_plain_queue() -> None:
    """By hand: 100 mails at once, one a second; two places halve it."""
    path = [Visit("relay", 1, exact=True)]
    flows = {REMINDERS: Flow([0.0] * 100, path)}
    one, two = (simulate(flows, {"relay": n}, seed=1).late[REMINDERS] for n in (1, 2))
    assert (one.p50, one.p99, one.last) == (51, 100, 100)
    assert (two.p50, two.last) == (26, 50)


def test_the_last_mail_cannot_leave_before_the_work_is_done() -> None:
    """Four workers, 0.1 s each a mail: 25 s for 1,000, less the last task, which mails do not wait
    for; and the mail server, 100 a second, is not what holds them up."""
    found = day((1_000, COSTS), (0, COSTS), THERE)
    assert 20 < found.late[REMINDERS].last < 27
    assert found.bottleneck == "workers"
    slow = day((1_000, COSTS), (0, COSTS), replace(THERE, mails_a_second=10))
    # A hundred seconds, after the first tasks: those are served before any mail.
    assert 100 < slow.late[REMINDERS].last < 100 + 1_000 * 0.04 / 4 + 2
    assert slow.bottleneck == "relay"


def test_more_workers_are_never_later() -> None:
    last = [
        day((1_000, COSTS), (0, COSTS), replace(THERE, workers=n)).late[REMINDERS].last
        for n in (1, 2, 4, 8, 16)
    ]
    assert all(more <= 1.02 * less for less, more in itertools.pairwise(last))


def test_a_model_of_the_same_proportions_says_the_same() -> None:
    there = replace(THERE, workers=40, server_processors=20, mails_a_second=300)
    whole = day((4_000, COSTS), (1_000, COSTS), there, hours=0.01, most=10_000)
    smaller = day((4_000, COSTS), (1_000, COSTS), there, hours=0.01, most=500)
    for flow in (REMINDERS, FACTS):
        assert smaller.late[flow].mails == whole.late[flow].mails
        assert smaller.late[flow].last == pytest.approx(whole.late[flow].last, rel=0.05)
    assert smaller.late[REMINDERS].p50 == pytest.approx(whole.late[REMINDERS].p50, rel=0.05)


def test_urgent_facts_do_not_wait_behind_the_reminders() -> None:
    waiting, urgent = (
        day((2_000, COSTS), (200, COSTS), THERE, hours=0.01, urgent_facts=first).late[FACTS].p99
        for first in (False, True)
    )
    assert waiting > 20
    assert urgent < 1


def test_the_model_is_held_against_what_was_measured() -> None:
    found = held_against(MADE_UP["burst"])
    # Five times the mails took five times as long: what the few were slower by explains it.
    assert abs(found["stretched, last"]["error"]) < 0.1
    assert found["by cost, last"]["error"] < -0.1
    assert found["by cost, last"]["model_ms"] == pytest.approx(8_000, rel=0.1)


# --- The page -------------------------------------------------------------------------------------


def test_figures_are_read_in_their_units() -> None:
    assert Measured.read(MADE_UP) == MEASURED


def test_every_table_has_its_place_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = tables(MADE_UP)
    assert [name for name in found if found[name] not in written(page, found)] == []
    assert page.count("<!-- /") == len(found)


def test_a_table_takes_the_place_of_the_former_one() -> None:
    page = "before\n<!-- needs -->\nold\n<!-- /needs -->\nafter\n"
    once = written(page, {"needs": "| new |"})
    assert once == "before\n<!-- needs -->\n| new |\n<!-- /needs -->\nafter\n"
    assert written(once, {"needs": "| new |"}) == once
    with pytest.raises(ValueError, match="cloud"):
        written(page, {"cloud": "| new |"})


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    if not FIGURES.exists():
        pytest.skip("no figures of make bench are kept")
    found: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8"))
    return found


def test_the_page_shows_what_the_kept_figures_give(figures: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, tables(figures)) == page, (
        "stale: python -m bench.scaling docs/performance.json docs"
    )


def test_the_plot_is_the_one_that_the_kept_figures_give(
    figures: dict[str, Any], tmp_path: Path
) -> None:
    assert draw(figures, tmp_path / "plot.svg").read_bytes() == PLOT.read_bytes()
