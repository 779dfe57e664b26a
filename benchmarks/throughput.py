"""How many short clips the service converts against the engine alone: `make bench-throughput`, as root.

A thousand clips of ten seconds, two at a time: by `convert` in a loop of two threads, by the embedded service, and by a
worker with two slots on MariaDB, RabbitMQ and S3, which share the cores with it. Everything is uploaded and queued
before the clock starts. The goals: at least 80 % of the engine's speed embedded and 60 % spread, and, spread, at most
1.2 times the engine's CPU time in the worker and the processes that it converts in.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from tests.acceptance.service import PASSWORD, Service, backends_env, base_env, migrate
from tests.media import make_video
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer, wait_until

from video2mp3.engine import FileSource, convert

CLIP_S = 10
SLOTS = 2
_PATIENCE_S = 1800


@dataclass(frozen=True)
class Measured:
    """What so many clips took."""

    wall_s: float
    cpu_s: float
    """Of the processes that convert, and of the worker where there is one."""


class CpuGroup:
    """Counts the CPU time of a process and of all that come from it, those that nobody waits for too."""

    def __init__(self) -> None:
        unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
        self._is_unified = unified
        self._folder = Path("/sys/fs/cgroup" if unified else "/sys/fs/cgroup/cpuacct") / f"video2mp3-{os.getpid()}"
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            sys.exit(f"CPU time is counted in a cgroup, which cannot be made here ({error.strerror}); run it as root.")

    def take(self, pid: int) -> None:
        """Counts a process from now on, and those that it starts."""
        (self._folder / "cgroup.procs").write_text(str(pid))

    def cpu_s(self) -> float:
        """Returns the CPU time so far, in seconds."""
        if self._is_unified:
            return int((self._folder / "cpu.stat").read_text().split()[1]) / 1e6
        return int((self._folder / "cpuacct.usage").read_text()) / 1e9

    def close(self) -> None:
        """Takes it away, once its processes have ended."""
        wait_until(lambda: not (self._folder / "cgroup.procs").read_text(), 30, "the processes counted to end")
        self._folder.rmdir()


def main() -> None:
    """Measures the three in turns, and prints what came out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--clips", type=int, default=1000, metavar="NUMBER")
    parser.add_argument("--rounds", type=int, default=1, metavar="NUMBER")
    parser.add_argument("--engine", type=Path, help=argparse.SUPPRESS)  # the process that the engine alone runs in
    given = parser.parse_args()
    if given.engine:
        _convert_in_a_loop(given.engine, given.clips)
        return
    with _folder() as folder:
        clip = make_video(folder / "clip.mp4", CLIP_S)
        for _ in range(given.rounds):
            _measure_all(clip, given.clips)


def _measure_all(clip: Path, clips: int) -> None:
    engine = _engine(clip, clips)
    for name, measured in (("engine", engine), ("embedded", _embedded(clip, clips)), ("spread", _spread(clip, clips))):
        print(
            f"{name:10} {measured.wall_s:7.1f} s  {clips / measured.wall_s:6.1f} clips/s  "
            f"speed {engine.wall_s / measured.wall_s:5.2f}  CPU {measured.cpu_s / engine.cpu_s:5.2f}",
            flush=True,
        )


# -- The engine alone ---------------------------------------------------------------------------------


def _engine(clip: Path, clips: int) -> Measured:
    with _cpu_group() as group:
        command = [sys.executable, "-m", "benchmarks.throughput", "--engine", str(clip), "--clips", str(clips)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        group.take(process.pid)
        printed, _ = process.communicate()
        return Measured(json.loads(printed), group.cpu_s())


def _convert_in_a_loop(path: Path, clips: int) -> None:
    def work(_: int) -> None:
        with FileSource(path) as source, tempfile.TemporaryFile() as sink:
            convert(source, sink)

    work(0)  # a worker's zygote runs before its first job, too
    started_s = time.perf_counter()
    with ThreadPoolExecutor(SLOTS) as pool:
        list(pool.map(work, range(clips)))
    print(time.perf_counter() - started_s)


@contextmanager
def _cpu_group() -> Iterator[CpuGroup]:
    group = CpuGroup()
    try:
        yield group
    finally:
        group.close()


# -- The service ----------------------------------------------------------------------------------------


def _embedded(clip: Path, clips: int) -> Measured:
    """The API takes all before the process that converts is there: one without slots takes them."""
    with ExitStack() as stack:
        folder, smtp = stack.enter_context(_folder()), _started(stack, SMTPServer())
        service = Service(folder, base_env(folder), smtp, is_cold=True)
        group = stack.enter_context(_cpu_group())
        stack.callback(service.kill)
        migrate(service.env)
        _start_api(service)
        with service.user("bench") as client:
            ids = _submit(client, clip, clips)
        service.roles["api"].stop()
        serve = service.start("serve", "serve", "--port", "0")
        group.take(serve.process.pid)
        service.urls = [serve.wait_for_output(r"listens on (http://\S+)")[1]]
        return _until_all_ended(service, ids, group)


def _spread(clip: Path, clips: int) -> Measured:
    with ExitStack() as stack:
        folder, smtp = stack.enter_context(_folder()), _started(stack, SMTPServer())
        database, broker, s3 = (_started(stack, server) for server in (MariaDBServer(), RabbitMQServer(), S3Server()))
        env = backends_env(database.new_database(), broker.url, s3.new_bucket())
        service = Service(folder, base_env(folder) | env, smtp, is_cold=True)
        group = stack.enter_context(_cpu_group())
        stack.callback(service.kill)
        migrate(service.env)
        _start_api(service)
        with service.user("bench") as client:
            ids = _submit(client, clip, clips)
        group.take(service.start("worker", "worker", "--slots", str(SLOTS)).process.pid)
        return _until_all_ended(service, ids, group)


def _start_api(service: Service) -> None:
    api = service.start("api", "api", "--port", "0")
    service.urls = [api.wait_for_output(r"listens on (http://\S+)")[1]]


def _submit(client: httpx.Client, clip: Path, clips: int) -> list[str]:
    video = clip.read_bytes()

    def submit(_: int) -> str:
        upload = client.post("/v1/uploads", params={"name": clip.name}, content=video).raise_for_status().json()
        order = {"upload_id": upload["id"]}
        return str(client.post("/v1/conversions", json=order).raise_for_status().json()["id"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(submit, range(clips)))


def _until_all_ended(service: Service, ids: list[str], group: CpuGroup) -> Measured:
    """Waits for the last, and returns the time from the first one's start on."""
    deadline_s = time.monotonic() + _PATIENCE_S
    with httpx.Client(base_url=service.url, timeout=60) as client:
        answer = client.post("/v1/sessions", json={"username": "bench", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        while client.get(f"/v1/conversions/{ids[-1]}").raise_for_status().json()["state"] != "finished":
            if time.monotonic() > deadline_s:
                sys.exit("the clips were not converted in time")
            time.sleep(0.5)
        time.sleep(1)  # the one beside it
        cpu_s = group.cpu_s()
        jobs = [_conversion(client, job_id) for job_id in ids]
    assert {job["state"] for job in jobs} == {"finished"}
    started, ended = min(_moment(job["started_at"]) for job in jobs), max(_moment(job["ended_at"]) for job in jobs)
    return Measured(ended - started, cpu_s)


def _conversion(client: httpx.Client, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/conversions/{job_id}").raise_for_status().json()
    return found


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="video2mp3-throughput-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(stack: ExitStack, server: Any) -> Any:
    stack.callback(server.close)
    server.start()
    return server


if __name__ == "__main__":
    main()
