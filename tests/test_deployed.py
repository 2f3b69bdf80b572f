"""The services of docker-compose.yml run here, outside Docker: the same files as in the image, the
same environment and commands, a real PostgreSQL and a real Temporal server."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from local.mailbox import Mailbox
from local.ports import LOOPBACK, free_port
from local.temporal_server import temporal_binary
from tests.deployment import ROOT, Deployment, image_files, temporal_server
from tests.postgres import Postgres, running_postgres
from tests.senders import a_contract

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "onboarding.json"

LATER = re.compile(
    # Shown once something failed, or once the register has answered.
    r"temporal_activity_execution_failed_total|service_error_with_type|onboarding_\w+_total"
)


@dataclass
class Up:
    deployment: Deployment
    postgres: Postgres
    smtp: dict[str, str]
    temporal_metrics: int


@pytest.fixture(scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    folder = tmp_path_factory.mktemp("deployed")
    port, metrics = free_port(), free_port()
    deployment = Deployment(
        folder, image_files(folder / "app"), {"temporal:7233": f"{LOOPBACK}:{port}"}
    )
    (folder / "data").mkdir()
    deployment.make_secrets()
    with running_postgres() as postgres, Mailbox(folder / "mails").smtp() as smtp:
        deployment.make_databases(postgres)
        async with temporal_server(folder, port, metrics_port=metrics):
            mail = {"ONBOARDING_SMTP_HOST": LOOPBACK, "ONBOARDING_SMTP_PORT": str(smtp)}
            yield Up(deployment, postgres, mail, metrics)


def _read(port: int, path: str) -> str:
    with urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


async def _until(port: int, wanted: set[str]) -> set[str]:
    """The names of the metrics there, once those are among them."""
    async with asyncio.timeout(60):
        while True:
            told = await asyncio.to_thread(_read, port, "/metrics")
            shown = set(re.findall(r"^# TYPE (\w+)", told, re.MULTILINE))
            if wanted <= shown:
                return shown
            await asyncio.sleep(1)


async def test_the_one_shot_job_prepares_once_and_again(up: Up) -> None:
    for _ in range(2):
        code, printed = await up.deployment.run("prepare")
        assert (code, printed.splitlines()) == (
            0,
            ["registre : à jour", "attributs de recherche : à jour"],
        )


async def test_the_namespace_is_created_then_brought_to_its_retention(up: Up) -> None:
    for retention in ("24h", "90d"):
        given = up.deployment.environment("temporal-namespace") | {
            "TEMPORAL_NAMESPACE": "onboardings",
            "TEMPORAL_RETENTION": retention,
            "PATH": f"{temporal_binary().parent}:{os.environ['PATH']}",
        }
        job = await asyncio.create_subprocess_exec(
            ROOT / "deploy" / "temporal" / "namespace.sh", env=given
        )
        assert await asyncio.wait_for(job.wait(), 30) == 0
    client = await Client.connect(up.deployment.addresses["temporal:7233"])
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace="onboardings")
    )
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=90)


async def test_the_job_says_what_is_away(up: Up) -> None:
    code, printed = await up.deployment.run("prepare", TEMPORAL_ADDRESS=f"{LOOPBACK}:1")
    assert code == 1
    assert "serveur Temporal injoignable" in printed
    elsewhere = up.deployment.folder / "elsewhere"
    elsewhere.write_text(f"postgresql://a:sesame@{LOOPBACK}:1/a", encoding="ascii")
    code, printed = await up.deployment.run("prepare", ONBOARDING_DATABASE_URL_FILE=str(elsewhere))
    assert code == 1
    assert "base de données inaccessible" in printed
    assert "sesame" not in printed


async def test_a_worker_is_well_when_it_takes_work_and_only_then(up: Up) -> None:
    assert (await up.deployment.run("prepare"))[0] == 0
    code, printed = await up.deployment.starter("worker-health")
    assert code == 1
    assert "ne prend de travail" in printed
    code, printed = await up.deployment.starter("worker-health", TEMPORAL_NAMESPACE="absent")
    assert code == 1
    assert len(printed.splitlines()) == 1
    async with up.deployment.working(**up.smtp):
        assert (await up.deployment.run("release"))[0] == 0
        async with asyncio.timeout(30):
            while True:
                code, printed = await up.deployment.starter("worker-health")
                if code == 0:
                    break
                await asyncio.sleep(0.5)


async def test_what_is_kept_no_longer_is_looked_for(up: Up) -> None:
    assert (await up.deployment.run("prepare"))[0] == 0
    once = [word for word in up.deployment.command("cleaning") if word not in {"--every", "24"}]
    code, printed = await up.deployment.run("cleaning", *once)
    assert code == 0, printed


async def test_the_service_and_the_codec_server_answer_their_health_checks(up: Up) -> None:
    assert (await up.deployment.run("prepare"))[0] == 0
    async with up.deployment.lasting("service"), up.deployment.lasting("codec"):
        for name in ("service", "codec"):
            answer = await asyncio.to_thread(_read, up.deployment.ports[name], "/health/live")
            assert json.loads(answer) == {"service": "ok"}
        ready = await asyncio.to_thread(_read, up.deployment.ports["service"], "/health/ready")
        assert set(json.loads(ready).values()) == {"ok"}


def _dashboard_metrics() -> set[str]:
    """The names in the expressions, as ``# TYPE`` lines have them."""
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    told = " ".join(
        re.sub(r'"[^"]*"', "", target["expr"])
        for panel in panels
        for target in panel.get("targets", [])
    )
    names = re.findall(r"\b(?:onboarding|temporal|service|persistence|approximate)_\w+", told)
    # A histogram is several series of one name.
    return {re.sub(r"(?<=latency|seconds)_(bucket|count)$", "", name) for name in names} - {
        "service_name"
    }


async def test_every_metric_of_the_dashboard_is_exported(up: Up) -> None:
    assert (await up.deployment.run("prepare"))[0] == 0
    contract = json.dumps(a_contract()).encode()
    wanted = _dashboard_metrics()
    assert len(wanted) > 12
    async with up.deployment.working(**up.smtp):
        assert (await up.deployment.run("release"))[0] == 0
        code, printed = await up.deployment.starter("start", "-", given=contract)
        assert code == 0, printed
        ours = {name for name in wanted if name.startswith(("onboarding_", "temporal_"))}
        now = {name for name in ours if not LATER.fullmatch(name)}
        await _until(up.deployment.metrics["worker"], now)
        theirs = {name for name in wanted - ours if not LATER.fullmatch(name)}
        await _until(up.temporal_metrics, theirs)
    # The counters that wait for an event are named by the code itself.
    sources = " ".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "observing").glob("*.py")
    )
    for name in wanted - now - theirs:
        if name.startswith("onboarding_"):
            assert f'"{name.removesuffix("_total")}"' in sources
