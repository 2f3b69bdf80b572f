"""Onboardings stopped at a telling moment, all on the same day: what a project manager finds in the
list one morning.

The pictures of the guide and the tests in a browser look at them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from activities.working_days import read_worked_days
from local import scenarios
from local.mailbox import Mailbox
from local.scenarios import Scene, Story
from local.stage import Play, Stage, stage
from process.calendar import MILEO, WorkCalendar, at
from process.contract import Contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiosmtpd.smtp import SMTP, Envelope, Session

PUBLIC_URL: Final = "https://onboarding.mileotech.example"
CLAIRE: Final = ("Claire Fontaine", "CFO")
LEA: Final = ("Léa Roux", "LRO")
_THURSDAY: Final = 3
_LEAD_DAYS: Final = 64
"""Days ahead at which the morning is set: the oldest of the onboardings starts in the future."""


class RefusingMailbox(Mailbox):
    """A real mail server that refuses some addresses."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.refused: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        """Refuse the address for good, as a server does for a mailbox that does not exist."""
        if address in self.refused:
            return "550 5.1.1 boîte inconnue"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@dataclass(frozen=True)
class Moment:
    """One onboarding, so many jours ouvrés after its signature."""

    reference: str
    client: str
    manager: tuple[str, str]
    contract: Callable[[datetime], Contract]
    scene: Scene
    after: int


async def _nothing_done(_play: Play, _story: Story) -> None:
    """Nobody has stated anything yet."""


def _new(signed_at: datetime) -> Contract:
    return scenarios.new_installation(signed_at, signed_at.date() + timedelta(days=90))


LEVEE: Final = Moment(
    "MIL-2026-041",
    "Laiteries du Val d'Authion",
    CLAIRE,
    scenarios.replacement,
    scenarios.play_replacement,
    after=38,
)
"""During the levée: réserves open, one refused by the client."""
SUSPENDED: Final = Moment(
    "MIL-2026-043",
    "Ville de Saint-Cyprien",
    CLAIRE,
    scenarios.extension,
    scenarios.play_difficult,
    after=20,
)
LATE: Final = Moment(
    "MIL-2026-047",
    "Transports Guérin",
    LEA,
    scenarios.extension,
    scenarios.play_difficult,
    after=11,
)
"""Nobody has held the kick-off."""
WAITING_ON_CLIENT: Final = Moment(
    "MIL-2026-048",
    "Chocolaterie Beaumanoir",
    LEA,
    scenarios.replacement,
    scenarios.play_replacement,
    after=9,
)
"""A proposed scope change has no answer."""
AT_RISK: Final = Moment("MIL-2026-051", "Lycée Jean-Moulin", LEA, _new, _nothing_done, after=8)
ON_TIME: Final = Moment(
    "MIL-2026-042", "Clinique Saint-Aubin", CLAIRE, _new, scenarios.play_new, after=13
)
MOMENTS: Final = (LEVEE, ON_TIME, SUSPENDED, LATE, WAITING_ON_CLIENT, AT_RISK)


class _Reached(Exception):  # noqa: N818 - it states a situation
    """The moment has come: the rest of the story is not played."""


class _Until(Play):
    """A play that stops at an instant."""

    def __init__(self, play: Play, ends_at: datetime) -> None:
        super().__init__(play.stage, play.handle, play.contract)
        self._ends_at = ends_at

    async def at(self, instant: datetime) -> None:
        """Let time pass, never beyond the end."""
        await super().at(min(instant, self._ends_at))
        if instant > self._ends_at:
            raise _Reached


@dataclass(frozen=True)
class Morning:
    """The stage on the morning when all the onboardings are looked at."""

    stage: Stage
    mailbox: RefusingMailbox
    at: datetime

    @property
    def today(self) -> str:
        """Its date, in ISO 8601."""
        return self.at.date().isoformat()

    async def play(self, moment: Moment) -> Play:
        """Play that onboarding from its signature to this morning."""
        draft = moment.contract(self.at)
        calendar = self._calendar(draft)
        names = (MILEO, *(site.zone for site in draft.sites))
        signed_on = calendar.subtract(self.at.date(), moment.after, names)
        opens_at = at(signed_on, time(9, 30))
        contract = _made_out(moment, moment.contract(opens_at - timedelta(minutes=30)))
        play = await self.stage.play(contract, opens_at)
        try:
            await moment.scene(_Until(play, self.at), Story(contract, calendar, signed_on))
        except _Reached:
            return play
        await play.at(self.at)
        return play

    def _calendar(self, contract: Contract) -> WorkCalendar:
        zones = {site.zone for site in contract.sites}
        year = self.at.year
        return WorkCalendar(
            read_worked_days(zones, year - 1, year + 3, self.stage.settings.calendar)
        )


@asynccontextmanager
async def morning(folder: Path, ui_port: int) -> AsyncIterator[Morning]:
    """A stage in that folder, with the web UI on that port."""
    mailbox = RefusingMailbox(folder / "mails")
    async with stage(folder, ui_port=ui_port, mailbox=mailbox, public_url=PUBLIC_URL) as up:
        day = datetime.now(UTC).date() + timedelta(days=_LEAD_DAYS)
        zones = {"metropole", "alsace-moselle"}
        days = read_worked_days(zones, day.year - 1, day.year + 1, up.settings.calendar)
        # A Thursday: the points of the week are held, and Friday is still to come.
        day += timedelta(days=(_THURSDAY - day.weekday()) % 7)
        while not WorkCalendar(days).is_worked(day, (MILEO, *zones)):
            day += timedelta(days=7)
        yield Morning(up, mailbox, at(day, time(9, 45)))


async def make_it_eventful(morning: Morning, levee: Play) -> None:
    """What life adds to the levée: a mail that its reader's server refuses (an open point), a fact
    that waits, two that are refused."""
    lead = str(levee.contract.client.technical_lead.email)
    morning.mailbox.refused.add(lead)
    await levee.fact(
        "reserve_fixed", number=3, fixed_on=morning.today, evidence="Étiquette posée, photo jointe."
    )
    morning.mailbox.refused.discard(lead)
    await levee.signal(
        "reserve_lifted", {"number": 7, "lifted_on": morning.today, "by": "Karim Belkacem"}
    )
    await levee.signal("reserve_lifted", {"number": 1, "date": morning.today})


def _made_out(moment: Moment, contract: Contract) -> Contract:
    """The contract under the names of that moment."""
    name, code = moment.manager
    given, _, family = name.lower().partition(" ")
    data: dict[str, Any] = contract.model_dump(mode="json")
    data["reference"] = moment.reference
    data["client"]["name"] = moment.client
    data["team"]["project_manager"] |= {
        "name": name,
        "code": code,
        "email": f"{given[0]}.{family}@mileotech.example",
    }
    return Contract.model_validate(data)
