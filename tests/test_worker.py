"""The worker refuses to start rather than take work it could not do, and stops cleanly."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.converter import WithSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from connection import SearchAttributesRefused, create_search_attributes
from encryption import converter_of
from local.ports import LOOPBACK, free_port
from local.temporal_server import lasting_server, temporal_binary
from storage.document_store import DocumentStore
from workflows.converter import TolerantPayloadConverter
from workflows.search_attributes import SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from temporalio.client import Client

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A server that knows no search attribute of ours."""
    async with lasting_server(tmp_path, port=free_port(), ui_port=free_port()) as connected:
        yield connected


async def _listed(client: Client) -> dict[str, IndexedValueType.ValueType]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    return dict((await client.operator_service.list_search_attributes(request)).custom_attributes)


async def _add(client: Client, name: str, value: IndexedValueType.ValueType) -> None:
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(search_attributes={name: value}, namespace=client.namespace)
    )


async def test_missing_search_attributes_are_created_once(client: Client) -> None:
    await _add(client, "OpenReserves", IndexedValueType.INDEXED_VALUE_TYPE_INT)
    await create_search_attributes(client)
    await create_search_attributes(client)
    listed = await _listed(client)
    assert {key.name: int(key.indexed_value_type) for key in SEARCH_ATTRIBUTES} == {
        key.name: listed[key.name] for key in SEARCH_ATTRIBUTES
    }


async def test_a_search_attribute_of_another_type_is_refused(client: Client) -> None:
    await _add(client, "OpenReserves", IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD)
    with pytest.raises(SearchAttributesRefused, match="OpenReserves : type Keyword, attendu Int"):
        await create_search_attributes(client)
    assert list(await _listed(client)) == ["OpenReserves"]


async def test_where_it_may_not_create_them_it_says_how(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forbidden(*_: object, **__: object) -> None:
        raise RPCError("not allowed", RPCStatusCode.PERMISSION_DENIED, b"")

    monkeypatch.setattr(client.operator_service, "add_search_attributes", forbidden)
    with pytest.raises(SearchAttributesRefused) as refusal:
        await create_search_attributes(client)
    said, _, *commands = str(refusal.value).splitlines()
    assert said.endswith("(PERMISSION_DENIED) : not allowed")
    assert len(commands) == len(SEARCH_ATTRIBUTES)
    assert (
        "temporal operator search-attribute create --namespace default "
        "--name NextDeadline --type Datetime"
    ) in commands


async def test_where_there_is_no_room_it_says_so_and_what_to_do(client: Client) -> None:
    for number in range(3):
        await _add(client, f"Other{number}", IndexedValueType.INDEXED_VALUE_TYPE_DATETIME)
    with pytest.raises(SearchAttributesRefused) as refusal:
        await create_search_attributes(client)
    said = str(refusal.value)
    assert "cannot have more than 3 search attribute of type Datetime" in said
    assert "temporal operator search-attribute list --namespace default" in said
    assert "--name NextDeadline --type Datetime" in said
    # Done as it says: one by one, as there is room.
    removed = await asyncio.create_subprocess_exec(
        *(str(temporal_binary()), "operator", "search-attribute", "remove", "--yes"),
        *("--namespace", "default", "--name", "Other0", "--name", "Other1"),
        *("--address", client.service_client.config.target_host),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await removed.wait() == 0
    await create_search_attributes(client)


async def _worker(tmp_path: Path, **variables: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONBOARDING_")}
    settings = {
        "ONBOARDING_DATABASE_URL": f"sqlite:///{tmp_path}/register.db",
        "ONBOARDING_DOCUMENTS_URL": str(tmp_path / "documents"),
        "ONBOARDING_INBOX": str(tmp_path / "inbox"),
        "ONBOARDING_MAIL_FROM": "Mileo <onboarding@mileotech.example>",
        "ONBOARDING_HEAD_OF_PROJECTS": "projets@mileotech.example",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        ROOT / "worker.py",
        env=kept | settings | variables,
        stderr=asyncio.subprocess.PIPE,
    )


async def _ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    _, printed = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, printed.decode()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ONBOARDING_SMTPP_HOST": "x"}, "ONBOARDING_SMTPP_HOST"),
        ({"ONBOARDING_MAIL_FROM": ""}, "ONBOARDING_MAIL_FROM"),
        ({"TEMPORAL_ADDRESS": f"{LOOPBACK}:1"}, "serveur Temporal injoignable"),
    ],
    ids=["misspelt", "missing", "no server"],
)
async def test_it_refuses_to_start(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    code, printed = await _ended(await _worker(tmp_path, **variables))
    assert code == 1
    assert said in printed
    assert "Traceback" not in printed


async def test_an_unreachable_database_is_named_without_its_password(
    client: Client, tmp_path: Path
) -> None:
    code, printed = await _ended(
        await _worker(
            tmp_path,
            TEMPORAL_ADDRESS=client.service_client.config.target_host,
            ONBOARDING_DATABASE_URL=f"postgresql://mileo:sesame@{LOOPBACK}:1/onboarding",
        )
    )
    assert code == 1
    assert "base de données inaccessible" in printed
    assert "sesame" not in printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_when_asked(client: Client, tmp_path: Path, number: signal.Signals) -> None:
    worker = await _worker(tmp_path, TEMPORAL_ADDRESS=client.service_client.config.target_host)
    assert worker.stderr is not None
    async for line in worker.stderr:
        if "à l'écoute" in line.decode():
            break
    worker.send_signal(number)
    code, printed = await _ended(worker)
    assert code == 0
    assert "Traceback" not in printed
    assert await _listed(client)


def test_a_folder_that_cannot_hold_documents_is_told_at_once(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(ValueError, match="dossier inutilisable"):
        DocumentStore(str(blocked / "documents")).check()
    DocumentStore(str(tmp_path / "documents")).check()


def test_what_converts_our_payloads_looks_at_no_context() -> None:
    """What ``sandbox`` counts on."""
    converter = converter_of({"k": [SecretStr(base64.b64encode(bytes(32)).decode())]})
    for part in (
        converter.payload_converter,
        converter.failure_converter,
        converter.payload_codec,
        *TolerantPayloadConverter().converters.values(),
    ):
        assert part is not None
        if isinstance(part, WithSerializationContext):
            assert type(part).with_context.__module__.startswith("temporalio."), part
