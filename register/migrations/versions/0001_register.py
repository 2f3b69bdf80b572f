"""The register: onboardings, documents, mails."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "onboardings",
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("contract_sha256", sa.String(64), nullable=False),
        sa.Column("contract", sa.JSON(), nullable=False),
        sa.Column("client_name", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("health", sa.String(), nullable=True),
        sa.Column("project_manager", sa.String(), nullable=True),
        _instant("next_deadline", nullable=True),
        _instant("last_missed_at", nullable=True),
        sa.Column("open_reserves", sa.Integer(), nullable=False),
        sa.Column("missed_deadlines", sa.Integer(), nullable=False),
        sa.Column("status", sa.JSON(), nullable=True),
        _instant("opened_at"),
        _instant("updated_at"),
        _instant("closed_at", nullable=True),
        sa.PrimaryKeyConstraint("reference", name="pk_onboardings"),
    )
    op.create_table(
        "documents",
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("onboarding", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        _instant("issued_at"),
        sa.Column("recipients", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["onboarding"], ["onboardings.reference"], name="fk_documents_onboarding_onboardings"
        ),
        sa.PrimaryKeyConstraint("reference", name="pk_documents"),
    )
    op.create_index("ix_documents_onboarding", "documents", ["onboarding"])
    op.create_index("ix_documents_sha256", "documents", ["sha256"])
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("onboarding", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        _instant("accepted_at", nullable=True),
        _instant("refused_at", nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("created_at"),
        sa.ForeignKeyConstraint(
            ["onboarding"], ["onboardings.reference"], name="fk_mails_onboarding_onboardings"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
        sa.UniqueConstraint("message_id", name="uq_mails_message_id"),
    )
    op.create_index("ix_mails_onboarding", "mails", ["onboarding"])
