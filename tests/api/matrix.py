"""A valid request for every route: what the tests of who may do what, and of descriptions, send."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.api.conftest import PASSWORD, SignedIn
from tests.api.stored import VIDEO, convert, fail, finish, upload
from tests.api.test_ownership import NO_MORE_BYTES, SOUND
from video2mp3.accounts import links, sign_ins, users
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import now
from video2mp3.database.tables import Worker, new_id
from video2mp3.engine.mp3.id3 import id3_tag
from video2mp3.errors import NoAudio

Ids = dict[str, str]


@dataclass(frozen=True)
class Stage:
    """A service with an administrator, and the owner of what requests name."""

    services: Services
    owner: SignedIn
    root: SignedIn


@dataclass(frozen=True)
class Case:
    """One request; `{name}` in it stands for what `names` has made."""

    names: Callable[[Stage], Ids] = field(default=lambda _stage: {})
    request: dict[str, Any] = field(default_factory=dict)

    def send(self, http: httpx.Client, operation: str, ids: Ids) -> httpx.Response:
        method, _, path = operation.partition(" ")
        return http.request(method, _filled(path, ids), **self.filled(ids))

    def filled(self, ids: Ids) -> dict[str, Any]:
        """Returns the request as `httpx` takes it, without its address."""
        found: dict[str, Any] = _filled(self.request, ids)
        return found


def _filled(value: Any, ids: Ids) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, ids) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(item, ids) for item in value)
    if isinstance(value, str):
        for name, item in ids.items():
            value = value.replace(f"{{{name}}}", item)
    return value


# -- What requests name -------------------------------------------------------------------------------


def _upload(stage: Stage) -> Ids:
    upload_id = upload(stage.owner.http, SOUND)
    return {"upload_id": upload_id, "video_id": upload_id}


def _finished(stage: Stage) -> Ids:
    job_id = convert(stage.owner.http)
    finish(stage.services, job_id, SOUND)
    return {"conversion_id": job_id, "job_id": job_id}


def _failed(stage: Stage) -> Ids:
    job_id = convert(stage.owner.http)
    fail(stage.services, job_id, NoAudio())
    return {"conversion_id": job_id, "job_id": job_id}


def _queued(stage: Stage) -> Ids:
    return {"job_id": convert(stage.owner.http)}


def _batch(stage: Stage) -> Ids:
    body = {"items": [{"upload_id": upload(stage.owner.http)}]}
    made = stage.owner.http.post("/v1/batches", json=body).raise_for_status().json()
    finish(stage.services, made["conversions"][0]["id"])
    return {"batch_id": made["id"]}


def _webhook(stage: Stage) -> Ids:
    made = stage.owner.http.post("/v1/webhooks", json={"url": "https://hooks.example.org/"}).raise_for_status()
    return {"webhook_id": made.json()["id"]}


def _delivery(stage: Stage) -> Ids:
    ids = _webhook(stage)
    _finished(stage)
    found = stage.owner.http.get(f"/v1/webhooks/{ids['webhook_id']}/deliveries").raise_for_status().json()
    return ids | {"delivery_id": found["items"][0]["id"]}


def _session(stage: Stage) -> Ids:
    credentials = {"username": stage.owner.username, "password": PASSWORD}
    tokens = httpx.post(f"{stage.owner.http.base_url}/v1/sessions", json=credentials).raise_for_status().json()
    # The newest is the first; it is not the one that asks.
    items = stage.owner.http.get("/v1/sessions").raise_for_status().json()["items"]
    (found,) = [item["id"] for item in items if not item["current"]][:1]
    return {"session_id": found, "refresh_token": tokens["refresh_token"]}


def _key(stage: Stage) -> Ids:
    made = stage.owner.http.post("/v1/api-keys", json={"name": "script", "scopes": ["read"]}).raise_for_status()
    return {"key_id": made.json()["id"]}


def _invitation(stage: Stage) -> Ids:
    return {"invitation_id": stage.root.http.post("/v1/invitations", json={}).raise_for_status().json()["id"]}


def _worker(stage: Stage) -> Ids:
    worker_id = new_id()
    with stage.services.database.write() as session:
        session.add(Worker(id=worker_id, host="h1", slots=2, started_at=now(), heartbeat_at=now()))
    return {"worker_id": worker_id}


def _name(stage: Stage) -> Ids:
    return {"owner": stage.owner.username}


def _new_name(_stage: Stage) -> Ids:
    return {"new_name": f"n{new_id()}"}


def _link(stage: Stage, mp3: bytes = SOUND) -> Ids:
    job_id = convert(stage.owner.http)
    finish(stage.services, job_id, mp3)
    made = stage.owner.http.post(f"/v1/conversions/{job_id}/links", json={}).raise_for_status().json()
    return {"token": made["page_url"].rpartition("/")[2]}


def _link_with_cover(stage: Stage) -> Ids:
    return _link(stage, id3_tag({}, cover=("image/png", b"a picture")))


def _unsubscribe(stage: Stage) -> Ids:
    with stage.services.database.write() as session:
        path = links.unsubscribe_path(session, stage.owner.user_id)
    return dict(parse_qsl(urlsplit(path).query))


def _sign_in(stage: Stage) -> Ids:
    with stage.services.database.write() as session:
        user = users.find(session, stage.owner.user_id)
        assert user is not None
        return {"token": sign_ins.make_link(session, user)}


# -- The requests -------------------------------------------------------------------------------------

_FORM = {"files": {"file": ("talk.mp4", VIDEO)}}
_CREDENTIALS = {"username": "{owner}", "password": PASSWORD}
_NEW = {"json": {"username": "{new_name}", "password": PASSWORD}}

OPEN: dict[str, Case] = {
    "GET /": Case(),
    "GET /livez": Case(),
    "GET /readyz": Case(),
    "GET /docs": Case(),
    "GET /llms.txt": Case(),
    "GET /.well-known/jwks.json": Case(),
    "GET /sign-in": Case(_sign_in, request={"params": {"token": "{token}"}}),
    "POST /v1/accounts": Case(_new_name, request=_NEW),
    "POST /register": Case(_new_name, request=_NEW),
    "POST /login": Case(_name, request={"auth": ("{owner}", PASSWORD)}),
    "POST /v1/sessions": Case(_name, request={"json": _CREDENTIALS}),
    "POST /v1/sessions/refresh": Case(_session, request={"json": {"refresh_token": "{refresh_token}"}}),
    "DELETE /v1/sessions": Case(_session, request={"json": {"refresh_token": "{refresh_token}"}}),
    "GET /share/{token}": Case(_link),
    "GET /v1/shared/{token}/cover": Case(_link_with_cover),
    "GET /v1/shared/{token}/mp3": Case(_link),
    "GET /v1/shared/{token}/waveform": Case(_link),
    "GET /v1/unsubscribe": Case(_unsubscribe, request={"params": {"user": "{user}", "signature": "{signature}"}}),
    "POST /v1/unsubscribe": Case(_unsubscribe, request={"params": {"user": "{user}", "signature": "{signature}"}}),
    "POST /v1/password-resets": Case(_name, request={"json": {"username": "{owner}"}}),
}
"""Requests that need no account. Those that carry a secret carry a good one."""

OWN: dict[str, Case] = {
    "GET /v1/me": Case(),
    "PATCH /v1/me": Case(request={"json": {"email_notifications": True}}),
    "GET /v1/me/usage": Case(),
    "GET /v1/me/export": Case(),
    "PUT /v1/me/password": Case(request={"json": {"current_password": PASSWORD, "new_password": PASSWORD}}),
    "POST /validate": Case(),
    "GET /users/me": Case(),
    "GET /v1/sessions": Case(),
    "GET /v1/api-keys": Case(),
    "POST /v1/api-keys": Case(request={"json": {"name": "script", "scopes": ["read"]}}),
    "POST /v1/uploads": Case(request={"params": {"name": "a.mp4"}, "content": VIDEO}),
    "GET /v1/conversions": Case(),
    "POST /upload": Case(request=_FORM),
    "POST /upload_video": Case(request=_FORM),
    "GET /v1/batches": Case(),
    "GET /v1/webhooks": Case(),
    "POST /v1/webhooks": Case(request={"json": {"url": "https://hooks.example.org/"}}),
    "PUT /v1/mp3": Case(request={"content": VIDEO}),
    "PUT /v1/mp3/{name:path}": Case(lambda _: {"name:path": "talk.mp4"}, request={"content": VIDEO}),
}
"""Requests that name nothing that is somebody's: everybody gets at the own things with them."""

ITEMS: dict[str, Case] = {
    "GET /v1/uploads/{upload_id}": Case(_upload),
    "HEAD /v1/uploads/{upload_id}": Case(_upload),
    "PATCH /v1/uploads/{upload_id}": Case(
        _upload, request={"headers": NO_MORE_BYTES | {"Upload-Offset": str(len(SOUND))}}
    ),
    "DELETE /v1/uploads/{upload_id}": Case(_upload),
    "POST /v1/probe": Case(_upload, request={"json": {"upload_id": "{upload_id}"}}),
    "POST /v1/split-preview": Case(
        _upload, request={"json": {"upload_id": "{upload_id}", "options": {"split": "silence"}}}
    ),
    "POST /v1/conversions": Case(_upload, request={"json": {"upload_id": "{upload_id}"}}),
    "POST /v1/batches": Case(_upload, request={"json": {"items": [{"upload_id": "{upload_id}"}]}}),
    "GET /v1/conversions/{conversion_id}": Case(_finished),
    "DELETE /v1/conversions/{conversion_id}": Case(_finished),
    "POST /v1/conversions/{conversion_id}/retry": Case(_failed),
    "GET /v1/conversions/{conversion_id}/events": Case(_finished),
    "GET /v1/conversions/{conversion_id}/mp3": Case(_finished),
    "HEAD /v1/conversions/{conversion_id}/mp3": Case(_finished),
    "GET /v1/conversions/{conversion_id}/source": Case(_finished),
    "GET /v1/conversions/{conversion_id}/report": Case(_finished),
    "GET /v1/conversions/{conversion_id}/waveform": Case(_finished),
    "POST /v1/conversions/{conversion_id}/links": Case(_finished, request={"json": {}}),
    "DELETE /v1/conversions/{conversion_id}/links": Case(_finished),
    "GET /v1/conversions/archive": Case(_finished, request={"params": {"id": "{conversion_id}"}}),
    "GET /v1/batches/{batch_id}": Case(_batch),
    "DELETE /v1/batches/{batch_id}": Case(_batch),
    "GET /v1/batches/{batch_id}/archive": Case(_batch),
    "GET /v1/webhooks/{webhook_id}": Case(_webhook),
    "DELETE /v1/webhooks/{webhook_id}": Case(_webhook),
    "GET /v1/webhooks/{webhook_id}/deliveries": Case(_webhook),
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver": Case(_delivery),
    "DELETE /v1/sessions/{session_id}": Case(_session),
    "DELETE /v1/api-keys/{key_id}": Case(_key),
    "GET /download_video/{video_id}": Case(_upload),
    "GET /download": Case(_finished, request={"params": {"fid": "{conversion_id}"}}),
}
"""Requests that name something of the owner's."""


def _owner(stage: Stage) -> Ids:
    return {"user_id": stage.owner.user_id}


ADMIN: dict[str, Case] = {
    "GET /v1/admin/audit": Case(),
    "GET /v1/admin/jobs": Case(),
    "GET /v1/admin/jobs/{job_id}": Case(_finished),
    "GET /v1/admin/queue": Case(),
    "GET /v1/admin/storage": Case(),
    "GET /v1/admin/users": Case(),
    "GET /v1/admin/users/{user_id}": Case(_owner),
    "PATCH /v1/admin/users/{user_id}": Case(_owner, request={"json": {"disabled": False}}),
    "GET /v1/admin/workers": Case(),
    "POST /v1/admin/jobs/{job_id}/cancel": Case(_queued),
    "POST /v1/admin/jobs/{job_id}/retry": Case(_failed),
    "POST /v1/admin/workers/{worker_id}/drain": Case(_worker),
    "GET /v1/invitations": Case(),
    "POST /v1/invitations": Case(request={"json": {}}),
    "DELETE /v1/invitations/{invitation_id}": Case(_invitation),
}
"""Requests of administrators."""
