"""A database, a queue and a storage that belong together, and what the tests of loops do with them."""

import functools
import io
import math
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tests.jobs.rows import make_user, read_job, submit
from tests.servers import wait_until
from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Worker
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.queue import Queue
from video2mp3.storage import Storage
from video2mp3.worker.loop import WorkerConfig, WorkerLoop

RATE_HZ = 48_000


def make_wav(seconds: float) -> bytes:
    """A mono WAV file with a tone."""
    second = _second()
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(RATE_HZ)
        whole, part = divmod(round(seconds * RATE_HZ), RATE_HZ)
        for _ in range(whole):
            audio.writeframes(second)
        audio.writeframes(second[: part * 2])
    return file.getvalue()


@functools.cache
def _second() -> bytes:
    return array("h", (int(8000 * math.sin(i / 20)) for i in range(RATE_HZ))).tobytes()


@dataclass(frozen=True)
class System:
    """Everything but the processes."""

    database: Database
    queue: Queue
    storage: Storage

    def upload(self, user_id: str, content: bytes, name: str = "talk.wav") -> str:
        """Uploads a file; returns the upload's id."""
        with self.database.write() as session:
            upload = uploads.create(session, user_id=user_id, name=name, size_bytes=len(content), lifetime_s=3600)
        writer = uploads.ChunkWriter(self.database, self.storage, upload.id, max_size_bytes=10**9)
        writer.write(content)
        writer.close()
        with self.database.write() as session:
            assert uploads.complete(session, upload.id)
        return upload.id

    def submit(self, content: bytes, user_id: str | None = None, **arguments: Any) -> Job:
        """Uploads a file and submits a job for it."""
        user_id = user_id or make_user(self.database)
        return submit(self.database, user_id, self.upload(user_id, content), **arguments)

    def wait_for(self, job_id: str, *states: str, timeout_s: float = 60) -> Job:
        """Waits until the job is in one of the states."""

        def reached() -> Job | None:
            job = read_job(self.database, job_id)
            return job if job.state in states else None

        job = wait_until(reached, timeout_s, f"job in state {' or '.join(states)}")
        assert job is not None
        return job

    def keys(self, prefix: str = "results/") -> set[str]:
        """The keys of the stored objects."""
        return {stored.key for stored in self.storage.list(prefix)}

    def workers(self) -> list[Worker]:
        """The rows of the workers."""
        with self.database.read() as session:
            return list(session.scalars(select(Worker)))

    def worker(self, wake: Any = lambda: None, **arguments: Any) -> WorkerLoop:
        """A worker that is not started."""
        config = WorkerConfig(**{"slots": 1, "spare_slot": False, "drain_grace_s": 30, **arguments})
        return WorkerLoop(self.database, self.queue, self.storage, config, wake)

    @contextmanager
    def running(self, **arguments: Any) -> Iterator[WorkerLoop]:
        """Housekeeping and a worker, drained at the end."""
        housekeeping = Housekeeping(self.database, self.queue, self.storage)
        housekeeping.start()
        worker = self.worker(housekeeping.wake, **arguments)
        worker.start()
        try:
            yield worker
        finally:
            worker.drain()
            ended = worker.join(60)
            housekeeping.stop()
        assert ended, "the worker did not end"
