"""The child process: killed, stuck, lying or orphaned, it never takes the parent with it or stays behind."""

import base64
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.engine import heads
from tests.engine.processes import children, wait_until
from tests.engine.sounds import BytesSource, tone, wav_with
from tests.processes import descendants_of, is_running
from video2mp3.engine import FileSource, Limits, Progress, Report, convert, find_mp4_audio, inspect_stream, mp4_extract
from video2mp3.engine.containers.streamability import MoreNeeded, StreamInfo, inspect_head
from video2mp3.engine.parent import calls, process
from video2mp3.engine.parent.child_messages import error_of, progress_of
from video2mp3.engine.parent.fields import Fields
from video2mp3.engine.parent.zygote_client import ChildHandle
from video2mp3.errors import (
    Canceled,
    EngineCrashed,
    NotFound,
    StorageUnavailable,
    TimeLimitReached,
    Video2mp3Error,
)

WAIT_S = 20.0


@pytest.fixture
def sink() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        yield file


@pytest.fixture(autouse=True)
def no_child_is_left_behind() -> Iterator[None]:
    yield
    assert children() == []


SOUND = wav_with(tone(48_000 * 2) * 15, rate_hz=48_000)
LONG_SOUND = wav_with(tone(48_000 * 2) * 150, rate_hz=48_000)


class StuckSource(BytesSource):
    """Gives its start, then nothing until it is released."""

    def __init__(self) -> None:
        super().__init__(SOUND, self._wait)
        self.stuck = threading.Event()
        self.released = threading.Event()

    def _wait(self, count: int) -> None:
        if count > 2:
            self.stuck.set()
            self.released.wait(WAIT_S)


def test_a_source_without_a_descriptor_gives_the_same_bytes(sink: BinaryIO, tmp_path: Path) -> None:
    file = tmp_path / "talk.mp4"
    file.write_bytes(SOUND)
    with FileSource(file) as source, (tmp_path / "out.mp3").open("wb") as other_sink:
        from_file = convert(source, other_sink)
    ranges = BytesSource(SOUND)
    assert convert(ranges, sink).sha256 == from_file.sha256
    assert len(ranges.requests) < 20  # of up to 1 MiB each
    assert all(size >= 64 * 1024 for _, size in ranges.requests)


def test_a_killed_child_is_a_crash(sink: BinaryIO) -> None:
    source = StuckSource()

    def kill() -> None:
        source.stuck.wait(WAIT_S)
        os.kill(children()[0], signal.SIGKILL)
        source.released.set()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineCrashed):
        convert(source, sink)
    killer.join()


def test_it_stops_when_told_to(sink: BinaryIO) -> None:
    source = StuckSource()
    with pytest.raises(Canceled):
        convert(source, sink, should_stop=source.stuck.is_set)
    source.released.set()


def test_it_ends_at_the_wall_clock_limit(sink: BinaryIO) -> None:
    source = StuckSource()
    with pytest.raises(TimeLimitReached):
        convert(source, sink, limits=Limits(wall_clock_s=1))
    source.released.set()


def test_it_ends_when_nothing_moves(sink: BinaryIO) -> None:
    def stop_the_child(progress: Progress) -> None:
        os.kill(children()[0], signal.SIGSTOP)

    with pytest.raises(TimeLimitReached, match="no progress"):
        convert(BytesSource(SOUND), sink, limits=Limits(no_progress_s=1), on_progress=stop_the_child)


def test_waiting_for_the_source_is_not_a_lack_of_progress(sink: BinaryIO) -> None:
    source = BytesSource(SOUND, lambda count: time.sleep(2.5) if count == 3 else None)
    assert convert(source, sink, limits=Limits(no_progress_s=1.5)).samples == 48_000 * 30


@pytest.mark.parametrize("error", [StorageUnavailable("The disk is gone."), NotFound("A chunk is gone.")])
@pytest.mark.parametrize("at_request", [1, 3])
def test_what_the_source_raises_is_raised(error: Video2mp3Error, at_request: int, sink: BinaryIO) -> None:
    def fail(count: int) -> None:
        if count >= at_request:
            raise error

    with pytest.raises(type(error), match="is gone"):
        convert(BytesSource(SOUND, fail), sink)


def test_an_interrupt_leaves_no_child(sink: BinaryIO) -> None:
    def interrupt(progress: Progress) -> None:
        assert children()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(BytesSource(SOUND), sink, on_progress=interrupt)


def test_it_has_as_many_encoders_as_it_is_told(sink: BinaryIO) -> None:
    seen: list[int] = []

    def count(progress: Progress) -> None:
        if not seen:  # later on it may have ended before its progress is read
            seen.append(len(list(Path(f"/proc/{children()[0]}/task").iterdir())))

    convert(BytesSource(LONG_SOUND), sink, limits=Limits(threads=5), on_progress=count)
    assert seen == [1 + 5]


def test_it_tells_its_progress(sink: BinaryIO) -> None:
    told: list[Progress] = []
    convert(BytesSource(SOUND * 1), sink, on_progress=told.append)
    assert told
    assert all(progress.total_s == 30 for progress in told)
    assert [progress.done_s for progress in told] == sorted(progress.done_s for progress in told)
    assert all(0 <= progress.percent <= 99 for progress in told[:-1])
    assert (told[-1].percent, told[-1].done_s) == (100, 30)


ORPHAN = """
import sys, tempfile, time
from video2mp3.engine import convert
class Stuck:
    name, size_bytes = "talk.mp4", 10_000_000
    def read_at(self, offset_bytes, size_bytes):
        print("stuck", flush=True)
        time.sleep(60)
with tempfile.TemporaryFile() as sink:
    convert(Stuck(), sink)
"""


def test_zygote_and_child_die_with_the_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"stuck\n"
        pids = descendants_of(parent.pid)
        assert len(pids) == 2
        parent.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids), timeout_s=2)


class LyingChild(process.Child):
    """Says what it is told to instead of converting."""

    words = b""

    @staticmethod
    def start(descriptors: Any, job: Any) -> ChildHandle:
        ours, theirs = socket.socketpair()
        with theirs:
            words = f"import os; os.write({theirs.fileno()}, {LyingChild.words!r})"
            command = [sys.executable, "-c", words]
            with subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True) as liar:
                pass  # what it says waits in the socket
        return ChildHandle(liar.pid, None, ours)


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"not json\n",
        b"[1, 2]\n",
        b"[" * 60_000 + b"\n",
        b"x" * 60_000,
        b'{"error": "invalid_credentials"}\n',
        b'{"error": ["unsupported_format"]}\n',
        b'{"progress": {"done_s": "1", "total_s": null}}\n',
        b'{"progress": {"done_s": NaN, "total_s": null}}\n',
        b'{"progress": 5}\n',
        b'{"report": {}}\n',
        b'{"report": 7}\n',
        b'{"segment": {}}\n',
        b'{"other": 7}\n',
    ],
)
def test_what_no_honest_child_says_is_a_crash(words: bytes, sink: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LyingChild, "words", words)
    monkeypatch.setattr(process, "start", LyingChild.start)
    with pytest.raises(EngineCrashed):
        convert(BytesSource(SOUND), sink, on_progress=lambda progress: None)


def test_a_child_cannot_claim_an_mp3_that_is_not_there(sink: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        b'{"segment": {"offset_bytes": 0, "size_bytes": 0, "track": 1, "start_s": 0, "samples": 100, "frames": 10, '
        b'"sample_rate_hz": 44100, "channels": 1}}\n{"report": {}}\n'
    )
    monkeypatch.setattr(LyingChild, "words", words)
    monkeypatch.setattr(process, "start", LyingChild.start)
    with pytest.raises(Video2mp3Error) as caught:
        convert(BytesSource(SOUND), sink)
    assert caught.value.code == "result_check_failed"


def part_message(offset_bytes: int, size_bytes: int, mp3: Report) -> bytes:
    segment = {"offset_bytes": offset_bytes, "size_bytes": size_bytes, "track": 1, "start_s": 0, "title": None}
    segment |= {"samples": mp3.samples, "frames": mp3.frames, "sample_rate_hz": mp3.mp3_sample_rate_hz, "channels": 1}
    return json.dumps({"segment": segment}).encode() + b"\n"


@pytest.mark.parametrize(
    ("segments", "code"),
    [
        (lambda size: [(0, size), (size, size)], "engine_crashed"),  # true: only the rest of the report is missing
        (lambda size: [(0, size)], "engine_crashed"),
        (lambda size: [(0, size), (size + 1, size - 1)], "result_check_failed"),
        (lambda size: [(size, size), (0, size)], "result_check_failed"),
        (lambda size: [(0, size), (0, size)], "result_check_failed"),
        (lambda size: [(0, 2 * size)], "result_check_failed"),
        (lambda size: [(0, size), (size, 2 * size)], "result_check_failed"),
        (lambda size: [(0, size - 1), (size - 1, size + 1)], "result_check_failed"),
        (lambda size: [(0, size)] * 4, "engine_crashed"),  # more than there may be
        (lambda size: [], "engine_crashed"),
    ],
)
def test_a_child_cannot_claim_segments_that_are_not_there(
    segments: Callable[[int], list[tuple[int, int]]], code: str, sink: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MAX_SEGMENTS", 3)
    mp3 = convert(BytesSource(wav_with(tone(4000))), sink)
    sink.seek(0)
    sink.write(sink.read() * 2)
    claimed = b"".join(part_message(*segment, mp3) for segment in segments(mp3.size_bytes))
    monkeypatch.setattr(LyingChild, "words", claimed + b'{"report": {"dependent_streams": 0, "tracks": []}}\n')
    monkeypatch.setattr(process, "start", LyingChild.start)
    with pytest.raises(Video2mp3Error) as caught:
        convert(BytesSource(SOUND), sink)
    assert caught.value.code == code


def test_a_child_cannot_claim_a_full_disk(sink: BinaryIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LyingChild, "words", b'{"error": "storage_full", "detail": ""}\n')
    monkeypatch.setattr(process, "start", LyingChild.start)
    with pytest.raises(Video2mp3Error) as caught:
        convert(BytesSource(SOUND), sink)
    assert caught.value.code == "engine_error"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def extract_words(*ranges: tuple[int, int], head: bytes = b"head", found: object = True) -> bytes:
    packed = b"".join(struct.pack("<QQ", *pair) for pair in ranges)
    said = [{"extract_head": encoded(head)}, {"extract_ranges": encoded(packed)}, {"extract": found}]
    return b"".join(json.dumps(message).encode() + b"\n" for message in said)


SIZE = len(SOUND)


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b'{"extract": true}\n',
        b'{"error": ["unsupported_format"]}\n',
        b'{"extract_head": 7}\n',
        b'{"extract_head": "\\u00e9"}\n',
        b'{"extract_head": "AAA"}\n',
        b'{"extract_ranges": "!!!!"}\n',
        extract_words((0, SIZE + 1)),
        extract_words((SIZE, 1)),
        extract_words((2**64 - 1, 2**64 - 1)),
        extract_words((10, 5), (14, 5)),
        extract_words((10, 5), (0, 5)),
        extract_words((10, 0)),
        extract_words((10, 5), head=b""),
        extract_words(),
        json.dumps({"extract_ranges": encoded(bytes(17))}).encode() + b'\n{"extract": true}\n',
    ],
)
def test_a_child_cannot_claim_audio_where_there_is_none(words: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LyingChild, "words", words)
    monkeypatch.setattr(process, "start", LyingChild.start)
    with pytest.raises(EngineCrashed):
        find_mp4_audio(BytesSource(SOUND))


def test_a_child_cannot_fill_the_memory_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should be stopped by what it sends, before it says that this is all; up to that all is taken."""
    monkeypatch.setattr(mp4_extract, "MAX_HEAD_BYTES", 4000)
    monkeypatch.setattr(mp4_extract, "MAX_RANGES", 100)
    monkeypatch.setattr(process, "start", LyingChild.start)
    pairs = [(place, 1) for place in range(101)]
    for head, ranges, taken in ((4000, pairs[:100], True), (4001, pairs[:100], False), (4000, pairs, False)):
        monkeypatch.setattr(LyingChild, "words", extract_words(*ranges, head=bytes(head), found=taken))
        if taken:
            found = find_mp4_audio(BytesSource(SOUND))
            assert found is not None
            assert (len(found.head), found.ranges) == (head, tuple(ranges))
        else:
            with pytest.raises(EngineCrashed):
                find_mp4_audio(BytesSource(SOUND))


@pytest.mark.parametrize(
    "stream",
    [
        7,
        {},
        {"blocked_reason": "<script>", "duration_s": None, "sequential": False},
        {"blocked_reason": ["x"], "duration_s": None, "sequential": False},
        {"blocked_reason": None, "duration_s": 1e300, "sequential": False},
        {"blocked_reason": None, "duration_s": 1e8, "sequential": False},
        {"blocked_reason": None, "duration_s": None, "sequential": 1},
        {"needed_bytes": -1},
        {"needed_bytes": 2**40},
        {"needed_bytes": "1"},
    ],
)
def test_a_child_cannot_say_anything_of_a_stream(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LyingChild, "words", json.dumps({"stream": stream}).encode() + b"\n")
    monkeypatch.setattr(process, "start", LyingChild.start)
    with pytest.raises(EngineCrashed):
        inspect_stream(BytesSource(SOUND), 10**9)


def test_a_stream_is_inspected_in_the_sandbox() -> None:
    """It should tell the same there as the look at the head, and how much more would tell where it does not."""
    assert inspect_stream(BytesSource(SOUND), len(SOUND)) == inspect_head(SOUND, len(SOUND))
    index = heads.box(b"moov", heads.box(b"free", bytes(400_000)) + heads.box(b"mvex"))
    content = heads.box(b"ftyp") + index
    assert inspect_stream(BytesSource(content), 10**9) == StreamInfo(sequential=True)
    assert inspect_stream(BytesSource(content[:300_000]), 10**9) == MoreNeeded(len(content))
    huge = heads.box(b"ftyp") + heads.box(b"free", b"", 10**9)
    assert inspect_stream(BytesSource(huge + bytes(300_000)), 10**10) == StreamInfo("mp4_index_at_end")


def test_the_words_of_a_child_are_cleaned() -> None:
    assert error_of({"error": "unsupported_format", "detail": "two\nlines\x1b[1m" + "x" * 9000}).detail.startswith(
        "two lines [1m"
    )
    assert len(error_of({"error": "unsupported_format", "detail": "x" * 9000}).detail) == 300
    assert progress_of({"done_s": 1, "total_s": 4}).percent == 25
    with pytest.raises(EngineCrashed):
        Fields({"count": -1}).int_field("count")
    with pytest.raises(EngineCrashed):
        Fields({"count": True}).int_field("count")


def test_a_sink_that_is_full_says_so() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("There is no /dev/full here.")
    with Path("/dev/full").open("r+b", buffering=0) as sink, pytest.raises(Video2mp3Error) as caught:
        convert(BytesSource(SOUND), io.BufferedWriter(sink))
    assert caught.value.code in ("storage_full", "engine_error")
