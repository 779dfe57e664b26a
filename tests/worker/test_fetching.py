"""Files at URLs: fetched before they are converted, and MP3s sent to URLs, with real servers and a real worker."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import pytest
from sqlalchemy import select

from tests.engine.converting import make
from tests.jobs.rows import change_job, make_user, read_job
from tests.media import make_video
from tests.options import resolved
from tests.outbound.listeners import answer, web_server
from tests.servers import Bucket, wait_until
from tests.worker.system import System, make_wav
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import (
    Canceled,
    QuotaExceeded,
    SourceIsPage,
    SourceNotFound,
    SourceRefused,
    UploadDeleted,
    UploadTooLarge,
    Video2mp3Error,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.jobs.sources import JobSpec, RemoteSource
from video2mp3.outbound import Guard
from video2mp3.uploads import UploadSource
from video2mp3.worker import fetching, leases, sending
from video2mp3.worker.fetching import FetchLimits
from video2mp3.worker.partial_fetches import PartialFetches

pytestmark = pytest.mark.usefixtures("soon")

LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass
class FileServer:
    """Serves one file, with ranges, and breaks as a test wants."""

    content: bytes
    etag: str = '"one"'
    port: int = 0
    breaks: list[int] = field(default_factory=list)
    """After so many bytes of its next answers it breaks off."""
    status: int = 200
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range."""
    on_request: Callable[[], None] = lambda: None
    content_type: str = ""
    with_ranges: bool = True
    with_length: bool = True
    sent_bytes: int = 0
    received: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Path, type and content of what was sent here."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/some/talk.wav?signature=secret"

    def limits(self, **values: Any) -> FetchLimits:
        return FetchLimits(**{"guard": Guard(LOOPBACK, frozenset({self.port})), **values})

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.on_request()
        if handler.command == "PUT":
            content = handler.rfile.read(int(handler.headers["Content-Length"]))
            self.received.append((handler.path, handler.headers["Content-Type"], content))
            return answer(handler, self.status)
        asked = handler.headers["Range"]
        self.requests.append((handler.path, asked))
        if self.status != 200:
            return answer(handler, self.status, b"no")
        part = None
        if asked and self.with_ranges and handler.headers["If-Range"] in (None, self.etag):
            first, last = asked.removeprefix("bytes=").split("-")
            part = (int(first), int(last) + 1 if last else len(self.content))
        self._send(handler, part)
        return None

    def _send(self, handler: BaseHTTPRequestHandler, part: tuple[int, int] | None) -> None:
        start, end = part or (0, len(self.content))
        handler.send_response(206 if part else 200)
        handler.send_header("ETag", self.etag)
        if self.content_type:
            handler.send_header("Content-Type", self.content_type)
        if part:
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.content)}")
        if self.with_length:
            handler.send_header("Content-Length", str(end - start))
        if self.breaks or not self.with_length:
            handler.send_header("Connection", "close")
            handler.close_connection = True
        handler.end_headers()
        sent = self.content[start:end]
        sent = sent[: self.breaks.pop(0)] if self.breaks else sent
        self.sent_bytes += len(sent)
        handler.wfile.write(sent)


@contextmanager
def serving(content: bytes, **values: Any) -> Iterator[FileServer]:
    server = FileServer(content, **values)
    with web_server(server.respond) as server.port:
        yield server


def order(system: System, url: str, **values: Any) -> Job:
    user_id = values.pop("user_id", None) or make_user(system.database)
    name, options = values.pop("name", "talk.wav"), resolved(**values.pop("options", {}))
    with system.database.write() as session:
        spec = JobSpec(options, source=RemoteSource(url, name), **values)
        return lifecycle.submit(session, user_id, [spec])[0]


def claimed(system: System, job_id: str) -> Claim:
    """As a worker claims the fetch of a job's file."""
    with system.database.write() as session:
        claim = lifecycle.claim_transfer(session, job_id, "fetch", "w" * 32)
    assert claim is not None
    return claim


def fetch(system: System, claim: Claim, limits: FetchLimits) -> str:
    """As a worker does it before it converts."""
    return fetching.fetch(system.database, system.storage, claim, limits, lambda: False).upload_id


def uploads_of(system: System, user_id: str) -> list[Upload]:
    with system.database.read() as session:
        return list(session.scalars(select(Upload).where(Upload.user_id == user_id)))


def content_of(system: System, upload_id: str) -> bytes:
    return b"".join(UploadSource(system.database, system.storage, upload_id).stream())


def test_a_file_at_a_url_is_converted_as_an_upload_is(system: System) -> None:
    content = make_wav(1.5)
    with serving(content) as server:
        job = order(system, server.url)
        assert (job.state, job.upload_id, job.source_size_bytes) == ("waiting", None, 0)
        with system.running(fetch_limits=server.limits()):
            row = system.wait_for(job.id, "finished", "failed")
    same = system.submit(content)
    with system.running():
        uploaded = system.wait_for(same.id, "finished", "failed")
    assert (row.state, row.result_sha256) == ("finished", uploaded.result_sha256)
    assert row.source_size_bytes == len(content)
    assert row.upload_id is not None
    assert content_of(system, row.upload_id) == content
    assert server.requests == [("/some/talk.wav?signature=secret", None)]


def test_a_line_that_breaks_is_taken_up_where_it_broke(embedded: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should ask for the rest only, and have the file as it is, whatever breaks where."""
    monkeypatch.setattr(fetching, "_PAUSE_S", 0)
    content = make_wav(100)
    breaks = [1, 8 * 1024**2, 100_000, 0, 0, 7]
    with serving(content, breaks=list(breaks)) as server:
        job = order(embedded, server.url)
        with embedded.running(fetch_limits=server.limits()):
            row = embedded.wait_for(job.id, "finished", "failed")
        assert row.upload_id is not None
        assert content_of(embedded, row.upload_id) == content
        came = [sum(breaks[:n]) for n in range(len(breaks) + 1)]
        assert [asked for _, asked in server.requests] == [f"bytes={n}-" if n else None for n in came]
    assert (row.failures, row.fence) == (0, 2)  # a fetch and a conversion


@pytest.mark.parametrize("with_ranges", [True, False])
def test_a_fetch_that_makes_way_goes_on_where_the_server_can(embedded: System, with_ranges: bool) -> None:
    content = make_wav(40)
    partials = PartialFetches()
    moved: list[int] = []
    with serving(content, with_ranges=with_ranges) as server:
        job = order(embedded, server.url)
        claim = claimed(embedded, job.id)
        parts = (embedded.database, embedded.storage)
        with pytest.raises(Canceled):
            fetching.fetch(
                *parts, claim, server.limits(), lambda: sum(moved) > 2_000_000, moved.append, partials, lambda: True
            )
        with embedded.database.write() as session:
            assert lifecycle.release(session, claim)
        claim = claimed(embedded, job.id)
        fetched = fetching.fetch(*parts, claim, server.limits(), lambda: False, partials=partials)
    assert content_of(embedded, fetched.upload_id) == content
    first, second = server.requests
    assert first[1] is None
    assert second[1] is not None
    assert int(second[1].removeprefix("bytes=").removesuffix("-")) > 1_000_000
    row = read_job(embedded.database, job.id)
    assert (row.state, row.failures) == ("queued", 0)


@pytest.mark.parametrize("change", ["etag", "no ranges"])
def test_a_file_that_changes_meanwhile_is_fetched_from_its_beginning(
    change: str, embedded: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should never join parts of two files."""
    monkeypatch.setattr(fetching, "_PAUSE_S", 0)
    old, new = make_wav(100), make_wav(101)
    with serving(old, breaks=[9_000_000], with_ranges=change == "etag") as server:
        job = order(embedded, server.url)

        def change_once() -> None:
            if len(server.requests) == 1:
                server.content, server.etag = new, '"two"'

        server.on_request = change_once
        with embedded.running(fetch_limits=server.limits()):
            row = embedded.wait_for(job.id, "finished", "failed")
    assert row.upload_id is not None
    assert content_of(embedded, row.upload_id) == new
    assert [upload.id for upload in uploads_of(embedded, job.user_id)] == [row.upload_id]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(404, SourceNotFound), (410, SourceNotFound), (403, SourceRefused), (304, SourceRefused)]
)
def test_what_a_server_refuses_is_not_asked_for_again(
    status: int, error: type[Video2mp3Error], embedded: System
) -> None:
    with serving(make_wav(0.5), status=status) as server:
        with pytest.raises(error) as raised:
            fetch(embedded, claimed(embedded, order(embedded, server.url).id), server.limits())
        assert len(server.requests) == 1
    assert not raised.value.retryable
    assert "secret" not in raised.value.detail


def test_a_page_is_no_file(embedded: System) -> None:
    """It should be refused at its head, and not be asked for again."""
    with serving(b"<p>Watch it here", content_type="text/html; charset=utf-8") as server:
        with pytest.raises(SourceIsPage):
            fetch(embedded, claimed(embedded, order(embedded, server.url).id), server.limits())
        assert len(server.requests) == 1


def test_a_server_that_fails_is_asked_again_later(embedded: System) -> None:
    with serving(make_wav(0.5), status=503) as server:
        job = order(embedded, server.url)
        with embedded.running(fetch_limits=server.limits()):
            wait_until(lambda: read_job(embedded.database, job.id).failures == 1, 30, "a failure")
            server.status = 200
            change_job(embedded.database, job.id, not_before=0)
            assert embedded.wait_for(job.id, "finished", "failed").state == "finished"


def test_an_address_inside_is_not_fetched(embedded: System) -> None:
    with serving(make_wav(0.5)) as server:
        inside = order(embedded, server.url)
        with embedded.running(fetch_limits=FetchLimits(Guard(ports=frozenset({server.port})))):
            row = embedded.wait_for(inside.id, "finished", "failed")
        assert (row.state, row.error_code, server.requests) == ("failed", "url_rejected", [])
        allowed = order(embedded, server.url)
        with embedded.running(fetch_limits=server.limits()):
            assert embedded.wait_for(allowed.id, "finished", "failed").state == "finished"


@pytest.mark.parametrize("with_length", [True, False])
@pytest.mark.parametrize(("limit", "error"), [("max_size_bytes", UploadTooLarge), ("stored_bytes", QuotaExceeded)])
def test_no_more_is_fetched_than_may_be_stored(
    limit: str, error: type[Video2mp3Error], with_length: bool, embedded: System
) -> None:
    """It should keep nothing of it; what is just as large as allowed is taken."""
    content = make_wav(1)
    with serving(content, with_length=with_length) as server:
        job = order(embedded, server.url)
        taken = claimed(embedded, job.id)
        with pytest.raises(error):
            fetch(embedded, taken, server.limits(**{limit: len(content) - 1}))
        assert uploads_of(embedded, job.user_id) == []
        assert embedded.keys("uploads/") == set()
        assert content_of(embedded, fetch(embedded, taken, server.limits(**{limit: len(content)}))) == content


def test_a_cancel_ends_a_fetch(embedded: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should not wait for a server that says nothing."""
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.5)
    asked, released = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        released.wait(60)

    with serving(make_wav(0.5), on_request=hang) as server:
        job = order(embedded, server.url)
        with embedded.running(fetch_limits=server.limits()):
            assert asked.wait(30)
            with embedded.database.write() as session:
                lifecycle.cancel(session, job.id, job.user_id)
            assert embedded.wait_for(job.id, "canceled", "failed", "finished").state == "canceled"
        released.set()
    assert uploads_of(embedded, job.user_id) == []


def test_a_worker_that_has_lost_its_job_attaches_nothing(embedded: System) -> None:
    """It should leave the job to the one who has it now; the upload that it fetched is gone."""
    content = make_wav(0.5)
    with serving(content) as server:
        job = order(embedded, server.url)
        late = claimed(embedded, job.id)
        change_job(embedded.database, job.id, lease_until=1)
        with embedded.database.write() as session:
            lifecycle.reap(session)
        owner = claimed(embedded, job.id)
        with pytest.raises(UploadDeleted):
            fetch(embedded, late, server.limits())
        assert uploads_of(embedded, job.user_id) == []
        assert embedded.keys("uploads/") == set()
        upload_id = fetch(embedded, owner, server.limits())
    assert read_job(embedded.database, job.id).upload_id == upload_id
    assert content_of(embedded, upload_id) == content


def test_another_try_of_the_engine_does_not_fetch_again(embedded: System) -> None:
    """It should also be so with a retry; where the upload has gone, it is fetched again."""
    with serving(b"This is a letter, not a video." * 100) as server:
        job = order(embedded, server.url)
        with embedded.running(fetch_limits=server.limits()):
            assert embedded.wait_for(job.id, "finished", "failed").error_code == "unsupported_format"
            with embedded.database.write() as session:
                again = lifecycle.retry(session, job.id, job.user_id)
            assert embedded.wait_for(again.id, "finished", "failed").error_code == "unsupported_format"
            assert len(server.requests) == 1
            with embedded.database.write() as session:
                session.delete(session.get_one(Upload, again.upload_id))
            with embedded.database.write() as session:
                third = lifecycle.retry(session, again.id, job.user_id)
            assert embedded.wait_for(third.id, "finished", "failed").error_code == "unsupported_format"
    assert len(server.requests) == 2


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video that is much larger than its sound."""
    picture = ("-f", "lavfi", "-i", "nullsrc=s=640x360:r=5:d=6,geq=random(1)*255:128:128")
    sound = ("-f", "lavfi", "-i", "sine=frequency=330:beep_factor=4:duration=6")
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart")
    return make(tmp_path_factory.mktemp("noisy") / "noisy.mp4", *picture, *sound, *codecs).read_bytes()


def test_of_an_mp4_only_the_sound_is_fetched(embedded: System, noisy: bytes) -> None:
    """It should become the same MP3 as the whole does, and the report should tell how little was read."""
    results = {}
    for ranges in (True, False):
        with serving(noisy, with_ranges=ranges) as server:
            job = order(embedded, server.url, name="talk.mp4")
            with embedded.running(fetch_limits=server.limits()):
                row = embedded.wait_for(job.id, "finished", "failed")
        assert row.report is not None
        assert row.report["fetched_bytes"] <= server.sent_bytes
        results[ranges] = (row.result_sha256, row.report["fetched_bytes"], row.source_size_bytes, len(server.requests))
    assert results[True][0] == results[False][0] is not None
    assert results[False][1:3] == (len(noisy), len(noisy))
    assert results[True][1] < len(noisy) / 4
    assert results[True][2] < len(noisy) / 4


@pytest.mark.parametrize("why", ["picture", "name", "small video", "changes", "breaks"])
def test_a_file_of_which_the_sound_alone_will_not_do_is_fetched_whole(
    why: str, embedded: System, noisy: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_PAUSE_S", 0)
    content = make_video(tmp_path / "small.mp4", 3).read_bytes() if why == "small video" else noisy
    options = {"cover_at_s": 1.0} if why == "picture" else {}
    with serving(content) as server:

        def disturb() -> None:
            if why == "changes" and len(server.requests) == 3:
                server.etag = '"two"'
            if why == "breaks" and len(server.requests) in (2, 3, 4):
                server.breaks = [10]

        server.on_request = disturb
        job = order(embedded, server.url, name="talk.wav" if why == "name" else "talk.mp4", options=options)
        upload_id = fetch(embedded, claimed(embedded, job.id), server.limits())
        assert content_of(embedded, upload_id) == content
        assert len(uploads_of(embedded, job.user_id)) == 1


def test_the_result_is_sent_where_the_job_wants_it(embedded: System) -> None:
    with serving(make_wav(0.5)) as server:
        url = server.url.replace("talk.wav", "talk.mp3")
        job = order(embedded, server.url, result_url=url)
        with embedded.running(fetch_limits=server.limits()):
            row = embedded.wait_for(job.id, "finished", "failed")
    ((path, kind, content),) = server.received
    assert (path, kind) == ("/some/talk.mp3?signature=secret", "audio/mpeg")
    assert hashlib.sha256(content).hexdigest() == row.result_sha256


@pytest.mark.parametrize(
    ("status", "state", "code", "sent"), [(403, "failed", "result_refused", 1), (503, "processing", None, 3)]
)
def test_a_result_that_is_not_taken_does_not_count_as_finished(
    status: int, state: str, code: str | None, sent: int, embedded: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should fail where the place refuses it, and be tried again where the place is not well."""
    monkeypatch.setattr(sending, "_PAUSE_S", 0)
    with serving(b"", status=status) as server:
        job = embedded.submit(make_wav(0.5), result_url=server.url)
        with embedded.running(fetch_limits=server.limits()):
            wait_until(lambda: read_job(embedded.database, job.id).state != state or server.received, 30, "a try")
            wait_until(lambda: read_job(embedded.database, job.id).failures or state == "failed", 30, "its end")
            row = embedded.wait_for(job.id, state)
            assert (row.error_code, len(server.received)) == (code, sent)
            if state == "processing":
                assert (row.failures, row.percent, row.lease_until) == (1, 100, None)
                server.status = 200
                change_job(embedded.database, job.id, not_before=0)
                assert embedded.wait_for(job.id, "finished", "failed").state == "finished"
                assert read_job(embedded.database, job.id).fence == 3  # one conversion, two tries to send its result


def test_signed_urls_of_one_s_own_bucket_are_enough(embedded: System, bucket: Bucket) -> None:
    """It should get the video and put the MP3 with nothing but the two URLs."""
    content = make_wav(1)
    s3 = boto3.client(
        "s3",
        endpoint_url=bucket.endpoint_url,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
    )
    s3.put_object(Bucket=bucket.name, Key="in/talk.wav", Body=content)
    signed = {
        method: s3.generate_presigned_url(f"{method}_object", {"Bucket": bucket.name, "Key": key}, ExpiresIn=600)
        for method, key in {"get": "in/talk.wav", "put": "out/talk.mp3"}.items()
    }
    job = order(embedded, signed["get"], result_url=signed["put"])
    port = int(bucket.endpoint_url.rpartition(":")[2])
    with embedded.running(fetch_limits=FetchLimits(Guard(LOOPBACK, frozenset({port})))):
        row = embedded.wait_for(job.id, "finished", "failed")
    assert row.error_code is None
    stored = s3.get_object(Bucket=bucket.name, Key="out/talk.mp3")
    assert stored["ContentType"] == "audio/mpeg"
    assert hashlib.sha256(stored["Body"].read()).hexdigest() == row.result_sha256
