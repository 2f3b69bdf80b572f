"""A run without Temporal: what it decides and shows, and nothing of what the engine does.

As in ``ClientOnboarding``: each fact brings a look, and so does each mail that has left.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.sizes import contract_of, script_of, worked_days
from process import editions, maintenance
from process.calendar import WorkCalendar
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.orders import IssuedDocument, ReadPiece, SentMail
from process.policy import Policy
from process.record import Carried, IssuedSending, Record
from process.reminders import note_known
from workflows.agenda import Agenda, look
from workflows.intake import Intake
from workflows.page import details
from workflows.reporting import headline
from workflows.sendings import next_reference

if TYPE_CHECKING:
    from datetime import datetime

    from bench.scripts import Step
    from bench.sizes import Size
    from process.orders import Sending

_SHA256: Final = "0" * 64


class Folded:
    """An onboarding told fact by fact; every mail is accepted and every file read at once."""

    def __init__(self, size: Size, number: int = 0) -> None:
        contract = contract_of(size, number)
        days, policy = worked_days(contract), Policy()
        start = contract.signed_at
        record = Record(
            started_at=start,
            looked_at=start,
            headlines=True,
            frugal=True,
            edition=editions.CURRENT,
            reads_pieces=True,
        )
        self.script: list[Step] = script_of(size, contract)
        self.o = Onboarding(contract, WorkCalendar(days), policy, record)
        self.intake = Intake(self.o)
        self.carried = Carried(record=record, days=days, policy=policy)
        self.sent: list[Sending] = []
        self.looks = 0
        self.seconds = 0.0
        """Of processor, in the looks."""
        self._due: datetime | None = None
        self._live(start)

    def tell(self, *, but: int = 0) -> None:
        """Tell the whole story, all but its last steps."""
        now = self.o.record.started_at
        for step in self.script[: len(self.script) - but]:
            if step.until is not None:
                now = step.until
                while self._due and self._due <= now:
                    self._live(self._due)
            else:
                answer = self.intake.take(step.fact, [step.payload], now)
                if answer.outcome != "accepted":
                    raise RuntimeError(f"{step.fact} {step.payload}: {answer.outcome}")
                self._live(now)
        self.now = now

    def look(self, now: datetime) -> Agenda:
        """One look, and what is shown after it."""
        begun = time.process_time()
        o = self.o
        held = deadlines(o, now)
        note_known(o, held, now)
        agenda = look(o, held, now)
        headline(o, held, now)
        details(o, held, now, completed=False)
        self.seconds += time.process_time() - begun
        self.looks += 1
        return agenda

    def _live(self, now: datetime) -> None:
        """Look, do, and look again until there is nothing more to do."""
        record = self.o.record
        while True:
            for file in self.o.files_to_read:
                record.pieces[file.key] = ReadPiece(
                    key=file.key, sha256=_SHA256, media="application/pdf", pages=1
                )
            self._activate(now)
            agenda = self.look(now)
            record.looked_at, record.rung_at = now, agenda.rung_at
            if not agenda.sendings:
                self._due = agenda.wake.at if agenda.wake else None
                return
            for sending in agenda.sendings:
                self._send(sending, now)

    def _activate(self, now: datetime) -> None:
        record, planned = self.o.record, maintenance.activation_at(self.o, now)
        blocked = maintenance.is_blocked(self.o)
        if not record.activated_at and not blocked and planned and planned <= now:
            record.activated_at = planned

    def _send(self, sending: Sending, now: datetime) -> None:
        references = [next_reference(self.o, wanted) for wanted in sending.documents]
        self.o.record.documents += [
            IssuedDocument(
                kind=wanted.kind,
                reference=reference,
                version=1,
                sha256=_SHA256,
                size=1,
                issued_at=now,
            )
            for wanted, reference in zip(sending.documents, references, strict=True)
        ]
        self.sent.append(sending)
        self.o.record.sendings[sending.key] = IssuedSending(
            kind=sending.kind,
            started_at=now,
            state="done",
            content=sending.content,
            documents=references,
            mails=[
                SentMail(
                    to=one.email or one.role,
                    role=one.role,
                    message_id=f"<{sending.key}@mileotech.example>",
                    accepted_at=now,
                )
                for one in sending.to
            ],
        )
