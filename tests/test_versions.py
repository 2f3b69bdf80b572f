"""Onboardings last longer than any version of our code: they pass from one to the next.

Real workers, each a process of its own with the code of its version, replaced while an onboarding
is under way; the version that takes the work is set by ``starter.py release``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.common import VersioningBehavior

from local.scenarios import play_new
from local.stage import Play, Stage, stage_settings
from local.temporal_server import time_skipping_server
from register.store import Register
from settings import SettingsError, load_command_settings
from tests.playing import PickyMailbox, begin, new, sent
from tests.upgrades.versions import CARELESS, FIRST, SECOND, THIRD, TOO_SOON, Change, tree
from versioning import deployment_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from temporalio.client import WorkflowHandle
    from temporalio.testing import WorkflowEnvironment


@dataclass
class Fleet:
    """A server, and workers of several versions of the code."""

    folder: Path
    environment: WorkflowEnvironment
    variables: dict[str, str]
    running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def code(self, name: str, changes: tuple[Change, ...]) -> Path:
        folder = self.folder / f"code-{name}"
        return folder if folder.exists() else tree(folder, changes)

    async def begin(self, build_id: str, changes: tuple[Change, ...]) -> None:
        code = self.code(build_id, changes)
        with (self.folder / f"{build_id}.log").open("wb") as log:
            self.running[build_id] = await asyncio.create_subprocess_exec(
                *(sys.executable, str(code / "worker.py")),
                env=self.variables | {"ONBOARDING_BUILD_ID": build_id},
                stderr=log,
            )

    async def end(self, build_id: str) -> None:
        process = self.running.pop(build_id)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0

    async def command(
        self, name: str, changes: tuple[Change, ...], *arguments: str, build_id: str = ""
    ) -> tuple[int, str]:
        """Run ``starter.py`` of that version of the code: its exit code, what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(self.code(name, changes) / "starter.py"), *arguments),
            env=self.variables | {"ONBOARDING_BUILD_ID": build_id},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def release(self, build_id: str, changes: tuple[Change, ...], *options: str) -> None:
        """Begin a worker of that version and give it the work."""
        if build_id not in self.running:
            await self.begin(build_id, changes)
        code, printed = await self.command(
            build_id, changes, "release", *options, build_id=build_id
        )
        assert code == 0, printed


@asynccontextmanager
async def _fleet(folder: Path) -> AsyncIterator[tuple[Fleet, Stage]]:
    async with AsyncExitStack() as stack:
        mailbox = PickyMailbox(folder / "mails")
        port = stack.enter_context(mailbox.smtp())
        settings = stage_settings(folder, port)
        settings.inbox.mkdir()
        register = Register(settings.database_url)
        stack.push_async_callback(register.close)
        await register.migrate()
        environment = await stack.enter_async_context(time_skipping_server())
        kept = {
            n: v for n, v in os.environ.items() if not n.startswith(("ONBOARDING_", "TEMPORAL"))
        }
        assert settings.mail_from.name
        variables = {
            "TEMPORAL_ADDRESS": environment.client.service_client.config.target_host,
            "ONBOARDING_DATABASE_URL": f"sqlite:///{folder / 'onboarding.db'}",
            "ONBOARDING_DOCUMENTS_URL": settings.documents_url,
            "ONBOARDING_INBOX": str(settings.inbox),
            "ONBOARDING_SMTP_HOST": settings.smtp_host,
            "ONBOARDING_SMTP_PORT": str(settings.smtp_port),
            "ONBOARDING_MAIL_FROM": settings.mail_from.email,
            "ONBOARDING_HEAD_OF_PROJECTS": settings.head_of_projects.email,
        }
        fleet = Fleet(folder, environment, kept | variables)
        try:
            yield fleet, Stage(environment, settings, register, mailbox)
        finally:
            for process in fleet.running.values():
                process.kill()
                await process.wait()


async def _versions(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The versions that worked on a run, in order."""
    found: list[str] = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            done = event.workflow_task_completed_event_attributes
            version = done.deployment_version.build_id or done.worker_version.build_id
            if [version] != found[-1:]:
                found.append(version)
    return found


async def _tried_again_by(handle: WorkflowHandle[Any, Any]) -> set[str]:
    """The processes that did what had been tried in vain."""
    return {
        event.activity_task_started_event_attributes.identity.partition("@")[0].removeprefix(
            "worker "
        )
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        and event.activity_task_started_event_attributes.attempt > 1
    }


async def _timers(handle: WorkflowHandle[Any, Any]) -> int:
    """How many times a mail of a run was read again."""
    return sum(
        [
            event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
            and b"relecture" in event.user_metadata.summary.data
            async for event in handle.fetch_history_events()
        ]
    )


class _Upgraded(Play):
    """A play during which the worker is replaced, before two of its facts are told."""

    fleet: Fleet

    async def fact(self, name: str, /, **payload: Any) -> str:
        match name:
            case "training_planned":
                # Both at work for a while, then the former ends.
                await self.fleet.release("second", SECOND)
                await self.fleet.end("first")
            case "commissioned":
                # Nobody for a while: the fact below waits for the newcomer.
                await self.fleet.end("second")
                await self.fleet.release("third", THIRD)
        return await super().fact(name, **payload)


async def test_an_onboarding_passes_through_three_versions_and_nothing_happens_twice(
    tmp_path: Path,
) -> None:
    async with _fleet(tmp_path) as (fleet, up):
        await fleet.release("first", FIRST)
        whole, story = await begin(up, new())
        early, early_story = await begin(up, new())
        await early.at(early_story.instant(2, 11))
        await early.fact("kickoff_planned", starts_at=early_story.iso(5, 10), place="Tours")
        upgraded = _Upgraded(up, whole.handle, whole.contract)
        upgraded.fleet = fleet

        # A mail that its server puts off is still to be sent when the worker is replaced.
        put_off, later_story = await begin(up, new())
        mailbox, lead = up.mailbox, put_off.contract.client.technical_lead.email
        assert isinstance(mailbox, PickyMailbox)
        mailbox.deferred.add(lead)
        await put_off.handle.signal(
            "kickoff_planned", {"starts_at": later_story.iso(5, 10), "place": "Tours"}
        )
        await _is_put_off(put_off)

        # Before it is given any work, each version is tried on the runs that are open.
        refused = await fleet.command("careless", CARELESS, "rehearse")
        accepted = await fleet.command("second", SECOND, "rehearse")
        assert refused[0] == 1
        assert f"{early.handle.id} : ce code ne peut pas le poursuivre" in refused[1]
        assert accepted == (0, "onboardings rejoués : 3, sans difficulté : 3\n")

        await play_new(upgraded, story)
        assert (await whole.handle.result())["outcome"] == "completed"
        assert await _versions(whole.handle) == ["first", "second", "third"]
        # The convocation had left before the second version, the guide left under the third.
        assert await _timers(whole.handle) == 1

        # Another version tries it again; the mail arrives once (below).
        mailbox.deferred.clear()
        await put_off.quiet()
        assert await _tried_again_by(put_off.handle) == {str(fleet.running["third"].pid)}
        assert sent(await put_off.status(), "kickoff_convocation").count(lead) == 1

        # A run that went without the first patch forbids to call it over; a new one does not.
        late, late_story = await begin(up, new())
        await late.at(late_story.instant(2, 11))
        await late.fact("kickoff_planned", starts_at=late_story.iso(5, 10), place="Tours")
        await late.at(late_story.instant(2, 15))
        assert await _timers(late.handle) == 1
        code, printed = await fleet.command("soon", TOO_SOON, "rehearse")
        assert code == 1
        assert early.handle.id in printed
        assert late.handle.id not in printed

        await early.at(early_story.instant(3, 9))
        await early.fact("onboarding_cancelled", reason="Contrat résilié")
        assert (await early.handle.result())["outcome"] == "cancelled"
        assert await _timers(early.handle) == 0

        assert not _twice(up)
        status = await whole.status()
        assert not status["open_points"]
        assert not status["rejected"]


async def _is_put_off(play: Play) -> None:
    """Wait until a mail has been tried in vain."""
    while True:
        described = (await play.handle.describe()).raw_description
        if any(one.attempt > 1 for one in described.pending_activities):
            return
        await asyncio.sleep(0.05)


def _twice(up: Stage) -> list[str]:
    """The Message-IDs that arrived more than once."""
    mails = [
        message_from_bytes((up.mailbox.folder / name).read_bytes()) for name in up.mailbox.names()
    ]
    assert len(mails) > 30
    return [
        one
        for one, count in Counter(str(mail["Message-ID"]) for mail in mails).items()
        if count > 1
    ]


async def test_the_work_goes_to_a_version_that_has_a_worker_and_back(tmp_path: Path) -> None:
    async with _fleet(tmp_path) as (fleet, up):
        # At first versions were not told apart.
        await fleet.begin("", FIRST)
        former, _ = await begin(up, new())
        # The worker comes while the command waits.
        await fleet.release("first", FIRST)
        await fleet.end("")
        assert await former.fact("onboarding_suspended", reason="Travaux retardés") == "accepted"
        assert (await _versions(former.handle))[-1] == "first"
        await fleet.release("second", SECOND, "--percent", "100")
        play, _ = await begin(up, new())
        assert await _versions(play.handle) == ["second"]
        # Back: what the newer version did not change for a run, the former one goes on with.
        await fleet.release("second", SECOND, "--percent", "0")
        await fleet.end("second")
        await play.fact("onboarding_suspended", reason="Travaux retardés")
        assert await _versions(play.handle) == ["second", "first"]

        code, printed = await fleet.command(
            "first", FIRST, "release", "--wait", "1", build_id="third"
        )
        assert code == 1
        assert "version third : aucun worker ne demande de travail pour elle" in printed
        code, printed = await fleet.command(
            "first", FIRST, "release", "--percent", "5", build_id="first"
        )
        assert code == 1  # it has all of it
        code, printed = await fleet.command("first", FIRST, "release")
        assert code == 1
        assert "ONBOARDING_BUILD_ID" in printed
        code, printed = await fleet.command("first", FIRST, "worker-health")
        assert code == 0, printed


@pytest.mark.parametrize("build_id", ["a b", "-1", "1/2", "x" * 65])
def test_a_version_has_a_plain_name(monkeypatch: pytest.MonkeyPatch, build_id: str) -> None:
    monkeypatch.setenv("ONBOARDING_BUILD_ID", build_id)
    with pytest.raises(SettingsError, match="ONBOARDING_BUILD_ID"):
        load_command_settings()


def test_without_a_name_versions_are_not_told_apart() -> None:
    assert deployment_of(None) is None
    named = deployment_of("1.2")
    assert named is not None
    assert named.version.to_canonical_string() == "client-onboarding.1.2"
    assert named.default_versioning_behavior is VersioningBehavior.AUTO_UPGRADE
