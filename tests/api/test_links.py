from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from sqlalchemy import delete, update

from tests.api.conftest import SignedIn
from tests.api.stored import convert, finish
from tests.servers import wait_until
from video2mp3.accounts import links
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Secret, User

DAY_S = 86_400


def link(user: SignedIn, job_id: str, **json: int) -> str:
    answer = user.http.post(f"/v1/conversions/{job_id}/links", json=json)
    assert answer.status_code == 201, answer.text
    url: str = answer.json()["url"]
    return url


@pytest.fixture
def job_id(ada: SignedIn, services: Services) -> str:
    job_id = convert(ada.http, "My talk.mp4")
    finish(services, job_id, b"ID3 the talk")
    return job_id


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_whoever_has_the_link_gets_the_mp3_without_an_account(ada: SignedIn, client: httpx.Client, job_id: str) -> None:
    url = link(ada, job_id)
    assert url.startswith(f"{client.base_url}/v1/shared/{job_id}?")
    answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, b"ID3 the talk")
    assert 'filename="My talk.mp3"' in answer.headers["content-disposition"]
    assert client.get(url, headers={"Range": "bytes=0-2"}).content == b"ID3"
    assert client.head(url).headers["content-length"] == "12"
    assert client.get(f"/v1/conversions/{job_id}/mp3").status_code == 401


def test_a_link_tells_when_it_ends_and_ends_then(ada: SignedIn, client: httpx.Client, job_id: str) -> None:
    answer = ada.http.post(f"/v1/conversions/{job_id}/links", json={"expires_in_s": 1}).json()
    assert answer["expires_at"].endswith("Z")
    wait_until(lambda: client.get(answer["url"]).status_code == 410, 10, "the link's end")
    assert refusal(client.get(answer["url"])) == (410, "link_expired")
    assert client.get(link(ada, job_id)).status_code == 200


def test_nothing_of_a_link_can_be_changed(ada: SignedIn, client: httpx.Client, services: Services, job_id: str) -> None:
    other = convert(ada.http)
    finish(services, other)
    parts = urlsplit(link(ada, job_id))
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    later = query | {"expires": str(int(query["expires"]) + DAY_S)}
    flipped = query | {"signature": query["signature"].swapcase()}
    for path, changed in [
        (parts.path, later),
        (parts.path, flipped),
        (parts.path, query | {"signature": ""}),
        (parts.path, query | {"signature": "ä"}),
        (parts.path.replace(job_id, other), query),
        (parts.path.replace(job_id, "0" * 32), query),
    ]:
        assert refusal(client.get(f"{path}?{urlencode(changed)}")) == (404, "not_found"), changed
    assert client.get(f"{parts.path}?{urlencode(query)}").status_code == 200


def test_a_link_ends_with_its_conversion(ada: SignedIn, client: httpx.Client, job_id: str) -> None:
    url = link(ada, job_id)
    assert client.get(url).status_code == 200
    ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
    assert refusal(client.get(url)) == (404, "not_found")


def test_a_link_ends_with_its_owner_s_account(
    ada: SignedIn, client: httpx.Client, services: Services, job_id: str
) -> None:
    url = link(ada, job_id)
    with services.database.write() as session:
        session.execute(update(User).where(User.id == ada.user_id).values(disabled_at=1))
    assert refusal(client.get(url)) == (404, "not_found")


def test_all_links_end_with_the_secret(ada: SignedIn, client: httpx.Client, services: Services, job_id: str) -> None:
    before = link(ada, job_id)
    with services.database.write() as session:
        session.execute(delete(Secret))
    assert refusal(client.get(before)) == (404, "not_found")
    after = link(ada, job_id)
    assert (client.get(before).status_code, client.get(after).status_code) == (404, 200)


def test_a_link_to_what_is_not_finished_says_so(ada: SignedIn, client: httpx.Client) -> None:
    assert refusal(client.get(link(ada, convert(ada.http)))) == (409, "not_finished")


@pytest.mark.parametrize("expires_in_s", [0, -1, 366 * DAY_S, "soon"])
def test_the_time_of_a_link_has_bounds(ada: SignedIn, job_id: str, expires_in_s: object) -> None:
    answer = ada.http.post(f"/v1/conversions/{job_id}/links", json={"expires_in_s": expires_in_s})
    assert refusal(answer) == (422, "invalid_request")


def test_a_signature_is_for_one_purpose(services: Services) -> None:
    with services.database.write() as session:
        path = links.result_path(session, "a" * 32, 7)
        signature = parse_qs(urlsplit(path).query)["signature"][0]
        assert links.is_result_link(session, signature, "a" * 32, 7)
        assert not links.is_result_link(session, signature, "a" * 32, 70)
        assert links.result_path(session, "a" * 32, 7) == path
