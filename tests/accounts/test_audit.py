"""The audit log, on every database."""

import threading
import time

from sqlalchemy import select, update

from video2mp3.accounts import audit
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import AuditEntry, User


def entries(database: Database, *, action: str | None = None, user: str | None = None) -> list[audit.NamedEntry]:
    with database.read() as session:
        return list(audit.entries(session, action=action, username_key=user, before_id=None, limit=100))


def test_an_entry_says_who_did_what_from_where(database: Database, ada: User) -> None:
    with audit.coming_from(audit.Origin("192.0.2.1", "r1")), database.write() as session:
        audit.record(session, "webhook.created", by=ada.id, about="w" * 32, detail="x")
    (found,) = entries(database)
    entry = found.entry
    assert (found.username, entry.action, entry.user_id, entry.subject_id) == (
        "ada",
        "webhook.created",
        ada.id,
        "w" * 32,
    )
    assert (entry.address, entry.request_id, entry.detail) == ("192.0.2.1", "r1", "x")


def test_it_is_undone_with_what_it_tells(database: Database, ada: User) -> None:
    class Stop(Exception):
        pass

    try:
        with database.write() as session:
            audit.record(session, "webhook.created", by=ada.id)
            raise Stop
    except Stop:
        pass
    assert entries(database) == []


def test_the_command_line_has_no_address_and_other_threads_no_origin_of_ours(database: Database, ada: User) -> None:
    def note() -> None:
        with database.write() as session:
            audit.record(session, "worker.drained", by=None)

    with audit.coming_from(audit.Origin("192.0.2.1", "r1")):
        thread = threading.Thread(target=note)
        thread.start()
        thread.join()
        note()
    assert [(found.entry.address, found.entry.request_id) for found in entries(database)] == [
        ("192.0.2.1", "r1"),
        (None, None),
    ]


def test_entries_are_found_by_action_and_by_whom_they_are_about_the_newest_first(database: Database, ada: User) -> None:
    with database.write() as session:
        audit.record(session, "login.failed", by=None, about=ada.id)
        # Those of one millisecond are in no order.
        time.sleep(0.002)
        audit.record(session, "login.succeeded", by=ada.id)
        time.sleep(0.002)
        audit.record(session, "login.failed", by=None)
    assert [found.entry.action for found in entries(database, user="ada")] == ["login.succeeded", "login.failed"]
    assert [found.entry.subject_id for found in entries(database, action="login.failed")] == [None, ada.id]
    assert entries(database, user="bob") == []


def test_old_entries_are_deleted_and_others_outlive_the_account(database: Database, ada: User) -> None:
    with database.write() as session:
        audit.record(session, "login.succeeded", by=ada.id, detail="old")
        session.execute(update(AuditEntry).values(at=now() - 100 * SECOND))
        audit.record(session, "account.deleted", by=ada.id)
        session.delete(session.merge(ada))
    with database.write() as session:
        assert audit.delete_expired(session, retention_s=50) == 1
        assert session.scalars(select(AuditEntry.action)).all() == ["account.deleted"]
    assert entries(database)[0].username is None
