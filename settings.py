"""The settings: every ``ONBOARDING_*`` environment variable (DESIGN, section 2).

Temporal's own variables (``TEMPORAL_*``) are read by ``temporalio.envconfig``, not here.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import re
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from process.fields import Day, Email, Line
from process.policy import Policy
from process.vocabulary import Zone
from register.address import with_driver

PREFIX: Final = "ONBOARDING_"

_FOR_THE_TESTS: Final = f"{PREFIX}TEST_"
"""Variables behind this prefix steer the tests; the programs leave them alone."""


_SIGNING_KEY_SIZES: Final = range(24, 65)
"""Bytes, as Standard Webhooks asks."""

_ENCRYPTION_KEY_SIZE: Final = 32
"""Bytes."""

_LAST_PORT: Final = 65_535

_BY_FILE: Final = "_FILE"
"""Ends the name of the variable that gives the path of a secret instead of the secret."""

_SECRET_FILE_BYTES: Final = 64_000
"""More than any secret of ours; a path to something else is told, not read."""

_CODEC_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,128}")
"""Long enough that none is ever guessed."""


class SettingsError(Exception):
    """The settings are wrong: one French line a problem, never with a value of a secret."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


Automatic = Literal["all", "reminders", "none"]


class Mailbox(BaseModel):
    """A name, if any, and an address: written ``mail`` or ``Name <mail>``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Line | None = None
    email: Email

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = re.fullmatch(r'\s*"?(?P<name>[^<>"]*?)"?\s*<(?P<email>[^<>]*)>\s*', value)
        if named is None:
            return {"email": value.strip()}
        return {"name": named["name"].strip() or None, "email": named["email"].strip()}


class CodecToken(BaseModel):
    """Who may use the codec server: to read, or to write too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    right: Literal["read", "act"]
    secret: SecretStr


def _entries(value: object) -> object:
    """``a, b`` → ``["a", "b"]``; what is not text was given by the program and is kept."""
    if not isinstance(value, str):
        return value
    return [entry.strip() for entry in value.split(",") if entry.strip()]


_DAY: Final[TypeAdapter[date]] = TypeAdapter(Day)


def _day(text: str) -> date:
    try:
        return _DAY.validate_python(text.strip())
    except ValueError:
        # Not chained: the reader needs the form, not Python's own words.
        raise ValueError(f"date attendue, par exemple 2026-05-15, et non « {text[:40]} »") from None


def _days(value: object) -> object:
    entries = _entries(value)
    return [_day(entry) for entry in cast("list[str]", entries)] if entries is not value else value


def _days_by_zone(value: object) -> object:
    entries = _entries(value)
    if entries is value:
        return value
    days: dict[str, list[date]] = {}
    for entry in cast("list[str]", entries):
        zone, separator, day = entry.partition(":")
        if not separator:
            raise ValueError("forme attendue : zone:AAAA-MM-JJ, par exemple guadeloupe:2026-04-03")
        days.setdefault(zone.strip(), []).append(_day(day))
    return days


def _named_secrets(value: object) -> object:
    """``name=secret,name=secret`` → the secrets of each name. Secrets are never quoted back."""
    entries = _entries(value)
    if entries is value:
        return value
    secrets: dict[str, list[str]] = {}
    for entry in cast("list[str]", entries):
        name, separator, secret = entry.partition("=")
        if not separator or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise ValueError("forme attendue : nom=secret, séparés par des virgules")
        secrets.setdefault(name, []).append(secret)
    return secrets


def _codec_tokens(value: object) -> object:
    """``name:read=secret,name:act=secret`` → the tokens. Secrets are never quoted back."""
    entries = _entries(value)
    if entries is value:
        return value
    tokens = []
    for entry in cast("list[str]", entries):
        who, _, secret = entry.partition("=")
        named = re.fullmatch(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63}):(?P<right>read|act)", who)
        if named is None:
            raise ValueError(
                "forme attendue : nom:read=jeton ou nom:act=jeton, séparés par des virgules"
            )
        if not _CODEC_TOKEN.fullmatch(secret):
            raise ValueError(
                f"{named['name']} : jeton de 32 à 128 lettres, chiffres, « - » ou « _ » attendu"
            )
        tokens.append({**named.groupdict(), "secret": secret})
    if len({token["secret"] for token in tokens}) < len(tokens):
        raise ValueError("un même jeton est donné deux fois")
    return tokens


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


Days = Annotated[frozenset[date], BeforeValidator(_days)]
DaysByZone = Annotated[dict[Zone, frozenset[date]], BeforeValidator(_days_by_zone)]
NamedSecrets = Annotated[dict[str, tuple[SecretStr, ...]], BeforeValidator(_named_secrets)]
CodecTokens = Annotated[tuple[CodecToken, ...], BeforeValidator(_codec_tokens)]


class CalendarSettings(BaseModel):
    """What Mileo adds to the public holidays, or takes from them (PROCESS, section 3.5)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mileo_zone: Zone = Field(default="metropole", description="Zone des jours fériés de Mileo")
    mileo_closed_days: Days = Field(
        default=frozenset(), description="Jours chômés en plus chez Mileo"
    )
    mileo_open_days: Days = Field(
        default=frozenset(), description="Jours fériés travaillés chez Mileo"
    )
    site_closed_days: DaysByZone = Field(
        default={}, description="Jours chômés en plus, par zone de site"
    )
    site_open_days: DaysByZone = Field(
        default={}, description="Fériés travaillés, par zone de site"
    )

    unusual_holidays: Literal["ask", "library", "law"] = Field(
        default="ask", description="Fériés autres que ceux connus : demander, suivre, ignorer"
    )

    @model_validator(mode="after")
    def _not_both(self) -> CalendarSettings:
        pairs = [("MILEO_OPEN_DAYS", self.mileo_open_days & self.mileo_closed_days)]
        pairs += [
            ("SITE_OPEN_DAYS", days & self.site_closed_days.get(zone, frozenset()))
            for zone, days in self.site_open_days.items()
        ]
        for name, both in pairs:
            if both:
                raise ValueError(
                    f"{PREFIX}{name} : {min(both)} est à la fois un jour chômé et travaillé"
                )
        return self


_SECTIONS: Final[dict[str, type[BaseModel]]] = {"policy": Policy, "calendar": CalendarSettings}
"""Fields that gather several variables, each named after a field of the model."""


class CommandSettings(BaseSettings):
    """The settings of a command that sends no mail: who writes and who is alerted may miss."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: str = Field(default=with_driver("sqlite:///var/onboarding.db"), repr=False)
    documents_url: str = "var/documents"
    inbox: Path = Path("var/inbox")
    doe_piece_max_mb: int = Field(default=200, ge=1, le=2_000)
    """The size of one file of the DOE, in megabytes (10⁶ bytes)."""

    smtp_host: Line = "localhost"
    smtp_port: int = Field(default=25, ge=1, le=65_535)
    smtp_user: Line | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_timeout_seconds: float = Field(default=300, gt=0, le=600)
    """The patience of one command (RFC 5321, section 4.5.3.2)."""
    smtp_data_timeout_seconds: float = Field(default=600, gt=0, le=600)
    """The patience after the final dot of a message. A worker that stops waits for as long
    (``worker.GRACE``), and so does whoever stops it."""
    mail_automatic: Automatic = "reminders"
    """Which mails say that a machine wrote them (``Auto-Submitted``)."""
    mail_attachments_max_mb: float = Field(default=7, gt=0, le=100)
    """What one mail may carry, in megabytes (10⁶ bytes) of files; a third more once encoded."""
    link_days: int = Field(default=30, ge=1, le=365)
    """How long a link to a document stays open."""

    retention_documents_years: int = Field(default=10, ge=1, le=100)
    """How long the documents of an onboarding are kept once it is over."""
    retention_contacts_months: int = Field(default=36, ge=1, le=1_200)
    """How long its people are named."""
    retention_deliveries_days: int = Field(default=400, ge=7, le=36_500)
    """How long drafts, and messages of other services, are kept."""

    mail_from: Mailbox | None = None
    head_of_projects: Mailbox | None = None

    sources: Path | None = None
    """A folder of sources of contracts beside those that are shipped (docs/sources.md)."""
    webhook_secrets: NamedSecrets = {}
    encryption_keys: NamedSecrets = {}
    codec_tokens: CodecTokens = ()
    codec_origin: str | None = None
    public_url: str | None = None

    build_id: str | None = None
    """The version of the code that this program is, where the server tells versions apart."""

    log_format: Literal["text", "json"] = "text"
    metrics_address: str | None = None
    """``host:port`` of this program's own metrics."""
    traces_endpoint: str | None = None

    calendar: CalendarSettings = Field(default_factory=CalendarSettings)
    policy: Policy = Policy.model_validate({})

    @field_validator("database_url")
    @classmethod
    def _driven(cls, value: str) -> str:
        return with_driver(value)

    @field_validator("documents_url")
    @classmethod
    def _stored(cls, value: str) -> str:
        if "://" in value and not re.fullmatch(r"s3://[^/]+(/.*)?", value):
            raise ValueError("chemin d'un dossier ou s3://bucket/prefixe attendu")
        return value

    @field_validator("build_id")
    @classmethod
    def _built(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
            raise ValueError("lettres, chiffres, « . », « _ » ou « - » attendus, 64 au plus")
        return value

    @field_validator("metrics_address")
    @classmethod
    def _listened(cls, value: str | None) -> str | None:
        named = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\d.]+):(?P<port>\d{1,5})", value or "")
        if value is not None and (named is None or not 0 < int(named["port"]) <= _LAST_PORT):
            raise ValueError("adresse IP et port attendus, par exemple 127.0.0.1:9464")
        return value

    @field_validator("traces_endpoint")
    @classmethod
    def _collected(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
            raise ValueError("adresse attendue : http://… ou https://…, sans identifiant")
        return value

    @field_validator("public_url")
    @classmethod
    def _linked(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", value):
            raise ValueError("adresse attendue : https://…")
        return value

    @field_validator("codec_origin")
    @classmethod
    def _an_origin(cls, value: str | None) -> str | None:
        # As a browser writes it: no path, no default port, lower case.
        if value is not None and not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", value):
            raise ValueError("origine attendue, sans chemin : https://temporal.exemple.fr")
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _signing(cls, value: dict[str, tuple[SecretStr, ...]]) -> dict[str, tuple[SecretStr, ...]]:
        for name, secrets in value.items():
            for secret in secrets:
                kind, _, encoded = secret.get_secret_value().partition("_")
                key = _decoded(encoded) if kind == "whsec" else None
                if key is None or len(key) not in _SIGNING_KEY_SIZES:
                    raise ValueError(f"{name} : whsec_ suivi de 24 à 64 octets en base64 attendu")
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _encrypting(
        cls, value: dict[str, tuple[SecretStr, ...]]
    ) -> dict[str, tuple[SecretStr, ...]]:
        for name, secrets in value.items():
            if len(secrets) > 1:
                raise ValueError(f"{name} : identifiant de clé en double")
            key = _decoded(secrets[0].get_secret_value())
            if key is None or len(key) != _ENCRYPTION_KEY_SIZE:
                raise ValueError(f"{name} : clé de 32 octets en base64 attendue")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> CommandSettings:
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError(
                f"{PREFIX}SMTP_USER et {PREFIX}SMTP_PASSWORD vont ensemble : il en manque un"
            )
        if self.policy.verdict_redo_score > self.policy.verdict_success_score:
            raise ValueError(
                f"{PREFIX}VERDICT_REDO_SCORE dépasse {PREFIX}VERDICT_SUCCESS_SCORE : "
                "une note serait à la fois réussie et à reprendre"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the program gives, else the environment."""
        return init_settings, _Environment(settings_cls)


class Settings(CommandSettings):
    """The settings of a program that sends mail: the sender and the head of projects are due."""

    mail_from: Mailbox
    head_of_projects: Mailbox


class _Environment(PydanticBaseSettingsSource):
    """The environment as plain text: pydantic-settings would want JSON for a list or a model."""

    def __call__(self) -> dict[str, Any]:
        """Raises ``SettingsError`` for the secrets whose file cannot be read."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except SettingsError as error:
                problems += error.problems
                continue
            if value is not None:
                values[name] = value
        if problems:
            raise SettingsError(problems)
        return values

    def get_field_value(
        self,
        field: FieldInfo,
        field_name: str,
    ) -> tuple[Any, str, bool]:
        section = _SECTIONS.get(field_name)
        if section is None:
            text = _secret(field_name) if _is_secret(field) else _text(field_name)
            return text, field_name, False
        gathered = {
            name: _typed(text, part)
            for name, part in section.model_fields.items()
            if (text := _text(name)) is not None
        }
        return gathered or None, field_name, False


def _text(field_name: str) -> str | None:
    """The variable of a field. An empty one is not set: Docker Compose passes those."""
    return os.environ.get(PREFIX + field_name.upper(), "").strip() or None


def _is_secret(field: FieldInfo) -> bool:
    """A secret, or an address that may carry a password."""
    return not field.repr or _holds_secret(field.annotation)


def _holds_secret(kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return any(_holds_secret(field.annotation) for field in kind.model_fields.values())
    return kind is SecretStr or any(_holds_secret(part) for part in get_args(kind))


def _secret(field_name: str) -> str | None:
    """A secret, from its variable or from the file that its other variable names: files are what
    Docker and its kin hand over, and no other process sees them. Raises ``SettingsError``."""
    text, path = _text(field_name), _text(field_name + _BY_FILE)
    if path is None:
        return text
    name = PREFIX + field_name.upper()
    if text is not None:
        raise SettingsError([f"{name} et {name}{_BY_FILE} : l'un ou l'autre, pas les deux"])
    try:
        with Path(path).open("rb") as file:
            content = file.read(_SECRET_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            [f"{name}{_BY_FILE} : fichier illisible ({error.strerror}) : {path}"]
        ) from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if len(content) > _SECRET_FILE_BYTES or "\0" in text:
        raise SettingsError([f"{name}{_BY_FILE} : un court texte UTF-8 est attendu : {path}"])
    # Empty, it is not set, as a variable.
    return text.strip() or None


def _typed(text: str, field: FieldInfo) -> object:
    if get_origin(field.annotation) is tuple:
        return _entries(text)
    if field.annotation is time and not re.fullmatch(r"\d\d:\d\d", text):
        return ""  # Refused as an hour: pydantic would take "9" for nine seconds past midnight.
    return text


def known_names() -> set[str]:
    """The name of every setting, as an environment variable."""
    fields = (set(CommandSettings.model_fields) - set(_SECTIONS)).union(
        *(section.model_fields for section in _SECTIONS.values())
    )
    return {PREFIX + field.upper() for field in fields}


def names_by_file() -> set[str]:
    """The variables that name the file of a secret, instead of the secret itself."""
    return {
        PREFIX + name.upper() + _BY_FILE
        for name, field in CommandSettings.model_fields.items()
        if _is_secret(field)
    }


def load_settings() -> Settings:
    """Read and check all the settings. Raises ``SettingsError``."""
    return _load(Settings)


def load_command_settings() -> CommandSettings:
    """Read and check the settings for a command that sends no mail: the sender and the head of
    projects may be absent, all that is given is checked. Raises ``SettingsError``."""
    return _load(CommandSettings)


S = TypeVar("S", bound=CommandSettings)


def _load(kind: type[S]) -> S:
    problems = _misspelt()
    settings = None
    try:
        settings = kind()
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors(include_input=False)]
    except SettingsError as error:
        problems += error.problems
    # Outside the handler: pydantic's error, which quotes values, must not be chained to ours.
    if settings is None or problems:
        raise SettingsError(problems)
    return settings


def _misspelt() -> list[str]:
    """Variables nobody would read, each with the nearest known name."""
    known = known_names() | names_by_file()
    problems = []
    for name in sorted(os.environ):
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper.startswith(_FOR_THE_TESTS) or name in known:
            continue
        near = difflib.get_close_matches(upper, known, n=1)
        hint = f" ; vouliez-vous dire {near[0]} ?" if near else ""
        problems.append(f"{name} : réglage inconnu{hint}")
    return problems


_REASONS: Final[dict[str, str]] = {
    "missing": "réglage obligatoire, absent",
    "int_parsing": "nombre entier attendu",
    "int_from_float": "nombre entier attendu",
    "float_parsing": "nombre attendu",
    "finite_number": "nombre attendu",
    "bool_parsing": "true ou false attendu",
    "time_parsing": "heure attendue, par exemple 08:00",
    "greater_than": "doit être supérieur à {gt}",
    "greater_than_equal": "doit être au moins {ge}",
    "less_than_equal": "doit être au plus {le}",
    "literal_error": "valeurs possibles : {expected}",
    "string_too_long": "texte trop long ({max_length} caractères au plus)",
    "value_error": "{error}",
}


def _problem(detail: ErrorDetails) -> str:
    """One French line for one of pydantic's errors, without the value."""
    context = {key: _french(str(value)) for key, value in detail.get("ctx", {}).items()}
    reason = _REASONS.get(detail["type"], "valeur invalide").format(**context)
    path = [part for part in detail["loc"] if part not in _SECTIONS]
    # A problem between several settings names them itself.
    return f"{PREFIX}{str(path[0]).upper()} : {reason}" if path else reason


def _french(text: str) -> str:
    return text.replace("' or '", "', '").replace("'", "") if text.startswith("'") else text
