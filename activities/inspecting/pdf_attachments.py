"""The files that a PDF carries: an invoice's XML, a drawing, a table. Runs in the child process only.

They travel with the original in the container and never in the book; what would harm refuses the
PDF, as it would be refused by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pikepdf

from activities.inspecting import archive_checks, markup_checks, pdf_checks, sniffing
from activities.inspecting.unfit import Unfit

if TYPE_CHECKING:
    from activities.inspecting.pdf_checks import Joined

_DEPTH: Final = 2
"""A PDF joined to a PDF may carry files; those of it may not."""

_MAX_BYTES: Final = 256 * 2**20

_PROGRAMS: Final = frozenset(
    [
        "app",
        "application",
        "bat",
        "chm",
        "cmd",
        "com",
        "cpl",
        "desktop",
        "dll",
        "exe",
        "hta",
        "inf",
        "iso",
        "jar",
        "js",
        "jse",
        "lnk",
        "mht",
        "mhtml",
        "msc",
        "msi",
        "msp",
        "ps1",
        "ps1xml",
        "psd1",
        "psm1",
        "py",
        "reg",
        "scf",
        "scr",
        "settingcontent-ms",
        "sh",
        "sys",
        "url",
        "vbe",
        "vbs",
        "vhd",
        "vhdx",
        "wsc",
        "wsf",
        "wsh",
        "xll",
    ]
)
"""What a name makes a machine run, whatever the content looks like."""


def checking(copy: Path, depth: int = 1) -> Joined:
    """What looks at a file joined to a PDF, beside whose ``copy`` it may be written."""

    def check(name: str, stream: Any) -> None:
        try:
            _check(name, stream, copy.with_name(f"{copy.name}.{depth}"), depth)
        except Unfit as refusal:
            if depth > 1:
                raise
            raise Unfit(f"le PDF contient un fichier joint qui est refusé : {refusal}") from None

    return check


def _check(name: str, stream: Any, file: Path, depth: int) -> None:
    if depth > _DEPTH:
        raise Unfit("un fichier joint en contient d'autres")
    if name.rstrip(" .\0").rpartition(".")[2].lower() in _PROGRAMS:
        raise Unfit("c'est un programme ou un raccourci")
    content = bytes(stream.get_stream_buffer(pikepdf.StreamDecodeLevel.specialized))
    if len(content) > _MAX_BYTES:
        raise Unfit("il est démesuré")
    head = content[: sniffing.HEAD]
    if (danger := sniffing.danger_of(head)) is not None:
        raise Unfit(f"c'est {danger}")
    media = sniffing.media_of(head)
    if media in sniffing.TEXTS:
        markup_checks.check(content)
    elif media in {sniffing.PDF, sniffing.ZIP, sniffing.OLE}:
        try:
            file.write_bytes(content)
            if media == sniffing.PDF:
                pdf_checks.check_pdf(file, file.with_suffix(".copy"), checking(file, depth + 1))
            elif media == sniffing.ZIP:
                archive_checks.Archive(file).check()
            else:
                archive_checks.check_ole(file)
        finally:
            file.unlink(missing_ok=True)
            file.with_suffix(".copy").unlink(missing_ok=True)
