"""Webhooks that never answer: another user's email goes out while hundreds of deliveries wait."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import httpx
from sqlalchemy.orm import Session

from tests.abuse.conftest import StartService
from tests.acceptance.service import Service, notifications_to, wait_for_end
from tests.outbound.listeners import web_server
from tests.servers import wait_until
from video2mp3.jobs.housekeeping import relay
from video2mp3.notify import webhook
from video2mp3.outbox.fair_window import WEBHOOKS, Candidate, UnderWay, under_way

WEBHOOK_COUNT = 20
JOB_COUNT = 10
ADDRESS = "ben@example.org"
FORMER_THREADS = 4
# An email takes some hundredths of a second; the control looks for so long whether there is one.
LOOK_S = 3


class SilentReceiver:
    """Takes every delivery, and does not answer before it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.reached = 0
        self.hanging = 0
        self.most_hanging = 0
        self._lock = threading.Lock()

    def respond(self, _handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.reached += 1
            self.hanging += 1
            self.most_hanging = max(self.most_hanging, self.hanging)
        self.released.wait(120)
        with self._lock:
            self.hanging -= 1


@contextmanager
def silent_receiver() -> Iterator[tuple[SilentReceiver, int]]:
    receiver = SilentReceiver()
    with web_server(receiver.respond) as port:
        try:
            yield receiver, port
        finally:
            receiver.released.set()


def without_turns() -> None:
    """Four deliveries at a time, in the order in which they came, email among them: as four threads would do it."""

    def first_come(session: Session, found: Sequence[Candidate], *, email: bool) -> list[Candidate]:
        busy = sum(under_way(session, email=kind).users.total() for kind in (True, False))
        return list(found)[: max(0, FORMER_THREADS - busy)]

    def always(_under_way: UnderWay, _user_id: str, _destination: str, *, is_probe: bool = False) -> bool:
        return True

    relay._with_room = first_come
    # The notifier's own bounds are the same ones.
    UnderWay.has_room = always  # type: ignore[assignment,method-assign]
    # So that the end of an attempt frees none of the four while the test looks on.
    webhook.TIMEOUT_S = 120


def settings_for(port: int) -> dict[str, object]:
    return {"allowed_networks": "127.0.0.1/32", "allowed_ports": port}


def cancel_jobs(user: httpx.Client, port: int) -> None:
    """Makes the webhooks, and jobs that are canceled before their upload has begun."""
    for number in range(WEBHOOK_COUNT):
        user.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{port}/{number}"}).raise_for_status()
    for _ in range(JOB_COUNT):
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
        upload = user.post("/v1/uploads", headers=headers).raise_for_status()
        order = {"upload_id": upload.headers["Location"].rpartition("/")[2]}
        job = user.post("/v1/conversions", json=order).raise_for_status().json()
        user.delete(f"/v1/conversions/{job['id']}").raise_for_status()


def end_a_job(user: httpx.Client) -> None:
    """One that has no sound; its owner is emailed about it."""
    files = {"file": ("notes.mp4", b"no video at all")}
    job = user.post("/v1/conversions", files=files).raise_for_status().json()
    assert wait_for_end(user, job["id"])["state"] == "failed"


def emails(service: Service) -> int:
    return len(notifications_to(service, ADDRESS))


def test_email_goes_out_while_another_s_webhooks_hang(start_service: StartService) -> None:
    """It should send the email while nearly all of the 200 deliveries wait, two of them at the host."""
    with (
        silent_receiver() as (receiver, port),
        start_service(**settings_for(port)) as service,
        service.user() as anna,
        service.user(email=ADDRESS) as ben,
    ):
        cancel_jobs(anna, port)
        wait_until(lambda: receiver.reached == WEBHOOKS.per_destination, 30, "the first deliveries")
        end_a_job(ben)
        wait_until(lambda: emails(service), 30, "the email")
        assert receiver.reached < WEBHOOK_COUNT * JOB_COUNT / 10
        assert receiver.most_hanging <= WEBHOOKS.per_destination
        receiver.released.set()


def test_without_turns_the_mail_waits_for_the_webhooks(start_service: StartService) -> None:
    with (
        silent_receiver() as (receiver, port),
        start_service(without_turns, **settings_for(port)) as service,
        service.user() as anna,
        service.user(email=ADDRESS) as ben,
    ):
        cancel_jobs(anna, port)
        wait_until(lambda: receiver.hanging == FORMER_THREADS, 30, "the first deliveries")
        end_a_job(ben)
        assert not receiver.released.wait(LOOK_S)
        assert not emails(service)
        receiver.released.set()
