"""An exception in any step of any loop: it is counted and reported, and every job ends as it should."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest

from tests.api.conftest import serving_app
from tests.jobs.rows import notifications_of
from tests.servers import RabbitMQServer, SMTPServer, free_port, wait_until
from tests.worker.system import make_wav
from video2mp3 import supervision
from video2mp3.accounts import audit, one_time_tokens, sign_ins, signing_keys, throttling
from video2mp3.api.conversions import watcher
from video2mp3.cli.roles import http_server, server
from video2mp3.database import migrate
from video2mp3.jobs import batches, lifecycle, messages, workers
from video2mp3.jobs.housekeeping import loops, periodic_tasks, relay, sweeper
from video2mp3.jobs.lifecycle import states
from video2mp3.notify import account_emails, event_loop
from video2mp3.notify.loop import NotifierLoop
from video2mp3.outbox import claims, notifications
from video2mp3.queue import VIDEO_QUEUE, memory
from video2mp3.queue.rabbitmq import RabbitQueue
from video2mp3.settings import load_settings
from video2mp3.supervision import Loop
from video2mp3.telemetry import metrics_server
from video2mp3.telemetry.metrics import REGISTRY
from video2mp3.wiring import Backends, open_backends
from video2mp3.worker import leases, transfers
from video2mp3.worker.loop import WorkerLoop
from video2mp3.worker.spare_slot import SpareSlot


@dataclass
class Step:
    """A function that a loop calls."""

    loop: str
    owner: Any
    name: str
    every_turn: bool = True
    """Else it is called where there is work to do, and fails once only."""
    calls: int = field(default=0, init=False)

    def __str__(self) -> str:
        return f"{self.loop}:{getattr(self.owner, '__name__', self.owner)}.{self.name}"


def _work(loop: str, owner: Any, name: str) -> Step:
    return Step(loop, owner, name, every_turn=False)


STEPS = {
    "relay": [
        Step("relay", relay.Relay, "announce_due"),
        Step("relay", memory.MemoryQueue, "lost_messages"),
        Step("relay", relay, "_next_jobs"),
        _work("relay", memory.MemoryQueue, "publish"),
    ],
    "reaper": [
        Step("reaper", lifecycle, "reap"),
        Step("reaper", claims, "reap"),
        Step("reaper", batches, "end"),
        Step("reaper", workers, "forget_dead"),
    ],
    "sweeper": [
        Step("sweeper", signing_keys, "rotate_old"),
        Step("sweeper", signing_keys, "remove_retired"),
        Step("sweeper", audit, "delete_expired"),
        Step("sweeper", throttling, "delete_expired"),
        Step("sweeper", one_time_tokens, "delete_expired"),
    ],
    "sweeper, continued": [
        Step("sweeper", sign_ins, "delete_expired"),
        Step("sweeper", loops, "erase_deleted"),
        Step("sweeper", sweeper, "delete_expired"),
        Step("sweeper", periodic_tasks, "try_acquire"),
        _work("sweeper", sweeper, "delete_orphans"),
        Step("sweeper", loops, "sweep_scratch"),
    ],
    "heartbeat": [
        Step("heartbeat", WorkerLoop, "_slots_left"),
        Step("heartbeat", workers, "beat"),
        _work("heartbeat", leases.Lease, "is_due"),
        _work("heartbeat", leases.Lease, "renew"),
        _work("heartbeat", lifecycle, "heartbeat"),
    ],
    "slot-1": [
        Step("slot-1", memory.MemoryQueue, "consumer"),
        Step("slot-1", memory.MemoryConsumer, "take"),
        _work("slot-1", messages, "job_id_of"),
        _work("slot-1", lifecycle, "claim"),
        _work("slot-1", memory.MemoryConsumer, "stop"),
        _work("slot-1", memory.MemoryMessage, "ack"),
        _work("slot-1", WorkerLoop, "_work"),
    ],
    "spare-slot": [
        Step("spare-slot", SpareSlot, "_is_needed"),
    ],
    "job-watcher": [
        Step("job-watcher", watcher, "_query"),
        Step("job-watcher", watcher.JobWatcher, "_pause"),
        Step("job-watcher", watcher._Watch, "tell"),
    ],
    "notifier-1": [
        Step("notifier-1", memory.MemoryConsumer, "take"),
        Step("notifier-1", memory.MemoryQueue, "consumer"),
        _work("notifier-1", notifications, "claim"),
        _work("notifier-1", NotifierLoop, "_claim"),
        _work("notifier-1", NotifierLoop, "_check_capacity"),
        _work("notifier-1", NotifierLoop, "_hand_over"),
        _work("notifier-1", ThreadPoolExecutor, "submit"),
    ],
    "fetch-transfers": [
        Step("fetch-transfers", transfers.TransferLoop, "_begin_due"),
        Step("fetch-transfers", transfers.TransferLoop, "_take_next"),
        Step("fetch-transfers", transfers, "next_transfer"),
    ],
    "send-transfers": [
        Step("send-transfers", transfers, "next_transfer"),
        Step("send-transfers", transfers.TransferLoop, "_begin_due"),
        Step("send-transfers", transfers.TransferLoop, "_take_next"),
    ],
    "deliveries": [
        Step("deliveries", event_loop.EventLoop, "_run_for_a_while"),
    ],
    "account-emails": [
        Step("account-emails", one_time_tokens, "claim_email"),
    ],
}
ROUNDS = [[step for step in steps if step] for steps in zip_longest(*STEPS.values())]
# The event loop and its threads have no names of their own.
_NAMELESS = {"job-watcher"}


@pytest.fixture
def broken() -> threading.Event:
    """Set: the steps of the round fail."""
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes moments."""
    monkeypatch.setattr(supervision, "FAILING_S", 0.3)
    monkeypatch.setattr(supervision, "_FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(loops, "RELAY_EVERY_S", 0.1)
    monkeypatch.setattr(transfers, "_EVERY_S", 0.1)
    monkeypatch.setattr(account_emails, "_LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(loops, "REAP_EVERY_S", 0.2)
    monkeypatch.setattr(loops, "SWEEP_EVERY_S", 0.2)
    monkeypatch.setattr(loops, "ORPHANS_EVERY_S", 0)
    monkeypatch.setattr(leases, "_TICK_S", 0.01)
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(states, "LEASE_S", 3)
    monkeypatch.setattr(claims, "LEASE_S", 2)
    monkeypatch.setattr(leases, "LOST_AFTER_S", 2.5)
    monkeypatch.setitem(relay.Relay.__init__.__kwdefaults__ or {}, "announced_s", 2)


def install(step: Step, broken: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a function in the step's place that raises in the loop's thread while it is broken."""
    original: Callable[..., Any] = getattr(step.owner, step.name)

    def fail(*arguments: Any, **named: Any) -> Any:
        is_loop = step.loop in _NAMELESS or threading.current_thread().name == step.loop
        if is_loop and (broken.is_set() if step.every_turn else step.calls == 0):
            step.calls += 1
            raise RuntimeError(f"a bug in {step}")
        return original(*arguments, **named)

    monkeypatch.setattr(step.owner, step.name, fail)


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[tuple[str, Backends]]:
    """The whole service, as `video2mp3 serve` puts it together; its URL and what it stands on."""
    chosen = load_settings(data_dir=folder, worker_slots=1, **settings)
    with open_backends(chosen) as backends:
        migrate.upgrade(backends.database)
        with ExitStack() as stack:
            keeping = stack.enter_context(server._housekeeping(chosen, backends))
            stack.enter_context(server._notifier(chosen, backends, keeping))
            worker = server._make_worker(chosen, backends, keeping)
            worker.start()
            stack.callback(worker.join)
            stack.callback(worker.drain)
            app = http_server.make_app(chosen, backends, keeping, trust_loopback=True)
            yield stack.enter_context(serving_app(app)), backends


def order(url: str) -> str:
    """Orders a conversion; returns its id."""
    with httpx.Client(base_url=url, timeout=60) as client:
        upload = client.post("/v1/uploads", params={"name": "talk.wav"}, content=make_wav(0.5)).raise_for_status()
        made = client.post("/v1/conversions", json={"upload_id": upload.json()["id"]}).raise_for_status()
        return str(made.json()["id"])


def follow(url: str, job_id: str, seen: list[str]) -> None:
    """Reads the events of a conversion until it has ended."""
    with httpx.stream("GET", f"{url}/v1/conversions/{job_id}/events", timeout=60) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: "))["state"])


def failed(name: str) -> int:
    return supervision.failures().get(name, 0)


@pytest.mark.parametrize("steps", ROUNDS, ids=lambda steps: ", ".join(map(str, steps)))
@pytest.mark.usefixtures("fast")
def test_loops_outlive_exceptions_in_every_step(
    steps: list[Step], broken: threading.Event, tmp_path: Path, smtp: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should count them, name the loops that stay broken in /readyz, and finish and tell the job all the same."""
    for step in steps:
        install(step, broken, monkeypatch)
    before = {step.loop: failed(step.loop) for step in steps}
    email = {"smtp_host": smtp.host, "smtp_port": smtp.port, "smtp_security": "none"}
    with served(tmp_path, **email) as (url, backends):
        job_id, seen = order(url), list[str]()
        follower = threading.Thread(target=follow, args=(url, job_id, seen))
        follower.start()
        lasting = {step.loop for step in steps if step.every_turn}

        def are_reported() -> bool:
            answer = httpx.get(f"{url}/readyz", timeout=60)
            return lasting <= set(answer.json()["stalled_loops"]) and answer.status_code == (503 if lasting else 200)

        wait_until(are_reported, 30, f"the report of {lasting}")
        broken.clear()
        follower.join(60)
        assert seen[-1] == "finished"
        wait_until(
            lambda: [row.state for row in notifications_of(backends.database, job_id)] == ["sent"],
            30,
            "the notification",
        )
        wait_until(lambda: all(failed(step.loop) > before[step.loop] for step in steps), 30, "the counts")
        wait_until(lambda: httpx.get(f"{url}/readyz", timeout=60).status_code == 200, 30, "readiness")
    assert [str(step) for step in steps if not step.calls] == []


def test_every_loop_of_the_service_has_its_steps_here(tmp_path: Path, smtp: SMTPServer) -> None:
    """It should fail for a new loop until its steps are in the table."""
    email = {"smtp_host": smtp.host, "smtp_port": smtp.port, "smtp_security": "none"}
    with served(tmp_path, **email):
        found = set(supervision.ages_s())
    assert found == {step.loop for steps in STEPS.values() for step in steps} - {"job-watcher"}


def test_the_broker_s_event_loop_outlives_its_end(rabbitmq: RabbitMQServer) -> None:
    """It should go on with the same connections, and count the failure."""
    rabbitmq.clear()
    queue = RabbitQueue(rabbitmq.url)
    try:
        queue.check()
        before = failed("rabbitmq")

        def end() -> None:
            raise SystemExit

        queue._loop.call_soon_threadsafe(end)
        wait_until(lambda: failed("rabbitmq") > before, 10, "the failure")
        queue.publish(VIDEO_QUEUE, b"{}", 60)
        message = queue.consumer(VIDEO_QUEUE).take(10)
        assert message is not None
        message.ack()
    finally:
        queue.close()
    assert "rabbitmq" not in supervision.ages_s()


def test_the_metrics_outlive_an_exception_in_their_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should answer again, and say how often it failed."""
    original = metrics_server._Server.service_actions
    calls: list[int] = []

    def fail_once(server: metrics_server._Server) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("a bug")
        original(server)

    monkeypatch.setattr(metrics_server._Server, "service_actions", fail_once)
    before, port = failed("metrics"), free_port()
    with metrics_server.serve_metrics("127.0.0.1", port):
        wait_until(lambda: failed("metrics") > before, 10, "the failure")
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
        assert answer.status_code == 200
    assert b"video2mp3_info" in generate_latest(REGISTRY)


def test_a_step_that_is_not_guarded_would_be_seen(
    broken: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a loop whose guard is taken out ends, and is neither counted nor at work."""

    def run_bare(loop: Loop) -> None:
        while not loop._stopping.is_set():
            loop._function()

    monkeypatch.setattr(Loop, "_run", run_bare)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    loop = Loop("bare", lambda: 1 / 0, stall_after_s=0.1)
    before = failed("bare")
    loop.start()
    loop._thread.join(10)
    assert not loop.is_alive()
    assert failed("bare") == before
    loop.stop()
    loop.unwatch()
