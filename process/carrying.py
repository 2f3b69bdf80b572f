"""What one run of an onboarding hands to the next, within one message of the server.

A run goes on in a new one with its contract and ``Carried``; the server stops it for good when they
are larger than one message. What is measured here is what is handed on, and facts are refused before
it is full: what is large is packed, what is over and done is summed up, the end keeps a reserve.
"""

from __future__ import annotations

import base64
import zlib
from datetime import date, timedelta
from typing import Any, Final

from process import editions
from process import facts as f
from process.calendar import paris_day
from process.facts import Fact
from process.fields import canonical
from process.onboarding import Onboarding
from process.record import Carried, Correction, IssuedSending, OpenPoint, Record, TakenFact
from process.rules import Refused, fingerprint, key_of

SHOWN: Final = 500
"""The mails and documents that ``status`` shows, the last ones; the register has all."""

_PLAIN_BYTES: Final = 200_000
"""Up to here it is handed on as it is, which a person can read; beyond, packed."""
_UNPACKED: Final = 2
"""How many times a message what is packed may be: a correction derives everything anew."""

_ROOM: Final = 0.65
"""The share of a message that facts may fill."""
_ROOM_TO_END: Final = 0.85
"""The share that what must always be taken may fill as it is; beyond, the oldest is summed up."""
_ROOM_IN_ALL: Final = 0.95
"""The share that is handed on at most: encryption and the server's own fields take little more."""
_GROWN: Final = 0.05
"""It is weighed anew when it may have grown by this share, or once a look: not for each fact of a
flood."""

_ALWAYS: Final = (f.OnboardingCancelled, f.OpenPointSettled, f.FactCorrected, f.ContactReplaced)
"""What is taken when nothing else is any more: a run that is full must still end."""

_FACT_BYTES: Final = 300
"""What a fact weighs beside its payload, at most."""
_ITEM_BYTES: Final = 600
"""What a sending, a document, a file read or a point weighs, roughly; it is weighed in the end."""
_PIECE_BYTES: Final = 400
"""What an order says of a file of the DOE beside what was filed."""

_REMINDERS: Final = frozenset({"reminder", "client_reminder"})
_REPLACED: Final = frozenset(
    {"kickoff_convocation", "presentation_convocation", "interview_convocation"}
)
"""Sendings numbered by plan, of which only the last is ever asked for."""
_DAYS_KEPT: Final = timedelta(days=7)
_KEPT_AT_LEAST: Final = 50
_SHORT: Final = 200
_LARGE: Final = 2_000


def carried_of(o: Onboarding) -> Carried:
    """All that an onboarding must remember."""
    return Carried(record=o.record, days=o.calendar.recorded, policy=o.policy)


def pack(carried: Carried) -> dict[str, Any]:
    """What is handed to the next run: plain while it is small, else compressed. The ``fact_id`` of
    a fact that is there is not written twice."""
    if len(carried.model_dump_json()) <= _PLAIN_BYTES:
        return carried.model_dump(mode="json")
    return {"packed": base64.b64encode(_packed(carried)[0]).decode()}


def unpack(handed: Any) -> Carried:
    """What the former run handed on. Raises ``ValidationError`` when it is something else."""
    if not (isinstance(handed, dict) and handed.keys() == {"packed"}):
        return Carried.model_validate(handed)
    carried = Carried.model_validate_json(zlib.decompress(base64.b64decode(handed["packed"])))
    carried.record.fact_ids = {**_stated_ids(carried.record), **carried.record.fact_ids}
    return carried


def size_of(o: Onboarding) -> int:
    """How much of a message the onboarding would take if it were handed on now, in bytes."""
    content, plain = _packed(carried_of(o))
    packed = plain if plain <= _PLAIN_BYTES else len(content) * 4 // 3
    contract = len(o.contract.model_dump_json())
    return contract + max(packed, plain // _UNPACKED)


def _packed(carried: Carried) -> tuple[bytes, int]:
    """The bytes, and how many they were before."""
    record = carried.record
    corrected = {one.fact for one in record.corrections}
    stated = {
        taken.payload["fact_id"]: taken
        for taken in record.facts
        if "fact_id" in taken.payload and taken.fact not in corrected
    }
    others = {id_: counted for id_, counted in record.fact_ids.items() if id_ not in stated}
    lean = record.model_copy(update={"fact_ids": others})
    written = carried.model_copy(update={"record": lean}).model_dump_json().encode()
    return zlib.compress(written), len(written)


def _stated_ids(record: Record) -> dict[str, str]:
    """Each ``fact_id`` of the facts that are there, as it is counted in that edition."""
    by_the_letter = record.edition < editions.SECOND
    return {
        taken.payload["fact_id"]: fingerprint(
            taken.fact, taken.payload if by_the_letter else taken.stated.stated()
        )
        for taken in record.facts
        if taken.payload.get("fact_id")
    }


# What is over and done


def sum_up(record: Record) -> None:
    """Forget what nothing asks for any more and the register has: mails and documents older than
    those shown. Which sendings left, when, and every version in force stay. What a correction states
    is kept once, among the corrections."""
    record.facts = [
        taken.model_copy(update={"payload": _named(taken)})
        if taken.fact == "fact_corrected" and len(canonical(taken.payload)) > _LARGE
        else taken
        for taken in record.facts
    ]
    left = SHOWN
    today = paris_day(record.looked_at)
    held_up = {point.sending for point in record.open_points}
    for key, sending in reversed(list(record.sendings.items())):
        mails = len(sending.mails) + len(sending.former_mails)
        if left <= 0 and sending.state == "done" and key not in held_up:
            if _is_over(record, key, sending, today):
                del record.sendings[key]
                continue
            sending.mails = [sent.model_copy(update={"message_id": ""}) for sent in sending.mails]
            sending.former_mails = [
                sent.model_copy(update={"message_id": ""}) for sent in sending.former_mails
            ]
        left -= mails
    last = {one.reference.rpartition("-v")[0]: one.reference for one in record.documents}
    under_way = {
        reference
        for sending in record.sendings.values()
        if sending.state != "done"
        for reference in sending.documents
    }
    kept = {*last.values(), *under_way}
    record.documents = [
        one
        for rank, one in enumerate(record.documents, start=1)
        if rank > len(record.documents) - SHOWN or one.reference in kept
    ]


def _is_over(record: Record, key: str, sending: IssuedSending, today: date) -> bool:
    """Whether no step asks for that sending any more: a reminder of the past, a plan replaced."""
    if sending.kind in _REMINDERS:
        return date.fromisoformat(key.rpartition(":")[2]) < today - _DAYS_KEPT
    if sending.kind in _REPLACED:
        stem, _, number = key.rpartition(":")
        return f"{stem}:{int(number) + 1}" in record.sendings or _follows(record, stem, number)
    return False


def _follows(record: Record, stem: str, number: str) -> bool:
    """Whether a later plan has its sending."""
    return any(
        kept.startswith(f"{stem}:") and int(kept.rpartition(":")[2]) > int(number)
        for kept in reversed(record.sendings)
    )


def fit(o: Onboarding) -> bool:
    """Sum up what may be, and more of it where the message would be full all the same: the oldest
    values of corrections, texts that were cut already. Whether it fits in the end."""
    sum_up(o.record)
    most = _ROOM_IN_ALL * o.policy.message_bytes
    for step in (
        None,
        _cut_rejected,
        _cut_corrections,
        _cut_texts,
        _drop_settled,
        _drop_corrections,
    ):
        if step is not None:
            step(o.record)
        if size_of(o) <= most:
            return True
    return False


def _cut_rejected(record: Record) -> None:
    record.rejected = [
        one.model_copy(update={"payload": "", "reason": one.reason[:_SHORT]})
        for one in record.rejected
    ]


def _cut_corrections(record: Record) -> None:
    """Of the older ones, which values they were, no longer the values: the histories have them."""
    record.corrections = [
        *(_without_values(one) for one in record.corrections[:-_KEPT_AT_LEAST]),
        *record.corrections[-_KEPT_AT_LEAST:],
    ]


def _without_values(one: Correction) -> Correction:
    values = {"before": _digest(one.before), "after": _digest(one.after)}
    return one.model_copy(update={**values, "reason": one.reason[:_SHORT], "limits": []})


def _digest(value: dict[str, Any]) -> dict[str, Any]:
    if value.keys() == {"sha256", "bytes"}:
        return value
    return {"sha256": fingerprint("", value), "bytes": len(canonical(value))}


def _named(taken: TakenFact) -> dict[str, Any]:
    """What a correction was about; its values are in the list of corrections."""
    named = {**taken.payload, "payload": {}, "reason": taken.payload["reason"][:_SHORT]}
    named.pop("fact_id", None)
    return named


def _cut_texts(record: Record) -> None:
    """What a person must still see and settle, in few words."""
    record.open_points = [_shorter(point) for point in record.open_points]
    for sending in record.sendings.values():
        if sending.state in {"blocked", "again"}:
            sending.held = None  # Tried again, it leaves as the steps would have it then.
    record.corrections = [_without_values(one) for one in record.corrections]


def _shorter(point: OpenPoint) -> OpenPoint:
    return point.model_copy(update={"message": point.message[:_SHORT]})


def _drop_settled(record: Record) -> None:
    """Points settled long ago, and people replaced since."""
    latest: dict[str, int] = {}
    for rank, taken in enumerate(record.facts):
        if taken.fact == "contact_replaced":
            latest[taken.payload["role"]] = rank
    settled = [
        rank for rank, taken in enumerate(record.facts) if taken.fact == "open_point_settled"
    ]
    kept = {*latest.values(), *settled[-_KEPT_AT_LEAST:]}
    record.facts = [
        taken
        for rank, taken in enumerate(record.facts)
        if taken.fact not in {"contact_replaced", "open_point_settled"} or rank in kept
    ]


def _drop_corrections(record: Record) -> None:
    record.corrections = record.corrections[-_KEPT_AT_LEAST:]
    made = [rank for rank, taken in enumerate(record.facts) if taken.fact == "fact_corrected"]
    dropped = set(made[:-_KEPT_AT_LEAST])
    record.facts = [taken for rank, taken in enumerate(record.facts) if rank not in dropped]


# The room that is left


class Room:
    """Tells whether a fact still finds room, without weighing everything for each.

    It is weighed when what came since might have filled it; only where facts are taken, which a
    replay repeats alike.
    """

    def __init__(self, o: Onboarding) -> None:
        self._o = o
        self._weighed: int | None = None
        self._items = 0
        self._since = 0
        self._pieces = 0
        self._looked = False

    def take(self, fact: Fact, payload: dict[str, Any]) -> None:
        """Give a fact its room. Raises ``Refused`` when there is none, with the reason."""
        if not self._o.since(editions.SECOND):
            return
        self._check(fact, payload)
        size = len(canonical(payload)) + _FACT_BYTES
        self._since += size
        if isinstance(fact, f.DoePieceFiled):
            self._pieces += size + _PIECE_BYTES

    def _check(self, fact: Fact, payload: dict[str, Any]) -> None:
        message = self._o.policy.message_bytes
        size = len(canonical(payload)) + _FACT_BYTES
        if isinstance(fact, f.DoePieceFiled) and not self._has(message * _ROOM_IN_ALL, pieces=size):
            raise Refused(
                "le DOE a trop de pièces pour être remis en une fois : en réunir plusieurs en un "
                "même fichier, ou les verser de nouveau sous le même nom"
            )
        if not isinstance(fact, _ALWAYS):
            if not self._has(message * _ROOM - size, facts=size):
                raise Refused(
                    "l'onboarding a reçu trop de données pour en retenir davantage : restent "
                    "possibles les corrections, les remplacements, le règlement des points ouverts "
                    "et l'annulation"
                )
        elif isinstance(fact, f.FactCorrected):
            more = len(canonical(payload["payload"])) - self._replaced(fact)
            if more > 0 and not self._has(message * _ROOM_TO_END, facts=more):
                raise Refused(
                    "l'onboarding a reçu trop de données : une correction ne peut plus en ajouter "
                    "(la raccourcir)"
                )

    def looked(self) -> None:
        """Another look is had: what is over and done since may have made room."""
        self._looked = True

    def _replaced(self, fact: f.FactCorrected) -> int:
        """What the corrected fact weighs, which the correction takes away."""
        held = (
            len(canonical(taken.payload))
            for taken in reversed(self._o.record.facts)
            if taken.fact == fact.fact
            and (fact.key is None or key_of(taken.fact, taken.payload) == fact.key)
        )
        return next(held, 0)

    def _has(self, most: float, *, facts: int = 0, pieces: int = 0) -> bool:
        """Whether it stays under that much; weighed anew when it may not."""
        if self._weighed is None or (self._is_over(most, facts, pieces) and self._is_stale()):
            self._weigh()
        return not self._is_over(most, facts, pieces)

    def _is_over(self, most: float, facts: int, pieces: int) -> bool:
        if pieces:
            return self._pieces + pieces + _PIECE_BYTES > most
        return (self._weighed or 0) + self._grown + facts > most

    def _is_stale(self) -> bool:
        return self._looked or self._grown > _GROWN * self._o.policy.message_bytes

    @property
    def _grown(self) -> int:
        """What came since it was weighed, at most."""
        return self._since + _ITEM_BYTES * max(0, self._count() - self._items)

    def _weigh(self) -> None:
        self._looked = False
        sum_up(self._o.record)
        self._weighed, self._since, self._items = size_of(self._o), 0, self._count()
        self._pieces = sum(
            len(piece.model_dump_json()) + _PIECE_BYTES for piece in self._o.pieces.values()
        )

    def _count(self) -> int:
        record = self._o.record
        return (
            len(record.sendings)
            + len(record.documents)
            + len(record.pieces)
            + len(record.open_points)
        )
