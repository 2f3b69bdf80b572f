"""How payloads are read: like pydantic's converter, but nothing a person sends is dropped.

The SDK logs, and drops, a signal whose payload does not decode. Where no type is asked for (the
handlers of facts and the run take whatever comes), what cannot be read is handed over as
``Unreadable``, so that it is refused with a reason and kept. What is refused is answered with its
reason alone.

It does worse with a payload that says it is kept elsewhere (external storage): nothing is kept
elsewhere here, and before any converter or codec is asked, the task that brings one fails, and fails
again, for ever. Whoever may signal may say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.sdk.v1 import ExternalStorageReference
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import ApplicationError

_REFUSALS: Final = {"FactRefused", "InvalidContract"}


@dataclass(frozen=True)
class Unreadable:
    """A payload that is not JSON; its first bytes as text."""

    beginning: str


@dataclass(frozen=True)
class Undecipherable(Unreadable):
    """A payload that is encrypted with a key that this program does not have, or altered."""

    beginning: str = "(chiffré avec une clé inconnue)"


ENCRYPTED: Final = b"binary/encrypted"
"""The encoding of what ``encryption`` encrypted."""

NONSENSE: Final = b"binary/nonsense"
"""No converter knows it: what is renamed so is handed over as ``Unreadable``."""

_MARKED: Final = "__temporal_external_storage_reference"
_FORMER_REFERENCE: Final = b"json/external-storage-reference"
_REFERENCE: Final = ExternalStorageReference.DESCRIPTOR.full_name.encode()


class TolerantPayloadConverter(PydanticPayloadConverter):
    """Pydantic's converter, which hands over unreadable untyped payloads instead of failing."""

    def from_payloads(
        self, payloads: Sequence[Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        """Decode payloads; without type hints, an unreadable one becomes ``Unreadable``."""
        if type_hints is not None:
            return super().from_payloads(payloads, type_hints)
        return [self._read(payload) for payload in payloads]

    def _read(self, payload: Payload) -> Any:
        if payload.metadata.get("encoding") == ENCRYPTED:
            return Undecipherable()
        try:
            [value] = super().from_payloads([payload])
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it must not vanish
            return Unreadable(payload.data[:2_000].decode(errors="replace"))
        return value


def as_text(payload: Payload) -> str | Undecipherable:
    """What a payload holds, as it came, whatever its encoding."""
    if payload.metadata.get("encoding") == ENCRYPTED:
        return Undecipherable()
    return payload.data.decode(errors="replace")


class PlainFailureConverter(DefaultFailureConverter):
    """A refusal is told to a person: the web UI would show, below its reason, the files and lines
    of this program."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """Encode an exception; a refusal without its stack."""
        if isinstance(exception, ApplicationError) and exception.type in _REFUSALS:
            exception = exception.with_traceback(None)
        super().to_failure(exception, payload_converter, failure)


def kept_here(payload: Payload) -> Payload:
    """The payload itself; one that says it is kept elsewhere no longer says so, so that it is
    refused with what it holds, by whoever asked for it."""
    metadata = payload.metadata
    if not (
        metadata.get(_MARKED) == b"true"
        or metadata.get("encoding") == _FORMER_REFERENCE
        or metadata.get("messageType") == _REFERENCE
    ):
        return payload
    return Payload(metadata={"encoding": NONSENSE}, data=payload.data)


class TolerantDataConverter(DataConverter):
    """The SDK's, for a system that keeps no payload elsewhere: it never looks for one.

    The one method overridden is the first that the SDK gives whatever it receives to: activations,
    results, memos, failures. It is not public. What is public does not suffice: a storage driver is
    asked for a reference that is well formed and names it, and for nothing else; a codec is asked
    afterwards. ``tests/test_refused_payloads.py`` says on which versions this was proved, and
    proves it on a real server.
    """

    async def _decode_reference_payload_sequence(
        self, payloads: Sequence[Payload]
    ) -> list[Payload]:
        return [kept_here(payload) for payload in payloads]


data_converter: Final = TolerantDataConverter(
    payload_converter_class=TolerantPayloadConverter,
    failure_converter_class=PlainFailureConverter,
)
