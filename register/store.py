"""What the activities and the commands do with the register.

Works the same on SQLite and PostgreSQL. Every writing is one statement or one transaction that
begins with its writing, so that two workers at once are told apart by the keys of the tables.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from alembic import command
from alembic.config import Config
from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, event, exists, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from process.contract import Contract, is_that_of
from process.fields import HELD
from process.orders import IssuedDocument
from register.address import with_driver
from register.models import (
    AuditLine,
    Base,
    Delivery,
    Document,
    DoePassword,
    Draft,
    Key,
    Mail,
    Onboarding,
    PasswordReading,
    Piece,
    Utc,
    intention_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.pool import ConnectionPoolEntry

    from process.orders import DocumentOrder, MailOrder, OpenOnboarding, Projection, Recipient

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_MIGRATION_LOCK: Final = 0x4D494C454F  # "MILEO": any number, the same in every worker.
_MIGRATING: Final = threading.Lock()
_SQLITE: Final = {"timeout": 10}
"""Seconds that a connection waits for another one's writing."""

_CONNECTIONS: Final = 15
_SQLITE_KEPT: Final = 5
"""To open one is nothing there, and one writes at a time."""

_POSTGRESQL: Final = {"timeout": 10, "command_timeout": 60}
"""Seconds to connect, and to answer: a database that says nothing must not hold an activity."""


class AlreadyIssued(Exception):  # noqa: N818 - it states a situation
    """A document of that reference exists with other bytes: it is never overwritten."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class RegisteredOnboarding(_Row):
    """An onboarding as the register knows it; ``status`` is None before its first picture."""

    reference: str
    contract_sha256: str
    client_name: str
    workflow_id: str
    run_id: str
    step: str | None
    health: str | None
    project_manager: str | None
    next_deadline: datetime | None
    last_missed_at: datetime | None
    open_reserves: int
    missed_deadlines: int
    status: dict[str, Any] | None
    in_charge: list[dict[str, Any]] | None
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class RegisteredDocument(_Row):
    """One issued version of a document; ``path`` is relative to the document store."""

    reference: str
    onboarding: str
    kind: str
    version: int
    sha256: str
    size: int
    path: str
    issued_at: datetime
    recipients: list[dict[str, Any]]


class RegisteredPiece(_Row):
    """A file received for the DOE; ``path`` is relative to the document store."""

    onboarding: str
    sha256: str
    size: int
    media: str
    name: str
    uri: str
    path: str
    secrets: list[dict[str, Any]]
    received_at: datetime


class MailRow(_Row):
    """One message to one recipient (``recipient`` is the address)."""

    onboarding: str
    kind: str
    key: str
    role: str
    recipient: str
    name: str | None
    message_id: str
    subject: str
    state: Literal["pending", "accepted", "refused"]
    accepted_at: datetime | None
    refused_at: datetime | None
    reply: str | None
    attachments: list[str]
    attempts: int
    created_at: datetime
    content: str | None = None
    handed_at: datetime | None = None


class RegisteredDelivery(_Row):
    """A message of another service that was taken, by its sender and its id."""

    sender: str
    message_id: str
    path: str
    onboarding: str
    sha256: str
    outcome: str
    received_at: datetime


class RegisteredDraft(_Row):
    """What is known of a contract before it starts; complete with both."""

    reference: str
    contract: dict[str, Any] | None
    signed_at: str | None


class Audited(_Row):
    """Something that someone did: ``key`` is where it is known from, the same each time."""

    key: str
    onboarding: str | None
    at: datetime
    door: Literal["http", "cli", "temporal", "system"]
    who: str
    act: str
    subject: str | None = None
    outcome: str | None = None
    in_clear: bool | None = None
    reason: str | None = None


class Register:
    """The register behind one database address. ``migrate`` it once before use, ``close`` it
    at the end. A database that fails raises SQLAlchemy's errors, one that cannot be reached
    ``OSError`` too; their texts are without the data of the rows."""

    def __init__(self, database_url: str) -> None:
        url = with_driver(database_url)
        on_sqlite = url.startswith("sqlite")
        # hide_parameters: an error text ends in logs and histories, the rows hold people's names.
        self._engine = create_async_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            # As many at once as SQLAlchemy's own pool, which keeps five of them: on PostgreSQL each
            # of the others would be opened, and closed, for one question.
            pool_size=_SQLITE_KEPT if on_sqlite else _CONNECTIONS,
            max_overflow=_CONNECTIONS - _SQLITE_KEPT if on_sqlite else 0,
            connect_args=_SQLITE if on_sqlite else _POSTGRESQL,
        )
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)

    async def migrate(self) -> None:
        """Bring the tables to this version, in a new database too. Several workers may do it at
        once, and several registers in one process."""
        if self._engine.dialect.name == "sqlite" and self._engine.url.database:
            Path(self._engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        async with _one_migration():
            # On SQLite the immediate transaction is the lock that PostgreSQL is asked for by name.
            engine = self._engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            async with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    await connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
                await connection.run_sync(_upgrade)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    def change(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A transaction over several tables, for whoever reads before it writes: on SQLite it
        begins as a writing."""
        engine = self._engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        return async_sessionmaker(engine, expire_on_commit=False).begin()

    # Onboardings

    async def claim(self, order: OpenOnboarding, sha256: str) -> str | None:
        """Take the contract's reference for this run (DESIGN, section 2).

        None: it is ours, now or already. Otherwise the reason why it is not, in French.
        ``order.contract`` is valid; ``sha256`` is its canonical fingerprint.
        """
        contract = Contract.model_validate(order.contract, context=HELD)
        new = self._insert(Onboarding).values(
            reference=contract.reference,
            contract_sha256=sha256,
            contract=contract.model_dump(mode="json"),
            client_name=contract.client.name,
            workflow_id=order.workflow_id,
            run_id=order.run_id,
            open_reserves=0,
            missed_deadlines=0,
            opened_at=order.started_at,
            updated_at=order.started_at,
        )
        async with self._session.begin() as session:
            await session.execute(new.on_conflict_do_nothing(index_elements=["reference"]))
            # Ours or the one that came first: after the insertion there is always a row.
            holder = await session.get_one(Onboarding, contract.reference)
        if holder.run_id == order.run_id:
            return None
        held = Contract.model_validate(holder.contract, context=HELD)
        if is_that_of(holder.contract_sha256, contract, held):
            return (
                f"le contrat {contract.reference} est déjà connu : "
                f"son onboarding est {holder.workflow_id}"
            )
        return (
            f"la référence {contract.reference} est déjà prise par un autre contrat, "
            "dont le contenu diffère"
        )

    async def release(self, reference: str, run_id: str) -> None:
        """Free a reference that this run, which is over, claimed and did nothing with."""
        unused = (
            delete(Onboarding)
            .where(Onboarding.reference == reference, Onboarding.run_id == run_id)
            .where(Onboarding.status.is_(None))
            .where(~exists().where(Document.onboarding == reference))
        )
        async with self._session.begin() as session:
            await session.execute(unused)

    async def references(self) -> list[str]:
        """Every reference ever claimed, in order."""
        query = select(Onboarding.reference).order_by(Onboarding.reference)
        async with self._session() as session:
            return list(await session.scalars(query))

    async def contract(self, reference: str) -> Contract:
        """The contract of an onboarding. Raises ``KeyError`` when it is unknown."""
        async with self._session() as session:
            contract = await session.scalar(
                select(Onboarding.contract).where(Onboarding.reference == reference)
            )
        if contract is None:
            raise KeyError(reference)
        return Contract.model_validate(contract, context=HELD)

    async def onboarding(self, reference: str) -> RegisteredOnboarding | None:
        """The last known picture of an onboarding, if its reference was ever claimed."""
        async with self._session() as session:
            row = await session.get(Onboarding, reference)
        return None if row is None else RegisteredOnboarding.model_validate(row)

    async def closed(self) -> list[RegisteredOnboarding]:
        """The last picture of every onboarding that is over, by reference."""
        query = (
            select(Onboarding)
            .where(Onboarding.closed_at.is_not(None))
            .order_by(Onboarding.reference)
        )
        async with self._session() as session:
            return [
                RegisteredOnboarding.model_validate(row) for row in await session.scalars(query)
            ]

    async def project(self, projection: Projection) -> None:
        """Keep this picture, unless a later one is already kept.

        Raises ``KeyError`` when the onboarding is unknown.
        """
        fields = projection.model_dump(exclude={"onboarding", "at", "closed"})
        # The first end counts. Typed by hand: a function's bare argument would lose its offset.
        ended = func.coalesce(Onboarding.closed_at, literal(projection.at, Utc()))
        newer = (
            update(Onboarding)
            .where(Onboarding.reference == projection.onboarding)
            .where(Onboarding.updated_at <= projection.at)
            .values(
                **fields, updated_at=projection.at, closed_at=ended if projection.closed else None
            )
            .returning(Onboarding.reference)
        )
        async with self._session.begin() as session:
            if await session.scalar(newer) is None:
                known = await session.get(Onboarding, projection.onboarding)
                if known is None:
                    raise KeyError(projection.onboarding)

    # Documents

    async def document(self, reference: str) -> IssuedDocument | None:
        """The issued document of that reference, if there is one."""
        row = await self._document(reference)
        return None if row is None else IssuedDocument.model_validate(row, from_attributes=True)

    async def document_path(self, reference: str) -> str | None:
        """Where an issued document is, relative to the document store."""
        row = await self._document(reference)
        return None if row is None else row.path

    async def documents(self, onboarding: str) -> list[RegisteredDocument]:
        """Every document issued for an onboarding and kept, the oldest first."""
        query = (
            select(Document)
            .where(Document.onboarding == onboarding, Document.removed_at.is_(None))
            .order_by(Document.issued_at, Document.reference)
        )
        async with self._session() as session:
            rows = (await session.scalars(query)).all()
        return [RegisteredDocument.model_validate(row) for row in rows]

    async def document_content(self, reference: str) -> str | None:
        """The fingerprint of the order that an issued document was made of, if it was kept."""
        row = await self._document(reference)
        return None if row is None else row.content

    async def record_document(
        self, order: DocumentOrder, issued: IssuedDocument, path: str, content: str | None = None
    ) -> None:
        """Record an issued document, once, with the fingerprint of its order. Raises
        ``AlreadyIssued`` when its reference already stands for other bytes."""
        new = self._insert(Document).values(
            **issued.model_dump(),
            content=content,
            onboarding=order.onboarding,
            path=path,
            recipients=[one.model_dump(mode="json") for one in order.recipients],
            data=order.data,
        )
        async with self._session.begin() as session:
            await session.execute(new.on_conflict_do_nothing(index_elements=["reference"]))
            kept = await session.get_one(Document, issued.reference)
        if kept.sha256 != issued.sha256:
            message = f"le document {issued.reference} est déjà émis, avec une autre empreinte"
            raise AlreadyIssued(message)

    async def registered_document(self, reference: str) -> RegisteredDocument | None:
        """The whole row of an issued document, if there is one and its file is kept."""
        row = await self._document(reference)
        return None if row is None or row.removed_at else RegisteredDocument.model_validate(row)

    async def document_of(self, sha256: str) -> RegisteredDocument | None:
        """An issued document by its fingerprint, if there is one and its file is kept."""
        kept = Document.sha256 == sha256, Document.removed_at.is_(None)
        query = select(Document).where(*kept).order_by(Document.issued_at)
        async with self._session() as session:
            row = await session.scalar(query.limit(1))
        return None if row is None else RegisteredDocument.model_validate(row)

    async def stated(self, reference: str) -> dict[str, Any] | None:
        """What an issued document states: the data of its order."""
        row = await self._document(reference)
        return None if row is None else row.data

    async def _document(self, reference: str) -> Document | None:
        async with self._session() as session:
            return await session.get(Document, reference)

    # The DOE

    async def record_piece(self, piece: RegisteredPiece) -> None:
        """Record a file received for the DOE, once."""
        new = self._insert(Piece).values(**piece.model_dump())
        async with self._session.begin() as session:
            await session.execute(
                new.on_conflict_do_nothing(index_elements=["onboarding", "sha256"])
            )

    async def pieces(self, onboarding: str) -> list[RegisteredPiece]:
        """Every file received for the DOE of an onboarding and kept, the oldest first."""
        query = (
            select(Piece)
            .where(Piece.onboarding == onboarding, Piece.removed_at.is_(None))
            .order_by(Piece.received_at, Piece.sha256)
        )
        async with self._session() as session:
            rows = (await session.scalars(query)).all()
        return [RegisteredPiece.model_validate(row) for row in rows]

    async def doe_password(self, onboarding: str, proposed: str | None = None) -> str | None:
        """The password of the onboarding's encrypted containers: the one it already has, else
        ``proposed``, which it keeps from then on. None when it has none and none is proposed."""
        async with self._session.begin() as session:
            if proposed is not None:
                new = self._insert(DoePassword).values(
                    onboarding=onboarding, password=proposed, created_at=datetime.now(UTC)
                )
                await session.execute(new.on_conflict_do_nothing(index_elements=["onboarding"]))
            password: str | None = await session.scalar(
                select(DoePassword.password).where(DoePassword.onboarding == onboarding)
            )
        return password

    async def password_read(self, onboarding: str, by: str) -> None:
        """Record that someone was shown the password of a DOE."""
        async with self._session.begin() as session:
            session.add(
                PasswordReading(onboarding=onboarding, read_by=by, read_at=datetime.now(UTC))
            )

    async def password_readings(self, onboarding: str) -> list[tuple[str, datetime]]:
        """Who was shown the password of a DOE, and when, the oldest first."""
        query = (
            select(PasswordReading)
            .where(PasswordReading.onboarding == onboarding)
            .order_by(PasswordReading.id)
        )
        async with self._session() as session:
            return [(row.read_by, row.read_at) for row in await session.scalars(query)]

    # Keys

    async def key(self, name: str, proposed: str) -> str:
        """The key of that name: the one that is kept, else ``proposed``, kept from then on."""
        new = self._insert(Key).values(name=name, value=proposed, created_at=datetime.now(UTC))
        async with self._session.begin() as session:
            await session.execute(new.on_conflict_do_nothing(index_elements=["name"]))
            return (await session.get_one(Key, name)).value

    # What other services send

    async def delivery(self, sender: str, message_id: str) -> RegisteredDelivery | None:
        """The message of that id that was taken from that sender, if there is one."""
        async with self._session() as session:
            row = await session.get(Delivery, (sender, message_id))
        return None if row is None else RegisteredDelivery.model_validate(row)

    async def deliveries(self, onboarding: str) -> list[RegisteredDelivery]:
        """Every message taken about an onboarding, the oldest first: who said what."""
        query = (
            select(Delivery)
            .where(Delivery.onboarding == onboarding)
            .order_by(Delivery.received_at, Delivery.sender, Delivery.message_id)
        )
        async with self._session() as session:
            rows = (await session.scalars(query)).all()
        return [RegisteredDelivery.model_validate(row) for row in rows]

    async def record_delivery(self, delivery: RegisteredDelivery) -> RegisteredDelivery:
        """Record a message that was taken, once; the one that came first under that id."""
        new = self._insert(Delivery).values(**delivery.model_dump())
        async with self._session.begin() as session:
            await session.execute(
                new.on_conflict_do_nothing(index_elements=["sender", "message_id"])
            )
            row = await session.get_one(Delivery, (delivery.sender, delivery.message_id))
        return RegisteredDelivery.model_validate(row)

    async def draft(self, reference: str) -> RegisteredDraft | None:
        """What is known of a contract before it starts, if anything is."""
        async with self._session() as session:
            row = await session.get(Draft, reference)
        return None if row is None else RegisteredDraft.model_validate(row)

    async def keep_draft(self, draft: RegisteredDraft) -> RegisteredDraft:
        """Add what is given to what is known of that contract; the whole. The last word counts
        until it is complete, then nothing changes it."""
        given = draft.model_dump(exclude_none=True, exclude={"reference"})
        row = {**given, "updated_at": datetime.now(UTC)}
        new = self._insert(Draft).values(reference=draft.reference, **row)
        kept = new.on_conflict_do_update(
            index_elements=["reference"],
            set_=row,
            where=or_(Draft.contract.is_(None), Draft.signed_at.is_(None)),
        )
        async with self._session.begin() as session:
            await session.execute(kept)
            whole = await session.get_one(Draft, draft.reference)
        return RegisteredDraft.model_validate(whole)

    # Who did what

    async def record(self, *acts: Audited) -> None:
        """Record what was done, each thing once."""
        if acts:
            async with self._session.begin() as session:
                await self.record_in(session, *acts)

    async def record_in(self, session: AsyncSession, *acts: Audited) -> None:
        """The same with the rest of a transaction: both are done, or none."""
        for act in acts:
            new = self._insert(AuditLine).values(**act.model_dump())
            await session.execute(new.on_conflict_do_nothing(index_elements=["key"]))

    async def audited(
        self, onboarding: str | None = None, *, act: str | None = None, subject: str | None = None
    ) -> list[Audited]:
        """What was recorded about an onboarding, or everywhere, the oldest first."""
        query = select(AuditLine).order_by(AuditLine.at, AuditLine.id)
        if onboarding is not None:
            query = query.where(AuditLine.onboarding == onboarding)
        if act is not None:
            query = query.where(AuditLine.act == act)
        if subject is not None:
            query = query.where(AuditLine.subject == subject)
        async with self._session() as session:
            return [Audited.model_validate(row) for row in await session.scalars(query)]

    # Mails

    async def mails_of(self, onboarding: str, key: str) -> dict[str, MailRow]:
        """The messages of one sending, by their address in lower case."""
        query = select(Mail).where(Mail.onboarding == onboarding, Mail.key == key)
        async with self._session() as session:
            rows = await session.scalars(query.where(Mail.intention.is_not(None)))
            return {row.recipient.lower(): MailRow.model_validate(row) for row in rows}

    async def begin_mail(
        self,
        order: MailOrder,
        recipient: Recipient,
        message_id: str,
        subject: str,
        content: str | None = None,
    ) -> MailRow:
        """The row of a message, created ``pending`` by the first attempt; each attempt on a
        message that is still pending is counted. One row an onboarding, key and address, which
        keeps its first Message-ID. Raises ``ValueError`` without an address."""
        if recipient.email is None:
            raise ValueError("the recipient's address must be resolved")
        intention = intention_of(order.onboarding, order.key, recipient.email)
        new = self._insert(Mail).values(
            message_id=message_id,
            intention=intention,
            onboarding=order.onboarding,
            kind=order.kind,
            key=order.key,
            role=recipient.role,
            recipient=recipient.email,
            name=recipient.name,
            subject=subject,
            state="pending",
            content=content,
            attachments=order.attachments,
            attempts=1,
            # When the row was written, for whoever repairs a database; no limit is held to it.
            created_at=datetime.now(UTC),
        )
        counted = new.on_conflict_do_update(
            index_elements=["intention"],
            set_={"attempts": Mail.attempts + 1},
            where=Mail.state == "pending",
        )
        async with self._session.begin() as session:
            await session.execute(counted)
            row = await session.scalar(select(Mail).where(Mail.intention == intention))
        return MailRow.model_validate(row)

    async def mail_handed(
        self, message_id: str, at: datetime | None, content: str | None = None
    ) -> None:
        """The message is about to be handed over whole: until there is an answer, it may have been
        taken. ``at`` None: the server said that it was not. Raises ``KeyError`` when the message
        is unknown."""
        change: dict[str, Any] = {"handed_at": at}
        if content is not None:
            change["content"] = content
        handed = (
            update(Mail)
            .where(Mail.message_id == message_id, Mail.state != "accepted")
            .values(**change)
        )
        async with self._session.begin() as session:
            await session.execute(handed)
            if await session.scalar(select(Mail.id).where(Mail.message_id == message_id)) is None:
                raise KeyError(message_id)

    async def mail_accepted(self, message_id: str, at: datetime, reply: str) -> None:
        """The mail server accepted the message. The first acceptance is the one that counts.
        Raises ``KeyError`` when the message is unknown."""
        await self._answered(message_id, ("pending", "refused"), reply, accepted_at=at)

    async def mail_refused(self, message_id: str, at: datetime, reply: str) -> None:
        """The mail server definitively refused the message; an acceptance is never undone.
        Raises ``KeyError`` when the message is unknown."""
        await self._answered(message_id, ("pending",), reply, refused_at=at)

    async def mails(self, onboarding: str) -> list[MailRow]:
        """Every message of an onboarding, in the order of their first attempt."""
        query = select(Mail).where(Mail.onboarding == onboarding).order_by(Mail.id)
        async with self._session() as session:
            rows = (await session.scalars(query)).all()
        return [MailRow.model_validate(row) for row in rows]

    async def _answered(
        self, message_id: str, before: tuple[str, ...], reply: str, **at: datetime
    ) -> None:
        state = "accepted" if "accepted_at" in at else "refused"
        answer = (
            update(Mail)
            .where(Mail.message_id == message_id, Mail.state.in_(before))
            # A server's words are not ours: PostgreSQL has no NUL in texts.
            .values(state=state, reply=reply.replace("\0", ""), handed_at=None, **at)
        )
        async with self._session.begin() as session:
            await session.execute(answer)
            if await session.scalar(select(Mail.id).where(Mail.message_id == message_id)) is None:
                raise KeyError(message_id)

    def _insert(self, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
        """Both databases have ON CONFLICT, each in its own dialect of SQLAlchemy."""
        if self._engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)


@asynccontextmanager
async def _one_migration() -> AsyncIterator[None]:
    """Alembic keeps what it works on in its own module: one at a time in a process, whatever the
    databases, threads and loops."""
    while not _MIGRATING.acquire(blocking=False):  # noqa: ASYNC110 - of threads, it has no event
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        _MIGRATING.release()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(engine: AsyncEngine) -> None:
    """What SQLite needs: foreign keys, a journal that lets readers read, and transactions that
    also cover the definition of tables."""

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's driver would begin transactions by itself, and not before CREATE TABLE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))
