"""``POST /contracts/{source}``: the event of a signing service or a CRM, as its file declares it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from process.fields import canonical
from reception import parse_object
from service.adapters import Ignored, Source
from service.contracts import Contracts
from service.deliveries import Answer, Deliveries, Message
from service.limits import read_body
from service.problems import SIGNED_PROBLEMS, Problem
from service.signatures import Secrets


def events_router(
    sources: Mapping[str, Source],
    secrets: Secrets,
    contracts: Contracts,
    deliveries: Deliveries,
) -> APIRouter:
    """The route of the sources that do not write our JSON (docs/sources.md)."""
    router = APIRouter(tags=["contrats"])

    @router.post(
        "/contracts/{source}",
        summary="Transmettre l'événement d'un service de signature ou d'un CRM déclaré",
        response_model=Answer,
        responses={202: {"model": Answer}, 404: {}, **SIGNED_PROBLEMS},
    )
    async def event(source: str, request: Request) -> JSONResponse:
        declared = sources.get(source)
        if declared is None:
            raise Problem(
                HTTPStatus.NOT_FOUND, "Cette source n’est pas déclarée", f"source : {source[:64]}"
            )
        body = await read_body(request)
        keys = [
            base64.b64decode(secret.get_secret_value().removeprefix("whsec_"))
            for secret in secrets.get(source, ())
        ]
        if not declared.verify(request.headers, body, keys):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "Cet événement n’est pas signé comme attendu",
                f"la signature ne correspond à aucun secret de « {source} »",
                {"WWW-Authenticate": 'Signature realm="webhooks"'},
            )
        found = declared.read(parse_object(body))
        if isinstance(found, Ignored):
            # Not an error of theirs: they would send it again, and again.
            return JSONResponse({"outcome": "ignored", "message": f"non suivi : {found.path}"})
        # What counts of it: two deliveries of one event may differ in what does not.
        message = Message(source, found.id, request.scope["path"], canonical(found.content))
        return await deliveries.once(message, lambda: contracts.take(found.content))

    return router
