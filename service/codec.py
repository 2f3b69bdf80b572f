"""The codec server: those who may read encrypted histories in Temporal's web UI, and write there.

``POST /decode`` and ``/encode`` follow Temporal's remote codec protocol, under any prefix. A browser
signs in on a page of this server and keeps a session in a cookie; the ``temporal`` command gives its
token itself (docs/operations.md).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from google.protobuf import json_format
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware.cors import CORSMiddleware
from temporalio.api.common.v1 import Payload, Payloads

from encryption import EncryptionCodec, codec_of
from ending import asked_to_stop
from reception import Unreadable
from service.app import serving
from service.codec_access import SESSION_SECONDS, Access, Patience
from service.health import Live
from service.limits import read_body
from service.problems import Problem, answer_problems
from settings import CodecToken, CommandSettings, SettingsError

_MAX_BYTES: Final = 8_000_000
"""What Temporal bears in one message (4 MB), in base64, with room."""
_MAX_PAYLOADS: Final = 10_000

_HEADERS: Final = ("Content-Type", "X-Namespace", "Authorization", "Authorization-Extras")
_WRONG: Final = (json_format.ParseError, RecursionError, ValueError, TypeError, AttributeError)
"""What the parser of Protobuf raises for JSON that is no ``Payloads``."""

_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates" / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
)
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    # Of its forms, a browser must say that they come from here: without any referrer, it says null.
    "Referrer-Policy": "same-origin",
}

_log: Final = logging.getLogger("onboarding.codec")


class _Doors:
    """Who comes in, by a session or by a token."""

    def __init__(self, tokens: Sequence[CodecToken], origin: str) -> None:
        self._access = Access(tokens)
        self._patience = Patience()
        self._origin = origin
        self._secure = origin.startswith("https:")
        self._cookie = "__Secure-codec" if self._secure else "codec"

    def caller(self, request: Request) -> CodecToken:
        """Who asks to decode or encode. Raises ``Problem`` (401, 403, 429)."""
        origin = request.headers.get("origin")
        if origin not in {None, self._origin}:
            raise _forbidden("Cette page n’est pas l’interface web de Temporal.")
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme:
            found = self.holder(request, secret.strip()) if scheme.lower() == "bearer" else None
        else:
            # A browser says where it comes from; a session is for nobody else.
            found = self.in_session(request) if origin else None
        if found is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "Vous n’êtes pas connecté",
                "Merci de vous connecter sur la page du serveur de déchiffrement.",
                {"WWW-Authenticate": "Bearer"},
            )
        return found

    def holder(self, request: Request, secret: str) -> CodecToken | None:
        """Whose token this is. Raises ``Problem`` (429) when the visitor gave too many wrong ones."""
        visitor = _visitor(request)
        if self._patience.is_over(visitor):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "Trop d’essais",
                "Merci de réessayer dans une minute.",
                {"Retry-After": "60"},
            )
        found = self._access.holder(secret)
        if found is None:
            self._patience.wrong(visitor)
            _log.warning("jeton refusé, visiteur %s", visitor or "inconnu")
        return found

    def in_session(self, request: Request) -> CodecToken | None:
        """Whose session the browser keeps."""
        return self._access.in_session(request.cookies.get(self._cookie, ""))

    def open(self, response: Response, token: CodecToken) -> None:
        """Have the browser keep a session, for the folder of this page: the web UI and others of
        the same host never receive it."""
        response.set_cookie(
            self._cookie,
            self._access.session(token),
            max_age=SESSION_SECONDS,
            path=None,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def close(self, response: Response) -> None:
        """Have the browser forget its session."""
        response.set_cookie(
            self._cookie, "", max_age=0, path=None, secure=self._secure, httponly=True
        )


def create_codec_app(codec: EncryptionCodec, tokens: Sequence[CodecToken], origin: str) -> FastAPI:
    """The application, for the web UI of this ``origin``."""
    doors = _Doors(tokens, origin)
    app = FastAPI(
        title="Mileo Onboarding",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[origin],
        allow_methods=["POST"],
        allow_headers=_HEADERS,
        allow_credentials=True,
        allow_private_network=True,
    )
    answer_problems(app)
    _add_protocol(app, codec, doors)
    _add_page(app, doors, origin)

    @app.get("/health/live")
    async def live() -> Live:
        return Live()

    return app


def _add_protocol(app: FastAPI, codec: EncryptionCodec, doors: _Doors) -> None:
    @app.post("/decode")
    @app.post("/{prefix:path}/decode")
    async def decode(request: Request) -> Response:
        return await _converted(request, doors.caller(request), "decode", codec.decode)

    @app.post("/encode")
    @app.post("/{prefix:path}/encode")
    async def encode(request: Request) -> Response:
        token = doors.caller(request)
        if token.right != "act":
            _log.warning("encode refusé à %s, qui peut lire seulement", token.name)
            raise _forbidden("Votre jeton permet de lire, pas d’écrire.")
        return await _converted(request, token, "encode", codec.encode)


async def _converted(
    request: Request,
    token: CodecToken,
    action: Literal["decode", "encode"],
    convert: Callable[[Sequence[Payload]], Awaitable[list[Payload]]],
) -> Response:
    payloads = await asyncio.to_thread(_parsed, await _body(request))
    namespace = request.headers.get("x-namespace", "")
    _log.info(
        "%s par %s : contenus %d, espace %s",
        action,
        token.name,
        len(payloads),
        namespace if re.fullmatch(r"[\w.-]{1,255}", namespace) else "non dit",
    )
    converted = Payloads(payloads=await convert(payloads))
    written = await asyncio.to_thread(json_format.MessageToJson, converted, indent=None)
    return Response(written, media_type="application/json")


async def _body(request: Request) -> bytes:
    body = await read_body(request, _MAX_BYTES)
    # Each payload opens one object, and its metadata another: told before they are made.
    if body.count(b"{") > 2 * _MAX_PAYLOADS:
        raise _too_large()
    return body


def _parsed(body: bytes) -> Sequence[Payload]:
    try:
        if body.lstrip().startswith(b"{"):
            return json_format.Parse(body, Payloads()).payloads
    except _WRONG:
        pass
    # Outside the handler: the parser's words, which quote what was sent, must not be chained.
    raise Unreadable("un objet JSON « Payloads » de Temporal est attendu")


def _add_page(app: FastAPI, doors: _Doors, origin: str) -> None:
    def page(token: CodecToken | None, *, refused: bool = False) -> Response:
        text = _PAGES.get_template("codec.html").render(
            token=token, refused=refused, hours=SESSION_SECONDS // 3600, web_ui=origin
        )
        status = HTTPStatus.FORBIDDEN if refused else HTTPStatus.OK
        return HTMLResponse(text, status, headers=_PAGE_HEADERS)

    @app.get("/")
    async def shown(request: Request) -> Response:
        return page(doors.in_session(request))

    from_this_page = Depends(_FromThisPage(origin))

    @app.post("/connexion", dependencies=[from_this_page])
    async def sign_in(request: Request) -> Response:
        token = doors.holder(request, await _field(request, "jeton"))
        if token is None:
            return page(None, refused=True)
        _log.info("connexion de %s (%s)", token.name, token.right)
        response = _back()
        doors.open(response, token)
        return response

    @app.post("/deconnexion", dependencies=[from_this_page])
    async def sign_out() -> Response:
        response = _back()
        doors.close(response)
        return response


class _FromThisPage:
    """Browsers say where a form comes from; nobody signs another in or out. The page is where it is
    asked for (``Host``), or on the web UI's ``origin`` behind a proxy."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def __call__(self, request: Request) -> None:
        """Raises ``Problem`` (403)."""
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin", self._origin)
        here = urlsplit(origin).netloc == request.headers.get("host")
        if site != "same-origin" or not (here or origin == self._origin):
            raise _forbidden("Cette demande vient d’une autre page.")


def _back() -> Response:
    """To the page, wherever a proxy puts it."""
    return RedirectResponse(".", HTTPStatus.SEE_OTHER)


async def _field(request: Request, name: str) -> str:
    body = await read_body(request)
    try:
        values = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise Unreadable("formulaire illisible") from None
    return values.get(name, [""])[0].strip()


def _visitor(request: Request) -> str:
    """Whom the proxy before us says it speaks for, else who speaks. One who lies about it gains
    more tries at what cannot be guessed."""
    told = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        return str(ip_address(told))
    except ValueError:
        # Nothing, or a text of the sender's own: it is in a log, and would count as somebody else.
        return request.client.host if request.client else ""


def _forbidden(detail: str) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "Vous n’avez pas ce droit", detail)


def _too_large() -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Ce message est trop volumineux",
        f"Un message compte au plus {_MAX_BYTES // 1_000_000} Mo et {_MAX_PAYLOADS} contenus.",
    )


def app_of(settings: CommandSettings) -> FastAPI:
    """The application of these settings. Raises ``SettingsError`` when one is missing."""
    codec, tokens, origin = (
        codec_of(settings.encryption_keys),
        settings.codec_tokens,
        settings.codec_origin,
    )
    if codec is None or not tokens or origin is None:
        needed: dict[str, Any] = {
            "ONBOARDING_ENCRYPTION_KEYS": codec,
            "ONBOARDING_CODEC_TOKENS": tokens,
            "ONBOARDING_CODEC_ORIGIN": origin,
        }
        raise SettingsError(
            [f"{name} : nécessaire ici, absent" for name, value in needed.items() if not value]
        )
    return create_codec_app(codec, tokens, origin)


async def serve(settings: CommandSettings, host: str, port: int) -> None:
    """Answer on this address until SIGTERM or SIGINT, then let what is under way finish.

    Raises ``SettingsError``, which says what is wrong in French.
    """
    stop = asked_to_stop()
    async with serving(app_of(settings), host, port) as address:
        _log.info("à l'écoute sur %s", address)
        await stop.wait()
    _log.info("arrêté")
