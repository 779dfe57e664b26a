from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from html import escape
from typing import Any, Literal

import pytest
from aiosmtpd.controller import Controller

from tests.options import resolved
from tests.servers import SMTPServer, free_port
from video2mp3.database.tables import Job, User
from video2mp3.errors import EmailRejected, EmailUnavailable
from video2mp3.notify.composing import Links, compose
from video2mp3.notify.smtp import Mailer, address_of

LINKS = Links(
    result="https://mp3.example.org/v1/shared/aa/mp3",
    conversion="https://mp3.example.org/v1/conversions/aa",
    unsubscribe="https://mp3.example.org/v1/unsubscribe?user=bb&signature=y",
)


def _mailer(host: str, port: int, **arguments: Any) -> Mailer:
    values: dict[str, Any] = {"security": "none", "username": "", "password": "", "sender": "mp3@example.org"}
    return Mailer(host=host, port=port, timeout_s=5, **{**values, **arguments})


def _job(**values: Any) -> Job:
    return Job(**{"id": "a" * 32, "source_name": "talk.mp4", "state": "finished", "options": resolved(), **values})


def content_of(email: EmailMessage, kind: Literal["plain", "html"] = "plain") -> str:
    """One of the two forms that an email has."""
    assert email.get_content_type() == "multipart/alternative"
    body = email.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


class _Answers:
    """A mail server that answers as it was told."""

    def __init__(self, recipient: str = "250 fine", data: str = "250 fine") -> None:
        self._recipient, self._data = recipient, data

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self._recipient

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        return self._data


@contextmanager
def _server(answers: _Answers) -> Iterator[Mailer]:
    port = free_port()
    controller = Controller(answers, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield _mailer("127.0.0.1", port)
    finally:
        controller.stop()


def test_a_mail_arrives_with_the_link(smtp: SMTPServer) -> None:
    job = _job(source_name="Grüße aus 東京.mp4", expires_at=1_800_000_000_000_000)
    _mailer(smtp.host, smtp.port).send(compose(job, "anna@example.org", LINKS, "n1"))
    email = smtp.wait_for_email()
    assert (email["From"], email["To"]) == ("mp3@example.org", "anna@example.org")
    assert email["Subject"] == "Your MP3 of Grüße aus 東京.mp4 is ready"
    assert email["Message-ID"] == "<n1>"
    for kind in ("plain", "html"):
        content = content_of(email, kind)
        assert "MP3 of Grüße aus 東京.mp4 is ready" in content
        assert (LINKS.result if kind == "plain" else f'href="{escape(LINKS.result)}"') in content
        assert "until 2027-01-15 08:00 UTC" in content
        assert (LINKS.unsubscribe if kind == "plain" else f'href="{escape(LINKS.unsubscribe)}"') in content
    assert email["List-Unsubscribe"] == f"<{LINKS.unsubscribe}>"
    assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_file_name_is_no_markup(smtp: SMTPServer) -> None:
    job = _job(source_name="<img src=x>&.mp4", state="failed", error_detail="<b>No</b>")
    content = content_of(compose(job, "anna@example.org", LINKS, "n1"), "html")
    assert "&lt;img src=x&gt;&amp;.mp4 could not be converted. &lt;b&gt;No&lt;/b&gt;" in content
    assert "<img" not in content


def test_the_mail_of_several_mp3s_says_how_many_are_in_the_zip() -> None:
    segment = {
        "title": None,
        "track": 1,
        "start_s": 0,
        "duration_s": 1,
        "offset_bytes": 0,
        "size_bytes": 1,
        "sha256": "",
    }
    for number, words in ((12, "our 12 MP3s of talk.mp4 are ready"), (1, "our MP3 of talk.mp4 is ready")):
        job = _job(options=resolved(split="chapters"), report={"segments": [segment] * number})
        email = compose(job, "anna@example.org", LINKS, "n1")
        assert email["Subject"] == f"Y{words}"
        assert f"y{words}, in a ZIP:\n\n{LINKS.result}\n" in content_of(email)


def test_the_mail_of_a_failed_job_says_why(smtp: SMTPServer) -> None:
    job = _job(state="failed", error_detail="The file has no audio track, so there is nothing to convert.")
    _mailer(smtp.host, smtp.port).send(compose(job, "anna@example.org", LINKS, "n1"))
    email = smtp.wait_for_email()
    assert email["Subject"] == "talk.mp4 could not be converted"
    assert "no audio track" in content_of(email)


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\x00"])
def test_a_file_name_adds_no_header_and_no_line(smtp: SMTPServer, line_end: str) -> None:
    name = f"talk{line_end}Bcc: victim@example.org{line_end}{line_end}Click here.mp4"
    _mailer(smtp.host, smtp.port).send(compose(_job(source_name=name), "anna@example.org", LINKS, "n1"))
    email = smtp.wait_for_email()
    assert email["Bcc"] is None
    assert email["Subject"] == "Your MP3 of talk Bcc: victim@example.org Click here.mp4 is ready"
    assert "\nBcc" not in content_of(email)


def test_a_long_name_is_cut(smtp: SMTPServer) -> None:
    message = compose(_job(source_name="x" * 5000), "anna@example.org", LINKS, "n1")
    assert len(message["Subject"]) < 150


@pytest.mark.parametrize(
    ("email", "verified_at", "address"),
    [("anna@example.org", 1, "anna@example.org"), ("anna@example.org", None, None), (None, None, None)],
)
def test_the_owner_is_emailed_where_the_address_is_verified(
    email: str | None, verified_at: int | None, address: str | None
) -> None:
    user = User(username="ben@example.org", email=email, email_verified_at=verified_at)
    assert address_of(user) == address


def test_a_recipient_that_does_not_exist_is_refused_for_good() -> None:
    message = compose(_job(), "nobody@example.org", LINKS, "n1")
    with _server(_Answers(recipient="550 no such mailbox")) as mailer, pytest.raises(EmailRejected):
        mailer.send(message)


def test_a_mail_that_is_not_wanted_is_refused_for_good() -> None:
    with _server(_Answers(data="554 no")) as mailer, pytest.raises(EmailRejected):
        mailer.send(compose(_job(), "anna@example.org", LINKS, "n1"))


@pytest.mark.parametrize(
    "answers",
    [
        {"recipient": "450 greylisted"},
        {"data": "451 try later"},
        {"data": "550 5.7.26 This sender is not authenticated"},
    ],
)
def test_a_server_that_is_busy_is_asked_again(answers: dict[str, str]) -> None:
    with _server(_Answers(**answers)) as mailer, pytest.raises(EmailUnavailable):
        mailer.send(compose(_job(), "anna@example.org", LINKS, "n1"))


def test_a_server_that_is_away_is_asked_again() -> None:
    with pytest.raises(EmailUnavailable):
        _mailer("127.0.0.1", free_port()).send(compose(_job(), "anna@example.org", LINKS, "n1"))


def test_nothing_is_sent_in_plain_text_where_encryption_is_asked_for(smtp: SMTPServer) -> None:
    with pytest.raises(EmailUnavailable):
        _mailer(smtp.host, smtp.port, security="starttls").send(compose(_job(), "anna@example.org", LINKS, "n1"))
    with pytest.raises(EmailUnavailable):
        _mailer(smtp.host, smtp.port, security="tls").send(compose(_job(), "anna@example.org", LINKS, "n1"))
    assert smtp.messages == []
    _mailer(smtp.host, smtp.port).send(compose(_job(), "anna@example.org", LINKS, "n1"))
    assert len(smtp.messages) == 1
