"""Whose notifications are let out: turns between users and hosts, whatever one of them has waiting."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, or_, select, update

from tests.jobs.rows import make_user, seconds_from_now, submit
from video2mp3.database.clock import SECOND
from video2mp3.database.connection import Database
from video2mp3.database.tables import Destination, Notification, new_id
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.outbox import notifications
from video2mp3.outbox.destinations import FIRST_PAUSE_S, MAX_PAUSE_S, SLOWED_AFTER
from video2mp3.outbox.fair_window import EMAIL, WEBHOOKS
from video2mp3.outbox.notifications import ClaimedNotification, Outcome
from video2mp3.queue.memory import MemoryQueue

FAR_US = 9 * 10**15


@pytest.fixture
def memory() -> Iterator[MemoryQueue]:
    queue = MemoryQueue()
    # Else the first relay takes back what others have announced: this queue is new.
    assert queue.lost_messages()
    yield queue
    queue.close()


def queue_up(database: Database, user_id: str, number: int, *hosts: str, not_before: int = 0) -> str:
    """So many deliveries to each of these hosts are due (none: so many emails); returns the job that they are of."""
    job_id = submit(database, user_id).id
    template = {"job_id": job_id, "user_id": user_id, "expires_at": FAR_US, "created_at": 1, "not_before": not_before}
    rows = [
        {**template, "id": new_id(), "kind": "webhook" if host else "email", "target": new_id(), "destination": host}
        for _ in range(number)
        for host in hosts or ("",)
    ]
    with database.write() as session:
        session.execute(insert(Notification), rows)
    return job_id


def let_out(database: Database, memory: MemoryQueue) -> Counter[tuple[str, str]]:
    """Lets the relay choose; returns how many are announced or being sent then, by user and host."""
    Relay(database, memory).announce_due()
    with database.read() as session:
        out = or_(Notification.announced_until > 0, Notification.state == "sending")
        rows = session.execute(select(Notification.user_id, Notification.destination).where(out))
        return Counter((user_id, host) for user_id, host in rows)


def claim(database: Database, job_id: str) -> ClaimedNotification:
    with database.write() as session:
        claimed = notifications.claim(session, job_id)
    assert claimed is not None
    return claimed


def fail(database: Database, claimed: ClaimedNotification) -> None:
    with database.write() as session:
        assert notifications.end(session, claimed, Outcome("retried", problem="No answer."))


def make_due(database: Database, job_id: str) -> None:
    with database.write() as session:
        mine = (Notification.job_id == job_id, Notification.state == "queued")
        session.execute(update(Notification).where(*mine).values(not_before=0))


def destination(database: Database, host: str) -> Destination | None:
    with database.read() as session:
        return session.scalar(select(Destination).where(Destination.host == host))


def test_one_user_s_deliveries_to_one_host_leave_room_for_everybody(database: Database, memory: MemoryQueue) -> None:
    """It should let out two of 200, and at once what others have, to other hosts and by email."""
    anna, ben = make_user(database), make_user(database)
    queue_up(database, anna, 200, "silent.example")
    assert let_out(database, memory) == {(anna, "silent.example"): WEBHOOKS.per_destination}
    queue_up(database, ben, 1, "ben.example")
    queue_up(database, ben, 1)
    assert let_out(database, memory) == {
        (anna, "silent.example"): WEBHOOKS.per_destination,
        (ben, "ben.example"): 1,
        (ben, ""): 1,
    }
    assert let_out(database, memory).total() == WEBHOOKS.per_destination + 2


def test_users_take_turns_at_a_host_that_they_share(database: Database, memory: MemoryQueue) -> None:
    anna, ben = make_user(database), make_user(database)
    first = queue_up(database, anna, 50, "shared.example")
    assert let_out(database, memory) == {(anna, "shared.example"): 2}
    queue_up(database, ben, 50, "shared.example", not_before=1)
    for _ in range(2):
        claimed = claim(database, first)
        with database.write() as session:
            assert notifications.end(session, claimed, Outcome("sent", 204))
        shared = let_out(database, memory)
    assert shared == {(anna, "shared.example"): 1, (ben, "shared.example"): 1}


def test_one_user_has_few_under_way_however_many_hosts_are_named(database: Database, memory: MemoryQueue) -> None:
    """It should take turns between the hosts of a user, too; and be no slower for others for thousands of hosts."""
    anna, ben = make_user(database), make_user(database)
    queue_up(database, anna, 1, *(f"host-{number}.example" for number in range(2500)))
    queue_up(database, ben, 3, "one.example", "two.example", not_before=1)
    out = let_out(database, memory)
    assert Counter(user_id for user_id, _ in out.elements()) == {anna: WEBHOOKS.per_user, ben: 4}
    assert max(count for (user_id, _), count in out.items() if user_id == anna) == 1


def test_email_takes_turns_between_users(database: Database, memory: MemoryQueue) -> None:
    anna, others = make_user(database), [make_user(database) for _ in range(10)]
    queue_up(database, anna, 100)
    assert let_out(database, memory) == {(anna, ""): EMAIL.per_user}
    for user_id in others:
        queue_up(database, user_id, 5, not_before=1)
    out = let_out(database, memory)
    assert out.total() == EMAIL.total
    assert [out[user_id, ""] for user_id in others].count(1) == EMAIL.total - EMAIL.per_user, "one of each comes first"


def test_many_relays_at_once_keep_to_the_bounds(database: Database, memory: MemoryQueue) -> None:
    users = [make_user(database) for _ in range(5)]
    for user_id in users:
        queue_up(database, user_id, 10, "shared.example", f"{user_id}.example")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Relay(database, memory).announce_due(), range(8)))
    out = let_out(database, memory)
    hosts = Counter(host for _, host in out.elements())
    assert hosts == {"shared.example": 2, **{f"{user_id}.example": 2 for user_id in users}}


def test_only_what_was_announced_can_be_claimed(database: Database, memory: MemoryQueue, user_id: str) -> None:
    """It should not be a way around the bounds that a message names the job only."""
    job_id = queue_up(database, user_id, 5, "one.example")
    let_out(database, memory)
    for _ in range(WEBHOOKS.per_destination):
        claim(database, job_id)
    with database.write() as session:
        assert notifications.claim(session, job_id) is None


def test_a_notifier_that_died_keeps_no_room(database: Database, memory: MemoryQueue, user_id: str) -> None:
    """It should keep its lease, so that nothing is sent twice, and let others out after some seconds."""
    job_id = queue_up(database, user_id, 5)
    for number in range(1, 3):
        assert let_out(database, memory) == {(user_id, ""): EMAIL.per_user * number}
        for _ in range(EMAIL.per_user):
            claim(database, job_id)
        with database.write() as session:
            claimed = Notification.state == "sending"
            later = Notification.lease_until - 25 * SECOND
            session.execute(update(Notification).where(claimed).values(lease_until=later))


def test_a_host_that_does_not_answer_slows_all_deliveries_to_it(
    database: Database, memory: MemoryQueue, user_id: str
) -> None:
    """It should cost one attempt in a while, however many wait; and none of other users and hosts."""
    job_id = queue_up(database, user_id, 200, "silent.example")
    for _ in range(SLOWED_AFTER):
        let_out(database, memory)
        fail(database, claim(database, job_id))
    slowed = destination(database, "silent.example")
    assert slowed is not None
    assert 0.8 * FIRST_PAUSE_S < seconds_from_now(database, slowed.not_before) <= FIRST_PAUSE_S
    with database.write() as session:
        session.execute(update(Notification).values(announced_until=0))
    make_due(database, job_id)
    assert not let_out(database, memory)
    other = make_user(database)
    queue_up(database, other, 1, "silent.example")
    queue_up(database, user_id, 1, "good.example")
    assert let_out(database, memory) == {(other, "silent.example"): 1, (user_id, "good.example"): 1}

    # Then one is tried, and no second beside it; the pause after it is longer, up to a bound.
    for attempt in range(2, 12):
        with database.write() as session:
            session.execute(update(Destination).values(not_before=0))
        make_due(database, job_id)
        assert let_out(database, memory)[user_id, "silent.example"] == 1
        fail(database, claim(database, job_id))
        slowed = destination(database, "silent.example")
        assert slowed is not None
        pause_s = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1))
        assert 0.8 * pause_s < seconds_from_now(database, slowed.not_before) <= pause_s


def test_a_host_that_answers_again_is_told_all(database: Database, memory: MemoryQueue, user_id: str) -> None:
    job_id = queue_up(database, user_id, 20, "back.example")
    for _ in range(SLOWED_AFTER):
        let_out(database, memory)
        fail(database, claim(database, job_id))
    with database.write() as session:
        session.execute(update(Notification).values(announced_until=0))
        session.execute(update(Destination).values(not_before=0))
    let_out(database, memory)
    claimed = claim(database, job_id)
    with database.write() as session:
        assert notifications.end(session, claimed, Outcome("sent", 204))
    assert destination(database, "back.example") is None
    assert let_out(database, memory)[user_id, "back.example"] == WEBHOOKS.per_destination


def test_what_waited_a_day_for_a_silent_host_has_failed(database: Database, memory: MemoryQueue, user_id: str) -> None:
    """It should end with the attempt of another; what there is still time for goes on waiting."""
    job_id = queue_up(database, user_id, 10, "silent.example")
    with database.write() as session:
        ids = list(session.scalars(select(Notification.id).where(Notification.job_id == job_id)))
        session.execute(update(Notification).where(Notification.id.in_(ids[5:])).values(expires_at=1))
    for _ in range(SLOWED_AFTER):
        let_out(database, memory)
        fail(database, claim(database, job_id))
    with database.read() as session:
        rows = session.scalars(select(Notification).where(Notification.job_id == job_id))
        states = Counter((row.state, row.expires_at > SECOND) for row in rows)
    assert states == {("failed", False): 5, ("queued", True): 5}
