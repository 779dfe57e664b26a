"""More event streams of one account than the process has file descriptors: health checks should be answered."""

import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.abuse.conftest import StartService
from tests.abuse.flood import flood
from tests.acceptance.service import Service, embedded
from tests.servers import SMTPServer, wait_until
from video2mp3.api.conversions.event_streams import EventStreams
from video2mp3.api.server.connections import Admission, Connections

DESCRIPTORS = 256
STREAMS = 250
PER_USER = 32


def without_limits() -> None:
    """Every connection is served and every stream opened, as long as there are descriptors."""
    add, init = Connections.add, EventStreams.__init__

    def add_any(self: Connections, descriptor: int, client: str | None) -> Admission:
        add(self, descriptor, client)
        return Admission.FULL

    Connections.add = add_any  # type: ignore[method-assign]
    EventStreams.__init__ = lambda self, *_: init(self, 10**6, 10**6)  # type: ignore[method-assign]


def limit_descriptors(service: Service) -> None:
    """As after `ulimit -n 256`."""
    resource.prlimit(service.roles["serve"].process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def waiting_job(user: httpx.Client) -> str:
    """A conversion that waits for its upload, so that its events do not end."""
    upload = user.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}).raise_for_status()
    order = {"upload_id": upload.headers["location"].rpartition("/")[2]}
    job_id: str = user.post("/v1/conversions", json=order).raise_for_status().json()["id"]
    return job_id


def is_alive(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/livez", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def silent_connections(service: Service, count: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing."""
    address = urlsplit(service.url)
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0), 20))
            for _ in range(count)
        ]


def test_one_account_gets_its_share_and_the_others_theirs(start_service: StartService) -> None:
    with start_service() as service, service.user() as ada, service.user() as bob:
        limit_descriptors(service)
        path, his = (f"/v1/conversions/{waiting_job(user)}/events" for user in (ada, bob))
        with flood(ada, "GET", path, [b""] * 2 * PER_USER) as streams:
            statuses = streams.statuses(30)
            assert (statuses.count(200), statuses.count(429)) == (PER_USER, PER_USER)
            assert is_alive(service)
            with flood(bob, "GET", his, [b""]) as stream:
                assert stream.statuses(30) == [200]
        assert '"event_streams_per_user"' in service.logs()


def test_health_checks_are_answered_where_descriptors_run_out(start_service: StartService) -> None:
    with start_service(max_user_event_streams=1000) as service, service.user() as ada:
        limit_descriptors(service)
        path = f"/v1/conversions/{waiting_job(ada)}/events"
        with flood(ada, "GET", path, [b""] * STREAMS) as streams:
            heads = streams.heads(30)
            statuses = {int(head.split()[1]) for head in heads}
            assert statuses == {200, 503}
            assert all("retry-after" in head.lower() for head in heads if head.startswith("HTTP/1.1 503"))
            assert is_alive(service)
        assert '"limit_reached"' in service.logs()


def test_silent_connections_leave_health_checks_alone(start_service: StartService) -> None:
    with start_service() as service:
        limit_descriptors(service)
        with silent_connections(service, STREAMS):
            assert wait_until(lambda: is_alive(service), 20, "a health check to be answered")
        assert re.search(r'"connections(_per_client)?"', service.logs())


def test_without_the_limits_nothing_answers(start_service: StartService) -> None:
    with start_service(without_limits, drain_grace_s=1) as service, service.user() as ada:
        limit_descriptors(service)
        path = f"/v1/conversions/{waiting_job(ada)}/events"
        with flood(ada, "GET", path, [b""] * STREAMS):
            wait_until(lambda: not is_alive(service), 20, "the health check to fail")


def test_the_soft_limit_is_raised_at_the_start(tmp_path: Path, smtp: SMTPServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))  # the service inherits it
    try:
        with embedded(tmp_path, smtp, is_cold=True) as service:
            found, _ = resource.prlimit(service.roles["serve"].process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == min(hard, 65_536)
