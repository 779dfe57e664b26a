"""Failed sign-ins and new accounts are throttled, on every route that takes a password, alike for names of nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, event

from tests.api.conftest import PASSWORD, Serve, SignedIn
from tests.api.test_audit import listed
from video2mp3.accounts import throttling
from video2mp3.api.frame.services import Services

LIMIT = 10
Try = Callable[[httpx.Client, str, str], httpx.Response]

WAYS: dict[str, Try] = {
    "session": lambda http, name, password: http.post("/v1/sessions", json={"username": name, "password": password}),
    "cookie": lambda http, name, password: http.post(
        "/v1/sessions?cookie=true", json={"username": name, "password": password}
    ),
    "login": lambda http, name, password: http.post("/login", auth=(name, password)),
}


def assert_throttled(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(answer.headers["Retry-After"]) <= throttling.WINDOW_S


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_the_eleventh_failure_is_refused_whoever_it_is(
    services: Services, serve: Serve, client: httpx.Client, way: str, name: str
) -> None:
    """It should be so on all replicas together, and for the right password too."""
    client.post("/v1/accounts", json={"username": "ada", "password": PASSWORD}).raise_for_status()
    with httpx.Client(base_url=serve(services), timeout=30) as other_replica:
        for number in range(LIMIT):
            answer = WAYS[way]((client, other_replica)[number % 2], name, f"wrong {number}")
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
        assert_throttled(WAYS[way](client, name, "wrong"))
        assert_throttled(WAYS[way](other_replica, name.upper(), PASSWORD))


def test_who_is_known_there_signs_in_after_others_have_failed(ada: SignedIn, client: httpx.Client) -> None:
    for _ in range(LIMIT):
        WAYS["session"](client, "bob", "wrong")
    assert_throttled(WAYS["session"](client, "bob", "wrong"))
    assert WAYS["session"](client, "ada", PASSWORD).status_code == 200


def test_forty_guesses_at_once_get_ten_answers(client: httpx.Client) -> None:
    with ThreadPoolExecutor(20) as pool:
        found = [answer.status_code for answer in pool.map(lambda n: WAYS["login"](client, "ada", str(n)), range(40))]
    assert set(found) <= {401, 429}
    assert 1 <= found.count(401) <= LIMIT


def test_fifty_good_sign_ins_at_once_are_all_taken(ada: SignedIn, client: httpx.Client) -> None:
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: WAYS["session"](client, "ada", PASSWORD).status_code, range(50)))
    assert found == [200] * 50


def test_bad_refresh_tokens_are_throttled_and_good_ones_are_not(ada: SignedIn, client: httpx.Client) -> None:
    def refresh(token: str) -> httpx.Response:
        return client.post("/v1/sessions/refresh", json={"refresh_token": token})

    assert [refresh("wrong").status_code for _ in range(LIMIT)] == [401] * LIMIT
    assert_throttled(refresh("wrong"))
    assert refresh(ada.refresh_token).status_code == 200


def test_accounts_are_not_made_by_the_hundred(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "REGISTRATIONS", 3)
    for number, path in enumerate(["/v1/accounts", "/register", "/v1/accounts"]):
        client.post(path, json={"username": f"user{number}", "password": PASSWORD}).raise_for_status()
    for path in ("/v1/accounts", "/register"):
        # A name that somebody has answers as any other: it is no way to find out names either.
        assert_throttled(client.post(path, json={"username": "user0", "password": PASSWORD}))
        assert_throttled(client.post(path, json={"username": "user4", "password": PASSWORD}))


def test_the_audit_log_tells_of_failures_without_the_names(root: SignedIn, ada: SignedIn, client: httpx.Client) -> None:
    WAYS["login"](client, "ada", "wrong")
    for _ in range(LIMIT):
        WAYS["login"](client, "correct horse battery staple", "wrong")
    assert [entry["about"] for entry in listed(root, action="login.failed")] == [None] * LIMIT + [ada.user_id]
    (closed,) = listed(root, action="login.throttled")
    assert (closed["by"], closed["about"], closed["address"]) == (None, None, "127.0.0.1")
    assert "staple" not in root.http.get("/v1/admin/audit?limit=100").text


def test_unknown_names_cost_the_same_statements(ada: SignedIn, client: httpx.Client, services: Services) -> None:
    """It should take the same time, of which statements and the hash are all; benchmarks/sign_ins.py measures it."""
    statements: list[str] = []

    def note(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    def of(name: str) -> list[str]:
        statements.clear()
        assert WAYS["session"](client, name, "wrong").status_code == 401
        return list(statements)

    client.post("/v1/accounts", json={"username": "bob", "password": PASSWORD}).raise_for_status()
    of("bob")  # the first request of all prepares more
    event.listen(services.database.engine, "before_cursor_execute", note)
    try:
        # Who has signed in from here before, who has not, and nobody.
        found = [of("ada"), of("bob"), of("nobody")]
    finally:
        event.remove(services.database.engine, "before_cursor_execute", note)
    assert len(found[0]) > 5
    assert found[0] == found[1] == found[2]
