"""The DOE of a whole onboarding, with real files: read, refused, put right, sealed, delivered."""

from __future__ import annotations

import email
import os
from email import policy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pikepdf
import pypdfium2
import pyzipper

from activities.doe.verification import verify
from local.pieces import write_pieces
from process.contract import Contract
from storage.document_store import DocumentStore
from tests.playing import begin, kickoff, new, of, sent

if TYPE_CHECKING:
    from local.scenarios import Story
    from local.stage import Play, Stage

SECRET_FILES = Path(__file__).parent / "secret_files"
SECRET = b"Authion-2031"
"""What the configuration of the demonstration must never show in clear."""


async def file_pieces(play: Play, *, but: str = "") -> dict[str, str]:
    uris = write_pieces(play.stage.settings.inbox, play.contract)
    for family in ("plans", "wiring", "configurations", "certificates"):
        if family != but:
            await play.fact("doe_piece_filed", family=family, name=family, uri=uris[family])
    await play.fact(
        "doe_piece_filed", family="warranties", name="x", not_applicable_reason="Contrat-cadre"
    )
    for item in play.contract.equipment:
        if item.tag != but:
            await play.fact(
                "doe_piece_filed",
                family="datasheets",
                name=f"Fiche {item.tag}",
                uri=uris[f"datasheet:{item.tag}"],
                equipment=[item.tag],
            )
    return uris


async def release(play: Play, story: Story, day: int, **more: Any) -> str:
    return await play.fact("doe_released", released_on=story.day(day), by="Claire Fontaine", **more)


def delivered(up: Stage, contract: Contract) -> list[dict[str, bytes]]:
    """The files of each DOE mail to the technical lead, by name."""
    found = []
    for path in sorted(up.mailbox.folder.glob("*doe_delivery*.eml")):
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        if contract.client.technical_lead.email in message["To"]:
            found.append(
                {str(p.get_filename()): p.get_content() for p in message.iter_attachments()}
            )
    return found


async def test_the_client_receives_a_book_and_a_sealed_container(
    on_stage: Stage, tmp_path: Path
) -> None:
    play, story = await begin(on_stage, new())
    reference = play.contract.reference
    await play.fact("kickoff_held", **kickoff(story, day=0))
    await play.at(story.instant(2, 10))
    await file_pieces(play)
    status = await play.status()
    assert status["doe"]["missing"] == status["doe"]["refused"] == []
    assert sent(status, "doe_complete")
    assert await release(play, story, 2) == "accepted"
    status = await play.status()
    assert of(status, "O13")["met_at"]
    issued = {one["kind"]: one for one in status["documents"]}
    assert issued["doe"]["reference"] == f"DOE-{reference}-1-v1"
    assert issued["doe_conteneur"]["reference"] == f"CNT-{reference}-1-v1"

    [files] = delivered(on_stage, play.contract)
    assert list(files) == [f"DOE-{reference}-1-v1.pdf", f"CNT-{reference}-1-v1.zip"]
    book = tmp_path / "book.pdf"
    book.write_bytes(files[f"DOE-{reference}-1-v1.pdf"])
    with pikepdf.open(book) as pdf, pdf.open_outline() as outline:
        assert len(pdf.pages) > len(play.contract.equipment) + 3
        assert outline.root
    # The configuration is in the container, and nowhere in clear.
    container = tmp_path / "container.zip"
    container.write_bytes(files[f"CNT-{reference}-1-v1.zip"])
    password = await on_stage.register.doe_password(reference)
    assert password
    with pyzipper.AESZipFile(container) as opened:
        opened.setpassword(password.encode())
        names = opened.namelist()
        [saved] = [name for name in names if name.startswith("3-configurations/")]
        assert SECRET in opened.read(saved)
    assert SECRET not in book.read_bytes()
    history = (await play.handle.fetch_history()).to_json()
    assert password not in history
    assert SECRET.decode() not in history
    for path in on_stage.mailbox.folder.glob("*.eml"):
        assert password.encode() not in path.read_bytes()
    store = DocumentStore(on_stage.settings.documents_url)
    rows = await verify(on_stage.register, store, reference)
    assert {row.state for row in rows} == {"ok"}


async def test_a_file_that_is_refused_is_a_point_until_it_is_put_right(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    await play.fact("kickoff_held", **kickoff(story, day=0))
    await play.at(story.instant(2, 10))
    uris = await file_pieces(play, but="plans")
    plan = on_stage.settings.inbox / uris["plans"]
    whole = plan.read_bytes()
    plan.write_bytes(whole[:400])
    piece = {"family": "plans", "name": "plans", "uri": uris["plans"]}
    assert await play.fact("doe_piece_filed", **piece) == "accepted"
    status = await play.status()
    assert status["doe"]["missing"] == ["plans"]
    [refused] = status["doe"]["refused"]
    assert (refused["family"], refused["name"]) == ("plans", "plans")
    [point] = status["open_points"]
    assert point["kind"] == "piece"
    assert refused["reason"] in point["message"]
    assert await release(play, story, 2) == "refused"
    # Put right in the inbox, it is read again when a person says so…
    plan.write_bytes(whole)
    settled = {"id": point["id"], "by": "Claire Fontaine", "reason": "fichier remplacé"}
    assert await play.fact("open_point_settled", action="retry", **settled) == "accepted"
    status = await play.status()
    assert status["open_points"] == status["doe"]["missing"] == []
    # …or when the piece is filed again, under another name of file or the same.
    outside = {"family": "wiring", "name": "wiring", "uri": "../../etc/passwd"}
    assert await play.fact("doe_piece_filed", **outside) == "accepted"
    status = await play.status()
    assert status["doe"]["missing"] == ["wiring"]
    assert "etc" not in status["doe"]["refused"][0]["reason"]
    wiring = {"family": "wiring", "name": "wiring", "uri": uris["wiring"]}
    assert await play.fact("doe_piece_filed", **wiring) == "accepted"
    status = await play.status()
    assert status["open_points"] == status["doe"]["missing"] == []
    assert await release(play, story, 2) == "accepted"


async def test_a_piece_filed_after_the_delivery_makes_a_second_version(on_stage: Stage) -> None:
    play, story = await begin(on_stage, new())
    reference = play.contract.reference
    await play.fact("kickoff_held", **kickoff(story, day=0))
    await play.at(story.instant(2, 10))
    uris = await file_pieces(play)
    await release(play, story, 2)
    await play.at(story.instant(5, 10))
    (on_stage.settings.inbox / "plans-b.pdf").write_bytes(
        (on_stage.settings.inbox / uris["wiring"]).read_bytes()
    )
    await play.fact("doe_piece_filed", family="plans", name="plans", uri="plans-b.pdf")
    assert len(sent(await play.status(), "doe_complete")) == 2
    assert await release(play, story, 5) == "accepted"
    documents = [one["reference"] for one in (await play.status())["documents"]]
    assert f"DOE-{reference}-1-v2" in documents
    assert f"CNT-{reference}-1-v2" in documents
    first, second = delivered(on_stage, play.contract)
    assert list(second) == [f"DOE-{reference}-1-v2.pdf", f"CNT-{reference}-1-v2.zip"]
    # Nothing that was issued is overwritten.
    store = DocumentStore(on_stage.settings.documents_url)
    kept = await store.get(f"{reference}/DOE-{reference}-1-v1.pdf")
    assert kept == first[f"DOE-{reference}-1-v1.pdf"]
    rows = await verify(on_stage.register, store, reference)
    assert {row.state for row in rows} == {"ok"}


async def test_what_no_mail_can_carry_becomes_a_point_until_it_is_handed_over(
    on_stage: Stage,
) -> None:
    play, story = await begin(on_stage, new())
    reference = play.contract.reference
    await play.fact("kickoff_held", **kickoff(story, day=0))
    await play.at(story.instant(2, 10))
    await file_pieces(play, but="plans")
    (on_stage.settings.inbox / "plans.dwg").write_bytes(os.urandom(8_000_000))
    await play.fact("doe_piece_filed", family="plans", name="plans", uri="plans.dwg")
    assert await release(play, story, 2) == "accepted"
    [files] = delivered(on_stage, play.contract)
    # Without an address for links, the book leaves and the container waits for a person.
    assert list(files) == [f"DOE-{reference}-1-v1.pdf"]
    status = await play.status()
    assert of(status, "O13")["met_at"]
    [point] = status["open_points"]
    assert point["id"] == f"remise:CNT-{reference}-1-v1"
    settled = {"id": point["id"], "by": "Claire Fontaine", "reason": "remis sur clé USB"}
    assert await play.fact("open_point_settled", action="retry", **settled) == "refused"
    assert await play.fact("open_point_settled", action="done_otherwise", **settled) == "accepted"
    assert (await play.status())["open_points"] == []


VALUE = b"Zephyr!2026"
"""The password in the files of tests/secret_files."""


async def test_a_secret_on_a_page_is_shown_to_the_project_manager_who_decides(
    on_stage: Stage, tmp_path: Path
) -> None:
    play, story = await begin(on_stage, new())
    reference = play.contract.reference
    await play.fact("kickoff_held", **kickoff(story, day=0))
    await play.at(story.instant(2, 10))
    await file_pieces(play, but="plans")
    leak = (SECRET_FILES / "label-and-value-side-by-side.pdf").read_bytes()
    names = ("Adressage", "Synoptique", "Notice")
    for name, family in zip(names, ("plans", "wiring", "warranties"), strict=True):
        (on_stage.settings.inbox / f"{name}.pdf").write_bytes(leak)
        piece = {"family": family, "name": name, "uri": f"{name}.pdf"}
        assert await play.fact("doe_piece_filed", **piece) == "accepted"
    status = await play.status()
    points = dict(zip(names, status["open_points"], strict=True))
    for name, point in points.items():
        assert point["kind"] == "piece_secrets"
        assert f"« {name} »" in point["message"]
        assert "mot de passe (page 1)" in point["message"]
    assert [one["choice"] for one in status["doe"]["secrets"] if one["name"] in names] == [None] * 3

    by = {"by": "Claire Fontaine", "reason": "Adressage de démonstration"}
    wrong = {"id": points["Adressage"]["id"], "action": "retry", "secrets": "redact", **by}
    assert await play.fact("open_point_settled", **wrong) == "refused"
    for name, choice in zip(names, ("redact", "container", "harmless"), strict=True):
        settled = {"id": points[name]["id"], "action": "done_otherwise", "secrets": choice, **by}
        assert await play.fact("open_point_settled", **settled) == "accepted"
    await play.quiet()
    status = await play.status()
    assert status["open_points"] == status["doe"]["missing"] == []
    chosen = {one["name"]: one["choice"] for one in status["doe"]["secrets"]}
    assert [chosen[name] for name in names] == ["redact", "container", "harmless"]

    assert await release(play, story, 2) == "accepted"
    [files] = delivered(on_stage, play.contract)
    book = tmp_path / "book.pdf"
    book.write_bytes(files[f"DOE-{reference}-1-v1.pdf"])
    with pypdfium2.PdfDocument(book) as pdf:
        pages = [page.get_textpage().get_text_range() for page in pdf]
    # The one that was declared harmless is there as it is, and no other.
    assert sum(VALUE.decode() in page for page in pages) == 1
    assert any("copie caviardée" in page for page in pages)
    container = tmp_path / "container.zip"
    container.write_bytes(files[f"CNT-{reference}-1-v1.zip"])
    password = await on_stage.register.doe_password(reference)
    assert password
    with pyzipper.AESZipFile(container) as opened:
        opened.setpassword(password.encode())
        kept = [name for name in opened.namelist() if opened.read(name) == leak]
    assert sorted(kept) == ["1-plans/01-adressage.pdf", "2-schemas/01-synoptique.pdf"]

    await _decisions_are_kept_and_the_value_nowhere(play)
    store = DocumentStore(on_stage.settings.documents_url)
    assert {row.state for row in await verify(on_stage.register, store, reference)} == {"ok"}


async def _decisions_are_kept_and_the_value_nowhere(play: Play) -> None:
    """Who decided what and why is in the journal."""
    journal = await play.handle.query("journal")
    facts = [one for one in journal["facts"] if one["fact"] == "open_point_settled"]
    assert [one["payload"]["secrets"] for one in facts] == ["redact", "container", "harmless"]
    assert {one["payload"]["reason"] for one in facts} == {"Adressage de démonstration"}
    assert VALUE.decode() not in (await play.handle.fetch_history()).to_json()
    for path in play.stage.mailbox.folder.glob("*.eml"):
        for part in email.message_from_bytes(path.read_bytes(), policy=policy.default).walk():
            if part.get_content_maintype() == "text":
                assert VALUE.decode() not in part.get_content()
    for row in await play.stage.register.pieces(play.contract.reference):
        assert VALUE.decode() not in row.model_dump_json()
