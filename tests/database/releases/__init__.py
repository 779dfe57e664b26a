"""The databases of released versions: their tables as SQLite and MariaDB keep them, and rows that the service wrote."""

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine

from video2mp3.database.connection import Database
from video2mp3.storage.disk import DiskStorage

FOLDER = Path(__file__).parent
PASSWORD = "correct horse battery"
"""Of the user in the rows."""


@dataclass(frozen=True)
class Release:
    """The database of a version, in a folder of that name."""

    version: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.version

    @cached_property
    def known(self) -> dict[str, Any]:
        """What no row tells: ids, and the secret of the API key."""
        found: dict[str, Any] = json.loads((self.folder / "known.json").read_text())
        return found

    def create_tables(self, database: Database) -> None:
        """Creates the tables as they were."""
        _execute(database, self.folder / ("sqlite.sql" if database.dialect == "sqlite" else "mariadb.sql"))

    def insert_rows(self, database: Database) -> None:
        """Inserts the rows with the columns of the version, as a replica of it does."""
        _execute(database, self.folder / "rows.sql")

    def store_objects(self, folder: Path) -> DiskStorage:
        """Returns a storage with the objects that the rows name."""
        storage = DiskStorage(folder)
        storage.scratch_folder.mkdir(parents=True, exist_ok=True)
        for key, content in self.objects.items():
            path = storage.scratch_folder / "object"
            path.write_bytes(content)
            storage.put_file(key, path)
        return storage

    @cached_property
    def objects(self) -> dict[str, bytes]:
        """The stored objects by their keys."""
        stored = json.loads((self.folder / "objects.json").read_text())
        return {key: zlib.decompress(base64.b64decode(text)) for key, text in stored.items()}


def releases() -> list[Release]:
    """Returns all, the oldest first."""
    versions = [path.parent.name for path in FOLDER.glob("*/rows.sql")]
    return [Release(version) for version in sorted(versions, key=lambda text: [int(part) for part in text.split(".")])]


def _execute(database: Database, script: Path) -> None:
    engine = create_engine(database.engine.url, poolclass=NullPool)
    connection = engine.raw_connection()
    cursor = connection.cursor()
    if database.dialect != "sqlite":
        cursor.execute("SET sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')")
    for statement in _statements(script.read_text(encoding="utf-8")):
        cursor.execute(statement)
    connection.commit()
    connection.close()
    engine.dispose()


def _statements(script: str) -> Iterator[str]:
    """Splits a script; a statement ends with a line, and texts may have several."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip()
