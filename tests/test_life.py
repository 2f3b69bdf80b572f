"""What every onboarding must bear (PROCESS, section 6), on the real server."""

from __future__ import annotations

import asyncio
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from local.scenarios import play_new
from local.stage import stage
from process.calendar import at
from process.french import full_date
from tests.playing import (
    OPENS_AT,
    PickyMailbox,
    begin,
    kickoff,
    new,
    of,
    phase,
    replaced,
    sent,
    states,
    store_away,
)

if TYPE_CHECKING:
    from pathlib import Path

    from local.stage import Play, Stage

NEW_MANAGER = {"name": "Léa Roux", "email": "l.roux@mileotech.example", "code": "LRO"}


async def _kicked_off(up: Stage, **changes: Any) -> tuple[Play, Any]:
    play, story = await begin(up, new(**changes))
    await play.at(story.instant(4, 12))
    assert await play.fact("kickoff_held", **kickoff(story)) == "accepted"
    return play, story


async def test_a_suspension_is_silent_and_moves_nothing_by_itself(on_stage: Stage) -> None:
    play, story = await _kicked_off(on_stage)
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
    await play.at(story.instant(6, 10))
    assert await play.fact("onboarding_suspended") == "refused"
    reason = {"reason": "Travaux du client en retard"}
    assert await play.fact("onboarding_suspended", **reason) == "accepted"
    assert await play.fact("onboarding_suspended", **reason) == "known"
    before = await play.status()
    assert before["health"] == "suspended"
    assert sent(before, "suspended")
    await play.at(story.instant(30, 10))
    during = await play.status()
    # Nobody was reminded of anything, no weekly point was owed, no deviation was told.
    assert [m["kind"] for m in during["emails"]] == [m["kind"] for m in before["emails"]]
    assert not any(key.startswith("O6") for key in states(during))
    assert await play.fact("onboarding_resumed", reason="Locaux prêts") == "accepted"
    after = await play.status()
    assert sent(after, "resumption_plan")
    assert sent(after, "resumed")
    # What had been announced must be announced anew, with a new notice.
    assert after["phases"][0]["state"] == "provisional"
    assert after["phases"][0]["notice_accepted_at"] is None
    late = phase(story, "P1", "TOURS", 32, 33)
    assert await play.fact("phase_planned", **late) == "refused"
    assert await play.fact("phase_planned", **phase(story, "P1", "TOURS", 36, 37)) == "accepted"
    status = await play.status()
    assert of(status, "O5")["state"] == "met"
    assert [key for key in states(status) if key.startswith("O7")] == []


async def test_only_a_fact_moves_a_limit(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    moved = {"by": "Claire Fontaine", "reason": "Congés du client"}
    due = story.day(15)
    assert await play.fact("limit_moved", obligation="O5", due_on=due, **moved) == "refused"
    assert await play.fact("limit_moved", obligation="O3", due_on=due, **moved) == "refused"
    assert await play.fact("limit_moved", obligation="O13", due_on=due, **moved) == "waiting"
    assert await play.fact("limit_moved", obligation="O1", due_on=due, **moved) == "accepted"
    await play.at(story.instant(12, 12))
    status = await play.status()
    assert of(status, "O1")["due_at"].startswith(due)
    assert of(status, "O1")["state"] == "running"
    await play.at(story.instant(16, 12))
    assert of(await play.status(), "O1")["state"] == "missed"


async def test_the_next_mail_goes_to_the_new_person(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(6, 12))
    assert await play.fact("contact_replaced", role="project_manager", person=NEW_MANAGER) == (
        "accepted"
    )
    status = await play.status()
    assert len(sent(status, "project_manager_changed")) == 2
    await play.at(story.instant(7, 12))
    assert sent(await play.status(), "reminder") == [NEW_MANAGER["email"]]
    described = await play.handle.describe()
    values = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    assert values["ProjectManager"] == "LRO"
    registered = await on_stage.register.onboarding(play.contract.reference)
    assert registered is not None
    assert registered.in_charge is not None
    managers = [one for one in registered.in_charge if one["role"] == "project_manager"]
    assert [one["name"] for one in managers] == ["Claire Fontaine", "Léa Roux"]
    assert managers[0]["since"] < managers[1]["since"]


async def test_a_correction_recomputes_what_depended_on_it_and_only_that(on_stage: Stage) -> None:
    play, story = await begin(on_stage, replaced())
    await play.at(story.instant(12, 10))
    wrong = kickoff(story, day=12)
    await play.fact("kickoff_held", **wrong)
    before = await play.status()
    assert of(before, "O1")["state"] == "missed"
    correction = {
        "fact": "kickoff_held",
        "payload": {**wrong, "held_on": story.day(9)},
        "by": "Claire Fontaine",
        "reason": "Erreur de saisie",
    }
    assert await play.fact("fact_corrected", **correction) == "accepted"
    assert await play.fact("fact_corrected", **correction) == "known"
    after = await play.status()
    assert of(after, "O1")["state"] == "met"
    assert of(after, "O3")["due_at"] < of(before, "O3")["due_at"]
    # The minutes leave again as version 2, marked; nothing else does.
    again = await on_stage.register.mails(play.contract.reference)
    assert {m.kind for m in again if "#" in m.key} == {"kickoff_minutes"}
    versions = [d["reference"][-2:] for d in after["documents"] if d["kind"].startswith("compte")]
    assert versions == ["v1", "v2"]
    mails = [m for m in await on_stage.register.mails(play.contract.reference) if "#1" in m.key]
    assert mails
    text = on_stage.mailbox.message(on_stage.mailbox.names()[-1]).get_body(("plain",))
    assert text is not None
    assert "annule et remplace" in text.get_content()
    journal = await play.handle.query("journal")
    [kept] = journal["corrections"]
    assert kept["before"]["held_on"] == story.day(12)
    assert kept["after"]["held_on"] == story.day(9)
    assert (kept["by"], kept["reason"]) == ("Claire Fontaine", "Erreur de saisie")
    assert "O1 : missed → met" in kept["limits"]


async def test_a_correction_that_breaks_a_rule_is_refused_where_it_does(on_stage: Stage) -> None:
    play, story = await _kicked_off(on_stage)
    firm = phase(story, "P1", "TOURS", 14, 15)
    await play.fact("phase_planned", **firm)
    said = {"by": "Claire", "reason": "erreur"}
    lyon = {**firm, "site": "LYON"}
    for payload in (lyon, {**firm, "starts_at": "demain"}):
        outcome = await play.fact("fact_corrected", fact="phase_planned", payload=payload, **said)
        assert outcome == "refused"
    renamed = kickoff(story)
    renamed["phases"][0]["id"] = "P9"
    await play.fact("phase_completed", id="P1", completed_at=story.iso(15, 12))
    assert (
        await play.fact(
            "fact_corrected", fact="phase_cancelled", payload={"id": "P1", "reason": "x"}, **said
        )
        == "waiting"
    )
    assert [p["id"] for p in (await play.status())["phases"]] == ["P1"]


@pytest.mark.parametrize("day", [0, 5, 16, 20])
async def test_a_cancellation_ends_the_run_and_tells_both_sides_once(
    on_stage: Stage, day: int
) -> None:
    play, story = await begin(on_stage, new())
    if day:
        await play.at(story.instant(4, 12))
        await play.fact("kickoff_held", **kickoff(story))
        await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
    await play.at(story.instant(day, 15) if day else OPENS_AT + timedelta(hours=1))
    outcome = await play.handle.execute_update("onboarding_cancelled", {"reason": "Site vendu"})
    assert outcome["outcome"] == "accepted"
    result = await asyncio.wait_for(play.handle.result(), 20)
    assert result == {"outcome": "cancelled", "reason": "Site vendu"}
    status = await play.status()
    assert status["step"] == "cancelled"
    assert len(sent(status, "cancelled_client")) == 2
    assert status["waiting_for"] == []
    registered = await on_stage.register.onboarding(play.contract.reference)
    assert registered is not None
    assert registered.step == "cancelled"
    assert registered.closed_at is not None


async def test_temporals_own_cancel_button_tells_the_parties_too(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(2, 10))
    await play.handle.cancel()
    result = await asyncio.wait_for(play.handle.result(), 20)
    assert result == {"outcome": "cancelled", "reason": "Annulation demandée dans Temporal."}
    assert sent(await play.status(), "cancelled_client")


async def test_an_onboarding_under_way_is_taken_over_without_a_mail_for_the_past(
    on_stage: Stage,
) -> None:
    signed = OPENS_AT - timedelta(days=40)
    history = [
        {"fact": "kickoff_held", "payload": _past_kickoff()},
        {
            "fact": "phase_planned",
            "payload": {
                **_past_phase("P1", "2031-02-10", "2031-02-12"),
                "notice_sent_at": "2031-02-03T09:00:00+01:00",
            },
        },
        {
            "fact": "phase_completed",
            "payload": {"id": "P1", "completed_at": "2031-02-12T16:00:00+01:00"},
        },
    ]
    contract = new(signed_at=signed, history=history)
    play, story = await begin(on_stage, contract)
    status = await play.status()
    manager = contract.team.project_manager
    assert manager is not None
    assert {mail["kind"] for mail in status["emails"]} == {"take_over"}
    assert [mail["to"] for mail in status["emails"]] == [manager.email]
    assert of(status, "O1")["state"] == "met"
    assert of(status, "O2")["state"] == "met"
    assert of(status, "O5", "P1")["state"] == "met"
    assert of(status, "O6", "2031-W07")["state"] == "missed"
    assert status["documents"] == []
    # The future is lived as usual: the second phase must be made firm.
    await play.at(story.instant(3, 10))
    # Late limits were listed once; nobody is chased for them.
    assert await play.fact("phase_planned", **phase(story, "P2", "TOURS", 10, 11)) == "accepted"
    status = await play.status()
    assert sent(status, "intervention_schedule")
    assert "O6" not in str([m for m in status["emails"] if m["kind"] == "reminder"])


def _past_phase(id_: str, first: str, last: str) -> dict[str, Any]:
    return {
        "id": id_,
        "title": f"Phase {id_}",
        "site": "TOURS",
        "starts_at": f"{first}T08:00:00+01:00",
        "ends_at": f"{last}T18:00:00+01:00",
        "works": ["Pose"],
    }


def _past_kickoff() -> dict[str, Any]:
    return {
        "held_on": "2031-01-28",
        "attendees": ["Claire Fontaine"],
        "phases": [
            _past_phase("P1", "2031-02-10", "2031-02-12"),
            _past_phase("P2", "2031-03-17", "2031-03-18"),
        ],
    }


async def test_a_silent_mail_server_alerts_early_and_the_notice_counts_from_acceptance(
    on_stage: Stage,
) -> None:
    assert isinstance(on_stage.mailbox, PickyMailbox)
    play, story = await _kicked_off(on_stage)
    await play.at(story.instant(9, 9))
    lead = play.contract.client.technical_lead.email
    on_stage.mailbox.deferred.add(lead)
    await play.handle.execute_update("phase_planned", phase(story, "P1", "TOURS", 14, 15))
    await play.stage.environment.fast_forward(play.handle, timedelta(hours=2))
    status = await play.status()
    assert [point["id"] for point in status["open_points"]] == [
        "silence:intervention_schedule:P1:1"
    ]
    assert of(status, "O5")["met_at"] is None
    on_stage.mailbox.deferred.clear()
    await play.stage.environment.fast_forward(play.handle, timedelta(hours=3))
    await play.quiet()
    status = await play.status()
    assert status["open_points"] == []
    assert of(status, "O5")["state"] == "met"
    assert of(status, "O5")["met_at"] > story.iso(9, 11)


async def test_a_document_that_cannot_be_kept_alerts_early_and_no_limit_is_forgotten(
    on_stage: Stage,
) -> None:
    play, story = await _kicked_off(on_stage)
    await play.at(story.instant(9, 9))
    with store_away(on_stage):
        monday = {**phase(story, "P1", "TOURS", 10, 11), "starts_at": story.iso(10, 12)}
        await play.handle.execute_update("phase_planned", monday)
        await play.stage.environment.fast_forward(play.handle, timedelta(hours=2))
        status = await play.status()
        [point] = status["open_points"]
        assert point["id"] == "silence:intervention_schedule:P1:1"
        assert point["kind"] == "document"
        # 72 h before the start: nothing has left, and it is known at that very instant.
        late = story.instant(10, 12) - timedelta(hours=72) + timedelta(minutes=1)
        await play.stage.environment.fast_forward(play.handle, late - await play.now())
        assert of(await play.status(), "O5")["state"] == "missed"
        described = await play.handle.describe()
        values = {one.key.name: one.value for one in described.typed_search_attributes}
        assert values["MissedDeadlines"] == 1
    await play.stage.environment.fast_forward(play.handle, timedelta(hours=2))
    await play.quiet()
    status = await play.status()
    assert [point["id"] for point in status["open_points"]] == []
    assert sent(status, "intervention_schedule")


async def test_a_timer_that_will_serve_is_kept_and_one_that_will_not_is_given_up(
    on_stage: Stage,
) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(1, 11))

    async def timers() -> list[str]:
        events = [event async for event in play.handle.fetch_history_events()]
        started = {
            event.event_id: event.user_metadata.summary.data.decode()
            for event in events
            if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
        }
        for event in events:
            if event.event_type == EventType.EVENT_TYPE_TIMER_CANCELED:
                del started[event.timer_canceled_event_attributes.started_event_id]
        return list(started.values())

    [reminder] = await timers()
    assert "rappel, Tenue du kick-off" in reminder
    # What waits becomes an open point after 5 jo, before that reminder, which stands.
    assert await play.fact("reserve_fixed", number=9, fixed_on=story.day(1), evidence="x") == (
        "waiting"
    )
    kept, waiting = await timers()
    assert kept == reminder
    assert "fait en attente" in waiting
    await play.fact("kickoff_held", **kickoff(story, day=1))
    assert reminder not in await timers()


async def _update(play: Play, name: str, payload: dict[str, Any]) -> None:
    """An update that the server aborts, because a run hands over to the next, is sent again."""
    while True:
        try:
            await play.handle.execute_update(name, payload)
        except RPCError as error:
            assert error.status == RPCStatusCode.UNAVAILABLE  # noqa: PT017
        else:
            return


async def test_the_state_goes_on_through_a_new_run(tmp_path: Path) -> None:
    mailbox = PickyMailbox(tmp_path / "mails")
    async with stage(tmp_path, mailbox=mailbox, suggested_events=120) as up:
        play, story = await begin(up, new())
        first_run = (await play.handle.describe()).run_id
        await play.at(story.instant(4, 12))
        await play.fact("kickoff_held", **kickoff(story), fact_id="k-1")
        await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
        pieces = [
            {"family": "plans", "name": f"Plan {n}", "not_applicable_reason": "Sans objet"}
            for n in range(60)
        ]
        # Signals and updates alike, while the runs hand over to one another.
        await asyncio.gather(
            *(play.handle.signal("doe_piece_filed", piece) for piece in pieces[:30]),
            *(_update(play, "doe_piece_filed", piece) for piece in pieces[30:]),
        )
        await play.at(story.instant(18, 12))
        assert (await play.handle.describe()).run_id != first_run
        await play.begun()
        assert await play.fact("kickoff_held", **kickoff(story), fact_id="k-1") == "known"
        journal = await play.handle.query("journal")
        filed = [one for one in journal["facts"] if one["fact"] == "doe_piece_filed"]
        assert len(filed) == 60
        keys = [(m.key, m.recipient) for m in await up.register.mails(play.contract.reference)]
        assert len(keys) == len(set(keys))
        status = await play.status()
        assert len(status["emails"]) == len(keys)
        assert status["documents"]


async def test_sites_are_accepted_one_by_one_and_the_doe_counts_from_the_last(
    on_stage: Stage,
) -> None:
    play, story = await begin(on_stage, replaced())
    await play.at(story.instant(1, 10))
    for site, day in (("ANGERS", 20), ("COLMAR", 25)):
        await play.fact("recette_planned", starts_at=story.iso(day, 10), site=site)
    present = [
        {"name": "Claire Fontaine", "role": "project_manager"},
        {"name": "Karim Belkacem", "role": "technical_lead"},
    ]
    signed = {"present": present, "reserves": []}
    await play.at(story.instant(20, 16))
    outcomes = [
        await play.fact(
            "recette_signed_off", effective_on=story.day(20), sites=["ANGERS"], decision=d, **signed
        )
        for d in ("refused",)
    ]
    assert outcomes == ["accepted"]
    assert of(await play.status(), "O13")["due_at"] is None
    await play.fact("recette_planned", starts_at=story.iso(28, 10), site="ANGERS")
    await play.at(story.instant(25, 16))
    await play.fact(
        "recette_signed_off",
        effective_on=story.day(25),
        sites=["COLMAR"],
        decision="accepted",
        **signed,
    )
    assert of(await play.status(), "O13")["due_at"] is None
    await play.at(story.instant(28, 16))
    await play.fact(
        "recette_signed_off",
        effective_on=story.day(28),
        sites=["ANGERS"],
        decision="accepted",
        **signed,
    )
    due = of(await play.status(), "O13")["due_at"]
    assert date.fromisoformat(due[:10]) == story.calendar.add(story.j(28), 20)
    assert len([d for d in (await play.status())["documents"] if d["kind"] == "pv_recette"]) == 3


class _Enough(Exception):  # noqa: N818
    """The story has gone as far as the test wants."""


@pytest.mark.parametrize("step", range(1, 8))
async def test_a_cancellation_at_each_step_stops_everything(on_stage: Stage, step: int) -> None:
    play, story = await begin(on_stage, new())
    tell = play.fact

    async def tell_until(name: str, /, **payload: Any) -> str:
        if (await play.status())["step"] == step:
            raise _Enough
        return await tell(name, **payload)

    play.fact = tell_until  # type: ignore[method-assign]
    with pytest.raises(_Enough):
        await play_new(play, story)
    before = await play.status()
    await play.handle.execute_update("onboarding_cancelled", {"reason": "Site vendu"})
    result = await asyncio.wait_for(play.handle.result(), 20)
    assert result == {"outcome": "cancelled", "reason": "Site vendu"}
    after = await play.status()
    told = {mail["kind"] for mail in after["emails"][len(before["emails"]) :]}
    assert told == {"cancelled_client", "cancelled_team"}
    assert after["documents"] == before["documents"]
    last = [event async for event in play.handle.fetch_history_events()][-1]
    assert last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED


async def test_a_silent_client_is_reminded_then_others_are_told(on_stage: Stage) -> None:
    contract = replaced()
    play, story = await begin(on_stage, contract)
    await play.at(story.instant(4, 12))
    await play.fact("kickoff_held", **kickoff(story, phase_day=40))
    await play.at(story.instant(6, 12))
    scope = {"title": "Onduleur", "reason": "Baie non secourue", "phases": ["P1"]}
    await play.fact(
        "audit_concluded", concluded_on=story.day(6), conclusions="À renforcer", scope_change=scope
    )
    decider, sales = contract.client.decision_maker.email, contract.team.sales
    assert sales is not None
    proposed = story.j(6)

    async def after(jours: int) -> dict[str, Any]:
        day = story.calendar.add(proposed, jours)
        await play.at(at(day, time(9, 30)))
        return await play.status()

    internal = len(sent(await play.status(), "reminder"))
    assert (await after(1))["health"] == "on_time"
    status = await after(2)
    assert status["health"] == "waiting_on_client"
    assert sent(status, "client_reminder") == [decider]
    assert sent(await after(5), "client_reminder") == [decider] * 2
    status = await after(10)
    assert sent(status, "client_reminder") == [decider] * 3
    assert sent(status, "reminder")[internal:] == [sales.email]
    status = await after(15)
    manager = contract.team.project_manager
    assert manager is not None
    proposal = sent(status, "reminder")[internal + 1 :]
    assert proposal == [manager.email, on_stage.settings.head_of_projects.email]
    # It stops at once when the answer comes; the phase that waited may be made firm.
    answer = {"accepted": True, "answered_on": proposed.isoformat(), "by": "Hélène Marchand"}
    assert await play.fact("scope_change_answered", **answer) == "accepted"
    assert (await play.status())["health"] != "waiting_on_client"
    assert len(sent(await after(16), "client_reminder")) == 3


async def test_a_fact_of_tomorrow_waits_for_tomorrow(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(3, 10))
    assert await play.fact("kickoff_held", **kickoff(story)) == "waiting"
    [waiting] = (await play.status())["waiting"]
    assert waiting["waits_for"] == f"le {full_date(story.j(4))}"
    assert of(await play.status(), "O1")["state"] == "running"
    await play.at(story.instant(4, 1))
    assert of(await play.status(), "O1")["state"] == "met"


async def test_a_correction_that_adds_a_document_issues_it(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(5, 9))
    await play.fact("recette_planned", starts_at=story.iso(8, 10))
    await play.at(story.instant(8, 12))
    minutes: dict[str, Any] = {
        "effective_on": story.day(8),
        "decision": "accepted",
        "present": [
            {"name": "Claire Fontaine", "role": "project_manager"},
            {"name": "Inès Haddad", "role": "technical_lead"},
        ],
        "reserves": [],
    }
    assert await play.fact("recette_signed_off", **minutes) == "accepted"
    said = {"by": "Claire Fontaine", "reason": "Réserve oubliée, à taire au client"}
    with_reserve = {
        **minutes,
        "decision": "accepted_with_reserves",
        "reserves": [{"number": 1, "title": "Étiquette", "severity": "minor"}],
    }
    corrected = {"fact": "recette_signed_off", "payload": with_reserve, **said}
    assert await play.fact("fact_corrected", **corrected) == "accepted"
    status = await play.status()
    assert [reserve["number"] for reserve in status["reserves"]] == [1]
    kinds = [(d["kind"], d["version"]) for d in status["documents"]]
    assert kinds.count(("plan_levee", 1)) == 1
    assert ("pv_recette", 2) in kinds
    # Why it was corrected is Mileo's business.
    for name in on_stage.mailbox.names()[-6:]:
        body = on_stage.mailbox.message(name).get_body(("plain",))
        assert body is not None
        assert "à taire" not in body.get_content()


async def test_what_is_corrected_on_its_way_leaves_again(on_stage: Stage) -> None:
    assert isinstance(on_stage.mailbox, PickyMailbox)
    play, story = await begin(on_stage, new())
    lead = play.contract.client.technical_lead.email
    await play.at(story.instant(6, 10))
    on_stage.mailbox.deferred.add(lead)
    await play.handle.execute_update("kickoff_held", kickoff(story, day=5))
    corrected = {"fact": "kickoff_held", "payload": kickoff(story, day=4), "by": "C", "reason": "x"}
    await play.handle.execute_update("fact_corrected", corrected)
    on_stage.mailbox.deferred.clear()
    await play.stage.environment.fast_forward(play.handle, timedelta(hours=1))
    await play.quiet()
    documents = [d["reference"] for d in (await play.status())["documents"]]
    assert [one[-2:] for one in documents if one.startswith("CRK")] == ["v1", "v2"]


async def test_a_notice_cannot_be_shortened_by_a_correction(on_stage: Stage) -> None:
    play, story = await _kicked_off(on_stage)
    firm = phase(story, "P1", "TOURS", 14, 15)
    await play.fact("phase_planned", **firm)
    await play.at(story.instant(6, 10))
    sooner = phase(story, "P1", "TOURS", 7, 15)
    said = {"by": "Claire", "reason": "avancée"}
    outcome = await play.fact("fact_corrected", fact="phase_planned", payload=sooner, **said)
    assert outcome == "refused"


async def test_a_register_out_of_reach_neither_fails_nor_floods_the_run(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    before = (await play.handle.describe()).history_length
    project, calls = on_stage.register.project, 0

    async def away(_projection: Any) -> None:
        nonlocal calls
        calls += 1
        raise OSError("register away")

    on_stage.register.project = away  # type: ignore[assignment, method-assign]
    try:
        await play.fact("onboarding_suspended", reason="Travaux du client")
        await asyncio.sleep(6)
        described = await play.handle.describe()
        assert described.status == WorkflowExecutionStatus.RUNNING
        assert 1 <= calls <= 4
        assert described.history_length - before < 60
    finally:
        on_stage.register.project = project  # type: ignore[method-assign]
    await play.at(story.instant(1, 10))
    registered = await on_stage.register.onboarding(play.contract.reference)
    assert registered is not None
    assert registered.status is not None
    assert registered.status["health"] == "suspended"


async def test_the_register_is_written_when_the_headline_changes(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.fact("kickoff_planned", starts_at=story.iso(4, 10), place="Tours")
    seen = await on_stage.register.onboarding(play.contract.reference)
    assert seen is not None
    assert seen.status is not None
    assert "kickoff_convocation" not in [mail["kind"] for mail in seen.status["emails"]]
    await play.fact("onboarding_suspended", reason="Travaux du client")
    seen = await on_stage.register.onboarding(play.contract.reference)
    assert seen is not None
    assert seen.status is not None
    assert seen.status["health"] == "suspended"
    assert "kickoff_convocation" in [mail["kind"] for mail in seen.status["emails"]]


async def test_a_correction_after_a_take_over_sends_nothing_of_the_past(on_stage: Stage) -> None:
    signed = OPENS_AT - timedelta(days=40)
    history = [{"fact": "kickoff_held", "payload": _past_kickoff()}]
    play, _ = await begin(on_stage, new(signed_at=signed, history=history))
    payload = {**_past_kickoff(), "held_on": "2031-01-29"}
    said = {"by": "Claire", "reason": "erreur"}
    assert (
        await play.fact("fact_corrected", fact="kickoff_held", payload=payload, **said)
        == "accepted"
    )
    status = await play.status()
    assert {mail["kind"] for mail in status["emails"]} == {"take_over"}
    assert status["documents"] == []


async def test_a_cancelled_onboarding_takes_no_more_facts_and_owes_nothing(
    on_stage: Stage,
) -> None:
    play, story = await begin(on_stage, new())
    await play.at(story.instant(2, 10))
    await play.handle.execute_update("onboarding_cancelled", {"reason": "Site vendu"})
    await asyncio.wait_for(play.handle.result(), 20)
    status = await play.status()
    assert {deadline["state"] for deadline in status["deadlines"]} <= {"void", "met"}
