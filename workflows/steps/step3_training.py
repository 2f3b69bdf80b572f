"""Étape 3 — Formation des utilisateurs (O8 and O9).

« La formation utilisateur est planifiée en amont de la mise en service et réalisée sur le
système réel du client, dans ses locaux. […] Un guide utilisateur adapté au système du client
est remis en fin de formation. »
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from process import editions
from process.calendar import paris_day
from process.facts import TrainingHeld, TrainingPlanned
from process.obligations import OBLIGATIONS
from process.onboarding import Onboarding, Training
from process.orders import Sending
from workflows import invitations
from workflows.sendings import Expected, document, every_site, mail, owed, plain


def sendings(o: Onboarding, now: datetime, gone: Collection[str] = ()) -> Iterator[Sending]:
    """The convocation with its programme, then the user guide."""
    for rank, training in enumerate(o.trainings, start=1):
        if not training.held or now < training.plans[-1].starts_at:
            key = f"training_convocation:{rank}:{len(training.plans)}"
            yield from owed(gone, key, _convocation, o, rank, training)
        if training.held:
            yield from owed(gone, f"user_guide:{rank}", _guide, o, rank, training.held)


def _convocation(o: Onboarding, rank: int, training: Training) -> Sending:
    *former, plan = training.plans
    data = {**plain(o, plan, plan.site), "moved": bool(former)}
    if former and o.since(editions.SECOND):
        data["moved"] = not _same_place_and_hour(former[-1], plan)
        data["updated"] = not data["moved"]
    return mail(
        o,
        "training_convocation",
        OBLIGATIONS["O8"].recipients,
        data,
        subject=f"{rank}:{len(training.plans)}",
        documents=(document("programme_formation", str(rank), data, [plan.site]),),
        events=[invitations.training(o, rank, training)],
    )


def _same_place_and_hour(one: TrainingPlanned, other: TrainingPlanned) -> bool:
    shown = (one.starts_at, one.ends_at, one.site)
    return shown == (other.starts_at, other.ends_at, other.site)


def _guide(o: Onboarding, rank: int, held: TrainingHeld) -> Sending:
    data = plain(o, held)
    return mail(
        o,
        "user_guide",
        OBLIGATIONS["O9"].recipients,
        data,
        subject=str(rank),
        documents=(document("guide_utilisateur", "guide", data, every_site(o)),),
    )


def expected(o: Onboarding, _now: datetime) -> Iterator[Expected]:
    """The training planned, the commissioning, the training held."""
    if not o.kickoff:
        return
    if not o.trainings:
        yield Expected("training_planned", "project_manager", o.kickoff.held_on)
    if o.trainings and not o.trainings[-1].held:
        day = paris_day(o.trainings[-1].plans[-1].starts_at)
        yield Expected("training_held", "project_manager", day)
    if not o.commissioned and o.deployment_over_at:
        yield Expected("commissioned", "project_manager", paris_day(o.deployment_over_at))


def finished(o: Onboarding) -> bool:
    """Training held and guide sent."""
    return any(
        training.held and o.accepted_at(f"user_guide:{rank}")
        for rank, training in enumerate(o.trainings, start=1)
    )
