"""Whether an archive or an office document is whole, and what it holds harmless. Archives within
archives are never opened. Runs in the child process only."""

from __future__ import annotations

import lzma
import mmap
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from activities.inspecting import office_checks
from activities.inspecting.office_checks import check_object, check_part
from activities.inspecting.sniffing import HEAD, OLE, TEXTS, ZIP, danger_of, encoding_of, media_of
from activities.inspecting.unfit import Unfit, is_by_content

_MAX_ENTRIES: Final = 10_000
_MAX_INFLATED: Final = 2 * 2**30
"""Bytes, of all entries together."""

_LARGE: Final = 64 * 2**20
"""Bytes below which an archive may be compressed as well as it can."""

_MAX_RATIO: Final = 200
_MAX_SCANNED: Final = 8 * 2**20
"""Bytes of one entry that are read as text."""

_BLOCK: Final = 1 << 20

_DAMAGED: Final = "l'archive est endommagée ou incomplète"
_BOMB: Final = "l'archive contient des données compressées démesurées"
_PATH: Final = "l'archive contient un chemin interdit"
_MACROS: Final = office_checks.MACROS
_COMMAND: Final = office_checks.COMMAND
_LOCKED: Final = "le document est protégé par un mot de passe"

_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OFFICE_PARTS: Final = {
    "word/document.xml": f"{_OFFICE}wordprocessingml.document",
    "xl/workbook.xml": f"{_OFFICE}spreadsheetml.sheet",
    "xl/workbook.bin": f"{_OFFICE}spreadsheetml.sheet",
    "ppt/presentation.xml": f"{_OFFICE}presentationml.presentation",
    "visio/document.xml": "application/vnd.ms-visio.drawing",
}
_MACRO_PARTS: Final = re.compile(
    r"(?:.*/)?vbaproject\.bin|xl/(?:macrosheets|dialogsheets)/.*|(?:basic|scripts)/.+",
    re.IGNORECASE,
)
_OPEN_DOCUMENT: Final = re.compile(rb"application/vnd\.oasis\.opendocument\.[a-z-]{1,40}")
_PARAGRAPH: Final = re.compile(r"</(?:\w+:)?(?:p|si|row|h|table-row)>")
_TAG: Final = re.compile(r"<[^>]*>")

_FAILURES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""How the standard library fails on what is not an archive as it should be."""


class Archive:
    """A ZIP file or an office document made of one. Raises ``Unfit`` when it is refused."""

    def __init__(self, path: Path) -> None:
        with _reading():
            self._zip = zipfile.ZipFile(path)
        self._entries = self._zip.infolist()
        self._size = path.stat().st_size

    def check(self) -> str:
        """Go through every entry, to the last byte. The type of the whole."""
        if not any(not entry.is_dir() for entry in self._entries):
            raise Unfit("l'archive est vide")
        self._check_sizes()
        names = [entry.filename.lower() for entry in self._entries]
        for entry in self._entries:
            _check_name(entry)
        media = self._media({entry.filename for entry in self._entries})
        if media != ZIP and len(set(names)) < len(names):
            # Each reader takes another one; in a backup both are there to be read.
            raise Unfit("le document contient deux parties du même nom")
        for entry in self._entries:
            if media != ZIP and _MACRO_PARTS.fullmatch(entry.filename):
                raise Unfit(_MACROS)
            if PurePosixPath(entry.filename).name.lower() == "vbaproject.bin":
                raise Unfit(_MACROS)
        for entry in self._entries:
            self._check_content(entry, office=media != ZIP)
        return media

    def texts(self) -> Iterator[tuple[str, str, bool]]:
        """The name and the text of each entry that is one, and whether that is all of it."""
        office = self._media({entry.filename for entry in self._entries}) != ZIP
        for entry in self._entries:
            with _reading(), self._zip.open(entry) as file:
                content = file.read(_MAX_SCANNED)
            head = content[:HEAD]
            if media_of(head) not in TEXTS:
                continue
            text = content.decode(encoding_of(head), errors="replace")
            if office:
                # What is written in a paragraph is cut in pieces by its layout.
                text = _TAG.sub("", _PARAGRAPH.sub("\n", text))
            yield entry.filename, text, entry.file_size <= _MAX_SCANNED

    def _check_sizes(self) -> None:
        inflated = sum(entry.file_size for entry in self._entries)
        if len(self._entries) > _MAX_ENTRIES:
            raise Unfit("l'archive contient plus de 10\u00a0000 fichiers")
        if inflated > _MAX_INFLATED or inflated > max(_LARGE, _MAX_RATIO * self._size):
            raise Unfit(_BOMB)
        if sum(entry.compress_size for entry in self._entries) > self._size:
            # Entries that share their bytes.
            raise Unfit(_BOMB)

    def _media(self, names: set[str]) -> str:
        if "[Content_Types].xml" in names:
            found = (media for part, media in _OFFICE_PARTS.items() if part in names)
            return next(found, ZIP)
        if "mimetype" in names:
            with _reading(), self._zip.open("mimetype") as file:
                declared = _OPEN_DOCUMENT.fullmatch(file.read(100).strip())
            return declared[0].decode() if declared else ZIP
        return ZIP

    def _check_content(self, entry: zipfile.ZipInfo, *, office: bool) -> None:
        if entry.is_dir():
            return
        with _reading(), self._zip.open(entry) as file:
            head = file.read(HEAD)
            # A backup holds the scripts of its machine, which run nowhere else.
            if not head.startswith(b"#!") and (danger := danger_of(head)) is not None:
                raise Unfit(f"l'archive contient {danger}")
            if office:
                check_part(entry.filename, head, lambda most: head + file.read(most))
            while file.read(_BLOCK):
                pass


@contextmanager
def _reading() -> Iterator[None]:
    """An archive that cannot be read is refused; a machine that cannot read it is not its fault."""
    try:
        yield
    except NotImplementedError:
        raise Unfit("l'archive est compressée d'une façon qui n'est pas reconnue") from None
    except _FAILURES:
        raise Unfit(_DAMAGED) from None
    except OSError as error:
        if not is_by_content(error):
            raise
        raise Unfit(_DAMAGED) from None


def check_ole(path: Path) -> str:
    """An office document of the former generation: its type. Raises ``Unfit``."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        check_object(content)
        if content.find("Workbook".encode("utf-16-le")) >= 0 and _MACRO_SHEET.search(content):
            raise Unfit(_MACROS)
        if _OLD_FIELD.search(content) or _OLD_FIELD_WIDE.search(content):
            raise Unfit(_COMMAND)
        if content.find("EncryptedPackage".encode("utf-16-le")) >= 0:
            raise Unfit(_LOCKED)
        root = content.find("Root Entry".encode("utf-16-le"))
        if root >= 0 and content[root + 80 : root + 96] == _INSTALLER:
            raise Unfit("le fichier est un programme d'installation")
    return OLE


_MACRO_SHEET: Final = re.compile(rb"\x85\0[\x08-\x60]\0.{4}[\0-\x02]\x01[\x01-\x1f]", re.DOTALL)
"""A sheet of an old Excel workbook whose type is that of macros."""

_OLD_FIELD: Final = re.compile(rb"\x13\s*DDE(?:AUTO)?\s", re.IGNORECASE)
_OLD_FIELD_WIDE: Final = re.compile(rb"\x13\0(?:\s\0)*D\0D\0E\0", re.IGNORECASE)
"""A field of an old Word document, in both of its alphabets."""

_INSTALLER: Final = bytes.fromhex("84100c0000000000c000000000000046")
"""The class of a Windows Installer package."""


def _check_name(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & 0x41:
        raise Unfit("l'archive est protégée par un mot de passe")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise Unfit("l'archive contient un lien")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Unfit("l'archive contient autre chose que des fichiers")
    name = entry.orig_filename
    parts = re.split(r"[/\\]", name)
    absolute = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name)
    # macOS calls the icon of a folder so.
    said = name[:-1] if parts[-1] == "Icon\r" else name
    if absolute or ".." in parts or any(ord(c) < ord(" ") for c in said):
        raise Unfit(_PATH)
