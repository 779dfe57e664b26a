"""What a job takes and costs on this machine, measured on the embedded service's own parts in half a minute.

Times are the processors' in real conversions with all slots busy: with as many slots as processors, that is how long a
slot is busy, and other work changes it less than the clock. Statements are counted where SQLAlchemy sends them.
"""

import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import httpx
import structlog
from sqlalchemy import delete, insert, select

from benchmarks.embedded import Batch, EmbeddedService
from benchmarks.inputs import ensure, seconds
from benchmarks.loads import Measured
from video2mp3.database.tables import Job, new_id
from video2mp3.jobs import lifecycle, workers
from video2mp3.jobs.housekeeping.loops import REAP_EVERY_S, RELAY_EVERY_S
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.outbox import claims
from video2mp3.uploads.chunks import CHUNK_SIZE_BYTES
from video2mp3.worker.leases import HEARTBEAT_S, PROGRESS_S, Lease

SHORT, LONG, LONGER = "talk-10s.mp4", "talk-3min.mp4", "talk-10min.mp4"
MIX = 12 * [SHORT] + 6 * [LONG] + 2 * [LONGER]
ONE_BY_ONE = 8
ANNOUNCED = 4000
_UPLOAD_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Calibration:
    """What was measured, and a run of other files to compare predictions with."""

    measured: Measured
    mix_s: list[float]
    """Lengths of their audio, in the order in which they were taken."""
    mix_took: Batch


def calibrate() -> Calibration:
    """Measures everything."""
    # A line for each job is of no use here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder, EmbeddedService(Path(folder)) as service:
        cost = _one_by_one(service)
        short_s = service.convert(24 * [SHORT]).cpu_s / 24
        long_s = service.convert(4 * [LONG]).cpu_s / 4
        mix = Random(1).sample(MIX, len(MIX))
        took = service.convert(mix)
        per_audio_s = (long_s - short_s) / (seconds(LONG) - seconds(SHORT))
        measured = Measured(
            slots=service.slots,
            fixed_s=short_s - per_audio_s * seconds(SHORT),
            per_audio_s=per_audio_s,
            **cost,
            **_cost_of_long_ones(service),
            **_reading(service),
            **_looks(service),
            upload_bytes_per_s=_upload_bytes_per_s(),
        )
    return Calibration(measured, [seconds(name) for name in mix], took)


def _one_by_one(service: EmbeddedService) -> dict[str, float]:
    """What one job costs where it is alone, and how soon it starts."""
    content, ids = ensure(SHORT).read_bytes(), []
    idle = _idle_statements_per_s(service)
    with service.working():
        service.wait()
        time.sleep(1)  # what is done at the start only
        before, published, began_s = service.statements, service.queue.published, time.monotonic()
        for _ in range(ONE_BY_ONE):
            ids.append(service.submit(service.upload(content)))
            service.wait()
        took_s = time.monotonic() - began_s
        statements, published = service.statements - before, service.queue.published - published
    starts_s = [((job.started_at or 0) - job.created_at) / 1e6 for job in service.jobs(ids)]
    look = service.count(lambda: service.client.get(f"/v1/conversions/{ids[0]}").raise_for_status())
    return {
        "start_s": median(starts_s),
        "statements_per_job": (statements - idle * took_s) / ONE_BY_ONE,
        "statements_per_look": look,
        "statements_per_process_s": idle,
        "messages_per_job": published / ONE_BY_ONE,
    }


def _idle_statements_per_s(service: EmbeddedService) -> float:
    """What a process without work does: its relay, its reaper and its worker's row, each in its own time."""
    database, worker_id = service.database, new_id()
    relay = Relay(database, service.queue)

    def reap() -> None:
        with database.write() as session:
            lifecycle.reap(session)
        with database.write() as session:
            claims.reap(session)
            workers.forget_dead(session)

    def beat() -> None:
        with database.write() as session:
            workers.beat(session, worker_id, host="bench", slots=service.slots, draining=False)

    relay.announce_due()
    beat()
    counts = {RELAY_EVERY_S: relay.announce_due, REAP_EVERY_S + 0.0: reap}
    per_s = sum(service.count(work) / every_s for every_s, work in counts.items())
    per_s += service.count(beat) / HEARTBEAT_S
    with database.write() as session:
        workers.leave(session, worker_id)
    return per_s


def _cost_of_long_ones(service: EmbeddedService) -> dict[str, float]:
    """What more bytes and more time cost."""
    one = service.count(lambda: service.upload(bytes(CHUNK_SIZE_BYTES)))
    three = service.count(lambda: service.upload(bytes(3 * CHUNK_SIZE_BYTES)))
    job_id = service.submit(service.upload(ensure(SHORT).read_bytes()))
    with service.database.write() as session:
        claim = lifecycle.claim(session, job_id, new_id())
    assert claim is not None
    lease = Lease(claim, time.monotonic(), lambda: False)
    beat = service.count(lambda: lease.renew(service.database))
    with service.database.write() as session:
        session.execute(delete(Job).where(Job.id == job_id))
    return {"statements_per_chunk": (three - one) / 2, "statements_per_busy_s": beat / PROGRESS_S}


def _reading(service: EmbeddedService) -> dict[str, float]:
    """What a worker reads of a video."""
    reads, read_bytes = service.storage.reads, service.storage.read_bytes
    service.convert([LONG])
    size_bytes = ensure(LONG).stat().st_size
    return {
        "reads_per_byte": (service.storage.reads - reads) / size_bytes,
        "read_share": (service.storage.read_bytes - read_bytes) / size_bytes,
    }


def _looks(service: EmbeddedService) -> dict[str, float]:
    """How long a relay takes to find nothing to do, with few jobs announced and with many."""
    relay = Relay(service.database, service.queue)

    def look_s() -> float:
        times_s = []
        for _ in range(20):
            began_s = time.perf_counter()
            relay.announce_due()
            times_s.append(time.perf_counter() - began_s)
        return min(times_s)  # other work only ever adds to it

    few_s = look_s()
    with service.database.write() as session:
        like = session.scalars(select(Job).limit(1)).one()
        row: dict[str, Any] = {
            "user_id": like.user_id,
            "upload_id": like.upload_id,
            "source_name": "",
            "source_size_bytes": 1,
        }
        row |= {"options": {}, "created_at": 1, "state": "queued", "announced_until": 2**60}
        session.execute(insert(Job), [{**row, "id": new_id()} for _ in range(ANNOUNCED)])
    return {"relay_fixed_s": few_s, "relay_per_row_s": max(0.0, look_s() - few_s) / ANNOUNCED}


def _upload_bytes_per_s() -> float:
    """How fast a process of its own takes a file from one client."""
    program = [sys.executable, "-m", "video2mp3", "serve", "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"VIDEO2MP3_DATA_DIR": folder, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(program, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serve:
            try:
                assert serve.stdout is not None
                found = re.search(r"listens on (http://\S+)", serve.stdout.readline())
                assert found is not None
                with httpx.Client(base_url=found[1], timeout=60) as client:
                    times_s = []
                    for _ in range(3):
                        began_s = time.perf_counter()
                        client.post("/v1/uploads?name=a.mp4", content=bytes(_UPLOAD_BYTES)).raise_for_status()
                        times_s.append(time.perf_counter() - began_s)
                    return _UPLOAD_BYTES / min(times_s)
            finally:
                serve.terminate()
