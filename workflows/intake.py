"""What becomes of a fact: accepted, waiting, known, or refused with its reason. Pure.

``rules`` says what is allowed; here the record keeps what came of it. No fact is ever lost: an
early one waits, a signal that cannot be taken is kept among the rejected ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from process import doe, offsets, rules
from process.carrying import Room
from process.facts import (
    DoePieceFiled,
    Fact,
    FactCorrected,
    OpenPointSettled,
    named,
    stated_by,
)
from process.fields import canonical
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.orders import FactAnswer, Sending
from process.record import (
    MESSAGE_CHARACTERS,
    REJECTED_BYTES,
    REJECTED_KEPT,
    Correction,
    IssuedSending,
    RejectedFact,
    WaitingFact,
)
from workflows import invitations
from workflows.agenda import everything, waiting_too_long_at
from workflows.converter import Unreadable
from workflows.sendings import next_reference

_TOLD_ONCE: Final = frozenset(
    {"welcome", "assignment", "resumption_plan", "doe_complete", "doe_delivery"}
)
"""What a correction does not send again: a DOE that changes is first released again."""


class Intake:
    """Takes the facts of one onboarding."""

    def __init__(self, o: Onboarding) -> None:
        self._o = o
        self.room = Room(o)

    def take(self, name: str, arguments: Sequence[Any], now: datetime) -> FactAnswer:
        """Take a fact, and those that were waiting for it.

        Raises:
            Refused: it cannot be taken; the record has not changed.
        """
        fact, payload = rules.read(name, tuple(arguments), held=rules.reads_as_before(self._o))
        answer = self._weigh(name, fact, payload, now)
        if answer.outcome == "accepted":
            self.try_waiting(now)
        return answer

    def hear(self, name: str, arguments: Sequence[Any], now: datetime) -> None:
        """Take a signal: a fact that cannot be taken is kept with the reason."""
        try:
            self.take(name, arguments, now)
        except rules.Refused as refused:
            self.reject(name, arguments, str(refused), now)

    def try_waiting(self, now: datetime) -> None:
        """Judge again the facts that came early, until none of them moves any more. First come,
        first applied: a later plan never overtakes the one that it replaces."""
        record = self._o.record
        place = 0
        while place < len(record.waiting):
            waiting = record.waiting.pop(place)
            fact, payload = rules.read(waiting.fact, (waiting.payload,), held=True)
            try:
                answer = self._weigh(waiting.fact, fact, payload, now, waited=True)
            except rules.Refused as refused:
                self.reject(waiting.fact, (payload,), str(refused), now)
                record.close_point(rules.waiting_id(waiting))
                continue
            if answer.outcome == "waiting":
                again = record.waiting.pop()
                again.received_at = waiting.received_at
                if again.waits_for != waiting.waits_for:
                    record.close_point(rules.waiting_id(waiting))
                record.waiting.insert(place, again)
                place += 1
            else:
                record.close_point(rules.waiting_id(waiting))
                place = 0

    def raise_long_waits(self, now: datetime) -> None:
        """What has waited for days becomes a point that a person sees."""
        record = self._o.record
        for fact in record.waiting:
            id_ = rules.waiting_id(fact)
            raised = any(point.id == id_ for point in record.open_points)
            if (
                not raised
                and not fact.until
                and now > waiting_too_long_at(self._o, fact.received_at)
            ):
                message = f"« {named(fact.fact)} » attend toujours « {named(fact.waits_for)} »"
                record.open_point(id_, "waiting_fact", message, now)

    def _weigh(
        self, name: str, fact: Fact, payload: dict[str, Any], now: datetime, *, waited: bool = False
    ) -> FactAnswer:
        """Judge one well-formed fact and act on the outcome; ``Refused`` passes through. One that
        has waited had its room."""
        record = self._o.record
        warned = offsets.warning(self._o, fact)
        try:
            rules.judge(self._o, name, fact, payload, now)
            rules.check_happened(fact, now)
        except rules.AlreadyKnown:
            return FactAnswer(outcome="known", message=f"Déjà connu : rien ne change.{warned}")
        except rules.Waits as waits:
            if not (waiting := self._that_waits(name, fact, payload)):
                if not waited:
                    self.room.take(fact, payload)
                waiting = self._keep_waiting(name, payload, waits, now)
            return FactAnswer(outcome="waiting", message=_told_to_wait(waiting) + warned)
        if not waited:
            self.room.take(fact, payload)
        if isinstance(fact, FactCorrected):
            self._correct(fact, now)
        # Only now: a correction may still have been refused, and be sent again.
        if fact.fact_id is not None:
            record.fact_ids[fact.fact_id] = rules.counted_as(self._o, name, fact, payload)
        self._o.take(name, fact, payload, now)
        if isinstance(fact, DoePieceFiled):
            self._read_again(fact)
        if isinstance(fact, OpenPointSettled):
            self._settle(fact, now)
        return FactAnswer(outcome="accepted", message=f"Accepté.{warned}")

    def _that_waits(self, name: str, fact: Fact, payload: dict[str, Any]) -> WaitingFact | None:
        """The fact in waiting that states the same, however it was written."""
        waiting = self._o.record.waiting
        if rules.reads_as_before(self._o):
            same = (one for one in waiting if (one.fact, one.payload) == (name, payload))
        else:
            statement = rules.fingerprint(name, fact.stated())
            same = (one for one in map(_measured, waiting) if one.statement == statement)
        return next(same, None)

    def _keep_waiting(
        self, name: str, payload: dict[str, Any], waits: rules.Waits, now: datetime
    ) -> WaitingFact:
        record = self._o.record
        waiting = WaitingFact(
            fact=name,
            payload=payload,
            waits_for=str(waits),
            until=waits.until,
            about=waits.about[:MESSAGE_CHARACTERS],
            received_at=now,
        )
        held = sum(_measured(one).size for one in (*record.waiting, waiting))
        if len(record.waiting) >= rules.MAX_WAITING or held > rules.MAX_WAITING_BYTES:
            raise rules.Refused("trop de faits attendent déjà") from None
        record.waiting.append(waiting)
        return waiting

    def _correct(self, fact: FactCorrected, now: datetime) -> None:
        """Replace what a fact stated. Everything is derived again; what had left with another
        content leaves again as the next version, and says that it replaces the former."""
        o, record = self._o, self._o.record
        index, payload = rules.corrected(o, fact, now)
        states = {d.id: d.state for d in deadlines(o, now)}
        contents = {sending.key: sending for sending in everything(o, now)}
        before = record.facts[index]
        replaced = before.model_copy(update={"payload": payload})
        _check_bearable(o.as_of([*record.facts[:index], replaced, *record.facts[index + 1 :]]), now)
        record.facts[index] = replaced
        o.fold()
        for sending in everything(o, now):
            former = contents.get(sending.key)
            entry = record.sendings.get(sending.key)
            # A progress report tells its week as it was; only its own correction changes it.
            own = sending.kind != "progress_report" or fact.fact == "progress_reported"
            told = sending.kind in _TOLD_ONCE
            if former and entry and own and not told:
                self._send_again(sending, former, entry)
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

    def _send_again(self, sending: Sending, former: Sending, entry: IssuedSending) -> None:
        if (sending.data, sending.documents) == (former.data, former.documents):
            return
        if entry.state == "done" and not entry.mails and not entry.former_mails:
            return  # Done before the take-over, or by other means: there is nothing to replace.
        if entry.state == "doing":
            entry.outdated = True
            return
        if entry.state == "again":
            return
        contents = {(old.kind, old.subject): old for old in former.documents}
        kept = dict(zip(contents, entry.documents, strict=False))
        replaced = next(iter(entry.documents), None)
        entry.documents = [
            kept[new.kind, new.subject]
            if contents.get((new.kind, new.subject)) == new and (new.kind, new.subject) in kept
            else next_reference(self._o, new)
            for new in sending.documents
        ]
        for kind in ("mail", "document"):
            self._o.record.close_point(f"{kind}:{sending.key}")
        entry.send_again(replaced)

    def _read_again(self, piece: DoePieceFiled) -> None:
        """What is filed anew is read anew: the file may have been put right, or changed."""
        if file := self._o.stated(piece):
            self._o.record.pieces.pop(file.key, None)

    def _settle(self, fact: OpenPointSettled, now: datetime) -> None:
        """A person tries again, gives up, or has done it by other means."""
        point = self._o.record.close_point(fact.id)
        record = self._o.record
        if point and point.sending:
            entry = record.sendings[point.sending]
            entry.state = "again" if fact.action == "retry" else "done"
            if entry.held and invitations.outdated(self._o, entry.held, now):
                entry.state = "done"
            # Whatever was never answered is settled by this decision.
            entry.anew_from, entry.doubt_ends_at = now, None
            if fact.action == "done_otherwise":
                entry.settled_at = now
        elif point and point.kind in {"piece", "piece_secrets"}:
            for file in [one for one in self._o.files if doe.point_of(one) == fact.id]:
                read = record.pieces.get(file.key)
                if fact.action == "retry":
                    record.pieces.pop(file.key, None)
                elif read is not None and point.kind == "piece_secrets":
                    # Whatever else is said, it stays where nobody reads it.
                    choice = {"secrets_choice": fact.secrets or "container"}
                    record.pieces[file.key] = read.model_copy(update=choice)
        elif point and point.kind == "calendar" and fact.action == "retry":
            year = int(point.id.partition(":")[2])
            record.calendar_doubted = min(year, record.calendar_doubted or year)
        for waiting in [w for w in record.waiting if rules.waiting_id(w) == fact.id]:
            record.waiting.remove(waiting)
            reason = f"en attente de « {waiting.waits_for} », abandonné par {fact.by}"
            self.reject(waiting.fact, (waiting.payload,), reason, now)

    def reject(
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


def _check_bearable(corrected: Onboarding, now: datetime) -> None:
    """What cannot even be looked at is refused before anything has changed."""
    try:
        deadlines(corrected, now)
        list(everything(corrected, now))
    except (LookupError, ValueError):
        reason = "payload : des faits postérieurs dépendent de ce que cette correction retire"
        raise rules.Refused(reason) from None


def _measured(waiting: WaitingFact) -> WaitingFact:
    if not waiting.size:
        waiting.size = len(canonical(waiting.payload))
        waiting.statement = rules.fingerprint(
            waiting.fact, stated_by(waiting.fact, waiting.payload)
        )
    return waiting


def _told_to_wait(waiting: WaitingFact) -> str:
    """What its sender reads: that it does not count yet, why, and how to take it back."""
    if waiting.until:
        why = f"il énonce un jour à venir, {waiting.waits_for}, et sera appliqué ce jour-là"
    else:
        missing = f"{waiting.about} ; " if waiting.about else ""
        awaited = named(waiting.waits_for)
        why = f"{missing}il sera appliqué dès que « {awaited} » sera connu"
    return (
        f"En attente, pas encore retenu : {why}. Pour le retirer : fait open_point_settled, "
        f"id {rules.waiting_id(waiting)}, action abandon."
    )


def _as_text(arguments: Sequence[Any]) -> str:
    """The payload as it came, cut at 2 kB."""
    shown = [a.beginning if isinstance(a, Unreadable) else a for a in arguments]
    value = shown[0] if len(shown) == 1 else shown
    try:
        text = canonical(value) if not isinstance(value, str) else value.encode()
    except (TypeError, ValueError):
        text = repr(value).encode(errors="replace")
    return text[:REJECTED_BYTES].decode(errors="ignore")
