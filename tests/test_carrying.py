"""What one run hands to the next fits in one message, whatever it was told; and it still ends."""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encryption import EncryptionCodec
from process import rules
from process.calendar import WorkCalendar
from process.carrying import carried_of, fit, pack, unpack
from process.contract import Contract
from process.obligations import deadlines
from process.onboarding import Onboarding
from process.orders import IssuedDocument, ReadPiece, Sending, SentMail
from process.policy import Policy
from process.record import IssuedSending
from process.reminders import note_known
from process.vocabulary import DOE_FAMILY_NAMES
from tests.builders import PRESENT, Case, Payload, one_site, person, phase, t
from workflows.agenda import look
from workflows.converter import data_converter
from workflows.intake import Intake
from workflows.reporting import in_one_message, journal, status
from workflows.sendings import next_reference
from workflows.steps import any_step

_SEALED = EncryptionCodec({"k": b"\x07" * 32})


class Life:
    """A run in small, that goes on in a new one through real payloads."""

    def __init__(self, message_bytes: int = 2_000_000, source: Payload | None = None) -> None:
        policy = Policy(message_bytes=message_bytes)
        self.o = Case(source or one_site(maintenance=None), policy).o
        self.o.record.reads_pieces = True
        self.intake = Intake(self.o)
        self.now = t("2026-03-17 10:00")
        self.outcomes: dict[str, int] = {}
        self.handed = 0

    def tell(self, name: str, payload: Payload) -> str:
        self.now += timedelta(seconds=1)
        try:
            outcome = str(self.intake.take(name, [payload], self.now).outcome)
        except rules.Refused as refused:
            outcome = str(refused)
            self.intake.reject(name, [payload], outcome, self.now)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        return outcome

    def look(self) -> list[Sending]:
        """Look, and have everything done."""
        o, record = self.o, self.o.record
        self.intake.room.looked()
        for file in o.files_to_read:
            digest = hashlib.sha256(file.key.encode()).hexdigest()
            record.pieces[file.key] = ReadPiece(
                key=file.key, sha256=digest, size=123_456, media="application/pdf", pages=12
            )
        held = deadlines(o, self.now)
        note_known(o, held, self.now)
        agenda = look(o, held, self.now)
        record.looked_at, record.rung_at = self.now, agenda.rung_at
        for sending in agenda.sendings:
            self._send(sending)
        return agenda.sendings

    def _send(self, sending: Sending) -> None:
        record = self.o.record
        references = [next_reference(self.o, wanted) for wanted in sending.documents]
        for wanted, reference in zip(sending.documents, references, strict=True):
            record.documents.append(
                IssuedDocument(
                    kind=wanted.kind,
                    reference=reference,
                    version=int(reference.rpartition("-v")[2]),
                    sha256=hashlib.sha256(reference.encode()).hexdigest(),
                    size=12_345,
                    issued_at=self.now,
                )
            )
        mails = [
            SentMail(
                to=one.email or one.role,
                role=one.role,
                message_id=f"<{hashlib.sha256(f'{sending.key}{one.email}'.encode()).hexdigest()}@m>",
                accepted_at=self.now + timedelta(microseconds=317 * rank),
            )
            for rank, one in enumerate(sending.to)
        ]
        entry = record.sendings.get(sending.key)
        if entry is None:
            entry = record.sendings[sending.key] = IssuedSending(
                kind=sending.kind, started_at=self.now
            )
        entry.state, entry.mails, entry.documents = "done", mails, references
        entry.content = sending.content

    def go_on(self) -> int:
        """Go on in a new run; the bytes that were handed on, encrypted, as the server counts them."""
        assert fit(self.o)
        contract = self.o.contract.model_dump(mode="json")
        converter = data_converter.payload_converter
        payloads = converter.to_payloads([contract, pack(carried_of(self.o))])
        sealed = asyncio.run(_SEALED.encode(payloads))
        self.handed = sum(payload.ByteSize() for payload in sealed)
        assert self.handed <= self.o.policy.message_bytes
        read, handed = converter.from_payloads(payloads)
        carried = unpack(handed)
        days = WorkCalendar(carried.days)
        self.o = Onboarding(Contract.model_validate(read), days, carried.policy, carried.record)
        self.intake = Intake(self.o)
        return self.handed

    def seen(self) -> dict[str, Any]:
        return in_one_message(self.o, status(self.o, deadlines(self.o, self.now), self.now))

    def ends(self) -> None:
        """What must always be taken is; then it is over, and both sides are told."""
        self.o.record.open_point("afflux", "flood", "x", self.now)
        settled = {"id": "afflux", "action": "done_otherwise", "by": "C", "reason": "r" * 4_000}
        assert self.tell("open_point_settled", settled) == "accepted"
        who = {"role": "technical_lead", "person": person(f"nouveau {self.now:%H%M%S}")}
        assert self.tell("contact_replaced", who) == "accepted"
        assert self.tell("onboarding_cancelled", {"reason": "r" * 4_000}) == "accepted"
        self.go_on()
        assert self.o.cancelled
        told = {sending.key for sending in any_step.cancellation(self.o)}
        assert {"cancelled_client", "cancelled_team"} <= told


def planned(n: int, now: datetime) -> Payload:
    starts = now + timedelta(days=9, minutes=n % 600)
    return {"starts_at": starts.isoformat(), "place": f"Salle {n}", "fact_id": f"crm-{n:06d}-4b1c"}


def test_fifteen_hundred_kickoffs_planned_again() -> None:
    life = Life()
    first = planned(1, life.now)
    for n in range(1, 1_501):
        assert life.tell("kickoff_planned", planned(n, life.now) if n > 1 else first) == "accepted"
        life.look()
        if n % 250 == 0:
            life.go_on()
    assert life.handed < 500_000
    o = life.o
    assert len(o.kickoff_plans) == 1_500
    # Known once, never sent again: neither the facts nor what left for them.
    assert life.tell("kickoff_planned", first) == "known"
    assert "a déjà servi" in life.tell("kickoff_planned", {**first, "place": "Ailleurs"})
    assert life.look() == []
    seen = life.seen()
    assert len(seen["emails"]) == len(seen["documents"]) == 500
    assert all(mail["message_id"] for mail in seen["emails"])
    # Versions and sequences go on where they were.
    assert seen["documents"][-1]["reference"] == "ODJ-MIL-2026-001-1-v1500"
    assert life.tell("kickoff_planned", planned(1_501, life.now)) == "accepted"
    [convocation] = [one for one in life.look() if one.kind == "kickoff_convocation"]
    assert convocation.key == "kickoff_convocation:1501"
    assert convocation.invitations[0].sequence == 150_000
    assert life.seen()["documents"][-1]["reference"] == "ODJ-MIL-2026-001-1-v1501"
    life.ends()


def test_ten_thousand_facts_on_a_server_of_small_messages() -> None:
    life = Life(message_bytes=300_000)
    for n in range(10_000):
        life.tell("kickoff_planned", planned(n, life.now))
        if n % 50 == 0:
            life.look()
        if n % 1_000 == 0:
            life.go_on()
    [refused] = [reason for reason in life.outcomes if reason != "accepted"]
    assert "trop de données" in refused
    assert "l'annulation" in refused, "who reads it knows what is still possible"
    assert life.outcomes["accepted"] > 1_500
    life.ends()
    # The same on a server as it comes: all are taken.
    life = Life()
    for n in range(10_000):
        assert life.tell("kickoff_planned", planned(n, life.now)) == "accepted"
        if n % 50 == 0:
            life.look()
        if n % 2_500 == 0:
            life.go_on()
    life.ends()


def accepted(life: Life, lines: int) -> Payload:
    life.tell("kickoff_held", {"held_on": "2026-03-17", "attendees": ["C"], "phases": [phase()]})
    life.tell("recette_planned", {"starts_at": "2026-03-17T10:00:00+01:00"})
    minutes = {
        "effective_on": "2026-03-17",
        "decision": "accepted",
        "present": PRESENT,
        "reserves": [],
        "grid": grid(lines, "premier passage"),
    }
    assert life.tell("recette_signed_off", minutes) == "accepted"
    return minutes


def grid(lines: int, remark: str) -> list[Payload]:
    return [
        {"point": f"VID-{n:04d}", "result": "conform", "remark": f"Vu le 17, {remark}, caméra {n}"}
        for n in range(lines)
    ]


def test_a_grid_of_nine_hundred_lines_corrected_again_and_again() -> None:
    life = Life()
    minutes = accepted(life, 900)
    life.look()
    for n in range(8):
        now = {**minutes, "grid": grid(900, f"correction {n}")}
        corrected = {"fact": "recette_signed_off", "payload": now, "by": "Claire", "reason": "relu"}
        assert life.tell("fact_corrected", corrected) == "accepted"
        life.look()
        life.go_on()
    assert len(life.o.record.corrections) == 8
    first, last = life.o.record.corrections[0], life.o.record.corrections[-1]
    assert first.before["grid"][0]["remark"] == "Vu le 17, premier passage, caméra 0"
    assert last.after["grid"][899]["remark"] == "Vu le 17, correction 7, caméra 899"
    assert len(json.dumps(journal(life.o), ensure_ascii=False).encode()) < 2_000_000
    life.ends()


def piece(n: int, family: str = "certificates") -> Payload:
    name = f"Certificat de conformité, lot {n:04d}"
    return {"family": family, "name": name, "uri": f"certificats/lot-{n:04d}.pdf", "equipment": []}


def test_three_thousand_pieces_of_the_doe_are_handed_over() -> None:
    life = Life()
    accepted(life, 3)
    tags = [item.tag for item in life.o.contract.equipment]
    for n, family in enumerate(DOE_FAMILY_NAMES):
        assert life.tell("doe_piece_filed", {**piece(n, family), "equipment": tags}) == "accepted"
    for n in range(10, 3_004):
        assert life.tell("doe_piece_filed", piece(n)) == "accepted"
    life.look()
    life.go_on()
    assert len(life.o.doe_pieces) == 3_000
    assert life.tell("doe_released", {"released_on": "2026-03-17", "by": "C"}) == "accepted"
    [delivery] = [one for one in life.look() if one.kind == "doe_delivery"]
    for document in delivery.documents:
        assert len(document.model_dump_json().encode()) < 2_000_000, "an order is a message too"
    # More than an order can say: refused in time, in words.
    while (outcome := life.tell("doe_piece_filed", piece(life.outcomes["accepted"]))) == "accepted":
        assert life.outcomes["accepted"] < 6_000
    assert "trop de pièces" in outcome
    life.go_on()
    life.ends()


words = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "So"]), min_size=1, max_size=3_900
)
told = st.one_of(
    st.builds(lambda n, text: ("kickoff_planned", {**planned(n, t("2026-03-17 10:00")), "access": text}), st.integers(0, 9_999), words),
    st.builds(lambda text: ("phase_planned", phase(text[0] if text[0].isascii() else "P9", works=[text[:200]])), words),
    st.builds(lambda text: ("onboarding_suspended", {"reason": text}), words),
    st.builds(lambda text: ("onboarding_resumed", {"reason": text}), words),
    st.builds(lambda n, text: ("doe_piece_filed", {**piece(n), "uri": None, "not_applicable_reason": text}), st.integers(0, 99), words),
    st.builds(lambda text: ("contact_replaced", {"role": "sales", "person": {**person("x"), "name": text[:200]}}), words),
    st.builds(lambda n, text: ("fact_corrected", {"fact": "kickoff_planned", "payload": {**planned(n, t("2026-03-17 10:00")), "access": text}, "by": "C", "reason": text}), st.integers(0, 9_999), words),
    st.builds(lambda text: ("inconnu", {"x": text}), words),
)  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(told, min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_whatever_is_told_fits_in_one_message(
    facts: list[tuple[str, Payload]], chance: Any
) -> None:
    life = Life(message_bytes=200_000)
    noise = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789é€", k=3_800))
    for turn in range(3):
        for n, (name, payload) in enumerate(facts):
            # Whatever the facts are, they fill the message in the end.
            life.tell(name, payload)
            place = chance.randrange(3_000)
            life.tell(
                "kickoff_planned",
                {
                    **planned(10_000 + 100 * turn + n, life.now),
                    "access": noise[place:] + noise[:place],
                },
            )
        life.look()
        life.go_on()
    life.ends()


def test_a_full_run_may_be_corrected_for_ever() -> None:
    """Corrections that add nothing, each with texts that no compression makes smaller."""
    life = Life(message_bytes=200_000)
    n = 0
    while True:
        text = "".join(hashlib.sha256(f"{n}-{k}".encode()).hexdigest() for k in range(60))
        if life.tell("kickoff_planned", {**planned(n, life.now), "access": text}) != "accepted":
            break
        n += 1
    full = planned(n - 1, life.now)
    for turn in range(60):
        text = "".join(hashlib.sha256(f"{turn}/{k}".encode()).hexdigest() for k in range(60))
        corrected = {"fact": "kickoff_planned", "payload": {**full, "access": text}}
        said = {**corrected, "by": "C", "reason": text}
        assert life.tell("fact_corrected", said) == "accepted"
        if turn % 20 == 0:
            life.go_on()
    life.go_on()
    assert life.o.kickoff_plan is not None
    assert life.o.kickoff_plan.access == text
    # One that adds much is refused once even the reserve is full.
    many = [hashlib.sha256(str(k).encode()).hexdigest() * 3 for k in range(600)]
    longer = {**corrected, "payload": {**full, "to_bring": many}}
    assert "(la raccourcir)" in life.tell("fact_corrected", {**longer, "by": "C", "reason": "r"})
    life.ends()
