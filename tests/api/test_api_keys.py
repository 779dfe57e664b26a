"""API keys: what they open, what they do not, and when no longer."""

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import select, update

from tests.api.conftest import SignedIn
from tests.api.stored import convert, upload
from video2mp3.accounts import api_keys
from video2mp3.api.application import create_app
from video2mp3.api.auth.identity import current_admin, current_user
from video2mp3.api.auth.scopes import NEEDS
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import ApiKey

MISSING = "0" * 31 + "1"


def make(user: SignedIn, *scopes: str, **more: object) -> dict[str, str]:
    made = user.http.post("/v1/api-keys", json={"name": "script", "scopes": scopes, **more})
    assert made.status_code == 201, made.text
    found: dict[str, str] = made.json()
    return found


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_shown_once_and_stored_as_its_hash_only(ada: SignedIn, services: Services) -> None:
    answer = ada.http.post("/v1/api-keys", json={"name": "script", "scopes": ["read", "convert", "read"]})
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert made["key"].startswith("v2m_")
    assert len(made["key"]) == 47
    assert (made["scopes"], made["expires_at"], made["last_used_at"]) == (["convert", "read"], None, None)
    (listed,) = ada.http.get("/v1/api-keys").json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert made["key"].startswith(made["hint"])
    with services.database.read() as session:
        row = session.scalars(select(ApiKey)).one()
        stored = [str(getattr(row, column.name)) for column in ApiKey.__table__.columns]
    assert not any(made["key"][8:] in value for value in stored)


def test_a_key_is_taken_wherever_a_token_is(ada: SignedIn, client: httpx.Client) -> None:
    key = make(ada, "convert")["key"]
    program = httpx.Client(base_url=client.base_url, headers=bearer(key))
    assert program.get("/v1/me").json()["signed_in_by"] == "api_key"
    assert program.get("/v1/me").json()["username"] == "ada"
    job_id = convert(program)
    assert program.get(f"/v1/conversions/{job_id}").status_code == 200
    assert program.head(f"/v1/uploads/{upload(program)}").status_code == 200
    # Also by the first version's calls, which send it in quotes.
    assert client.post("/validate", headers=bearer(f'"{key}"')).json() == {"username": "ada"}
    assert ada.http.get("/v1/api-keys").json()["items"][0]["last_used_at"] is not None
    program.close()


@pytest.mark.parametrize(
    ("scope", "opened", "closed"),
    [
        ("read", "GET /v1/conversions", "POST /v1/conversions convert"),
        ("convert", "GET /v1/conversions", "GET /v1/admin/queue admin"),
        ("admin", "GET /v1/admin/queue", "GET /v1/conversions read"),
        ("admin", "GET /v1/admin/users", "POST /upload convert"),
        ("convert", "GET /v1/me", "POST /v1/api-keys "),
        ("admin", "GET /v1/admin/jobs", "PUT /v1/me/password "),
    ],
)
def test_a_key_opens_what_its_scope_says(
    root: SignedIn, client: httpx.Client, scope: str, opened: str, closed: str
) -> None:
    headers = bearer(make(root, scope)["key"])
    method, path = opened.split(" ")
    assert client.request(method, path, headers=headers).status_code == 200
    method, path, needed = closed.split(" ")
    refused = client.request(method, path, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert ("scope=" in challenge, f'scope="{needed}"' in challenge) == (bool(needed), bool(needed))


def test_a_key_of_somebody_who_is_no_administrator_administers_nothing(
    ada: SignedIn, root: SignedIn, client: httpx.Client
) -> None:
    assert ada.http.post("/v1/api-keys", json={"name": "x", "scopes": ["admin"]}).json()["code"] == "forbidden"
    headers = bearer(make(root, "admin")["key"])
    assert client.get("/v1/admin/queue", headers=headers).status_code == 200
    # A key is never more than its account is now.
    with_other_admin = make_admin(client, root)
    assert with_other_admin.patch(f"/v1/admin/users/{root.user_id}", json={"role": "user"}).status_code == 200
    refused = client.get("/v1/admin/queue", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    with_other_admin.close()


def make_admin(client: httpx.Client, root: SignedIn) -> httpx.Client:
    """A second administrator's client."""
    credentials = {"username": "grace", "password": "correct horse battery"}
    user_id = client.post("/v1/accounts", json=credentials).json()["id"]
    assert root.http.patch(f"/v1/admin/users/{user_id}", json={"role": "admin"}).json()["role"] == "admin"
    token = client.post("/v1/sessions", json=credentials).json()["access_token"]
    return httpx.Client(base_url=client.base_url, headers=bearer(token))


def test_a_key_that_is_wrong_expired_or_deleted_is_refused(
    ada: SignedIn, client: httpx.Client, services: Services
) -> None:
    kept, expired, deleted = make(ada, "read"), make(ada, "read", expires_in_s=60), make(ada, "read")
    for made in (kept, expired, deleted):
        assert client.get("/v1/me", headers=bearer(made["key"])).status_code == 200
    with services.database.write() as session:
        session.execute(update(ApiKey).where(ApiKey.id == expired["id"]).values(expires_at=now() - SECOND))
    assert ada.http.delete(f"/v1/api-keys/{deleted['id']}").status_code == 204
    for key in (expired["key"], deleted["key"], kept["key"][:-1], kept["key"] + "x", "v2m_", kept["key"].upper()):
        refused = client.get("/v1/me", headers=bearer(key))
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated"), key
    assert client.get("/v1/me", headers=bearer(kept["key"])).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " "},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": "read"},
        {"expires_in_s": 0},
        {"expires_in_s": 10**12},
        {"hint": "mine"},
    ],
    ids=repr,
)
def test_a_key_that_is_not_allowed_is_not_made(ada: SignedIn, wrong: dict[str, object]) -> None:
    refused = ada.http.post("/v1/api-keys", json={"name": "script", "scopes": ["read"], **wrong})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert ada.http.get("/v1/api-keys").json()["items"] == []


def test_an_account_has_so_many_keys(ada: SignedIn, bob: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_PER_USER", 2)
    first = make(ada, "read")
    make(ada, "read")
    refused = ada.http.post("/v1/api-keys", json={"name": "script", "scopes": ["read"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_api_keys")
    make(bob, "read")
    ada.http.delete(f"/v1/api-keys/{first['id']}")
    make(ada, "read")


# -- What each route needs ----------------------------------------------------------------------------


def test_every_route_says_what_it_needs(services: Services) -> None:
    """It should be declared, in one place; and who the caller is be asked wherever the declaration says so."""
    routes = {}
    for context in iter_route_contexts(create_app(services).routes):
        for method in context.methods or ():
            routes[f"{method} {context.path}"] = context.original_route
    # It is the framework's own, with both methods.
    assert isinstance(routes.pop("HEAD /openapi.json", None), object)
    assert set(routes) == set(NEEDS)
    for name, route in routes.items():
        asked = set() if not isinstance(route, APIRoute) else _calls(route)
        assert (current_user in asked) == (NEEDS[name] != "open"), name
        assert (current_admin in asked) == (NEEDS[name] == "admin"), name


def _calls(route: APIRoute) -> set[object]:
    found: set[object] = set()
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        found.add(dependant.call)
        waiting += dependant.dependencies
    return found


def test_a_key_opens_no_route_that_nobody_has_declared(
    ada: SignedIn, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(make(ada, "convert")["key"])
    assert client.get("/v1/me", headers=headers).status_code == 200
    monkeypatch.delitem(NEEDS, "GET /v1/me")
    assert client.get("/v1/me", headers=headers).json()["code"] == "insufficient_scope"
    assert ada.http.get("/v1/me").status_code == 200


def test_the_description_says_what_each_call_needs(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert paths["/v1/conversions"]["post"]["x-needs"] == "convert"
    assert paths["/v1/conversions"]["get"]["x-needs"] == "read"
    assert paths["/v1/sessions"]["post"]["x-needs"] == "open"
    assert paths["/v1/api-keys"]["post"]["x-needs"] == "account"
