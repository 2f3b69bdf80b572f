"""The measures of replay, of documents and of mails come out and hold together."""

from __future__ import annotations

import json
from typing import Any

from bench import effects, replay


def _kept(figures: dict[str, Any]) -> dict[str, Any]:
    """As they are once written and read."""
    again: dict[str, Any] = json.loads(json.dumps(figures))
    return again


async def test_the_figures_of_replay_come_out() -> None:
    figures = _kept(await replay.measure(quick=True))
    assert figures["events"] == sum(one["events"] for one in figures["histories"].values())
    for runner in ("sandbox", "without sandbox"):
        for who in ("ours", "floor"):
            found = figures[runner][who]
            assert 0 < found["events_a_second"] <= found["best_events_a_second"]
        assert figures[runner]["ratio"] > 0
    assert any("ratio" in line for line in replay.lines(figures))


async def test_the_figures_of_documents_and_mails_come_out() -> None:
    figures = _kept(await effects.measure(quick=True))
    found = figures["sqlite"]
    for turns in (found["one_at_a_time"], found["some_at_once"]):
        assert turns["documents"]["documents_a_second"] > 0
        assert turns["mails"]["mails_a_second"] > 0
        assert 0 < turns["loop_lag"]["p99_ms"] <= turns["loop_lag"]["max_ms"]
    assert {"compte_rendu_kickoff", "pv_recette", "doe", "doe_conteneur"} <= set(found["documents"])
    assert {"0", "1"} <= set(found["mails"])
    taken = [one["ms"] for one in found["documents"].values()]
    assert taken == sorted(taken)
    # What is assembled and what strangers wrote is worked on elsewhere.
    for apart in (found["documents"]["doe"], found["readings"]["files"]):
        assert apart["child_cpu_ms"] > 0
    assert (
        found["documents"]["pv_recette"]["child_cpu_ms"] < found["documents"]["doe"]["child_cpu_ms"]
    )
    (book,) = figures["doe"].values()
    assert book["book_kilobytes"] > 0
    assert any("mail, 0 attached" in line for line in effects.lines(figures))
