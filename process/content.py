"""The fingerprint of what an order says, kept with what came of it.

A server Reset makes a run live some days anew, and ask under the same key for what may be another
plan: the same content has the same answer, another one leaves as the next version.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from process.fields import canonical

if TYPE_CHECKING:
    from process.orders import DocumentOrder, MailOrder

_OF_THE_DAY: Final = frozenset(
    {
        "welcome",
        "assignment",
        "project_manager_missing",
        "take_over",
        "resumption_plan",
        "doe_complete",
        "signature_alone",
        "reminder",
        "client_reminder",
    }
)
"""Mails that tell how things stand on the day they are written. Told once: another day, the same
mail would say something else, and is not another one."""

_OF_THE_CLOCK: Final = frozenset({"notice_hours"})
"""Data counted from the hour at which a fact came, not stated by it."""


_EVENT: Final = {"uid", "title", "starts_at", "ends_at", "all_day", "place", "cancelled"}
"""What an event is; who has it already, and its sequence, change with the readers."""


def of_mail(order: MailOrder) -> str | None:
    """The fingerprint (SHA-256) of what a mail says, whoever receives it; None for one that is
    told once, whatever it says."""
    if order.kind in _OF_THE_DAY:
        return None
    said = order.model_dump(mode="json", include={"kind", "data", "attachments"})
    events = [event.model_dump(mode="json", include=_EVENT) for event in order.invitations]
    return _digest({**said, "data": _stated(said["data"]), "events": events})


def of_document(order: DocumentOrder) -> str:
    """The fingerprint (SHA-256) of what a document states, and to whom, whatever its date."""
    said = order.model_dump(mode="json", include={"kind", "data", "sites", "issuer", "recipients"})
    return _digest({**said, "data": _stated(said["data"])})


def _stated(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in _OF_THE_CLOCK}


def _digest(said: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(said)).hexdigest()
