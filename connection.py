"""How every program reaches what it needs: the Temporal server that Temporal's own environment and
profile file choose, with our data converter and our search attributes, and the register."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import socket
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.client import Client, Interceptor
from temporalio.common import HeaderCodecBehavior
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from encryption import converter_of
from register.store import Register
from workflows.search_attributes import SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from temporalio.common import SearchAttributeKey
    from temporalio.runtime import Runtime

    from observing.traces import Program
    from settings import CommandSettings

DEFAULT_ADDRESS: Final = "localhost:7233"
CONNECT_TIMEOUT: Final = 8.0
"""Seconds after which a silent server counts as unreachable."""

_CALL_TIMEOUT: Final = timedelta(seconds=10)
_PROPAGATION_SECONDS: Final = 60.0
_MISSING: Final = {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND}


_NO_ROOM: Final = """\
S'il n'y a plus de place pour ce type (un espace de noms n'en a que quelques-unes, qu'occupent
peut-être d'autres applications) : en libérer une, ou donner à l'onboarding un espace de noms à lui
(TEMPORAL_NAMESPACE) :
temporal operator search-attribute list {on}
temporal operator search-attribute remove {on} --name …"""


class Unreachable(Exception):  # noqa: N818 - it states a situation, as the SDK's own do
    """The Temporal server or the database cannot be reached; the message says so in French."""


class SearchAttributesRefused(Exception):  # noqa: N818 - same
    """The search attributes are not as they must be; the message says what to do, in French."""


async def connect(
    settings: CommandSettings, program: Program = "starter", runtime: Runtime | None = None
) -> Client:
    """A client of the server that ``TEMPORAL_*`` and Temporal's profile file choose; what it sends
    is encrypted when the settings have keys, and traced in the name of ``program`` when they have
    where to. ``runtime`` is that of a program with metrics of its own.

    Raises ``Unreachable`` when it does not answer within a few seconds.
    """
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, OSError, ValueError) as error:
        message = f"configuration Temporal (TEMPORAL_*) illisible : {error}"
        raise Unreachable(message) from error
    config.setdefault("target_host", DEFAULT_ADDRESS)
    try:
        return await asyncio.wait_for(
            Client.connect(
                **config,
                identity=_identity(program),
                data_converter=converter_of(settings.encryption_keys),
                interceptors=_tracing(settings, program),
                header_codec_behavior=HeaderCodecBehavior.CODEC,
                runtime=runtime,
            ),
            CONNECT_TIMEOUT,
        )
    except (RuntimeError, OSError, ValueError) as error:
        # The SDK's text holds addresses and statuses, never a key; its last message is the cause.
        causes = re.findall(r'message: "([^"]+)"', str(error))
        reason = causes[-1] if causes else f"pas de réponse en {CONNECT_TIMEOUT:.0f} secondes"
        message = (
            f"serveur Temporal injoignable à l'adresse {config['target_host']} "
            f"(variable TEMPORAL_ADDRESS) : {reason}"
        )
        raise Unreachable(message) from error


def _identity(program: Program) -> str:
    """What the histories, hence the audit (``privacy.audit``), say of who acted."""
    if program == "starter":
        return f"starter.py {getpass.getuser()}@{socket.gethostname()}"
    # Of a worker, it tells the processes apart too.
    return f"{program} {os.getpid()}@{socket.gethostname()}"


def _tracing(settings: CommandSettings, program: Program) -> list[Interceptor]:
    if settings.traces_endpoint is None:
        return []
    from observing.traces import Tracing  # noqa: PLC0415 - heavy, and for who asks only

    return [Tracing(settings.traces_endpoint, program)]


@asynccontextmanager
async def opened_register(database_url: str) -> AsyncIterator[Register]:
    """The register, its tables brought to this version. Raises ``Unreachable``."""
    register = Register(database_url)
    try:
        try:
            await register.migrate()
        except Exception as error:
            # Only its kind: the drivers' texts may carry the address, password included.
            message = (
                "base de données inaccessible (variable ONBOARDING_DATABASE_URL) : "
                f"{type(error).__name__}"
            )
            raise Unreachable(message) from error
        yield register
    finally:
        await register.close()


async def create_search_attributes(client: Client) -> None:
    """Create the search attributes that the server lacks, and wait until it knows them.

    Raises ``SearchAttributesRefused`` when one exists with another type, or when they may not be
    created here, or find no room: the message then holds the server's reason, and the exact commands. A run that sets an attribute the
    server does not know would be stuck, hence before any work is taken.
    """
    existing = await _existing(client)
    if wrong := [
        f"{key.name} : type {_type_name(existing[key.name])}, attendu {_type_name(_value(key))}"
        for key in SEARCH_ATTRIBUTES
        if existing.get(key.name, _value(key)) != _value(key)
    ]:
        message = "attributs de recherche d'un autre type que prévu :"
        raise SearchAttributesRefused("\n".join([message, *wrong]))
    missing = [key for key in SEARCH_ATTRIBUTES if key.name not in existing]
    if not missing:
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                search_attributes={key.name: _value(key) for key in missing},
                namespace=client.namespace,
            ),
            timeout=_CALL_TIMEOUT,
        )
    except RPCError as error:
        # Another worker that starts at the same time may have created them just before.
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise SearchAttributesRefused(_refused(client, missing, error)) from error
    await _until_known(client)


async def _existing(client: Client) -> dict[str, IndexedValueType.ValueType]:
    try:
        listed = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=client.namespace), timeout=_CALL_TIMEOUT
        )
    except RPCError as error:
        message = f"la liste des attributs de recherche n'est pas lisible ({error.message})"
        raise SearchAttributesRefused(
            f"{message} ;\n{_to_create(client, SEARCH_ATTRIBUTES)}"
        ) from error
    return dict(listed.custom_attributes)


async def _until_known(client: Client) -> None:
    """A cluster learns new attributes with a delay: ask until a search by all of them is valid."""
    query = " AND ".join(f"{key.name} IS NULL" for key in SEARCH_ATTRIBUTES)
    deadline = asyncio.get_running_loop().time() + _PROPAGATION_SECONDS
    while True:
        try:
            await client.count_workflows(query, rpc_timeout=_CALL_TIMEOUT)
        except RPCError as error:
            if error.status not in _MISSING:
                raise
            if asyncio.get_running_loop().time() > deadline:
                message = "le serveur ne connaît toujours pas les attributs de recherche créés"
                raise SearchAttributesRefused(message) from error
            await asyncio.sleep(0.5)
        else:
            return


def _value(key: SearchAttributeKey[Any]) -> IndexedValueType.ValueType:
    return IndexedValueType.ValueType(int(key.indexed_value_type))


def _type_name(value: IndexedValueType.ValueType) -> str:
    """``Keyword``, ``Datetime``…: as the ``temporal`` command writes it."""
    words = IndexedValueType.Name(value).removeprefix("INDEXED_VALUE_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


def _refused(client: Client, missing: list[SearchAttributeKey[Any]], error: RPCError) -> str:
    """What the server said, and what to do about it."""
    said = f"({error.status.name}) : {error.message}"
    lines = [f"le serveur Temporal n'a pas créé les attributs de recherche manquants {said}"]
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        lines += _NO_ROOM.format(on=f"--namespace {client.namespace}").splitlines()
    return "\n".join([*lines, _to_create(client, missing)])


def _to_create(client: Client, missing: Iterable[SearchAttributeKey[Any]]) -> str:
    commands = [
        f"temporal operator search-attribute create --namespace {client.namespace} "
        f"--name {key.name} --type {_type_name(_value(key))}"
        for key in missing
    ]
    return "\n".join(["attributs de recherche à créer par un administrateur :", *commands])
