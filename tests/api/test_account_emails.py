"""Forgotten passwords and addresses to be verified: by emails through a real mail server."""

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import delete, event, select, update

from tests.api.conftest import PASSWORD, SignedIn
from tests.api.test_api_keys import bearer, make
from tests.notify.test_email import content_of
from tests.servers import SMTPServer, free_port, wait_until
from video2mp3.accounts import throttling
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Attempt, OneTimeToken, User
from video2mp3.notify.account_emails import AccountEmails
from video2mp3.notify.smtp import Mailer
from video2mp3.settings import Settings

ADDRESS = "ada@example.org"
OTHER = "lovelace@example.org"
NEW_PASSWORD = "battery horse correct"
PUBLIC_URL = "https://mp3.example.org/prefix"


@pytest.fixture
def settings(settings: Settings, smtp: SMTPServer) -> Settings:
    """A service that sends email."""
    return settings.model_copy(update={"smtp_host": smtp.host, "smtp_port": smtp.port, "smtp_security": "none"})


@contextmanager
def sending(services: Services, port: int | None = None) -> Iterator[AccountEmails]:
    """A notifier's part that sends the emails."""
    mailer = Mailer(
        host="127.0.0.1",
        port=port or services.settings.smtp_port,
        security="none",
        username="",
        password="",
        sender="mp3@example.org",
        timeout_s=5,
    )
    stopping = threading.Event()
    thread = AccountEmails(services.database, mailer, PUBLIC_URL, stopping)
    thread.start()
    try:
        yield thread
    finally:
        stopping.set()
        thread.join()


@pytest.fixture
def ada(ada: SignedIn, services: Services) -> SignedIn:
    """She has an address, which is verified."""
    assert move(ada, ADDRESS) is False
    with services.database.write() as session:
        session.execute(delete(OneTimeToken))
        session.execute(update(User).where(User.id == ada.user_id).values(email_verified_at=now()))
    return ada


def move(user: SignedIn, address: str) -> bool:
    """Gives the account another address; whether that is verified."""
    changed = user.http.patch("/v1/me", json={"email": address, "current_password": PASSWORD}).raise_for_status()
    return bool(changed.json()["email_verified"])


def ask(client: httpx.Client, username: str = "ada") -> httpx.Response:
    return client.post("/v1/password-resets", json={"username": username})


def reset(client: httpx.Client, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return client.post("/v1/password-resets/confirm", json={"token": token, "new_password": password})


def sign_in(client: httpx.Client, password: str) -> int:
    return client.post("/v1/sessions", json={"username": "ada", "password": password}).status_code


def token_in(smtp: SMTPServer, kind: str, address: str = ADDRESS) -> str:
    """The token in the next email, which has to stand in both of its forms."""
    email = smtp.wait_for_email(30)
    assert (email["To"], email["From"]) == (address, "mp3@example.org")
    tokens = {
        re.findall(rf"{re.escape(PUBLIC_URL)}/#/sign-in/{kind}/([\w-]+)", content_of(email, form))[0]
        for form in ("plain", "html")
    }
    token = str(tokens.pop())
    assert not tokens
    assert "No more emails" not in content_of(email)
    return token


def test_a_forgotten_password_is_replaced_by_an_email(
    ada: SignedIn, bob: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    key = make(ada, "read")["key"]
    with sending(services):
        answer = ask(client)
        assert (answer.status_code, answer.content) == (202, b"")
        token = token_in(smtp, "reset")
    short = reset(client, token, "short")
    assert (short.status_code, short.json()["code"]) == (422, "invalid_request")
    assert reset(client, token).status_code == 204
    # Whoever knew the old one is out, wherever.
    assert ada.http.get("/v1/me").status_code == 401
    refresh = client.post("/v1/sessions/refresh", json={"refresh_token": ada.refresh_token})
    assert refresh.status_code == 401
    assert client.get("/v1/me", headers=bearer(key)).json()["email_verified"] is True
    assert (sign_in(client, PASSWORD), sign_in(client, NEW_PASSWORD)) == (401, 200)
    assert bob.http.get("/v1/me").status_code == 200
    again = reset(client, token, PASSWORD)
    assert (again.status_code, again.json()["code"]) == (400, "invalid_or_expired_token")
    assert sign_in(client, NEW_PASSWORD) == 200


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "\x00", "é"])
def test_what_was_in_no_email_resets_nothing(ada: SignedIn, client: httpx.Client, token: str) -> None:
    for path in ("password-resets", "email-verifications"):
        body = {"token": token} | ({"new_password": NEW_PASSWORD} if path == "password-resets" else {})
        refused = client.post(f"/v1/{path}/confirm", json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_or_expired_token")
    assert sign_in(client, PASSWORD) == 200


def test_an_email_that_is_too_old_resets_nothing(
    ada: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    ask(client)
    with sending(services):
        token = token_in(smtp, "reset")
    with services.database.write() as session:
        session.execute(update(OneTimeToken).values(expires_at=now() - SECOND))
    assert reset(client, token).json()["code"] == "invalid_or_expired_token"
    assert sign_in(client, PASSWORD) == 200


def statements(services: Services, do: object) -> list[str]:
    """What is said to the database meanwhile."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    try:
        assert callable(do)
        do()
    finally:
        event.remove(services.database.engine, "before_cursor_execute", note)
    return said


def test_nobody_is_told_who_has_an_account(
    ada: SignedIn, bob: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    """It should answer alike, after the same statements; and wait for no mail server, which is not even there."""
    answers = []
    asked = {
        name: statements(services, lambda n=name: answers.append(ask(client, n))) for name in ("ada", "bob", "eve")
    }
    assert asked["ada"] == asked["bob"] == asked["eve"]
    assert len(asked["ada"]) > 3
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
    # Bob has no address, and Eve no account.
    with sending(services):
        token_in(smtp, "reset")
        wait_until(lambda: not _waiting(services), 30, "the end of the others")
    assert len(smtp.messages) == 1


def _waiting(services: Services) -> int:
    with services.database.read() as session:
        waiting = (OneTimeToken.user_id.is_not(None), OneTimeToken.state.in_(("queued", "sending")))
        return session.query(OneTimeToken).where(*waiting).count()


def test_an_account_gets_so_many_emails_and_the_answer_is_as_ever(
    ada: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_address = throttling.reset_from(None)
    monkeypatch.setattr(throttling, "reset_from", lambda _: throttling.Throttle(of_address.counters, 100))
    assert {ask(client).status_code for _ in range(throttling.RESETS + 3)} == {202}
    assert _waiting(services) == throttling.RESETS


def test_whoever_asks_too_often_has_to_wait(ada: SignedIn, client: httpx.Client) -> None:
    statuses = [ask(client, f"user{number}").status_code for number in range(throttling.RESETS + 1)]
    assert statuses == [202] * throttling.RESETS + [429]


def test_an_email_waits_for_the_mail_server(
    ada: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    ask(client)
    with sending(services, port=free_port()):
        wait_until(lambda: _attempts(services) == 1, 30, "an attempt")
    assert smtp.messages == []
    with services.database.write() as session:
        session.execute(update(OneTimeToken).values(not_before=now()))
    with sending(services):
        assert reset(client, token_in(smtp, "reset")).status_code == 204


def _attempts(services: Services) -> int:
    with services.database.read() as session:
        return session.query(OneTimeToken).one().attempts


def test_an_address_is_verified_by_an_email_to_it(
    ada: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    """It should be sent when the address is given, and again where it is asked for."""
    with sending(services):
        assert move(ada, OTHER) is False
        token = token_in(smtp, "verify", OTHER)
        assert ada.http.get("/v1/me").json()["email_verified"] is False
        assert reset(client, token).json()["code"] == "invalid_or_expired_token", "it is good for nothing else"
        assert client.post("/v1/email-verifications/confirm", json={"token": token}).status_code == 204
        assert ada.http.get("/v1/me").json()["email_verified"] is True
        # Another address is another matter.
        assert ada.http.patch("/v1/me", json={"email_notifications": False}).json()["email_verified"] is True
        assert ada.http.post("/v1/email-verifications").status_code == 202
        late = token_in(smtp, "verify", OTHER)
        assert move(ada, "third@example.org") is False
        confirmed = client.post("/v1/email-verifications/confirm", json={"token": late})
        assert confirmed.json()["code"] == "invalid_or_expired_token"


def test_a_name_that_is_an_address_is_verified_as_any(
    client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    """It should make no difference that the v0 API knows names only."""
    credentials = {"username": OTHER, "password": PASSWORD}
    assert client.post("/register", json=credentials).status_code == 200
    tokens = client.post("/v1/sessions", json=credentials).raise_for_status().json()
    me = client.get("/v1/me", headers=bearer(tokens["access_token"])).json()
    assert (me["email"], me["email_verified"]) == (OTHER, False)
    with sending(services):
        token = token_in(smtp, "verify", OTHER)
    assert client.post("/v1/email-verifications/confirm", json={"token": token}).status_code == 204
    assert client.get("/v1/me", headers=bearer(tokens["access_token"])).json()["email_verified"] is True


def test_a_password_is_reset_by_way_of_a_verified_address_only(
    ada: SignedIn, client: httpx.Client, services: Services, smtp: SMTPServer
) -> None:
    move(ada, OTHER)
    assert ask(client).status_code == 202
    with sending(services):
        token_in(smtp, "verify", OTHER)
        wait_until(lambda: not _waiting(services), 30, "the end of the other")
    assert len(smtp.messages) == 1


def test_one_address_is_asked_three_times_a_day_whoever_names_it(
    ada: SignedIn, bob: SignedIn, services: Services
) -> None:
    """It should take the address, and ask no more; a day later it may be asked again."""
    for user in (bob, ada):
        move(user, OTHER)
    assert ada.http.post("/v1/email-verifications").status_code == 202
    refused = [user.http.post("/v1/email-verifications") for user in (ada, bob)]
    assert [answer.status_code for answer in refused] == [429, 429]
    assert 85_000 < int(refused[0].headers["Retry-After"]) <= 86_400
    assert _waiting(services) == throttling.VERIFICATIONS_PER_DAY
    with services.database.write() as session:
        session.execute(update(Attempt).values(expires_at=now()))
    assert bob.http.post("/v1/email-verifications").status_code == 202


def test_a_stranger_keeps_nobody_from_having_an_address_verified(
    ada: SignedIn, bob: SignedIn, services: Services
) -> None:
    """It should send the owner's first email whatever a stranger has asked for, and count nothing that it refused."""
    move(bob, OTHER)
    statuses = [bob.http.post("/v1/email-verifications").status_code for _ in range(20)]
    assert statuses == [202] * (throttling.VERIFICATIONS_PER_DAY - 1) + [429] * (21 - throttling.VERIFICATIONS_PER_DAY)
    before = _counted(services)
    assert bob.http.post("/v1/email-verifications").status_code == 429
    assert _counted(services) == before
    move(ada, OTHER)
    assert _emails_to(services, ada) == 1


def test_one_address_has_a_bound_however_many_accounts_name_it(
    ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "VERIFICATIONS_TO_ONE_ADDRESS", 4)
    with services.database.write() as session:
        for number in range(4):
            for throttle in throttling.verifications(session, f"{number:032x}", OTHER, None):
                throttle.count(session)
    move(ada, OTHER)
    assert _emails_to(services, ada) == 0
    assert ada.http.post("/v1/email-verifications").status_code == 429


def test_what_is_refused_among_many_at_once_counts_for_nothing(
    ada: SignedIn, bob: SignedIn, services: Services
) -> None:
    """It should leave no more rows than emails, so the owner's first one is sent."""
    move(bob, OTHER)
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: bob.http.post("/v1/email-verifications").status_code, range(24)))
    assert statuses.count(202) < throttling.VERIFICATIONS_PER_DAY
    move(ada, OTHER)
    assert _emails_to(services, ada) == 1


def _counted(services: Services) -> int:
    with services.database.read() as session:
        return session.query(Attempt).count()


def _emails_to(services: Services, user: SignedIn) -> int:
    with services.database.read() as session:
        return session.query(OneTimeToken).where(OneTimeToken.user_id == user.user_id).count()


def test_a_mail_server_that_is_slow_does_not_stall_the_loop(
    ada: SignedIn, client: httpx.Client, services: Services
) -> None:
    """It should be busy while it waits for an answer, so that nobody takes it for stalled."""
    ask(client)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with sending(services, port=silent.getsockname()[1]) as loop:
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                assert loop.is_busy
        assert not loop.is_busy


def test_one_account_asks_three_addresses_a_day(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    for number in range(throttling.VERIFICATIONS_PER_DAY + 2):
        assert move(bob, f"victim-{number}@example.org") is False
    with services.database.read() as session:
        asked = session.scalars(select(OneTimeToken.email).where(OneTimeToken.user_id == bob.user_id)).all()
    # What was on its way to the addresses before has ended with them.
    assert asked == []
    assert bob.http.post("/v1/email-verifications").status_code == 429


def test_who_has_no_address_is_told_so(bob: SignedIn, client: httpx.Client) -> None:
    refused = bob.http.post("/v1/email-verifications")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert client.post("/v1/email-verifications").status_code == 401
