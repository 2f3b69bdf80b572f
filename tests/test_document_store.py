"""Where documents are kept: the same promises for a folder and for a real S3 bucket."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.document_store import DocumentStore
from storage.objects import TooLarge, download
from tests.s3 import SECRET, S3Server, running_s3

PATH = "MIL-1/ODJ-MIL-1-1-v1.pdf"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    server.known_to(monkeypatch)
    return server


@pytest.fixture
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> str:
    """A bucket of its own for each test."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    s3.bucket(name)
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DocumentStore:
    if request.param == "folder":
        return DocumentStore(str(tmp_path / "store"))
    return DocumentStore(f"s3://{request.getfixturevalue('bucket')}/under/a prefix")


def left_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- The same for both ------------------------------------------------------------------------


async def test_what_is_kept_is_given_back_and_may_be_replaced(store: DocumentStore) -> None:
    store.check()
    await store.answer()
    await store.put(PATH, b"one")
    await store.put(PATH, b"two")

    assert await store.get(PATH) == b"two"
    assert await store.size(PATH) == 3
    assert await store.paths() == [PATH]


@pytest.mark.parametrize("size", [0, 1, 30_000_001])
async def test_a_file_goes_in_and_out_unchanged(
    store: DocumentStore, tmp_path: Path, size: int
) -> None:
    source, target = tmp_path / "source", tmp_path / "out" / "target"
    source.write_bytes((os.urandom(997) * (size // 997 + 1))[:size])
    target.parent.mkdir()

    await store.put_file("MIL-1/pieces/abc.bin", source)
    await store.fetch("MIL-1/pieces/abc.bin", target)

    assert target.read_bytes() == source.read_bytes()
    assert left_in(target.parent) == ["target"]
    assert target.stat().st_mode & 0o777 == 0o600
    assert await store.size("MIL-1/pieces/abc.bin") == size
    assert sum([len(chunk) async for chunk in store.stream("MIL-1/pieces/abc.bin")]) == size


async def test_what_was_never_kept_is_not_found(store: DocumentStore, tmp_path: Path) -> None:
    await store.put(PATH, b"one")
    folder = tmp_path / "out"
    folder.mkdir()

    for absent in ("MIL-1/none.pdf", "MIL-1", "MIL-1/ODJ-MIL-1-1-v1.pdf/x"):
        with pytest.raises(FileNotFoundError):
            await store.get(absent)
        with pytest.raises(FileNotFoundError):
            await store.size(absent)
        with pytest.raises(FileNotFoundError):
            await store.fetch(absent, folder / "target")
    assert left_in(folder) == []


async def test_paths_are_those_of_a_folder_in_order(store: DocumentStore) -> None:
    paths = ["MIL-1/b.pdf", "MIL-1/a.pdf", "MIL-1/pieces/é.txt", "MIL-10/c 100%20#1.pdf"]
    for path in paths:
        await store.put(path, path.encode())

    assert await store.paths() == sorted(paths)
    assert await store.paths("MIL-1") == ["MIL-1/a.pdf", "MIL-1/b.pdf", "MIL-1/pieces/é.txt"]
    assert await store.paths("MIL-2") == []
    for path in paths:
        assert await store.get(path) == path.encode()


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "../x", "a/../../x", "/etc/passwd", "a\0b", "C:\\x", "a\nb"),
        *("a/.hidden", ".part"),
    ],
)
async def test_nothing_leaves_the_store(store: DocumentStore, path: str, tmp_path: Path) -> None:
    for doing in (
        store.put(path, b""),
        store.put_file(path, Path(__file__)),
        store.get(path),
        store.fetch(path, tmp_path / "target"),
        store.size(path),
    ):
        with pytest.raises(ValueError, match="interdit"):
            await doing


async def test_a_file_that_cannot_be_read_leaves_nothing(
    store: DocumentStore, tmp_path: Path
) -> None:
    await store.put("MIL-1/other.pdf", b"other")
    with pytest.raises(FileNotFoundError):
        await store.put_file(PATH, tmp_path / "none")
    with pytest.raises(OSError, match=r".+"):
        await store.put_file(PATH, tmp_path)

    assert await store.paths() == ["MIL-1/other.pdf"]
    if (tmp_path / "store").exists():
        assert left_in(tmp_path / "store") == ["MIL-1", "MIL-1/other.pdf"]


_BOUNDED = """
    import asyncio, resource, sys
    from pathlib import Path
    from storage.document_store import DocumentStore

    async def main(url, source, target):
        store = DocumentStore(url)
        await store.put("small", b"x")
        await store.get("small")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await store.put_file("big", source)
        await store.fetch("big", target)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
"""


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_large_file_takes_little_memory(
    kind: str, tmp_path: Path, bucket: str, request: pytest.FixtureRequest
) -> None:
    url = f"s3://{bucket}" if kind == "s3" else str(tmp_path / "store")
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(300_000_000)

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_BOUNDED), url, str(source), str(target)],
        cwd=request.config.rootpath,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert target.stat().st_size == 300_000_000
    assert int(done.stdout) < 64_000, "kB more than for a small file"


# --- The folder -------------------------------------------------------------------------------


async def test_a_reader_sees_the_former_file_or_the_whole_new_one(tmp_path: Path) -> None:
    # S3 promises it; the server of the tests swaps files in two movements.
    store = DocumentStore(str(tmp_path / "store"))
    former, new = b"f" * 12_000_000, b"n" * 12_000_000
    await store.put(PATH, former)
    source = tmp_path / "new"
    source.write_bytes(new)

    writing = asyncio.create_task(store.put_file(PATH, source))
    seen = []
    while not writing.done():
        seen.append(await store.get(PATH))
    await writing

    assert set(seen) <= {former, new}
    assert await store.get(PATH) == new


async def test_files_of_a_folder_are_private(tmp_path: Path) -> None:
    await DocumentStore(str(tmp_path / "a" / "store")).put("MIL-1/pieces/x.pdf", b"x")

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*") if path.is_dir()}
    assert modes == {0o700}
    assert (tmp_path / "a/store/MIL-1/pieces/x.pdf").stat().st_mode & 0o777 == 0o600


async def test_a_link_in_the_folder_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "store" / "MIL-1").mkdir(parents=True)
    (tmp_path / "store" / "MIL-1" / "link").symlink_to(tmp_path)
    store = DocumentStore(str(tmp_path / "store"))

    with pytest.raises(ValueError, match="interdit"):
        await store.get("MIL-1/link/secret")
    with pytest.raises(ValueError, match="interdit"):
        await store.put("MIL-1/link/secret", b"")
    assert await store.paths() == []


async def test_a_folder_that_is_gone_does_not_answer(tmp_path: Path) -> None:
    store = DocumentStore(str(tmp_path / "store"))
    with pytest.raises(OSError, match="store"):
        await store.answer()
    store.check()
    await store.answer()


# --- The bucket -------------------------------------------------------------------------------


async def test_what_is_outside_the_prefix_is_not_ours(s3: S3Server, bucket: str) -> None:
    (s3.folder / bucket / "other.pdf").write_bytes(b"other")
    (s3.folder / bucket / "mileo-2").mkdir()
    (s3.folder / bucket / "mileo-2" / "x.pdf").write_bytes(b"other")
    store = DocumentStore(f"s3://{bucket}/mileo/")
    await store.put("x.pdf", b"ours")

    assert await store.paths() == ["x.pdf"]
    assert (s3.folder / bucket / "mileo" / "x.pdf").read_bytes() == b"ours"


async def test_it_knows_the_addresses_that_lead_into_it(s3: S3Server, tmp_path: Path) -> None:
    store = DocumentStore("s3://documents/mileo")
    inside = ("s3://documents/mileo/MIL-1/x.pdf", "s3://documents/mileo", "s3://documents/mileo/")
    outside = ("s3://documents/mileo-2/x.pdf", "s3://documents", "s3://other/mileo/x.pdf")

    assert [store.holds(url) for url in (*inside, *outside)] == [True] * 3 + [False] * 3
    assert DocumentStore("s3://documents").holds("s3://documents/any/x.pdf")
    assert not DocumentStore(str(tmp_path)).holds("s3://documents/any/x.pdf")


async def test_a_check_leaves_nothing_in_the_bucket(s3: S3Server, bucket: str) -> None:
    DocumentStore(f"s3://{bucket}/mileo").check()
    assert [path for path in left_in(s3.folder / bucket) if path != "mileo"] == []


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///x", "http://x", "S3://bucket"])
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="ne peuvent pas être conservés"):
        DocumentStore(url)


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///x", "s3://Bucket_x", "s3://a..b/x", "s3://abc/../x"]
)
def test_an_address_of_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"S3 interdit|adresse attendue"):
        DocumentStore(url)


async def test_a_bucket_that_is_not_there_is_told_at_once(s3: S3Server) -> None:
    store = DocumentStore("s3://no-such-bucket/x")
    with pytest.raises(ValueError, match="« no-such-bucket » n'existe pas"):
        store.check()
    with pytest.raises(OSError, match="n'existe pas"):
        await store.put(PATH, b"")
    with pytest.raises(OSError, match="n'existe pas"):
        await store.paths()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AWS_ENDPOINT_URL", "localhost:9000", "AWS_ENDPOINT_URL : adresse attendue"),
        ("AWS_ENDPOINT_URL_S3", "ftp://host", "AWS_ENDPOINT_URL : adresse attendue"),
        ("AWS_REGION", "eu west\n", "AWS_REGION : espaces"),
        ("AWS_ACCESS_KEY_ID", "", "il en manque une"),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t\n", "AWS_SECRET_ACCESS_KEY : espaces"),
        ("AWS_SESSION_TOKEN", "jeton é", "AWS_SESSION_TOKEN : espaces"),
    ],
)
async def test_an_environment_that_cannot_be_is_told_by_the_name_of_the_variable(
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=told) as caught:
        DocumentStore("s3://documents")
    assert not value or value not in str(caught.value)
    # Not the fault of the piece: worth another attempt once it is set right.
    with pytest.raises(OSError, match=told):
        await download("s3://documents/x.pdf", tmp_path / "x", 10)


async def test_empty_variables_are_as_none(
    s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENDPOINT_URL_S3", "REGION", "DEFAULT_REGION", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", "")
    DocumentStore(f"s3://{bucket}").check()


async def test_wrong_keys_are_refused_without_being_told(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.bucket("documents")
    server.known_to(monkeypatch, secret="wrong-" + SECRET)
    store = DocumentStore("s3://documents")

    with pytest.raises(ValueError, match="refuse l'accès au compartiment « documents »") as caught:
        store.check()
    told = [str(caught.value)]
    for doing in (store.put(PATH, b""), store.get(PATH), store.size(PATH), store.paths()):
        with pytest.raises(PermissionError) as denied:
            await doing
        told.append(str(denied.value))
        assert denied.value.__cause__ is None
    with pytest.raises(PermissionError):
        await download("s3://documents/x.pdf", tmp_path / "x", 10)
    assert not any(SECRET in text or str(server.port) in text for text in told)


async def test_a_storage_that_is_away_is_worth_another_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3(tmp_path) as passing:
        passing.bucket("documents")
        passing.known_to(monkeypatch)
        store = DocumentStore("s3://documents")
        await store.put(PATH, b"x" * 40_000_000)
        chunks = store.stream(PATH)
        await anext(chunks)
        passing.kill()
        with pytest.raises(OSError, match="n'a pas fait ce qui lui était demandé"):
            [chunk async for chunk in chunks]

    for doing in (store.put(PATH, b""), store.get(PATH), store.answer()):
        with pytest.raises(OSError, match=r"pas de réponse.*AWS_ENDPOINT_URL") as caught:
            await doing
        assert not isinstance(caught.value, FileNotFoundError | PermissionError)
    with pytest.raises(ValueError, match="pas de réponse"):
        store.check()


async def test_an_upload_that_is_given_up_leaves_no_document(
    s3: S3Server, bucket: str, tmp_path: Path
) -> None:
    store = DocumentStore(f"s3://{bucket}")
    source = tmp_path / "source"
    source.write_bytes(bytes(100_000_000))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(store.put_file(PATH, source), 0.05)

    with pytest.raises(FileNotFoundError):
        await store.get(PATH)


# --- Pieces of the DOE ------------------------------------------------------------------------


async def test_a_piece_is_brought_here(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    folder = s3.folder / bucket / "Plans é"
    folder.mkdir()
    (folder / "câblage 100%20#1.pdf").write_bytes(b"p" * 1000)
    target = tmp_path / "piece"

    size = await download(f"s3://{bucket}/Plans é/câblage 100%20#1.pdf", target, 1000)

    assert size == 1000
    assert target.read_bytes() == b"p" * 1000


@pytest.mark.parametrize(
    ("key", "max_bytes", "error"),
    [
        ("big.bin", 999, TooLarge),
        ("none.bin", 10_000, FileNotFoundError),
        ("", 10_000, ValueError),
        ("../big.bin", 10_000, ValueError),
        ("a//big.bin", 10_000, ValueError),
        ("big.bin\n", 10_000, ValueError),
    ],
)
async def test_a_piece_that_cannot_be_brought_leaves_nothing(
    s3: S3Server, bucket: str, tmp_path: Path, key: str, max_bytes: int, error: type[Exception]
) -> None:
    (s3.folder / bucket / "big.bin").write_bytes(bytes(1000))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "piece").write_bytes(b"former")

    with pytest.raises(error):
        await download(f"s3://{bucket}/{key}", folder / "piece", max_bytes)

    assert left_in(folder) == []


@pytest.mark.parametrize("url", ["/etc/passwd", "file:///etc/passwd", "s3:/x/y", "http://x/y"])
async def test_only_s3_is_downloaded(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="adresse attendue"):
        await download(url, tmp_path / "piece", 10)
