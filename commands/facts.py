"""``fact``: an onboarding is told what happened."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from commands.shell import HELP, answered, clean, do, problems_of, read, tell

if TYPE_CHECKING:
    from process.facts import Fact


def _names(
    _context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """The names that complete what is typed, with what each states."""
    from process.facts import FACTS

    return [
        CompletionItem(name, help=model.TITLE)
        for name, model in FACTS.items()
        if name.startswith(begun)
    ]


@click.command(add_help_option=False, options_metavar="")
@click.argument("reference", metavar="REFERENCE")
@click.argument("name", metavar="FAIT", shell_complete=_names)
@click.argument(
    "payload", metavar="[CONTENU.json]", required=False, type=click.Path(allow_dash=True)
)
@HELP
def fact(reference: str, name: str, payload: str | None) -> None:
    """Dire un fait à un onboarding (« - » : entrée standard).

    Sans fichier et dans un terminal, ouvre un éditeur (VISUAL, EDITOR) avec les champs du fait.
    """
    from process.facts import FACTS
    from reception import parse_object

    if name not in FACTS:
        raise click.UsageError(_unknown(name, list(FACTS)))
    if payload is not None:
        do(_tell(reference, name, parse_object(read(payload))))
    elif sys.stdin.isatty():
        _edit(reference, name, FACTS[name])
    else:
        do(_tell(reference, name, {}))


def _unknown(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    if near := get_close_matches(name, names, n=3):
        return f"fait inconnu « {clean(name)} » ; voisins : {', '.join(near)}"
    return f"fait inconnu « {clean(name)} » ; faits : {', '.join(names)}"


async def _tell(reference: str, name: str, payload: dict[str, Any]) -> None:
    from connection import connect
    from reception import send_fact
    from settings import load_command_settings

    client = await connect(load_command_settings())
    telling = send_fact(client, reference, name, payload, door=f"cli:{getpass.getuser()}")
    answer = await answered(telling, reference)
    click.echo(clean(answer.message))


def _edit(reference: str, name: str, model: type[Fact]) -> None:
    """Until it is accepted or given up: what was typed is never lost for a refusal."""
    from process.shapes import shape
    from reception import Refused
    from settings import load_command_settings

    load_command_settings()  # Told before anything is typed.
    text = json.dumps(shape(model), ensure_ascii=False, indent=2) + "\n"
    while True:
        edited = _typed(text)
        if edited is None or edited == text:
            raise Refused("contenu inchangé : rien n'a été envoyé")
        text = edited
        try:
            do(_tell(reference, name, _checked(model, text)))
        except Exception as error:  # noqa: BLE001 - what was not foreseen is raised again
            tell(problems_of(error))
        else:
            return
        if not _again():
            raise Refused("abandonné")


def _typed(text: str) -> str | None:
    """What a person made of it in an editor; None when it was not saved."""
    from reception import Refused

    try:
        return click.edit(text, extension=".json")
    except click.ClickException as error:
        raise Refused("l'éditeur n'a pas pu s'ouvrir (variables VISUAL et EDITOR)") from error


def _checked(model: type[Fact], text: str) -> dict[str, Any]:
    """The payload to send; its form is judged here, its sense by the onboarding."""
    from pydantic import ValidationError

    from process.refusals import problems
    from process.shapes import filled
    from reception import Refused, parse_object

    payload = filled(parse_object(text.encode("utf-8", "surrogateescape")))
    try:
        model.model_validate(payload)
    except ValidationError as error:
        raise Refused(*map(str, problems(error))) from error
    return payload


def _again() -> bool:
    click.echo("Corriger et renvoyer ? [O/n] ", nl=False, err=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() in {"", "o", "oui"}
