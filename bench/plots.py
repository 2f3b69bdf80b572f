"""How costs grow, drawn: ``python -m bench.plots RESULT.json FOLDER``.

A growth is drawn beside the straight line between its smallest and largest size: under it, a cost
rises faster and faster; along it, each one more costs the same. The same figures give the same bytes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

_INK: Final = "#1f2933"
_PALE: Final = "#9aa5b1"
_GRID: Final = "#e4e7eb"
_STYLE: Final[Any] = {
    "svg.hashsalt": "mileo-onboarding",
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _PALE,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@dataclass(frozen=True)
class Curve:
    """Something measured at each size."""

    name: str
    xs: list[float]
    ys: list[float]
    color: str
    marker: str = "o"


@dataclass(frozen=True)
class Panel:
    """A pair of axes: one or several curves in one unit."""

    title: str
    ylabel: str
    curves: list[Curve]
    line: bool = True
    """Plain axes, with the straight line from end to end of the first curve; else sizes on a
    logarithmic axis."""
    log: bool = True
    """Without a line: whether what was measured has a logarithmic axis too."""


_BLUE: Final = "#2563a8"
_ORANGE: Final = "#c2570c"
_GREEN: Final = "#2f7d4f"

_OF_WHAT: Final = {
    "phases": ("Phases of work", "a phase"),
    "reserves": ("Réserves, each fixed then lifted", "a réserve"),
    "equipment": ("Items of equipment, each with its datasheet", "an item"),
}
"""What may be many, and one more of it."""


def draw(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what the figures of ``bench.growth`` and ``bench.crowd`` hold, under the names
    ``growth`` and ``crowd``; the files written, SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for what, found in figures.get("growth", {}).items():
        written.append(
            draw_panels(folder / f"growth-{what}.svg", _OF_WHAT[what][0], _grown(what, found))
        )
    if crowd := figures.get("crowd"):
        written.append(
            draw_panels(folder / "crowd.svg", "Open onboardings on one server", _crowded(crowd))
        )
    return written


# --- What is drawn ----------------------------------------------------------------------------


def _grown(what: str, found: dict[str, Any]) -> list[Panel]:
    rows, one = found["rows"], _OF_WHAT[what][1]
    first, last = rows[0], rows[-1]
    xs = [row["size"] for row in rows]

    def curve(cost: str, name: str, color: str, scale: float = 1, marker: str = "o") -> Curve:
        return Curve(name, xs, [row[cost] * scale for row in rows], color, marker)

    def title(said: str, cost: str, scale: float = 1) -> str:
        more = (last[cost] - first[cost]) / (last["size"] - first["size"]) * scale
        slope = found["exponents"][cost]
        return f"{said.format(more)} {one}" + (f"\n(exponent {slope:.2f})" if slope else "")

    return [
        Panel(
            title("{:.0f} events more", "events"),
            "events, billable actions",
            [
                curve("events", "events", _BLUE),
                curve("actions", "billable actions", _ORANGE, marker="s"),
            ],
        ),
        Panel(
            title("{:.0f} ms of processor more", "worker_cpu_seconds", 1000),
            "processor of the worker, seconds",
            [
                curve("worker_cpu_seconds", "whole life", _BLUE),
                curve("looks_cpu_seconds", "of which deciding", _ORANGE, marker="s"),
            ],
        ),
        Panel(
            title("{:.1f} kB of history more", "bytes", 1e-3),
            "kilobytes",
            [
                curve("bytes", "history", _BLUE, 1e-3),
                curve("handed_bytes", "handed to a next run", _ORANGE, 1e-3, "s"),
                curve("largest_event_bytes", "largest event", _GREEN, 1e-3, "^"),
            ],
        ),
    ]


def _crowded(crowd: dict[str, Any]) -> list[Panel]:
    def curve(kind: str, cost: str, name: str, color: str, marker: str = "o") -> Curve:
        rows = [row for row in crowd[kind] if row[cost] is not None]
        return Curve(
            name, [row["open"] for row in rows], [row[cost] for row in rows], color, marker
        )

    more = crowd["ours_mb_a_thousand"]["worker_mb"]
    last = crowd["ours"][-1]
    forgotten = curve("ours", "evicted_update_ms", "onboarding out of the cache", _GREEN, "^")
    return [
        Panel(
            f"Memory: {more:.0f} MB a thousand in the worker,\nup to {crowd['cached_runs']:,} kept",
            "megabytes",
            [
                curve("ours", "server_mb", "server", _BLUE),
                curve("ours", "worker_mb", "worker", _ORANGE, "s"),
                curve("floor", "worker_mb", "worker, floor workflow", _PALE, "d"),
            ],
            line=False,
        ),
        Panel(
            f"A fact is answered in {last['update_ms']:.0f} ms\nwith {last['open']:,} open",
            "milliseconds, median of 20",
            [
                curve("ours", "update_ms", "fact to an onboarding", _ORANGE, "s"),
                curve("floor", "update_ms", "empty update (floor)", _PALE, "d"),
                curve("ours", "count_ms", "count of the open ones", _BLUE),
                *([forgotten] if forgotten.xs else []),
            ],
            line=False,
        ),
        Panel(
            f"At rest: {last['server_idle_percent'] + last['worker_idle_percent']:.0f} % of a core\n"
            f"with {last['open']:,} open",
            "percent of one core",
            [
                curve("ours", "server_idle_percent", "server", _BLUE),
                curve("ours", "worker_idle_percent", "worker", _ORANGE, "s"),
            ],
            line=False,
            log=False,
        ),
    ]


# --- The drawing ------------------------------------------------------------------------------


_LEGEND_LINE: Final = 0.11
"""The part of the height that a line of the legend takes above the curves."""


def draw_panels(path: Path, xlabel: str, panels: list[Panel]) -> Path:
    with plt.rc_context(_STYLE):
        drawn, every = plt.subplots(1, len(panels), figsize=(4.3 * len(panels), 3.6))
        for axes, panel in zip(every, panels, strict=True):
            _fill(axes, panel, xlabel)
        drawn.tight_layout(w_pad=2.5)
        drawn.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(drawn)
    return path


def _fill(axes: Any, panel: Panel, xlabel: str) -> None:
    if panel.line:
        _straight(axes, panel.curves[0])
    for curve in panel.curves:
        axes.plot(
            curve.xs, curve.ys, color=curve.color, marker=curve.marker, markersize=5, linewidth=1.6,
            label=curve.name,
        )  # fmt: skip
    xs = sorted({x for curve in panel.curves for x in curve.xs})
    if not panel.line:
        axes.set_xscale("log")
    axes.set_xticks(xs, [f"{int(x):,}" for x in xs])
    axes.xaxis.set_minor_locator(NullLocator())
    if panel.log and not panel.line:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        bottom, top = axes.get_ylim()
        axes.set_ylim(bottom, top * (top / bottom) ** (_LEGEND_LINE * len(panel.curves)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))
    axes.set_title(panel.title, pad=10)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(panel.ylabel)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="best", handlelength=1.8)


def _straight(axes: Any, curve: Curve) -> None:
    """The line of a cost that is the same for each one more."""
    ends = [curve.xs[0], curve.xs[-1]], [curve.ys[0], curve.ys[-1]]
    axes.plot(*ends, color=_PALE, linestyle=":", linewidth=1.4, label="straight line")


def main(arguments: list[str]) -> int:
    """Draw a result in a folder."""
    result, folder = arguments
    for path in draw(json.loads(Path(result).read_text(encoding="utf-8")), Path(folder)):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
