"""Commands for administrators: they work on the database, `verify` also on the storage, and need no running service."""
