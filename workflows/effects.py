"""How the workflow asks the activities: one place for their names, time-outs and retries.

Every effect may be tried again: mails and documents are keyed, the register is upserted.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy

from process.documents import DOCUMENT_KINDS
from process.orders import (
    DocumentOrder,
    IssuedDocument,
    MailOrder,
    MailReport,
    Opening,
    OpenOnboarding,
    PiecesRead,
    PiecesRedacted,
    Projection,
    ReadPieces,
    ReadWorkedDays,
    RedactPieces,
    WorkedDays,
)
from workflows.groups import of_step
from workflows.page import summary

_PATIENT: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2),
    backoff_coefficient=2,
    maximum_interval=timedelta(minutes=10),
)
"""For what must happen in the end, however long a server is away."""

MAIL_ATTEMPT: Final = timedelta(hours=2)
"""One attempt, which sends several messages: each has the patience of its commands, and ten minutes
after its final dot (``activities.mails.smtp.patience``)."""

_BRIEF: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3)
"""For a picture that the next one replaces."""


async def open_onboarding(order: OpenOnboarding) -> Opening:
    """Claim the reference; read the calendar and the settings of the run."""
    answer: Opening = await workflow.execute_activity(
        "open_onboarding",
        order,
        result_type=Opening,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=_PATIENT,
        # Cancelled meanwhile, its answer is awaited: the reference is claimed, or it is not.
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary("ouverture : référence, calendrier et réglages"),
    )
    return answer


async def read_worked_days(order: ReadWorkedDays) -> WorkedDays:
    """Read the calendar for later years."""
    answer: WorkedDays = await workflow.execute_activity(
        "read_worked_days",
        order,
        result_type=WorkedDays,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=_PATIENT,
        summary=summary(f"calendrier {order.first_year}-{order.last_year}"),
    )
    return answer


async def is_signature_alone(reference: str) -> bool:
    """Ask whether a signature still waits for its contract."""
    answer: bool = await workflow.execute_activity(
        "is_signature_alone",
        reference,
        result_type=bool,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=_PATIENT,
        summary=summary(f"Le contrat {reference} est-il arrivé ?"),
    )
    return answer


_DOE_STEP: Final = 5
_ASSEMBLED: Final = frozenset({"doe", "doe_conteneur"})
"""The documents made of files, which may be hundreds of megabytes."""


async def read_pieces(order: ReadPieces, patience: timedelta) -> PiecesRead:
    """Read, check and keep files of the DOE."""
    with of_step(_DOE_STEP):
        answer: PiecesRead = await workflow.execute_activity(
            "read_pieces",
            order,
            result_type=PiecesRead,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=5),
            schedule_to_close_timeout=patience,
            retry_policy=_PATIENT,
            summary=summary(f"lecture des pièces du DOE ({len(order.pieces)})", _DOE_STEP),
        )
    return answer


async def redact_pieces(order: RedactPieces, patience: timedelta) -> PiecesRedacted:
    """Make copies of pieces of the DOE without their secrets."""
    with of_step(_DOE_STEP):
        answer: PiecesRedacted = await workflow.execute_activity(
            "redact_pieces",
            order,
            result_type=PiecesRedacted,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(minutes=5),
            schedule_to_close_timeout=patience,
            retry_policy=_PATIENT,
            summary=summary(f"caviardage de pièces du DOE ({len(order.pieces)})", _DOE_STEP),
        )
    return answer


async def issue_document(
    order: DocumentOrder, patience: timedelta, step: int | None
) -> IssuedDocument:
    """Issue one version of a document."""
    assembled = order.kind in _ASSEMBLED
    answer: IssuedDocument = await workflow.execute_activity(
        "issue_document",
        order,
        result_type=IssuedDocument,
        start_to_close_timeout=timedelta(hours=1) if assembled else timedelta(seconds=60),
        heartbeat_timeout=timedelta(minutes=5) if assembled else None,
        schedule_to_close_timeout=patience,
        retry_policy=_PATIENT,
        summary=summary(f"{DOCUMENT_KINDS[order.kind].title}, {order.reference}", step),
    )
    return answer


async def send_mail(
    order: MailOrder, title: str, patience: timedelta, step: int | None = None
) -> MailReport:
    """Send a mail to each of its recipients, once. One that is given up ends first what it has
    handed over, since who takes its place must know."""
    answer: MailReport = await workflow.execute_activity(
        "send_mail",
        order,
        result_type=MailReport,
        start_to_close_timeout=MAIL_ATTEMPT,
        heartbeat_timeout=timedelta(minutes=1),
        schedule_to_close_timeout=patience,
        retry_policy=_PATIENT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        if order.progressive
        else workflow.ActivityCancellationType.TRY_CANCEL,
        summary=summary(f"courriel « {title} »", step),
    )
    return answer


async def project(projection: Projection, name: str) -> None:
    """Show the register where the onboarding stands; a local activity, since it is idempotent
    and frequent. The web UI shows its ``name`` alone."""
    await workflow.execute_local_activity(
        name,
        projection,
        start_to_close_timeout=timedelta(seconds=5),
        retry_policy=_BRIEF,
        summary=summary("Registre"),
    )


async def project_the_end(projection: Projection) -> None:
    """The last picture must reach the register: it outlives the run."""
    await workflow.execute_activity(
        "project_onboarding",
        projection,
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=_PATIENT,
        summary=summary("registre : état final"),
    )
