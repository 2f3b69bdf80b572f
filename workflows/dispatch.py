"""How a sending leaves: its documents are issued, its mail is sent, once.

What cannot be done becomes an open point; nothing here fails the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    RetryState,
    is_cancelled_exception,
)

from process import editions, invited
from process.calendar import paris_day
from process.onboarding import Onboarding
from process.orders import (
    DocumentOrder,
    Invitation,
    IssuedDocument,
    MailOrder,
    MailReport,
    Sending,
)
from process.record import IssuedSending
from workflows import effects
from workflows.groups import of_step
from workflows.sendings import next_reference, step_of, title

T = TypeVar("T")


class Dispatch:
    """Has the sendings of one onboarding done, each in a task of its own."""

    def __init__(self, o: Onboarding, stir: Callable[[], None]) -> None:
        self._o = o
        self._stir = stir
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._given: dict[str, Sending] = {}
        self._silent: set[str] = set()
        """Those that a person was told of, since they take long."""

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not self._under_way

    @property
    def answers_soon(self) -> bool:
        """Something is under way that has an end, good or bad, within ``mail_alert_hours``."""
        return bool(self._under_way.keys() - self._silent)

    def reap(self) -> None:
        """Let go of what is done. A defect of ours in an effect fails the workflow task, where it
        is seen and tried again once mended; it never passes in silence."""
        for key, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[key], self._given[key]
                if not task.cancelled():
                    task.result()

    def drop_all_but(self, keys: Collection[str]) -> None:
        """Give up what is under way, except these."""
        for key, task in self._under_way.items():
            if key not in keys:
                task.cancel()

    def hand_over(self) -> None:
        """Leave what is under way to the next run, which starts it again. The server forgets the
        activities of a run that ends."""
        for key in self._under_way:
            entry = self._o.record.sendings[key]
            entry.state, entry.held = "again", self._given[key]

    def start(self, sending: Sending, now: datetime) -> None:
        """Set a sending going; its documents get their references for good."""
        record = self._o.record
        entry = record.sendings.get(sending.key)
        if entry is None:
            entry = record.sendings[sending.key] = IssuedSending(kind=sending.kind, started_at=now)
        if len(entry.documents) != len(sending.documents):
            entry.documents = [next_reference(self._o, wanted) for wanted in sending.documents]
        if self._o.since(editions.SECOND):
            sending = invited.ask(record, sending, entry.revision, now)
        entry.state, entry.held = "doing", None
        entry.content = sending.content
        if entry.replaces:
            sending = _replacing(sending, entry.replaces)
        self._given[sending.key] = sending
        with of_step(step_of(sending.kind)):
            self._under_way[sending.key] = asyncio.create_task(self._perform(sending, entry))

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
            self._o.record.open_point(
                f"{kind}:{sending.key}", kind, message, workflow.now(), sending.key
            )
        else:
            if self._o.since(editions.SECOND):
                news = [sent for sent in report.mails if sent not in entry.mails]
                invited.answer(self._o.record, sending, entry.revision, news)
            entry.mails = report.mails
            self._withheld(sending, report)
            refused = [sent for sent in report.mails if sent.refused]
            entry.state = "blocked" if refused else "done"
            if refused:
                entry.held = sending
                who = ", ".join(f"{sent.to} ({sent.refused})" for sent in refused)
                message = f"Le courriel « {title(sending)} » est refusé : {who}"
                if sending.kind in ("reminder", "client_reminder"):
                    self._dead_mailbox(refused[0].to, message)
                    return
                self._o.record.open_point(
                    f"mail:{sending.key}", "mail", message, workflow.now(), sending.key
                )
        finally:
            if entry.outdated:
                replaced = next(iter(entry.documents), None)
                entry.documents = []
                entry.send_again(replaced)
            self._stir()

    def _withheld(self, sending: Sending, report: MailReport) -> None:
        """A document too large for a mail must reach its reader by other means."""
        for reference in report.withheld:
            message = (
                f"Le document {reference} est trop volumineux pour le courriel "
                f"« {title(sending)} » : le remettre par un autre moyen"
            )
            self._o.record.open_point(f"remise:{reference}", "document", message, workflow.now())

    def _dead_mailbox(self, address: str, message: str) -> None:
        """One point for a mailbox that refuses its reminders, not one a day."""
        record, id_ = self._o.record, f"mailbox:{address}"
        if not any(point.id == id_ for point in record.open_points):
            record.open_point(id_, "mail", message, workflow.now())

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
            attachments=[*entry.documents, *sending.enclosed],
            invitations=self._events(sending, entry),
        )
        step = step_of(sending.kind)
        return await self._patiently(
            sending,
            "mail",
            f"Le courriel « {title(sending)} » n'est toujours pas accepté",
            patience,
            lambda limit: effects.send_mail(order, title(sending), limit, step),
        )

    def _events(self, sending: Sending, entry: IssuedSending) -> list[Invitation]:
        """Its events with their sequences: the first edition counts the revisions here."""
        if self._o.since(editions.SECOND):
            return list(sending.invitations)
        return [
            event.model_copy(update={"sequence": event.sequence + entry.revision})
            for event in sending.invitations
        ]

    async def _patiently(
        self,
        sending: Sending,
        kind: Literal["document", "mail"],
        trouble: str,
        patience: timedelta,
        ask: Callable[[timedelta], Awaitable[T]],
    ) -> T:
        """Ask for an effect. One that is not there after an hour (setting) is told to a person
        while we go on trying: 72 hours may be running."""
        point = f"silence:{sending.key}"
        try:
            return await ask(timedelta(hours=self._o.policy.mail_alert_hours))
        except ActivityError as error:
            lasts = error.retry_state != RetryState.NON_RETRYABLE_FAILURE
            if not lasts or is_cancelled_exception(error):
                raise
            message = f"{trouble} : {_cause(error)}"
            self._o.record.open_point(point, kind, message, workflow.now())
            self._silent.add(sending.key)
            self._stir()
        try:
            return await ask(patience)
        finally:
            self._silent.discard(sending.key)
            self._o.record.close_point(point)

    async def _issue(self, sending: Sending, entry: IssuedSending, patience: timedelta) -> None:
        for document, reference in zip(sending.documents, entry.documents, strict=True):
            if self._issued(reference):
                continue
            stem, _, number = reference.rpartition("-v")
            version = int(number)
            order = DocumentOrder(
                onboarding=self._o.contract.reference,
                kind=document.kind,
                reference=reference,
                version=version,
                dated_on=paris_day(entry.started_at).isoformat(),
                issuer=sending.manager if sending.manager and sending.manager.name else None,
                recipients=sending.to,
                sites=document.sites,
                data=document.data,
                replaces=f"{stem}-v{version - 1}" if version > 1 else None,
            )
            self._o.record.documents.append(await self._issued_one(sending, order, patience))

    async def _issued_one(
        self, sending: Sending, order: DocumentOrder, patience: timedelta
    ) -> IssuedDocument:
        step = step_of(sending.kind)
        if not self._o.record.frugal:
            return await effects.issue_document(order, patience, step)
        return await self._patiently(
            sending,
            "document",
            f"Le document {order.reference} n'est toujours pas produit",
            patience,
            lambda limit: effects.issue_document(order, limit, step),
        )

    def _issued(self, reference: str) -> bool:
        return any(document.reference == reference for document in self._o.record.documents)


def _replacing(sending: Sending, replaces: dict[str, Any]) -> Sending:
    """The same sending, which says that it replaces a former one."""
    documents = tuple(
        document.model_copy(update={"data": {**document.data, "replaces": replaces}})
        for document in sending.documents
    )
    data = {**sending.data, "replaces": replaces}
    return sending.model_copy(update={"data": data, "documents": documents})


def _cause(error: ActivityError) -> str:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return cause.message
    return "le serveur n'a pas répondu dans le délai prévu"
