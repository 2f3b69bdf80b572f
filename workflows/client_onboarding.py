"""``ClientOnboarding``: one long-lived run for each client, from the signature to the interview.

It learns facts (signals and updates: ``intake``), looks at what the seven steps owe (``steps``,
``agenda``), has it done (``dispatch``), shows where it stands (``display``), and sleeps until the
next absolute instant that matters (``alarm``). It decides nothing by itself that is not written in
``process`` or in ``steps``, and it never fails: what cannot be done becomes an open point that a
person settles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from process import editions, invited, maintenance, rules
    from process.calendar import WorkCalendar, at, paris_day
    from process.carrying import carried_of, fit, pack, unpack
    from process.contract import Contract, signed_ahead
    from process.fields import HELD
    from process.history import problems_of
    from process.obligations import deadlines
    from process.onboarding import Onboarding
    from process.orders import (
        FactAnswer,
        OpenOnboarding,
        ReadWorkedDays,
        Sending,
        WorkedDays,
    )
    from process.policy import Policy
    from process.record import Carried, IssuedSending, Record
    from process.refusals import problems
    from process.reminders import Reminder, note_known
    from workflows import effects, invitations, sealed
    from workflows.agenda import Agenda, Wake, doubt_wakes, look
    from workflows.alarm import Alarm
    from workflows.converter import Undecipherable, as_text
    from workflows.dispatch import Dispatch
    from workflows.display import Display
    from workflows.handlers import facts_as_handlers
    from workflows.intake import Intake
    from workflows.names import WORKFLOW_TYPE
    from workflows.page import summary
    from workflows.reading import Reading
    from workflows.reporting import in_one_message, journal, status
    from workflows.sendings import mail, plain
    from workflows.steps import STEPS, any_step, current_step
    from workflows.steps.step7_evaluation import closing


_INVALID: Final = "InvalidContract"
_FLOOD_PATCH: Final = "flood"
_READ_AT_ONCE: Final = 500
"""Signals read in one workflow task: some tenths of a second of the two that it may take."""
_BREATH: Final = timedelta(milliseconds=1)
_PRESSED: Final = 1.5
"""How far past the suggestion the history may grow before the new run is no longer put off: 6,144
events by default, of the 10,000 signals and 51,200 events at which the server stops a run."""
_FLOOD: Final = (
    "Beaucoup de messages en peu de temps : l'onboarding s'est poursuivi dans une nouvelle "
    "exécution, aucun fait n'est perdu. Vérifier qui les envoie"
)
_OVER: Final = "l'onboarding est terminé : plus aucun fait n'est retenu"


class Life:
    """An open onboarding and those who serve it."""

    def __init__(self, contract: Contract, carried: Carried, alarm: Alarm) -> None:
        self.days = carried.days
        self.o = Onboarding(contract, WorkCalendar(carried.days), carried.policy, carried.record)
        self.intake = Intake(self.o)
        self.dispatch = Dispatch(self.o, alarm.ring)
        self.reading = Reading(self.o, alarm.ring)
        self.display = Display(self.o, alarm.ring)

    @property
    def quiet(self) -> bool:
        """Nothing is under way."""
        return self.dispatch.idle and self.reading.idle and self.display.idle

    @property
    def another_look_soon(self) -> bool:
        """What is under way brings another look, within ``mail_alert_hours``: what it will change
        needs not be written now."""
        return self.o.record.frugal and self.dispatch.answers_soon

    def instants(self, agenda: Agenda, now: datetime) -> tuple[Wake | None, frozenset[datetime]]:
        """The next instant that matters, and those of the timers worth keeping."""
        watch = self.dispatch.wake
        watched = frozenset({watch.at} if watch else ())
        if self.o.cancelled:
            last = [*((watch,) if watch else ()), *doubt_wakes(self.o)]
            wake = min(last, key=lambda wake: wake.at, default=None)
            return wake, frozenset(one.at for one in last)
        wake = self.display.earliest(agenda.wake)
        if not self.o.record.frugal:
            return wake, frozenset()
        look_by = now + timedelta(hours=self.o.policy.mail_alert_hours)
        if self.another_look_soon and wake and wake.at > look_by:
            wake = None
        if watch and (wake is None or watch.at < wake.at):
            wake = watch
        return wake, agenda.instants | watched


@workflow.defn(name=WORKFLOW_TYPE)
@facts_as_handlers
class ClientOnboarding:
    """The onboarding of one client (PROC-CRM-003)."""

    def __init__(self) -> None:
        self._alarm = Alarm()
        self._life: Life | None = None
        self._unread: list[tuple[str, Sequence[Any], datetime]] = []
        self._read_count = 0
        self._suggested_at = 0
        """The length of the history when a new run was first suggested."""
        self._completed = False

    @workflow.run
    async def run(self, *arguments: Any) -> dict[str, Any]:
        """Live the onboarding of a contract to its end.

        Raises:
            ApplicationError: ``InvalidContract``, with the path of each field: the only way a
                run fails.
        """
        contract = _read_contract(arguments, HELD)
        carried = arguments[1] if len(arguments) > 1 else None
        if carried is not None:
            self._life = Life(contract, unpack(carried), self._alarm)
        elif refusal := await self._open(contract, arguments):
            return {"outcome": "duplicate", "reason": refusal}
        elif self._asked_to_cancel and self._open_life.o.since(editions.SECOND):
            self._cancel_from_outside()
        try:
            await self._live()
        except (asyncio.CancelledError, ActivityError) as cancelled:
            if not is_cancelled_exception(cancelled):
                raise
            # Temporal's own cancel button: the parties are told as for any cancellation.
            if not self._completed:
                self._cancel_from_outside()
            await self._live()
        await workflow.wait_condition(workflow.all_handlers_finished)
        o = self._open_life.o
        if o.cancelled:
            return {"outcome": "cancelled", "reason": o.cancelled.reason}
        return {"outcome": "completed", "verdict": o.verdict}

    # What others may ask and say

    @workflow.query(name="status", description="Où en est l'onboarding (état complet).")
    def status(self) -> dict[str, Any]:
        """The ``status`` of DESIGN, section 4."""
        o, now = self._readable.o, workflow.now()
        held = deadlines(o, now)
        return in_one_message(o, status(o, held, now, completed=self._completed))

    @workflow.query(name="journal", description="Les faits retenus et les corrections.")
    def journal(self) -> dict[str, Any]:
        """Every fact that counts, in order, and every correction with both values; ``omitted`` of the
        oldest facts where all would be more than one message."""
        return journal(self._readable.o)

    def hear(self, name: str, arguments: Sequence[Any]) -> None:
        """Take a signal: a fact that cannot be accepted is kept with the reason."""
        self._unread.append((name, arguments, workflow.now()))
        self._alarm.ring()

    @workflow.signal(dynamic=True, description="Fait inconnu : gardé parmi les faits refusés.")
    def unknown(self, name: str, arguments: Sequence[RawValue]) -> None:
        """A signal that no fact bears the name of."""
        self.hear(name, [as_text(argument.payload) for argument in arguments])

    @workflow.update(dynamic=True, description="Fait inconnu : refusé.")
    async def unknown_update(self, name: str, arguments: Sequence[RawValue]) -> FactAnswer:
        """An update that no fact bears the name of: refused by its validator."""
        return await self.answer(name, arguments)

    @unknown_update.validator
    def refuse_unknown(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Refuse it in our words, rather than the SDK's."""
        self.check(name, arguments)

    def check(self, name: str, arguments: Sequence[Any]) -> None:
        """Refuse an update at the door when that can be told at once."""
        try:
            if self._completed:
                raise rules.Refused(_OVER)
            if sealed.is_undecipherable(arguments):
                raise rules.Refused(sealed.REFUSED)
            fact, payload = rules.read(name, tuple(arguments))
            if self._life is not None and not self._unread:
                rules.judge(self._life.o, name, fact, payload, workflow.now())
        except rules.Refused as refused:
            raise _refusal(refused) from None
        except (rules.Waits, rules.AlreadyKnown):
            return

    async def answer(self, name: str, arguments: Sequence[Any]) -> FactAnswer:
        """Take an update, after the signals that came before it."""
        await workflow.wait_condition(lambda: self._life is not None)
        await self._read_signals()
        if self._completed:
            raise _refusal(rules.Refused(_OVER))
        sealed.check_accepted(arguments)
        try:
            answer = self._open_life.intake.take(name, arguments, workflow.now())
        except rules.Refused as refused:
            raise _refusal(refused) from None
        self._alarm.ring()
        return answer

    @property
    def _asked_to_cancel(self) -> bool:
        """Whether someone pressed Temporal's own cancel button."""
        return workflow.cancellation_reason() is not None

    @property
    def _readable(self) -> Life:
        if self._life is None:
            message = "L'onboarding est en cours d'ouverture."
            raise ApplicationError(message, type="NotReady")
        return self._life

    @property
    def _open_life(self) -> Life:
        if self._life is None:
            raise RuntimeError("the onboarding is not open yet")
        return self._life

    async def _read_signals(self) -> None:
        """Read what came, in order; a flood in several tasks, each within the time it may take."""
        while self._unread:
            self._read_some()
            if self._unread:
                await workflow.sleep(_BREATH, summary=summary("afflux de messages : suite"))

    def _read_some(self) -> None:
        flooded = len(self._unread) > _READ_AT_ONCE and workflow.patched(_FLOOD_PATCH)
        count = _READ_AT_ONCE if flooded else len(self._unread)
        unread, self._unread = self._unread[:count], self._unread[count:]
        record = self._open_life.o.record
        rejected_before = record.rejected_count
        recorded = self._open_life.o.since(editions.SECOND)
        for name, arguments, received_at in unread:
            self._read_count += 1
            if self._completed:
                self._open_life.intake.reject(name, arguments, _OVER, received_at)
            elif sealed.is_refused(self._read_count, arguments, recorded=recorded):
                # Shown alike by who has the key and by who has not.
                self._open_life.intake.reject(
                    name, (Undecipherable(),), sealed.REFUSED, received_at
                )
            else:
                self._open_life.intake.hear(name, arguments, received_at)
        if rejected := record.rejected_count - rejected_before:
            counter = workflow.metric_meter().create_counter("onboarding_facts")
            counter.add(rejected, {"outcome": "refused", "door": "signal"})

    # The life of the run

    async def _open(self, held: Contract, arguments: Sequence[Any]) -> str | None:
        """Claim the reference and read what the run must know; the reason if it is not ours.

        The contract is read by the rules of today, and refused by the opening, so that a run whose
        opening is in its history stays open with the contract as it was ``held`` then.
        """
        now = workflow.now()
        contract, doubts = held, list[str]()
        try:
            contract = _read_contract(arguments)
        except ApplicationError as invalid:
            doubts = list(invalid.details[0])
        doubts += [str(problem) for problem in signed_ahead(contract, now)]
        info = workflow.info()
        try:
            opening = await effects.open_onboarding(
                OpenOnboarding(
                    contract=contract.model_dump(mode="json"),
                    workflow_id=info.workflow_id,
                    run_id=info.first_execution_run_id,
                    started_at=now,
                    doubts=doubts,
                )
            )
        except ActivityError as error:
            if self._asked_to_cancel:
                # Nobody was told of it: it ends without a word, and its reference is free.
                raise asyncio.CancelledError from None
            if isinstance(error.cause, ApplicationError) and error.cause.type == _INVALID:
                raise _invalid_contract([str(line) for line in error.cause.details]) from None
            raise
        if not opening.claimed:
            return opening.reason or "référence déjà utilisée"
        if opening.edition < editions.SECOND:
            contract = held
        start = Record(
            started_at=now,
            looked_at=now,
            headlines=opening.headlines,
            frugal=opening.frugal,
            edition=opening.edition,
        )
        policy = Policy.model_validate(opening.policy)
        carried = Carried(record=start, days=opening.calendar, policy=policy)
        self._life = Life(contract, carried, self._alarm)
        _tell_doubts(self._life, opening.calendar, now)
        if contract.history:
            _take_over(self._life, now)
        return None

    async def _live(self) -> None:
        """Look, do, sleep; until the seven steps are over and the end has been told."""
        life = self._open_life
        o = life.o
        while True:
            self._alarm.hush()
            life.dispatch.reap()
            life.reading.reap()
            life.display.reap()
            await self._renew_history(life)
            await self._read_signals()
            await _renew_calendar(life)
            now = workflow.now()
            o.calendar.missed = None
            _let_time_pass(life, now)
            if not o.cancelled:
                life.reading.start()
            held = deadlines(o, now)
            note_known(o, held, now)
            agenda = look(o, held, now)
            if await _read_missed_years(life):
                continue  # Nothing leaves on worked days that were guessed.
            o.record.looked_at, o.record.rung_at = now, agenda.rung_at
            for sending in agenda.sendings:
                life.dispatch.start(sending, now)
            for sending in reminders_as_sendings(o, agenda.reminders):
                life.dispatch.start(sending, now)
            if self._is_over(life, now):
                break
            life.display.show(held, now, quiet=life.dispatch.idle, soon=life.another_look_soon)
            self._alarm.set(*life.instants(agenda, now))
            await self._alarm.rung()
        await self._end(life)

    def _is_over(self, life: Life, now: datetime) -> bool:
        """Cancelled, or all seven steps finished; and both sides have been told."""
        o = life.o
        if o.cancelled:
            # What has not left yet no longer does; the end itself is told first.
            ends = [end.key for end in any_step.cancellation(o)]
            life.dispatch.drop_all_but([*ends, *invitations.taken_away(o)])
            life.reading.drop()
            return self._is_settled(life)
        if current_step(o) is not None or not life.quiet:
            return False
        for end in closing(o, now):
            if end.key not in o.record.sendings:
                life.dispatch.start(end, now)
        return self._is_settled(life)

    @staticmethod
    def _is_settled(life: Life) -> bool:
        """Nothing is under way, and of nothing that was sent is the answer unknown: a person decides
        about it, or it leaves again after a day."""
        return life.quiet and not any(doubt_wakes(life.o))

    async def _end(self, life: Life) -> None:
        """Show the end and leave it to the register, last-minute facts included."""
        self._alarm.set(None)
        self._completed = True
        while True:
            await self._read_signals()
            now = workflow.now()
            await life.display.show_the_end(deadlines(life.o, now), now)
            if not self._unread:
                return

    async def _renew_history(self, life: Life) -> None:
        """Go on in a new run when the history grows long, at a moment when nothing is under way:
        the record carries all there is to know. Under a flood there is no such moment: what is
        under way then starts again there, each mail under the Message-ID it had."""
        info = workflow.info()
        if not info.is_continue_as_new_suggested():
            return
        length = info.get_current_history_length()
        self._suggested_at = self._suggested_at or length
        pressed = length > self._suggested_at * _PRESSED and workflow.patched(_FLOOD_PATCH)
        if not life.quiet and not pressed:
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._read_signals()
        if not fit(life.o):
            # A message too large would stop the run for good; a long history does not so soon.
            workflow.logger.error("what the run would hand on does not fit in one message")
            return
        if pressed:
            life.dispatch.hand_over()
            fit(life.o)
            life.o.record.open_point("afflux", "flood", _FLOOD, workflow.now())
        elif not life.quiet or self._alarm.is_ringing:
            return
        contract = life.o.contract.model_dump(mode="json")
        workflow.continue_as_new(args=[contract, pack(carried_of(life.o))])

    def _cancel_from_outside(self) -> None:
        o = self._open_life.o
        if o.cancelled and o.since(editions.SECOND):
            return
        reason = {"reason": "Annulation demandée dans Temporal."}
        self._open_life.intake.hear("onboarding_cancelled", [reason], workflow.now())


def _let_time_pass(life: Life, now: datetime) -> None:
    """What time alone brings about: the activation, what waited for it, long waits."""
    _activate(life.o, now)
    life.intake.room.looked()
    life.intake.try_waiting(now)
    life.dispatch.let_time_pass(now)
    life.dispatch.follow(now)
    if not life.o.cancelled and not life.o.suspension:
        life.intake.raise_long_waits(now)


def _activate(o: Onboarding, now: datetime) -> None:
    """Activation happens by itself on its date, unless a decision is owed first."""
    planned = maintenance.activation_at(o, now)
    if o.cancelled or o.record.activated_at or not planned or planned > now:
        return
    if maintenance.is_blocked(o):
        o.record.activation_blocked = True
    else:
        # The hour we waited for, or now if its day is today; a late fact moves no date.
        waited = planned > o.record.looked_at
        today = paris_day(now) == paris_day(planned)
        at_once = o.record.activation_blocked or (today and not waited)
        o.record.activated_at = now if at_once else planned


async def _renew_calendar(life: Life) -> None:
    """Read the worked days of later years well before they are needed (PROCESS 3.6), or again from
    the year that a person asked for."""
    doubted, life.o.record.calendar_doubted = life.o.record.calendar_doubted, None
    if doubted is not None:
        await _read_years(life, doubted, life.days.last_year)
    year = workflow.now().year
    if life.days.last_year < year + 2:
        await _read_years(life, life.days.last_year + 1, year + 3)


async def _read_missed_years(life: Life) -> bool:
    """Read the years that the last look counted on without having them: a fact may lead further
    than any year does by itself. Whether there were any."""
    missed = max(life.o.calendar.missed or 0, life.o.guessed_to)
    if missed <= life.days.last_year:
        return False
    await _read_years(life, life.days.last_year + 1, missed + 1)
    return True


async def _read_years(life: Life, first: int, last: int) -> None:
    o = life.o
    zones = [site.zone for site in o.contract.sites]
    more = await effects.read_worked_days(
        ReadWorkedDays(zones=zones, first_year=first, last_year=last)
    )
    life.days = life.days.until(first - 1).and_later(more)
    o.calendar = WorkCalendar(life.days)
    o.fold()
    for year in range(first, last + 1):
        o.record.close_point(f"calendrier:{year}")
    _tell_doubts(life, more, workflow.now())


def _tell_doubts(life: Life, read: WorkedDays, now: datetime) -> None:
    """Holidays that are not those of the law as we know it are a person's to decide on."""
    for year, message in read.doubts.items():
        life.o.record.open_point(f"calendrier:{year}", "calendar", message, now)


def _take_over(life: Life, now: datetime) -> None:
    """Start from the facts of the past: nothing leaves for what is past, the late limits are
    listed once to the project manager (PROCESS 6.12)."""
    o = life.o
    for past in o.contract.history:
        life.intake.hear(past.fact, [past.payload], now)
    effective = maintenance.effective_on(o)
    if effective and effective <= paris_day(now) and not maintenance.is_blocked(o):
        o.record.activated_at = at(effective, o.policy.activation_hour)
        life.intake.try_waiting(now)
    # What follows from what was done is past too: the activation notice, its minutes…
    while past_sendings := look(o, deadlines(o, now), now).sendings:
        for sending in past_sendings:
            if o.since(editions.SECOND):
                # Others told them: they are not told again, and hold nothing of ours.
                invited.ask(o.record, sending, 0, now)
            o.record.sendings[sending.key] = IssuedSending(
                kind=sending.kind,
                started_at=now,
                state="done",
                settled_at=any_step.done_at(sending, now),
            )
    awaited = [expected for step in STEPS.values() for expected in step.expected(o, now)]
    life.dispatch.start(any_step.take_over(o, awaited, now), now)


def reminders_as_sendings(o: Onboarding, reminders: list[Reminder]) -> list[Sending]:
    """The mails of the hour. The head of projects is a setting, whose address is known when a mail
    leaves: it may be that of another at Mileo, who gets one mail then. So theirs leave together,
    each item with the roles that it is for."""
    team = [reminder for reminder in reminders if not reminder.for_client]
    alone = not any(reminder.to.role == "head_of_projects" for reminder in team)
    if not o.since(editions.SECOND) or alone or len(team) == 1:
        return [_as_sending(o, reminder) for reminder in reminders]
    items: dict[str, dict[str, Any]] = {}
    for reminder in team:
        for item in _as_sending(o, reminder).data["items"]:
            known = items.setdefault(f"{item['level']} {item['text']}", {**item, "for": []})
            known["for"].append(reminder.to.role)
    roles = "+".join(reminder.to.role for reminder in team)
    subject = f"{roles}:{paris_day(team[0].at).isoformat()}"
    data = {"items": list(items.values())}
    together = mail(o, "reminder", [one.to for one in team], data, subject=subject)
    return [together, *(_as_sending(o, one) for one in reminders if one.for_client)]


def _as_sending(o: Onboarding, reminder: Reminder) -> Sending:
    """The grouped mail of one person; at most one a day."""
    items = [
        {
            "text": chase.text,
            "due_at": plain(o, chase.due_at),
            "since_on": plain(o, paris_day(chase.since)) if chase.since else None,
            "level": level,
        }
        for chase, level in reminder.chases
    ]
    kind = "client_reminder" if reminder.for_client else "reminder"
    subject = f"{reminder.to.role}:{paris_day(reminder.at).isoformat()}"
    return mail(o, kind, [reminder.to], {"items": items}, subject=subject)


def _read_contract(arguments: Sequence[Any], context: dict[str, bool] | None = None) -> Contract:
    if sealed.is_undecipherable(arguments):
        # Not the contract's fault: the task is tried again until the worker is given the key.
        raise RuntimeError("la clé qui a chiffré ce contrat manque à ce worker")
    try:
        if not _is_one_contract(arguments):
            raise _invalid_contract(["un seul objet JSON est attendu : le contrat"])
        contract = Contract.model_validate(arguments[0], context=context)
    except ValidationError as error:
        if workflow.info().continued_run_id is not None:
            # It was valid to who opened the run: a later version, which goes on with it.
            raise RuntimeError("le contrat est d'une version plus récente que ce worker") from None
        raise _invalid_contract([str(problem) for problem in problems(error)]) from None
    if past := problems_of(contract, held=context is HELD):
        raise _invalid_contract([str(problem) for problem in past])
    return contract


def _is_one_contract(arguments: Sequence[Any]) -> bool:
    """One contract; a second argument only from the former run of the same onboarding."""
    goes_on = workflow.info().continued_run_id is not None
    return len(arguments) == 1 + goes_on and isinstance(arguments[0], dict)


def _invalid_contract(found: list[str]) -> ApplicationError:
    return ApplicationError(
        "contrat invalide\n" + "\n".join(found),
        found,
        type=_INVALID,
        non_retryable=True,
    )


def _refusal(refused: rules.Refused) -> ApplicationError:
    lines = str(refused).splitlines()
    return ApplicationError(str(refused), lines, type="FactRefused", non_retryable=True)
