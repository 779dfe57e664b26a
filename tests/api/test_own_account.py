"""What an account uses, an account's data to take along, and its end."""

import io
import json
import zipfile

import httpx
import pytest

from tests.api.conftest import PASSWORD, SignedIn
from tests.api.stored import NOTHING, VIDEO, claim, convert, finish, stored, upload
from tests.api.test_api_keys import bearer, make
from video2mp3.api.accounts import data_export
from video2mp3.api.frame.services import Services
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping import erasing

ADA = {"username": "ada", "password": PASSWORD}


def usage(user: SignedIn) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = user.http.get("/v1/me/usage").raise_for_status().json()
    return found


def test_usage_is_told_with_its_limits(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    limits = services.settings
    assert usage(ada) == {
        "waiting_jobs": {"used": 0, "limit": limits.max_user_jobs},
        "uploads": {"used": 0, "limit": limits.max_user_uploads},
        "bytes": {"used": 0, "limit": limits.max_user_bytes},
    }
    mp3 = finish(services, convert(ada.http))
    convert(ada.http)
    ada.http.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}).raise_for_status()
    found = usage(ada)
    assert (found["waiting_jobs"]["used"], found["uploads"]["used"]) == (1, 1)
    assert found["bytes"]["used"] == 2 * len(VIDEO) + len(mp3) + 1000
    assert usage(bob)["bytes"]["used"] == 0


# -- Taking the data along ----------------------------------------------------------------------------


def export(user: SignedIn) -> zipfile.ZipFile:
    answer = user.http.get("/v1/me/export")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_everything_of_an_account_is_exported(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    ada.http.patch("/v1/me", json={"email": "ada@example.org", "current_password": PASSWORD})
    key = make(ada, "read")
    webhook = ada.http.post("/v1/webhooks", json={"url": "https://hooks.example.org/?key=secret"}).json()
    done, waiting, foreign = convert(ada.http, "talk.mp4", tag="mine"), convert(ada.http), convert(bob.http)
    mp3 = finish(services, done)
    # Not complete: what has come so far is the account's too.
    made = ada.http.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "1000"})
    headers = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    assert ada.http.patch(made.headers["Location"], headers=headers, content=b"x" * 400).status_code == 204
    open_id = made.headers["Location"].rsplit("/", 1)[1]

    with export(ada) as archive:
        assert archive.testzip() is None
        facts = json.loads(archive.read("account.json"))
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(facts) == {
        "account", "sessions", "api_keys", "webhooks", "batches", "uploads", "conversions", "audit"
    }  # fmt: skip
    assert (facts["account"]["username"], facts["account"]["email"]) == ("ada", "ada@example.org")
    assert [one["current"] for one in facts["sessions"]] == [True]
    assert [one["name"] for one in facts["api_keys"]] == ["script"]
    assert [one["url"] for one in facts["webhooks"]] == ["https://hooks.example.org/?…"]
    assert [one["id"] for one in facts["conversions"]] == [waiting, done]
    assert (facts["conversions"][1]["tag"], facts["conversions"][1]["report"] is not None) == ("mine", True)
    assert "api_key.created" in [one["action"] for one in facts["audit"]]
    assert len(facts["uploads"]) == 3
    assert files[f"conversions/{done}.mp3"] == mp3
    assert files[f"uploads/{open_id}"] == b"x" * 400
    assert sorted(len(data) for name, data in files.items() if name.startswith("uploads/")) == [
        400,
        len(VIDEO),
        len(VIDEO),
    ]
    text = files["account.json"].decode()
    for secret in (
        key["key"],
        webhook["secret"],
        PASSWORD,
        ada.refresh_token,
        ada.access_token,
        "argon2",
        "key=secret",
    ):
        assert secret not in text
    assert foreign not in text
    assert bob.user_id not in text


def test_another_s_doings_are_told_without_the_other(root: SignedIn, ada: SignedIn) -> None:
    root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"role": "admin"}).raise_for_status()
    with export(ada) as archive:
        text = archive.read("account.json").decode()
    (entry,) = [one for one in json.loads(text)["audit"] if one["action"] == "account.role_changed"]
    assert (entry["by"], entry["address"]) == ("somebody else", None)
    assert root.user_id not in text


def test_a_large_account_is_exported_page_by_page(
    ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_export, "_PAGE", 2)
    upload_id = upload(ada.http)
    ids = [ada.http.post("/v1/conversions", json={"upload_id": upload_id}).json()["id"] for _ in range(5)]
    with export(ada) as archive:
        facts = json.loads(archive.read("account.json"))
    assert [one["id"] for one in facts["conversions"]] == ids[::-1]
    assert list(services.storage.scratch_folder.iterdir()) == []


# -- The end of an account ----------------------------------------------------------------------------


def leave(http: httpx.Client, password: str | None = PASSWORD) -> httpx.Response:
    return http.request("DELETE", "/v1/me", json={"password": password})


def test_an_account_ends_at_once_and_is_erased(
    ada: SignedIn, bob: SignedIn, client: httpx.Client, services: Services
) -> None:
    key = make(ada, "read")["key"]
    ada.http.post("/v1/webhooks", json={"url": "https://hooks.example.org/"})
    done, running, waiting = convert(ada.http), convert(ada.http), convert(ada.http)
    finish(services, done)
    taken = claim(services, running)
    link = ada.http.post(f"/v1/conversions/{done}/links", json={}).json()["url"]
    kept = convert(bob.http)
    of_bob = {"jobs": 1, "uploads": 1, "upload_chunks": 1, "objects": 1}
    assert client.get(link).status_code == 200

    assert leave(ada.http).status_code == 202
    for refused in (
        ada.http.get("/v1/me"),
        client.get("/v1/me", headers=bearer(key)),
        client.post("/v1/sessions", json=ADA),
        client.post("/v1/sessions/refresh", json={"refresh_token": ada.refresh_token}),
    ):
        assert refused.status_code == 401
    assert client.get(link).status_code == 404
    with services.database.read() as session:
        assert lifecycle.find(session, waiting, ada.user_id).state == "canceled"
    with services.database.write() as session:
        assert lifecycle.heartbeat(session, taken, percent=1, done_s=1) == "cancel"
        lifecycle.release(session, taken)

    assert erasing.erase_deleted(services.database, services.storage) == 1
    assert stored(services) == NOTHING | of_bob
    assert bob.http.get(f"/v1/conversions/{kept}").status_code == 200
    assert client.post("/v1/accounts", json=ADA).status_code == 201, "the name is free again"


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_an_account_ends_with_its_password_only(ada: SignedIn, password: str | None) -> None:
    refused = leave(ada.http, password)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    assert ada.http.get("/v1/me").status_code == 200
    assert leave(ada.http).status_code == 202


def test_an_api_key_ends_no_account(ada: SignedIn, client: httpx.Client) -> None:
    headers = bearer(make(ada, "convert")["key"])
    refused = client.request("DELETE", "/v1/me", json={"password": PASSWORD}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert client.get("/v1/me/export", headers=headers).status_code == 403
    assert client.get("/v1/me/usage", headers=headers).status_code == 200


def test_the_last_administrator_s_account_stays(root: SignedIn) -> None:
    refused = leave(root.http)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert root.http.get("/v1/me").status_code == 200


def test_administrators_see_that_an_account_was_deleted_and_let_nobody_back_in(root: SignedIn, ada: SignedIn) -> None:
    leave(ada.http)
    assert root.http.get(f"/v1/admin/users/{ada.user_id}").json()["deleted_at"] is not None
    refused = root.http.patch(f"/v1/admin/users/{ada.user_id}", json={"disabled": False})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
