"""A real SMTP server on this machine, that says what a test tells it to say."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "localhost"


@dataclass
class MailServer:
    """What the server answers, and what it has taken.

    ``replies`` are the answers to RCPT TO, by address: one an attempt, then acceptance;
    ``data_replies`` the same to the message itself. ``connections`` counts the greetings.
    """

    port: int = 0
    replies: dict[str, list[str]] = field(default_factory=dict)
    data_replies: list[str] = field(default_factory=list)
    sender_reply: str | None = None
    silent: bool = False
    late: list[float] = field(default_factory=list)
    unheard: int = 0
    named: list[str] = field(default_factory=list)
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    """A message came whole."""
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    connections: int = 0
    encrypted: list[bool] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    @property
    def recipients(self) -> list[str]:
        """Who got a message, in order."""
        return [address for addresses, _ in self.taken for address in addresses]

    # The names below are aiosmtpd's.

    async def handle_EHLO(
        self,
        _server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        if self.silent:
            await asyncio.sleep(30)
        self.connections += 1
        return responses

    async def handle_MAIL(
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        envelope.mail_from = address
        return self.sender_reply or "250 OK"

    async def handle_RCPT(
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        self.named.append(address)
        if planned := self.replies.get(address):
            reply = planned.pop(0)
            if not reply.startswith("250"):
                return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.whole.set()
        if self.late:
            await asyncio.sleep(self.late.pop(0))
        if self.data_replies and not (reply := self.data_replies.pop(0)).startswith("250"):
            return reply
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=default)
        self.taken.append((list(envelope.rcpt_tos), message))
        self.encrypted.append(session.ssl is not None)
        if self.unheard:
            self.unheard -= 1
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return f"250 OK queued as {len(self.taken)}"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        login = (data.login.decode(), data.password.decode())
        self.logins.append(login)
        return AuthResult(success=login == ("mileo", "s3cret"), handled=False)


@asynccontextmanager
async def mail_server(
    box: MailServer | None = None,
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    auth: bool = False,
    patience: float = 300,
) -> AsyncIterator[MailServer]:
    """A server on a free port, in the running loop: in clear, with STARTTLS or in TLS at once. It
    leaves whoever says nothing for ``patience`` seconds."""
    loop = asyncio.get_running_loop()
    box = box or MailServer()
    conversations: list[SMTP] = []

    def conversation() -> SMTP:
        smtp = SMTP(
            box,
            loop=loop,
            hostname="test",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=box.authenticate if auth else None,
            auth_required=auth,
            auth_require_tls=starttls is not None,
            timeout=patience,
        )
        conversations.append(smtp)
        return smtp

    server = await loop.create_server(conversation, host="127.0.0.1", port=port, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        for smtp in conversations:
            if smtp.transport:
                smtp.transport.close()
        await server.wait_closed()


def self_signed(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for this machine made for the occasion: the server's side, and that of a
    client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))
