"""The clients that tell an onboarding a fact: the SDKs of Python and TypeScript, the ``temporal``
command, Temporal's HTTP API. All are asked the same and answer in the same form."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, cast

import httpx
import pytest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from local.temporal_server import temporal_binary
from workflows.names import TASK_QUEUE, WORKFLOW_TYPE

INSTALL: Final = "sudo apt-get install --no-install-recommends nodejs npm"
SKIP: Final = "ONBOARDING_TEST_NODE"

_HERE: Final = Path(__file__).resolve().parent
_OLDEST_NODE: Final = 18
_TIMEOUT_SECONDS: Final = 60
_INSTALL_SECONDS: Final = 300

Json = dict[str, Any]


class Refusal(Exception):  # noqa: N818 - it states an outcome
    """What was sent is refused: the reason that this client sees."""


@dataclass(frozen=True)
class Server:
    """Where Temporal listens."""

    client: Client
    address: str
    http: str

    @property
    def environment(self) -> dict[str, str]:
        """What the pasted examples find around them."""
        beside = os.pathsep.join([str(temporal_binary().parent), os.environ["PATH"]])
        return os.environ | {
            "PATH": beside,
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_HTTP": self.http,
        }

    async def run(
        self, *command: str, folder: Path | None = None, given: str = "", **more: str
    ) -> tuple[int, str, str]:
        """Run a command that reaches this server: exit code, output, errors."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=self.environment | more,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            told = process.communicate(given.encode())
            output, errors = await asyncio.wait_for(told, _TIMEOUT_SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output.decode(), errors.decode()


class Speaker(Protocol):
    """A client. What is refused raises ``Refusal``."""

    async def start(self, workflow_id: str, contract: Json) -> None: ...
    async def update(self, workflow_id: str, name: str, payload: Json) -> Json: ...
    async def signal(self, workflow_id: str, name: str, payload: Json) -> None: ...
    async def status(self, workflow_id: str) -> Json: ...


class PythonSdk:
    """The one that the others must behave as."""

    def __init__(self, server: Server) -> None:
        self._client = server.client

    async def start(self, workflow_id: str, contract: Json) -> None:
        try:
            await self._client.start_workflow(
                WORKFLOW_TYPE,
                contract,
                id=workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )
        except WorkflowAlreadyStartedError as known:
            raise Refusal(str(known)) from known

    async def update(self, workflow_id: str, name: str, payload: Json) -> Json:
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            answer: Json = await handle.execute_update(name, payload)
        except WorkflowUpdateFailedError as failed:
            raise Refusal(cast("ApplicationError", failed.cause).message) from failed
        return answer

    async def signal(self, workflow_id: str, name: str, payload: Json) -> None:
        await self._client.get_workflow_handle(workflow_id).signal(name, payload)

    async def status(self, workflow_id: str) -> Json:
        answer: Json = await self._client.get_workflow_handle(workflow_id).query("status")
        return answer


class TypeScriptSdk:
    """``fact.mjs``, run by Node."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._modules = node_modules()

    async def start(self, workflow_id: str, contract: Json) -> None:
        await self._ask("start", workflow_id, WORKFLOW_TYPE, contract)

    async def update(self, workflow_id: str, name: str, payload: Json) -> Json:
        answer: Json = await self._ask("update", workflow_id, name, payload)
        return answer

    async def signal(self, workflow_id: str, name: str, payload: Json) -> None:
        await self._ask("signal", workflow_id, name, payload)

    async def status(self, workflow_id: str) -> Json:
        answer: Json = await self._ask("query", workflow_id, "status", {})
        return answer

    async def _ask(self, verb: str, workflow_id: str, name: str, argument: Json) -> Any:
        command = ("node", str(_HERE / "fact.mjs"), verb, workflow_id, name)
        code, output, errors = await self._server.run(*command, given=json.dumps(argument))
        assert code == 0, errors
        said = json.loads(output)
        if "refused" in said:
            raise Refusal(said["refused"])
        return said["answer"]


class TemporalCommand:
    """The ``temporal`` command, as an administrator types it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def start(self, workflow_id: str, contract: Json) -> None:
        kind = ("--type", WORKFLOW_TYPE, "--task-queue", TASK_QUEUE)
        once = ("--id-reuse-policy", "RejectDuplicate", "--fail-existing")
        await self._ask("start", workflow_id, *kind, *once, argument=contract)

    async def update(self, workflow_id: str, name: str, payload: Json) -> Json:
        words = ("execute", "--name", name)
        answer: Json = (await self._ask("update", workflow_id, *words, argument=payload))["result"]
        return answer

    async def signal(self, workflow_id: str, name: str, payload: Json) -> None:
        await self._ask("signal", workflow_id, "--name", name, argument=payload)

    async def status(self, workflow_id: str) -> Json:
        answer: Json = (await self._ask("query", workflow_id, "--type", "status"))["queryResult"][0]
        return answer

    async def _ask(
        self, verb: str, workflow_id: str, *words: str, argument: Json | None = None
    ) -> Any:
        command = ["temporal", "workflow", verb, *words, "--workflow-id", workflow_id]
        if argument is not None:
            command += ["--input", json.dumps(argument)]
        code, output, errors = await self._server.run(*command, "--output", "json")
        if code:
            raise Refusal(_reason(errors))
        return json.loads(output) if output.strip().startswith("{") else None


def _reason(errors: str) -> str:
    """What the command adds around the words of the process."""
    told = re.fullmatch(
        r"Error: unable to update workflow: (.*) \(type: \w+, retryable: \w+\)\s*",
        errors,
        re.DOTALL,
    )
    return told[1] if told else errors


class HttpApi:
    """Temporal's own HTTP API."""

    def __init__(self, server: Server) -> None:
        self._workflows = f"{server.http}/api/v1/namespaces/default/workflows"

    async def start(self, workflow_id: str, contract: Json) -> None:
        asked = {
            "workflowType": {"name": WORKFLOW_TYPE},
            "taskQueue": {"name": TASK_QUEUE},
            "workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
            "input": [contract],
        }
        await self._post(workflow_id, asked)

    async def update(self, workflow_id: str, name: str, payload: Json) -> Json:
        asked = {"request": {"meta": {}, "input": {"args": [payload]}}}
        outcome = (await self._post(f"{workflow_id}/update/{name}", asked))["outcome"]
        if "failure" in outcome:
            raise Refusal(outcome["failure"]["message"])
        answer: Json = outcome["success"][0]
        return answer

    async def signal(self, workflow_id: str, name: str, payload: Json) -> None:
        await self._post(f"{workflow_id}/signal/{name}", {"input": [payload]})

    async def status(self, workflow_id: str) -> Json:
        answer: Json = (await self._post(f"{workflow_id}/query/status", {}))["queryResult"][0]
        return answer

    async def _post(self, path: str, asked: Json) -> Json:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as http:
            answer = await http.post(f"{self._workflows}/{path}", json=asked)
        said: Json = answer.json()
        if answer.is_error:
            raise Refusal(said["message"])
        return said


@cache
def node_modules() -> Path:
    """The folder of the SDK of TypeScript, installed from the lock file where it is not yet.

    Without Node the test fails, with the command that installs it; ``ONBOARDING_TEST_NODE=skip``
    skips it instead.
    """
    if os.environ.get(SKIP) == "skip":
        pytest.skip(f"{SKIP}=skip")
    if not (shutil.which("npm") and _node_is_recent()):
        message = f"Node {_OLDEST_NODE} or later, with npm, is not installed: {INSTALL}"
        pytest.fail(f"{message}   (or {SKIP}=skip)", pytrace=False)
    modules = _HERE / "node_modules"
    installed = modules / ".package-lock.json"
    lock = _HERE / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        done = subprocess.run(
            ["npm", "ci", *quiet],
            cwd=_HERE,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"npm ci (or {SKIP}=skip): {done.stderr}", pytrace=False)
    return modules


def _node_is_recent() -> bool:
    if not shutil.which("node"):
        return False
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", told.stdout)
    return found is not None and int(found[1]) >= _OLDEST_NODE
