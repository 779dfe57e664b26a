"""The zygote: one per process, one thread, a fresh process for each job; it is replaced when it dies."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.processes import children, wait_until
from tests.engine.sounds import BytesSource, tone, wav_with
from tests.processes import children_of, descendants_of, is_running
from video2mp3.engine import Probe, convert, prepare, probe
from video2mp3.engine.parent import zygote_client
from video2mp3.engine.parent.zygote_client import ZYGOTE, ChildHandle, Zygote
from video2mp3.errors import EngineCrashed

SOUND = wav_with(tone(8000))


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Zygote]:
    """One for all tests that leave it as it is."""
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def fork(lasting: Zygote) -> Iterator[Callable[[], ChildHandle]]:
    """Makes processes that wait for a job."""
    made: list[ChildHandle] = []

    def fork() -> ChildHandle:
        with tempfile.TemporaryFile() as file:
            made.append(lasting.fork([file.fileno()]))
        return made[-1]

    yield fork
    for handle in made:
        handle.kill()
        handle.close()


def pid_of(zygote: Zygote) -> int:
    assert zygote.pid is not None
    return zygote.pid


def test_one_that_was_prepared_serves_the_first_job() -> None:
    ZYGOTE.close()
    prepare()
    pid = ZYGOTE.pid
    assert pid is not None
    probe(BytesSource(SOUND))
    assert ZYGOTE.pid == pid


def test_one_zygote_serves_all_jobs() -> None:
    probe(BytesSource(SOUND))
    before = ZYGOTE.pid
    assert [probe(BytesSource(SOUND)).container for _ in range(5)] == ["wav"] * 5
    assert ZYGOTE.pid == before


def test_every_job_has_a_fresh_process_in_a_session_of_its_own(
    lasting: Zygote, fork: Callable[[], ChildHandle]
) -> None:
    pids = [fork().pid for _ in range(3)]
    assert sorted(children_of(pid_of(lasting))) == sorted(pids)
    wait_until(lambda: [os.getsid(pid) for pid in pids] == pids)
    assert len({os.getsid(0), os.getsid(pid_of(lasting)), *pids}) == 5


def test_the_zygote_has_one_thread_and_no_environment(lasting: Zygote, fork: Callable[[], ChildHandle]) -> None:
    fork()
    assert len(list(Path(f"/proc/{lasting.pid}/task").iterdir())) == 1
    assert Path(f"/proc/{lasting.pid}/environ").read_bytes() == b""


def test_the_kernel_ends_a_fork_first_where_memory_runs_out(lasting: Zygote, fork: Callable[[], ChildHandle]) -> None:
    pid = fork().pid
    wait_until(lambda: Path(f"/proc/{pid}/oom_score_adj").read_text() == "500\n")
    own = Path("/proc/self/oom_score_adj").read_text()
    assert Path(f"/proc/{lasting.pid}/oom_score_adj").read_text() == own != "500\n"


def test_a_fork_keeps_no_descriptor_but_its_own(fork: Callable[[], ChildHandle]) -> None:
    pids = [fork().pid for _ in range(3)]

    def open_files(pid: int) -> dict[str, str]:
        found = {}
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it is being closed
                found[fd.name] = str(fd.readlink()).partition(":")[0]
        return found

    for pid in pids:
        wait_until(lambda: len(open_files(pid)) == 5)  # noqa: B023
        assert [path for fd, path in sorted(open_files(pid).items()) if int(fd) < 3] == ["/dev/null"] * 3
        rest = sorted(path for fd, path in open_files(pid).items() if int(fd) >= 3)
        assert rest[0].endswith("(deleted)")  # the temporary file
        assert rest[1] == "socket"


def test_a_dead_zygote_is_replaced_for_the_next_job() -> None:
    assert probe(BytesSource(SOUND)).container == "wav"
    dead = pid_of(ZYGOTE)
    os.kill(dead, signal.SIGKILL)
    assert probe(BytesSource(SOUND)).container == "wav"
    assert ZYGOTE.pid != dead
    assert not is_running(dead)


def test_the_death_of_the_zygote_is_a_crash_of_its_jobs() -> None:
    def kill_the_zygote(count: int) -> None:
        if count == 2:
            os.kill(pid_of(ZYGOTE), signal.SIGKILL)

    with tempfile.TemporaryFile() as sink, pytest.raises(EngineCrashed):
        convert(BytesSource(wav_with(tone(48_000 * 2) * 15, rate_hz=48_000), kill_the_zygote), sink)


def test_a_process_can_be_killed_while_the_zygote_is_stopped(lasting: Zygote, fork: Callable[[], ChildHandle]) -> None:
    handle = fork()
    os.kill(pid_of(lasting), signal.SIGSTOP)
    handle.kill()
    assert not is_running(handle.pid)
    os.kill(pid_of(lasting), signal.SIGCONT)


def test_a_zygote_that_does_not_answer_is_replaced(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    zygote.fork([]).close()
    monkeypatch.setattr(zygote_client, "START_TIMEOUT_S", 0.2)
    stopped = pid_of(zygote)
    os.kill(stopped, signal.SIGSTOP)
    asked = threading.Timer(0.3, monkeypatch.setattr, (zygote_client, "START_TIMEOUT_S", 20.0))
    asked.start()  # the new one may take its time
    zygote.fork([]).close()
    asked.join()
    assert zygote.pid != stopped
    assert not is_running(stopped)


def test_one_that_cannot_start_is_an_error(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineCrashed, match="could not be started"):
        zygote.fork([])
    monkeypatch.setattr(sys, "executable", "/nowhere")
    with pytest.raises(EngineCrashed, match="could not be started"):
        zygote.fork([])


def test_the_error_says_why_it_does_not_start(zygote: Zygote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho Traceback: many lines >&2\necho 'ImportError: no module av' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(EngineCrashed, match=r"could not be started. ImportError: no module av$"):
        zygote.fork([])


def test_what_the_caller_did_wrong_does_not_end_the_zygote(lasting: Zygote) -> None:
    lasting.fork([]).close()
    before = lasting.pid
    with pytest.raises(OSError, match="Bad file descriptor"):
        lasting.fork([987_654])
    lasting.fork([]).close()
    assert lasting.pid == before


def test_many_threads_may_ask_while_zygotes_die() -> None:
    def look(number: int) -> Probe | None:
        if number % 10 == 5 and ZYGOTE.pid is not None:
            with contextlib.suppress(ProcessLookupError):  # another thread has seen it dead, and waited for it
                os.kill(ZYGOTE.pid, signal.SIGKILL)
        try:
            return probe(BytesSource(SOUND))
        except EngineCrashed:  # its zygote was killed
            return None

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(look, range(60)))
    assert sum(result is not None for result in results) > 10
    assert probe(BytesSource(SOUND)).container == "wav"
    assert children() == []


def test_a_terminal_s_and_a_supervisor_s_signals_are_for_the_parent_alone(
    lasting: Zygote, fork: Callable[[], ChildHandle]
) -> None:
    pids = [fork().pid, pid_of(lasting)]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for pid in pids:
            os.kill(pid, number)
    fork()
    assert all(is_running(pid) for pid in pids)


IDLE = """
import sys
from video2mp3.engine.parent.zygote_client import ZYGOTE
handle = ZYGOTE.fork([])
print(ZYGOTE.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, None])
def test_the_zygote_ends_with_its_parent_however_that_ends(ending: signal.Signals | None) -> None:
    with subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()
        pids = descendants_of(parent.pid)
        assert len(pids) == 2
        if ending is not None:
            parent.send_signal(ending)
    wait_until(lambda: not any(is_running(pid) for pid in pids), timeout_s=2)


FORKING = """
import os
from tests.engine.sounds import BytesSource, tone, wav_with
from video2mp3.engine import probe
from video2mp3.engine.parent.zygote_client import ZYGOTE
sound = wav_with(tone(8000))
probe(BytesSource(sound))
first = ZYGOTE.pid
pid = os.fork()
probe(BytesSource(sound))
assert (ZYGOTE.pid == first) is (pid != 0)
if pid:
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_a_process_that_forks_itself_has_two_zygotes() -> None:
    subprocess.run([sys.executable, "-c", FORKING], check=True, timeout=60, cwd=Path(__file__).parents[2])
