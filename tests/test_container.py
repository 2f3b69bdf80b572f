"""The container of the DOE: what travels sealed, and how it is told to be the same."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pypdfium2
import pytest
import pyzipper
from temporalio.exceptions import ApplicationError

import activities.child
from activities.doe import assembly as doe
from activities.doe import container
from activities.doe.contents import plain_name
from activities.printing.rendering import DocumentImpossible
from process.orders import IssuedDocument
from tests.doe_files import Shelf, filled, issue, sheet, signed
from tests.test_documents import CONTRACT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = [
    "3-configurations/01-sauvegarde-sw-01.txt",
    "5-certificats/02-consuel.pdf",
    "6-garanties/01-garantie-avec-code.pdf",
    "EMPREINTES.sha256",
    "LISEZ-MOI.txt",
    "originaux-signes/01-proces-verbal-signe.pdf",
]


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    async with Shelf.opened(tmp_path) as shelf:
        yield shelf


async def issued_to(shelf: Shelf, local: Path) -> IssuedDocument:
    issued: IssuedDocument = await issue(shelf, shelf.order("doe_conteneur"))
    path = await shelf.register.document_path(issued.reference)
    assert path == f"{CONTRACT.reference}/CNT-{CONTRACT.reference}-1-v1.zip"
    await shelf.store.fetch(path, local)
    return issued


async def contents(shelf: Shelf, local: Path) -> dict[str, bytes]:
    password = await shelf.register.doe_password(CONTRACT.reference)
    assert password is not None
    with pyzipper.AESZipFile(local) as archive:
        archive.setpassword(password.encode())
        return {name: archive.read(name) for name in archive.namelist()}


async def test_it_holds_what_must_not_be_in_clear_and_the_signed_originals(
    shelf: Shelf, tmp_path: Path
) -> None:
    await filled(shelf)
    issued = await issued_to(shelf, tmp_path / "c.zip")
    files = await contents(shelf, tmp_path / "c.zip")

    assert sorted(files) == NAMES
    assert files[NAMES[0]] == b"snmp-server community Xk29-secret RO"
    assert files[NAMES[1]] == signed("Attestation")
    assert issued.size == (tmp_path / "c.zip").stat().st_size
    readme = files["LISEZ-MOI.txt"].decode("utf-8-sig")
    assert "Établissements Lefèvre & Fils" in readme
    assert "4 fichiers, dont 1 configuration" in readme


async def test_its_fingerprint_is_that_of_its_clear_content(shelf: Shelf, tmp_path: Path) -> None:
    await filled(shelf)
    issued = await issued_to(shelf, tmp_path / "c.zip")
    files = await contents(shelf, tmp_path / "c.zip")
    manifest = files.pop("EMPREINTES.sha256")

    assert issued.sha256 == hashlib.sha256(manifest).hexdigest()
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    await asyncio.to_thread(
        subprocess.run,
        ["sha256sum", "--check", "--strict", "-"],
        cwd=tmp_path,
        input=manifest,
        check=True,
    )
    assert manifest.decode().splitlines() == sorted(
        manifest.decode().splitlines(), key=lambda line: line[66:]
    )
    assert len(manifest.splitlines()) == len(files)


async def test_made_again_it_differs_and_its_fingerprint_does_not(
    shelf: Shelf, tmp_path: Path
) -> None:
    # A worker killed between the storing and the registering: the second attempt counts.
    await filled(shelf)
    made = []
    for _ in range(2):
        what = shelf.order("doe_conteneur")
        async with doe.assembled(what, CONTRACT, shelf.register, shelf.store) as once:
            made.append((once.sha256, once.path.read_bytes()))
    issued = await issued_to(shelf, tmp_path / "c.zip")

    assert made[0][0] == made[1][0] == issued.sha256
    assert made[0][1] != made[1][1]
    assert len(made[0][1]) == len(made[1][1]) == issued.size


async def test_the_book_prints_the_fingerprint_of_the_container(
    shelf: Shelf, tmp_path: Path
) -> None:
    await filled(shelf)
    issued = await issued_to(shelf, tmp_path / "c.zip")
    book: IssuedDocument = await issue(shelf, shelf.order("doe"))
    with pypdfium2.PdfDocument(
        tmp_path / "documents" / CONTRACT.reference / f"{book.reference}.pdf"
    ) as pdf:
        text = "".join(page.get_textpage().get_text_range() for page in pdf)

    assert issued.sha256 in re.sub(r"\s", "", text)


async def test_nothing_in_it_can_be_read_without_the_password(shelf: Shelf, tmp_path: Path) -> None:
    await filled(shelf)
    await issued_to(shelf, tmp_path / "c.zip")
    raw = (tmp_path / "c.zip").read_bytes()

    assert b"Xk29-secret" not in raw
    with pyzipper.AESZipFile(tmp_path / "c.zip") as archive:
        for entry in archive.infolist():
            assert (entry.wz_aes_strength, entry.wz_aes_version) == (3, 2)
            # The checksum of a short text would give it away.
            assert entry.CRC == 0
            archive.setpassword(b"AAAA-AAAA-AAAA-AAAA-AAAA")
            with pytest.raises(RuntimeError, match="password"):
                archive.read(entry)
    with zipfile.ZipFile(tmp_path / "c.zip") as archive, pytest.raises(RuntimeError):
        archive.read(NAMES[0])


async def test_one_password_for_all_the_containers_of_an_onboarding(
    shelf: Shelf, tmp_path: Path
) -> None:
    await filled(shelf)
    first = await issued_to(shelf, tmp_path / "c.zip")
    password = await shelf.register.doe_password(CONTRACT.reference)
    await shelf.file("configurations", "Sauvegarde SW-02", b"2", media="text/plain")
    await issue(
        shelf,
        shelf.order("doe_conteneur", reference=first.reference.replace("-v1", "-v2"), version=2),
    )

    assert await shelf.register.doe_password(CONTRACT.reference) == password


async def test_the_password_is_on_no_command_line_and_in_no_environment(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The child tells what anyone on the machine could see of it.
    seen = tmp_path / "seen"
    (tmp_path / "activities_container_seen.py").write_text(f"""
import pathlib
from activities.doe import child
from activities.doe import container
def look(job):
    pathlib.Path({str(seen)!r}).write_text(job["password"])
    for name in ("cmdline", "environ"):
        assert job["password"].encode() not in pathlib.Path("/proc/self", name).read_bytes()
    return container.pack(job)
child.serve(look)
""")
    path = os.pathsep.join([activities.child._PATH, str(tmp_path)])
    monkeypatch.setattr(activities.child, "_PATH", path)
    monkeypatch.setattr(doe, "_CONTAINER_MODULE", "activities_container_seen")
    monkeypatch.setenv("ONBOARDING_SMTP_PASSWORD", "hunter2")
    await filled(shelf)

    await issued_to(shelf, tmp_path / "c.zip")

    assert seen.read_text() == await shelf.register.doe_password(CONTRACT.reference)


def test_a_password_can_be_dictated_and_never_comes_twice() -> None:
    passwords = {container.new_password() for _ in range(200)}

    assert len(passwords) == 200
    assert all(re.fullmatch("([2-9A-HJ-NP-Z]{4}-){4}[2-9A-HJ-NP-Z]{4}", one) for one in passwords)
    assert math.log2(len(container._ALPHABET)) * 20 == 100


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Sauvegarde SW-01", "sauvegarde-sw-01"),
        ("Œuvre d'été : n° 3", "oeuvre-d-ete-n-3"),
        ("../../etc/passwd", "etc-passwd"),
        ("CON", "con"),
        ("你好", "sans-nom"),
        ("x" * 300, "x" * 60),
    ],
)
def test_names_are_plain_on_any_machine(name: str, plain: str) -> None:
    assert plain_name(name) == plain


async def test_the_extension_says_what_the_content_is(shelf: Shelf, tmp_path: Path) -> None:
    for media, uri in [
        ("text/plain", "run.exe"),
        ("application/zip", "a.txt"),
        ("application/x-ole-storage", "a.XLS"),
        ("application/octet-stream", "flash.bin"),
        ("image/vnd.dwg", "plan.dwg"),
    ]:
        await shelf.file("configurations", "Même nom", uri.encode(), uri, media)
    await issued_to(shelf, tmp_path / "c.zip")

    names = [
        name.removeprefix("3-configurations/") for name in await contents(shelf, tmp_path / "c.zip")
    ]
    assert sorted(names)[:5] == [
        "01-meme-nom.xls",
        "02-meme-nom.zip",
        "03-meme-nom.bin",
        "04-meme-nom.dwg",
        "05-meme-nom.txt",
    ]


async def test_an_empty_container_is_not_issued(shelf: Shelf) -> None:
    await shelf.file("plans", "Plan", sheet("Plan"))

    with pytest.raises(ApplicationError, match="aucune pièce ne doit y être placée"):
        await issue(shelf, shelf.order("doe_conteneur"))
    assert await shelf.register.doe_password(CONTRACT.reference) is None


async def test_an_altered_piece_is_named_and_not_packed(shelf: Shelf, tmp_path: Path) -> None:
    await filled(shelf)
    sha256 = hashlib.sha256(b"snmp-server community Xk29-secret RO").hexdigest()
    (tmp_path / "documents" / doe.piece_path(CONTRACT.reference, sha256)).write_bytes(b"other")

    with pytest.raises(DocumentImpossible, match="Sauvegarde SW-01"):
        async with doe.assembled(
            shelf.order("doe_conteneur"), CONTRACT, shelf.register, shelf.store
        ):
            pass
