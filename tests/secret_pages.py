"""Pages with secrets and ordinary pages, as a DOE has them: what the search is measured on.

    python -m tests.secret_pages [FOLDER]      measures, and writes what was missed into the folder

Deterministic. Two sets, which share neither seed, labels, values nor, for a third of the layouts,
the layout: ``TUNING`` is what the search was written with, ``MEASURING`` what it is judged on.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import pikepdf
import typst
from pikepdf import Array, Dictionary, Name, Pdf, String

PAGES: Final = 6
"""Of each layout."""

TUNING: Final = "tuning"
MEASURING: Final = "measuring"

_LABELS: Final = {
    TUNING: (
        "Mot de passe", "MDP", "Password", "Communauté SNMP", "Clé WPA2", "Code PIN",
        "Mot de passe admin", "Admin password", "Clé Wi-Fi", "Code installateur", "Passphrase",
        "SNMP community", "Mot de passe (web)", "WPA2 key", "Pre-shared key", "MDP root",
    ),
    MEASURING: (
        "Mot de passe", "MDP", "Password", "Communauté SNMP", "Clé WPA2", "Code PIN",
        "Mot de passe du NVR", "Root password", "Clé Wi-Fi invités", "Code maître", "Clé partagée",
        "SNMP read community", "Mot de passe VMS", "MDP caméras", "PSK", "User password", "Pwd",
        "Communauté SNMP (écriture)", "Code alarme", "Mots de passe", "Phrase secrète", "Clé RADIUS",
    ),
}  # fmt: skip
_DEVICES: Final = {
    TUNING: ("NVR-01", "SW-02", "CAM-014", "SRV-VMS", "UTL-03", "Portier 1", "Baie B2"),
    MEASURING: (
        "ENR-A",
        "Switch cœur",
        "CAM-203",
        "Serveur AC",
        "Centrale",
        "Borne Wi-Fi",
        "PTZ-7",
    ),
}
_USERS: Final = {
    TUNING: ("admin", "root", "mileo"),
    MEASURING: ("administrateur", "operateur", "exploitation", "service", "admin"),
}


@dataclass(frozen=True)
class Sheet:
    """A PDF whose every page holds a secret, or none of whose pages does."""

    layout: str
    content: bytes
    pages: int
    secrets: tuple[str, ...]
    """The value on each page; none for an ordinary one."""
    family: str


class Hand:
    """Draws what is written on the pages of one sheet."""

    def __init__(self, part: str, layout: str) -> None:
        self.part = part
        self.chance = random.Random(f"{part}:{layout}")  # noqa: S311 - pages, not secrets

    def label(self) -> str:
        return self.chance.choice(_LABELS[self.part])

    def device(self) -> str:
        return self.chance.choice(_DEVICES[self.part])

    def user(self) -> str:
        return self.chance.choice(_USERS[self.part])

    def ip(self) -> str:
        return f"10.{self.chance.randrange(40)}.{self.chance.randrange(9)}.{self.chance.randrange(2, 250)}"

    def password(self) -> str:
        """As people choose them; one in five is a plain word."""
        r = self.chance
        words = {
            TUNING: ("Zephyr", "Mistral", "Camera", "Garonne", "Tilleul"),
            MEASURING: ("Orage", "Belfort", "Vigie", "Chouette", "Sapin", "Alezan"),
        }[self.part]
        word = r.choice(words)
        forms: list[Callable[[], str]] = [
            lambda: f"{word}!{r.randrange(1990, 2030)}",
            lambda: f"{word}{r.randrange(10, 99)}#",
            lambda: "".join(r.choices("abcdefghjkmnpqrstuvwxyzABCDEFGH23456789", k=12)),
            lambda: f"{word.lower()}-{r.choice(words).lower()}-{r.randrange(100)}",
            lambda: f"{word.lower()}{r.choice(words).lower()}",
            lambda: f"{r.choice('@!$')}{word[:3]}{r.randrange(1000)}{r.choice('&%=')}{word[3:]}",
        ]
        return r.choice(forms)()

    def pair(self) -> tuple[str, str]:
        """A label and a value of its kind."""
        label = self.label()
        if "Code" in label:
            return label, str(self.chance.randrange(1000, 999999))
        return label, self.password()

    def strong(self) -> str:
        """A password that nobody takes for a word."""
        return f"{self.password()}{self.chance.randrange(10, 99)}"


def _q(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'#"{escaped}"'


def _c(text: str) -> str:
    return f"[{_q(text)}]"


_PROSE: Final = (
    "Le présent document décrit l'installation telle qu'elle a été réalisée sur le site.",
    "The system shall be maintained in accordance with the manufacturer's instructions.",
    "Les câbles sont repérés aux deux extrémités ; les chemins sont ceux du plan de récolement.",
    "Chaque équipement est alimenté par la baie la plus proche, sur départ protégé.",
    "All equipment has been tested before delivery and is covered by a three-year warranty.",
    "L'accès au local technique est réservé aux personnes habilitées par l'exploitant.",
)


def _typst(pages: list[str], head: str = "") -> bytes:
    body = "\n#pagebreak()\n".join(pages)
    source = f'#set document(date: none)\n#set page(paper: "a4", margin: 2cm)\n{head}\n{body}'
    return typst.compile(source.encode())


def _text(hand: Hand, lines: int = 3) -> str:
    return "\n\n".join(_q(hand.chance.choice(_PROSE)) for _ in range(lines)) + "\n\n"


Made = tuple[bytes, list[str]]
_SECRET: dict[str, Callable[[Hand], Made]] = {}
_ORDINARY: dict[str, Callable[[Hand], bytes]] = {}


def _pages(write: Callable[[Hand], tuple[str, str]], head: str = "") -> Callable[[Hand], Made]:
    """A layout of typst: what a page is, and its secret."""

    def make(hand: Hand) -> Made:
        made = [write(hand) for _ in range(PAGES)]
        return _typst([page for page, _ in made], head), [value for _, value in made]

    return make


def _layout(name: str, head: str = "") -> Callable[[Callable[[Hand], tuple[str, str]]], None]:
    def register(write: Callable[[Hand], tuple[str, str]]) -> None:
        _SECRET[name] = _pages(write, head)

    return register


# --- Layouts with secrets ---------------------------------------------------------------------


@_layout("side by side")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [("Adresse IP", h.ip()), ("Identifiant", h.user()), (label, value), ("Port", "443")]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"= Adressage\n#grid(columns: 2, column-gutter: 12pt, row-gutter: 8pt, {cells})", value


@_layout("table of two columns")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [("Équipement", h.device()), ("Modèle", "DS-7732NI"), (label, value), ("Baie", "B2")]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"{_text(h)}#table(columns: (1fr, 2fr), {cells})\n{_text(h)}", value


@_layout("header row")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [("Équipement", "Adresse IP", "Identifiant", label)]
    rows += [(h.device(), h.ip(), h.user(), "à définir") for _ in range(2)]
    rows.insert(2, (h.device(), h.ip(), h.user(), value))
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"#table(columns: 4, {cells})\n\n{_text(h, 2)}", value


@_layout("header row, secret first")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [(label, "Rôle", "Adresse"), (value, "Exploitation", h.ip())]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"#table(columns: (1fr, 1fr, 1fr), align: center, {cells})", value


@_layout("colon")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return f"{_text(h)}{_q(f'{label} : {value}')}\n\n{_text(h)}", value


@_layout("leaders")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    fill = h.chance.choice(("[.]", "[ . ]", "[\\_]", "[·]"))
    lines = [("Adresse", h.ip()), (label, value), ("Masque", "255.255.255.0")]
    return "\n\n".join(f"{_q(a)} #box(width: 1fr, repeat{fill}) {_q(b)}" for a, b in lines), value


@_layout("arrow")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    arrow = h.chance.choice(("→", "⇒", "->", "=>", "➔" if h.part == TUNING else "▶"))
    return f"{_text(h)}{_q(h.device())}\n\n{_q(f'{label} {arrow} {value}')}", value


@_layout("account and password")
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    said = h.chance.choice(
        ("Identifiants : ", "Accès web : ", "Login : ", "Compte ", "Connexion : ")
    )
    return f"= {h.device()}\n\n{_q(f'{said}{h.user()} / {value}')}", value


@_layout("label above value")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    if "Code" not in label:
        value = h.strong()
    return (
        f"*Utilisateur*\n\n{_q(h.user())}\n\n#strong[{_q(label)}]\n\n{_q(value)}\n\n{_text(h)}",
        value,
    )


@_layout("cards")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    if "Code" not in label:
        value = h.strong()
    pairs = [("Adresse", h.ip()), ("Utilisateur", h.user()), (label, value)]
    cards = ", ".join(
        f"[#text(7pt, fill: gray)[{_q(a)}] \\ #text(12pt)[{_q(b)}]]" for a, b in pairs
    )
    return f"#grid(columns: (1fr, 1fr, 1fr), inset: 6pt, stroke: 0.4pt, {cards})", value


@_layout("two columns", "#set page(columns: 2)")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return (
        f"{_text(h, 4)}#grid(columns: (auto, 1fr), gutter: 10pt, {_c(label)}, {_c(value)})\n\n#colbreak()\n{_text(h, 6)}",
        value,
    )


@_layout("turned text")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    turn = h.chance.choice((90, 270))
    table = f"#table(columns: 2, [Adresse], {_c(h.ip())}, {_c(label)}, {_c(value)})"
    return f"#rotate({turn}deg, reflow: true)[{table}]\n\n{_text(h)}", value


@_layout("oblique text")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    turn = h.chance.choice((15, 30, 45, 330))
    return f"{_text(h)}#v(4cm)#rotate({turn}deg)[{_q(f'{label} : {value}')}]", value


@_layout("small print")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return f"{_text(h)}#v(1fr)#text(4pt)[{_q(f'{h.device()} {h.ip()} – {label} : {value}')}]", value


@_layout("sentence")
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    said = h.chance.choice(
        (f"Le mot de passe du compte est {value}.", f"The admin password is {value}.",
         f"Se connecter avec {h.user()} / {value} puis ouvrir le menu.",
         f"Connectez-vous avec le mot de passe : {value}")
    )  # fmt: skip
    return f"{_text(h)}{_q(said)}\n\n{_text(h)}", value


@_layout("wrapped header")
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    rows = (
        f"[Équipement], [Adresse IP], [Mot de\\ passe], {_c(h.device())}, {_c(h.ip())}, {_c(value)}"
    )
    return f"#table(columns: (40mm, 40mm, 60mm), {rows})", value


@_layout("letters for rules", '#set text(font: "DejaVu Sans Mono", size: 9pt)')
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    lines = (
        f"| {'Champ':<28} | {'Valeur':<24} |",
        f"|{'-' * 30}|{'-' * 26}|",
        f"| {'Adresse IP':<28} | {h.ip():<24} |",
        f"| {label:<28} | {value:<24} |",
    )
    return '#raw("' + "\\n".join(
        line.replace('"', '\\"') for line in lines
    ) + '", block: true)', value


@_layout("configuration", '#set text(font: "DejaVu Sans Mono", size: 8pt)')
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    line = h.chance.choice(
        (f"snmp-server community {value} RO", f"username {h.user()} privilege 15 password 0 {value}",
         f"enable password {value}", f"rtsp://{h.user()}:{value.replace('@', 'a')}@{h.ip()}:554/live",
         f"<password>{value}</password>", f"wpa-psk ascii 0 {value}")
    )  # fmt: skip
    value = value.replace("@", "a") if "rtsp" in line else value
    lines = ("hostname SW-01", "interface Gi0/1", " switchport mode access", line, "end")
    return '#raw("' + "\\n".join(
        one.replace("\\", "\\\\").replace('"', '\\"') for one in lines
    ) + '", block: true)', value


@_layout("plan", '#set page(paper: "a3", flipped: true)')
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    places = [
        f"#place(dx: {h.chance.randrange(30)}cm, dy: {h.chance.randrange(20)}cm, text(6pt)[{_q(f'{h.device()} {h.ip()}')}])"
        for _ in range(60)
    ]
    note = f"#place(dx: 31cm, dy: 21cm, box(stroke: 0.3pt, inset: 3pt, text(6pt)[{_q(h.device())} \\ {_q(f'{label} : {value}')}]))"
    return "\n".join([*places, note]), value


@_layout("four columns")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [("Adresse IP", h.ip(), "Port", "8000"), ("Identifiant", h.user(), label, value)]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"#table(columns: (1fr, 1fr, 1fr, 1fr), {cells})\n\n{_text(h)}", value


@_layout("spaced letters")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return f"#text(tracking: 3pt)[{_q(label)}] #h(1cm) {_q(value)}\n\n{_text(h)}", value


@_layout("account / password column")
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    head = h.chance.choice(("Identifiant / mot de passe", "Login / MDP", "User / password"))
    rows = [("Équipement", "Adresse IP", head), (h.device(), h.ip(), f"{h.user()} / {value}")]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"#table(columns: (1fr, 1fr, 1.4fr), {cells})", value


@_layout("bullets")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return (
        f"{_text(h)}- {_q(f'Adresse : {h.ip()}')}\n- {_q(f'{label} = {value}')}\n- {_q('Port : 443')}",
        value,
    )


@_layout("devices in columns")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [("", "NVR-01", "NVR-02"), ("Adresse IP", h.ip(), h.ip()), (label, value, "à définir")]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"#table(columns: 3, {cells})", value


@_layout("unlike letters")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return (
        f'#grid(columns: (4cm, 8cm), align: horizon, text(7pt)[{_q(label)}], text(16pt, weight: "bold")[{_q(value)}])\n\n{_text(h)}',
        value,
    )


@_layout("remark behind")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return (
        f"{_text(h)}#table(columns: 2, {_c(label)}, {_c(f'{value} (à changer à la mise en service)')}, [Site], [Siège])",
        value,
    )


@_layout("value on the next line")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    return f"{_text(h)}{_q(f'{label} :')}\n\n#h(1cm){_q(value)}\n\n{_text(h)}", value


# --- Written with one's own hands -------------------------------------------------------------

_FONT: Final = Dictionary(
    Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding
)


def _shown(text: str) -> bytes:
    raw = text.replace("→", "-").encode("cp1252", "replace")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _line(x: float, y: float, text: str, size: float = 10, mode: int = 0) -> bytes:
    return b"BT /F1 %f Tf %d Tr %f %f Td (%s) Tj ET\n" % (size, mode, x, y, _shown(text))


def _by_hand(write: Callable[[Hand, Pdf, pikepdf.Page], str]) -> Callable[[Hand], Made]:
    def make(hand: Hand) -> Made:
        values = []
        with Pdf.new() as pdf:
            for _ in range(PAGES):
                page = pdf.add_blank_page(page_size=(595, 842))
                page.obj.Resources = Dictionary(Font=Dictionary(F1=_FONT))
                page.obj.Contents = pdf.make_stream(
                    b"".join(_line(60, 780 - 14 * i, hand.chance.choice(_PROSE)) for i in range(4))
                )
                values.append(write(hand, pdf, page))
            return _saved(pdf), values

    return make


def _saved(pdf: Pdf) -> bytes:
    made = BytesIO()
    pdf.save(made, static_id=True)
    return made.getvalue()


def _hand(name: str) -> Callable[[Callable[[Hand, Pdf, pikepdf.Page], str]], None]:
    def register(write: Callable[[Hand, Pdf, pikepdf.Page], str]) -> None:
        _SECRET[name] = _by_hand(write)

    return register


def _appearance(pdf: Pdf, *texts: bytes) -> pikepdf.Object:
    return pdf.make_stream(
        b"".join(texts),
        Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 300, 40]),
        Resources=Dictionary(Font=Dictionary(F1=_FONT)),
    )  # fmt: skip


def _annotate(pdf: Pdf, page: pikepdf.Page, **entries: Any) -> None:
    one = {"Type": Name.Annot, "Rect": Array([60, 400, 360, 440]), "F": 4, **entries}
    made = pdf.make_indirect(Dictionary(**one))
    page.obj.Annots = Array([made])
    if "/FT" in made:
        fields = list(pdf.Root.get("/AcroForm", Dictionary(Fields=Array())).Fields)
        pdf.Root.AcroForm = Dictionary(Fields=Array([*fields, made]))


@_hand("annotation's appearance")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    look = _appearance(pdf, _line(4, 20, label), _line(150, 20, value))
    _annotate(pdf, page, Subtype=Name.FreeText, AP=Dictionary(N=look), Contents=String(""))
    return value


@_hand("note")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    _annotate(pdf, page, Subtype=Name.Text, Contents=String(f"{label} : {value}"))
    return value


@_hand("outside the crop box")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    page.obj.CropBox = Array([0, 200, 595, 842])
    page.contents_add(_line(60, 100, label) + _line(220, 100, value))
    return value


@_hand("link")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    value = "".join(c for c in h.strong() if c.isalnum())
    uri = h.chance.choice(("http", "rtsp", "ftp", "https")) + f"://{h.user()}:{value}@{h.ip()}/cam"
    _annotate(pdf, page, Subtype=Name.Link, A=Dictionary(S=Name.URI, URI=String(uri)))
    return value


@_hand("form, as it shows")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    page.contents_add(_line(60, 424, label))
    _annotate(
        pdf, page,
        Subtype=Name.Widget, FT=Name.Tx, T=String("champ1"), V=String("x"),
        Rect=Array([200, 412, 500, 452]), AP=Dictionary(N=_appearance(pdf, _line(2, 14, value))),
    )  # fmt: skip
    return value


@_hand("form, without appearance")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    _annotate(pdf, page, Subtype=Name.Widget, FT=Name.Tx, T=String(label), V=String(value))
    return value


@_hand("invisible letters")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    page.contents_add(_line(60, 500, label, mode=3) + _line(220, 500, value, mode=3))
    return value


@_hand("turned page")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    page.obj.Rotate = 90
    page.contents_add(
        _line(60, 500, f"{h.device()}") + _line(60, 480, label) + _line(260, 480, value)
    )
    return value


@_hand("letter by letter")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    letters = [(60 + 7 * i, c) for i, c in enumerate(label)]
    letters += [(300 + 7 * i, c) for i, c in enumerate(value)]
    h.chance.shuffle(letters)
    page.contents_add(b"".join(_line(x, 500, c) for x, c in letters if c != " "))
    return value


@_hand("drawing within a drawing")
def _(h: Hand, pdf: Pdf, page: pikepdf.Page) -> str:
    label, value = h.pair()
    page.obj.Resources.XObject = Dictionary(
        X1=_appearance(pdf, _line(4, 20, f"{label} :"), _line(160, 20, value))
    )
    page.contents_add(b"q 0.5 0 0 0.5 60 300 cm /X1 Do Q\n")
    return value


# --- Ordinary pages ---------------------------------------------------------------------------


def _plain(name: str, head: str = "") -> Callable[[Callable[[Hand], str]], None]:
    def register(write: Callable[[Hand], str]) -> None:
        _ORDINARY[name] = lambda hand: _typst([write(hand) for _ in range(PAGES)], head)

    return register


def _listed(*lines: str) -> Callable[[Hand], str]:
    """Six of these lines, in another order on each page."""
    return lambda h: (
        _text(h, 2) + "\n\n".join(_q(x) for x in h.chance.sample(lines, min(7, len(lines))))
    )


def _rows(columns: int, rows: Sequence[tuple[str, ...]], text: str = "") -> str:
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"{text}#table(columns: {columns}, {cells})"


_plain("policy")(
    _listed(
        "Le mot de passe comporte douze caractères au moins, dont une majuscule et un chiffre.",
        "Les mots de passe sont changés tous les 90 jours.",
        "Password length: 8 to 64 characters.",
        "Mot de passe : 12 caractères minimum, A-Z, a-z, 0-9.",
        "Tout mot de passe par défaut est remplacé à la mise en service.",
        "Password complexity is enforced by the server (minimum 3 classes).",
        "Les codes PIN comportent 4 à 6 chiffres ; ils sont personnels.",
        "La communauté SNMP « public » est supprimée de tous les équipements.",
        "Three failed login attempts lock the account for 15 minutes.",
        "Aucun mot de passe n'est écrit dans le présent dossier.",
    )
)
_plain("manual")(
    _listed(
        "Enter your user name and password, then click Login.",
        "Saisissez votre identifiant et votre mot de passe, puis validez.",
        "Mot de passe oublié ? Cliquez sur le lien pour recevoir un nouveau mot de passe.",
        "Password: Enter the password of the administrator account.",
        "Forgot password? Contact your administrator.",
        "To change the password, go to Configuration > System > User management.",
        "Confirm password",
        "Le code d'accès est demandé à chaque ouverture de la porte.",
        "Clé USB : insérez la clé USB contenant le firmware V5.7.12.",
        "Press the Reset button for 10 s to restore the default password.",
        "WPA2-PSK and WPA3-SAE are supported. The key is set in the Wi-Fi menu.",
    )
)
_plain("login screen")(
    lambda h: (
        f"{_text(h, 2)}#box(stroke: 1pt, inset: 8pt)[Utilisateur\n\nMot de passe\n\n{h.chance.choice(['Connexion', 'Se connecter', 'Login', 'Valider'])}\n\nMot de passe oublié ?]\n\nUser name\n\nPassword\n\nRemember me"
    )
)
_plain("masked")(
    lambda h: _rows(
        4,
        [("Équipement", "Adresse IP", "Identifiant", h.label())]
        + [(h.device(), h.ip(), h.user(), h.chance.choice(("●●●●●●●●", "********", "••••••", "xxxxxx", "—", "***")))
           for _ in range(5)],
    )
)  # fmt: skip
_plain("handed over otherwise")(
    lambda h: _rows(
        2,
        [("Adresse IP", h.ip()),
         (h.label(), h.chance.choice(("remis par téléphone", "communiqué de vive voix", "voir coffre-fort",
                                      "voir le conteneur chiffré", "à définir par le client", "confidentiel",
                                      "sous enveloppe scellée", "See vault", "non renseigné", "Oui", "N/A"))),
         ("Code PIN", h.chance.choice(("remis en main propre", "individuel", "à choisir", "4 chiffres")))],
    )
)  # fmt: skip
_plain("blank form")(
    lambda h: (
        f"{_text(h, 1)}Nom : #box(width: 6cm, repeat[.])\n\nMot de passe : #box(width: 6cm, repeat[.])\n\nCode PIN : #box(width: 6cm, repeat[\\_])\n\nPassword: #line(length: 5cm)\n\nDate : #box(width: 3cm, repeat[.])"
    )
)
_plain("specifications")(
    lambda h: _rows(
        2,
        h.chance.sample(
            [("Authentification", "Mot de passe"), ("Chiffrement", "AES-256"), ("Protection par mot de passe", "Oui"),
             ("Password protection", "Yes"), ("Sécurité Wi-Fi", "WPA2-PSK, WPA3"), ("SNMP", "v1, v2c, v3"),
             ("Users", "32 users, 3 levels"), ("Security", "Password protection, HTTPS, 802.1X"),
             ("Encryption key", "128 bits"), ("Modèle", "P3268-LV"), ("Code produit", "02331-001"),
             ("Authentification à deux facteurs", "TOTP"), ("Clé de chiffrement", "AES-256"), ("PIN", "4 à 8 chiffres"),
             ("Mode de déverrouillage", "Badge, code PIN, smartphone"), ("EAN code", "7331021072886")],
            10,
        ),
    )
)  # fmt: skip
_plain("pins")(
    lambda h: _rows(
        3, [("Pin", "Signal", "Couleur")] + [(str(i), s, c) for i, (s, c) in enumerate(
            (("TX+", "Blanc/Orange"), ("TX-", "Orange"), ("RX+", "Blanc/Vert"), ("GND", "Bleu"), ("+12V", "Rouge"), ("NC", "Gris")), 1)]
    )
)  # fmt: skip
_plain("certificate")(
    lambda h: (
        f"= Certificate of conformity\n\n{_q(f'Certificate no. NF-{h.chance.randrange(10000, 99999)}-B / A2P code {h.chance.randrange(100, 999)}')}\n\nEN 50131-1 Grade 3 — EN 50132-7 — EN 62676-4\n\n{_q(f'Serial: {h.chance.randrange(10**9)}AB{h.chance.randrange(99)}')}\n\nDate : 12/03/2026\n\nCode APE : 8020Z\n\n{_text(h)}"
    )
)
_plain("warranty")(
    lambda h: (
        f"{_text(h)}\n\nCode article : {_q(str(h.chance.randrange(10**5, 10**6)))}\n\nCode postal : 75008\n\nN° de contrat : MT-2026-{h.chance.randrange(1000)}\n\nCode client : C{h.chance.randrange(10000, 99999)}\n\nGarantie : 36 mois\n\nLa perte du mot de passe n'est pas couverte par la garantie.\n\nRéférence dossier → D{h.chance.randrange(10**4)}"
    )
)
_plain("plan of tags", '#set page(paper: "a3", flipped: true)')(
    lambda h: "\n".join(
        f"#place(dx: {h.chance.randrange(30)}cm, dy: {h.chance.randrange(20)}cm, text(7pt)[{_q(h.chance.choice((f'CAM-{h.chance.randrange(99)}', h.ip(), f'Lecteur de badges LB{h.chance.randrange(20)}', 'Digicode', 'Clavier à code', f'Porte P{h.chance.randrange(60)}', 'Borne Wi-Fi', 'Accès pompiers', f'Câble C{h.chance.randrange(10**4)}')))}])"
        for _ in range(70)
    )
)
_plain("accounts")(
    lambda h: _rows(
        4, [("Identifiant", "Rôle", "Mot de passe", "Remarque")] + [
            (f"user{i}", h.chance.choice(("Opérateur", "Superviseur", "Administrateur")), h.chance.choice(("à définir", "personnel", "individuel", "remis", "SSO")), h.chance.choice(("Badge 12", "Jour", "Nuit", "—")))
            for i in range(5)]
    )
)  # fmt: skip
_plain("network")(
    lambda h: _rows(
        5, [("VLAN", "Nom", "Réseau", "Passerelle", "Accès")] + [
            (str(10 * i), n, f"10.{i}.0.0/24", f"10.{i}.0.1", a) for i, (n, a) in enumerate(
                (("VIDEO", "Admin"), ("ACCES", "Restreint"), ("SUPERVISION", "SNMPv3"), ("WIFI-INVITES", "WPA2-Enterprise")), 1)],
        "SSID : MILEO-SITE\n\n",
    )
)  # fmt: skip
_plain("keys")(
    lambda h: _rows(
        3, [("Clé", "Porte", "Détenteur")] + [(f"K{h.chance.randrange(100, 999)}", f"P{i}", h.chance.choice(("Gardien", "Accueil"))) for i in range(6)],
        "Organigramme des clés. Clé de passe général : PG1.\n\n",
    )
)  # fmt: skip
_plain("codes of errors")(
    lambda h: _rows(
        2,
        [("Code", "Signification")]
        + [
            (f"E{h.chance.randrange(100, 999)}", s)
            for s in (
                "Mot de passe incorrect",
                "Login failed",
                "Clé invalide",
                "Access denied",
                "Wrong PIN code",
                "Session expirée",
            )
        ],
    )
)
_plain("keypad")(
    _listed(
        "Code utilisateur : 4 à 6 chiffres.", "Entrez le code maître puis appuyez sur #.",
        "Code utilisateur : à personnaliser par l'exploitant.", "User codes: up to 32.",
        "Pour armer, saisir le code puis *.", "Longueur du code : 6 chiffres",
        "Le code installateur ne doit jamais être communiqué.", "The master code can not be deleted.",
        "Nombre de codes : 100", "Code de site : voir étiquette",
    )
)  # fmt: skip
_plain("glossary")(
    lambda h: _rows(
        2,
        h.chance.sample(
            [
                ("MDP", "Mot de passe"),
                ("PIN", "Personal Identification Number"),
                ("PSK", "Pre-shared key"),
                ("SNMP", "Simple Network Management Protocol"),
                ("Login", "Identifiant de connexion"),
                ("Token", "Jeton d'authentification"),
                ("VMS", "Video management system"),
                ("WPA2", "Wi-Fi Protected Access"),
            ],
            7,
        ),
    )
)
_plain("syntax", '#set text(font: "DejaVu Sans Mono", size: 8pt)')(
    _listed(
        "enable secret <password>", "snmp-server community <string> ro", "username <name> password <password>",
        "rtsp://<user>:<password>@<ip>:554/live", "http://username:password@ip/cgi-bin/snapshot",
        "curl -u user:pwd http://ip/", "password: ${PASSWORD}", "--password PASSWORD",
        "set password [password]", 'psk="your_key"', "service password-encryption",
    )
)  # fmt: skip
_plain("examples")(
    _listed(
        "Exemple de mot de passe robuste : Tr0ub4dor&3", "Exemple : admin / Azerty123!",
        "For example, use the password Blue-Horse-42.", "Par ex. mot de passe : Zx81!abc",
        "Un mot de passe comme « 123456 » est interdit.", "Sample password: Example123",
        "Exemple d'identifiants : user / Passw0rd!",
    )
)  # fmt: skip
_plain("prose with names")(
    _listed(
        "La communauté d'agglomération a validé le plan le 12/05/2026.",
        "Code de la sécurité intérieure, article L613-13.", "Le jeton de présence est remis à l'accueil.",
        "Compte rendu : Réunion n° 4 du 3 juin 2026", "Accès : Bâtiment B, 2e étage", "Access: Monday-Friday 8am-6pm",
        "Session : Formation-exploitants 2026", "Utilisateur principal : Karim Belkacem / exploitation",
        "Login page: https://portail.example/login", "Connexion : RJ45 Cat6A", "Admin : 01 42 00 00 00",
        "Clé : fonction de recherche", "Contact : support@mileotech.com / 01 23 45 67 89",
    )
)  # fmt: skip
_plain("list of equipment")(
    lambda h: _rows(
        4,
        [("Repère", "Modèle", "N° de série", "Accès")]
        + [
            (
                h.device(),
                h.chance.choice(("P3268-LV", "DS-2CD2386G2", "UTL-ACC4")),
                f"S{h.chance.randrange(10**8)}X",
                h.chance.choice(("Nacelle", "Échelle", "Libre")),
            )
            for _ in range(7)
        ],
    )
)
_plain("minutes")(
    _listed(
        "Point 12 : changement des mots de passe par défaut — conforme", "Point 13 : remise des codes — conforme",
        "Les mots de passe ont été remis en main propre à M. Belkacem le 4 juin 2026.",
        "Le client a modifié le mot de passe administrateur en présence de Mileo.",
        "Réserve n° 3 : code PIN du portail à changer.", "Test d'accès : badge + code, résultat conforme",
        "Clé Wi-Fi : transmise au responsable technique", "Communauté SNMP : désactivée", "MDP : remis",
    )
)  # fmt: skip
_plain("wiring")(
    lambda h: _rows(
        4,
        [("Câble", "De", "Vers", "Type")]
        + [
            (
                f"C{h.chance.randrange(1000, 9999)}",
                h.device(),
                h.device(),
                h.chance.choice(("Cat6A F/UTP", "SYT1 2x2x0,9", "FO OM4")),
            )
            for _ in range(9)
        ],
    )
)
_plain("headings")(
    lambda h: (
        f"= Mot de passe\n\n{_text(h, 1)}\n\n== Code PIN\n\n{_text(h, 1)}\n\n== Communauté SNMP\n\n{_text(h, 1)}\n\n== Clé WPA2\n\nVoir 4.2.1\n\n== Identifiants\n\n{_text(h, 1)}"
    )
)
_plain("contents")(
    lambda h: "\n\n".join(
        f"{t} #box(width: 1fr, repeat[.]) {h.chance.randrange(1, 1200)}"
        for t in (
            "Mot de passe",
            "Changer le mot de passe",
            "Code PIN",
            "Users and passwords",
            "Clé WPA2",
            "SNMP community",
            "Annexe A",
        )
    )
)
_plain("two columns of prose", "#set page(columns: 2)")(
    _listed(
        "Le mot de passe doit être changé.", "Passwords are stored as salted hashes (SHA-256).", "Un code est demandé.",
        "Chaque utilisateur choisit son mot de passe.", "The key is exchanged by TLS 1.3.", "La clé est conservée.",
        "Identifiant et mot de passe sont personnels.", "Authentication: 802.1X, EAP-TLS.",
    )
)  # fmt: skip


# --- Written last, measured once --------------------------------------------------------------


@_layout("report of commissioning")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [
        ("1.1", "Adresse IP", h.ip(), "OK"),
        ("1.2", label, value, "OK"),
        ("1.3", "Horloge", "NTP", "OK"),
    ]
    cells = ", ".join(_c(one) for row in rows for one in row)
    head = "[N°], [Paramètre], [Valeur], [Contrôle]"
    return f"#table(columns: (12mm, 1fr, 1fr, 20mm), {head}, {cells})", value


@_layout("label on the device")
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    lines = f"{_q(h.device())} \\ {_q(h.ip())} \\ {_q(f'{h.user()}:{value}')}"
    return f"{_text(h)}#align(center)[#box(stroke: 1pt, inset: 5pt)[{lines}]]", value


@_layout("narrow columns", "#set text(size: 8pt)")
def _(h: Hand) -> tuple[str, str]:
    label, value = h.pair()
    rows = [
        ("Rep.", "IP", "Masque", "Login", label, "VLAN"),
        (h.device(), h.ip(), "/24", h.user(), value, "20"),
    ]
    cells = ", ".join(_c(one) for row in rows for one in row)
    return f"#table(columns: 6, inset: 3pt, {cells})", value


@_layout("wi-fi sheet")
def _(h: Hand) -> tuple[str, str]:
    value = h.password()
    key = h.chance.choice(("Clé de sécurité", "Clé WPA2-PSK", "Network key", "Mot de passe Wi-Fi"))
    rows = [("SSID", "SITE-TECH"), ("Sécurité", "WPA2-PSK"), (key, value)]
    return "\n\n".join(f"#strong[{_q(a)} :] {_q(b)}" for a, b in rows), value


@_layout("handwriting of an installer")
def _(h: Hand) -> tuple[str, str]:
    value = h.strong()
    said = h.chance.choice(
        (
            f"mdp cam {value}",
            f"NVR ok, mdp={value}",
            f"pass admin: {value}",
            f"code pin clavier {h.chance.randrange(1000, 9999)}",
        )
    )
    return f"{_q(said)}\n\n{_text(h)}", said.split()[-1].split("=")[-1]


@_layout("settings of a camera")
def _(h: Hand) -> tuple[str, str]:
    value = h.password()
    rows = [
        ("User name", h.user()),
        ("User password", value),
        ("RTSP port", "554"),
        ("Encoding", "H.265"),
    ]
    return "#terms(" + ", ".join(f"terms.item({_c(a)}, {_c(b)})" for a, b in rows) + ")", value


_plain("acceptance tests")(
    lambda h: _rows(
        4,
        [("N°", "Essai", "Attendu", "Résultat")]
        + [(str(n), t, a, "Conforme") for n, (t, a) in enumerate(h.chance.sample([
            ("Mot de passe par défaut", "Refusé"), ("Accès sans badge", "Refusé"), ("Code erroné", "Alarme"),
            ("Changement de mot de passe", "Accepté"), ("Communauté SNMP public", "Rejetée"),
            ("Connexion HTTPS", "TLS 1.2"), ("Clé Wi-Fi", "12 caractères"), ("Verrouillage", "3 essais")], 6), 1)],
    )
)  # fmt: skip
_plain("licence")(
    _listed(
        "You may not disclose your password to any third party.", "Access code: see your welcome letter.",
        "The Licensed Program requires an activation key.", "Any secret key remains the property of the Licensor.",
        "Support: log in at https://my.example.com with your account.", "User: the person who uses the Software.",
        "Password-protected areas are available to registered users only.", "Token: an item of authentication.",
    )
)  # fmt: skip
_plain("datasheet of a reader")(
    lambda h: _rows(2, h.chance.sample([
        ("Access modes", "Card / PIN / Card + PIN"), ("PIN length", "4 - 6 digits"), ("Users", "10 000"),
        ("Encryption", "AES-128, DES, 3DES"), ("Mifare keys", "DESFire EV2"), ("Interface", "Wiegand 26/34, RS-485"),
        ("User capacity", "50000"), ("Password", "Supported"), ("Operating code", "GB28181"), ("Login security", "3-level"),
        ("Clavier", "12 touches"), ("Codes utilisateurs", "500"), ("Security key storage", "TPM 2.0"), ("SNMP", "V3"),
    ], 11))
)  # fmt: skip
_plain("who has what")(
    lambda h: _rows(
        3,
        [("Utilisateur", "Accès", "Badge")]
        + [
            (n, a, f"{h.chance.randrange(10**4, 10**5)}")
            for n, a in (
                ("K. Belkacem", "Total"),
                ("C. Fontaine", "Bureaux"),
                ("Gardien", "Portail"),
            )
        ],
    )
)
_plain("privacy", "#set par(justify: true)")(
    _listed(
        "Les identifiants et mots de passe sont personnels ; leur titulaire en répond. La communauté des utilisateurs est tenue informée de tout changement du code de bonne conduite.",
        "Les données sont conservées 30 jours. L'accès aux images est réservé aux personnes habilitées et fait l'objet d'une traçabilité par compte nominatif.",
        "The administrator password shall be changed at first login; the key escrow procedure is described in the security policy of the company.",
        "Un jeton d'authentification est délivré à la connexion ; il expire au bout de quinze minutes d'inactivité.",
    )
)  # fmt: skip
_plain("delivery note")(
    lambda h: _rows(
        3,
        [("Référence", "Désignation", "Qté")]
        + [
            (f"{h.chance.randrange(10**6, 10**7)}", d, str(h.chance.randrange(1, 9)))
            for d in (
                "Clavier à code",
                "Lecteur PIN",
                "Clé de programmation",
                "Jeton RFID",
                "Licence utilisateur",
                "Serveur d'accès",
            )
        ],
    )
)


# --- The sets ---------------------------------------------------------------------------------


_LATE: Final = frozenset(
    {"report of commissioning", "label on the device", "narrow columns", "wi-fi sheet", "handwriting of an installer",
     "settings of a camera", "acceptance tests", "licence", "datasheet of a reader", "who has what", "privacy",
     "delivery note"}
)  # fmt: skip
"""Layouts that were written when the search was done."""


def held_out(layout: str) -> bool:
    """Whether a layout is judged on, and was not written with."""
    names = sorted({*_SECRET, *_ORDINARY} - _LATE)
    return layout in _LATE or names.index(layout) % 3 == 0


def is_late(layout: str) -> bool:
    """Whether a layout was written when the search was done: measured once, as it then was."""
    return layout in _LATE


_MADE_BY_MAKERS: Final = frozenset(
    {
        "specifications",
        "manual",
        "login screen",
        "certificate",
        "warranty",
        "pins",
        "keypad",
        "syntax",
        "codes of errors",
        "contents",
    }
)


def secret_sheets(part: str) -> Iterator[Sheet]:
    """Sheets each of whose pages holds a secret."""
    for name, make in _SECRET.items():
        if part == TUNING and held_out(name):
            continue
        content, values = make(Hand(part, name))
        family = ("plans", "wiring", "datasheets", "warranties")[len(name) % 4]
        yield Sheet(name, content, len(values), tuple(values), family)


def ordinary_sheets(part: str) -> Iterator[Sheet]:
    """Sheets without any."""
    for name, make in _ORDINARY.items():
        if part == TUNING and held_out(name):
            continue
        family = "datasheets" if name in _MADE_BY_MAKERS else "plans"
        yield Sheet(name, make(Hand(part, name)), PAGES, (), family)


if __name__ == "__main__":
    from tests.secret_figures import report

    report(sys.argv[1:2])
