"""The search attributes of an onboarding (DESIGN, section 2): one registry for the workflow that
sets them, the worker that creates them and the local servers.

No name and no e-mail of a person is ever one of them (PROCESS, section 8).
"""

from __future__ import annotations

from typing import Any, Final

from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

from process.orders import Headline

ONBOARDING_STEP: Final = SearchAttributeKey.for_keyword("OnboardingStep")
ONBOARDING_HEALTH: Final = SearchAttributeKey.for_keyword("OnboardingHealth")
CONTRACT_REFERENCE: Final = SearchAttributeKey.for_keyword("ContractReference")
CLIENT_NAME: Final = SearchAttributeKey.for_keyword("ClientName")
PROJECT_MANAGER: Final = SearchAttributeKey.for_keyword("ProjectManager")
NEXT_DEADLINE: Final = SearchAttributeKey.for_datetime("NextDeadline")
LAST_MISSED_AT: Final = SearchAttributeKey.for_datetime("LastMissedAt")
OPEN_RESERVES: Final = SearchAttributeKey.for_int("OpenReserves")
MISSED_DEADLINES: Final = SearchAttributeKey.for_int("MissedDeadlines")

SEARCH_ATTRIBUTES: Final[tuple[SearchAttributeKey[Any], ...]] = (
    ONBOARDING_STEP,
    ONBOARDING_HEALTH,
    CONTRACT_REFERENCE,
    CLIENT_NAME,
    PROJECT_MANAGER,
    NEXT_DEADLINE,
    LAST_MISSED_AT,
    OPEN_RESERVES,
    MISSED_DEADLINES,
)


def picture(shown: Headline, client: str) -> dict[str, SearchAttributeUpdate[Any]]:
    """What each search attribute of an onboarding must be, by name."""
    updates: tuple[SearchAttributeUpdate[Any], ...] = (
        ONBOARDING_STEP.value_set(shown.step),
        ONBOARDING_HEALTH.value_set(shown.health),
        CONTRACT_REFERENCE.value_set(shown.onboarding),
        CLIENT_NAME.value_set(client),
        PROJECT_MANAGER.value_set(shown.project_manager)
        if shown.project_manager
        else PROJECT_MANAGER.value_unset(),
        NEXT_DEADLINE.value_set(shown.next_deadline)
        if shown.next_deadline
        else NEXT_DEADLINE.value_unset(),
        LAST_MISSED_AT.value_set(shown.last_missed_at)
        if shown.last_missed_at
        else LAST_MISSED_AT.value_unset(),
        OPEN_RESERVES.value_set(shown.open_reserves),
        MISSED_DEADLINES.value_set(shown.missed_deadlines),
    )
    return {update.key.name: update for update in updates}
