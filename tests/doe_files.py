"""Pieces of a DOE, as manufacturers, installers and scanners make them, and where to keep them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import typst
from pikepdf import Array, Dictionary, Name, Pdf, Stream
from PIL import Image, ImageDraw
from temporalio.testing import ActivityEnvironment

from activities.documents import DocumentActivities
from activities.doe.assembly import piece_path
from activities.printing.rendering import render
from process.orders import DocumentOrder, IssuedDocument, OpenOnboarding
from register.store import Register, RegisteredPiece
from storage.document_store import DocumentStore
from tests.test_documents import CONTRACT, FULL, order

Row = dict[str, Any]

_NOISE = random.Random(1).randbytes(1_000_000)  # noqa: S311 - only what does not compress


def sheet(title: str, pages: int = 1, *, paper: str = "a4", flipped: bool = False) -> bytes:
    """A document of some pages, each of which says its title and its number."""
    source = f"""
        #set document(date: none)
        #set page(paper: "{paper}", flipped: {str(flipped).lower()}, margin: 2cm, numbering: "1")
        #let title = sys.inputs.title
        #for number in range(1, {pages} + 1) {{
          text(size: 22pt, weight: "bold", title)
          [\\ page #number]
          if {str(flipped).lower()} {{
            v(5mm)
            rect(width: 100%, height: 80%, stroke: 1.5pt, grid(
              columns: (1fr,) * 6, rows: (1fr,) * 3, stroke: 0.5pt, ..range(18).map(n => [Local #n])
            ))
          }} else {{ v(5mm); lorem(90) }}
          if number < {pages} {{ pagebreak() }}
        }}
    """
    return typst.compile(source.encode(), sys_inputs={"title": title})


def scan(title: str, pages: int = 2) -> bytes:
    """What a scanner makes: one picture a page."""
    images = []
    for number in range(1, pages + 1):
        image = Image.new("L", (826, 1169), 246)
        drawing = ImageDraw.Draw(image)
        drawing.text((90, 110), f"{title} ({number})", fill=30, font_size=36)
        for line in range(40):
            drawing.line((90, 220 + 20 * line, 700 - (line * 37) % 200, 221 + 20 * line), fill=80)
        images.append(image.rotate(0.6, fillcolor=240))
    content = BytesIO()
    images[0].save(content, "PDF", save_all=True, append_images=images[1:], resolution=100)
    return content.getvalue()


def changed(content: bytes, change: Any) -> bytes:
    with Pdf.open(BytesIO(content)) as pdf:
        change(pdf)
        made = BytesIO()
        pdf.save(made, static_id=True)
    return made.getvalue()


def signed(title: str) -> bytes:
    """A visible signature field, filled."""

    def sign(pdf: Pdf) -> None:
        look = Stream(pdf, b"0.1 0.3 0.6 RG 2 w 1 1 158 48 re S 10 10 m 60 40 l 90 12 l 140 38 l S")
        look.Type, look.Subtype = Name.XObject, Name.Form
        look.BBox = Array([0, 0, 160, 50])
        field = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot, Subtype=Name.Widget, FT=Name.Sig, T="Signature", F=4,
                Rect=Array([350, 80, 510, 130]), AP=Dictionary(N=look),
                V=Dictionary(Type=Name.Sig, Filter=Name("/Adobe.PPKLite"), Contents=b"signature"),
            )
        )  # fmt: skip
        pdf.pages[0].Annots = Array([field])
        pdf.Root.AcroForm = Dictionary(Fields=Array([field]), SigFlags=3)

    return changed(sheet(title), sign)


def hostile(title: str) -> bytes:
    """Scripts and actions wherever a PDF may hold some, beside one honest link."""

    def arm(pdf: Pdf) -> None:
        script = Dictionary(S=Name.JavaScript, JS="app.alert('x')")
        launch = Dictionary(S=Name.Launch, F="cmd.exe")
        page = pdf.pages[0]
        box = Array([50, 50, 90, 90])

        def annotation(kind: str, **more: Any) -> pikepdf.Object:
            return pdf.make_indirect(
                Dictionary(Type=Name.Annot, Subtype=Name(kind), Rect=box, **more)
            )

        web = Dictionary(S=Name.URI, URI="https://www.axis.com/p3268")
        page.Annots = Array(
            [
                annotation("/Link", A=web, AA=Dictionary(E=script)),
                annotation("/Link", A=launch),
                annotation("/Link", A=Dictionary(S=Name.URI, URI="javascript:alert(1)")),
                annotation("/Widget", FT=Name.Btn, T="b", A=script, AA=Dictionary(E=script)),
                annotation("/FileAttachment", FS=Dictionary(Type=Name.Filespec, F="x.exe")),
            ]
        )
        pdf.Root.AcroForm = Dictionary(Fields=Array([page.Annots[3]]))
        page.AA = Dictionary(O=script)
        pdf.Root.AA = Dictionary(WC=script)
        pdf.Root.OpenAction = script
        pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array(["a", script])))

    return changed(sheet(title), arm)


def layered(title: str) -> bytes:
    """A drawing with a layer that its author had hidden."""

    def add(pdf: Pdf) -> None:
        layers = [
            pdf.make_indirect(Dictionary(Type=Name.OCG, Name=name)) for name in ("Murs", "Notes")
        ]
        page = pdf.pages[0]
        page.Resources.Properties = Dictionary(L0=layers[0], L1=layers[1])
        page.contents_add(b"/OC /L1 BDC 1 0 0 rg 100 100 300 300 re f EMC")
        pdf.Root.OCProperties = Dictionary(
            OCGs=Array(layers), D=Dictionary(Order=Array(layers), OFF=Array([layers[1]]))
        )

    return changed(sheet(title, paper="a3", flipped=True), add)


def heavy(number: int, size: int) -> bytes:
    """A page with a photograph of so many bytes, as a camera compresses them."""
    with Pdf.new() as pdf:
        photograph = Stream(
            pdf,
            number.to_bytes(4) + _NOISE[: size - 4],
            Type=Name.XObject, Subtype=Name.Image, Width=4000, Height=3000, BitsPerComponent=8,
            ColorSpace=Name.DeviceRGB, Filter=Name.DCTDecode,
        )  # fmt: skip
        page = pdf.add_blank_page()
        page.Resources = Dictionary(XObject=Dictionary(I=photograph))
        page.Contents = Stream(pdf, b"q 500 0 0 500 50 50 cm /I Do Q")
        made = BytesIO()
        pdf.save(made, static_id=True)
    return made.getvalue()


class Shelf:
    """An onboarding's files in a register and a store."""

    @classmethod
    @asynccontextmanager
    async def opened(cls, folder: Path) -> AsyncIterator[Shelf]:
        register = Register(f"sqlite:///{folder}/register.db")
        await register.migrate()
        shelf = cls(register, DocumentStore(str(folder / "documents")))
        await shelf.open()
        yield shelf
        await register.close()

    def __init__(self, register: Register, store: DocumentStore) -> None:
        self.register = register
        self.store = store
        self.pieces: list[Row] = []
        self.documents: list[Row] = []
        self.originals: list[Row] = []

    async def open(self) -> None:
        opening = OpenOnboarding.model_validate(
            {
                "contract": CONTRACT.model_dump(mode="json"),
                "workflow_id": "onboarding",
                "run_id": "run",
                "started_at": "2026-03-02T16:41:00+01:00",
            }
        )
        await self.register.claim(opening, "0" * 64)

    async def keep(self, content: bytes, media: str = "application/pdf", **read: Any) -> Row:
        """Keep a file, as the reading of the pieces does; what was read in it."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = piece_path(CONTRACT.reference, sha256)
        await self.store.put(path, content)
        piece = RegisteredPiece.model_validate(
            {
                "onboarding": CONTRACT.reference, "sha256": sha256, "size": len(content),
                "media": media, "name": "", "uri": "", "path": path, "secrets": [],
                "received_at": "2026-05-11T10:00:00+02:00",
            }
        )  # fmt: skip
        await self.register.record_piece(piece)
        return {"sha256": sha256, "size": len(content), "media": media, **read}

    async def file(
        self,
        family: str,
        name: str,
        content: bytes,
        uri: str = "",
        media: str = "application/pdf",
        *,
        equipment: list[str] | None = None,
        **read: Any,
    ) -> None:
        """A piece filed and read."""
        kept = await self.keep(content, media, **read)
        row = {"family": family, "name": name, "uri": uri or f"inbox/{name}.pdf", "read": kept}
        self.pieces.append({**row, "equipment": equipment or [], "not_applicable_reason": None})

    async def issue(self, kind: str, content: bytes, number: int = 1) -> None:
        """A document of ours, already issued."""
        what = order(kind, {})
        reference = what.reference.replace("-1-v1", f"-{number}-v1")
        path = f"{CONTRACT.reference}/{reference}.pdf"
        issued = IssuedDocument.model_validate(
            {
                "kind": kind, "reference": reference, "version": 1, "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "issued_at": "2026-05-12T10:00:00+02:00",
            }
        )  # fmt: skip
        await self.store.put(path, content)
        await self.register.record_document(what, issued, path)
        self.documents.append(issued.model_dump(mode="json"))

    async def sign(self, name: str, content: bytes, media: str = "application/pdf") -> None:
        """Signed minutes."""
        kept = await self.keep(content, media, signed=True)
        self.originals.append({"name": name, "uri": f"inbox/{name}.pdf", "read": kept})

    def order(self, kind: str, **changes: Any) -> DocumentOrder:
        data = {
            "released_on": "2026-05-20",
            "by": "Inès Garnier",
            "pieces": self.pieces,
            "documents": self.documents,
            "originals": self.originals,
        }
        return order(kind, json.loads(json.dumps(data)), **changes)


VOID: Row = {
    "family": "certificates",
    "name": "Certificat A2P",
    "equipment": [],
    "not_applicable_reason": "Aucune serrure n'est fournie.",
    "uri": None,
    "read": None,
}


async def filled(shelf: Shelf) -> None:
    """A small DOE of every sort of piece."""
    minutes = render(order("pv_recette", FULL["pv_recette"]), CONTRACT)
    await shelf.issue("pv_recette", minutes)
    await shelf.file("plans", "Plan 10", sheet("Dixième plan", paper="a3", flipped=True))
    await shelf.file("plans", "Plan 2", layered("Deuxième plan"))
    await shelf.file("wiring", "Synoptique", scan("Synoptique"))
    await shelf.file(
        "configurations",
        "Sauvegarde SW-01",
        b"snmp-server community Xk29-secret RO",
        "inbox/sw.cfg",
        "text/plain",
        equipment=["SW-01"],
        secrets_count=1,
    )
    await shelf.file("datasheets", "Axis P3268-LV", hostile("P3268"), equipment=["CAM-001"])
    await shelf.file("certificates", "Consuel", signed("Attestation"), signed=True)
    shelf.pieces.append(VOID)
    await shelf.file("warranties", "Garantie avec code", sheet("Code du coffre"), secrets_count=1)
    await shelf.sign("Procès-verbal signé", signed("Original paraphé"))


def issue(shelf: Shelf, what: DocumentOrder) -> Any:
    """Ask for a document as the workflow does; to be awaited."""
    activities = DocumentActivities(shelf.register, shelf.store)
    return ActivityEnvironment().run(activities.issue_document, what)
