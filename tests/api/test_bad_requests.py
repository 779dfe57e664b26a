"""Every bad request gets its own 4xx and code, and leaves nothing behind; a good one does leave something."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, stored, upload
from tests.servers import wait_until
from video2mp3.api.frame.multipart import FormReader
from video2mp3.api.frame.services import Services
from video2mp3.errors import InvalidRequest, MissingFile, UploadIncomplete, UploadTooLarge
from video2mp3.settings import Settings

MAX_UPLOAD_BYTES = 9 * 1024**2


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_upload_bytes": MAX_UPLOAD_BYTES})


def part(disposition: str, data: bytes) -> bytes:
    return b"--B\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + data + b"\r\n"


FILE = part('name="file"; filename="talk.mp4"', VIDEO)
END = b"--B--\r\n"
MULTIPART = "multipart/form-data; boundary=B"


@dataclass(frozen=True)
class Bad:
    name: str
    status: int
    code: str
    body: bytes = b""
    content_type: str | None = MULTIPART
    path: str = "/v1/conversions"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, http: httpx.Client) -> httpx.Response:
        types = {"Content-Type": self.content_type} if self.content_type else {}
        return http.request(self.method, self.path, content=self.body, headers={**types, **self.headers})


def option(name: str, value: str) -> bytes:
    return part(f'name="{name}"', value.encode())


BAD = [
    Bad("no body and no type", 400, "missing_file", content_type=None),
    Bad("an empty form", 400, "missing_file"),
    Bad("a form without a file", 400, "missing_file", option("title", "x") + END),
    Bad("a file field that is text", 400, "missing_file", option("file", "x") + END),
    Bad("an empty file", 400, "empty_file", part('name="file"; filename="x"', b"") + END),
    Bad("a wrong type", 415, "unsupported_media_type", VIDEO, "video/mp4"),
    Bad("a urlencoded form", 415, "unsupported_media_type", b"file=x", "application/x-www-form-urlencoded"),
    Bad("a compressed form", 415, "unsupported_media_type", FILE + END, headers={"Content-Encoding": "gzip"}),
    Bad("no boundary", 422, "invalid_request", FILE + END, "multipart/form-data"),
    Bad("an endless boundary", 422, "invalid_request", FILE + END, "multipart/form-data; boundary=" + "x" * 500),
    Bad("another boundary", 422, "invalid_request", FILE + END, "multipart/form-data; boundary=C"),
    Bad("garbage", 422, "invalid_request", b"\0\1\2 garbage"),
    Bad("a form cut in the file", 400, "upload_incomplete", FILE[:-500]),
    Bad("a form cut after the file", 400, "upload_incomplete", FILE),
    Bad("a form cut in a header", 400, "upload_incomplete", FILE + b"--B\r\nContent-Dispo"),
    Bad("a part without a name", 422, "invalid_request", part('filename="x"', VIDEO) + END),
    Bad("a part without headers", 422, "invalid_request", b"--B\r\n\r\nx\r\n" + END),
    Bad("two files", 422, "invalid_request", FILE + FILE + END),
    Bad("a file in another field", 422, "invalid_request", part('name="cover"; filename="x"', VIDEO) + END),
    Bad("a field twice", 422, "invalid_request", option("tag", "a") + option("tag", "b") + FILE + END),
    Bad("a huge field", 422, "invalid_request", option("title", "x" * 9000) + FILE + END),
    Bad("many fields", 422, "invalid_request", b"".join(option(f"f{n}", "x") for n in range(80)) + FILE + END),
    Bad("a huge header", 422, "invalid_request", part(f'name="{"x" * 50_000}"', b"x") + FILE + END),
    Bad("a long tag", 422, "invalid_request", option("tag", "x" * 256) + FILE + END),
    Bad("an endless epilogue", 413, "upload_too_large", FILE + END + b"x" * 2 * 1024**2),
    Bad("an unknown option before the file", 422, "invalid_option", option("bitrate", "1") + FILE + END),
    Bad("an unknown option after the file", 422, "invalid_option", FILE + option("bitrate", "1") + END),
    Bad("an option of a wrong type", 422, "invalid_option", FILE + option("bitrate_kbps", "high") + END),
    Bad("an option out of range", 422, "invalid_option", FILE + option("vbr_quality", "10") + END),
    Bad("a file over the limit", 413, "upload_too_large", FILE[:-2] + bytes(MAX_UPLOAD_BYTES) + b"\r\n" + END),
    Bad("an endless key", 422, "invalid_request", FILE + END, headers={"Idempotency-Key": "k" * 256}),
    Bad("JSON that is none", 422, "invalid_request", b"{", "application/json"),
    Bad("JSON that is a list", 422, "invalid_request", b"[]", "application/json"),
    Bad("JSON without an upload", 422, "invalid_request", b"{}", "application/json"),
    Bad(
        "JSON with an unknown name",
        422,
        "invalid_request",
        b'{"upload_id": "%s", "y": 1}' % (b"0" * 32),
        "application/json",
    ),
    Bad("endless JSON", 413, "request_too_large", b" " * 70_000, "application/json"),
    Bad("an upload that is not there", 404, "not_found", b'{"upload_id": "%s"}' % (b"0" * 32), "application/json"),
    Bad("half a surrogate pair", 422, "invalid_request", b'{"upload_id": "", "tag": "\\ud800"}', "application/json"),
    Bad("an upload that cannot be", 404, "not_found", '{"upload_id": "😀"}'.encode(), "application/json"),
    Bad("an empty upload", 400, "empty_file", path="/v1/uploads", content_type=None),
    Bad("a form as an upload", 415, "unsupported_media_type", FILE + END, path="/v1/uploads"),
    Bad("an upload over the limit", 413, "upload_too_large", bytes(MAX_UPLOAD_BYTES + 1), None, "/v1/uploads"),
    Bad("nothing to convert", 400, "empty_file", b"", None, "/v1/mp3", "PUT"),
    Bad("a wrong option in a query", 422, "invalid_option", VIDEO, None, "/v1/mp3?bitrate_kbps=x", "PUT"),
    Bad("an unknown option in a query", 422, "invalid_option", VIDEO, None, "/v1/mp3/talk.mp4?speed=2", "PUT"),
    Bad("an option twice in a query", 422, "invalid_option", VIDEO, None, "/v1/mp3?title=a&title=b", "PUT"),
    Bad("the first version's call without a file", 400, "missing_file", END, path="/upload_video"),
    Bad("the tutorial's call without a body", 422, "invalid_request", content_type=None, path="/upload"),
]


def test_bad_requests_are_told_apart_and_leave_nothing(ada: SignedIn, services: Services) -> None:
    wrong = {}
    for bad in BAD:
        answer = bad.send(ada.http)
        problem = answer.json()
        found = (answer.status_code, problem.get("code"), answer.headers["content-type"], stored(services))
        if found != (bad.status, bad.code, "application/problem+json", NOTHING):
            wrong[bad.name] = (*found, problem)
        assert "Traceback" not in answer.text
    assert wrong == {}


def test_a_good_request_leaves_what_it_should(ada: SignedIn, services: Services) -> None:
    good = Bad("a good form", 202, "", option("bitrate_kbps", "64") + FILE + END)
    assert good.send(ada.http).status_code == 202
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "jobs": 1, "objects": 1}


def test_an_unknown_option_is_named(ada: SignedIn) -> None:
    upload_id = upload(ada.http)
    for options in ({"speed": 2}, {"bitrate_kbps": "192"}, {"vbr_quality": True}, {"title": 5}):
        answer = ada.http.post("/v1/conversions", json={"upload_id": upload_id, "options": options})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_option")
        assert next(iter(options)) in answer.json()["detail"]


def test_a_hostile_name_becomes_harmless_text(ada: SignedIn, services: Services) -> None:
    name = "../../x\r\ny.mp4"
    # As clients write it: browsers and httpx with %0D%0A, others raw, which breaks the header.
    answer = ada.http.post("/v1/conversions", files={"file": (name, VIDEO)})
    assert answer.status_code == 202
    assert answer.json()["source"]["name"] == "x%0D%0Ay.mp4"
    raw = Bad("raw", 422, "invalid_request", part(f'name="file"; filename="{name}"', VIDEO) + END).send(ada.http)
    assert (raw.status_code, raw.json()["code"]) == (422, "invalid_request")
    in_query = ada.http.post("/v1/uploads", params={"name": name}, content=VIDEO)
    assert in_query.json()["name"] == "xy.mp4"
    assert all(".." not in found.key for found in services.storage.list(""))
    assert len(list(services.storage.list(""))) == 2


def test_ten_gigabytes_are_refused_before_a_byte_is_sent(ada: SignedIn, services: Services, url: str) -> None:
    for path, content_type in (
        ("/v1/uploads", "video/mp4"),
        ("/v1/conversions", MULTIPART),
        ("/upload_video", MULTIPART),
    ):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\n"
        head += f"Content-Type: {content_type}\r\nContent-Length: 10000000000\r\n\r\n"
        with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=60) as line:
            line.sendall(head.encode())
            answer = b""
            while b'"upload_too_large"' not in answer and (received := line.recv(65536)):
                answer += received
        assert answer.startswith(b"HTTP/1.1 413")
        assert b'"upload_too_large"' in answer
    assert stored(services) == NOTHING


def test_an_undeclared_body_is_cut_within_a_megabyte_of_the_limit(ada: SignedIn, services: Services) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * 1024**2:
            sent += 65536
            yield bytes(65536)

    try:
        answer = ada.http.post("/v1/uploads", content=endless())
        assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    except httpx.WriteError:
        # The service has answered and closed the connection before the client read the answer.
        assert sent < 100 * 1024**2
    wait_until(lambda: stored(services) == NOTHING, 10, "the upload was removed")


def test_a_client_that_goes_away_leaves_nothing(ada: SignedIn, services: Services, url: str) -> None:
    some = bytes(MAX_UPLOAD_BYTES - 100_000)
    requests: list[tuple[str, str, bytes]] = [
        ("POST /v1/uploads", "video/mp4", some),
        ("POST /v1/conversions", MULTIPART, FILE[:-2] + some),
        ("PUT /v1/mp3", "video/mp4", some),
    ]
    for call, content_type, body in requests:
        head = f"{call} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\n"
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
        with socket.create_connection((urlsplit(url).hostname or "", urlsplit(url).port or 0), timeout=10) as line:
            line.sendall(head.encode() + body)
            wait_until(lambda: stored(services)["objects"] == 1, 10, "the first chunk was stored")
        wait_until(lambda: stored(services) == NOTHING, 10, f"{call}: what came was removed")


# -- The parser of forms, alone -----------------------------------------------------------------------


def read_form(body: bytes, sizes: list[int], content_type: str = MULTIPART) -> tuple[bytes, dict[str, str]]:
    data = bytearray()
    form = FormReader(content_type, lambda _name: None, lambda piece: data.extend(piece))
    at = 0
    for size in [*sizes, len(body)]:
        form.write(body[at : at + size])
        at += size
    form.finish()
    return bytes(data), form.fields


@given(st.binary(max_size=300), st.text(max_size=50), st.lists(st.integers(0, 40), max_size=40))
def test_a_form_is_read_the_same_in_any_pieces(data: bytes, title: str, sizes: list[int]) -> None:
    data = data.replace(b"\r\n--B", b"")
    text = title.encode("utf-8", "replace").replace(b"\r\n--B", b"")
    body = part('name="title"', text) + part('name="file"; filename="x"', data) + END
    assert read_form(body, sizes) == (data, {"title": text.decode()})


@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_damaged_form_gets_past_our_errors(draw: Any) -> None:
    body = bytearray(part('name="title"', b"x") + FILE[:200] + b"\r\n" + END)
    for _ in range(draw.draw(st.integers(1, 5))):
        body[draw.draw(st.integers(0, len(body) - 1))] = draw.draw(st.integers(0, 255))
    body = body[: draw.draw(st.integers(0, len(body)))]
    content_type = draw.draw(st.sampled_from([MULTIPART, "multipart/form-data; boundary=", 'x;boundary="', ";;=", ""]))
    # Anything else than an error of ours would be a 500.
    with suppress(InvalidRequest, MissingFile, UploadIncomplete, UploadTooLarge):
        read_form(bytes(body), draw.draw(st.lists(st.integers(0, 20), max_size=10)), content_type)


@pytest.mark.parametrize(
    ("name", "text", "value", "detail"),
    [
        ("bitrate_kbps", "fast", "fast", "bitrate_kbps: must be a whole number."),
        ("keep_tags", "maybe", "maybe", "keep_tags: must be true or false."),
        ("end_s", "0", 0, "end_s: must be from 0.001 to 10000000."),
        ("bitrate", "128", 128, "There is no option 'bitrate'; the nearest is bitrate_kbps."),
    ],
)
def test_an_error_of_an_option_has_one_text(name: str, text: str, value: object, detail: str, ada: SignedIn) -> None:
    by_json = ada.http.post("/v1/conversions", json={"upload_id": "0" * 32, "options": {name: value}}).json()
    by_form = ada.http.post("/v1/conversions", data={name: text}, files={"file": ("a.mp4", b"x")}).json()
    by_put = ada.http.put("/v1/mp3", params={name: text}, content=b"x").json()
    assert [one["detail"] for one in (by_json, by_form, by_put)] == [detail] * 3


def test_a_field_that_is_misspelt_gets_the_name_of_one_that_the_entry_point_has(ada: SignedIn) -> None:
    sent = [
        ada.http.post("/v1/conversions", json={"upload_id": "0" * 32, "taag": "x"}),
        ada.http.post("/v1/conversions", data={"taag": "x"}, files={"file": ("a.mp4", b"x")}),
        ada.http.post("/v1/conversions", json={"upload_id": "0" * 32, "bitrate_kbps": 96}),
        ada.http.post("/v1/probe", json={"upload_id": "0" * 32, "options": {"cover_picture": ""}}),
    ]
    nearest = [answer.json()["detail"].partition("; ")[2] for answer in sent]
    assert nearest[:3] == ["the nearest is tag.", "the nearest is tag.", "the nearest is options.bitrate_kbps."]
    assert "cover_picture" not in nearest[3]
    assert "cover_upload_id" not in nearest[3]


def test_a_field_that_is_no_option_has_one_text_too(ada: SignedIn) -> None:
    for name, value in (("tag", "x" * 256), ("priority", "urgent"), ("email_notifications", "maybe")):
        by_json = ada.http.post("/v1/conversions", json={"upload_id": "0" * 32, name: value}).json()
        by_form = ada.http.post("/v1/conversions", data={name: value}, files={"file": ("a.mp4", b"x")}).json()
        assert by_json["errors"] == by_form["errors"]
