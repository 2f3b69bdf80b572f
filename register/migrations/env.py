"""Plays the migrations on the connection that ``Register.migrate`` has opened and locked."""

from __future__ import annotations

from alembic import context

from register.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter a table: Alembic copies it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
