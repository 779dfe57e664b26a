"""Sessions as their owner sees and ends them; passwords; and how fast an account is shut."""

from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import update

from tests.api.conftest import PASSWORD, SignedIn
from tests.api.stored import convert
from tests.api.test_api_keys import bearer, make
from video2mp3.api.conversions import events
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import SignIn
from video2mp3.uploads.chunks import append_chunk

NEW_PASSWORD = "battery horse correct"
ADA = {"username": "ada", "password": PASSWORD}


def sign_in(client: httpx.Client, password: str = PASSWORD, **headers: str) -> dict[str, str]:
    answer = client.post("/v1/sessions", json={"username": "ada", "password": password}, headers=headers)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def refresh(client: httpx.Client, token: str) -> int:
    return client.post("/v1/sessions/refresh", json={"refresh_token": token}).status_code


def me(client: httpx.Client, token: str) -> int:
    return client.get("/v1/me", headers=bearer(token)).status_code


def cookie_of(client: httpx.Client) -> dict[str, str]:
    answer = httpx.post(f"{client.base_url}/v1/sessions?cookie=true", json=ADA)
    ((name, secret),) = answer.cookies.items()
    return {"Cookie": f"{name}={secret}"}


def test_everybody_sees_the_own_sessions(ada: SignedIn, bob: SignedIn, client: httpx.Client) -> None:
    sign_in(client, **{"User-Agent": "a browser on the sofa"})
    listed = ada.http.get("/v1/sessions").json()
    assert listed["next_cursor"] is None
    sofa, own = listed["items"]
    assert (sofa["user_agent"], sofa["address"], sofa["current"]) == ("a browser on the sofa", "127.0.0.1", False)
    assert (own["current"], own["user_agent"].startswith("python-httpx")) == (True, True)
    assert own["created_at"] <= own["last_used_at"] < own["expires_at"]
    page = ada.http.get("/v1/sessions", params={"limit": 1}).json()
    assert [one["id"] for one in page["items"]] == [sofa["id"]]
    rest = ada.http.get("/v1/sessions", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([own["id"]], None)
    assert len(bob.http.get("/v1/sessions").json()["items"]) == 1


def test_the_tutorial_s_login_is_a_session_too(ada: SignedIn, client: httpx.Client) -> None:
    token = client.post("/login", auth=("ada", PASSWORD)).json()
    newest = client.get("/v1/sessions", headers=bearer(token)).json()["items"][0]
    assert newest["current"]
    assert ada.http.delete(f"/v1/sessions/{newest['id']}").status_code == 204
    assert me(client, token) == 401


def test_a_session_is_ended_with_all_that_it_was_given(ada: SignedIn, client: httpx.Client) -> None:
    """It should be over at once: not when its access token has expired."""
    other, browser = sign_in(client), cookie_of(client)
    assert (me(client, other["access_token"]), client.get("/v1/me", headers=browser).status_code) == (200, 200)
    for one in ada.http.get("/v1/sessions").json()["items"]:
        if not one["current"]:
            assert ada.http.delete(f"/v1/sessions/{one['id']}").status_code == 204
            assert ada.http.delete(f"/v1/sessions/{one['id']}").status_code == 404
    assert (me(client, other["access_token"]), client.get("/v1/me", headers=browser).status_code) == (401, 401)
    assert refresh(client, other["refresh_token"]) == 401
    assert ada.http.get("/v1/me").status_code == 200


def test_signing_out_ends_the_access_token_as_well(ada: SignedIn, client: httpx.Client) -> None:
    assert client.request("DELETE", "/v1/sessions", json={"refresh_token": ada.refresh_token}).status_code == 204
    assert ada.http.get("/v1/me").status_code == 401


def test_last_use_is_told_within_minutes(ada: SignedIn, services: Services) -> None:
    with services.database.write() as session:
        session.execute(update(SignIn).values(last_used_at=now() - 3600 * SECOND))
    (own,) = ada.http.get("/v1/sessions").json()["items"]
    assert own["last_used_at"] > own["created_at"]


# -- The password -------------------------------------------------------------------------------------


def change(user: SignedIn, current: str | None = PASSWORD, new: str = NEW_PASSWORD) -> httpx.Response:
    return user.http.put("/v1/me/password", json={"current_password": current, "new_password": new})


def test_another_password_ends_all_other_sessions(ada: SignedIn, bob: SignedIn, client: httpx.Client) -> None:
    other, browser, key = sign_in(client), cookie_of(client), make(ada, "read")["key"]
    assert change(ada).status_code == 204
    assert ada.http.get("/v1/me").status_code == 200
    assert refresh(client, ada.refresh_token) == 200
    assert (me(client, other["access_token"]), refresh(client, other["refresh_token"])) == (401, 401)
    assert client.get("/v1/me", headers=browser).status_code == 401
    assert me(client, key) == 200, "a program that runs goes on"
    assert client.post("/v1/sessions", json=ADA).status_code == 401
    sign_in(client, NEW_PASSWORD)
    assert bob.http.get("/v1/me").status_code == 200


@pytest.mark.parametrize("current", ["wrong", "", None])
def test_nobody_changes_a_password_without_knowing_it(ada: SignedIn, client: httpx.Client, current: str | None) -> None:
    refused = change(ada, current)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    sign_in(client)


def test_a_password_that_is_too_short_changes_nothing(ada: SignedIn, client: httpx.Client) -> None:
    refused = change(ada, new="short")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    sign_in(client)


# -- Accounts that are shut ---------------------------------------------------------------------------


def test_an_administrator_finds_and_changes_accounts(root: SignedIn, ada: SignedIn, bob: SignedIn) -> None:
    ada.http.patch("/v1/me", json={"email": "Lovelace@example.org", "current_password": PASSWORD})

    def found(search: str) -> list[str]:
        items = root.http.get("/v1/admin/users", params={"search": search}).json()["items"]
        return [one["username"] for one in items]

    assert (found(""), found("AD"), found("lovelace@"), found("%")) == (["bob", "ada", "root"], ["ada"], ["ada"], [])
    page = root.http.get("/v1/admin/users", params={"limit": 2}).json()
    rest = root.http.get("/v1/admin/users", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [one["username"] for one in page["items"] + rest["items"]] == ["bob", "ada", "root"]
    one = root.http.get(f"/v1/admin/users/{ada.user_id}").json()
    assert set(one) == {"id", "username", "email", "role", "created_at", "disabled_at", "deleted_at"}
    assert root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"role": "admin"}).json()["role"] == "admin"
    assert ada.http.get("/v1/admin/users").status_code == 200
    assert bob.http.get("/v1/admin/users").status_code == 403
    for path in (f"/v1/admin/users/{'0' * 32}", "/v1/admin/users/x"):
        assert root.http.get(path).status_code == 404


def test_administrators_do_not_shut_themselves_out(root: SignedIn) -> None:
    for changes in ({"disabled": True}, {"role": "user"}):
        refused = root.http.patch(f"/v1/admin/users/{root.user_id}", json=changes)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_a_disabled_account_is_out_by_every_way(
    root: SignedIn, ada: SignedIn, bob: SignedIn, client: httpx.Client
) -> None:
    cookie, key = cookie_of(client), make(ada, "read")["key"]
    ways: dict[str, Callable[[], int]] = {
        "token": lambda: ada.http.get("/v1/me").status_code,
        "cookie": lambda: client.get("/v1/me", headers=cookie).status_code,
        "key": lambda: me(client, key),
        "password": lambda: client.post("/v1/sessions", json=ADA).status_code,
        "login": lambda: client.post("/login", auth=("ada", PASSWORD)).status_code,
    }
    assert {way(): name for name, way in ways.items()}.keys() == {200}
    tokens = sign_in(client)
    disabled = root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"disabled": True})
    assert disabled.json()["disabled_at"] is not None
    assert {name: way() for name, way in ways.items()} == dict.fromkeys(ways, 401)
    assert refresh(client, tokens["refresh_token"]) == 401
    assert bob.http.get("/v1/me").status_code == 200
    assert root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"disabled": False}).json()["disabled_at"] is None
    # The key is the account's again; who was signed in is not.
    assert {name: way() for name, way in ways.items()} == {
        "token": 401,
        "cookie": 401,
        "key": 200,
        "password": 200,
        "login": 200,
    }


@pytest.mark.parametrize("path", ["/v1/conversions/{job_id}/events", "/v1/conversions/events"])
def test_a_stream_of_events_ends_soon_when_an_account_is_shut(
    root: SignedIn, ada: SignedIn, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should go on until then."""
    monkeypatch.setattr(events, "_HEARTBEAT_S", 0.3)
    job_id = convert(ada.http)
    heartbeats, shut_after = 0, 4
    with ada.http.stream("GET", path.format(job_id=job_id), timeout=60) as stream:
        for line in stream.iter_lines():
            heartbeats += line.startswith(":")
            if heartbeats == shut_after:
                root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"disabled": True})
    # What was on its way comes; then it is over, though the conversion is not.
    assert shut_after <= heartbeats < shut_after + 100


def test_a_shut_account_s_upload_takes_no_further_chunk(root: SignedIn, ada: SignedIn, services: Services) -> None:
    """It should be refused where the request was let in before."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
    upload_id = ada.http.post("/v1/uploads", headers=headers).headers["Location"].rsplit("/", 1)[1]

    def append(offset: int) -> bool:
        with services.database.write() as session:
            return append_chunk(
                session,
                upload_id,
                offset_bytes=offset,
                size_bytes=100,
                storage_key=f"uploads/{upload_id}/{offset}-aa",
                checksums=b"0000",
            )

    assert append(0)
    root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"disabled": True})
    assert not append(100)
    root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"disabled": False})
    assert append(100)
