"""Rounds of parallel downloads that are reset at once: the account's downloads and uploads should go on afterwards."""

import asyncio
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import cast
from urllib.parse import urlsplit

import httpx
import pytest

from tests.abuse.conftest import StartService
from tests.abuse.long_mp3 import make_long_mp3
from tests.acceptance.service import wait_for_end
from video2mp3.api.fairness import places, transfers
from video2mp3.api.fairness.fair_threads import FairThreads
from video2mp3.api.frame import range_response

ROUNDS = 60 if os.environ.get("TESTS_ABUSE") else 8
DOWNLOADS = 40
PIECE_S = 0.003
"""What a storage in the network takes for a piece, so that most downloads of a round wait for a thread."""
PATIENCE_S = 5.0
"""Longer than a download takes that waits for nobody, also on a busy machine."""
CONTROL_ROUNDS = 100


def with_slow_storage() -> None:
    """Each piece takes as long as from another machine; and all downloads of a round begin soon after each other."""

    def read_slowly(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            time.sleep(PIECE_S)
            yield piece

    range_response.iterate = lambda pieces: transfers.iterate(read_slowly(pieces))  # type: ignore[attr-defined]
    places.LONGEST_S = 0.01
    # One place that is lost is enough then.
    transfers._THREADS_PER_CALLER = 1


def without_regard_for_cancellations() -> None:
    """A turn is counted before it is known whether anybody waits for it any more."""
    with_slow_storage()

    def serve(self: FairThreads, caller: str | None) -> None:
        turns = self._waiting[caller]
        turn = turns.popleft()
        self._waiting.move_to_end(caller)
        if not turns:
            del self._waiting[caller]
        self._start(caller)
        turn.set_result(None)

    def forget(self: FairThreads, caller: str | None, turn: "asyncio.Future[None]") -> None:
        turns = self._waiting[caller]
        turns.remove(turn)
        if not turns:
            del self._waiting[caller]

    FairThreads._serve = serve  # type: ignore[method-assign]
    FairThreads._forget = forget  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """7 MB, so many pieces of storage; of few frames, so that they are copied soon."""
    return make_long_mp3(tmp_path_factory.mktemp("long") / "long.mp3", 6, bitrate="160k").read_bytes()


def converted(user: httpx.Client, mp3: bytes) -> str:
    """The path of a result with these bytes."""
    upload_id = user.post("/v1/uploads", content=mp3).raise_for_status().json()["id"]
    order = {"upload_id": upload_id, "options": {"copy": True}}
    job_id: str = user.post("/v1/conversions", json=order).raise_for_status().json()["id"]
    assert wait_for_end(user, job_id)["state"] == "finished"
    return f"/v1/conversions/{job_id}/mp3"


def reset_downloads(user: httpx.Client, path: str) -> None:
    """Begins many downloads, waits until each has sent something, and resets them all."""
    address = urlsplit(str(user.base_url))
    head = f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {user.headers['authorization']}\r\n\r\n"
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for _ in range(DOWNLOADS):
            connection = socket.create_connection((address.hostname or "", address.port or 0), 20)
            stack.enter_context(connection)
            # Closed, it sends a reset at once.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(head.encode())
            selector.register(connection, selectors.EVENT_READ)
        while selector.get_map() and (ready := selector.select(PATIENCE_S)):
            for key, _ in ready:
                assert cast("socket.socket", key.fileobj).recv(4096)
                selector.unregister(key.fileobj)


def is_served(user: httpx.Client, path: str) -> bool:
    """Whether a download and an upload of that user come to their ends."""
    try:
        user.get(path, timeout=PATIENCE_S).raise_for_status()
        user.post("/v1/uploads", content=b"no video", timeout=PATIENCE_S)
    except httpx.ReadTimeout:
        return False
    return True


def test_downloads_go_on_after_resets(start_service: StartService, mp3: bytes) -> None:
    with start_service(with_slow_storage) as service, service.user() as ada, service.user() as bob:
        path, his = converted(ada, mp3), converted(bob, mp3[: len(mp3) // 6])
        for _ in range(ROUNDS):
            reset_downloads(ada, path)
        assert is_served(ada, path)
        assert is_served(bob, his)
        assert "InvalidStateError" not in service.logs()


@pytest.mark.skipif(
    not os.environ.get("TESTS_ABUSE"), reason="A race that comes after many rounds; make abuse runs it."
)
def test_without_regard_for_cancellations_the_account_is_locked(start_service: StartService, mp3: bytes) -> None:
    with start_service(without_regard_for_cancellations, drain_grace_s=1) as service, service.user() as ada:
        path = converted(ada, mp3)
        for _ in range(CONTROL_ROUNDS):
            reset_downloads(ada, path)
            if "InvalidStateError" in service.logs() and not is_served(ada, path):
                return
        pytest.fail("no place was lost")
