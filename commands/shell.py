"""How every command meets its reader: in French, and with an exit code that can be trusted.

0 done, 1 refused (one line a problem on standard error), 2 misuse.
"""

from __future__ import annotations

import asyncio
import json
import sys
import unicodedata
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Coroutine

    from rich.console import Console
    from temporalio.client import Client

    from register.store import Register

T = TypeVar("T")

_PIPED_COLUMNS: Final = 1_000
"""Columns of a table that no terminal shows: nothing is folded for who reads it line by line."""


class _French(click.HelpFormatter):
    """Click's own headings, in French."""

    _HEADINGS: Final = {"Options": "Options", "Commands": "Commandes"}

    def write_usage(self, prog: str, args: str = "", _prefix: str | None = None) -> None:
        super().write_usage(prog, args, "Utilisation : ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(self._HEADINGS.get(heading, heading))


click.Context.formatter_class = _French
HELP: Final = click.help_option("--help", help="Afficher cette aide.")
JSON: Final = click.option("--json", "as_json", is_flag=True, help="En JSON, complet.")


# --- What is read and written -----------------------------------------------------------------


def read(name: str) -> bytes:
    """A file, or standard input for ``-``; one byte more than allowed shows it is too large."""
    from reception import MAX_JSON_BYTES

    if name == "-":
        return sys.stdin.buffer.read(MAX_JSON_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"fichier illisible : {clean(name)}") from error


def clean(text: str) -> str:
    """No control character reaches the terminal."""
    return "".join("?" if _is_control(c) else c for c in text)


def as_json(value: object) -> str:
    """Readable JSON; control characters are escaped, those that JSON itself would let pass too."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(json.dumps(c)[1:-1] if _is_control(c) and c != "\n" else c for c in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs"}


def console(*, stderr: bool = False) -> Console:
    """Where tables and progress go."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, highlight=False, width=None if stream.isatty() else _PIPED_COLUMNS
    )


def print_table(titles: tuple[str, ...], rows: list[tuple[str, ...]], *, folded: set[str]) -> None:
    """A table on standard output; in a narrow terminal the ``folded`` columns take more lines.
    Its texts may come from outside: no mark-up is read in them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=title not in folded)
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    console().print(table)


# --- What is reached --------------------------------------------------------------------------


def do(work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command."""
    return asyncio.run(work)


@asynccontextmanager
async def reached() -> AsyncIterator[tuple[Client, Register]]:
    """The Temporal server and the register, for the time of a command."""
    from connection import connect, opened_register
    from settings import load_command_settings

    settings = load_command_settings()
    client = await connect(settings)
    async with opened_register(settings.database_url) as register:
        yield client, register


async def answered(call: Awaitable[T], reference: str) -> T:
    """What a server answers. Raises ``Refused``, in French, when it does not."""
    from sqlalchemy.exc import SQLAlchemyError
    from temporalio.service import RPCError

    from reception import Refused, explained

    try:
        return await call
    except RPCError as error:
        raise explained(error, reference) from error
    except (SQLAlchemyError, OSError) as error:
        # Only its kind: the drivers' texts may carry the address, password included.
        kind = type(error).__name__
        raise Refused(f"la base de données n'a pas répondu ({kind}) : recommencer") from error


# --- How it ends ------------------------------------------------------------------------------


def run(cli: click.Group, arguments: list[str]) -> int:
    """Run one command; the exit code."""
    try:
        cli.main(arguments, prog_name="starter.py", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as help_:
        click.echo(help_.format_message(), err=True)
        return 2
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(error.ctx.get_usage(), err=True)
        click.echo(clean(f"Erreur : {_misuse(error, cli)}"), err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrompu", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - what was not foreseen is raised again
        tell(problems_of(error))
        return 1
    return 0


def tell(problems: tuple[str, ...]) -> None:
    """One problem a line, on standard error."""
    for problem in problems:
        click.echo(clean(problem), err=True)


def problems_of(error: Exception) -> tuple[str, ...]:
    """What to print of a refusal; anything that was not foreseen is raised again."""
    # Loaded already if one of theirs was raised; a misspelt command never loads them.
    for module, name in (
        ("reception", "Refused"),
        ("connection", "Unreachable"),
        ("settings", "SettingsError"),
    ):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(error, kind):
            return tuple(str(error).splitlines())
    raise error


def _group(error: click.UsageError, cli: click.Group) -> click.Group:
    """The commands among which the unknown one was looked for."""
    command = error.ctx.command if error.ctx else None
    return command if isinstance(command, click.Group) else cli


def _misuse(error: click.UsageError, cli: click.Group) -> str:
    match error:
        case click.MissingParameter():
            name = error.param.make_metavar(error.ctx) if error.param and error.ctx else ""
            return f"argument manquant : {name}"
        case click.NoSuchOption():
            return f"option inconnue : {error.option_name}"
        case click.BadParameter(param=click.Option(type=click.Choice() as choice) as option):
            return f"{option.opts[0]} : valeur inconnue ; valeurs : {', '.join(choice.choices)}"
        case click.BadParameter(param=click.Option() as option):
            return f"{option.opts[0]} : valeur mal formée"
        case click.BadOptionUsage() | click.BadParameter():
            return "option ou argument mal formé"
    text = error.format_message()
    if text.startswith("No such command"):
        return f"commande inconnue ; commandes : {', '.join(_group(error, cli).commands)}"
    if text.startswith("Got unexpected extra"):
        return "trop d'arguments"
    return text
