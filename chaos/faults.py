"""The faults, each striking once a step of the process."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from local.passage import before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.outcome import Delivery
    from chaos.post import Manner
    from chaos.world import World

ONE_A_STEP: Final = (
    "kickoff_planned",
    "audit_concluded",
    "phase_planned",
    "recette_signed_off",
    "doe_released",
    "maintenance_presented",
    "interview_held",
)
"""A fact of each step, after which documents and mails are due: the faults strike with it."""

Strike = Callable[["World"], Awaitable[None]]


class Unavailable(Exception):  # noqa: N818 - it states a situation
    """A fault that this machine cannot provoke; the message says why."""


async def _nothing(_world: World) -> None:
    pass


def _no_measure() -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Fault:
    """One kind of fault: what it does at each strike, and what the world must be made of."""

    name: str
    strike: Strike = _nothing
    prepare: Callable[[World], None] = lambda _world: None
    """Done once, before the onboarding begins."""
    world: dict[str, Any] = field(default_factory=dict)
    """How the world is made."""
    may_repeat: bool = False
    """It lies between the mail server's acceptance and its record."""
    measured: Callable[[], dict[str, Any]] = _no_measure
    """What else there is to tell, at the end."""


# --- Processes that are killed


def _worker_at_every_step() -> Fault:
    chance = random.Random(7)  # noqa: S311 - instants, not secrets

    async def strike(world: World) -> None:
        await asyncio.sleep(chance.uniform(0, 0.3))
        world.kill_worker()

    return Fault("worker killed at every step, at any instant", strike)


async def _temporal_killed(world: World) -> None:
    await asyncio.sleep(0.05)
    await world.temporal.kill()
    await asyncio.sleep(1)
    await world.temporal.start()


# --- The mail server


def _mannered(name: str, manner: Manner, *, may_repeat: bool = False) -> Fault:
    async def strike(world: World) -> None:
        world.post.manner = manner
        world.post.round += 1

    return Fault(name, strike, may_repeat=may_repeat)


async def _post_away(world: World) -> None:
    world.to_post.arm(lambda _way, _passing: True, lambda: None)
    await asyncio.sleep(5)
    world.to_post.disarm()


async def _post_cut_in_data(world: World) -> None:
    world.to_post.arm(before(b"\r\nMessage-ID:"), lambda: None)
    with suppress(TimeoutError):
        await asyncio.wait_for(world.to_post.sprung.wait(), 20)
    await asyncio.sleep(0.5)
    world.to_post.disarm()


_DELAYS: Final = (0.0, 0.002, 0.005, 0.010, 0.020, 0.050)
"""Seconds from the acceptance, which is about to be said, to the worker's death."""


def _worker_at_the_acceptance() -> Fault:
    struck: list[tuple[float, Delivery]] = []
    deliveries: Counter[Delivery] = Counter()

    def prepare(world: World) -> None:
        delays = itertools.cycle(_DELAYS)
        known: Counter[Delivery] = Counter()

        def accepted(number: int) -> None:
            nonlocal deliveries
            deliveries = world.post.deliveries
            [one] = deliveries - known
            known[one] += 1
            # One message in two, and never the same twice.
            if number % 2 or deliveries[one] > 1 or world.spared:
                return
            delay = next(delays)
            struck.append((delay, one))
            if delay:
                threading.Timer(delay, world.kill_worker).start()
            else:
                world.kill_worker()

        world.post.on_accepted = accepted

    def measured() -> dict[str, Any]:
        kills = Counter(delay for delay, _ in struck)
        again = Counter(delay for delay, one in struck if deliveries[one] > 1)
        by_delay = {
            f"{delay * 1000:.0f} ms": f"{again[delay]} of {kills[delay]}" for delay in kills
        }
        return {"kills": kills.total(), "repeated, by delay": by_delay}

    return Fault(
        "worker killed at the mail server's acceptance",
        prepare=prepare,
        may_repeat=True,
        measured=measured,
    )


# --- What the worker keeps things in


async def _disk_filled(world: World) -> None:
    ballast = world.settings.inbox.parent / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    await asyncio.sleep(5)
    ballast.unlink()


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "chaos", str(folder)]
    if mount is None or os.geteuid() != 0:
        raise Unavailable("mounting a small disk takes root")
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise Unavailable("this machine lets nobody mount a small disk")
    try:
        yield
    finally:
        umount = shutil.which("umount") or "umount"
        subprocess.run([umount, "--lazy", str(folder)], check=False)  # noqa: S603 - ours


async def _sqlite_locked(world: World) -> None:
    def hold() -> None:
        path = world.settings.inbox.parent / "onboarding.db"
        holder = sqlite3.connect(path, isolation_level=None, timeout=30)
        try:
            holder.execute("BEGIN EXCLUSIVE")
            threading.Event().wait(12)  # Longer than the worker waits for a lock.
            holder.execute("ROLLBACK")
        finally:
            holder.close()

    await asyncio.to_thread(hold)


async def _postgres_stopped(world: World) -> None:
    assert world.postgres is not None
    await asyncio.to_thread(world.postgres.stop)
    await asyncio.sleep(4)
    await asyncio.to_thread(world.postgres.start)


async def _postgres_silent(world: World) -> None:
    assert world.postgres is not None
    with world.postgres.silent():
        await asyncio.sleep(12)


# --- The network and the clock


async def _network_cut(world: World) -> None:
    world.to_temporal.arm(lambda _way, _passing: True, lambda: None)
    await asyncio.sleep(6)
    world.to_temporal.disarm()


def _clock_jumps() -> Fault:
    jumps = itertools.cycle(("+400d", "-30d", "+3h"))

    def variables(folder: Path) -> dict[str, str]:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            raise Unavailable("libfaketime is not installed (Debian: libfaketime)")
        clock = folder / "clock"
        clock.write_text("+0", encoding="ascii")
        return {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            # The clock on the wall jumps; time goes on elapsing.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    async def strike(world: World) -> None:
        (world.folder / "clock").write_text(next(jumps), encoding="ascii")

    return Fault("clock of the worker jumps", strike, world={"variables": variables})


def all_faults() -> list[Fault]:
    """Every fault, the longest first. None keeps anything of a former use."""
    return [
        Fault("worker killed after each kind of activity, unanswered", world={"doom": "after"}),
        _worker_at_the_acceptance(),
        Fault("SQLite locked for 12 s", _sqlite_locked),
        Fault("PostgreSQL silent for 12 s", _postgres_silent, world={"postgres": True}),
        Fault("worker killed before each activity", world={"doom": "before"}),
        Fault("PostgreSQL stopped for 4 s", _postgres_stopped, world={"postgres": True}),
        Fault("Temporal server killed, restarted on its file", _temporal_killed),
        Fault("network to Temporal cut for 6 s", _network_cut),
        _worker_at_every_step(),
        _mannered("mail server hangs", "hanging"),
        Fault("disk full for 5 s", _disk_filled, world={"kept_on": _small_disk}),
        Fault("mail server away for 5 s", _post_away),
        _mannered("mail server greylists", "greylisting"),
        Fault("mail server cut in the middle of a message", _post_cut_in_data),
        _mannered("connection lost once a message is accepted", "unheard", may_repeat=True),
        _clock_jumps(),
    ]
