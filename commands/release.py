"""``release`` and ``rehearse``: what a new version of the code takes over, and whether it can."""

from __future__ import annotations

from datetime import timedelta

import click

from commands.shell import HELP, do


@click.command(add_help_option=False, options_metavar="[--percent N] [--wait SECONDES]")
@click.option(
    "--percent",
    type=click.IntRange(0, 100),
    metavar="N",
    help="Cette part des onboardings seulement ; 0 met fin à l'essai.",
)
@click.option(
    "--wait",
    type=click.IntRange(0, 3600),
    metavar="SECONDES",
    default=300,
    help="Secondes pendant lesquelles le worker est attendu (300).",
)
@HELP
def release(percent: int | None, wait: int) -> None:
    """Confier les onboardings à cette version (ONBOARDING_BUILD_ID)."""
    do(_release(percent, timedelta(seconds=wait)))


@click.command(add_help_option=False, options_metavar="")
@HELP
def rehearse() -> None:
    """Rejouer les onboardings en cours avec ce code, sans rien changer (code 1 si l'un bute)."""
    do(_rehearse())


async def _release(percent: int | None, patience: timedelta) -> None:
    from connection import connect
    from reception import Refused
    from settings import load_command_settings
    from versioning import NotReleased, make_current

    settings = load_command_settings()
    if settings.build_id is None:
        raise Refused(
            "ONBOARDING_BUILD_ID : réglage nécessaire, la version à qui confier le travail"
        )
    client = await connect(settings)
    try:
        await make_current(client, settings.build_id, percent=percent, patience=patience)
    except NotReleased as error:
        raise Refused(str(error)) from None
    share = "tous les onboardings" if percent is None else f"{percent} % des onboardings"
    click.echo(f"version {settings.build_id} : {share}")


async def _rehearse() -> None:
    from connection import connect
    from reception import Refused
    from settings import load_command_settings
    from versioning import rehearse as replay

    count, stuck = await replay(await connect(load_command_settings()))
    click.echo(f"onboardings rejoués : {count}, sans difficulté : {count - len(stuck)}")
    if stuck:
        raise Refused(*(f"{one} : ce code ne peut pas le poursuivre" for one in stuck))
