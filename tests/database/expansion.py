"""The rule of migrations: replicas of the version before work with the new tables, beside those of the new version.

So a migration only adds. A column that nobody uses any more is dropped a release later.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, MetaData, String, Table, UniqueConstraint
from sqlalchemy.types import TypeEngine

from video2mp3.database.connection import Database


def tables_of(database: Database) -> MetaData:
    """Returns the tables as the database describes them."""
    metadata = MetaData()
    metadata.reflect(database.engine)
    return metadata


def contractions(before: MetaData, after: MetaData) -> list[str]:
    """Returns what a replica that knows the tables `before` cannot work with in `after`; nothing where all is well."""
    return [found for table in before.sorted_tables for found in _of_table(table, after.tables.get(table.name))]


def _of_table(before: Table, after: Table | None) -> Iterator[str]:
    if after is None:
        yield f"table {before.name} was dropped or renamed"
        return
    for column in before.columns:
        yield from _of_column(column, after.columns.get(column.name))
    for column in after.columns:
        if column.name not in before.columns and not column.nullable and column.server_default is None:
            yield f"column {column} is new, takes no NULL and has no server default"
    for columns in sorted(_unique(after) - _unique(before)):
        yield f"columns {', '.join(columns)} of {before.name} are unique now"


def _of_column(before: Column[Any], after: Column[Any] | None) -> Iterator[str]:
    if after is None:
        yield f"column {before} was dropped or renamed"
        return
    if before.nullable != after.nullable:
        yield f"column {before} {'may' if after.nullable else 'must not'} be NULL now"
    if not _holds(after.type, before.type):
        yield f"column {before} is {after.type} now, and was {before.type}"


def _holds(new: TypeEngine[Any], old: TypeEngine[Any]) -> bool:
    if isinstance(new, String) and isinstance(old, String) and new.length and old.length:
        return type(new) is type(old) and new.length >= old.length
    return str(new) == str(old)


def _unique(table: Table) -> set[tuple[str, ...]]:
    found = [constraint.columns for constraint in table.constraints if isinstance(constraint, UniqueConstraint)]
    found += [index.columns for index in table.indexes if index.unique]
    return {tuple(sorted(column.name for column in columns)) for columns in found}
