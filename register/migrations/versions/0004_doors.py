"""What other services sent, and the contracts that wait for their signature."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from register.models import Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("sender", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(200), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("onboarding", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "message_id", name="pk_deliveries"),
    )
    op.create_index(op.f("ix_deliveries_onboarding"), "deliveries", ["onboarding"])
    op.create_table(
        "drafts",
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("contract", sa.JSON(), nullable=True),
        sa.Column("signed_at", sa.String(), nullable=True),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("reference", name="pk_drafts"),
    )
