"""``start``, ``list`` and ``status``: onboardings begin, and say where they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from commands.shell import (
    HELP,
    JSON,
    answered,
    as_json,
    clean,
    console,
    do,
    print_table,
    reached,
    read,
)
from process.vocabulary import HEALTH_NAMES, OVER, STEP_TITLES

if TYPE_CHECKING:
    from process.contract import Contract

_STEPS: Final = (*map(str, STEP_TITLES), *OVER)
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""An employee's code, as in a contract: nothing in it can change a query."""


@click.command(add_help_option=False, options_metavar="")
@click.argument(
    "names",
    metavar="CONTRAT.json|DOSSIER...",
    nargs=-1,
    required=True,
    type=click.Path(allow_dash=True),
)
@click.option(
    "--facts",
    metavar="FAITS.json",
    type=click.Path(allow_dash=True),
    help="Faits passés d'un onboarding déjà en cours.",
)
@HELP
def start(names: tuple[str, ...], facts: str | None) -> None:
    """Démarrer l'onboarding de contrats signés (« - » : entrée standard).

    D'un dossier, chaque fichier .json. Un contrat refusé n'empêche pas les autres.
    """
    files = [file for name in names for file in _files(name)]
    if facts is not None and len(files) > 1:
        raise click.UsageError("--facts accompagne un seul contrat")
    do(_start(list(dict.fromkeys(files)), None if facts is None else read(facts)))


@click.command("list", add_help_option=False, options_metavar="[OPTIONS]")
@click.option("--step", type=click.Choice(_STEPS), metavar="N", help="À cette étape (1 à 7).")
@click.option(
    "--health",
    type=click.Choice(list(HEALTH_NAMES)),
    metavar="SANTE",
    help=f"Dans cet état : {', '.join(HEALTH_NAMES)}.",
)
@click.option("--manager", metavar="CODE", help="De ce chef de projet (code du salarié).")
@click.option("--all", "closed", is_flag=True, help="Les onboardings clos aussi.")
@JSON
@HELP
def list_(
    step: str | None, health: str | None, manager: str | None, *, closed: bool, as_json: bool
) -> None:
    """Lister les onboardings en cours."""
    if manager is not None and not _CODE.fullmatch(manager):
        raise click.UsageError(
            "--manager : code mal formé (lettres, chiffres, « . », « _ », « - »)"
        )
    do(_list(step, health, manager, closed=closed, json=as_json))


@click.command(add_help_option=False, options_metavar="[--json]")
@click.argument("reference", metavar="REFERENCE")
@JSON
@HELP
def status(reference: str, *, as_json: bool) -> None:
    """Dire où en est un onboarding."""
    do(_status(reference, json=as_json))


def _files(name: str) -> list[str]:
    """That file, or those of that folder."""
    if not Path(name).is_dir():
        return [name]
    try:
        found = sorted(str(path) for path in Path(name).glob("*.json") if path.is_file())
    except OSError as error:
        raise click.UsageError(f"dossier illisible : {clean(name)}") from error
    if not found:
        raise click.UsageError(f"aucun fichier .json dans le dossier : {clean(name)}")
    return found


async def _start(files: list[str], facts: bytes | None) -> None:
    """Every contract that can start does; the problems of the others are told together."""
    from rich.progress import Progress

    from connection import Unreachable
    from reception import Refused, parse_contract, start_onboarding

    refused: list[str] = []
    rows: dict[str, tuple[str, ...]] = {}

    def refuse(file: str, refusal: Refused, reference: str = "—", client: str = "—") -> None:
        prefix = f"{file} : " if len(files) > 1 else ""
        refused.extend(prefix + problem for problem in refusal.problems)
        rows[file] = (reference, client, f"refusé ({file})")

    contracts: dict[str, Contract] = {}
    for file, content in ((file, read(file)) for file in files):
        try:
            contracts[file] = parse_contract(content, facts)
        except Refused as refusal:
            refuse(file, refusal)
    if not contracts:
        raise Refused(*refused)
    on_screen = console(stderr=True)
    try:
        async with reached() as (client, register):
            with Progress(
                console=on_screen, transient=True, disable=not on_screen.is_terminal
            ) as bar:
                for file, contract in bar.track(contracts.items(), description="Démarrage"):
                    known = (contract.reference, contract.client.name)
                    try:
                        started = await answered(
                            start_onboarding(client, register, contract), contract.reference
                        )
                    except Refused as refusal:
                        refuse(file, refusal, *known)
                    else:
                        rows[file] = (*known, "démarré" if started else "déjà connu")
    except Unreachable as error:
        raise Refused(*refused, *str(error).splitlines()) from error
    titles = ("Référence", "Client", "Résultat")
    print_table(titles, [rows[file] for file in files], folded=set(titles[1:]))
    if refused:
        raise Refused(*refused)


async def _list(
    step: str | None, health: str | None, manager: str | None, *, closed: bool, json: bool
) -> None:
    from commands.overview import TITLES, Wanted, found

    wanted = Wanted(step=step, health=health, manager=manager, closed=closed)
    async with reached() as (client, register):
        lines = await found(client, register, wanted)
    if json:
        click.echo(as_json([line.plain() for line in lines]))
    elif lines:
        print_table(TITLES, [line.in_french() for line in lines], folded={"Client", "Étape"})
    else:
        click.echo("aucun onboarding")


async def _status(reference: str, *, json: bool) -> None:
    from datetime import UTC, datetime

    from reception import read_status
    from situation import in_french

    async with reached() as (client, register):
        found = await answered(read_status(client, register, reference), reference)
    if json:
        click.echo(as_json(found))
    else:
        click.echo("\n".join(map(clean, in_french(found, datetime.now(UTC)))))
