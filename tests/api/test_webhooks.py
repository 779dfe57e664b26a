"""Webhooks over HTTP; that they are told what they should be is tested in tests/notify/test_webhooks.py."""

import base64
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from tests.api.conftest import SignedIn
from tests.api.stored import convert, fail, finish, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Notification, Webhook
from video2mp3.errors import NoAudio
from video2mp3.outbox.webhooks import MAX_PER_USER, new_secret

URL = "https://hooks.example.org/in?key=secret"
ALL = ["conversion.finished", "conversion.failed", "conversion.canceled"]


def create(user: SignedIn, **more: Any) -> dict[str, Any]:
    answer = user.http.post("/v1/webhooks", json={"url": URL, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def deliveries(user: SignedIn, webhook: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    answer = user.http.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def change(services: Services, **values: Any) -> None:
    with services.database.write() as session:
        session.execute(update(Notification).where(Notification.kind == "webhook").values(**values))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_the_secret_is_shown_once(ada: SignedIn) -> None:
    made = create(ada)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert made == {
        "id": made["id"],
        "url": "https://hooks.example.org/in?…",
        "events": ALL,
        "created_at": made["created_at"],
        "disabled_at": None,
    }
    other = create(ada, events=["conversion.failed"])
    assert other.pop("secret") != secret
    assert ada.http.get(f"/v1/webhooks/{made['id']}").json() == made
    assert ada.http.get("/v1/webhooks").json() == {"items": [made, other]}


def test_nobody_sees_anothers_webhooks(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    webhook = create(ada)
    assert bob.http.get("/v1/webhooks").json() == {"items": []}
    fail(services, convert(ada.http), NoAudio())
    (delivery,) = deliveries(ada, webhook)
    path = f"/v1/webhooks/{webhook['id']}/deliveries/{delivery['id']}/redeliver"
    assert refusal(bob.http.post(path)) == (404, "not_found")
    assert refusal(bob.http.post(path.replace(webhook["id"], create(bob)["id"]))) == (404, "not_found")
    assert ada.http.post(path).status_code == 202


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/",
        "http://localhost:22/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0x7f000001/",
        "ftp://hooks.example.org/",
        "https://user:password@hooks.example.org/",
        "hooks.example.org",
    ],
)
def test_a_url_that_leads_inside_or_nowhere_is_refused(ada: SignedIn, address: str) -> None:
    assert refusal(ada.http.post("/v1/webhooks", json={"url": address}))[1] == "url_rejected"
    answer = order(ada, webhook={"url": address, "secret": new_secret()})
    assert refusal(answer)[1] == "url_rejected"
    assert ada.http.get("/v1/webhooks").json() == {"items": []}


@pytest.mark.parametrize(
    "json", [{}, {"url": URL, "events": []}, {"url": URL, "events": ["conversion.eaten"]}, {"url": URL, "secret": "x"}]
)
def test_what_makes_no_webhook(ada: SignedIn, json: dict[str, Any]) -> None:
    assert refusal(ada.http.post("/v1/webhooks", json=json)) == (422, "invalid_request")


def test_an_account_has_only_so_many(ada: SignedIn, bob: SignedIn) -> None:
    made = [create(ada) for _ in range(MAX_PER_USER)]
    assert refusal(ada.http.post("/v1/webhooks", json={"url": URL})) == (409, "too_many_webhooks")
    create(bob)
    assert ada.http.delete(f"/v1/webhooks/{made[0]['id']}").status_code == 204
    create(ada)


def test_deliveries_are_listed_the_newest_first(ada: SignedIn, services: Services) -> None:
    webhook = create(ada)
    first, second, third = (convert(ada.http) for _ in range(3))
    finish(services, first)
    fail(services, second, NoAudio())
    ada.http.delete(f"/v1/conversions/{third}").raise_for_status()
    found = deliveries(ada, webhook)
    assert [(one["conversion_id"], one["event"]) for one in found] == [
        (third, "conversion.canceled"),
        (second, "conversion.failed"),
        (first, "conversion.finished"),
    ]
    assert found[0] | {"id": "", "created_at": ""} == {
        "id": "",
        "event": "conversion.canceled",
        "conversion_id": third,
        "state": "queued",
        "attempts": 0,
        "status": None,
        "problem": None,
        "created_at": "",
        "next_attempt_at": None,
        "delivered_at": None,
    }
    page = ada.http.get(f"/v1/webhooks/{webhook['id']}/deliveries", params={"limit": 2}).json()
    assert page["items"] == found[:2]
    assert deliveries(ada, webhook, cursor=page["next_cursor"]) == found[2:]


def test_a_delivery_can_be_made_again(ada: SignedIn, services: Services) -> None:
    webhook = create(ada)
    finish(services, convert(ada.http))
    change(services, state="sent", sent_at=1, attempts=1, status=200)
    (before,) = deliveries(ada, webhook)
    assert (before["state"], before["delivered_at"] is None) == ("sent", False)
    path = f"/v1/webhooks/{webhook['id']}/deliveries/{before['id']}/redeliver"
    again = ada.http.post(path)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (202, before["id"], "queued")
    assert deliveries(ada, webhook) == [again.json()]
    change(services, state="sending")
    assert refusal(ada.http.post(path)) == (409, "conflict")
    change(services, state="failed")
    with services.database.write() as session:
        session.execute(update(Webhook).values(disabled_at=1))
    assert refusal(ada.http.post(path)) == (409, "conflict")
    assert refusal(ada.http.post(path.replace(before["id"], "0" * 32))) == (404, "not_found")


def test_a_deleted_webhook_leaves_nothing(ada: SignedIn, services: Services) -> None:
    webhook = create(ada)
    finish(services, convert(ada.http))
    assert len(deliveries(ada, webhook)) == 1
    ada.http.delete(f"/v1/webhooks/{webhook['id']}").raise_for_status()
    with services.database.read() as session:
        kinds = session.execute(select(Notification.kind, func.count()).group_by(Notification.kind)).all()
    assert [tuple(row) for row in kinds] == [("email", 1)]
    finish(services, convert(ada.http))


def order(user: SignedIn, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return user.http.post("/v1/conversions", json={"upload_id": upload(user.http), **more}, headers=headers)


def test_a_conversion_can_name_its_own(ada: SignedIn, services: Services) -> None:
    receiver = {"url": URL, "secret": new_secret()}
    answer = order(ada, webhook=receiver)
    assert answer.status_code == 202, answer.text
    assert "secret" not in answer.text
    assert ada.http.get("/v1/webhooks").json() == {"items": []}, "it is not the account's"
    finish(services, answer.json()["id"])
    with services.database.read() as session:
        assert session.scalar(select(func.count()).where(Notification.kind == "webhook")) == 1
    ada.http.delete(f"/v1/conversions/{answer.json()['id']}").raise_for_status()
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Webhook)) == 0


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_short", "whsec_" + "A" * 90, "whsec_ä" + "A" * 40])
def test_a_secret_is_long_enough(ada: SignedIn, secret: str) -> None:
    answer = order(ada, webhook={"url": URL, "secret": secret})
    assert refusal(answer) == (422, "invalid_request")


def test_the_receiver_belongs_to_the_request_that_a_key_stands_for(ada: SignedIn, services: Services) -> None:
    upload_id, receiver = upload(ada.http), {"url": URL, "secret": new_secret()}

    def send(**more: Any) -> httpx.Response:
        json = {"upload_id": upload_id, **more}
        return ada.http.post("/v1/conversions", json=json, headers={"Idempotency-Key": "k"})

    first, second = send(webhook=receiver), send(webhook=receiver)
    assert (first.status_code, second.status_code, first.json()["id"]) == (202, 202, second.json()["id"])
    assert refusal(send(webhook=receiver | {"secret": new_secret()})) == (422, "idempotency_key_reused")
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Webhook)) == 1
