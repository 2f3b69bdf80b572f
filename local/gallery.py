"""Pictures of every document and mail, for ``docs/galerie.md``: ``python -m local.gallery``.

They are made from what ``make demo`` left under ``var/demo/``, with Debian's ``poppler-utils`` and
``chromium``: the first page of each kind of document, each kind of mail as its reader sees it.
"""

from __future__ import annotations

import email
import subprocess
import tempfile
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import sync_playwright

from process.documents import DOCUMENT_KINDS
from process.french import plural
from workflows.sendings import MAILS

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).resolve().parent.parent
_DEMO: Final = _ROOT / "var" / "demo"
_PAGE: Final = _ROOT / "docs" / "galerie.md"
_PICTURES: Final = _ROOT / "docs" / "galerie"
_CHROMIUM: Final = "/usr/bin/chromium"
_COLUMNS: Final = 4
_WIDTH: Final = 300
_QUALITY: Final = 72

_HEAD: Final = """\
# Galerie

Les documents et les courriels de la démonstration (`make demo`), tels que leurs lecteurs les
reçoivent. Ces images sont produites par `.venv/bin/python -m local.gallery`.
"""


def documents() -> Iterator[tuple[str, Path]]:
    """The title of each kind of document, and one of that kind: the richest."""
    for kind in DOCUMENT_KINDS.values():
        found = list((_DEMO / "documents").glob(f"*/{kind.code}-*.pdf"))
        if found:
            yield kind.title, max(found, key=lambda path: path.stat().st_size)


def mails() -> Iterator[tuple[str, Path]]:
    """The title of each kind of mail, and the first of that kind."""
    for kind, named in MAILS.items():
        found = sorted((_DEMO / "mails").glob(f"*-{kind}-*.eml"))
        if found:
            yield named.title, found[0]


def main() -> None:
    """Make the pictures and the page anew."""
    _PICTURES.mkdir(exist_ok=True)
    for former in _PICTURES.iterdir():
        former.unlink()
    sections = {"Documents": list(_picture_documents()), "Courriels": list(_picture_mails())}
    parts = [_HEAD]
    for title, pictures in sections.items():
        parts.append(f"## {title}\n\n{plural(len(pictures), 'genre')}.\n")
        parts.append("<table>")
        for first in range(0, len(pictures), _COLUMNS):
            cells = (
                f'<td valign="top"><img src="galerie/{path.name}" width="200" alt="{name}">'
                f"<br><sub>{name}</sub></td>"
                for name, path in pictures[first : first + _COLUMNS]
            )
            parts.append(f"<tr>{''.join(cells)}</tr>")
        parts.append("</table>\n")
    _PAGE.write_text("\n".join(parts), encoding="utf-8")
    print(_PAGE)


def _picture_documents() -> Iterator[tuple[str, Path]]:
    for title, source in documents():
        target = _PICTURES / f"document-{source.stem.partition('-')[0].lower()}"
        options = ["-jpeg", "-jpegopt", f"quality={_QUALITY}"]
        size = ["-scale-to-x", str(_WIDTH), "-scale-to-y", "-1", "-singlefile"]
        command = ["pdftoppm", *options, *size, str(source), str(target)]
        subprocess.run(command, check=True)  # noqa: S603 - a fixed command on our own files
        yield title, target.with_suffix(".jpg")


def _picture_mails() -> Iterator[tuple[str, Path]]:
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": 660, "height": 900}, device_scale_factor=_WIDTH / 660
        )
        for title, source in mails():
            shown = Path(folder) / "mail.html"
            shown.write_text(_html(source), encoding="utf-8")
            page.goto(shown.as_uri())
            kind = source.stem.split("-")[1]
            target = _PICTURES / f"courriel-{kind}.jpg"
            page.screenshot(path=target, type="jpeg", quality=_QUALITY, full_page=True)
            yield title, target
        browser.close()


def _html(source: Path) -> str:
    message = email.message_from_bytes(source.read_bytes(), policy=policy.default)
    body = message.get_body(("html",))
    return str(body.get_content()) if body else ""


if __name__ == "__main__":
    main()
