"""``person export``, ``person erase`` and ``clean``: what is held about people, and for how long."""

from __future__ import annotations

import getpass
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from commands.shell import HELP, JSON, answered, as_json, clean, do, problems_of, reached, tell

if TYPE_CHECKING:
    from privacy.people import Asked
    from privacy.retention import Cleaned
    from privacy.terms import Terms


@click.group(add_help_option=False, subcommand_metavar="COMMANDE [ARGUMENTS]...")
@HELP
def person() -> None:
    """Droits d'une personne sur ses données (RGPD)."""


@person.command(add_help_option=False, options_metavar="[--json]")
@click.argument("mail", metavar="ADRESSE")
@JSON
@HELP
def export(mail: str, *, as_json: bool) -> None:
    """Dire tout ce qui est conservé sur une personne (articles 15 et 20)."""
    do(_export(_asked(mail), json=as_json))


@person.command(add_help_option=False, options_metavar="--reason TEXTE")
@click.argument("mail", metavar="ADRESSE")
@click.option("--reason", metavar="TEXTE", required=True, help="Pourquoi, sans nommer personne.")
@HELP
def erase(mail: str, reason: str) -> None:
    """Effacer une personne des onboardings clos (article 17).

    Refusé tant qu'elle est un contact d'un onboarding en cours.
    """
    if not reason.strip():
        raise click.UsageError("--reason : motif attendu")
    do(_erase(_asked(mail, reason.strip()[:500])))


@click.command("clean", add_help_option=False, options_metavar="[OPTIONS]")
@click.option("--dry-run", is_flag=True, help="Dire ce qui serait fait, sans rien toucher.")
@click.option(
    "--every",
    metavar="HEURES",
    type=click.IntRange(1, 168),
    help="Recommencer toutes les tant d'heures, sans fin.",
)
@HELP
def cleaning(*, dry_run: bool, every: int | None) -> None:
    """Supprimer ce qui a passé sa durée de conservation ; recopier le journal d'audit."""
    while True:
        try:
            do(_clean(dry=dry_run))
        except Exception as error:
            if every is None:
                raise
            # A server away tonight must not end what comes back every night.
            tell(problems_of(error))
        if every is None:
            return
        time.sleep(every * 3600)


def _asked(mail: str, reason: str | None = None) -> Asked:
    from pydantic import TypeAdapter, ValidationError

    from privacy.people import Asked
    from process.fields import Email

    try:
        checked = TypeAdapter(Email).validate_python(mail.strip())
    except ValidationError:
        raise click.UsageError("adresse électronique mal formée") from None
    return Asked(checked, getpass.getuser(), datetime.now(UTC), reason)


def _terms() -> Terms:
    from privacy.terms import Terms
    from settings import load_command_settings

    settings = load_command_settings()
    return Terms(
        documents_years=settings.retention_documents_years,
        contacts_months=settings.retention_contacts_months,
        deliveries_days=settings.retention_deliveries_days,
    )


async def _export(asked: Asked, *, json: bool) -> None:
    from privacy.people import export as exported

    async with reached() as (client, register):
        told = await answered(exported(register, client, asked, _terms()), asked.mail)
    if json:
        click.echo(as_json(told))
    else:
        for line in _readable(told):
            click.echo(clean(line))


def _readable(told: dict[str, Any]) -> list[str]:
    from process.french import plural

    onboardings = told["onboardings"]
    lines = [f"Données conservées sur {told['mail']}"]
    if not onboardings:
        lines.append("Aucune donnée n'est conservée sous cette adresse.")
    lines += [f"Effacement demandé le {_day(at)}." for at in told["erasures"]]
    for one in onboardings:
        lines += ["", _heading(one)]
        roles = [
            _role(held["role"]) + (f" depuis le {_day(held['since'])}" if held["since"] else "")
            for held in one["roles"]
        ]
        lines += [f"  Rôle : {', '.join(roles)}"] if roles else []
        known = ", ".join(str(value) for value in one["contact"].values())
        lines += [f"  Coordonnées : {known}"] if known else []
        lines.append(f"  {plural(len(one['mails']), 'courriel', 'courriels')}")
        lines += [f"    {_day(mail['sent_at'])} : {mail['subject']}" for mail in one["mails"]]
        lines.append(f"  {plural(len(one['documents']), 'document', 'documents')}")
        lines += [
            f"    {_day(paper['issued_at'])} : {paper['reference']}" for paper in one["documents"]
        ]
        lines += [f"  Fichier reçu : {name}" for name in one["files"]]
        if (said := one.get("said", [])) is None:
            lines.append("  Faits : l'onboarding en cours n'a pas répondu ; recommencer")
        elif said:
            lines.append(f"  Nommé dans : {', '.join(fact['fact'] for fact in said)}")
        if "named_until" in one:
            lines.append(f"  Nom et coordonnées conservés jusqu'au {_day(one['named_until'])}")
            lines.append(f"  Documents conservés jusqu'au {_day(one['documents_until'])}")
    return lines


def _heading(one: dict[str, Any]) -> str:
    match one["state"]:
        case "open":
            state = f"en cours depuis le {_day(one['opened_on'])}"
        case "closed":
            state = f"clos le {_day(one['closed_on'])}"
        case "draft":
            state = "brouillon de contrat"
        case _:
            state = "jamais ouvert"
    return " — ".join(filter(None, (one["reference"], one["client"], state)))


def _role(role: str) -> str:
    from process.vocabulary import ROLE_NAMES

    return ROLE_NAMES.get(role) or role.replace("site ", "contact du site ")


def _day(written: str) -> str:
    from process.calendar import paris_day
    from process.french import full_date

    if "T" in written:
        return full_date(paris_day(datetime.fromisoformat(written)))
    return full_date(date.fromisoformat(written))


async def _erase(asked: Asked) -> None:
    from privacy.people import erase as erased
    from process.french import plural
    from reception import Refused

    async with reached() as (client, register):
        done = await answered(erased(register, client, asked, _terms()), asked.mail)
    if done.refused:
        raise Refused("effacement refusé, rien n'a été modifié :", *done.refused)
    count = plural(len(done.erased), "onboarding clos", "onboardings clos")
    names = f" ({', '.join(done.erased)})" if done.erased else ""
    click.echo(
        clean(f"Effacement enregistré ; {count} modifié{'s' * (len(done.erased) > 1)}{names}")
    )
    if done.erased:
        click.echo(f"Remplacée partout par {done.alias.email}")
    for line in done.kept:
        click.echo(clean(f"Conservé : {line}"))


async def _clean(*, dry: bool) -> None:
    from privacy.retention import Cleaning
    from privacy.shelves import Shelves
    from reception import Refused
    from settings import load_command_settings

    terms = _terms()
    try:
        shelves = Shelves(load_command_settings().documents_url)
    except ValueError as error:
        raise Refused(f"ONBOARDING_DOCUMENTS_URL : {error}") from None
    async with reached() as (client, register):
        now = datetime.now(UTC)
        cleaned: Cleaned = await Cleaning(register, client, shelves, terms, now, dry=dry).run()
    for line in cleaned.done:
        click.echo(clean(line))
    if not cleaned.done:
        click.echo("Rien à supprimer.")
    elif dry:
        click.echo("Essai à blanc : rien n'a été touché.")
    if cleaned.failed:
        raise Refused(*cleaned.failed)
