"""``ClientOnboarding``: one long-lived run for each client, from the signature to the interview.

It learns facts (signals and updates), looks at what the seven steps owe (``steps``), has it done
(activities), and sleeps until the next absolute instant that matters. It decides nothing by
itself that is not written in ``process`` or in ``steps``, and it never fails: what cannot be done
becomes an open point that a person settles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

with workflow.unsafe.imports_passed_through():
    from process import maintenance, rules
    from process.calendar import WorkCalendar, at, paris_day
    from process.contract import Contract
    from process.documents import document_reference
    from process.facts import Fact, FactCorrected, OpenPointSettled
    from process.fields import canonical
    from process.history import problems_of
    from process.obligations import Deadline, deadlines
    from process.onboarding import Onboarding
    from process.orders import (
        DocumentOrder,
        FactAnswer,
        MailOrder,
        MailReport,
        OpenOnboarding,
        Projection,
        ReadWorkedDays,
        Recipient,
        Sending,
        WorkedDays,
    )
    from process.policy import Policy
    from process.record import (
        REJECTED_BYTES,
        REJECTED_KEPT,
        Correction,
        IssuedSending,
        OpenPoint,
        Record,
        RejectedFact,
        WaitingFact,
    )
    from process.refusals import problems
    from process.reminders import Reminder, note_known
    from workflows import effects
    from workflows.agenda import everything, look, waiting_too_long_at
    from workflows.alarm import Alarm
    from workflows.converter import Unreadable
    from workflows.handlers import facts_as_handlers
    from workflows.names import WORKFLOW_TYPE
    from workflows.page import details
    from workflows.reporting import projection, status
    from workflows.search_attributes import picture
    from workflows.sendings import mail, plain, title
    from workflows.steps import STEPS, any_step, current_step
    from workflows.steps.step7_evaluation import closing


@workflow.defn(name=WORKFLOW_TYPE)
@facts_as_handlers
class ClientOnboarding:
    """The onboarding of one client (PROC-CRM-003)."""

    def __init__(self) -> None:
        self._onboarding: Onboarding | None = None
        self._days: WorkedDays | None = None
        self._unread: list[tuple[str, Sequence[Any], datetime]] = []
        self._stirred = False
        self._completed = False
        self._alarm = Alarm(self._stir)
        self._doing: dict[str, asyncio.Task[None]] = {}
        self._shown: dict[str, Any] = {}
        self._projected: Projection | None = None

    @workflow.run
    async def run(self, *arguments: Any) -> dict[str, Any]:
        """Live the onboarding of a contract to its end.

        Raises:
            ApplicationError: ``InvalidContract``, with the path of each field: the only way a
                run fails.
        """
        contract = _read_contract(arguments)
        carried = arguments[1] if len(arguments) > 1 else None
        if carried is not None:
            self._carry_on(contract, Carried.model_validate(carried))
        elif refusal := await self._open(contract):
            return {"outcome": "duplicate", "reason": refusal}
        try:
            await self._live()
        except asyncio.CancelledError:
            # Temporal's own cancel button: the parties are told as for any cancellation.
            self._cancel_from_outside()
            await self._live()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._o.cancelled:
            return {"outcome": "cancelled", "reason": self._o.cancelled.reason}
        return {"outcome": "completed", "verdict": self._o.verdict}

    # What others may ask and say

    @workflow.query(name="status", description="Où en est l'onboarding (état complet).")
    def status(self) -> dict[str, Any]:
        """The ``status`` of DESIGN, section 4."""
        if self._onboarding is None:
            raise _not_ready()
        now = workflow.now()
        held = deadlines(self._o, now)
        return status(self._o, held, now, completed=self._completed).model_dump(mode="json")

    def hear(self, name: str, arguments: Sequence[Any]) -> None:
        """Take a signal: a fact that cannot be accepted is kept with the reason."""
        self._unread.append((name, arguments, workflow.now()))
        self._stir()

    @workflow.query(name="journal", description="Les faits retenus et les corrections.")
    def journal(self) -> dict[str, Any]:
        """Every fact that counts, in order, and every correction with both values."""
        if self._onboarding is None:
            raise _not_ready()
        record = self._o.record.model_dump(mode="json", include={"facts", "corrections"})
        people = [
            {"role": one.role, "name": one.person.name, "since": one.since.isoformat()}
            for one in self._o.in_charge
        ]
        return {**record, "in_charge": people}

    @workflow.signal(dynamic=True, description="Fait inconnu : gardé parmi les faits refusés.")
    def unknown(self, name: str, arguments: Sequence[RawValue]) -> None:
        """A signal that no fact bears the name of."""
        self.hear(name, [argument.payload.data.decode(errors="replace") for argument in arguments])

    def check(self, name: str, arguments: Sequence[Any]) -> None:
        """Refuse an update at the door when that can be told at once."""
        try:
            fact, payload = rules.read(name, tuple(arguments))
            if self._onboarding is not None and not self._unread:
                rules.judge(self._o, name, fact, payload, workflow.now())
        except rules.Refused as refused:
            raise _refusal(refused) from None
        except (rules.Waits, rules.AlreadyKnown):
            return

    async def answer(self, name: str, arguments: Sequence[Any]) -> FactAnswer:
        """Take an update, after the signals that came before it."""
        await workflow.wait_condition(lambda: self._onboarding is not None)
        self._read_signals()
        try:
            return self._take(name, arguments, workflow.now())
        except rules.Refused as refused:
            raise _refusal(refused) from None

    # The life of the run

    @property
    def _o(self) -> Onboarding:
        if self._onboarding is None:
            raise RuntimeError("the onboarding is not open yet")
        return self._onboarding

    def _stir(self) -> None:
        self._stirred = True

    async def _open(self, contract: Contract) -> str | None:
        """Claim the reference and read what the run must know; the reason if it is not ours."""
        now = workflow.now()
        info = workflow.info()
        opening = await effects.open_onboarding(
            OpenOnboarding(
                contract=contract.model_dump(mode="json"),
                workflow_id=info.workflow_id,
                run_id=info.first_execution_run_id,
                started_at=now,
            )
        )
        if not opening.claimed:
            return opening.reason or "référence déjà utilisée"
        self._carry_on(
            contract,
            Carried(
                record=Record(started_at=now, looked_at=now),
                days=opening.calendar,
                policy=Policy.model_validate(opening.policy),
            ),
        )
        if contract.history:
            self._take_over(now)
        return None

    def _carry_on(self, contract: Contract, carried: Carried) -> None:
        self._days = carried.days
        self._onboarding = Onboarding(
            contract, WorkCalendar(carried.days), carried.policy, carried.record
        )

    async def _renew_history(self) -> None:
        """Go on in a new run when the history grows long, at a moment when nothing is under way:
        the record carries all there is to know."""
        if not workflow.info().is_continue_as_new_suggested() or self._doing or self._days is None:
            return
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._read_signals()
        if self._doing or self._stirred:
            return
        carried = Carried(record=self._o.record, days=self._days, policy=self._o.policy)
        contract = self._o.contract.model_dump(mode="json")
        workflow.continue_as_new(args=[contract, carried.model_dump(mode="json")])

    def _take_over(self, now: datetime) -> None:
        """Start from the facts of the past: nothing leaves for what is past, the late limits are
        listed once to the project manager (PROCESS 6.12)."""
        for past in self._o.contract.history:
            try:
                fact, payload = rules.read(past.fact, (past.payload,))
                self._weigh(past.fact, fact, payload, now)
            except rules.Refused as refused:
                self._reject(past.fact, (past.payload,), str(refused), now)
        self._try_waiting(now)
        o = self._o
        effective = maintenance.effective_on(o)
        if effective and effective <= paris_day(now) and not maintenance.is_blocked(o):
            o.record.activated_at = at(effective, o.policy.activation_hour)
        settled = True
        while settled:
            # What follows from what was done is past too: the activation notice, its minutes…
            past_sendings = look(o, deadlines(o, now), now).sendings
            settled = bool(past_sendings)
            for sending in past_sendings:
                o.record.sendings[sending.key] = IssuedSending(
                    kind=sending.kind,
                    started_at=now,
                    state="done",
                    settled_at=any_step.done_at(sending, now),
                )
        awaited = [expected for step in STEPS.values() for expected in step.expected(o, now)]
        self._start(any_step.take_over(o, awaited, now), now)

    def _cancel_from_outside(self) -> None:
        if not self._o.cancelled:
            fact, payload = rules.read(
                "onboarding_cancelled", ({"reason": "Annulation demandée dans Temporal."},)
            )
            self._weigh("onboarding_cancelled", fact, payload, workflow.now())

    async def _live(self) -> None:
        """Look, do, sleep; until the seven steps are over and the end has been told."""
        while True:
            self._stirred = False
            self._reap()
            await self._renew_history()
            self._read_signals()
            await self._renew_calendar()
            now = workflow.now()
            self._let_time_pass(now)
            o = self._o
            held = deadlines(o, now)
            note_known(o, held, now)
            agenda = look(o, held, now)
            o.record.looked_at, o.record.rung_at = now, agenda.rung_at
            for sending in agenda.sendings:
                self._start(sending, now)
            for reminder in agenda.reminders:
                self._start(_as_sending(o, reminder), now)
            if o.cancelled and self._none_but_the_end_is_under_way():
                break
            if not o.cancelled and current_step(o) is None and not self._doing:
                for sending in closing(o, now):
                    if sending.key not in o.record.sendings:
                        self._start(sending, now)
                if not self._doing:
                    break
            self._show(held, now)
            self._alarm.set(None if o.cancelled else agenda.wake)
            await workflow.wait_condition(lambda: self._stirred)
        await self._end()

    def _none_but_the_end_is_under_way(self) -> bool:
        """Cancelled: what has not left yet no longer does; the end itself is told first."""
        told = {sending.key for sending in any_step.cancellation(self._o)}
        for key, task in self._doing.items():
            if key not in told:
                task.cancel()
        return not self._doing

    async def _end(self) -> None:
        """Show the end and leave it to the register, last-minute facts included."""
        self._alarm.set(None)
        self._completed = True
        while True:
            self._read_signals()
            now = workflow.now()
            held = deadlines(self._o, now)
            last = projection(self._o, held, now, completed=True)
            self._upsert(last)
            workflow.set_current_details(details(self._o, held, now, completed=True))
            await effects.project_the_end(last)
            if not self._unread:
                return

    def _let_time_pass(self, now: datetime) -> None:
        """What time alone brings about: the activation, and points opened by long waits."""
        self._activate(now)
        self._try_waiting(now)
        o = self._o
        if o.cancelled or o.suspension:
            return
        for fact in o.record.waiting:
            id_ = _waiting_id(fact)
            opened = any(point.id == id_ for point in o.record.open_points)
            if not opened and now > waiting_too_long_at(o, fact.received_at):
                message = f"Le fait « {fact.fact} » attend toujours « {fact.waits_for} »"
                self._open_point(id_, "waiting_fact", message, None)

    def _activate(self, now: datetime) -> None:
        """Activation happens by itself on its date, unless a decision is owed first."""
        o = self._o
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

    async def _renew_calendar(self) -> None:
        """Read the worked days of later years well before they are needed (PROCESS 3.6)."""
        days, year = self._days, workflow.now().year
        if days is None or days.last_year >= year + 2:
            return
        more = await effects.read_worked_days(
            ReadWorkedDays(
                zones=[site.zone for site in self._o.contract.sites],
                first_year=days.last_year + 1,
                last_year=year + 3,
            )
        )
        self._days = days.and_later(more)
        self._o.calendar = WorkCalendar(self._days)

    # Facts

    def _read_signals(self) -> None:
        while self._unread:
            name, arguments, received_at = self._unread.pop(0)
            try:
                self._take(name, arguments, received_at)
            except rules.Refused as refused:
                self._reject(name, arguments, str(refused), received_at)

    def _take(self, name: str, arguments: Sequence[Any], now: datetime) -> FactAnswer:
        fact, payload = rules.read(name, tuple(arguments))
        answer = self._weigh(name, fact, payload, now)
        if answer.outcome == "accepted":
            self._try_waiting(now)
        self._stir()
        return answer

    def _weigh(self, name: str, fact: Fact, payload: dict[str, Any], now: datetime) -> FactAnswer:
        """Judge one well-formed fact and act on the outcome; ``Refused`` passes through."""
        record = self._o.record
        try:
            rules.judge(self._o, name, fact, payload, now)
        except rules.AlreadyKnown:
            return FactAnswer(outcome="known", message="Déjà connu : rien ne change.")
        except rules.Waits as waits:
            if not any((w.fact, w.payload) == (name, payload) for w in record.waiting):
                record.waiting.append(
                    WaitingFact(fact=name, payload=payload, waits_for=str(waits), received_at=now)
                )
            message = f"Gardé : sera appliqué dès que « {waits} » sera connu."
            return FactAnswer(outcome="waiting", message=message)
        if fact.fact_id is not None:
            record.fact_ids[fact.fact_id] = rules.fingerprint(name, payload)
        if isinstance(fact, FactCorrected):
            self._correct(fact, now)
        self._o.take(name, fact, payload, now)
        if isinstance(fact, OpenPointSettled):
            self._settle(fact, now)
        return FactAnswer(outcome="accepted", message="Accepté.")

    def _correct(self, fact: FactCorrected, now: datetime) -> None:
        """Replace what a fact stated. Everything is derived again; what had left with another
        content leaves again as the next version, and says that it replaces the former."""
        o, record = self._o, self._o.record
        index, payload = rules.corrected(o, fact)
        states = {d.id: d.state for d in deadlines(o, now)}
        contents = {sending.key: sending for sending in everything(o, now)}
        before = record.facts[index]
        record.facts[index] = before.model_copy(update={"payload": payload})
        self._onboarding = o = o.as_of(record.facts)
        o.record = record
        for sending in everything(o, now):
            former = contents.get(sending.key)
            entry = record.sendings.get(sending.key)
            # A progress report tells its week as it was; only its own correction changes it.
            own = sending.kind != "progress_report" or fact.fact == "progress_reported"
            told = sending.kind in ("welcome", "assignment")
            if former and entry and own and not told and entry.state in ("done", "blocked"):
                self._send_again(sending, former, entry, fact.reason)
        changed = [
            f"{d.id.rstrip(':')} : {states[d.id]} → {d.state}"
            for d in deadlines(o, now)
            if states.get(d.id, d.state) != d.state
        ]
        record.corrections.append(
            Correction(
                fact=fact.fact,
                key=fact.key,
                before=before.payload,
                after=payload,
                by=fact.by,
                reason=fact.reason,
                at=now,
                limits=changed,
            )
        )

    def _send_again(
        self, sending: Sending, former: Sending, entry: IssuedSending, reason: str
    ) -> None:
        if (sending.data, sending.documents) == (former.data, former.documents):
            return
        replaced = None
        for rank, (new, old) in enumerate(zip(sending.documents, former.documents, strict=False)):
            if new != old and rank < len(entry.documents):
                replaced = entry.documents[rank]
                entry.documents[rank] = self._reference(new.kind, new.subject)
        self._close_point(f"mail:{sending.key}")
        self._close_point(f"document:{sending.key}")
        entry.revision += 1
        entry.replaces = {"reference": replaced, "reason": reason}
        entry.former_mails += entry.mails
        entry.mails = []
        entry.state = "again"

    def _try_waiting(self, now: datetime) -> None:
        """Judge again the facts that came early, until none of them moves any more."""
        record = self._o.record
        moved = True
        while moved:
            moved = False
            for waiting in list(record.waiting):
                fact, payload = rules.read(waiting.fact, (waiting.payload,))
                record.waiting.remove(waiting)
                try:
                    answer = self._weigh(waiting.fact, fact, payload, now)
                except rules.Refused as refused:
                    self._reject(waiting.fact, (payload,), str(refused), now)
                    self._close_point(_waiting_id(waiting))
                    continue
                if answer.outcome == "waiting":
                    record.waiting[-1].received_at = waiting.received_at
                else:
                    self._close_point(_waiting_id(waiting))
                    moved = True

    def _reject(
        self, name: str, arguments: Sequence[Any], reason: str, received_at: datetime
    ) -> None:
        record = self._o.record
        record.rejected_count += 1
        record.rejected.append(
            RejectedFact(
                fact=name[:100],
                payload=_as_text(arguments),
                reason=reason[:REJECTED_BYTES],
                received_at=received_at,
            )
        )
        del record.rejected[:-REJECTED_KEPT]

    # Effects

    def _start(self, sending: Sending, now: datetime) -> None:
        """Set a sending going; its documents get their references for good."""
        record = self._o.record
        entry = record.sendings.get(sending.key)
        if entry is None:
            entry = IssuedSending(kind=sending.kind, started_at=now)
            entry.documents = [self._reference(d.kind, d.subject) for d in sending.documents]
            record.sendings[sending.key] = entry
        entry.state, entry.held = "doing", None
        if entry.replaces:
            sending = _replacing(sending, entry.replaces)
        self._doing[sending.key] = asyncio.create_task(self._perform(sending, entry))

    def _reference(self, kind: str, subject: str) -> str:
        record = self._o.record
        subjects = record.document_subjects.setdefault(kind, [])
        if subject not in subjects:
            subjects.append(subject)
        number = subjects.index(subject) + 1
        stem = f"{kind}:{subject}"
        version = record.document_versions[stem] = record.document_versions.get(stem, 0) + 1
        return document_reference(kind, self._o.contract.reference, number, version)

    async def _perform(self, sending: Sending, entry: IssuedSending) -> None:
        """Issue the documents, then send the mail. What cannot be done becomes an open point."""
        patience = timedelta(hours=self._o.policy.mail_patience_hours)
        try:
            await self._issue(sending, entry, patience)
            report = await self._send(sending, entry, patience)
        except ActivityError as error:
            entry.state = "blocked"
            entry.held = sending
            missing = [r for r in entry.documents if not self._issued(r)]
            what = f"Le document {missing[0]}" if missing else f"Le courriel « {title(sending)} »"
            kind: Literal["document", "mail"] = "document" if missing else "mail"
            message = f"{what} n'a pas pu partir : {_cause(error)}"
            self._open_point(f"{kind}:{sending.key}", kind, message, sending.key)
        else:
            entry.mails = report.mails
            refused = [sent for sent in report.mails if sent.refused]
            entry.state = "blocked" if refused else "done"
            if refused:
                entry.held = sending
                who = ", ".join(f"{sent.to} ({sent.refused})" for sent in refused)
                message = f"Le courriel « {title(sending)} » est refusé : {who}"
                self._open_point(f"mail:{sending.key}", "mail", message, sending.key)
        finally:
            self._stir()

    async def _send(
        self, sending: Sending, entry: IssuedSending, patience: timedelta
    ) -> MailReport:
        """Send the mail. A server that stays silent for an hour (setting) is told to a person while
        we go on trying: 72 hours may be running."""
        revision = f"#{entry.revision}" if entry.revision else ""
        order = MailOrder(
            onboarding=self._o.contract.reference,
            kind=sending.kind,
            key=f"{sending.key}{revision}",
            recipients=sending.to,
            reply_to=sending.manager,
            data=sending.data,
            attachments=entry.documents,
        )
        early = timedelta(hours=self._o.policy.mail_alert_hours)
        try:
            return await effects.send_mail(order, title(sending), early)
        except ActivityError as error:
            if error.retry_state == RetryState.NON_RETRYABLE_FAILURE:
                raise
            message = (
                f"Le courriel « {title(sending)} » n'est toujours pas accepté : {_cause(error)}"
            )
            self._open_point(f"silence:{sending.key}", "mail", message, None)
            self._stir()
        try:
            return await effects.send_mail(order, title(sending), patience)
        finally:
            self._close_point(f"silence:{sending.key}")

    def _reap(self) -> None:
        """Let go of what is done. A defect of ours in an effect fails the workflow task, where it
        is seen and tried again once mended; it never passes in silence."""
        for key, task in list(self._doing.items()):
            if task.done():
                del self._doing[key]
                if not task.cancelled():
                    task.result()

    async def _issue(self, sending: Sending, entry: IssuedSending, patience: timedelta) -> None:
        for document, reference in zip(sending.documents, entry.documents, strict=True):
            if self._issued(reference):
                continue
            order = DocumentOrder(
                onboarding=self._o.contract.reference,
                kind=document.kind,
                reference=reference,
                version=int(reference.rpartition("-v")[2]),
                dated_on=paris_day(entry.started_at).isoformat(),
                issuer=sending.manager if sending.manager and sending.manager.name else None,
                recipients=sending.to,
                sites=document.sites,
                data=document.data,
            )
            issued = await effects.issue_document(order, patience)
            self._o.record.documents.append(issued)

    def _issued(self, reference: str) -> bool:
        return any(document.reference == reference for document in self._o.record.documents)

    # Open points

    def _open_point(
        self,
        id_: str,
        kind: Literal["mail", "document", "waiting_fact"],
        message: str,
        sending: str | None,
    ) -> None:
        self._o.record.open_points.append(
            OpenPoint(
                id=id_,
                kind=kind,
                message=message[:1_000],
                since=workflow.now(),
                owed_by="project_manager",
                sending=sending,
            )
        )

    def _close_point(self, id_: str) -> OpenPoint | None:
        points = self._o.record.open_points
        point = next((point for point in points if point.id == id_), None)
        if point:
            points.remove(point)
        return point

    def _settle(self, fact: OpenPointSettled, now: datetime) -> None:
        """A person tries again, gives up, or has done it by other means."""
        point = self._close_point(fact.id)
        record = self._o.record
        if point and point.sending:
            entry = record.sendings[point.sending]
            entry.state = "again" if fact.action == "retry" else "done"
            if fact.action == "done_otherwise":
                entry.settled_at = now
        elif point:
            for waiting in [w for w in record.waiting if _waiting_id(w) == fact.id]:
                record.waiting.remove(waiting)
                reason = f"en attente de « {waiting.waits_for} », abandonné par {fact.by}"
                self._reject(waiting.fact, (waiting.payload,), reason, now)

    # What is shown

    def _show(self, held: list[Deadline], now: datetime) -> None:
        shown = projection(self._o, held, now)
        self._upsert(shown)
        continued = workflow.info().continued_run_id is not None
        text = details(self._o, held, now, completed=False, continued=continued)
        workflow.set_current_details(text)
        seen = self._projected
        same = seen is not None and shown.model_copy(update={"at": seen.at}) == seen
        if not self._doing and not same:
            self._projected = shown
            self._doing["register"] = asyncio.create_task(self._project(shown))

    def _upsert(self, shown: Projection) -> None:
        """Search attributes change when, and only when, they must."""
        wanted = picture(shown, self._o.contract.client.name)
        changed = [update for name, update in wanted.items() if self._shown.get(name) != update]
        if changed:
            workflow.upsert_search_attributes(changed)
            self._shown.update(wanted)

    async def _project(self, shown: Projection) -> None:
        try:
            await effects.project(shown)
        except ActivityError:
            # The next picture replaces this one; the last one is never given up.
            workflow.logger.warning("register out of reach, projection postponed")
            self._projected = None
        finally:
            self._stir()


class Carried(BaseModel):
    """What one run of an onboarding hands to the next."""

    record: Record
    days: WorkedDays
    policy: Policy


def _not_ready() -> ApplicationError:
    return ApplicationError("L'onboarding est en cours d'ouverture.", type="NotReady")


def _replacing(sending: Sending, replaces: dict[str, Any]) -> Sending:
    """The same sending, which says that it replaces a former one, and why."""
    documents = tuple(
        document.model_copy(update={"data": {**document.data, "replaces": replaces}})
        for document in sending.documents
    )
    data = {**sending.data, "replaces": replaces}
    return sending.model_copy(update={"data": data, "documents": documents})


def _read_contract(arguments: Sequence[Any]) -> Contract:
    try:
        if not _is_one_contract(arguments):
            raise _invalid_contract(["un seul objet JSON est attendu : le contrat"])
        contract = Contract.model_validate(arguments[0])
    except ValidationError as error:
        raise _invalid_contract([str(problem) for problem in problems(error)]) from None
    if past := problems_of(contract):
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
        type="InvalidContract",
        non_retryable=True,
    )


def _refusal(refused: rules.Refused) -> ApplicationError:
    lines = str(refused).splitlines()
    return ApplicationError(str(refused), lines, type="FactRefused", non_retryable=True)


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
    to: Iterable[Recipient] = [reminder.to]
    return mail(o, kind, list(to), {"items": items}, subject=subject)


def _waiting_id(fact: WaitingFact) -> str:
    return f"waiting:{fact.fact}:{fact.received_at.isoformat()}"


def _cause(error: ActivityError) -> str:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.message
    return "le serveur n'a pas répondu dans le délai prévu"


def _as_text(arguments: Sequence[Any]) -> str:
    """The payload as it came, cut at 2 kB."""
    shown = [a.beginning if isinstance(a, Unreadable) else a for a in arguments]
    value = shown[0] if len(shown) == 1 else shown
    try:
        text = canonical(value) if not isinstance(value, str) else value.encode()
    except (TypeError, ValueError):
        text = repr(value).encode(errors="replace")
    return text[:REJECTED_BYTES].decode(errors="ignore")
