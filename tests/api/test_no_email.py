"""A service without a mail server says so, and promises no emails."""

from tests.api.conftest import SignedIn


def test_without_a_mail_server_no_email_is_promised(ada: SignedIn) -> None:
    for path, body in (("/v1/password-resets", {"username": "ada"}), ("/v1/email-verifications", {})):
        refused = ada.http.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "email_not_configured")
