"""What leaves encrypted: the server's own file holds no person; what no key opens stops nothing."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.converter import DataConverter

from connection import create_search_attributes
from encryption import EncryptionCodec, converter_of, is_encrypted
from local.mailbox import Mailbox
from local.ports import free_port
from local.stage import stage_settings
from local.temporal_server import lasting_server
from process.contract import Contract
from reception import Refused, read_status, send_fact, start_onboarding
from register.store import Register
from storage.document_store import DocumentStore
from versioning import rehearse
from worker import build_worker
from workflows.converter import data_converter
from workflows.names import workflow_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temporalio.api.workflow.v1 import PendingWorkflowTaskInfo
    from temporalio.client import WorkflowHandle


ROOT: Final = Path(__file__).resolve().parent.parent


def _key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


OLD: Final = {"2025": (SecretStr(_key(1)),)}
NEW: Final = {"2026": (SecretStr(_key(2)),)}
ROTATED: Final = NEW | OLD


@pytest.fixture
def codec() -> EncryptionCodec:
    return EncryptionCodec({"a": bytes(32), "b": bytes([1]) * 32})


# --- The codec ------------------------------------------------------------------------------


@given(st.binary(max_size=2_000), st.dictionaries(st.text(max_size=20), st.binary(max_size=50)))
async def test_what_is_encrypted_comes_back(data: bytes, metadata: dict[str, bytes]) -> None:
    codec = EncryptionCodec({"a": bytes(32)})
    payload = Payload(metadata=metadata, data=data)
    [sealed] = await codec.encode([payload])
    assert is_encrypted(sealed)
    assert len(data) < 8 or data not in sealed.data
    assert await codec.decode([sealed]) == [payload]


async def test_the_same_text_is_never_encrypted_alike(codec: EncryptionCodec) -> None:
    payload = Payload(data=b"Claire Fontaine")
    sealed = {one.data for one in await codec.encode([payload] * 100)}
    assert len(sealed) == 100


@pytest.mark.parametrize("place", ["metadata", "nonce", "content", "tag", "short"])
async def test_what_was_altered_is_handed_over_as_it_is(codec: EncryptionCodec, place: str) -> None:
    [sealed] = await codec.encode([Payload(data=b"Claire Fontaine")])
    data = bytearray(sealed.data)
    match place:
        case "metadata":
            sealed.metadata["encryption-key-id"] = b"b"
        case "nonce":
            data[0] ^= 1
        case "content":
            data[20] ^= 1
        case "tag":
            data[-1] ^= 1
        case "short":
            del data[5:]
    altered = Payload(metadata=sealed.metadata, data=bytes(data))
    assert await codec.decode([altered]) == [altered]
    assert not codec.opens(altered)


async def test_what_came_in_clear_is_taken(codec: EncryptionCodec) -> None:
    clear = Payload(metadata={"encoding": b"json/plain"}, data=b"{}")
    assert await codec.decode([clear]) == [clear]


async def test_a_new_key_encrypts_and_the_former_still_opens() -> None:
    [before] = await _encrypted(converter_of(OLD))
    [after] = await _encrypted(converter_of(ROTATED))
    assert (before.metadata["encryption-key-id"], after.metadata["encryption-key-id"]) == (
        b"2025",
        b"2026",
    )
    assert await converter_of(ROTATED).decode([before, after]) == ["secret", "secret"]


async def _encrypted(converter: DataConverter) -> list[Payload]:
    return await converter.encode(["secret"])


# --- A whole system -------------------------------------------------------------------------


class System:
    """A server on its file, a worker and a client, with these keys."""

    def __init__(self, client: Client, register: Register, address: str) -> None:
        self.client = client
        self.register = register
        self.address = address


@asynccontextmanager
async def system(
    folder: Path, keys: Mapping[str, Any], http_port: int | None = None
) -> AsyncIterator[System]:
    mailbox = Mailbox(folder / "mails")
    converter = converter_of(keys)
    with mailbox.smtp() as smtp:
        settings = stage_settings(folder, smtp)
        register = Register(settings.database_url)
        await register.migrate()
        try:
            async with lasting_server(
                folder,
                port=free_port(7300),
                ui_port=free_port(8300),
                http_port=http_port,
                converter=converter,
            ) as client:
                await create_search_attributes(client)
                store = DocumentStore(settings.documents_url)
                async with build_worker(client, settings, register, store):
                    address = client.service_client.config.target_host
                    yield System(client, register, address)
        finally:
            await register.close()


def a_contract(reference: str) -> Contract:
    example = json.loads((ROOT / "examples" / "contract-remplacement.json").read_bytes())
    signed_at = datetime.now(UTC).replace(microsecond=0).isoformat()
    return Contract.model_validate({**example, "reference": reference, "signed_at": signed_at})


def personal(value: Contract) -> set[str]:
    """Every name, address and number of a person of that contract."""
    found: set[str] = set()
    people = [
        person
        for side in (value.client, value.team)
        for person in (getattr(side, name) for name in type(side).model_fields)
        if hasattr(person, "email")
    ]
    for person in people:
        found |= {text for text in (person.name, person.email, person.phone) if text}
    return found


async def _live_a_little(up: System, reference: str) -> None:
    given = a_contract(reference)
    assert await start_onboarding(up.client, up.register, given)
    soon = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()
    await send_fact(
        up.client, reference, "kickoff_planned", {"starts_at": soon, "place": "Chez Amélie Secrète"}
    )
    with pytest.raises(Refused, match="Amélie"):
        await send_fact(
            up.client, reference, "reserve_lifted", {"number": 1, "Amélie Secrète": "refusée"}
        )
    handle = up.client.get_workflow_handle(workflow_id(reference))
    await handle.signal("reserve_lifted", {"number": 3, "by": "Amélie Secrète"})
    while not (await read_status(up.client, up.register, reference))["emails"]:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def _in_the_file(folder: Path, texts: set[str]) -> set[str]:
    whole = b"".join(path.read_bytes() for path in folder.glob("temporal.db*"))
    # As JSON may write it too.
    spelt = {text: {text, text.encode("unicode_escape").decode()} for text in texts}
    return {text for text, forms in spelt.items() if any(form.encode() in whole for form in forms)}


async def test_the_file_of_the_server_holds_no_person(tmp_path: Path) -> None:
    people = personal(a_contract("CHIFFRE-1")) | {"Amélie"}
    assert len(people) > 8

    async with system(tmp_path / "clear", {}) as up:
        await _live_a_little(up, "CLAIR-1")
    assert _in_the_file(tmp_path / "clear", people) == people, "what the search is worth"

    async with system(tmp_path / "sealed", ROTATED) as up:
        await _live_a_little(up, "CHIFFRE-1")
        details = await up.client.get_workflow_handle(workflow_id("CHIFFRE-1")).describe()
        assert "CHIFFRE-1" in (await details.static_summary() or "")
    assert _in_the_file(tmp_path / "sealed", people) == set()
    assert _in_the_file(tmp_path / "sealed", {"CHIFFRE-1"}) == {"CHIFFRE-1"}, "by decision"


async def test_a_version_is_rehearsed_on_encrypted_histories_by_who_has_the_keys(
    tmp_path: Path,
) -> None:
    async with system(tmp_path / "a", ROTATED) as up:
        await _live_a_little(up, "CHIFFRE-4")
        while (await rehearse(up.client))[0] < 1:  # noqa: ASYNC110 - the list comes a little later
            await asyncio.sleep(0.1)
        assert await rehearse(up.client) == (1, [])
        for keys in ({}, OLD):
            without = await Client.connect(up.address, data_converter=converter_of(keys))
            assert await rehearse(without) == (1, [workflow_id("CHIFFRE-4")])


async def test_what_the_form_sends_in_clear_and_what_no_key_opens(tmp_path: Path) -> None:
    async with system(tmp_path / "a", ROTATED) as up:
        given = a_contract("CHIFFRE-2")
        assert await start_onboarding(up.client, up.register, given)
        in_clear = await Client.connect(up.address, data_converter=data_converter)
        soon = (datetime.now(UTC) + timedelta(days=8)).replace(microsecond=0).isoformat()
        form = in_clear.get_workflow_handle(workflow_id("CHIFFRE-2"))
        await form.start_update(
            "kickoff_planned",
            {"starts_at": soon, "place": "Angers"},
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )

        stranger = await Client.connect(
            up.address, data_converter=converter_of({"x": (SecretStr(_key(9)),)})
        )
        foreign = stranger.get_workflow_handle(workflow_id("CHIFFRE-2"))
        await foreign.signal("kickoff_planned", {"starts_at": soon, "place": "Ailleurs"})
        with pytest.raises(WorkflowUpdateFailedError):
            await foreign.execute_update("kickoff_planned", {"starts_at": soon, "place": "x"})

        journal = await up.client.get_workflow_handle(workflow_id("CHIFFRE-2")).query("journal")
        assert [one["payload"]["place"] for one in journal["facts"]] == ["Angers"]
        status = await read_status(up.client, up.register, "CHIFFRE-2")
        assert [one["fact"] for one in status["rejected"]] == ["kickoff_planned"]
        assert "clé inconnue" in status["rejected"][0]["payload"]


async def test_a_run_whose_key_is_missing_waits_for_it(tmp_path: Path) -> None:
    async with system(tmp_path / "a", OLD) as up:
        later = await Client.connect(up.address, data_converter=converter_of(ROTATED))
        assert await start_onboarding(later, up.register, a_contract("CHIFFRE-3"))
        handle = later.get_workflow_handle(workflow_id("CHIFFRE-3"))
        while (await _task(handle)).attempt < 2:  # noqa: ASYNC110 - what the server tells
            await asyncio.sleep(0.05)
        assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    # The operator gives the key.
    async with system(tmp_path / "a", ROTATED) as up:
        while True:
            try:
                status = await read_status(up.client, up.register, "CHIFFRE-3")
            except Refused:
                await asyncio.sleep(0.1)
            else:
                break
        assert status["reference"] == "CHIFFRE-3"


async def _task(handle: WorkflowHandle[Any, Any]) -> PendingWorkflowTaskInfo:
    return (await handle.describe()).raw_description.pending_workflow_task
