"""The Python client against a real service, over a line that breaks."""

import hashlib
import random
import time
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.chaos.proxy import Proxy
from tests.client.conftest import Served
from tests.outbound.listeners import answer, web_server
from tests.servers import free_port
from tests.worker.system import make_wav
from video2mp3.client import Client, ClientError, connection

PASSWORD = "correct horse battery"


class Stopped(Exception):
    """As Ctrl-C in the middle."""


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_FIRST_PAUSE_S", 0.05)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """25 MB of noise, which is three chunks and a bit."""
    path = tmp_path / "Gespräch.bin"
    path.write_bytes(random.Random(1).randbytes(25_000_000))
    return path


def stored(served: Served, upload_id: str) -> str:
    """The SHA-256 of what the service has."""
    content = httpx.get(f"{served.url}/download_video/{upload_id}", timeout=60).raise_for_status().content
    return hashlib.sha256(content).hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_is_sent_converted_and_fetched(served: Served, tmp_path: Path) -> None:
    """It should tell its progress on the way, and leave nothing beside the MP3."""
    (tmp_path / "talk.wav").write_bytes(make_wav(2))
    sent, percents, got = [], [], []
    with Client(served.url) as client:
        upload_id = client.upload(tmp_path / "talk.wav", on_progress=lambda *bytes_: sent.append(bytes_))
        ordered = client.convert(upload_id, options={"bitrate_kbps": 128}, tag="mine")
        done = client.wait(ordered.id, timeout_s=60, on_progress=lambda now: percents.append(now.percent))
        client.download(done, tmp_path / "talk.mp3", on_progress=lambda *bytes_: got.append(bytes_))
    size_bytes = (tmp_path / "talk.wav").stat().st_size
    assert (sent[0], sent[-1]) == ((0, size_bytes), (size_bytes, size_bytes))
    assert percents[-1] == 100
    assert got[-1] == (done.size_bytes, done.size_bytes)
    assert (done.data["tag"], done.data["source"]["name"]) == ("mine", "talk.wav")
    assert sha256(tmp_path / "talk.mp3") == done.data["result"]["sha256"]
    assert {path.name for path in tmp_path.iterdir()} == {"talk.wav", "talk.mp3"}


def test_an_upload_goes_on_where_the_line_broke(served: Served, line: Proxy, large: Path) -> None:
    """It should be the same file in the end, cut at random places, and not be sent much more than once."""
    places = sorted(random.Random(2).sample(range(1, 25_000_000), 6))
    told = []

    def cut(sent_bytes: int, _size_bytes: int) -> None:
        told.append(sent_bytes)
        if places and sent_bytes >= places[0]:
            places.pop(0)
            line.cut()

    with Client(f"http://127.0.0.1:{line.port}") as client:
        upload_id = client.upload(large, on_progress=cut)
        assert client.read(client.convert(upload_id).id).data["source"]["name"] == "Gespräch.bin"
    assert not places
    assert stored(served, upload_id) == sha256(large)
    begun_again = [after for before, after in pairwise(told) if after < before]
    assert len(begun_again) >= 5
    assert any(begun_again)


def test_another_process_goes_on_with_an_upload(served: Served, large: Path, tmp_path: Path) -> None:
    """It should send the rest only; a finished one is not sent again until it is forgotten."""

    def stop(sent_bytes: int, _size_bytes: int) -> None:
        if sent_bytes > 20_000_000:
            raise Stopped

    first = Client(served.url, resume_folder=tmp_path / "resume_folder")
    with pytest.raises(Stopped):
        first.upload(large, on_progress=stop)
    first.close()
    told: list[int] = []
    with Client(served.url, resume_folder=tmp_path / "resume_folder") as client:
        upload_id = client.upload(large, on_progress=lambda sent, _all: told.append(sent))
        assert told[0] >= 8 * 1024**2
        assert stored(served, upload_id) == sha256(large)
        assert client.upload(large, on_progress=lambda sent, _all: told.append(-sent)) == upload_id
        assert told[-1] == -25_000_000
        assert [sent for sent in told if sent <= 0] == [-25_000_000]
        client.forget(large)
        assert client.upload(large) != upload_id
        # A changed file is another one.
        large.write_bytes(b"other")
        other_id = client.upload(large)
    assert stored(served, other_id) == sha256(large)


def test_a_service_that_is_killed_meanwhile_has_the_file_in_the_end(
    served: Served, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_FIRST_PAUSE_S", 0.5)
    places = [9_000_000, 18_000_000]

    def kill(sent_bytes: int, _size_bytes: int) -> None:
        if places and sent_bytes >= places[0]:
            places.pop(0)
            served.restart_killed()

    with Client(served.url) as client:
        upload_id = client.upload(large, on_progress=kill)
    assert not places
    assert stored(served, upload_id) == sha256(large)


def test_a_download_goes_on_where_the_line_broke(served: Served, line: Proxy, tmp_path: Path) -> None:
    (tmp_path / "long.wav").write_bytes(make_wav(160))
    places = [1_000_000, 3_000_000]
    got = []

    def cut(got_bytes: int, _size_bytes: int) -> None:
        got.append(got_bytes)
        if places and got_bytes >= places[0]:
            places.pop(0)
            line.cut()

    with Client(f"http://127.0.0.1:{line.port}") as client:
        order = client.convert(client.upload(tmp_path / "long.wav"), options={"bitrate_kbps": 192})
        done = client.wait(order.id, timeout_s=120)
        client.download(done, tmp_path / "long.mp3", on_progress=cut)
    assert not places
    assert sha256(tmp_path / "long.mp3") == done.data["result"]["sha256"]
    # It was never begun anew.
    assert got == sorted(got)


def test_a_sign_in_is_renewed(served: Served, tmp_path: Path) -> None:
    """It should work on when the token's time is over; without a sign-in it would not."""
    httpx.post(f"{served.url}/v1/accounts", json={"username": "ada", "password": PASSWORD}).raise_for_status()
    (tmp_path / "talk.wav").write_bytes(make_wav(0.5))
    with Client(served.url) as client, Client(served.url, token="wrong") as other:
        with pytest.raises(ClientError) as wrong:
            client.sign_in("ada", "wrong")
        client.sign_in("ada", PASSWORD)
        for _ in range(2):
            time.sleep(2.5)
            client.convert(client.upload(tmp_path / "talk.wav"))
        with pytest.raises(ClientError) as refused:
            other.upload(tmp_path / "talk.wav")
    assert (wrong.value.code, wrong.value.status) == ("invalid_credentials", 401)
    assert refused.value.code == "unauthenticated"


def test_errors_are_the_service_s_own(served: Served, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_bytes(b"This is a letter, not a video." * 100)
    with Client(served.url) as client:
        upload_id = client.upload(tmp_path / "letter.txt")
        with pytest.raises(ClientError) as failed:
            client.wait(client.convert(upload_id).id, timeout_s=60)
        with pytest.raises(ClientError) as invalid:
            client.convert(upload_id, options={"bitrate_kbps": 7})
        with pytest.raises(ClientError) as refused:
            client.convert(url="http://127.0.0.1/")
        with pytest.raises(ClientError) as missing:
            client.read("0" * 32)
    assert failed.value.code == "unsupported_format"
    assert (invalid.value.code, invalid.value.status, invalid.value.retryable) == ("invalid_option", 422, False)
    assert (refused.value.code, missing.value.code) == ("url_rejected", "not_found")


def test_the_same_key_makes_one_conversion(served: Served, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(make_wav(0.5))
    with Client(served.url) as client:
        upload_id = client.upload(tmp_path / "talk.wav")
        ids = {client.convert(upload_id, idempotency_key="one").id for _ in range(2)}
        assert len(ids) == 1
        assert client.convert(upload_id).id not in ids


def test_nobody_who_answers_is_an_error_after_several_tries(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(b"x")
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url) as client, pytest.raises(ClientError, match=f"^{url} does not answer") as away:
        client.upload(tmp_path / "talk.wav")
    assert (away.value.code, away.value.status, away.value.retryable) == ("unreachable", None, True)
    with pytest.raises(ClientError, match="must begin with https"):
        Client("localhost:8000")


def test_an_answer_of_somebody_else_is_told_as_such(tmp_path: Path) -> None:
    """It should also not carry the sign-in to another server."""
    (tmp_path / "talk.wav").write_bytes(b"x")
    reached = []

    def lead_away(handler: BaseHTTPRequestHandler) -> None:
        reached.append(handler.path)
        answer(handler, 201, Location=f"http://localhost:{port}/v1/uploads/x")

    def no_service(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 404, b"<h1>Not here</h1>")

    def upload(port: int) -> ClientError:
        with Client(f"http://127.0.0.1:{port}", token="secret") as client, pytest.raises(ClientError) as raised:
            client.upload(tmp_path / "talk.wav")
        assert raised.value.code == "unexpected_answer"
        return raised.value

    with web_server(lead_away) as port:
        assert "redirected to another host" in upload(port).detail
    assert reached == ["/v1/uploads"]
    with web_server(no_service) as port:
        assert "answered with status 404" in upload(port).detail


def test_a_service_below_a_path_is_found(served: Served, tmp_path: Path) -> None:
    """It should keep the path in front of every address, with a proxy that takes it away."""
    (tmp_path / "talk.wav").write_bytes(make_wav(0.5))

    def pass_on(handler: BaseHTTPRequestHandler) -> None:
        assert handler.path.startswith("/mp3s/v1/")
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "host"}
        passed = httpx.request(
            handler.command, served.url + handler.path.removeprefix("/mp3s"), content=body, headers=headers
        )
        named = {name.replace("-", "_"): value for name, value in passed.headers.items() if name != "content-length"}
        answer(handler, passed.status_code, passed.content, **named)

    with web_server(pass_on) as port, Client(f"http://127.0.0.1:{port}/mp3s/") as client:
        done = client.wait(client.convert(client.upload(tmp_path / "talk.wav")).id, timeout_s=60)
        client.download(done, tmp_path / "talk.mp3")
    assert sha256(tmp_path / "talk.mp3") == done.data["result"]["sha256"]


def test_a_damaged_download_is_not_kept(served: Served, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(make_wav(0.5))
    with Client(served.url) as client:
        done = client.wait(client.convert(client.upload(tmp_path / "talk.wav")).id, timeout_s=60)
    other = web_server(lambda handler: answer(handler, 200, b"x" * (done.size_bytes or 0)))
    with other as port, Client(f"http://127.0.0.1:{port}") as client, pytest.raises(ClientError) as damaged:
        client.download(done, tmp_path / "talk.mp3")
    assert damaged.value.code == "damaged"
    assert {path.name for path in tmp_path.iterdir()} == {"talk.wav"}
