"""The stored files are what the register says they are, and a person is told when not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pyzipper

from activities.doe.verification import Checked, verify
from process.orders import MailOrder, Recipient
from tests.doe_files import Shelf, filled, issue
from tests.test_documents import CONTRACT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

BOOK = f"DOE-{CONTRACT.reference}-1-v1"
SEALED = f"CNT-{CONTRACT.reference}-1-v1"


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """A DOE that was issued, book and container."""
    async with Shelf.opened(tmp_path) as shelf:
        await filled(shelf)
        await issue(shelf, shelf.order("doe"))
        await issue(shelf, shelf.order("doe_conteneur"))
        yield shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "documents" / CONTRACT.reference


async def wrong(shelf: Shelf) -> list[Checked]:
    checked = await verify(shelf.register, shelf.store, CONTRACT.reference)
    return [one for one in checked if one.state != "ok"]


async def test_everything_is_checked_and_intact(shelf: Shelf) -> None:
    checked = await verify(shelf.register, shelf.store, CONTRACT.reference)

    assert {one.state for one in checked} == {"ok"}
    # The minutes, the book, the container; seven pieces and a signed original.
    assert len(checked) == 3 + 7 + 1
    assert f"Le document {SEALED} est intact, ses fichiers aussi." in [
        one.message for one in checked
    ]


@pytest.mark.parametrize("name", [f"{BOOK}.pdf", f"{SEALED}.zip"])
async def test_a_file_that_is_gone(shelf: Shelf, folder: Path, name: str) -> None:
    (folder / name).unlink()

    (found,) = await wrong(shelf)
    assert (found.name, found.state) == (Path(name).stem, "missing")
    assert found.message == f"Le document {Path(name).stem} : le fichier n'est plus conservé."


async def test_a_file_of_another_size_or_another_content(shelf: Shelf, folder: Path) -> None:
    book = folder / f"{BOOK}.pdf"
    content = book.read_bytes()

    book.write_bytes(content[:-1])
    (found,) = await wrong(shelf)
    assert found.state == "altered"
    assert f"{len(content) - 1} octets au lieu de {len(content)}" in found.message
    book.write_bytes(content[:-1] + b"x")
    (found,) = await wrong(shelf)
    assert "son empreinte n'est pas celle du registre" in found.message


async def test_an_altered_piece_is_told_too(shelf: Shelf, folder: Path) -> None:
    piece = next((folder / "pieces").iterdir())
    piece.write_bytes(b"other")

    (found,) = await wrong(shelf)
    assert found.state == "altered"
    assert found.name == piece.name


def one_byte(path: Path, _: str) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


def other_password(path: Path, password: str) -> None:
    again(path, password, "AAAA-AAAA-AAAA-AAAA-AAAA", lambda name, content: content)


def other_content(path: Path, password: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content[:-1] + b"x" if name.startswith("3-") else content

    again(path, password, password, change)


def other_list(path: Path, password: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        return b"0" * 64 + content[64:] if name == "EMPREINTES.sha256" else content

    again(path, password, password, change)


def one_less(path: Path, password: str) -> None:
    def change(name: str, content: bytes) -> bytes | None:
        return None if name.startswith("3-") else content

    again(path, password, password, change)


def again(
    path: Path, password: str, another: str, change: Callable[[str, bytes], bytes | None]
) -> None:
    """The same container, made by someone else, with the size it had."""
    size = path.stat().st_size
    with pyzipper.AESZipFile(path) as old:
        old.setpassword(password.encode())
        files = {name: change(name, old.read(name)) for name in old.namelist()}
    with pyzipper.AESZipFile(
        path, "w", pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES
    ) as archive:
        archive.setpassword(another.encode())
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    made = path.read_bytes()
    # What is missing becomes the comment at the end of the archive, after its length.
    missing = size - len(made)
    path.write_bytes(made[:-2] + missing.to_bytes(2, "little") + bytes(missing))


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (one_byte, "altéré"),
        (other_password, "il ne s'ouvre plus avec son mot de passe"),
        (other_content, "le fichier 3-configurations/01-sauvegarde-sw-01.txt n'a plus"),
        (other_list, "l'empreinte de son contenu n'est pas celle du registre"),
        (one_less, "ses fichiers ne sont pas ceux de sa liste d'empreintes"),
    ],
)
async def test_an_altered_container(
    shelf: Shelf, folder: Path, alter: Callable[[Path, str], None], said: str
) -> None:
    password = await shelf.register.doe_password(CONTRACT.reference)
    assert password is not None
    alter(folder / f"{SEALED}.zip", password)

    (found,) = await wrong(shelf)
    assert (found.name, found.state) == (SEALED, "altered")
    assert said in found.message
    assert password not in found.message


async def test_a_file_that_the_register_does_not_know(shelf: Shelf, folder: Path) -> None:
    (folder / "NOTES.pdf").write_bytes(b"")

    (found,) = await wrong(shelf)
    assert (found.name, found.state) == (f"{CONTRACT.reference}/NOTES.pdf", "unknown")


async def test_a_mail_with_a_document_that_was_never_issued(shelf: Shelf) -> None:
    mail = MailOrder(
        onboarding=CONTRACT.reference,
        kind="doe_delivery",
        key="doe_delivery",
        recipients=[],
        reply_to=None,
        data={},
        attachments=[BOOK, "DOE-MIL-2026-0042-1-v9"],
    )
    to = Recipient(role="technical_lead", email="k@lefevre.example")
    for number in range(2):
        await shelf.register.begin_mail(mail, to, f"<{number}@mileo>", "Remise du DOE")

    (found,) = await wrong(shelf)
    assert (found.name, found.state) == ("DOE-MIL-2026-0042-1-v9", "unknown")
    assert "« Remise du DOE »" in found.message


async def test_an_onboarding_without_any_file_is_intact(shelf: Shelf) -> None:
    assert await verify(shelf.register, shelf.store, "MIL-NONE") == []
