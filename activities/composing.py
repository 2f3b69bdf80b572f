"""An order becomes an e-mail: pure, no Temporal, no network.

Texts are the Jinja templates of ``templates/mails``: a ``.txt`` and a ``.html`` a kind. Whatever
comes from outside is data: escaped in HTML, neutralised in headers.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, default
from email.utils import format_datetime, quote
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from markupsafe import Markup, escape

from process import french, vocabulary

if TYPE_CHECKING:
    from process.contract import Contract
    from process.orders import MailOrder, Recipient
    from settings import Mailbox

_TEMPLATES: Final = Path(__file__).resolve().parent.parent / "templates" / "mails"
_SUBJECT_MARK: Final = "Objet : "
_MAX_SUBJECT: Final = 180
_MAX_LINE: Final = 76
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

KINDS: Final = frozenset(path.stem for path in _TEMPLATES.glob("*.txt"))
"""Every kind of mail there is a text for."""


class MailUnsafe(Exception):  # noqa: N818
    """A mail that must not leave: it cannot be composed, or not exactly as intended. Trying
    again would change nothing. The message, in French, holds nothing secret or personal."""


# --- Texts ----------------------------------------------------------------------------------


def _instant(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _day(value: str | date) -> date:
    if isinstance(value, str):
        return date.fromisoformat(value) if len(value) == len("2025-05-06") else _instant(value)
    return value


def _slot(starts_at: str | datetime, ends_at: str | datetime | None = None) -> str:
    """``mardi 6 mai 2025, de 8 h 00 à 17 h 00``; over several days, both dates."""
    start = _instant(starts_at)
    if ends_at is None:
        return french.full_instant(start)
    end = _instant(ends_at)
    if start.date() == end.date():
        return f"{french.full_date(start)}, de {french.hour(start)} à {french.hour(end)}"
    return f"du {french.full_instant(start)} au {french.full_instant(end)}"


def _limit(value: str | datetime) -> str:
    """A limit in days falls due at 23:59:59, which nobody wants to read."""
    instant = _instant(value)
    last_second = (instant.hour, instant.minute, instant.second) == (23, 59, 59)
    return french.full_date(instant) if last_second else french.full_instant(instant)


def _week(value: str) -> str:
    """``2026-W14`` -> ``semaine 14 de 2026``."""
    year, week = value.split("-W")
    return f"semaine {int(week)} de {year}"


def _lines(value: str) -> Markup:
    """In HTML, the line breaks of a text are kept."""
    return Markup("<br>").join(escape(line) for line in value.splitlines())


def _no_break(text: str) -> str:
    """French punctuation is never parted from its word at the end of a line."""
    return re.sub(r" (?=[:;!?»])|(?<=«) |(?<=n°) ", "\u00a0", text)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "jour": lambda value: french.full_date(_day(value)),
        "instant": lambda value: french.full_instant(_instant(value)),
        "echeance": _limit,
        "semaine": _week,
        "lignes": _lines,
        "enumeration": french.enumeration,
        "majuscule": lambda value: value[:1].upper() + value[1:],
        "site_name": lambda code, site: site(code),
    }
    environment.globals |= {
        "creneau": _slot,
        "pluriel": french.plural,
        "PROCESS_REFERENCE": vocabulary.PROCESS_REFERENCE,
        "STEP_TITLES": vocabulary.STEP_TITLES,
        "ROLE_NAMES": vocabulary.ROLE_NAMES,
        "SEVERITY_NAMES": vocabulary.SEVERITY_NAMES,
        "DECISION_NAMES": vocabulary.DECISION_NAMES,
        "VERDICT_NAMES": vocabulary.VERDICT_NAMES,
    }
    return environment


_ENVIRONMENT: Final = _environment()


@dataclass(frozen=True)
class Texts:
    """What the reader of a mail sees."""

    subject: str
    text: str
    html: str


def render(
    order: MailOrder, contract: Contract, recipient: Recipient, recipients: Sequence[Recipient]
) -> Texts:
    """The subject and both texts of a mail, as ``recipient`` reads them.

    Raises MailUnsafe when there is no text of that kind, or when it misses a datum.
    """
    if order.kind not in KINDS:
        raise MailUnsafe(f"Aucun modèle de courriel « {order.kind} »")

    def site(code: str) -> str:
        known = contract.site(code)
        return known.name if known else code

    context: dict[str, Any] = {
        "contract": contract,
        "client": contract.client.name,
        "recipient": recipient,
        "recipients": recipients,
        "manager": order.reply_to,
        "data": order.data,
        "attachments": order.attachments,
        "site": site,
    }
    try:
        written = _ENVIRONMENT.get_template(f"{order.kind}.txt").render(context)
        head, _, body = written.partition("\n")
        subject = header_text(head.removeprefix(_SUBJECT_MARK))
        page = _ENVIRONMENT.get_template(f"{order.kind}.html").render(context, subject=subject)
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
        # The error's own words could quote the data.
        reason = error.message if isinstance(error, TemplateError) else type(error).__name__
        raise MailUnsafe(f"Le courriel « {order.kind} » ne peut être rédigé : {reason}") from None
    text = re.sub(r"\n{3,}", "\n\n", body).strip() + "\n"
    return Texts(_shortened(subject), _no_break(text), _no_break(page))


def _shortened(subject: str) -> str:
    return subject if len(subject) <= _MAX_SUBJECT else subject[: _MAX_SUBJECT - 1] + "…"


# --- Headers --------------------------------------------------------------------------------


def header_text(text: str) -> str:
    """An outside text, harmless in a header: one line, no control or invisible character,
    nothing that a mail reader would decode (``=?UTF-8?Q?=0A?=`` is a line feed to it)."""
    for _ in range(3):
        if "=?" not in text:
            break
        text = _decoded(text)
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(visible.replace("=?", "= ?").split())


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (ValueError, LookupError):
        return text


class _Encoded(str):
    """A header as it reads, which knows how it is written on the wire.

    The standard library's own folding (3.11) drops the spaces between the encoded words of a
    long accented text; EmailPolicy lets a header with a ``name`` fold itself.
    """

    __slots__ = ("name", "wire")
    name: str
    wire: str

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{self.name}: {self.wire}".replace("\n", policy.linesep) + policy.linesep


def _encoded(name: str, shown: str, wire: str) -> _Encoded:
    header = _Encoded(shown)
    header.name, header.wire = name, wire
    return header


def _words(name: str, text: str) -> str:
    charset = None if text.isascii() else "utf-8"
    return Header(text, charset, maxlinelen=_MAX_LINE, header_name=name).encode()


def _set_text(message: EmailMessage, name: str, text: str) -> None:
    message[name] = _encoded(name, text, _words(name, text))


def _set_address(message: EmailMessage, name: str, shown: str | None, email: str) -> None:
    shown = header_text(shown or "")
    if not shown:
        wire = email
    elif shown.isascii():
        wire = f'"{quote(shown)}"\n <{email}>'
    else:
        wire = f"{_words(name, shown)}\n <{email}>"
    message[name] = _encoded(name, f"{shown} <{email}>".strip(), wire)


# --- The message ----------------------------------------------------------------------------


def message_id(order: MailOrder, email: str, sender: Mailbox) -> str:
    """The Message-ID of an order to a recipient: the same sending is always the same message,
    so that a mail reader shows it once even if it had to leave twice."""
    intention = f"{order.onboarding}\0{order.key}\0{email.lower()}"
    digest = hashlib.sha256(intention.encode()).hexdigest()[:40]
    return f"<{digest}@{sender.email.rpartition('@')[2]}>"


def compose(  # noqa: PLR0913, PLR0917 - a message is made of that many things
    order: MailOrder,
    contract: Contract,
    recipient: Recipient,
    recipients: Sequence[Recipient],
    sender: Mailbox,
    attachments: Sequence[tuple[str, bytes]],
    at: datetime,
) -> EmailMessage:
    """The message to one recipient, ready to leave: ``bytes(message)`` is what was checked.

    ``recipients`` are all who receive this mail, named in its footer. ``attachments`` are PDF
    files by name. ``at`` is the instant of the Date header.

    Raises MailUnsafe when it cannot be composed exactly as intended.
    """
    if recipient.email is None:
        raise MailUnsafe("Un destinataire n'a pas d'adresse électronique")
    if not all(map(_IDENTIFIER.fullmatch, (order.onboarding, *(name for name, _ in attachments)))):
        raise MailUnsafe("La référence du dossier ou d'une pièce jointe est invalide")
    texts = render(order, contract, recipient, recipients)
    reply_to = order.reply_to if order.reply_to and order.reply_to.email else None

    message = EmailMessage(policy=SMTP)
    _set_address(message, "From", sender.name, sender.email)
    _set_address(message, "To", recipient.name, recipient.email)
    if reply_to and reply_to.email:
        _set_address(message, "Reply-To", reply_to.name, reply_to.email)
    _set_text(message, "Subject", texts.subject)
    _set_text(message, "Date", format_datetime(at))
    _set_text(message, "Message-ID", message_id(order, recipient.email, sender))
    _set_text(message, "Auto-Submitted", "auto-generated")
    _set_text(message, "X-Mileo-Onboarding", order.onboarding)
    _set_text(message, "X-Mileo-Kind", order.kind)
    intended = set(message.keys()) | {"MIME-Version", "Content-Type"}
    message.set_content(texts.text, cte="quoted-printable")
    message.add_alternative(texts.html, subtype="html", cte="quoted-printable")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="pdf", filename=name)

    _check(
        bytes(message),
        headers=intended,
        subject=texts.subject,
        addresses={
            "From": sender.email,
            "To": recipient.email,
            **({"Reply-To": reply_to.email} if reply_to and reply_to.email else {}),
        },
        files=[name for name, _ in attachments],
    )
    return message


def _check(
    raw: bytes, *, headers: set[str], subject: str, addresses: dict[str, str], files: list[str]
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
    if not faithful or [part.get_filename() for part in read.iter_attachments()] != files:
        raise MailUnsafe("Le message composé n'est pas celui qui était voulu : il ne part pas")
