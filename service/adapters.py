"""Sources of contracts that do not write our JSON: signing services and CRMs (docs/sources.md).

A source is a YAML file that says how its events are signed, which of them count, and where each
field of the contract is found in them. It is data: nothing in it is ever run.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import (
    Field,
    StrictBool,
    StrictStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from standardwebhooks import WebhookVerificationError

from process.contract import Contract
from process.fields import Instant, Line, Outside, Reference
from process.refusals import Problem, problems
from reception import Invalid
from service.mapping import Constant, Group, Reading, Value, Where, misfits
from service.raw_webhook import RawWebhook, every_signature
from settings import SettingsError

SOURCES: Final = Path(__file__).parent / "sources"
"""The sources that are shipped."""

MAX_FILE_BYTES: Final = 64_000
MAX_FILES: Final = 100

_LAST_NUMBER: Final = 100
"""Of numbered headers: DocuSign has up to 100 keys."""


# --- How it is signed ----------------------------------------------------------------------------


class StandardWebhooks(Outside):
    """Signed as our own clients sign, with the time: five minutes of tolerance."""

    scheme: Literal["standard-webhooks"]

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
        """Whether one of the secrets signed this."""
        signed = False
        for secret in filter(None, secrets):
            signed |= _standard(headers, body, secret)
        return signed


class HmacSha256(Outside):
    """The HMAC-SHA256 of the raw body in a header, or in several that end in ``-1``, ``-2``…"""

    scheme: Literal["hmac-sha256"]
    header: Annotated[StrictStr, StringConstraints(pattern=r"\A[A-Za-z0-9-]{1,100}\z")]
    numbered: StrictBool = False
    encoding: Literal["hex", "base64"]
    prefix: Annotated[StrictStr, StringConstraints(pattern=r"\A[!-~]{0,20}\z")] = ""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
        """Whether one of the secrets signed this. Every pair is compared: the time taken tells
        neither which secret nor which header was right."""
        given: dict[str, list[str]] = {}
        for name, value in headers.items():
            # Several of one name, or several in one, as a proxy may join them.
            given.setdefault(name.lower(), []).extend(map(str.strip, value.split(",")))
        names = [self.header.lower()]
        if self.numbered:
            names = [f"{names[0]}-{number}" for number in range(1, _LAST_NUMBER + 1)]
        found = [one.encode(errors="replace") for name in names for one in given.get(name, ())]
        signed = False
        for secret in filter(None, secrets):
            expected = self._signature(body, secret)
            for one in found:
                signed |= hmac.compare_digest(expected, one)
        return signed

    def _signature(self, body: bytes, secret: bytes) -> bytes:
        digest = hmac.new(secret, body, hashlib.sha256).digest()
        encoded = digest.hex().encode() if self.encoding == "hex" else base64.b64encode(digest)
        return self.prefix.encode() + encoded


_SIGNATURE: Final = "webhook-signature"


def _standard(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    signatures = [value for name, value in headers.items() if name.lower() == _SIGNATURE]
    given = dict(headers) | {_SIGNATURE: every_signature(signatures)}
    try:
        RawWebhook(secret).holds(body, given)
    except (WebhookVerificationError, ValueError):
        # ValueError: a malformed header.
        return False
    return True


# --- What it says --------------------------------------------------------------------------------


class SignatureEvent(Outside):
    """What completes a draft."""

    reference: Reference
    signed_at: Instant


@dataclass(frozen=True)
class Event:
    """An event that counts. ``content`` is what its sender could have posted as our JSON: a
    contract, a draft (without ``signed_at``), or the reference and the signature of a draft."""

    id: str
    content: dict[str, Any]

    @property
    def is_signature(self) -> bool:
        """Whether it only completes a draft."""
        return self.content.keys() == SignatureEvent.model_fields.keys()


@dataclass(frozen=True)
class Ignored:
    """An event that the source does not follow: to be acknowledged, without effect. ``path`` is
    where it differs from what is followed."""

    path: str


class Source(Outside):
    """A source file, checked."""

    name: Annotated[StrictStr, StringConstraints(pattern=r"\A[a-z0-9][a-z0-9_-]{0,63}\z")]
    signature: Annotated[StandardWebhooks | HmacSha256, Field(discriminator="scheme")]
    accept: dict[Where, Constant | Annotated[list[Constant], Field(min_length=1)]]
    id: Where
    maps: Group

    @field_validator("maps")
    @classmethod
    def _of_a_contract(cls, maps: Group) -> Group:
        completes = maps.root.keys() == SignatureEvent.model_fields.keys()
        wrong = misfits(maps, SignatureEvent if completes else Contract, spared={"signed_at"})
        reference = maps.root.get("reference")
        if isinstance(reference, Value) and reference.path is None:
            wrong.append(Problem("reference", "chemin attendu"))
        if wrong:
            raise ValueError(", ".join(f"{path} ({message})" for path, message in wrong))
        return maps

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
        """Whether this raw body was signed with one of the secrets, in constant time. Never
        without a secret."""
        return self.signature.verify(headers, body, secrets)

    def read(self, payload: dict[str, Any]) -> Event | Ignored:
        """What the event says. Raises ``Invalid`` with the path, in the event, of each field
        that is missing or cannot be read."""
        reading = Reading()
        for path, wanted in self.accept.items():
            value = reading.find(path, payload, "")
            if not any(
                type(value) is type(one) and value == one
                for one in (wanted if isinstance(wanted, list) else [wanted])
            ):
                reading.raise_problems()
                return Ignored(path.text)
        identifier = reading.value(Value(path=self.id, format="text"), payload, "")
        content = reading.value(self.maps, payload, "") or {}
        reading.raise_problems()
        try:
            _LINE.validate_python(identifier)
        except ValidationError:
            raise Invalid(
                Problem(self.id.text, "identifiant de 1 à 200 caractères attendu")
            ) from None
        event = Event(identifier, content)
        if event.is_signature:
            self._check_signature(content)
        return event

    def _check_signature(self, content: dict[str, Any]) -> None:
        try:
            SignatureEvent.model_validate(content)
        except ValidationError as error:
            raise Invalid(
                *(Problem(self._origin(path), message) for path, message in problems(error))
            ) from error

    def _origin(self, field: str) -> str:
        node = self.maps.root[field]
        return (node.place if isinstance(node, Value) else None) or field


_LINE: Final = TypeAdapter(Line)


# --- Files ----------------------------------------------------------------------------------


class _ForbiddenError(ValueError):
    """YAML that is well-formed, and still not wanted."""


class _Loader(yaml.SafeLoader):
    """Plain YAML: a file that refers to itself could grow without end, and of a key given twice
    one would be lost without a word."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise _ForbiddenError("ancres et alias YAML (& et *) interdits")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        names = [key.value for key, _ in node.value]
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise _ForbiddenError(f"clé « {repeated} » donnée deux fois")
        return super().construct_mapping(node, deep=deep)


def known_sources(own: Path | None = None) -> dict[str, Source]:
    """The sources that are shipped and those of the operator's ``own`` folder, by name: one of
    the same name replaces ours. Raises ``SettingsError``, like ``load_sources``."""
    if own is None:
        return load_sources()
    try:
        return load_sources() | load_sources(own)
    except SettingsError as error:
        raise SettingsError([f"ONBOARDING_SOURCES : {line}" for line in error.problems]) from None


def load_sources(folder: Path = SOURCES) -> dict[str, Source]:
    """The sources of a folder, by name: its YAML files, but for hidden ones. Raises
    ``SettingsError`` with every problem of every file."""
    try:
        files = sorted(
            file
            for file in folder.iterdir()
            if file.suffix in {".yaml", ".yml"} and not file.name.startswith(".")
        )
    except OSError as error:
        reason = "dossier absent" if isinstance(error, FileNotFoundError) else "dossier illisible"
        raise SettingsError([f"{reason} ({folder.name})"]) from None
    if len(files) > MAX_FILES:
        raise SettingsError([f"{MAX_FILES} fichiers au plus, {len(files)} trouvés"])
    sources, wrong = {}, []
    for file in files:
        try:
            source = Source.model_validate(_parsed(file))
        except ValidationError as error:
            wrong += [f"{file.name} : {problem}" for problem in problems(error)]
        except ValueError as error:
            wrong.append(f"{file.name} : {error}")
        else:
            if source.name != file.stem:
                wrong.append(f"{file.name} : name : « {file.stem} » attendu, comme le fichier")
            elif source.name in sources:
                wrong.append(
                    f"{file.name} : name : « {source.name} » est déjà dans un autre fichier"
                )
            sources[source.name] = source
    if wrong:
        raise SettingsError(wrong)
    return sources


def _parsed(file: Path) -> Any:
    try:
        # Links within the folder are how orchestrators mount files.
        if not file.resolve().is_relative_to(file.parent.resolve()):
            raise ValueError("lien vers l'extérieur du dossier")
        if not file.is_file():
            raise ValueError("fichier attendu")
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except (OSError, RuntimeError):
        # RuntimeError: a link that leads to itself.
        raise ValueError("fichier illisible") from None
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"fichier trop volumineux ({MAX_FILE_BYTES // 1000} ko au plus)")
    try:
        return yaml.load(content, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ValueError(
            f"YAML invalide (ligne {mark.line + 1})" if mark else "YAML invalide"
        ) from error
    except _ForbiddenError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # No text, nested too deep, or a date that does not exist.
        raise ValueError("YAML invalide") from error
