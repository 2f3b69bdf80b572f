"""``LoneSignature``: a signature came, its contract did not; the head of projects is told.

Nobody would look for a client whose contract was signed and never sent here. The wait begins before
the signature is acknowledged (``service/contracts.py``), and ends by itself once the two have met.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from process.calendar import WorkCalendar, at, paris, paris_day
    from process.orders import MailOrder, ReadWorkedDays, Recipient
    from workflows import effects
    from workflows.dispatch import DOUBT
    from workflows.names import LONE_SIGNATURE_TYPE
    from workflows.page import summary
    from workflows.sendings import MAILS

_ALONE_JO: Final = 1
"""DESIGN, section 3: how long a signature may be alone, in jours ouvrés."""

_AT_ONCE: Final = timedelta(seconds=1)

_KIND: Final = "signature_alone"
_PATIENCE: Final = timedelta(days=90)
"""The alert is of use for as long as the contract is missing, however long mail is away."""


@workflow.defn(name=LONE_SIGNATURE_TYPE)
class LoneSignature:
    """The wait of one signature for its contract."""

    @workflow.run
    async def run(self, reference: str, signed_at: str) -> str:
        """Wait one jour ouvré for the contract; what came of it, in French."""
        # Not the first task's instant: no worker may have been there for days.
        received_at = workflow.info().workflow_start_time
        alert_at = await _alert_at(received_at)
        # A timer in any case: the histories of before have one, whenever their first task was.
        await workflow.sleep(
            max(alert_at - workflow.now(), _AT_ONCE),
            summary=summary(f"Le contrat {reference} est attendu"),
        )
        if not await effects.is_signature_alone(reference):
            return "Le contrat est arrivé."
        order = MailOrder(
            onboarding=reference,
            kind=_KIND,
            key=_KIND,
            recipients=[Recipient(role="head_of_projects")],
            reply_to=None,
            data={
                "signed_at": paris(datetime.fromisoformat(signed_at)).isoformat(),
                "received_at": paris(received_at).isoformat(),
            },
            attachments=[],
        )
        report = await effects.send_mail(order, MAILS[_KIND].title, _PATIENCE)
        if any(mail.unanswered_at for mail in report.mails):
            # It may have been received. Nobody is there to tell: it leaves again after a day, once.
            await workflow.sleep(DOUBT, summary=summary("alerte restée sans réponse"))
            again = order.model_copy(update={"anew_from": workflow.now()})
            report = await effects.send_mail(again, MAILS[_KIND].title, _PATIENCE)
            if any(mail.unanswered_at for mail in report.mails):
                return "Alerte envoyée deux fois, sans réponse du serveur de messagerie."
        refused = [mail.refused for mail in report.mails if mail.refused]
        return f"Alerte refusée : {refused[0]}" if refused else "Le responsable est alerté."


async def _alert_at(received_at: datetime) -> datetime:
    """The same hour of the next jour ouvré of Mileo."""
    received = paris(received_at)
    days = await effects.read_worked_days(
        ReadWorkedDays(zones=[], first_year=received.year, last_year=received.year + 1)
    )
    day = WorkCalendar(days).add(paris_day(received_at), _ALONE_JO)
    return at(day, received.time())
