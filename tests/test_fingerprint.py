"""A change of what is asked of Temporal is seen before it meets the onboardings under way.

Recorded histories cover what they have lived (``test_replay``); this covers more, less deeply.
"""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import pytest

from tests import fingerprints
from tests.fingerprints import RECORDED, every_line
from workflows import agenda
from workflows.steps import STEPS

_WHAT_TO_DO = """\
The workflow no longer asks for the same things in the same order. An onboarding under way replays
its history with this code, and would be stuck where it differs. Either

  - it was not meant: undo it; or
  - it was: put the new behaviour behind workflow.patched("…"), keep the former beside it, record a
    history that lives it (tests/record_histories.py), see that test_replay passes and that
    `starter.py rehearse` does on production (docs/upgrades.md);

then renew what is written down, with the change: python -m tests.fingerprints
"""


def _difference() -> list[str]:
    recorded = RECORDED.read_text(encoding="utf-8").splitlines()
    return list(difflib.unified_diff(recorded, every_line(), "recorded", "now", n=2, lineterm=""))


def test_what_is_asked_of_temporal_and_its_order_have_not_changed() -> None:
    if different := _difference():
        pytest.fail("\n".join([_WHAT_TO_DO, *different[:60]]), pytrace=False)


def test_the_lives_that_are_written_down_hold_what_they_are_for() -> None:
    """So that renewing them cannot silently empty them."""
    text = RECORDED.read_text(encoding="utf-8")
    for mail in ("audit_report", "intervention_schedule:P1", "user_guide:", "recette_minutes:",
                 "doe_delivery", "activation_notice", "interview_report", "resumption_plan",
                 "cancelled_client", "deviation_notice", "reminder:"):  # fmt: skip
        assert f"send_mail {mail}" in text, mail
    for command in (
        "_send: await _settled, await _patiently, effects.send_mail()",
        "_perform: await _issue, await _send",
        "workflow.patched(",
    ):
        assert command in text, command
    assert text.count("  timer ") > 300


def test_another_order_of_the_mails_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agenda, "STEPS", dict(reversed(STEPS.items())))
    assert _difference()


def test_another_order_in_an_effect_is_seen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The mail before its documents."""
    code = shutil.copytree(fingerprints._WORKFLOWS, tmp_path / "workflows")
    issue = "            await self._issue(sending, entry, patience)\n"
    send = "            report = await self._send(sending, entry, patience)\n"
    dispatch = code / "dispatch.py"
    text = dispatch.read_text(encoding="utf-8")
    assert issue + send in text
    dispatch.write_text(text.replace(issue + send, send + issue), encoding="utf-8")
    monkeypatch.setattr(fingerprints, "_WORKFLOWS", code)
    assert "+  dispatch.py: _perform: await _send, await _issue" in _difference()
