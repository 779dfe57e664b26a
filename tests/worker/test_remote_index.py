"""The index of a remote MP4 is read by the sandboxed child, which gets no more of the file than an index needs."""

import os
import signal

import pytest

from tests.engine import heads
from tests.engine.processes import children
from tests.worker.system import System
from tests.worker.test_fetching import FileServer, claimed, content_of, fetch, order, serving
from video2mp3.errors import EngineCrashed
from video2mp3.outbound import ExchangeContext, RemoteFile, parse
from video2mp3.worker import read_ahead

MIB = 1024**2
MP4 = heads.box(b"ftyp", b"isom" + bytes(12)) + heads.box(b"moov", bytes(3 * MIB)) + heads.box(b"mdat", bytes(MIB))


def remote(server: FileServer) -> RemoteFile:
    target, guard = parse(server.url), server.limits().guard
    return RemoteFile(target, len(server.content), server.etag, ExchangeContext(guard, 60))


def test_a_file_on_which_the_child_dies_is_fetched_whole(embedded: System) -> None:
    """It should be killed while it reads the index, and nothing but the file should come of that."""
    with serving(MP4) as server:
        killed = []

        def kill() -> None:
            if len(server.requests) == 2:
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

        server.on_request = kill
        job = order(embedded, server.url, name="talk.mp4")
        upload_id = fetch(embedded, claimed(embedded, job.id), server.limits())
        assert len(killed) == 1
        assert content_of(embedded, upload_id) == MP4


def test_a_child_that_was_taken_over_cannot_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should get what an index can have. The control, without that limit, gets all that it asks for."""
    monkeypatch.setattr(read_ahead, "_MAX_BYTES", MIB)

    def asked() -> int:
        with serving(MP4) as server, remote(server) as file:
            source = read_ahead.ReadAheadBuffer(file)
            for _ in range(10):
                source.read_at(0, MIB)
                source.read_at(2 * MIB, MIB)
            return file.read_bytes

    with pytest.raises(EngineCrashed):
        asked()
    monkeypatch.setattr(read_ahead, "_MAX_BYTES", 10**9)
    assert asked() >= 20 * MIB
