"""The documentation says what the code does: its tables, examples, commands and links."""

from __future__ import annotations

import json
import re
from datetime import datetime, time
from pathlib import Path
from typing import Any, Final

import pytest

from activities.working_days import read_worked_days
from local.settings_table import PAGE, page
from process import rules
from process.calendar import PARIS, WorkCalendar, at
from process.contract import Contract
from process.facts import FACTS, FactCorrected
from process.onboarding import Onboarding
from process.orders import SentMail
from process.policy import Policy
from process.record import IssuedSending, OpenPoint, Record
from process.vocabulary import DOE_FAMILY_NAMES
from reception import parse_contract
from settings import CalendarSettings, known_names
from starter import cli

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FACTS_PAGE: Final = (ROOT / "docs" / "faits.md").read_text(encoding="utf-8")

CONTRACT: Final = (ROOT / "examples" / "contract-remplacement.json").read_bytes()

Payload = dict[str, Any]

_TWO_FORMS: Final = {"doe_piece_filed", "interview_held"}
"""Facts that give either of two sets of fields: none of them is required by itself."""


def _sections() -> dict[str, str]:
    """What the page of facts says of each, by name, in the order of the page."""
    parts = re.split(r"^### `(\w+)`$", FACTS_PAGE, flags=re.MULTILINE)[1:]
    names = parts[::2]
    assert len(names) == len(set(names))
    return {
        name: re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for name, text in zip(names, parts[1::2], strict=True)
    }


def _examples(section: str) -> list[Payload]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]


# Settings


def test_the_table_of_settings_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m local.settings_table"


def test_the_table_of_settings_has_them_all() -> None:
    assert set(re.findall(r"^\| `(\w+)`", page(), re.MULTILINE)) == known_names()


# Facts


def test_every_fact_has_its_section() -> None:
    assert set(_sections()) == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_a_section_names_every_field_and_its_examples_are_valid(name: str) -> None:
    section = _sections()[name]
    for field in FACTS[name].model_fields.keys() - {"fact_id"}:
        assert f"`{field}`" in section
    optional = {field for field, info in FACTS[name].model_fields.items() if not info.is_required()}
    prose = section.partition("```")[0]
    if name not in _TWO_FORMS:
        assert {f for f in FACTS[name].model_fields if f"`{f}`?" in prose} == optional - {"fact_id"}
    examples = _examples(section)
    assert examples
    for example in examples:
        rules.read(name, (example,))


def _opened(contract: Contract, now: datetime) -> Onboarding:
    zones = {site.zone for site in contract.sites}
    days = read_worked_days(zones, 2025, 2029, CalendarSettings())
    record = Record(started_at=now, looked_at=now)
    return Onboarding(contract, WorkCalendar(days), Policy(), record)


class _Story:
    """The onboarding that the examples tell one after the other."""

    def __init__(self) -> None:
        contract = Contract.model_validate_json(CONTRACT)
        self.now = contract.signed_at
        self.o = _opened(contract, self.now)

    def tell(self, name: str, payload: Payload) -> None:
        self._until(payload)
        self._prepare(name, payload)
        fact, canonical = rules.read(name, (payload,))
        rules.judge(self.o, name, fact, canonical, self.now)
        if isinstance(fact, FactCorrected):
            facts = list(self.o.record.facts)
            index, corrected = rules.corrected(self.o, fact, self.now)
            facts[index] = facts[index].model_copy(update={"payload": corrected})
            self.o = self.o.as_of(facts)
        self.o.take(name, fact, canonical, self.now)

    def _until(self, payload: Payload) -> None:
        """To the evening of the day that the fact states; a plan states none."""
        for field, value in payload.items():
            if re.fullmatch(r"\w+_(on|at)", field) and field not in {
                "starts_at",
                "ends_at",
                "due_on",
            }:
                day = datetime.fromisoformat(value).astimezone(PARIS).date()
                self.now = max(self.now, at(day, time(18)))

    def _prepare(self, name: str, payload: Payload) -> None:
        """What the examples leave out: the other pieces, what is sent, what time brings."""
        record = self.o.record
        match name:
            case "doe_released":
                tags = [item.tag for item in self.o.contract.equipment]
                for family in DOE_FAMILY_NAMES:
                    piece = {"family": family, "name": family, "uri": family, "equipment": tags}
                    self.tell("doe_piece_filed", piece)
            case "doe_received":
                mail = SentMail(
                    to="a@b.fr", role="technical_lead", message_id="1", accepted_at=self.now
                )
                record.sendings["doe_delivery"] = IssuedSending(
                    kind="doe_delivery", started_at=self.now, mails=[mail]
                )
            case "maintenance_presented":
                record.activated_at = self.now
            case "open_point_settled":
                record.open_points.append(
                    OpenPoint(
                        id=payload["id"],
                        kind="piece_secrets" if "secrets" in payload else "mail",
                        message="",
                        since=self.now,
                        owed_by="project_manager",
                        sending="welcome",
                    )
                )


def test_the_examples_tell_one_story() -> None:
    story = _Story()
    for name, section in _sections().items():
        for example in _examples(section):
            story.tell(name, example)
    assert story.o.verdict == "succeeded"
    assert story.o.cancelled


def test_the_example_of_a_past_can_be_taken_over() -> None:
    _, _, section = FACTS_PAGE.partition("\n## Un onboarding déjà commencé\n")
    facts, _, _ = section.partition("```json\n")[2].partition("```")
    contract = parse_contract(CONTRACT, facts.encode())
    assert contract.history
    now = at(contract.signed_at.date().replace(month=5), time(9))
    o = _opened(contract, now)
    for past in contract.history:
        fact, payload = rules.read(past.fact, (past.payload,))
        rules.judge(o, past.fact, fact, payload, now)
        o.take(past.fact, fact, payload, now)
    assert o.notice_hours(o.phases["P1"])


# Links, files and commands


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_file_names_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    missing = [link for link in links if not (path.parent / link).exists()]
    named = re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|md|yml|toml|lock|svg))`", text)
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_the_commands_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    targets = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"^ +make (\w+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"python starter\.py ([\w-]+)", text)) <= set(cli.commands)
