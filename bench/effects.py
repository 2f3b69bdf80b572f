"""(f) Documents and mails a second, with the processor that each takes.

The orders of a plain onboarding are carried out again by the activities of production, on another
register and store, in this process; the mail server is another process. ``cpu_ms`` is what this
process used, ``child_cpu_ms`` what the processes that it started used.
"""

from __future__ import annotations

import asyncio
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, TypeVar

from activities.doe.assembly import ASSEMBLED, BOOK
from bench.office import Office, Orders, office, orders_of_a_life
from bench.sink import sink
from local.postgres import running_postgres
from process.orders import DocumentOrder, MailOrder, ReadPieces

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE: Final = 8
_TICK_SECONDS: Final = 0.005
_Order = TypeVar("_Order")


@dataclass(frozen=True)
class _Cost:
    """What some work took."""

    seconds: float
    cpu: float
    child_cpu: float

    def figures(self, number: int = 1) -> dict[str, float]:
        """In milliseconds, for each of so many."""
        return {
            "ms": round(1_000 * self.seconds / number, 2),
            "cpu_ms": round(1_000 * self.cpu / number, 2),
            "child_cpu_ms": round(1_000 * self.child_cpu / number, 2),
        }


async def measure(*, quick: bool) -> dict[str, Any]:
    """One at a time, then some at once; each round is another onboarding's."""
    rounds = 1 if quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        orders = await orders_of_a_life(folder / "life")
        bench = _Bench(folder, orders)
        async with sink() as bench.port:
            figures: dict[str, Any] = {"sqlite": await bench.figures(rounds)}
            if not quick:
                with ExitStack() as stack:
                    try:
                        server = stack.enter_context(running_postgres())
                    except FileNotFoundError:
                        figures["postgresql"] = None
                    else:
                        figures["postgresql"] = await bench.figures(2, server.database)
            figures["doe"] = {
                str(pieces): await bench.doe(pieces) for pieces in ((2,) if quick else (10, 100))
            }
    return {**figures, "at_once": _AT_ONCE, "rounds": rounds}


class _Bench:
    port: int

    def __init__(self, folder: Path, orders: Orders) -> None:
        self._folder = folder
        self._orders = orders
        self._numbers = count(1)

    @asynccontextmanager
    async def _office(self, database: Callable[[], str] | None = None) -> AsyncIterator[Office]:
        number = next(self._numbers)
        another = self._orders.of_another(number)
        address = database() if database else None
        async with office(self._folder / str(number), another, self.port, address) as ready:
            yield ready

    async def figures(
        self, rounds: int, database: Callable[[], str] | None = None
    ) -> dict[str, Any]:
        """Of readings, documents and mails."""
        alone, together = _Turns(), _Turns()
        if rounds > 1:
            # What is imported, parsed and loaded once is loaded here.
            async with self._office(database) as first:
                await _Turns().carry_out(first, 1)
        for _ in range(rounds):
            for turns, at_once in ((alone, 1), (together, _AT_ONCE)):
                async with self._office(database) as ready:
                    await turns.carry_out(ready, at_once)
        return {
            "one_at_a_time": alone.figures(),
            "some_at_once": together.figures(),
            "documents": _by(alone.documents),
            "mails": _by(alone.mails),
            "readings": _by(alone.readings),
        }

    async def doe(self, pieces: int) -> dict[str, Any]:
        """The reading of so many files, then the book that is made of them."""
        async with self._office() as ready:
            for one in ready.orders.asked:
                if isinstance(one, DocumentOrder) and one.kind not in ASSEMBLED:
                    await ready.issue(one)
            book = next(
                one
                for one in ready.orders.asked
                if isinstance(one, DocumentOrder) and one.kind == BOOK
            )
            files = await asyncio.to_thread(ready.many_pieces, pieces)
            found, reading = await _timed(lambda: ready.read(files))
            rows = [
                stated.model_dump(mode="json", include={"family", "name", "uri"})
                | {"equipment": [], "not_applicable_reason": None}
                | {"read": read.model_dump(mode="json")}
                for stated, read in zip(files.pieces, found.pieces, strict=True)
            ]
            data = {**book.data, "pieces": rows, "originals": []}
            changed = book.model_copy(update={"data": data})
            issued, assembling = await _timed(lambda: ready.issue(changed))
        return {
            "reading_a_piece": reading.figures(pieces),
            "book": assembling.figures(),
            "book_kilobytes": round(issued.size / 1_000),
        }


class _Turns:
    """What rounds of the same work took."""

    def __init__(self) -> None:
        self.readings: dict[str, list[tuple[_Cost, int]]] = defaultdict(list)
        self.documents: dict[str, list[tuple[_Cost, int]]] = defaultdict(list)
        self.mails: dict[str, list[tuple[_Cost, int]]] = defaultdict(list)
        self._whole: dict[str, list[tuple[_Cost, int]]] = defaultdict(list)
        self._lags: list[float] = []

    async def carry_out(self, ready: Office, at_once: int) -> None:
        """The files, the documents that are drawn, those that are assembled, then the mails."""
        asked = ready.orders.asked

        async def read(order: ReadPieces) -> None:
            _, cost = await _timed(lambda: ready.read(order))
            self.readings["files"].append((cost, len(order.pieces)))

        async def issue(order: DocumentOrder) -> None:
            _, cost = await _timed(lambda: ready.issue(order))
            self.documents[order.kind].append((cost, 1))

        async def send(order: MailOrder) -> None:
            messages, cost = await _timed(lambda: ready.send(order))
            self.mails[str(len(order.attachments))].append((cost, messages))

        await _each([one for one in asked if isinstance(one, ReadPieces)], read, at_once)
        documents = [one for one in asked if isinstance(one, DocumentOrder)]
        drawn = [one for one in documents if one.kind not in ASSEMBLED]
        async with _lags(self._lags):
            _, cost = await _timed(lambda: _each(drawn, issue, at_once))
        self._whole["documents"].append((cost, len(drawn)))
        await _each([one for one in documents if one.kind in ASSEMBLED], issue, 1)
        mails = [one for one in asked if isinstance(one, MailOrder)]
        sent = sum(number for costs in self.mails.values() for _, number in costs)
        _, cost = await _timed(lambda: _each(mails, send, at_once))
        sent = sum(number for costs in self.mails.values() for _, number in costs) - sent
        self._whole["mails"].append((cost, sent))

    def figures(self) -> dict[str, Any]:
        """The rates, and how late the event loop was while documents were drawn."""
        rates = {
            what: {
                f"{what}_a_second": round(median(n / cost.seconds for cost, n in taken), 1),
                "cpu_ms": round(1_000 * median(cost.cpu / n for cost, n in taken), 2),
            }
            for what, taken in self._whole.items()
        }
        late = sorted(1_000 * one for one in self._lags)
        lag = {"p99_ms": round(late[int(0.99 * len(late))], 1), "max_ms": round(late[-1], 1)}
        return {**rates, "loop_lag": lag}


def _by(costs: dict[str, list[tuple[_Cost, int]]]) -> dict[str, Any]:
    """Medians, the cheapest first."""
    figures: dict[str, dict[str, float]] = {}
    for name, taken in costs.items():
        each = [cost.figures(number) for cost, number in taken]
        medians = {key: round(median(one[key] for one in each), 2) for key in each[0]}
        figures[name] = {"number": sum(number for _, number in taken), **medians}
    return dict(sorted(figures.items(), key=lambda one: one[1]["ms"]))


async def _each(
    orders: Sequence[_Order], work: Callable[[_Order], Awaitable[None]], at_once: int
) -> None:
    turn = asyncio.Semaphore(at_once)

    async def one(order: _Order) -> None:
        async with turn:
            await work(order)

    await asyncio.gather(*(one(order) for order in orders))


async def _timed(work: Callable[[], Awaitable[_Order]]) -> tuple[_Order, _Cost]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, cpu = time.perf_counter(), time.process_time()
    done = await work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    return done, _Cost(seconds, cpu, max(0.0, child))


@asynccontextmanager
async def _lags(late: list[float]) -> AsyncIterator[None]:
    """Note how late a tick comes, in seconds: what else the loop does has to wait as long."""

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            late.append(time.perf_counter() - began - _TICK_SECONDS)

    ticker = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticker.cancel()


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The rates, then the cheapest, the median and the dearest document, the mails, the DOE."""
    for database in ("sqlite", "postgresql"):
        found = figures.get(database)
        if not found:
            continue
        for name, number in (("one_at_a_time", 1), ("some_at_once", figures["at_once"])):
            one = found[name]
            yield (
                f"{database:<11}{number} at once"
                f"{one['documents']['documents_a_second']:>8} documents a second"
                f"{one['mails']['mails_a_second']:>8} mails a second"
                f"   loop late by {one['loop_lag']['p99_ms']} ms (p99),"
                f" {one['loop_lag']['max_ms']} ms at most"
            )
        kinds = [kind for kind in found["documents"] if kind not in ASSEMBLED]
        chosen = dict.fromkeys((kinds[0], kinds[len(kinds) // 2], kinds[-1]))
        yield from _rows(database, ((kind, found["documents"][kind]) for kind in chosen))
        yield from _rows(
            database,
            ((f"mail, {attached} attached", one) for attached, one in found["mails"].items()),
        )
        yield from _rows(database, (("file read", one) for one in found["readings"].values()))
    for pieces, one in figures["doe"].items():
        yield from _rows(
            f"DOE of {pieces}", (("file read", one["reading_a_piece"]), ("book", one["book"]))
        )


def _rows(group: str, costs: Iterable[tuple[str, dict[str, float]]]) -> Iterator[str]:
    for name, one in costs:
        yield (
            f"{group:<11}{name:<28}{one['ms']:>9} ms{one['cpu_ms']:>9} of processor"
            f"{one['child_cpu_ms']:>9} of children"
        )
