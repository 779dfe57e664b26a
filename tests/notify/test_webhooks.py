"""Webhooks, from a job's end to a receiver that checks them with the specification's own library."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from tests.jobs.rows import claimed, finish, make_user, make_webhook, notifications_of, read_job, submit
from tests.notify.test_loop import PUBLIC_URL, running
from tests.outbound.listeners import Canary, answer, web_server
from tests.outbound.test_exchange import guard_for
from tests.servers import free_port, wait_until
from tests.shared_links import mp3_link_start
from tests.worker.system import System
from video2mp3.api.description.webhook_events import BatchEvent, ConversionEvent
from video2mp3.database import connection
from video2mp3.database.clock import SECOND
from video2mp3.database.tables import Notification, Webhook
from video2mp3.errors import NoAudio
from video2mp3.jobs import batches, lifecycle, messages
from video2mp3.outbound import Guard
from video2mp3.outbox import webhooks
from video2mp3.outbox.fair_window import WEBHOOKS
from video2mp3.queue import MP3_QUEUE

pytestmark = pytest.mark.usefixtures("soon")

ROOT = Path(__file__).parents[2]


@dataclass
class Receiver:
    """Keeps what it is told, and answers with `status`."""

    status: int = 204
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.told.append(({name.lower(): value for name, value in handler.headers.items()}, body))
        answer(handler, self.status, Location="http://127.0.0.1/elsewhere")

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """What it was told, if it all was signed with that secret and is what OpenAPI describes."""
        return [as_described(Verifier(secret).verify(body, headers)) for headers, body in self.told]


def as_described(message: dict[str, Any]) -> dict[str, Any]:
    """Returns the message, after a look whether it has the described fields and no others."""
    kind = BatchEvent if message["type"] == "batch.ended" else ConversionEvent
    assert json.loads(kind.model_validate(message).model_dump_json(exclude_unset=True)) == message
    return message


@contextmanager
def listening(receiver: Receiver, port: int = 0) -> Iterator[int]:
    with web_server(receiver.respond, port=port) as bound:
        yield bound


def owned_job(system: System, **order: Any) -> tuple[str, str]:
    """A user and a job that is being converted."""
    user_id = make_user(system.database)
    return user_id, submit(system.database, user_id, email_notifications=False, **order).id


def end(system: System, job_id: str, how: str) -> None:
    if how == "finished":
        finish(system.database, claimed(system.database, job_id))
    elif how == "failed":
        claim = claimed(system.database, job_id)
        with system.database.write() as session:
            lifecycle.fail(session, claim, NoAudio())
    else:
        with system.database.write() as session:
            lifecycle.cancel(session, job_id, read_job(system.database, job_id).user_id)


def wait_for(system: System, job_id: str, state: str) -> Notification:
    wait_until(
        lambda: [row.state for row in notifications_of(system.database, job_id)] == [state], 30, f"delivery {state}"
    )
    return notifications_of(system.database, job_id)[0]


def test_a_receiver_is_told_of_a_finished_conversion(system: System) -> None:
    assert_is_told(system, "finished")


@pytest.mark.parametrize("how", ["failed", "canceled"])
def test_a_receiver_is_told_of_one_that_is_not(embedded: System, how: str) -> None:
    assert_is_told(embedded, how)


def assert_is_told(system: System, how: str) -> None:
    """The receiver of the owner's webhook, and nobody else's, should be told so, with a signature that holds."""
    user_id, job_id = owned_job(system, tag="mine")
    receiver = Receiver()
    with listening(receiver) as port:
        _, secret = make_webhook(system.database, user_id, f"http://hooks.example.org:{port}/in?key=1")
        make_webhook(system.database, make_user(system.database), f"http://hooks.example.org:{port}/somebody-else")
        end(system, job_id, how)
        with running(system, None, guard=guard_for(port)):
            delivery = wait_for(system, job_id, "sent")
    (told,) = receiver.verified(secret)
    headers, _ = receiver.told[0]
    assert headers["webhook-id"] == delivery.id
    assert (told["type"], told["data"]["id"], told["data"]["tag"]) == (f"conversion.{how}", job_id, "mine")
    assert told["timestamp"].endswith("Z")
    assert (delivery.status, delivery.attempts, delivery.problem) == (204, 1, None)
    assert ("result" in told["data"], "error" in told["data"]) == (how == "finished", how == "failed")
    if how == "finished":
        assert told["data"]["result"]["url"].startswith(PUBLIC_URL + mp3_link_start(job_id))
    if how == "failed":
        assert told["data"]["error"]["code"] == "no_audio"
    with pytest.raises(WebhookVerificationError):
        receiver.verified("whsec_" + "A" * 32)


def test_only_what_was_asked_for_is_told(embedded: System) -> None:
    user_id = make_user(embedded.database)
    make_webhook(embedded.database, user_id, "http://hooks.example.org/", ["conversion.failed"])
    told = {}
    for how in ("finished", "failed", "canceled"):
        job_id = submit(embedded.database, user_id, email_notifications=False).id
        end(embedded, job_id, how)
        told[how] = [row.kind for row in notifications_of(embedded.database, job_id)]
    assert told == {"finished": [], "failed": ["webhook"], "canceled": []}


def test_a_receiver_that_is_down_for_ten_minutes_is_told_afterwards(
    embedded: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should try again and again, later each time, and deliver once, with the id of the first attempt."""
    passed_s = 0.0
    clock = SimpleNamespace(monotonic=time.monotonic, time_ns=lambda: time.time_ns() + int(passed_s * 1e9))
    monkeypatch.setattr(connection, "time", clock)
    user_id, job_id = owned_job(embedded)
    port, receiver = free_port(), Receiver()
    _, secret = make_webhook(embedded.database, user_id, f"http://hooks.example.org:{port}/")
    end(embedded, job_id, "finished")
    first = notifications_of(embedded.database, job_id)[0]
    pauses_s: list[int] = []
    with running(embedded, None, guard=guard_for(port)):
        while passed_s < 600:
            wait_until(partial(_has_waited, embedded, job_id, len(pauses_s) + 1), 30, "the next attempt")
            row = notifications_of(embedded.database, job_id)[0]
            assert row.problem is not None
            assert "cannot be reached" in row.problem
            pauses_s.append(round((row.not_before - clock.time_ns() // 1000) / SECOND))
            passed_s += pauses_s[-1] + 1
        with listening(receiver, port):
            last = wait_for(embedded, job_id, "sent")
    # Up to a tenth is taken off at random.
    doubled_s = [10 * 2**number for number in range(len(pauses_s))]
    assert all(
        0.9 * longest_s - 2 <= pause_s <= longest_s for pause_s, longest_s in zip(pauses_s, doubled_s, strict=True)
    )
    assert (last.id, last.attempts, last.status) == (first.id, len(pauses_s) + 1, 204)
    assert [headers["webhook-id"] for headers, _ in receiver.told] == [first.id]
    assert len(receiver.verified(secret)) == 1


def _has_waited(system: System, job_id: str, attempt: int) -> bool:
    row = notifications_of(system.database, job_id)[0]
    return (row.state, row.attempts) == ("queued", attempt)


@pytest.mark.parametrize("status", [302, 500])
def test_any_other_answer_is_tried_again(embedded: System, status: int) -> None:
    """It should follow no redirect, and deliver the same bytes with the same id when the receiver has recovered."""
    user_id, job_id = owned_job(embedded)
    receiver = Receiver(status)
    with listening(receiver) as port:
        make_webhook(embedded.database, user_id, f"http://hooks.example.org:{port}/")
        end(embedded, job_id, "finished")
        with running(embedded, None, guard=guard_for(port)):
            wait_until(lambda: _has_waited(embedded, job_id, 1), 30, "the first attempt")
            row = notifications_of(embedded.database, job_id)[0]
            assert (row.status, row.problem) == (status, f"The receiver answered {status}.")
            receiver.status = 200
            _change(embedded, job_id, not_before=0)
            wait_for(embedded, job_id, "sent")
    (first, first_body), (second, second_body) = receiver.told
    assert (first["webhook-id"], first_body) == (second["webhook-id"], second_body)


def _change(system: System, job_id: str, **values: Any) -> None:
    with system.database.write() as session:
        session.execute(update(Notification).where(Notification.job_id == job_id).values(**values))


def test_after_a_day_a_delivery_has_failed(embedded: System) -> None:
    user_id, job_id = owned_job(embedded)
    make_webhook(embedded.database, user_id, f"http://hooks.example.org:{(port := free_port())}/")
    end(embedded, job_id, "finished")
    row = notifications_of(embedded.database, job_id)[0]
    assert row.expires_at - row.created_at == pytest.approx(86_400 * SECOND, abs=SECOND)
    _change(embedded, job_id, expires_at=row.created_at)
    with running(embedded, None, guard=guard_for(port)):
        wait_for(embedded, job_id, "failed")


def test_a_receiver_that_answers_gone_is_told_nothing_more(embedded: System) -> None:
    user_id, job_id = owned_job(embedded)
    receiver = Receiver(410)
    with listening(receiver) as port:
        webhook_id, _ = make_webhook(embedded.database, user_id, f"http://hooks.example.org:{port}/")
        make_webhook(embedded.database, user_id, f"http://hooks.example.org:{free_port()}/")
        end(embedded, job_id, "finished")
        with running(embedded, None, guard=guard_for(port)):
            wait_until(
                lambda: "failed" in {row.state for row in notifications_of(embedded.database, job_id)}, 30, "the 410"
            )
    with embedded.database.read() as session:
        assert session.get_one(Webhook, webhook_id).disabled_at is not None
    later = submit(embedded.database, user_id, email_notifications=False).id
    end(embedded, later, "finished")
    assert webhook_id not in {row.target for row in notifications_of(embedded.database, later)}
    assert len(notifications_of(embedded.database, later)) == 1, "the other one is still told"


def test_a_webhook_leads_nowhere_inside(embedded: System) -> None:
    """It should connect to nothing of ours, though the name leads there now; without the guard it would."""
    user_id, job_id = owned_job(embedded)
    with Canary() as canary:
        make_webhook(embedded.database, user_id, f"http://hooks.example.org:{canary.port}/")
        end(embedded, job_id, "finished")
        inside = Guard(ports=frozenset({canary.port}), resolve=lambda _host: ["127.0.0.1"])
        with running(embedded, None, guard=inside):
            wait_until(lambda: _has_waited(embedded, job_id, 1), 30, "the refusal")
        assert canary.reached == 0
        _change(embedded, job_id, not_before=0)
        with running(embedded, None, guard=guard_for(canary.port)):
            wait_for(embedded, job_id, "sent")
        assert canary.reached == 1


def test_a_slow_receiver_holds_up_nobody_else(embedded: System) -> None:
    user_id, job_id = owned_job(embedded)
    other_id, other_job_id = owned_job(embedded)
    released = threading.Event()
    receiver = Receiver()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/slow":
            released.wait(60)
        receiver.respond(handler)

    with web_server(respond) as port, running(embedded, None, guard=guard_for(port)):
        make_webhook(embedded.database, user_id, f"http://hooks.example.org:{port}/slow")
        make_webhook(embedded.database, other_id, f"http://hooks.example.org:{port}/quick")
        end(embedded, job_id, "finished")
        wait_for(embedded, job_id, "sending")
        end(embedded, other_job_id, "finished")
        wait_for(embedded, other_job_id, "sent")
        assert notifications_of(embedded.database, job_id)[0].state == "sending"
        released.set()
        wait_for(embedded, job_id, "sent")


def test_a_notifier_without_room_leaves_a_delivery_to_others(embedded: System) -> None:
    """It should keep to the bounds itself, whatever was announced: another relay may have seen less under way."""
    user_id = make_user(embedded.database)
    receiver, released = Receiver(), threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        released.wait(60)
        receiver.respond(handler)

    with web_server(respond) as port:
        make_webhook(embedded.database, user_id, f"http://hooks.example.org:{port}/")
        jobs = [submit(embedded.database, user_id, email_notifications=False).id for _ in range(5)]
        for job_id in jobs:
            end(embedded, job_id, "canceled")
            _change(embedded, job_id, announced_until=9 * 10**15)
        assert embedded.queue.lost_messages()
        for job_id in jobs:
            body = messages.make(job_id, video_fid=None, mp3_fid=None, username="anna")
            embedded.queue.publish(MP3_QUEUE, body, expires_s=60)
        with running(embedded, None, guard=guard_for(port)):
            wait_until(lambda: embedded.queue.depth(MP3_QUEUE) == 0, 30, "the messages to be taken")
            states = Counter(notifications_of(embedded.database, job_id)[0].state for job_id in jobs)
            released.set()
            assert states == {"sending": WEBHOOKS.per_destination, "queued": 5 - WEBHOOKS.per_destination}


def test_one_job_can_name_a_receiver_of_its_own(embedded: System) -> None:
    """It should be told of that job only, and of the next try at it."""
    secret = webhooks.new_secret()
    receiver = Receiver()
    with listening(receiver) as port:
        named = webhooks.Receiver(f"http://hooks.example.org:{port}/", secret)
        user_id, job_id = owned_job(embedded, webhook=named)
        silent = submit(embedded.database, user_id, email_notifications=False).id
        end(embedded, job_id, "failed")
        end(embedded, silent, "failed")
        with embedded.database.write() as session:
            again = lifecycle.retry(session, job_id, user_id).id
        end(embedded, again, "finished")
        with running(embedded, None, guard=guard_for(port)):
            wait_for(embedded, job_id, "sent")
            wait_for(embedded, again, "sent")
    assert notifications_of(embedded.database, silent) == []
    told = {message["data"]["id"]: message["type"] for message in receiver.verified(secret)}
    assert told == {job_id: "conversion.failed", again: "conversion.finished"}


def test_a_batch_s_receiver_is_told_of_its_end(system: System) -> None:
    user_id = make_user(system.database)
    receiver, secret = Receiver(), webhooks.new_secret()
    with listening(receiver) as port:
        named = webhooks.Receiver(f"http://hooks.example.org:{port}/", secret)
        with system.database.write() as session:
            batch_id = batches.create(session, user_id, tag="mine", webhook=named, idempotency=None).id
        one, two = (submit(system.database, user_id, batch_id=batch_id, email_notifications=False).id for _ in range(2))
        end(system, one, "finished")
        end(system, two, "failed")
        with running(system, None, guard=guard_for(port)):  # whose reaper ends the batch
            wait_for(system, two, "sent")
    (told,) = receiver.verified(secret)
    assert (told["type"], told["data"]["id"], told["data"]["tag"]) == ("batch.ended", batch_id, "mine")
    assert told["data"]["counts"] == {"finished": 1, "failed": 1}
    assert [job["id"] for job in told["data"]["conversions"]] == [one, two]


# -- The end and its delivery are one ---------------------------------------------------------------------

_FINISHING = """
import sys
from tests.chaos.failpoints import Failpoints
from tests.jobs.rows import claimed, finish
from video2mp3.database.connection import Database
url, job_id, failpoint = sys.argv[1:]
database = Database(url)
claim = claimed(database, job_id)
Failpoints(failpoint).install()
finish(database, claim)
"""


@pytest.mark.parametrize(
    ("failpoint", "state", "queued"), [("in_finish:1", "processing", 0), ("never:1", "finished", 1)]
)
def test_the_end_and_its_delivery_are_written_both_or_neither(
    system: System, failpoint: str, state: str, queued: int
) -> None:
    """It should leave neither where the process dies after the statements and before the commit."""
    user_id, job_id = owned_job(system)
    make_webhook(system.database, user_id, "http://hooks.example.org/")
    url = system.database.engine.url.render_as_string(hide_password=False)
    process = subprocess.run([sys.executable, "-c", _FINISHING, url, job_id, failpoint], cwd=ROOT, check=False)
    assert process.returncode == (-signal.SIGKILL if failpoint.startswith("in_") else 0)
    wait_until(lambda: read_job(system.database, job_id).state == state, 10, f"the job to be {state}")
    assert len(notifications_of(system.database, job_id)) == queued


_DELIVERING = """
import sys, time
from tests.chaos.failpoints import Failpoints
from tests.notify.test_loop import running
from tests.outbound.test_exchange import guard_for
from tests.worker.system import System
from video2mp3.database.connection import Database
from video2mp3.notify import loop
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage.disk import DiskStorage
from pathlib import Path
url, port, failpoint = sys.argv[1:]
points = Failpoints(failpoint)
deliver = loop.deliver

async def delivered(*arguments, **named):
    points.pass_through("before_deliver")
    status = await deliver(*arguments, **named)
    points.pass_through("after_deliver")
    return status

loop.deliver = delivered
with running(System(Database(url), MemoryQueue(), DiskStorage(Path("."))), None, guard=guard_for(int(port))):
    time.sleep(60)
"""


@pytest.mark.parametrize(("failpoint", "received"), [("before_deliver:1", 1), ("after_deliver:1", 2)])
def test_a_notifier_that_dies_around_a_delivery_is_followed_by_another(
    embedded: System, tmp_path: Path, failpoint: str, received: int
) -> None:
    """It should deliver at least once, and with the same id where it is twice."""
    user_id, job_id = owned_job(embedded)
    receiver = Receiver()
    with listening(receiver) as port:
        _, secret = make_webhook(embedded.database, user_id, f"http://hooks.example.org:{port}/")
        end(embedded, job_id, "finished")
        url = str(embedded.database.engine.url)
        program = [sys.executable, "-c", _DELIVERING, url, str(port), failpoint]
        env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        assert subprocess.run(program, cwd=tmp_path, env=env, timeout=50, check=False).returncode == -signal.SIGKILL
        assert notifications_of(embedded.database, job_id)[0].state == "sending"
        _change(embedded, job_id, lease_until=1)
        with running(embedded, None, guard=guard_for(port)):
            wait_for(embedded, job_id, "sent")
    assert len(receiver.verified(secret)) == received
    assert len({headers["webhook-id"] for headers, _ in receiver.told}) == 1
    assert json.loads(receiver.told[0][1])["data"]["id"] == job_id
