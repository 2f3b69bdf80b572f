"""How long things are kept, and until when (docs/donnees-personnelles.md). Pure."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Terms:
    """The periods of the settings."""

    documents_years: int
    contacts_months: int
    deliveries_days: int

    def documents_until(self, closed_at: datetime) -> datetime:
        """Until when the documents of an onboarding that ended then are kept."""
        return later(closed_at, 12 * self.documents_years)

    def contacts_until(self, closed_at: datetime) -> datetime:
        """Until when the people of an onboarding that ended then are named."""
        return later(closed_at, self.contacts_months)

    def deliveries_since(self, now: datetime) -> datetime:
        """Drafts and messages older than that are removed."""
        return now - timedelta(days=self.deliveries_days)


def later(at: datetime, months: int) -> datetime:
    """The same day and hour so many months later; the last day of a month that is too short."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return at.replace(year=year, month=month + 1, day=min(at.day, last))
