"""The files of a DOE: brought from where they were filed, kept byte for byte, or refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import resource
import socket
import sys
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from sqlalchemy.exc import SQLAlchemyError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.inspecting.inbox import bring
from activities.inspecting.inspection import InspectionFailed
from activities.inspecting.unfit import Unfit
from activities.pieces import PieceActivities
from process import doe
from process.orders import OpenOnboarding, PiecesRead, ReadPiece, ReadPieces, StatedPiece
from register.store import Register
from storage.document_store import DocumentStore
from tests.s3 import S3Server, running_s3
from tests.test_documents import CONTRACT
from tests.test_inspection import LOCKED, archive, pdf, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

REFERENCE = CONTRACT.reference
MAX_BYTES = 20_000_000

MISSING = "le fichier est introuvable dans le dossier de dépôt"
OUTSIDE = "le chemin du fichier sort du dossier de dépôt"
LINK = "le chemin du fichier passe par un lien, ce qui est interdit"
NOT_A_FILE = "ce n'est pas un fichier ordinaire"
TOO_LARGE = "le fichier dépasse la taille permise (20\u00a0Mo)"


@dataclass
class Desk:
    """The activity with all it needs, real."""

    inbox: Path
    store: DocumentStore
    register: Register
    activities: PieceActivities

    def put(self, name: str, content: bytes) -> Path:
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def read(self, *uris: str, family: str = "plans", onboarding: str = REFERENCE) -> Any:
        pieces = [
            StatedPiece(key=f"k{number}", family=family, name=f"Pièce {number}", uri=uri)
            for number, uri in enumerate(uris)
        ]
        order = ReadPieces(onboarding=onboarding, pieces=pieces)
        answer: PiecesRead = await ActivityEnvironment().run(self.activities.read_pieces, order)
        return answer.pieces

    async def refusal(self, uri: str, family: str = "plans") -> str | None:
        read: list[ReadPiece] = await self.read(uri, family=family)
        assert read == [ReadPiece(key="k0", refused=read[0].refused)]
        assert await self.register.pieces(REFERENCE) == []
        assert await self.store.paths() == []
        return read[0].refused

    async def refusal_of(self, uri: str) -> str | None:
        """The same where other files have been read."""
        return str((await self.read(uri))[0].refused)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    register = Register(f"sqlite:///{tmp_path}/register.db")
    await register.migrate()
    opening = OpenOnboarding(
        contract=CONTRACT.model_dump(mode="json"),
        workflow_id=f"onboarding-{REFERENCE}",
        run_id="run-1",
        started_at=datetime(2026, 3, 3, 9, tzinfo=UTC),
    )
    await register.claim(opening, "0" * 64)
    store = DocumentStore(str(tmp_path / "documents"))
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "secret.txt").write_text("not ours")
    yield Desk(inbox, store, register, PieceActivities(register, store, inbox, MAX_BYTES))
    await register.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


# What is kept


async def test_pieces_are_kept_byte_for_byte_in_the_order_asked_for(desk: Desk) -> None:
    plan, config = pdf(writing("Plan du RDC"), pages=2), b"hostname SW1\nenable secret 0 azerty\n"
    desk.put("plans/RDC.pdf", plan)
    desk.put("sw1.cfg", config)

    first, missing, second = await desk.read("plans/RDC.pdf", "nowhere.pdf", "sw1.cfg")

    assert first == ReadPiece(
        key="k0",
        sha256=hashlib.sha256(plan).hexdigest(),
        size=len(plan),
        media="application/pdf",
        pages=2,
    )
    assert missing == ReadPiece(key="k1", refused=MISSING)
    assert second.sha256 == hashlib.sha256(config).hexdigest()
    assert (second.media, second.secrets_count) == ("text/plain", 1)
    assert await desk.store.get(f"{REFERENCE}/pieces/{first.sha256}") == plan
    assert await desk.store.get(f"{REFERENCE}/pieces/{second.sha256}") == config


async def test_the_register_tells_what_was_received_and_no_value_of_a_secret(desk: Desk) -> None:
    desk.put("sw1.cfg", b"enable secret 0 azerty\n")
    (read,) = await desk.read("sw1.cfg", family="configurations")

    (kept,) = await desk.register.pieces(REFERENCE)

    assert (kept.sha256, kept.size, kept.media) == (read.sha256, read.size, "text/plain")
    assert (kept.name, kept.uri) == ("Pièce 0", "sw1.cfg")
    assert kept.path == f"{REFERENCE}/pieces/{read.sha256}"
    assert kept.secrets == [{"what": "mot de passe", "line": 1, "page": None}]
    started = ActivityEnvironment().info.started_time
    assert timedelta(0) <= kept.received_at - started < timedelta(minutes=1)


async def test_reading_again_answers_the_same_and_adds_nothing(desk: Desk) -> None:
    desk.put("a.pdf", pdf())
    first = await desk.read("a.pdf", "a.pdf")
    assert await desk.read("a.pdf", "a.pdf") == first
    assert len(await desk.register.pieces(REFERENCE)) == 1
    assert len(await desk.store.paths()) == 1


async def test_a_path_may_be_written_in_several_ways(desk: Desk) -> None:
    path = desk.put("plans/étage 1.pdf", pdf())
    escaped = str(path).replace(" ", "%20")
    read = await desk.read(
        "plans/étage 1.pdf",
        "./plans//étage 1.pdf",
        str(path),
        f"file://{escaped}",
        f"file://localhost{escaped}",
        "file://plans/%C3%A9tage%201.pdf",
    )
    assert [piece.refused for piece in read] == [None] * 6


def put_as(desk: Desk, form: Literal["NFC", "NFD"], name: str) -> None:
    desk.put(unicodedata.normalize(form, name), pdf())


async def test_a_name_is_found_as_another_machine_writes_it(desk: Desk) -> None:
    put_as(desk, "NFD", "Étages/relevé du rez-de-chaussée.pdf")
    put_as(desk, "NFC", "Schémas/synoptique.pdf")
    read = await desk.read(
        "Étages/relevé du rez-de-chaussée.pdf",
        unicodedata.normalize("NFD", "Schémas/synoptique.pdf"),
        "Étages\\relevé du rez-de-chaussée.pdf",
        ".\\schémas\\SYNOPTIQUE.PDF",
        "étages/Relevé du Rez-de-chaussée.pdf",
        f"file://{desk.inbox}/%C3%89tages/RELEV%C3%89%20du%20rez-de-chauss%C3%A9e.pdf",
    )
    assert [piece.refused for piece in read] == [None] * 6


async def test_a_name_written_exactly_is_that_file(desk: Desk) -> None:
    desk.put("Plan.pdf", pdf(pages=1))
    desk.put("plan.pdf", pdf(pages=2))
    desk.put("PLANS/a.pdf", pdf(pages=3))
    (desk.inbox / "plans").mkdir()
    read = await desk.read("Plan.pdf", "plan.pdf", "Plans/A.pdf")
    assert [piece.pages for piece in read] == [1, 2, 3]
    assert await desk.refusal_of("PLAN.pdf") == (
        "plusieurs fichiers peuvent être celui-ci : « Plan.pdf », « plan.pdf »"
    )


async def test_no_other_way_to_write_a_name_leads_outside(desk: Desk, tmp_path: Path) -> None:
    (desk.inbox / "Lien").symlink_to(tmp_path)
    (desk.inbox / "Secret.txt").symlink_to(tmp_path / "secret.txt")
    assert await desk.refusal("lien/secret.txt") == MISSING
    assert await desk.refusal("secret.txt") == LINK
    outside = ("..\\secret.txt", "plans\\..\\..\\secret.txt", "C:\\secret.txt", "\\\\x\\a.pdf")
    for uri in (*outside, "file://..%5Csecret.txt"):
        assert await desk.refusal(uri) == OUTSIDE


async def test_a_pdf_that_is_mended_is_kept_twice(desk: Desk) -> None:
    """The file received, untouched, and the copy that the book shows."""
    content = pdf(writing("Notice")) + bytes(2_048)
    desk.put("notice.pdf", content)
    (read,) = await desk.read("notice.pdf", family="datasheets")
    assert read.repaired is not None
    assert (read.refused, read.remarks) == (None, ["sa structure a été réparée"])
    kept = {one.sha256: one for one in await desk.register.pieces(REFERENCE)}
    assert set(kept) == {read.sha256, read.repaired.sha256}
    assert read.sha256 == hashlib.sha256(content).hexdigest()
    assert doe.has_original("datasheets", read)
    assert doe.shown(read) == read.repaired.sha256
    # Doing it again gives the same.
    assert await desk.read("notice.pdf", family="datasheets") == [read]


async def test_an_inbox_that_is_a_link_is_the_choice_of_its_owner(
    desk: Desk, tmp_path: Path
) -> None:
    desk.put("a.pdf", pdf())
    link = tmp_path / "depot"
    link.symlink_to(desk.inbox)
    desk.activities = PieceActivities(desk.register, desk.store, link, MAX_BYTES)
    read = await desk.read("a.pdf", f"{link}/a.pdf", f"{desk.inbox}/a.pdf")
    assert [piece.refused for piece in read] == [None] * 3


async def test_a_second_name_of_a_file_is_allowed(desk: Desk) -> None:
    os.link(desk.put("a.pdf", pdf()), desk.inbox / "b.pdf")
    assert (await desk.read("b.pdf"))[0].refused is None


async def test_a_file_of_one_hundred_megabytes_is_never_in_the_worker_s_memory(
    desk: Desk,
) -> None:
    desk.activities = PieceActivities(desk.register, desk.store, desk.inbox, 200_000_000)
    with (desk.inbox / "export.bin").open("wb") as file:
        for _ in range(100):
            file.write(os.urandom(1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    (read,) = await desk.read("export.bin", family="configurations")

    assert (read.media, read.size) == ("application/octet-stream", 100 << 20)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000  # Kilobytes.


# What is refused


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("absent.pdf", MISSING),
        ("a.pdf/b.pdf", MISSING),
        ("a" * 300, MISSING),
        ("a\0.pdf", MISSING),
        ("file://a%00.pdf", MISSING),
        ("../secret.txt", OUTSIDE),
        ("plans/../../secret.txt", OUTSIDE),
        ("file://..%2Fsecret.txt", OUTSIDE),
        ("/etc/passwd", OUTSIDE),
        ("file:///etc/passwd", OUTSIDE),
        ("", NOT_A_FILE),
        (".", NOT_A_FILE),
        ("folder", NOT_A_FILE),
        ("https://x.example/a.pdf", "l'adresse du fichier n'est ni un chemin ni une adresse s3://"),
        ("s3://", "l'adresse S3 du fichier est mal formée"),
        ("s3://bucket/../x", "l'adresse S3 du fichier est mal formée"),
        ("empty.pdf", "le fichier est vide"),
    ],
)
async def test_an_address_that_leads_to_no_file_is_refused(
    uri: str, reason: str, desk: Desk
) -> None:
    desk.put("a.pdf", pdf())
    desk.put("empty.pdf", b"")
    (desk.inbox / "folder").mkdir()
    assert await desk.refusal(uri) == reason


async def test_a_path_beside_the_inbox_is_refused(desk: Desk) -> None:
    beside = desk.inbox.with_name("inbox2")
    beside.mkdir()
    (beside / "a.pdf").write_bytes(pdf())
    assert await desk.refusal(f"{beside}/a.pdf") == OUTSIDE
    assert await desk.refusal(f"{desk.inbox}/../secret.txt") == OUTSIDE


async def test_links_are_never_followed(desk: Desk, tmp_path: Path) -> None:
    (desk.inbox / "file").symlink_to(tmp_path / "secret.txt")
    (desk.inbox / "folder").symlink_to(tmp_path)
    (desk.inbox / "inside.pdf").symlink_to(desk.put("a.pdf", pdf()))
    (desk.inbox / "nowhere").symlink_to("absent")
    for uri in ("file", "folder/secret.txt", "inside.pdf", "nowhere"):
        assert await desk.refusal(uri) == LINK


@pytest.mark.parametrize("slipped", ["folder", "secret.txt"])
async def test_a_link_slipped_in_just_before_the_opening_is_not_followed(
    slipped: str, desk: Desk, tmp_path: Path
) -> None:
    path = desk.put("folder/secret.txt", b"ours")
    place = path if slipped == path.name else path.parent
    target = tmp_path / "secret.txt" if slipped == path.name else tmp_path

    def slip() -> None:
        place.rename(tmp_path / "aside")
        place.symlink_to(target)

    with before_opening(slipped, slip), pytest.raises(Unfit):
        await bring("folder/secret.txt", desk.inbox, tmp_path / "copy", MAX_BYTES)
    assert place.is_symlink()


@contextmanager
def before_opening(name: str, do: Callable[[], object]) -> Iterator[None]:
    """Do something once, when a file of that name is about to be opened. Python never lets go of
    an audit hook: ours ends with the block by doing nothing."""
    waiting = [do]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if waiting and event == "open" and arguments[0] == name:
            waiting.pop()()

    sys.addaudithook(hook)
    try:
        yield
    finally:
        waiting.clear()


async def test_what_is_no_ordinary_file_is_refused_without_waiting(desk: Desk) -> None:
    os.mkfifo(desk.inbox / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(desk.inbox / "s"))
        async with asyncio.timeout(10):
            assert await desk.refusal("fifo") == NOT_A_FILE
            assert await desk.refusal("s") == NOT_A_FILE


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_a_file_that_may_not_be_read_is_refused(desk: Desk) -> None:
    desk.put("a.pdf", pdf()).chmod(0)
    reason = "la lecture du fichier est refusée : vérifier ses droits d'accès"
    assert await desk.refusal("a.pdf") == reason


async def test_a_file_of_two_gigabytes_is_refused_before_it_is_read(
    desk: Desk, tmp_path: Path
) -> None:
    os.truncate(desk.put("a.pdf", b"%PDF-1.7\n"), 2 << 30)
    async with asyncio.timeout(5):
        assert await desk.refusal("a.pdf") == TOO_LARGE
    with pytest.raises(Unfit):
        await bring("a.pdf", desk.inbox, tmp_path / "copy", MAX_BYTES)
    assert not (tmp_path / "copy").exists()


async def test_the_size_that_is_allowed_is_the_last_one(desk: Desk) -> None:
    desk.put("a.bin", bytes(MAX_BYTES))
    desk.put("b.bin", bytes(MAX_BYTES + 1))
    read = await desk.read("a.bin", "b.bin")
    assert [piece.refused for piece in read] == [None, TOO_LARGE]


async def test_what_is_found_in_a_file_refuses_it(desk: Desk) -> None:
    desk.put("locked.pdf", pdf(encryption=LOCKED))
    desk.put("plan.pdf", b"MZ\x90\0" + bytes(100))
    desk.put("configs.zip", archive({"../x": b"x"}))
    assert await desk.refusal("locked.pdf") == "le PDF est protégé par un mot de passe"
    assert await desk.refusal("plan.pdf") == "le fichier est un programme exécutable"
    assert await desk.refusal("configs.zip") == "l'archive contient un chemin interdit"


async def test_no_reason_tells_of_this_machine(desk: Desk, tmp_path: Path) -> None:
    desk.put("a.pdf", b"%PDF-")
    for uri in ("absent.pdf", "../secret.txt", f"{tmp_path}/secret.txt", "a.pdf"):
        assert str(tmp_path) not in (await desk.refusal(uri) or "")


async def test_a_refusal_leaves_nothing_open_and_nothing_behind(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    desk.put("folder/a.pdf", b"%PDF-")
    (desk.inbox / "link").symlink_to("folder")
    await desk.refusal("folder/a.pdf")
    before = open_files()
    for uri in ("folder", "absent", "link/a.pdf", "folder/a.pdf", "../x"):
        await desk.refusal(uri)
    assert open_files() == before
    assert list((tmp_path / "temporary").iterdir()) == []


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# What is worth another try


@pytest.mark.parametrize("onboarding", ["", "../MIL-1", "MIL/1", "MIL-1\n", ".MIL", "M" * 65])
async def test_only_a_reference_becomes_a_folder(onboarding: str, desk: Desk) -> None:
    desk.put("a.pdf", pdf())
    with pytest.raises(ApplicationError, match="mal formée") as caught:
        await desk.read("a.pdf", onboarding=onboarding)
    assert caught.value.non_retryable


async def test_an_inbox_that_is_away_is_no_fault_of_the_file(desk: Desk, tmp_path: Path) -> None:
    desk.inbox.rmdir()
    with pytest.raises(OSError, match="le dossier de dépôt est indisponible") as caught:
        await desk.read("a.pdf")
    assert str(tmp_path) not in str(caught.value)


async def test_a_register_that_fails_is_no_fault_of_the_file(desk: Desk, tmp_path: Path) -> None:
    desk.put("a.pdf", pdf())
    register = Register(f"sqlite:///{tmp_path}/none.db")
    desk.activities = PieceActivities(register, desk.store, desk.inbox, MAX_BYTES)
    with pytest.raises(SQLAlchemyError):
        await desk.read("a.pdf")
    await register.close()


async def test_an_inspection_that_cannot_start_is_no_fault_of_the_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put("a.pdf", pdf())
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(InspectionFailed):
        await desk.read("a.pdf")


async def test_a_cancelled_reading_leaves_no_process(desk: Desk) -> None:
    desk.put("a.txt", b"interface name pass key auth\n" * 500_000)
    reading = asyncio.create_task(desk.read("a.txt"))
    for _ in range(400):
        await asyncio.sleep(0.01)
        if children():
            break
    assert children()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not children()


def children() -> str:
    """The inspections that this process has started, and that still run."""
    listed = ""
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            listed += "x" if b"activities.inspecting.inspection" in command else ""
    return listed


# One file does not decide for the others


@dataclass
class Attempts:
    """Attempts at reading the same files, each told what the one before it told last."""

    desk: Desk
    order: ReadPieces
    beats: list[Any]

    async def again(self) -> list[ReadPiece]:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, heartbeat_details=self.beats[-1:])
        # As the server would keep it.
        environment.on_heartbeat = lambda told: self.beats.append(json.loads(json.dumps(told)))
        answer: PiecesRead = await environment.run(self.desk.activities.read_pieces, self.order)
        return answer.pieces


@pytest.fixture
def attempts(desk: Desk) -> Attempts:
    desk.put("a.txt", b"enable secret 0 azerty\n")
    desk.put("b.txt", b"KILLED\n")
    desk.put("c.txt", b"Plan du RDC\n")
    uris = {"a": "a.txt", "b": "b.txt", "absent": "absent.txt", "c": "c.txt"}
    pieces = [
        StatedPiece(key=key, family="plans", name=f"Pièce {key}", uri=uri)
        for key, uri in uris.items()
    ]
    return Attempts(desk, ReadPieces(onboarding=REFERENCE, pieces=pieces), [])


@pytest.fixture
def inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first line of each file that is inspected; the machine kills who inspects KILLED."""
    log = tmp_path / "inspected"
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nhead -n 1 "$4" >> {log}\n'
        f'test "$(head -n 1 "$4")" != KILLED || kill -9 $$\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return log


def read_in(log: Path) -> list[str]:
    """What was inspected since this was asked for last."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return lines


async def test_a_file_that_cannot_be_inspected_lets_the_others_be_read(
    attempts: Attempts, inspected: Path
) -> None:
    with pytest.raises(InspectionFailed):
        await attempts.again()
    assert set(attempts.beats[-1]) == {"a", "absent", "c"}
    assert len(await attempts.desk.register.pieces(REFERENCE)) == 2

    attempts.desk.put("b.txt", b"hostname SW1\n")
    assert read_in(inspected) == ["enable secret 0 azerty", "KILLED", "Plan du RDC"]
    pieces = await attempts.again()

    assert read_in(inspected) == ["hostname SW1"]
    assert [piece.key for piece in pieces] == ["a", "b", "absent", "c"]
    assert [piece.secrets_count for piece in pieces] == [1, 0, 0, 0]
    assert [piece.refused for piece in pieces] == [None, None, MISSING, None]
    assert pieces == await attempts.again()
    assert read_in(inspected) == []


async def test_what_was_read_before_a_stop_is_not_read_again(
    attempts: Attempts, inspected: Path
) -> None:
    reading = asyncio.create_task(attempts.again())
    for _ in range(1_000):
        await asyncio.sleep(0.01)
        if attempts.beats and "a" in attempts.beats[-1]:
            break
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    read_in(inspected)
    attempts.desk.put("b.txt", b"hostname SW1\n")
    assert len(await attempts.again()) == 4
    assert read_in(inspected) == ["hostname SW1", "Plan du RDC"]


@pytest.mark.parametrize("told", [None, "x", [], {"a": 1}, {"a": {"size": "x"}}])
async def test_progress_that_is_not_understood_is_made_again(
    told: object, attempts: Attempts
) -> None:
    attempts.beats.append(told)
    assert [piece.key for piece in await attempts.again()] == ["a", "b", "absent", "c"]
    assert len(await attempts.desk.register.pieces(REFERENCE)) == 3


async def test_every_sign_of_life_tells_what_was_read(
    attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.heart._SECONDS", 0.01)
    pieces = await attempts.again()
    told = [len(beat) for beat in attempts.beats]
    assert len(told) > 20
    assert told == sorted(told)
    assert attempts.beats[-1] == {piece.key: piece.model_dump(mode="json") for piece in pieces}
    assert "azerty" not in json.dumps(attempts.beats)


# From S3


async def test_a_file_of_a_bucket_is_kept_like_another(
    desk: Desk, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.known_to(monkeypatch)
    content = pdf(pages=2)
    (server.bucket("depot") / "plan.pdf").write_bytes(content)
    (server.bucket("depot") / "empty.pdf").write_bytes(b"")
    (server.bucket("depot") / "large.bin").write_bytes(bytes(MAX_BYTES + 1))

    plan, *refused = await desk.read(
        "s3://depot/plan.pdf",
        "s3://depot/absent.pdf",
        "s3://depot/empty.pdf",
        "s3://depot/large.bin",
    )

    assert plan.sha256 == hashlib.sha256(content).hexdigest()
    assert [piece.refused for piece in refused] == [
        "le fichier est introuvable dans le stockage S3",
        "le fichier est vide",
        TOO_LARGE,
    ]


async def test_a_bucket_that_refuses_us_refuses_the_file(
    desk: Desk, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.known_to(monkeypatch, secret="wrong")
    (server.bucket("depot") / "plan.pdf").write_bytes(pdf())
    assert await desk.refusal("s3://depot/plan.pdf") == "le stockage S3 refuse l'accès à ce fichier"


async def test_a_storage_that_is_away_is_no_fault_of_the_file(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3(tmp_path / "s3") as gone:
        gone.known_to(monkeypatch)
    monkeypatch.setattr("storage.objects._PATIENCE", {"max_retries": 0})
    with pytest.raises(OSError, match="stockage S3"):
        await desk.read("s3://depot/plan.pdf")
