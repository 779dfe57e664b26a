"""Deleted accounts are erased, with every object and row, and nobody else's are touched."""

import threading
from collections import Counter
from contextlib import suppress

import pytest
from sqlalchemy import select

from tests.jobs.objects import keys_in, put
from tests.jobs.rows import change_job, claimed, finish, make_user, read_job, submit
from tests.servers import wait_until
from tests.worker.system import System
from video2mp3.accounts import api_keys, one_time_tokens, sign_ins, users
from video2mp3.database.connection import Database
from video2mp3.database.tables import Base, User
from video2mp3.errors import Conflict, DatabaseUnavailable
from video2mp3.jobs import batches, lifecycle
from video2mp3.jobs.canceling import cancel_all
from video2mp3.jobs.housekeeping import erasing
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.outbox import webhooks
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage import Storage

CONTENT = b"not really a video" * 100


@pytest.fixture
def system(database: Database, storage: Storage, memory: MemoryQueue) -> System:
    """A database and a storage of each kind; nothing converts."""
    return System(database, memory, storage)


def fill(system: System, name: str) -> str:
    """An account that has something of everything: a finished job, one that waits, a file that was not converted."""
    user_id = make_user(system.database, name, f"{name}@example.org")
    with system.database.write() as session:
        user = session.get_one(User, user_id)
        sign_ins.start(session, user, "refresh", lifetime_s=600)
        api_keys.create(session, user_id, "script", ["read"], lifetime_s=None)
        one_time_tokens.request(session, "verify", user)
        webhooks.create(session, user_id, "https://hooks.example.org/", ["conversion.finished"])
        batch = batches.create(session, user_id, tag=None, webhook=None, idempotency=None)
    done = submit(system.database, user_id, system.upload(user_id, CONTENT), batch_id=batch.id)
    taken = claimed(system.database, done.id)
    assert finish(system.database, taken, put(system.storage, f"results/{done.id}/{taken.fence}.mp3"))
    submit(system.database, user_id, system.upload(user_id, CONTENT))
    system.upload(user_id, CONTENT)
    return user_id


def leave(system: System, user_id: str) -> None:
    """What the request to delete an account does."""
    with system.database.write() as session:
        users.delete(session, session.get_one(User, user_id))
    cancel_all(system.database, user_id)


def rows(system: System) -> Counter[str]:
    with system.database.read() as session:
        found = {name: len(session.execute(select(table)).all()) for name, table in Base.metadata.tables.items()}
    return Counter({name: count for name, count in found.items() if count})


def erase(system: System) -> int:
    return erasing.erase_deleted(system.database, system.storage)


def test_of_a_deleted_account_nothing_stays_and_of_others_everything(system: System) -> None:
    fill(system, "ada")
    rows_of_one, keys_of_one = rows(system), keys_in(system.storage)
    assert len(keys_of_one) == 4
    assert len(rows_of_one) >= 9
    bob = fill(system, "bob")
    assert erase(system) == 0
    assert rows(system) == Counter({name: 2 * count for name, count in rows_of_one.items()})
    leave(system, bob)
    assert erase(system) == 1
    # What is left is ada's, to the last row and object.
    assert rows(system) == rows_of_one
    assert keys_in(system.storage) == keys_of_one


def test_what_a_worker_has_is_erased_once_it_has_let_go(system: System) -> None:
    ada = fill(system, "ada")
    job = submit(system.database, ada, system.upload(ada, CONTENT))
    taken = claimed(system.database, job.id)
    leave(system, ada)
    assert erase(system) == 0
    assert read_job(system.database, job.id).cancel_requested
    # Its source is still there, and nothing else.
    assert all(key.startswith("uploads/") for key in keys_in(system.storage))
    with system.database.write() as session:
        assert lifecycle.heartbeat(session, taken, percent=1, done_s=1) == "cancel"
        assert lifecycle.release(session, taken)
    assert read_job(system.database, job.id).state == "canceled"
    assert erase(system) == 1
    assert (rows(system), keys_in(system.storage)) == (Counter(), set())


def test_a_lost_worker_does_not_keep_an_account(system: System) -> None:
    ada = fill(system, "ada")
    job = submit(system.database, ada, system.upload(ada, CONTENT))
    claimed(system.database, job.id)
    leave(system, ada)
    change_job(system.database, job.id, lease_until=0)
    with system.database.write() as session:
        assert lifecycle.reap(session) == 1
    assert erase(system) == 1


def test_many_processes_erase_at_once(system: System) -> None:
    users_to_go = [fill(system, name) for name in ("ada", "bob")]
    kept = fill(system, "carol")
    before = rows(system)
    for user_id in users_to_go:
        leave(system, user_id)
    started = threading.Barrier(3)

    def housekeeping() -> None:
        started.wait()
        # On MySQL two may wait for each other; the next round goes on, as housekeeping does.
        for _ in range(20):
            with suppress(DatabaseUnavailable):
                erase(system)
                return

    threads = [threading.Thread(target=housekeeping) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(system) == Counter({name: count // 3 for name, count in before.items()})
    with system.database.read() as session:
        assert session.scalars(select(User.id)).all() == [kept]


def test_housekeeping_erases(system: System) -> None:
    leave(system, fill(system, "ada"))
    housekeeping = Housekeeping(system.database, system.queue, system.storage)
    housekeeping.start()
    try:
        wait_until(lambda: not rows(system)["users"], 30, "the end of the account")
    finally:
        housekeeping.stop()
    assert keys_in(system.storage) == set()


def test_a_deleted_account_does_not_come_back(database: Database) -> None:
    ada = make_user(database, "ada")
    with database.write() as session:
        user = session.get_one(User, ada)
        users.delete(session, user)
        assert users.find(session, ada) is None
        with pytest.raises(Conflict):
            users.enable(session, user)
        # Until it is erased, nobody takes its name.
        assert users.is_taken(session, "ada")


def test_the_last_administrator_stays(database: Database) -> None:
    ids = [make_user(database, name) for name in ("ada", "bob")]
    with database.write() as session:
        ada, bob = (session.get_one(User, user_id) for user_id in ids)
        ada.role = bob.role = "admin"
        session.flush()
        users.delete(session, ada)
        with pytest.raises(Conflict):
            users.delete(session, bob)
        assert users.find(session, bob.id) is not None
