"""Every error is a problem document with a stable code, and says nothing that it should not."""

import json
import re
import socket
from dataclasses import replace
from typing import NoReturn
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from structlog.typing import EventDict

from tests.accounts.test_passwords import all_hashers_busy
from tests.api.conftest import PASSWORD, Serve, SignedIn
from tests.servers import wait_until
from tests.servers.programs import missing
from video2mp3.accounts import passwords
from video2mp3.api.frame import pages
from video2mp3.api.frame.schemas import Problem
from video2mp3.api.frame.services import Services
from video2mp3.database.connection import Database
from video2mp3.settings import Settings


class BrokenDatabase(Database):
    """A database with a fault of ours in it."""

    def read(self) -> NoReturn:
        raise RuntimeError("planted-fault")


def check(answer: httpx.Response, status: int, code: str) -> None:
    """An error as RFC 9457 and our own description of it ask for."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs#{code}")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    Problem.model_validate(problem)  # which the description of the API is made from


def test_each_kind_of_error_is_a_problem(client: httpx.Client) -> None:
    check(client.get("/v1/nothing"), 404, "not_found")
    check(client.get("/v1/accounts/"), 404, "not_found")  # and is sent nowhere else
    check(client.get("/page/nothing.js"), 404, "not_found")
    check(client.get("/page/../app.py"), 404, "not_found")
    check(client.get("/v1/me"), 401, "unauthenticated")
    check(client.post("/v1/sessions", json={"username": "ada", "password": "x"}), 401, "invalid_credentials")
    check(client.post("/v1/accounts", json={}), 422, "invalid_request")
    check(client.post("/v1/accounts"), 422, "invalid_request")
    check(
        client.post("/v1/accounts", content=b'{"username"', headers={"Content-Type": "application/json"}),
        422,
        "invalid_request",
    )
    check(client.post("/v1/accounts", content=b"{}", headers={"Content-Type": "text/plain"}), 422, "invalid_request")
    check(
        client.post("/v1/accounts", content=b"\xff", headers={"Content-Type": "application/json"}),
        400,
        "invalid_request",
    )


def test_a_method_that_is_not_allowed_names_those_that_are(client: httpx.Client) -> None:
    answer = client.put("/v1/sessions")
    check(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, POST"


def test_an_invalid_request_names_each_field_and_never_what_it_held(client: httpx.Client) -> None:
    body = {"username": ["planted-1"], "password": {"x": "planted-2"}, "email": 3}
    answer = client.post("/v1/accounts", json=body)
    check(answer, 422, "invalid_request")
    assert {error["field"] for error in answer.json()["errors"]} == {"body.username", "body.password", "body.email"}
    assert all(error["message"] for error in answer.json()["errors"])
    assert "planted" not in answer.text


@pytest.mark.parametrize(
    "body", [b'{"username":"ada","password":"planted-secret"', b'{"password":"planted-secret"}', b'"planted-secret"']
)
def test_no_answer_echoes_a_password(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    check(answer, 422, "invalid_request")
    assert "planted" not in answer.text


def test_a_body_that_is_too_large_is_refused_declared_or_not(client: httpx.Client) -> None:
    kind = {"Content-Type": "application/json"}
    large = json.dumps({"username": "ada", "password": "x" * 100_000}).encode()
    check(client.post("/v1/accounts", content=large, headers=kind), 413, "request_too_large")
    check(client.post("/v1/accounts", content=iter([large]), headers=kind), 413, "request_too_large")
    assert client.post("/v1/accounts", json={"username": "ada", "password": PASSWORD}).status_code == 201


def test_a_fault_of_ours_is_told_as_such_and_only_the_log_has_the_rest(services: Services, serve: Serve) -> None:
    broken = replace(services, database=BrokenDatabase(services.settings.effective_database_url))
    with structlog.testing.capture_logs() as logged:
        answer = httpx.post(f"{serve(broken)}/v1/sessions", json={"username": "ada", "password": "planted-secret"})
        check(answer, 500, "internal_error")
    assert "planted" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    broke = [event for event in logged if event["event"] == "request_failed"]
    assert [event["exc_info"] for event in broke] == [True]
    assert _requests(logged)[0]["status"] == 500


def test_a_database_out_of_reach_is_told_as_such(services: Services, serve: Serve) -> None:
    gone = replace(services, database=Database("mysql+pymysql://nobody:planted-secret@127.0.0.1:1/none"))
    answer = httpx.get(f"{serve(gone)}/.well-known/jwks.json", timeout=30)
    check(answer, 503, "database_unavailable")
    assert answer.json()["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0
    assert "planted" not in answer.text


def test_too_many_sign_ins_at_once_are_told_to_wait(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAIT_S", 0.05)
    with all_hashers_busy():
        answer = client.post("/v1/sessions", json={"username": "ada", "password": PASSWORD})
    check(answer, 503, "login_overloaded")
    assert answer.headers["Retry-After"]
    assert client.post("/v1/sessions", json={"username": "ada", "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("host", ["[", "[::1", "evil.example", "a b", "\xff", ""])
def test_no_host_header_breaks_the_service(client: httpx.Client, host: str) -> None:
    for path in ("/v1/nothing", "/v1/me", "/v1/accounts/"):
        answer = client.get(path, headers=[(b"Host", host.encode("latin-1"))])
        assert 400 <= answer.status_code < 500


def test_a_caller_that_hangs_up_is_no_fault_of_ours(url: str) -> None:
    parts = urlsplit(url)
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n"
    with structlog.testing.capture_logs() as logged:
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(head + b"{")
        wait_until(lambda: _requests(logged), 10, "the line in the log")
    assert "request_failed" not in [event["event"] for event in logged]
    assert 400 <= _requests(logged)[0]["status"] < 500


# -- The frame of every answer ------------------------------------------------------------------------


def test_every_answer_has_an_id_and_the_security_headers(client: httpx.Client) -> None:
    for path in ("/", "/livez", "/v1/me", "/docs", "/openapi.json", "/nothing"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"]


def test_the_caller_may_name_the_request_in_plain_letters(client: httpx.Client) -> None:
    assert client.get("/livez", headers={"X-Request-Id": "abc-1.2_3"}).headers["X-Request-Id"] == "abc-1.2_3"
    for name in ("x" * 65, "a b", "a\tb", '"', ""):
        assert client.get("/livez", headers={"X-Request-Id": name}).headers["X-Request-Id"] != name


def test_one_line_is_logged_for_each_request_without_its_query(client: httpx.Client) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = client.get("/nothing%0Ahere?token=planted-secret")
        wait_until(lambda: _requests(logged), 10, "the line in the log")
    [line] = _requests(logged)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nothing%0Ahere", 404)
    assert line["client"] == "127.0.0.1"
    assert answer.status_code == 404
    assert "planted" not in repr(logged)


def _requests(logged: list[EventDict]) -> list[EventDict]:
    return [event for event in logged if event["event"] == "request"]


# -- The description of the API -----------------------------------------------------------------------


def test_the_description_names_the_problems_of_every_call(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["4XX"]["content"] == problem
            assert operation["responses"]["5XX"]["content"] == problem
    assert "HTTPValidationError" not in schema["components"]["schemas"]


def test_the_documentation_has_the_errors_to_which_problems_lead(client: httpx.Client) -> None:
    """It should have each without scripts; only the calls need them."""
    if not (pages.FOLDER / "docs.html").exists():
        missing("the built page (make page)")
    page = client.get("/docs")
    assert page.status_code == 200
    assert 'id="username_taken"' in page.text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page.text) == []


def test_problems_of_a_signed_in_user_are_problems_too(ada: SignedIn, settings: Settings) -> None:
    check(ada.http.get("/v1/conversions/" + "0" * 32), 404, "not_found")
    check(ada.http.get("/v1/uploads/unknown"), 404, "not_found")
