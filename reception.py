"""What comes in: contracts, facts and questions are read, then put to Temporal.

The command line and the HTTP service are two doors to the same room. temporalio and the register's
drivers are imported where they are used: a misspelt command is answered without waiting for them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from process.calendar import paris
from process.contract import (
    Contract,
    ahead,
    fingerprint,
    former_fingerprint,
    is_that_of,
    signed_ahead,
)
from process.facts import FACTS
from process.history import problems_of
from process.refusals import Problem, problems
from process.vocabulary import OVER
from workflows.names import (
    CONTRACT_MEMO,
    LONE_SIGNATURE_TYPE,
    TASK_QUEUE,
    WORKFLOW_TYPE,
    lone_signature_id,
    workflow_id,
)
from workflows.page import contract_details, contract_summary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
    from temporalio.service import RPCError

    from process.orders import FactAnswer
    from register.store import Register, RegisteredOnboarding

T = TypeVar("T")

MAX_JSON_BYTES: Final = 1_000_000
_MAX_DEPTH: Final = 50
"""Of objects and lists in one another: a run reads at most 200, and wraps what it passes on."""

_HAND_OVER_PAUSES: Final = (0.1, 0.3, 1.0)
"""Seconds between two tries."""

CALL_TIMEOUT: Final = timedelta(seconds=10)
"""How long a server or a worker may stay silent."""


class Refused(Exception):  # noqa: N818 - the word of DESIGN for this outcome
    """What was asked is refused; ``problems`` says why, in French, one problem a line, ``errors``
    the same with the path of the field apart."""

    def __init__(self, *reasons: Problem | str) -> None:
        self.problems = tuple(map(str, reasons))
        self.errors = tuple(map(_located, reasons))
        super().__init__("\n".join(self.problems))


class Unreadable(Refused):
    """It is not one JSON object without ambiguity."""


class Invalid(Refused):
    """A field is missing, unknown or malformed."""


class Unknown(Refused):
    """No onboarding has that reference."""


class Unanswered(Refused):
    """What it depends on did not answer in time: whether it was done is not known. To be sent
    again; it counts once."""


def _located(reason: Problem | str) -> Problem:
    """Whoever checks several fields together, or answers from the run, writes the path first."""
    if isinstance(reason, Problem) and reason.path:
        return reason
    text = str(reason)
    written = _LOCATED.fullmatch(text)
    return Problem(written["path"], written["why"]) if written else Problem("", text)


_LOCATED: Final = re.compile(r"(?P<path>[a-z][\w.\[\]]*) : (?P<why>.+)", re.DOTALL)


# --- What is read ---------------------------------------------------------------------------


def parse_object(content: bytes) -> dict[str, Any]:
    """The JSON object in ``content``. Raises ``Unreadable``."""
    value = parse_json(content)
    if not isinstance(value, dict):
        raise Unreadable("objet JSON attendu")
    return value


def parse_json(content: bytes) -> Any:
    """The JSON value in ``content``. Raises ``Unreadable`` for anything ambiguous or too large:
    a key given twice, ``NaN``, another encoding than UTF-8, more than 1 MB."""
    if len(content) > MAX_JSON_BYTES:
        raise Unreadable(f"contenu trop volumineux ({MAX_JSON_BYTES // 1_000_000} Mo au plus)")
    try:
        value = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_distinct,
            parse_constant=_no_constant,
        )
        json.dumps(value, ensure_ascii=False).encode()
        if _depth(value) > _MAX_DEPTH:
            raise RecursionError
    except UnicodeError as error:
        # Not UTF-8, or half a character written as an escape.
        raise Unreadable("contenu illisible : texte UTF-8 attendu") from error
    except json.JSONDecodeError as error:
        where = f"ligne {error.lineno}, colonne {error.colno}"
        raise Unreadable(f"JSON invalide ({where})") from error
    except (RecursionError, ValueError) as error:
        # Nested too deep, or a number of thousands of digits.
        raise Unreadable("JSON invalide (imbrication ou nombre démesuré)") from error
    return value


def parse_contract(content: bytes, facts: bytes | None = None) -> Contract:
    """The contract in ``content``, with the past ``facts`` of an onboarding already under way.
    Raises ``Unreadable``, or ``Invalid`` with every problem, by field path."""
    value = parse_object(content)
    if facts is not None:
        value["history"] = parse_json(facts)
    return check_contract(value)


def check_contract(value: dict[str, Any]) -> Contract:
    """The contract that this object is. Raises ``Invalid`` with every problem, by field path."""
    try:
        contract = Contract.model_validate(value)
    except ValidationError as error:
        raise Invalid(*problems(error)) from error
    if found := problems_of(contract) + signed_ahead(contract, datetime.now(UTC)):
        raise Invalid(*found)
    return contract


def check_signature(signed_at: datetime) -> None:
    """Check when the last signatory signed. Raises ``Invalid`` for a time to come."""
    if found := ahead(signed_at, datetime.now(UTC)):
        raise Invalid(*found)


def check_fact(name: str, payload: dict[str, Any]) -> None:
    """Check the shape of a known fact. Raises ``Invalid`` with every problem, by field path."""
    try:
        FACTS[name].model_validate(payload)
    except ValidationError as error:
        raise Invalid(*problems(error)) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        times = Counter(key for key, _ in pairs)
        repeated = next(key for key, count in times.items() if count > 1)
        raise Unreadable(f"clé « {repeated[:100]} » donnée deux fois")
    return value


def _depth(value: Any) -> int:
    """How many objects and lists are in one another."""
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, (dict, list)) else 0


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"JSON invalide : {name} n'est pas un nombre")


# --- What is asked of Temporal --------------------------------------------------------------


async def start_onboarding(client: Client, register: Register, contract: Contract) -> bool:
    """Start the onboarding of that contract; False when this very contract is already known.

    A run that ended before it opened (cancelled or terminated while no worker was there, or given a
    contract that was none) holds nothing: nobody was told of it, and the reference is free again.

    Raises ``Refused`` when the reference is used by another contract, or by an onboarding that was
    stopped by force.
    """
    from temporalio.common import (
        SearchAttributePair,
        TypedSearchAttributes,
        WorkflowIDConflictPolicy,
        WorkflowIDReusePolicy,
    )
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from workflows.search_attributes import CLIENT_NAME, CONTRACT_REFERENCE

    sha256 = fingerprint(contract)
    handle = client.get_workflow_handle(workflow_id(contract.reference))
    registered = await _holder(register, handle, contract.reference)
    same = {sha256, former_fingerprint(contract)}
    if registered is not None:
        held = await register.contract(contract.reference)
        if not is_that_of(registered.contract_sha256, contract, held):
            raise other_contract(contract.reference)
        same.add(registered.contract_sha256)
    if registered is not None and registered.closed_at is not None:
        if _stopped_at(registered, None) is not None:
            raise _stopped(contract.reference)
        return False
    if registered is not None:
        if (known := await _described(handle)) is None:
            raise Refused(
                f"l'onboarding « {contract.reference} » est au registre mais n'existe plus sur ce "
                "serveur Temporal"
            )
        await _refuse_other(known, contract.reference, same)
        if _broke_off(known):
            raise _stopped(contract.reference)
        return False
    try:
        await client.start_workflow(
            WORKFLOW_TYPE,
            contract.model_dump(mode="json", exclude_none=True),
            id=workflow_id(contract.reference),
            task_queue=TASK_QUEUE,
            # A former run that the register does not know never opened.
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            memo={CONTRACT_MEMO: sha256},
            search_attributes=TypedSearchAttributes(
                [
                    SearchAttributePair(CONTRACT_REFERENCE, contract.reference),
                    SearchAttributePair(CLIENT_NAME, contract.client.name),
                ]
            ),
            static_summary=contract_summary(contract),
            static_details=contract_details(contract),
            rpc_timeout=CALL_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        # Not yet in the register, or started at this very moment: perhaps with another contract.
        if (known := await _described(handle)) is not None:
            await _refuse_other(known, contract.reference, same)
        return False
    return True


async def watch_lone_signature(client: Client, reference: str, signed_at: str) -> None:
    """Have someone told, should the contract of that signature not come. Asked again, it is the
    same watch."""
    from temporalio.common import (
        SearchAttributePair,
        TypedSearchAttributes,
        WorkflowIDConflictPolicy,
        WorkflowIDReusePolicy,
    )
    from temporalio.exceptions import WorkflowAlreadyStartedError

    from workflows.search_attributes import CONTRACT_REFERENCE

    with suppress(WorkflowAlreadyStartedError):
        await client.start_workflow(
            LONE_SIGNATURE_TYPE,
            args=[reference, signed_at],
            id=lone_signature_id(reference),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(CONTRACT_REFERENCE, reference)]
            ),
            static_summary=f"Signature sans contrat — {reference}",
            rpc_timeout=CALL_TIMEOUT,
        )


async def send_fact(
    client: Client, reference: str, name: str, payload: dict[str, Any], *, door: str | None = None
) -> FactAnswer:
    """Tell the onboarding a fact, as an update; ``door`` (``http:crm``, ``cli:login``) is what the
    audit says of who came. Raises ``Refused`` with its reasons.

    Sent again with its ``fact_id`` after a silence, it counts once: the onboarding remembers the
    ids it counted. The id of the update is each time another one, since the server would answer a
    known one with its first outcome, be it a refusal whose reason is gone.
    """
    from temporalio.client import (
        WorkflowUpdateFailedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
    )

    from process.orders import FactAnswer

    handle = client.get_workflow_handle(workflow_id(reference))
    try:
        answer: FactAnswer = await _patiently(
            lambda: handle.execute_update(
                name,
                payload,
                id=f"{door}:{uuid4()}" if door else None,
                result_type=FactAnswer,
                rpc_timeout=CALL_TIMEOUT,
            )
        )
    except WorkflowUpdateFailedError as error:
        reason = getattr(error.cause, "message", None) or str(error.cause)
        raise Refused(*reason.splitlines()) from error
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise Unanswered(
            "aucun worker n'a répondu à temps : le fait n'est pas confirmé, le renvoyer"
        ) from error
    return answer


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What the server aborts because a run hands over to the next one is asked again."""
    from temporalio.service import RPCError, RPCStatusCode

    for pause in _HAND_OVER_PAUSES:
        try:
            return await call()
        except RPCError as error:
            if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.FAILED_PRECONDITION):
                raise
        await asyncio.sleep(pause)
    return await call()


async def read_status(client: Client, register: Register, reference: str) -> dict[str, Any]:
    """The ``status`` of an onboarding: from the run, or from the register once it is over.

    Raises ``Unknown``, also for a run that ended before it opened, and ``Unanswered``.
    """
    from temporalio.client import (
        WorkflowExecutionStatus,
        WorkflowQueryFailedError,
        WorkflowQueryRejectedError,
    )

    handle = client.get_workflow_handle(workflow_id(reference))
    known = await _described(handle)
    if known is None or known.status is not WorkflowExecutionStatus.RUNNING:
        registered = await register.onboarding(reference)
        if registered is not None and registered.status is not None:
            return last_status(registered, known)
        if known is None:
            raise unknown(reference)
        if _broke_off(known):
            raise Unknown(
                f"l'onboarding « {reference} » s'est arrêté avant de s'ouvrir : personne n'a été "
                "prévenu, sa référence est libre"
            )
    try:
        status: dict[str, Any] = await _patiently(
            lambda: handle.query("status", result_type=dict[str, Any], rpc_timeout=CALL_TIMEOUT)
        )
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        # A run that opens has none for a moment; one that found its reference taken never will.
        opening = known is not None and known.status is WorkflowExecutionStatus.RUNNING
        kind = Unanswered if opening else Refused
        raise kind(f"l'état de l'onboarding « {reference} » n'est pas lisible") from error
    return status


def last_status(
    registered: RegisteredOnboarding, known: WorkflowExecutionDescription | None = None
) -> dict[str, Any]:
    """The last picture of an onboarding that no longer runs; ``stopped_at`` when it was stopped by
    force, since it could not say so itself."""
    status = registered.status or {}
    stopped_at = _stopped_at(registered, known)
    return status | {"stopped_at": paris(stopped_at).isoformat()} if stopped_at else status


def _stopped_at(
    registered: RegisteredOnboarding, known: WorkflowExecutionDescription | None
) -> datetime | None:
    """When it was stopped by force: the server says so, or the clean-up noted it."""
    if registered.step in OVER:
        return None
    return known.close_time if known is not None and _broke_off(known) else registered.closed_at


def _broke_off(known: WorkflowExecutionDescription) -> bool:
    """Whether the run ended otherwise than it ends by itself."""
    from temporalio.client import WorkflowExecutionStatus

    return known.status in {
        WorkflowExecutionStatus.CANCELED,
        WorkflowExecutionStatus.FAILED,
        WorkflowExecutionStatus.TERMINATED,
        WorkflowExecutionStatus.TIMED_OUT,
    }


async def _holder(
    register: Register, handle: WorkflowHandle[Any, Any], reference: str
) -> RegisteredOnboarding | None:
    """Who holds that reference: a run that ended before its first picture holds it no longer."""
    registered = await register.onboarding(reference)
    if registered is None or registered.status is not None:
        return registered
    known = await _described(handle)
    if known is None or not _broke_off(known):
        return registered
    await register.release(reference, registered.run_id)
    return await register.onboarding(reference)


async def _described(
    handle: WorkflowHandle[Any, Any],
) -> WorkflowExecutionDescription | None:
    from temporalio.service import RPCError, RPCStatusCode

    try:
        return await handle.describe(rpc_timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    except ValueError as error:
        # A state that the SDK has no name for yet: paused, and whatever comes after it.
        raise Unanswered(f"« {handle.id} » est en pause sur le serveur Temporal") from error


async def _refuse_other(
    known: WorkflowExecutionDescription, reference: str, same: Collection[str]
) -> None:
    """Refuse when the run was started with another contract. A run that a direct client started
    says nothing of its contract here: the register, once claimed, does."""
    sha256: str | None = await known.memo_value(CONTRACT_MEMO, None, type_hint=str)
    if sha256 is not None and sha256 not in same:
        raise other_contract(reference)


def other_contract(reference: str) -> Refused:
    return Refused(f"reference : « {reference} » est déjà celle d'un autre contrat")


def _stopped(reference: str) -> Refused:
    return Refused(
        f"l'onboarding « {reference} » a été arrêté de force dans Temporal : l'y reprendre par un "
        "Reset, ou donner une autre référence au contrat"
    )


def unknown(reference: str) -> Unknown:
    return Unknown(f"aucun onboarding « {reference} »")


def over(reference: str) -> Refused:
    return Refused(f"l'onboarding « {reference} » est clos")


def explained(error: RPCError, reference: str) -> Refused:
    """The failure of a call to Temporal, in French."""
    from temporalio.service import RPCStatusCode

    match error.status:
        case RPCStatusCode.NOT_FOUND if "completed" in error.message:
            return over(reference)
        case RPCStatusCode.NOT_FOUND:
            return unknown(reference)
        case RPCStatusCode.INVALID_ARGUMENT if "search attribute" in error.message.lower():
            return Unanswered(
                "le serveur Temporal ne connaît pas encore les attributs de recherche : "
                "démarrer d'abord worker.py, qui les crée"
            )
        case RPCStatusCode.DEADLINE_EXCEEDED | RPCStatusCode.CANCELLED:
            return Unanswered("le serveur Temporal ou le worker n'a pas répondu à temps")
        case RPCStatusCode.UNAVAILABLE:
            return Unanswered("serveur Temporal injoignable (variable TEMPORAL_ADDRESS)")
    return Unanswered(f"le serveur Temporal a refusé l'appel : {error.message}")
