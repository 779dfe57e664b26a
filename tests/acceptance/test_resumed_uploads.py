"""Uploads whose line is cut, or whose server is killed, go on where they stopped: with two real clients of tus."""

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.acceptance.service import Role, Service, embedded
from tests.acceptance.test_calls import node
from tests.chaos.proxy import Proxy, ProxyNetwork
from tests.servers import SMTPServer, free_port
from tests.servers.programs import missing

SCRIPT = Path(__file__).parents[1] / "tus" / "upload.js"
LONG = bool(os.environ.get("TESTS_SOAK_UPLOADS"))
CUTS = 50 if LONG else 8
KILLS = 20 if LONG else 2
SIZE_BYTES = (256 if LONG else 48) * 1024**2
CHUNK_BYTES = 20 * 1024**2

Happen = Callable[[], object]


class Line:
    """A service on a port that it keeps, and the proxy that its clients reach it through."""

    def __init__(self, service: Service, port: int, proxy: Proxy) -> None:
        self.service = service
        self.proxy = proxy
        self.happened = 0
        self._port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    def cut(self) -> None:
        self.happened += 1
        self.proxy.cut()

    def kill(self) -> None:
        """Kills the service and starts it again."""
        self.happened += 1
        self.service.roles["serve"].kill()
        self.start()

    def start(self) -> Role:
        role = self.service.start("serve", "serve", "--port", str(self._port))
        role.wait_for_output(r"listens on (http://\S+)")
        return role

    def trouble(self, events: list[tuple[int, Happen]]) -> None:
        """Lets these things happen, each when so many bytes have gone to the server since the last."""
        rest = iter(events)

        def arm() -> None:
            event = next(rest, None)
            if event is not None:
                self.proxy.after_bytes(event[0], partial(happen, event[1]))

        def happen(now: Happen) -> None:
            arm()
            now()

        arm()


@pytest.fixture
def line(tmp_path: Path, mail_server: SMTPServer) -> Iterator[Line]:
    port = free_port()
    env = {"VIDEO2MP3_REQUIRE_LOGIN": "true", "VIDEO2MP3_ACCESS_TOKEN_LIFETIME_S": "86400"}
    with embedded(tmp_path, mail_server, env) as service:
        service.roles["serve"].stop()
        network = ProxyNetwork()
        try:
            line = Line(service, port, network.proxy(port))
            line.start()
            service.urls[:] = [f"http://127.0.0.1:{port}"]
            yield line
        finally:
            network.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    with path.open("wb") as file:
        for number in range(SIZE_BYTES // 1024**2):
            file.write(random.Random(number).randbytes(1024**2))
    return path


def places(seed: int, count: int) -> list[int]:
    """Random places in the file, as distances from one to the next; there is time for all before its end."""
    numbers = random.Random(seed)
    return [numbers.randrange(SIZE_BYTES * 2 // (count * 3)) + 1 for _ in range(count)]


def stored_sha256(http: httpx.Client, address: str) -> str:
    upload_id = address.rpartition("/")[2]
    assert http.get(f"/v1/uploads/{upload_id}").json()["state"] == "complete"
    with http.stream("GET", f"/download_video/{upload_id}") as answer:
        answer.raise_for_status()
        found = hashlib.sha256()
        for piece in answer.iter_bytes():
            found.update(piece)
    return found.hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def upload_with_tuspy(url: str, http: httpx.Client, path: Path, deadline_s: float) -> str:
    """Uploads with tuspy, which is begun anew after each error, at the same address."""
    client = TusClient(f"{url}/v1/uploads", headers={"Authorization": http.headers["authorization"]})
    address = client.uploader(str(path), metadata={"filename": "talk.mp4"}).create_url()
    ends_s = time.monotonic() + deadline_s
    while True:
        try:
            client.uploader(str(path), url=address, chunk_size=CHUNK_BYTES).upload()
        except TusCommunicationError:
            assert time.monotonic() < ends_s
            time.sleep(0.05)
        else:
            return str(address)


def test_an_upload_is_whole_however_often_its_line_is_cut_and_its_server_killed(line: Line, file: Path) -> None:
    """It should store the file's own bytes, and lose no more than a chunk each time."""
    cuts: list[tuple[int, Happen]] = [(place, line.cut) for place in places(1, CUTS)]
    kills: list[tuple[int, Happen]] = [(place, line.kill) for place in places(2, KILLS)]
    with line.service.user() as http:
        for events in (cuts, kills):
            line.happened = 0
            line.trouble(events)
            address = upload_with_tuspy(line.url, http, file, deadline_s=240)
            assert line.happened == len(events)
            assert stored_sha256(http, address) == sha256_of(file)


def test_the_browsers_client_resumes_by_itself(line: Line, file: Path, tmp_path: Path) -> None:
    if not (SCRIPT.parent / "node_modules" / "tus-js-client").exists():
        missing("the tus client (make tools)")
    events: list[tuple[int, Happen]] = [(place, line.cut) for place in places(3, 4)]
    with line.service.user() as http:
        line.trouble([*events, (1, line.kill)])
        token = http.headers["authorization"].removeprefix("Bearer ")
        command = [node(), str(SCRIPT), f"{line.url}/v1/uploads", token, str(file), str(CHUNK_BYTES)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert line.happened == 5
        assert stored_sha256(http, done.stdout.strip()) == sha256_of(file)
