"""``free``: an onboarding whose tasks fail for ever goes on, without what it cannot take."""

from __future__ import annotations

import click

from commands.shell import HELP, do


@click.command(
    add_help_option=False, options_metavar="[--reason MOTIF [--without N]... [--run ID]]"
)
@click.argument("reference", metavar="REFERENCE")
@click.option("--reason", metavar="MOTIF", help="Libérer, pour ce motif (sinon : montrer).")
@click.option(
    "--without",
    type=click.IntRange(1),
    multiple=True,
    metavar="N",
    help="Ne pas rendre ce message à l'onboarding.",
)
@click.option("--run", metavar="ID", help="Reprendre la libération de cette exécution.")
@HELP
def free(reference: str, reason: str | None, without: tuple[int, ...], run: str | None) -> None:
    """Remettre en marche un onboarding dont la tâche échoue sans fin."""
    if without and not reason:
        raise click.UsageError("--without demande un motif (--reason)")
    do(_free(reference, reason, frozenset(without), run))


async def _free(
    reference: str, reason: str | None, without: frozenset[int], run_id: str | None
) -> None:
    from connection import connect
    from freeing import NotFreed, stuck
    from freeing import free as freed
    from process.calendar import paris
    from reception import Refused
    from settings import load_command_settings
    from workflows.names import workflow_id

    client = await connect(load_command_settings())
    try:
        run = await stuck(client, workflow_id(reference), run_id)
        if reason is None:
            click.echo("messages arrivés depuis la dernière tâche aboutie :")
            for one in run.came:
                size = sum(len(payload.data) for payload in one.signal.input.payloads)
                at = paris(one.at).isoformat(sep=" ", timespec="seconds")
                click.echo(f"{one.event}  {at}  {one.signal.signal_name!r}  {size} octets")
            return
        click.echo(f"exécution à libérer (--run, si ceci est interrompu) : {run.run_id}", err=True)
        count = await freed(client, run, without, reason)
    except NotFreed as error:
        raise Refused(str(error)) from None
    click.echo(f"libéré : {count} message(s) rendu(s), {len(without)} écarté(s)")
