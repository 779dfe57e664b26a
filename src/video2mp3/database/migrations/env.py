"""Alembic calls this; the connection, with its transaction, comes from `database/migrate.py`."""

from alembic import context

from video2mp3.database.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
