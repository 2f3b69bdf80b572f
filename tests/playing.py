"""What the tests of whole onboardings share: their date, their contracts, a picky mail server."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import contextmanager
from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from activities.working_days import read_worked_days
from local.mailbox import Mailbox
from local.scenarios import Story, new_installation, replacement
from process.calendar import WorkCalendar, at
from process.contract import Contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiosmtpd.smtp import SMTP, Envelope, Session

    from local.stage import Play, Stage

OPENS_AT: Final = at(date(2031, 3, 3), time(9, 30))
"""A Monday far ahead: every run begins there on its own clock, whenever the tests are run."""

_numbers = itertools.count(1)


class PickyMailbox(Mailbox):
    """A real mail server that refuses some addresses, for good or for now, or takes their mail and
    does not say so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.refused: set[str] = set()
        self.deferred: set[str] = set()
        self.unheard: set[str] = set()
        """Their messages are taken, and the connection lost before that is said."""

    async def handle_RCPT(
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if address in self.refused:
            return "550 5.1.1 boîte inconnue"
        if address in self.deferred:
            return "451 4.7.1 plus tard"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        if self.unheard & set(envelope.rcpt_tos):
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return answer


def calendar_of(up: Stage, contract: Contract) -> WorkCalendar:
    zones = {site.zone for site in contract.sites}
    return WorkCalendar(read_worked_days(zones, 2030, 2034, up.settings.calendar))


def story_of(up: Stage, contract: Contract) -> Story:
    return Story(contract, calendar_of(up, contract), OPENS_AT.date())


def unique(contract: Contract, **changes: Any) -> Contract:
    """The same contract under a reference of its own, with mailboxes of its own."""
    number = next(_numbers)
    text = contract.model_dump_json().replace("@", f"@t{number}.")
    return Contract.model_validate(
        {
            **Contract.model_validate_json(text).model_dump(),
            "reference": f"TEST-{number}",
            **changes,
        }
    )


def replaced(**changes: Any) -> Contract:
    return unique(replacement(OPENS_AT - timedelta(minutes=30)), **changes)


def new(effective_on: date = date(2031, 5, 5), **changes: Any) -> Contract:
    return unique(new_installation(OPENS_AT - timedelta(minutes=30), effective_on), **changes)


async def begin(up: Stage, contract: Contract) -> tuple[Play, Story]:
    play = await up.play(contract, OPENS_AT)
    return play, story_of(up, contract)


def of(status: dict[str, Any], obligation: str, key: str | None = None) -> dict[str, Any]:
    """The only deadline of that obligation (and key)."""
    found = [
        deadline
        for deadline in status["deadlines"]
        if deadline["obligation"] == obligation and (key is None or deadline["key"] == key)
    ]
    assert len(found) == 1, found
    deadline: dict[str, Any] = found[0]
    return deadline


def states(status: dict[str, Any]) -> dict[str, str]:
    """``{"O1": "met", "O5 P1": "missed"…}``."""
    return {f"{d['obligation']} {d['key'] or ''}".strip(): d["state"] for d in status["deadlines"]}


def sent(status: dict[str, Any], kind: str) -> list[str]:
    """To whom the mails of that kind went, in order."""
    return [mail["to"] for mail in status["emails"] if mail["kind"] == kind and mail["accepted_at"]]


def kickoff(story: Story, day: int = 4, phase_day: int = 14) -> dict[str, Any]:
    """A kick-off held that day, with one phase."""
    site = story.contract.sites[0].code
    return {
        "held_on": story.day(day),
        "attendees": ["Claire Fontaine"],
        "phases": [phase(story, "P1", site, phase_day, phase_day + 1)],
    }


def phase(story: Story, id_: str, site: str, first: int, last: int) -> dict[str, Any]:
    return {
        "id": id_,
        "title": f"Phase {id_}",
        "site": site,
        "starts_at": story.iso(first, 8),
        "ends_at": story.iso(last, 18),
        "works": ["Pose"],
    }


@contextmanager
def store_away(up: Stage) -> Iterator[None]:
    """No document can be kept meanwhile: a file stands where their folder was."""
    folder = Path(up.settings.documents_url)
    aside = folder.with_name("aside")
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def kinds(mails: Iterable[dict[str, Any]]) -> list[str]:
    return [mail["kind"] for mail in mails]
