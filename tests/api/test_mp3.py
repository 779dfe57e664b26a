import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from sqlalchemy import select

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, fail, finish, stored
from tests.servers import wait_until
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job
from video2mp3.errors import NoAudio
from video2mp3.jobs.lifecycle.states import NORMAL
from video2mp3.telemetry import metrics


def find_job(services: Services) -> Job | None:
    with services.database.read() as session:
        return session.scalar(select(Job))


def wait_for_job(services: Services, state: str) -> Job:
    def found() -> Job | None:
        job = find_job(services)
        return job if job and job.state == state else None

    job = wait_until(found, 15, f"a job that is {state}")
    assert job
    return job


@contextmanager
def on_the_first_job(services: Services, end: Callable[[str], object]) -> Iterator[None]:
    """Ends the first job that comes, as a worker would."""

    def run() -> None:
        end(wait_for_job(services, "queued").id)

    worker = threading.Thread(target=run)
    worker.start()
    yield
    worker.join()


def test_a_video_goes_in_and_its_mp3_comes_out(ada: SignedIn, services: Services) -> None:
    with on_the_first_job(services, lambda job_id: finish(services, job_id, b"mp3" * 1000)):
        answer = ada.http.put("/v1/mp3", params={"bitrate_kbps": 96, "name": "talk.mp4"}, content=VIDEO)
    assert (answer.status_code, answer.content) == (200, b"mp3" * 1000)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert 'filename="talk.mp3"' in answer.headers["content-disposition"]
    job = wait_for_job(services, "finished")
    assert answer.headers["content-location"] == f"/v1/conversions/{job.id}/mp3"
    assert (job.options.requested(), job.priority, job.source_name) == ({"bitrate_kbps": 96}, NORMAL, "talk.mp4")


def test_the_name_can_be_in_the_path_as_curl_puts_it(ada: SignedIn, services: Services) -> None:
    with on_the_first_job(services, lambda job_id: finish(services, job_id)):
        # A Range is for GET: here all is answered.
        answer = ada.http.put("/v1/mp3/my%20talk.mp4", content=iter([VIDEO]), headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (200, b"ID3 and so on")
    assert 'filename="my talk.mp3"' in answer.headers["content-disposition"]


def test_a_video_that_fails_answers_why(ada: SignedIn, services: Services) -> None:
    with on_the_first_job(services, lambda job_id: fail(services, job_id, NoAudio())):
        answer = ada.http.put("/v1/mp3", content=VIDEO)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_audio")


def test_a_conversion_that_somebody_else_cancels_answers_so(ada: SignedIn, services: Services) -> None:
    with on_the_first_job(services, lambda job_id: ada.http.delete(f"/v1/conversions/{job_id}")):
        answer = ada.http.put("/v1/mp3", content=VIDEO, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (409, "canceled")


def test_a_client_that_goes_away_cancels_its_conversion(ada: SignedIn, services: Services, url: str) -> None:
    head = f"PUT /v1/mp3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\n"
    head += f"Content-Length: {len(VIDEO)}\r\n\r\n"
    with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=10) as line:
        line.sendall(head.encode() + VIDEO)
        wait_for_job(services, "queued")
    wait_for_job(services, "canceled")


def test_a_wrong_option_is_told_before_the_file_is_sent(ada: SignedIn, services: Services, url: str) -> None:
    head = f"PUT /v1/mp3?bitrate_kbps=7 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\n"
    head += "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=10) as line:
        line.sendall(head.encode())
        answer = line.recv(65536).decode()
    assert answer.startswith("HTTP/1.1 422")
    assert stored(services) == NOTHING


def test_a_client_that_repeats_its_request_is_not_waited_for(ada: SignedIn, services: Services, url: str) -> None:
    """It should end the request when the client goes away, and leave the conversion to the next request."""
    before = metrics.HTTP_IN_PROGRESS._value.get()
    with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=10) as line:
        head = f"PUT /v1/mp3 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\nIdempotency-Key: k\r\n"
        line.sendall(f"{head}Content-Length: {len(VIDEO)}\r\n\r\n".encode() + VIDEO)
        job = wait_for_job(services, "queued")
    wait_until(lambda: metrics.HTTP_IN_PROGRESS._value.get() == before, 15, "the request to end")
    wait_for_job(services, "queued")
    finish(services, job.id, b"an MP3")
    repeated = ada.http.put("/v1/mp3", content=VIDEO, headers={"Idempotency-Key": "k"})
    assert (repeated.status_code, repeated.content) == (200, b"an MP3")
