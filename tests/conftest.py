"""One stage for all: the server, the mail server, the register and the worker start once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import hypothesis
import pytest

from local.stage import Stage, stage
from tests.playing import OPENS_AT, PickyMailbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# No test depends on how fast the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A program that a test runs here logs to the output of that test, which ends with it."""
    root = logging.getLogger()
    before, level = set(root.handlers), root.level
    yield
    for handler in set(root.handlers) - before:
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def opens_at() -> datetime:
    assert datetime.now(UTC) < OPENS_AT
    return OPENS_AT


@pytest.fixture(scope="session")
async def on_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    async with stage(folder, mailbox=PickyMailbox(folder / "mails")) as up:
        yield up
