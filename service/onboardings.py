"""``GET /onboardings/{reference}``: where an onboarding stands."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from process.fields import REFERENCE
from process.status import Status
from reception import last_status, read_status
from register.store import Register
from service.problems import SIGNED_PROBLEMS
from service.signatures import SignedMessage
from service.temporal import Temporal

OnboardingReference = Annotated[
    str,
    Path(description="La référence du contrat", pattern=rf"^{REFERENCE}$"),
]


def onboardings_router(register: Register, temporal: Temporal) -> APIRouter:
    """The route of onboardings."""
    router = APIRouter(tags=["onboardings"])

    @router.get(
        "/onboardings/{reference}",
        summary="Dire où en est un onboarding",
        responses={200: {"model": Status}, **SIGNED_PROBLEMS},
    )
    async def onboarding(
        reference: OnboardingReference,
        _message: SignedMessage,
    ) -> dict[str, Any]:
        known = await register.onboarding(reference)
        if known is not None and known.closed_at is not None and known.status is not None:
            # Nothing more happens to it: no server has to answer.
            return last_status(known)
        return await temporal.ask(
            reference, lambda client: read_status(client, register, reference)
        )

    return router
