"""What the workflow asks of the activities, and what they answer.

Orders carry references and the few facts a text needs; the contract itself stays in the
register, so that it is not copied into every event of the history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from process import editions
from process.vocabulary import Party, SecretsChoice


class Order(BaseModel):
    model_config = ConfigDict(frozen=True)


class Recipient(Order):
    """Someone a mail or a document is addressed to. The head of projects has no name or
    address here: they are a setting, read when the mail leaves."""

    role: Party
    name: str | None = None
    email: str | None = None
    job: str | None = None
    phone: str | None = None
    also: tuple[Party, ...] = ()
    """Its other roles among the readers of a mail, known once the head of projects has an address."""

    @property
    def mailbox(self) -> str:
        """What tells one mailbox from another; the role of a setting stands for its address."""
        return (self.email or self.role).lower()


class Invitation(Order):
    """An event for the calendars of those a mail is addressed to. The same ``uid`` with a higher
    ``sequence`` moves or cancels the former (RFC 5546)."""

    uid: str
    """``kickoff``, ``phase-P1``…: unique within the onboarding, the same when the date moves."""
    sequence: int
    title: str
    starts_at: datetime
    ends_at: datetime
    all_day: bool = False
    """Only the days are known: the hour is still to be agreed."""
    place: str = ""
    cancelled: bool = False
    attendees: list[Recipient] = []
    """Whom it concerns; without any, everyone the mail is addressed to."""
    uninvited: bool = False
    """With ``cancelled``: the event goes on, without these attendees (RFC 5546, 3.2.5)."""
    new_to: list[str] = []
    """The mailboxes that have nothing of it yet: to them, it replaces nothing."""

    def concerned(self, addressed: Sequence[Recipient]) -> list[Recipient]:
        """Those of a mail's readers whom the event concerns."""
        invited = {one.mailbox for one in self.attendees}
        return [one for one in addressed if not invited or one.mailbox in invited]


class Document(Order):
    """A document that a sending carries. Two of one kind and subject are versions of one
    document."""

    kind: str
    subject: str
    data: dict[str, Any]
    sites: list[str]


class Sending(Order):
    """A mail owed once, with its documents: its key is what "once" means."""

    kind: str
    key: str
    to: list[Recipient]
    data: dict[str, Any]
    documents: tuple[Document, ...] = ()
    enclosed: tuple[str, ...] = ()
    """References of documents issued before, which go along."""
    invitations: tuple[Invitation, ...] = ()
    personal: bool = False
    """For these very people, whoever holds their roles since."""
    content: str | None = None
    """What it was made of, where that may change after it left."""
    manager: Recipient | None = None
    """Who signs the mail, issues its documents and receives the answers."""
    at: datetime | None = None
    """When it leaves; at once without it."""


class DocumentOrder(Order):
    """Issue one version of one document.

    ``reference`` is fixed (``TYPE-contract-n-vN``): the same order twice gives the same
    document. ``data`` holds the facts of the document: ``*_on`` are ISO dates, ``*_at`` ISO
    instants with the offset in which they are shown.
    """

    onboarding: str
    kind: str
    reference: str
    version: int
    dated_on: str
    """ISO date of the document."""
    issuer: Recipient | None
    recipients: list[Recipient]
    sites: list[str]
    """Codes of the sites concerned."""
    data: dict[str, Any]
    replaces: str | None = None
    """The reference of the version that this one replaces."""


class IssuedDocument(Order):
    """A document that exists, with the fingerprint of its bytes."""

    kind: str
    reference: str
    version: int
    sha256: str
    size: int
    """Bytes."""
    issued_at: datetime


class MailOrder(Order):
    """Send one mail to each recipient, once. ``key`` is the business key of the sending."""

    onboarding: str
    kind: str
    key: str
    recipients: list[Recipient]
    reply_to: Recipient | None
    """The person in charge: signs the mail and receives the answers."""
    data: dict[str, Any]
    attachments: list[str]
    """References of issued documents."""
    invitations: list[Invitation] = []
    settled: list[SentMail] = []
    """What the run knows already: none of these messages is sent again, nor judged."""
    progressive: bool = False
    """Answer as soon as there is something to tell, some messages being put off; without it, once
    every message is settled."""
    anew_from: datetime | None = None
    """A message handed over before that instant, and never answered, is sent again."""


class SentMail(Order):
    """What became of the message to one recipient."""

    to: str
    role: Party
    message_id: str
    accepted_at: datetime | None = None
    refused: str | None = None
    """The mail server's definitive refusal, in its own words."""
    unanswered_at: datetime | None = None
    """When it was handed over whole, without an answer since: it may have been received."""

    @property
    def is_settled(self) -> bool:
        """Whether there is an outcome, or nobody will ever know: otherwise it is put off."""
        return bool(self.accepted_at or self.refused or self.unanswered_at)


class MailReport(Order):
    """What became of a mail, recipient by recipient."""

    kind: str
    key: str
    mails: list[SentMail]
    withheld: list[str] = []
    """References of the documents too large to be attached, when no link to them can be given."""
    superseded: bool = False
    """Something else left under this key, which the run does not know of (a server Reset): nothing
    was sent. What it has to say leaves as the next revision."""


class StatedPiece(Order):
    """A file that a fact names: a piece of the DOE, or a signed original."""

    key: str
    family: str
    name: str
    uri: str


class ReadPieces(Order):
    """Read, check and keep these files."""

    onboarding: str
    pieces: list[StatedPiece]


class SecretFound(Order):
    """A secret in a file: what it is and where, never its value."""

    what: str
    line: int | None = None
    page: int | None = None
    """Of a PDF, from 1."""


class ShownCopy(Order):
    """A copy that the book of the DOE shows in the place of a file, which itself travels in the
    encrypted container."""

    sha256: str
    size: int
    """Bytes."""
    pages: int
    pictures: int = 0
    """How many of them became pictures, with what had to go painted over."""


class ReadPiece(Order):
    """What was found in a file; without ``refused`` it is kept, byte for byte."""

    key: str
    refused: str | None = None
    """Why it cannot be part of the DOE, in French."""
    sha256: str = ""
    size: int = 0
    """Bytes."""
    media: str = ""
    """Its type, by its content: ``application/pdf``, ``image/jpeg``, ``text/plain``…"""
    pages: int | None = None
    """Of a PDF."""
    signed: bool = False
    """It bears an electronic signature, which merging would undo."""
    secrets: list[SecretFound] = []
    """The first ones that were found."""
    secrets_count: int = 0
    repaired: ShownCopy | None = None
    """What stands in the book for a PDF that had to be repaired or relieved of what was joined."""
    remarks: list[str] = []
    """What was done to that copy, in French."""
    attachments: list[str] = []
    """The names of the harmless files that the PDF carries: set aside with the original."""
    factory: list[SecretFound] = []
    """Passwords that a manufacturer prints in its manuals: told, and no secret of the client."""
    secrets_choice: SecretsChoice | None = None
    """What a person decided about the secrets."""
    redacted: ShownCopy | None = None
    """The copy without them, once it was made."""


class RedactedPiece(Order):
    """What became of the copy of a piece without its secrets: the copy, or why there is none."""

    key: str
    refused: str | None = None
    """In French."""
    made: ShownCopy | None = None


class PieceToRedact(Order):
    """A piece that is kept, whose secrets are to be removed in a copy."""

    key: str
    family: str
    name: str
    uri: str
    sha256: str


class RedactPieces(Order):
    """Make the copies of these pieces without their secrets."""

    onboarding: str
    pieces: list[PieceToRedact]


class PiecesRedacted(Order):
    """The answer: each piece in the order in which it was asked for."""

    pieces: list[RedactedPiece]


class PiecesRead(Order):
    """The answer: each file in the order in which it was asked for."""

    pieces: list[ReadPiece]


class WorkedDays(Order):
    """Which days are worked, as data: Saturdays, Sundays and ``closed`` days are not, except
    ``opened`` ones. One entry for Mileo (``mileo``) and one for each zone of the sites.
    Days are ISO dates. The years ``first_year`` to ``last_year`` are covered."""

    first_year: int
    last_year: int
    closed: dict[str, list[str]]
    opened: dict[str, list[str]] = {}
    doubts: dict[int, str] = {}
    """The years for which the library does not give the holidays of the law, and what it says, in
    French: a person decides."""

    def until(self, year: int) -> WorkedDays:
        """The same up to the end of that year."""

        def kept(ours: dict[str, list[str]]) -> dict[str, list[str]]:
            return {
                name: [day for day in days if int(day[:4]) <= year] for name, days in ours.items()
            }

        return self.model_copy(
            update={"last_year": year, "closed": kept(self.closed), "opened": kept(self.opened)}
        )

    def and_later(self, more: WorkedDays) -> WorkedDays:
        """These days and those of later years; what was recorded stays as it was."""

        def joined(
            ours: dict[str, list[str]], theirs: dict[str, list[str]]
        ) -> dict[str, list[str]]:
            names = [*ours, *(name for name in theirs if name not in ours)]
            return {
                name: [
                    *ours.get(name, []),
                    *(day for day in theirs.get(name, []) if int(day[:4]) > self.last_year),
                ]
                for name in names
            }

        return WorkedDays(
            first_year=self.first_year,
            last_year=more.last_year,
            closed=joined(self.closed, more.closed),
            opened=joined(self.opened, more.opened),
        )


class OpenOnboarding(Order):
    """Claim the contract's reference in the register, and read what the run must know."""

    contract: dict[str, Any]
    workflow_id: str
    run_id: str
    """The first run of the chain: what claims the reference."""
    started_at: datetime
    doubts: list[str] = Field(default=[], exclude_if=lambda doubts: not doubts)
    """Why the contract is not valid by the rules of today, in French: no run is opened with it,
    while one that was opened before they came goes on."""


class Opening(Order):
    """The answer: whether the reference is ours, the calendar and the settings of the run."""

    claimed: bool
    reason: str | None = None
    """Why the reference is not ours, in French."""
    calendar: WorkedDays
    policy: dict[str, Any]
    """The settings of PROCESS.md in force, recorded for the life of the run."""
    headlines: bool = False
    """Recorded so as well: what the run does since it was opened by code that knows it, without
    the marker that ``workflow.patched`` leaves in the timeline. See ``Record.headlines``."""
    frugal: bool = False
    """The same. See ``Record.frugal``."""
    edition: int = editions.FIRST
    """The edition of the process by which the run lives."""


class ReadWorkedDays(Order):
    """Read the calendar for later years than the run already has."""

    zones: list[str]
    first_year: int
    last_year: int


class Headline(Order):
    """What is looked for in a list of onboardings."""

    onboarding: str
    step: str
    health: str
    project_manager: str | None
    next_deadline: datetime | None
    last_missed_at: datetime | None
    open_reserves: int
    missed_deadlines: int
    in_charge: list[dict[str, str]] = []
    """Who held which role since when: role, name, email, since."""


class Projection(Headline):
    """The register's picture of an onboarding; it outlives Temporal's retention."""

    at: datetime
    status: dict[str, Any]
    closed: bool = False


Outcome = Literal["accepted", "waiting", "known"]


class FactAnswer(Order):
    """What an update answers to the sender of a fact."""

    outcome: Outcome
    message: str
