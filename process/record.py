"""What an onboarding remembers: all of it is plain data, so that a run can hand it on.

Everything else (phases, réserves, limits, what is due) is derived from it, hence a corrected
or late fact changes what depends on it and nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from process import editions
from process.facts import FACTS, Fact
from process.fields import HELD
from process.orders import (
    Invitation,
    IssuedDocument,
    ReadPiece,
    Recipient,
    Sending,
    SentMail,
    WorkedDays,
)
from process.policy import Policy

REJECTED_KEPT: Final = 50
REJECTED_BYTES: Final = 2_000
MESSAGE_CHARACTERS: Final = 1_000


PointKind = Literal[
    "mail",
    "document",
    "piece",
    "piece_secrets",
    "waiting_fact",
    "flood",
    "calendar",
    "register",
]


class Handed(BaseModel):
    """What passes from one run to the next. What only a later version knows is kept: while two
    versions work side by side, a run may go through the older one and lose nothing."""

    model_config = ConfigDict(extra="allow")


class TakenFact(Handed):
    """A fact that counts, in the order of acceptance."""

    fact: str
    payload: dict[str, Any]
    received_at: datetime
    _read: tuple[dict[str, Any], Fact] | None = PrivateAttr(None)

    @classmethod
    def of(cls, name: str, fact: Fact, payload: dict[str, Any], now: datetime) -> TakenFact:
        """A fact that was just read."""
        taken = cls(fact=name, payload=payload, received_at=now)
        taken._read = taken.payload, fact
        return taken

    @property
    def stated(self) -> Fact:
        """The payload as a fact, read once: a correction folds all of them several times."""
        if self._read is None or self._read[0] is not self.payload:
            self._read = self.payload, FACTS[self.fact].model_validate(self.payload, context=HELD)
        return self._read[1]


class WaitingFact(Handed):
    """A fact that came early: kept until what it names is known."""

    fact: str
    payload: dict[str, Any]
    waits_for: str
    about: str = ""
    """What is not known, and what is, in French."""
    until: datetime | None = None
    """The day that it states, when that day has not come."""
    received_at: datetime
    statement: str = Field("", exclude=True)
    """The fingerprint of what it states, however it was written…"""
    size: int = Field(0, exclude=True)
    """…and the bytes of its payload: each fact that comes is compared with all those that wait.
    Neither is handed on."""


class RejectedFact(Handed):
    """A signal that could not be taken, and why."""

    fact: str
    payload: str
    """The JSON as it came, cut at 2 kB."""
    reason: str
    received_at: datetime


class IssuedSending(Handed):
    """A mail with its documents, on its way or gone; the key makes it leave once."""

    kind: str
    started_at: datetime
    documents: list[str] = []
    """References, fixed when the sending starts: trying again issues the same ones."""
    mails: list[SentMail] = []
    state: Literal["doing", "done", "blocked", "again"] = "doing"
    outdated: bool = False
    """Corrected while it was on its way: it leaves again when it is done."""
    revision: int = 0
    """How many times a correction had it sent again."""
    replaces: dict[str, Any] | None = None
    """What the last correction replaced."""
    former_mails: list[SentMail] = []
    """Those that were sent before a correction."""
    held: Sending | None = None
    """What is blocked, as it was: trying again may come when no step asks for it any more."""
    content: str | None = None
    """What it was made of, where that may change after it left."""
    anew_from: datetime | None = None
    """What was handed over before, and never answered, may be sent again."""
    doubt_ends_at: datetime | None = None
    """When what was never answered is sent again by itself, once."""
    doubts: int = 0
    """How many times in a row something of it was never answered."""
    settled_at: datetime | None = None
    """When a person declared it done by other means, or when it was done before the take-over."""

    def send_again(self, replaced: str | None) -> None:
        """Have it leave again, as what replaces the former version."""
        self.revision += 1
        self.replaces = {"reference": replaced}
        self.former_mails += self.mails
        self.mails = []
        self.outdated = False
        self.doubt_ends_at, self.doubts = None, 0
        self.state = "again"


class Told(Handed):
    """The last that a mailbox was told of an event, well or not."""

    person: Recipient
    event: Invitation
    by: str
    """Key of the sending."""
    revision: int = 0
    holds: bool = False
    """An invitation was accepted for that mailbox, and no cancellation since."""


class Invited(Handed):
    """Who was told of an event, by mailbox; its last sequence is never given twice."""

    sequence: int = -1
    told: dict[str, Told] = {}


class Correction(Handed):
    """A fact that was replaced: both values, who, why, and what it changed."""

    fact: str
    key: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    by: str
    reason: str
    at: datetime
    limits: list[str] = []
    """The limits whose state it changed: ``O1 : missed → met``."""


class OpenPoint(Handed):
    """Something a person must see and settle; it blocks nothing else."""

    id: str
    kind: PointKind
    message: str
    since: datetime
    owed_by: str
    sending: str | None = None
    """Key of the sending it holds up."""


class Record(Handed):
    """The whole memory of a run."""

    started_at: datetime
    facts: list[TakenFact] = []
    corrections: list[Correction] = []
    waiting: list[WaitingFact] = []
    rejected: list[RejectedFact] = []
    rejected_count: int = 0
    taken_bytes: int = 0
    """The size of the facts taken, in canonical JSON."""
    fact_ids: dict[str, str] = {}
    """Each ``fact_id`` counted, with the fingerprint of its fact."""
    sendings: dict[str, IssuedSending] = {}
    documents: list[IssuedDocument] = []
    document_subjects: dict[str, list[str]] = {}
    """For each kind of document, its subjects in order: the n of ``TYPE-contract-n-vN``."""
    document_versions: dict[str, int] = {}
    headlines: bool = False
    """The register is written when the headline changes; runs begun before that write each change
    of ``status``."""
    frugal: bool = False
    """A timer armed for an instant that will matter is kept when an earlier one comes up, and search
    attributes wait until nothing is under way; runs begun before that do as they did."""
    edition: int = editions.FIRST
    """The edition of the process by which the run lives."""
    reads_pieces: bool = False
    """The files of the DOE are read: not in the runs begun before that could be done."""
    not_read: list[str] = []
    """The keys of the files of a DOE that was delivered before files were read."""
    pieces: dict[str, ReadPiece] = {}
    """What was found in each file of the DOE, by its key."""
    invited: dict[str, Invited] = {}
    """What the calendars hold, by the uid of the event: not in the runs begun before it was kept."""
    open_points: list[OpenPoint] = []
    known_since: dict[str, datetime] = {}
    """When each limit first became known: rungs before that are skipped."""
    looked_at: datetime
    """The last look at what is owed."""
    rung_at: datetime | None = None
    """The next rung as foreseen then. One that appears in the past afterwards is skipped: nobody is
    reminded at another hour than that of reminders."""
    calendar_doubted: int | None = None
    """The year from which a person asked that the worked days be read again."""
    activated_at: datetime | None = None
    activation_blocked: bool = False

    def open_point(
        self,
        id_: str,
        kind: PointKind,
        message: str,
        now: datetime,
        sending: str | None = None,
    ) -> None:
        """Put something under the eyes of the project manager, until a person settles it; what is
        there already stays as it is."""
        if any(point.id == id_ for point in self.open_points):
            return
        self.open_points.append(
            OpenPoint(
                id=id_,
                kind=kind,
                message=message[:MESSAGE_CHARACTERS],
                since=now,
                owed_by="project_manager",
                sending=sending,
            )
        )

    def close_point(self, id_: str) -> OpenPoint | None:
        """Take a point away; the point, if it was open."""
        point = next((point for point in self.open_points if point.id == id_), None)
        if point:
            self.open_points.remove(point)
        return point


class Carried(Handed):
    """What one run of an onboarding hands to the next."""

    record: Record
    days: WorkedDays
    policy: Policy
