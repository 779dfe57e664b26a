"""What is done over HTTP is in the audit log, with who did it and from where."""

from typing import Any

import httpx

from tests.api.conftest import PASSWORD, SignedIn
from tests.api.stored import convert, finish
from video2mp3.api.frame.services import Services


def listed(root: SignedIn, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = root.http.get("/v1/admin/audit", params=params).raise_for_status().json()["items"]
    return items


def test_what_a_user_does_is_told_with_the_request_s_id(root: SignedIn, ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id)
    ada.http.patch("/v1/me", json={"email_notifications": False}).raise_for_status()
    link = ada.http.post(f"/v1/conversions/{job_id}/links", json={}, headers={"X-Request-Id": "the-link"})
    ada.http.delete(f"/v1/conversions/{job_id}/links").raise_for_status()
    webhook_id = ada.http.post("/v1/webhooks", json={"url": "https://hooks.example.org/"}).json()["id"]
    ada.http.delete(f"/v1/webhooks/{webhook_id}").raise_for_status()
    ada.http.request("DELETE", "/v1/sessions", json={"refresh_token": ada.refresh_token}).raise_for_status()
    told = listed(root, user="ADA")
    assert [(entry["action"], entry["about"]) for entry in reversed(told)] == [
        ("account.created", None),
        ("login.succeeded", None),
        ("account.updated", None),
        ("link.created", job_id),
        ("links.stopped", job_id),
        ("webhook.created", webhook_id),
        ("webhook.deleted", webhook_id),
        ("session.ended", None),
    ]
    assert {(entry["by"]["username"], entry["address"]) for entry in told} == {("ada", "127.0.0.1")}
    (made,) = listed(root, action="link.created")
    assert (made["request_id"], link.status_code) == ("the-link", 201)


def test_each_way_to_sign_in_is_told_apart(root: SignedIn, ada: SignedIn, client: httpx.Client) -> None:
    client.post("/login", auth=("ada", PASSWORD)).raise_for_status()
    client.post("/v1/sessions?cookie=true", json={"username": "ada", "password": PASSWORD}).raise_for_status()
    found = [entry["detail"] for entry in listed(root, action="login.succeeded", user="ada")]
    assert found == ["cookie", "token", "refresh"]


def test_a_refresh_token_that_was_used_twice_is_told(root: SignedIn, ada: SignedIn, client: httpx.Client) -> None:
    for expected in (200, 401):
        answer = client.post("/v1/sessions/refresh", json={"refresh_token": ada.refresh_token})
        assert answer.status_code == expected
    (reused,) = listed(root, action="refresh_token.reused")
    assert (reused["by"], reused["about"]) == (None, ada.user_id)


def test_what_administrators_do_is_told(root: SignedIn, ada: SignedIn) -> None:
    job_id = convert(ada.http)
    root.http.post(f"/v1/admin/jobs/{job_id}/cancel").raise_for_status()
    again = root.http.post(f"/v1/admin/jobs/{job_id}/retry").raise_for_status().json()
    assert again["id"] != job_id
    told = [(entry["action"], entry["about"], entry["by"]["username"]) for entry in listed(root, limit=2)]
    assert told == [("job.retried", job_id, "root"), ("job.canceled", job_id, "root")]


def test_what_was_refused_is_not_told_as_done(root: SignedIn, ada: SignedIn) -> None:
    before = listed(root)
    assert ada.http.delete(f"/v1/webhooks/{'0' * 32}").status_code == 404
    assert root.http.post(f"/v1/admin/jobs/{'0' * 32}/cancel").status_code == 404
    assert listed(root) == before


def test_the_list_comes_in_pages(root: SignedIn, ada: SignedIn) -> None:
    pages, cursor = [], None
    while True:
        page = root.http.get("/v1/admin/audit", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == listed(root, limit=100)
    assert len(pages) == 4
