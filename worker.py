"""The process that hosts the workflow and the activities of every onboarding.

It refuses to start rather than take work it could not do: wrong settings, unreachable server or
database, missing search attributes.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker

from activities.documents import DocumentActivities
from activities.ending import EndsSoon
from activities.mail import MailActivities
from activities.pieces import PieceActivities
from activities.printing.grid import MODULES, POINTS, faults
from activities.register import RegisterActivities
from beginning import keep_private
from connection import (
    SearchAttributesRefused,
    Unreachable,
    connect,
    create_search_attributes,
    opened_register,
)
from ending import asked_to_stop, leave
from observing.figures import kept_up_to_date
from observing.logs import configure
from observing.metrics import CountsDocuments, watched_runtime
from observing.programs import traced
from sandbox import WithoutContext
from settings import SettingsError, load_settings
from storage.document_store import DocumentStore
from storage.links import document_link, link_key
from versioning import WORKFLOWS, deployment_of
from workflows.document_links import DocumentLinks
from workflows.names import TASK_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from temporalio.client import Client

    from register.store import Register
    from settings import Settings

GRACE: Final = timedelta(seconds=630)
"""What a message handed over to the mail server gets when the worker is asked to stop: more than the
longest ``ONBOARDING_SMTP_DATA_TIMEOUT_SECONDS``. Nothing else takes more than ``ending.BRIEF``."""

CACHED_RUNS: Final = 2_000
"""A cache smaller than the number of active runs replays whole histories at every step."""

ACTIVITIES: Final = 20
"""At once: more would wait for the processors, with their documents in memory."""

_log: Final = logging.getLogger("onboarding.worker")


def build_worker(  # noqa: PLR0913 - the parts it is put together from
    client: Client,
    settings: Settings,
    register: Register,
    store: DocumentStore,
    *,
    links_key: str | None = None,
    cached_runs: int = CACHED_RUNS,
) -> Worker:
    """The worker of this program, of the demonstration and of the tests: not started yet.

    With ``links_key`` (``storage.links``) and a public address, the page of each run has links to
    its documents.
    """
    mails = MailActivities(register, store, settings)
    activities = (
        RegisterActivities(register, settings),
        DocumentActivities(register, store),
        PieceActivities(register, store, settings.inbox, settings.doe_piece_max_mb * 1_000_000),
        mails,
    )
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[one for part in activities for one in _defined(part)],
        max_cached_workflows=cached_runs,
        max_concurrent_activities=ACTIVITIES,
        graceful_shutdown_timeout=GRACE,
        workflow_runner=WithoutContext(),
        interceptors=[CountsDocuments(), EndsSoon(), *_links(settings, links_key)],
        deployment_config=deployment_of(settings.build_id),
        plugins=[SimplePlugin("mileo.mails", run_context=mails.connected)],
    )


def _links(settings: Settings, key: str | None) -> list[DocumentLinks]:
    base = settings.public_url
    if base is None or key is None:
        return []

    def sign(sha256: str, reference: str) -> str:
        # By the clock on the wall: the page is drawn for whoever opens it, today.
        expires_at = datetime.now(UTC) + timedelta(days=settings.link_days)
        return document_link(base, key, sha256=sha256, reference=reference, expires_at=expires_at)

    return [DocumentLinks(sign)]


def _defined(part: object) -> list[Callable[..., Any]]:
    """The methods of that object that are activities."""
    methods = (getattr(part, name) for name in dir(part) if not name.startswith("_"))
    return [method for method in methods if hasattr(method, "__temporal_activity_definition")]


async def serve() -> None:
    """Take work until SIGTERM or SIGINT, then let what is under way finish."""
    stop = asked_to_stop()
    settings = load_settings()
    configure(settings.log_format)
    try:
        store = DocumentStore(settings.documents_url)
        store.check()
    except ValueError as error:
        raise SettingsError([f"ONBOARDING_DOCUMENTS_URL : {error}"]) from None
    try:
        settings.inbox.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"ONBOARDING_INBOX : dossier inutilisable ({error.strerror}) : {settings.inbox}"
        raise SettingsError([problem]) from None
    if wrong := faults(POINTS.read_text(encoding="utf-8"), MODULES.read_text(encoding="utf-8")):
        raise SettingsError(wrong)
    runtime = watched_runtime(settings.metrics_address)
    client = await connect(settings, "worker", runtime)
    async with opened_register(settings.database_url) as register:
        await create_search_attributes(client)
        key = await link_key(register)
        async with (
            traced(settings.traces_endpoint, "worker"),
            kept_up_to_date(client, register, store, runtime.metric_meter)
            if settings.metrics_address
            else nullcontext(),
            build_worker(client, settings, register, store, links_key=key),
        ):
            _log.info("à l'écoute de la file %s, espace %s", TASK_QUEUE, client.namespace)
            await stop.wait()
            _log.info("arrêt demandé : les activités en cours se terminent")
    _log.info("arrêté")


def main() -> int:
    """Run the worker; the exit code."""
    try:
        asyncio.run(serve())
    except (SettingsError, Unreachable, SearchAttributesRefused) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    keep_private()
    leave(main())
