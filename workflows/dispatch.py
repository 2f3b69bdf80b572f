"""How a sending leaves: its documents are issued, its mail is sent, once.

What cannot be done becomes an open point; nothing here fails the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVar

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    RetryState,
    is_cancelled_exception,
)

from process import editions, french, invited
from process.calendar import paris, paris_day
from process.onboarding import Onboarding
from process.orders import (
    DocumentOrder,
    Invitation,
    IssuedDocument,
    MailOrder,
    MailReport,
    Sending,
    SentMail,
)
from process.record import IssuedSending
from workflows import effects
from workflows.agenda import Wake, everything
from workflows.groups import of_step
from workflows.sendings import next_reference, step_of, title

T = TypeVar("T")

DOUBT: Final = timedelta(days=1)
"""How long what was never answered is left alone, unless a person decides otherwise."""

_REMINDERS: Final = frozenset({"reminder", "client_reminder"})


class Dispatch:
    """Has the sendings of one onboarding done, each in a task of its own."""

    def __init__(self, o: Onboarding, stir: Callable[[], None]) -> None:
        self._o = o
        self._stir = stir
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._given: dict[str, Sending] = {}
        self._asked_at: dict[str, datetime] = {}
        """Since when each of them is under way, without anybody having been told that it lasts."""
        self._silent: set[str] = set()
        """Those that a person was told of, since they take long."""
        self._given_up: set[str] = set()
        self._to_follow: dict[str, Sending] = {}
        """Given up to be started again, as it is for whoever is in charge now."""
        self._people = len(o.in_charge)

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return not self._under_way

    @property
    def answers_soon(self) -> bool:
        """Something is under way that has an end, good or bad, within ``mail_alert_hours``."""
        return bool(self._under_way.keys() - self._silent)

    @property
    def wake(self) -> Wake | None:
        """When somebody is told of what is under way, should it last: the earliest instant alone,
        for all of them."""
        if not self._asked_at:
            return None
        key = min(self._asked_at, key=lambda key: self._asked_at[key])
        why = f"envoi en cours, {title(self._given[key])}"
        return Wake(self._asked_at[key] + self._alert, why, step_of(self._given[key].kind))

    @property
    def _alert(self) -> timedelta:
        return timedelta(hours=self._o.policy.mail_alert_hours)

    def let_time_pass(self, now: datetime) -> None:
        """Tell a person what has lasted for an hour (setting), while we go on trying: 72 hours may
        be running. Have what was never answered leave again after a day, once."""
        for key, asked_at in list(self._asked_at.items()):
            if now >= asked_at + self._alert:
                del self._asked_at[key]
                self._silent.add(key)
                sending, entry = self._given[key], self._o.record.sendings[key]
                self._o.record.open_point(
                    f"silence:{key}",
                    "document" if self._missing(entry) else "mail",
                    self._lasts(sending, entry),
                    now,
                )
        for entry in self._o.record.sendings.values():
            if entry.doubt_ends_at and now >= entry.doubt_ends_at:
                entry.anew_from, entry.doubt_ends_at, entry.state = now, None, "again"

    def follow(self, now: datetime) -> None:
        """Somebody was replaced: what has not reached the former one goes to the new one."""
        if len(self._o.in_charge) == self._people:
            return
        self._people = len(self._o.in_charge)
        if not self._o.since(editions.SECOND):
            return
        today = {sending.key: sending for sending in everything(self._o, now)}
        told = {point.id for point in self._o.record.open_points}
        for key, entry in self._o.record.sendings.items():
            former = self._given.get(key) or entry.held
            stuck = entry.state == "blocked" and f"mail:{key}" in told
            if former is None or not (stuck or key in self._under_way):
                continue
            current = today.get(key) or (self._for_today(former) if _daily(former) else former)
            reached = {one.to.lower() for one in entry.mails if one.accepted_at}
            if not (_addresses(former) - reached) - _addresses(current):
                continue
            if key in self._under_way:
                self._to_follow[key] = current
                self._give_up(key)
            else:
                entry.state, entry.held = "again", current
                entry.doubt_ends_at, entry.doubts = None, 0
                self._o.record.close_point(f"mail:{key}")

    def _for_today(self, former: Sending) -> Sending:
        """A reminder of the day, for who holds the roles now."""
        to = [(one.name and self._o.person(one.role)) or one for one in former.to]
        return former.model_copy(update={"to": to})

    def reap(self) -> None:
        """Let go of what is done. A defect of ours in an effect fails the workflow task, where it
        is seen and tried again once mended; it never passes in silence."""
        for key, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[key], self._given[key]
                self._asked_at.pop(key, None)
                self._given_up.discard(key)
                self._to_follow.pop(key, None)
                if not task.cancelled():
                    task.result()

    def drop_all_but(self, keys: Collection[str]) -> None:
        """Give up what is under way, and what was to leave again, except these."""
        for key, entry in self._o.record.sendings.items():
            if key not in keys:
                entry.doubt_ends_at = None
        for key in self._under_way:
            if key not in keys:
                self._to_follow.pop(key, None)
                self._give_up(key)

    def _give_up(self, key: str) -> None:
        if not self._o.since(editions.SECOND) or key not in self._given_up:
            self._given_up.add(key)
            self._under_way[key].cancel()

    def hand_over(self) -> None:
        """Leave what is under way to the next run, which starts it again. The server forgets the
        activities of a run that ends, and what they were late with begins anew."""
        for key in self._under_way:
            entry = self._o.record.sendings[key]
            entry.state, entry.held = "again", self._given[key]
            self._o.record.close_point(f"silence:{key}")

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
        if self._o.since(editions.SECOND):
            self._asked_at[sending.key] = now
        with of_step(step_of(sending.kind)):
            self._under_way[sending.key] = asyncio.create_task(self._perform(sending, entry))

    async def _perform(self, sending: Sending, entry: IssuedSending) -> None:
        """Issue the documents, then send the mail. What cannot be done becomes an open point."""
        patience = timedelta(hours=self._o.policy.mail_patience_hours)
        try:
            await self._issue(sending, entry, patience)
            report = await self._send(sending, entry, patience)
        except asyncio.CancelledError:
            self._given_back(sending, entry)
        except ActivityError as error:
            if is_cancelled_exception(error):
                self._given_back(sending, entry)
                return
            entry.state = "blocked"
            entry.held = sending
            missing = self._missing(entry)
            what = f"Le document {missing}" if missing else f"Le courriel « {title(sending)} »"
            kind: Literal["document", "mail"] = "document" if missing else "mail"
            message = f"{what} n'a pas pu partir : {_cause(error)}"
            self._o.record.open_point(
                f"{kind}:{sending.key}", kind, message, workflow.now(), sending.key
            )
        else:
            self._withheld(sending, report)
            if report.superseded:
                self._revised(sending, entry)
            else:
                self._gone(sending, entry, report)
                if entry.state == "blocked" and sending.key in self._to_follow:
                    # It ended before it could be given up.
                    self._given_back(sending, entry)
                    self._o.record.close_point(f"mail:{sending.key}")
        finally:
            if entry.outdated:
                replaced = next(iter(entry.documents), None)
                entry.documents = []
                entry.send_again(replaced)
            if self._o.since(editions.SECOND):
                self._silent.discard(sending.key)
                self._o.record.close_point(f"silence:{sending.key}")
            self._stir()

    def _missing(self, entry: IssuedSending) -> str | None:
        """The first of its documents that is not there."""
        return next((one for one in entry.documents if not self._issued(one)), None)

    def _given_back(self, sending: Sending, entry: IssuedSending) -> None:
        """It was cancelled, which is no failure: by us, or by somebody, and then it starts again."""
        if sending.key in self._to_follow:
            entry.state, entry.held = "again", self._to_follow[sending.key]
            entry.doubt_ends_at, entry.doubts = None, 0
        elif sending.key in self._given_up:
            entry.state = "blocked"
        else:
            entry.state, entry.held = "again", sending

    def _revised(self, sending: Sending, entry: IssuedSending) -> None:
        """Something else left under this key before a server Reset: what is to be said now leaves
        as the next revision, and says what it replaces."""
        stem, _, version = next(iter(entry.documents), "").rpartition("-v")
        entry.send_again(f"{stem}-v{int(version) - 1}" if version and int(version) > 1 else None)
        entry.held = sending

    def _gone(self, sending: Sending, entry: IssuedSending, report: MailReport) -> None:
        self._told(sending, entry, report)
        refused = [sent for sent in report.mails if sent.refused]
        unanswered = [sent for sent in report.mails if sent.unanswered_at]
        entry.state = "blocked" if refused or unanswered else "done"
        if unanswered:
            self._doubt(sending, entry, unanswered)
        else:
            entry.doubts = 0
        if refused:
            self._refused(sending, entry, refused)
        if entry.state == "done":
            self._o.record.close_point(f"mail:{sending.key}")

    def _told(self, sending: Sending, entry: IssuedSending, report: MailReport) -> None:
        """Keep what became of each message; from now on calendars hold what was accepted."""
        if self._o.since(editions.SECOND):
            news = [sent for sent in report.mails if sent not in entry.mails]
            invited.answer(self._o.record, sending, entry.revision, news)
        entry.mails = report.mails

    def _doubt(self, sending: Sending, entry: IssuedSending, unanswered: list[SentMail]) -> None:
        """It may have been received: a person is told. It leaves again after a day, once, under the
        same Message-ID."""
        entry.held = sending
        entry.doubts += 1
        who = french.enumeration([sent.to for sent in unanswered])
        now = workflow.now()
        message = (
            f"Le courriel « {title(sending)} » a peut-être été reçu : remis au serveur de "
            f"messagerie pour {who}, il est resté sans réponse. Vérifier auprès du destinataire : "
            "« done_otherwise » s'il l'a, « retry » pour le renvoyer"
        )
        if entry.doubts == 1:
            entry.doubt_ends_at = now + DOUBT
            ends = french.full_instant(paris(entry.doubt_ends_at))
            message += f" ; sans décision, il repart une fois le {ends}"
        else:
            message += ". Il est déjà reparti une fois, et ne repart plus de lui-même"
            self._o.record.close_point(f"mail:{sending.key}")
        self._o.record.open_point(f"mail:{sending.key}", "mail", message, now, sending.key)

    def _refused(self, sending: Sending, entry: IssuedSending, refused: list[SentMail]) -> None:
        entry.held = sending
        who = ", ".join(f"{sent.to} ({sent.refused})" for sent in refused)
        message = f"Le courriel « {title(sending)} » est refusé : {who}"
        if sending.kind in _REMINDERS:
            for sent in refused:
                self._dead_mailbox(sent.to, message)
            return
        self._o.record.open_point(
            f"mail:{sending.key}", "mail", message, workflow.now(), sending.key
        )

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
            anew_from=entry.anew_from,
        )
        step = step_of(sending.kind)
        if self._o.since(editions.SECOND):
            return await self._settled(sending, entry, order, patience)
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

    async def _settled(
        self, sending: Sending, entry: IssuedSending, order: MailOrder, patience: timedelta
    ) -> MailReport:
        """Send the mail until every message is settled. What is known of some counts, and is told,
        while the others are put off."""
        until = workflow.now() + patience
        settled = [one for one in entry.mails if one.accepted_at]
        withheld: list[str] = []
        while True:
            left = max(until - workflow.now(), timedelta(minutes=1))
            asked = order.model_copy(update={"settled": settled, "progressive": True})
            report = await effects.send_mail(asked, title(sending), left, step_of(sending.kind))
            withheld = withheld or report.withheld
            settled = [one for one in report.mails if one.is_settled]
            if report.superseded or len(settled) == len(report.mails):
                return report.model_copy(update={"withheld": withheld})
            self._told(sending, entry, report)
            if refused := [one for one in settled if one.refused]:
                self._refused(sending, entry, refused)
            self._stir()
            if sending.key in self._given_up:
                raise asyncio.CancelledError

    def _lasts(self, sending: Sending, entry: IssuedSending) -> str:
        missing = self._missing(entry)
        what = (
            f"Le document {missing} n'est toujours pas produit"
            if missing
            else f"Le courriel « {title(sending)} » n'est toujours pas accepté"
        )
        hours = french.plural(self._o.policy.mail_alert_hours, "heure", "heures")
        return f"{what} après {hours} d'essais : ils continuent"

    async def _patiently(
        self,
        sending: Sending,
        kind: Literal["document", "mail"],
        trouble: str,
        patience: timedelta,
        ask: Callable[[timedelta], Awaitable[T]],
    ) -> T:
        """As the first edition asks for an effect: for an hour (setting), then once more, when a
        person has been told."""
        point = f"silence:{sending.key}"
        try:
            return await ask(self._alert)
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
        pairs = zip(sending.documents, list(entry.documents), strict=True)
        for place, (document, reference) in enumerate(pairs):
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
            issued = await self._issued_one(sending, order, patience)
            if issued.reference != reference:
                # It stood for something else already (a server Reset): this is the next version.
                entry.documents[place] = issued.reference
                subject = f"{document.kind}:{document.subject}"
                self._o.record.document_versions[subject] = issued.version
            self._o.record.documents.append(issued)

    async def _issued_one(
        self, sending: Sending, order: DocumentOrder, patience: timedelta
    ) -> IssuedDocument:
        step = step_of(sending.kind)
        if not self._o.record.frugal or self._o.since(editions.SECOND):
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


def _daily(sending: Sending) -> bool:
    """No step asks for it: it is the grouped mail of a day."""
    return sending.kind in _REMINDERS


def _addresses(sending: Sending) -> set[str]:
    return {(one.email or one.role).lower() for one in sending.to}


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
