"""Record the histories that ``test_replay`` replays: ``python -m tests.record_histories [NAME]``.

A recorded history is a running onboarding of today. It is never recorded again to make a test
pass: code that no longer replays it would block the onboardings under way. New behaviour gets a
new history, hence a new name here.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ending import leave
from local.pieces import write_pieces
from local.scenarios import Story, extension, play_difficult, play_new, play_replacement
from local.stage import stage
from reception import watch_lone_signature
from register.store import RegisteredDraft
from tests.playing import (
    OPENS_AT,
    PickyMailbox,
    kickoff,
    new,
    phase,
    replaced,
    store_away,
    story_of,
    unique,
)
from workflows.names import lone_signature_id

if TYPE_CHECKING:
    from temporalio.client import WorkflowHistory

    from local.stage import Play, Stage
    from process.contract import Contract

HISTORIES: Final = Path(__file__).parent / "histories"


async def play_doe(play: Play, story: Story) -> None:
    """The files of the DOE read, refused, put right, delivered, then a second version; calls that
    are agreed and moved; a cancellation that removes what was still ahead."""
    await play.fact("kickoff_planned", starts_at=story.iso(4, 10), place="Tours")
    await play.fact("kickoff_planned", starts_at=story.iso(5, 10), place="Tours")
    await play.at(story.instant(6, 10))
    await play.fact("kickoff_held", **kickoff(story, day=5, phase_day=20))
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 20, 21))
    await play.at(story.instant(7, 10))
    uris = write_pieces(play.stage.settings.inbox, play.contract)
    for name, uri in uris.items():
        family, _, tag = name.replace("datasheet:", "datasheets:").partition(":")
        if family != "signed":
            more = {"equipment": [tag]} if tag else {}
            await play.fact("doe_piece_filed", family=family, name=name, uri=uri, **more)
    wrong = {"family": "warranties", "name": "Garanties", "uri": "../ailleurs.pdf"}
    await play.fact("doe_piece_filed", **wrong)
    [point] = (await play.status())["open_points"]
    settled = {"id": point["id"], "by": "Claire Fontaine", "reason": "à relire"}
    await play.fact("open_point_settled", action="retry", **settled)
    await play.fact("doe_piece_filed", **{**wrong, "uri": uris["certificates"]})
    await play.fact("doe_released", released_on=story.day(7), by="Claire Fontaine")
    await play.at(story.instant(9, 10))
    await play.fact("doe_piece_filed", family="plans", name="plans", uri=uris["wiring"])
    await play.fact("doe_released", released_on=story.day(9), by="Claire Fontaine")
    for hour in (10, 11):
        await play.fact("presentation_planned", starts_at=story.iso(30, hour))
    await play.at(story.instant(10, 10))
    await play.fact("onboarding_cancelled", reason="Contrat résilié")


async def play_trouble(play: Play, story: Story) -> None:
    """Wrong signals, early facts, a mail refused then sent again, reminders and escalation."""
    mailbox = play.stage.mailbox
    assert isinstance(mailbox, PickyMailbox)
    lead = play.contract.client.technical_lead.email
    await play.signal("kickoff_held", "texte")
    await play.signal("kick_off_held", {})
    await play.fact("kickoff_held", held_on="hier")
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 20, 21))
    await play.at(story.instant(12, 10))
    await play.fact("kickoff_held", **kickoff(story, day=9, phase_day=20))
    mailbox.refused.add(lead)
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 22, 23))
    mailbox.refused.clear()
    await play.at(story.instant(13, 10))
    for point in (await play.status())["open_points"]:
        settled = {"id": point["id"], "by": "Claire Fontaine", "reason": "adresse rétablie"}
        await play.fact("open_point_settled", action="retry", **settled)
    # The phase neither ends nor is reported: the client is told by itself.
    await play.at(story.instant(30, 10))


async def play_frugal(play: Play, story: Story) -> None:
    """A document that cannot be kept for two hours, then the short way to the end."""
    with store_away(play.stage):
        planned = {"starts_at": story.iso(4, 10), "place": "Clinique de Tours"}
        await play.handle.execute_update("kickoff_planned", planned)
        await play.stage.environment.fast_forward(play.handle, timedelta(hours=2))
    await play.stage.environment.fast_forward(play.handle, timedelta(hours=3))
    await play_new(play, story)


async def play_handed_over(play: Play, story: Story) -> None:
    """People replaced while a mail is put off, a message that was never answered, a phase moved to
    a shorter notice, a mistyped code, a cancellation that withdraws from those who hold."""
    mailbox = play.stage.mailbox
    assert isinstance(mailbox, PickyMailbox)
    lead = play.contract.client.technical_lead
    await play.fact("kickoff_planned", starts_at=story.iso(5, 10), place="Tours")
    await play.at(story.instant(6, 10))
    await play.fact("kickoff_held", **kickoff(story, day=5, phase_day=20))
    mailbox.unheard.add(lead.email)
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 20, 21))
    mailbox.unheard.clear()
    await play.at(story.instant(8, 10))
    await play.fact("phase_completed", id="p1", completed_at=story.iso(7, 10))
    await play.fact("phase_completed", id="P9", completed_at=story.iso(7, 10))
    new_lead = {"name": "Nadia Perrin", "email": f"nouvelle.{lead.email}"}
    await play.fact("contact_replaced", role="technical_lead", person=new_lead)
    await play.at(story.instant(9, 10))
    waiver = {"by": "Nadia Perrin", "on": story.day(9), "reason": "Arrêt de production"}
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 10, 11), waiver=waiver)
    await play.at(story.instant(12, 10))
    await play.fact("onboarding_cancelled", reason="Contrat résilié")


SCENES: Final[
    dict[str, tuple[Callable[[], Contract], Callable[[Play, Story], Awaitable[None]]]]
] = {
    "replacement": (replaced, play_replacement),
    "new": (new, play_new),
    "trouble": (new, play_trouble),
    "doe": (new, play_doe),
    "headlines": (new, play_trouble),
    "frugal": (new, play_frugal),
    "handed-over": (new, play_handed_over),
    "second-edition": (new, play_trouble),
    "difficult": (lambda: unique(extension(OPENS_AT - timedelta(minutes=30))), play_difficult),
}


async def record(up: Stage, name: str) -> None:
    """Play one scene and keep its history."""
    make, scene = SCENES[name]
    contract = make()
    play = await up.play(contract, OPENS_AT)
    await scene(play, story_of(up, contract))
    _keep(name, await play.handle.fetch_history())


def _keep(name: str, history: WorkflowHistory) -> None:
    # Without a time stamp in its header, the same history is the same file.
    (HISTORIES / f"{name}.json.gz").write_bytes(gzip.compress(history.to_json().encode(), mtime=0))
    print(f"{name} : {len(history.events)} événements")


LONE_SIGNATURE: Final = "lone-signature"
"""The history of another workflow: the wait for a contract."""


async def record_lone_signature(up: Stage) -> None:
    """A signature left alone, and the alert."""
    client, reference = up.environment.client, "SEULE-1"
    signed_at = OPENS_AT.isoformat()
    alone = RegisteredDraft(reference=reference, contract=None, signed_at=signed_at)
    await up.register.keep_draft(alone)
    await watch_lone_signature(client, reference, signed_at)
    handle = client.get_workflow_handle(lone_signature_id(reference))
    await up.environment.fast_forward(handle, timedelta(days=7))
    await handle.result()
    _keep(LONE_SIGNATURE, await handle.fetch_history())


async def main(names: list[str]) -> int:
    """Record the scenes named, or those that have no history yet."""
    every = (*SCENES, LONE_SIGNATURE)
    wanted = names or [n for n in every if not (HISTORIES / f"{n}.json.gz").exists()]
    with tempfile.TemporaryDirectory() as folder:
        mailbox = PickyMailbox(Path(folder) / "mails")
        async with stage(Path(folder), mailbox=mailbox) as up:
            for name in wanted:
                if name == LONE_SIGNATURE:
                    await record_lone_signature(up)
                else:
                    await record(up, name)
    return 0


if __name__ == "__main__":
    leave(asyncio.run(main(sys.argv[1:])))
