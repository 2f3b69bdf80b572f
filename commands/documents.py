"""``doe-password``, ``verify`` and ``link``: the documents that onboardings leave."""

from __future__ import annotations

import getpass

import click

from commands.shell import HELP, do


@click.command("doe-password", add_help_option=False, options_metavar="")
@click.argument("reference", metavar="REFERENCE")
@HELP
def doe_password(reference: str) -> None:
    """Montrer le mot de passe du conteneur du DOE, à donner par téléphone."""
    do(_doe_password(reference))


@click.command(add_help_option=False, options_metavar="")
@click.argument("references", metavar="[REFERENCE]...", nargs=-1)
@HELP
def verify(references: tuple[str, ...]) -> None:
    """Comparer au registre chaque fichier conservé (sans référence : tous les onboardings)."""
    do(_verify(references))


@click.command(add_help_option=False, options_metavar="")
@click.argument("document", metavar="DOCUMENT")
@HELP
def link(document: str) -> None:
    """Faire un nouveau lien vers un document émis (référence DOE-…-v1)."""
    do(_link(document))


async def _doe_password(reference: str) -> None:
    """Recorded before it is shown: nobody reads it unseen."""
    from connection import opened_register
    from reception import Refused, unknown
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
    from process import french
    from reception import Refused, unknown
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
    from datetime import UTC, datetime, timedelta

    from connection import opened_register
    from reception import Refused
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
