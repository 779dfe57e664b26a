import base64
import json
import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any, get_type_hints

import httpx
import pytest
import structlog
from sqlalchemy import delete, update

from tests.api.conftest import SignedIn
from tests.api.stored import convert, finish
from tests.servers import wait_until
from video2mp3.accounts import links
from video2mp3.accounts.links import ResultLink
from video2mp3.api.conversions import shared
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, Secret, User
from video2mp3.engine.mp3.id3 import id3_tag
from video2mp3.storage.checksums import BLOCK_BYTES, VerifiedObject

DAY_S = 86_400
PNG = b"\x89PNG\r\n\x1a\n and so on"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def create_link(user: SignedIn, job_id: str, **json: int) -> dict[str, str]:
    answer = user.http.post(f"/v1/conversions/{job_id}/links", json=json)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


def link(user: SignedIn, job_id: str, **json: int) -> str:
    return create_link(user, job_id, **json)["url"]


def token_of(url: str) -> str:
    return url.removesuffix("/mp3").rpartition("/")[2]


@pytest.fixture
def job_id(ada: SignedIn, services: Services) -> str:
    job_id = convert(ada.http, "My talk.mp4")
    finish(services, job_id, b"ID3 the talk")
    return job_id


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_whoever_has_the_link_gets_the_mp3_without_an_account(ada: SignedIn, client: httpx.Client, job_id: str) -> None:
    url = link(ada, job_id)
    assert url.startswith(f"{client.base_url}/v1/shared/")
    with structlog.testing.capture_logs() as logged:
        answer = client.get(url)
        assert client.head(url).headers["content-length"] == "12"  # by then the first one is logged
    assert (answer.status_code, answer.content) == (200, b"ID3 the talk")
    # Who reads the log gets no link.
    assert {line["path"] for line in logged if line["event"] == "request"} == {"/v1/shared/*/mp3"}
    assert 'filename="My talk.mp3"' in answer.headers["content-disposition"]
    assert client.get(url, headers={"Range": "bytes=0-2"}).content == b"ID3"
    assert client.get(f"/v1/conversions/{job_id}/mp3").status_code == 401


def test_a_link_tells_when_it_ends_and_ends_then(ada: SignedIn, client: httpx.Client, job_id: str) -> None:
    answer = create_link(ada, job_id, expires_in_s=1)
    assert answer["expires_at"].endswith("Z")
    wait_until(lambda: client.get(answer["url"]).status_code == 410, 10, "the link's end")
    assert refusal(client.get(answer["url"])) == (410, "link_expired")
    page = client.get(answer["page_url"], headers=BROWSER)
    assert (page.status_code, "This link has expired" in page.text) == (410, True)
    assert client.get(link(ada, job_id)).status_code == 200


def test_nothing_of_a_link_can_be_changed(ada: SignedIn, client: httpx.Client, services: Services, job_id: str) -> None:
    other = convert(ada.http)
    finish(services, other)
    token = token_of(link(ada, job_id))
    packed = base64.urlsafe_b64decode(token)
    with services.database.read() as session:
        for at in range(len(packed)):
            changed = packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]
            assert links.read_result_token(session, base64.urlsafe_b64encode(changed).decode()) is None, at
    moved = base64.urlsafe_b64encode(bytes.fromhex(other) + packed[16:]).decode()
    for forged in (
        moved,
        token[:-1],
        f"{token}A",
        token.swapcase(),
        job_id,
        "a" * 60,
        "%00" * 60,
        "ä" * 60,
        "a" * 4000,
    ):
        for path in (f"/share/{forged}", *(f"/v1/shared/{forged}/{what}" for what in ("mp3", "cover", "waveform"))):
            assert refusal(client.get(path)) == (404, "not_found"), path
    assert client.get(f"/v1/shared/{token}/mp3").status_code == 200


def test_an_owner_stops_all_links_of_one_result(
    ada: SignedIn, bob: SignedIn, client: httpx.Client, services: Services, job_id: str
) -> None:
    other = convert(ada.http)
    finish(services, other)
    stopped, kept = create_link(ada, job_id), link(ada, other)
    assert refusal(bob.http.delete(f"/v1/conversions/{job_id}/links")) == (404, "not_found")
    assert client.get(stopped["url"]).status_code == 200
    assert ada.http.delete(f"/v1/conversions/{job_id}/links").status_code == 204
    for what in ("mp3", "cover", "waveform"):
        found = client.get(stopped["url"].removesuffix("mp3") + what, headers={"Range": "bytes=5-"})
        assert refusal(found) == (410, "link_stopped")
    page = client.get(stopped["page_url"], headers=BROWSER)
    assert (page.status_code, "has stopped sharing" in page.text) == (410, True)
    assert [client.get(url).status_code for url in (kept, link(ada, job_id))] == [200, 200]


def facts_of(page: str) -> dict[str, Any]:
    """What the share page knows."""
    (found,) = re.findall(r'name="share" content="([^"]*)"', page)
    facts: dict[str, Any] = json.loads(unescape(found))
    return facts


def test_the_page_of_a_link_shows_the_mp3_and_nothing_else(
    ada: SignedIn, client: httpx.Client, services: Services
) -> None:
    title = "</title><script>alert('{share}')</script> &amp; {nonce}"
    tag = id3_tag(
        {"TIT2": title, "TPE1": 'Ada "L" Ünal'},
        "https://private.example.org/source",
        chapters=[(0, 500, "Begin"), (500, 1000, "Żółw")],
        cover=("image/png", PNG),
    )
    job_id = convert(ada.http, "Talk <i>.mp4")
    finish(services, job_id, tag + b"sound")
    url = create_link(ada, job_id)["page_url"]
    answer = client.get(url, headers=BROWSER)
    assert answer.status_code == 200
    facts = facts_of(answer.text)
    assert (facts["title"], facts["artist"], facts["name"]) == (title, 'Ada "L" Ünal', "Talk <i>.mp3")
    assert facts["chapters"] == [{"start_s": 0.0, "title": "Begin"}, {"start_s": 0.5, "title": "Żółw"}]
    assert "<script>alert" not in answer.text
    assert "private.example.org" not in answer.text
    assert ada.user_id not in answer.text
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert '"../page/' in answer.text
    assert '"./page/' not in answer.text
    # What messengers show.
    preview = dict(re.findall(r'<meta property="([^"]+)" content="([^"]*)">', answer.text))
    assert unescape(preview["og:title"]) == title
    assert preview["og:url"] == url
    picture = client.get(preview["og:image"])
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert picture.headers["x-robots-tag"] == "noindex"
    assert client.get(preview["og:audio"]).content == tag + b"sound"


def test_the_page_of_an_mp3_with_thousands_of_long_chapters_stays_small(
    ada: SignedIn, client: httpx.Client, services: Services
) -> None:
    """A visitor can request the page of a link a thousand times a minute, so each response stays below 1 MB."""
    job_id = convert(ada.http)
    finish(services, job_id, id3_tag({}, chapters=[(at, at + 1, '"é🎧' * 100) for at in range(4000)]))
    answer = client.get(create_link(ada, job_id)["page_url"], headers=BROWSER)
    assert {len(chapter["title"]) for chapter in facts_of(answer.text)["chapters"]} == {25}
    assert len(answer.content) < 1_000_000


def test_the_page_of_a_link_does_not_read_the_picture(
    ada: SignedIn, client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should read the start of the MP3 only, and the cover in pieces; a part of it if a part is asked for."""
    cover = bytes(range(256)) * 19_000
    job_id = convert(ada.http)
    finish(services, job_id, id3_tag({"TIT2": "Large"}, cover=("image/jpeg", cover)) + b"sound")
    page_url = create_link(ada, job_id)["page_url"]
    read: list[int] = []
    stored_read = VerifiedObject.read

    def counted(verified: VerifiedObject, storage: Any, start: int, size: int) -> bytes:
        data = stored_read(verified, storage, start, size)
        read.append(len(data))
        return data

    monkeypatch.setattr(VerifiedObject, "read", counted)
    facts = facts_of(client.get(page_url, headers=BROWSER).text)
    assert (facts["title"], facts["has_cover"]) == ("Large", True)
    assert 0 < sum(read) <= BLOCK_BYTES
    read.clear()
    picture = client.get(f"/v1/shared/{facts['token']}/cover")
    assert (picture.content, picture.headers["content-type"]) == (cover, "image/jpeg")
    assert max(read) <= 2 * BLOCK_BYTES
    read.clear()
    part = client.get(f"/v1/shared/{facts['token']}/cover", headers={"Range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, bytes(range(256)))
    assert sum(read) <= BLOCK_BYTES


def test_the_page_of_a_link_and_the_service_agree_on_its_facts() -> None:
    """It should name the same fields with the same types in TypeScript as in Python."""
    source = (Path(__file__).parents[2] / "web/src/share/facts.ts").read_text(encoding="utf-8")
    interfaces = {
        name: dict(re.findall(r"^  (\w+): (.+);$", body, re.MULTILINE))
        for name, body in re.findall(r"interface (\w+) \{\n(.*?)^\}", source, re.MULTILINE | re.DOTALL)
    }
    types: tuple[type, ...] = (shared.SharedChapter, shared.SharedSegment, shared.Shared)
    assert interfaces == {each.__name__: typescript_of(get_type_hints(each)) for each in types}


def typescript_of(hints: Mapping[str, Any]) -> dict[str, str]:
    names: dict[Any, str] = {
        str: "string",
        str | None: "string | null",
        bool: "boolean",
        int: "number",
        float: "number",
        float | None: "number | null",
        list[shared.SharedChapter]: "SharedChapter[]",
        list[shared.SharedSegment]: "SharedSegment[]",
    }
    return {field: names[hint] for field, hint in hints.items()}


def test_the_page_of_a_link_says_why_there_is_no_mp3(
    ada: SignedIn, client: httpx.Client, services: Services, job_id: str
) -> None:
    waiting = client.get(create_link(ada, convert(ada.http))["page_url"], headers=BROWSER)
    url = create_link(ada, job_id)["page_url"]
    with services.database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(result_key=None))
    expired = client.get(url, headers=BROWSER)
    ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
    deleted = client.get(url, headers=BROWSER)
    assert [answer.status_code for answer in (waiting, expired, deleted)] == [409, 410, 404]
    assert "has expired and was deleted" in expired.text
    assert "nothing at this link" in deleted.text
    assert all("<script" not in answer.text for answer in (waiting, expired, deleted))


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


def test_a_token_says_what_it_was_made_of(services: Services) -> None:
    made = ResultLink("a" * 32, 2**40, 2**31)
    with services.database.write() as session:
        token = links.result_token(session, made)
        assert (len(token), links.read_result_token(session, token)) == (60, made)
        assert links.result_token(session, made) == token
