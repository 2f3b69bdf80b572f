"""Headers of an e-mail that say what was meant, whatever the words they carry."""

from __future__ import annotations

import unicodedata
from email.header import Header, decode_header, make_header
from email.utils import quote
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from email.message import EmailMessage
    from email.policy import EmailPolicy

_MAX_LINE: Final = 76


def header_text(text: str) -> str:
    """An outside text, harmless in a header: one line, no control or invisible character,
    nothing that a mail reader would decode (``=?UTF-8?Q?=0A?=`` is a line feed to it)."""
    for _ in range(3):
        if "=?" not in text:
            break
        text = _decoded(text)
    visible = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(visible.replace("=?", "= ?").split())


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (ValueError, LookupError):
        return text


class _Encoded(str):
    """A header as it reads, which knows how it is written on the wire.

    The standard library's own folding (3.11) drops the spaces between the encoded words of a
    long accented text; EmailPolicy lets a header with a ``name`` fold itself.
    """

    __slots__ = ("name", "wire")
    name: str
    wire: str

    def fold(self, *, policy: EmailPolicy) -> str:
        return f"{self.name}: {self.wire}".replace("\n", policy.linesep) + policy.linesep


def _encoded(name: str, shown: str, wire: str) -> _Encoded:
    header = _Encoded(shown)
    header.name, header.wire = name, wire
    return header


def _words(name: str, text: str) -> str:
    charset = None if text.isascii() else "utf-8"
    return Header(text, charset, maxlinelen=_MAX_LINE, header_name=name).encode()


def set_text(message: EmailMessage, name: str, text: str) -> None:
    """Give the message a header of plain words."""
    message[name] = _encoded(name, text, _words(name, text))


def set_address(message: EmailMessage, name: str, shown: str | None, email: str) -> None:
    """Give the message a header of one address, with the name of its holder if there is one."""
    shown = header_text(shown or "")
    if not shown:
        wire = email
    elif shown.isascii():
        wire = f'"{quote(shown)}"\n <{email}>'
    else:
        wire = f"{_words(name, shown)}\n <{email}>"
    message[name] = _encoded(name, f"{shown} <{email}>".strip(), wire)
