"""``/health``: what those who watch over the service ask."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError

from register.store import Register
from storage.document_store import DocumentStore

_PATIENCE_SECONDS: Final = 5.0

_log: Final = logging.getLogger("onboarding.service")


def health_router(register: Register, store: DocumentStore) -> APIRouter:
    """The routes of health."""
    router = APIRouter(prefix="/health", tags=["santé"])

    @router.get("/live", summary="Le service tourne")
    async def live() -> dict[str, str]:
        return {"service": "ok"}

    @router.get("/ready", summary="La base de données et les documents répondent")
    async def ready() -> JSONResponse:
        names = ("database", "documents")
        answers = await asyncio.gather(_answers(register.onboarding("")), _answers(store.answer()))
        told = {
            name: "ok" if there else "unavailable"
            for name, there in zip(names, answers, strict=True)
        }
        return JSONResponse(told, 200 if all(answers) else 503)

    return router


async def _answers(asked: Awaitable[object]) -> bool:
    try:
        await asyncio.wait_for(asked, _PATIENCE_SECONDS)
    except (SQLAlchemyError, OSError) as error:
        _log.warning("pas prêt : %s", type(error).__name__)
        return False
    return True
