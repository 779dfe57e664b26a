"""Somebody else's address in an account: nothing goes there but a few messages that ask whose it is."""

from email.message import EmailMessage

import httpx

from tests.abuse.conftest import StartService
from tests.acceptance.service import PASSWORD, Service, emails_to, wait_for_end
from tests.notify.test_email import content_of
from tests.servers import wait_until
from video2mp3.accounts import throttling
from video2mp3.database.tables import User
from video2mp3.notify import account_emails, loop

VICTIM = "victim@example.org"
OTHER = "bystander@example.org"
# What a sender of spam would have the victim read.
MESSAGE = "BUY-PILLS-AT-evil.example"


def without_verified_addresses() -> None:
    """Mail goes to any address that an account names, and as often as somebody asks for it."""

    def named(user: User) -> str | None:
        return user.email

    loop.address_of = named  # type: ignore[attr-defined]  # imported there, not exported
    account_emails.address_of = named  # type: ignore[attr-defined]  # as above
    throttling.VERIFICATIONS_PER_DAY = throttling.VERIFICATIONS_TO_ONE_ADDRESS = 1000


def register(service: Service, name: str, email: str | None) -> httpx.Client:
    client = httpx.Client(base_url=service.url, timeout=60)
    account = {"username": name, "password": PASSWORD} | ({"email": email} if email else {})
    client.post("/v1/accounts", json=account).raise_for_status()
    tokens = client.post("/v1/sessions", json={"username": name, "password": PASSWORD}).raise_for_status()
    client.headers["Authorization"] = f"Bearer {tokens.json()['access_token']}"
    return client


def abuse(service: Service) -> list[EmailMessage]:
    """Has all sent to the victim that can be; returns what came there once the same has come to a verified address."""
    strangers = [register(service, f"{MESSAGE}-{number}", VICTIM) for number in range(4)]
    # A name that is an address: the v0 API takes no other.
    username = {"username": VICTIM, "password": PASSWORD}
    httpx.post(f"{service.url}/register", json=username).raise_for_status()
    for client in strangers:
        for _ in range(3):
            client.post("/v1/email-verifications")
        client.post("/v1/password-resets", json={"username": f"{MESSAGE}-0"})
        convert(client)
    with service.user(email=OTHER) as other:
        before = len(emails_to(service, OTHER))
        convert(other)
        wait_until(lambda: len(emails_to(service, OTHER)) > before, 30, "the email about the conversion")
        before = len(emails_to(service, OTHER))
        other.post("/v1/password-resets", json={"username": other.get("/v1/me").json()["username"]})
        # They are sent in the order in which they were asked for.
        wait_until(lambda: len(emails_to(service, OTHER)) > before, 30, "the email about the password")
    for client in strangers:
        client.close()
    return emails_to(service, VICTIM)


def convert(client: httpx.Client) -> None:
    job = client.post("/v1/conversions", files={"file": (f"{MESSAGE}.mp4", b"no video at all")}).raise_for_status()
    assert wait_for_end(client, job.json()["id"])["state"] == "failed"


def text_of(email: EmailMessage) -> str:
    return f"{email['Subject']} {content_of(email)} {content_of(email, 'html')}"


def test_an_unverified_address_is_asked_whose_it_is_and_told_nothing(whole_service: Service) -> None:
    emails = abuse(whole_service)
    assert {email["Subject"] for email in emails} == {"Is this your address?"}
    assert 1 <= len(emails) <= throttling.VERIFICATIONS_TO_ONE_ADDRESS
    assert not [email for email in emails if "evil" in text_of(email)]


def test_without_verification_the_service_sends_strangers_messages(start_service: StartService) -> None:
    with start_service(without_verified_addresses) as service:
        abuse(service)
        many = throttling.VERIFICATIONS_TO_ONE_ADDRESS + 4
        wait_until(lambda: len(emails_to(service, VICTIM)) > many, 60, "the emails to the victim")
        emails = emails_to(service, VICTIM)
    assert len([email for email in emails if MESSAGE in text_of(email)]) >= 4
