"""The embedded service's parts in this process, so that what they do can be counted."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from sqlalchemy import event, func, select

from benchmarks.inputs import ensure
from benchmarks.latency import process_cpu_s
from video2mp3.api.application import create_app
from video2mp3.api.frame.services import Services
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Notification
from video2mp3.engine import Limits
from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.parent.zygote_client import ZYGOTE
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.notify.loop import NotifierLoop
from video2mp3.outbound import Guard
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import load_settings
from video2mp3.storage.disk import DiskStorage
from video2mp3.worker.loop import WorkerConfig, WorkerLoop

_PATIENCE_S = 300
_POLL_S = 0.05
_CPU_POLL_S = 0.003


@dataclass(frozen=True)
class Batch:
    """What some files took that were all there from the beginning on."""

    wall_s: float
    """From the first one's start to the last one's end."""
    cpu_s: float
    """Of all processes together."""


class CpuWatch(threading.Thread):
    """Sums up the CPU time of this process, of the zygote and of its children while it runs.

    The kernel forgets a child's time with the child, as nobody waits for it: so its clock is read again and again.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.cpu_s = 0.0
        self._children: dict[int, float] = {}
        self._stopping = threading.Event()
        ZYGOTE.start()
        assert ZYGOTE.pid is not None
        self._zygote_pid = ZYGOTE.pid
        self._list = Path(f"/proc/{ZYGOTE.pid}/task/{ZYGOTE.pid}/children")

    def run(self) -> None:
        while not self._stopping.wait(_CPU_POLL_S):
            for pid in map(int, self._list.read_text().split()):
                with suppress(OSError):  # it has just ended
                    self._children[pid] = process_cpu_s(pid)

    def __enter__(self) -> "CpuWatch":
        self.cpu_s = -time.process_time() - process_cpu_s(self._zygote_pid)
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        self.join()
        self.cpu_s += time.process_time() + process_cpu_s(self._zygote_pid) + sum(self._children.values())


class _Storage(DiskStorage):
    """Counts what is read."""

    reads = read_bytes = 0

    def read(self, key: str, offset_bytes: int, size_bytes: int) -> bytes:
        data = super().read(key, offset_bytes, size_bytes)
        self.reads += 1
        self.read_bytes += len(data)
        return data


class _Queue(MemoryQueue):
    """Counts what is published."""

    published = 0

    def publish(self, *arguments: object, **named: object) -> None:
        self.published += 1
        super().publish(*arguments, **named)  # type: ignore[arg-type]


class EmbeddedService:
    """The embedded service's parts; what works in the background only while it is wanted."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings(data_dir=folder)
        self.slots = available_cpus()
        self.statements = 0
        self.database = Database(settings.effective_database_url)
        self._unseen = Database(settings.effective_database_url)
        self.queue, self.storage = _Queue(), _Storage(folder / "storage")
        migrate.upgrade(self.database)
        event.listen(self.database.engine, "before_cursor_execute", self._count)
        self._wake: Callable[[], None] = lambda: None
        services = Services(
            settings=settings,
            database=self.database,
            queue=self.queue,
            storage=self.storage,
            wake=lambda: self._wake(),
            guard=Guard(),
            trust_loopback=False,
        )
        self.client = httpx.Client(timeout=60)
        self._server = uvicorn.Server(uvicorn.Config(create_app(services), port=0, log_config=None))
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> "EmbeddedService":
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.client.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        account = {"username": "bench", "password": "correct horse battery"}
        self.client.post("/v1/accounts", json=account).raise_for_status()
        answer = self.client.post("/v1/sessions", json=account).raise_for_status()
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.client.close()
        self.database.close()
        self._unseen.close()

    def _count(self, *_: object) -> None:
        self.statements += 1

    def count(self, work: Callable[[], object]) -> int:
        """Returns the number of statements that it makes."""
        before = self.statements
        work()
        return self.statements - before

    def upload(self, content: bytes) -> str:
        """Returns the id."""
        answer = self.client.post("/v1/uploads", params={"name": "talk.mp4"}, content=content)
        return str(answer.raise_for_status().json()["id"])

    def submit(self, upload_id: str) -> str:
        """Returns the job's id."""
        answer = self.client.post("/v1/conversions", json={"upload_id": upload_id})
        return str(answer.raise_for_status().json()["id"])

    @contextmanager
    def working(self) -> Iterator[None]:
        """Worker, notifier and housekeeping run until the end of the block."""
        housekeeping = Housekeeping(self.database, self.queue, self.storage)
        self._wake = wake = housekeeping.wake
        worker = WorkerLoop(
            self.database,
            self.queue,
            self.storage,
            WorkerConfig(self.slots, limits=Limits(threads=min(4, self.slots))),
            wake,
        )
        public_url = "http://127.0.0.1:8000"
        notifier = NotifierLoop(self.database, self.queue, mailer=None, guard=Guard(), public_url=public_url, wake=wake)
        with ExitStack() as stack:
            for part, stop in ((housekeeping, housekeeping.stop), (notifier, notifier.stop)):
                part.start()
                stack.callback(stop)
            worker.start()
            stack.callback(worker.join)
            stack.callback(worker.drain)
            yield

    def wait(self) -> None:
        """Waits until all jobs have ended and their owners were told."""
        deadline_s = time.monotonic() + _PATIENCE_S
        open_jobs = select(func.count()).select_from(Job).where(Job.state.not_in(lifecycle.ENDED))
        unsent = select(func.count()).select_from(Notification).where(Notification.state != "sent")
        while True:
            with self._unseen.read() as session:
                if not session.scalar(open_jobs) and not session.scalar(unsent):
                    return
            if time.monotonic() > deadline_s:
                sys.exit("The jobs did not end in time.")
            time.sleep(_POLL_S)

    def jobs(self, ids: Sequence[str]) -> list[Job]:
        """Returns the rows; nobody counts that."""
        with self._unseen.read() as session:
            jobs = list(session.scalars(select(Job).where(Job.id.in_(ids))))
        assert {job.state for job in jobs} == {"finished"}
        return jobs

    def convert(self, names: Sequence[str]) -> Batch:
        """Converts files that all wait from the beginning on."""
        ids = [self.submit(self.upload(ensure(name).read_bytes())) for name in names]
        with CpuWatch() as watch, self.working():
            self.wait()
        jobs = self.jobs(ids)
        wall_s = (max(job.ended_at or 0 for job in jobs) - min(job.started_at or 0 for job in jobs)) / 1e6
        return Batch(wall_s, watch.cpu_s)
