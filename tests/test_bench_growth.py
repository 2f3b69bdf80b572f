"""What the measures of growth say holds together, and a look costs no more than in proportion."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bench import crowd, growth, plots
from bench.folded import Folded
from bench.sizes import Size
from process.orders import Sending
from tests import fingerprints
from workflows import agenda, sendings

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from process.obligations import Deadline
    from process.onboarding import Onboarding

_SIZES: dict[str, tuple[Callable[[int], Size], str]] = {
    "phases": (lambda n: Size(phases=n), "phase_completed"),
    "reserves": (lambda n: Size(reserves=n), "recette_signed_off"),
    "reserves lifted": (lambda n: Size(reserves=n), "reserve_lifted"),
    "equipment": (lambda n: Size(equipment=n), "doe_piece_filed"),
}
"""What may be many, and the last fact told before the look that is counted."""


def _told(what: str, count: int) -> Folded:
    size, fact = _SIZES[what]
    life = Folded(size(count))
    last = max(place for place, step in enumerate(life.script) if step.fact == fact)
    life.tell(but=len(life.script) - last - 1)
    return life


def _calls(done: Callable[[], object]) -> int:
    """The functions called meanwhile, those written in C included."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        done()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("what", list(_SIZES))
def test_a_look_costs_no_more_than_in_proportion_to_the_size(what: str) -> None:
    spent = []
    for count in (10, 20, 40):
        life = _told(what, count)
        life.look(life.now)  # what is kept from one look to the next is no cost of this one
        spent.append(_calls(lambda life=life: life.look(life.now)))  # type: ignore[misc]
    first, second = spent[1] - spent[0], spent[2] - spent[1]
    assert second <= 2.2 * first, spent


@pytest.mark.parametrize("what", list(_SIZES))
def test_what_has_left_is_not_written_again(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(count: int) -> int:
        life, made = _told(what, count), []

        def counted(**named: Any) -> Sending:
            made.append(named["key"])
            return Sending(**named)

        with monkeypatch.context() as patch:
            patch.setattr(sendings, "Sending", counted)
            life.look(life.now)
        return len(made)

    assert written(40) == written(10)


@pytest.mark.parametrize("number", range(6))
def test_what_is_left_out_of_a_look_is_what_has_left(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def checked(o: Onboarding, held: list[Deadline], now: datetime) -> agenda.Agenda:
        nonlocal looks
        looks += 1
        gone = set(o.record.sendings)
        whole = [one for one in agenda.everything(o, now) if one.key not in gone]
        assert [one for one in agenda.everything(o, now, gone) if one.key not in gone] == whole
        return agenda.look(o, held, now)

    monkeypatch.setattr(fingerprints, "look", checked)
    fingerprints.lived(number)
    assert looks > 20


def test_an_exponent_is_the_slope_between_logarithms() -> None:
    rows = [{"size": n, "events": 100 + 3 * (n - 1) ** 2} for n in (1, 5, 25, 100)]
    assert growth.exponent(rows, "events") == pytest.approx(2)
    assert growth.exponent(rows[:2], "events") is None
    assert growth.exponent([{**row, "events": 7} for row in rows], "events") is None


async def test_the_figures_of_growth_come_out_and_are_drawn(tmp_path: Path) -> None:
    figures = await growth.measure(quick=True)
    for found in figures.values():
        small, large = found["rows"][0], found["rows"][-1]
        assert small["events"] < large["events"] < large["bytes"]
        assert 0 < small["actions"] < small["events"]
        assert small["runs"] == 1
        assert small["handed_bytes"] < large["handed_bytes"]
        assert large["looks_cpu_seconds"] > 0
        assert large["largest_event_bytes"] < large["bytes"]
        assert set(found["exponents"]) == set(growth.COSTS)
    table = "\n".join(growth.lines(figures))
    assert "history events" in table
    again = json.loads(json.dumps({"growth": figures}))
    first = {path.name: path.read_bytes() for path in plots.draw(again, tmp_path)}
    assert set(first) == {f"growth-{what}.svg" for what in figures}
    assert first == {path.name: path.read_bytes() for path in plots.draw(again, tmp_path)}


async def test_the_figures_of_a_crowd_come_out_and_are_drawn(tmp_path: Path) -> None:
    figures = await crowd.measure(quick=True)
    for kind in ("ours", "floor"):
        few, more = figures[kind]
        assert few["open"] < more["open"]
        assert few["worker_mb"] > 20
        assert more["evicted_update_ms"] is None
        assert 0 < more["update_ms"] < 5_000
        assert 0 < more["count_ms"] < 5_000
    assert set(figures["start_up"]) == {"bench.worker", "worker.py"}
    assert all(0 < one["seconds"] < 30 for one in figures["start_up"].values())
    assert any("at rest" in line for line in crowd.lines(figures))
    (drawn,) = plots.draw({"crowd": figures}, tmp_path)
    assert drawn.read_text(encoding="utf-8").startswith("<?xml")
