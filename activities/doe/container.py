"""The container of the DOE: an AES-256 zip of what must not travel in clear or be touched.

Its registered SHA-256 is that of its ``EMPREINTES.sha256``, which names the fingerprint of every
other file in it: encryption draws new salts each time, the content stays the same. Runs as a
child (``python -m activities.doe.container``): see ``activities.doe.child``.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from datetime import date
from pathlib import Path
from typing import Final

import pyzipper
from pyzipper.zipfile_aes import AESZipInfo

from activities.doe import child
from activities.doe.contents import Contents, contents_of
from process.contract import Contract
from process.fields import HELD
from process.french import plural
from process.orders import DocumentOrder, ReadPiece

README: Final = "LISEZ-MOI.txt"
MANIFEST: Final = "EMPREINTES.sha256"

_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 signs that nobody confuses over the telephone: neither 0 nor O, neither 1 nor I."""

_GROUPS: Final = 5
_GROUP: Final = 4
_BLOCK: Final = 1 << 20


def new_password() -> str:
    """A password of 100 bits, in groups that can be dictated: ``K7QF-2MXA-…``."""
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)
    )


def manifest(contents: Contents, contract: Contract) -> bytes:
    """``EMPREINTES.sha256``: what ``sha256sum --check`` reads, sorted by path.

    Its own SHA-256 is the fingerprint under which the container is registered.
    """
    lines = {path: _kept(entry.kept).sha256 for path, entry in contents.packed()}
    lines[README] = hashlib.sha256(readme(contents, contract)).hexdigest()
    return "".join(f"{lines[path]}  {path}\n" for path in sorted(lines)).encode()


def fingerprint(contents: Contents, contract: Contract) -> str:
    """The SHA-256 of the container's clear content."""
    return hashlib.sha256(manifest(contents, contract)).hexdigest()


def readme(contents: Contents, contract: Contract) -> bytes:
    """``LISEZ-MOI.txt``: what this is, and how to check it, on any machine."""
    files = list(contents.packed())
    configurations = sum(path.startswith("3-") for path, _ in files)
    text = f"""\
DOSSIER DES OUVRAGES EXÉCUTÉS — CONTENEUR CHIFFRÉ

Client  : {contract.client.name}
Contrat : {contract.reference}
Contenu : {plural(len(files), "fichier")}, dont {plural(configurations, "configuration")}

Ce conteneur accompagne le dossier au format PDF, dont la table des matières donne le numéro
de chaque pièce. Il contient ce qui ne doit pas circuler en clair (les configurations et tout
fichier où figure un secret, même si le dossier en montre une copie caviardée), ce qu'un PDF ne
peut pas contenir, les originaux signés, que leur assemblage dans un autre document priverait de
leur signature, et les fichiers tels que nous les avons reçus lorsque le dossier en montre un
exemplaire réparé.

VÉRIFIER LES FICHIERS

Le fichier {MANIFEST} donne l'empreinte SHA-256 de chacun des fichiers. Une fois le
conteneur ouvert, placez-vous dans le dossier extrait, puis :

  sous Linux    sha256sum --check {MANIFEST}
  sous macOS    shasum -a 256 --check {MANIFEST}
  sous Windows  Get-FileHash -Algorithm SHA256 -Path FICHIER   (dans PowerShell)
                et comparez avec la ligne correspondante de {MANIFEST}

L'empreinte du fichier {MANIFEST} lui-même est imprimée dans le dossier au format
PDF, au chapitre « Conteneur chiffré » : si elle est la même, rien n'a changé.

CONSERVER CE CONTENEUR

Les configurations permettent de remettre votre installation en service et en révèlent le
fonctionnement. Conservez-les chiffrées, avec un accès réservé aux personnes habilitées, et
gardez le mot de passe à part. Votre chef de projet ne le communique que par téléphone ; si
vous le recevez par courriel, prévenez-nous.

Mileo Technology — 47 boulevard de Courcelles, 75008 Paris — hello@mileotech.com
"""
    # Any Windows of the last twenty years opens this by a double click.
    return text.replace("\n", "\r\n").encode("utf-8-sig")


def pack(job: child.Job) -> child.Job:
    """Write the container. The job gives the order, the contract, the password, the local file
    of each fingerprint and the target; the answer gives the ``sha256`` of the clear content.

    Raises Trouble, naming the piece, when a file can no longer be read.
    """
    order = DocumentOrder.model_validate(job["order"])
    contract = Contract.model_validate(job["contract"], context=HELD)
    contents = contents_of(order)
    with pyzipper.AESZipFile(
        job["target"], "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(job["password"].encode("ascii"))
        # Version 2 writes no checksum of the clear content beside the encrypted one.
        archive.setencryption(pyzipper.WZ_AES, nbits=256, force_wz_aes_version=2)
        day = date.fromisoformat(order.dated_on)
        archive.writestr(_named(README, day), readme(contents, contract))
        archive.writestr(_named(MANIFEST, day), manifest(contents, contract))
        for path, entry in contents.packed():
            what = f"la pièce « {entry.name} »"
            child.at(what)
            sha256 = _kept(entry.kept).sha256
            file = Path(job["files"][sha256])
            child.check(file, sha256, what)
            _add(archive, _named(path, day), file)
    return {"sha256": fingerprint(contents, contract)}


def _add(archive: pyzipper.AESZipFile, entry: AESZipInfo, source: Path) -> None:
    entry.file_size = source.stat().st_size  # Known now: beyond 2 GB the header is another one.
    with source.open("rb") as file, archive.open(entry, "w") as packed:
        shutil.copyfileobj(file, packed, _BLOCK)


def _named(path: str, day: date) -> AESZipInfo:
    """An entry dated by the document, not by the machine."""
    entry = AESZipInfo(path, (day.year, day.month, day.day, 0, 0, 0))
    entry.compress_type = pyzipper.ZIP_DEFLATED
    entry.external_attr = 0o640 << 16
    return entry


def _kept(read: ReadPiece | None) -> ReadPiece:
    assert read is not None, "what has a path in the container has a file"
    return read


if __name__ == "__main__":
    child.serve(pack)
