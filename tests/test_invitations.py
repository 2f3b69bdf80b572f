"""Invitations, as a calendar reads them (RFC 5545, RFC 5546)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from icalendar import Calendar

from activities.mails.invitations import calendar
from activities.mails.texts import MailUnsafe
from process.orders import Invitation, Recipient
from tests.builders import Case, one_site
from tests.test_mail_composing import (
    AT,
    DECIDER,
    GUIDE,
    LEAD,
    MANAGER,
    SENDER,
    composed,
    mail_order,
    part,
    spaces,
)
from tests.test_people_change import TRAINING
from workflows.invitations import TRAINING_LASTS

KICKOFF = Invitation(
    uid="kickoff",
    sequence=0,
    title="Réunion de lancement",
    starts_at=datetime.fromisoformat("2025-05-05T09:05:00+02:00"),
    ends_at=datetime.fromisoformat("2025-05-05T11:05:00+02:00"),
    place="Salle du conseil, 1er étage",
)


def written(
    invitation: Invitation = KICKOFF,
    organizer: Recipient | None = MANAGER,
    attendees: tuple[Recipient, ...] = (LEAD, DECIDER),
    **changes: Any,
) -> bytes:
    changed = invitation.model_copy(update=changes)
    return calendar(changed, "CTR-2025-014", organizer, attendees, AT, sender=SENDER)


def read(content: bytes) -> tuple[Any, Any]:
    """The calendar, which parses, and its only event."""
    made: Any = Calendar.from_ical(content)
    (event,) = made.events
    return made, event


# --- The file -------------------------------------------------------------------------------


def test_an_invitation_says_what_when_where_and_who() -> None:
    made, event = read(written())
    assert made["METHOD"] == "REQUEST"
    assert made["VERSION"] == "2.0"
    assert event["UID"] == "kickoff.CTR-2025-014@mileotech.com"
    assert event["SEQUENCE"] == 0
    assert event["DTSTAMP"].dt == AT
    assert event["SUMMARY"] == "Réunion de lancement — Mileo Technology, contrat CTR-2025-014"
    assert event["LOCATION"] == "Salle du conseil, 1er étage"
    assert event["STATUS"] == "CONFIRMED"
    assert event["ORGANIZER"] == "mailto:h.garnier@mileotech.com"
    assert event["ORGANIZER"].params["CN"] == "Hélène Garnier"
    assert event["ORGANIZER"].params["SENT-BY"] == "mailto:onboarding@mileotech.com"
    assert list(event["ATTENDEE"]) == ["mailto:r.lacroix@musee.fr", "mailto:a.noel@musee.fr"]
    assert [one.params["RSVP"] for one in event["ATTENDEE"]] == ["TRUE", "TRUE"]
    assert "01 44 00 00 12" in event["DESCRIPTION"]
    (alarm,) = event.alarms.times
    assert alarm.trigger == KICKOFF.starts_at - timedelta(hours=1)


@pytest.mark.parametrize(
    ("starts", "local"),
    [
        ("2025-05-05T09:05:00+02:00", "20250505T090500"),
        ("2025-12-05T09:05:00+01:00", "20251205T090500"),
    ],
)
def test_an_hour_of_paris_is_written_on_its_clocks(starts: str, local: str) -> None:
    start = datetime.fromisoformat(starts)
    content = written(starts_at=start, ends_at=start + timedelta(hours=1))
    assert f"DTSTART;TZID=Europe/Paris:{local}\r\n".encode() in content
    made, event = read(content)
    assert event["DTSTART"].dt == start
    (zone,) = made.timezones
    # What a calendar that has only the file would compute.
    assert start.replace(tzinfo=zone.to_tz(lookup_tzid=False)) == start


def test_an_hour_overseas_travels_in_utc() -> None:
    start = datetime.fromisoformat("2025-05-05T09:05:00+04:00")
    content = written(starts_at=start, ends_at=start + timedelta(hours=1))
    assert b"DTSTART:20250505T050500Z\r\n" in content
    assert b"VTIMEZONE" not in content


@pytest.mark.parametrize("offset", ["+02:00", "+01:00"])
def test_the_hour_that_comes_twice_is_the_right_one(offset: str) -> None:
    start = datetime.fromisoformat(f"2027-10-31T02:30:00{offset}")
    for starts, ends in (
        (start, start + timedelta(hours=3)),
        (start - timedelta(hours=3), start),
    ):
        _, event = read(written(starts_at=starts, ends_at=ends))
        # In UTC: a local time without an offset says the first of the two.
        assert event["DTSTART"].dt.astimezone(UTC) == starts.astimezone(UTC)
        assert event["DTEND"].dt.astimezone(UTC) == ends.astimezone(UTC)
        assert event["DTSTART"].dt.utcoffset() == timedelta()
        assert event["DTEND"].dt.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("2027-03-28T02:30:00+01:00", "Europe/Paris"),  # 3 h 30 on the clocks.
        ("2027-11-07T01:30:00-05:00", "America/New_York"),  # The second 1 h 30 there.
        ("2027-10-31T02:30:00+01:00", "Europe/Paris"),
        ("2027-10-31T02:30:00+02:00", "Europe/Paris"),
        ("2027-10-31T02:30:00+01:00", "Indian/Reunion"),
        ("2027-10-31T02:30:00+01:00", "America/Guadeloupe"),
    ],
)
def test_an_instant_reaches_the_calendar_through_the_clock_of_its_site(
    given: str, zone: str
) -> None:
    source = one_site()
    source["sites"][0]["timezone"] = zone
    start = datetime.fromisoformat(given)
    plan = TRAINING | {"starts_at": given}
    case = Case(source, started="2027-09-01 09:00")
    case.take("training_planned", "2027-09-02 10:00", **plan)
    [asked] = case.sendings(3, "2027-09-02 10:00")["training_convocation:1:1"].invitations
    travelled = Invitation.model_validate_json(asked.model_dump_json())
    _, event = read(written(travelled))
    assert event["DTSTART"].dt.astimezone(UTC) == start.astimezone(UTC)
    lasts = event["DTEND"].dt.astimezone(UTC) - event["DTSTART"].dt.astimezone(UTC)
    assert lasts == TRAINING_LASTS


def test_who_organizes_does_not_attend() -> None:
    content = written(attendees=(LEAD, MANAGER, DECIDER))
    _, event = read(content)
    assert [str(one) for one in event["ATTENDEE"]] == [
        "mailto:r.lacroix@musee.fr",
        "mailto:a.noel@musee.fr",
    ]
    capitals = MANAGER.model_copy(update={"email": "H.Garnier@MileoTech.com"})
    made, event = read(written(attendees=(capitals,)))
    assert made["METHOD"] == "PUBLISH"
    assert "ATTENDEE" not in event
    ours = LEAD.model_copy(update={"email": SENDER.email})
    assert "ATTENDEE" not in read(written(organizer=None, attendees=(ours,)))[1]


def test_who_is_no_longer_invited_is_told_that_the_event_goes_on() -> None:
    made, event = read(written(attendees=(LEAD,), sequence=3, cancelled=True, uninvited=True))
    assert made["METHOD"] == "CANCEL"
    assert event["ATTENDEE"] == f"mailto:{LEAD.email}"
    assert "STATUS" not in event  # RFC 5546, 3.2.5: the event itself is not cancelled.
    assert "ne vous concerne plus" in event["DESCRIPTION"]


def test_days_without_an_hour_keep_nobody_busy() -> None:
    _, event = read(
        written(
            all_day=True,
            starts_at=datetime.fromisoformat("2025-05-12T08:00:00+02:00"),
            ends_at=datetime.fromisoformat("2025-05-14T12:30:00+02:00"),
        )
    )
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2025, 5, 12), date(2025, 5, 15))
    assert (event["STATUS"], event["TRANSP"]) == ("TENTATIVE", "TRANSPARENT")
    assert "à convenir" in event["DESCRIPTION"]
    assert not event.alarms.times


def test_a_day_that_ends_at_midnight_is_one_day() -> None:
    start = datetime.fromisoformat("2025-05-12T00:00:00+02:00")
    _, event = read(written(all_day=True, starts_at=start, ends_at=start + timedelta(days=1)))
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (date(2025, 5, 12), date(2025, 5, 13))


def test_a_move_then_a_cancellation_are_the_same_event() -> None:
    moved = read(written(sequence=1, starts_at=KICKOFF.starts_at - timedelta(hours=1)))
    cancelled = read(written(sequence=2, cancelled=True))
    assert [event["UID"] for _, event in (read(written()), moved, cancelled)] == [
        "kickoff.CTR-2025-014@mileotech.com"
    ] * 3
    assert [event["SEQUENCE"] for _, event in (moved, cancelled)] == [1, 2]
    assert [made["METHOD"] for made, _ in (moved, cancelled)] == ["REQUEST", "CANCEL"]
    assert cancelled[1]["STATUS"] == "CANCELLED"
    assert not cancelled[1].alarms.times


def test_another_person_in_charge_does_not_make_another_event() -> None:
    successor = MANAGER.model_copy(update={"name": "Léa", "email": "lea@elsewhere.fr"})
    assert read(written(organizer=successor))[1]["UID"] == read(written())[1]["UID"]


def test_without_a_person_in_charge_mileo_invites() -> None:
    _, event = read(written(organizer=None))
    assert event["ORGANIZER"] == "mailto:onboarding@mileotech.com"
    assert "SENT-BY" not in event["ORGANIZER"].params


def test_the_same_invitation_is_the_same_bytes() -> None:
    assert written() == written()


@pytest.mark.parametrize(
    "text",
    [
        "Réunion\r\nATTENDEE:mailto:x@y.fr",
        "Réunion\nATTENDEE:mailto:x@y.fr",
        "Réunion\rATTENDEE:mailto:x@y.fr",
        "Réunion\u2028ATTENDEE:mailto:x@y.fr\x85\0",
        'a, b; c: "d" \\n e\\, f^n',
        "Élodie à l'été " * 40,
        "END:VEVENT",
        "日本" * 90,
    ],
)
def test_any_words_stay_words(text: str) -> None:
    person = LEAD.model_copy(update={"name": text})
    organizer = MANAGER.model_copy(update={"name": text, "phone": text})
    content = written(organizer=organizer, attendees=(person,), title=text, place=text)
    _, event = read(content)
    assert event["ATTENDEE"] == "mailto:r.lacroix@musee.fr"
    assert event["ORGANIZER"] == "mailto:h.garnier@mileotech.com"
    title = spaces(text.replace(chr(0), " "))
    assert str(event["SUMMARY"]) == f"{title} — Mileo Technology, contrat CTR-2025-014"
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")


# --- The message ----------------------------------------------------------------------------


def calendars(message: EmailMessage) -> list[EmailMessage]:
    return [p for p in message.walk() if p.get_content_type() == "text/calendar"]


def test_an_invitation_is_read_by_the_calendar_and_attached() -> None:
    message = composed(mail_order("kickoff_convocation", invitations=[KICKOFF]), documents=(GUIDE,))
    (shown,) = calendars(message)
    assert shown["Content-Type"].params == {"method": "REQUEST", "charset": "utf-8"}
    body = next(p for p in message.walk() if p.get_content_type() == "multipart/alternative")
    assert isinstance(body, EmailMessage)
    assert [p.get_content_type() for p in body.iter_parts()] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    guide, file = message.iter_attachments()
    assert guide.get_filename() == GUIDE.filename
    assert (file.get_filename(), file.get_content_type()) == ("invitation.ics", "application/ics")
    assert file.get_content() == shown.get_payload(decode=True)
    assert b"UID:kickoff.CTR-2025-014@mileotech.com" in file.get_content()
    for text in (part(message, "plain"), part(message, "html")):
        assert "L’invitation pour votre agenda est jointe." in spaces(text)


def test_everything_ahead_is_cancelled_in_one_mail() -> None:
    cancelled = [
        KICKOFF.model_copy(update={"uid": uid, "sequence": 1, "cancelled": True})
        for uid in ("kickoff", "phase-P1")
    ]
    message = composed(mail_order("cancelled_client", invitations=cancelled))
    (shown,) = calendars(message)
    assert shown["Content-Type"].params["method"] == "CANCEL"
    files = list(message.iter_attachments())
    assert [f.get_filename() for f in files] == ["invitation-1.ics", "invitation-2.ics"]
    assert [b"phase-P1" in f.get_content() for f in files] == [False, True]
    assert "à retirer de votre agenda" in part(message, "plain")


def test_only_those_who_were_invited_hear_of_an_event() -> None:
    gone = KICKOFF.model_copy(update={"sequence": 1, "cancelled": True, "attendees": [LEAD]})
    order = mail_order("cancelled_client", invitations=[gone])
    [shown] = calendars(composed(order, recipient=LEAD))
    _, event = read(shown.get_content().encode())
    assert event["ATTENDEE"] == f"mailto:{LEAD.email}"
    other = composed(order, recipient=DECIDER)
    assert calendars(other) == []
    assert "agenda" not in part(other, "plain")


def test_works_of_several_days_keep_nobody_busy() -> None:
    _, event = read(written(ends_at=KICKOFF.ends_at + timedelta(days=3)))
    assert event["TRANSP"] == "TRANSPARENT"
    _, event = read(written())
    assert event["TRANSP"] == "OPAQUE"


def test_a_mail_without_an_event_has_no_calendar() -> None:
    assert calendars(composed(mail_order())) == []


def test_an_event_whose_name_is_none_prevents_the_mail() -> None:
    hostile = KICKOFF.model_copy(update={"uid": "kickoff\r\nATTENDEE:mailto:x@y.fr"})
    with pytest.raises(MailUnsafe):
        composed(mail_order("kickoff_convocation", invitations=[hostile]))
