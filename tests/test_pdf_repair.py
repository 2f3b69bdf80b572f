"""PDF files that every reader opens are taken: what is mended in the copy for the book loses nothing,
and what would lose something is refused."""

from __future__ import annotations

import io
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name, String
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from activities.inspecting import pdf_checks
from activities.inspecting.inspection import Inspection, inspect
from tests.test_inspection import DAMAGED, TOO_MUCH, pdf, writing

if TYPE_CHECKING:
    from collections.abc import Callable

PIECES = Path(__file__).parent / "pieces"
PAGES = 4


def plain(**saved: Any) -> bytes:
    return pdf(writing("Notice"), numbered, pages=PAGES, **saved)


def numbered(document: pikepdf.Pdf) -> None:
    """Each page says something else, so that a page lost or exchanged is seen."""
    for number, page in enumerate(document.pages, start=1):
        page.contents_add(f"BT /F1 9 Tf 50 {40 * number} Td (Page {number}) Tj ET".encode())


def updated(content: bytes) -> bytes:
    """The same file with a title added at its end, as an editor does."""
    root = re.search(rb"/Root (\d+) 0 R", content)
    start = re.findall(rb"startxref\s+(\d+)", content)[-1]
    size = max(int(n) for n in re.findall(rb"(\d+) 0 obj", content)) + 1
    assert root
    place = len(content)
    return content + (
        b"%d 0 obj\n<< /Title (Ajout) >>\nendobj\nxref\n%d 1\n%010d 00000 n \n"
        b"trailer << /Root %s 0 R /Info %d 0 R /Size %d /Prev %s >>\nstartxref\n%d\n%%%%EOF\n"
        % (
            size, size, place, root[1], size, size + 1, start,
            place + len(b"%d 0 obj\n<< /Title (Ajout) >>\nendobj\n" % size),
        )
    )  # fmt: skip


def checksum_altered(content: bytes) -> bytes:
    """Every compressed content with another Adler-32."""
    return re.sub(
        rb"(?s)(x\x9c.*?).{4}(\nendstream)", lambda m: m[1] + b"\xde\xad\xbe\xef" + m[2], content
    )


def with_text_of_mac(content: bytes) -> bytes:
    """Lines that end with a carriage return alone, so that nothing is where the table says."""
    head, _, tail = content.rpartition(b"xref\n0 ")
    return head + b"xref\n0 " + tail.replace(b"\n", b"\r")


CLASSIC = plain()
MODERN = plain(object_stream_mode=pikepdf.ObjectStreamMode.generate)
LINEAR = plain(linearize=True)
REBUILT: dict[str, bytes] = {
    "startxref a few bytes off": re.sub(
        rb"startxref\n(\d+)", lambda m: b"startxref\n%d" % (int(m[1]) - 3), CLASSIC
    ),
    "startxref nowhere": re.sub(rb"startxref\n\d+", b"startxref\n9", CLASSIC),
    "bytes of nothing after the end": CLASSIC + bytes(2_048),
    "words after the end": CLASSIC + b"<!-- served in 3 ms -->\n" * 100,
    "bytes more before every object": CLASSIC.replace(b"1 0 obj", b"% ajout\n1 0 obj", 1),
    "no table": re.sub(rb"(?s)xref\n0 .*?trailer", b"trailer", CLASSIC),
    "object streams, startxref off": re.sub(
        rb"startxref\n(\d+)", lambda m: b"startxref\n%d" % (int(m[1]) + 2), MODERN
    ),
    "wrong lengths": re.sub(rb"/Length (\d+)", lambda m: b"/Length %d" % (int(m[1]) - 9), CLASSIC),
    "without an endobj": CLASSIC.replace(b"endobj\n", b"", 1),
    "much before the beginning": b"HTTP/1.1 200 OK\r\n" * 40 + CLASSIC + bytes(1_500),
    "lines of Mac in the table": with_text_of_mac(CLASSIC) + bytes(1_500),
    "a size too large": re.sub(rb"/Size (\d+)", lambda m: b"/Size %d" % (int(m[1]) + 7), CLASSIC),
    "linearised, then lengthened": LINEAR + bytes(3_000),
}
SOUND: dict[str, bytes] = {
    "classic": CLASSIC,
    "object streams": MODERN,
    "linearised": LINEAR,
    "updated": updated(CLASSIC),
    "linearised then updated": updated(LINEAR),
    "something before the beginning": b"\n\n\n" + CLASSIC,
}


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Any]:
    async def look(content: bytes, family: str = "datasheets", **limits: Any) -> Inspection:
        (tmp_path / "copy").unlink(missing_ok=True)
        path = tmp_path / "piece"
        path.write_bytes(content)
        return await inspect(path, family, copy=tmp_path / "copy", **limits)

    return look


def seen(content: bytes | Path) -> list[tuple[str, bytes]]:
    """Each page: what it says, how it looks."""
    with pypdfium2.PdfDocument(content) as document:
        return [
            (page.get_textpage().get_text_bounded(), bytes(page.render(scale=0.5).buffer))
            for page in document
        ]


@pytest.mark.parametrize("name", REBUILT)
async def test_what_is_not_where_it_is_said_to_be_is_found(
    name: str, look: Callable[..., Any], tmp_path: Path
) -> None:
    found = await look(REBUILT[name])
    assert found == Inspection(media="application/pdf", pages=PAGES, remarks=[pdf_checks.REBUILT])
    # No reader is left with anything to repair.
    with pikepdf.open(tmp_path / "copy", attempt_recovery=False) as copy:
        assert copy.check_pdf_syntax() == []
    assert seen(tmp_path / "copy") == seen(CLASSIC)


@pytest.mark.parametrize("name", SOUND)
async def test_a_sound_file_goes_in_as_it_is(
    name: str, look: Callable[..., Any], tmp_path: Path
) -> None:
    assert await look(SOUND[name]) == Inspection(media="application/pdf", pages=PAGES)
    assert not (tmp_path / "copy").exists()


async def test_a_wrong_checksum_is_corrected(look: Callable[..., Any], tmp_path: Path) -> None:
    content = checksum_altered(CLASSIC)
    assert content != CLASSIC
    found = await look(content)
    assert (found.refused, found.remarks) == (None, [pdf_checks.CHECKSUM])
    assert seen(tmp_path / "copy") == seen(CLASSIC)


MET = {path.stem: path.read_bytes() for path in sorted(PIECES.glob("*.pdf"))}


@pytest.mark.parametrize("name", MET)
async def test_files_that_were_met_are_taken(
    name: str, look: Callable[..., Any], tmp_path: Path
) -> None:
    found = await look(MET[name])
    assert (found.refused, found.pages, len(found.remarks)) == (None, 1, 1)
    assert seen(tmp_path / "copy") == seen(MET[name])


@pytest.mark.parametrize("cipher", [{"R": 2}, {"R": 3}, {"R": 4}, {"R": 4, "aes": True}, {"R": 6}])
async def test_a_file_that_only_its_author_may_change_is_taken(
    cipher: dict[str, Any], look: Callable[..., Any], tmp_path: Path
) -> None:
    options = {"aes": False, "metadata": False, **cipher} if cipher["R"] < 6 else cipher
    owned = pikepdf.Encryption(
        user="", owner="mileo", allow=pikepdf.Permissions(extract=False), **options
    )
    found = await look(plain(encryption=owned))
    assert (found.refused, found.remarks) == (None, [pdf_checks.UNLOCKED])
    with pikepdf.open(tmp_path / "copy") as copy:
        assert not copy.is_encrypted
    assert seen(tmp_path / "copy") == seen(CLASSIC)


# What is lost is not guessed


async def test_a_file_cut_anywhere_is_refused(look: Callable[..., Any]) -> None:
    for content in (CLASSIC, MODERN, LINEAR):
        end = content.rfind(b"startxref")
        for place in range(40, end, end // 5):
            assert (await look(content[:place])).refused == DAMAGED


async def test_an_addition_cut_short_is_refused(look: Callable[..., Any]) -> None:
    longer = updated(CLASSIC).replace(b"(Ajout)", b"(" + b"Ajout " * 300 + b")")
    assert (await look(longer[:-1])).refused is None
    assert (await look(longer[: len(CLASSIC) + 1_500])).refused == DAMAGED


@pytest.mark.parametrize("erased", [b"3 0 obj", b"/Kids", b"endstream"])
async def test_a_hole_is_refused(erased: bytes, look: Callable[..., Any]) -> None:
    place = CLASSIC.find(erased)
    holed = CLASSIC[: place - 20] + b" " * 60 + CLASSIC[place + 40 :] + bytes(2_000)
    assert (await look(holed)).refused == DAMAGED


async def test_data_that_is_altered_is_refused(look: Callable[..., Any]) -> None:
    def cut(document: pikepdf.Pdf) -> None:
        packed = zlib.compress(b"0 0 m 9 9 l S\n" * 900)
        half = packed[: len(packed) // 2] + b"\xff" * 30 + packed[len(packed) // 2 + 30 :]
        document.pages[0].Contents = pikepdf.Stream(document, half, Filter=Name.FlateDecode)

    assert (await look(pdf(cut))).refused == DAMAGED


# What a PDF may be made of


def picture(filter_: str, data: bytes, **more: Any) -> bytes:
    """A page filled with one image."""

    def draw(document: pikepdf.Pdf) -> None:
        entries = {"Width": 64, "Height": 64, "ColorSpace": Name.DeviceGray, "BitsPerComponent": 8}
        image = pikepdf.Stream(
            document, data, Type=Name.XObject, Subtype=Name.Image,
            **{**entries, "Filter": Name(f"/{filter_}"), **more},
        )  # fmt: skip
        page = document.pages[0]
        page.Resources = Dictionary(XObject=Dictionary(I=image))
        page.Contents = document.make_stream(b"q 500 0 0 500 50 50 cm /I Do Q")

    return pdf(draw, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)


def saved(format_: str, mode: str = "L", **options: Any) -> bytes:
    content = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert(mode).save(content, format_, **options)
    return content.getvalue()


def fax() -> bytes:
    """The only strip of a TIFF, which is what a PDF holds."""
    content = saved("TIFF", "1", compression="group4")
    with TiffImageFile(io.BytesIO(content)) as image:
        start, size = image.tag_v2[273][0], image.tag_v2[279][0]
    return content[start : start + size]


FILTERS = {
    "run length": picture("RunLengthDecode", b"\xc1\x80" * 64 + b"\x80"),
    "LZW": picture("LZWDecode", b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01", Width=3, Height=3),
    "JPEG": picture("DCTDecode", saved("JPEG")),
    "JPEG 2000": picture("JPXDecode", saved("JPEG2000")),
    "fax": picture(
        "CCITTFaxDecode", fax(), BitsPerComponent=1,
        DecodeParms=Dictionary(K=-1, Columns=64, Rows=64),
    ),
    "JPEG in letters": picture(
        "DCTDecode", saved("JPEG").hex().encode() + b">",
        Filter=Array([Name.ASCIIHexDecode, Name.DCTDecode]),
    ),
    "large paper": pdf(writing("A0"), lambda d: setattr(
        d.pages[0], "MediaBox", Array([0, 0, 14_400, 14_400])
    )),
    "larger paper": pdf(writing("A0"), lambda d: setattr(d.pages[0].obj, "UserUnit", 10)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
async def test_every_way_to_keep_an_image_is_taken(name: str, look: Callable[..., Any]) -> None:
    assert await look(FILTERS[name]) == Inspection(media="application/pdf", pages=1)


def sheet(width: int, height: int) -> bytes:
    """A drawing scanned in colour, nearly white: what compresses a thousand times."""
    packer = zlib.compressobj(6)
    line = bytearray(b"\xff" * (3 * width))
    line[300:330] = bytes(30)
    block = bytes(line) * 100
    data = b"".join(packer.compress(block) for _ in range(height // 100)) + packer.flush()
    return picture(
        "FlateDecode", data, Width=width, Height=height // 100 * 100, ColorSpace=Name.DeviceRGB
    )


async def test_a_large_plan_in_colour_is_judged_by_what_showing_it_takes(
    look: Callable[..., Any],
) -> None:
    content = sheet(9_933, 14_043)
    assert len(content) < 2_000_000
    assert (await look(content)).refused is None
    # The same file, where there is not the memory to show it.
    assert (await look(content, memory=450 << 20)).refused == TOO_MUCH


# What is joined


def joining(name: str, content: bytes) -> Callable[[pikepdf.Pdf], object]:
    def join(document: pikepdf.Pdf) -> None:
        document.attachments[name] = pikepdf.AttachedFileSpec(
            document, content, filename=name, mime_type="text/xml"
        )
        # As PDF/A-3 has it.
        document.Root.AF = Array([document.Root.Names.EmbeddedFiles.Names[1]])
        icon = document.make_indirect(
            Dictionary(
                Type=Name.Annot, Subtype=Name.FileAttachment, Rect=Array([9, 9, 30, 30]),
                FS=document.Root.AF[0],
            )
        )  # fmt: skip
        document.pages[0].Annots = Array([icon])

    return join


async def test_harmless_files_that_are_joined_are_set_aside_and_named(
    look: Callable[..., Any], tmp_path: Path
) -> None:
    invoice = b'<?xml version="1.0"?><rsm:CrossIndustryInvoice xmlns:rsm="urn:x"/>'
    content = pdf(writing("Notice"), joining("factur-x.xml", invoice))
    found = await look(content)
    assert found == Inspection(
        media="application/pdf",
        pages=1,
        remarks=[pdf_checks.SET_ASIDE],
        attachments=["factur-x.xml"],
    )
    copy = (tmp_path / "copy").read_bytes()
    with pikepdf.open(tmp_path / "copy") as made:
        assert len(made.attachments) == 0
        assert not [one for one in made.objects if isinstance(one, Dictionary) and "/EF" in one]
    assert b"CrossIndustryInvoice" not in copy
    assert [text for text, _ in seen(copy)] == [text for text, _ in seen(content)]
    drawing = pdf(writing("Plan joint"))
    assert (await look(pdf(joining("plan.pdf", drawing)))).attachments == ["plan.pdf"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("notice.txt", b"MZ\x90\0" + bytes(60), "c'est un programme exécutable"),
        ("mise-a-jour.EXE ", b"rien", "c'est un programme ou un raccourci"),
        ("a.pdf", pdf(lambda d: setattr(d.Root, "OpenAction", Dictionary(
            S=Name.JavaScript, JS=String("app.alert(1)")
        ))), "le PDF contient un script"),
        ("a.svg", b"<svg onload='x()'/>", "la page HTML ou l'image SVG contient un script"),
        ("a.pdf", pdf(joining("b.pdf", pdf(joining("c.txt", b"c")))),
         "un fichier joint en contient d'autres"),
    ],
)  # fmt: skip
async def test_what_is_joined_and_would_harm_is_refused(
    name: str, content: bytes, reason: str, look: Callable[..., Any]
) -> None:
    refused = (await look(pdf(joining(name, content)))).refused
    assert refused == f"le PDF contient un fichier joint qui est refusé : {reason}"
