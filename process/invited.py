"""Who was invited to what: told when a mail leaves, held once the mail server accepted it.

Roles say whom an event concerns; they do not say who has it in a calendar, since roles change hands
and mails are put off or refused. So both are noted, a mailbox and an event at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from process.orders import Recipient, Sending, SentMail
from process.record import Invited, Record, Told


def ask(record: Record, sending: Sending, revision: int, now: datetime) -> Sending:
    """Note whom a sending that leaves tells of its events.

    Returns:
        The sending, each of its events with a sequence higher than all that was told of it; tried
        again, the one that it had.
    """
    _forget_what_is_past(record, now)
    numbered = []
    for planned in sending.invitations:
        known = record.invited.setdefault(planned.uid, Invited())
        sequence = _asked_before(known, sending.key, revision)
        if sequence is None:
            sequence = known.sequence = max(planned.sequence + revision, known.sequence + 1)
        readers = planned.concerned(sending.to)
        before = {one.mailbox: known.told.get(one.mailbox) for one in readers}
        event = planned.model_copy(update={"sequence": sequence})
        new_to = [box for box, told in before.items() if not told or not told.holds]
        numbered.append(event.model_copy(update={"new_to": new_to}))
        alone = event.model_copy(update={"attendees": [], "new_to": []})
        for person in readers:
            told = before[person.mailbox]
            known.told[person.mailbox] = Told(
                person=Recipient(role=person.role, name=person.name, email=person.email),
                event=alone,
                by=sending.key,
                revision=revision,
                holds=told is not None and told.holds,
            )
    return sending.model_copy(update={"invitations": tuple(numbered)})


def _asked_before(known: Invited, key: str, revision: int) -> int | None:
    told = known.told.values()
    return next(
        (one.event.sequence for one in told if (one.by, one.revision) == (key, revision)), None
    )


def answer(record: Record, sending: Sending, revision: int, mails: Sequence[SentMail]) -> None:
    """Note what the mail server accepted: from then on a calendar holds an event, or no longer."""
    accepted = {one.to.lower(): one for one in mails if one.accepted_at}
    for event in sending.invitations:
        known = record.invited.setdefault(event.uid, Invited(sequence=event.sequence))
        invited = {one.mailbox for one in event.attendees}
        for box, sent in accepted.items():
            if invited and box not in invited:
                continue
            before = known.told.get(box)
            if before and before.event.sequence > event.sequence and not before.event.cancelled:
                # An invitation that was overtaken: the calendar keeps the later one.
                known.told[box] = before.model_copy(update={"holds": True})
                continue
            named = next((one for one in sending.to if one.mailbox == box), None)
            person = named or Recipient(role=sent.role, email=sent.to)
            known.told[box] = Told(
                person=Recipient(role=person.role, name=person.name, email=sent.to),
                event=event.model_copy(update={"attendees": [], "new_to": []}),
                by=sending.key,
                revision=revision,
                holds=not event.cancelled,
            )


def _forget_what_is_past(record: Record, now: datetime) -> None:
    for uid, known in list(record.invited.items()):
        if all(told.event.ends_at <= now for told in known.told.values()):
            del record.invited[uid]
