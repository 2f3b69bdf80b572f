"""The page of what an onboarding costs shows the figures that are kept beside it."""

from __future__ import annotations

import json

from bench import report


def test_the_figures_of_the_page_are_those_that_are_kept() -> None:
    figures = json.loads(report.FIGURES.read_text(encoding="utf-8"))
    text = report.PAGE.read_text(encoding="utf-8")
    assert report.page(text, figures) == text, "python -m bench.report docs/performance.json"


def test_other_figures_make_another_page() -> None:
    figures = json.loads(report.FIGURES.read_text(encoding="utf-8"))
    text = report.PAGE.read_text(encoding="utf-8")
    figures["history"]["plain"]["total"]["events"] += 1
    assert report.page(text, figures) != text


def test_the_targets_were_held_when_the_figures_were_taken() -> None:
    figures = json.loads(report.FIGURES.read_text(encoding="utf-8"))
    assert figures["throughput"]["idle"]["ratio"] >= 0.7
    for activities in ("idle", "whole"):
        alone = figures["latency"]["updates"][activities]
        kinds = alone["one_at_a_time"]
        assert all(one["ratio"] <= 1.5 for name, one in kinds.items() if "ratio" in one), kinds
    assert figures["crowd"]["restarted"]["counted_once"] == figures["crowd"]["restarted"]["told"]
    assert figures["crowd"]["restarted"]["open"] == figures["crowd"]["ours"][-1]["open"]
