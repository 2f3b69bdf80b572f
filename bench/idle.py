"""Activities that answer at once: what is left is the engine, and our decisions.

They stand for the renderer, the mail server, the register and the reading of files. The calendar
and the settings are the real ones: the run cannot do without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from temporalio import activity

from activities.clock import BusinessClock
from activities.register import RegisterActivities
from process.orders import (
    DocumentOrder,
    IssuedDocument,
    MailOrder,
    MailReport,
    OpenOnboarding,
    PiecesRead,
    Projection,
    ReadPiece,
    ReadPieces,
    SentMail,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from register.store import Register
    from settings import Settings

_SHA256: Final = "0" * 64


class _NoRegister:
    """A register that keeps nothing."""

    async def claim(self, _order: OpenOnboarding, _sha256: str) -> str | None:
        return None

    async def project(self, _projection: Projection) -> None:
        return None


@activity.defn(name="issue_document")
async def issue_document(order: DocumentOrder) -> IssuedDocument:
    """A document that nobody drew."""
    return IssuedDocument(
        kind=order.kind,
        reference=order.reference,
        version=order.version,
        sha256=_SHA256,
        size=100_000,
        issued_at=BusinessClock().now(),
    )


@activity.defn(name="send_mail")
async def send_mail(order: MailOrder) -> MailReport:
    """Mails that nobody sent, accepted by everyone."""
    now = BusinessClock().now()
    return MailReport(
        kind=order.kind,
        key=order.key,
        mails=[
            SentMail(
                to=one.email or "projets@mileotech.example",
                role=one.role,
                message_id=f"<{order.onboarding}.{order.key}.{number}@mileotech.example>",
                accepted_at=now,
            )
            for number, one in enumerate(order.recipients)
        ],
    )


@activity.defn(name="read_pieces")
async def read_pieces(order: ReadPieces) -> PiecesRead:
    """Files that nobody opened, all as they should be."""
    return PiecesRead(
        pieces=[
            ReadPiece(key=one.key, sha256=_SHA256, size=100_000, media="application/pdf", pages=1)
            for one in order.pieces
        ]
    )


def idle_activities(settings: Settings) -> list[Callable[..., Any]]:
    """One for each name that the workflow asks for."""
    register = RegisterActivities(cast("Register", _NoRegister()), settings)
    return [
        issue_document,
        send_mail,
        read_pieces,
        register.open_onboarding,
        register.read_worked_days,
        register.project_onboarding,
        register.show,
    ]
