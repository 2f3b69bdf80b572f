"""Those who speak to the HTTP service, the service as a program of its own, and what they say."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
from standardwebhooks import Webhook

from local.ports import LOOPBACK, free_port
from tests.builders import contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from temporalio.client import Client

ROOT: Final = Path(__file__).resolve().parent.parent
CRM: Final = "whsec_" + "C" * 40
SIGN: Final = "whsec_" + "S" * 40

_numbers = itertools.count(1)


def number() -> int:
    """A number that was never given."""
    return next(_numbers)


def signed(body: bytes, id_: str, secret: str = CRM) -> dict[str, str]:
    """The headers of a message that is sent now."""
    at = datetime.fromtimestamp(int(time.time()), tz=UTC)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(id_, at, body.decode()),
        "content-type": "application/json",
    }


def a_contract(**changes: Any) -> dict[str, Any]:
    """Signed just now, under a reference of its own."""
    now = datetime.now(UTC).replace(microsecond=0)
    return contract(reference=f"D-{number()}", signed_at=now.isoformat(), **changes)


def parts(whole: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its draft, and its signature."""
    draft = {name: value for name, value in whole.items() if name != "signed_at"}
    return draft, {"reference": whole["reference"], "signed_at": whole["signed_at"]}


async def runs(client: Client, workflow_id: str) -> int:
    """How many runs that onboarding ever had, once the server lists them."""
    for _ in range(100):
        found = [run async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
        if found:
            return len(found)
        await asyncio.sleep(0.1)
    return 0


class Service:
    """``starter.py serve`` as a process of its own, which may be killed and started again."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**os.environ, **environment}
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.address: Final = f"http://{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "starter.py"), "serve", "--port", str(self._port)),
            env=self._environment,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
            while self._process.returncode is None:
                with contextlib.suppress(httpx.TransportError):
                    await http.get(f"{self.address}/health/live")
                    return
                await asyncio.sleep(0.05)
        raise AssertionError("the service did not start")

    def kill(self) -> None:
        """SIGKILL: it ends at this very instant."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def ended(self) -> None:
        """Wait until it has ended."""
        if self._process is not None:
            await self._process.wait()


@asynccontextmanager
async def serving(environment: Mapping[str, str]) -> AsyncIterator[Service]:
    """The service for the time of the block."""
    service = Service(environment)
    try:
        await service.start()
        yield service
    finally:
        service.kill()
        await service.ended()


class Sender:
    """Repeats each message, as those of webhooks do, until it is acknowledged."""

    def __init__(self, address: str, *, patience: float = 40) -> None:
        self.http = httpx.AsyncClient(base_url=address, trust_env=False, timeout=patience)
        self.acknowledged: dict[tuple[str, str], str] = {}
        """Their outcomes, by sender and id."""
        self.lost = 0
        """How many answers never came."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def post(self, path: str, value: object, id_: str, secret: str = CRM) -> httpx.Response:
        """Send it once."""
        body = json.dumps(value).encode()
        return await self.http.post(path, content=body, headers=signed(body, id_, secret))

    async def tell(self, path: str, value: object, *, id_: str = "", secret: str = CRM) -> str:
        """Send it until it is acknowledged; the outcome."""
        id_ = id_ or f"told-{number()}"
        while True:
            try:
                answer = await self.post(path, value, id_, secret)
            except httpx.TransportError:
                self.lost += 1
            else:
                if answer.status_code != 503:
                    break
            await asyncio.sleep(0.2)
        assert answer.status_code in (200, 202), answer.text
        outcome = str(answer.json()["outcome"])
        self.acknowledged["crm" if secret == CRM else "sign", id_] = outcome
        return outcome
