"""Reads the text of our own PDFs back, without any tool of the machine."""

from __future__ import annotations

import re
import zlib
from typing import Final

_OBJECT: Final = re.compile(rb"(?<![0-9])(\d+) 0 obj\b(.*?)endobj", re.DOTALL)
# A string in brackets may hold balanced brackets: three levels are more than enough.
_PLAIN: Final = rb"\\.|[^\\()]"
_NESTED: Final = rb"(?:%b|\((?:%b|\((?:%b)*\))*\))*" % (_PLAIN, _PLAIN, _PLAIN)
_SHOWN: Final = re.compile(
    rb"1 0 0 -1 [-\d.]+ (?P<y>[-\d.]+) cm|/(?P<font>f\d+) [\d.]+ Tf"
    rb"|(?<!Lang)\((?P<glyphs>%b)\)" % _NESTED,
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pdf_text(content: bytes) -> str:
    """The printed text, line by line, page after page, with plain spaces and apostrophes."""
    objects = {int(number): body for number, body in _OBJECT.findall(content)}
    lines: list[str] = []
    for page in (body for body in objects.values() if b"/Type/Page/" in body):
        resources = objects[_reference(rb"/Resources (\d+)", page)]
        fonts = {
            name: _characters(_stream(objects[_reference(rb"/ToUnicode (\d+)", objects[int(at)])]))
            for name, at in re.findall(rb"/(f\d+) (\d+) 0 R", resources)
        }
        height, font = b"", b""
        for shown in _SHOWN.finditer(_stream(objects[_reference(rb"/Contents (\d+)", page)])):
            if shown["y"] is not None:
                if shown["y"] != height:
                    lines.append("")
                height = shown["y"]
            elif shown["font"] is not None:
                font = shown["font"]
            elif lines:
                codes = _ESCAPED.sub(_unescaped, shown["glyphs"])
                lines[-1] += "".join(fonts[font][codes[i : i + 2]] for i in range(0, len(codes), 2))
    return re.sub("[\u00a0\u202f]", " ", "\n".join(lines)).replace("’", "'")


def _reference(pattern: bytes, body: bytes) -> int:
    found = re.search(pattern, body)
    assert found
    return int(found[1])


def _stream(body: bytes) -> bytes:
    return zlib.decompress(re.split(rb"stream\r?\n", body, maxsplit=1)[1].split(b"endstream")[0])


def _unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _LETTERS.get(code, code)


def _characters(cmap: bytes) -> dict[bytes, str]:
    """What each glyph stands for."""
    return {
        bytes.fromhex(glyph.decode()): bytes.fromhex(text.decode()).decode("utf-16-be")
        for glyph, text in re.findall(rb"^<([0-9A-F]{4})> <([0-9A-F]+)>$", cmap, re.MULTILINE)
    }
