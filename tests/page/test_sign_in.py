"""Signing in and out on the page."""

from playwright.sync_api import Page, Route, expect

from tests.acceptance.service import PASSWORD, Service
from tests.page.conftest import make_account, register


def test_the_printed_link_signs_in_once(service: Service, page: Page) -> None:
    """It should sign the browser in with the link that `serve` prints, and show the page again while that lasts.

    This machine's user has no password and cannot be deleted, so neither is offered.
    """
    link = service.roles["serve"].wait_for_output(r"http://\S+/sign-in\?token=\S+")[0]
    convert = page.get_by_role("heading", name="Drop a video, get an MP3")
    for _ in range(2):
        page.goto(link)
        expect(convert).to_be_visible()
        assert "token" not in page.url
    page.goto(f"{service.url}/#/account/security")
    expect(page.get_by_role("heading", name="Active sessions")).to_be_visible()
    expect(page.get_by_role("heading", name="Password")).to_have_count(0)
    page.goto(f"{service.url}/#/account/data")
    expect(page.get_by_role("link", name="Download my data")).to_be_visible()
    expect(page.get_by_text("Delete my account")).to_have_count(0)
    page.context.clear_cookies()
    answer = page.goto(link)
    assert answer is not None
    assert answer.status == 401
    expect(page.get_by_role("heading", name="This sign-in link no longer works")).to_be_visible()


def test_whoever_registers_is_signed_in(service: Service, page: Page) -> None:
    """It should stay so when the page is loaded again, and say what is wrong with a password."""
    page.goto(service.url)
    make_account(page, "page-user")
    page.reload()
    expect(page.get_by_role("heading", name="Drop a video, get an MP3")).to_be_visible()
    page.context.clear_cookies()
    page.reload()
    page.get_by_label("Username", exact=True).fill("page-user")
    page.get_by_label("Password").fill(PASSWORD + "?")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("password is wrong")


def test_the_rules_are_there_before_an_error(service: Service, page: Page) -> None:
    """It should describe both fields of a new account, and neither of an account that exists."""
    page.goto(service.url)
    expect(page.get_by_label("Password")).to_have_accessible_description("")
    page.get_by_role("link", name="Create account").click()
    expect(page.get_by_role("heading", name="Create account")).to_be_focused()
    expect(page.get_by_label("Username", exact=True)).to_have_accessible_description(
        "Up to 64 characters, without a colon."
    )
    expect(page.get_by_label("Password")).to_have_accessible_description("At least 8 characters.")
    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_visitor_on_this_machine_is_told_of_the_link(service: Service, page: Page) -> None:
    page.goto(service.url)
    expect(page.get_by_text("Open the link that the service printed")).to_be_visible()


def test_without_a_mail_server_the_page_promises_no_emails(service: Service, page: Page) -> None:
    """It should offer neither a new password by email nor the switch for emails."""

    def without_email(route: Route) -> None:
        answer = route.fetch()
        sends, sends_not = (f"&quot;sends_email&quot;: {value}" for value in ("true", "false"))
        assert sends in answer.text()
        route.fulfill(response=answer, body=answer.text().replace(sends, sends_not))

    forgotten = page.get_by_text("Forgot your password?")
    page.goto(service.url)
    expect(forgotten).to_be_visible()
    page.route(f"{service.url}/", without_email)
    register(page, service, "page-no-email")
    page.goto(f"{service.url}/#/account")
    expect(page.get_by_label("Email address")).to_be_visible()
    expect(page.get_by_label("Email me when a conversion ends")).to_have_count(0)
    page.context.clear_cookies()
    page.goto(service.url)
    page.reload()
    expect(page.get_by_role("link", name="Create account")).to_be_visible()
    expect(forgotten).to_have_count(0)
