"""The signed contract that starts an onboarding (DESIGN, section 3)."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from process.fields import (
    Day,
    Email,
    Instant,
    Line,
    Listed,
    Outside,
    Reference,
    Text,
    canonical,
    later_field,
)
from process.refusals import Problem
from process.vocabulary import ZONE_TIMEZONES, EquipmentFamily, ProjectKind, Zone

COVERED_YEARS: Final = (2015, 2090)
"""Between which the public holidays of every zone are known, with the years around a contract:
what begins beyond them, by a mistyped year, could not count a single day."""

CLOCK_DIFFERENCE: Final = timedelta(hours=1)
"""How far the clock of who signs may be ahead of ours."""


class Person(Outside):
    """Someone at Mileo or at the client's. ``code`` is Mileo's employee code."""

    name: Line
    email: Email
    phone: Line | None = None
    job: Line | None = None
    code: Reference | None = None


class Client(Outside):
    """The client company and its people; missing ones fall back to the technical lead."""

    name: Line
    decision_maker: Person
    technical_lead: Person
    primary_user: Person | None = None
    technical_contact: Person | None = None


class Team(Outside):
    """Mileo's people. A missing project manager does not stop the clock."""

    project_manager: Person | None = None
    technical_referent: Person
    sales: Person | None = None
    account_manager: Person | None = None


_timezones = cache(available_timezones)
"""Read once: the list is on the disk."""


class Site(Outside):
    """A place where Mileo installs; ``zone`` decides its public holidays."""

    code: Reference
    name: Line
    address: Text
    zone: Zone
    timezone: Line | None = None
    contact: Person | None = None
    open_days: Listed[Day] = later_field([])
    """Days worked there although its zone has a holiday, or on a weekend."""
    closed_days: Listed[Day] = later_field([])
    """Days not worked there although its zone works: Good Friday in a commune with a temple…"""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in _timezones():
            raise ValueError("fuseau horaire inconnu (exemple : Europe/Paris)")
        return value

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Site:
        if both := sorted(set(self.open_days) & set(self.closed_days)):
            days = ", ".join(day.isoformat() for day in both)
            raise ValueError(f"un jour est ouvert ou fermé, pas les deux ({days})")
        return self

    @property
    def calendar(self) -> str:
        """The name of the calendar of its worked days: its zone's, unless it has days of its own."""
        return f"site:{self.code}" if self.open_days or self.closed_days else self.zone

    @property
    def clock(self) -> ZoneInfo:
        """The time zone in which instants of this site are shown."""
        return ZoneInfo(self.timezone or ZONE_TIMEZONES[self.zone])


class Equipment(Outside):
    """One item of equipment, known by its tag on the plans."""

    tag: Reference
    family: EquipmentFamily
    manufacturer: Line
    model: Line
    site: Reference
    serial: Line | None = None


class Maintenance(Outside):
    """The maintenance contract: when it takes effect, and how an incident is reported."""

    effective: Literal["on_acceptance"] | Day
    phones: Listed[Line] = []
    emails: Listed[Email] = []
    portal: Line | None = None


class PastFact(Outside):
    """A fact of an onboarding already under way when the system takes it over."""

    fact: Line
    payload: dict[str, Any]

    def stated(self) -> dict[str, Any]:
        """What the fact states, however its payload was written."""
        # Facts are built on the contract: its persons are theirs.
        from process.facts import stated_by  # noqa: PLC0415

        return {"fact": self.fact, "payload": stated_by(self.fact, self.payload)}


class Contract(Outside):
    """A signed contract; ``signed_at`` is the signature of the last signatory."""

    reference: Reference
    signed_at: Instant
    project_kind: ProjectKind
    client: Client
    team: Team
    sites: Listed[Site] = Field(min_length=1)
    equipment: Listed[Equipment]
    maintenance: Maintenance | None = None
    history: Listed[PastFact] = []

    @model_validator(mode="after")
    def _consistent(self) -> Contract:
        first, last = COVERED_YEARS
        for path, day in self._dates:
            if not first <= day.year <= last:
                raise ValueError(f"{path} : année hors du calendrier ({first} à {last})")
        codes = [site.code for site in self.sites]
        if repeated := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"sites : code en double ({', '.join(repeated)})")
        tags = [item.tag for item in self.equipment]
        if repeated := sorted({tag for tag in tags if tags.count(tag) > 1}):
            raise ValueError(f"equipment : repère en double ({', '.join(repeated)})")
        for index, item in enumerate(self.equipment):
            if item.site not in codes:
                raise ValueError(f"equipment[{index}].site : site inconnu « {item.site} »")
        return self

    @property
    def _dates(self) -> list[tuple[str, date]]:
        """Those that the calendar of the onboarding is read around."""
        dates: list[tuple[str, date]] = [("signed_at", self.signed_at)]
        if self.maintenance and isinstance(self.maintenance.effective, date):
            dates.append(("maintenance.effective", self.maintenance.effective))
        return dates

    @property
    def audit_is_owed(self) -> bool:
        """O3: only for a replacement or an extension of an existing system."""
        return self.project_kind != "new"

    def site(self, code: str) -> Site | None:
        """The site of that code, if the contract has it."""
        return next((site for site in self.sites if site.code == code), None)

    @property
    def families(self) -> list[EquipmentFamily]:
        """The families of equipment really installed, in the order of the contract."""
        return list(dict.fromkeys(item.family for item in self.equipment))


def signed_ahead(contract: Contract, now: datetime) -> list[Problem]:
    """What is wrong when a contract is signed in the future: no clock can start there."""
    return ahead(contract.signed_at, now)


def ahead(signed_at: datetime, now: datetime) -> list[Problem]:
    """The same for the signature alone."""
    if signed_at - now <= CLOCK_DIFFERENCE:
        return []
    return [Problem("signed_at", "signature dans le futur (une heure d'écart d'horloge au plus)")]


def fingerprint(contract: Contract) -> str:
    """The canonical SHA-256 of a contract: the same contract, however written, is the same."""
    return _sha256(contract.stated())


def former_fingerprint(contract: Contract) -> str:
    """The one of the first release, in registers and memos of then: it told ``+01:00`` from ``Z``."""
    return _sha256(contract.model_dump(mode="json"))


def is_that_of(sha256: str, contract: Contract, held: Contract | None = None) -> bool:
    """Whether a recorded fingerprint, or the contract ``held`` with it, is that of this contract."""
    return sha256 in (fingerprint(contract), former_fingerprint(contract)) or (
        held is not None and fingerprint(held) == fingerprint(contract)
    )


def _sha256(plain: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(plain)).hexdigest()
