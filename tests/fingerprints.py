"""What the code asks of Temporal, written down: ``python -m tests.fingerprints`` renews it.

Two parts: where each function of ``workflows/`` issues commands, in their order; and what the
process asks for, instant by instant, in lives that no recorded history covers.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from process import invited
from process.facts import FACTS
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.orders import Sending, SentMail
from process.record import IssuedSending
from process.reminders import note_known
from process.vocabulary import DOE_FAMILY_NAMES
from tests.builders import PRESENT, Case, Payload, contract, one_site, person, phase, reserve
from workflows.agenda import look
from workflows.client_onboarding import _activate, reminders_as_sendings
from workflows.intake import Intake
from workflows.sendings import next_reference

RECORDED: Final = Path(__file__).parent / "fingerprints.txt"

_WORKFLOWS: Final = Path(__file__).resolve().parent.parent / "workflows"
_COMMANDS: Final = frozenset(
    {
        "execute_activity",
        "start_activity",
        "execute_local_activity",
        "start_local_activity",
        "execute_child_workflow",
        "start_child_workflow",
        "sleep",
        "wait_condition",
        "continue_as_new",
        "patched",
        "deprecate_patch",
        "upsert_memo",
        "upsert_search_attributes",
        "create_task",
        "gather",
        "random",
        "uuid4",
        "get_external_workflow_handle",
    }
)
"""What leaves an event in a history, or decides in which order others do."""

_OURS: Final = frozenset({"effects"})
"""Modules of ours all of whose functions issue a command."""


# --- Where commands are issued ----------------------------------------------------------------


def issued() -> Iterator[str]:
    """``file: function: command, command…``, for each function that issues some."""
    for path in sorted(_WORKFLOWS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(_WORKFLOWS).as_posix()
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found = list(_calls(function))
                if found:
                    yield f"{name}: {function.name}: {', '.join(found)}"


def _calls(function: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue  # on its own line
        if isinstance(node, ast.Await) and (own := _own_method(node.value)):
            yield f"await {own}"
        yield from _calls(node)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = node.func
        if not isinstance(called.value, ast.Name):
            continue
        if called.value.id in _OURS or called.attr in _COMMANDS:
            yield f"{ast.unparse(called)}({_first(node)})"


def _first(call: ast.Call) -> str:
    """Its first argument, where the code itself says it: the name of an activity."""
    said = [one.value for one in call.args[:1] if isinstance(one, ast.Constant)]
    return str(said[0]) if said else ""


def _own_method(node: ast.expr) -> str | None:
    """The method of its own that a function waits for: its commands come there."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            return name
    return None


# --- What is asked for ------------------------------------------------------------------------

_SOURCES: Final[tuple[Payload, ...]] = (
    contract(),
    one_site(),
    contract(maintenance=None, team__project_manager=None),
    contract(maintenance__effective="2026-05-12", client__technical_contact=None),
)
_LIVES: Final = 20


class Life(Case):
    """A run without Temporal: it writes down what it would ask."""

    def __init__(self, source: Payload) -> None:
        super().__init__(source)
        self.intake = Intake(self.o)
        self.lines: list[str] = []
        self.timer = ""

    def look(self, now: datetime) -> datetime | None:
        """One look, as ``ClientOnboarding`` has it; when the next one is due."""
        o = self.o
        _activate(o, now)
        self.intake.try_waiting(now)
        if not o.cancelled and not o.suspension:
            self.intake.raise_long_waits(now)
        held = deadlines(o, now)
        note_known(o, held, now)
        agenda = look(o, held, now)
        o.record.looked_at, o.record.rung_at = now, agenda.rung_at
        for sending in (*agenda.sendings, *reminders_as_sendings(o, agenda.reminders)):
            self._send(sending, now)
        timer = f"{agenda.wake.at.isoformat()} {agenda.wake.step}" if agenda.wake else "none"
        if timer != self.timer:
            self.timer = timer
            self.lines.append(f"  timer {timer}")
        return agenda.wake.at if agenda.wake and not o.cancelled else None

    def _send(self, sending: Sending, now: datetime) -> None:
        references = [next_reference(self.o, wanted) for wanted in sending.documents]
        self.lines += [f"  issue_document {reference}" for reference in references]
        to = " ".join(one.role for one in sending.to)
        self.lines.append(f"  send_mail {sending.key} to {to}")
        asked = invited.ask(self.o.record, sending, 0, now)
        self.o.record.sendings[sending.key] = IssuedSending(
            kind=sending.kind,
            started_at=now,
            state="done",
            documents=references,
            mails=[
                SentMail(
                    to=one.email or one.role,
                    role=one.role,
                    message_id=sending.key,
                    accepted_at=now,
                )
                for one in sending.to
            ],
        )
        mails = self.o.record.sendings[sending.key].mails
        invited.answer(self.o.record, asked, 0, mails)

    def tell(self, name: str, payload: Payload, now: datetime) -> None:
        rejected, waiting = len(self.o.record.rejected), len(self.o.record.waiting)
        self.intake.hear(name, [payload], now)
        record = self.o.record
        outcome = (
            "refused"
            if len(record.rejected) > rejected
            else "waiting"
            if len(record.waiting) > waiting
            else "taken"
        )
        self.lines.append(f"  told {name}: {outcome}")


def lived(number: int) -> Life:
    """A life, from one look to the next."""
    # Its draws are the same for ever, on every machine; nothing here is a secret.
    chance = random.Random(number)  # noqa: S311
    life = Life(_SOURCES[number % len(_SOURCES)])
    now = life.o.record.started_at
    due = life.look(now)
    for name in _script(chance):
        told_at = now + timedelta(hours=_gap(chance, name))
        while due and due <= told_at:
            now = due
            due = life.look(now)
        now = told_at
        life.tell(name, _payload(chance, name, now, life.o), now)
        due = life.look(now)
    for _ in range(12):
        if due is None:
            break
        now = due
        due = life.look(now)
    return life


def _gap(chance: random.Random, name: str) -> int:
    """The hours from one fact to the next."""
    return 1 if name == "doe_piece_filed" else chance.choice((0, 2, 24, 30, 72, 100, 200))


_USUAL: Final = (
    *("kickoff_planned", "kickoff_held", "audit_concluded", "phase_planned", "training_planned"),
    *("progress_reported", "phase_completed", "commissioned", "training_held", "recette_planned"),
    *("recette_signed_off", "reserve_fixed", "reserve_lifted"),
    *(["doe_piece_filed"] * len(DOE_FAMILY_NAMES)),
    *("doe_released", "doe_received", "maintenance_presented", "interview_held"),
)


def _script(chance: random.Random) -> list[str]:
    """A usual life, with other facts in between and some facts late."""
    others = sorted(FACTS.keys() - {"onboarding_cancelled", "onboarding_resumed"})
    script: list[str] = []
    for name in _USUAL:
        if chance.random() < 0.3:
            script.append(chance.choice(others))
        if script[-1:] == ["onboarding_suspended"]:
            script.append("onboarding_resumed")
        if chance.random() < 0.97:
            script.append(name)
    if chance.random() < 0.3:
        script.insert(chance.randrange(len(script)), "onboarding_cancelled")
    return script


def _payload(chance: random.Random, name: str, now: datetime, o: Onboarding) -> Payload:
    """Something plausible to state at that instant."""
    day, soon = now.date().isoformat(), now + timedelta(days=chance.randint(4, 12))
    starts_at = soon.replace(hour=9, minute=0, second=0).isoformat()
    why = {"by": "Dsi", "reason": "motif"}
    site = o.contract.sites[0].code
    held = {"held_on": day}
    slot = {
        **phase(site=site),
        "starts_at": starts_at,
        "ends_at": (soon + timedelta(days=2)).isoformat(),
    }
    noted = [
        reserve(n, chance.choice(("minor", "blocking"))) for n in range(1, chance.randint(1, 3))
    ]
    filed = sum(fact.fact == "doe_piece_filed" for fact in o.record.facts)
    scope = {"title": "t", "reason": "r", "phases": ["P1"]}
    plan = {**held, "attendees": ["Chef"], "phases": [slot]}
    every: dict[str, Payload] = {
        "kickoff_planned": {"starts_at": starts_at, "place": "Angers"},
        "kickoff_held": plan,
        "audit_concluded": {
            "concluded_on": day,
            "conclusions": "Conforme.",
            **({"scope_change": scope} if chance.random() < 0.3 else {}),
        },
        "scope_change_answered": {"accepted": True, "answered_on": day, "by": "Dsi"},
        "phase_planned": slot,
        "phase_cancelled": {"id": "P1", "reason": "motif"},
        "phase_completed": {"id": "P1", "completed_at": now.isoformat()},
        "progress_reported": {**held, "done": [], "next": []},
        "deviation_declared": {"phase": "P1", "cause": "cause", "measures": ["mesure"]},
        "training_planned": {
            "starts_at": starts_at,
            "site": site,
            "trainer": "T",
            "trainees": ["U"],
        },
        "training_held": {**held, "trainees": ["U"]},
        "commissioned": {"commissioned_on": day, "override_reason": "motif"},
        "recette_planned": {"starts_at": starts_at},
        "presentation_planned": {"starts_at": starts_at},
        "interview_planned": {"starts_at": starts_at},
        "recette_signed_off": {
            "effective_on": day,
            "decision": "accepted_with_reserves" if noted else "accepted",
            "present": PRESENT,
            "reserves": noted,
        },
        "reserve_added": {**reserve(3), "found_on": day},
        "reserve_fixed": {"number": 1, "fixed_on": day, "evidence": "photo"},
        "reserve_lifted": {"number": 1, "lifted_on": day, "by": "Dsi"},
        "reserve_lifting_refused": {"number": 1, "refused_on": day, **why},
        "reserve_contested": {"number": 1, "on": day, **why},
        "reserve_withdrawn": {"number": 1, "on": day, **why},
        "doe_piece_filed": {
            "family": list(DOE_FAMILY_NAMES)[filed % len(DOE_FAMILY_NAMES)],
            "name": f"n{filed}",
            "not_applicable_reason": "motif",
            "equipment": [one.tag for one in o.contract.equipment],
        },
        "doe_released": {"released_on": day, "by": "Chef"},
        "doe_received": {"received_on": day, "by": "Dsi"},
        "maintenance_date_set": {"effective_on": day, "despite_open_reserves": True, **why},
        "maintenance_presented": held,
        "interview_held": {
            **held,
            "score": 8,
            "masters_system": True,
            "masters_incident_procedure": True,
        },
        "contact_replaced": {"role": "technical_lead", "person": person("autre")},
        "limit_moved": {"obligation": "O13", "due_on": soon.date().isoformat(), **why},
        "open_point_settled": {"id": "x", "action": "abandon", **why},
        "fact_corrected": {"fact": "kickoff_held", "payload": plan, **why},
        "onboarding_suspended": {"reason": "motif"},
        "onboarding_resumed": {"reason": "motif"},
        "onboarding_cancelled": {"reason": "motif"},
    }
    return every[name]


def _told(number: int) -> list[str]:
    return [f"life {number}", *lived(number).lines]


def every_line() -> list[str]:
    """All of it."""
    lives = [line for number in range(_LIVES) for line in _told(number)]
    return ["commands", *(f"  {line}" for line in issued()), *lives]


if __name__ == "__main__":
    RECORDED.write_text("\n".join(every_line()) + "\n", encoding="utf-8")
