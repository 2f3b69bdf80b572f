"""An order becomes an e-mail: pure, no Temporal, no network.

``mail_texts`` says what it says, ``mail_headers`` writes its headers, ``invitations`` its
calendar files. What is put together here is read again before it may leave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.headerregistry import AddressHeader
from email.message import EmailMessage, Message
from email.policy import SMTP, default
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from activities.mails import invitations
from activities.mails.headers import set_address, set_text
from activities.mails.texts import INTERNAL_KINDS, MailUnsafe, render
from register.models import intention_of

if TYPE_CHECKING:
    from activities.mails.enclosures import Enclosure
    from process.contract import Contract
    from process.orders import Invitation, MailOrder, Recipient
    from settings import Automatic, Mailbox

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_METHOD: Final = re.compile(rb"^METHOD:([A-Z]+)\r$", re.MULTILINE)
_REMINDERS: Final = frozenset({"reminder", "client_reminder"})
_ICS: Final = "application/ics"


@dataclass(frozen=True)
class _File:
    """An attached file."""

    name: str
    media_type: str
    content: bytes


def message_id(order: MailOrder, email: str, sender: Mailbox) -> str:
    """The Message-ID of the first attempt of an order to a recipient: the same sending is always
    the same message, so that a mail reader shows it once even if it had to leave twice. The
    register keeps it, whatever the domain of the sender becomes."""
    digest = intention_of(order.onboarding, order.key, email)[:40]
    return f"<{digest}@{_domain(sender)}>"


def _domain(sender: Mailbox) -> str:
    return sender.email.rpartition("@")[2]


def compose(  # noqa: PLR0913, PLR0917 - a message is made of that many things
    order: MailOrder,
    contract: Contract | None,
    recipient: Recipient,
    recipients: Sequence[Recipient],
    sender: Mailbox,
    documents: Sequence[Enclosure],
    at: datetime,
    known_as: str | None = None,
    *,
    automatic: Automatic = "reminders",
) -> EmailMessage:
    """The message to one recipient, ready to leave: ``bytes(message)`` is what was checked.

    ``recipients`` are all who receive this mail: named in its footer, invited to its events.
    ``at`` is the instant of the Date header and of the invitations; ``known_as`` the Message-ID
    under which it left, or may have left, already; ``automatic`` which mails say that a machine
    wrote them.

    Raises MailUnsafe when it cannot be composed exactly as intended.
    """
    if recipient.email is None:
        raise MailUnsafe("Un destinataire n'a pas d'adresse électronique")
    events = [event for event in order.invitations if _concerns(event, recipient)]
    order = order.model_copy(update={"invitations": events})
    names = [order.onboarding, *(one.filename for one in documents)]
    names += [event.uid for event in events]
    if not all(map(_IDENTIFIER.fullmatch, names)):
        raise MailUnsafe("La référence du dossier, d'un document ou d'un rendez-vous est invalide")
    texts = render(order, contract, recipient, recipients, documents)
    calendars = [
        invitations.calendar(
            event,
            order.onboarding,
            order.reply_to,
            event.attendees or recipients,
            at,
            sender=sender,
        )
        for event in events
    ]

    message = EmailMessage(policy=SMTP)
    addresses = _address(message, order, recipient, sender)
    set_text(message, "Subject", texts.subject)
    set_text(message, "Date", format_datetime(at))
    set_text(message, "Message-ID", known_as or message_id(order, recipient.email, sender))
    if _is_automatic(order.kind, automatic):
        _say_it_is_automatic(message, sender)
    set_text(message, "X-Mileo-Onboarding", order.onboarding)
    set_text(message, "X-Mileo-Kind", order.kind)
    intended = set(message.keys()) | {"MIME-Version", "Content-Type"}
    message.set_content(texts.text, cte="quoted-printable")
    message.add_alternative(texts.html, subtype="html", cte="quoted-printable")
    if calendars:
        # Outlook and Gmail show their own buttons for it: accept, decline.
        message.add_alternative(
            calendars[0],
            maintype="text",
            subtype="calendar",
            params={"method": _method(calendars[0]), "charset": "utf-8"},
        )
    files = _files(documents, calendars)
    for file in files:
        message.add_attachment(
            file.content,
            maintype="application",
            subtype=file.media_type.partition("/")[2],
            filename=file.name,
        )

    _check(
        bytes(message),
        headers=intended,
        subject=texts.subject,
        addresses=addresses,
        files=files,
        calendar=calendars[0] if calendars else None,
    )
    return message


def _concerns(event: Invitation, recipient: Recipient) -> bool:
    """Whether this recipient was invited: nobody gets the cancellation of what they never had."""
    invited = {(one.email or "").lower() for one in event.attendees}
    return not invited or (recipient.email or "").lower() in invited


def _address(
    message: EmailMessage, order: MailOrder, recipient: Recipient, sender: Mailbox
) -> dict[str, str]:
    """Write who sends, who receives and who answers. Returns the address of each header."""
    people = {"From": (sender.name, sender.email), "To": (recipient.name, recipient.email)}
    if order.reply_to and order.reply_to.email:
        people["Reply-To"] = (order.reply_to.name, order.reply_to.email)
    addresses = {}
    for name, (shown, email) in people.items():
        addresses[name] = email or ""
        set_address(message, name, shown, email or "")
    return addresses


def _method(calendar: bytes) -> str:
    found = _METHOD.search(calendar)
    return found[1].decode() if found else "PUBLISH"


def _is_automatic(kind: str, automatic: Automatic) -> bool:
    """Whether a mail says that a machine wrote it. Reminders do, and what is internal to Mileo; a
    notice or a request is a letter from the project manager, which the client's ticket desk must
    not drop, and whose reader's absence the project manager must learn."""
    reminds = kind in _REMINDERS or kind in INTERNAL_KINDS
    return automatic == "all" or (automatic == "reminders" and reminds)


def _say_it_is_automatic(message: EmailMessage, sender: Mailbox) -> None:
    """An absence is never answered to a machine: RFC 3834, and Exchange's own word for it.

    No ``Precedence: bulk``: it would send a convocation among the advertisements.
    """
    set_text(message, "Auto-Submitted", "auto-generated")
    set_text(message, "X-Auto-Response-Suppress", "OOF, AutoReply")
    set_text(message, "List-Id", f"Onboarding Mileo <onboarding.{_domain(sender)}>")


def _files(documents: Sequence[Enclosure], calendars: Sequence[bytes]) -> list[_File]:
    files = [
        _File(one.filename, one.media_type, one.content)
        for one in documents
        if one.content is not None
    ]
    for number, content in enumerate(calendars, start=1):
        name = "invitation.ics" if len(calendars) == 1 else f"invitation-{number}.ics"
        files.append(_File(name, _ICS, content))
    return files


def _check(  # noqa: PLR0913 - a message is made of that many things
    raw: bytes,
    *,
    headers: set[str],
    subject: str,
    addresses: dict[str, str],
    files: list[_File],
    calendar: bytes | None,
) -> None:
    """Read the finished message as its receiver will, and compare it with the intention."""
    read = message_from_bytes(raw, policy=default)
    faithful = sorted(read.keys()) == sorted(headers) and read["Subject"] == subject
    for name, email in addresses.items():
        header = read[name]
        faithful = (
            faithful
            and isinstance(header, AddressHeader)
            and [address.addr_spec for address in header.addresses] == [email]
        )
    attached = [
        _File(part.get_filename() or "", part.get_content_type(), _bytes(part))
        for part in read.iter_attachments()
    ]
    shown = [_bytes(part) for part in read.walk() if part.get_content_type() == "text/calendar"]
    if not faithful or attached != files or shown != ([calendar] if calendar else []):
        raise MailUnsafe("Le message composé n'est pas celui qui était voulu : il ne part pas")


def _bytes(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""
