"""What an onboarding leaves behind, and how two of them differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.stage import Play
    from register.store import Register

Delivery = tuple[str, str]
"""A Message-ID, and the address it was delivered to."""


@dataclass(frozen=True)
class Outcome:
    """Everything that must not depend on the faults met on the way."""

    result: dict[str, Any]
    """What the run answers at its end."""
    limits: dict[str, str]
    """Each limit, met or missed."""
    documents: dict[str, str]
    """The SHA-256 of each version issued."""
    pieces: frozenset[str]
    """The SHA-256 of the files kept for the DOE."""
    mails: dict[str, str]
    """The state of each message in the register."""
    deliveries: Counter[Delivery]
    """How many times the mail server took each message."""
    unheard: frozenset[Delivery]
    """Those taken at the very moment a worker died: several leave at once, and a death that was
    meant for another activity may fall where nobody can tell whether a message was taken."""
    open_points: tuple[str, ...]
    """What was left for someone to settle."""
    unkept: tuple[str, ...]
    """Documents of which the file is not there, or not what the register says."""


@dataclass(frozen=True)
class Comparison:
    """What a disturbed onboarding did otherwise."""

    violations: tuple[str, ...]
    repeated: int
    """Messages delivered again under the same Message-ID where the fault allows it."""


async def outcome_of(
    play: Play,
    register: Register,
    documents: Path,
    deliveries: Counter[Delivery],
    unheard: frozenset[Delivery],
) -> Outcome:
    """Read it, once the run is over; a worker must be up."""
    reference = play.contract.reference
    status = await play.status()
    issued = await register.documents(reference)
    return Outcome(
        result=await play.handle.result(),
        limits={
            f"{one['obligation']} {one['key'] or ''}".strip(): one["state"]
            for one in status["deadlines"]
        },
        documents={one.reference: one.sha256 for one in issued},
        pieces=frozenset(one.sha256 for one in await register.pieces(reference)),
        mails={one.message_id: one.state for one in await register.mails(reference)},
        deliveries=Counter(deliveries),
        unheard=unheard,
        open_points=tuple(sorted(one["id"] for one in status["open_points"])),
        unkept=tuple(
            one.reference for one in issued if not _kept(documents / one.path, one.sha256, one.size)
        ),
    )


def _kept(path: Path, sha256: str, size: int) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    # Of an encrypted container the register keeps the fingerprint of the clear content.
    return path.suffix == ".zip" or hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def compared(expected: Outcome, found: Outcome, *, may_repeat: bool) -> Comparison:
    """How ``found`` differs from the same onboarding undisturbed. With ``may_repeat`` the fault
    lies between the mail server's acceptance and its record: a message may come again. So may one
    during which a worker died by chance."""
    violations = [
        *(f"document not as registered: {one}" for one in found.unkept),
        *_differing("document", expected.documents, found.documents),
        *_differing("mail", expected.mails, found.mails),
        *_differing("limit", expected.limits, found.limits),
    ]
    violations += [
        f"{name}: {getattr(found, name)} for {getattr(expected, name)}"
        for name in ("result", "pieces", "open_points")
        if getattr(expected, name) != getattr(found, name)
    ]
    repeated = 0
    for one in sorted(expected.deliveries | found.deliveries):
        wanted, came = expected.deliveries[one], found.deliveries[one]
        if came < wanted:
            violations.append(f"mail lost: {one[0]} to {one[1]}")
        elif came > wanted and wanted and (may_repeat or one in found.unheard):
            repeated += came - wanted
        elif came > wanted:
            violations.append(f"mail delivered {came} times for {wanted}: {one[0]} to {one[1]}")
    return Comparison(tuple(violations), repeated)


def _differing(what: str, expected: dict[str, str], found: dict[str, str]) -> list[str]:
    return [
        f"{what} {name}: {found.get(name, 'absent')} for {expected.get(name, 'nothing')}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
