"""Whole onboardings on the real server, with real mails, documents and register."""

from __future__ import annotations

import asyncio
import email
import hashlib
from datetime import date, datetime, timedelta
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from local.scenarios import play_new, play_replacement
from local.stage import stage
from process.calendar import paris
from tests import builders
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
)
from workflows.names import TASK_QUEUE, WORKFLOW_TYPE
from workflows.sendings import MAILS

if TYPE_CHECKING:
    from local.stage import Stage


async def _no_timer_is_left(play: Any) -> bool:
    open_timers: dict[int, datetime] = {}
    async for event in play.handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            started = event.timer_started_event_attributes
            fires_at = event.event_time.ToDatetime() + started.start_to_fire_timeout.ToTimedelta()
            assert fires_at not in open_timers.values(), "one timer for an instant"
            open_timers[event.event_id] = fires_at
            summary = event.user_metadata.summary.data.decode()
            assert summary.strip('"'), "a timer says what it is for"
        elif event.event_type == EventType.EVENT_TYPE_TIMER_FIRED:
            del open_timers[event.timer_fired_event_attributes.started_event_id]
        elif event.event_type == EventType.EVENT_TYPE_TIMER_CANCELED:
            del open_timers[event.timer_canceled_event_attributes.started_event_id]
    return not open_timers


async def test_a_replacement_lives_the_whole_process(on_stage: Stage) -> None:
    contract = replaced()
    play, story = await begin(on_stage, contract)
    await play_replacement(play, story)
    assert await play.handle.result() == {"outcome": "completed", "verdict": "succeeded"}

    status = await play.status()
    assert status["step"] == "completed"
    expected_missed = {"O5 P1", "O6 " + _week(story.j(24))}
    assert {key for key, state in states(status).items() if state == "missed"} == expected_missed
    assert set(states(status).values()) == {"met", "missed"}
    # The waived phase: its schedule left, with the hours really given.
    [first] = [one for one in status["phases"] if one["id"] == "P1"]
    assert 44 < first["notice_hours"] < 46
    assert [reserve["state"] for reserve in status["reserves"]] == ["lifted"] * 3
    refused_then_lifted = [entry["what"] for entry in status["reserves"][0]["history"]]
    assert refused_then_lifted == [
        "Réserve émise à la recette",
        "Déclarée corrigée par Mileo",
        "Levée refusée par le client",
        "Déclarée corrigée par Mileo",
        "Levée constatée par le client",
    ]
    # Maintenance on acceptance: the sheet sent with the convocation gave its five days.
    assert status["maintenance"]["effective_on"] == story.day(42)
    assert status["maintenance"]["activation_on"] == story.day(42)
    assert status["open_points"] == []
    assert status["waiting"] == []
    assert await _no_timer_is_left(play)
    await _everything_is_on_record(on_stage, contract.reference, status)


async def _everything_is_on_record(up: Stage, reference: str, status: dict[str, Any]) -> None:
    mails = await up.register.mails(reference)
    assert len({(mail.key, mail.recipient) for mail in mails}) == len(mails)
    assert len({mail.message_id for mail in mails}) == len(mails)
    assert {mail.message_id for mail in mails} == {mail["message_id"] for mail in status["emails"]}
    delivered: dict[str, int] = {}
    for path in up.mailbox.folder.glob("*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        delivered[message["Message-ID"]] = delivered.get(message["Message-ID"], 0) + 1
    assert all(delivered[mail.message_id] == 1 for mail in mails)

    documents = await up.register.documents(reference)
    assert {d.reference for d in documents} == {d["reference"] for d in status["documents"]}
    for document in documents:
        content = (Path(up.settings.documents_url) / document.path).read_bytes()
        if document.kind == "doe_conteneur":
            # Registered by its clear content: an encrypted file is never twice the same.
            assert content.startswith(b"PK")
            continue
        assert content.startswith(b"%PDF")
        assert hashlib.sha256(content).hexdigest() == document.sha256

    registered = await up.register.onboarding(reference)
    assert registered is not None
    assert registered.closed_at is not None
    assert registered.status == status


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


async def test_a_new_installation_without_any_cache(tmp_path: Path) -> None:
    """Every task replays the whole history: what is not deterministic fails here."""
    async with stage(tmp_path, cached_runs=0) as up:
        play, story = await begin(up, new())
        await play_new(play, story)
        verdict = (await play.handle.result())["verdict"]
        status = await play.status()
    assert verdict == "succeeded_with_actions"
    assert {key for key, state in states(status).items() if state == "void"} == {"O3", "O4"}
    assert {key for key, state in states(status).items() if state == "missed"} == set()
    # The fixed date, met; the sheet left in time for it.
    assert status["maintenance"]["activated_at"] == "2031-05-05T08:00:00+02:00"
    assert of(status, "O15")["met_at"] < "2031-04-28"


async def test_everything_may_also_come_as_signals(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.signal("kickoff_planned", {"starts_at": story.iso(4, 10), "place": "Tours"})
    await play.at(story.instant(4, 12))
    await play.signal("kickoff_held", kickoff(story))
    await play.signal("phase_planned", phase(story, "P1", "TOURS", 14, 15))
    status = await play.status()
    assert of(status, "O1")["state"] == "met"
    assert status["phases"][0]["state"] == "firm"
    assert sent(status, "intervention_schedule")
    # The update of a fact that a signal brought is known; nothing leaves again.
    before = status["emails"]
    assert await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15)) == "known"
    assert (await play.status())["emails"] == before


async def test_a_signal_of_any_shape_is_kept_and_blocks_nothing(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.signal("kickoff_held")
    await play.signal("kickoff_held", "texte")
    await play.signal("kickoff_held", kickoff(story), kickoff(story))
    await play.signal("kickoff_held", {**kickoff(story), "surprise": 1})
    await play.signal("kickoff_held", {**kickoff(story), "held_on": 20310310})
    await play.signal("kickoff_held", b"\x00\xff")
    await play.signal("kick_off_held", kickoff(story))
    await play.signal("doe_piece_filed", {"family": "plans", "name": "Plans", "uri": "x" * 300_000})
    status = await play.status()
    assert status["rejected_count"] == len(status["rejected"]) == 8
    assert status["rejected"][3]["reason"] == "surprise : champ inconnu"
    assert status["rejected"][4]["reason"] == "held_on : texte ISO 8601 attendu, pas un nombre"
    assert status["rejected"][6]["reason"] == "fait inconnu : « kick_off_held »"
    assert all(len(one["payload"].encode()) <= 2_000 for one in status["rejected"])
    # The project manager hears of them, once, the next morning.
    await play.at(story.instant(1, 10))
    assert len(sent(await play.status(), "reminder")) == 1
    assert await play.fact("kickoff_held", **kickoff(story, day=1)) == "accepted"


async def test_an_update_that_cannot_be_taken_says_where_and_why(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    wrong = kickoff(story, day=0)
    wrong["phases"][0]["site"] = "LYON"
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        await play.handle.execute_update("kickoff_held", wrong)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "FactRefused"
    assert cause.message == "phases[0].site : le contrat n'a pas de site « LYON » (sites : TOURS)"
    several: list[list[Any]] = [[], ["x"], [{}, {}]]
    for arguments in several:
        with pytest.raises(WorkflowUpdateFailedError):
            await play.handle.execute_update("kickoff_held", args=arguments)
    # The same payload sent again after a refusal is judged again.
    wrong["phases"][0]["site"] = "TOURS"
    assert await play.fact("kickoff_held", **wrong) == "accepted"
    assert await play.fact("kickoff_held", **wrong) == "known"
    assert await play.fact("kickoff_held", **{**wrong, "held_on": story.day(5)}) == "refused"


async def test_early_facts_wait_are_shown_and_apply_when_they_make_sense(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    firm = phase(story, "P1", "TOURS", 14, 15)
    done = {"number": 1, "fixed_on": OPENS_AT.date().isoformat(), "evidence": "x"}
    assert await play.fact("reserve_fixed", **done) == "waiting"
    assert await play.fact("phase_planned", **firm, fact_id="plan-1") == "waiting"
    assert await play.fact("phase_planned", **firm, fact_id="plan-1") == "waiting"
    waiting = (await play.status())["waiting"]
    assert [(one["fact"], one["waits_for"]) for one in waiting] == [
        ("reserve_fixed", "recette_signed_off"),
        ("phase_planned", "kickoff_held"),
    ]
    # After five jours ouvrés it becomes a point that a person sees.
    await play.at(story.instant(6, 10))
    assert [point["kind"] for point in (await play.status())["open_points"]] == ["waiting_fact"] * 2
    assert await play.fact("kickoff_held", **kickoff(story)) == "accepted"
    status = await play.status()
    assert [one["fact"] for one in status["waiting"]] == ["reserve_fixed"]
    assert [point["id"][:21] for point in status["open_points"]] == ["waiting:reserve_fixed"]
    assert status["phases"][0]["state"] == "firm"
    assert sent(status, "intervention_schedule")
    assert await play.fact("phase_planned", **firm, fact_id="plan-1") == "known"
    # A person gives up what still waits: it is kept among the refused facts.
    settled = {"id": status["open_points"][0]["id"], "by": "Claire", "reason": "saisie en double"}
    assert await play.fact("open_point_settled", action="abandon", **settled) == "accepted"
    status = await play.status()
    assert status["waiting"] == status["open_points"] == []
    assert status["rejected"][-1]["fact"] == "reserve_fixed"


async def test_limits_remind_escalate_and_keep_waiting(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    manager = str(play.contract.team.project_manager and play.contract.team.project_manager.email)
    head = on_stage.settings.head_of_projects.email
    await play.at(story.instant(7, 8))
    assert sent(await play.status(), "reminder") == []
    await play.at(story.instant(7, 10))  # D-3 jo
    assert sent(await play.status(), "reminder") == [manager]
    await play.at(story.instant(10, 23))  # D-1 jo has passed, the limit has not
    status = await play.status()
    assert sent(status, "reminder") == [manager] * 2
    assert of(status, "O1")["state"] == "running"
    assert status["health"] == "at_risk"
    await play.at(story.instant(11, 8))
    status = await play.status()
    assert of(status, "O1")["state"] == "missed"
    assert status["health"] == "late"
    await play.at(story.instant(11, 10))  # late: the accountable and the head of projects
    assert sent(await play.status(), "reminder") == [manager] * 3 + [head]
    await play.at(story.instant(13, 10))  # again after 2 jo
    assert sent(await play.status(), "reminder") == [manager] * 3 + [head, manager, head]
    await play.at(story.instant(18, 10))  # then weekly
    status = await play.status()
    assert len(sent(status, "reminder")) == 8
    assert {"fact": "kickoff_held", "owed_by": "project_manager"} in status["waiting_for"]
    # A fact that arrives late but states a date in time turns missed into met.
    assert await play.fact("kickoff_held", **kickoff(story, day=9, phase_day=40)) == "accepted"
    status = await play.status()
    assert of(status, "O1")["state"] == "met"
    assert status["health"] != "late"
    await play.at(story.instant(28, 10))
    assert len(sent(await play.status(), "reminder")) == 8


async def test_a_mail_refused_for_good_is_a_point_that_a_person_settles(on_stage: Stage) -> None:
    assert isinstance(on_stage.mailbox, PickyMailbox)
    contract = new()
    lead = contract.client.technical_lead.email
    on_stage.mailbox.refused.add(lead)
    play, story = await begin(on_stage, contract)
    await play.at(story.instant(1, 8))
    status = await play.status()
    [point] = status["open_points"]
    assert point["id"] == "mail:welcome"
    assert lead in point["message"]
    assert "boîte inconnue" in point["message"]
    [refused] = [mail for mail in status["emails"] if mail["to"] == lead]
    assert refused["accepted_at"] is None
    settled = {"id": "mail:welcome", "by": "Claire Fontaine", "reason": "adresse rétablie"}
    on_stage.mailbox.refused.clear()
    assert await play.fact("open_point_settled", action="retry", **settled) == "accepted"
    status = await play.status()
    assert status["open_points"] == []
    assert sent(status, "welcome").count(lead) == 1
    assert len(sent(status, "welcome")) == len(set(sent(status, "welcome")))
    assert await play.fact("open_point_settled", action="retry", **settled) == "known"
    settled["id"] = "mail:nothing"
    assert await play.fact("open_point_settled", action="abandon", **settled) == "refused"


async def test_done_otherwise_counts_from_the_day_a_person_says_so(on_stage: Stage) -> None:
    assert isinstance(on_stage.mailbox, PickyMailbox)
    contract = new()
    play, story = await begin(on_stage, contract)
    await play.fact("kickoff_held", **kickoff(story))
    on_stage.mailbox.refused.add(contract.client.technical_lead.email)
    await play.at(story.instant(6, 10))
    await play.fact("phase_planned", **phase(story, "P1", "TOURS", 14, 15))
    assert of(await play.status(), "O5")["met_at"] is None
    await play.at(story.instant(7, 10))
    on_stage.mailbox.refused.clear()
    outcome = await play.fact(
        "open_point_settled",
        id="mail:intervention_schedule:P1:1",
        action="done_otherwise",
        by="Claire Fontaine",
        reason="remis en main propre",
    )
    assert outcome == "accepted"
    status = await play.status()
    assert of(status, "O5")["state"] == "met"
    assert of(status, "O5")["met_at"].startswith(story.day(7))


async def test_a_document_that_lacks_its_issuer_is_a_point_not_a_failure(on_stage: Stage) -> None:
    team = new().team.model_copy(update={"project_manager": None})
    play, story = await begin(on_stage, new(team=team))
    status = await play.status()
    assert [mail["kind"] for mail in status["emails"]] == ["project_manager_missing"]
    await play.fact("kickoff_planned", starts_at=story.iso(4, 10), place="Tours")
    [point] = (await play.status())["open_points"]
    assert point["kind"] == "document"
    assert "ODJ-" in point["message"]
    person = {"name": "Claire Fontaine", "email": "c.fontaine@mileotech.example", "code": "CFO"}
    assert await play.fact("contact_replaced", role="project_manager", person=person) == "accepted"
    outcome = await play.fact(
        "open_point_settled", id=point["id"], action="retry", by="Marc", reason="CP nommée"
    )
    assert outcome == "accepted"
    status = await play.status()
    assert status["open_points"] == []
    assert sent(status, "kickoff_convocation")
    assert sent(status, "welcome")


async def test_a_fixed_date_waits_for_a_decision_while_nothing_is_accepted(
    on_stage: Stage,
) -> None:
    contract = new(effective_on=date(2031, 3, 24))
    play, _story = await begin(on_stage, contract)
    await play.at(OPENS_AT + timedelta(days=23))
    status = await play.status()
    assert status["maintenance"]["activated_at"] is None
    manager = contract.team.account_manager
    assert manager is not None
    assert sent(status, "activation_blocked") == [manager.email]
    assert {"fact": "maintenance_date_set", "owed_by": "account_manager"} in status["waiting_for"]
    decision = {"effective_on": "2031-03-24", "despite_open_reserves": True}
    assert await play.fact("maintenance_date_set", **decision) == "refused"
    decision |= {"by": "Olivier Garnier", "reason": "Mise en service anticipée"}
    assert await play.fact("maintenance_date_set", **decision) == "accepted"
    status = await play.status()
    assert status["maintenance"]["activated_at"] is not None
    assert sent(status, "activation_notice")


async def test_a_contract_that_is_not_one_fails_at_once_with_the_paths(on_stage: Stage) -> None:
    client = on_stage.environment.client
    for contract in ({"reference": "X"}, "texte", None):
        handle = await client.start_workflow(
            WORKFLOW_TYPE, contract, id=f"onboarding-wrong-{contract!r}", task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 10)
        cause = failure.value.cause
        assert isinstance(cause, ApplicationError)
        assert cause.type == "InvalidContract"
        if isinstance(contract, dict):
            assert "signed_at : champ obligatoire absent" in cause.message


async def test_a_contract_started_past_the_doors_is_held_to_the_rules_of_the_doors(
    on_stage: Stage,
) -> None:
    """What the first edition took and its runs still read: an exponent for a date, a name that
    nobody can read, a signature of tomorrow."""
    client = on_stage.environment.client
    wrong = (
        ({"signed_at": "1.7640E+09"}, "signed_at : texte ISO 8601 attendu, pas un nombre"),
        ({"signed_at": "2099-01-01T00:00:00Z"}, "signed_at : année hors du calendrier"),
        ({"signed_at": "2089-01-01T00:00:00Z"}, "signed_at : signature dans le futur"),
        ({"client__name": "\u200b"}, "client.name : texte vide ou trop court"),
    )
    for number, (changes, expected) in enumerate(wrong):
        body = builders.contract(reference=f"WRONG-{number}", **changes)
        handle = await client.start_workflow(
            WORKFLOW_TYPE, body, id=f"onboarding-WRONG-{number}", task_queue=TASK_QUEUE
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 10)
        cause = failure.value.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.type, expected in cause.message) == ("InvalidContract", True), cause.message
        assert await on_stage.register.onboarding(f"WRONG-{number}") is None


async def test_a_reference_in_use_ends_a_second_run_without_a_mail(on_stage: Stage) -> None:
    contract = new()
    await begin(on_stage, contract)
    before = await on_stage.register.mails(contract.reference)
    other = contract.model_copy(update={"project_kind": "extension"})
    handle = await on_stage.environment.client.start_workflow(
        WORKFLOW_TYPE,
        other.model_dump(mode="json"),
        id="onboarding-by-another-door",
        task_queue=TASK_QUEUE,
    )
    result = await asyncio.wait_for(handle.result(), 10)
    assert result["outcome"] == "duplicate"
    assert await on_stage.register.mails(contract.reference) == before


async def test_a_late_signature_says_at_once_what_is_missed_without_a_burst(
    on_stage: Stage,
) -> None:
    contract = new(signed_at=OPENS_AT - timedelta(days=60))
    play, _story = await begin(on_stage, contract)
    status = await play.status()
    assert of(status, "O1")["state"] == "missed"
    assert status["health"] == "late"
    await play.at(OPENS_AT + timedelta(hours=28))
    assert len(sent(await play.status(), "reminder")) == 2  # the manager and the head, once


async def test_search_attributes_answer_the_managers_questions(on_stage: Stage) -> None:
    play, _ = await begin(on_stage, new())
    described = await play.handle.describe()
    values = {pair.key.name: pair.value for pair in described.typed_search_attributes}
    assert values["OnboardingStep"] == "1"
    assert values["ContractReference"] == play.contract.reference
    assert values["ClientName"] == "Clinique Saint-Aubin"
    assert values["ProjectManager"] == "CFO"
    assert values["OpenReserves"] == values["MissedDeadlines"] == 0
    due = values["NextDeadline"]
    assert isinstance(due, datetime)
    assert paris(due).isoformat() == of(await play.status(), "O1")["due_at"]


def test_every_mail_has_its_pair_of_templates() -> None:
    folder = Path("templates/mails")
    for suffix in ("html", "txt"):
        assert {path.stem for path in folder.glob(f"*.{suffix}")} == set(MAILS)
