"""Payloads leave this machine encrypted: the server and its database see none of their content.

``ONBOARDING_ENCRYPTION_KEYS`` names the keys; the first encrypts, all decrypt, so that a key can be
replaced while runs that began with it are under way (docs/operations.md).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    PayloadCodec,
)

from workflows.converter import ENCRYPTED, NONSENSE, PlainFailureConverter, data_converter

if TYPE_CHECKING:
    from pydantic import SecretStr

_KEY_ID: Final = "encryption-key-id"
_NONCE_BYTES: Final = 12
"""Drawn at random for each payload: 2³² of them under one key keep the odds of a repeat below 2⁻³²
(NIST SP 800-38D, 8.3)."""


class EncryptionCodec(PayloadCodec):
    """AES-256-GCM over whole payloads, metadata included. The id of the key travels in clear and is
    authenticated with the content."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """``keys`` by id, 32 bytes each; the first encrypts. Raises ``ValueError`` without any."""
        if not keys:
            raise ValueError("at least one key is needed")
        self._ciphers = {id_: AESGCM(key) for id_, key in keys.items()}
        self._current = next(iter(keys))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload."""
        return [self._encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted. What came in clear (the web UI's form, plain HTTP) stays as it
        is, and so does what no key of ours opens: a sender who writes nonsense must not stop a run,
        whose converter says what cannot be read."""
        return [self._decrypted(payload) for payload in payloads]

    def opens(self, payload: Payload) -> bool:
        """Whether this payload is encrypted with one of our keys, unaltered."""
        return is_encrypted(payload) and self._decrypted(payload) is not payload

    def _encrypted(self, payload: Payload) -> Payload:
        nonce, id_ = os.urandom(_NONCE_BYTES), self._current.encode()
        sealed = self._ciphers[self._current].encrypt(nonce, payload.SerializeToString(), id_)
        return Payload(metadata={"encoding": ENCRYPTED, _KEY_ID: id_}, data=nonce + sealed)

    def _decrypted(self, payload: Payload) -> Payload:
        if not is_encrypted(payload):
            return payload
        id_ = payload.metadata.get(_KEY_ID, b"")
        cipher = self._ciphers.get(id_.decode(errors="replace"))
        if cipher is None:
            return payload
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            opened = cipher.decrypt(nonce, sealed, id_)
        except (InvalidTag, ValueError):
            return payload
        return _in(opened)


def _in(opened: bytes) -> Payload:
    """The payload that was encrypted; who holds a key may still have encrypted anything else."""
    with suppress(DecodeError):
        payload = Payload.FromString(opened)
        if not is_encrypted(payload):
            return payload
    return Payload(metadata={"encoding": NONSENSE}, data=opened)


def is_encrypted(payload: Payload) -> bool:
    """Whether this payload says that it is encrypted."""
    return payload.metadata.get("encoding") == ENCRYPTED


def codec_of(keys: Mapping[str, Sequence[SecretStr]]) -> EncryptionCodec | None:
    """The codec of the keys of the settings (base64), if there are any."""
    if not keys:
        return None
    return EncryptionCodec(
        {id_: base64.b64decode(one.get_secret_value()) for id_, (one,) in keys.items()}
    )


class _SealedFailureConverter(PlainFailureConverter):
    """The message and the stack of a failure travel in a payload, which is encrypted."""

    def __init__(self) -> None:
        super().__init__(encode_common_attributes=True)


def converter_of(keys: Mapping[str, Sequence[SecretStr]]) -> DataConverter:
    """Our data converter, encrypting when there are keys: the messages of failures too."""
    codec = codec_of(keys)
    if codec is None:
        return data_converter
    return replace(
        data_converter,
        payload_codec=codec,
        failure_converter_class=_SealedFailureConverter,
    )
