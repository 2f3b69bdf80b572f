"""Many open onboardings on one machine: ``python -m local.load [N]`` (10,000 unless said).

A real server and worker processes, the register, a mail server that counts. Onboardings are
started while workers are killed and started again, then each is told a fact by workers whose cache
is empty. What comes out is compared with what must: nothing lost, each mail once, memory bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiosmtpd.controller import Controller
from temporalio.client import WorkflowExecutionStatus

from beginning import keep_private
from connection import create_search_attributes
from ending import leave
from local.machine import described
from local.ports import LOOPBACK, free_port
from local.temporal_server import lasting_server
from process.contract import Contract
from reception import send_fact, start_onboarding
from register.store import Register
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiosmtpd.smtp import SMTP, Envelope, Session
    from temporalio.client import Client

_ROOT: Final = Path(__file__).resolve().parent.parent
_RESULT: Final = Path("var/load/load.json")
_AT_ONCE: Final = 40
_KILLS: Final = 4
"""How often the worker is killed while onboardings start, and again while facts are told."""
_POLL_SECONDS: Final = 0.5
_QUIET_SECONDS: Final = 20
_AT_MILEO: Final = {"project_manager", "technical_referent"}


class _Counting:
    """A mail server that keeps nothing but how often each Message-ID came to each mailbox."""

    def __init__(self) -> None:
        self.received: Counter[tuple[str, str]] = Counter()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Count a message."""
        head = (envelope.original_content or b"").partition(b"\r\n\r\n")[0]
        identity = str(message_from_bytes(head)["Message-ID"])
        for recipient in envelope.rcpt_tos:
            self.received[identity, recipient] += 1
        return "250 OK"

    def by_onboarding(self) -> Counter[str]:
        """How many different mails left for each: the contracts have mailboxes of their own."""
        return Counter(
            recipient.rpartition("@c")[2].partition(".")[0] for _, recipient in self.received
        )


class _Worker:
    """``worker.py`` as a process that is killed and started again."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self.most_megabytes = 0.0
        self.kills = 0

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_ROOT / "worker.py"),
            env=self._environment,
            cwd=_ROOT,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def replace(self) -> None:
        """SIGKILL, then another one."""
        self.kills += 1
        await self.end()
        await self.start()

    async def end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def measure(self) -> None:
        """Note its resident memory, if it is the most so far."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
            line = next(one for one in status.splitlines() if one.startswith("VmHWM"))
            self.most_megabytes = max(self.most_megabytes, int(line.split()[1]) / 1_000)


def _contract(number: int) -> Contract:
    """One person at the client's and one at Mileo: fewer mails, as many onboardings."""
    example = json.loads((_ROOT / "examples" / "contract-neuf.json").read_bytes())
    now = datetime.now(UTC).replace(microsecond=0)
    client, team = example["client"], example["team"]
    alone = {role: one for role, one in team.items() if role in _AT_MILEO}
    whole = {
        **example,
        "reference": f"CHARGE-{number}",
        "signed_at": now.isoformat(),
        "client": {
            role: client["technical_lead"] if isinstance(one, dict) else one
            for role, one in client.items()
        },
        "team": alone,
    }
    return Contract.model_validate_json(json.dumps(whole).replace("@", f"@c{number}."))


async def _each(
    count: int, work: Callable[[int], Awaitable[object]], worker: _Worker
) -> tuple[float, int]:
    """Do it for every number, some at once, the worker killed now and then; seconds, and how many
    tries met no answer."""
    left, unanswered = list(reversed(range(count))), 0
    kill_at = {count * n // (_KILLS + 1) for n in range(1, _KILLS + 1)}
    began = time.monotonic()

    async def hand() -> None:
        nonlocal unanswered
        while left:
            number = left.pop()
            if len(left) in kill_at:
                kill_at.discard(len(left))
                await worker.replace()
            while True:
                try:
                    await work(number)
                    break
                except Exception:  # noqa: BLE001 - whatever it met, its sender says it again
                    unanswered += 1
                    await asyncio.sleep(_POLL_SECONDS)

    await asyncio.gather(*(hand() for _ in range(_AT_ONCE)))
    return time.monotonic() - began, unanswered


async def _settled(counting: _Counting, worker: _Worker) -> float:
    """Wait until no mail has come for a while; seconds, without that while."""
    began, seen, since = time.monotonic(), -1, time.monotonic()
    while time.monotonic() - since < _QUIET_SECONDS:
        worker.measure()
        if len(counting.received) != seen:
            seen, since = len(counting.received), time.monotonic()
            print(f"  courriels : {seen}", file=sys.stderr)
        await asyncio.sleep(2 * _POLL_SECONDS)
    return since - began


async def _open_runs(client: Client) -> AsyncIterator[str]:
    async for run in client.list_workflows("ExecutionStatus = 'Running'"):
        yield run.id


async def measure(count: int) -> dict[str, Any]:
    """The whole scene; its figures."""
    counting = _Counting()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        smtp = Controller(counting, hostname=LOOPBACK, port=free_port())
        smtp.start()
        port = free_port()
        environment = {
            "TEMPORAL_ADDRESS": f"{LOOPBACK}:{port}",
            "ONBOARDING_DATABASE_URL": f"sqlite:///{folder}/register.db",
            "ONBOARDING_DOCUMENTS_URL": f"{folder}/documents",
            "ONBOARDING_INBOX": f"{folder}/inbox",
            "ONBOARDING_SMTP_HOST": LOOPBACK,
            "ONBOARDING_SMTP_PORT": str(smtp.port),
            "ONBOARDING_MAIL_FROM": "Mileo Technology <onboarding@mileotech.example>",
            "ONBOARDING_HEAD_OF_PROJECTS": "projets@mileotech.example",
        }
        worker, register = _Worker(environment), Register(environment["ONBOARDING_DATABASE_URL"])
        try:
            await register.migrate()
            async with lasting_server(folder, port=port, ui_port=free_port()) as client:
                await create_search_attributes(client)
                return await _scene(count, client, register, worker, counting)
        finally:
            await worker.end()
            await register.close()
            smtp.stop()


async def _scene(
    count: int, client: Client, register: Register, worker: _Worker, counting: _Counting
) -> dict[str, Any]:
    await worker.start()
    planned_at = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()

    async def start(number: int) -> None:
        await start_onboarding(client, register, _contract(number))

    async def tell(number: int) -> None:
        payload = {"starts_at": planned_at, "place": "Angers", "fact_id": f"f{number}"}
        await send_fact(client, f"CHARGE-{number}", "kickoff_planned", payload)

    started, unanswered = await _each(count, start, worker)
    opened = await _settled(counting, worker)
    await worker.replace()
    told, unconfirmed = await _each(count, tell, worker)
    invited = await _settled(counting, worker)
    running = [id_ async for id_ in _open_runs(client)]
    facts = Counter[int]()
    for number in range(0, count, max(1, count // 200)):
        handle = client.get_workflow_handle(workflow_id(f"CHARGE-{number}"))
        journal = await handle.query("journal")
        facts[len(journal["facts"])] += 1
        assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    repeated = {key: times for key, times in counting.received.items() if times > 1}
    return {
        "onboardings": count,
        "open": len(running),
        "starting_seconds": round(started, 1),
        "opening_seconds": round(opened, 1),
        "telling_seconds": round(told, 1),
        "inviting_seconds": round(invited, 1),
        "unanswered": unanswered + unconfirmed,
        "kills": worker.kills,
        "mails": len(counting.received),
        "mails_by_onboarding": dict(Counter(counting.by_onboarding().values())),
        "mails_repeated": len(repeated),
        "facts_by_sampled_onboarding": dict(facts),
        "worker_megabytes": round(worker.most_megabytes),
        "machine": described(),
    }


def main() -> int:
    """Measure, print, keep; 1 when something was lost."""
    # Asked to stop, it ends its workers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    figures = asyncio.run(measure(count))
    _RESULT.parent.mkdir(parents=True, exist_ok=True)
    _RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
    alike = len(figures["mails_by_onboarding"]) == len(figures["facts_by_sampled_onboarding"]) == 1
    return int(figures["open"] != count or not alike)


if __name__ == "__main__":
    keep_private()
    leave(main())
