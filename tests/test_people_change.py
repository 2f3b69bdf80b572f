"""People are replaced, phases move to other sites: what each calendar holds in the end.

Whatever is told and in whatever order: an address holds the events that are ahead and concern it,
and nobody gets the cancellation of what they never had.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process import invited
from process.obligations import deadlines
from process.orders import Invitation, IssuedDocument, Sending, SentMail
from process.record import IssuedSending
from tests.builders import Case, Payload, boxes, contract, iso, person, phase, t
from workflows.agenda import look
from workflows.intake import Intake
from workflows.invitations import taken_away
from workflows.sendings import next_reference
from workflows.steps import any_step

WAIVER = {"by": "Dsi", "on": "2026-03-17", "reason": "urgence"}
KICKOFF = {"starts_at": iso("2026-05-25 14:00"), "place": "Angers"}
TRAINING = {
    "starts_at": iso("2026-05-04 09:00"),
    "site": "ANGERS",
    "trainer": "Référent",
    "trainees": ["Utilisatrice"],
}


def two_keepers() -> Payload:
    """Each site has a contact of its own."""
    source = contract()
    source["sites"][0]["contact"] = person("gardien d angers")
    source["sites"][1]["contact"] = person("gardienne de colmar")
    return source


@dataclass
class Calendar:
    """What one address received for its events, as RFC 5546 has it understood."""

    events: dict[str, Invitation] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)
    """The highest sequence of each uid."""
    invited: set[str] = field(default_factory=set)

    def receive(self, event: Invitation) -> None:
        if event.cancelled:
            assert event.uid in self.invited, "cancelled without having been invited"
        else:
            self.invited.add(event.uid)
        last = self.heard.get(event.uid, -1)
        assert event.sequence != last, "what differs has another sequence"
        if event.sequence < last:
            return  # Overtaken on its way: a calendar keeps the later one.
        self.heard[event.uid] = event.sequence
        if event.cancelled:
            self.events.pop(event.uid, None)
        else:
            self.events[event.uid] = event


class World(Case):
    """A run without Temporal, and the calendars of those it writes to."""

    def __init__(self, source: Payload | None = None, now: str = "2026-03-17 10:00") -> None:
        super().__init__(source or two_keepers(), started="2026-03-17 09:00")
        self.intake = Intake(self.o)
        self.now = t(now)
        self.flying: list[tuple[Sending, IssuedSending]] = []
        self.calendars: dict[str, Calendar] = {}
        self.sent_mails: list[Sending] = []
        self.refused_addresses: set[str] = set()

    def tell(self, fact: str, /, **payload: Any) -> World:
        self.intake.hear(fact, [payload], self.now)
        self.look()
        return self

    def replace(self, role: str, name: str) -> World:
        return self.tell("contact_replaced", role=role, person=person(name))

    def look(self) -> None:
        """One look, as ``ClientOnboarding`` and ``Dispatch`` have it."""
        record = self.o.record
        self.intake.try_waiting(self.now)
        if self.o.cancelled:
            kept = {*taken_away(self.o), *(one.key for one in any_step.cancellation(self.o))}
            self.flying = [one for one in self.flying if one[0].key in kept]
        for sending in look(self.o, deadlines(self.o, self.now), self.now).sendings:
            entry = record.sendings.get(sending.key)
            if entry is None:
                entry = IssuedSending(kind=sending.kind, started_at=self.now)
                record.sendings[sending.key] = entry
            entry.documents = [next_reference(self.o, one) for one in sending.documents]
            asked = invited.ask(record, sending, entry.revision, self.now)
            entry.state, entry.held = "doing", None
            self.flying.append((asked, entry))

    def arrive(self, place: int = 0) -> None:
        """One of the mails under way is accepted, or refused."""
        if not self.flying:
            return
        sending, entry = self.flying.pop(place % len(self.flying))
        mails = []
        for one in sending.to:
            refused = "550" if (one.email or "") in self.refused_addresses else None
            at = None if refused else self.now
            mails.append(
                SentMail(
                    to=one.email or "direction@mileo.example",
                    role=one.role,
                    message_id=sending.key,
                    accepted_at=at,
                    refused=refused,
                )
            )
            for event in sending.invitations:
                if not refused and event.concerned([one]):
                    self.calendars.setdefault(one.mailbox, Calendar()).receive(event)
        entry.mails = mails
        invited.answer(self.o.record, sending, entry.revision, mails)
        refused_ones = [one for one in mails if one.refused]
        entry.state = "blocked" if refused_ones else "done"
        if refused_ones:
            entry.held = sending
        if entry.outdated:
            entry.send_again(None)
        self.sent_mails.append(sending)
        self.look()

    def settle(self) -> World:
        """Until nothing is under way."""
        self.look()
        while self.flying:
            self.arrive()
        return self

    def passes(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.look()

    # What came of it

    def of(self, kind: str) -> list[Sending]:
        return [one for one in self.sent_mails if one.kind == kind]

    def ahead(self, name: str, domain: str = "client.example") -> list[str]:
        """The events ahead in the calendar of that person."""
        held = self.calendars.get(f"{name.replace(' ', '.')}@{domain}", Calendar()).events
        return sorted(uid for uid, event in held.items() if event.ends_at > self.now)


def everything_planned() -> World:
    world = World()
    world.tell("kickoff_planned", **KICKOFF)
    held = {"held_on": "2026-03-17", "attendees": ["Chef"]}
    world.tell("kickoff_held", **held, phases=[phase(), phase("P2", site="COLMAR")])
    world.tell("phase_planned", **phase())
    world.tell("training_planned", **TRAINING)
    world.tell("recette_planned", starts_at=iso("2026-05-05 10:00"))
    world.tell("presentation_planned", starts_at=iso("2026-06-05 10:00"))
    return world.settle()


# --- Who is replaced, who comes ---------------------------------------------------------------


def test_the_invitations_of_a_technical_lead_go_to_the_next_one() -> None:
    world = everything_planned()
    held = world.ahead("dsi")
    assert held == ["formation-1", "kickoff", "phase-P1", "recette-1"]
    world.replace("technical_lead", "successeur").settle()
    # The kick-off was held: it is left alone.
    assert world.ahead("dsi") == ["kickoff"]
    assert world.ahead("successeur") == ["formation-1", "phase-P1", "recette-1"]
    [withdrawn], [handed] = world.of("invitations_withdrawn"), world.of("invitations_handed_over")
    assert (boxes(withdrawn), boxes(handed)) == (["dsi"], ["successeur"])
    assert [one.uninvited for one in withdrawn.invitations] == [True] * 3
    assert {one["why"] for one in withdrawn.data["events"]} == {"replaced"}
    assert [one.starts_at for one in handed.invitations] == [
        t("2026-04-13 08:00"),
        t("2026-05-04 09:00"),
        t("2026-05-05 10:00"),
    ]
    # Nobody else heard of it.
    others = [one for one in world.sent_mails if one.invitations][-2:]
    assert others == [withdrawn, handed]


def test_everyone_who_may_be_invited_is_told_when_replaced() -> None:
    for role, name, events in (
        ("decision_maker", "decideuse", ["kickoff"]),
        ("technical_lead", "dsi", ["kickoff"]),
        ("primary_user", "utilisatrice", ["formation-1", "kickoff"]),
        ("technical_contact", "mainteneur", ["presentation"]),
    ):
        world = World().tell("kickoff_planned", **KICKOFF).tell("training_planned", **TRAINING)
        world.tell("presentation_planned", starts_at=iso("2026-06-05 10:00")).settle()
        assert set(events) <= set(world.ahead(name))
        world.replace(role, "successeur").settle()
        assert world.ahead(name) == [], role
        assert set(events) <= set(world.ahead("successeur")), role
    for role, name in (("technical_referent", "referent"), ("sales", "commerciale")):
        world = World().tell("kickoff_planned", **KICKOFF).settle()
        assert world.ahead(name, "mileo.example") == ["kickoff"]
        world.replace(role, "successeur").settle()
        assert world.ahead(name, "mileo.example") == []
        assert world.ahead("successeur") == ["kickoff"]


def test_who_keeps_another_role_keeps_what_it_gives() -> None:
    world = World().replace("primary_user", "dsi").settle()
    world.tell("kickoff_planned", **KICKOFF).tell("training_planned", **TRAINING)
    world.tell("recette_planned", starts_at=iso("2026-05-05 10:00")).settle()
    assert world.ahead("dsi") == ["formation-1", "kickoff", "recette-1"]
    world.replace("technical_lead", "successeur").settle()
    assert world.ahead("dsi") == ["formation-1", "kickoff"]
    assert world.ahead("successeur") == ["formation-1", "kickoff", "recette-1"]


def test_who_organizes_an_event_keeps_it() -> None:
    """The project manager was the technical referent too."""
    world = World().tell("contact_replaced", role="technical_referent", person=CHEF).settle()
    world.tell("kickoff_planned", **KICKOFF).settle()
    world.replace("technical_referent", "successeur").settle()
    assert world.ahead("chef", "mileo.example") == ["kickoff"]
    world.replace("project_manager", "cheffe").settle()
    assert world.ahead("chef", "mileo.example") == []


CHEF = person("chef", "mileo.example")


def test_a_new_project_manager_takes_over_what_is_ahead() -> None:
    world = everything_planned()
    world.tell("contact_replaced", role="project_manager", person=person("cheffe", "mileo.example"))
    world.settle()
    [told] = world.of("project_manager_changed")
    assert told.manager
    assert told.manager.name == "Cheffe"
    # Their answers go to her; the presentation is the account manager's, the kick-off was held.
    moved = {one.uid: [who.mailbox.partition("@")[0] for who in one.attendees]
             for one in told.invitations}  # fmt: skip
    assert moved == {
        "phase-P1": ["dsi", "gardien.d.angers"],
        "formation-1": ["utilisatrice", "dsi"],
        "recette-1": ["dsi"],
    }
    assert world.ahead("gardien d angers") == ["phase-P1"]
    assert "gardien.d.angers" in boxes(told)
    [assignment] = [one for one in world.of("assignment") if one.key == "assignment:2"]
    assert (
        "Rendez-vous à venir : Recette du système, mardi 5 mai 2026 à 10\u00a0h\u00a000 "
        "(Angers et Colmar)."
    ) in assignment.data["expected"]


def test_replaced_and_replaced_back() -> None:
    world = World().tell("training_planned", **TRAINING).settle()
    world.replace("technical_lead", "successeur").settle()
    world.replace("technical_lead", "dsi").settle()
    assert world.ahead("dsi") == ["formation-1"]
    assert world.ahead("successeur") == []
    # Before anything of it has left, nobody hears of it.
    world.replace("primary_user", "nouvelle").replace("primary_user", "utilisatrice")
    before = len(world.sent_mails)
    world.settle()
    assert world.ahead("utilisatrice") == ["formation-1"]
    assert world.ahead("nouvelle") == []
    assert len(world.sent_mails) > before


def test_replaced_while_the_invitation_is_under_way() -> None:
    world = World().tell("training_planned", **TRAINING)
    world.replace("technical_lead", "successeur")
    # Nothing is withdrawn as long as it is not known to have come.
    keys = [sending.key for sending, _ in world.flying]
    assert not [key for key in keys if key.startswith("invitations_")]
    world.settle()
    assert world.ahead("dsi") == []
    assert world.ahead("successeur") == ["formation-1"]


def test_who_never_had_the_invitation_gets_no_cancellation() -> None:
    world = World()
    world.refused_addresses.add("dsi@client.example")
    world.tell("training_planned", **TRAINING).settle()
    world.replace("technical_lead", "successeur").settle()
    assert world.of("invitations_withdrawn") == []
    assert world.ahead("successeur") == ["formation-1"]
    world.tell("onboarding_cancelled", reason="Contrat résilié").settle()
    [told] = world.of("cancelled_client")
    assert all("dsi" not in one.mailbox for one in told.invitations[0].attendees)
    assert world.ahead("successeur") == world.ahead("utilisatrice") == []


def test_a_withdrawal_that_is_refused_is_not_sent_again_by_itself() -> None:
    world = World().tell("training_planned", **TRAINING).settle()
    world.refused_addresses.add("dsi@client.example")
    world.replace("technical_lead", "successeur").settle()
    [withdrawn] = world.of("invitations_withdrawn")
    world.passes(1)
    assert not world.flying
    # Back in charge: what would be tried again is no longer true, and what is ahead is said anew.
    world.refused_addresses.clear()
    world.replace("technical_lead", "dsi").settle()
    entry = world.o.record.sendings[withdrawn.key]
    world.o.record.open_point("mail:x", "mail", "refusé", world.now, withdrawn.key)
    settled = {"action": "retry", "by": "Claire", "reason": "adresse rétablie"}
    world.tell("open_point_settled", id="mail:x", **settled).settle()
    assert entry.state == "done"
    assert world.ahead("dsi") == ["formation-1"]


def test_the_invitation_is_of_the_plan_in_force() -> None:
    world = World().tell("training_planned", **TRAINING).settle()
    world.tell("training_planned", **TRAINING | {"starts_at": iso("2026-05-11 09:00")})
    world.replace("technical_lead", "successeur").settle()
    held = world.calendars["successeur@client.example"].events["formation-1"]
    assert held.starts_at == t("2026-05-11 09:00")


def test_an_event_that_is_past_is_left_alone() -> None:
    world = World().tell("training_planned", **TRAINING).settle()
    world.now = t("2026-05-04 12:31")
    world.replace("technical_lead", "successeur").settle()
    assert world.of("invitations_withdrawn") == []
    assert world.of("invitations_handed_over") == []


def test_the_documents_of_an_event_go_along() -> None:
    world = World().tell("training_planned", **TRAINING).settle()
    [reference] = world.o.record.sendings["training_convocation:1:1"].documents
    issued = {"version": 1, "sha256": "0" * 64, "size": 1, "issued_at": world.now}
    world.o.record.documents.append(
        IssuedDocument(kind="programme_formation", reference=reference, **issued)
    )
    world.replace("technical_lead", "successeur").settle()
    [handed] = world.of("invitations_handed_over")
    assert handed.enclosed == (reference,)


# --- Sites and trainees -----------------------------------------------------------------------


def test_a_phase_that_moves_to_another_site() -> None:
    world = World()
    world.tell("kickoff_held", held_on="2026-03-17", attendees=["Chef"], phases=[phase()])
    world.tell("phase_planned", **phase()).settle()
    assert world.ahead("gardien d angers") == ["phase-P1"]
    world.tell("phase_planned", **phase(site="COLMAR")).settle()
    assert world.ahead("gardien d angers") == []
    assert world.ahead("gardienne de colmar") == world.ahead("dsi") == ["phase-P1"]
    [withdrawn] = world.of("invitations_withdrawn")
    assert boxes(withdrawn) == ["gardien.d.angers"]
    [told] = withdrawn.data["events"]
    assert told["why"] == "moved"
    assert told["place"].startswith("Angers")
    assert world.of("invitations_handed_over") == []
    world.tell("phase_cancelled", id="P1", reason="Hors périmètre").settle()
    [cancelled] = world.of("phase_cancelled")
    assert {one.mailbox.partition("@")[0] for one in cancelled.invitations[0].attendees} == {
        "dsi",
        "gardienne.de.colmar",
    }


def test_a_cancellation_after_a_replacement_reaches_who_holds_the_event() -> None:
    world = everything_planned()
    world.replace("technical_lead", "successeur")
    # The withdrawal is under way when the onboarding ends: it is let end, and not said twice.
    world.tell("onboarding_cancelled", reason="Contrat résilié").settle()
    assert [boxes(one) for one in world.of("invitations_withdrawn")] == [["dsi"]]
    assert world.ahead("dsi") == ["kickoff"]
    for name in ("successeur", "utilisatrice", "gardien d angers", "mainteneur"):
        assert [one for one in world.ahead(name) if one != "kickoff"] == []


def test_other_trainees_change_the_convocation_not_the_date() -> None:
    world = World().tell("training_planned", **TRAINING).settle()
    world.tell("training_planned", **TRAINING | {"trainees": ["Accueil"]}).settle()
    first, second = world.of("training_convocation")
    assert (first.data["moved"], second.data["moved"]) == (False, False)
    assert second.data["updated"]
    assert second.invitations[0].sequence > first.invitations[0].sequence
    assert world.of("invitations_withdrawn") == []


def test_a_suspension_hands_over_no_intervention() -> None:
    world = everything_planned()
    world.tell("onboarding_suspended", reason="Travaux").settle()
    world.replace("technical_lead", "successeur").settle()
    assert world.ahead("successeur") == ["formation-1", "recette-1"]
    assert "phase-P1" not in world.ahead("dsi")
    world.tell("onboarding_resumed", reason="Travaux finis").settle()
    assert world.ahead("successeur") == ["formation-1", "recette-1"]
    world.tell("phase_planned", **phase()).settle()
    assert world.ahead("successeur") == ["formation-1", "phase-P1", "recette-1"]


# --- Whatever happens -------------------------------------------------------------------------

ROLES = {
    "kickoff": ("technical_referent", "sales", "decision_maker", "technical_lead", "primary_user"),
    "phase": ("technical_lead",),
    "formation": ("primary_user", "technical_lead"),
    "recette": ("technical_lead",),
    "presentation": ("technical_contact",),
}
ORGANIZER = {"presentation": "account_manager"}


def concerned(world: World, people: dict[str, str], uid: str, site: str) -> set[str]:
    """Whom an event concerns, by the roles alone; said anew, without the code under test."""
    found = {people[role] for role in ROLES[uid.partition("-")[0]]}
    if uid.startswith("phase-"):
        contact = world.o.site(site).contact
        assert contact is not None
        found.add(contact.email)
    return found


names = st.sampled_from(["alix", "noa", "dsi", "utilisatrice", "chef"])
deeds = st.one_of(
    st.tuples(
        st.just("replace"),
        st.sampled_from(
            [
                "project_manager",
                "technical_referent",
                "sales",
                "account_manager",
                "decision_maker",
                "technical_lead",
                "primary_user",
                "technical_contact",
            ]
        ),
        names,
    ),
    st.tuples(st.just("arrive"), st.integers(0, 5)),
    st.tuples(
        st.just("plan"),
        st.sampled_from(["kickoff", "P1", "P2", "formation", "recette", "presentation"]),
        st.integers(0, 3),
        st.sampled_from(["ANGERS", "COLMAR"]),
    ),
    st.tuples(st.just("cancel"), st.sampled_from(["P1", "P2"])),
    st.tuples(st.just("correct"), st.sampled_from(["ANGERS", "COLMAR"])),
    st.tuples(st.just("pass"), st.integers(1, 20)),
)


def plan(world: World, what: str, week: int, site: str) -> None:
    start = t("2026-04-13 09:00") + timedelta(weeks=week)
    at = {"starts_at": start.isoformat()}
    if what == "kickoff":
        world.tell("kickoff_planned", **at, place=site)
    elif what == "formation":
        world.tell("training_planned", **TRAINING | at | {"site": site})
    elif what == "recette":
        world.tell("recette_planned", **at)
    elif what == "presentation":
        world.tell("presentation_planned", **at)
    else:
        end = {"ends_at": (start + timedelta(days=2)).isoformat()}
        world.tell("phase_planned", **phase(what, site=site) | at | end, waiver=WAIVER)


def _told(world: World, deed: str, details: list[Any]) -> None:
    if deed == "replace":
        world.replace(*details)
    elif deed == "arrive":
        world.arrive(*details)
    elif deed == "plan":
        if details[0] in {"P1", "P2"} and not world.o.kickoff:
            held = {"held_on": world.now.date().isoformat(), "attendees": ["Chef"]}
            world.tell("kickoff_held", **held, phases=[phase("P1"), phase("P2")])
        plan(world, *details)
    elif deed == "cancel":
        world.tell("phase_cancelled", id=details[0], reason="Hors périmètre")
    elif deed == "correct":
        correct_the_site(world, *details)
    else:
        world.passes(*details)


def correct_the_site(world: World, site: str) -> None:
    """Of the last phase that was planned."""
    said = {"by": "Claire", "reason": "erreur"}
    for fact in [one for one in world.o.record.facts if one.fact == "phase_planned"][-1:]:
        payload, key = fact.payload | {"site": site}, fact.payload["id"]
        world.tell("fact_corrected", fact=fact.fact, key=key, payload=payload, **said)


def addresses(world: World, told: list[tuple[Any, ...]]) -> dict[str, str]:
    """Who holds each role in the end."""
    team, client = world.o.contract.team, world.o.contract.client
    roles = (*ROLES["kickoff"], "technical_contact", "project_manager", "account_manager")
    found = {role: (getattr(team, role, None) or getattr(client, role)).email for role in roles}
    for deed, *details in told:
        if deed == "replace":
            found[details[0]] = person(details[1])["email"]
    return found


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds, min_size=3, max_size=25))
def test_each_calendar_holds_what_is_ahead_and_concerns_it(told: list[tuple[Any, ...]]) -> None:
    world = World()
    for deed, *details in told:
        _told(world, deed, details)
    world.settle()
    check(world, addresses(world, told))
    world.tell("onboarding_cancelled", reason="Contrat résilié").settle()
    left_alone = {"kickoff"} if world.o.kickoff else set()
    for calendar in world.calendars.values():
        ahead = {uid for uid, event in calendar.events.items() if event.ends_at > world.now}
        assert ahead <= left_alone


def planned(world: World) -> dict[str, tuple[datetime, str]]:
    """Each event as last planned: its end, its site."""
    o = world.o
    found: dict[str, tuple[datetime, str]] = {}
    if o.kickoff_plans and not o.kickoff:
        found["kickoff"] = (o.kickoff_plans[-1].starts_at + timedelta(hours=2), "")
    for one in o.phases.values():
        if one.firm_slots and not one.cancelled:
            found[f"phase-{one.id}"] = (one.slot.ends_at, one.slot.site)
    for rank, session in enumerate(o.trainings, start=1):
        found[f"formation-{rank}"] = (session.plans[-1].starts_at + timedelta(hours=3.5), "")
    for rank, recette in enumerate(o.recettes, start=1):
        found[f"recette-{rank}"] = (recette.plans[-1].starts_at + timedelta(hours=3), "")
    if o.presentation_plans:
        end = o.presentation_plans[-1].starts_at + timedelta(minutes=30)
        found["presentation"] = (end, "")
    return found


def check(world: World, people: dict[str, str]) -> None:
    ahead = {uid: end for uid, end in planned(world).items() if end[0] > world.now}
    for uid, (end, site) in ahead.items():
        concerns = concerned(world, people, uid, site)
        holding = {
            box: calendar.events[uid]
            for box, calendar in world.calendars.items()
            if uid in calendar.events and calendar.events[uid].ends_at > world.now
        }
        organizer = people[ORGANIZER.get(uid, "project_manager")]
        assert concerns <= holding.keys() <= concerns | {organizer}, uid
        assert all(holding[box].ends_at == end for box in concerns), uid
    for calendar in world.calendars.values():
        for uid, event in calendar.events.items():
            left_alone = event.ends_at <= world.now or (uid == "kickoff" and world.o.kickoff)
            assert uid in ahead or left_alone, uid
