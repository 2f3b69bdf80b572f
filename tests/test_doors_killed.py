"""Nothing is acknowledged that is not durable: the HTTP service killed at any instant, in the
middle of its work, and what it depends on away. Everything is real: the service is a process, its
senders repeat as those of webhooks do, Temporal, PostgreSQL and SQLite run here."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from temporalio.client import Client

import reception
from connection import create_search_attributes, opened_register
from local.mailbox import Mailbox
from local.passage import Passage, after, before, nth, tcp_passage, unix_passage
from local.ports import LOOPBACK, free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from register.store import Register
from storage.document_store import DocumentStore
from tests.postgres import Postgres, running_postgres
from tests.senders import CRM, SIGN, Sender, a_contract, number, parts, runs, serving
from worker import build_worker
from workflows.names import workflow_id

KILLS: Final = 4
SEED: Final = 3
QUICK_SECONDS: Final = 30
"""Many senders of webhooks wait no longer."""

SOON: Final = (datetime.now(UTC) + timedelta(days=10)).replace(microsecond=0).isoformat()
_SOCKET: Final = ".s.PGSQL.5432"


@dataclass
class System:
    """What the service needs, on this machine; it reaches it through passages."""

    stack: AsyncExitStack
    folder: Path
    port: int
    client: Client
    register: Register
    environment: dict[str, str]
    temporal: Passage
    database: Passage | None
    postgres: Postgres | None

    def silence_temporal(self) -> None:
        """The server stays there, and answers nothing."""
        os.kill(self._temporal_process(), signal.SIGSTOP)

    async def restart_temporal(self) -> None:
        """The server is killed, and another one finds its file."""
        os.kill(self._temporal_process(), signal.SIGKILL)
        await self.stack.enter_async_context(
            lasting_server(self.folder, port=self.port, ui_port=free_port())
        )

    def _temporal_process(self) -> int:
        """Found by the file that it alone keeps."""
        ours = str(self.folder / "temporal.db").encode()
        for commands in Path("/proc").glob("[0-9]*/cmdline"):
            words = commands.read_bytes().split(b"\0") if commands.exists() else []
            if ours in words and words[0].endswith(b"temporal"):
                return int(commands.parent.name)
        raise LookupError("no Temporal server keeps that file")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("killed")
    async with AsyncExitStack() as stack:
        settings = stage_settings(folder, stack.enter_context(Mailbox(folder / "mails").smtp()))
        settings.inbox.mkdir()
        url = theirs = settings.database_url
        postgres, database = None, None
        if request.param == "postgresql":
            postgres = stack.enter_context(running_postgres())
            url = postgres.database()
            sockets = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
            stack.callback(shutil.rmtree, sockets)
            database = await stack.enter_async_context(
                unix_passage(str(sockets / _SOCKET), str(postgres.folder / _SOCKET))
            )
            # Each statement then passes in clear, not as the number of a former one.
            theirs = url.replace(str(postgres.folder), str(sockets))
            theirs += "&prepared_statement_cache_size=0"
        register = await stack.enter_async_context(opened_register(url))
        port, passing = free_port(), free_port()
        client = await stack.enter_async_context(
            lasting_server(folder, port=port, ui_port=free_port())
        )
        await create_search_attributes(client)
        temporal = await stack.enter_async_context(tcp_passage(LOOPBACK, passing, port))
        store = DocumentStore(settings.documents_url)
        await stack.enter_async_context(build_worker(client, settings, register, store))
        environment = {
            "TEMPORAL_ADDRESS": f"{LOOPBACK}:{passing}",
            "ONBOARDING_DATABASE_URL": theirs,
            "ONBOARDING_DOCUMENTS_URL": settings.documents_url,
            "ONBOARDING_WEBHOOK_SECRETS": f"crm={CRM},sign={SIGN}",
        }
        yield System(
            stack, folder, port, client, register, environment, temporal, database, postgres
        )


@dataclass
class Story:
    """An onboarding as the other services tell it."""

    contract: dict[str, Any] = field(default_factory=a_contract)
    places: list[str] = field(default_factory=list)
    """Those of the meetings that were planned, one after the other."""

    @property
    def reference(self) -> str:
        return str(self.contract["reference"])

    async def begin(self, sender: Sender) -> None:
        """The contract comes whole."""
        assert await sender.tell("/contracts", self.contract) in {"started", "known"}

    async def begin_in_parts(self, sender: Sender, *, signature_first: bool = False) -> None:
        """The contract comes from one service, its signature from another."""
        draft, signature = parts(self.contract)
        both = [(draft, CRM), (signature, SIGN)]
        if signature_first:
            both.reverse()
        (first, its), (second, others) = both
        await sender.tell("/contracts", first, secret=its)
        assert await sender.tell("/contracts", second, secret=others) in {"started", "known"}

    async def begin_at_once(self, sender: Sender) -> None:
        """Both parts come at the same time."""
        draft, signature = parts(self.contract)
        told = await asyncio.gather(
            sender.tell("/contracts", draft), sender.tell("/contracts", signature, secret=SIGN)
        )
        assert {"started", "known"} & set(told)

    def plan(self) -> tuple[str, dict[str, Any]]:
        """A fact that is not the former ones, and where it is told. Told again after another one
        it would be another plan: nothing but its id makes it count once."""
        self.places.append(f"Salle {number()}")
        path = f"/onboardings/{self.reference}/facts/kickoff_planned"
        return path, {"starts_at": SOON, "place": self.places[-1]}

    async def go_on(self, sender: Sender) -> None:
        """A fact."""
        assert await sender.tell(*self.plan()) in {"accepted", "known"}


async def check(system: System, sender: Sender, stories: list[Story]) -> None:
    """What was acknowledged is there, once."""
    taken: Counter[tuple[str, str]] = Counter()
    for story in stories:
        id_ = workflow_id(story.reference)
        assert await runs(system.client, id_) == 1
        handle = system.client.get_workflow_handle(id_)
        registered = await system.register.onboarding(story.reference)
        assert registered is not None
        assert registered.run_id == (await handle.describe()).run_id
        journal = await handle.query("journal")
        assert Counter(fact["payload"]["place"] for fact in journal["facts"]) == Counter(
            story.places
        )
        for one in await system.register.deliveries(story.reference):
            taken[one.sender, one.message_id] += 1
    assert taken == Counter(sender.acknowledged.keys())


async def begun(system: System, stories: list[Story]) -> None:
    """Each has its run, that has opened."""
    async with asyncio.timeout(30):
        for story in stories:
            while await system.register.onboarding(story.reference) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


# --- Killed


async def test_killed_at_any_instant_under_load_it_loses_nothing_and_counts_nothing_twice(
    system: System,
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - instants, not secrets
    stories: list[Story] = []
    over = asyncio.Event()

    async def tell_stories(sender: Sender) -> None:
        while not over.is_set():
            story = Story()
            stories.append(story)
            match chance.randrange(4):
                case 0:
                    await story.begin(sender)
                case 1:
                    await story.begin_at_once(sender)
                case by:
                    await story.begin_in_parts(sender, signature_first=by == 2)
            await asyncio.gather(story.go_on(sender), story.go_on(sender))

    async with serving(system.environment) as service, Sender(service.address) as sender:
        telling = [asyncio.ensure_future(tell_stories(sender)) for _ in range(4)]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0, 0.5))
            service.kill()
            await service.ended()
            await service.start()
        over.set()
        await asyncio.wait_for(asyncio.gather(*telling), 40)
        assert sender.lost > KILLS
        assert len(sender.acknowledged) > 3 * KILLS
        await begun(system, stories)
        await check(system, sender, stories)


_WITH_TEMPORAL: Final = (nth(2, "question"), nth(5, "answer"))
_WITH_THE_DATABASE: Final = (
    # A part of a contract, before it is kept; both parts, before the start.
    before(b"INSERT INTO drafts"),
    after(b"INSERT INTO drafts", b"COMMIT"),
    # A delivery, whose effect is done: before it is recorded, before it is durable, once it is.
    before(b"INSERT INTO deliveries"),
    after(b"INSERT INTO deliveries"),
    after(b"INSERT INTO deliveries", b"COMMIT"),
)


@pytest.mark.parametrize("system", ["postgresql"], indirect=True)
async def test_killed_between_two_words_with_what_it_depends_on_it_loses_nothing(
    system: System,
) -> None:
    assert system.database is not None
    traps = [(system.temporal, trap) for trap in _WITH_TEMPORAL]
    traps += [(system.database, trap) for trap in _WITH_THE_DATABASE]
    old = Story()
    stories = [old]
    async with serving(system.environment) as service, Sender(service.address) as sender:
        await old.begin(sender)
        for passage, trap in traps:
            now = [Story(), Story()]
            stories += now
            passage.arm(trap, service.kill)
            telling = asyncio.gather(
                now[0].begin(sender),
                now[1].begin_at_once(sender),
                old.go_on(sender),
            )
            await asyncio.wait_for(passage.sprung.wait(), 20)
            await service.ended()
            passage.disarm()
            # By another door, the plan changes before it is told again.
            _, plan = old.plan()
            await reception.send_fact(system.client, old.reference, "kickoff_planned", plan)
            await service.start()
            await asyncio.wait_for(telling, 40)
        await begun(system, stories)
        await check(system, sender, stories)


# --- Two at once


async def test_two_services_that_get_the_same_message_count_it_once(system: System) -> None:
    stories = [Story() for _ in range(3)]
    async with (
        serving(system.environment) as one,
        serving(system.environment) as other,
        Sender(one.address) as sender,
        Sender(other.address) as twin,
    ):

        async def both(path: str, value: object, first: str) -> None:
            """Sent to both; one does it, the other one does it with it or knows it."""
            id_ = f"both-{number()}"
            told = await asyncio.gather(sender.post(path, value, id_), twin.post(path, value, id_))
            assert {answer.status_code for answer in told} <= {200, 202}
            outcomes = {answer.json()["outcome"] for answer in told}
            assert first in outcomes <= {first, "known"}
            assert len({answer.json()["workflow_id"] for answer in told}) == 1
            sender.acknowledged["crm", id_] = first

        await asyncio.gather(*(both("/contracts", one.contract, "started") for one in stories))
        for story in stories:
            await both(*story.plan(), "accepted")
        apart = [Story() for _ in range(3)]
        for story in apart:
            draft, signature = parts(story.contract)
            told = await asyncio.gather(
                sender.tell("/contracts", draft), twin.tell("/contracts", signature, secret=SIGN)
            )
            assert {"started", "known"} & set(told)
        sender.acknowledged |= twin.acknowledged
        await begun(system, stories + apart)
        await check(system, sender, stories + apart)


# --- Away


async def away(answering: Awaitable[httpx.Response]) -> None:
    """It answers, soon enough, that it cannot, and when to try again."""
    began = time.monotonic()
    answer = await answering
    assert time.monotonic() - began < QUICK_SECONDS
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 503
    assert re.fullmatch(r"[1-9][0-9]*", answer.headers["retry-after"])


class Meanwhile:
    """What is said while something is away, then said again."""

    def __init__(self, sender: Sender, told: Story) -> None:
        self._sender = sender
        self._stories = [told]
        """All that this sender ever told; the first one takes facts."""

    async def is_said(self) -> None:
        """A contract, a fact, and the draft of what is signed already."""
        whole, apart = Story(), Story()
        draft, signature = parts(apart.contract)
        await self._sender.tell("/contracts", signature, secret=SIGN)
        self._stories += [whole, apart]
        self._said = [
            ("/contracts", whole.contract, f"w-{number()}"),
            (*self._stories[0].plan(), f"w-{number()}"),
            ("/contracts", draft, f"w-{number()}"),
        ]

    async def is_not_acknowledged(self) -> None:
        await asyncio.gather(*(away(self._sender.post(*one)) for one in self._said))

    async def counts_once(self, system: System) -> None:
        """Once what was away is back, and it is said again."""
        for path, value, id_ in self._said:
            await self._sender.tell(path, value, id_=id_)
            answer = await self._sender.post(path, value, id_)
            assert (answer.status_code, answer.json()["outcome"]) == (200, "known")
        await begun(system, self._stories)
        await check(system, self._sender, self._stories)


@asynccontextmanager
async def meanwhile(system: System) -> AsyncIterator[Meanwhile]:
    """The service, and someone who has begun to speak to it."""
    async with serving(system.environment) as service, Sender(service.address) as sender:
        told = Story()
        await told.begin(sender)
        await told.go_on(sender)
        yield Meanwhile(sender, told)


@contextmanager
def locked(register: Register) -> Iterator[None]:
    """Another program writes, and does not end."""
    file = register._engine.url.database
    assert file is not None
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield


@asynccontextmanager
async def in_a_thread(block: AbstractContextManager[None]) -> AsyncIterator[None]:
    """It may wait for what only our own loop lets end."""
    await asyncio.to_thread(block.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(block.__exit__, None, None, None)


@pytest.mark.parametrize("system", ["sqlite"], indirect=True)
async def test_while_temporal_is_silent_and_the_register_locked_nothing_is_acknowledged(
    system: System,
) -> None:
    async with meanwhile(system) as what:
        await what.is_said()
        # A contract and a fact wait for the one, a draft for the other.
        async with in_a_thread(locked(system.register)):
            system.silence_temporal()
            await what.is_not_acknowledged()
        await system.restart_temporal()
        await what.counts_once(system)


@pytest.mark.parametrize("system", ["postgresql"], indirect=True)
async def test_while_postgresql_is_away_nothing_is_acknowledged(system: System) -> None:
    assert system.postgres is not None
    async with meanwhile(system) as what:
        await what.is_said()
        system.postgres.stop()
        await what.is_not_acknowledged()
        system.postgres.start()
        await what.counts_once(system)

        await what.is_said()
        with system.postgres.silent():
            await what.is_not_acknowledged()
        await what.counts_once(system)
