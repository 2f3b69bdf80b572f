"""``/health``: what those who watch over the service ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final, Literal

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from reception import Refused
from register.store import Register
from service.temporal import Temporal
from storage.document_store import DocumentStore

_PATIENCE_SECONDS: Final = 5.0

_log: Final = logging.getLogger("onboarding.service")

Standing = Literal["ok", "unavailable"]


class Live(BaseModel):
    """The process answers."""

    service: Literal["ok"] = Field(default="ok", description="Toujours ok")


class Ready(BaseModel):
    """What the service needs, and whether it answers."""

    database: Standing = Field(description="La base de données")
    documents: Standing = Field(description="Là où les documents sont gardés")
    temporal: Standing = Field(description="Le serveur Temporal, et notre espace de noms")


def health_router(register: Register, store: DocumentStore, temporal: Temporal) -> APIRouter:
    """The routes of health. Whom to ask which: docs/operations.md."""
    router = APIRouter(prefix="/health", tags=["santé"])

    @router.get("/live", summary="Dire si le service tourne", response_model=Live)
    async def live() -> Live:
        return Live()

    @router.get(
        "/ready",
        summary="Dire si tout ce dont le service a besoin répond",
        response_model=Ready,
        responses={503: {"model": Ready}},
    )
    async def ready() -> JSONResponse:
        database, documents, there = await asyncio.gather(
            _standing("database", register.onboarding("")),
            _standing("documents", store.answer()),
            _standing("temporal", temporal.ask("", _namespace)),
        )
        told = Ready(database=database, documents=documents, temporal=there)
        wanting = "unavailable" in (database, documents, there)
        return JSONResponse(told.model_dump(), 503 if wanting else 200)

    return router


async def _namespace(client: Client) -> None:
    """Asked of our own namespace: a server without it, or one that refuses our key, is no use."""
    await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace),
        timeout=timedelta(seconds=_PATIENCE_SECONDS),
    )


async def _standing(name: str, asked: Awaitable[object]) -> Standing:
    try:
        await asyncio.wait_for(asked, _PATIENCE_SECONDS)
    except (SQLAlchemyError, OSError, Refused) as error:
        # Only its kind: the drivers' texts may carry addresses.
        _log.warning("pas prêt : %s (%s)", name, type(error).__name__)
        return "unavailable"
    return "ok"
