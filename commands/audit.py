"""``audit``: who did what on an onboarding, through which door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from commands.shell import HELP, JSON, answered, as_json, do, print_table, reached

if TYPE_CHECKING:
    from register.store import Audited

_DOORS: Final = {
    "http": "service HTTP",
    "cli": "starter.py",
    "temporal": "Temporal",
    "system": "automate",
}
_ACTS: Final = {
    "started": "onboarding démarré",
    "fact": "fait",
    "signal": "fait (signal)",
    "message": "message reçu",
    "message_refused": "message refusé",
    "cancel_requested": "annulation demandée",
    "terminated": "exécution interrompue",
    "paused": "exécution mise en pause",
    "unpaused": "exécution reprise",
    "reset": "exécution ramenée en arrière",
    "password_read": "mot de passe du DOE lu",
    "run_over": "exécution terminée",
    "ended_outside": "clôture notée après interruption",
    "person_hidden": "personne effacée",
    "contacts_hidden": "personnes effacées (fin de conservation)",
    "document_removed": "document supprimé (fin de conservation)",
    "piece_removed": "pièce supprimée (fin de conservation)",
    "draft_removed": "brouillon supprimé (fin de conservation)",
}
_OUTCOMES: Final = {
    "accepted": "pris en compte",
    "waiting": "en attente",
    "known": "déjà connu",
    "refused": "refusé",
    "started": "démarré",
    "draft": "brouillon gardé",
    "signature": "signature gardée",
}


@click.command(add_help_option=False, options_metavar="[--json]")
@click.argument("reference", metavar="REFERENCE")
@JSON
@HELP
def audit(reference: str, *, as_json: bool) -> None:
    """Dire qui a fait quoi sur un onboarding, et par quelle porte."""
    do(_audit(reference, json=as_json))


async def _audit(reference: str, *, json: bool) -> None:
    import re

    from privacy.audit import audit as acts_on
    from process.fields import REFERENCE
    from reception import unknown

    if not re.fullmatch(REFERENCE, reference):
        raise unknown(reference)
    async with reached() as (client, register):
        acts = await answered(acts_on(client, register, reference), reference)
    if not acts:
        raise unknown(reference)
    if json:
        click.echo(as_json([one.model_dump(mode="json", exclude={"key"}) for one in acts]))
        return
    titles = ("QUAND", "PORTE", "QUI", "QUOI", "SUITE", "REMARQUE")
    print_table(titles, [_row(one) for one in acts], folded={"QUI", "QUOI", "REMARQUE"})


def _row(act: Audited) -> tuple[str, ...]:
    from process.calendar import PARIS

    what = " ".join(filter(None, (_ACTS.get(act.act, act.act), act.subject)))
    return (
        act.at.astimezone(PARIS).strftime("%Y-%m-%d %H:%M:%S"),
        _DOORS[act.door],
        act.who or "non déclaré",
        what,
        _OUTCOMES.get(act.outcome or "", act.outcome or ""),
        "reçu en clair" if act.in_clear else "",
    )
