import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

_PIECE = bytes(64 * 1024)
_SIZE_BYTES = 128 * 1024**2


class ServiceAlone:
    """The API in another process."""

    def __init__(self, process: subprocess.Popen[str], http: httpx.Client) -> None:
        self._process = process
        self.http = http

    def peak_bytes(self) -> int:
        """The most memory that the process ever had (resident set)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert match
        return int(match[1]) * 1024


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[ServiceAlone]:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc, which only Linux has")
    command = [sys.executable, "-m", "tests.api.alone", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            assert process.stdout
            # The log goes to stdout, too.
            port = next(line for line in process.stdout if line.strip().isdigit()).strip()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                yield ServiceAlone(process, http)
        finally:
            process.kill()


def body(size_bytes: int, before: bytes = b"", after: bytes = b"") -> Iterator[bytes]:
    yield before
    for _ in range(size_bytes // len(_PIECE)):
        yield _PIECE
    yield after


def send_form(http: httpx.Client, size_bytes: int) -> str:
    before = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x.mp4"\r\n\r\n'
    answer = http.post(
        "/upload_video",
        content=body(size_bytes, before, b"\r\n--B--\r\n"),
        headers={"Content-Type": "multipart/form-data; boundary=B"},
    )
    video_id: str = answer.raise_for_status().json()["video_id"]
    return video_id


def download(http: httpx.Client, video_id: str) -> int:
    with http.stream("GET", f"/download_video/{video_id}") as answer:
        return sum(len(piece) for piece in answer.iter_bytes())


def test_a_large_file_goes_in_and_out_without_being_held_in_memory(alone: ServiceAlone) -> None:
    # Everything once, so that only what grows with the size is measured.
    download(alone.http, send_form(alone.http, 9 * 1024**2))
    alone.http.post("/v1/uploads", content=body(9 * 1024**2)).raise_for_status()
    before_bytes = alone.peak_bytes()

    assert alone.http.post("/v1/uploads", content=body(_SIZE_BYTES)).json()["size_bytes"] == _SIZE_BYTES
    video_id = send_form(alone.http, _SIZE_BYTES)
    assert download(alone.http, video_id) == _SIZE_BYTES

    grown_bytes = alone.peak_bytes() - before_bytes
    assert grown_bytes < 16 * 1024**2, f"{before_bytes} bytes before, {grown_bytes} more after"
