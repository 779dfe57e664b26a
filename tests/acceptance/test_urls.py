"""From a URL to a URL, with a worker that is killed in between."""

import hashlib
import json
import re
import sqlite3
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx

from tests.acceptance.service import Service, embedded, wait_for_end
from tests.media import make_video
from tests.outbound.listeners import answer, web_server
from tests.servers import SMTPServer, require_program, wait_until

ROOT = Path(__file__).parents[2]


def order_as_documented(service: Service, url: str) -> str:
    """What the command in docs/urls.md prints, with this service and these URLs in it."""
    require_program("curl")
    (command,) = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / "urls.md").read_text(), re.M | re.S)
    for documented, here in {
        "localhost:8000": service.url,
        "https://bucket.example.com/talk.mp4?X-Amz-Signature=…": url % "talk.mp4",
        "https://bucket.example.com/talk.mp3?X-Amz-Signature=…": url % "talk.mp3",
    }.items():
        assert documented in command
        command = command.replace(documented, here)
    return subprocess.run(["bash", "-euc", command], env=service.env, capture_output=True, text=True, check=True).stdout


def test_a_service_that_is_killed_while_it_fetches_converts_once(tmp_path: Path, mail_server: SMTPServer) -> None:
    """It should begin anew after the start, send the MP3 where it was to go, and log no query."""
    video = make_video(tmp_path / "talk.mp4", 3).read_bytes()
    half_sent = threading.Event()
    sent = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "PUT":
            sent.append(handler.rfile.read(int(handler.headers["Content-Length"])))
            return answer(handler, 200)
        if half_sent.is_set():
            return answer(handler, 200, video)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(video)))
        handler.end_headers()
        handler.wfile.write(video[: len(video) // 2])
        half_sent.set()
        handler.rfile.read(1)  # until the other side is gone
        return None

    with web_server(respond) as port:
        env = {"VIDEO2MP3_ALLOWED_NETWORKS": "127.0.0.0/8", "VIDEO2MP3_ALLOWED_PORTS": f"{port}"}
        url = f"http://127.0.0.1:{port}/%s?signature=secret"
        with embedded(tmp_path, mail_server, env) as service:
            job = json.loads(order_as_documented(service, url))
            assert half_sent.wait(60)
            service.roles["serve"].kill()
            logs = service.logs()
        with sqlite3.connect(tmp_path / "data" / "video2mp3.db") as database:
            assert database.execute("SELECT state, upload_id FROM jobs").fetchall() == [("waiting", None)]
            # As though its time was over.
            database.execute("UPDATE jobs SET lease_until = 1")
        database.close()
        with embedded(tmp_path, mail_server, env) as service, httpx.Client(base_url=service.url) as client:
            done = wait_for_end(client, job["id"])
            mp3 = client.get(f"/v1/conversions/{job['id']}/mp3").raise_for_status().content
            wait_until(lambda: "job_finished" in service.logs(), 30, "the log")
            logs += service.logs()
    assert done["state"] == "finished"
    assert [hashlib.sha256(one).hexdigest() for one in sent] == [hashlib.sha256(mp3).hexdigest()]
    assert "source_fetched" in logs
    assert "secret" not in logs
