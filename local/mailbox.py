"""A mail catcher: a real SMTP server that delivers to a folder, and a page to read it.

Each message is a file of its own, so that any mail program opens it and nothing is lost between
two starts. The page shows what strangers may have written: it runs none of it.
"""

from __future__ import annotations

import email
import html
import re
import threading
import unicodedata
from contextlib import contextmanager
from email import policy
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote

from aiosmtpd.controller import Controller

from local.ports import LOOPBACK, free_port
from process import french
from process.calendar import paris

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from aiosmtpd.smtp import SMTP, Envelope, Session

KIND_HEADER: Final = "X-Mileo-Kind"
"""The header in which our mails say what they are."""

MAX_BYTES: Final = 50_000_000
"""The largest message accepted, in bytes: a DOE is some 14 MB."""

_SAFE_NAME: Final = re.compile(r"[0-9]{4,}-[a-z0-9._-]+\.eml")
_CSP: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "form-action 'none'; base-uri 'none'"
)
_SANDBOXED: Final = f"{_CSP}; sandbox"


class Mailbox:
    """Delivers every message to ``folder``, as ``0001-kind-recipient.eml``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._count = max((_number(name) for name in self.names()), default=0)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Accept a message once it is on the disk."""
        content = envelope.original_content or b""
        name = self.deliver(content, envelope.rcpt_tos)
        return f"250 OK {name}"

    def deliver(self, content: bytes, recipients: list[str]) -> str:
        """Write one message; its file name tells the order, the kind and the first recipient."""
        headers = email.message_from_bytes(content, policy=policy.default)
        kind = _slug(str(headers[KIND_HEADER] or headers["Subject"] or "message"))
        recipient = _slug(recipients[0].split("@")[0] if recipients else "personne")
        with self._lock:
            self._count += 1
            name = f"{self._count:04d}-{kind}-{recipient}.eml"
            # Written aside, then renamed: a reader never sees half a message.
            partial = self.folder / f".{name}.part"
            partial.write_bytes(content)
            partial.rename(self.folder / name)
        return name

    def names(self) -> list[str]:
        """The file names of the messages, oldest first."""
        found = (path.name for path in self.folder.iterdir() if _SAFE_NAME.fullmatch(path.name))
        return sorted(found, key=_number)

    def message(self, name: str) -> EmailMessage:
        """One message. Raises ``KeyError`` for a name that is not one of ``names``."""
        path = self.folder / name
        if not _SAFE_NAME.fullmatch(name) or not path.is_file():
            raise KeyError(name)
        return email.message_from_bytes(path.read_bytes(), policy=policy.default)

    @contextmanager
    def smtp(self, port: int | None = None) -> Iterator[int]:
        """Accept mails while the block runs; yields the port, a free one unless it is given."""
        controller = Controller(
            self,
            hostname=LOOPBACK,
            port=free_port() if port is None else port,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
        )
        controller.start()
        try:
            yield controller.port
        finally:
            controller.stop()

    @contextmanager
    def page(self, port: int | None = None) -> Iterator[int]:
        """Serve the page that reads the mails while the block runs; yields its port."""
        mailbox = self

        class Handler(_Page):
            box = mailbox

        server = ThreadingHTTPServer((LOOPBACK, port or 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="mail-page", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Attachment(NamedTuple):
    name: str
    content_type: str
    content: bytes


class _Page(BaseHTTPRequestHandler):
    """``/`` the list, ``/NAME`` one mail, ``/NAME/html``, ``/NAME/source``, ``/NAME/INDEX`` a
    piece of it."""

    box: Mailbox
    server_version = "Mailbox"
    sys_version = ""

    def do_GET(self) -> None:
        # A page of another site must not read the mails through a name that leads here.
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in {LOOPBACK, "localhost"}:
            self._answer(HTTPStatus.FORBIDDEN, _plain("Adresse refusée."))
            return
        parts = [unquote(part) for part in self.path.split("?", 1)[0].split("/") if part]
        try:
            self._route(parts)
        except (KeyError, IndexError, ValueError):
            self._answer(HTTPStatus.NOT_FOUND, _plain("Message inconnu."))

    def _route(self, parts: list[str]) -> None:
        match parts:
            case []:
                self._answer(HTTPStatus.OK, _list_page(self.box))
            case [name]:
                self._answer(HTTPStatus.OK, _mail_page(name, self.box.message(name)))
            case [name, "html"]:
                body = _body(self.box.message(name), "html")
                # Sandboxed on its own too: opened in a tab, it still runs nothing.
                self._answer(HTTPStatus.OK, body.encode(), policy_=_SANDBOXED)
            case [name, "source"]:
                content = bytes(self.box.message(name))
                self._answer(HTTPStatus.OK, content, content_type="text/plain; charset=utf-8")
            case [name, index]:
                piece = _attachments(self.box.message(name))[int(index)]
                self._answer(
                    HTTPStatus.OK,
                    piece.content,
                    content_type=piece.content_type,
                    download=piece.name,
                )
            case _:
                raise KeyError(self.path)

    def _answer(
        self,
        status: HTTPStatus,
        content: bytes,
        *,
        content_type: str = "text/html; charset=utf-8",
        policy_: str = _CSP,
        download: str | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy_)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        if download is not None:
            self.send_header(
                "Content-Disposition", f"attachment; filename*=UTF-8''{quote(download, safe='')}"
            )
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Reading a mail is not worth a line in the terminal."""


def _list_page(box: Mailbox) -> bytes:
    rows = []
    for name in reversed(box.names()):
        message = box.message(name)
        link = quote(name)
        cells = (
            _when(message),
            str(message["To"] or ""),
            f'<a href="/{link}">{html.escape(str(message["Subject"] or "(sans objet)"))}</a>',
            str(len(_attachments(message)) or ""),
        )
        rows.append(
            f"<tr><td>{html.escape(cells[0])}<td>{html.escape(cells[1])}<td>{cells[2]}<td>{cells[3]}"
        )
    table = (
        "<table><tr><th>Date<th>Destinataire<th>Objet<th class=n>Pièces"
        + "".join(rows)
        + "</table>"
        if rows
        else "<p>Aucun message pour l’instant.</p>"
    )
    return _document("Messages", f"<h1>Messages</h1>{table}")


def _mail_page(name: str, message: EmailMessage) -> bytes:
    link = quote(name)
    headers = "".join(
        f"<dt>{title}<dd>{html.escape(_when(message) if header == 'Date' else str(message[header]))}"
        for title, header in (
            ("De", "From"),
            ("À", "To"),
            ("Répondre à", "Reply-To"),
            ("Date", "Date"),
            ("Objet", "Subject"),
            ("Identifiant", "Message-ID"),
        )
        if message[header]
    )
    pieces = "".join(
        f'<li><a href="/{link}/{index}">{html.escape(piece.name)}</a> '
        f"({len(piece.content) / 1000:.0f} ko)"
        for index, piece in enumerate(_attachments(message))
    )
    shown = ""
    if _body(message, "html"):
        shown = f'<h2>Message</h2><iframe sandbox src="/{link}/html" title="Message"></iframe>'
    return _document(
        str(message["Subject"] or "(sans objet)"),
        f'<p><a href="/">← Messages</a></p><dl>{headers}</dl>'
        + (f"<h2>Pièces jointes</h2><ul>{pieces}</ul>" if pieces else "")
        + shown
        + f"<h2>Texte</h2><pre>{html.escape(_body(message, 'plain'))}</pre>"
        + f'<p><a href="/{link}/source">Source du message</a></p>',
    )


def _document(title: str, body: str) -> bytes:
    return (
        '<!doctype html><html lang="fr"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>"
        "body{font:16px/1.5 sans-serif;max-width:70rem;margin:1rem auto;padding:0 1rem;"
        "color:#1d2433}"
        "table{border-collapse:collapse;width:100%}"
        "td,th{border-bottom:1px solid #d5dae3;padding:.4rem .6rem;text-align:left;"
        "overflow-wrap:anywhere}"
        "th.n{white-space:nowrap}iframe{width:100%;height:56rem;border:1px solid #d5dae3}"
        "pre{white-space:pre-wrap;background:#f4f6f9;padding:1rem}"
        "dt{font-weight:bold}dd{margin:0 0 .4rem}a{color:#0b5394}"
        f"</style></head><body>{body}</body></html>"
    ).encode()


def _plain(text: str) -> bytes:
    return _document(text, f"<p>{html.escape(text)}</p>")


def _body(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part is not None else ""


def _attachments(message: EmailMessage) -> list[_Attachment]:
    return [
        _Attachment(
            part.get_filename() or f"piece-{index + 1}",
            part.get_content_type(),
            content if isinstance(content := part.get_payload(decode=True), bytes) else b"",
        )
        for index, part in enumerate(message.iter_attachments())
    ]


def _when(message: EmailMessage) -> str:
    try:
        instant = parsedate_to_datetime(str(message["Date"]))
    except (TypeError, ValueError):
        return ""
    return french.full_instant(paris(instant))


def _slug(text: str) -> str:
    """Lower-case letters, digits and hyphens, 40 at most: safe in a file name anywhere."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-")[:40].strip("-") or "sans-nom"


def _number(name: str) -> int:
    return int(name.split("-", 1)[0])
