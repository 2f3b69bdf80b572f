"""What 100,000 and 10 million open onboardings need: arithmetic, from the figures of ``make bench``.

``python -m bench.scaling docs/performance.json`` prints the tables in Markdown;
``python -m bench.scaling docs/performance.json docs`` writes them into ``docs/scaling.md`` and draws
``docs/images/scaling-burst.svg``. The same figures always give the same bytes.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.needs import (
    APS,
    MAILBOX_A_MINUTE,
    SLOTS,
    TURN_SECONDS,
    Assumed,
    Measured,
    Needs,
    life,
    monday,
    needs,
)
from bench.simulation import FACTS, REMINDERS, held_against
from worker import CACHED_RUNS

SIZES: Final = (100_000, 10_000_000)


@dataclass(frozen=True)
class Line:
    """One thing that is needed: how it is computed, and the result for each size."""

    what: str
    formula: str
    results: tuple[str, ...]


def tables(figures: dict[str, Any], assumed: Assumed | None = None) -> dict[str, str]:
    """Every table of ``docs/scaling.md`` in Markdown, by the name of its place there."""
    assumed = assumed or Assumed()
    measured = Measured.read(figures)
    found = [needs(measured, assumed, open_) for open_ in SIZES]
    return {
        "measured": _markdown(("", "figure", "from"), _measured(figures, measured)),
        "needs": _needed(_lines(measured, assumed, found)),
        "cloud": _needed(_cloud(found)),
        "monday": _markdown(
            ("open", "workers", "median", "99 %", "last", "busiest", "a fact's mail, 99 %"),
            [row for one in found for row in _mornings(measured, assumed, one)],
        ),
        "model": _markdown(
            (
                f"{figures['burst']['many']['mails']} reminders due at once, one worker",
                *("measured", "model", "error"),
            ),
            [
                (
                    name,
                    f"{row['measured_ms']:,} ms",
                    f"{row['model_ms']:,} ms",
                    f"{row['error']:+.1%}",
                )
                for name, row in held_against(figures["burst"]).items()
            ],
        ),
    }


def _measured(figures: dict[str, Any], m: Measured) -> list[tuple[str, ...]]:
    whole = figures["throughput"]["whole"]
    return [
        (
            "this machine, from end to end",
            f"{whole['ours']['onboardings_a_minute']:g} plain onboardings a minute, one worker",
            "`throughput`",
        ),
        (
            "a plain onboarding (3 months)",
            f"{m.plain.events:,.0f} events, {m.plain.bytes / 1e3:,.0f} kB, {m.plain.actions:,.0f} actions",
            "`history`",
        ),
        (
            "one of 18 months",
            f"{m.long.events:,.0f} events, {m.long.bytes / 1e3:,.0f} kB, {m.long.actions:,.0f} actions",
            "`history`",
        ),
        (
            "processors, a plain onboarding",
            f"worker {m.life_worker_seconds:.2f} s, server {m.life_server_seconds:.2f} s",
            "`throughput`",
        ),
        (
            "a reminder, its run in the cache",
            _joined(
                f"worker {1000 * m.reminder_worker_seconds:.0f} ms",
                f"server {1000 * m.reminder_server_seconds:.0f} ms",
                f"{m.reminder.events:.0f} events, {m.reminder.actions:.0f} actions",
            ),
            "`burst`",
        ),
        (
            "the same, its run forgotten",
            f"worker {1000 * m.forgotten_seconds:.0f} ms more, {m.forgotten_events:.0f} events twice",
            "`burst`",
        ),
        ("replay", f"{m.replay_events_a_second:,.0f} events a second", "`replay`"),
        ("a run in a worker's cache", f"{1000 * m.run_mb:.0f} kB", "`crowd`"),
        (
            "what it leaves outside Temporal",
            _joined(
                f"{m.register_bytes / 1e3:,.0f} kB of register",
                f"{m.files:.0f} files of {m.files_bytes / 1e6:.1f} MB",
                f"{m.mails:.0f} mails",
            ),
            "`kept`",
        ),
        ("a fact through the HTTP service", f"{1000 * m.service_seconds:.1f} ms", "`doors`"),
    ]


def _lines(m: Measured, a: Assumed, found: list[Needs]) -> list[Line]:
    one = life(m, a.life_months)

    def line(what: str, formula: str, name: str, unit: str = "") -> Line:
        return Line(what, formula, tuple(_said(getattr(n, name)) + unit for n in found))

    return [
        line("onboardings started a month", f"open / {a.life_months:g} months", "starts_a_month"),
        line("reminders due on Monday at 09:00", f"open x {a.reminded:.0%}", "reminders"),
        line(
            "activations on the first of a month at 08:00",
            f"starts a month x {a.first_of_month:.0%}",
            "activations",
        ),
        line(
            "other mails in the busiest hour",
            f"starts a day x {m.mails:.0f} mails x {one.events / m.plain.events:.2f} (a longer life) "
            f"x {a.busiest_hour:.0%}",
            "facts_mails_an_hour",
        ),
        line(
            "**mails a second taken by the mail server**",
            f"both, the last one after {a.drained_minutes:g} min / {a.used:g}",
            "mails_a_second",
        ),
        line(
            "mailboxes of Exchange Online, if they were the mail server",
            f"mails a second x 60 / {MAILBOX_A_MINUTE} a minute",
            "mailboxes",
        ),
        line(
            "worker's processor, a reminder",
            f"{1000 * m.reminder_worker_seconds:.0f} ms + {1000 * m.forgotten_seconds:.0f} ms "
            f"+ twice ({one.events / 2:,.0f} - {m.forgotten_events:,.0f} events) "
            f"/ {m.replay_events_a_second:,.0f} a second",
            "worker_seconds_a_reminder",
            " s",
        ),
        line(
            "**workers** (one processor each)",
            f"mails x processor each / {a.drained_minutes:g} min / {a.used:g}",
            "workers",
        ),
        Line(
            "of the worked day, they work",
            f"all mails x processor each / {a.worked_hours:g} h",
            tuple(f"{n.day_used:.0%}" for n in found),
        ),
        line("open onboardings a worker", "open / workers, before rounding", "open_a_worker"),
        line(
            "workers, were no history replayed",
            f"the same, {1000 * m.reminder_worker_seconds:.0f} ms a reminder",
            "workers_without_replay",
        ),
        line(
            "memory of the caches that would take",
            f"open x {1000 * m.run_mb:.0f} kB",
            "caches_gb",
            " GB",
        ),
        line(
            "workers at most, before mails wait too long for a connection",
            f"mails a second x {TURN_SECONDS} s / {SLOTS} under way a worker",
            "workers_at_most",
        ),
        line(
            "memory of the workers, caches full",
            f"workers x {CACHED_RUNS:,} runs x {1000 * m.run_mb:.0f} kB",
            "workers_memory_gb",
            " GB",
        ),
        line(
            "**processors of the Temporal server**",
            f"mails x {1000 * m.reminder_server_seconds:.0f} to "
            f"{1000 * m.life_server_seconds / m.mails:.0f} ms / {a.drained_minutes:g} min / {a.used:g}",
            "server_processors",
        ),
        line(
            "writings a second of its database",
            f"mails x {m.reminder.events / 2:g} (an event in two) / {a.drained_minutes:g} min",
            "transactions_a_second",
        ),
        line(
            "**history shards**",
            f"writings a second x {1000 * a.commit_seconds:g} ms / {a.shard_used:.0%} x {a.growth:g} "
            "(growth), a power of two, at least 512",
            "shards",
        ),
        line(
            "its database",
            f"(open x {one.bytes / 2e3:,.0f} kB + a month closed x {one.bytes / 1e3:,.0f} kB) "
            f"x {a.database_factor:g}",
            "history_gb",
            " GB",
        ),
        line("visibility: updates a second", "at most one a mail", "visibility_a_second"),
        line(
            "the register, a year",
            f"starts x {m.register_bytes / 1e3:,.0f} kB x {one.events / m.plain.events:.2f} "
            f"x {a.database_factor:g}",
            "register_gb_a_year",
            " GB",
        ),
        line(
            "object store, a year",
            f"starts x {m.files_bytes / 1e6:.1f} MB x {one.events / m.plain.events:.2f}",
            "files_tb_a_year",
            " TB",
        ),
        line(
            "files in it, a year",
            f"starts x {m.files:.0f} x {one.events / m.plain.events:.2f}",
            "files_a_year",
        ),
        line(
            "processors of the HTTP service",
            f"a fact a mail in the busiest hour x {1000 * m.service_seconds:.1f} ms / {a.used:g}",
            "service_processors",
        ),
    ]


def _cloud(found: list[Needs]) -> list[Line]:
    def line(what: str, formula: str, values: list[float], unit: str = "") -> Line:
        return Line(what, formula, tuple(_said(value) + unit for value in values))

    return [
        line(
            "actions a month",
            "starts x actions of a life",
            [n.actions_a_month for n in found],
        ),
        line(
            "actions a second, Monday at 09:00",
            "mails x actions of a reminder / time to drain",
            [n.actions_a_second for n in found],
        ),
        line(
            "resource units (TRU) for that hour",
            f"/ {APS} a second each",
            [n.resource_units for n in found],
        ),
        line(
            "dollars a month",
            "actions and storage at the public price, + 10 % of support",
            [n.dollars_a_month for n in found],
        ),
        line(
            "dollars an onboarding",
            "/ starts a month",
            [n.dollars_a_month / n.starts_a_month for n in found],
        ),
    ]


def _mornings(measured: Measured, assumed: Assumed, found: Needs) -> list[tuple[str, ...]]:
    rows = []
    for share, urgent in ((0.5, False), (1.0, False), (2.0, False), (1.0, True)):
        workers = max(1, round(found.workers * share))
        here = monday(measured, assumed, found, workers=workers, urgent_facts=urgent)
        late, facts = here.late[REMINDERS], here.late[FACTS]
        rows.append(
            (
                f"{found.open:,}",
                f"{workers:,}{', facts first' if urgent else ''}",
                *(_time(seconds) for seconds in (late.p50, late.p99, late.last)),
                f"{here.bottleneck} {here.busy[here.bottleneck]:.0%}",
                _time(facts.p99),
            )
        )
    return rows


def _joined(*words: str) -> str:
    return ", ".join(words)


def _said(value: float) -> str:
    """A count as it is, else three figures."""
    if isinstance(value, int) or value == 0:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return (
        f"{rounded:,.{max(0, min(digits, 3))}f}"
        if digits > 0 and rounded % 1
        else f"{rounded:,.0f}"
    )


def _time(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"  # noqa: PLR2004 - a minute


def _needed(lines: list[Line]) -> str:
    header = ("", "how", *(f"{open_:,} open" for open_ in SIZES))
    return _markdown(header, [(one.what, one.formula, *one.results) for one in lines])


def _markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    texts = {"", "how", "from", "figure", "busiest"}
    ruled = ["---" if title in texts else "---:" for title in header]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ruled, *rows))


def written(document: str, found: dict[str, str]) -> str:
    """The document with each table between its markers. Raises ``ValueError`` for one that has no
    place there."""
    for name, table in found.items():
        before, begin, rest = document.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not (begin and end):
            raise ValueError(f"no place for the table {name}")
        document = f"{before}{begin}{table}\n{end}{after}"
    return document


def main(words: list[str]) -> int:
    """Print the tables, or write them and the plot into a folder; 2 on misuse."""
    if len(words) not in {1, 2}:
        print("python -m bench.scaling RESULT.json [FOLDER]", file=sys.stderr)
        return 2
    figures = json.loads(Path(words[0]).read_text(encoding="utf-8"))
    found = tables(figures)
    if len(words) == 1:
        for name, table in found.items():
            print(f"{name}\n\n{table}\n")
        return 0
    folder = Path(words[1])
    page = folder / "scaling.md"
    page.write_text(written(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    from bench.scaling_plot import draw  # noqa: PLC0415 - a heavy library, for this only

    draw(figures, folder / "images" / "scaling-burst.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
