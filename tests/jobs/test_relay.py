from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select, update
from structlog.contextvars import bound_contextvars

from tests.jobs.rows import change_job, claimed, finish, make_upload, make_user, submit
from tests.jobs.taking import take_all
from tests.options import resolved
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Notification, Worker, new_id
from video2mp3.jobs.housekeeping.relay import LEAST_WINDOW, Relay
from video2mp3.outbox.fair_window import EMAIL
from video2mp3.queue import MP3_QUEUE, VIDEO_QUEUE
from video2mp3.queue.memory import MemoryQueue
from video2mp3.telemetry import tracing


@pytest.fixture
def memory() -> Iterator[MemoryQueue]:
    queue = MemoryQueue()
    yield queue
    queue.close()


def _let_announcements_pass(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Job).where(Job.announced_until > 0).values(announced_until=1))


def test_a_message_names_its_job_with_the_tutorial_s_keys(database: Database, memory: MemoryQueue) -> None:
    job = submit(database, make_user(database, username="anna@example.org"))
    assert Relay(database, memory).announce_due() == 1
    assert take_all(memory) == [
        {"job_id": job.id, "video_fid": job.upload_id, "mp3_fid": None, "username": "anna@example.org"}
    ]


def test_an_ended_job_is_announced_to_the_notifier(database: Database, memory: MemoryQueue) -> None:
    job = submit(database, make_user(database, username="anna"))
    finish(database, claimed(database, job.id))
    assert Relay(database, memory).announce_due() == 1
    assert take_all(memory, MP3_QUEUE) == [
        {"job_id": job.id, "video_fid": job.upload_id, "mp3_fid": job.id, "username": "anna"}
    ]
    assert Relay(database, memory).announce_due() == 0


def test_one_user_s_thousand_jobs_never_fill_the_broker(database: Database, memory: MemoryQueue) -> None:
    anna = make_user(database)
    upload_id = make_upload(database, anna)
    template = {
        "user_id": anna,
        "upload_id": upload_id,
        "source_name": "",
        "source_size_bytes": 1,
        "options": resolved(),
    }
    rows = [{**template, "id": new_id(), "options": resolved(), "created_at": 1} for _ in range(1000)]
    with database.write() as session:
        session.execute(insert(Job), rows)
    relay = Relay(database, memory)
    for _ in range(5):
        relay.announce_due()
    assert memory.depth(VIDEO_QUEUE) == LEAST_WINDOW
    first = [message["job_id"] for message in take_all(memory)]
    assert first == [row["id"] for row in rows[:LEAST_WINDOW]]


def test_the_window_grows_with_the_slots_of_the_workers_that_are_alive(
    database: Database, memory: MemoryQueue, user_id: str
) -> None:
    upload_id = make_upload(database, user_id)
    for _ in range(30):
        submit(database, user_id, upload_id)
    with database.write() as session:
        seen = now()
        for slots, heartbeat_at, draining in (
            (4, seen, False),
            (8, seen, False),
            (100, seen - 60 * SECOND, False),
            (100, seen, True),
        ):
            session.add(Worker(host="h", slots=slots, started_at=1, heartbeat_at=heartbeat_at, draining=draining))
    assert Relay(database, memory).announce_due() == 24


def test_urgent_jobs_come_first_and_jobs_in_backoff_not_at_all(
    database: Database, memory: MemoryQueue, user_id: str
) -> None:
    low, normal, high, later = (submit(database, user_id, priority=priority).id for priority in (2, 1, 0, 0))
    change_job(database, later, not_before=9 * 10**15)
    relay = Relay(database, memory)
    assert relay.announce_due() == 3
    assert [message["job_id"] for message in take_all(memory)] == [high, normal, low]
    change_job(database, later, not_before=1)
    assert relay.announce_due() == 1


def test_relays_in_several_processes_announce_each_job_once(
    database: Database, memory: MemoryQueue, user_id: str
) -> None:
    upload_id = make_upload(database, user_id)
    jobs = {submit(database, user_id, upload_id).id for _ in range(9)}
    # Else the first relay takes back what the others have announced: this queue is new.
    assert memory.lost_messages()
    with ThreadPoolExecutor(4) as pool:
        published = sum(pool.map(lambda _: Relay(database, memory).announce_due(), range(4)))
    assert published == 9
    assert {message["job_id"] for message in take_all(memory)} == jobs


def test_a_message_that_was_not_taken_is_published_again(database: Database, memory: MemoryQueue, user_id: str) -> None:
    job = submit(database, user_id)
    relay = Relay(database, memory)
    assert [relay.announce_due(), relay.announce_due()] == [1, 0]
    _let_announcements_pass(database)
    assert relay.announce_due() == 1
    assert [message["job_id"] for message in take_all(memory)] == [job.id, job.id]


def test_after_a_restart_without_a_durable_queue_all_is_announced_at_once(database: Database, user_id: str) -> None:
    submit(database, user_id)
    assert Relay(database, MemoryQueue()).announce_due() == 1
    after_restart = Relay(database, MemoryQueue())
    assert [after_restart.announce_due(), after_restart.announce_due()] == [1, 0]


def test_notifications_have_bounds_of_their_own(database: Database, memory: MemoryQueue) -> None:
    """It should let a few of each user out, and as many jobs as ever."""
    upload_id = make_upload(database, user_id := make_user(database))
    for _ in range(5):
        finish(database, claimed(database, submit(database, user_id, upload_id).id))
    waiting = [submit(database, user_id, upload_id).id for _ in range(12)]
    Relay(database, memory).announce_due()
    assert memory.depth(MP3_QUEUE) == EMAIL.per_user
    assert memory.depth(VIDEO_QUEUE) == LEAST_WINDOW < len(waiting)
    with database.read() as session:
        announced = [n.announced_until for n in session.scalars(select(Notification)) if n.announced_until]
    assert len(announced) == EMAIL.per_user


def test_a_trace_survives_a_queue_that_loses_everything(database: Database, user_id: str) -> None:
    """It should stand in the row with the request's id, and go with each message that names the job."""
    with bound_contextvars(request_id="one-request"), tracing.span("POST") as span:
        job = submit(database, user_id)
    assert (job.request_id, job.traceparent) == ("one-request", span.traceparent)
    for _ in range(2):
        queue = MemoryQueue()
        assert Relay(database, queue).announce_due() == 1
        message = queue.consumer(VIDEO_QUEUE).take(1)
        assert message is not None
        assert tracing.trace_id_of(message.headers[tracing.HEADER]) == tracing.trace_id_of(span.traceparent)
    claim = claimed(database, job.id)
    assert (claim.request_id, claim.traceparent) == ("one-request", span.traceparent)
