"""The names by which everyone reaches an onboarding (DESIGN, section 2)."""

from __future__ import annotations

from typing import Final

TASK_QUEUE: Final = "client-onboarding"
WORKFLOW_TYPE: Final = "ClientOnboarding"
CONTRACT_MEMO: Final = "contract_sha256"
"""The memo in which a run keeps the fingerprint of its contract."""


def workflow_id(reference: str) -> str:
    """The workflow id of the onboarding of that contract reference."""
    return f"onboarding-{reference}"
