"""``POST /onboardings/{reference}/facts/{name}``: what happened, told to its onboarding."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from process.facts import FACTS
from process.rules import id_taken
from reception import Refused, Unknown, check_fact, parse_object, send_fact
from service.deliveries import Answer, Deliveries, Message
from service.onboardings import OnboardingReference
from service.problems import SIGNED_PROBLEMS
from service.signatures import SignedMessage
from service.temporal import Temporal
from workflows.names import workflow_id


def facts_router(temporal: Temporal, deliveries: Deliveries) -> APIRouter:
    """The route of facts."""
    router = APIRouter(tags=["onboardings"])

    @router.post(
        "/onboardings/{reference}/facts/{name}",
        summary="Dire un fait à un onboarding",
        response_model=Answer,
        responses={202: {"model": Answer}, **SIGNED_PROBLEMS},
        openapi_extra={"requestBody": _BODY},
    )
    async def fact(
        reference: OnboardingReference,
        name: str,
        message: SignedMessage,
    ) -> JSONResponse:
        if name not in FACTS:
            raise Unknown(f"aucun fait « {name[:100]} » ; faits : {', '.join(FACTS)}")
        payload = parse_object(message.body)
        named = payload.get("fact_id") is not None
        if not named:
            # The id of the message makes a repeat count once, whatever door it comes back by. The
            # id of the update cannot: the server replays its first outcome, be it a refusal.
            payload["fact_id"] = message.id
        check_fact(name, payload)

        async def told() -> Answer:
            try:
                return await _told(temporal, reference, name, payload, message.sender)
            except Refused as refused:
                if named or refused.problems != (id_taken(message.id),):
                    raise
            # The id of another sender's message: this one's own is told from it.
            scoped = {**payload, "fact_id": _scoped(message)}
            return await _told(temporal, reference, name, scoped, message.sender)

        return await deliveries.once(message, told)

    return router


def _scoped(message: Message) -> str:
    """The id of a message among those of every sender, as short as a ``fact_id`` must be."""
    digest = hashlib.sha256(message.id.encode()).hexdigest()
    return f"{message.sender[:100]}:{message.id if len(message.id) < len(digest) else digest}"


async def _told(
    temporal: Temporal, reference: str, name: str, payload: dict[str, Any], sender: str
) -> Answer:
    answer = await temporal.ask(
        reference,
        lambda client: send_fact(client, reference, name, payload, door=f"http:{sender}"),
    )
    return Answer(
        reference=reference,
        outcome=answer.outcome,
        message=answer.message,
        workflow_id=workflow_id(reference),
    )


_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "Le contenu du fait nommé dans l'adresse. Sans fact_id, webhook-id en tient "
    "lieu.",
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": f"#/components/schemas/{model.__name__}"} for model in FACTS.values()
                ]
            }
        }
    },
}
