"""What the service says to small mistakes, and to browsers and programs that write things in their own way."""

import threading

import httpx
import pytest

from tests.api.conftest import SignedIn
from tests.api.stored import VIDEO, convert, fail, finish
from tests.api.test_mp3 import on_the_first_job, wait_for_job
from video2mp3.api.frame.services import Services
from video2mp3.errors import NoAudio

PAGE = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


def names(ada: SignedIn, **query: str) -> list[str]:
    page = ada.http.get("/v1/conversions", params=query).raise_for_status().json()
    return [item["source"]["name"] for item in page["items"]]


def detail_of(answer: httpx.Response, code: str) -> str:
    assert answer.json()["code"] == code, answer.text
    return str(answer.json()["detail"])


def test_conversions_are_listed_by_state(ada: SignedIn, services: Services) -> None:
    for name in ("queued.mp4", "finished.mp4", "failed.mp4"):
        job_id = convert(ada.http, name)
        if name == "finished.mp4":
            finish(services, job_id)
        elif name == "failed.mp4":
            fail(services, job_id, NoAudio())
    for state in ("queued", "finished", "failed"):
        assert names(ada, state=state) == [f"{state}.mp4"]
    assert names(ada, state="canceled") == []
    assert len(names(ada)) == 3


def test_a_mistyped_query_is_refused_with_the_nearest_name(ada: SignedIn) -> None:
    """It should not show everything to those who asked for less."""
    answer = ada.http.get("/v1/conversions", params={"stat": "finished"})
    assert answer.status_code == 422
    assert "There is no stat; the nearest is state." in detail_of(answer, "invalid_request")
    assert ada.http.get("/v1/conversions", params={"state": "done"}).status_code == 422
    twice = ada.http.get("/v1/conversions?state=finished&state=failed")
    assert "state more than once" in detail_of(twice, "invalid_request")
    assert "There is no x." in detail_of(ada.http.get("/v1/me", params={"x": "1"}), "invalid_request")
    # Links that are passed on get parameters of others; the v0 API takes any.
    shared = ada.http.get(f"/v1/shared/{'a' * 60}/mp3", params={"utm_source": "y"})
    assert shared.status_code != 422
    assert ada.http.get("/users/me", params={"x": "1"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "sent", "message"),
    [
        ("GET", "/v1/conversions?limit=many", None, "It has to be a whole number."),
        ("GET", "/v1/conversions?limit=101", None, "It has to be at most 100."),
        ("POST", "/v1/conversions", {"upload_id": 7}, "It has to be a text."),
        ("POST", "/v1/conversions", {"options": []}, "It has to be an object."),
        ("POST", "/v1/accounts", {"username": "x"}, "It is missing."),
        ("PATCH", "/v1/me", {"email_notifications": "perhaps"}, "It has to be true or false."),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(
    ada: SignedIn, method: str, path: str, sent: object, message: str
) -> None:
    answer = ada.http.request(method, path, json=sent)
    assert answer.status_code == 422
    assert message in [error["message"] for error in answer.json()["errors"]]


def test_urls_that_are_refused_name_the_settings_that_allow_them(ada: SignedIn) -> None:
    for url, setting in (("http://8.8.8.8:8080/", "VIDEO2MP3_ALLOWED_PORTS"), ("http://10.0.0.1/", "ALLOWED_NETWORKS")):
        answer = ada.http.post("/v1/webhooks", json={"url": url})
        assert setting in detail_of(answer, "url_rejected")
        assert answer.json()["title"] == "URL rejected"


def test_an_empty_file_is_reported_as_one(ada: SignedIn) -> None:
    form = ada.http.post("/v1/conversions", files={"file": ("talk.mp4", b"")})
    for answer in (form, ada.http.post("/v1/uploads", content=b""), ada.http.put("/v1/mp3", content=b"")):
        assert answer.status_code == 400
        assert "0 bytes" in detail_of(answer, "empty_file")


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("name=\"file\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.mp4", "grüße.mp4"),
        ('name="file"; filename="a \\"b\\" c.mp4"', 'a "b" c.mp4'),
        ('name="file"; filename="a %22b%22 c.mp4"', 'a "b" c.mp4'),
        ('filename="a; name=b.mp4"; name="file"', "a; name=b.mp4"),
        ("name=file; filename=talk.mp4", "talk.mp4"),
        ('name="file"; filename="50%25.mp4"', "50%25.mp4"),
    ],
)
def test_names_in_forms_are_read_as_programs_write_them(ada: SignedIn, disposition: str, name: str) -> None:
    body = f"--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + VIDEO + b"\r\n--B--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = ada.http.post("/v1/conversions", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["source"]["name"] == name


def test_a_browser_gets_a_page_where_there_is_nothing(ada: SignedIn, client: httpx.Client) -> None:
    for path in ("/nothing", "/v1/nothing", f"/v1/conversions/{'a' * 32}"):
        answer = ada.http.get(path, headers=PAGE)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert '<a href="/">' in answer.text
        assert ada.http.get(path).headers["content-type"] == "application/problem+json"
    wrong = ada.http.get("/v1/conversions?limit=many", headers=PAGE)
    assert "query.limit: It has to be a whole number." in wrong.text
    assert "; /v1/me has no slash" in detail_of(ada.http.get("/v1/me/"), "not_found")
    unauthenticated = client.get("/v1/me", headers=PAGE)
    assert (unauthenticated.status_code, "WWW-Authenticate" in unauthenticated.headers) == (401, True)


def test_one_call_that_is_repeated_with_its_key_converts_once(ada: SignedIn, services: Services) -> None:
    """It should answer with the MP3 of the first, also while that runs; another file with the key is refused."""
    headers = {"Idempotency-Key": "k"}

    def put(content: bytes = VIDEO) -> httpx.Response:
        return ada.http.put("/v1/mp3/talk.mp4", content=content, headers=headers)

    answers: list[httpx.Response] = []
    first = threading.Thread(target=lambda: answers.append(put()))
    first.start()
    wait_for_job(services, "queued")
    with on_the_first_job(services, lambda job_id: finish(services, job_id, b"mp3" * 1000)):
        answers.append(put())
    first.join()
    answers.append(put())
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"mp3" * 1000)}
    assert len(names(ada)) == 1
    other = put(VIDEO + b"!")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
