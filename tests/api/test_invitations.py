"""Who may make an account: anyone, nobody, or who was invited."""

import threading
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import select, update

from tests.api.conftest import PASSWORD, Serve, SignedIn
from tests.api.test_api_keys import bearer
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Invitation, User


@pytest.fixture
def invited(services: Services, serve: Serve, root: SignedIn) -> httpx.Client:
    """A client of the same service, where registration is by invitation; it has not signed in."""
    settings = services.settings.model_copy(update={"registration": "invite"})
    return httpx.Client(base_url=serve(replace(services, settings=settings)), timeout=30)


def register(client: httpx.Client, name: str = "ada", **more: object) -> httpx.Response:
    return client.post("/v1/accounts", json={"username": name, "password": PASSWORD, **more})


def invite(root: SignedIn, **more: object) -> dict[str, str]:
    made = root.http.post("/v1/invitations", json=more)
    assert made.status_code == 201, made.text
    found: dict[str, str] = made.json()
    return found


def names(services: Services) -> set[str]:
    with services.database.read() as session:
        return set(session.scalars(select(User.username)))


def test_an_invitation_makes_one_account(invited: httpx.Client, root: SignedIn, services: Services) -> None:
    invitation = invite(root)
    assert invitation["url"].endswith(f"/#/sign-in/invitation/{invitation['code']}")
    made = register(invited, invitation=invitation["code"])
    assert made.status_code == 201
    again = register(invited, "bob", invitation=invitation["code"])
    assert (again.status_code, again.json()["code"]) == (403, "invitation_needed")
    assert names(services) == {"root", "ada"}
    (listed,) = root.http.get("/v1/invitations").json()["items"]
    assert (listed["used_by"], "code" in listed) == (made.json()["id"], False)
    with services.database.read() as session:
        row = session.scalars(select(Invitation)).one()
        assert invitation["code"] not in [str(getattr(row, column.name)) for column in Invitation.__table__.columns]


def test_without_a_good_invitation_no_account_is_made(
    invited: httpx.Client, root: SignedIn, services: Services
) -> None:
    expired, taken_back = invite(root, expires_in_s=60), invite(root)
    with services.database.write() as session:
        session.execute(update(Invitation).where(Invitation.id == expired["id"]).values(expires_at=now() - SECOND))
    assert root.http.delete(f"/v1/invitations/{taken_back['id']}").status_code == 204
    assert root.http.delete(f"/v1/invitations/{taken_back['id']}").status_code == 404
    for invitation in (None, "", "x" * 32, expired["code"], taken_back["code"]):
        # Also with a name that is taken, which is nobody's business.
        for name in ("ada", "root"):
            refused = register(invited, name, invitation=invitation)
            assert (refused.status_code, refused.json()["code"]) == (403, "invitation_needed"), invitation
    seed = invited.post("/register", json={"username": "ada", "password": PASSWORD})
    assert (seed.status_code, seed.json()["code"]) == (403, "invitation_needed")
    assert names(services) == {"root"}


def test_a_name_that_is_taken_leaves_the_invitation_good(invited: httpx.Client, root: SignedIn) -> None:
    code = invite(root)["code"]
    assert register(invited, "Root", invitation=code).json()["code"] == "username_taken"
    assert register(invited, "ada", invitation=code).status_code == 201


def test_of_many_who_use_one_invitation_at_once_one_gets_in(
    invited: httpx.Client, root: SignedIn, services: Services
) -> None:
    code = invite(root)["code"]
    statuses: list[int] = []
    started = threading.Barrier(6)

    def use(name: str) -> None:
        started.wait()
        statuses.append(register(invited, name, invitation=code).status_code)

    threads = [threading.Thread(target=use, args=(f"user{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 403, 403, 403, 403, 403]
    assert len(names(services)) == 2


def test_where_registration_is_closed_an_invitation_helps_nobody(
    services: Services, serve: Serve, root: SignedIn
) -> None:
    closed = services.settings.model_copy(update={"registration": "closed"})
    with httpx.Client(base_url=serve(replace(services, settings=closed))) as client:
        refused = register(client, invitation=invite(root)["code"])
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_administrators_invite_and_others_do_not(ada: SignedIn, root: SignedIn, client: httpx.Client) -> None:
    ids = [invite(root)["id"] for _ in range(3)]
    first = root.http.get("/v1/invitations", params={"limit": 2}).json()
    rest = root.http.get("/v1/invitations", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == ids[::-1]
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", f"/{ids[0]}")):
        answers = [http.request(method, "/v1/invitations" + path, json={}) for http in (ada.http, client)]
        assert [answer.status_code for answer in answers] == [403, 401]
    assert client.get("/v1/invitations", headers=bearer(root.access_token)).status_code == 200
    assert root.http.post("/v1/invitations", json={"expires_in_s": 1}).status_code == 422
