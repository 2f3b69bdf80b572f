"""The files of a DOE, for the demonstration and the tests: plans, diagrams, configurations,
datasheets, certificates and signed minutes, as a project manager would put them in the inbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst

if TYPE_CHECKING:
    from process.contract import Contract, Equipment

_TEMPLATE: Final = Path(__file__).with_suffix(".typ")
_FONTS: Final = Path(__file__).resolve().parent.parent / "templates" / "fonts"
_CONFIGURATION: Final = """\
! Sauvegarde de la configuration, {tag}
hostname {tag}
enable secret 9 $9$2MJBozw/9R3UsU$2lFhcKvpghcyw8deP25GOfyZaagyUOGBymkryvOdfo6
username mileo privilege 15 secret 9 $9$LkFJ6eQ1bV0xYk$Vb7Zr0f0m3yC7hEo9cS6G6y0y3V2
snmp-server community Authion-2031 RO
interface GigabitEthernet1/0/1
 description vers la baie A
 switchport access vlan 120
end
"""


def write_pieces(inbox: Path, contract: Contract) -> dict[str, str]:
    """Write the files of the contract's DOE in the inbox, under its reference.

    Returns the ``uri`` of each: by family, by ``datasheet:TAG``, and the signed minutes under
    ``signed``.
    """
    folder = inbox / contract.reference
    uris = {}
    for name, kind, title, items in _drawn(contract):
        path = folder / f"{name.replace(':', '/').lower()}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_pdf(contract, kind, title, items))
        uris[name] = str(path.relative_to(inbox))
    saved = folder / "configurations.txt"
    saved.write_text(
        "".join(_CONFIGURATION.format(tag=item.tag) for item in contract.equipment),
        encoding="utf-8",
    )
    return {**uris, "configurations": str(saved.relative_to(inbox))}


def _drawn(contract: Contract) -> list[tuple[str, str, str, list[Equipment]]]:
    everything = list(contract.equipment)
    return [
        ("plans", "plan", "Plan d'implantation, tel que posé", everything),
        ("wiring", "wiring", "Synoptique de câblage", everything),
        ("certificates", "certificates", "Attestation de conformité", everything),
        ("signed", "signed", "Procès-verbal de recette", everything),
        *(
            (f"datasheet:{item.tag}", "datasheet", f"{item.manufacturer} {item.model}", [item])
            for item in everything
        ),
    ]


def _pdf(contract: Contract, kind: str, title: str, items: list[Equipment]) -> bytes:
    data = {
        "kind": kind,
        "title": title,
        "author": items[0].manufacturer if kind == "datasheet" else "Mileo Technology",
        "client": contract.client.name,
        "reference": contract.reference,
        "items": [
            {**item.model_dump(mode="json"), "port": number}
            for number, item in enumerate(items, start=1)
        ],
    }
    return typst.compile(
        _TEMPLATE,
        root=_TEMPLATE.parent,
        font_paths=[_FONTS],
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        format="pdf",
    )
