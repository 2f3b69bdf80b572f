"""Pages, drawings, office documents and PDF actions that would act, however they are disguised; and
what only looks so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pikepdf import Array, Dictionary, Name, String

from activities.inspecting import markup_checks, pdf_checks
from activities.inspecting.archive_checks import Archive, check_ole
from activities.inspecting.sniffing import media_of
from activities.inspecting.unfit import Unfit
from tests.test_inspection import OLE, archive, on_page, pdf, root

if TYPE_CHECKING:
    from collections.abc import Mapping

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'

ACTING = {
    "a script after a long comment": f"<!-- {'x' * 20_000} -->"
    + SVG.format("<script>x()</script>"),
    "a script with a prefix": '<s:svg xmlns:s="http://www.w3.org/2000/svg"><s:script/></s:svg>',
    "an event": SVG.format('<rect width="9" onclick="x()"/>'),
    "an event far in its tag": SVG.format(f'<rect d="{"M0 0 " * 500}" onload="x()"/>'),
    "an event after a sign that ends a tag": SVG.format('<rect title=">" onmouseover="x()"/>'),
    "an address in entities": SVG.format('<a xlink:href="&#106;ava&#x73;cript:x()"><g/></a>'),
    "an address with spaces": SVG.format('<a href=" java&#9;script&#10;:x()"><g/></a>'),
    "an address in an entity of its own": '<!DOCTYPE svg [<!ENTITY j "javascript:x()">]>'
    + SVG.format('<a href="&j;"><g/></a>'),
    "an element in an entity of its own": '<!DOCTYPE svg [<!ENTITY s "<script>x()</script>">]>'
    + SVG.format("&s;"),
    "a page in a drawing": SVG.format(
        '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" srcdoc="x"/></foreignObject>'
    ),
    "an animated address": SVG.format('<a><set attributeName="href" to="javascript:x()"/></a>'),
    "an animated event": SVG.format('<set attributeName="onclick" to="x()"/>'),
    "data that is a page": SVG.format('<a href="data:text/html;base64,PHNjcmlwdD4="/>'),
    "data that is a drawing": SVG.format('<use href="data:image/svg+xml;base64,PHN2Zz4=#a"/>'),
    "an image elsewhere": SVG.format('<image href="http://x.example/a.png"/>'),
    "an image on a share": SVG.format(r'<image xlink:href="\\x\a.png"/>'),
    "a drawing in a style": SVG.format('<rect style="fill:url(//x.example/a#b)"/>'),
    "an imported style": SVG.format("<style>@\\69mport 'a.css';</style>"),
    "an external entity": '<!DOCTYPE svg [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    + SVG.format("&e;"),
    "an XML that transforms itself": '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" '
    'href="#s"?><a/>',
    "an XML with a page in it": '<config><b:script xmlns:b="http://www.w3.org/1999/xhtml"/></config>',
    "an XML with an external entity": '<!DOCTYPE a [<!ENTITY % e SYSTEM "http://x/e">%e;]><a/>',
    "a drawing that is no XML": "<svg><a href=javascript:x()><br></svg>",
    "a page with a comment cut short": "<html><!--><img src=x onerror=x()>--></html>",
    "a page in a page": "<html><iframe srcdoc='&lt;script>'></iframe></html>",
    "a page that goes elsewhere": "<html><meta http-equiv=Refresh content='0;url=http://x'></html>",
    "an element without space": "<html><svg/onload=x()></html>",
    "capitals": "<HTML><A HREF=JaVaScRiPt:x()>a</A></HTML>",
    "a script in a title": "<html><title><script>x()</script></title></html>",
    "a style that runs": "<html><p style='width:expr/**/ession(x())'>a</p></html>",
    "an object": "<html><object data=x.pdf></object></html>",
}

SHOWN = {
    "a drawing of Inkscape": SVG.format(
        '<style>.a{fill:url(#g);font:9px "Arial"}</style><rect class="a" style="mask:url(#m)"/>'
        '<image xlink:href="data:image/png;base64,iVBORw0KGgo="/><a href="https://mileo.example"/>'
    ),
    "a drawing of Illustrator": '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
    '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" '
    '[<!ENTITY ns_svg "http://www.w3.org/2000/svg">]><svg xmlns="&ns_svg;"><g id="on"/></svg>',
    "labels of draw.io": SVG.format(
        '<foreignObject><div xmlns="http://www.w3.org/1999/xhtml">Local &amp; baie</div>'
        "</foreignObject>"
    ),
    "a report": "<!DOCTYPE html><html><style>p{color:red}</style><p>Connexion = oui, on = 1</p>"
    "<a href='https://mileo.example?a=1'>x</a><img src='photo.png'></html>",
    "the configuration of a recorder": "<device><script>boot</script><item onload='1'/></device>",
    "XML that is none": "<a><b></a>",
}


@pytest.mark.parametrize("name", ACTING)
def test_a_page_that_acts_is_refused(name: str) -> None:
    content = ACTING[name].encode()
    assert media_of(content[:8_192]) in {"text/html", "image/svg+xml", "application/xml"}
    with pytest.raises(Unfit):
        markup_checks.check(content)
    wide = ACTING[name].encode("utf-16")
    with pytest.raises(Unfit):
        markup_checks.check(wide)


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_that_only_shows_itself_is_taken(name: str) -> None:
    markup_checks.check(SHOWN[name].encode())


# Office documents

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def word(body: str) -> dict[str, bytes]:
    return {
        "[Content_Types].xml": b'<Types xmlns="c"/>',
        "word/document.xml": f'<w:document xmlns:w="{WORD}">{body}</w:document>'.encode(),
    }


def field(*parts: str) -> str:
    runs = "".join(f"<w:r><w:instrText>{part}</w:instrText></w:r>" for part in parts)
    return f"<w:p>{runs}</w:p>"


def related(kind: str, target: str, mode: str = "External") -> dict[str, bytes]:
    relation = (
        f'<Relationship Id="r" Type="{OFFICE}/{kind}" Target="{target}" TargetMode="{mode}"/>'
    )
    rels = f'<Relationships xmlns="r">{relation}</Relationships>'
    return {**word(""), "word/_rels/settings.xml.rels": rels.encode()}


def typed(media: str) -> dict[str, bytes]:
    types = f'<Types xmlns="c"><Override PartName="/word/a.dat" ContentType="{media}"/></Types>'
    return {**word(""), "[Content_Types].xml": types.encode(), "word/a.dat": b"x"}


def sheets(name: str, content: str) -> dict[str, bytes]:
    return {
        "[Content_Types].xml": b'<Types xmlns="c"/>',
        "xl/workbook.xml": b"<workbook/>",
        name: content.encode(),
    }


def open_document(body: str) -> dict[str, bytes]:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "draw", "script", "presentation")
    )
    content = f'<a xmlns:xlink="http://www.w3.org/1999/xlink" {spaces}>{body}</a>'
    return {
        "mimetype": b"application/vnd.oasis.opendocument.text",
        "content.xml": content.encode(),
    }


PACKAGE = OLE + "\x01Ole10Native".encode("utf-16-le")
ACTING_OFFICE: dict[str, Mapping[str, bytes]] = {
    "a command in a field": word(field(" DDEAUTO c:\\\\windows\\\\cmd.exe ")),
    "a command in a field cut in pieces": word(field(" D", "DEA", "UTO c:\\\\cmd ")),
    "a command in a simple field": word('<w:fldSimple w:instr=" dde excel x "/>'),
    "a command spelt in numbers": word(field("QUOTE 68 68 69 65 85")),
    "a text elsewhere": word(field(' INCLUDETEXT "\\\\\\\\x\\\\a.docx" ')),
    "a template elsewhere": related("attachedTemplate", "http://x.example/a.dotm"),
    "an image elsewhere": related("image", "http://x.example/a.png"),
    "an object elsewhere": related("oleObject", "mhtml:http://x.example/a!b"),
    "a workbook elsewhere": related("externalLinkPath", "file:///\\\\x\\a.xlsx"),
    "a link that runs": related("hyperlink", "ms-msdt:/id PCWDiagnostic"),
    "macros under another name": typed("application/vnd.ms-office.vbaProject"),
    "a document made for macros": typed("application/vnd.ms-word.document.macroEnabled.main+xml"),
    "macros by their relation": related("vbaProject", "a.dat", "Internal"),
    "a control": typed("application/vnd.ms-office.activeX+xml"),
    "a package": {**word(""), "word/embeddings/oleObject1.bin": PACKAGE},
    "a package under another name": {**word(""), "word/media/image1.png": PACKAGE},
    "a command in a workbook": sheets(
        "xl/externalLinks/externalLink1.xml",
        '<externalLink xmlns="m"><ddeLink ddeService="cmd" ddeTopic="/c calc"/></externalLink>',
    ),
    "sheets of macros": sheets("xl/macrosheets/sheet1.xml", "<x/>"),
    "entities": word("").copy() | {"word/a.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><a/>'},
    "a command of OpenDocument": open_document('<office:dde-source office:dde-topic="x"/>'),
    "an image elsewhere of OpenDocument": open_document(
        '<draw:image xlink:href="http://x/a.png"/>'
    ),
    "an event of OpenDocument": open_document('<script:event-listener xlink:href="vnd.x:a"/>'),
    "a program of OpenDocument": open_document(
        '<presentation:event-listener presentation:action="execute" xlink:href="cmd.exe"/>'
    ),
}

SHOWN_OFFICE: dict[str, Mapping[str, bytes]] = {
    "an ordinary letter": word(field(" PAGE ") + field(' HYPERLINK "https://mileo.example" ')),
    "links that are followed": related("hyperlink", "https://mileo.example/a?b=c:d"),
    "a link to a drive": related("hyperlink", "file:///C:\\plans\\a.dwg"),
    "a link beside": related("hyperlink", "plans/a.dwg"),
    "a drawing of Visio in it": {**word(""), "word/embeddings/oleObject1.bin": OLE},
    "a table in it": {**word(""), "word/embeddings/a.xlsx": archive({"a": b"b"})},
    "words of commands": word("<w:p><w:r><w:t>DDEAUTO cmd</w:t></w:r></w:p>"),
    "a text of OpenDocument": open_document(
        '<text:a xlink:href="https://mileo.example">x</text:a><draw:image xlink:href="Pictures/a"/>'
        '<presentation:event-listener presentation:action="next-page"/>'
    ),
}


def checked(files: Mapping[str, bytes], folder: Path) -> str:
    path = folder / "piece"
    path.write_bytes(archive(dict(files)))
    return Archive(path).check()


@pytest.mark.parametrize("name", ACTING_OFFICE)
def test_a_document_that_acts_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unfit):
        checked(ACTING_OFFICE[name], tmp_path)


@pytest.mark.parametrize("name", SHOWN_OFFICE)
def test_a_document_that_only_shows_itself_is_taken(name: str, tmp_path: Path) -> None:
    assert checked(SHOWN_OFFICE[name], tmp_path) != "application/zip"


@pytest.mark.parametrize(
    "content",
    [
        "\x01Ole10Native".encode("utf-16-le"),
        b"\x13 DDEAUTO c:\\cmd.exe \x14",
        "\x13 DDE excel".encode("utf-16-le"),
        "Workbook".encode("utf-16-le") + b"\x85\0\x0e\0\x10\x20\0\0\x01\x01\x06\0Macro1",
    ],
)
def test_a_document_of_former_times_that_acts_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "piece"
    path.write_bytes(OLE + content)
    with pytest.raises(Unfit):
        check_ole(path)


def test_what_a_backup_holds_does_not_condemn_it(tmp_path: Path) -> None:
    def twice(made: Any) -> None:
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("etc/rc.local", b"#!/bin/sh\nexit 0\n")

    path = tmp_path / "piece"
    files = {"etc/rc.local": b"#!/bin/sh\n", "Icon\r": b"x", "Plans/Icon\r": b"x"}
    path.write_bytes(archive(files, of=twice))
    assert Archive(path).check() == "application/zip"
    for name in ("a\rb", "Icon\r/a", "../Icon\r"):
        path.write_bytes(archive({name: b"x"}))
        with pytest.raises(Unfit, match="chemin interdit"):
            Archive(path).check()


# PDF


def goto(**more: Any) -> Dictionary:
    return Dictionary(S=Name.GoTo, D=Array([0, Name.Fit]), **more)


def link(**action: Any) -> Any:
    annotation = Dictionary(Subtype=Name.Link, Rect=Array([0, 0, 9, 9]), A=Dictionary(**action))
    return on_page(Annots=Array([annotation]))


WEB = Dictionary(S=Name.URI, URI=String("https://x.example"))
ACTING_PDFS = {
    "a chain at the opening": root(OpenAction=goto(Next=goto(Next=Array([goto(), WEB])))),
    "a form that is sent": link(S=Name.SubmitForm, F=String("https://x.example")),
    "a form that is filled": link(S=Name.ImportData, F=String("a.fdf")),
    "behind a harmless action": link(S=Name.GoTo, Next=Dictionary(S=Name.Launch, F=String("a"))),
    "a file on a share": link(S=Name.GoToR, F=String("\\\\x\\a.pdf")),
    "a file of the web": link(S=Name.GoToR, F=Dictionary(F=String("http://x.example/a.pdf"))),
    "a film": link(S=Name.Rendition, OP=0),
    "rich media": on_page(Annots=Array([Dictionary(Subtype=Name.RichMedia)])),
    "a script without its kind": root(Names=Dictionary(JavaScript=Dictionary(Names=Array(
        ["a", Dictionary(JS=String("x()"))]
    )))),
    "an action of the document": root(AA=Dictionary(WC=Dictionary(S=Name.Hide))),
    "a form in XML": root(AcroForm=Dictionary(XFA=Array([String("a"), String("<x/>")]))),
    "a content that is elsewhere": lambda d: setattr(d.pages[0], "Contents", d.make_stream(
        b"", F=String("\\\\x\\a")
    )),
}  # fmt: skip

SHOWN_PDFS = {
    "a place at the opening": root(OpenAction=Array([0, Name.Fit])),
    "a chain of places": root(OpenAction=goto(Next=goto())),
    "another manual beside": link(S=Name.GoToR, F=String("manuel-2.pdf"), D=Array([0, Name.Fit])),
    "a link to the web": link(S=Name.URI, URI=String("https://mileo.example")),
    "layers": link(S=Name.SetOCGState, State=Array([])),
}


def facts(change: Any, folder: Path) -> Any:
    path = folder / "piece"
    path.write_bytes(pdf(change))
    return pdf_checks.check_pdf(path, folder / "copy", lambda *_: None)


@pytest.mark.parametrize("name", ACTING_PDFS)
def test_a_pdf_that_acts_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=r"le PDF (?!est endommagé)"):
        facts(ACTING_PDFS[name], tmp_path)


@pytest.mark.parametrize("name", SHOWN_PDFS)
def test_a_pdf_that_only_shows_its_pages_is_taken(name: str, tmp_path: Path) -> None:
    assert facts(SHOWN_PDFS[name], tmp_path).pages == 1
