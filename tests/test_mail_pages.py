"""What a reader finds in an e-mail: its look, its documents, and nothing that was not meant for
them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from jinja2 import Environment, nodes

from activities.mails.enclosures import Enclosure
from activities.mails.texts import INTERNAL_KINDS, KINDS, TEMPLATES, MailUnsafe, render
from process.vocabulary import Party
from tests.test_mail_composing import (
    CONTRACT,
    FULL,
    GUIDE,
    INTERNAL,
    LEAD,
    LINKED,
    REFERENT,
    WITHHELD,
    composed,
    mail_order,
    part,
    spaces,
)

# --- Internal notes (PROCESS, section 8) ----------------------------------------------------

CLIENT_READS = {
    "activation_notice": "activated_at activation_on effective_on open_reserves",
    "audit_report": "concluded_on conclusions scope_change",
    "cancelled_client": "",
    "client_reminder": "items",
    "closing_client": "accepted_on activated_at doe_delivered_at interview_on signed_on",
    "deviation_notice": "cause effect factual measures new_ends_at new_starts_at observed phase"
    " planned_ends_at planned_starts_at",
    "doe_delivery": "container released_on version",
    "incident_sheet": "activation_on corrected effective_on provisional",
    "intervention_schedule": "access crew ends_at moved notice_hours outages prerequisites"
    " previous site starts_at title waiver works",
    "interview_convocation": "ends_at moved starts_at",
    "interview_invitation": "activated_at due_on from_on",
    "invitations_handed_over": "events",
    "invitations_withdrawn": "events",
    "kickoff_convocation": "access audit_owed moved objectives place starts_at to_bring",
    "kickoff_minutes": "actions decisions held_on phases",
    "levee_plan_updated": "reserve",
    "maintenance_call_minutes": "held_on",
    "phase_cancelled": "phase",
    "presentation_convocation": "ends_at moved starts_at",
    "progress_report": "decisions done held_on next week",
    "project_manager_changed": "former project_manager",
    "recette_convocation": "incident_sheet moved site starts_at",
    "recette_minutes": "decision effective_on reserves sites",
    "reserve_fixed": "evidence fixed_on reserve",
    "reserve_lifted": "by lifted_on reserve",
    "resumed": "resumed_on since_on",
    "scope_change_proposal": "phases reason title",
    "suspended": "since_on",
    "training_convocation": "ends_at moved site starts_at trainees trainer updated",
    "user_guide": "held_on",
    "welcome": "kickoff_due_on project_manager",
    "work_plan_updated": "actions audit decisions held_on phases",
}
"""All that the mails to a client may read of what an order holds. The reason of a suspension, of
a cancellation or of a correction is not among it, nor an open point, nor a refused fact."""


def reads(template: str) -> set[str]:
    """The keys of ``data`` that a template reads; it must not read it as a whole."""
    tree = Environment(autoescape=True).parse((TEMPLATES / template).read_text(encoding="utf-8"))
    keys: list[str | None] = []
    accesses: list[Any] = list(tree.find_all((nodes.Getattr, nodes.Getitem)))
    for node in accesses:
        if node.node == nodes.Name("data", "load"):
            attribute = isinstance(node, nodes.Getattr)
            keys.append(node.attr if attribute else node.arg.as_const())
    for call in tree.find_all(nodes.Call):
        if call.node == nodes.Getattr(nodes.Name("data", "load"), "get", "load"):
            keys[keys.index("get")] = call.args[0].as_const()
    assert len(keys) == sum(name.name == "data" for name in tree.find_all(nodes.Name))
    return set(filter(None, keys))


def test_a_mail_to_a_client_reads_only_what_is_meant_for_the_client() -> None:
    assert set(CLIENT_READS) == KINDS - INTERNAL_KINDS
    for kind, allowed in CLIENT_READS.items():
        assert reads(f"{kind}.txt") | reads(f"{kind}.html") == set(allowed.split()), kind
    shared = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.glob("layout/*.*t*")}
    assert {key for name in shared for key in reads(name)} == {"replaces"}


@pytest.mark.parametrize(
    "kind", ["suspended", "resumed", "cancelled_client", "phase_cancelled", "activation_notice"]
)
def test_the_reasons_that_mileo_writes_down_stay_at_mileo(kind: str) -> None:
    note = "Client mauvais payeur"
    data = FULL[kind] | {"reason": note, "by": note, "decision": {"by": note, "reason": note}}
    texts = render(mail_order(kind, data), CONTRACT, LEAD, [LEAD])
    assert note not in texts.subject + texts.text + texts.html


@pytest.mark.parametrize("kind", sorted(INTERNAL))
@pytest.mark.parametrize("role", ["decision_maker", "technical_lead", "site_contact", "delegate"])
def test_a_mail_for_mileo_never_leaves_to_a_client(kind: str, role: Party) -> None:
    with pytest.raises(MailUnsafe, match="interne"):
        composed(mail_order(kind), recipient=LEAD.model_copy(update={"role": role}))


@pytest.mark.parametrize("kind", ["kickoff_convocation", "kickoff_minutes", "work_plan_updated"])
def test_mileo_s_people_are_not_addressed_as_the_client(kind: str) -> None:
    theirs = composed(mail_order(kind), recipient=LEAD)
    ours = composed(mail_order(kind), recipient=REFERENT)
    for message, read in ((theirs, True), (ours, False)):
        text = spaces(part(message, "plain") + part(message, "html")).lower()
        client = re.search(r"votre projet|votre installation|vous sera confirmée", text)
        assert bool(client) == read


# --- Documents ------------------------------------------------------------------------------


def test_what_is_too_large_is_a_link_with_its_size_and_its_last_day() -> None:
    message = composed(mail_order("doe_delivery"), documents=(GUIDE, LINKED))
    text = part(message, "plain").replace("\u00a0", " ")
    page = part(message, "html").replace("&nbsp;", " ")
    assert f"\r\n  {LINKED.link}\r\n" in text
    assert f'href="{(LINKED.link or "").replace("&", "&amp;")}"' in page
    for shown in (text, page):
        assert "Conteneur chiffré du DOE" in shown
        assert "45,2 Mo" in shown
        # The day of Paris, where it is past midnight already.
        assert "Ce lien expire le mardi 22 juillet 2025." in shown
    assert [file.get_filename() for file in message.iter_attachments()] == [GUIDE.filename]


def test_what_cannot_be_given_at_all_is_promised_by_its_reference() -> None:
    message = composed(mail_order("user_guide"), documents=(WITHHELD,))
    for text in (part(message, "plain"), part(message, "html")):
        assert "DOE-CTR-2025-014-1-v1" in text
        assert "Votre chef de projet vous le remettra." in text
        assert "http" not in re.sub(r"<html[^>]*>", "", text)
    assert list(message.iter_attachments()) == []


@pytest.mark.parametrize(
    ("documents", "where"),
    [
        ((GUIDE,), "est en pièce jointe"),
        ((LINKED,), "est à télécharger ci-dessous"),
        ((GUIDE, LINKED), "est à retrouver ci-dessous"),
    ],
)
def test_a_mail_says_where_its_documents_are(documents: tuple[Enclosure, ...], where: str) -> None:
    text = part(composed(mail_order("intervention_schedule"), documents=documents), "plain")
    assert f"Le planning détaillé {where}." in text


def test_a_container_travels_as_what_it_is() -> None:
    container = replace(LINKED, content=b"PK\x03\x04", link=None)
    (file,) = composed(mail_order("doe_delivery"), documents=(container,)).iter_attachments()
    assert (file.get_filename(), file.get_content_type()) == (container.filename, "application/zip")


def test_a_new_version_of_the_doe_says_that_it_replaces_the_former() -> None:
    message = composed(mail_order("doe_delivery"))
    assert "version 2" in spaces(message["Subject"])
    assert "annule et remplace la précédente" in part(message, "plain")
    first = composed(mail_order("doe_delivery", FULL["doe_delivery"] | {"version": 1}))
    assert "remplace" not in part(first, "plain")


@pytest.mark.parametrize(
    ("kind", "data"),
    [("doe_delivery", {"released_on": "2025-06-20"}), ("doe_complete", {"pieces_count": 14})],
)
def test_an_onboarding_begun_earlier_still_delivers_its_doe(
    kind: str, data: dict[str, Any]
) -> None:
    assert "conteneur" not in part(composed(mail_order(kind, data)), "plain")


def test_the_technical_contact_reads_at_which_number_they_are_called() -> None:
    known = LEAD.model_copy(update={"phone": "02 32 00 00 00"})
    called = part(composed(mail_order("presentation_convocation"), recipient=known), "plain")
    asked = part(composed(mail_order("presentation_convocation")), "plain")
    assert "02 32 00 00 00" in called
    assert "nous indiquer le numéro" not in called
    assert "nous indiquer le numéro" in asked


# --- The look -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_page_needs_nothing_from_outside_and_holds_in_every_reader(kind: str) -> None:
    page = part(composed(mail_order(kind), documents=(GUIDE, LINKED)), "html")
    body = re.sub(r"<!--.*?-->", "", page.partition("<body")[2])
    assert not re.search(r"<(img|script|link|iframe|form)\b|url\(|@import", page)
    assert "var(--" not in body
    # Outlook (Word) does not know max-width: a table as wide as the card stands around it.
    assert page.count("<!--[if mso]><table") == page.count("</table><![endif]-->") == 1
    assert "prefers-color-scheme: dark" in page
    assert "\u00a0" not in page.partition("<body")[0]
    # Gmail cuts what is longer.
    assert len(page.encode()) < 102_000
    unstyled = re.findall(r"<(?:p|h1|h2|td|li|ul|ol|a)(?![^>]*style=)[^>]*>", body)
    assert unstyled == []


def test_the_list_of_mails_shows_what_it_is_about() -> None:
    page = part(composed(mail_order("kickoff_convocation")), "html")
    shown = re.search(r'<div class="preheader"[^>]*>([^<]*)', page)
    assert shown
    assert shown[1].startswith("Nous avons le plaisir de vous inviter à la réunion de lancement")
