"""The command line of an onboarding: start it, tell it a fact, ask where it stands.

Exit codes: 0 done, 1 refused (one line a problem on standard error), 2 misuse.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import unicodedata
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ending import leave
from process import french
from process.contract import Contract
from process.facts import FACTS
from reception import (
    MAX_JSON_BYTES,
    Refused,
    explained,
    parse_contract,
    parse_object,
    read_status,
    send_fact,
    start_onboarding,
    unknown,
)
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine

    from temporalio.client import Client

    from register.store import Register

# Heavy libraries are imported by the commands that need them: a misspelt one is answered at once.


class _French(click.HelpFormatter):
    """Click's own headings, in French."""

    _HEADINGS: Final = {"Options": "Options", "Commands": "Commandes"}

    def write_usage(self, prog: str, args: str = "", _prefix: str | None = None) -> None:
        super().write_usage(prog, args, "Utilisation : ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(self._HEADINGS.get(heading, heading))


click.Context.formatter_class = _French
_HELP: Final = click.help_option("--help", help="Afficher cette aide.")


@click.group(add_help_option=False, subcommand_metavar="COMMANDE [ARGUMENTS]...")
@_HELP
def cli() -> None:
    """Onboarding d'un client Mileo (PROC-CRM-003)."""


@cli.command(add_help_option=False, options_metavar="")
@click.argument("contracts", metavar="CONTRAT.json...", nargs=-1, required=True)
@click.option("--facts", metavar="FAITS.json", help="Faits passés d'un onboarding déjà en cours.")
@_HELP
def start(contracts: tuple[str, ...], facts: str | None) -> None:
    """Démarrer l'onboarding de contrats signés (« - » : entrée standard)."""
    if facts is not None and len(contracts) > 1:
        raise click.UsageError("--facts accompagne un seul contrat")
    past = _read(facts) if facts is not None else None
    _run(_start({name: _read(name) for name in contracts}, past))


@cli.command(add_help_option=False, options_metavar="")
@click.argument("reference", metavar="REFERENCE")
@click.argument("name", metavar="FAIT")
@click.argument("payload", metavar="[CONTENU.json]", required=False)
@_HELP
def fact(reference: str, name: str, payload: str | None) -> None:
    """Dire un fait à un onboarding (« - » : entrée standard)."""
    if name not in FACTS:
        raise click.UsageError(f"fait inconnu « {_clean(name)} » ; faits : {', '.join(FACTS)}")
    content = b"{}" if payload is None else _read(payload)
    _run(_fact(reference, name, parse_object(content)))


@cli.command(add_help_option=False, options_metavar="[--json]")
@click.argument("reference", metavar="REFERENCE")
@click.option("--json", "as_json", is_flag=True, help="L'état complet, en JSON.")
@_HELP
def status(reference: str, *, as_json: bool) -> None:
    """Dire où en est un onboarding."""
    _run(_status(reference, as_json=as_json))


@cli.command("doe-password", add_help_option=False, options_metavar="")
@click.argument("reference", metavar="REFERENCE")
@_HELP
def doe_password(reference: str) -> None:
    """Montrer le mot de passe du conteneur du DOE, à donner par téléphone."""
    _run(_doe_password(reference))


@cli.command(add_help_option=False, options_metavar="")
@click.argument("references", metavar="[REFERENCE]...", nargs=-1)
@_HELP
def verify(references: tuple[str, ...]) -> None:
    """Comparer au registre chaque fichier conservé (sans référence : tous les onboardings)."""
    _run(_verify(references))


@cli.command(add_help_option=False, options_metavar="")
@click.argument("document", metavar="DOCUMENT")
@_HELP
def link(document: str) -> None:
    """Faire un nouveau lien vers un document émis (référence DOE-…-v1)."""
    _run(_link(document))


@cli.command(add_help_option=False, options_metavar="[--host ADRESSE] [--port PORT]")
@click.option("--host", default="127.0.0.1", help="Adresse d'écoute (127.0.0.1).")
@click.option("--port", default=8080, type=click.IntRange(1, 65_535), help="Port (8080).")
@_HELP
def serve(host: str, port: int) -> None:
    """Rendre le service HTTP : les liens vers les documents."""
    _run(_serve(host, port))


async def _start(contents: dict[str, bytes], facts: bytes | None) -> None:
    """Every contract that can start does; the problems of the others are told together."""
    refused: list[str] = []
    contracts: dict[str, Contract] = {}
    for name, content in contents.items():
        prefix = f"{name} : " if len(contents) > 1 else ""
        try:
            contracts[name] = parse_contract(content, facts)
        except Refused as refusal:
            refused += [prefix + problem for problem in refusal.problems]
    if contracts:
        async with _reached() as (client, register):
            for name, contract in contracts.items():
                prefix = f"{name} : " if len(contents) > 1 else ""
                try:
                    started = await _answered(
                        start_onboarding(client, register, contract), contract.reference
                    )
                except Refused as refusal:
                    refused += [prefix + problem for problem in refusal.problems]
                else:
                    word = "onboarding démarré" if started else "déjà connu"
                    click.echo(f"{workflow_id(contract.reference)} : {word}")
    if refused:
        raise Refused(*refused)


async def _fact(reference: str, name: str, payload: dict[str, Any]) -> None:
    from connection import connect
    from settings import load_command_settings

    load_command_settings()  # A misspelt setting stops every program.
    client = await connect()
    answer = await _answered(send_fact(client, reference, name, payload), reference)
    click.echo(_clean(answer.message))


async def _status(reference: str, *, as_json: bool) -> None:
    from situation import in_french

    async with _reached() as (client, register):
        found = await _answered(read_status(client, register, reference), reference)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(map(_clean, in_french(found))))


async def _doe_password(reference: str) -> None:
    """Recorded before it is shown: nobody reads it unseen."""
    from connection import opened_register
    from settings import load_command_settings

    async with opened_register(load_command_settings().database_url) as register:
        if await register.onboarding(reference) is None:
            raise unknown(reference)
        password = await register.doe_password(reference)
        if password is None:
            raise Refused(f"le DOE de « {reference} » n'a pas de conteneur chiffré")
        await register.password_read(reference, by=getpass.getuser())
    click.echo(password)
    click.echo("À donner par téléphone, jamais par courriel. Lecture enregistrée.", err=True)


async def _verify(references: tuple[str, ...]) -> None:
    from activities.doe.verification import verify as verified
    from connection import opened_register
    from settings import load_command_settings
    from storage.document_store import DocumentStore

    settings = load_command_settings()
    try:
        store = DocumentStore(settings.documents_url)
    except ValueError as error:
        raise Refused(f"ONBOARDING_DOCUMENTS_URL : {error}") from None
    wrong: list[str] = []
    count = 0
    async with opened_register(settings.database_url) as register:
        known = await register.references()
        for reference in references or known:
            if reference not in known:
                raise unknown(reference)
            rows = await verified(register, store, reference)
            count += len(rows)
            wrong += [f"{reference} : {row.message}" for row in rows if row.state != "ok"]
    click.echo(f"{french.plural(count, 'fichier vérifié', 'fichiers vérifiés')}")
    if wrong:
        raise Refused(*wrong)


async def _link(document: str) -> None:
    """A link expires; whoever may read the register may make another one."""
    from datetime import UTC, datetime

    from connection import opened_register
    from settings import load_command_settings
    from storage.links import document_link, link_key

    settings = load_command_settings()
    if settings.public_url is None:
        raise Refused("ONBOARDING_PUBLIC_URL : nécessaire pour faire un lien")
    async with opened_register(settings.database_url) as register:
        issued = await register.registered_document(document)
        if issued is None:
            raise Refused(f"aucun document « {document} »")
        key = await link_key(register)
    click.echo(
        document_link(
            settings.public_url,
            key,
            sha256=issued.sha256,
            reference=issued.reference,
            expires_at=datetime.now(UTC) + timedelta(days=settings.link_days),
        )
    )


async def _serve(host: str, port: int) -> None:
    import logging

    from service.app import serve as served
    from settings import load_command_settings

    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    await served(load_command_settings(), host, port)


@asynccontextmanager
async def _reached() -> AsyncIterator[tuple[Client, Register]]:
    """The Temporal server and the register, for the time of a command."""
    from connection import connect, opened_register
    from settings import load_command_settings

    settings = load_command_settings()
    client = await connect()
    async with opened_register(settings.database_url) as register:
        yield client, register


T = TypeVar("T")


async def _answered(call: Awaitable[T], reference: str) -> T:
    from temporalio.service import RPCError

    try:
        return await call
    except RPCError as error:
        raise explained(error, reference) from error


def _read(name: str) -> bytes:
    """A file, or standard input for ``-``; one byte more than allowed shows it is too large."""
    if name == "-":
        return sys.stdin.buffer.read(MAX_JSON_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"fichier illisible : {_clean(name)}") from error


def _clean(text: str) -> str:
    """No control character reaches the terminal."""
    return "".join(c if unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else "?" for c in text)


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def _misuse(error: click.UsageError) -> str:
    match error:
        case click.MissingParameter():
            name = error.param.make_metavar(error.ctx) if error.param and error.ctx else ""
            return f"argument manquant : {name}"
        case click.NoSuchOption():
            return f"option inconnue : {error.option_name}"
        case click.BadOptionUsage() | click.BadParameter():
            return "option ou argument mal formé"
    text = error.format_message()
    if text.startswith("No such command"):
        return f"commande inconnue ; commandes : {', '.join(cli.commands)}"
    if text.startswith("Got unexpected extra"):
        return "trop d'arguments"
    return text


def run(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        cli.main(arguments, prog_name="starter.py", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as help_:
        click.echo(help_.format_message(), err=True)
        return 2
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        click.echo(_clean(f"Erreur : {_misuse(error)}"), err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrompu", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - what was not foreseen is raised again
        for problem in _problems(error):
            click.echo(_clean(problem), err=True)
        return 1
    return 0


def _problems(error: Exception) -> list[str]:
    """What to print of a refusal; anything that was not foreseen is raised again."""
    if isinstance(error, Refused):
        return list(error.problems)
    # Loaded already if one of theirs was raised; a misspelt command never loads them.
    for module, name in (("connection", "Unreachable"), ("settings", "SettingsError")):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return str(error).splitlines()
    raise error


if __name__ == "__main__":
    leave(run(sys.argv[1:]))
