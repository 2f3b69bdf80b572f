"""A mail may be about a contract that has no onboarding yet: a signature that came alone."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("mails") as mails:
        mails.drop_constraint("fk_mails_onboarding_onboardings", type_="foreignkey")
