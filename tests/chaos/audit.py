"""Lets the database itself write down every change of a job's state, so that no change can be missed."""

from dataclasses import dataclass

from sqlalchemy import text

from video2mp3.database.connection import Database

_ASCII = "CHARACTER SET ascii COLLATE ascii_bin"
_TABLE = f"""
CREATE TABLE audit (
    id BIGINT AUTO_INCREMENT PRIMARY KEY, at BIGINT, job_id VARCHAR(32) {_ASCII},
    old_state VARCHAR(32) {_ASCII}, new_state VARCHAR(32) {_ASCII}, old_fence BIGINT, new_fence BIGINT,
    old_key VARCHAR(255) {_ASCII}, new_key VARCHAR(255) {_ASCII})
"""
_NOW = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
_ON_INSERT = f"""
CREATE TRIGGER audit_insert AFTER INSERT ON jobs FOR EACH ROW
    INSERT INTO audit (at, job_id, old_state, new_state, old_fence, new_fence, old_key, new_key)
    VALUES ({_NOW}, NEW.id, '', NEW.state, 0, NEW.fence, NULL, NEW.result_key)
"""
_ON_UPDATE = f"""
CREATE TRIGGER audit_update AFTER UPDATE ON jobs FOR EACH ROW
    INSERT INTO audit (at, job_id, old_state, new_state, old_fence, new_fence, old_key, new_key)
    SELECT {_NOW}, NEW.id, OLD.state, NEW.state, OLD.fence, NEW.fence, OLD.result_key, NEW.result_key FROM DUAL
    WHERE NEW.state <> OLD.state OR NEW.fence <> OLD.fence OR NOT (NEW.result_key <=> OLD.result_key)
"""


@dataclass(frozen=True)
class Change:
    """One change of one job. `old_state` is empty where the job is new; `at` is in microseconds since 1970."""

    at: int
    job_id: str
    old_state: str
    new_state: str
    old_fence: int
    new_fence: int
    old_key: str | None
    new_key: str | None


def install(database: Database) -> None:
    """Begins to write."""
    with database.write() as session:
        for statement in (_TABLE, _ON_INSERT, _ON_UPDATE):
            session.connection().exec_driver_sql(statement)


def changes(database: Database) -> list[Change]:
    """Returns all changes so far, in their order."""
    columns = "at, job_id, old_state, new_state, old_fence, new_fence, old_key, new_key"
    with database.read() as session:
        return [Change(*row) for row in session.execute(text(f"SELECT {columns} FROM audit ORDER BY id"))]
