"""Somebody else's id answers exactly as one that does not exist, on every route; the owner's answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi.routing import APIRoute

from tests.api.conftest import PASSWORD, SignedIn
from tests.api.stored import VIDEO, convert, fail, finish, stored, upload
from tests.engine.sounds import tone, wav_with
from video2mp3.api.accounts import api_keys as keys
from video2mp3.api.accounts import sessions
from video2mp3.api.conversions import archives, batches, downloads, events, links, waveforms
from video2mp3.api.conversions import one_call as mp3
from video2mp3.api.conversions import routes as conversions
from video2mp3.api.frame.services import Services
from video2mp3.api.uploads import routes as uploads
from video2mp3.api.uploads import tus_routes as resumable
from video2mp3.api.v0 import routes as compat
from video2mp3.api.webhooks import routes as webhooks
from video2mp3.errors import NoAudio

MODULES = (
    archives,
    batches,
    compat,
    conversions,
    downloads,
    events,
    keys,
    links,
    mp3,
    resumable,
    sessions,
    uploads,
    waveforms,
    webhooks,
)
MISSING = "0" * 31 + "1"
# Something that a waveform can be drawn of.
SOUND = wav_with(tone(800, rate_hz=8000))

NO_MORE_BYTES = {
    "Tus-Resumable": "1.0.0",
    "Content-Type": "application/offset+octet-stream",
    "Upload-Offset": str(len(VIDEO)),
}


@dataclass(frozen=True, eq=False)
class Call:
    """One route, with what it needs."""

    method: str
    path: str
    target: str
    json: dict[str, str] | None = None
    params: dict[str, str] | None = None
    headers: dict[str, str] | None = None

    def send(self, http: httpx.Client, item_id: str) -> httpx.Response:
        return http.request(
            self.method,
            self.path.format(id=item_id),
            json=_filled(self.json, item_id),
            params=_filled(self.params, item_id),
            headers=self.headers,
        )


def _filled(values: dict[str, str] | None, item_id: str) -> dict[str, str] | None:
    return values and {name: value.format(id=item_id) for name, value in values.items()}


CALLS = [
    Call("GET", "/v1/uploads/{id}", "upload"),
    Call("HEAD", "/v1/uploads/{id}", "upload"),
    Call("PATCH", "/v1/uploads/{id}", "upload", headers=NO_MORE_BYTES),
    Call("DELETE", "/v1/uploads/{id}", "upload"),
    Call("POST", "/v1/conversions", "upload", json={"upload_id": "{id}"}),
    Call("GET", "/v1/conversions/{id}", "finished"),
    Call("DELETE", "/v1/conversions/{id}", "finished"),
    Call("DELETE", "/v1/conversions/{id}", "queued"),
    Call("POST", "/v1/conversions/{id}/retry", "failed"),
    Call("GET", "/v1/conversions/{id}/events", "finished"),
    Call("GET", "/v1/conversions/{id}/mp3", "finished"),
    Call("HEAD", "/v1/conversions/{id}/mp3", "finished"),
    Call("GET", "/v1/conversions/{id}/waveform", "finished"),
    Call("GET", "/v1/conversions/{id}/source", "finished"),
    Call("GET", "/v1/conversions/{id}/report", "finished"),
    Call("POST", "/v1/conversions/{id}/links", "finished", json={}),
    Call("DELETE", "/v1/conversions/{id}/links", "finished"),
    Call("GET", "/v1/conversions/archive", "finished", params={"id": "{id}"}),
    Call("GET", "/v1/batches/{id}", "batch"),
    Call("DELETE", "/v1/batches/{id}", "batch"),
    Call("GET", "/v1/batches/{id}/archive", "batch"),
    Call("GET", "/v1/webhooks/{id}", "webhook"),
    Call("DELETE", "/v1/webhooks/{id}", "webhook"),
    Call("GET", "/v1/webhooks/{id}/deliveries", "webhook"),
    Call("DELETE", "/v1/sessions/{id}", "session"),
    Call("DELETE", "/v1/api-keys/{id}", "key"),
    Call("GET", "/download_video/{id}", "upload"),
    Call("GET", "/download", "finished", params={"fid": "{id}"}),
]
# Routes that name nothing of anybody's: what they make or list is the caller's own.
OWN = {
    ("POST", "/v1/uploads"),
    ("GET", "/v1/conversions"),
    # It does not end: tests/api/test_events.py.
    ("GET", "/v1/conversions/events"),
    ("PUT", "/v1/mp3"),
    ("PUT", "/v1/mp3/{name:path}"),
    ("POST", "/upload_video"),
    ("POST", "/upload"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/batches"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/webhooks"),
    ("GET", "/v1/sessions"),
    ("POST", "/v1/api-keys"),
    ("GET", "/v1/api-keys"),
    # They ask for a password, or a secret of the session's own: tests/api/test_sessions.py.
    ("POST", "/v1/sessions"),
    ("POST", "/v1/sessions/refresh"),
    ("DELETE", "/v1/sessions"),
    ("GET", "/sign-in"),
    ("GET", "/.well-known/jwks.json"),
    # It names two things: tests/api/test_webhooks.py.
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"),
    # Who has the link needs no account: tests/api/test_links.py.
    ("GET", "/v1/shared/{token}/mp3"),
    ("GET", "/v1/shared/{token}/waveform"),
    ("GET", "/v1/shared/{token}/cover"),
}


def make(http: httpx.Client, services: Services, target: str) -> str:
    if target == "upload":
        return upload(http)
    if target == "webhook":
        webhook_id: str = http.post("/v1/webhooks", json={"url": "https://hooks.example.org/"}).json()["id"]
        return webhook_id
    if target == "key":
        key_id: str = http.post("/v1/api-keys", json={"name": "script", "scopes": ["read"]}).json()["id"]
        return key_id
    if target == "session":
        # Not the one that asks.
        httpx.post(f"{http.base_url}/login", auth=("ada", PASSWORD))
        session_id: str = http.get("/v1/sessions").json()["items"][0]["id"]
        return session_id
    if target == "batch":
        batch: dict[str, Any] = http.post("/v1/batches", json={"items": [{"upload_id": upload(http)}]}).json()
        finish(services, batch["conversions"][0]["id"])
        return str(batch["id"])
    job_id = convert(http)
    ends: dict[str, Callable[[], object]] = {
        "finished": lambda: finish(services, job_id, SOUND),
        "failed": lambda: fail(services, job_id, NoAudio()),
        "queued": lambda: None,
    }
    ends[target]()
    return job_id


def test_another_user_s_id_is_as_one_that_is_not_there(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    wrong = {}
    for call in CALLS:
        item_id = make(ada.http, services, call.target)
        before = stored(services)
        foreign, missing = call.send(bob.http, item_id), call.send(bob.http, MISSING)
        unchanged = stored(services) == before
        same = without_request_id(foreign) == without_request_id(missing)
        own = call.send(ada.http, item_id)
        found = (foreign.status_code, missing.status_code, same, unchanged, own.is_success)
        if found != (404, 404, True, True, True):
            wrong[call] = (*found, own.status_code)
    assert wrong == {}


def test_without_an_account_nothing_is_told(ada: SignedIn, client: httpx.Client, services: Services) -> None:
    answers = {call: call.send(client, make(ada.http, services, call.target)).status_code for call in CALLS}
    assert set(answers.values()) == {401}, answers


def test_nobody_sees_another_s_conversions_in_the_list(ada: SignedIn, bob: SignedIn) -> None:
    job_id = convert(ada.http)
    assert bob.http.get("/v1/conversions").json() == {"items": [], "next_cursor": None}
    assert [job["id"] for job in ada.http.get("/v1/conversions").json()["items"]] == [job_id]
    # A foreign cursor is only a place in the order of ids.
    convert(bob.http)
    assert bob.http.get("/v1/conversions", params={"cursor": job_id}).json()["items"] == []


def test_every_route_is_in_this_test() -> None:
    routes = {
        (method, route.path)
        for module in MODULES
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    tested = {(call.method, call.path) for call in CALLS}
    ids = re.compile(r"\{(conversion|upload|video|webhook|batch|session|key)_id\}")
    named = {(method, ids.sub("{id}", path)) for method, path in routes - OWN}
    assert named == tested


def without_request_id(answer: httpx.Response) -> tuple[dict[str, str], dict[str, Any]]:
    headers = {
        name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date", "ratelimit")
    }
    body = answer.json() if answer.content else {}
    body.pop("request_id", None)
    headers.pop("content-length", None)
    return headers, body
