"""``serve``: the HTTP service."""

from __future__ import annotations

import click

from commands.shell import HELP, do


@click.command(add_help_option=False, options_metavar="[--host ADRESSE] [--port PORT]")
@click.option("--host", default="127.0.0.1", help="Adresse d'écoute (127.0.0.1).")
@click.option("--port", default=8080, type=click.IntRange(1, 65_535), help="Port (8080).")
@HELP
def serve(host: str, port: int) -> None:
    """Rendre le service HTTP."""
    do(_serve(host, port))


async def _serve(host: str, port: int) -> None:
    from observing.logs import configure
    from service.app import serve as served
    from settings import load_command_settings

    settings = load_command_settings()
    configure(settings.log_format)
    await served(settings, host, port)
