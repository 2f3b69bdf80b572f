"""Write ``docs/reglages.md`` from the settings themselves: ``python -m local.settings_table``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args, get_origin

from process.policy import Policy
from settings import PREFIX, CalendarSettings, Settings, names_by_file

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "reglages.md"

_HEAD: Final = """\
# Réglages

<!-- Écrit par « python -m local.settings_table » : ne pas modifier à la main. -->

Chaque réglage est une variable d'environnement ; vide, elle compte comme absente. Un réglage mal
écrit, inconnu ou hors limites arrête le programme, qui le nomme ; un mot de passe n'est jamais
montré. [`.env.example`](../.env.example) les contient tous, prêts à copier : les programmes ne
lisent aucun fichier d'eux-mêmes, c'est à celui qui les lance de poser les variables.
"""

_SECRETS: Final = """\
Un secret peut être donné par un fichier, comme Docker le fait : la variable du même nom suivie de
`_FILE` en donne le chemin, et le contenu du fichier est la valeur. Les deux à la fois sont refusées.
Ainsi : {names}.
"""

_POLICY: Final = """\
Chaque onboarding garde, pour toute sa vie, les valeurs en vigueur à son ouverture : un changement
ne vaut que pour les suivants. jo : jours ouvrés.
"""

_CALENDAR: Final = """\
Lus à l'ouverture de chaque onboarding et gardés avec lui. Les jours coutumiers (21 juillet en
Martinique, Vendredi saint en Guadeloupe…) ne sont pas légaux : c'est ici qu'on les ajoute.
"""

_TEMPORAL: Final = """\
## Serveur Temporal

Les variables sont celles de Temporal (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`,
`TEMPORAL_API_KEY`, `TEMPORAL_TLS_*`, `TEMPORAL_PROFILE`…) et son fichier de profils. Sans elles :
`localhost:7233`, espace `default`.
"""

_SERVICES: Final[dict[str, tuple[str, str]]] = {
    "mail_from": ("`mail` ou `Nom <mail>`", "Expéditeur des courriels"),
    "head_of_projects": ("`mail` ou `Nom <mail>`", "Direction de projets, qui reçoit les alertes"),
    "database_url": (
        "`sqlite:///chemin`, `postgresql://…`",
        "Registre : contrats, documents, courriels, état des onboardings",
    ),
    "documents_url": (
        "dossier, `s3://seau/préfixe`",
        "Documents émis et pièces reçues ; s3 : variables `AWS_*` habituelles",
    ),
    "inbox": ("dossier", "Pièces du DOE à lire, et procès-verbaux signés"),
    "doe_piece_max_mb": ("Mo, 2000 au plus", "Taille d'une pièce du DOE"),
    "smtp_host": ("nom ou adresse", "Serveur de messagerie"),
    "smtp_port": ("1 à 65535", "Port du serveur de messagerie"),
    "smtp_user": ("texte", "Identifiant ; toujours avec le mot de passe"),
    "smtp_password": ("secret", "Mot de passe ; toujours avec l'identifiant"),
    "smtp_security": ("`none`, `starttls` ou `tls`", "Chiffrement, exigé s'il est demandé"),
    "smtp_timeout_seconds": ("secondes, 600 au plus", "Silence au-delà duquel l'envoi est repris"),
    "smtp_data_timeout_seconds": (
        "secondes, 600 au plus",
        "Silence après la remise d'un message : au-delà, il a peut-être été reçu, un point est ouvert",
    ),
    "mail_automatic": (
        "`reminders`, `all` ou `none`",
        "Courriels qui se disent automatiques (`Auto-Submitted`) : rappels et internes, tous, aucun",
    ),
    "mail_attachments_max_mb": (
        "Mo, 100 au plus",
        "Pièces jointes d'un courriel ; au-delà, un lien (`ONBOARDING_PUBLIC_URL`)",
    ),
    "link_days": ("jours, 365 au plus", "Validité d'un lien vers un document"),
    "retention_documents_years": (
        "années, 100 au plus",
        "Conservation des documents après la clôture (`docs/donnees-personnelles.md`)",
    ),
    "retention_contacts_months": (
        "mois, 1200 au plus",
        "Conservation des noms et coordonnées après la clôture",
    ),
    "retention_deliveries_days": (
        "jours, 7 à 36500",
        "Conservation des brouillons et des messages reçus, sauf ceux d'un onboarding en cours",
    ),
    "sources": (
        "dossier",
        "Sources de contrats (`*.yaml`) ajoutées aux livrées, ou qui les remplacent par leur nom",
    ),
    "webhook_secrets": (
        "`nom=whsec_…,nom=whsec_…`",
        "Clés de ceux qui parlent au service HTTP, et des services de signature",
    ),
    "encryption_keys": (
        "`id=base64,…`",
        "Chiffrement des historiques : la première clé chiffre, toutes déchiffrent",
    ),
    "codec_tokens": (
        "`nom:read=jeton,nom:act=jeton`",
        "Qui peut lire les historiques chiffrés dans l'interface web (`read`), et y écrire (`act`)",
    ),
    "codec_origin": (
        "`https://hôte[:port]`",
        "Origine de l'interface web, seule à pouvoir faire appel au serveur de déchiffrement",
    ),
    "public_url": (
        "`https://…`",
        "Adresse du service HTTP, pour les liens vers les documents trop volumineux",
    ),
    "build_id": (
        "64 caractères au plus",
        "Version du code, que le serveur Temporal distingue alors (`docs/upgrades.md`)",
    ),
    "log_format": ("`text` ou `json`", "Journaux du worker et du service HTTP, une ligne chacun"),
    "metrics_address": (
        "`adresse IP:port`",
        "Mesures Prometheus (`/metrics`) du worker ou du service, chacun les siennes",
    ),
    "traces_endpoint": ("`http://…`", "Collecteur OpenTelemetry (OTLP/HTTP) des traces"),
}
"""The form and the meaning of the settings that are no duration and no calendar."""

_UNITS: Final = {"jo": "jo", "days": "jours", "hours": "heures"}


def page() -> str:
    """The whole page, as it must be in the repository."""
    services = {
        name: field
        for name, field in Settings.model_fields.items()
        if name not in {"policy", "calendar"}
    }
    if different := ", ".join(sorted(_SERVICES.keys() ^ services.keys())):
        raise ValueError(f"réglages à décrire ici, ou à ne plus décrire : {different}")
    sections = [
        _HEAD,
        _SECRETS.format(names=", ".join(f"`{name}`" for name in sorted(names_by_file()))),
        "## Services\n",
        *_table((name, services[name], *told) for name, told in _SERVICES.items()),
        "## Jours travaillés\n",
        _CALENDAR,
        *_table(_described(CalendarSettings.model_fields)),
        "## Process\n",
        _POLICY,
        *_table(_described(Policy.model_fields)),
        _TEMPORAL,
    ]
    return "\n".join(sections)


def _described(
    fields: dict[str, FieldInfo],
) -> Iterator[tuple[str, FieldInfo, str, str]]:
    for name, field in fields.items():
        meaning = re.sub(r"(?<! ): ", " : ", field.description or "")
        yield name, field, _form(name, field), meaning


def _table(rows: Iterator[tuple[str, FieldInfo, str, str]]) -> Iterator[str]:
    yield "| réglage | forme | défaut | effet |"
    yield "|---|---|---|---|"
    for name, field, form, meaning in rows:
        yield f"| `{PREFIX}{name.upper()}` | {form} | {_default(field)} | {meaning} |"
    yield ""


def _form(name: str, field: FieldInfo) -> str:
    """How a value is written, with its bounds and its unit."""
    kind = field.annotation
    unit = _UNITS.get(name.rpartition("_")[2], "")
    if kind is bool:
        return "`true` ou `false`"
    if kind is time:
        return "`HH:MM`"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        return f"{unit}, séparés par des virgules"
    if get_origin(kind) is frozenset:
        return "`AAAA-MM-JJ,…`"
    if get_origin(kind) is dict:
        return "`zone:AAAA-MM-JJ,…`"
    low = next(m.ge for m in field.metadata if hasattr(m, "ge"))
    high = next(m.le for m in field.metadata if hasattr(m, "le"))
    return f"{low} à {high} {unit}".strip()


def _default(field: FieldInfo) -> str:
    """The default, as it would be written."""
    if field.is_required():
        return "**obligatoire** (worker)"
    value = field.default
    if value is None or value in ({}, frozenset(), ()):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, time):
        return f"`{value:%H:%M}`"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value}`".replace("sqlite+aiosqlite", "sqlite")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
