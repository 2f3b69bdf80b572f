"""What a file is and holds is told by its content, in a process that may die of it."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pikepdf
import pytest
import pyzipper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Name, String

from activities.inspecting import inspection, pdf_secrets, secrets_scan
from activities.inspecting.archive_checks import Archive
from activities.inspecting.inspection import Inspection, InspectionFailed, inspect
from activities.inspecting.sniffing import danger_of, media_of
from activities.inspecting.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable

TOO_MUCH = "le contenu du fichier est trop lourd ou trop complexe pour être examiné"
DAMAGED = "le PDF est endommagé ou incomplet : le produire à nouveau"
SCRIPT = "le PDF contient un script"
BOMB = "le PDF contient des données compressées démesurées"


def pdf(*changes: Callable[[pikepdf.Pdf], object], pages: int = 1, **saved: Any) -> bytes:
    """A small PDF, changed by hand."""
    document = pikepdf.new()
    for _ in range(pages):
        document.add_blank_page()
    for change in changes:
        change(document)
    content = io.BytesIO()
    document.save(content, **saved)
    return content.getvalue()


def writing(text: str) -> Callable[[pikepdf.Pdf], object]:
    """The same text on each page, in letters that can be read back."""

    def write(document: pikepdf.Pdf) -> None:
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        for page in document.pages:
            page.Resources = Dictionary(Font=Dictionary(F1=font))
            page.Contents = document.make_stream(f"BT /F1 12 Tf 50 500 Td ({text}) Tj ET".encode())

    return write


def root(**entries: Any) -> Callable[[pikepdf.Pdf], object]:
    def change(document: pikepdf.Pdf) -> None:
        for name, value in entries.items():
            document.Root[f"/{name}"] = value

    return change


def on_page(**entries: Any) -> Callable[[pikepdf.Pdf], object]:
    def change(document: pikepdf.Pdf) -> None:
        for name, value in entries.items():
            document.pages[0].obj[f"/{name}"] = value

    return change


def attaching(document: pikepdf.Pdf) -> None:
    document.attachments["bilan.exe"] = pikepdf.AttachedFileSpec(document, b"MZ\0\0")


def script_behind(document: pikepdf.Pdf) -> None:
    """Behind a link, in a stream, under a name written otherwise."""
    text = document.make_stream(b"app.alert(1)")
    action = pikepdf.Object.parse(b"<< /S /Java#53cript >>")
    action["/JS"] = text
    link = Dictionary(Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=action)
    document.pages[0].Annots = Array([document.make_indirect(link)])


def squeezed(megabytes: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def bomb(document: pikepdf.Pdf) -> None:
    document.pages[0].Contents = pikepdf.Stream(document, squeezed(300), Filter=Name.FlateDecode)


def nested_bomb(document: pikepdf.Pdf) -> None:
    filters = Array([Name.FlateDecode, Name.FlateDecode])
    data = zlib.compress(squeezed(300), 9)
    document.pages[0].Contents = pikepdf.Stream(document, data, Filter=filters)


def wide_image(document: pikepdf.Pdf) -> None:
    image = pikepdf.Stream(document, b"x", Width=100_000, Height=100_000, Subtype=Name.Image)
    document.pages[0].Resources = Dictionary(XObject=Dictionary(Im=image))


def signing(document: pikepdf.Pdf) -> None:
    value = document.make_indirect(
        Dictionary(
            Type=Name.Sig,
            Filter=Name("/Adobe.PPKLite"),
            ByteRange=Array([0, 100, 200, 300]),
            Contents=String(b"\0" * 64),
        )
    )
    field = document.make_indirect(
        Dictionary(FT=Name.Sig, T=String("s"), V=value, Subtype=Name.Widget)
    )
    document.Root.AcroForm = Dictionary(Fields=Array([field]), SigFlags=3)


def javascript() -> Dictionary:
    return Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


LOCKED = pikepdf.Encryption(user="client", owner="mileo", R=6)
OWNED = pikepdf.Encryption(user="", owner="mileo", R=6)

REFUSED_PDFS: dict[str, tuple[bytes, str]] = {
    "script at opening": (pdf(root(OpenAction=javascript())), SCRIPT),
    "script in the names": (
        pdf(root(Names=Dictionary(JavaScript=Dictionary(Names=Array(["a", javascript()]))))),
        SCRIPT,
    ),
    "script behind a link": (pdf(script_behind), SCRIPT),
    "script in object streams": (
        pdf(
            root(Names=Dictionary(JavaScript=Dictionary(Names=Array(["a", javascript()])))),
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        ),
        SCRIPT,
    ),
    "launch": (
        pdf(root(OpenAction=Dictionary(S=Name.Launch, F=String("cmd.exe")))),
        "le PDF lance un programme",
    ),
    "address at opening": (
        pdf(root(OpenAction=Dictionary(S=Name.URI, URI=String("http://x.example")))),
        "le PDF lance des actions automatiques",
    ),
    "automatic action": (
        pdf(on_page(AA=Dictionary(O=Dictionary(S=Name.GoTo)))),
        "le PDF lance des actions automatiques",
    ),
    "attached file": (
        pdf(attaching),
        "le PDF contient un fichier joint qui est refusé : c'est un programme ou un raccourci",
    ),
    "XFA": (
        pdf(root(AcroForm=Dictionary(XFA=Array([String("form"), String("<x/>")])))),
        "le PDF contient un formulaire dynamique (XFA)",
    ),
    "password": (pdf(encryption=LOCKED), "le PDF est protégé par un mot de passe"),
    "no page": (pdf(pages=0), "le PDF a 0 page : de 1 à 5\u00a0000 sont admises"),
    "truncated": (pdf(pages=5)[:-300], DAMAGED),
    "garbage": (b"%PDF-1.7\n" + os.urandom(3_000), DAMAGED),
    "something renamed": (b"%PDF-", DAMAGED),
    "broken page": (
        pdf(
            lambda d: setattr(
                d.pages[0],
                "Contents",
                pikepdf.Stream(d, b"not compressed at all", Filter=Name.FlateDecode),
            )
        ),
        DAMAGED,
    ),
    "bomb": (pdf(bomb, compress_streams=False), BOMB),
    "nested bomb": (pdf(nested_bomb, compress_streams=False), BOMB),
    "image without end": (pdf(wide_image), "le PDF contient une image démesurée"),
}


def archive(
    files: dict[str, bytes], *, of: Callable[[zipfile.ZipFile], object] | None = None
) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
        if of:
            of(made)
    return content.getvalue()


def linking(made: zipfile.ZipFile) -> None:
    link = zipfile.ZipInfo("plan.pdf")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    made.writestr(link, "/etc/shadow")


def twice(made: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        made.writestr("a.txt", b"2")


def encrypted(content: bytes) -> bytes:
    """The flag that says so, in both headers of the one entry."""
    return content.replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\1").replace(
        b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"
    )


def locked(name: str) -> bytes:
    """An archive as the DOE's own containers are."""
    content = io.BytesIO()
    with pyzipper.AESZipFile(content, "w", encryption=pyzipper.WZ_AES) as made:
        made.setpassword(b"mileo")
        made.writestr(name, "application/x")
    return content.getvalue()


def altered(method: int, place: int) -> bytes:
    """An archive of one entry whose compressed bytes are not what they were."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as made:
        made.writestr("a.txt", "hostname SW1\n" * 500)
    written = bytearray(content.getvalue())
    written[place : place + 15] = bytes(byte ^ 0xFF for byte in written[place : place + 15])
    return bytes(written)


DOCX = {
    "[Content_Types].xml": b"<Types/>",
    "word/document.xml": b"<w:document xmlns:w='w'><w:p><w:r>Mot de passe : Azer</w:r><w:r>ty123</w:r></w:p>"
    b"<w:p>Fin</w:p></w:document>",
}

REFUSED_ARCHIVES: dict[str, tuple[bytes, str]] = {
    "traversal": (archive({"../../etc/cron": b"x"}), "l'archive contient un chemin interdit"),
    "traversal in Windows": (
        archive({"..\\..\\x.txt": b"x"}),
        "l'archive contient un chemin interdit",
    ),
    "absolute": (archive({"/etc/passwd": b"x"}), "l'archive contient un chemin interdit"),
    "drive": (archive({"C:/x.txt": b"x"}), "l'archive contient un chemin interdit"),
    "link": (archive({}, of=linking), "l'archive contient un lien"),
    "twice": (
        archive({**DOCX, "a.txt": b"1"}, of=twice),
        "le document contient deux parties du même nom",
    ),
    "empty": (archive({}), "l'archive est vide"),
    "encrypted": (
        encrypted(archive({"a.txt": b"secret"})),
        "l'archive est protégée par un mot de passe",
    ),
    "bomb": (
        archive({"a.txt": bytes(1 << 27)}),
        "l'archive contient des données compressées démesurées",
    ),
    "crowd": (
        archive({str(number): b"" for number in range(10_001)}),
        "l'archive contient plus de 10\u00a0000 fichiers",
    ),
    "program": (
        archive({"lisez-moi.txt": b"MZ\x90\0" + bytes(60)}),
        "l'archive contient un programme exécutable",
    ),
    "truncated": (archive({"a.txt": b"1" * 99})[:-9], "l'archive est endommagée ou incomplète"),
    "altered": (
        archive({"a.txt": b"abcdefgh" * 9}).replace(b"KLJ", b"KLK"),
        "l'archive est endommagée ou incomplète",
    ),
    "locked type": (locked("mimetype"), "l'archive est protégée par un mot de passe"),
    "altered LZMA": (altered(zipfile.ZIP_LZMA, 60), "l'archive est endommagée ou incomplète"),
    "altered bzip2": (altered(zipfile.ZIP_BZIP2, 45), "l'archive est endommagée ou incomplète"),
    "type without its header": (
        archive({"mimetype": b"application/x", "b": b"c"}).replace(b"PK\x03\x04", b"PK\x07\x08", 1),
        "l'archive est endommagée ou incomplète",
    ),
    "macros": (
        archive({**DOCX, "word/vbaProject.bin": b"x"}),
        "le document contient des macros",
    ),
    "macros of OpenDocument": (
        archive(
            {
                "mimetype": b"application/vnd.oasis.opendocument.text",
                "Basic/Standard/x.xml": b"<x/>",
            }
        ),
        "le document contient des macros",
    ),
}

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
ROOT_ENTRY = "Root Entry".encode("utf-16-le").ljust(80, b"\0")
INSTALLER = bytes.fromhex("84100c0000000000c000000000000046")

REFUSED_FILES: dict[str, tuple[bytes, str]] = {
    "ELF": (b"\x7fELF\x02\x01\x01" + bytes(60), "le fichier est un programme exécutable"),
    "Windows": (b"MZ\x90\0" + bytes(60), "le fichier est un programme exécutable"),
    "macOS": (b"\xcf\xfa\xed\xfe" + bytes(60), "le fichier est un programme exécutable"),
    "Java": (b"\xca\xfe\xba\xbe" + bytes(60), "le fichier est un programme exécutable"),
    "shell": (b"#!/bin/sh\nrm -rf /\n", "le fichier est un script exécutable"),
    "batch": (b"@echo off\r\ndel *\r\n", "le fichier est un script exécutable"),
    "shortcut": (b"L\0\0\0\x01\x14\x02\0" + bytes(60), "le fichier est un raccourci Windows"),
    "HTML": (
        b"<!DOCTYPE html><html><body>" + b"<p>x</p>" * 2_000 + b"<script>x()</script>",
        "la page HTML ou l'image SVG contient un script",
    ),
    "HTML event": (
        b"<html><body onload=x()>",
        "la page HTML ou l'image SVG contient un script",
    ),
    "SVG": (
        b'<?xml version="1.0"?><svg><script>x()</script></svg>',
        "la page HTML ou l'image SVG contient un script",
    ),
    "old macros": (
        OLE + "_VBA_PROJECT".encode("utf-16-le"),
        "le document contient des macros",
    ),
    "old installer": (
        OLE + ROOT_ENTRY + INSTALLER,
        "le fichier est un programme d'installation",
    ),
    "locked office": (
        OLE + "EncryptedPackage".encode("utf-16-le"),
        "le document est protégé par un mot de passe",
    ),
}

REFUSED = {**REFUSED_PDFS, **REFUSED_ARCHIVES, **REFUSED_FILES}

PLAIN = {
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(20), "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
    "tiff": (b"II*\0" + bytes(20), "image/tiff"),
    "dwg": (b"AC1032\0\0" + bytes(20), "image/vnd.dwg"),
    "dxf": (b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n", "image/vnd.dxf"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "application/x-7z-compressed"),
    "zip": (archive({"a.txt": b"bonjour", "b/c.cfg": b"hostname SW1"}), "application/zip"),
    "docx": (
        archive(DOCX),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    "odt": (
        archive({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<x/>"}),
        "application/vnd.oasis.opendocument.text",
    ),
    "old office": (OLE, "application/x-ole-storage"),
    "text": ("Relevé des câbles à 10 °C".encode(), "text/plain"),
    "text of Windows": ("Relevé des câbles".encode("cp1252"), "text/plain"),
    "text in UTF-16": ("Relevé des câbles".encode("utf-16"), "text/plain"),
    "xml": (b'<?xml version="1.0"?><config/>', "application/xml"),
    "json": (b'{"hostname": "SW1"}', "application/json"),
    "html": (b"<html><body><p>Rapport</p></body></html>", "text/html"),
    "anything": (bytes(range(256)), "application/octet-stream"),
    "words that begin as a program": (b"MZ : zone de manoeuvre\n", "text/plain"),
}


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Any]:
    async def look(content: bytes, family: str = "plans", **limits: Any) -> Inspection:
        path = tmp_path / "piece"
        path.write_bytes(content)
        return await inspect(path, family, **limits)

    return look


@pytest.mark.parametrize("name", REFUSED)
async def test_what_would_harm_is_refused_with_its_reason(
    name: str, look: Callable[..., Any]
) -> None:
    content, reason = REFUSED[name]
    assert await look(content) == Inspection(refused=reason)


@pytest.mark.parametrize("name", PLAIN)
async def test_a_file_is_what_its_content_says(name: str, look: Callable[..., Any]) -> None:
    content, media = PLAIN[name]
    assert await look(content) == Inspection(media=media)


async def test_a_good_pdf_tells_its_pages(look: Callable[..., Any]) -> None:
    assert await look(pdf(pages=3)) == Inspection(media="application/pdf", pages=3)
    assert await look(b"\n" + pdf()) == Inspection(media="application/pdf", pages=1)


async def test_a_pdf_that_anyone_may_open_is_taken(look: Callable[..., Any]) -> None:
    content = pdf(writing("Plan"), encryption=OWNED)
    assert (await look(content)).refused is None


async def test_a_signature_is_told(look: Callable[..., Any]) -> None:
    found = await look(pdf(signing), "signed")
    assert found == Inspection(media="application/pdf", pages=1, signed=True)


async def test_a_signature_field_that_waits_is_no_signature(look: Callable[..., Any]) -> None:
    field = Dictionary(FT=Name.Sig, T=String("s"), Subtype=Name.Widget)
    found = await look(pdf(root(AcroForm=Dictionary(Fields=Array([field])))))
    assert found.refused is None
    assert not found.signed


async def test_names_that_only_look_active_are_harmless(look: Callable[..., Any]) -> None:
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    fonts = Dictionary(Font=Dictionary(JS=font, AA=font, EF=font))
    opening = Dictionary(S=Name.GoTo, D=Array([0, Name.Fit]))
    empty = Dictionary(JavaScript=Dictionary(Names=Array([])), EmbeddedFiles=Dictionary())
    content = pdf(on_page(Resources=fonts), root(OpenAction=opening, Names=empty))
    assert (await look(content)).refused is None


@pytest.mark.parametrize("family", ["plans", "configurations", "datasheets", "warranties"])
async def test_secrets_are_looked_for_in_the_pdf_files_of_every_family(
    family: str, look: Callable[..., Any]
) -> None:
    found = await look(pdf(writing("Mot de passe : Azerty123"), pages=25), family)
    assert found.secrets_count == 25
    assert [(one.what, one.page) for one in found.secrets] == [
        (secrets_scan.PASSWORD, number) for number in range(1, 21)
    ]
    assert "Azerty" not in found.model_dump_json()


async def test_the_password_of_a_factory_is_told_and_stops_nothing(
    look: Callable[..., Any],
) -> None:
    content = pdf(writing("Default password: admin"))
    found = await look(content, "datasheets")
    assert (found.secrets_count, [one.page for one in found.factory]) == (0, [1])
    assert "usine" in found.factory[0].what
    # In a file that Mileo writes it is the password of the site.
    assert (await look(content, "plans")).secrets_count == 1


def noting(*dictionaries: Dictionary) -> Callable[[pikepdf.Pdf], object]:
    def note(document: pikepdf.Pdf) -> None:
        notes = [document.make_indirect(Dictionary(dict(one.items()))) for one in dictionaries]
        document.pages[0].Annots = Array(notes)
        document.Root.AcroForm = Dictionary(Fields=Array([n for n in notes if "/FT" in n]))

    return note


def field(**entries: Any) -> Dictionary:
    return Dictionary(Subtype=Name.Widget, FT=Name.Tx, **entries)


@pytest.mark.parametrize(
    "note",
    [
        field(V=String("Mot de passe : Azerty123")),
        field(T=String("Mot de passe"), V=String("Azerty123")),
        field(T=String("Text3"), V=String("Relevé\rMot de passe : Azerty123")),
        field(T=String("Mot de passe"), V=Array([String("Azerty123")])),
        Dictionary(Subtype=Name.FreeText, Contents=String("Clé partagée\nmdp : Azerty123 é €")),
        Dictionary(Subtype=Name.Text, Contents=String("Mot de passe : Azerty123")),
    ],
)
@pytest.mark.parametrize(
    "mode", [pikepdf.ObjectStreamMode.disable, pikepdf.ObjectStreamMode.generate]
)
async def test_secrets_are_looked_for_in_what_is_written_over_the_pages(
    mode: pikepdf.ObjectStreamMode, note: Dictionary, look: Callable[..., Any]
) -> None:
    content = pdf(writing("Plan"), noting(note), object_stream_mode=mode)
    for family in ("plans", "configurations", "datasheets"):
        found = await look(content, family)
        what = f"{secrets_scan.PASSWORD} (annotation ou formulaire)"
        assert {(one.what, one.page) for one in found.secrets} == {(what, 1)}
        assert "Azerty" not in found.model_dump_json()


async def test_a_field_is_known_by_the_name_its_reader_sees(look: Callable[..., Any]) -> None:
    note = field(T=String("Text3"), TU=String("Mot de passe"), V=String("Azerty123"))
    assert (await look(pdf(noting(note)))).secrets_count == 1
    empty = field(T=String("Mot de passe"), V=String(""))
    assert (await look(pdf(noting(empty)))).secrets_count == 0


async def test_the_value_of_a_field_may_be_a_stream(look: Callable[..., Any]) -> None:
    def filled(document: pikepdf.Pdf) -> None:
        value = document.make_stream("Mot de passe : Azerty123 €".encode("utf-16"))
        noting(field(V=value))(document)

    assert (await look(pdf(filled))).secrets_count == 1


async def test_a_signature_has_nothing_to_be_read(look: Callable[..., Any]) -> None:
    def sign(document: pikepdf.Pdf) -> None:
        signing(document)
        document.Root.AcroForm.Fields[0].V.Contents = String("Mot de passe : Azerty123")

    assert (await look(pdf(sign))).secrets_count == 0


def test_no_more_notes_are_read_than_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "piece"
    notes = (field(V=String(f"mot de passe : Azerty123{n}")) for n in range(10))
    path.write_bytes(pdf(noting(*notes)))
    monkeypatch.setattr(pdf_secrets, "_MAX_NOTED", 60)
    found = [one.what for one in pdf_secrets.secrets_of_pdf(path, "plans") if one is not None]
    # What nobody looked at is held as if it had a secret in it.
    assert found == [secrets_scan.PASSWORD] * 2 + [pdf_secrets.NOT_ALL]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
async def test_secrets_are_looked_for_in_every_text(
    encoding: str, look: Callable[..., Any]
) -> None:
    text = "! équipement\r\nhostname SW1\r\nenable secret 0 Azerty123\r\n"
    found = await look(text.encode(encoding), "warranties")
    assert [(one.what, one.line) for one in found.secrets] == [(secrets_scan.PASSWORD, 3)]
    assert found.secrets_count == 1


async def test_secrets_are_looked_for_in_archives_of_configurations(
    look: Callable[..., Any],
) -> None:
    files = {"site/sw1.cfg": b"!\nsnmp-server community public RO\n", "photo": b"\x89PNG\r\n\x1a\n"}
    found = await look(archive(files), "configurations")
    assert [(one.what, one.line) for one in found.secrets] == [
        (f"{secrets_scan.COMMUNITY} (site/sw1.cfg)", 2)
    ]
    found = await look(archive(DOCX), "configurations")
    assert found.secrets[0].what == f"{secrets_scan.PASSWORD} (word/document.xml)"
    assert (await look(archive(files), "datasheets")).secrets_count == 0


async def test_a_text_too_long_to_be_looked_at_is_held_as_secret(
    look: Callable[..., Any],
) -> None:
    found = await look(b"interface name pass key auth\n" * 1_000_000, seconds=2)
    assert found.refused is None
    assert found.secrets[-1].what == "contenu trop long pour être examiné en entier"


async def test_a_child_out_of_memory_or_time_refuses_the_file(look: Callable[..., Any]) -> None:
    assert await look(pdf(nested_bomb, compress_streams=False), memory=250 << 20) == Inspection(
        refused=TOO_MUCH
    )
    assert await look(pdf(pages=2_000), seconds=0) == Inspection(refused=TOO_MUCH)


async def test_a_child_that_is_killed_is_the_machine_s_doing(
    look: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_PATIENCE", 0.01)
    with pytest.raises(InspectionFailed):
        await look(pdf())
    monkeypatch.setattr(inspection, "_PATIENCE", 60)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InspectionFailed, match="exit code 1"):
        await look(pdf())


async def test_a_child_that_says_more_than_it_may_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nexec yes\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    with pytest.raises(InspectionFailed, match="ValueError"):
        await inspect(tmp_path / "any", "plans")


async def test_no_child_s_end_is_missed(
    look: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(10):
        assert (await look(b"interface 1\n")).refused is None
    assert caplog.messages == []


async def test_a_copy_that_is_gone_is_the_machine_s_doing(tmp_path: Path) -> None:
    with pytest.raises(InspectionFailed, match="exit code 1"):
        await inspect(tmp_path / "gone", "plans")


@pytest.mark.parametrize(
    "failure", [KeyError("a"), AssertionError(), RecursionError(), OSError("Invalid data stream")]
)
def test_a_content_that_fails_in_an_unknown_way_is_refused(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged(failure, tmp_path, monkeypatch) == Inspection(
        refused="le contenu du fichier est illisible : il semble endommagé"
    )


@pytest.mark.parametrize("failure", [ImportError("pikepdf"), OSError(errno.EIO, "disk")])
def test_what_the_machine_lacks_refuses_no_file(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(failure)):
        judged(failure, tmp_path, monkeypatch)


def judged(failure: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Inspection:
    """What the child says of an archive that makes a library fail so."""

    def fail(_: Archive) -> str:
        raise failure

    path = folder / "piece"
    path.write_bytes(archive({"a.txt": b"1"}))
    monkeypatch.setattr(Archive, "check", fail)
    return inspection._judged(path, "plans", 30, folder / "copy")


async def test_the_child_knows_no_secret_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "environment"
    spy = tmp_path / "python"
    spy.write_text(f'#!/bin/sh\nenv > {told}\necho "{{}}"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("ONBOARDING_SMTP_PASSWORD", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr(sys, "executable", str(spy))
    assert await inspect(told, "plans") == Inspection()
    assert "PYTHONPATH" in told.read_text()
    assert "hunter2" not in told.read_text()


async def test_a_large_plan_is_inspected_in_bounded_memory(look: Callable[..., Any]) -> None:
    def scanned(document: pikepdf.Pdf) -> None:
        pixels = os.urandom(1 << 20)
        for page in document.pages:
            image = document.make_stream(
                pixels, Width=1024, Height=1024, ColorSpace=Name.DeviceGray, BitsPerComponent=8
            )
            page.Resources = Dictionary(XObject=Dictionary(Im=image))

    content = pdf(scanned, pages=60)
    assert len(content) > 60_000_000
    assert (await look(content, memory=400 << 20)).pages == 60


@given(st.binary(max_size=300))
def test_any_beginning_can_be_judged(head: bytes) -> None:
    danger_of(head)
    assert "/" in media_of(head)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=40))
async def test_a_pdf_altered_anywhere_is_judged(tmp_path: Path, place: int, noise: bytes) -> None:
    content = pdf(signing, writing("Plan"), pages=3)
    place %= len(content)
    path = tmp_path / "altered"
    path.write_bytes(content[:place] + noise + content[place + len(noise) :])
    found = await inspect(path, "plans")
    assert found.refused or found.media


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    ),
    st.integers(0, 10_000),
    st.binary(min_size=1, max_size=12),
)
def test_an_archive_altered_anywhere_is_judged_or_refused(
    tmp_path: Path, method: int, place: int, noise: bytes
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        made.writestr("content.xml", "<x>bonjour</x>" * 20)
    written = content.getvalue()
    place %= len(written)
    path = tmp_path / "altered"
    path.write_bytes(written[:place] + noise + written[place + len(noise) :])
    with suppress(Unfit):
        checked = Archive(path)
        checked.check()
        list(checked.texts())
