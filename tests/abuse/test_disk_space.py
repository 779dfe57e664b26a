"""An upload is larger than the disk has room for: it should end before the disk is full, whatever its protocol."""

import base64
import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from tests.abuse.conftest import StartService
from tests.outbound.listeners import web_server
from tests.servers import disks, wait_until
from video2mp3.uploads import writer

MIB = 1024**2
DISK_BYTES = 48 * MIB
FLOOR_BYTES = 24 * MIB
TOO_LARGE_BYTES = 40 * MIB
ONE_OF_SEVERAL_BYTES = 14 * MIB
"""One fits; two do not, also where one comes after the other."""
SLACK_BYTES = 4 * MIB
"""A piece for each of several requests, and the folders of a tmpfs."""
_TUS = {"Tus-Resumable": "1.0.0"}
_PIECE = bytes(64 * 1024)


def without_a_look_at_the_disk() -> None:
    """What is free is looked at when an upload begins, and not again."""
    writer.check_free_disk = lambda folder, size_bytes: None  # type: ignore[attr-defined]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    with disks.small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


@contextmanager
def watched(folder: Path) -> Iterator[Callable[[], int]]:
    """Looks at the disk all the time; gives what returns the fewest bytes that were free."""
    ended, least = threading.Event(), [shutil.disk_usage(folder).free]

    def watch() -> None:
        while not ended.wait(0.002):
            least[0] = min(least[0], shutil.disk_usage(folder).free)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: least[0]
    finally:
        ended.set()
        thread.join()


def pieces(size_bytes: int = TOO_LARGE_BYTES) -> Iterator[bytes]:
    """A body whose size nobody declares."""
    for _ in range(size_bytes // len(_PIECE)):
        yield _PIECE


def form() -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    yield from pieces()
    yield b"\r\n--x--\r\n"


def send_raw(user: httpx.Client) -> httpx.Response:
    return user.post("/v1/uploads", content=pieces())


def send_form(user: httpx.Client) -> httpx.Response:
    return user.post("/v1/conversions", content=form(), headers={"Content-Type": "multipart/form-data; boundary=x"})


def put_mp3(user: httpx.Client) -> httpx.Response:
    return user.put("/v1/mp3", content=pieces())


def send_by_tus(user: httpx.Client, **more: str) -> httpx.Response:
    answer = user.post("/v1/uploads", headers={**_TUS, "Upload-Defer-Length": "1"})
    headers = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", **more}
    answer = user.patch(answer.raise_for_status().headers["Location"], content=pieces(), headers=headers)
    user.delete(str(answer.request.url))
    return answer


def send_by_tus_with_checksum(user: httpx.Client) -> httpx.Response:
    digest = hashlib.sha256(bytes(TOO_LARGE_BYTES)).digest()
    return send_by_tus(user, **{"Upload-Checksum": f"sha256 {base64.b64encode(digest).decode()}"})


PROTOCOLS = (send_raw, send_form, put_mp3, send_by_tus, send_by_tus_with_checksum)


def refused(send: Callable[[httpx.Client], httpx.Response], user: httpx.Client) -> bool:
    """Tells whether the service ended it for want of room: by an answer, or by a connection that it closed."""
    try:
        answer = send(user)
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        return True
    return (answer.status_code, answer.json()["code"]) == (507, "storage_full")


def test_no_protocol_fills_the_disk(start_service: StartService, small_disk: Path) -> None:
    settings = {"storage_url": small_disk.as_uri(), "min_free_disk_bytes": FLOOR_BYTES}
    ended = threading.Event()

    def serve_endlessly(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for piece in pieces():
                handler.wfile.write(piece)
        except OSError:
            ended.set()

    with web_server(serve_endlessly) as port:
        settings |= {"allowed_networks": "127.0.0.0/8", "allowed_ports": port}
        with (
            start_service(**settings) as service,
            service.user() as ada,
            service.user() as bob,
            watched(small_disk) as least,
        ):
            for send in PROTOCOLS:
                assert refused(send, ada), send
                assert least() > FLOOR_BYTES - SLACK_BYTES, send
                bob.post("/v1/uploads", content=bytes(100_000)).raise_for_status()
            answer = ada.post("/v1/conversions", json={"source": {"url": f"http://127.0.0.1:{port}/a.ts"}})
            assert answer.status_code == 202, answer.text
            wait_until(ended.is_set, 60, "the fetch to end")
            assert least() > FLOOR_BYTES - SLACK_BYTES
            assert bob.get("/v1/me").status_code == 200
            assert bob.post("/v1/uploads", content=bytes(100_000)).status_code == 201


def test_several_at_once_do_not_either(start_service: StartService, small_disk: Path) -> None:
    """Each of them would fit, and is let in; together they do not."""
    settings = {"storage_url": small_disk.as_uri(), "min_free_disk_bytes": FLOOR_BYTES}
    with start_service(**settings) as service, service.user() as ada, watched(small_disk) as least:
        results: list[int] = []

        def send() -> None:
            digest = base64.b64encode(hashlib.sha256(bytes(ONE_OF_SEVERAL_BYTES)).digest()).decode()
            created = ada.post("/v1/uploads", headers={**_TUS, "Upload-Length": str(ONE_OF_SEVERAL_BYTES)})
            if created.status_code == 507:
                results.append(507)
                return
            headers = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            headers["Upload-Checksum"] = f"sha256 {digest}"
            try:
                body = pieces(ONE_OF_SEVERAL_BYTES)
                results.append(ada.patch(created.headers["Location"], content=body, headers=headers).status_code)
            except httpx.TransportError:
                results.append(507)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(results) <= {204, 507}
        assert results.count(507) >= 3
        assert least() > FLOOR_BYTES - SLACK_BYTES


def test_without_the_checks_one_does(start_service: StartService, small_disk: Path) -> None:
    """The control: one request of one user takes the room that was to be left, and nobody can convert."""
    settings = {"storage_url": small_disk.as_uri(), "min_free_disk_bytes": FLOOR_BYTES}
    with (
        start_service(without_a_look_at_the_disk, **settings) as service,
        service.user() as ada,
        service.user() as bob,
        watched(small_disk) as least,
    ):
        answer = ada.post("/v1/uploads", headers={**_TUS, "Upload-Defer-Length": "1"})
        digest = base64.b64encode(hashlib.sha256(bytes(TOO_LARGE_BYTES)).digest()).decode()
        headers = {**_TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        headers["Upload-Checksum"] = f"sha256 {digest}"
        taken = ada.patch(answer.headers["Location"], content=pieces(), headers=headers)
        assert taken.status_code == 204
        assert least() < FLOOR_BYTES - SLACK_BYTES
        assert bob.post("/v1/uploads", content=bytes(100_000)).status_code == 507
