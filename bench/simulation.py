"""A day of mails as queues: how late each leaves, and what holds it up.

Reminders all fall due at 09:00; what facts bring comes all day long. A discrete-event model: a mail
visits stations one after the other, each with places and a queue; a worker serves tasks of workflows
before activities, every station first come first served otherwise. Service times vary around the
measured means (gamma, shape 4: a standard deviation of half the mean) and come from one seed: the same
arguments, the same figures. Seconds everywhere; 0 is 09:00.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from activities.mails.connections import AT_ONCE

_SHAPE: Final = 4
"""Of the gamma distribution of the service times."""
_MOST: Final = 3_000
"""Mails that are simulated one by one; beyond, one stands for several, and a place for as many."""
_TASK: Final = 0.4
"""The share of a worker's time that each of the two workflow tasks takes, the mail the rest: it is
what makes the median of the few reminders that are measured."""
_VISITS: Final = 4
"""To the server: what happens, the answer of the first task, that of the mail, that of the last."""
_LEFT: Final = "relay"
"""A mail has left once this station has served it."""
_HOUR: Final = 3600.0
REMINDERS: Final = "reminders"
FACTS: Final = "facts"


@dataclass(frozen=True)
class Costs:
    """What one mail costs on average, with what decides it and, if any, its documents."""

    worker_seconds: float
    """Of a worker's processor."""
    server_seconds: float
    """Of the Temporal server's processors."""
    commit_seconds: float
    """Of a connection to the register, for one of its two writings."""
    smtp_seconds: float
    """Of a connection to the mail server."""
    replay_seconds: float = 0
    """Of a worker's processor besides, for each of both tasks, when their run is in no cache."""


@dataclass(frozen=True)
class Installation:
    """What there is to serve them."""

    workers: int
    """Processes, each with one processor."""
    server_processors: int
    register_writers: int
    """Writings that the register's database makes at once."""
    mails_a_second: float
    """What the mail server takes, of us all."""
    smtp_connections: int = AT_ONCE
    """Of one worker."""

    @property
    def places(self) -> dict[str, int]:
        """How many mails each station serves at once."""
        return {
            "server": self.server_processors,
            "workers": self.workers,
            "register": self.register_writers,
            "connections": self.workers * self.smtp_connections,
            _LEFT: 1,
        }


@dataclass(frozen=True)
class Visit:
    """What a mail asks of a station, in seconds on average."""

    station: str
    seconds: float
    exact: bool = False
    """It does not vary."""
    last: bool = False
    """Served after all the others."""


@dataclass(frozen=True)
class Flow:
    """Mails of one kind: when each begins, and its way."""

    starts: Sequence[float]
    path: Sequence[Visit]
    urgent: bool = False
    """Served before all the others, everywhere."""


@dataclass(frozen=True)
class Late:
    """How long after their beginning the mails of a flow left; ``last`` is the instant of the last."""

    mails: int
    p50: float
    p99: float
    last: float


@dataclass(frozen=True)
class Day:
    """What became of each flow, and how busy each station was (0 to 1) until the last reminder, if
    there was one."""

    late: dict[str, Late]
    busy: dict[str, float]
    longest_queue: dict[str, int]

    @property
    def bottleneck(self) -> str:
        """The busiest station."""
        return max(self.busy, key=lambda name: self.busy[name])


def day(  # noqa: PLR0913 - the two flows, what serves them, and how
    reminders: tuple[int, Costs],
    facts: tuple[int, Costs],
    there: Installation,
    *,
    hours: float = 1,
    urgent_facts: bool = False,
    seed: int = 1,
    most: int = _MOST,
) -> Day:
    """So many reminders at 09:00, and so many mails brought by facts, evenly over ``hours`` from
    then on.

    Beyond ``most`` mails, a model of the same proportions, of one worker at least: a tenth of the
    mails, of the places and of the mail server's rate makes the same queues in the same time.
    """
    places = there.places
    scale = max(1, min(math.ceil((reminders[0] + facts[0]) / most), there.workers))
    fewer = {name: max(1, round(n / scale)) for name, n in places.items()}
    # What rounding takes from a station is given back in its speed.
    speed = {name: n / scale / fewer[name] for name, n in places.items()} | {_LEFT: 1}
    rate = there.mails_a_second / scale
    flows: dict[str, Flow] = {}
    for name, (mails, costs) in {REMINDERS: reminders, FACTS: facts}.items():
        count = math.ceil(mails / scale)
        spread = 0 if name == REMINDERS else hours * _HOUR
        path = [
            replace(one, seconds=one.seconds / speed[one.station]) for one in _path(costs, rate)
        ]
        urgent = urgent_facts and name == FACTS
        flows[name] = Flow([spread * n / count for n in range(count)], path, urgent=urgent)
    found = simulate(flows, fewer, seed=seed)
    return Day(
        {name: replace(late, mails=round(late.mails * scale)) for name, late in found.late.items()},
        found.busy,
        {name: length * scale for name, length in found.longest_queue.items()},
    )


def _path(costs: Costs, mails_a_second: float) -> list[Visit]:
    server = Visit("server", costs.server_seconds / _VISITS)
    task = Visit("workers", costs.worker_seconds * _TASK + costs.replay_seconds)
    commit = Visit("register", costs.commit_seconds)
    return [
        server,
        task,
        server,
        Visit("workers", costs.worker_seconds * (1 - 2 * _TASK), last=True),
        commit,
        Visit("connections", costs.smtp_seconds),
        Visit(_LEFT, 1 / mails_a_second, exact=True),
        commit,
        server,
        task,
        server,
    ]


# --- The queues ---------------------------------------------------------------------------------


@dataclass
class _Station:
    places: int
    waiting: list[tuple[bool, bool, int, int]] = field(default_factory=list)
    taken: int = 0
    served: float = 0.0
    longest: int = 0


@dataclass
class _Mail:
    flow: str
    begins: float
    path: Sequence[Visit]
    urgent: bool
    step: int = 0


def simulate(flows: dict[str, Flow], places: dict[str, int], *, seed: int) -> Day:
    """Let every mail of every flow go its way."""
    return _Model(flows, places, seed).run()


class _Model:
    def __init__(self, flows: dict[str, Flow], places: dict[str, int], seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - a model, not a secret
        self._stations = {name: _Station(n) for name, n in places.items()}
        self._order = itertools.count()
        self._mails = [
            _Mail(name, begins, flow.path, flow.urgent)
            for name, flow in flows.items()
            for begins in flow.starts
        ]
        self._events = [
            (mail.begins, next(self._order), number, False)
            for number, mail in enumerate(self._mails)
        ]
        """When, in which order, which mail, and whether a station has just served it."""
        heapq.heapify(self._events)
        self._left: dict[str, list[tuple[float, float]]] = {name: [] for name in flows}
        self._awaited = sum(mail.flow == REMINDERS for mail in self._mails)
        self._busy: dict[str, float] = {}

    def run(self) -> Day:
        while self._events:
            now, _, number, served = heapq.heappop(self._events)
            mail = self._mails[number]
            if served:
                self._served(mail, now)
            if mail.step < len(mail.path):
                self._arrive(number, now)
        return Day(
            {name: _late(found) for name, found in self._left.items()},
            self._busy,
            {name: one.longest for name, one in self._stations.items()},
        )

    def _arrive(self, number: int, now: float) -> None:
        mail = self._mails[number]
        visit = mail.path[mail.step]
        station = self._stations[visit.station]
        if station.taken < station.places:
            self._serve(number, now)
        else:
            place = (not mail.urgent, visit.last, next(self._order), number)
            heapq.heappush(station.waiting, place)
            station.longest = max(station.longest, len(station.waiting))

    def _serve(self, number: int, now: float) -> None:
        mail = self._mails[number]
        visit = mail.path[mail.step]
        seconds = visit.seconds
        if not visit.exact and seconds:
            seconds = self._random.gammavariate(_SHAPE, seconds / _SHAPE)
        station = self._stations[visit.station]
        station.taken += 1
        station.served += seconds
        heapq.heappush(self._events, (now + seconds, next(self._order), number, True))

    def _served(self, mail: _Mail, now: float) -> None:
        name = mail.path[mail.step].station
        mail.step += 1
        station = self._stations[name]
        station.taken -= 1
        if station.waiting:
            self._serve(heapq.heappop(station.waiting)[3], now)
        if name != _LEFT:
            return
        self._left[mail.flow].append((now - mail.begins, now))
        self._awaited -= mail.flow == REMINDERS
        if not (self._awaited or self._busy):
            self._busy = {
                name: min(1.0, one.served / one.places / now)
                for name, one in self._stations.items()
            }


def _late(left: Sequence[tuple[float, float]]) -> Late:
    if not left:
        return Late(0, 0.0, 0.0, 0.0)
    late = sorted(seconds for seconds, _ in left)
    last = max(at for _, at in left)
    return Late(len(late), late[len(late) // 2], late[99 * len(late) // 100], last)


# --- Against what was measured ------------------------------------------------------------------

_NEAR_COMMIT_SECONDS: Final = 0.002
"""Of SQLite, on the same machine."""


def held_against(burst: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What the model says of the many reminders that were measured (``bench.burst``), knowing what
    the few cost, in milliseconds; ``error`` is the model's: -0.1 is a tenth too early.

    ``by cost`` knows the seconds of processor only. ``stretched`` also knows how much longer the few
    took than that: the time that processes waited for a processor which others had.
    """
    few, many = (_modelled(burst["few"], burst[name]["mails"]) for name in ("few", "many"))
    stretch = burst["few"]["last_ms"] / (1000 * few.last)
    found: dict[str, dict[str, float]] = {}
    for name, factor in (("by cost", 1.0), ("stretched", stretch)):
        for figure, seconds in (("p50", many.p50), ("p99", many.p99), ("last", many.last)):
            measured, model = burst["many"][f"{figure}_ms"], 1000 * seconds * factor
            found[f"{name}, {figure}"] = {
                "measured_ms": measured,
                "model_ms": round(model),
                "error": round(model / measured - 1, 3),
            }
    return found


def _modelled(burst: dict[str, Any], mails: int) -> Late:
    """On the machine of the measure: one worker, and everything else near it."""
    costs = Costs(
        burst["worker_cpu_ms"] / 1000,
        burst["server_cpu_ms"] / 1000,
        _NEAR_COMMIT_SECONDS,
        burst["smtp_cpu_ms"] / 1000,
    )
    here = Installation(workers=1, server_processors=1, register_writers=1, mails_a_second=1000)
    return day((mails, costs), (0, costs), here).late[REMINDERS]
