"""``prepare``: what must be there before a worker takes work; once a deployment."""

from __future__ import annotations

import click

from commands.shell import HELP, do


@click.command(add_help_option=False, options_metavar="")
@HELP
def prepare() -> None:
    """Mettre le registre et les attributs de recherche à cette version."""
    do(_prepare())


async def _prepare() -> None:
    from connection import (
        SearchAttributesRefused,
        connect,
        create_search_attributes,
        opened_register,
    )
    from reception import Refused
    from settings import load_command_settings

    settings = load_command_settings()
    async with opened_register(settings.database_url):
        click.echo("registre : à jour")
    try:
        await create_search_attributes(await connect(settings))
    except SearchAttributesRefused as error:
        raise Refused(*str(error).splitlines()) from None
    click.echo("attributs de recherche : à jour")
