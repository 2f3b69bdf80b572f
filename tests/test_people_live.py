"""People who change, on the real server: what their calendars received, mail by mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from icalendar import Calendar

from tests.playing import PickyMailbox, begin, kickoff, phase, replaced

if TYPE_CHECKING:
    from local.stage import Play, Stage

SUCCESSOR = {"name": "Élodie Marchand", "email": "e.marchand@client.example"}


@dataclass
class Received:
    """What one address received of the events, in order."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    """``REQUEST phase-P1``…"""
    files: list[str] = field(default_factory=list)

    @property
    def holds(self) -> set[str]:
        held: set[str] = set()
        for method, uid in self.asked:
            if method == "CANCEL":
                assert uid in {one for what, one in self.asked if what == "REQUEST"}
                held.discard(uid)
            else:
                held.add(uid)
        return held


def received(stage: Stage, play: Play) -> dict[str, Received]:
    """By address, from the files of the mails of this onboarding."""
    found: dict[str, Received] = {}
    for name in stage.mailbox.names():
        message = stage.mailbox.message(name)
        if message["X-Mileo-Onboarding"] != play.contract.reference:
            continue
        [to] = message["To"].addresses
        one = found.setdefault(to.addr_spec, Received())
        for part in message.iter_attachments():
            one.files.append(f"{message['X-Mileo-Kind']} {part.get_filename()}")
            if part.get_content_type() == "application/ics":
                made: Any = Calendar.from_ical(part.get_content())
                [event] = made.events
                one.asked.append((made["METHOD"], event["UID"].partition(".")[0]))
    return found


async def test_a_technical_lead_who_is_replaced(on_stage: Stage) -> None:
    play, story = await begin(on_stage, replaced())
    lead = play.contract.client.technical_lead.email
    await play.fact("kickoff_planned", starts_at=story.iso(4, 10), place="Angers")
    await play.at(story.instant(4, 12))
    await play.fact("kickoff_held", **kickoff(story))
    await play.fact("phase_planned", **phase(story, "P1", "ANGERS", 14, 15))
    await play.fact("contact_replaced", role="technical_lead", person=SUCCESSOR)
    await play.quiet()
    boxes = received(on_stage, play)
    former, new = boxes[lead], boxes[SUCCESSOR["email"]]
    # The kick-off was held, and the new one has nothing to do with it.
    assert former.asked == [
        ("REQUEST", "kickoff"),
        ("REQUEST", "phase-P1"),
        ("CANCEL", "phase-P1"),
    ]
    assert new.asked == [("REQUEST", "phase-P1")]
    assert [one for one in new.files if "PLA-" in one or one.endswith(".pdf")]
    await play.fact("phase_cancelled", id="P1", reason="Hors périmètre")
    await play.quiet()
    after = received(on_stage, play)
    assert after[lead].asked == former.asked
    assert after[SUCCESSOR["email"]].holds == set()


async def test_a_technical_lead_who_is_replaced_while_the_invitation_is_put_off(
    on_stage: Stage,
) -> None:
    assert isinstance(on_stage.mailbox, PickyMailbox)
    play, story = await begin(on_stage, replaced())
    lead = play.contract.client.technical_lead.email
    on_stage.mailbox.deferred.add(lead)
    await play.handle.execute_update("recette_planned", {"starts_at": story.iso(20, 10)})
    successor = {"role": "technical_lead", "person": SUCCESSOR}
    await play.handle.execute_update("contact_replaced", successor)
    on_stage.mailbox.deferred.clear()
    await on_stage.environment.fast_forward(play.handle, timedelta(hours=3))
    await play.quiet()
    boxes = received(on_stage, play)
    assert "recette-1" not in boxes[lead].holds
    assert "recette-1" in boxes[SUCCESSOR["email"]].holds
    # Cancelled, the onboarding takes away what each of them holds, and nothing else.
    await play.fact("onboarding_cancelled", reason="Contrat résilié")
    await play.handle.result()
    assert not any(one.holds for one in received(on_stage, play).values())
