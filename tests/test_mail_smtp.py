"""The sending of e-mails, against a real SMTP server and a real register."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.mail import MailActivities
from process.contract import fingerprint
from process.orders import DocumentOrder, IssuedDocument, MailOrder, MailReport, OpenOnboarding
from register.store import MailRow, Register
from settings import Mailbox, Settings
from storage.document_store import DocumentStore
from storage.links import check_link, link_key
from tests.smtp import HOST, MailServer, mail_server, self_signed
from tests.test_invitations import KICKOFF, read
from tests.test_mail_composing import (
    CONTRACT,
    DECIDER,
    HEAD,
    LEAD,
    MANAGER,
    mail_order,
    named_client,
    part,
)

STARTED = datetime(2031, 3, 1, 23, 59, 58, tzinfo=UTC)
"""Far from the machine's clock: an instant near it would not be a business instant."""

PDF = b"%PDF-1.7 " + bytes(range(256)) * 40


class Sender:
    """The activity with what it needs, as a worker runs it."""

    def __init__(self, register: Register, folder: Path) -> None:
        self.register = register
        self.store = DocumentStore(str(folder / "documents"))
        self.beats: list[Any] = []

    async def send(
        self,
        order: MailOrder,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        started: datetime = STARTED,
        remembered: tuple[Any, ...] = (),
        attempt: int = 1,
        during: Callable[[ActivityEnvironment], Awaitable[None]] | None = None,
        **changes: Any,
    ) -> MailReport:
        settings = Settings.model_validate(
            {
                "mail_from": Mailbox(name="Mileo Technology", email="onboarding@mileotech.com"),
                "head_of_projects": Mailbox(name="Paul Mercier", email="p.mercier@mileotech.com"),
                "smtp_host": HOST,
                "smtp_port": port,
                "smtp_security": "none",
                "smtp_timeout_seconds": 5,
            }
            | changes
        )
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info,
            started_time=started,
            scheduled_time=STARTED,
            heartbeat_details=remembered,
            attempt=attempt,
        )
        environment.on_heartbeat = self.beats.append
        activities = MailActivities(self.register, self.store, settings, tls)
        async with activities.connected():
            sending = asyncio.ensure_future(environment.run(activities.send_mail, order))
            if during:
                await during(environment)
            report = await sending
        assert isinstance(report, MailReport)
        return report

    async def row(self, email: str) -> MailRow:
        (row,) = [r for r in await self.register.mails("CTR-2025-014") if r.recipient == email]
        return row


@pytest_asyncio.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    register = Register(f"sqlite:///{tmp_path}/register.db")
    await register.migrate()
    opening = OpenOnboarding(
        contract=CONTRACT.model_dump(mode="json"),
        workflow_id="onboarding-CTR-2025-014",
        run_id="run",
        started_at=STARTED,
    )
    assert await register.claim(opening, fingerprint(CONTRACT)) is None
    yield Sender(register, tmp_path)
    await register.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as box:
        yield box


async def issue(
    sender: Sender,
    reference: str,
    *,
    kind: str = "guide_utilisateur",
    suffix: str = ".pdf",
    size: int | None = None,
    onboarding: str = "CTR-2025-014",
) -> None:
    """A document of the register. With a ``size`` its file is not there: whoever reads it fails."""
    path = f"{onboarding}/{reference}{suffix}"
    if size is None:
        await sender.store.put(path, PDF)
    order = DocumentOrder(
        onboarding=onboarding,
        kind=kind,
        reference=reference,
        version=1,
        dated_on="2025-05-26",
        issuer=None,
        recipients=[LEAD],
        sites=["EVX"],
        data={},
    )
    issued = IssuedDocument(
        kind=order.kind,
        reference=reference,
        sha256="0" * 64,
        size=len(PDF) if size is None else size,
        version=1,
        issued_at=STARTED,
    )
    await sender.register.record_document(order, issued, path)


# --- Acceptance -----------------------------------------------------------------------------


async def test_a_mail_leaves_with_its_document_and_the_instant_is_kept(
    sender: Sender, server: MailServer
) -> None:
    await issue(sender, "GUIDE-CTR-2025-014-1-v1")
    report = await sender.send(mail_order(attachments=["GUIDE-CTR-2025-014-1-v1"]), server.port)

    assert server.recipients == [LEAD.email, DECIDER.email]
    assert server.connections == 1
    for (_, message), recipient, mail in zip(
        server.taken, (LEAD, DECIDER), report.mails, strict=True
    ):
        assert message["To"].addresses[0].display_name == recipient.name
        assert message["Subject"].startswith("Votre guide utilisateur — Musée")
        assert message["Message-ID"] == mail.message_id
        assert "À la suite de la formation" in part(message, "plain")
        assert "À la suite de la formation" in part(message, "html")
        (attached,) = message.iter_attachments()
        assert attached.get_filename() == "GUIDE-CTR-2025-014-1-v1.pdf"
        assert attached.get_content() == PDF

    assert (report.kind, report.key) == ("user_guide", "user_guide/1")
    for mail in report.mails:
        assert mail.refused is None
        assert mail.accepted_at is not None
        # Past midnight or not is decided by the started time, not by the machine.
        assert STARTED <= mail.accepted_at < STARTED + timedelta(seconds=10)
        row = await sender.row(mail.to)
        assert row.state == "accepted"
        assert row.accepted_at == mail.accepted_at
        assert row.attachments == ["GUIDE-CTR-2025-014-1-v1"]
        assert "queued as" in (row.reply or "")


async def test_called_twice_it_sends_once(sender: Sender, server: MailServer) -> None:
    first = await sender.send(mail_order(), server.port)
    again = await sender.send(mail_order(), server.port, started=STARTED + timedelta(days=3))
    assert again == first
    assert len(server.taken) == 2
    assert server.connections == 1


async def test_one_message_a_mailbox_whatever_the_capitals(
    sender: Sender, server: MailServer
) -> None:
    twin = DECIDER.model_copy(update={"email": "R.Lacroix@MUSEE.fr"})
    report = await sender.send(mail_order(recipients=[LEAD, twin]), server.port)
    assert server.recipients == [LEAD.email]
    assert [mail.role for mail in report.mails] == ["technical_lead"]


async def test_the_head_of_projects_is_a_setting(sender: Sender, server: MailServer) -> None:
    order = mail_order(
        "project_manager_missing", recipients=[HEAD.model_copy(update={"email": None})]
    )
    report = await sender.send(order, server.port)
    assert [mail.to for mail in report.mails] == ["p.mercier@mileotech.com"]
    assert "Bonjour Paul Mercier," in part(server.taken[0][1], "plain")


async def test_one_mailbox_that_leads_the_project_and_all_of_them_gets_one_mail(
    sender: Sender, server: MailServer
) -> None:
    level = {"due_at": None, "since_on": None, "level": "late"}
    items = [
        {"text": "Planning à envoyer", **level, "for": ["project_manager"]},
        {"text": "Audit à conclure", **level, "for": ["head_of_projects"]},
    ]
    head = HEAD.model_copy(update={"email": None})
    order = mail_order("reminder", {"items": items}, recipients=[MANAGER, head])
    report = await sender.send(order, server.port)
    assert server.recipients == [MANAGER.email, "p.mercier@mileotech.com"]
    same = Mailbox(name="Hélène Garnier", email="H.Garnier@mileotech.com")
    order = order.model_copy(update={"key": "reminder/2"})
    report = await sender.send(order, server.port, head_of_projects=same)
    assert [one.to for one in report.mails] == [MANAGER.email]
    text = part(server.taken[-1][1], "plain")
    assert "Planning" in text
    assert "Audit" in text


async def test_the_head_of_projects_answers_when_nobody_else_is_in_charge(
    sender: Sender, server: MailServer
) -> None:
    head = HEAD.model_copy(update={"email": None})
    await sender.send(mail_order(reply_to=head), server.port)
    assert server.taken[0][1]["Reply-To"].addresses[0].addr_spec == "p.mercier@mileotech.com"


# --- Documents ------------------------------------------------------------------------------

DELIVERY = {"released_on": "2025-06-20", "container": True, "version": 1}


async def deliver_doe(sender: Sender, port: int, **changes: Any) -> MailReport:
    """A book that is attached, a container of 45 MB that is not there to be read."""
    await issue(sender, "DOE-CTR-2025-014-1-v1", kind="doe")
    await issue(
        sender, "CNT-CTR-2025-014-1-v1", kind="doe_conteneur", suffix=".zip", size=45_249_000
    )
    order = mail_order(
        "doe_delivery",
        DELIVERY,
        recipients=[LEAD],
        attachments=["DOE-CTR-2025-014-1-v1", "CNT-CTR-2025-014-1-v1"],
    )
    return await sender.send(order, port, **changes)


async def test_a_document_too_large_is_a_signed_link_and_is_never_read(
    sender: Sender, server: MailServer
) -> None:
    report = await deliver_doe(sender, server.port, public_url="https://docs.mileotech.com/on/")
    assert report.withheld == []
    ((_, message),) = server.taken
    (book,) = message.iter_attachments()
    assert book.get_filename() == "DOE-CTR-2025-014-1-v1.pdf"

    (link,) = re.findall(r"https://docs\S+", part(message, "plain"))
    address, query = urlsplit(link), dict(parse_qsl(urlsplit(link).query))
    assert address.path == f"/on/documents/{'0' * 64}"
    expires = datetime.fromtimestamp(int(query["expires"]), UTC)
    assert timedelta(0) <= expires - STARTED - timedelta(days=30) < timedelta(seconds=10)
    standing = check_link(
        await link_key(sender.register), sha256="0" * 64, now=STARTED + timedelta(days=29), **query
    )
    assert standing == "valid"
    assert "expire le mardi 1er avril 2031" in part(message, "plain").replace("\u00a0", " ")


async def test_without_a_public_address_what_is_too_large_is_withheld_and_told(
    sender: Sender, server: MailServer
) -> None:
    report = await deliver_doe(sender, server.port)
    assert report.withheld == ["CNT-CTR-2025-014-1-v1"]
    ((_, message),) = server.taken
    assert [f.get_filename() for f in message.iter_attachments()] == ["DOE-CTR-2025-014-1-v1.pdf"]
    assert "CNT-CTR-2025-014-1-v1" in part(message, "plain")
    # Told again by whoever asks again: the message has left.
    assert (
        await sender.send(
            mail_order(
                "doe_delivery",
                DELIVERY,
                recipients=[LEAD],
                attachments=["DOE-CTR-2025-014-1-v1", "CNT-CTR-2025-014-1-v1"],
            ),
            server.port,
        )
        == report
    )


async def test_the_largest_documents_give_way_until_the_rest_fits(
    sender: Sender, server: MailServer
) -> None:
    for number in (1, 2, 3):
        await issue(sender, f"GUI-CTR-2025-014-{number}-v1")
    await issue(sender, "GUI-CTR-2025-014-4-v1", size=len(PDF) + 1)
    order = mail_order(attachments=[f"GUI-CTR-2025-014-{number}-v1" for number in (1, 4, 2, 3)])
    fits = 3 * len(PDF) / 1_000_000
    report = await sender.send(order, server.port, mail_attachments_max_mb=fits)
    assert report.withheld == ["GUI-CTR-2025-014-4-v1"]
    assert len(list(server.taken[0][1].iter_attachments())) == 3


async def test_a_document_of_another_client_never_leaves(
    sender: Sender, server: MailServer
) -> None:
    other = CONTRACT.model_copy(update={"reference": "CTR-2025-015"})
    opening = OpenOnboarding(
        contract=other.model_dump(mode="json"),
        workflow_id="onboarding-CTR-2025-015",
        run_id="run",
        started_at=STARTED,
    )
    await sender.register.claim(opening, fingerprint(other))
    await issue(sender, "GUI-CTR-2025-015-1-v1", onboarding="CTR-2025-015")
    with pytest.raises(ApplicationError, match="n'est pas au registre de ce dossier"):
        await sender.send(mail_order(attachments=["GUI-CTR-2025-015-1-v1"]), server.port)
    assert server.taken == []


async def test_an_invitation_arrives_as_it_was_written(sender: Sender, server: MailServer) -> None:
    order = mail_order("kickoff_convocation", recipients=[LEAD], invitations=[KICKOFF])
    await sender.send(order, server.port)
    ((_, message),) = server.taken
    (file,) = message.iter_attachments()
    _, event = read(file.get_content())
    assert event["DTSTART"].dt == KICKOFF.starts_at
    assert STARTED <= event["DTSTAMP"].dt < STARTED + timedelta(seconds=10)


# --- Refusals and delays --------------------------------------------------------------------


async def test_a_definitive_refusal_does_not_stop_the_others(
    sender: Sender, server: MailServer
) -> None:
    server.replies["r.lacroix@musee.fr"] = ["550 5.1.1 No such user"]
    report = await sender.send(mail_order(), server.port)
    refused, accepted = report.mails
    assert refused.refused == "550 5.1.1 No such user"
    assert refused.accepted_at is None
    assert accepted.accepted_at is not None
    assert (await sender.row(refused.to)).state == "refused"
    assert server.recipients == ["a.noel@musee.fr"]

    # Asked again, the refused one alone leaves.
    report = await sender.send(mail_order(), server.port)
    assert report.mails[0].accepted_at is not None
    assert report.mails[1] == accepted
    assert server.recipients == ["a.noel@musee.fr", "r.lacroix@musee.fr"]
    assert (await sender.row(refused.to)).state == "accepted"


@pytest.mark.parametrize("where", ["sender", "data"])
async def test_a_definitive_refusal_of_the_sender_or_of_the_message(
    sender: Sender, server: MailServer, where: str
) -> None:
    if where == "sender":
        server.sender_reply = "553 5.1.8 Sender unknown"
    else:
        server.data_replies = ["554 5.7.1 Looks like spam"] * 2
    report = await sender.send(mail_order(), server.port)
    assert all(mail.refused and mail.refused.startswith("55") for mail in report.mails)


async def test_greylisting_then_acceptance_repeats_nothing(
    sender: Sender, server: MailServer
) -> None:
    server.replies["r.lacroix@musee.fr"] = ["451 4.7.1 r.lacroix@musee.fr come back later"]
    with pytest.raises(ApplicationError) as caught:
        await sender.send(mail_order(), server.port)
    assert caught.value.type == "MailDeferred"
    assert not caught.value.non_retryable
    assert "1 sur 2 (451)" in caught.value.message
    assert "musee.fr" not in str(caught.value)
    assert server.recipients == ["a.noel@musee.fr"]
    assert (await sender.row("r.lacroix@musee.fr")).state == "pending"

    later = STARTED + timedelta(hours=2)
    lead, decider = (await sender.send(mail_order(), server.port, started=later)).mails
    assert server.recipients == ["a.noel@musee.fr", "r.lacroix@musee.fr"]
    assert decider.accepted_at is not None
    assert lead.accepted_at is not None
    assert decider.accepted_at < STARTED + timedelta(seconds=10)
    assert later <= lead.accepted_at < later + timedelta(seconds=10)


async def test_the_hostile_words_of_a_server_are_kept_to_one_line(
    sender: Sender, server: MailServer
) -> None:
    server.replies["r.lacroix@musee.fr"] = ["550 " + "no\x1b[31m " * 60]
    report = await sender.send(mail_order(), server.port)
    refused = report.mails[0].refused or ""
    assert refused.startswith("550 no")
    assert "\x1b" not in refused
    assert len(refused) <= 500


async def test_a_silent_server_is_left_after_the_time_out(
    sender: Sender, server: MailServer
) -> None:
    server.silent = True
    begun = asyncio.get_running_loop().time()
    with pytest.raises(ApplicationError) as caught:
        await sender.send(mail_order(), server.port, smtp_timeout_seconds=0.3)
    assert caught.value.type == "MailDeferred"
    assert "2 sur 2 (sans réponse)" in caught.value.message
    assert asyncio.get_running_loop().time() - begun < 3
    assert (await sender.row("r.lacroix@musee.fr")).state == "pending"


async def test_a_server_that_is_down_defers_everything(sender: Sender) -> None:
    async with mail_server() as box:
        port = box.port
    with pytest.raises(ApplicationError) as caught:
        await sender.send(mail_order(), port)
    assert caught.value.type == "MailDeferred"


async def test_a_connection_lost_half_way_is_opened_again(
    sender: Sender, server: MailServer
) -> None:
    server.data_replies = ["421 4.3.2 closing"]
    with pytest.raises(ApplicationError) as caught:
        await sender.send(mail_order(), server.port)
    assert caught.value.type == "MailDeferred"
    assert server.recipients == ["a.noel@musee.fr"]


# --- Memory ---------------------------------------------------------------------------------


async def test_an_acceptance_the_register_missed_is_not_repeated(
    sender: Sender, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> None:
        raise ConnectionError("the register is down")

    with monkeypatch.context() as patch:
        patch.setattr(sender.register, "mail_accepted", down)
        with pytest.raises(ConnectionError):
            await sender.send(mail_order(recipients=[LEAD]), server.port)
    assert len(server.taken) == 1

    # Temporal gives back the last heartbeat of the attempt that failed.
    later = STARTED + timedelta(minutes=5)
    report = await sender.send(
        mail_order(recipients=[LEAD]), server.port, started=later, remembered=(sender.beats[-1],)
    )
    assert len(server.taken) == 1
    (mail,) = report.mails
    assert mail.accepted_at is not None
    assert mail.accepted_at < STARTED + timedelta(seconds=10)
    assert (await sender.row(mail.to)).accepted_at == mail.accepted_at


# --- Nothing leaves that should not ---------------------------------------------------------


async def test_a_mail_that_cannot_be_composed_leaves_to_nobody(
    sender: Sender, server: MailServer
) -> None:
    for order in (
        mail_order(data={}),
        mail_order(attachments=["GUIDE-UNKNOWN-v1"]),
        mail_order(onboarding="CTR-UNKNOWN"),
        mail_order(recipients=[LEAD, DECIDER.model_copy(update={"email": None})]),
    ):
        with pytest.raises(ApplicationError) as caught:
            await sender.send(order, server.port)
        assert caught.value.type == "MailUnsafe"
        assert caught.value.non_retryable
    assert server.taken == []


async def test_an_injection_attempt_arrives_as_text(sender: Sender, server: MailServer) -> None:
    injection = "=?UTF-8?Q?=0A?=Bcc: x@y.fr"
    contract = named_client(injection).model_copy(update={"reference": "CTR-EVIL"})
    opening = OpenOnboarding(
        contract=contract.model_dump(mode="json"),
        workflow_id="onboarding-CTR-EVIL",
        run_id="run",
        started_at=STARTED,
    )
    await sender.register.claim(opening, fingerprint(contract))
    recipient = LEAD.model_copy(update={"name": injection})
    await sender.send(mail_order(onboarding="CTR-EVIL", recipients=[recipient]), server.port)
    ((addresses, message),) = server.taken
    assert addresses == [LEAD.email]
    assert message["Bcc"] is None
    assert message["Subject"].endswith("Bcc: x@y.fr — contrat CTR-EVIL")


# --- Encryption and authentication ----------------------------------------------------------

LOGIN: dict[str, Any] = {"smtp_user": "mileo", "smtp_password": "s3cret"}


async def test_starttls_and_authentication(sender: Sender, tmp_path: Path) -> None:
    theirs, ours = self_signed(tmp_path)
    async with mail_server(starttls=theirs, auth=True) as box:
        await sender.send(mail_order(), box.port, tls=ours, smtp_security="starttls", **LOGIN)
        assert box.encrypted == [True, True]
        assert box.logins == [("mileo", "s3cret")]


async def test_tls_from_the_first_byte(sender: Sender, tmp_path: Path) -> None:
    theirs, ours = self_signed(tmp_path)
    async with mail_server(tls=theirs) as box:
        report = await sender.send(mail_order(), box.port, tls=ours, smtp_security="tls")
        assert all(mail.accepted_at for mail in report.mails)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_certificate_nobody_vouches_for_is_refused(
    sender: Sender, tmp_path: Path, security: str
) -> None:
    theirs, _ = self_signed(tmp_path)
    implicit = security == "tls"
    async with mail_server(
        tls=theirs if implicit else None, starttls=None if implicit else theirs
    ) as box:
        with pytest.raises(ApplicationError) as caught:
            await sender.send(mail_order(), box.port, smtp_security=security, **LOGIN)
        assert box.logins == []
    assert caught.value.type == "MailServerMisconfigured"
    assert not caught.value.non_retryable
    assert "certificat" in caught.value.message


async def test_a_wrong_password_is_for_an_operator(sender: Sender, tmp_path: Path) -> None:
    theirs, ours = self_signed(tmp_path)
    async with mail_server(starttls=theirs, auth=True) as box:
        with pytest.raises(ApplicationError) as caught:
            await sender.send(
                mail_order(),
                box.port,
                tls=ours,
                smtp_security="starttls",
                smtp_user="mileo",
                smtp_password="wr0ng",
            )
    assert caught.value.type == "MailServerMisconfigured"
    assert caught.value.__cause__ is None
    assert "wr0ng" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
async def test_authentication_that_was_forgotten(sender: Sender) -> None:
    async with mail_server(auth=True) as box:
        with pytest.raises(ApplicationError) as caught:
            await sender.send(mail_order(), box.port)
    assert caught.value.type == "MailServerMisconfigured"


async def test_encryption_that_the_server_does_not_offer_is_never_done_without(
    sender: Sender, server: MailServer
) -> None:
    with pytest.raises(ApplicationError) as caught:
        await sender.send(mail_order(), server.port, smtp_security="starttls")
    assert caught.value.type == "MailServerMisconfigured"
    assert server.taken == []
