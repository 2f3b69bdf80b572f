"""What the streams of a PDF hold once they are undone. Runs in the child process only."""

from __future__ import annotations

import resource
import zlib
from typing import Any, Final, NamedTuple

import pikepdf

from activities.inspecting.unfit import Unfit

_LARGEST: Final = 256 * 2**20
"""Bytes of what is no image: page contents, fonts, tables."""

_BLOCK: Final = 1 << 18
_FLATE: Final = ("/FlateDecode", "/Fl")
_INFLATING: Final = {*_FLATE, "/LZWDecode", "/LZW", "/RunLengthDecode", "/RL"}
_UNDONE: Final = {*_INFLATING, "/ASCII85Decode", "/A85", "/ASCIIHexDecode", "/AHx", "/Crypt"}
_ITS_OWN: Final = b"\x00\x00\xff\xff"
"""How compressed data ends that was flushed, and not closed."""

_COLOURS: Final = {"/DeviceGray": 1, "/G": 1, "/CalGray": 1, "/Indexed": 1, "/I": 1,
                   "/Separation": 1, "/DeviceCMYK": 4, "/CMYK": 4}  # fmt: skip
_COLOUR_BITS: Final = 8

_BOMB: Final = "le PDF contient des données compressées démesurées"
_IMAGE: Final = "le PDF contient une image démesurée"


class Weight(NamedTuple):
    """A stream: the bytes that showing it takes, and whether its compressed data is whole."""

    shown: int
    whole: bool = True
    content: bytes | None = None
    """Where only the checksum of its compressed data is wrong: that data, undone."""


class _Checksum(Exception):  # noqa: N818 - it states a situation
    """The data is whole, its checksum is wrong."""


def weigh(stream: Any, memory: int) -> Weight:
    """Undo a stream, without keeping it. An image's own format is left to who renders it.

    Raises ``Unfit`` when it takes more than ``memory`` bytes, or more than it says that it holds.
    """
    picture = _picture(stream)
    if memory != resource.RLIM_INFINITY and picture > memory:
        raise Unfit(_IMAGE)
    # Twice: some write an image with more lines than it shows.
    most = max(_LARGEST, 2 * picture)
    filters = _filters(stream)
    if not _INFLATING & set(filters):
        return Weight(picture)
    if filters[0] in _FLATE and (len(filters) == 1 or set(filters) - _UNDONE):
        raw = memoryview(stream.get_raw_stream_buffer())
        # Alone, or around an image's own format, which is not ours to undo.
        try:
            size, whole = _size_of(raw, most)
        except _Checksum:
            content = _undone(raw)
            return Weight(max(len(content), picture), content=content)
        return Weight(max(size, picture), whole)
    if set(filters) - _UNDONE:
        return Weight(picture)
    size = len(stream.get_stream_buffer(pikepdf.StreamDecodeLevel.specialized))
    if size > most:
        raise Unfit(_BOMB)
    return Weight(max(size, picture))


def _filters(stream: Any) -> list[str]:
    named = stream.get("/Filter")
    return [str(one) for one in named] if isinstance(named, pikepdf.Array) else [str(named)]


def _picture(stream: Any) -> int:
    """Bytes of an image once it is drawn; 0 for another stream."""
    dots = _number(stream, "/Width") * _number(stream, "/Height")
    bits = _number(stream, "/BitsPerComponent") or _COLOUR_BITS
    if stream.get("/ImageMask") is True:
        bits, colours = 1, 1
    else:
        space = stream.get("/ColorSpace")
        if isinstance(space, pikepdf.Array) and len(space):
            space = space[0]
        colours = _COLOURS.get(str(space), 3)
    return dots * bits * colours // 8


def _size_of(raw: memoryview, most: int) -> tuple[int, bool]:
    """Bytes of compressed data once undone, a block at a time, and whether it has its end. Raises
    ``_Checksum`` when it has all but the right checksum."""
    inflater = zlib.decompressobj()
    size = 0
    for start in range(0, len(raw), _BLOCK):
        waiting = bytes(raw[start : start + _BLOCK])
        while waiting and not inflater.eof:
            try:
                size += len(inflater.decompress(waiting, _BLOCK))
            except zlib.error as error:
                if "incorrect data check" in str(error):
                    raise _Checksum from None
                raise
            waiting = inflater.unconsumed_tail
            if size > most:
                raise Unfit(_BOMB)
    return size, inflater.eof or not raw or bytes(raw[-8:]).rstrip(b"\r\n").endswith(_ITS_OWN)


def _undone(raw: memoryview) -> bytes:
    """The data without its two bytes of header and its checksum."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    return inflater.decompress(raw[2:]) + inflater.flush()


def _number(stream: Any, key: str) -> int:
    value = stream.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
