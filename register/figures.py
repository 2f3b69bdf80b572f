"""What the register counts for those who watch: numbers, never a person."""

# ruff: noqa: SLF001 - the sessions of the register, within its own package

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select

from register.models import Mail, Onboarding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from register.store import Register


class Missed(NamedTuple):
    """The limits and the réserves of an onboarding that has missed a limit, as in ``status``."""

    deadlines: list[dict[str, Any]]
    reserves: list[dict[str, Any]]


async def mail_backlog(register: Register, before: datetime) -> int:
    """How many messages begun before that instant no mail server has taken or refused yet."""
    query = select(func.count()).where(Mail.state == "pending", Mail.created_at < before)
    async with register._session() as session:
        return await session.scalar(query) or 0


async def missed(register: Register) -> AsyncIterator[Missed]:
    """The open onboardings that have missed a limit, a few at a time in memory; those that are
    suspended are not chased, nor told here."""
    query = (
        select(Onboarding.status["deadlines"], Onboarding.status["reserves"])
        .where(Onboarding.closed_at.is_(None))
        .where(Onboarding.missed_deadlines > 0, Onboarding.health != "suspended")
        .where(Onboarding.status.is_not(None))
        .execution_options(yield_per=100)
    )
    async with register._session() as session:
        rows = await session.stream(query)
        async for deadlines, reserves in rows:
            yield Missed(deadlines or [], reserves or [])
