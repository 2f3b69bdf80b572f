"""Who is reminded of what, and when (PROCESS, section 5).

A *chase* is one thing a person owes, with its rungs: the instants at which that person hears of
it. Rungs that were past when the thing became known are skipped; what is done simply is no
longer a chase, so its rungs stop at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from process import french
from process.calendar import at, iso_week, paris_day
from process.health import client_waits
from process.notices import short_notices
from process.obligations import Deadline, Obligation, weekly_point_on
from process.onboarding import MILEO_ROLES, Onboarding, one_a_mailbox
from process.orders import Recipient
from process.vocabulary import Party

Level = Literal["upcoming", "late", "open_point", "rejected", "request"]
_WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Rung:
    """One instant of a ladder, and whom it reaches."""

    at: datetime
    to: tuple[Recipient, ...]
    level: Level


@dataclass(frozen=True)
class Chase:
    """One thing that someone owes."""

    id: str
    text: str
    known_since: datetime
    rungs: list[Rung]
    due_at: datetime | None = None
    since: datetime | None = None
    """Since when the client is waited for."""


@dataclass(frozen=True)
class Reminder:
    """The grouped mail of one person: everything owed whose rung has come."""

    to: Recipient
    at: datetime
    chases: list[tuple[Chase, Level]]

    @property
    def for_client(self) -> bool:
        return self.to.role not in MILEO_ROLES


def due_reminders(chases: list[Chase], foreseen: datetime | None, now: datetime) -> list[Reminder]:
    """The mails to send now, one a person: for the rungs from the one that was foreseen on."""
    if foreseen is None:
        return []
    people: dict[str, tuple[Recipient, dict[str, tuple[Chase, Level]]]] = {}
    for chase in chases:
        for rung in chase.rungs:
            if chase.known_since < rung.at and foreseen <= rung.at <= now:
                for person in rung.to:
                    mailbox = (person.email or person.role).lower()
                    _, items = people.setdefault(mailbox, (person, {}))
                    items[chase.id] = (chase, rung.level)
    return [Reminder(person, now, list(items.values())) for person, items in people.values()]


@dataclass(frozen=True)
class NextRung:
    """The next instant at which someone hears of something, and of what."""

    at: datetime
    text: str


def next_rung(chases: list[Chase], now: datetime) -> NextRung | None:
    """When the next rung of all comes, and what is chased then."""
    coming = (rung.at for chase in chases for rung in chase.rungs if rung.at > now)
    first = min(coming, default=None)
    if first is None:
        return None
    texts = dict.fromkeys(c.text for c in chases for rung in c.rungs if rung.at == first)
    return NextRung(first, " ; ".join(texts))


def chases(o: Onboarding, held: list[Deadline], now: datetime) -> list[Chase]:
    """Everything owed by someone at that instant, with the rungs up to the next one; nobody is
    reminded of anything on suspension."""
    if o.suspension or o.cancelled:
        return []
    ladders = _Ladders(o, now)
    short = {notice.phase.id for notice in short_notices(o, now)}
    return [
        *(chase for deadline in held if (chase := _deadline(o, deadline, ladders, now, short))),
        *_client(o),
        *_open_points(o, now),
        *_rejected(o),
        *_missing_project_manager(o, now),
    ]


class _Ladders:
    """The rungs of the limits at an instant. Those of an obligation that are known and due together
    have the same ones, and a recette may leave hundreds of réserves: each ladder is made once."""

    def __init__(self, o: Onboarding, now: datetime) -> None:
        self._o = o
        self._now = now
        self._made: dict[tuple[str, str | None, datetime, datetime, bool], list[Rung]] = {}

    def of(self, deadline: Deadline, due_at: datetime, known: datetime) -> list[Rung]:
        """Those of that limit."""
        code, limit = deadline.obligation.code, deadline.limit
        own = limit.key if code in _OF_THEIR_OWN else None
        shared = (code, own, due_at, known, limit.lapsed)
        if shared not in self._made:
            self._made[shared] = list(_rungs(self._o, deadline, due_at, known, self._now))
        return self._made[shared]


_OF_THEIR_OWN: Final = frozenset({"O5", "O6"})
"""The obligations each of whose limits has its rungs: those of its phase, of its week."""


def _rungs(
    o: Onboarding, deadline: Deadline, due_at: datetime, known: datetime, now: datetime
) -> Iterator[Rung]:
    accountable = tuple(_accountable(o, deadline.obligation))
    with_head = _with_head(accountable)
    if deadline.limit.lapsed:
        # Nothing can be done about it any more: said once.
        yield Rung(o.next_reminder(max(due_at, known)), with_head, "late")
        return
    for instant in _before(o, deadline):
        yield Rung(instant, accountable, "upcoming")
    for instant in _late(o, due_at, known, now):
        yield Rung(instant, with_head, "late")


def _deadline(
    o: Onboarding, deadline: Deadline, ladders: _Ladders, now: datetime, short: Collection[str]
) -> Chase | None:
    """``short``: the phases whose notice came too late, which is not settled by having been given."""
    due_at = deadline.limit.due_at
    if due_at is None or deadline.state not in ("running", "missed"):
        return None
    too_short = deadline.obligation.code == "O5" and deadline.limit.key in short
    if deadline.limit.met_at and not too_short:
        return None
    if o.contract.history and due_at <= o.record.started_at:
        return None  # Taken over late: listed once, at the start.
    known = o.record.known_since.get(_known_id(deadline), now)
    rungs = ladders.of(deadline, due_at, known)
    text = _said(o, deadline)
    if too_short:
        text += " : préavis insuffisant, déplacer la phase ou joindre la dérogation du client"
    return Chase(deadline.id, text, known, rungs, due_at=due_at)


def _said(o: Onboarding, deadline: Deadline) -> str:
    if deadline.obligation.code == "O6" and not deadline.limit.lapsed:
        point = at(weekly_point_on(o, deadline.limit.key or ""), o.policy.weekly_point_hour)
        return f"{deadline.title}, prévu le {french.full_instant(point)}"
    return deadline.title


def _late(o: Onboarding, due_at: datetime, known: datetime, now: datetime) -> list[datetime]:
    ladder = list(_ladder(o, max(due_at, known), now))
    # What fell due during a suspension was in the plan of the resumption: first that, then us.
    return ladder[1:] if o.was_suspended(due_at) else ladder


def _known_id(deadline: Deadline) -> str:
    """A limit that moves is a new limit: its rungs start afresh."""
    due_at = deadline.limit.due_at
    return f"{deadline.id}@{due_at.isoformat() if due_at else ''}"


def note_known(o: Onboarding, held: list[Deadline], now: datetime) -> None:
    """Remember since when each limit is known; forget those that are no longer held."""
    known = o.record.known_since
    ids = [_known_id(d) for d in held if d.limit.due_at and not d.limit.met_at and not d.limit.void]
    o.record.known_since = {id_: known.get(id_, now) for id_ in ids}


_BY_ITSELF: Final = frozenset({"O14", "O15"})
"""What leaves on its date without anybody's help: nobody is reminded of it beforehand."""


def _before(o: Onboarding, deadline: Deadline) -> Iterator[datetime]:
    """The rungs before a limit: D-3 jo and D-1 jo, except where PROCESS section 4 has its own."""
    due_at = deadline.limit.due_at
    if due_at is None or deadline.obligation.code in _BY_ITSELF:
        return
    key = deadline.limit.key or ""
    if deadline.obligation.code == "O5":
        # The ask to make a provisional phase firm, and one last call.
        start = paris_day(o.phases[key].slot.starts_at)
        yield at(o.calendar.subtract(start, o.policy.firm_phase_jo), o.policy.reminder_hour)
        yield at(o.calendar.subtract(paris_day(due_at), 1), o.policy.reminder_hour)
    elif deadline.obligation.code == "O6":
        # That morning and the day after.
        point = weekly_point_on(o, key)
        after = o.calendar.worked_from(point + timedelta(days=1))
        for day in (point, after):
            if iso_week(day) == key:
                yield at(day, o.policy.reminder_hour)
    else:
        for jo in o.policy.reminder_before_jo:
            day = o.calendar.subtract(paris_day(due_at), jo)
            yield at(day, o.policy.reminder_hour)


def _ladder(o: Onboarding, start: datetime, now: datetime) -> Iterator[datetime]:
    """From the first morning after ``start``: at once, after 2 jo, then weekly."""
    rung = o.next_reminder(start)
    yield rung
    rung = at(o.calendar.add(paris_day(rung), o.policy.late_again_jo), o.policy.reminder_hour)
    yield rung
    while rung <= now:
        rung = o.reminder_at(paris_day(rung) + _WEEK)
        yield rung


def _accountable(o: Onboarding, obligation: Obligation) -> list[Recipient]:
    """The first accountable that is really there: "sales, else project manager"."""
    for role in obligation.accountable:
        if role in o.persons:
            return o.people([role])
    return o.people(obligation.accountable[:1]) or [Recipient(role="head_of_projects")]


def _with_head(people: tuple[Recipient, ...]) -> tuple[Recipient, ...]:
    return tuple(one_a_mailbox([*people, Recipient(role="head_of_projects")]))


def _client(o: Onboarding) -> Iterator[Chase]:
    policy = o.policy
    if not (waits := client_waits(o)):
        return
    project_manager = _with_head(tuple(o.people(["project_manager"])))
    for wait in waits:
        first: Party = "decision_maker" if wait.id == "scope_change" else "technical_lead"
        ladder: list[tuple[int, list[Party], Level]] = [
            *((jo, [first], "request") for jo in policy.client_reminder_jo),
            (policy.client_escalation_jo, ["decision_maker", "sales"], "late"),
        ]
        day = paris_day(wait.since)
        rungs = [
            Rung(at(o.calendar.add(day, jo), policy.reminder_hour), tuple(o.people(roles)), level)
            for jo, roles, level in ladder
        ]
        yield Chase(f"client:{wait.id}", wait.text, wait.since, rungs, since=wait.since)
        proposal = at(o.calendar.add(day, policy.client_suspension_jo), policy.reminder_hour)
        yield Chase(
            f"suspension:{wait.id}",
            "Proposer au client la suspension de l'onboarding : toujours en attente, "
            f"{wait.text} (depuis le {french.full_date(day)})",
            wait.since,
            [Rung(proposal, project_manager, "late")],
        )


def _open_points(o: Onboarding, now: datetime) -> Iterator[Chase]:
    people = tuple(o.people(["project_manager"]))
    for point in o.record.open_points:
        first, *later = _ladder(o, point.since, now)
        rungs = [
            Rung(first, people, "open_point"),
            *(Rung(instant, _with_head(people), "open_point") for instant in later),
        ]
        yield Chase(f"point:{point.id}", f"{point.message} (point {point.id})", point.since, rungs)


def _rejected(o: Onboarding) -> Iterator[Chase]:
    people = tuple(o.people(["project_manager"]))
    # Several may be refused in one task, at one instant; one sent again and again is told once.
    times = Counter(
        (fact.fact, fact.payload, fact.reason, fact.received_at) for fact in o.record.rejected
    )
    for rank, ((name, _, reason, received_at), count) in enumerate(times.items()):
        again = f" ({count} fois)" if count > 1 else ""
        why = reason.replace("\n", " ; ")
        yield Chase(
            f"rejected:{name}:{received_at.isoformat()}:{rank}",
            f"Fait « {name} » refusé{again} : {why}",
            received_at,
            [Rung(o.next_reminder(received_at), people, "rejected")],
        )


def _missing_project_manager(o: Onboarding, now: datetime) -> Iterator[Chase]:
    if "project_manager" not in o.persons:
        start = o.record.started_at
        head = (Recipient(role="head_of_projects"),)
        rungs = [Rung(instant, head, "late") for instant in _ladder(o, start, now)]
        yield Chase("project_manager", "Aucun chef de projet n'est nommé", start, rungs)
