#!/usr/bin/env python3
"""The command line of an onboarding: start it, tell it a fact, ask where it stands.

Exit codes: 0 done, 1 refused (one line a problem on standard error), 2 misuse.
"""

from __future__ import annotations

import sys

import click

from beginning import keep_private
from commands import (
    audit,
    codec,
    documents,
    facts,
    free,
    health,
    onboardings,
    people,
    prepare,
    release,
    service,
    shell,
)
from ending import leave


@click.group(
    add_help_option=False,
    subcommand_metavar="COMMANDE [ARGUMENTS]...",
    epilog=(
        "\b\nComplétion (bash ; zsh_source et fish_source pour les autres) :\n"
        '  eval "$(_STARTER_PY_COMPLETE=bash_source ./starter.py)"'
    ),
)
@shell.HELP
def cli() -> None:
    """Onboarding d'un client Mileo (PROC-CRM-003)."""


for _command in (
    onboardings.start,
    onboardings.list_,
    onboardings.status,
    facts.fact,
    documents.doe_password,
    documents.verify,
    documents.link,
    audit.audit,
    people.person,
    people.cleaning,
    service.serve,
    codec.codec,
    prepare.prepare,
    release.release,
    release.rehearse,
    free.free,
    health.worker_health,
):
    cli.add_command(_command)


def run(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    return shell.run(cli, arguments)


if __name__ == "__main__":
    keep_private()
    leave(run(sys.argv[1:]))
