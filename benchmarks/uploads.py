"""How fast uploads are stored, beside a bare server, and in how much memory: `python -m benchmarks.uploads`."""

import asyncio
import itertools
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.service import FOLDER, Server, read_answer, running, send, service

SIZE_BYTES = 5 * 1024**3
ROUNDS = 1
SLOW_CLIENTS = 200
_SLOW_BYTES_PER_S = 64 * 1024
_SLOW_S = 20
_PATCH_BYTES = 64 * 1024**2
_TUS = "Tus-Resumable: 1.0.0\r\n"
_BARE = """
import os, sys, uvicorn
from pathlib import Path
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def take(request):
    synced = 0
    with open(Path(os.environ["VIDEO2MP3_DATA_DIR"]) / "body", "wb") as file:
        async for piece in request.stream():
            file.write(piece)
            synced += len(piece)
            if synced >= 8 * 1024**2:
                file.flush()
                os.fsync(file.fileno())
                synced = 0
    return Response(status_code=201)

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"listens on http://127.0.0.1:{port}", flush=True)

app = Starlette(routes=[Route("/", take, methods=["POST"])])
Server(uvicorn.Config(app, port=0, log_config=None, access_log=False)).run()
"""


class Watch(threading.Thread):
    """Looks at a process's memory ten times in a second."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._server = server
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            self.peak_bytes = max(self.peak_bytes, self._server.rss_bytes())

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self.join()


def bare(path: Path) -> float:
    """Seconds of a server that only writes a body to one file, with fsync every 8 MiB."""
    with running(["-c", _BARE], r"listens on (http://\S+)") as server:
        return _timed(lambda: _request(server, "POST / HTTP/1.1\r\n", path, 0, SIZE_BYTES))


def raw(server: Server, path: Path) -> float:
    """Seconds of `POST /v1/uploads` with the file as its body."""
    return _timed(lambda: _request(server, "POST /v1/uploads HTTP/1.1\r\n", path, 0, SIZE_BYTES))


def tus(server: Server, path: Path) -> float:
    """Seconds of an upload in PATCHes of 64 MiB."""

    def upload() -> None:
        address = _begin(server, SIZE_BYTES)
        with server.connect() as line:
            for start in range(0, SIZE_BYTES, _PATCH_BYTES):
                send(line, _patch(address, start), path, start, min(_PATCH_BYTES, SIZE_BYTES - start))
                _require(read_answer(line)[0], 204)

    return _timed(upload)


def slow_clients(server: Server) -> list[float]:
    """Lets 200 clients send slowly, and returns how long each /livez took meanwhile, in seconds."""
    addresses = [_begin(server, 10**9) for _ in range(SLOW_CLIENTS)]
    return asyncio.run(_slowly(server, addresses))


async def _slowly(server: Server, addresses: list[str]) -> list[float]:
    host, port = server.url.removeprefix("http://").split(":")
    senders = [asyncio.create_task(_send_slowly(host, int(port), address)) for address in addresses]
    took: list[float] = []
    ends_s = time.monotonic() + _SLOW_S
    while time.monotonic() < ends_s:
        began_s = time.monotonic()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        took.append(time.monotonic() - began_s)
        await asyncio.sleep(0.02)
    for sender in senders:
        sender.cancel()
    await asyncio.gather(*senders, return_exceptions=True)
    return took


async def _send_slowly(host: str, port: int, address: str) -> None:
    _, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"{_patch(address, 0)}Host: localhost\r\nContent-Length: {10**9}\r\n\r\n".encode())
        while True:
            writer.write(bytes(_SLOW_BYTES_PER_S // 4))
            await writer.drain()
            await asyncio.sleep(0.25)
    finally:
        writer.close()


def _begin(server: Server, size_bytes: int) -> str:
    with server.connect() as line:
        line.sendall(
            f"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\n{_TUS}Upload-Length: {size_bytes}\r\n\r\n".encode()
        )
        head, _ = read_answer(line)
    found = re.search(r"(?i)location: (\S+)", head)
    assert found, head
    return found[1]


def _patch(address: str, offset: int) -> str:
    kind = "Content-Type: application/offset+octet-stream\r\n"
    return f"PATCH {address} HTTP/1.1\r\n{_TUS}{kind}Upload-Offset: {offset}\r\n"


def _request(server: Server, head: str, path: Path, start: int, size_bytes: int) -> None:
    with server.connect() as line:
        send(line, head, path, start, size_bytes)
        _require(read_answer(line)[0], 201)


def _require(head: str, status: int) -> None:
    assert head.startswith(f"HTTP/1.1 {status}"), head


def _timed(work: Callable[[], None]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s


def _file() -> Path:
    """Five gigabytes, most of them holes: what is read costs nothing."""
    path = FOLDER / "five-gigabytes"
    with path.open("wb") as file:
        file.truncate(SIZE_BYTES)
    return path


def main() -> None:
    """Measures all, in turns, and prints it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = _file()
    seconds: dict[str, list[float]] = {"bare": [], "raw": [], "tus": []}
    peaks: dict[str, int] = {}
    limits = {"VIDEO2MP3_MAX_USER_UPLOADS": "1000", "VIDEO2MP3_MAX_USER_BYTES": str(10**13)}
    for _, name in itertools.product(range(ROUNDS), seconds):
        if name == "bare":
            seconds[name].append(bare(path))
        else:
            with service(**limits) as server, Watch(server) as watch:
                seconds[name].append((raw if name == "raw" else tus)(server, path))
            peaks[name] = max(peaks.get(name, 0), watch.peak_bytes)
        print(f"{name}: {SIZE_BYTES / 1e6 / seconds[name][-1]:.0f} MB/s", file=sys.stderr, flush=True)
    with service(**limits) as server, Watch(server) as watch:
        took = slow_clients(server)
    base_s = statistics.median(seconds["bare"])
    for name in ("raw", "tus"):
        share = base_s / statistics.median(seconds[name])
        print(f"{name}: {share:.2f} of a bare server's speed; the process has at most {peaks[name] / 2**20:.0f} MiB")
    p99_ms = 1000 * statistics.quantiles(took, n=100)[98]
    print(
        f"{SLOW_CLIENTS} slow clients: /livez answers in {p99_ms:.0f} ms (p99 of {len(took)}); "
        f"the process has at most {watch.peak_bytes / 2**20:.0f} MiB"
    )
    path.unlink()


if __name__ == "__main__":
    main()
