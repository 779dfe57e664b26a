"""A video is converted while it is uploaded."""

import hashlib
import io
import json
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.service import Service, wait_for_end
from tests.servers import wait_until
from tests.worker.system import make_wav

CONTENT = make_wav(120)
SHORT = make_wav(5)
HELD_BACK = 300_000
TUS = {"Tus-Resumable": "1.0.0"}


def processing(http: httpx.Client) -> bool:
    return any(job["state"] == "processing" for job in http.get("/v1/conversions").json()["items"])


def test_the_mp3_of_a_body_is_made_while_it_comes(service: Service) -> None:
    """It should be at it before the last byte is sent, and answer the bytes that the whole file gives."""
    with service.user() as http:
        seen = threading.Event()

        def body() -> Iterator[bytes]:
            file = io.BytesIO(CONTENT)
            while piece := file.read(256 * 1024 if file.tell() < len(CONTENT) - HELD_BACK else HELD_BACK):
                if file.tell() >= len(CONTENT) - HELD_BACK and not seen.is_set():
                    with httpx.Client(base_url=service.url, headers=http.headers, timeout=60) as other:
                        wait_until(lambda: processing(other), 60, "the conversion to begin")
                    seen.set()
                yield piece

        headers = {"Content-Length": str(len(CONTENT))}
        answer = http.put("/v1/mp3/talk.wav", content=body(), headers=headers, timeout=120)
        assert (answer.status_code, seen.is_set()) == (200, True)
        whole = http.post("/v1/conversions", files={"file": ("talk.wav", CONTENT)}).json()
        job = wait_for_end(http, whole["id"])
        assert job["state"] == "finished"
        assert hashlib.sha256(answer.content).hexdigest() == job["result"]["sha256"]  # type: ignore[index]


def test_a_body_that_cannot_be_converted_is_refused_before_its_end(service: Service) -> None:
    """It should answer with the problem, though most of the body has not been sent."""
    size_bytes = 400 * 1024**2
    no_codec = CONTENT[:20] + b"\x99\x99" + CONTENT[22:40] + (size_bytes - 44).to_bytes(4, "little")
    with service.user() as http:
        head = f"PUT /v1/mp3/x.wav HTTP/1.1\r\nHost: x\r\nAuthorization: {http.headers['authorization']}\r\n"
        address = urlsplit(service.url)
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as line:
            line.sendall(f"{head}Content-Length: {size_bytes}\r\n\r\n".encode() + no_codec)
            for _ in range(30):
                line.sendall(bytes(10 * 1024**2))
                if select.select([line], [], [], 1)[0]:
                    break
            answer = line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 422"), answer[:1000]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"loudness_lufs": -16}, "loudness"),
        ({"preset": "podcast"}, "loudness"),
        ({"split": "silence"}, "split_silence"),
        ({}, None),
    ],
)
def test_the_client_is_told_what_waits_for_the_last_byte(
    service: Service, options: dict[str, object], reason: str | None
) -> None:
    with service.user() as http:
        begun = http.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(SHORT))})
        address = begun.headers["location"]
        order = {"upload_id": address.rpartition("/")[2], "options": options}
        assert http.post("/v1/conversions", json=order).json()["blocked_reason"] == reason
        headers = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        http.patch(address, content=SHORT, headers=headers).raise_for_status()
        job_id = http.get("/v1/conversions").json()["items"][0]["id"]
        assert wait_for_end(http, job_id)["state"] == "finished", json.dumps(order)
