"""Conversions of files at URLs: what is refused at once, and what is shown of the URLs."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from tests.api.conftest import Serve, SignedIn, SignIn
from tests.api.stored import NOTHING, fail, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job
from video2mp3.errors import SourceRefused
from video2mp3.outbound import Guard
from video2mp3.outbox.webhooks import Receiver, new_secret, one_off_subscriber

URL = "https://media.example/talks/My%20talk.mp4?X-Signature=secret"
RESULT_URL = "https://media.example/mp3s/talk.mp3?X-Signature=secret"


def order(
    http: httpx.Client, source: dict[str, Any] | None = None, key: str | None = None, **more: Any
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post("/v1/conversions", json={"source": source or {"url": URL}, **more}, headers=headers)


def test_a_url_is_ordered_as_an_upload_is(ada: SignedIn, services: Services) -> None:
    """It should have the name in the URL, and show no query: not here, not in the list, not to administrators."""
    answer = order(ada.http, result_url=RESULT_URL, options={"bitrate_kbps": 128}, tag="mine")
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["state"], job["blocked_reason"]) == ("waiting", "source_not_fetched")
    assert job["source"] == {
        "name": "My talk.mp4",
        "size_bytes": 0,
        "duration_s": None,
        "upload_id": None,
        "url": "https://media.example/talks/My%20talk.mp4?…",
    }
    assert job["result_url"] == "https://media.example/mp3s/talk.mp3?…"
    fail(services, job["id"], SourceRefused())
    shown = [answer, ada.http.get(job["links"]["self"]), ada.http.get("/v1/conversions")]
    assert not any("secret" in one.text for one in shown)
    with services.database.read() as session:
        row = session.get_one(Job, job["id"])
    assert (row.source_url, row.result_url) == (URL, RESULT_URL)


def test_an_operator_can_take_files_alone(services: Services, serve: Serve) -> None:
    alone = replace(services, settings=services.settings.model_copy(update={"url_sources": False}), trust_loopback=True)
    with httpx.Client(base_url=serve(alone), timeout=30) as http:
        answer = order(http)
        assert (answer.status_code, answer.json()["code"]) == (403, "url_sources_disabled")
        assert "&quot;takes_urls&quot;: false" in http.get("/", headers={"Accept": "text/html"}).text


def send_form(http: httpx.Client, key: str | None = None, **fields: str) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post("/v1/conversions", files={"file": ("talk.mp4", b"video")}, data=fields, headers=headers)


def test_a_form_names_where_the_result_goes_and_who_is_told(ada: SignedIn, services: Services) -> None:
    hook, secret = "https://hooks.example/in", new_secret()
    answer = send_form(ada.http, result_url=RESULT_URL, webhook_url=hook, webhook_secret=secret)
    assert answer.status_code == 202, answer.text
    assert secret not in answer.text
    with services.database.read() as session:
        row = session.get_one(Job, answer.json()["id"])
        told = one_off_subscriber(session, row.id)
    assert (row.result_url, told) == (RESULT_URL, Receiver(hook, secret))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"result_url": "http://127.0.0.1/"}, "url_rejected"),
        ({"webhook_url": "http://[::1]/", "webhook_secret": new_secret()}, "url_rejected"),
        ({"webhook_url": "https://hooks.example/in"}, "invalid_request"),
        ({"webhook_secret": new_secret()}, "invalid_request"),
        ({"webhook_url": "https://hooks.example/in", "webhook_secret": "x" * 101}, "invalid_request"),
        ({"webhook_url": "https://hooks.example/in", "webhook_secret": "whsec_none"}, "invalid_request"),
    ],
)
def test_a_form_is_checked_as_json_is(fields: dict[str, str], code: str, ada: SignedIn, services: Services) -> None:
    answer = send_form(ada.http, **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert stored(services) == NOTHING


def test_a_name_can_be_given(ada: SignedIn) -> None:
    named = order(ada.http, {"url": "https://media.example/download?id=7", "name": "../Talk\u202e.mp4"})
    assert named.json()["source"]["name"] == "Talk.mp4"
    assert order(ada.http, {"url": "https://media.example"}).json()["source"]["name"] == "upload"


@pytest.mark.parametrize("field", ["source", "result_url"])
def test_what_is_never_connected_to_is_refused_at_once(field: str, ada: SignedIn, services: Services) -> None:
    for wrong in (
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "file:///x",
        "https://x.example:22/",
        "x",
    ):
        named = {"source": {"url": wrong}} if field == "source" else {"source": {"url": URL}, field: wrong}
        answer = ada.http.post("/v1/conversions", json=named)
        assert (answer.status_code, answer.json()["code"]) == (422, "url_rejected"), wrong
    assert stored(services) == NOTHING


def test_what_the_operator_allows_is_taken(services: Services, serve: Any, sign_in: SignIn) -> None:
    url = serve(replace(services, guard=Guard((ip_network("10.0.0.0/8"),), frozenset({8080}))))
    ada = sign_in("ada")
    with httpx.Client(base_url=url, headers=ada.http.headers) as http:
        assert order(http, {"url": "http://10.1.2.3:8080/x"}).status_code == 202
        assert order(http, {"url": "http://192.168.1.1:8080/x"}).status_code == 422
    assert order(ada.http, {"url": "http://10.1.2.3:8080/x"}).status_code == 422


def test_an_order_has_one_source(ada: SignedIn) -> None:
    both = order(ada.http, upload_id=upload(ada.http))
    neither = ada.http.post("/v1/conversions", json={})
    for answer in (both, neither):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "exactly one of upload_id and source" in answer.json()["detail"]


def test_the_same_url_with_the_same_key_is_one_conversion(ada: SignedIn) -> None:
    first = order(ada.http, key="one").json()["id"]
    assert order(ada.http, key="one").json()["id"] == first
    for other in (
        order(ada.http, {"url": URL + "x"}, key="one"),
        order(ada.http, {"url": URL, "name": "other"}, key="one"),
        order(ada.http, key="one", result_url=RESULT_URL),
    ):
        assert other.json()["code"] == "idempotency_key_reused"


def test_a_failed_one_can_be_tried_again(ada: SignedIn, services: Services) -> None:
    job_id = order(ada.http, result_url=RESULT_URL).json()["id"]
    fail(services, job_id, SourceRefused())
    again = ada.http.post(f"/v1/conversions/{job_id}/retry")
    assert again.status_code == 202
    with services.database.read() as session:
        row = session.get_one(Job, again.json()["id"])
    assert (row.source_url, row.result_url, row.upload_id) == (URL, RESULT_URL, None)
