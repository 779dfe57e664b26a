"""How many requests a minute are taken, and how callers are told."""

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request

from tests.api.conftest import Serve, SignedIn, SignIn
from tests.api.stored import VIDEO
from video2mp3.api import application as app
from video2mp3.api.fairness import rates
from video2mp3.api.fairness.rates import KINDS, Rates
from video2mp3.api.frame.services import Services
from video2mp3.errors import RateLimited
from video2mp3.settings import Settings, load_settings


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def request(address: str = "192.0.2.1", method: str = "GET", path: str = "/v1/me") -> Request:
    route = APIRoute(path, lambda: None, methods=[method])
    scope: dict[str, Any] = {"type": "http", "method": method, "headers": [], "client": (address, 1), "route": route}
    return Request(scope)


# -- The buckets --------------------------------------------------------------------------------------


def test_a_minute_s_worth_may_come_at_once_and_then_steadily() -> None:
    clock = Clock()
    found = Rates(load_settings(requests_per_minute=30), clock)
    for _ in range(30):
        found.count_user(request(), "ada")
    with pytest.raises(RateLimited) as refused:
        found.count_user(request(), "ada")
    assert refused.value.retry_after_s == 2
    found.count_user(request(), "bob")
    clock.now_s += 2
    found.count_user(request(), "ada")
    with pytest.raises(RateLimited):
        found.count_user(request(), "ada")
    clock.now_s += 3600
    for _ in range(30):
        found.count_user(request(), "ada")
    with pytest.raises(RateLimited):
        found.count_user(request(), "ada")


def test_the_headers_tell_what_is_left_of_each() -> None:
    found = Rates(load_settings(requests_per_minute=60, uploads_per_minute=6), Clock())
    one = request(method="POST", path="/v1/uploads")
    found.count_user(one, "ada")
    assert rates.headers_of(one.scope["state"]) == {
        "RateLimit-Policy": '"requests";q=60;w=60, "uploads";q=6;w=60',
        "RateLimit": '"requests";r=59;t=1, "uploads";r=5;t=10',
    }


def test_no_quota_counts_nothing() -> None:
    one = request(method="POST", path="/v1/probe")
    Rates(load_settings(requests_per_minute=0, probes_per_minute=0), Clock()).count_user(one, "ada")
    assert rates.headers_of(one.scope.get("state", {})) == {}


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "_MAX_BUCKETS", 10)
    found = Rates(load_settings(), Clock())
    for number in range(50):
        found.count_address(request(f"192.0.2.{number}"))
    assert len(found._buckets) == 10


# -- The service --------------------------------------------------------------------------------------


@pytest.fixture
def settings(settings: Settings) -> Settings:
    quotas = {"requests_per_minute": 12, "uploads_per_minute": 2, "probes_per_minute": 1, "anonymous_per_minute": 8}
    return settings.model_copy(update=quotas)


def remaining(answer: httpx.Response, policy: str) -> int:
    match = re.search(rf'"{policy}";r=(\d+);t=\d+', answer.headers["RateLimit"])
    assert match, answer.headers
    return int(match[1])


def assert_limited(answer: httpx.Response, at_most_s: int = 60) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= at_most_s
    assert answer.headers["RateLimit-Policy"]


def test_an_account_is_limited_by_itself(sign_in: SignIn) -> None:
    ada, bob = sign_in("ada"), sign_in("bob")
    answers = [ada.http.get("/v1/me") for _ in range(13)]
    assert [answer.status_code for answer in answers[:12]] == [200] * 12
    assert [remaining(answer, "requests") for answer in answers[:3]] == [11, 10, 9]
    assert_limited(answers[12])
    assert bob.http.get("/v1/me").status_code == 200


def test_uploads_and_probes_have_quotas_of_their_own(ada: SignedIn) -> None:
    first = ada.http.post("/v1/uploads", content=VIDEO)
    assert remaining(first, "uploads") == 1
    assert ada.http.post("/v1/conversions", json={"upload_id": first.json()["id"]}).status_code == 202
    assert_limited(ada.http.post("/v1/uploads", content=VIDEO))
    probe = {"upload_id": first.json()["id"]}
    assert remaining(ada.http.post("/v1/probe", json=probe), "probes") == 0
    assert_limited(ada.http.post("/v1/probe", json=probe))
    assert ada.http.get("/v1/me").status_code == 200


def test_without_an_account_the_address_is_limited_whatever_is_asked_for(client: httpx.Client) -> None:
    """It should count wrong tokens too; and let those go on who watch the service."""
    for _ in range(2):
        assert client.get("/.well-known/jwks.json").status_code == 200
        assert client.post("/v1/sessions", json={"username": "nobody", "password": "wrong"}).status_code == 401
        assert client.get("/v1/me", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/v1/me").status_code == 401
    for path in ("/.well-known/jwks.json", "/v1/me", "/docs"):
        assert_limited(client.get(path))
    assert [client.get(path).status_code for path in ("/livez", "/readyz")] == [200, 200]
    assert "RateLimit" not in client.get("/livez").headers


def test_this_machine_s_own_user_is_not_limited(services: Services, serve: Serve) -> None:
    with httpx.Client(base_url=serve(replace(services, trust_loopback=True)), timeout=30) as local:
        for path in ("/v1/me", "/.well-known/jwks.json"):
            answers = [local.get(path) for _ in range(13)]
            assert {answer.status_code for answer in answers} == {200}
            assert "RateLimit" not in answers[0].headers


def test_the_routes_that_have_quotas_are_there() -> None:
    routes = {
        (method, route.path)
        for router in app._ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert KINDS.keys() <= routes


def test_a_request_that_counts_several_times_is_taken_where_one_is_left_and_made_up_for() -> None:
    clock = Clock()
    found = Rates(load_settings(uploads_per_minute=60), clock)
    found.count_more(request(), "uploads", "ada", 59)
    found.count_more(request(), "uploads", "ada", 100)
    with pytest.raises(RateLimited) as refused:
        found.count_more(request(), "uploads", "ada", 1)
    assert refused.value.retry_after_s == 100
    clock.now_s += 100
    found.count_more(request(), "uploads", "ada", 1)


def test_the_conversions_of_a_batch_count_one_by_one(ada: SignedIn) -> None:
    upload_id = ada.http.post("/v1/uploads", content=VIDEO).raise_for_status().json()["id"]
    batch = {"items": [{"upload_id": upload_id}] * 5}
    first = ada.http.post("/v1/batches", json=batch)
    assert (first.status_code, remaining(first, "uploads")) == (202, 0)
    assert_limited(ada.http.post("/v1/batches", json=batch | {"tag": "again"}), at_most_s=150)
