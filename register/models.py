"""The tables of the register."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect


def intention_of(onboarding: str, key: str, address: str) -> str:
    """What makes a message leave once: the SHA-256 of its onboarding, its key and its address,
    whatever the settings and the capitals. Its first 40 digits begin the Message-ID."""
    return hashlib.sha256(f"{onboarding}\0{key}\0{address.lower()}".encode()).hexdigest()


class Utc(TypeDecorator[datetime]):
    """An instant, kept in UTC. SQLite drops offsets silently: 10:00+02:00 would come back as
    10:00, two hours late. A naive instant is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("an instant without offset cannot be kept")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: Utc(),
        # ``json``, not ``jsonb``, on PostgreSQL: facts from outside may hold "\u0000".
        dict[str, Any]: JSON(none_as_null=True),
        list[dict[str, Any]]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class Onboarding(Base):
    """A contract's reference, the run that claimed it, and its last known picture."""

    __tablename__ = "onboardings"

    reference: Mapped[str] = mapped_column(String(64), primary_key=True)
    contract_sha256: Mapped[str] = mapped_column(String(64))
    contract: Mapped[dict[str, Any]]
    client_name: Mapped[str]
    workflow_id: Mapped[str]
    run_id: Mapped[str]
    step: Mapped[str | None]
    health: Mapped[str | None]
    project_manager: Mapped[str | None]
    next_deadline: Mapped[datetime | None]
    last_missed_at: Mapped[datetime | None]
    open_reserves: Mapped[int] = mapped_column(default=0)
    missed_deadlines: Mapped[int] = mapped_column(default=0)
    status: Mapped[dict[str, Any] | None]
    in_charge: Mapped[list[dict[str, Any]] | None]
    """Who held which role since when."""
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Document(Base):
    """One version of a document: what was issued is never overwritten."""

    __tablename__ = "documents"

    reference: Mapped[str] = mapped_column(primary_key=True)
    onboarding: Mapped[str] = mapped_column(ForeignKey("onboardings.reference"), index=True)
    kind: Mapped[str]
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str]
    issued_at: Mapped[datetime]
    recipients: Mapped[list[Any]]
    data: Mapped[dict[str, Any] | None]
    """What it states: the next version tells what changed since."""
    content: Mapped[str | None] = mapped_column(String(64))
    """The fingerprint of its order (``process.content``); None before that was kept."""
    removed_at: Mapped[datetime | None]
    """When its file was removed, at the end of its time: the row remains."""


class Mail(Base):
    """One message to one recipient, and the mail server's answer: the proof of the sending."""

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(unique=True)
    """Of the first attempt, for good: the domain of the sender may change since."""
    intention: Mapped[str | None] = mapped_column(String(64), unique=True)
    """``intention_of``: one row each. None in a row that left beside another one, before that was
    the rule."""
    onboarding: Mapped[str] = mapped_column(index=True)
    """No foreign key: a signature without its contract has no onboarding yet."""
    kind: Mapped[str]
    key: Mapped[str]
    role: Mapped[str]
    recipient: Mapped[str]
    name: Mapped[str | None]
    subject: Mapped[str]
    state: Mapped[str]
    accepted_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    reply: Mapped[str | None]
    content: Mapped[str | None] = mapped_column(String(64))
    """The fingerprint of its order (``process.content``); None before that was kept."""
    handed_at: Mapped[datetime | None]
    """When it was last handed over whole. Without an answer since, it may have been taken."""
    attachments: Mapped[list[Any]]
    attempts: Mapped[int]
    created_at: Mapped[datetime]


class Piece(Base):
    """A file received for the DOE, kept byte for byte under its fingerprint."""

    __tablename__ = "pieces"

    onboarding: Mapped[str] = mapped_column(ForeignKey("onboardings.reference"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    media: Mapped[str]
    name: Mapped[str]
    uri: Mapped[str]
    path: Mapped[str]
    secrets: Mapped[list[Any]]
    """The secrets found in it: what and where, never their value."""
    received_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    """When its file was removed, at the end of its time: the row remains."""


class DoePassword(Base):
    """The password of the encrypted containers of one onboarding: here and nowhere else."""

    __tablename__ = "doe_passwords"

    onboarding: Mapped[str] = mapped_column(ForeignKey("onboardings.reference"), primary_key=True)
    password: Mapped[str]
    created_at: Mapped[datetime]


class PasswordReading(Base):
    """Who was shown the password of a DOE, and when."""

    __tablename__ = "password_readings"

    id: Mapped[int] = mapped_column(primary_key=True)
    onboarding: Mapped[str] = mapped_column(ForeignKey("onboardings.reference"), index=True)
    read_by: Mapped[str]
    read_at: Mapped[datetime]


class Key(Base):
    """A key of ours, made once: the worker signs the links to documents with it, the HTTP service
    checks them."""

    __tablename__ = "keys"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str]
    created_at: Mapped[datetime]


class Delivery(Base):
    """A message of another service that was taken: who said what, and when. Its id, sent again,
    is already known."""

    __tablename__ = "deliveries"

    sender: Mapped[str] = mapped_column(String(64), primary_key=True)
    message_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    path: Mapped[str]
    """Where it was sent: it names the onboarding and the fact."""
    onboarding: Mapped[str] = mapped_column(String(64), index=True)
    """No foreign key: a draft has no onboarding yet."""
    sha256: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str]
    received_at: Mapped[datetime]


class Draft(Base):
    """A contract that waits for its signature, a signature that waits for its contract, or both
    once they have met."""

    __tablename__ = "drafts"

    reference: Mapped[str] = mapped_column(String(64), primary_key=True)
    contract: Mapped[dict[str, Any] | None]
    signed_at: Mapped[str | None]
    """As it was written: its offset is part of the contract's fingerprint."""
    updated_at: Mapped[datetime]


class AuditLine(Base):
    """Something that someone did, through one of the doors; never the content of what was said."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    """Where it is known from: read again there, it is the same line."""
    onboarding: Mapped[str | None] = mapped_column(String(64), index=True)
    """No foreign key: a refused message may name any reference, a right is exercised on several."""
    at: Mapped[datetime]
    door: Mapped[str]
    who: Mapped[str]
    act: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str | None]
    outcome: Mapped[str | None]
    in_clear: Mapped[bool | None]
    """It came in clear although the keys are there; None where that has no sense."""
    reason: Mapped[str | None]
