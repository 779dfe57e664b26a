"""Whatever strangers call themselves and their files: a message is composed, and nothing is added to its head."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.notify.test_email import LINKS
from tests.options import resolved
from video2mp3.accounts.email_addresses import is_email
from video2mp3.database.tables import Job
from video2mp3.notify.addresses import with_ascii_domain
from video2mp3.notify.composing import compose, compose_account_email

POISONED = (
    "=?utf-8?q?=0a?=@b.c",
    "=?utf-8?q?=40?==?utf-8?q?=00?==?utf-8?q?=2c?==?us-ascii?q?=@=?utf-8?q?=2c?=",
    "a@=?utf-8?q?b.c=2cd=40e.f?=",
    "=?utf-8?b?CkJjYzogYUBiLmM=?=@b.c",
    "a\x00b@c.d",
    "a\u2028@b.c",
    "a\u200b@b.c",
    "a\ud800@b.c",
    "a@b.",
)
GOOD = ("ada@example.org", "o'brien+tag=x?@example.org", "grüße@example.org", "a@bücher.example", "ada@localhost")
_WORDS = ("=?utf-8?q?=0a?=", "=?utf-8?b?", "=?", "?=", "=40", "=0d=0aBcc:_a", "utf-8", "..", ".", "xn--", "'", "%", "é")
_PIECES = st.lists(st.sampled_from(_WORDS) | st.text(max_size=6) | st.text("abc019-_+=?!#$.", max_size=12), max_size=6)
_TEXTS = _PIECES.map("".join)
# Most of what is tried should pass the look at the form.
_PLAIN = st.text("abcé019-_+=?!#$.'", min_size=1, max_size=20)
_ADDRESSES = st.builds("{}@{}".format, _TEXTS | _PLAIN, _TEXTS | _PLAIN) | st.from_regex(
    r"[^\s@]{1,70}@[^\s@]{1,80}", fullmatch=True
)
_NAMES_OF_HEADERS = {
    "To",
    "Message-ID",
    "Date",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Subject",
    "Content-Type",
    "MIME-Version",
}
_ABOUT_CONVERSIONS = _NAMES_OF_HEADERS | {"List-Unsubscribe", "List-Unsubscribe-Post"}


def sent(message: EmailMessage, address: str) -> EmailMessage:
    """The message as the mailer hands it over and a server reads it."""
    assert isinstance(message.policy, policy.EmailPolicy)
    written = message.as_bytes(policy=message.policy.clone(utf8=not address.isascii()))
    parsed = message_from_bytes(written, policy=policy.SMTPUTF8)
    assert isinstance(parsed, EmailMessage)
    return parsed


def about_a_job(name: str, address: str, state: str = "failed") -> EmailMessage:
    job = Job(id="a" * 32, source_name=name, state=state, options=resolved(), error_detail=name)
    return sent(compose(job, address, LINKS, "n1"), address)


@pytest.mark.parametrize("address", POISONED, ids=ascii)
def test_an_address_that_no_message_can_be_composed_to_is_none(address: str) -> None:
    assert not is_email(address)


@pytest.mark.parametrize("address", GOOD)
def test_usual_addresses_are_taken(address: str) -> None:
    assert is_email(address)


@settings(deadline=None)
@given(_ADDRESSES)
def test_every_address_that_is_taken_can_be_written_to(address: str) -> None:
    """It should stand in both messages as it is, and be their only recipient."""
    if not is_email(address):
        return
    for kind in ("reset", "verify"):
        email = compose_account_email("reset" if kind == "reset" else "verify", address, address, "https://x/", "n1")
        assert sent(email, address)["To"] == with_ascii_domain(address)
        assert getaddresses([email["To"]]) == [("", with_ascii_domain(address))]
        assert set(sent(email, address).keys()) == _NAMES_OF_HEADERS
    assert about_a_job("talk.mp4", address)["To"] == with_ascii_domain(address)


@pytest.mark.parametrize("state", ["failed", "finished"])
@settings(deadline=None)
@given(name=_TEXTS | st.text(max_size=300))
def test_no_file_name_adds_a_header(state: str, name: str) -> None:
    email = about_a_job(name, "ada@example.org", state)
    assert set(email.keys()) == _ABOUT_CONVERSIONS
    assert len(str(email["Subject"]).splitlines()) == 1


def test_an_encoded_word_in_a_file_name_is_not_decoded() -> None:
    email = about_a_job("=?utf-8?q?=0d=0aBcc:_victim@example.org?=", "ada@example.org")
    assert email["Bcc"] is None
    assert "= ?utf-8?q?=0d=0aBcc:_victim@example.org?=" in email["Subject"]
