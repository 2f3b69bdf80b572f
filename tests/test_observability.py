"""Logs, metrics and traces of the real programs: what they show, and whom they never show."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, OutboundInterceptor, SignalWorkflowInput
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from encryption import converter_of
from local.ports import LOOPBACK, free_port
from local.temporal_server import lasting_server
from observing.figures import Figures, Open
from observing.logs import formatter, masked, reference_of
from observing.traces import Tracing, provider
from process.orders import MailOrder, OpenOnboarding, Projection, Recipient
from register.store import Register
from settings import SettingsError, load_command_settings
from storage.document_store import DocumentStore
from tests.holdings import register
from tests.playing import PickyMailbox
from tests.postgres import postgres
from tests.senders import CRM, ROOT, Sender, a_contract, signed
from tests.test_register import contract as registered_contract
from tests.test_replay import _history
from workflows.client_onboarding import ClientOnboarding
from workflows.converter import ENCRYPTED, data_converter
from workflows.lone_signature import LoneSignature
from workflows.names import workflow_id

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["postgres", "register"]

KEY: Final = base64.b64encode(bytes(32)).decode()
HOSTILE: Final = "Ézéchiel {{7*7}} %s %(x)s Von-Trübeckheim"
PHONE: Final = "+33 6 98 76 54 32"


# --- The real programs, watched -----------------------------------------------------------------


class Collector:
    """An OTLP/HTTP collector: what it was sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: set[str] = set()
        self.raw = b""
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                ours.take(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.endpoint: Final = f"http://{LOOPBACK}:{self._server.server_port}"

    def take(self, body: bytes) -> None:
        self.raw += body
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources |= {
                one.value.string_value
                for one in part.resource.attributes
                if one.key == "service.name"
            }
            for scope in part.scope_spans:
                self.spans += scope.spans

    @contextmanager
    def listening(self) -> Iterator[Collector]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    async def first(self, name: str, trace_id: bytes | None = None) -> Span:
        async with asyncio.timeout(30):
            while True:
                for span in self.named(name):
                    if trace_id in {None, span.trace_id}:
                        return span
                await asyncio.sleep(0.1)


class TalkativeMailbox(PickyMailbox):
    """Quotes the address in its refusals, as many servers do, and a name."""

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        answer = await super().handle_RCPT(server, session, envelope, address, options)
        return answer if answer.startswith("250") else f"{answer} <{address}> M. Delaunay"


@dataclass
class Program:
    """A program of ours in a process of its own, and what it wrote."""

    command: list[str]
    environment: Mapping[str, str]
    lines: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.command,
            env={**os.environ, **self.environment},
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        up = asyncio.Event()
        self._reading = asyncio.create_task(self._read(up))
        async with asyncio.timeout(60):
            await up.wait()
        assert self._process.returncode is None, self.lines

    async def _read(self, up: asyncio.Event) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.lines.append(line.decode())
            if "à l'écoute" in self.lines[-1]:
                up.set()
        up.set()

    async def stop(self) -> None:
        if self._process is not None and self._reading is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
            await self._reading


@dataclass
class Watched:
    """The whole system, and all that is seen of it."""

    environment: dict[str, str]
    client: Client
    mailbox: PickyMailbox
    worker: Program
    service: Program
    sender: Sender
    collector: Collector
    metrics: dict[str, str]
    reference: str = ""
    people: set[str] = field(default_factory=set)

    async def measured(self, program: str) -> str:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"http://{self.metrics[program]}/metrics")).text

    async def until_measured(self, program: str, pattern: str) -> str:
        async with asyncio.timeout(40):
            while True:
                if re.search(pattern, text := await self.measured(program), re.MULTILINE):
                    return text
                await asyncio.sleep(0.2)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (*self.worker.lines, *self.service.lines)]


_DEBUG: Final = (
    "import logging, sys; logging.getLogger('onboarding').setLevel(logging.DEBUG); sys.argv[1:1]"
)


@asynccontextmanager
async def system(folder: Path) -> AsyncIterator[Watched]:
    mailbox = TalkativeMailbox(folder / "mails")
    keys = {"k": (SecretStr(KEY),)}
    async with AsyncExitStack() as stack:
        collector = stack.enter_context(Collector().listening())
        smtp = stack.enter_context(mailbox.smtp())
        port, http_port = free_port(), free_port()
        client = await stack.enter_async_context(
            lasting_server(folder, port=port, ui_port=free_port(), converter=converter_of(keys))
        )
        environment = {
            "TEMPORAL_ADDRESS": f"{LOOPBACK}:{port}",
            "ONBOARDING_DATABASE_URL": f"sqlite:///{folder}/onboarding.db",
            "ONBOARDING_DOCUMENTS_URL": str(folder / "documents"),
            "ONBOARDING_INBOX": str(folder / "inbox"),
            "ONBOARDING_SMTP_HOST": LOOPBACK,
            "ONBOARDING_SMTP_PORT": str(smtp),
            "ONBOARDING_MAIL_FROM": "Mileo <onboarding@mileotech.example>",
            "ONBOARDING_HEAD_OF_PROJECTS": "Marc Delaunay <m.delaunay@mileotech.example>",
            "ONBOARDING_WEBHOOK_SECRETS": f"crm={CRM}",
            "ONBOARDING_ENCRYPTION_KEYS": f"k={KEY}",
            "ONBOARDING_LOG_FORMAT": "json",
            "ONBOARDING_TRACES_ENDPOINT": collector.endpoint,
        }
        metrics = {name: f"{LOOPBACK}:{free_port()}" for name in ("worker", "service")}
        code = f"{_DEBUG}; import worker; from ending import leave; leave(worker.main())"
        worker = Program(
            ["-c", code], {**environment, "ONBOARDING_METRICS_ADDRESS": metrics["worker"]}
        )
        serve = f"['serve', '--port', '{http_port}']"
        code = f"{_DEBUG}; import starter; from ending import leave; leave(starter.run({serve}))"
        service = Program(
            ["-c", code], {**environment, "ONBOARDING_METRICS_ADDRESS": metrics["service"]}
        )
        stack.push_async_callback(worker.stop)
        stack.push_async_callback(service.stop)
        await worker.start()
        await service.start()
        sender = await stack.enter_async_context(Sender(f"http://{LOOPBACK}:{http_port}"))
        yield Watched(environment, client, mailbox, worker, service, sender, collector, metrics)


@pytest.fixture(scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """An onboarding that meets a refused mailbox, a silent one, bad facts and a hostile name."""
    async with system(tmp_path_factory.mktemp("watched")) as up:
        contract = a_contract()
        lead = contract["client"]["technical_lead"]
        lead |= {"name": HOSTILE, "phone": PHONE}
        up.reference = contract["reference"]
        up.people = _people(contract)
        up.mailbox.refused.add(contract["client"]["decision_maker"]["email"])
        up.mailbox.deferred.add(contract["team"]["project_manager"]["email"])
        assert await up.sender.tell("/contracts", contract) == "started"
        await up.collector.first("RunActivity:send_mail")

        facts = f"/onboardings/{up.reference}/facts"
        late = {"held_on": "1999-01-01", "attendees": [HOSTILE], "phases": []}
        assert (await up.sender.post(f"{facts}/kickoff_held", late, "m1")).status_code in {409, 422}
        await up.sender.post(f"{facts}/{HOSTILE}", {"by": HOSTILE}, "m2")
        await up.sender.post(f"/{lead['email']}?who={lead['email']}", {}, "m3")
        soon = (datetime.now(UTC) + timedelta(days=10)).replace(microsecond=0).isoformat()
        planned = {"starts_at": soon, "place": f"chez {HOSTILE}, {PHONE}"}
        assert await up.sender.tell(f"{facts}/kickoff_planned", planned, id_="m4") == "accepted"
        handle = up.client.get_workflow_handle(workflow_id(up.reference))
        await handle.signal(f"{lead['email']}", {"name": HOSTILE})
        await handle.signal("kickoff_held", {"attendees": [HOSTILE], "mail": lead["email"]})
        # The worker is replaced: everything is replayed by the next one.
        await up.worker.stop()
        await up.worker.start()
        await up.sender.tell(f"{facts}/kickoff_planned", {**planned, "place": "Lyon"}, id_="m5")
        await up.until_measured("worker", r'^onboarding_mails_total\{.*state="deferred"')
        yield up


def _people(contract: dict[str, Any]) -> set[str]:
    """Every name, address and telephone number of the contract, and the parts of names."""
    found: set[str] = set()

    def look(value: object) -> None:
        if isinstance(value, dict):
            if "email" in value:
                found.update(str(value[key]) for key in ("name", "email", "phone") if key in value)
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    look(contract["client"])
    look(contract["team"])
    return found | {"Von-Trübeckheim", "Ézéchiel", "98 76 54", "Delaunay", "delaunay"}


# --- Logs -----------------------------------------------------------------------------------------


async def test_no_line_shows_a_person(watched: Watched) -> None:
    written = "".join([*watched.worker.lines, *watched.service.lines])
    assert len(watched.people) > 12
    for person in watched.people:
        assert person not in written
        assert json.dumps(person)[1:-1] not in written
    assert not re.search(r"[^\s\"]@[^\s\"]|%40", written)


async def test_every_line_is_json_and_says_which_contract(watched: Watched) -> None:
    events = watched.events()
    assert {"timestamp", "level", "logger", "event"} <= set.intersection(*map(set, events))
    failed = [one for one in events if one.get("activity") == "send_mail" and "error" in one]
    assert failed, "the mailbox that is silent makes an activity fail"
    for one in failed:
        assert one["reference"] == watched.reference
        assert one["workflow_id"] == workflow_id(watched.reference)
        assert re.fullmatch(r"[0-9a-f-]{36}", one["run_id"])
        assert one["attempt"] >= 1
        assert one["error"].startswith("ApplicationError(MailDeferred)")
        assert any("mail.py" in frame for frame in one["raised_at"])
    requests = [one for one in events if one["event"].startswith("POST /onboardings/")]
    assert {one["reference"] for one in requests} == {watched.reference}
    assert any(one["event"].startswith("POST ? 404") for one in events)


def _line(log_format: Any, message: str, *arguments: Any, **more: Any) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(log_format))
    logger = logging.getLogger("onboarding.test")
    logger.addHandler(handler)
    try:
        logger.error(message, *arguments, **more)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_an_exception_tells_its_kinds_and_not_its_words() -> None:
    try:
        try:
            raise OSError("claire@example.com")
        except OSError as cause:
            raise ValueError("Claire Fontaine") from cause
    except ValueError as error:
        for log_format in ("text", "json"):
            line = _line(log_format, "broken", exc_info=error)
            assert "ValueError < OSError" in line
            assert "test_observability.py" in line
            assert "laire" not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to jean.d'arc@exämple.fr now", "‹adresse›"),
        ("<zoe@example.com>", "<‹adresse›>"),
        ("GET /onboardings/jean%40exemple.fr 404", "‹adresse›"),
        ("GET /onboardings/jean%2540exemple.fr?x=%32 404", "‹adresse›"),
        ("jean&#64;exemple.fr", "‹adresse›"),
        ('{"to": "jean\\u0040exemple.fr"}', "‹adresse›"),
        ("GET /x/06%2012%2034%2056%2078", "‹téléphone›"),
        ("GET /x/%2B33612345678", "‹téléphone›"),
        ("GET /caf%C3%A9 404", "/caf%C3%A9"),
        ("06 12 34 56 78", "‹téléphone›"),
        ("+33612345678", "‹téléphone›"),
        ("d0612345678f", "d0612345678f"),
        ("a\nb\u2028c\x1b[31m", "a?b?c?[31m"),
    ],
)
def test_the_last_resort_masks_addresses_telephones_and_forged_lines(text: str, shown: str) -> None:
    assert shown in masked(text)
    assert not re.search(r"exemple|@|34", masked(text)) or "d06" in text


def test_a_line_of_text_is_one_line() -> None:
    line = _line("text", "first %s", "a@b.fr\n2026 INFO forged")
    assert re.fullmatch(r"\S+ ERROR onboarding\.test first ‹adresse›\n", line)


def test_the_reference_is_read_in_the_id_of_our_workflows_only() -> None:
    assert reference_of("onboarding-MIL-2026-001") == "MIL-2026-001"
    assert reference_of("signature-MIL-1") == "MIL-1"
    assert reference_of("onboarding-Jean Dupont") is None
    assert reference_of("other-MIL-1") is None


# --- Metrics --------------------------------------------------------------------------------------


async def test_both_programs_are_measured(watched: Watched) -> None:
    text = await watched.until_measured("worker", r"^onboarding_open\{.*\} 1$")
    assert 'poller_type="workflow_task"' in text
    assert 'task_queue="client-onboarding"' in text
    for metric in (
        "temporal_num_pollers",
        "temporal_workflow_task_schedule_to_start_latency_seconds_bucket",
        "temporal_activity_schedule_to_start_latency_seconds_bucket",
        'onboarding_missed_limits{because_of="mileo",obligation="O1"',
        "onboarding_mail_backlog",
    ):
        assert metric in text
    assert re.search(r"^onboarding_register_up\{.*\} 1$", text, re.MULTILINE)
    assert re.search(r"^onboarding_documents_up\{.*\} 1$", text, re.MULTILINE)
    service = await watched.measured("service")
    counted = {
        outcome: int(number)
        for outcome, number in re.findall(
            r'^onboarding_facts_total\{door="http",outcome="(\w+)".*\} (\d+)$',
            service,
            re.MULTILINE,
        )
    }
    assert counted == {"accepted": 2, "refused": 2}


async def test_no_label_holds_a_person_or_a_contract(watched: Watched) -> None:
    for program in ("worker", "service"):
        text = await watched.measured(program)
        assert watched.reference not in text
        assert not any(person in text for person in watched.people)


async def test_the_public_address_has_no_metrics(watched: Watched) -> None:
    assert (await watched.sender.http.get("/metrics")).status_code == 404


async def test_an_address_already_taken_stops_the_program(watched: Watched) -> None:
    taken = {**watched.environment, "ONBOARDING_METRICS_ADDRESS": watched.metrics["worker"]}
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "worker.py")),
        env={**os.environ, **taken},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await done.communicate()
    assert done.returncode == 1
    assert "ONBOARDING_METRICS_ADDRESS" in told.decode()


async def _project(register: Register, number: int, **changes: Any) -> None:
    reference, at = f"R-{number}", datetime.now(UTC)
    contract = registered_contract(reference)
    opened = OpenOnboarding(
        contract=contract, workflow_id=f"onboarding-{reference}", run_id="r", started_at=at
    )
    assert await register.claim(opened, "0" * 64) is None
    picture: dict[str, Any] = {
        "onboarding": reference,
        "at": at,
        "step": "4",
        "health": "late",
        "project_manager": None,
        "next_deadline": None,
        "last_missed_at": None,
        "open_reserves": 0,
        "missed_deadlines": 1,
        "status": {"deadlines": [], "reserves": []},
    }
    await register.project(Projection.model_validate(picture | changes))


async def one_stuck() -> int:
    return 1


def _limit(obligation: str, days_ago: int, key: str | None = None, **more: Any) -> dict[str, Any]:
    due = datetime.now(UTC) - timedelta(days=days_ago)
    return {
        "obligation": obligation, "key": key, "due_at": due.isoformat(), "met_at": None,
        "state": "missed", **more,
    }  # fmt: skip


async def test_the_gauges_say_who_holds_up_what(register: Register, tmp_path: Path) -> None:
    deadlines = [
        _limit("O1", 3),
        _limit("O2", 3, met_at=datetime.now(UTC).isoformat()),
        _limit("O3", 3, state="running"),
        _limit("O6", 2, "2026-W14"),
        _limit("O6", 20, "2026-W11"),
        _limit("O12", 2, "1"),
        _limit("O12", 2, "2"),
    ]
    reserves = [{"number": 1, "state": "fixed"}, {"number": 2, "state": "open"}]
    late = {"deadlines": deadlines, "reserves": reserves}
    await _project(register, 1, status=late, missed_deadlines=6)
    await _project(register, 2, status=late, missed_deadlines=6, health="suspended")
    await _project(register, 3, status=late, missed_deadlines=6, step="completed", closed=True)
    order = MailOrder(
        onboarding="R-1",
        kind="welcome",
        key="welcome",
        recipients=[],
        data={},
        attachments=[],
        reply_to=None,
    )
    zoe = Recipient(role="decision_maker", name="Zoé", email="zoe@example.com")
    await register.begin_mail(order, zoe, "<1@x>", "s")

    address = f"{LOOPBACK}:{free_port()}"
    metrics = PrometheusConfig(bind_address=address)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics))
    store = DocumentStore(str(tmp_path / "documents"))
    stands = [{("4", "late"): 1, ("5", "on_time"): 2}, {("4", "late"): 0, ("5", "on_time"): 3}]

    async def standing() -> Open:
        return stands.pop(0)

    figures = Figures(standing, one_stuck, register, store, runtime.metric_meter)

    await figures.refresh(datetime.now(UTC))
    seen = await _gauges(address)
    assert seen["onboarding_open"] == {"4 late": 1, "5 on_time": 2}
    assert seen["onboarding_missed_limits"] == {
        "O1 mileo": 1, "O6 mileo": 1, "O12 client": 1, "O12 mileo": 1,
    }  # fmt: skip
    assert seen["onboarding_mail_backlog"] == {}
    assert seen["onboarding_register_up"] == {"": 1}

    await _project_again(register, "R-1")
    await figures.refresh(datetime.now(UTC) + timedelta(hours=2))
    seen = await _gauges(address)
    assert seen["onboarding_missed_limits"] == {}
    assert seen["onboarding_open"] == {"5 on_time": 3}
    assert seen["onboarding_mail_backlog"] == {"": 1}


async def _project_again(register: Register, reference: str) -> None:
    await register.project(
        Projection(
            onboarding=reference,
            at=datetime.now(UTC),
            step="5",
            health="on_time",
            project_manager=None,
            next_deadline=None,
            last_missed_at=None,
            open_reserves=0,
            missed_deadlines=0,
            status={"deadlines": [], "reserves": []},
        )
    )


async def test_a_register_that_is_away_is_told_and_stops_nothing(tmp_path: Path) -> None:
    register = Register(f"sqlite:///{tmp_path}/never/made.db")
    address = f"{LOOPBACK}:{free_port()}"
    metrics = PrometheusConfig(bind_address=address)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=metrics))
    (tmp_path / "documents").mkdir()
    store = DocumentStore(str(tmp_path / "documents"))

    async def away() -> Open:
        raise RPCError("no", RPCStatusCode.UNAVAILABLE, b"")

    await Figures(away, one_stuck, register, store, runtime.metric_meter).refresh(datetime.now(UTC))
    await register.close()
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{address}/metrics")).text
    assert re.search(r"^onboarding_register_up(\{.*\})? 0$", text, re.MULTILINE)
    assert re.search(r"^onboarding_documents_up(\{.*\})? 1$", text, re.MULTILINE)


async def _gauges(address: str) -> dict[str, dict[str, int]]:
    """Each gauge that is not zero, by the values of its labels."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://{address}/metrics")).text
    found: dict[str, dict[str, int]] = {}
    for name, labels, value in re.findall(r"^(\w+)(\{.*\})? (\d+)$", text, re.MULTILINE):
        words = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        order = ("step", "health", "obligation", "because_of")
        key = " ".join(words[one] for one in order if one in words)
        found.setdefault(name, {})
        if int(value):
            found[name][key] = int(value)
    return found


# --- Alerts ---------------------------------------------------------------------------------------

SKIP: Final = "ONBOARDING_TEST_PROMETHEUS"
INSTALL: Final = "sudo apt-get install --no-install-recommends prometheus"


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if os.environ.get(SKIP) == "skip":
        pytest.skip(f"{SKIP}=skip")
    tool = shutil.which("promtool")
    if tool is None:
        pytest.fail(f"promtool is not installed: {INSTALL}   (or {SKIP}=skip)", pytrace=False)
    return subprocess.run(
        [tool, *arguments],
        cwd=ROOT / "deploy" / "prometheus",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_alerts_ring_when_they_must_and_not_otherwise() -> None:
    for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts.test.yml")):
        done = _promtool(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


async def test_the_alerts_speak_of_metrics_that_are_there(watched: Watched) -> None:
    rules = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\b(?:onboarding|temporal)_\w+", rules))
    assert len(asked) >= 8
    told = await watched.measured("worker") + await watched.measured("service")
    assert asked <= set(re.findall(r"^(\w+)\{", told, re.MULTILINE))


# --- Traces ---------------------------------------------------------------------------------------


async def test_one_contract_is_one_trace_from_the_door_to_the_mails(watched: Watched) -> None:
    collector = watched.collector
    door = await collector.first("POST /contracts")
    run = await collector.first("RunWorkflow:ClientOnboarding", door.trace_id)
    opened = await collector.first("RunActivity:open_onboarding", door.trace_id)
    await collector.first("RunActivity:issue_document", door.trace_id)
    mailed = await collector.first("RunActivity:send_mail", door.trace_id)
    spans = {span.span_id: span for span in collector.spans}

    def line(span: Span) -> list[str]:
        above = spans.get(span.parent_span_id)
        return [*(line(above) if above else []), span.name]

    start = ["POST /contracts", "StartWorkflow:ClientOnboarding"]
    assert line(run) == [*start, "RunWorkflow:ClientOnboarding"]
    assert line(opened) == [*start, "StartActivity:open_onboarding", "RunActivity:open_onboarding"]
    assert line(mailed) == [*start, "StartActivity:send_mail", "RunActivity:send_mail"]
    assert door.parent_span_id == b""
    fact = await collector.first("POST /onboardings/{reference}/facts/{name}")
    assert fact.trace_id != door.trace_id
    assert {"onboarding-service", "onboarding-worker"} <= collector.resources


async def test_a_replay_makes_no_span_again(watched: Watched) -> None:
    handle = watched.client.get_workflow_handle(workflow_id(watched.reference))
    scheduled: Counter[str] = Counter()
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            attributes = event.activity_task_scheduled_event_attributes
            scheduled[f"StartActivity:{attributes.activity_type.name}"] += 1
    [run] = watched.collector.named("RunWorkflow:ClientOnboarding")
    for name, number in scheduled.items():
        await watched.collector.first(name)
        started = [one for one in watched.collector.named(name) if one.trace_id == run.trace_id]
        assert len(started) <= number
    # One before the worker was replaced, one after; spans leave by batches.
    async with asyncio.timeout(30):
        while len(watched.collector.named("HandleUpdate:kickoff_planned")) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert len(watched.collector.named("HandleUpdate:kickoff_planned")) == 2
    assert len(watched.collector.named("RunWorkflow:ClientOnboarding")) == 1


async def test_no_span_holds_a_person(watched: Watched) -> None:
    await watched.collector.first("HandleSignal:?")
    raw = watched.collector.raw
    for person in watched.people:
        assert person.encode() not in raw
    assert b"@" not in b"".join(
        span.name.encode() + span.status.message.encode() for span in watched.collector.spans
    )
    assert not any(span.events or span.status.message for span in watched.collector.spans)
    failed = [one for one in watched.collector.named("RunActivity:send_mail") if one.status.code]
    kinds = {a.value.string_value for one in failed for a in one.attributes if "error" in a.key}
    assert kinds == {"ApplicationError"}


async def test_headers_are_encrypted_with_the_rest(watched: Watched) -> None:
    handle = watched.client.get_workflow_handle(workflow_id(watched.reference))
    history = await handle.fetch_history()
    encodings: Counter[bytes] = Counter()
    for event in history.events:
        for one in (
            event.workflow_execution_started_event_attributes,
            event.activity_task_scheduled_event_attributes,
        ):
            for payload in one.header.fields.values():
                encodings[payload.metadata["encoding"]] += 1
    assert set(encodings) == {ENCRYPTED}
    assert encodings[ENCRYPTED] > 3
    for event in history.events:
        assert b"traceparent" not in event.SerializeToString()


class _Header(ClientInterceptor):
    """A sender who writes what it likes where the trace is."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK names it
        payload = self.payload

        class Outbound(OutboundInterceptor):
            async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - same
                input.headers = {"_tracer-data": payload}
                await super().signal_workflow(input)

        return Outbound(next)


async def test_a_header_that_is_no_trace_stops_nothing(watched: Watched) -> None:
    plain = {"encoding": b"json/plain"}
    for payload in (
        Payload(metadata={"encoding": ENCRYPTED}, data=b"x"),
        Payload(metadata=plain, data=b"not json"),
        Payload(metadata=plain, data=b"[1]"),
        Payload(metadata=plain, data=b'{"traceparent": {"a": 1}, "baggage": "who=claire"}'),
        Payload(metadata=plain, data=b'{"traceparent": "' + b"f" * 90_000 + b'"}'),
        Payload(),
    ):
        config = watched.client.config()
        config["interceptors"] = [_Header(payload)]
        hostile = Client(**config)
        handle = hostile.get_workflow_handle(workflow_id(watched.reference))
        await handle.signal("nothing_known", {"reason": "rien"})
    status = await watched.sender.http.get(
        f"/onboardings/{watched.reference}", headers=signed(b"", "m-last")
    )
    assert status.status_code == 200, status.text
    assert status.json()["rejected_count"] >= 6


async def test_a_command_is_traced_too(watched: Watched) -> None:
    known = {"fact_id": "cli", "starts_at": "2020-01-01T10:00:00+01:00", "place": "x"}
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "starter.py"), "fact", watched.reference, "kickoff_planned"),
        "-",
        env={**os.environ, **watched.environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await done.communicate(json.dumps(known).encode())
    assert "onboarding-starter" in watched.collector.resources


@pytest.mark.parametrize("name", ["new", "doe", "trouble"])
async def test_recorded_histories_replay_under_the_tracing(name: str) -> None:
    collector = Collector()
    with collector.listening():
        replayer = Replayer(
            workflows=[ClientOnboarding, LoneSignature],
            data_converter=data_converter,
            interceptors=[Tracing(collector.endpoint, "worker")],
        )
        await replayer.replay_workflow(_history(name))
        await asyncio.to_thread(provider(collector.endpoint, "worker").shutdown)
    assert collector.spans == []


# --- Off ------------------------------------------------------------------------------------------


def test_what_is_off_is_not_even_loaded() -> None:
    code = """
import sys, starter, connection
starter.run(["--help"])
loaded = [name for name in sys.modules if name.startswith(("opentelemetry", "structlog"))]
assert not loaded, loaded
import worker
loaded = [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
assert not loaded, loaded
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_FORMAT", "xml"),
        ("METRICS_ADDRESS", "localhost"),
        ("METRICS_ADDRESS", "127.0.0.1:0"),
        ("METRICS_ADDRESS", "127.0.0.1:70000"),
        ("TRACES_ENDPOINT", "collector:4318"),
        ("TRACES_ENDPOINT", "http://user:password@collector:4318"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ONBOARDING_{name}", value)
    with pytest.raises(SettingsError, match=f"ONBOARDING_{name}") as refused:
        load_command_settings()
    assert "password" not in str(refused.value)
