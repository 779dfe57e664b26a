"""An address that no message can be composed to: the emails of everybody else are sent all the same."""

import re

import httpx
from sqlalchemy import update

from tests.abuse.conftest import StartService
from tests.acceptance.service import PASSWORD, Service, emails_to
from tests.servers import free_port, wait_until
from video2mp3 import supervision
from video2mp3.accounts import email_addresses, one_time_tokens, users
from video2mp3.accounts.one_time_tokens import ClaimedEmail
from video2mp3.database.tables import OneTimeToken
from video2mp3.notify.account_emails import AccountEmails
from video2mp3.outbox.claims import End

POISONS = (
    "=?utf-8?q?=0a?=@b.c",
    "=?utf-8?q?=40?==?utf-8?q?=00?==?utf-8?q?=2c?==?us-ascii?q?=@=?utf-8?q?=2c?=",
)
VICTIM = "poisoned-victim@example.org"
_FAILING_S = 3.0


def without_the_check() -> None:
    """Addresses are only looked at for their form, as if the check had a hole; and what takes minutes takes seconds."""

    def has_the_form(text: str) -> bool:
        return email_addresses._EMAIL.fullmatch(text) is not None and text.isprintable()

    users.is_email = has_the_form  # type: ignore[attr-defined]  # imported there, not exported
    # A loop that fails is reported soon.
    supervision.FAILING_S = _FAILING_S


def without_any_guard() -> None:
    """What an email raises ends the turn; it is due again at once, in the order in which emails were requested."""

    def send(self: AccountEmails, claimed: ClaimedEmail) -> End:
        with self._database.write() as session:
            session.execute(update(OneTimeToken).values(state="queued"))
        return self._send(claimed)

    without_the_check()
    AccountEmails._send_or_retry = send  # type: ignore[method-assign]
    one_time_tokens._turn = lambda: (OneTimeToken.id.expression,)


def register(service: Service, name: str, email: str) -> httpx.Response:
    account = {"username": name, "password": PASSWORD, "email": email}
    return httpx.post(f"{service.url}/v1/accounts", json=account, timeout=60)


def poison(service: Service) -> None:
    for number, address in enumerate(POISONS):
        register(service, f"stranger-{number}", address).raise_for_status()


def is_ready(service: Service) -> bool:
    return httpx.get(f"{service.url}/readyz", timeout=60).status_code == 200


def test_a_poisoned_address_is_refused_and_a_name_stays_a_name(whole_service: Service) -> None:
    for number, address in enumerate(POISONS):
        refused = register(whole_service, f"stranger-{number}", address)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    url, credentials = whole_service.url, {"username": POISONS[0], "password": PASSWORD}
    httpx.post(f"{url}/register", json=credentials, timeout=60).raise_for_status()
    tokens = httpx.post(f"{url}/v1/sessions", json=credentials, timeout=60).raise_for_status().json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert httpx.get(f"{url}/v1/me", headers=headers, timeout=60).json()["email"] is None


def test_an_email_that_fails_stops_no_other(start_service: StartService) -> None:
    """It should hold where the check of addresses has a hole."""
    port = free_port()
    with start_service(without_the_check, metrics_port=port) as service:
        poison(service)
        register(service, "victim", VICTIM).raise_for_status()
        wait_until(lambda: emails_to(service, VICTIM), 30, "the victim's email")
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
        assert re.search(r'video2mp3_account_emails_total\{outcome="retried"\} [2-9]\.', metrics)
        assert is_ready(service)


def test_without_the_guards_one_stranger_stops_all_emails(start_service: StartService) -> None:
    with start_service(without_any_guard) as service:
        poison(service)
        register(service, "victim", VICTIM).raise_for_status()
        wait_until(lambda: not is_ready(service), 60, "the loop to be reported")
        assert not emails_to(service, VICTIM)
