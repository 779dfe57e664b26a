"""One's own account, and what administrators see."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.acceptance.service import PASSWORD, Service, add_administrator, emails_to, embedded
from tests.media import corpus_file
from tests.outbound.listeners import answer, web_server
from tests.page.axe import barriers
from tests.page.conftest import make_account, register, sign_in
from tests.servers import SMTPServer, wait_until


@pytest.fixture(scope="module")
def received() -> list[str]:
    """The paths that the receiver of webhooks was asked for."""
    return []


@pytest.fixture(scope="module")
def receiver(received: list[str]) -> Iterator[int]:
    """A receiver of webhooks, which refuses the first message; its port."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers["Content-Length"]))
        received.append(handler.path)
        answer(handler, 500 if len(received) == 1 else 204)

    with web_server(respond) as port:
        yield port


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, receiver: int) -> Iterator[Service]:
    """A service that may tell the receiver, with an administrator `root`."""
    mail_server = SMTPServer()
    mail_server.start()
    env = {"VIDEO2MP3_ALLOWED_NETWORKS": "127.0.0.0/8", "VIDEO2MP3_ALLOWED_PORTS": f"{receiver}"}
    with embedded(tmp_path_factory.mktemp("account"), mail_server, env) as service:
        add_administrator(service, "root")
        yield service
    mail_server.close()


def open_view(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def open_tab(page: Page, view: str, name: str) -> None:
    """Opens a view at one of its tabs."""
    open_view(page, view)
    page.get_by_role("navigation", name=view).get_by_role("link", name=name).click()
    expect(page.get_by_role("navigation", name=view).get_by_role("link", name=name)).to_have_attribute(
        "aria-current", "page"
    )


def section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def convert(page: Page, service: Service, path: Path) -> None:
    """Orders a conversion as the page's user, without the page."""
    file = FilePayload(name=path.name, mimeType="video/mp4", buffer=path.read_bytes())
    answered = page.request.post(
        f"{service.url}/v1/conversions", multipart={"file": file}, headers={"Origin": service.url}
    )
    assert answered.status == 202


def test_address_and_email_notifications_are_changed(service: Service, page: Page) -> None:
    register(page, service, "profile")
    open_view(page, "Account")
    profile = section(page, "Profile")
    profile.get_by_label("Email address").fill("profile@example.org")
    profile.get_by_label("Email me when").uncheck()
    # Another address asks for the password; and says so where it is wrong.
    profile.get_by_role("button", name="Save").click()
    expect(profile.get_by_role("alert")).to_contain_text("password is wrong")
    assert barriers(page) == []
    profile.get_by_label("password").fill(PASSWORD)
    profile.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_attached()
    expect(profile.get_by_label("password")).to_have_count(0)
    page.reload()
    expect(profile.get_by_label("Email address")).to_have_value("profile@example.org")
    expect(profile.get_by_label("Email me when")).not_to_be_checked()
    expect(section(page, "Limits")).to_contain_text("0 of ")
    assert barriers(page) == []
    profile.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    assert page.context.cookies() == []


def test_a_password_is_changed_and_other_sessions_end(service: Service, page: Page) -> None:
    page.goto(service.url)
    make_account(page, "password")
    with service.user("password-2"):
        pass
    other = page.request.post(f"{service.url}/v1/sessions", data={"username": "password", "password": PASSWORD})
    assert other.ok
    open_tab(page, "Account", "Security")
    sessions = section(page, "Active sessions").get_by_role("listitem")
    expect(sessions).to_have_count(2)
    expect(sessions.filter(has_text="current session")).to_contain_text("Chrome, Linux")
    form = section(page, "Password")
    form.get_by_label("Current password").fill("wrong")
    form.get_by_label("New password").fill(PASSWORD + " two")
    form.get_by_role("button", name="Change").click()
    expect(form.get_by_role("alert")).to_contain_text("password is wrong")
    form.get_by_label("Current password").fill(PASSWORD)
    form.get_by_role("button", name="Change").click()
    expect(form).to_contain_text("Your password was changed.")
    expect(sessions).to_have_count(1)


def test_a_session_elsewhere_is_ended(service: Service, page: Page) -> None:
    register(page, service, "sessions")
    signed_in = page.request.post(f"{service.url}/v1/sessions", data={"username": "sessions", "password": PASSWORD})
    token = signed_in.json()["access_token"]
    open_tab(page, "Account", "Security")
    other = section(page, "Active sessions").get_by_role("listitem").filter(has_not_text="current session")
    other.get_by_role("button", name="End").click()
    other.get_by_role("button", name="End").click()
    expect(other).to_have_count(0)
    ended = page.request.get(
        f"{service.url}/v1/conversions", headers={"Authorization": f"Bearer {token}", "Cookie": ""}
    )
    assert ended.status == 401


def test_an_api_key_is_shown_once_and_works_until_it_is_deleted(service: Service, page: Page) -> None:
    register(page, service, "keys")
    open_tab(page, "Account", "API keys")
    keys = section(page, "API keys")
    expect(keys).to_contain_text("No API keys yet")
    keys.get_by_label("Name", exact=True).fill("a script")
    keys.get_by_label("Permission").select_option(label="view and download")
    keys.get_by_role("button", name="Create key").click()
    shown = keys.get_by_label("Your new key")
    expect(shown).to_be_focused()
    key = shown.input_value()
    assert key.startswith("v2m_")
    assert barriers(page) == []
    keys.get_by_role("button", name="Done").click()
    expect(shown).to_have_count(0)
    page.reload()
    expect(keys.get_by_role("listitem")).to_contain_text(re.compile("a script.*view and download", re.DOTALL))
    assert key not in page.content()

    def status() -> int:
        headers = {"Authorization": f"Bearer {key}", "Cookie": ""}
        return page.request.get(f"{service.url}/v1/conversions", headers=headers).status

    assert status() == 200
    keys.get_by_role("button", name="Delete: a script").click()
    expect(keys).to_contain_text("Programs that use this key lose access.")
    keys.get_by_role("button", name="Delete", exact=True).click()
    expect(keys).to_contain_text("No API keys yet")
    assert status() == 401


def test_a_webhook_tells_its_deliveries_and_sends_them_again(
    service: Service, page: Page, receiver: int, received: list[str]
) -> None:
    register(page, service, "webhooks")
    open_tab(page, "Account", "Webhooks")
    webhooks = section(page, "Webhooks")
    expect(webhooks).to_contain_text("No webhooks yet")  # what loads would move the form from under a click
    webhooks.get_by_label("URL").fill("http://10.0.0.1/")
    webhooks.get_by_role("button", name="Add").click()
    expect(webhooks.get_by_role("alert")).to_contain_text("private network")
    webhooks.get_by_label("URL").fill(f"http://127.0.0.1:{receiver}/told")
    webhooks.get_by_role("button", name="Add").click()
    assert webhooks.get_by_label("Signing secret").input_value().startswith("whsec_")
    webhooks.get_by_role("button", name="Done").click()

    convert(page, service, corpus_file("mp4/sample.mp4"))
    webhooks.get_by_role("button", name="Deliveries").click()
    delivery = webhooks.get_by_role("listitem").get_by_role("listitem")
    expect(delivery).to_contain_text("HTTP 500", timeout=60_000)
    assert barriers(page) == []
    delivery.get_by_role("button", name="Send again").click()
    expect(delivery).to_contain_text("Delivered", timeout=60_000)
    assert received == ["/told", "/told"]
    webhooks.get_by_role("button", name=re.compile("Delete: http")).click()
    webhooks.get_by_role("button", name="Delete", exact=True).click()
    expect(webhooks).to_contain_text("No webhooks yet")


def test_administrators_see_everything_and_others_nothing(service: Service, page: Page) -> None:
    register(page, service, "somebody")
    convert(page, service, corpus_file("mp4/sample_video_only.mp4"))
    expect(page.get_by_role("link", name="Administration")).to_have_count(0)
    page.goto(f"{service.url}/#/admin")
    expect(page.get_by_role("main")).to_contain_text("does not have permission")

    page.context.clear_cookies()
    sign_in(page, service, "root")
    open_view(page, "Administration")
    expect(section(page, "Overview")).to_contain_text(re.compile(r"Free disk space\s*[\d.]+ GB"))
    expect(section(page, "Workers")).to_contain_text("idle", timeout=60_000)
    open_tab(page, "Administration", "Conversions")
    jobs = section(page, "All conversions")
    jobs.get_by_label("Username").fill("somebody")
    jobs.get_by_role("button", name="Search").click()
    job = jobs.get_by_role("listitem")
    expect(job).to_contain_text(re.compile("sample_video_only.*failed.*no audio", re.DOTALL), timeout=60_000)
    assert barriers(page) == []
    job.get_by_role("button", name="Try again").click()
    expect(job).to_have_count(2)
    jobs.get_by_label("State").select_option("finished")
    expect(jobs).to_contain_text("No conversions found")
    open_tab(page, "Administration", "Audit log")
    expect(section(page, "Audit log")).to_contain_text("login.succeeded")
    page.reload()
    expect(section(page, "Audit log")).to_be_visible()


def test_a_search_is_not_lost_while_the_list_loads(service: Service, page: Page) -> None:
    """It should show what was searched for, and no response to the request from before."""
    held: list[Route] = []
    with service.user("wanted"):
        sign_in(page, service, "root")
        page.route(re.compile(r"/v1/admin/users\?search=$"), lambda route: held.append(route))
        open_tab(page, "Administration", "Users")
        users = section(page, "Users")
        users.get_by_role("searchbox").fill("wante")
        users.get_by_role("button", name="Search").click()
        expect(users.get_by_role("listitem")).to_have_count(1)
        with page.expect_response(re.compile(r"/v1/admin/users\?search=$")):
            held[0].continue_()
        page.evaluate("new Promise((done) => setTimeout(done, 300))")  # the page handles it
        expect(users.get_by_role("listitem")).to_have_count(1)


def test_a_user_is_disabled_at_once(service: Service, page: Page) -> None:
    with service.user("unwanted") as unwanted:
        sign_in(page, service, "root")
        open_tab(page, "Administration", "Users")
        users = section(page, "Users")
        users.get_by_role("searchbox").fill("unwant")
        users.get_by_role("button", name="Search").click()
        user = users.get_by_role("listitem")
        expect(user).to_have_count(1)
        assert unwanted.get("/v1/me").status_code == 200
        user.get_by_role("button", name="Disable: unwanted").click()
        user.get_by_role("button", name="Disable", exact=True).click()
        expect(user).to_contain_text("disabled")
        assert unwanted.get("/v1/me").status_code == 401
        user.get_by_role("button", name="Enable").click()
        expect(user).not_to_contain_text("disabled")


def test_whoever_is_invited_makes_an_account(service: Service, page: Page) -> None:
    """It should lead from the link that the administrator is shown to an account of the visitor's own."""
    sign_in(page, service, "root")
    open_tab(page, "Administration", "Users")
    invitations = section(page, "Invitations")
    # By the keyboard: a list above that has just loaded moves the button away from under a click.
    invitations.get_by_role("button", name="Create invitation").press("Enter")
    url = invitations.get_by_label("Invitation link").input_value()
    expect(invitations.get_by_role("listitem")).to_contain_text("valid until")
    page.context.clear_cookies()
    page.goto("about:blank")
    page.goto(service.url + url[url.index("/#") :])  # its own port 0 is not known to the settings
    expect(page.get_by_role("heading", name="You are invited")).to_be_visible()
    assert barriers(page) == []
    page.get_by_label("Username", exact=True).fill("invited")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("link", name="Account")).to_be_visible()


def link_in(service: Service, address: str, kind: str) -> str:
    """The link in the email of that kind that was sent to the address."""

    def found() -> re.Match[str] | None:
        bodies = [email.get_body(("plain",)) for email in emails_to(service, address)]
        texts = [body.get_content() for body in bodies if body]
        return next((match for text in texts if (match := re.search(rf"/#/sign-in/{kind}/\S+", text))), None)

    match = wait_until(found, 60, f"the email ({kind})")
    assert match is not None
    return service.url + match[0]


def test_emails_verify_an_address_and_replace_a_password(service: Service, page: Page) -> None:
    register(page, service, "letters")
    open_view(page, "Account")
    profile = section(page, "Profile")
    profile.get_by_label("Email address").fill("letters@example.org")
    profile.get_by_label("Current password").fill(PASSWORD)
    profile.get_by_role("button", name="Save").click()
    profile.get_by_role("button", name="Send verification email").click()
    page.goto(link_in(service, "letters@example.org", "verify"))
    page.get_by_role("button", name="Yes, this address is mine").click()
    page.get_by_role("main").get_by_role("button", name="Account").click()
    expect(profile).to_contain_text("Your email address is verified.")
    profile.get_by_role("button", name="Sign out").click()

    page.get_by_text("Forgot your password?").click()
    page.get_by_label("Username of the account").fill("letters")
    page.get_by_role("button", name="Send email").click()
    expect(page.get_by_role("status").filter(has_text="receive an email shortly")).to_be_visible()
    assert barriers(page) == []
    page.goto(link_in(service, "letters@example.org", "reset"))
    page.get_by_role("textbox", name="New password").fill(PASSWORD + " three")
    assert barriers(page) == []
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_role("main")).to_contain_text("Your password was changed")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Username", exact=True).fill("letters")
    page.get_by_label("Password", exact=True).fill(PASSWORD + " three")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("link", name="Account")).to_be_visible()


def test_everything_is_taken_along_and_the_account_deleted(service: Service, page: Page) -> None:
    register(page, service, "leaving")
    open_tab(page, "Account", "Your data")
    leaving = section(page, "Export or delete your account")
    with page.expect_download() as download:
        leaving.get_by_role("link", name="Download my data").click()
    assert download.value.suggested_filename.endswith(".zip")
    leaving.get_by_label("Delete my account").check()
    leaving.get_by_label("Password").fill("wrong")
    leaving.get_by_role("button", name="Delete account").click()
    expect(leaving.get_by_role("alert")).to_contain_text("password is wrong")
    leaving.get_by_label("Password").fill(PASSWORD)
    leaving.get_by_role("button", name="Delete account").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    page.get_by_label("Username", exact=True).fill("leaving")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("password is wrong")
