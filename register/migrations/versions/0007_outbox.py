"""What was accepted is known by onboarding, key and address; what left is known by its content."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from register.models import Utc, intention_of

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000


def upgrade() -> None:
    op.add_column("mails", sa.Column("intention", sa.String(64), nullable=True))
    op.add_column("mails", sa.Column("content", sa.String(64), nullable=True))
    op.add_column("mails", sa.Column("handed_at", Utc(), nullable=True))
    op.add_column("documents", sa.Column("content", sa.String(64), nullable=True))
    _fill_in()
    with op.batch_alter_table("mails") as mails:
        mails.create_unique_constraint("uq_mails_intention", ["intention"])


def _fill_in() -> None:
    """Give each message its intention. Where a change of domain had one leave twice, the accepted
    row has it, else the first; the other remains as a proof of what left."""
    mails = sa.table(
        "mails",
        *(sa.column(name) for name in ("id", "onboarding", "key", "recipient", "state")),
        sa.column("intention"),
    )
    connection = op.get_bind()
    first_accepted = sa.case((mails.c.state == "accepted", 0), else_=1)
    held: dict[str, int] = {}
    for row in connection.execute(sa.select(mails).order_by(first_accepted, mails.c.id)):
        held.setdefault(intention_of(row.onboarding, row.key, row.recipient), row.id)
    changes = [{"row": id_, "is": digest} for digest, id_ in held.items()]
    filled = (
        sa.update(mails)
        .where(mails.c.id == sa.bindparam("row"))
        .values(intention=sa.bindparam("is"))
    )
    for start in range(0, len(changes), _AT_ONCE):
        connection.execute(filled, changes[start : start + _AT_ONCE])
