"""A service without a mail server says so, and promises no emails."""

from tests.api.conftest import SignedIn
from tests.servers.programs import missing
from video2mp3.api.frame import pages


def test_without_a_mail_server_no_email_is_promised(ada: SignedIn) -> None:
    for path, body in (("/v1/password-resets", {"username": "ada"}), ("/v1/email-verifications", {})):
        refused = ada.http.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "email_not_configured")


def test_the_page_learns_whether_emails_are_sent(ada: SignedIn) -> None:
    if not (pages.FOLDER / "index.html").exists():
        missing("the built page (make page)")
    page = ada.http.get("/", headers={"Accept": "text/html"})
    assert "&quot;sends_email&quot;: false" in page.text
