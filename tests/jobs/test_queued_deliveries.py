"""How many deliveries of one account may wait: the relay looks at all of them, so there is an end to it."""

from collections import Counter

import pytest
from sqlalchemy import func, select, update

from tests.jobs.rows import claimed, finish, make_user, make_webhook, submit
from video2mp3.database.connection import Database
from video2mp3.database.tables import Notification
from video2mp3.errors import TooManyWaiting
from video2mp3.jobs import batches, lifecycle
from video2mp3.outbox import webhooks
from video2mp3.outbox.webhooks import Receiver

MOST = 5
WEBHOOKS = 3


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_QUEUED", MOST)


def _end(database: Database, user_id: str, jobs: int) -> None:
    for _ in range(jobs):
        assert finish(database, claimed(database, submit(database, user_id).id))


def _states(database: Database, user_id: str, kind: str) -> Counter[str]:
    found = select(Notification.state).where(Notification.user_id == user_id, Notification.kind == kind)
    with database.read() as session:
        return Counter(session.scalars(found))


def test_so_many_wait_and_the_others_have_failed(database: Database) -> None:
    """It should say why; email is queued all the same, and another user's deliveries too."""
    ada, bob = make_user(database, "ada@example.org"), make_user(database)
    for user_id in (ada, ada, ada, bob):
        make_webhook(database, user_id, "https://dead.example/")
    _end(database, ada, 4)
    _end(database, bob, 1)
    assert _states(database, ada, "webhook") == {"queued": MOST, "failed": 4 * WEBHOOKS - MOST}
    assert _states(database, ada, "email") == {"queued": 4}
    assert _states(database, bob, "webhook") == {"queued": 1}
    failed = select(Notification.problem).where(Notification.state == "failed")
    with database.read() as session:
        assert all("waited already" in (problem or "") for problem in session.scalars(failed))
        assert session.scalar(select(func.count(Notification.problem)).where(Notification.state == "queued")) == 0


def test_there_is_room_again_when_one_was_sent(database: Database) -> None:
    ada = make_user(database)
    make_webhook(database, ada, "https://dead.example/")
    _end(database, ada, MOST + 1)
    with database.write() as session:
        session.execute(update(Notification).where(Notification.state == "queued").values(state="sent"))
    _end(database, ada, 1)
    assert _states(database, ada, "webhook") == {"sent": MOST, "failed": 1, "queued": 1}


def test_the_end_of_a_batch_counts_too(database: Database) -> None:
    ada = make_user(database)
    make_webhook(database, ada, "https://dead.example/")
    _end(database, ada, MOST)
    receiver = Receiver("https://dead.example/", webhooks.new_secret())
    with database.write() as session:
        batch = batches.create(session, ada, tag=None, webhook=receiver, idempotency=None)
        batch_id = batch.id
    job = submit(database, ada, batch_id=batch_id)
    with database.write() as session:
        lifecycle.cancel(session, job.id, ada)
    assert _states(database, ada, "batch") == {"failed": 1}


def test_a_delivery_is_repeated_where_there_is_room(database: Database) -> None:
    """It should not be a way around the limit; one that waits anyway may be hurried."""
    ada = make_user(database)
    webhook_id, _ = make_webhook(database, ada, "https://dead.example/")
    _end(database, ada, MOST + 1)
    with database.read() as session:
        deliveries = session.scalars(select(Notification).where(Notification.kind == "webhook"))
        by_state = {one.state: one.id for one in deliveries}
    with database.write() as session:
        webhook = webhooks.find(session, webhook_id, ada)
        assert webhooks.redeliver(session, webhook, by_state["queued"]).state == "queued"
        with pytest.raises(TooManyWaiting):
            webhooks.redeliver(session, webhook, by_state["failed"])
    with database.write() as session:
        session.execute(update(Notification).where(Notification.state == "queued").values(state="sent"))
        webhook = webhooks.find(session, webhook_id, ada)
        assert webhooks.redeliver(session, webhook, by_state["failed"]).state == "queued"
