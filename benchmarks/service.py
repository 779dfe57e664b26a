"""A service of its own for a benchmark, and a client that sends files to it as fast as a socket takes them."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

FOLDER = Path(os.environ.get("VIDEO2MP3_BENCH_DIR", Path.home() / ".cache" / "video2mp3-bench"))
_START_TIMEOUT_S = 60
_PIECE_BYTES = 1024**2


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    url: str
    pid: int
    folder: Path

    def connect(self) -> socket.socket:
        address = urlsplit(self.url)
        return socket.create_connection((address.hostname or "", address.port or 0), timeout=300)

    def rss_bytes(self) -> int:
        """The memory that the process has now, without its children."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def running(arguments: list[str], pattern: str, env: dict[str, str] | None = None) -> Iterator[Server]:
    """Runs a Python program that prints its address, `pattern`'s group; its folder is thrown away."""
    folder = Path(tempfile.mkdtemp(prefix="running-", dir=FOLDER))
    settings = {"VIDEO2MP3_DATA_DIR": str(folder), "VIDEO2MP3_LOG_LEVEL": "warning", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, **settings, **(env or {})}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        found = None
        while found is None:
            line = process.stdout.readline()
            found = re.search(pattern, line)
            assert line, f"{arguments} ended"
            assert time.monotonic() < deadline_s
        yield Server(found[1], process.pid, folder)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def service(**env: str) -> Iterator[Server]:
    """`video2mp3 serve` with its defaults."""
    with running(["-m", "video2mp3", "serve", "--port", "0"], r"listens on (http://\S+)", env) as server:
        yield server


def send(
    line: socket.socket, head: str, path: Path, start: int, size_bytes: int, bytes_per_s: float = float("inf")
) -> float:
    """Sends a request with a part of a file as its body; returns when its last byte was sent, as time.monotonic()."""
    line.sendall(f"{head}Host: localhost\r\nContent-Length: {size_bytes}\r\n\r\n".encode())
    sent, began_s = 0, time.monotonic()
    with path.open("rb") as file:
        while sent < size_bytes:
            sent += line.sendfile(file, start + sent, min(_PIECE_BYTES, size_bytes - sent))
            ahead_s = sent / bytes_per_s - (time.monotonic() - began_s)
            if ahead_s > 0:
                time.sleep(ahead_s)
    return time.monotonic()


def read_answer(line: socket.socket) -> tuple[str, bytes]:
    """Returns an answer's head and body."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += _received(line)
    head, _, body = bytes(data).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    body_data, size = bytearray(body), int(length[1]) if length else 0
    while len(body_data) < size:
        body_data += _received(line)
    return head.decode(), bytes(body_data)


def _received(line: socket.socket) -> bytes:
    data = line.recv(256 * 1024)
    if not data:
        raise ConnectionError("the server ended the connection")
    return data
