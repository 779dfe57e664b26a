from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from tests.jobs.rows import claimed, finish, make_upload, make_user, notifications_of, seconds_from_now, submit
from tests.notify.test_email import content_of
from tests.servers import SMTPServer, free_port, wait_until
from tests.shared_links import mp3_link_start
from tests.worker.system import System, make_wav
from video2mp3.database.tables import Job, Notification, User
from video2mp3.errors import NoAudio
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.notify.loop import NotifierLoop
from video2mp3.notify.smtp import Mailer
from video2mp3.outbound import Guard
from video2mp3.outbox import notifications
from video2mp3.outbox.notifications import Outcome

pytestmark = pytest.mark.usefixtures("soon")

PUBLIC_URL = "https://mp3.example.org"


def _mailer(port: int) -> Mailer:
    return Mailer(
        host="127.0.0.1", port=port, security="none", username="", password="", sender="mp3@example.org", timeout_s=5
    )


@contextmanager
def running(system: System, mailer: Mailer | None, count: int = 1, guard: Guard = Guard()) -> Iterator[None]:  # noqa: B008
    housekeeping = Housekeeping(system.database, system.queue, system.storage)
    loops = [
        NotifierLoop(
            system.database,
            system.queue,
            mailer=mailer,
            guard=guard,
            public_url=PUBLIC_URL,
            wake=housekeeping.wake,
        )
        for _ in range(count)
    ]
    housekeeping.start()
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop()
        housekeeping.stop()


def _finished_job(system: System, **user: Any) -> str:
    """A job that has just finished; only its notification is left to do."""
    job = submit(system.database, make_user(system.database, **user))
    finish(system.database, claimed(system.database, job.id))
    return job.id


def _wait_for(system: System, job_id: str, state: str) -> Notification:
    wait_until(lambda: notifications_of(system.database, job_id)[0].state == state, 30, f"notification {state}")
    return notifications_of(system.database, job_id)[0]


def _change(system: System, job_id: str, **values: Any) -> None:
    with system.database.write() as session:
        session.execute(update(Notification).where(Notification.job_id == job_id).values(**values))


def test_the_owner_of_a_converted_video_gets_an_email_with_the_link(system: System, smtp: SMTPServer) -> None:
    job = system.submit(make_wav(0.5), make_user(system.database, username="anna@example.org"))
    with system.running(), running(system, _mailer(smtp.port)):
        email = smtp.wait_for_email(60)
        assert email["To"] == "anna@example.org"
        assert PUBLIC_URL + mp3_link_start(job.id) in content_of(email)
        assert _wait_for(system, job.id, "sent").sent_at is not None


def test_the_owner_of_a_video_without_audio_learns_why_it_failed(embedded: System, smtp: SMTPServer) -> None:
    job = submit(embedded.database, make_user(embedded.database, email="anna@example.org"))
    with embedded.database.write() as session:
        taken = lifecycle.claim(session, job.id, "w" * 32)
        assert taken is not None
        lifecycle.fail(session, taken, NoAudio())
    with running(embedded, _mailer(smtp.port)):
        assert NoAudio().detail in content_of(smtp.wait_for_email())


def test_each_of_many_mails_is_sent_once_by_several_notifiers(system: System, smtp: SMTPServer) -> None:
    user_id = make_user(system.database, username="anna@example.org")
    upload_id = make_upload(system.database, user_id)
    jobs = [submit(system.database, user_id, upload_id).id for _ in range(15)]
    for job_id in jobs:
        finish(system.database, claimed(system.database, job_id))
    with running(system, _mailer(smtp.port), count=3):
        for job_id in jobs:
            _wait_for(system, job_id, "sent")
    assert len({email["Message-ID"] for email in smtp.messages}) == len(smtp.messages) == 15


def test_without_a_mail_server_a_line_is_logged(embedded: System) -> None:
    job_id = _finished_job(embedded, username="anna@example.org")
    with capture_logs() as logs, running(embedded, None):
        _wait_for(embedded, job_id, "sent")
    lines = [entry for entry in logs if entry["event"] == "email_not_configured"]
    assert [line["job_id"] for line in lines] == [job_id]


def test_an_owner_without_an_address_gets_no_email(embedded: System, smtp: SMTPServer) -> None:
    without, with_address = _finished_job(embedded), _finished_job(embedded, username="anna@example.org")
    with capture_logs() as logs, running(embedded, _mailer(smtp.port)):
        _wait_for(embedded, without, "sent")
        _wait_for(embedded, with_address, "sent")
    assert [email["To"] for email in smtp.messages] == ["anna@example.org"]
    assert [entry["job_id"] for entry in logs if entry["event"] == "email_without_verified_address"] == [without]


def test_nothing_is_emailed_to_an_address_that_nobody_has_verified(embedded: System, smtp: SMTPServer) -> None:
    stranger_s, told = (_finished_job(embedded, username=name) for name in ("victim@example.org", "ben@example.org"))
    with embedded.database.write() as session:
        victim = User.username == "victim@example.org"
        session.execute(update(User).where(victim).values(email_verified_at=None))
    with running(embedded, _mailer(smtp.port)):
        _wait_for(embedded, stranger_s, "sent")
        _wait_for(embedded, told, "sent")
    assert [email["To"] for email in smtp.messages] == ["ben@example.org"]


def test_a_job_that_is_not_to_be_mailed_about_is_not(embedded: System, smtp: SMTPServer) -> None:
    user_id = make_user(embedded.database, username="anna@example.org")
    silent, told = submit(embedded.database, user_id, email_notifications=False), submit(embedded.database, user_id)
    for job in (silent, told):
        finish(embedded.database, claimed(embedded.database, job.id))
    with running(embedded, _mailer(smtp.port)):
        _wait_for(embedded, told.id, "sent")
    assert notifications_of(embedded.database, silent.id) == []
    assert [mp3_link_start(told.id) in content_of(email) for email in smtp.messages] == [True]


def test_who_has_unsubscribed_gets_no_email(embedded: System, smtp: SMTPServer) -> None:
    without, told = (_finished_job(embedded, username=name) for name in ("anna@example.org", "ben@example.org"))
    with embedded.database.write() as session:
        session.execute(update(User).where(User.username == "anna@example.org").values(email_notifications=False))
    with capture_logs() as logs, running(embedded, _mailer(smtp.port)):
        _wait_for(embedded, without, "sent")
        _wait_for(embedded, told, "sent")
    assert [email["To"] for email in smtp.messages] == ["ben@example.org"]
    assert [entry["job_id"] for entry in logs if entry["event"] == "email_not_wanted"] == [without]


def test_a_mail_server_that_is_away_is_tried_again_later(embedded: System, smtp: SMTPServer) -> None:
    job_id = _finished_job(embedded, username="anna@example.org")
    with running(embedded, _mailer(free_port())):
        wait_until(lambda: notifications_of(embedded.database, job_id)[0].not_before, 30, "the backoff")
    row = notifications_of(embedded.database, job_id)[0]
    assert (row.state, row.attempts, row.announced_until) == ("queued", 1, 0)
    assert 0 < seconds_from_now(embedded.database, row.not_before) <= 10
    _change(embedded, job_id, not_before=0)
    with running(embedded, _mailer(smtp.port)):
        assert _wait_for(embedded, job_id, "sent").attempts == 2
    assert len(smtp.messages) == 1


def test_after_a_day_an_email_has_failed(embedded: System) -> None:
    job_id = _finished_job(embedded, username="anna@example.org")
    row = notifications_of(embedded.database, job_id)[0]
    assert seconds_from_now(embedded.database, row.expires_at) == pytest.approx(86_400, abs=60)
    _change(embedded, job_id, expires_at=row.created_at)
    with running(embedded, _mailer(free_port())):
        problem = _wait_for(embedded, job_id, "failed").problem
    assert problem is not None
    assert problem.startswith("The mail server 127.0.0.1:")


def test_a_notifier_that_died_while_sending_is_followed_by_another(embedded: System, smtp: SMTPServer) -> None:
    dead, alive = (_finished_job(embedded, username=name) for name in ("anna@example.org", "ben@example.org"))
    for job_id in (dead, alive):
        _change(embedded, job_id, announced_until=9 * 10**15)
    with embedded.database.write() as session:
        first = notifications.claim(session, dead)
        assert notifications.claim(session, alive) is not None
        assert notifications.claim(session, dead) is None
    _change(embedded, dead, lease_until=1)
    with running(embedded, _mailer(smtp.port)):
        assert _wait_for(embedded, dead, "sent").attempts == 2
    assert [email["To"] for email in smtp.messages] == ["anna@example.org"]
    assert first is not None
    with embedded.database.write() as session:
        assert not notifications.end(session, first, Outcome("retried")), (
            "the dead one's claim is worth nothing any more"
        )


def test_the_notification_of_a_deleted_job_is_nobody_s(embedded: System, smtp: SMTPServer) -> None:
    deleted, kept = (_finished_job(embedded, username=name) for name in ("anna@example.org", "ben@example.org"))
    with embedded.database.write() as session:
        job = session.get_one(Job, deleted)
        lifecycle.delete(session, deleted, job.user_id)
    with running(embedded, _mailer(smtp.port)):
        _wait_for(embedded, kept, "sent")
    assert [email["To"] for email in smtp.messages] == ["ben@example.org"]
