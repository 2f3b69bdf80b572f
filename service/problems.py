"""What the service answers when it cannot do what it is asked: a page to a person, a problem
(RFC 9457) to a program."""

from __future__ import annotations

import logging
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates" / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_RETRY_SECONDS: Final = "60"

_log: Final = logging.getLogger("onboarding.service")


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is not fulfilled. ``title`` and ``detail`` are read by clients: French, for
    a person, without a secret."""

    def __init__(
        self, status: HTTPStatus, title: str, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}

    def answer(self, request: Request) -> Response:
        """The page or the problem, whichever the request would rather have."""
        headers = {**self.headers, "Vary": "Accept"}
        if "text/html" in request.headers.get("accept", ""):
            page = _PAGES.get_template("problem.html").render(title=self.title, detail=self.detail)
            return HTMLResponse(
                page, self.status, headers={**headers, "Content-Security-Policy": _POLICY}
            )
        told = {"title": self.title, "status": self.status.value, "detail": self.detail}
        return JSONResponse(told, self.status, headers, media_type="application/problem+json")


def unavailable() -> Problem:
    """What we depend on does not answer at present."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Le service est momentanément indisponible",
        "Nous vous prions de nous en excuser. Merci de réessayer dans quelques minutes.",
        {"Retry-After": _RETRY_SECONDS},
    )


def answer_problems(app: FastAPI) -> None:
    """Give every error of this app its answer."""

    @app.exception_handler(Problem)
    async def _(request: Request, problem: Problem) -> Response:
        return problem.answer(request)

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        title, detail = _USUAL.get(error.status_code, _UNREADABLE)
        status = HTTPStatus(error.status_code)
        return Problem(status, title, detail, dict(error.headers or {})).answer(request)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, _error: RequestValidationError) -> Response:
        return Problem(HTTPStatus.BAD_REQUEST, *_UNREADABLE).answer(request)

    @app.exception_handler(SQLAlchemyError)
    @app.exception_handler(OSError)
    async def _(request: Request, error: Exception) -> Response:
        # Only its kind: the drivers' texts may carry the address of the database.
        _log.error(
            "la base de données ou les documents ne répondent pas : %s", type(error).__name__
        )
        return unavailable().answer(request)

    @app.exception_handler(Exception)
    async def _(request: Request, _error: Exception) -> Response:
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, *_FAILED).answer(request)


_UNREADABLE: Final = (
    "Cette demande n’a pas pu être comprise",
    "L’adresse est incomplète ou mal formée. Merci de vérifier qu’elle a été copiée en entier.",
)
_FAILED: Final = (
    "Une erreur est survenue de notre côté",
    "Nous vous prions de nous en excuser. Merci de réessayer dans quelques minutes.",
)
_NO_PAGE: Final = (
    "Cette page n’existe pas",
    "Cette adresse ne mène à rien. Merci de vérifier qu’elle a été copiée en entier.",
)
_NO_OPERATION: Final = (
    "Cette opération n’est pas prévue",
    "Cette adresse ne répond pas à ce type de demande.",
)
_USUAL: Final = {404: _NO_PAGE, 405: _NO_OPERATION}
