"""The files of the DOE, the password of its container, the key of the links to documents, and
what each document states."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from register.models import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("data", sa.JSON(), nullable=True))
    with op.batch_alter_table("documents") as documents:
        documents.alter_column(
            "size", existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False
        )
    op.create_table(
        "pieces",
        sa.Column("onboarding", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uri", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("received_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["onboarding"], ["onboardings.reference"], name="fk_pieces_onboarding_onboardings"
        ),
        sa.PrimaryKeyConstraint("onboarding", "sha256", name="pk_pieces"),
    )
    op.create_table(
        "doe_passwords",
        sa.Column("onboarding", sa.String(64), nullable=False),
        sa.Column("password", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["onboarding"],
            ["onboardings.reference"],
            name="fk_doe_passwords_onboarding_onboardings",
        ),
        sa.PrimaryKeyConstraint("onboarding", name="pk_doe_passwords"),
    )
    op.create_table(
        "password_readings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("onboarding", sa.String(64), nullable=False),
        sa.Column("read_by", sa.String(), nullable=False),
        sa.Column("read_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["onboarding"],
            ["onboardings.reference"],
            name="fk_password_readings_onboarding_onboardings",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_password_readings"),
    )
    op.create_index(op.f("ix_password_readings_onboarding"), "password_readings", ["onboarding"])
    op.create_table(
        "keys",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_keys"),
    )
