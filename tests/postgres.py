"""A real PostgreSQL for the tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

import local.postgres
from local.postgres import Postgres

__all__ = ["SKIP", "Postgres", "postgres", "running_postgres"]

SKIP: Final = "ONBOARDING_TEST_POSTGRES"


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for the time of the block. Without one installed the test fails, with the
    command that installs it; ``ONBOARDING_TEST_POSTGRES=skip`` skips it instead."""
    if os.environ.get(SKIP) == "skip":
        pytest.skip(f"{SKIP}=skip")
    with ExitStack() as stack:
        try:
            server = stack.enter_context(local.postgres.running_postgres())
        except FileNotFoundError as error:
            pytest.fail(f"{error}   (or {SKIP}=skip)", pytrace=False)
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all the tests of a session."""
    with running_postgres() as server:
        yield server
