"""An event of the onboarding becomes an invitation for the calendars of those who are invited.

RFC 5545 (the file) and RFC 5546 (who invites, who answers, how an event moves or is cancelled).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from icalendar import Alarm, Calendar, Event, Timezone, vCalAddress, vText, vUri

from activities.mails.headers import header_text
from process.calendar import PARIS
from process.orders import Invitation, Recipient
from settings import Mailbox

_PARIS_ZONE: Final = Timezone.from_ical(
    "BEGIN:VTIMEZONE\r\n"
    "TZID:Europe/Paris\r\n"
    "BEGIN:DAYLIGHT\r\n"
    "DTSTART:19810329T020000\r\n"
    "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\n"
    "TZNAME:CEST\r\n"
    "TZOFFSETFROM:+0100\r\n"
    "TZOFFSETTO:+0200\r\n"
    "END:DAYLIGHT\r\n"
    "BEGIN:STANDARD\r\n"
    "DTSTART:19961027T030000\r\n"
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
    "TZNAME:CET\r\n"
    "TZOFFSETFROM:+0200\r\n"
    "TZOFFSETTO:+0100\r\n"
    "END:STANDARD\r\n"
    "END:VTIMEZONE\r\n"
)
"""The rule in force: the one that the library generates lists every change until 2038."""

_REMINDER: Final = timedelta(hours=-1)
_NEXT_DAY: Final = timedelta(days=1)


def attending(
    organizer: Recipient | None, attendees: Sequence[Recipient], sender: Mailbox
) -> list[Recipient]:
    """Those who are invited: not who invites (RFC 5546, 2.1.1: one is the organizer, or attends)."""
    inviting = ((organizer.email if organizer else None) or sender.email).lower()
    return [one for one in attendees if (one.email or "").lower() != inviting]


def method(invitation: Invitation, invited: Sequence[Recipient]) -> str:
    """What the invitation asks of a calendar (RFC 5546); of nobody but its organizer, nothing."""
    if invitation.cancelled:
        return "CANCEL"
    return "REQUEST" if invited else "PUBLISH"


def calendar(  # noqa: PLR0913 - an invitation is made of that many things
    invitation: Invitation,
    order_reference: str,
    organizer: Recipient | None,
    attendees: Sequence[Recipient],
    stamp: datetime,
    *,
    sender: Mailbox,
) -> bytes:
    """The iCalendar file of an invitation; the same arguments give the same bytes.

    Without an ``organizer`` the sender invites. ``stamp`` is when the invitation is written.
    The UID holds as long as the onboarding: it depends on neither people nor dates.
    """
    event = Event()
    event.add("uid", f"{invitation.uid}.{order_reference}@{sender.email.rpartition('@')[2]}")
    event.add("sequence", invitation.sequence)
    event.add("dtstamp", stamp.astimezone(UTC))
    # The contract: the calendar of a client who has two tells their events apart.
    title = f"{header_text(invitation.title)} — Mileo Technology, contrat {order_reference}"
    event.add("summary", title)
    if place := header_text(invitation.place):
        event.add("location", place)
    event.add("description", _description(invitation, order_reference, organizer))
    _when(event, invitation)
    event.add("organizer", _organizer(organizer, sender), encode=False)
    invited = attending(organizer, attendees, sender)
    for attendee in invited:
        event.add("attendee", _attendee(attendee), encode=False)
    if not invitation.cancelled and not invitation.all_day:
        event.add_component(_reminder(invitation))

    made = Calendar()
    made.add("prodid", "-//Mileo Technology//Onboarding//FR")
    made.add("version", "2.0")
    made.add("method", method(invitation, invited))
    if _zone(invitation) is PARIS:
        made.add_component(_PARIS_ZONE)
    made.add_component(event)
    return bytes(made.to_ical())


def _when(event: Event, invitation: Invitation) -> None:
    start, end = invitation.starts_at, invitation.ends_at
    if invitation.all_day:
        # Days that are not promised yet: shown, without making anyone busy. The end is the day
        # after the last one.
        last = end.date() if end.time() == time() and end > start else end.date() + _NEXT_DAY
        event.add("dtstart", start.date())
        event.add("dtend", max(last, start.date() + _NEXT_DAY))
        event.add("transp", "TRANSPARENT")
    else:
        zone = _zone(invitation)
        event.add("dtstart", start.astimezone(zone))
        event.add("dtend", end.astimezone(zone))
        # Nobody is busy day and night for the works of a week.
        event.add("transp", "TRANSPARENT" if end - start > _NEXT_DAY else "OPAQUE")
    if not invitation.uninvited:
        tentative = "TENTATIVE" if invitation.all_day else "CONFIRMED"
        event.add("status", "CANCELLED" if invitation.cancelled else tentative)


def _zone(invitation: Invitation) -> tzinfo | None:
    """Paris for what is shown on its clocks, UTC for what is overseas or falls in the hour that
    comes twice, of which a local time says only the first (RFC 5545, 3.3.5); none for whole days.
    """
    if invitation.all_day:
        return None
    local = [one.astimezone(PARIS) for one in (invitation.starts_at, invitation.ends_at)]
    parisian = invitation.starts_at.utcoffset() == local[0].utcoffset() and (
        invitation.ends_at.utcoffset() == local[1].utcoffset()
    )
    return PARIS if parisian and not any(map(_comes_twice, local)) else UTC


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _description(invitation: Invitation, order_reference: str, organizer: Recipient | None) -> str:
    lines = [f"Contrat {order_reference}"]
    if invitation.cancelled:
        lines.insert(
            0,
            "Ce rendez-vous ne vous concerne plus."
            if invitation.uninvited
            else "Ce rendez-vous est annulé.",
        )
    elif invitation.all_day:
        lines.insert(0, "L’heure reste à convenir.")
    if organizer and organizer.name:
        known = (organizer.name, organizer.phone, organizer.email)
        lines.append("Votre interlocuteur : " + ", ".join(header_text(one) for one in known if one))
    return "\n".join(lines)


def _organizer(organizer: Recipient | None, sender: Mailbox) -> vCalAddress:
    if organizer is None or not organizer.email:
        return _address(sender.email, sender.name)
    address = _address(organizer.email, organizer.name)
    if organizer.email.lower() != sender.email.lower():
        # Whoever answers writes to the person; the message itself comes from us.
        address.params["SENT-BY"] = vUri(f"mailto:{sender.email}")
    return address


def _attendee(attendee: Recipient) -> vCalAddress:
    address = _address(attendee.email or "", attendee.name)
    address.params["CUTYPE"] = vText("INDIVIDUAL")
    address.params["ROLE"] = vText("REQ-PARTICIPANT")
    address.params["PARTSTAT"] = vText("NEEDS-ACTION")
    address.params["RSVP"] = vText("TRUE")
    return address


def _address(email: str, name: str | None) -> vCalAddress:
    address = vCalAddress(f"mailto:{email}")
    if shown := header_text(name or "").replace('"', "'"):
        address.params["CN"] = vText(shown)
    return address


def _reminder(invitation: Invitation) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", header_text(invitation.title))
    alarm.add("trigger", _REMINDER)
    return alarm
