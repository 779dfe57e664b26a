"""A zygote is replaced after a number of jobs: none waits for that, none is lost, and addresses change."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.processes import wait_until
from tests.engine.sounds import BytesSource, tone, wav_with
from tests.processes import children_of, is_running
from video2mp3.engine import Report, convert, probe
from video2mp3.engine.parent import zygote_client
from video2mp3.engine.parent.zygote_client import ZYGOTE, ChildHandle, Zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewals come after three processes."""
    monkeypatch.setattr(zygote_client, "RENEW_AFTER", 3)


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


def pid_of(zygote: Zygote) -> int:
    assert zygote.pid is not None
    return zygote.pid


def end(handle: ChildHandle) -> None:
    handle.kill()
    handle.close()


def renew(zygote: Zygote) -> None:
    """Uses the zygote until it has been replaced."""
    before = zygote.pid

    def is_replaced() -> bool:
        end(zygote.fork([]))
        return zygote.pid != before

    wait_until(is_replaced)


def layout_of(handle: ChildHandle) -> str:
    """Where the C library is in the process."""
    lines = Path(f"/proc/{handle.pid}/maps").read_text().splitlines()
    return next(line.split("-")[0] for line in lines if "/libc.so" in line or "/libc-" in line)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_layout_changes_with_a_renewal(zygote: Zygote) -> None:
    """It should be the same for two processes of one zygote, and another after that."""
    first, second = zygote.fork([]), zygote.fork([])
    assert layout_of(first) == layout_of(second)
    renew(zygote)
    third = zygote.fork([])
    assert layout_of(third) != layout_of(first)
    for handle in (first, second, third):
        end(handle)


def test_a_running_process_keeps_its_zygote_until_it_ends(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should leave no process and no descriptor behind, after several renewals."""
    of_others = children_of(os.getpid())
    running = zygote.fork([])
    first = pid_of(zygote)
    descriptors = open_descriptors()
    for _ in range(3):
        renew(zygote)
    assert is_running(running.pid)
    assert is_running(first)
    running.kill()
    wait_until(lambda: not is_running(first))
    monkeypatch.setattr(zygote_client, "RENEW_AFTER", 10**9)

    def is_tidy() -> bool:
        end(zygote.fork([]))
        mine = [pid for pid in children_of(os.getpid()) if pid not in of_others]
        return mine == [zygote.pid] and open_descriptors() == descriptors

    wait_until(is_tidy, 60)
    running.close()


def test_a_conversion_survives_renewals() -> None:
    """It should come out whole though its zygote was replaced while it ran."""
    go_on = threading.Event()
    found: list[Report] = []

    def wait(count: int) -> None:
        if count == 3:
            go_on.wait(60)

    def run() -> None:
        with tempfile.TemporaryFile() as sink:
            found.append(convert(BytesSource(wav_with(tone(48_000 * 2) * 10, rate_hz=48_000), wait), sink))

    thread = threading.Thread(target=run)
    thread.start()
    before = ZYGOTE.pid

    def is_replaced() -> bool:
        assert probe(BytesSource(wav_with(tone(8000)))).container == "wav"
        return ZYGOTE.pid not in (None, before)

    wait_until(is_replaced)
    go_on.set()
    thread.join(60)
    assert [report.duration_s for report in found] == [20.0]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The zygotes that are started, each stopped before it is ready; their ids."""
    pids: list[int] = []
    start: Callable[[], zygote_client._Started] = zygote_client._start

    def start_stopped() -> zygote_client._Started:
        control, process = start()
        os.kill(process.pid, signal.SIGSTOP)
        pids.append(process.pid)
        return control, process

    monkeypatch.setattr(zygote_client, "_start", start_stopped)
    return pids


def test_the_old_one_serves_until_the_new_one_is_ready(
    zygote: Zygote, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    end(zygote.fork([]))
    first = zygote.pid
    started: list[int] = request.getfixturevalue("started")
    for _ in range(10):
        end(zygote.fork([]))
    assert len(started) == 1
    assert zygote.pid == first
    os.kill(started[0], signal.SIGCONT)
    renew(zygote)
    assert zygote.pid == started[0]


def test_one_that_cannot_start_leaves_the_old_one_in_place(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    end(zygote.fork([]))
    first = zygote.pid
    descriptors = open_descriptors()
    for program in ("/bin/false", "/nowhere"):
        monkeypatch.setattr(sys, "executable", program)
        for _ in range(10):
            end(zygote.fork([]))
        assert zygote.pid == first
    monkeypatch.setattr(zygote_client, "RENEW_AFTER", 10**9)

    def is_tidy() -> bool:
        end(zygote.fork([]))
        return open_descriptors() == descriptors

    wait_until(is_tidy, 60)


ENDING = """
import sys
from tests.engine.test_renewal import renew
from video2mp3.engine.parent import zygote_client
zygote_client.RENEW_AFTER = 3
running = zygote_client.ZYGOTE.fork([])
renew(zygote_client.ZYGOTE)
print("renewed", flush=True)
sys.stdin.read()
"""


def test_retired_ones_end_with_the_parent_however_that_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        pids = children_of(parent.pid)
        assert len(pids) == 2
        pids += [child for pid in pids for child in children_of(pid)]
        parent.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids), timeout_s=5)
