"""What the service answers when it cannot do what it is asked: a page to a person, a problem
(RFC 9457) to a program."""

from __future__ import annotations

import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

import reception
from reception import Refused

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates" / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
)
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_MEDIA: Final = "application/problem+json"
_RETRY_SECONDS: Final = "60"

_log: Final = logging.getLogger("onboarding.service")


class FieldError(BaseModel):
    """One thing wrong in what was sent."""

    path: str = Field(description="Le champ ; vide quand l'erreur tient à l'ensemble")
    reason: str


class ProblemDetails(BaseModel):
    """The body of a problem (RFC 9457); its ``type`` is ``about:blank``."""

    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is not fulfilled. ``title`` and ``detail`` are read by clients: French, for
    a person, without a secret."""

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        detail: str,
        headers: dict[str, str] | None = None,
        errors: list[FieldError] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors or []

    def answer(self, request: Request) -> Response:
        """The page or the problem, whichever the request would rather have."""
        headers = {**self.headers, "Vary": "Accept"}
        if "text/html" in request.headers.get("accept", ""):
            page = _PAGES.get_template("problem.html").render(title=self.title, detail=self.detail)
            return HTMLResponse(
                page, self.status, headers={**headers, "Content-Security-Policy": _POLICY}
            )
        told = ProblemDetails(
            title=self.title, status=self.status.value, detail=self.detail, errors=self.errors
        )
        return JSONResponse(
            told.model_dump(exclude_defaults=True), self.status, headers, media_type=_MEDIA
        )


def unavailable() -> Problem:
    """What we depend on does not answer at present."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Le service est momentanément indisponible",
        "Nous vous prions de nous en excuser. Merci de réessayer dans quelques minutes.",
        {"Retry-After": _RETRY_SECONDS},
    )


def problem_of(refused: Refused) -> Problem:
    """How a refusal is told over HTTP."""
    if isinstance(refused, reception.Unanswered):
        # Its text speaks of our machines: to those who run them, not to a sender.
        _log.error("pas de réponse : %s", refused)
        return unavailable()
    status, title = next(
        (told for kind, told in _REFUSALS.items() if isinstance(refused, kind)),
        (HTTPStatus.CONFLICT, "Ce message est refusé"),
    )
    errors = [FieldError(path=path, reason=reason) for path, reason in refused.errors]
    return Problem(status, title, refused.problems[0], errors=errors)


_REFUSALS: Final[dict[type[Refused], tuple[HTTPStatus, str]]] = {
    reception.Unreadable: (HTTPStatus.BAD_REQUEST, "Ce message est illisible"),
    reception.Invalid: (HTTPStatus.UNPROCESSABLE_ENTITY, "Ce message est invalide"),
    reception.Unknown: (HTTPStatus.NOT_FOUND, "Inconnu ici"),
}


def _documented(description: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
    return {"description": description, "content": {_MEDIA: {"schema": schema}}}


SIGNED_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _documented("Illisible : un seul objet JSON est attendu, sans clé répétée ni NaN"),
    401: _documented("Non signé, mal signé, ou signé il y a plus de cinq minutes"),
    404: _documented("Onboarding ou fait inconnu"),
    409: _documented(
        "Refusé : autre contrat sous cette référence, règle du processus, onboarding "
        "clos, identifiant déjà utilisé"
    ),
    413: _documented("Plus de 1 Mo"),
    422: _documented("Invalide : chaque champ par son chemin"),
    503: _documented(
        "Temporal, la base de données ou le worker ne répond pas : rien n'est acquis, "
        "renvoyer le même message après Retry-After secondes"
    ),
}
"""What a route whose messages are signed may answer, for the OpenAPI description."""


def answer_problems(app: FastAPI) -> None:
    """Give every error of this app its answer."""

    @app.exception_handler(Problem)
    async def _(request: Request, problem: Problem) -> Response:
        return problem.answer(request)

    @app.exception_handler(Refused)
    async def _(request: Request, refused: Refused) -> Response:
        return problem_of(refused).answer(request)

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
