"""What clients see of the service behind nginx and Caddy, which run the lines of docs/proxies.md."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.acceptance.service import PASSWORD, Service, emails_to, wait_for_end
from tests.media import make_video
from tests.proxies.conftest import MAX_UPLOAD_BYTES, Places
from tests.proxies.lines import BELOW_A_PATH, LAYOUTS, PROGRAMS, Layout, blocks, proxy
from tests.servers import wait_until
from tests.servers.proxies import ProxyServer

TUS = {"Tus-Resumable": "1.0.0"}
REFUSALS = 16

every_program = pytest.mark.parametrize("program", PROGRAMS)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("video") / "talk.mp4", 1).read_bytes()


@contextmanager
def signed_in(places: Places, program: str, layout: Layout = BELOW_A_PATH) -> Iterator[httpx.Client]:
    """A client that goes through the proxy, with a user's access token."""
    with places.proxy(program, layout).client(layout.path) as client, places.service(layout).user() as user:
        client.headers["Authorization"] = user.headers["Authorization"]
        yield client


@every_program
@pytest.mark.parametrize("layout", LAYOUTS, ids=["host", "path"])
def test_the_page_is_there_with_all_that_it_names(places: Places, program: str, layout: Layout) -> None:
    with places.proxy(program, layout).client() as browser:
        if layout is BELOW_A_PATH:
            moved = browser.get(layout.path.rstrip("/"))
            assert urlsplit(str(urljoin(str(moved.url), moved.headers["location"]))).path == layout.path
        page = browser.get(layout.path, headers={"Accept": "text/html"})
        named = re.findall(r'(?:href|src)="([^"]+)"', page.text)
        assert len(named) > 5
        for path in {urljoin(layout.path, name) for name in named}:
            assert path.startswith(layout.path)
            assert browser.get(path).status_code == 200, path


@every_program
@pytest.mark.parametrize("layout", LAYOUTS, ids=["host", "path"])
def test_a_browser_stays_signed_in_there(places: Places, program: str, layout: Layout) -> None:
    name = f"{program.lower()}-{layout.host}"
    with places.proxy(program, layout).client(layout.path) as browser:
        account = {"username": name, "password": PASSWORD}
        browser.post("v1/accounts", json=account).raise_for_status()
        started = browser.post("v1/sessions?cookie=true", json=account).raise_for_status()
        assert {"Secure", f"Path={layout.path.rstrip('/') or '/'}"} < set(started.headers["set-cookie"].split("; "))
        assert browser.get("v1/me").json()["username"] == name


@every_program
@pytest.mark.parametrize("layout", LAYOUTS, ids=["host", "path"])
def test_every_url_that_the_service_returns_works_there(
    places: Places, program: str, layout: Layout, video: bytes
) -> None:
    with signed_in(places, program, layout) as client:

        def works(url: str) -> httpx.Response:
            assert url.startswith(layout.path)
            return client.get(client.base_url.join(url)).raise_for_status()

        stored = client.post("v1/uploads?name=talk.mp4", content=video).raise_for_status()
        works(stored.headers["location"])
        resumable = client.post("v1/uploads", headers={**TUS, "Upload-Length": str(len(video))}).raise_for_status()
        location = resumable.headers["location"]
        patch = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert client.patch(client.base_url.join(location), content=video, headers=patch).status_code == 204
        works(location)
        created = client.post("v1/conversions", json={"upload_id": stored.json()["id"]}).raise_for_status()
        job = works(created.headers["location"]).json()
        wait_for_end(client, job["id"])
        for name in ("self", "events", "mp3", "waveform", "source", "report"):
            works(job["links"][name])
        shared = client.post(client.base_url.join(job["links"]["links"]), json={}).raise_for_status().json()
        for url in (shared["url"], shared["page_url"]):
            assert url.startswith(layout.public_url)
            works(urlsplit(url)._replace(scheme="", netloc="").geturl())
        sent = client.put("v1/mp3/talk.mp4", content=video).raise_for_status()
        works(sent.headers["content-location"])
        works(client.get("v1/nothing").json()["type"].partition("#")[0])


@every_program
def test_links_of_emails_lead_to_the_path(places: Places, program: str) -> None:
    """It should be the public URL, and the page of the link should be there."""
    service, address = places.service(), f"{program.lower()}@example.org"
    with places.proxy(program).client("/mp3/") as client:
        account = {"username": f"email-{program.lower()}", "password": PASSWORD, "email": address}
        client.post("v1/accounts", json=account).raise_for_status()
        [message] = wait_until(lambda: emails_to(service, address), 30, "the email")
        body = message.get_body(("plain",))
        assert body is not None
        urls = re.findall(r"https?://\S+", body.get_content())
        assert urls
        for url in urls:
            assert url.startswith(f"{BELOW_A_PATH.public_url}/")
            assert client.get(client.base_url.join(urlsplit(url).path)).status_code == 200


@pytest.fixture(params=[*PROGRAMS, "nginx, which says Connection: close"])
def refusing(request: pytest.FixtureRequest, places: Places, tmp_path: Path) -> Iterator[ProxyServer]:
    """Each proxy, and one that asks the service to close the connection behind each response."""
    program, comma, _ = request.param.partition(",")
    port = int(places.service().url.rpartition(":")[2])
    changes = [('proxy_set_header Connection "";', "")] if comma else []
    with proxy(program, tmp_path, port, changes=changes) as server:
        yield server


@pytest.mark.parametrize("with_length", [True, False], ids=["declared", "chunked"])
def test_refusals_of_large_bodies_arrive(
    places: Places, refusing: ProxyServer, with_length: bool, tmp_path: Path
) -> None:
    """It should be what curl gets, which sends at once, each time."""
    server, large = refusing, tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES * 4)
    with places.service().user() as user:
        token = user.headers["Authorization"]
    command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code} ", "-X", "POST", "-T", str(large)]
    headers = ["Expect:", f"Authorization: {token}", *([] if with_length else ["Transfer-Encoding: chunked"])]
    command += [part for header in headers for part in ("-H", header)]
    command += ["--resolve", f"{server.host}:{server.port}:127.0.0.1"]
    command.append(f"https://{server.host}:{server.port}/mp3/v1/uploads")

    def status(_: int) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(status, range(REFUSALS))) == ["413"] * REFUSALS


def waiting_conversion(client: httpx.Client) -> str:
    """The path of the events of a conversion that waits for its upload."""
    upload = client.post("v1/uploads", headers={**TUS, "Upload-Length": "1000"}).raise_for_status()
    order = {"upload_id": upload.headers["location"].rpartition("/")[2]}
    events: str = client.post("v1/conversions", json=order).raise_for_status().json()["links"]["events"]
    return events


@every_program
def test_events_arrive_while_the_stream_is_open(places: Places, program: str) -> None:
    with (
        signed_in(places, program) as client,
        client.stream("GET", client.base_url.join(waiting_conversion(client)), timeout=10) as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == "id: waiting-0"
        assert json.loads(next(lines).removeprefix("data: "))["state"] == "waiting"


def received_bytes(service: Service) -> float:
    """How many bytes of bodies the service has received so far."""
    metrics = httpx.get(f"http://127.0.0.1:{service.env['VIDEO2MP3_METRICS_PORT']}/metrics").text
    [value] = re.findall(r"^video2mp3_http_received_bytes_total (\S+)$", metrics, re.MULTILINE)
    return float(value)


@contextmanager
def half_sent(server: ProxyServer, token: str, body: bytes) -> Iterator[socket.socket]:
    """A connection on which a client has sent half of an upload, and goes on later."""
    head = f"POST /mp3/v1/uploads HTTP/1.1\r\nHost: {server.host}\r\nAuthorization: {token}\r\n"
    with server.connect() as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
        yield connection


@every_program
def test_an_upload_arrives_while_the_client_sends_it(places: Places, program: str) -> None:
    service, body = places.service(), bytes(4_000_000)
    with signed_in(places, program) as client:
        before = received_bytes(service)
        with half_sent(places.proxy(program), client.headers["Authorization"], body) as connection:
            wait_until(lambda: received_bytes(service) - before >= len(body) // 2, 20, "the first half")
            connection.sendall(body[len(body) // 2 :])
            assert connection.recv(65_536).startswith(b"HTTP/1.1 201 ")


def test_without_its_line_nginx_keeps_an_upload_to_itself(places: Places, tmp_path: Path) -> None:
    service, body = places.service(), bytes(4_000_000)
    port = int(service.url.rpartition(":")[2])
    change = ("proxy_request_buffering off;", "client_body_in_file_only clean;")
    with proxy("nginx", tmp_path, port, changes=[change]) as server, signed_in(places, "nginx") as client:
        before = received_bytes(service)
        with half_sent(server, client.headers["Authorization"], body):
            files = server.folder / "body"
            wait_until(
                lambda: sum(file.stat().st_size for file in files.iterdir()) > len(body) // 3, 20, "nginx's own file"
            )
            assert received_bytes(service) == before


@every_program
def test_clients_of_http_1_0_get_no_chunks(places: Places, program: str, video: bytes) -> None:
    server = places.proxy(program)
    with signed_in(places, program) as client:
        sent = client.put("v1/mp3/talk.mp4", content=video).raise_for_status()
        events = sent.headers["content-location"].removesuffix("mp3") + "events"
        head = f"GET {events} HTTP/1.0\r\nHost: {server.host}\r\n"
        with server.connect() as connection:
            connection.sendall(f"{head}Authorization: {client.headers['Authorization']}\r\n\r\n".encode())
            response = b"".join(iter(lambda: connection.recv(65_536), b""))
    headers, _, body = response.partition(b"\r\n\r\n")
    assert headers.split()[1] == b"200"
    assert b"chunked" not in headers.lower()
    assert body.startswith(b"id: finished-100\ndata: {")
    assert body.endswith(b"}\n\n")


def test_the_document_says_one_thing_about_nginx() -> None:
    """It should have the same lines for a host and for a path, but for where requests go."""
    _, host, path = blocks("nginx")
    assert [line for line in host.splitlines() if line not in path.splitlines()] == [
        "location / {",
        "    proxy_pass http://video2mp3;",
    ]
