import re
from dataclasses import replace

import httpx
import pytest

from tests.api.conftest import PASSWORD, Serve, SignedIn
from video2mp3.accounts import sign_ins, users
from video2mp3.api.frame.services import Services

ADA = {"username": "ada", "password": PASSWORD}


def refresh(client: httpx.Client, token: str) -> httpx.Response:
    return client.post("/v1/sessions/refresh", json={"refresh_token": token})


def end(client: httpx.Client, token: str) -> httpx.Response:
    return client.request("DELETE", "/v1/sessions", json={"refresh_token": token})


def test_a_refresh_token_buys_new_tokens_once(ada: SignedIn, client: httpx.Client) -> None:
    fresh = refresh(client, ada.refresh_token)
    assert fresh.status_code == 200
    assert fresh.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {fresh.json()['access_token']}"}
    assert client.get("/v1/me", headers=headers).json()["username"] == "ada"

    again = refresh(client, ada.refresh_token)
    assert (again.status_code, again.json()["code"]) == (401, "unauthenticated")
    # Somebody has two of one token: nobody keeps the sign-in.
    assert refresh(client, fresh.json()["refresh_token"]).status_code == 401


@pytest.mark.parametrize("token", ["", "unknown", "x" * 256, "\x00", "é"])
def test_what_is_no_refresh_token_is_refused(client: httpx.Client, token: str) -> None:
    assert refresh(client, token).status_code == 401
    assert end(client, token).status_code == 401


def test_an_access_token_does_not_refresh(ada: SignedIn, client: httpx.Client) -> None:
    assert refresh(client, ada.access_token).status_code in (401, 422)


def test_signing_out_ends_one_sign_in(ada: SignedIn, client: httpx.Client) -> None:
    other = client.post("/v1/sessions", json=ADA).json()["refresh_token"]
    assert end(client, ada.refresh_token).status_code == 204
    assert refresh(client, ada.refresh_token).status_code == 401
    assert refresh(client, other).status_code == 200


def test_signing_out_without_a_sign_in_is_refused(client: httpx.Client) -> None:
    assert client.delete("/v1/sessions").status_code == 401


# -- Browsers -----------------------------------------------------------------------------------------


def origin(client: httpx.Client) -> dict[str, str]:
    return {"Origin": str(client.base_url).rstrip("/")}


@pytest.fixture
def browser(ada: SignedIn, client: httpx.Client) -> httpx.Client:
    """A browser that has ada's cookie."""
    assert client.post("/v1/sessions?cookie=true", json=ADA, headers=origin(client)).status_code == 200
    return client


def test_a_browser_signs_in_with_a_cookie_that_no_script_can_read(ada: SignedIn, client: httpx.Client) -> None:
    answer = client.post("/v1/sessions?cookie=true", json=ADA, headers=origin(client))
    assert answer.json() == {"username": "ada", "expires_in": 30 * 86_400}
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert client.get("/v1/me").json()["signed_in_by"] == "cookie"


def test_the_cookie_is_secure_where_the_service_is(ada: SignedIn, client: httpx.Client) -> None:
    assert "secure" not in client.post("/v1/sessions?cookie=true", json=ADA).headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("public_url", "host", "name", "path"),
    [
        ("", "127.0.0.1:8000", "video2mp3_session_8000", "/"),
        ("", "[::1]:8000", "video2mp3_session_8000", "/"),
        ("", "localhost", "video2mp3_session", "/"),
        ("http://localhost/mp3", "localhost", "video2mp3_session_mp3", "/mp3"),
        ("https://localhost", "localhost", "__Host-video2mp3_session", "/"),
        ("https://localhost:8443/", "localhost:8443", "__Host-video2mp3_session_8443", "/"),
        ("https://localhost/mp3", "localhost", "__Secure-video2mp3_session_mp3", "/mp3"),
        ("https://localhost/a/b.c/", "localhost", "__Secure-video2mp3_session_a.b%2Ec", "/a/b.c"),
    ],
)
def test_the_cookie_s_name_and_path_are_the_service_s_own(
    services: Services, serve: Serve, public_url: str, host: str, name: str, path: str
) -> None:
    """It should be taken under that name only, and deleted under it."""
    settings = services.settings.model_copy(update={"public_url": public_url, "registration": "open"})
    with httpx.Client(base_url=serve(replace(services, settings=settings)), headers={"Host": host}) as client:
        client.post("/v1/accounts", json=ADA).raise_for_status()
        answer = client.post("/v1/sessions?cookie=true", json=ADA)
        scheme = "https" if public_url.startswith("https:") else "http"
        headers = {"Origin": f"{scheme}://{host}"}
        set_ = answer.headers["Set-Cookie"]
        secret = set_.removeprefix(f"{name}=").partition(";")[0]
        client.cookies.clear()
        for wrong in {"video2mp3_session", "video2mp3_session_1", f"{name}_"} - {name}:
            assert client.get("/v1/me", headers={"Cookie": f"{wrong}={secret}"}).status_code == 401
        own = {"Cookie": f"{name}={secret}", **headers}
        assert client.get("/v1/me", headers=own).json()["username"] == "ada"
        deleted = client.delete("/v1/sessions", headers=own).raise_for_status().headers["Set-Cookie"]
    for cookie in (set_, deleted):
        assert cookie.startswith(f"{name}=")
        assert f"; Path={path};" in f"{cookie};"
        assert ("; Secure" in cookie) == (scheme == "https")
        assert "Domain" not in cookie


def test_another_site_cannot_sign_a_browser_in(ada: SignedIn, client: httpx.Client) -> None:
    refused = client.post("/v1/sessions?cookie=true", json=ADA, headers={"Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers


def test_an_unsafe_request_with_the_cookie_comes_from_our_own_page(browser: httpx.Client) -> None:
    assert browser.post("/validate", headers=origin(browser)).status_code == 200
    host = origin(browser)["Origin"].removeprefix("http://")
    foreign = ["https://evil.example", "null", "", host, f"ftp://{host}", f"http://{host}.evil.example", "http://["]
    for value in foreign:
        refused = browser.post("/validate", headers={"Origin": value})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), value
    assert browser.post("/validate").status_code == 403
    assert browser.delete("/v1/sessions").status_code == 403
    assert browser.get("/users/me").status_code == 200


def test_a_wrong_cookie_is_refused(client: httpx.Client) -> None:
    name = f"video2mp3_session_{client.base_url.port}"
    assert client.get("/v1/me", headers={"Cookie": f"{name}=unknown"}).json()["detail"].startswith("This session has")


def test_a_browser_signs_out(browser: httpx.Client) -> None:
    ((name, secret),) = browser.cookies.items()
    assert browser.delete("/v1/sessions", headers=origin(browser)).status_code == 204
    assert not browser.cookies
    assert browser.get("/v1/me", headers={"Cookie": f"{name}={secret}"}).status_code == 401


def test_a_wrong_token_is_refused_beside_a_good_cookie(browser: httpx.Client) -> None:
    assert browser.get("/v1/me", headers={"Authorization": "Bearer wrong"}).status_code == 401


# -- The one-time link --------------------------------------------------------------------------------


@pytest.fixture
def link(services: Services) -> str:
    with services.database.write() as session:
        return f"/sign-in?token={sign_ins.make_link(session, users.local_user(session))}"


def test_the_link_signs_a_browser_in_once(client: httpx.Client, link: str, url: str) -> None:
    first = client.get(link)
    assert (first.status_code, first.headers["Location"]) == (303, "./")
    assert client.get("/v1/me").json()["username"] == "local"
    assert client.post("/validate", headers=origin(client)).json() == {"username": "local"}

    second = httpx.get(url + link)
    assert (second.status_code, second.json()["code"]) == (401, "unauthenticated")
    assert "set-cookie" not in second.headers


def test_a_browser_reads_why_a_link_no_longer_works(client: httpx.Client) -> None:
    page = client.get("/sign-in?token=unknown", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 401
    assert page.headers["Content-Type"].startswith("text/html")
    assert re.search("no longer works", page.text)
    assert client.get("/sign-in").status_code == 401
