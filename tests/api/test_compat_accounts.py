"""The v0 API's calls for accounts."""

import base64

import httpx
import pytest

from tests.api.conftest import PASSWORD
from video2mp3.settings import Settings

USER1 = {"username": "user1", "password": "user1"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    # As long as the examples' own.
    return settings.model_copy(update={"password_min_length": 5})


def login(client: httpx.Client, username: str = "user1", password: str = "user1") -> httpx.Response:
    return client.post("/login", auth=(username, password))


def test_the_tutorial_s_calls_answer_as_they_did(client: httpx.Client) -> None:
    assert client.get("/").json() == {"msg": "running."}

    registered = client.post("/register", json=USER1)
    assert (registered.status_code, registered.json()) == (200, {"msg": "User registered successfully"})
    again = client.post("/register", json=USER1)
    assert (again.status_code, again.json()["detail"]) == (400, "Username already registered")

    token = login(client)
    assert token.status_code == 200
    assert token.headers["Content-Type"] == "application/json"
    assert token.headers["Cache-Control"] == "no-store"
    assert token.json().count(".") == 2

    for authorization in (f"Bearer {token.json()}", f"Bearer {token.text}"):  # the second in quotes
        headers = {"Authorization": authorization}
        assert client.post("/validate", headers=headers).json() == {"username": "user1"}
        assert client.get("/users/me", headers=headers).json() == {"username": "user1"}


def test_what_else_is_sent_to_register_is_ignored(client: httpx.Client) -> None:
    assert client.post("/register", json={**USER1, "role": "admin"}).status_code == 200


def test_the_body_of_a_login_is_ignored(client: httpx.Client) -> None:
    client.post("/register", json=USER1)
    for body in (b"", b"{", b"x" * 1_000_000):
        assert client.post("/login", auth=("user1", "user1"), content=body).status_code == 200


def _basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    "authorization",
    [
        _basic(b"user1:wrong"),
        _basic(b"nobody:user1"),
        _basic(b"user1:"),
        _basic(b":"),
        _basic(b"user1"),
        _basic(b"user1:\xff\xfe"),
        _basic(b"user1:" + b"x" * 20_000),
        "Basic",
        "Basic !!!",
        "Bearer user1:user1",
        "",
        None,
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_wrong_login_is_refused(client: httpx.Client, authorization: str | None) -> None:
    client.post("/register", json=USER1)
    refused = client.post("/login", headers={"Authorization": authorization} if authorization is not None else {})
    assert refused.status_code == 401
    assert (refused.json()["detail"], refused.json()["code"]) == ("Invalid credentials", "invalid_credentials")
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("password", ["käse & brot", "with:colons:in it", "日本語のパスワード", PASSWORD])
def test_a_login_takes_every_password_that_an_account_can_have(client: httpx.Client, password: str) -> None:
    client.post("/register", json={"username": "ada", "password": password})
    assert client.post("/login", headers={"Authorization": _basic(f"ada:{password}".encode())}).status_code == 200


def test_basic_credentials_open_nothing_but_the_login(client: httpx.Client) -> None:
    client.post("/register", json=USER1)
    for method, path in (("POST", "/validate"), ("GET", "/users/me"), ("GET", "/v1/me"), ("POST", "/upload_video")):
        refused = client.request(method, path, auth=("user1", "user1"))
        assert refused.status_code == 401, path
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html", "application/json;q=0.1, text/html"]
)
def test_browsers_get_the_page(client: httpx.Client, accept: str) -> None:
    page = client.get("/", headers={"Accept": accept})  # which says that there is none, where it is not built
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "accept", ["*/*", "", "application/json", "application/json, text/html;q=0.5", "text/html;q=x", ","]
)
def test_programs_get_json(client: httpx.Client, accept: str) -> None:
    assert client.get("/", headers={"Accept": accept}).json() == {"msg": "running."}
