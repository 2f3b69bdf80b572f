"""What an e-mail says: the Jinja templates of ``templates/mails`` and the data of the order.

A kind of mail is a ``.txt`` and a ``.html``. Whatever comes from outside is data, escaped in
HTML. Mail readers drop style sheets: ``layout/style.css`` is written into each element.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from markupsafe import Markup, escape

from activities.mails.headers import header_text
from process import french, vocabulary
from process.calendar import paris_day
from process.onboarding import MILEO_ROLES

if TYPE_CHECKING:
    from activities.mails.enclosures import Enclosure
    from process.contract import Contract
    from process.orders import MailOrder, Recipient

TEMPLATES: Final = Path(__file__).resolve().parent.parent.parent / "templates" / "mails"
_SUBJECT_MARK: Final = "Objet : "
_MAX_SUBJECT: Final = 180
_MAX_PREHEADER: Final = 130
_INLINER: Final = CSSInliner(
    load_remote_stylesheets=False,
    resolve_css_variables=True,
    extra_css=(TEMPLATES / "layout" / "style.css").read_text(encoding="utf-8"),
)

KINDS: Final = frozenset(path.stem for path in TEMPLATES.glob("*.txt"))
"""Every kind of mail there is a text for."""

INTERNAL_KINDS: Final = frozenset(
    kind
    for kind in KINDS
    if (TEMPLATES / f"{kind}.txt").read_text(encoding="utf-8").startswith('{% extends "layout/int')
)
"""Those for Mileo's own people: they may hold what a client never reads."""

WITHOUT_CONTRACT: Final = frozenset({"signature_alone"})
"""Those that speak of a contract that has not come."""


class MailUnsafe(Exception):  # noqa: N818
    """A mail that must not leave: it cannot be composed, or not exactly as intended. Trying
    again would change nothing. The message, in French, holds nothing secret or personal."""


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


def _size(count: int) -> str:
    """``12,4 Mo``: megabytes of 10⁶ bytes, as the limit of a mail is set."""
    tenths = max(1, round(count / 100_000))
    return f"{tenths // 10},{tenths % 10}\u00a0Mo"


def _lines(value: str) -> Markup:
    """In HTML, the line breaks of a text are kept."""
    return Markup("<br>").join(escape(line) for line in value.splitlines())


def _no_break(text: str) -> str:
    """French punctuation is never parted from its word at the end of a line."""
    return re.sub(r" (?=[:;!?»])|(?<=«) |(?<=n°) ", "\u00a0", text)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "jour": lambda value: french.full_date(_day(value)),
        "jour_de_paris": lambda value: french.full_date(paris_day(value)),
        "instant": lambda value: french.full_instant(_instant(value)),
        "echeance": _limit,
        "semaine": _week,
        "taille": _size,
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
    order: MailOrder,
    contract: Contract | None,
    recipient: Recipient,
    recipients: Sequence[Recipient],
    documents: Sequence[Enclosure] = (),
) -> Texts:
    """The subject and both texts of a mail, as ``recipient`` reads them.

    Raises MailUnsafe when there is no text of that kind, when it misses a datum, or when the
    text is for Mileo and the reader is not (PROCESS, section 8).
    """
    if order.kind not in KINDS:
        raise MailUnsafe(f"Aucun modèle de courriel « {order.kind} »")
    if order.kind in INTERNAL_KINDS and recipient.role not in MILEO_ROLES:
        raise MailUnsafe(f"Le courriel « {order.kind} » est interne : il ne part pas au client")

    def site(code: str) -> str:
        known = contract.site(code) if contract else None
        return known.name if known else code

    if any("for" in item for item in order.data.get("items", ())):
        # Reminders of several people: to each what is theirs, and a mail of their own.
        roles, recipients = {recipient.role, *recipient.also}, [recipient]
        theirs = [item for item in order.data["items"] if roles.intersection(item["for"])]
        order = order.model_copy(update={"data": {**order.data, "items": theirs}})

    context: dict[str, Any] = {
        "reference": order.onboarding,
        "contract": contract,
        "client": contract.client.name if contract else "",
        "recipient": recipient,
        "recipients": recipients,
        "for_mileo": recipient.role in MILEO_ROLES,
        "manager": order.reply_to,
        "data": order.data,
        "documents": documents,
        "where": _where(documents),
        "invitations": order.invitations,
        "replaces": any(
            event.sequence and recipient.mailbox not in event.new_to for event in order.invitations
        ),
        "site": site,
    }
    try:
        written = _ENVIRONMENT.get_template(f"{order.kind}.txt").render(context)
        head, _, body = written.partition("\n")
        subject = _subject(head.removeprefix(_SUBJECT_MARK), order.onboarding)
        text = _no_break(re.sub(r"\n{3,}", "\n\n", body).strip() + "\n")
        page = _ENVIRONMENT.get_template(f"{order.kind}.html").render(
            context, subject=subject, preheader=_preheader(text)
        )
    except (TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
        # The error's own words could quote the data.
        reason = error.message if isinstance(error, TemplateError) else type(error).__name__
        raise MailUnsafe(f"Le courriel « {order.kind} » ne peut être rédigé : {reason}") from None
    head, body_mark, body = page.partition("<body>")  # In style sheets, spaces have a meaning.
    html = _INLINER.inline(f"{head}{body_mark}{_no_break(body)}")
    return Texts(subject, text, html)


def _where(documents: Sequence[Enclosure]) -> str:
    """Where the reader finds the documents: it reads well after "est" and after "sont"."""
    if all(one.content is not None for one in documents):
        return "en pièce jointe"
    if all(one.link for one in documents):
        return "à télécharger ci-dessous"
    return "à retrouver ci-dessous"


def _preheader(text: str) -> str:
    """What a list of mails shows after the subject: the first sentences, past the greeting."""
    _, _, after = text.partition("\n\n")
    words = after.partition("\n\n")[0]
    return textwrap.shorten(words, _MAX_PREHEADER, placeholder="…")


def _subject(written: str, reference: str) -> str:
    """The subject, cut where it is too long; the contract at its end, since a client may have two
    that mail readers would put in one conversation."""
    end = f" — contrat {reference}"
    subject, room = header_text(written), _MAX_SUBJECT - len(end)
    if len(subject) > room:
        subject = subject[: room - 1].rstrip() + "…"
    return subject + end
