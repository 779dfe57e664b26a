"""A stranger who takes a name that looks like another's, or like nothing."""

import httpx
import pytest

from tests.abuse.conftest import StartService, guest
from tests.acceptance.service import PASSWORD, Service
from video2mp3.accounts import names, users
from video2mp3.database.connection import Database

FALSE_NAMES = ["\u3164", "\u2800", "adm\u0456n", "\u0430da", "a\u200dda"]


def without_profile() -> None:
    """Any text is a name."""
    names.check = lambda username: None


def statuses(service: Service) -> list[int]:
    """What is answered to a stranger who wants these names."""
    accounts = [{"username": name, "password": PASSWORD} for name in FALSE_NAMES]
    return [httpx.post(f"{service.url}/v1/accounts", json=account).status_code for account in accounts]


def test_false_names_are_refused(whole_service: Service) -> None:
    with guest(whole_service, "ada") as ada:
        assert set(statuses(whole_service)) == {422}
        accounts = f"{whole_service.url}/v1/accounts"
        with guest(whole_service, "ivi"):
            twin = {"username": "\u0456\u0475\u0456", "password": PASSWORD}
            assert httpx.post(accounts, json=twin).json()["code"] == "username_taken"
        assert ada.get("/v1/me").json()["username"] == "ada"
        others = [{"username": "Ада", "password": PASSWORD}, {"username": "eve@example.org", "password": PASSWORD}]
        assert [httpx.post(accounts, json=other).status_code for other in others] == [201, 201]


def test_without_the_profile_they_are_taken(start_service: StartService) -> None:
    with start_service(without_profile) as service:
        assert statuses(service) == [201] * len(FALSE_NAMES)


def test_accounts_of_before_still_sign_in(start_service: StartService, database_url: str) -> None:
    """It should be so whatever their names are."""
    with start_service(database_url=database_url) as service:
        for name in ("\u3164", "adm\u0456n", "🎵"):
            database = Database(database_url)
            with pytest.MonkeyPatch.context() as patch, database.write() as session:
                patch.setattr(names, "check", lambda username: None)
                users.register(session, username=name, password=PASSWORD)
            database.close()
            answer = httpx.post(f"{service.url}/v1/sessions", json={"username": name, "password": PASSWORD})
            assert answer.status_code == 200
