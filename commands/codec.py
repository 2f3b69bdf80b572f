"""``codec``: the codec server."""

from __future__ import annotations

import click

from commands.shell import HELP, do


@click.command(add_help_option=False, options_metavar="[--host ADRESSE] [--port PORT]")
@click.option("--host", default="127.0.0.1", help="Adresse d'écoute (127.0.0.1).")
@click.option("--port", default=8081, type=click.IntRange(1, 65_535), help="Port (8081).")
@HELP
def codec(host: str, port: int) -> None:
    """Rendre lisibles les historiques chiffrés dans l'interface web de Temporal."""
    do(_codec(host, port))


async def _codec(host: str, port: int) -> None:
    from observing.logs import configure
    from service.codec import serve
    from settings import load_command_settings

    settings = load_command_settings()
    configure(settings.log_format)
    await serve(settings, host, port)
