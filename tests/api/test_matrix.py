"""Every route for everybody: who is nobody, somebody else, over, disabled or a key that may less gets nothing."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from sqlalchemy import select

from tests.api.conftest import SignedIn, SignIn
from tests.api.matrix import ADMIN, ITEMS, OPEN, OWN, Case, Ids, Stage
from tests.api.stored import fail, finish, stored
from tests.api.test_ownership import MISSING, without_request_id
from video2mp3.accounts import tokens, users
from video2mp3.api.application import create_app
from video2mp3.api.auth.scopes import NEEDS
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job
from video2mp3.errors import NoAudio
from video2mp3.settings import Settings

CASES = OPEN | OWN | ITEMS | ADMIN
# Open to everybody for what they carry; what they carry can be got by email or by invitation only.
BY_EMAIL = {"POST /v1/password-resets/confirm", "POST /v1/email-verifications", "POST /v1/email-verifications/confirm"}
# Of no router of ours, or with an answer that is none of JSON or does not end: each has a test of its own.
APART = {"GET /openapi.json", "GET /page/{path:path}", "GET /v1/conversions/events", "DELETE /v1/me"}
ALL_SCOPES = ["read", "convert"]


def operations(services: Services) -> set[str]:
    """What the API's description has; with the HEAD routes, and what is not described."""
    described = create_app(services).openapi()["paths"]
    hidden = {operation for operation in NEEDS if operation.startswith("HEAD ")} | {
        "GET /docs",
        "GET /llms.txt",
        "GET /sign-in",
    }
    found = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    # The description does not say that a name may have slashes.
    return {operation.replace("{name}", "{name:path}") for operation in found} | hidden


def test_every_route_has_a_valid_request_and_a_rule(services: Services) -> None:
    """It should fail for a new route until it is in tests/api/matrix.py and in api/auth/scopes.py."""
    missing = operations(services) - CASES.keys() - BY_EMAIL - APART
    assert missing == set()
    assert {operation for operation in operations(services) if operation not in NEEDS} == set()
    assert {operation for operation, need in NEEDS.items() if need == "open"} <= OPEN.keys() | BY_EMAIL | APART
    assert not {operation for operation in OPEN if NEEDS.get(operation, "open") != "open"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """It promises emails; nobody sends them."""
    return settings.model_copy(update={"smtp_host": "127.0.0.1"})


@pytest.fixture
def stage(services: Services, ada: SignedIn, root: SignedIn) -> Stage:
    return Stage(services, ada, root)


@contextmanager
def a_worker(services: Services, *, everything: bool = False) -> Iterator[None]:
    """Finishes what clients wait for on the line, or everything."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.02):
            with services.database.read() as session:
                waited_for = (Job.email_notifications.is_(False), Job.batch_id.is_(None))
                found = session.scalars(
                    select(Job).where(Job.state == "queued", *(() if everything else waited_for))
                ).all()
            for job in found:
                # Several MP3s would have to be a real ZIP of them.
                if job.options.makes_segments:
                    fail(services, job.id, NoAudio())
                else:
                    finish(services, job.id)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class Callers:
    """Clients of all who must not get at what is the owner's."""

    def __init__(self, stage: Stage, sign_in: SignIn, stack: ExitStack) -> None:
        self._stage, self._stack = stage, stack
        owner, root = stage.owner, stage.root
        bob, carl = sign_in("bob"), sign_in("carl")
        with stage.services.database.write() as session:
            user = users.find(session, owner.user_id)
            assert user is not None
            session_id = owner.http.get("/v1/sessions").json()["items"][0]["id"]
            over = tokens.issue(tokens.signer(session), user, session_id, lifetime_s=-10)
        root.http.patch(f"/v1/admin/users/{carl.user_id}", json={"disabled": True}).raise_for_status()
        self.strangers = {
            "anonymous": self._client(None),
            "expired": self._client(over),
            "disabled": carl.http,
        }
        self.others = {"other": bob.http, "other's key": self._client(_key(bob, ALL_SCOPES))}
        self.bob = bob
        self.keys = {
            # What an API key of the owner's may not do, by what it needs.
            "read": self._client(_key(root, ["admin"])),
            "convert": self._client(_key(owner, ["read"])),
            "admin": self._client(_key(root, ALL_SCOPES)),
            "account": self._client(_key(owner, ALL_SCOPES)),
        }

    def _client(self, bearer: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        base_url = self._stage.owner.http.base_url
        return self._stack.enter_context(httpx.Client(base_url=base_url, headers=headers, timeout=30))


def _key(user: SignedIn, scopes: list[str]) -> str:
    made = user.http.post("/v1/api-keys", json={"name": "matrix", "scopes": scopes}).raise_for_status()
    key: str = made.json()["key"]
    return key


def wrong(answers: dict[str, httpx.Response], expected: Callable[[str], int]) -> list[str]:
    return [f"{who}: {answer.status_code}" for who, answer in answers.items() if answer.status_code != expected(who)]


def test_nobody_but_the_owner_gets_anything(stage: Stage, sign_in: SignIn) -> None:
    """It should be 2xx for the owner, on every one; nobody else's request should change anything either."""
    found: dict[str, object] = {}
    known = operations(stage.services)
    with ExitStack() as stack, a_worker(stage.services):
        callers = Callers(stage, sign_in, stack)
        for operation, case in (OWN | ITEMS | ADMIN).items():
            if operation not in known:
                continue
            need = NEEDS[operation]
            ids = case.names(stage)
            before = stored(stage.services)
            strangers = {who: case.send(http, operation, ids) for who, http in callers.strangers.items()}
            strangers["wrong scope"] = case.send(callers.keys[need], operation, ids)
            problems = wrong(strangers, lambda who: 403 if who == "wrong scope" else 401)
            if operation not in OWN:
                problems += _refusals_of_others(callers, operation, case, ids)
            if stored(stage.services) != before:
                problems.append("something was changed")
            by = stage.root if operation in ADMIN else stage.owner
            own = case.send(by.http, operation, ids)
            if not own.is_success:
                problems.append(f"the owner: {own.status_code} {own.text[:200]}")
            if problems:
                found[operation] = problems
    assert found == {}


def _refusals_of_others(callers: Callers, operation: str, case: Case, ids: Ids) -> list[str]:
    """What is wrong with how others are answered: as if it were not there, or that they may not, whatever is there."""
    problems = []
    for who, http in callers.others.items():
        may_not = operation in ADMIN or (NEEDS[operation] == "account" and who == "other's key")
        foreign = case.send(http, operation, ids)
        missing = case.send(http, operation, dict.fromkeys(ids, MISSING))
        if foreign.status_code != (403 if may_not else 404):
            problems.append(f"{who}: {foreign.status_code}")
        if without_request_id(foreign) != without_request_id(missing):
            problems.append(f"{who}: it can be told whether it is there")
    return problems


def test_everybody_gets_at_the_own_things_only(stage: Stage, sign_in: SignIn) -> None:
    """It should answer somebody else with 2xx where nothing is named, and with nothing of the owner's."""
    bob = sign_in("bob")
    known = operations(stage.services)
    kept = [name for ids in (case.names(stage) for case in ITEMS.values()) for name in ids.values() if len(name) == 32]
    # In quotes: an id may have these letters in it by chance.
    kept += [stage.owner.user_id, f'"{stage.owner.username}"']
    with a_worker(stage.services):
        for operation, case in OWN.items():
            if operation in known:
                answer = case.send(bob.http, operation, case.names(stage))
                assert answer.is_success, (operation, answer.text)
                assert [name for name in kept if name in answer.text] == [], operation


def test_what_is_open_needs_no_account(stage: Stage, client: httpx.Client) -> None:
    """It should be a success for nobody; the page's sign-in link leads on."""
    known = operations(stage.services)
    found = {
        operation: case.send(client, operation, case.names(stage)).status_code
        for operation, case in OPEN.items()
        if operation in known
    }
    assert {operation: status for operation, status in found.items() if not 200 <= status < 304} == {}
