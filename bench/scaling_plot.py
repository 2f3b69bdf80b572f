"""How late the last reminder of a Monday leaves, against the number of workers: one drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from bench.needs import Assumed, Measured, monday, needs
from bench.plots import Curve, Panel, draw_panels
from bench.scaling import SIZES
from bench.simulation import REMINDERS

_SHARES: Final = (0.25, 0.5, 1, 2, 4)
"""Of the workers that are needed."""
_MINUTE: Final = 60.0
_ALERT_MINUTES: Final = 60.0
"""``ONBOARDING_MAIL_ALERT_HOURS``."""


def draw(figures: dict[str, Any], path: Path) -> Path:
    """Draw it for each size. The same figures give the same bytes."""
    measured, assumed = Measured.read(figures), Assumed()
    return draw_panels(
        path,
        "workers",
        [_panel(measured, assumed, open_) for open_ in SIZES],
    )


def _panel(measured: Measured, assumed: Assumed, open_: int) -> Panel:
    found = needs(measured, assumed, open_)
    counts = sorted({max(1, round(found.workers * share)) for share in _SHARES})
    days = [monday(measured, assumed, found, workers=count) for count in counts]
    xs = [float(count) for count in counts]
    last = [one.late[REMINDERS].last / _MINUTE for one in days]
    median = [one.late[REMINDERS].p50 / _MINUTE for one in days]
    return Panel(
        f"{open_:,} open,\n{found.reminders:,} reminders at 09:00",
        "minutes late",
        [
            Curve("last reminder", xs, last, "#2563a8"),
            Curve("median reminder", xs, median, "#c2570c", "s"),
            Curve("open points from here on", xs, [_ALERT_MINUTES] * len(xs), "#9aa5b1", ""),
        ],
        line=False,
        log=False,
    )
