"""Who did what through which door, and what was removed at the end of its time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from register.models import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("onboarding", sa.String(64), nullable=True),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("door", sa.String(), nullable=False),
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("in_clear", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.UniqueConstraint("key", name="uq_audit_key"),
    )
    op.create_index(op.f("ix_audit_onboarding"), "audit", ["onboarding"])
    op.create_index(op.f("ix_audit_act"), "audit", ["act"])
    op.add_column("documents", sa.Column("removed_at", Utc(), nullable=True))
    op.add_column("pieces", sa.Column("removed_at", Utc(), nullable=True))
