"""Crafted beginnings of uploads: they occupy no thread of the API, no memory of it, and end no request."""

import os
import re
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.abuse.conftest import StartService, guest
from tests.acceptance.service import Service
from tests.engine import fuzz_heads, heads
from tests.servers import require_program, wait_until
from video2mp3.api.frame.stream_inspections import StreamInspections
from video2mp3.engine import Source
from video2mp3.engine.containers import matroska
from video2mp3.engine.containers.streamability import HEAD_BYTES, StreamInfo, inspect_window
from video2mp3.engine.containers.window import Window

MIB = 1024**2
TUS = {"Tus-Resumable": "1.0.0"}
DECLARED_BYTES = 1024 * MIB


class Upload:
    """An upload by tus, with a conversion that waits for it."""

    def __init__(self, user: httpx.Client, size_bytes: int, first: bytes) -> None:
        self._user = user
        self._url = user.post("/v1/uploads", headers={**TUS, "Upload-Length": str(size_bytes)}).headers["location"]
        self.offset_bytes = 0
        self.append(first)
        order = {"upload_id": self._url.rpartition("/")[2]}
        self.conversion_id = user.post("/v1/conversions", json=order).raise_for_status().json()["id"]

    def append(self, data: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(self.offset_bytes)}
        answer = self._user.patch(self._url, content=data, headers={**TUS, **headers})
        if answer.is_success:
            self.offset_bytes += len(data)
        return answer

    def stored_bytes(self) -> int:
        return int(self._user.head(self._url, headers=TUS).headers["upload-offset"])

    def conversion(self) -> dict[str, object]:
        conversion: dict[str, object] = self._user.get(f"/v1/conversions/{self.conversion_id}").json()
        return conversion


def took_s(call: Callable[[], httpx.Response]) -> float:
    started_s = time.monotonic()
    # One that is not answered in time has taken that long.
    with suppress(httpx.ReadTimeout):
        assert call().is_success
    return time.monotonic() - started_s


def peak_bytes(service: Service) -> int:
    """The most memory that the process of the API has had since `reset_peak`."""
    status = Path(f"/proc/{service.roles['serve'].process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) * 1024


def reset_peak(service: Service) -> int:
    """Forgets the peak; returns the memory that is in use."""
    Path(f"/proc/{service.roles['serve'].process.pid}/clear_refs").write_text("5")
    return peak_bytes(service)


def without_bounds() -> None:
    """Walks all of the upload in the request, box by box, as long as it takes."""

    def find(
        self: StreamInspections,
        upload_id: str,
        user_id: str,
        here_bytes: int,
        size_bytes: int,
        open_source: Callable[[], Source],
    ) -> StreamInfo | None:
        answer = inspect_window(Window(open_source().read_at, here_bytes, size_bytes, 10**12))
        return answer if isinstance(answer, StreamInfo) else None

    StreamInspections.find = find  # type: ignore[method-assign]


def without_limit_of_memory() -> None:
    """Reads all of the index into memory."""

    def find(
        self: StreamInspections,
        upload_id: str,
        user_id: str,
        here_bytes: int,
        size_bytes: int,
        open_source: Callable[[], Source],
    ) -> StreamInfo | None:
        index = open_source().read_at(0, here_bytes)
        return StreamInfo("metadata_at_end") if b"chap" in index else None

    StreamInspections.find = find  # type: ignore[method-assign]


def without_checks() -> None:
    """Believes the sizes that a file claims."""

    def read(self: Window, offset_bytes: int, size_bytes: int) -> bytes:
        return self._read_at(offset_bytes, size_bytes)

    Window.read = read  # type: ignore[method-assign]
    matroska._width = lambda header, place: 9 - header[place].bit_length()


def without_sandbox() -> None:
    """Inspects nothing but the head."""
    StreamInspections._start = lambda *_: None  # type: ignore[method-assign]


BOXES = heads.box(b"ftyp") + heads.box(b"free") * (HEAD_BYTES // 8)


def times_of_small_chunks(service: Service) -> tuple[float, float]:
    """How long 16 bytes take behind 256 KiB of boxes, and behind as many of something else."""
    with guest(service) as user, guest(service) as other:
        plain = Upload(user, DECLARED_BYTES, bytes(len(BOXES)))
        crafted = Upload(user, DECLARED_BYTES, BOXES)
        undisturbed_s = took_s(lambda: plain.append(bytes(16)))
        crafted_s = took_s(lambda: crafted.append(heads.box(b"free") * 2))
        assert other.get("/v1/me").status_code == 200
    return crafted_s, undisturbed_s


def test_an_upload_of_the_smallest_boxes_holds_up_no_request(
    whole_service: Service, start_service: StartService
) -> None:
    """It should take a chunk about as fast as any; the walk box by box takes many times as long."""
    crafted_s, undisturbed_s = times_of_small_chunks(whole_service)
    with start_service(without_bounds) as service:
        unguarded_s, _ = times_of_small_chunks(service)
    assert crafted_s < max(5 * undisturbed_s, 0.5)
    assert unguarded_s > 5 * crafted_s


INDEX_BYTES = 48 * MIB


def memory_for_an_index(service: Service) -> int:
    """How much the API's memory grows as it takes a chunk behind a large index."""
    start = (
        heads.box(b"ftyp") + struct.pack(">I4s", INDEX_BYTES, b"moov") + struct.pack(">I4s", INDEX_BYTES - 8, b"free")
    )
    with guest(service) as user, guest(service) as other:
        upload = Upload(user, DECLARED_BYTES, start + bytes(INDEX_BYTES))
        before_bytes = reset_peak(service)
        for _ in range(3):
            assert upload.append(bytes(16)).status_code == 204
        assert other.get("/v1/me").status_code == 200
        return peak_bytes(service) - before_bytes


def test_a_large_index_takes_no_memory_of_the_api(whole_service: Service, start_service: StartService) -> None:
    """It should stay far below the index's size; without the limit the memory is at least that."""
    assert memory_for_an_index(whole_service) < INDEX_BYTES / 2
    with start_service(without_limit_of_memory) as service:
        assert memory_for_an_index(service) >= INDEX_BYTES


# A Seek element whose content goes on beyond all that there is.
_SEEK = heads.element(0x4DBB, heads.element(0xEC, b"", 2**39), 2**40)
DAMAGED = heads.element(0x1A45DFA3) + heads.element(0x18538067, heads.element(0x114D9B74, _SEEK, 2**41), 2**42, 8)


def test_a_damaged_matroska_file_is_taken(whole_service: Service, start_service: StartService) -> None:
    """It should keep the chunk and convert the file when it is complete; unchecked sizes end the request."""
    with guest(whole_service) as user, guest(whole_service) as other:
        upload = Upload(user, DECLARED_BYTES, DAMAGED + bytes(HEAD_BYTES))
        assert upload.append(bytes(5000)).status_code == 204
        assert upload.stored_bytes() == upload.offset_bytes
        assert upload.conversion()["blocked_reason"]
        assert other.get("/v1/me").status_code == 200
    with start_service(without_checks) as service, service.user() as user:
        upload = Upload(user, DECLARED_BYTES, DAMAGED + bytes(HEAD_BYTES))
        assert upload.append(bytes(5000)).status_code == 500


@pytest.fixture(scope="module")
def long_index(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A faststart video whose index is larger than what is looked at outside the sandbox."""
    folder = tmp_path_factory.mktemp("long")
    text = "".join(f"{name}={'x' * 200_000}\n" for name in ("comment", "description"))
    (folder / "tags.txt").write_text(f";FFMETADATA1\n{text}")
    sources = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=5:d=60", "-f", "lavfi", "-i", "sine=duration=60"]
    tags = ["-i", str(folder / "tags.txt"), "-map_metadata", "2", "-map", "0:v", "-map", "1:a"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart"]
    command = [require_program("ffmpeg"), "-v", "error", *sources, *tags, *codecs, str(folder / "long.mp4")]
    subprocess.run(command, check=True)
    content = (folder / "long.mp4").read_bytes()
    assert content.index(b"mdat") > HEAD_BYTES
    return content


def test_an_index_beyond_the_look_is_inspected_in_the_sandbox(
    whole_service: Service, start_service: StartService, long_index: bytes
) -> None:
    """It should begin the conversion before the end of the upload; by the head alone nothing could."""
    held_back, piece = 300_000, 12_000

    def begins(user: httpx.Client) -> Callable[[], bool]:
        upload = Upload(user, len(long_index), long_index[:-held_back])

        def begun() -> bool:
            assert upload.append(long_index[upload.offset_bytes :][:piece]).status_code == 204
            return upload.conversion()["state"] != "waiting"

        return begun

    with guest(whole_service) as user:
        wait_until(begins(user), 60, "the conversion to begin")
    with start_service(without_sandbox) as service, service.user() as user:
        begun = begins(user)
        assert not any(begun() for _ in range(20))


@pytest.mark.skipif("TESTS_ABUSE" not in os.environ, reason="ten minutes; make abuse runs it")
def test_a_million_generated_heads_are_inspected_within_bounds() -> None:
    """It should raise nothing; 5 ms and 1 MiB are enough for each."""
    figures = fuzz_heads.run(0, 1_000_000)
    assert figures.too_slow == 0, f"head {figures.slowest}: {figures.slowest_s} s"
    assert figures.peak_bytes <= fuzz_heads.MAX_MEMORY_BYTES, figures.most_memory
