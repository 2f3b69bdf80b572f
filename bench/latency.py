"""(b) How long one waits: a fact told as an update, against an empty one; a contract posted, until
the mail server has accepted its first mail, against an empty workflow's first activity.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiosmtpd.controller import Controller
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError

from bench.doors import Doors, open_doors, posted_contract, spread
from bench.floor import FLOOR_TYPE, Plan, Round, Stretch
from bench.lives import OPENS_AT, PLAIN
from bench.worker import FLOOR_QUEUE
from bench.world import Activities, World, world
from local.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from aiosmtpd.smtp import SMTP, Envelope, Session

    from bench.scripts import Teller

_PAIRS: Final = 8
"""Onboardings, each with its floor; as many updates at once."""
_MAIL_SECONDS: Final = 60
_EMPTY: Final = "empty"
_ACTING: Final = "empty, acting"
_FLOORS: Final = {
    "accepted": _EMPTY,
    "known": _EMPTY,
    "refused": _EMPTY,
    "accepted, sent": _ACTING,
}
"""Each kind of fact, and what it is held against: an update that does nothing, or one that has an
activity started."""
_KINDS: Final = (_EMPTY, _ACTING, *_FLOORS)
_OUTCOMES: Final = {_EMPTY: "accepted", _ACTING: "accepted", "accepted, sent": "accepted"}


async def measure(*, quick: bool) -> dict[str, Any]:
    """Updates one at a time and some at once, with activities that answer at once and with those
    of production; then contracts posted one at a time."""
    if quick:
        updates = {"idle": await _updates("idle", pairs=2, rounds=1)}
        return {"updates": updates, "first_mail": await _first_mail(2)}
    return {
        "updates": {
            "idle": await _updates("idle", pairs=_PAIRS, rounds=25),
            "whole": await _updates("whole", pairs=_PAIRS, rounds=8),
        },
        "first_mail": await _first_mail(40),
    }


# --- A fact sent as an update, until it is answered ---------------------------------------------


@dataclass
class _Pair:
    """An onboarding that is told facts, and floors that are told the same."""

    ours: Teller
    floors: dict[str, Teller]
    day: int = 7
    planned: dict[str, Any] = field(default_factory=dict)
    filed: int = 0

    async def tell(self, kind: str) -> float:
        """Tell one fact of that kind; the seconds until its answer."""
        told = self.floors.get(kind, self.ours)
        name, payload = ("message", self.planned) if kind in self.floors else self._fact(kind)
        began = time.perf_counter()
        try:
            outcome = (await told.handle.execute_update(name, payload))["outcome"]
        except WorkflowUpdateFailedError:
            outcome = "refused"
        seconds = time.perf_counter() - began
        if outcome != _OUTCOMES.get(kind, kind):
            raise RuntimeError(f"{kind}: {outcome}")
        await told.quiet()
        return seconds

    def _fact(self, kind: str) -> tuple[str, dict[str, Any]]:
        if kind == "refused":
            # No audit is owed for a new installation.
            day = OPENS_AT.date().isoformat()
            return "audit_concluded", {"concluded_on": day, "conclusions": "Conforme."}
        if kind == "accepted":
            self.filed += 1
            piece = {"family": "plans", "name": f"Plan {self.filed}"}
            return "doe_piece_filed", {**piece, "not_applicable_reason": "Ouvrage inchangé."}
        if kind == "accepted, sent":
            # Another day each time: the convocation leaves anew.
            self.day += 1
            starts_at = (OPENS_AT + timedelta(days=self.day)).isoformat()
            self.planned = {"starts_at": starts_at, "place": "Tours", "fact_id": f"f{self.day}"}
        return "kickoff_planned", self.planned


async def _updates(activities: Activities, *, pairs: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder), activities) as here:
            told = [await _pair(here) for _ in range(pairs)]
            return {
                "one_at_a_time": await _compared(told, rounds, _one_by_one),
                "at_once": {"updates": pairs, **await _compared(told, rounds, _together)},
            }


async def _pair(here: World) -> _Pair:
    ours = await here.onboarding(PLAIN.contract(), OPENS_AT)
    start = Stretch(after="start")
    floors = {}
    for kind, rounds in ((_EMPTY, []), (_ACTING, [Round(regular=1)])):
        # More messages than will come: it only ever hears and answers.
        plan = Plan(stretches=[start, *[Stretch(after="message", rounds=rounds)] * 1_000])
        floors[kind] = await here.floor(PLAIN.contract(), OPENS_AT, plan)
    pair = _Pair(ours, floors)
    # What is told a first time is not measured: the worker has more to do then.
    for kind in ("accepted, sent", "accepted", _EMPTY, _ACTING):
        await pair.tell(kind)
    return pair


async def _compared(
    pairs: list[_Pair],
    rounds: int,
    told: Callable[[list[_Pair], str], Awaitable[list[float]]],
) -> dict[str, Any]:
    """Every kind by turns, beginning with another one each round."""
    taken: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for number in range(rounds):
        first = number % len(_KINDS)
        for kind in (*_KINDS[first:], *_KINDS[:first]):
            taken[kind] += await told(pairs, kind)
    found: dict[str, Any] = {kind: spread(seconds) for kind, seconds in taken.items()}
    for kind, floor in _FLOORS.items():
        found[kind]["ratio"] = round(found[kind]["p50_ms"] / found[floor]["p50_ms"], 2)
    return found


async def _one_by_one(pairs: list[_Pair], kind: str) -> list[float]:
    return [await pair.tell(kind) for pair in pairs]


async def _together(pairs: list[_Pair], kind: str) -> list[float]:
    return list(await asyncio.gather(*(pair.tell(kind) for pair in pairs)))


# --- A contract posted, until its first mail is accepted ----------------------------------------


class _Noting:
    """A mail server that notes when it first accepted a mail of each onboarding."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._first: dict[str, asyncio.Future[float]] = {}

    def expect(self, mailboxes: str) -> asyncio.Future[float]:
        """The instant, by ``time.perf_counter``, of the first mail to a mailbox of that domain."""
        return self._first.setdefault(mailboxes, self._loop.create_future())

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Accept a message."""
        at = time.perf_counter()
        for recipient in envelope.rcpt_tos:
            mailboxes = recipient.partition("@")[2].partition(".")[0]
            self._loop.call_soon_threadsafe(self._note, mailboxes, at)
        return "250 OK"

    def _note(self, mailboxes: str, at: float) -> None:
        first = self.expect(mailboxes)
        if not first.done():
            first.set_result(at)


async def _first_mail(count: int) -> dict[str, Any]:
    noting = _Noting()
    smtp = Controller(noting, hostname=LOOPBACK, port=free_port())
    smtp.start()
    taken: dict[str, list[float]] = {"floor": [], "acknowledged": [], "first_mail": []}
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with open_doors(Path(folder), smtp_port=smtp.port, worker="whole") as doors:
                for number in range(-1, count):
                    floor = await _floor(doors, number)
                    acknowledged, mail = await _posted(doors, noting)
                    if number >= 0:  # The first of all is not measured.
                        taken["floor"].append(floor)
                        taken["acknowledged"].append(acknowledged)
                        taken["first_mail"].append(mail)
    finally:
        smtp.stop()
    found: dict[str, Any] = {name: spread(seconds) for name, seconds in taken.items()}
    found["ratio"] = round(found["first_mail"]["p50_ms"] / found["floor"]["p50_ms"], 2)
    return found


async def _floor(doors: Doors, number: int) -> float:
    """Seconds from the start of an empty workflow until its empty activity is done."""
    plan = Plan(stretches=[Stretch(after="start", rounds=[Round(regular=1)])])
    began = time.time()
    handle = await doors.client.start_workflow(
        FLOOR_TYPE, plan, id=f"first-{number}", task_queue=FLOOR_QUEUE
    )
    await handle.result()
    done = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
    [at] = [
        event.event_time.ToDatetime(UTC)
        async for event in handle.fetch_history_events()
        if event.event_type == done
    ]
    # The server's clock is this machine's.
    return at.timestamp() - began


async def _posted(doors: Doors, noting: _Noting) -> tuple[float, float]:
    """Seconds from a contract posted until it is acknowledged, and until its first mail."""
    contract = posted_contract()
    mailboxes = contract.client.decision_maker.email.partition("@")[2].partition(".")[0]
    first = noting.expect(mailboxes)
    began = time.perf_counter()
    await doors.post("/contracts", contract.model_dump(mode="json", exclude_none=True))
    acknowledged = time.perf_counter()
    async with asyncio.timeout(_MAIL_SECONDS):
        at = await first
    await doors.quiet(contract.reference)
    return acknowledged - began, at - began


# --- For people ---------------------------------------------------------------------------------


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """Milliseconds, and how many times the floor."""
    yield f"{'':<40}{'p50':>9}{'p95':>9}{'p99':>9}{'ratio':>8}"
    for activities, ways in figures["updates"].items():
        for way, kinds in ways.items():
            for kind in _KINDS:
                yield _line(f"{activities}, {way.replace('_', ' ')}, {kind}", kinds[kind])
    found = figures["first_mail"]
    yield _line("empty workflow, activity done", found["floor"])
    yield _line("contract posted, acknowledged", found["acknowledged"])
    yield _line("contract posted, first mail", {**found["first_mail"], "ratio": found["ratio"]})


def _line(title: str, one: dict[str, Any]) -> str:
    spreads = "".join(f"{one[name]:>9}" for name in ("p50_ms", "p95_ms", "p99_ms"))
    return f"{title:<40}{spreads}{one.get('ratio', ''):>8}"
