"""Checks every stored file of an onboarding against the register.

Nothing is trusted but the register: a file may be gone, changed, or unknown. The encrypted
containers are opened and each file in them is checked against their ``EMPREINTES.sha256``.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pyzipper

from activities.doe.assembly import CONTAINER
from activities.doe.container import MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from register.store import Register, RegisteredDocument, RegisteredPiece
    from storage.document_store import DocumentStore

State = Literal["ok", "missing", "altered", "unknown"]

_BLOCK: Final = 1 << 20
_LARGEST_MANIFEST: Final = 10_000_000
_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")


@dataclass(frozen=True)
class Checked:
    """What became of a file: ``name`` is a reference, the name of a piece or a path."""

    name: str
    state: State
    message: str
    """In French, for the person who asked."""


async def verify(register: Register, store: DocumentStore, onboarding: str) -> list[Checked]:
    """Check the issued documents, the kept pieces, the attachments of the mails, and what else
    lies in the onboarding's folder, in that order.

    What depends on the machine (database, store out of reach) is raised as it comes.
    """
    documents = await register.documents(onboarding)
    pieces = await register.pieces(onboarding)
    checked = [await _document(register, store, one) for one in documents]
    checked += [await _piece(store, one) for one in pieces]
    known = {one.reference for one in documents}
    checked += [one async for one in _attachments(register, onboarding, known)]
    paths = {one.path for one in documents} | {one.path for one in pieces}
    for path in sorted(await store.paths(onboarding)):
        if path not in paths:
            message = f"Le fichier {path} est conservé, mais le registre ne le connaît pas."
            checked.append(Checked(path, "unknown", message))
    return checked


async def _document(
    register: Register, store: DocumentStore, document: RegisteredDocument
) -> Checked:
    called = f"Le document {document.reference}"
    if document.kind != CONTAINER:
        return await _file(store, called, document.reference, document)
    with tempfile.TemporaryDirectory(prefix="doe-") as folder:
        local = Path(folder, "container")
        try:
            await store.fetch(document.path, local)
        except FileNotFoundError:
            return _missing(called, document.reference)
        password = await register.doe_password(document.onboarding)
        if password is None:
            message = f"{called} ne peut pas être ouvert : le registre n'a pas son mot de passe."
            return Checked(document.reference, "altered", message)
        wrong = await asyncio.to_thread(_wrong_with, local, password, document)
    if wrong is not None:
        return Checked(document.reference, "altered", f"{called} est altéré : {wrong}.")
    return Checked(document.reference, "ok", f"{called} est intact, ses fichiers aussi.")


async def _piece(store: DocumentStore, piece: RegisteredPiece) -> Checked:
    name = piece.name or piece.sha256
    return await _file(store, f"La pièce « {name} »", name, piece)


async def _file(
    store: DocumentStore, called: str, name: str, registered: RegisteredDocument | RegisteredPiece
) -> Checked:
    digest, size = hashlib.sha256(), 0
    try:
        async for block in store.stream(registered.path):
            digest.update(block)
            size += len(block)
    except FileNotFoundError:
        return _missing(called, name)
    if size != registered.size:
        wrong = f"il contient {size} octets au lieu de {registered.size}"
    elif digest.hexdigest() != registered.sha256:
        wrong = "son empreinte n'est pas celle du registre"
    else:
        return Checked(name, "ok", f"{called} : fichier intact.")
    return Checked(name, "altered", f"{called} : le fichier est altéré, {wrong}.")


def _missing(called: str, name: str) -> Checked:
    return Checked(name, "missing", f"{called} : le fichier n'est plus conservé.")


async def _attachments(
    register: Register, onboarding: str, known: set[str]
) -> AsyncIterator[Checked]:
    """The documents that a mail carries and that were never issued."""
    said: set[str] = set()
    for mail in await register.mails(onboarding):
        for reference in mail.attachments:
            if reference not in known | said:
                said.add(reference)
                message = (
                    f"Le courriel « {mail.subject} » porte le document {reference}, "
                    "que le registre ne connaît pas."
                )
                yield Checked(reference, "unknown", message)


def _wrong_with(path: Path, password: str, document: RegisteredDocument) -> str | None:
    """Why a container is not the one that was issued; None when it is."""
    if path.stat().st_size != document.size:
        return f"il contient {path.stat().st_size} octets au lieu de {document.size}"
    try:
        with pyzipper.AESZipFile(path) as archive:
            archive.setpassword(password.encode("ascii"))
            return next(_differences(archive, document.sha256), None)
    except Exception:  # noqa: BLE001 - an altered archive makes its reader stumble in any way
        return "il ne s'ouvre plus avec son mot de passe"


def _differences(archive: pyzipper.AESZipFile, sha256: str) -> Iterator[str]:
    with archive.open(MANIFEST) as file:
        manifest = file.read(_LARGEST_MANIFEST)
    if hashlib.sha256(manifest).hexdigest() != sha256:
        yield "l'empreinte de son contenu n'est pas celle du registre"
        return
    expected = {
        path: fingerprint
        for line in manifest.decode().splitlines()
        if (said := _LINE.fullmatch(line))
        for fingerprint, path in [said.groups()]
    }
    names = archive.namelist()
    if sorted(names) != sorted([MANIFEST, *expected]):
        yield "ses fichiers ne sont pas ceux de sa liste d'empreintes"
        return
    for name, fingerprint in expected.items():
        digest = hashlib.sha256()
        with archive.open(name) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != fingerprint:
            yield f"le fichier {name} n'a plus son empreinte"
