"""Two services on one host, and one browser that uses both."""

from collections.abc import Callable
from pathlib import Path

import httpx

from tests.abuse.conftest import StartService
from tests.acceptance.service import PASSWORD, Service


def without_own_names() -> None:
    """All services of a host have one name for their cookie."""
    from video2mp3.api.accounts import sessions
    from video2mp3.api.auth import cookies, identity

    def one_name(*_: object) -> cookies.SessionCookie:
        return cookies.SessionCookie(cookies.NAME, "/", is_secure=False)

    identity.session_cookie = sessions.session_cookie = one_name  # type: ignore[assignment, attr-defined]


def sign_in(browser: httpx.Client, service: Service, name: str) -> None:
    origin = {"Origin": service.url}
    account = {"username": name, "password": PASSWORD}
    httpx.post(f"{service.url}/v1/accounts", json=account).raise_for_status()
    browser.post(f"{service.url}/v1/sessions?cookie=true", json=account, headers=origin).raise_for_status()


def signed_in_as(browser: httpx.Client, service: Service) -> tuple[str, str]:
    # From a page, as a browser has it: a program of this machine would be `local` without a cookie.
    me = browser.get(f"{service.url}/v1/me", headers={"Origin": service.url})
    return me.json().get("username", str(me.status_code)), me.json().get("signed_in_by", "")


def use_both(
    start_service: StartService, tmp_path: Path, without: Callable[[], None] | None = None
) -> list[tuple[str, str]]:
    with (
        start_service(without) as first,
        start_service(without, data_dir=tmp_path / "second") as second,
        httpx.Client() as browser,
    ):
        sign_in(browser, first, "ada")
        sign_in(browser, second, "eve")
        return [signed_in_as(browser, first), signed_in_as(browser, second)]


def test_a_browser_stays_signed_in_to_both(start_service: StartService, tmp_path: Path) -> None:
    assert use_both(start_service, tmp_path) == [("ada", "cookie"), ("eve", "cookie")]


def test_with_one_name_the_second_service_ends_the_first_s_session(start_service: StartService, tmp_path: Path) -> None:
    assert use_both(start_service, tmp_path, without_own_names) == [("401", ""), ("eve", "cookie")]
