import re
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.api.conftest import PASSWORD, Serve, SignedIn
from video2mp3.accounts import links
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import now
from video2mp3.database.tables import User


def account(username: object = "ada", password: str = PASSWORD, **more: object) -> dict[str, Any]:
    return {"username": username, "password": password, **more}


def test_an_account_is_made_and_signs_in(client: httpx.Client) -> None:
    made = client.post("/v1/accounts", json=account(email="ada@example.org"))
    assert made.status_code == 201
    fields = {"id", "username", "email", "email_verified", "email_notifications", "role", "created_at"}
    assert set(made.json()) == fields
    assert (made.json()["username"], made.json()["email"]) == ("ada", "ada@example.org")
    assert made.json()["created_at"].endswith("Z")

    session = client.post("/v1/sessions", json=account())
    assert session.status_code == 200
    assert session.headers["Cache-Control"] == "no-store"
    tokens = session.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)

    me = client.get("/v1/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json() == {**made.json(), "signed_in_by": "token", "built_in": False}


def test_two_users_are_two(ada: SignedIn, bob: SignedIn) -> None:
    assert ada.http.get("/v1/me").json()["username"] == "ada"
    assert bob.http.get("/v1/me").json()["username"] == "bob"


@pytest.mark.parametrize("name", ["ada", "ADA"])
def test_a_name_is_given_once(ada: SignedIn, client: httpx.Client, name: str) -> None:
    taken = client.post("/v1/accounts", json=account(name))
    assert taken.status_code == 400
    assert taken.json()["code"] == "username_taken"
    assert taken.json()["detail"] == "Username already registered"


@pytest.mark.parametrize("name", ["local", "Local"])
def test_the_local_user_s_name_is_not_given(client: httpx.Client, name: str) -> None:
    assert client.post("/v1/accounts", json=account(name)).json()["code"] == "username_taken"


@pytest.mark.parametrize(
    "body",
    [
        account(password="short"),
        account(username=""),
        account(username="a\nb"),
        account(username=["ada"]),
        account(email="nobody"),
        account(email="a@example.org\r\nBcc: b@example.org"),
        account(role="admin"),
        {"username": "ada"},
        [],
        None,
        "ada",
    ],
    ids=repr,
)
def test_an_account_that_is_not_allowed_is_not_made(client: httpx.Client, body: Any) -> None:
    refused = client.post("/v1/accounts", json=body)
    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid_request"
    assert client.post("/v1/accounts", json=account()).status_code == 201  # nobody has the name


def test_closed_registration_makes_no_account(services: Services, serve: Serve) -> None:
    closed = services.settings.model_copy(update={"registration": "closed"})
    url = serve(replace(services, settings=closed))
    for path in ("/v1/accounts", "/register"):
        refused = httpx.post(url + path, json=account())
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert httpx.post(f"{serve(services)}/v1/accounts", json=account()).status_code == 201


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong password"), ("eve", PASSWORD), ("ada", ""), ("", "")]
)
def test_wrong_credentials_are_refused_alike(ada: SignedIn, client: httpx.Client, username: str, password: str) -> None:
    for path in ("/v1/sessions", "/v1/sessions?cookie=true"):
        refused = client.post(path, json=account(username, password))
        assert refused.status_code == 401
        assert (refused.json()["code"], refused.json()["detail"]) == ("invalid_credentials", "Invalid credentials")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
        assert "set-cookie" not in refused.headers


def test_a_disabled_account_is_out_at_once(ada: SignedIn, client: httpx.Client, services: Services) -> None:
    assert ada.http.get("/v1/me").status_code == 200
    with services.database.write() as session:
        session.get_one(User, ada.user_id).disabled_at = now()
    assert ada.http.get("/v1/me").status_code == 401
    assert client.post("/v1/sessions", json=account()).status_code == 401
    assert client.post("/v1/sessions/refresh", json={"refresh_token": ada.refresh_token}).status_code == 401


def test_address_and_mails_can_be_changed(ada: SignedIn, bob: SignedIn) -> None:
    def change(**json: object) -> tuple[object, object]:
        answer = ada.http.patch("/v1/me", json={"current_password": PASSWORD, **json})
        assert answer.status_code == 200, answer.text
        assert ada.http.get("/v1/me").json() == answer.json()
        return answer.json()["email"], answer.json()["email_notifications"]

    assert change() == (None, True)
    assert change(email="ada@example.org") == ("ada@example.org", True)
    assert change(email_notifications=False) == ("ada@example.org", False)
    assert change(email=None) == (None, False)
    assert change(email_notifications=True) == (None, True)
    refused = ada.http.patch(
        "/v1/me", json={"email": "ada@example.org\r\nBcc: bob@example.org", "current_password": PASSWORD}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert bob.http.get("/v1/me").json()["email"] is None


def test_another_address_asks_for_the_password(ada: SignedIn) -> None:
    """It should be no way from a browser that was left open to an email that resets the password."""
    old = {"email": "ada@example.org", "current_password": PASSWORD}
    ada.http.patch("/v1/me", json=old).raise_for_status()
    for wrong in ({}, {"current_password": "a guess"}, {"current_password": None}):
        for email in ("eve@example.org", None):
            refused = ada.http.patch("/v1/me", json={"email": email, "email_notifications": False, **wrong})
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    me = ada.http.get("/v1/me").json()
    assert (me["email"], me["email_notifications"]) == ("ada@example.org", True)
    # The same address again is no other one.
    unchanged = {"email": "ada@example.org", "email_notifications": False}
    assert ada.http.patch("/v1/me", json=unchanged).json()["email_notifications"] is False


def test_the_link_in_an_email_ends_the_emails(
    ada: SignedIn, bob: SignedIn, client: httpx.Client, services: Services
) -> None:
    with services.database.write() as session:
        path = links.unsubscribe_path(session, ada.user_id)
    page = client.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "ada" in page.text
    assert ada.http.get("/v1/me").json()["email_notifications"] is True, "programs look at links, too"
    target = re.findall(r'action="([^"]+)"', page.text)[0]
    for wrong in (path.replace(ada.user_id, bob.user_id), path[:-1], path.replace("signature=", "signature=x")):
        assert client.post(wrong).status_code == 404
    assert ada.http.get("/v1/me").json()["email_notifications"] is True
    # As a mail program sends it (RFC 8058).
    done = client.post(urljoin(path, unescape(target)), data={"List-Unsubscribe": "One-Click"})
    assert (done.status_code, "no more emails" in done.text) == (200, True)
    assert [user.http.get("/v1/me").json()["email_notifications"] for user in (ada, bob)] == [False, True]
    assert ada.http.patch("/v1/me", json={"email_notifications": True}).json()["email_notifications"] is True
