"""``POST /contracts``: a signed contract starts its onboarding; a draft waits for its signature."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from process.contract import Contract, fingerprint
from process.fields import HELD
from process.refusals import problems
from reception import (
    Invalid,
    check_contract,
    check_signature,
    other_contract,
    parse_object,
    start_onboarding,
    watch_lone_signature,
)
from register.store import Register, RegisteredDraft
from service.adapters import SignatureEvent
from service.deliveries import Answer, Deliveries
from service.problems import SIGNED_PROBLEMS
from service.signatures import SignedMessage
from service.temporal import Temporal
from workflows.names import workflow_id

_UNSIGNED: Final = "2026-01-01T00:00:00Z"
"""Stands for the signature while a draft is checked."""


def contracts_router(contracts: Contracts, deliveries: Deliveries) -> APIRouter:
    """The route of contracts in our own form."""
    router = APIRouter(tags=["contrats"])

    @router.post(
        "/contracts",
        summary="Transmettre un contrat signé, un brouillon ou sa signature",
        response_model=Answer,
        responses={202: {"model": Answer}, **SIGNED_PROBLEMS},
        openapi_extra={"requestBody": _BODY},
    )
    async def contract(message: SignedMessage) -> JSONResponse:
        value = parse_object(message.body)
        return await deliveries.once(message, lambda: contracts.take(value))

    return router


_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "Un contrat ; sans signed_at, un brouillon ; avec la seule référence et "
    "signed_at, la signature d'un brouillon.",
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/Contract"},
                    {"$ref": "#/components/schemas/SignatureEvent"},
                ]
            }
        }
    },
}


class Contracts:
    """Contracts as they come: whole, or as a draft and a signature in either order."""

    def __init__(self, register: Register, temporal: Temporal) -> None:
        self._register = register
        self._temporal = temporal

    async def take(self, value: dict[str, Any]) -> Answer:
        """Take a contract, a draft (without ``signed_at``) or a signature (only ``reference`` and
        ``signed_at``). Taken again, it is known.

        Raises ``Invalid`` with the path of each field, ``Unanswered``, and ``Refused`` when the
        reference is that of another contract.
        """
        if set(value) == {"reference", "signed_at"}:
            return await self._signature(value)
        if value.get("signed_at") is None:
            return await self._draft({**value, "signed_at": None})
        return await self._start(check_contract(value))

    async def _signature(self, value: dict[str, Any]) -> Answer:
        try:
            event = SignatureEvent.model_validate(value)
        except ValidationError as error:
            raise Invalid(*problems(error)) from error
        check_signature(event.signed_at)
        reference = event.reference
        if (known := await self._known(reference)) is not None:
            if known.signed_at != event.signed_at:
                raise other_contract(reference)
            return _known(reference)
        signed_at = event.model_dump(mode="json")["signed_at"]
        return await self._complete(
            RegisteredDraft(reference=reference, contract=None, signed_at=signed_at)
        )

    async def _draft(self, value: dict[str, Any]) -> Answer:
        checked = check_contract({**value, "signed_at": _UNSIGNED})
        reference = checked.reference
        if (known := await self._known(reference)) is not None:
            same = checked.model_copy(update={"signed_at": known.signed_at})
            if fingerprint(same) != fingerprint(known):
                raise other_contract(reference)
            return _known(reference)
        draft = checked.model_dump(mode="json", exclude={"signed_at"}, exclude_none=True)
        return await self._complete(
            RegisteredDraft(reference=reference, contract=draft, signed_at=None)
        )

    async def _complete(self, given: RegisteredDraft) -> Answer:
        """Keep what is given; start what is complete."""
        kept = await self._register.keep_draft(given)
        if not _says(kept, given):
            raise other_contract(given.reference)
        if kept.contract is None and kept.signed_at:
            await self._watch(kept.reference, kept.signed_at)
            return Answer(
                reference=given.reference,
                outcome="signature",
                message="signature gardée : elle attend le contrat",
            )
        if kept.contract is None or kept.signed_at is None:
            return Answer(
                reference=given.reference,
                outcome="draft",
                message="brouillon gardé : il attend la signature",
            )
        return await self._start(check_contract({**kept.contract, "signed_at": kept.signed_at}))

    async def _start(self, contract: Contract) -> Answer:
        reference = contract.reference
        started = await self._temporal.ask(
            reference, lambda client: start_onboarding(client, self._register, contract)
        )
        if not started:
            return _known(reference)
        return Answer(
            reference=reference,
            outcome="started",
            message="onboarding démarré",
            workflow_id=workflow_id(reference),
        )

    async def _watch(self, reference: str, signed_at: str) -> None:
        await self._temporal.ask(
            reference, lambda client: watch_lone_signature(client, reference, signed_at)
        )

    async def _known(self, reference: str) -> Contract | None:
        """The contract whose onboarding has that reference."""
        try:
            return await self._register.contract(reference)
        except KeyError:
            return None


def _says(kept: RegisteredDraft, given: RegisteredDraft) -> bool:
    """Whether what is kept says what is given: a complete contract is no longer changed."""
    same_draft = (
        given.contract is None
        or kept.contract == given.contract
        or (kept.contract is not None and _stated(kept.contract) == _stated(given.contract))
    )
    return same_draft and (given.signed_at is None or _same_instant(kept, given.signed_at))


def _stated(draft: dict[str, Any]) -> dict[str, Any]:
    """What a draft states, however it was written."""
    whole = {**draft, "signed_at": _UNSIGNED}
    return Contract.model_validate(whole, context=HELD).stated()


def _same_instant(kept: RegisteredDraft, signed_at: str) -> bool:
    return kept.signed_at is not None and (
        datetime.fromisoformat(kept.signed_at) == datetime.fromisoformat(signed_at)
    )


def _known(reference: str) -> Answer:
    return Answer(
        reference=reference,
        outcome="known",
        message="contrat déjà connu",
        workflow_id=workflow_id(reference),
    )
