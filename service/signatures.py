"""Who speaks: the Standard Webhooks signature that every message of another service carries."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Header, Request
from pydantic import SecretStr
from standardwebhooks import WebhookVerificationError

from service.deliveries import Message
from service.limits import read_body
from service.problems import Problem
from service.raw_webhook import RawWebhook, every_signature

Secrets = Mapping[str, tuple[SecretStr, ...]]
"""Those of each service that may speak, by its name: several during a rotation."""

_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID: Final = re.compile(r"[!-~]{1,200}")
_STALE: Final = ("Message timestamp too old", "Message timestamp too new")
_MALFORMED: Final = (ValueError, binascii.Error, OverflowError)
"""What the official package raises for headers that its own senders never make."""


def sender_of(secrets: Secrets, headers: Mapping[str, str], body: bytes) -> str:
    """The name of the service that signed this. Raises ``Problem`` (401) with the reason."""
    if not secrets:
        raise _unsigned("aucun secret n'est configuré ici (ONBOARDING_WEBHOOK_SECRETS)")
    given = {name: headers.get(name, "") for name in _HEADERS}
    if absent := [name for name, value in given.items() if not value]:
        raise _unsigned(f"en-tête absent : {', '.join(absent)}")
    if not _ID.fullmatch(given["webhook-id"]):
        raise _unsigned("webhook-id : 1 à 200 caractères ASCII imprimables, sans espace")
    reason = "la signature ne correspond à aucun secret"
    for name, ours in secrets.items():
        for secret in ours:
            try:
                RawWebhook(secret.get_secret_value()).holds(body, given)
            except WebhookVerificationError as error:
                if str(error) in _STALE:
                    reason = "webhook-timestamp : à plus de cinq minutes de notre horloge"
            except _MALFORMED:
                reason = "signature mal formée"
            else:
                return name
    raise _unsigned(reason)


Id = Annotated[str, Header(description="L'identifiant du message, le même à chaque renvoi")]
Timestamp = Annotated[str, Header(description="L'instant de l'envoi : secondes depuis 1970")]
Signature = Annotated[str, Header(description="Une ou plusieurs signatures « v1,… »")]


async def signed(
    request: Request,
    webhook_id: Id = "",
    webhook_timestamp: Timestamp = "",
    webhook_signature: Signature = "",  # noqa: ARG001 - described; all of them are read below
) -> Message:
    """The message that was sent, once its sender is known: what a signed route depends on."""
    # A question signs an empty body, whatever comes with it.
    body = b"" if request.method == "GET" else await read_body(request)
    for name in ("webhook-id", "webhook-timestamp"):
        if len(set(request.headers.getlist(name))) > 1:
            raise _unsigned(f"{name} : donné plusieurs fois")
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": webhook_timestamp,
        "webhook-signature": every_signature(request.headers.getlist("webhook-signature")),
    }
    sender = sender_of(request.app.state.secrets, headers, body)
    return Message(sender=sender, id=webhook_id, path=request.scope["path"], body=body)


SignedMessage = Annotated[Message, Depends(signed)]


def _unsigned(reason: str) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "Ce message n’est pas signé comme attendu",
        reason,
        {"WWW-Authenticate": 'Signature realm="webhooks"'},
    )
