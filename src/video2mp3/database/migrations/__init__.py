"""The revisions of the tables, for Alembic; run by `database/migrate.py`."""
