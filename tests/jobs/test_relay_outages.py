import pytest

from tests.jobs.rows import make_upload, read_job, submit
from tests.jobs.taking import take_all
from tests.servers import RabbitMQServer, wait_until
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Worker
from video2mp3.errors import QueueUnavailable
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.queue import VIDEO_QUEUE
from video2mp3.queue.rabbitmq import RabbitQueue


def test_when_the_broker_takes_nothing_all_stays_due(
    database: Database, rabbitmq: RabbitMQServer, user_id: str
) -> None:
    jobs = [submit(database, user_id).id for _ in range(3)]
    queue = RabbitQueue("amqp://guest:guest@127.0.0.1:1/")
    with pytest.raises(QueueUnavailable):
        Relay(database, queue).announce_due()
    queue.close()
    assert {read_job(database, job_id).announced_until for job_id in jobs} == {0}

    rabbitmq.clear()
    working = RabbitQueue(rabbitmq.url)
    assert Relay(database, working).announce_due() == 3
    assert {message["job_id"] for message in take_all(working)} == set(jobs)
    working.close()


def test_a_broker_whose_data_was_wiped_is_filled_again_at_once(
    database: Database, rabbitmq: RabbitMQServer, user_id: str
) -> None:
    rabbitmq.clear()
    queue = RabbitQueue(rabbitmq.url)
    # So long that only the loss of the queues can make it announce again.
    relay = Relay(database, queue, announced_s=3600)
    upload_id = make_upload(database, user_id)
    jobs = {submit(database, user_id, upload_id).id for _ in range(20)}
    with database.write() as session:
        session.add(Worker(host="h", slots=10, started_at=1, heartbeat_at=now()))
    assert relay.announce_due() == 20
    assert queue.depth(VIDEO_QUEUE) == 20

    rabbitmq.kill()
    rabbitmq.start(wipe=True)

    def all_wait_again() -> bool:
        try:
            relay.announce_due()
            return queue.depth(VIDEO_QUEUE) >= 20
        except QueueUnavailable:
            return False

    wait_until(all_wait_again, 90, "all jobs are announced again")
    assert {message["job_id"] for message in take_all(queue)} == jobs
    queue.close()
