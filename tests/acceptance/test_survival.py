"""What dies in the middle is made good by the rest."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.conftest import LONG_TALK_S
from tests.acceptance.service import Service, distributed, notifications_to, wait_for_end
from tests.media import make_video, samples_by_ffmpeg, samples_by_mpg123
from tests.processes import engines_of
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer, wait_until


@pytest.fixture
def spread(
    tmp_path: Path, mail_server: SMTPServer, mariadb: MariaDBServer, rabbitmq: RabbitMQServer, s3: S3Server
) -> Iterator[Service]:
    """A spread service of this test's own, which it may harm."""
    with distributed(tmp_path, mail_server, mariadb, rabbitmq, s3) as service:
        yield service


def query(service: Service, statement: str) -> list[tuple[object, ...]]:
    """Asks the service's MariaDB."""
    url = make_url(service.env["VIDEO2MP3_DATABASE_URL"])
    connection = pymysql.connect(
        host=url.host, port=url.port or 3306, user=url.username, password=url.password or "", database=url.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()
        return list(cursor.fetchall())


def test_a_job_whose_worker_is_killed_finishes_on_another_once(
    spread: Service, long_talk: Path, tmp_path: Path
) -> None:
    """It should be taken over within a minute after `kill -9`, and finish once, exact."""
    with spread.user(email="once@example.org") as ada:
        with long_talk.open("rb") as video:
            job_id = ada.post("/v1/conversions", files={"file": video}).raise_for_status().json()["id"]

        workers = {name: role.process.pid for name, role in spread.roles.items() if name.startswith("worker")}

        def converting() -> str | None:
            return next((name for name, pid in workers.items() if engines_of(pid)), None)

        victim = wait_until(converting, 60, "the conversion to run")
        assert victim is not None
        spread.roles[victim].kill()
        # The lease that it has left ends within half a minute: this does not wait for that.
        remaining = "lease_until / 1000000 - UNIX_TIMESTAMP()"
        ((remaining_s,),) = query(spread, f"SELECT {remaining} FROM jobs WHERE id = '{job_id}'")
        assert 0 < float(str(remaining_s)) <= 31
        query(spread, f"UPDATE jobs SET lease_until = 1 WHERE id = '{job_id}'")

        def claims() -> int:
            return int(str(query(spread, f"SELECT fence FROM jobs WHERE id = '{job_id}'")[0][0]))

        wait_until(lambda: claims() == 2, 30, "another worker to take the job")
        # How long the conversion takes depends on what else this machine does.
        assert wait_for_end(ada, job_id, 300)["state"] == "finished"
        ((fence, lost_leases, failures),) = query(
            spread, f"SELECT fence, lost_leases, failures FROM jobs WHERE id = '{job_id}'"
        )
        assert (fence, lost_leases, failures) == (2, 1, 0)

        mp3 = tmp_path / "result.mp3"
        mp3.write_bytes(ada.get(f"/v1/conversions/{job_id}/mp3").raise_for_status().content)
        assert samples_by_ffmpeg(mp3) == samples_by_mpg123(mp3, tmp_path) == LONG_TALK_S * 48_000
        wait_until(lambda: notifications_to(spread, "once@example.org"), 20, "the email")
        assert len(notifications_to(spread, "once@example.org")) == 1


def test_waiting_jobs_survive_a_broker_that_is_killed_and_wiped(
    spread: Service, rabbitmq: RabbitMQServer, tmp_path: Path
) -> None:
    """It should finish all 20 jobs that waited when the broker lost everything."""
    clip = make_video(tmp_path / "clip.mp4", 2)
    workers = [role.process for name, role in spread.roles.items() if name.startswith("worker")]
    with spread.user() as ada:
        # So that the twenty do wait.
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        upload = (
            ada.post("/v1/uploads", params={"name": "clip.mp4"}, content=clip.read_bytes()).raise_for_status().json()
        )
        jobs = [
            ada.post("/v1/conversions", json={"upload_id": upload["id"]}).raise_for_status().json()["id"]
            for _ in range(20)
        ]
        ((waiting,),) = query(spread, "SELECT COUNT(*) FROM jobs WHERE state = 'queued'")
        assert waiting == 20

        rabbitmq.kill()
        rabbitmq.start(wipe=True)
        for worker in workers:
            worker.send_signal(signal.SIGCONT)

        for job_id in jobs:
            assert wait_for_end(ada, job_id, 150)["state"] == "finished"
