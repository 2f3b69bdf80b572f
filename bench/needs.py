"""What that many open onboardings need: arithmetic, from measured figures and stated assumptions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from bench.simulation import Costs, Day, Installation, day
from worker import CACHED_RUNS

_HOUR: Final = 3600.0
_DAYS_A_MONTH: Final = 30.4
_CLOUD_HOURS: Final = 744
"""Of the month in which Temporal Cloud counts a gigabyte."""
_TIERS: Final = ((5, 50), (10, 45), (20, 40), (50, 35), (100, 30), (200, 25))
"""Pay as you go: up to so many million actions a month, dollars a million. Beyond: by contract."""
_INCLUDED_ACTIONS: Final = 2_500_000
_INCLUDED_ACTIVE_GB, _INCLUDED_RETAINED_GB = 2.5, 100
_ACTIVE, _RETAINED = 0.042, 0.00105
"""Dollars a GBh."""
_SUPPORT_SHARE, _SUPPORT_LEAST = 0.1, 500
"""Of what is consumed, and at least, dollars a month: the Business plan."""
APS: Final = 500
"""Actions a second of a namespace, and of each further resource unit (TRU)."""
SLOTS: Final = 100
"""Activities that a worker has under way at most (the SDK's default)."""
MAILBOX_A_MINUTE: Final = 30
"""Messages that Exchange Online takes from one mailbox."""
TURN_SECONDS: Final = 120
"""How long a mail waits for one of its worker's connections (``activities.mails.connections``)."""


@dataclass(frozen=True)
class Assumed:
    """What no measure says, and an operator may know better."""

    life_months: float = 6
    """From the signature to the interview."""
    worked_days: float = 21
    """A month."""
    worked_hours: float = 9
    """A day."""
    busiest_hour: float = 0.2
    """The share of a day's facts that come in its busiest hour, which is from 09:00 on."""
    reminded: float = 0.1
    """The share of open onboardings with a reminder on a Monday at 09:00, one mail each."""
    drained_minutes: float = 30
    """Until the last reminder should have left: half of ``ONBOARDING_MAIL_ALERT_HOURS``."""
    used: float = 0.7
    """The share of its capacity that a station is given to do."""
    commit_seconds: float = 0.005
    """One writing, in Temporal's database or in ours."""
    smtp_seconds: float = 0.05
    """A message handed over to a mail server elsewhere."""
    shard_used: float = 0.1
    """The share of its time that a shard spends writing at the worst moment."""
    growth: float = 8
    """What shards are chosen for: their number is for ever."""
    first_of_month: float = 0.5
    """The share of activations that contracts put on the first of a month."""
    retention_days: float = 30
    """That Temporal keeps what is over."""
    database_factor: float = 2
    """Bytes of a database for one of history or of the register: indexes, dead rows, mutable state."""


@dataclass(frozen=True)
class Life:
    """What one whole onboarding costs."""

    events: float
    bytes: float
    actions: float


@dataclass(frozen=True)
class Measured:
    """The figures of ``make bench`` that are used here."""

    plain: Life
    long: Life
    """Of eighteen months."""
    life_worker_seconds: float
    life_server_seconds: float
    reminder: Life
    reminder_worker_seconds: float
    reminder_server_seconds: float
    forgotten_seconds: float
    """Of a worker's processor besides, when the run of a reminder is in no cache."""
    forgotten_events: float
    """Of the history that was replayed then."""
    replay_events_a_second: float
    run_mb: float
    """A run that a worker has in its cache."""
    register_bytes: float
    files: float
    files_bytes: float
    mails: float
    service_seconds: float
    """Of the HTTP service's processor, for one fact."""

    @classmethod
    def read(cls, figures: dict[str, Any]) -> Measured:
        """From the result of ``make bench``. Raises ``KeyError`` for a measure that is missing."""
        lives = {name: found["total"] for name, found in figures["history"].items()}
        whole, burst = figures["throughput"]["whole"]["ours"], figures["burst"]["many"]
        kept, doors = figures["kept"], figures["doors"]
        register = doors["postgresql"] or doors["sqlite"]
        return cls(
            plain=_life(lives["plain"]),
            long=_life(lives["eighteen months"]),
            life_worker_seconds=whole["worker_cpu_seconds"],
            life_server_seconds=whole["server_cpu_seconds"],
            reminder=_life(burst["cost"]),
            reminder_worker_seconds=burst["worker_cpu_ms"] / 1000,
            reminder_server_seconds=burst["server_cpu_ms"] / 1000,
            forgotten_seconds=figures["burst"]["forgotten"]["worker_cpu_ms"] / 1000,
            forgotten_events=figures["burst"]["forgotten"]["events"],
            replay_events_a_second=figures["replay"]["sandbox"]["ours"]["events_a_second"],
            run_mb=figures["crowd"]["ours_mb_a_thousand"]["worker_mb"] / 1000,
            register_bytes=kept["register_bytes"],
            files=kept["files"],
            files_bytes=kept["files_bytes"],
            mails=kept["mails"],
            service_seconds=register["facts"]["ours"]["cpu_ms"]["service"] / 1000,
        )


def _life(found: dict[str, Any]) -> Life:
    return Life(found["events"], found["bytes"], found["actions"])


_PLAIN_MONTHS, _LONG_MONTHS = 3.0, 18.0


def life(measured: Measured, months: float) -> Life:
    """An onboarding of that length, on the line between the two that were measured."""
    share = (months - _PLAIN_MONTHS) / (_LONG_MONTHS - _PLAIN_MONTHS)

    def between(name: str) -> float:
        plain, long = getattr(measured.plain, name), getattr(measured.long, name)
        return max(0.0, float(plain + share * (long - plain)))

    return Life(between("events"), between("bytes"), between("actions"))


@dataclass(frozen=True)
class Needs:
    """What that many open onboardings need."""

    open: int
    starts_a_month: float
    facts_mails_an_hour: float
    """Messages that facts bring in the busiest hour."""
    reminders: int
    """Due at the same instant."""
    mails_a_second: float
    """That the mail server must take."""
    replay_seconds: float
    """Of half a history, that of a run which is in no cache, for one task."""
    worker_seconds_a_reminder: float
    """Of such a run: its history is replayed for both its tasks, at worst."""
    workers: int
    workers_without_replay: int
    """If each run were always in the cache of some worker."""
    caches_gb: float
    """That it would take."""
    workers_memory_gb: float
    day_used: float
    """The share of the worked day that these workers work."""
    workers_at_most: int
    """With more, mails wait too long for a connection of their worker and are put off."""
    server_processors: int
    transactions_a_second: float
    """Of Temporal's database, at the worst."""
    shards: int
    history_gb: float
    register_gb_a_year: float
    files_a_year: float
    files_tb_a_year: float
    service_processors: int
    visibility_a_second: float
    activations: float
    """On the first of a month, at 08:00."""
    mailboxes: int
    """Of Exchange Online, if they were to take these mails."""
    open_a_worker: int
    """Onboardings that one worker carries."""
    actions_a_month: float
    actions_a_second: float
    """At the worst."""
    resource_units: int
    """Of Temporal Cloud, for that hour."""
    dollars_a_month: float


def needs(measured: Measured, assumed: Assumed, open_: int) -> Needs:
    """The arithmetic: everything is proportional to ``open_``, then rounded up."""
    one = life(measured, assumed.life_months)
    longer = one.events / measured.plain.events
    starts = open_ / assumed.life_months
    drained = assumed.drained_minutes * 60
    reminders = math.ceil(open_ * assumed.reminded)
    facts_mails = starts / assumed.worked_days * measured.mails * longer * assumed.busiest_hour
    longer_by = max(0.0, one.events / 2 - measured.forgotten_events)
    replay = measured.forgotten_seconds / 2 + longer_by / measured.replay_events_a_second
    a_reminder = measured.reminder_worker_seconds + 2 * replay
    a_mail = measured.life_worker_seconds / measured.mails + replay
    facts_meanwhile = facts_mails * drained / _HOUR
    busy = reminders * a_reminder + facts_meanwhile * a_mail
    mails_a_second = (reminders + facts_meanwhile) / drained / assumed.used
    a_server = measured.life_server_seconds / measured.mails
    served = reminders * measured.reminder_server_seconds + facts_meanwhile * a_server
    exactly = busy / drained / assumed.used
    workers = _up(exactly)
    cached = busy - replay * (2 * reminders + facts_meanwhile)
    # An event in two is written by itself: a task's start, an activity's start, each answer.
    writings = measured.reminder.events / 2
    transactions = (reminders + facts_meanwhile) * writings / drained
    actions = starts * one.actions
    actions_a_second = (reminders + facts_meanwhile) * measured.reminder.actions / drained
    history = open_ * one.bytes / 2
    kept = starts * assumed.retention_days / _DAYS_A_MONTH * one.bytes
    return Needs(
        open=open_,
        starts_a_month=starts,
        facts_mails_an_hour=facts_mails,
        reminders=reminders,
        mails_a_second=mails_a_second,
        replay_seconds=replay,
        worker_seconds_a_reminder=a_reminder,
        workers=workers,
        workers_without_replay=_up(cached / drained / assumed.used),
        caches_gb=open_ * measured.run_mb / 1000,
        workers_memory_gb=workers * CACHED_RUNS * measured.run_mb / 1000,
        day_used=(reminders * a_reminder + facts_mails / assumed.busiest_hour * a_mail)
        / (workers * assumed.worked_hours * _HOUR),
        workers_at_most=math.floor(mails_a_second * TURN_SECONDS / SLOTS),
        server_processors=_up(served / drained / assumed.used),
        transactions_a_second=transactions,
        shards=_shards(transactions * assumed.commit_seconds / assumed.shard_used * assumed.growth),
        history_gb=(history + kept) * assumed.database_factor / 1e9,
        register_gb_a_year=12
        * starts
        * longer
        * measured.register_bytes
        * assumed.database_factor
        / 1e9,
        files_a_year=12 * starts * longer * measured.files,
        files_tb_a_year=12 * starts * longer * measured.files_bytes / 1e12,
        service_processors=_up(facts_mails / _HOUR * measured.service_seconds / assumed.used),
        visibility_a_second=(reminders + facts_meanwhile) / drained,
        activations=starts * assumed.first_of_month,
        mailboxes=_up(mails_a_second * 60 / MAILBOX_A_MINUTE),
        open_a_worker=math.floor(open_ / exactly),
        actions_a_month=actions,
        actions_a_second=actions_a_second,
        resource_units=_up(actions_a_second / APS),
        dollars_a_month=dollars(actions, history / 1e9, kept / 1e9),
    )


def _up(value: float) -> int:
    return max(1, math.ceil(value))


def _shards(least: float) -> int:
    """A power of two, 512 at least: it is chosen once."""
    return int(2 ** max(9, math.ceil(math.log2(max(1.0, least)))))


def dollars(actions: float, active_gb: float, retained_gb: float) -> float:
    """Temporal Cloud's Business plan, pay as you go, a month. Actions beyond the last public price
    are counted at that price."""
    millions, before, spent = max(0.0, actions - _INCLUDED_ACTIONS) / 1e6, 0.0, 0.0
    for upto, price in _TIERS:
        spent += max(0.0, min(millions, upto) - before) * price
        before = upto
    spent += max(0.0, millions - before) * _TIERS[-1][1]
    active = max(0.0, active_gb - _INCLUDED_ACTIVE_GB)
    retained = max(0.0, retained_gb - _INCLUDED_RETAINED_GB)
    spent += _CLOUD_HOURS * (active * _ACTIVE + retained * _RETAINED)
    return spent + max(_SUPPORT_LEAST, _SUPPORT_SHARE * spent)


def installation(found: Needs, assumed: Assumed, *, workers: int | None = None) -> Installation:
    """What ``found`` asks for, or with another number of workers."""
    writers = 2 * found.mails_a_second * assumed.commit_seconds / assumed.used
    return Installation(
        workers=workers or found.workers,
        server_processors=found.server_processors,
        register_writers=_up(writers),
        mails_a_second=found.mails_a_second,
    )


def monday(
    measured: Measured,
    assumed: Assumed,
    found: Needs,
    *,
    workers: int | None = None,
    urgent_facts: bool = False,
) -> Day:
    """Simulate the hour from 09:00 on."""
    reminder = Costs(
        measured.reminder_worker_seconds,
        measured.reminder_server_seconds,
        assumed.commit_seconds,
        assumed.smtp_seconds,
        found.replay_seconds,
    )
    fact = Costs(
        measured.life_worker_seconds / measured.mails,
        measured.life_server_seconds / measured.mails,
        assumed.commit_seconds,
        assumed.smtp_seconds,
        found.replay_seconds / 2,  # Once for both its tasks.
    )
    return day(
        (found.reminders, reminder),
        (round(found.facts_mails_an_hour), fact),
        installation(found, assumed, workers=workers),
        urgent_facts=urgent_facts,
    )
