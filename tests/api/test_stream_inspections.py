"""Uploads that still come are inspected once, in few sandboxes, and no request waits for that."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.engine import heads
from tests.engine.sounds import BytesSource
from tests.servers import wait_until
from video2mp3.api.frame import stream_inspections
from video2mp3.api.frame.stream_inspections import MAX_SANDBOXES, MAX_TRIES, StreamInspections
from video2mp3.engine import Source
from video2mp3.engine.containers.streamability import HEAD_BYTES, MoreNeeded, StreamInfo
from video2mp3.errors import EngineCrashed, StorageUnavailable

SIZE_BYTES = 10**9
LONG = heads.box(b"ftyp") + heads.box(b"moov", heads.box(b"free", bytes(HEAD_BYTES)) + heads.box(b"mvex"))


class Opened:
    """A source that counts how often it is opened."""

    def __init__(self, content: bytes = LONG) -> None:
        self.times = 0
        self._content = content

    def __call__(self) -> Source:
        self.times += 1
        return BytesSource(self._content)


class Sandbox:
    """Stands for the child process, which answers when it is let."""

    def __init__(self, answer: Callable[[], StreamInfo | MoreNeeded]) -> None:
        self.runs = 0
        self.most_at_once = 0
        self.may_end = threading.Event()
        self._answer = answer
        self._at_once = 0
        self._lock = threading.Lock()

    def __call__(self, *_: object, **__: object) -> StreamInfo | MoreNeeded:
        with self._lock:
            self.runs += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            assert self.may_end.wait(20)
            return self._answer()
        finally:
            with self._lock:
                self._at_once -= 1


def test_an_upload_is_looked_at_once_and_then_inspected_once() -> None:
    """It should read nothing before the head is there, and nothing more once the sandbox has told."""
    inspections, opened = StreamInspections(), Opened()
    assert inspections.find("u", "ada", 1000, SIZE_BYTES, opened) is None
    assert opened.times == 0
    assert inspections.find("u", "ada", HEAD_BYTES, SIZE_BYTES, opened) is None
    assert inspections.find("u", "ada", HEAD_BYTES + 16, SIZE_BYTES, opened) is None
    assert opened.times == 1

    def told() -> StreamInfo | None:
        return inspections.find("u", "ada", len(LONG), SIZE_BYTES, opened)

    assert wait_until(told, 30, "the sandbox") == StreamInfo(sequential=True)
    assert opened.times == 2
    assert told()
    assert opened.times == 2


def test_what_the_head_tells_needs_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_inspections, "inspect_stream", None)
    content = heads.wav() + bytes(5000)
    info = StreamInspections().find("u", "ada", HEAD_BYTES, SIZE_BYTES, Opened(content))
    assert info is not None
    assert info.blocked_reason


def test_few_sandboxes_run_at_once_and_no_request_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should be one for an account, and where all are in use, later."""
    sandbox = Sandbox(lambda: StreamInfo(sequential=True))
    monkeypatch.setattr(stream_inspections, "inspect_stream", sandbox)
    inspections = StreamInspections()

    def find(upload_id: str, user_id: str) -> StreamInfo | None:
        return inspections.find(upload_id, user_id, len(LONG), SIZE_BYTES, Opened())

    started_s = time.monotonic()
    for _ in range(3):
        for number in range(10):
            assert find(f"ada-{number}", "ada") is None
    assert sandbox.runs == 1
    for number in range(10):
        assert find(f"other-{number}", f"user-{number}") is None
    assert time.monotonic() - started_s < 10  # the sandboxes would take 20 s
    wait_until(lambda: sandbox.runs == MAX_SANDBOXES, 10, "the sandboxes")
    sandbox.may_end.set()
    for number in range(10):
        wait_until(lambda number=number: find(f"other-{number}", f"user-{number}"), 10, "an answer")  # type: ignore[misc]
    assert sandbox.most_at_once <= MAX_SANDBOXES


@pytest.mark.parametrize(
    ("error", "runs"),
    [(None, MAX_TRIES), (EngineCrashed(), 1), (StorageUnavailable(), MAX_TRIES), (KeyError(), MAX_TRIES)],
)
def test_an_upload_that_never_tells_waits_for_its_end(
    error: Exception | None, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should be tried a few times, whatever happens, and then be a file of another kind."""

    def answer() -> MoreNeeded:
        if error is not None:
            raise error
        return MoreNeeded(len(LONG))

    sandbox = Sandbox(answer)
    sandbox.may_end.set()
    monkeypatch.setattr(stream_inspections, "inspect_stream", sandbox)
    inspections = StreamInspections()
    found = wait_until(lambda: inspections.find("u", "ada", len(LONG), SIZE_BYTES, Opened()), 10, "an answer")
    assert found == StreamInfo("format_not_streamable")
    assert sandbox.runs == runs


def test_old_uploads_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_inspections, "MAX_REMEMBERED", 3)
    inspections, opened = StreamInspections(), Opened(bytes(HEAD_BYTES))
    for upload_id in (*"abcd", "d", "a"):
        assert inspections.find(upload_id, "ada", HEAD_BYTES, SIZE_BYTES, opened)
    assert opened.times == 5
