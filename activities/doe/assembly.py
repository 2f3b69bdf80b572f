"""Assembles the DOE: brings its files together, has them merged or packed, gives back a file."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from activities.doe import child, container
from activities.doe.contents import contents_of
from activities.printing.rendering import DocumentImpossible, DocumentIncomplete
from process.documents import DOCUMENT_KINDS

if TYPE_CHECKING:
    from activities.doe.contents import Contents
    from process.contract import Contract
    from process.orders import DocumentOrder
    from register.store import Register
    from storage.document_store import DocumentStore

BOOK: Final = "doe"
CONTAINER: Final = "doe_conteneur"
ASSEMBLED: Final = {BOOK, CONTAINER}
"""The kinds of documents that are made of files."""

_BOOK_MODULE: Final = "activities.doe.book"
_CONTAINER_MODULE: Final = "activities.doe.container"


@dataclass(frozen=True)
class Assembled:
    """A file of this machine, and the fingerprint under which it is registered: its own for a
    book, that of its clear content for a container."""

    path: Path
    sha256: str


def piece_path(onboarding: str, sha256: str) -> str:
    """Where a file received for the DOE is kept."""
    return f"{onboarding}/pieces/{sha256}"


@asynccontextmanager
async def assembled(
    order: DocumentOrder, contract: Contract, register: Register, store: DocumentStore
) -> AsyncIterator[Assembled]:
    """The book or the container of an order, in a private folder that goes with the context.

    Raises DocumentIncomplete when a mandatory field is missing, DocumentImpossible when a piece
    is gone or cannot be assembled, ChildFailed when it may work another time.
    """
    contents = contents_of(order)
    with tempfile.TemporaryDirectory(prefix="doe-") as folder:
        target = Path(folder, "assembled")
        job: child.Job = {
            "order": order.model_dump(mode="json"),
            "contract": contract.model_dump(mode="json"),
            "target": str(target),
        }
        if order.kind == BOOK:
            module = _BOOK_MODULE
            job["files"] = await _fetched(
                await _of_book(order, contents, register), Path(folder), order, store
            )
            job["former"] = await register.stated(order.replaces) if order.replaces else None
        else:
            module = _CONTAINER_MODULE
            _check(order, contents)
            job["files"] = await _fetched(
                _of_container(order, contents), Path(folder), order, store
            )
            job["password"] = await register.doe_password(
                order.onboarding, container.new_password()
            )
        answer = await child.run(module, job, order)
        yield Assembled(target, answer["sha256"])


@dataclass(frozen=True)
class _Needed:
    """A file of the store, and how a person is told of it."""

    sha256: str
    path: str | None
    called: str


async def _of_book(order: DocumentOrder, contents: Contents, register: Register) -> list[_Needed]:
    documents = [
        _Needed(
            issued.sha256,
            await register.document_path(issued.reference),
            f"le document {issued.reference}",
        )
        for issued in contents.documents
    ]
    pieces = [
        _Needed(sha256, piece_path(order.onboarding, sha256), f"la pièce « {one.name} »")
        for one in contents.pieces
        if (sha256 := one.in_book)
    ]
    return documents + pieces


def _of_container(order: DocumentOrder, contents: Contents) -> list[_Needed]:
    return [
        _Needed(kept.sha256, piece_path(order.onboarding, kept.sha256), f"la pièce « {one.name} »")
        for _, one in contents.packed()
        if (kept := one.kept)
    ]


def _check(order: DocumentOrder, contents: Contents) -> None:
    """A container is rendered by nothing that would ask for its mandatory fields."""
    kind = DOCUMENT_KINDS[order.kind]
    if missing := [path for path in kind.mandatory if order.data.get(path) in (None, "")]:
        raise DocumentIncomplete(kind.title, [f"data.{path}" for path in missing])
    if not any(contents.packed()):
        raise DocumentImpossible(order.reference, "aucune pièce ne doit y être placée")


async def _fetched(
    needed: list[_Needed], folder: Path, order: DocumentOrder, store: DocumentStore
) -> dict[str, str]:
    """The local file of each fingerprint."""
    files: dict[str, str] = {}
    for one in needed:
        if one.sha256 in files:
            continue
        local = folder / str(len(files))
        try:
            if one.path is None:
                raise FileNotFoundError
            await store.fetch(one.path, local)
        except FileNotFoundError:
            reason = f"{one.called} n'est plus parmi les fichiers conservés"
            raise DocumentImpossible(order.reference, reason) from None
        files[one.sha256] = str(local)
    return files
