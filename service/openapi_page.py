"""``GET /docs``: the description of this service, for those who integrate it.

Swagger UI comes with the ``fastapi-swagger`` package: nothing is asked of another host, and the
policy of the page allows none. The page shows and sends nothing: a browser has no secret to sign
with.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = Path(__file__).parent / "page"
_FONTS: Final = Path(__file__).parent.parent / "templates" / "fonts"
_SWAGGER: Final = Path(str(files("fastapi_swagger"))) / "resources"

_ASSETS: Final[dict[str, tuple[Path, str]]] = {
    "docs.css": (_PAGE / "docs.css", "text/css"),
    "docs.js": (_PAGE / "docs.js", "text/javascript"),
    "favicon.png": (_SWAGGER / "favicon-32x32.png", "image/png"),
    "lato-bold.ttf": (_FONTS / "Lato-Bold.ttf", "font/ttf"),
    "lato-regular.ttf": (_FONTS / "Lato-Regular.ttf", "font/ttf"),
    "swagger-ui.css": (_SWAGGER / "swagger-ui.css", "text/css"),
    "swagger-ui.js": (_SWAGGER / "swagger-ui-bundle.js", "text/javascript"),
}
"""All that is served: a name chooses one of these, and is never a path."""


def page_router() -> APIRouter:
    """The routes of the page and of what it loads."""
    router = APIRouter(prefix="/docs", include_in_schema=False)

    @router.get("")
    async def page() -> Response:
        return FileResponse(
            _PAGE / "docs.html",
            media_type="text/html",
            headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"},
        )

    @router.get("/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(404)
        path, media = _ASSETS[name]
        return FileResponse(path, media_type=media, headers={"Cache-Control": "max-age=3600"})

    return router
