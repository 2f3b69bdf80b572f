"""``python -m bench.report RESULT.json [MORE.json]``: the figures of one run of ``make bench``, and of
``bench.tuning``, kept in docs/performance.json and shown in docs/performance.md, with the plots.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench import crowd, doors, effects, growth, history, latency, plots, replay, throughput, tuning
from bench.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIGURES: Final = ROOT / "docs" / "performance.json"
PAGE: Final = ROOT / "docs" / "performance.md"
PICTURES: Final = ROOT / "docs" / "images"

_SHOWN: Final[dict[str, Callable[[dict[str, Any]], Iterator[str]]]] = {
    one.__name__.removeprefix("bench."): one.lines
    for one in (
        history,
        throughput,
        latency,
        doors,
        effects,
        replay,
        growth,
        crowd,
        tuning,
    )
}
_MARKED: Final = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def page(text: str, figures: dict[str, Any]) -> str:
    """That page, with these figures between its markers."""

    def shown(marked: re.Match[str]) -> str:
        begin, name, end = marked.groups()
        if name == "machine":
            rows = [f"{key}: {value}" for key, value in figures["machine"].items()]
            lines = [f"measured {figures['at']}", *rows]
        elif name not in figures:
            return marked.group()
        else:
            lines = list(_SHOWN[name](figures[name]))
        block = "\n".join(line.rstrip() for line in lines)
        return f"{begin}\n```text\n{block}\n```\n\n{end}"

    return _MARKED.sub(shown, text)


def main(result: str, tuned: str | None = None) -> int:
    """Keep those figures, and show them."""
    figures = json.loads(Path(result).read_text(encoding="utf-8"))
    if tuned:
        figures["tuning"] = json.loads(Path(tuned).read_text(encoding="utf-8"))
    FIGURES.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")
    plots.draw(figures, PICTURES)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
