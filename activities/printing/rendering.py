"""Turns an order and a contract into the bytes of a PDF. Pure: no Temporal, no register, no
clock; the same order on the same contract always gives the same bytes.

The facts reach the templates as JSON, never as template text: nothing a person wrote is ever
read as typst code. The files are PDF/A-2a (archival) and PDF/UA-1 (accessible).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import typst

from activities.printing.changes import changes
from activities.printing.glyphs import Printable
from activities.printing.typography import tidy
from process import vocabulary
from process.contract import Contract
from process.documents import DOCUMENT_KINDS, DocumentKind
from process.french import full_date, full_instant
from process.orders import DocumentOrder, Recipient

TEMPLATES: Final = Path(__file__).resolve().parent.parent.parent / "templates"
_DOCUMENTS: Final = TEMPLATES / "documents"
_FONTS: Final = TEMPLATES / "fonts"
_STANDARDS: Final[list[typst.PDFStandard]] = ["a-2a", "ua-1"]
_PARIS: Final = ZoneInfo("Europe/Paris")

_NAMES: Final = {
    "roles": vocabulary.ROLE_NAMES,
    "project_kinds": vocabulary.PROJECT_KIND_NAMES,
    "equipment_families": vocabulary.EQUIPMENT_FAMILY_NAMES,
    "severities": vocabulary.SEVERITY_NAMES,
    "decisions": vocabulary.DECISION_NAMES,
    "doe_families": vocabulary.DOE_FAMILY_NAMES,
    "grid_results": vocabulary.GRID_RESULT_NAMES,
    "verdicts": vocabulary.VERDICT_NAMES,
    "steps": {str(number): title for number, title in vocabulary.STEP_TITLES.items()},
    "documents": {kind.kind: kind.title for kind in DOCUMENT_KINDS.values()},
}

_HEADER: Final = {
    "reference": "la référence",
    "version": "la version",
    "dated_on": "la date",
    "contract.client.name": "le client",
    "contract.reference": "la référence du contrat",
    "sites": "au moins un site",
    "issuer": "l'émetteur",
    "recipients": "au moins un destinataire",
}
"""What every document bears, and how a person calls it (PROCESS, section 7)."""

_CALLED: Final = {**_HEADER, "contract.maintenance": "le contrat de maintenance"}


class DocumentIncomplete(Exception):  # noqa: N818 - it states a situation
    """A mandatory field is missing: the document is not issued (PROCESS, section 7).

    ``missing`` holds the dotted paths of the fields.
    """

    def __init__(self, title: str, missing: list[str]) -> None:
        self.missing = missing
        named = ", ".join(_CALLED.get(path, path) for path in missing)
        super().__init__(f"« {title} » ne peut pas être émis, il manque : {named}.")


class DocumentImpossible(Exception):  # noqa: N818
    """The document cannot be produced. The message is French and tells nothing of this machine;
    ``diagnostic`` is for the log of the worker."""

    def __init__(self, reference: str, reason: str, diagnostic: str = "") -> None:
        self.diagnostic = diagnostic
        super().__init__(f"Le document {reference} n'a pas pu être produit : {reason}.")


def render(
    order: DocumentOrder, contract: Contract, former: Mapping[str, Any] | None = None
) -> bytes:
    """The PDF of one version of one document.

    ``former`` is the data of the version that ``order.replaces`` names: the title block then says
    what changed.

    Raises DocumentIncomplete when a mandatory field is missing, DocumentImpossible when the kind
    is unknown or typst refuses.
    """
    kind = DOCUMENT_KINDS.get(order.kind)
    if kind is None:
        raise DocumentImpossible(order.reference, f"genre de document inconnu « {order.kind} »")
    context = _context(kind, order, contract, former)
    if missing := _missing(kind, context):
        raise DocumentIncomplete(kind.title, missing)
    try:
        content, warnings = typst.compile_with_warnings(
            _DOCUMENTS / f"{kind.kind}.typ",
            root=_DOCUMENTS,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(context, ensure_ascii=False)},
            pdf_standards=_STANDARDS,
            timestamp=datetime.combine(date.fromisoformat(order.dated_on), time(), UTC),
            format="pdf",
        )
    except typst.TypstError as error:
        raise DocumentImpossible(
            order.reference, "la mise en page a échoué", error.diagnostic
        ) from error
    if warnings:
        raise DocumentImpossible(
            order.reference,
            "la mise en page a donné un avertissement",
            "\n".join(warning.message for warning in warnings),
        )
    return content


@cache
def _fonts() -> typst.Fonts:
    """Only our fonts: the same bytes on every machine."""
    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[_FONTS]
    )


@cache
def _printable() -> Printable:
    return Printable(sorted(_FONTS.glob("*.ttf")))


def _context(
    kind: DocumentKind,
    order: DocumentOrder,
    contract: Contract,
    former: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Everything a template may print, as plain JSON."""
    agreed = contract.model_dump(mode="json", exclude={"history"})
    agreed["signed_at"] = contract.signed_at.astimezone(_PARIS).isoformat()
    if contract.maintenance is not None and isinstance(contract.maintenance.effective, date):
        agreed["maintenance"]["effective_on"] = agreed["maintenance"]["effective"]
    data = order.model_dump(mode="json")["data"]
    sites = [site for code in order.sites if (site := contract.site(code)) is not None]
    context = {
        "kind": kind.kind,
        "title": kind.title,
        "process": vocabulary.PROCESS_REFERENCE,
        "confidential": kind.confidential,
        "reference": order.reference,
        "version": order.version if order.version > 0 else None,
        "replaces": order.replaces or _corrected(data),
        "changes": changes(former, data) if former is not None else [],
        "dated_on": order.dated_on,
        "contract": agreed,
        "sites": [site.model_dump(mode="json") for site in sites],
        "families": list(contract.families),
        "issuer": _person(order.issuer) if order.issuer else None,
        "recipients": [_person(recipient) for recipient in order.recipients],
        "names": _NAMES,
        "data": data,
    }
    shown: dict[str, Any] = _shown(context)
    return shown


def _corrected(data: Mapping[str, Any]) -> str | None:
    """The version that a correction replaces, where only the data of the order tells it."""
    replaces = data.get("replaces")
    return replaces.get("reference") if isinstance(replaces, Mapping) else None


def _person(recipient: Recipient) -> dict[str, Any]:
    """A person as a document names them; their role when they have no name (a setting)."""
    role = vocabulary.ROLE_NAMES[recipient.role]
    return {**recipient.model_dump(mode="json"), "role_name": role, "name": recipient.name or role}


def _shown(value: object, key: str = "") -> Any:
    """The same value, printable and tidy, with a ``_fr`` key in words beside every date and
    instant."""
    if isinstance(value, str):
        return _printable()(tidy(value, key))
    if isinstance(value, Mapping):
        shown: dict[str, Any] = {}
        for field, item in value.items():
            name = _printable()(str(field))
            shown[name] = _shown(item, name)
            if isinstance(item, str) and name.rpartition("_")[2] in {"on", "at"}:
                shown[f"{name}_fr"] = _in_words(name, item)
        return shown
    if isinstance(value, (list, tuple)):
        return [_shown(item, key) for item in value]
    return value


def _in_words(key: str, value: str) -> str | None:
    """``mardi 6 mai 2025`` or ``mardi 6 mai 2025 à 9 h 05``; None if it cannot be read."""
    try:
        if key.endswith("on"):
            return full_date(date.fromisoformat(value))
        return full_instant(datetime.fromisoformat(value))
    except ValueError:
        return None


def _missing(kind: DocumentKind, context: dict[str, Any]) -> list[str]:
    """The mandatory paths that hold nothing, or a date that cannot be read."""
    own = (p if p.startswith("contract.") else f"data.{p}" for p in kind.mandatory)
    return [path for path in (*_HEADER, *own) if not _is_given(context, path)]


def _is_given(context: dict[str, Any], path: str) -> bool:
    *parents, key = path.split(".")
    holder: Any = context
    for parent in parents:
        holder = holder.get(parent) if isinstance(holder, Mapping) else None
    if not isinstance(holder, Mapping) or holder.get(f"{key}_fr", key) is None:
        return False
    value = holder.get(key)
    # In the header an empty list is a hole; in the facts it says that there is nothing.
    return value is not None and value != "" and (value != [] or path not in _HEADER)
