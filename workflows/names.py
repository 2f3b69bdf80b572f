"""The names by which everyone reaches an onboarding (DESIGN, section 2)."""

from __future__ import annotations

from typing import Final

TASK_QUEUE: Final = "client-onboarding"
WORKFLOW_TYPE: Final = "ClientOnboarding"
LONE_SIGNATURE_TYPE: Final = "LoneSignature"
CONTRACT_MEMO: Final = "contract_sha256"
"""The memo in which a run keeps the fingerprint of its contract."""


def workflow_id(reference: str) -> str:
    """The workflow id of the onboarding of that contract reference."""
    return f"onboarding-{reference}"


def lone_signature_id(reference: str) -> str:
    """The workflow id of the wait for the contract of a signature that came alone."""
    return f"signature-{reference}"
