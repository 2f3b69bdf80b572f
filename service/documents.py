"""``GET /documents/{sha256}``: an issued document, to whoever holds a link that we signed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from register.store import Register, RegisteredDocument
from service.problems import Problem, unavailable
from storage.document_store import DocumentStore
from storage.links import check_link, link_key

_MEDIA: Final = {".pdf": "application/pdf", ".zip": "application/zip"}

_log: Final = logging.getLogger("onboarding.service")

Sha256 = Annotated[str, Path(description="L'empreinte du document au registre")]
Reference = Annotated[str, Query(description="La référence du document")]
Expires = Annotated[str, Query(description="Quand le lien expire : secondes depuis 1970")]
Signature = Annotated[str, Query(description="La signature du lien")]


def documents_router(register: Register, store: DocumentStore) -> APIRouter:
    """The routes of documents."""
    router = APIRouter(tags=["documents"])
    linked = _Linked(register, store)

    @router.get(
        "/documents/{sha256}",
        summary="Télécharger un document émis",
        response_class=StreamingResponse,
        responses={401: {}, 404: {}, 410: {}, 503: {}},
    )
    async def document(
        sha256: Sha256, reference: Reference = "", expires: Expires = "", signature: Signature = ""
    ) -> Response:
        row = await linked.document(sha256, reference, expires, signature)
        headers = await linked.headers(row)
        return StreamingResponse(store.stream(row.path), headers=headers)

    @router.head("/documents/{sha256}", include_in_schema=False)
    async def described(
        sha256: Sha256, reference: Reference = "", expires: Expires = "", signature: Signature = ""
    ) -> Response:
        row = await linked.document(sha256, reference, expires, signature)
        return Response(headers=await linked.headers(row))

    return router


class _Linked:
    """The documents, as links name them."""

    def __init__(self, register: Register, store: DocumentStore) -> None:
        self._register = register
        self._store = store
        self._key: str | None = None

    async def document(
        self, sha256: str, reference: str, expires: str, signature: str
    ) -> RegisteredDocument:
        """The document of this link. Raises ``Problem``."""
        # Read once: a request that is not ours must not cost a query.
        self._key = self._key or await link_key(self._register)
        standing = check_link(
            self._key,
            sha256=sha256,
            reference=reference,
            expires=expires,
            signature=signature,
            now=datetime.now(UTC),
        )
        if standing == "forged":
            raise _forged()
        if standing == "expired":
            raise _expired()
        row = await self._register.registered_document(reference)
        if row is None or row.sha256 != sha256:
            raise _unknown()
        return row

    async def headers(self, row: RegisteredDocument) -> dict[str, str]:
        """What is told of a document before its content. Raises ``Problem``."""
        try:
            # Of the file: an encrypted container is registered by what it holds.
            size = await self._store.size(row.path)
        except FileNotFoundError:
            _log.error("document %s : absent de là où le registre le dit", row.reference)
            raise unavailable() from None
        suffix = PurePosixPath(row.path).suffix
        return {
            "Content-Type": _MEDIA.get(suffix, "application/octet-stream"),
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{row.reference}{suffix}"',
            "ETag": f'"{row.sha256}"',
            "Accept-Ranges": "none",
            "Cache-Control": "private, no-store",
        }


def _forged() -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "Ce lien est incomplet ou a été modifié",
        "Merci de l’ouvrir à nouveau depuis le message que vous avez reçu, en veillant à ce que "
        "l’adresse soit entière. S’il ne fonctionne toujours pas, votre interlocuteur chez Mileo "
        "Technology vous en adressera un nouveau.",
        {"WWW-Authenticate": 'Signature realm="documents"'},
    )


def _expired() -> Problem:
    return Problem(
        HTTPStatus.GONE,
        "Ce lien a expiré",
        "Pour protéger vos documents, chaque lien n’est valable qu’un temps. Votre interlocuteur "
        "chez Mileo Technology vous en adressera volontiers un nouveau : il vous suffit de "
        "répondre au message qui le contenait.",
    )


def _unknown() -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND,
        "Ce document est introuvable",
        "Aucun document ne correspond à ce lien. Votre interlocuteur chez Mileo Technology se "
        "fera un plaisir de vous l’adresser.",
    )
