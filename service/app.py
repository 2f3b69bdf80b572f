"""The HTTP service (DESIGN, section 2): its routes put together, and the server that runs them."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.client import Client
from temporalio.runtime import Runtime

from connection import connect, opened_register
from ending import asked_to_stop
from observing.logs import about
from observing.metrics import watched_runtime
from observing.programs import traced
from observing.requests import CountedFacts, path_of, reference_in
from register.store import Register
from service.adapters import known_sources
from service.contracts import Contracts, contracts_router
from service.deliveries import Deliveries
from service.documents import documents_router
from service.events import events_router
from service.facts import facts_router
from service.guard import Guard, no_noise
from service.health import health_router
from service.onboardings import onboardings_router
from service.openapi import describe
from service.openapi_page import page_router
from service.problems import answer_problems
from service.signatures import Secrets
from service.temporal import Connect, Temporal
from settings import CommandSettings, SettingsError
from storage.document_store import DocumentStore

_GRACE_SECONDS: Final = 10
"""What a download under way gets to finish when the service is asked to stop."""

_CAUTIOUS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_log: Final = logging.getLogger("onboarding.service")


def create_app(
    register: Register,
    store: DocumentStore,
    client: Client | Connect,
    secrets: Secrets | None = None,
    own_sources: Path | None = None,
) -> FastAPI:
    """The application; whoever calls opens and closes the register. A way to get ``client`` is
    used when it is first needed. Without ``secrets`` nothing that must be signed is taken.
    Raises ``SettingsError`` for a wrong file in the operator's folder of sources."""
    temporal = Temporal(client, register)
    deliveries = Deliveries(register)
    app = FastAPI(title="Mileo Onboarding", docs_url=None, redoc_url=None, redirect_slashes=False)
    sources = known_sources(own_sources)
    # A signing service's own key opens its route, not ours.
    theirs = {name for name, one in sources.items() if one.signature.scheme == "hmac-sha256"}
    given = secrets or {}
    app.state.secrets = {name: given[name] for name in given if name not in theirs}
    contracts = Contracts(register, temporal)
    app.include_router(contracts_router(contracts, deliveries))
    app.include_router(events_router(sources, given, contracts, deliveries))
    app.include_router(facts_router(temporal, deliveries))
    app.include_router(onboardings_router(register, temporal))
    app.include_router(documents_router(register, store))
    app.include_router(health_router(register, store, temporal))
    app.include_router(page_router())
    answer_problems(app)
    describe(app)
    return app


async def serve(settings: CommandSettings, host: str, port: int) -> None:
    """Answer on this address until SIGTERM or SIGINT, then let what is under way finish.

    Raises ``SettingsError`` and ``connection.Unreachable``, which say what is wrong in French.
    """
    stop = asked_to_stop()
    try:
        store = DocumentStore(settings.documents_url)
        store.check()
    except ValueError as error:
        raise SettingsError([f"ONBOARDING_DOCUMENTS_URL : {error}"]) from None
    runtime = watched_runtime(settings.metrics_address)
    async with (
        opened_register(settings.database_url) as register,
        traced(settings.traces_endpoint, "service"),
        serving(
            watched(
                create_app(
                    register,
                    store,
                    lambda: connect(settings, "service", runtime),
                    settings.webhook_secrets,
                    settings.sources,
                ),
                settings,
                runtime,
            ),
            host,
            port,
        ) as address,
    ):
        _log.info("à l'écoute sur %s", address)
        await stop.wait()
        _log.info("arrêt demandé : les réponses en cours se terminent")
    _log.info("arrêté")


def watched(app: ASGIApp, settings: CommandSettings, runtime: Runtime) -> ASGIApp:
    """The application, counted and traced as the settings ask."""
    if settings.metrics_address is not None:
        app = CountedFacts(app, runtime.metric_meter)
    if settings.traces_endpoint is not None:
        from observing.traces import TracedDoor  # noqa: PLC0415 - heavy, and for who asks only

        app = TracedDoor(app, settings.traces_endpoint)
    return app


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncIterator[str]:
    """The app served in this process for the time of the block; gives its address. Port 0 is a
    free one. Raises ``SettingsError`` when the address cannot be had."""
    # Ours instead: theirs would show the signatures of links, wherever the handlers are.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").addFilter(no_noise)
    listening = _listening(host, port)
    server = _Server(
        uvicorn.Config(
            _Observed(app),
            http=Guard().protocol,  # type: ignore[arg-type]  # whatever makes one
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    running = asyncio.create_task(server.serve([listening]))
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


def _listening(host: str, port: int) -> socket.socket:
    """Listens already: who connects before the server is up waits a moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = _REASONS.get(getattr(error, "errno", 0), "adresse impossible")
        raise SettingsError([f"adresse {host}, port {port} : {reason}"]) from None


_REASONS: Final = {
    errno.EADDRINUSE: "déjà utilisés par un autre programme",
    errno.EACCES: "ce port est réservé à l'administrateur",
}


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Whoever runs the server decides when it stops."""
        yield


class _Observed:
    """Every answer is cautious and logged: never with its query, which holds signatures."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _CAUTIOUS.items():
                    headers.setdefault(name, value)
            await send(message)

        began = time.monotonic()
        try:
            await self._app(scope, receive, sending)
        finally:
            milliseconds = (time.monotonic() - began) * 1000
            if reference := reference_in(scope):
                about(reference=reference)
            _log.info("%s %s %d %.0f ms", scope["method"], path_of(scope), status, milliseconds)
