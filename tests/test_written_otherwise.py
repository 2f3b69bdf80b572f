"""What is the same however it is written, what cannot be read at all, what was signed tomorrow."""

from __future__ import annotations

import copy
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import reception
from process import editions, rules
from process.contract import (
    Contract,
    Site,
    fingerprint,
    former_fingerprint,
    is_that_of,
    signed_ahead,
)
from process.fields import HELD, Day, Instant, Line, Text, Uri, later_field
from tests.builders import Case, contract, iso, one_site, person, phase, t
from workflows.intake import Intake

NOW = t("2026-04-01 10:00")

# Moments: ISO 8601, nothing else

NO_INSTANTS = [
    "1.7640E+09", "1764000000", " 1e9", "1e9", "Infinity", "-inf", "NaN", "1_764_000_000", "0x10",
    "١٧٦٤٠٠٠٠٠٠", "2026-W14-1T08:00:00+02:00", "2026-089T08:00:00+02:00", "20260330T080000+0200",
    "2026-03-30 08:00:00+02:00", "2026-03-30t08:00:00z", "2026-03-30T08+02:00",
    " 2026-03-30T08:00:00+02:00", "2026-03-30T08:00:00+02:00\n", "2026-03-30T08:00:00", "2026-03-30",
    "2026-03-30T08:00:00 Europe/Paris", "2026-03-30T25:00:00Z", "2026-02-30T08:00:00Z", "", "P1D",
    "٢٠٢٦-03-30T08:00:00Z", 1764000000, 1.764e9, True, None, [], {},
]  # fmt: skip

NO_DAYS = [
    "1.7640E+09", "20260330", "2026-W14-1", "2026-089", "2026-3-30", "2026-03-30T00:00:00",
    "2026-03-30T00:00:00Z", " 2026-03-30", "2026-03-30 ", "26-03-30", "2026-02-30", "Infinity", "1e9",
    20260330, 1.764e9, False, None,
]  # fmt: skip


@pytest.mark.parametrize("value", NO_INSTANTS)
def test_an_instant_is_iso_8601_with_an_offset(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(value)
    with pytest.raises(rules.Refused, match="starts_at"):
        rules.read("kickoff_planned", ({"starts_at": value, "place": "Angers"},))
    correction = {"fact": "kickoff_planned", "payload": {"starts_at": value, "place": "Angers"}}
    case = Case().take(
        "kickoff_planned", "2026-03-17 10:00", starts_at=iso("2026-03-25 10:00"), place="A"
    )
    told = case.refused(
        "fact_corrected", "2026-03-18 10:00", by="Chef", reason="Erreur", **correction
    )
    assert "payload.starts_at" in told
    with pytest.raises(reception.Invalid, match="signed_at"):
        reception.check_contract(contract(signed_at=value) | {"signed_at": value})
    past = [{"fact": "kickoff_planned", "payload": {"starts_at": value, "place": "Angers"}}]
    with pytest.raises(reception.Invalid, match=r"history\[0\].payload.starts_at"):
        reception.check_contract(contract(history=past))


@pytest.mark.parametrize(
    "text",
    ["2026-03-30T08:00+02:00", "2026-03-30T08:00:00+0200", "2026-03-30T06:00:00Z",
     "2026-03-30T06:00:00.000Z", "2026-03-30T08:00:00.0000000+02:00"],
)  # fmt: skip
def test_what_clients_of_every_language_write_is_an_instant(text: str) -> None:
    assert TypeAdapter(Instant).validate_python(text) == datetime(2026, 3, 30, 6, tzinfo=UTC)


@pytest.mark.parametrize("value", NO_DAYS)
def test_a_date_is_an_iso_date(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Day).validate_python(value)
    with pytest.raises(rules.Refused, match="released_on"):
        rules.read("doe_released", ({"released_on": value, "by": "Chef"},))


# Invisible text

INVISIBLE = [
    "\u200b", "\ufeff", "\u200d\u200c", "\u2060", "\u00ad", "\u202e\u202c", "\u2066\u2069", "\u180e",
    "\u3164", "\u115f\u1160", "\u2800", "\ufe0f", "\U000e0041\U000e007f", "\u00a0\u200b\u3000",
    "\u0301", "\u200b\u0301\ufe0f", "\ue000", "\ufffc",
]  # fmt: skip


@pytest.mark.parametrize("text", INVISIBLE)
def test_what_prints_nothing_is_no_text(text: str) -> None:
    for kind in (Line, Text, Uri):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)
    wrong = contract(client__technical_lead=person("dsi") | {"name": text})
    with pytest.raises(reception.Invalid, match=r"client\.technical_lead\.name"):
        reception.check_contract(wrong)
    with pytest.raises(rules.Refused, match="place"):
        rules.read("kickoff_planned", ({"starts_at": iso("2026-03-25 10:00"), "place": text},))


def test_what_prints_nothing_is_taken_out_of_a_text() -> None:
    line: TypeAdapter[str] = TypeAdapter(Line)
    assert line.validate_python("\ufeffZoé\u200b \u202eLefèvre\u202c") == "Zoé Lefèvre"
    assert line.validate_python("9\u00a0h\u202f: « été »") == "9\u00a0h\u202f: « été »"
    assert line.validate_python(unicodedata.normalize("NFD", "Zoé")) == "Zoé"
    with pytest.raises(ValidationError, match="at most 200"):
        line.validate_python("é" * 201)


def test_the_name_of_a_file_is_kept_and_reads_in_one_direction() -> None:
    uri: TypeAdapter[str] = TypeAdapter(Uri)
    name = unicodedata.normalize("NFD", "plans/été\u200b.pdf")
    assert uri.validate_python(name) == name
    with pytest.raises(ValidationError, match="sens de lecture"):
        uri.validate_python("plans/\u202efdp.exe")


# One canonical form


def written_otherwise(value: Any) -> Any:
    """Everything that changes nothing: offset, normal form, capitals of addresses, null for what
    is empty or absent, 3.0 for 3."""
    if isinstance(value, dict):
        return {key: written_otherwise(one) for key, one in value.items()}
    if isinstance(value, list):
        return [written_otherwise(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return value
    if "@" in value:
        return value.title()
    if "T" in value and "+" in value:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat().replace("+00:00", "Z")
    return unicodedata.normalize("NFD", value)


def test_a_contract_written_otherwise_is_the_same() -> None:
    past = {
        "fact": "phase_planned",
        "payload": phase(title="Pose câblée") | {"notice_sent_at": iso("2026-04-01 10:00")},
    }
    one = contract(history=[past], client__name="Laiteries réunies")
    other = written_otherwise(copy.deepcopy(one)) | {"reference": one["reference"]}
    other["sites"][0] |= {"contact": None, "open_days": None, "closed_days": []}
    other["history"][0]["payload"] |= {"crew": [], "waiver": None}
    other["maintenance"] |= {"portal": None, "emails": []}
    assert other["signed_at"] == "2026-03-16T10:20:00Z"
    read, again = Contract.model_validate(one), Contract.model_validate(other)
    assert fingerprint(read) == fingerprint(again)
    assert read.signed_at.isoformat() == one["signed_at"], (
        "a person reads the offset that was given"
    )
    assert again.client.technical_lead.email == "Dsi@Client.Example", "a mail leaves as it was told"
    for changed in (
        {"signed_at": "2026-03-16T11:20:01+01:00"},
        {"client__technical_lead__name": "Autre"},
        {"maintenance": None},
    ):
        assert fingerprint(Contract.model_validate(contract(**changed))) != fingerprint(
            Contract.model_validate(contract())
        )


def test_an_optional_field_more_changes_no_fingerprint() -> None:
    class Later(Contract):
        sector: Line | None = None
        tags: list[str] = later_field([])
        urgent: bool = False

    today, later = Contract.model_validate(contract()), Later.model_validate(contract())
    assert fingerprint(later) == fingerprint(today)
    named = Later.model_validate(contract() | {"sector": "hospital"})
    assert fingerprint(named) != fingerprint(today)


def test_the_fingerprints_of_the_first_release_are_recognised() -> None:
    given = Contract.model_validate(contract())
    # Written by the code of then, which told +01:00 from Z.
    recorded = "42b3589f2f514bc4ad50f878c59a2bb7cb8f6329f680870e68d8ac800c37fd9f"
    assert former_fingerprint(given) == recorded
    assert is_that_of(recorded, given)
    utc = Contract.model_validate(contract(signed_at="2026-03-16T10:20:00Z"))
    assert is_that_of(recorded, utc, held=given)
    assert not is_that_of(recorded, utc, held=None)
    other = Contract.model_validate(contract(project_kind="extension"))
    assert not is_that_of(recorded, other, held=given)


def told(edition: int) -> tuple[Case, Intake]:
    case = Case()
    case.o.record.edition = edition
    return case, Intake(case.o)


def test_a_fact_written_otherwise_is_known() -> None:
    case, intake = told(editions.SECOND)
    planned = {"fact_id": "k-1", "starts_at": iso("2026-03-25 10:00"), "place": "Hôtel"}
    assert intake.take("kickoff_planned", [planned], NOW).outcome == "accepted"
    again = written_otherwise(planned) | {"schedule": None, "access": None}
    assert again["starts_at"] == "2026-03-25T09:00:00Z"
    assert intake.take("kickoff_planned", [again], NOW).outcome == "known"
    assert case.o.record.facts[0].payload["starts_at"] == planned["starts_at"]
    correction = {"fact": "kickoff_planned", "payload": again, "by": "Chef", "reason": "Erreur"}
    assert intake.take("fact_corrected", [correction], NOW).outcome == "known"
    with pytest.raises(rules.Refused, match="a déjà servi"):
        intake.take("kickoff_planned", [planned | {"place": "Mairie"}], NOW)
    new = {"role": "sales", "person": person("Nouvelle")}
    assert intake.take("contact_replaced", [new], NOW).outcome == "accepted"
    loud = {"role": "sales", "person": person("Nouvelle") | {"email": "NOUVELLE@Client.Example"}}
    assert intake.take("contact_replaced", [loud], NOW).outcome == "known"


def test_a_fact_that_waits_is_one_however_it_is_written() -> None:
    case, intake = told(editions.SECOND)
    done = {"id": "P1", "completed_at": iso("2026-03-30 17:00")}
    assert intake.take("phase_completed", [done], NOW).outcome == "waiting"
    assert intake.take("phase_completed", [written_otherwise(done)], NOW).outcome == "waiting"
    assert len(case.o.record.waiting) == 1


def test_a_run_of_the_first_edition_reads_and_counts_as_it_did() -> None:
    case, intake = told(editions.FIRST)
    planned = {"fact_id": "k-1", "starts_at": "1.7744E+09", "place": "\u200bHôtel\u200b"}
    assert intake.take("kickoff_planned", [planned], NOW).outcome == "accepted"
    [taken] = case.o.record.facts
    assert taken.payload["place"] == planned["place"]
    assert case.o.record.fact_ids == {"k-1": rules.fingerprint("kickoff_planned", taken.payload)}
    again = planned | {"starts_at": taken.payload["starts_at"].replace("Z", "+00:00")}
    assert intake.take("kickoff_planned", [again], NOW).outcome == "known"
    paris = planned | {"starts_at": "2026-03-25T01:53:20+01:00"}
    with pytest.raises(rules.Refused, match="a déjà servi"):
        intake.take("kickoff_planned", [paris], NOW)
    case.o.fold()
    assert case.o.kickoff_plan is not None


def test_what_was_held_before_the_rules_of_today_is_still_read() -> None:
    held = contract(client__name="\u200b", signed_at="1.7744E+09")
    assert Contract.model_validate(held, context=HELD).client.name == "\u200b"
    with pytest.raises(ValidationError):
        Contract.model_validate(held)
    backwards = {"phase": "P1", "cause": "Pluie", "measures": ["Bâche"]} | {
        "new_starts_at": iso("2026-04-14 08:00"), "new_ends_at": iso("2026-04-13 08:00")
    }  # fmt: skip
    rules.read("deviation_declared", (backwards,), held=True)
    with pytest.raises(rules.Refused, match="new_ends_at doit suivre new_starts_at"):
        rules.read("deviation_declared", (backwards,))


# Signed in the future


def test_a_contract_is_not_signed_more_than_an_hour_ahead() -> None:
    signed = Contract.model_validate(contract())
    hour = timedelta(hours=1)
    assert signed_ahead(signed, signed.signed_at - hour) == []
    [problem] = signed_ahead(signed, signed.signed_at - hour - timedelta(seconds=1))
    assert problem.path == "signed_at"
    tomorrow = contract(signed_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    with pytest.raises(reception.Invalid, match="signed_at : signature dans le futur"):
        reception.check_contract(tomorrow)


# The days of one site


def test_a_site_has_days_of_its_own() -> None:
    site = one_site()["sites"][0]
    friday = "2026-04-03"
    own = site | {"closed_days": [friday], "open_days": ["2026-05-14"]}
    case, plain = Case(contract(project_kind="new", sites=[own])), Case(one_site())
    plan = {"site": "ANGERS", "trainer": "A", "trainees": ["B"]}
    for day, one, other in ((friday, "ANGERS", ""), ("2026-05-14", "", "ANGERS")):
        for tried, closed in ((case, one), (plain, other)):
            given = plan | {"starts_at": iso(f"{day} 10:00")}
            if closed:
                assert "est férié sur le site ANGERS" in tried.refused(
                    "training_planned", "2026-03-20 10:00", **given
                )
            else:
                tried.judge("training_planned", "2026-03-20 10:00", **given)
    # O15: the notice counts only the days worked by Mileo and at the site.
    monday = date(2026, 4, 7)
    counted = [one.o.calendar.subtract(monday, 2, one.o.every_calendar) for one in (case, plain)]
    assert [day.isoformat() for day in counted] == ["2026-04-01", "2026-04-02"]
    assert case.o.as_of([]).calendar is case.o.calendar
    with pytest.raises(ValidationError, match="pas les deux"):
        Site.model_validate(site | {"closed_days": [friday], "open_days": [friday]})
