"""How the page is served: to browsers, from here alone, and once."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import PASSWORD, Serve
from tests.servers import Bucket
from tests.servers.programs import missing
from video2mp3.api.frame import pages
from video2mp3.api.frame.services import Services
from video2mp3.settings import Settings

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built page, as a copy that a test may take apart."""
    if not (pages.FOLDER / "index.html").exists():
        missing("the built page (make page)")
    shutil.copytree(pages.FOLDER, tmp_path / "built")
    monkeypatch.setattr(pages, "FOLDER", tmp_path / "built")
    return tmp_path / "built"


def scripts(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="\./(page/assets/[^"]+\.js)"', page)


def test_browsers_get_the_page_and_programs_the_message(folder: Path, client: httpx.Client) -> None:
    page = client.get("/", headers=HTML)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Vary"] == "Accept"
    assert client.get("/").json() == {"msg": "running."}


def test_each_page_has_a_nonce_of_its_own_and_allows_nothing_inline(folder: Path, client: httpx.Client) -> None:
    """It should run no script and use no style but its own, and name no other place at all."""
    first, second = (client.get("/", headers=HTML) for _ in range(2))
    nonces = [re.findall(r"'nonce-([\w-]{20,})'", each.headers["Content-Security-Policy"]) for each in (first, second)]
    assert len(set(nonces[0])) == 1
    assert nonces[0] != nonces[1]
    assert "unsafe" not in first.headers["Content-Security-Policy"]
    assert "//" not in first.headers["Content-Security-Policy"]
    for tag in re.findall(r"<(?:script|style)[^>]*>", first.text):
        assert f'nonce="{nonces[0][0]}"' in tag
    assert "{nonce}" not in first.text
    assert first.headers["Cache-Control"] == "no-store"
    assert not re.search(r'(?:src|href)="(?:\w+:|/)', first.text), "every address is relative, for prefixes"


@pytest.mark.parametrize("public_url", [None, "https://s3.example.org:8443"], ids=["one address", "two addresses"])
def test_it_may_play_from_the_store_only_where_downloads_are_redirected(
    public_url: str | None, folder: Path, services: Services, serve: Serve, bucket: Bucket, tmp_path: Path
) -> None:
    storage = replace(bucket, public_endpoint_url=public_url).open(tmp_path / "scratch")
    redirecting = services.settings.model_copy(update={"redirect_downloads": True})
    policies = []
    for settings in (services.settings, redirecting):
        url = serve(replace(services, storage=storage, settings=settings))
        policies.append(httpx.get(url, headers=HTML).headers["Content-Security-Policy"])
    without = re.sub("nonce-[^']+", "", policies[0])
    origin = public_url or bucket.endpoint_url
    assert "media-src 'self' blob:; " in without
    with_store = without.replace("media-src 'self' blob:; ", f"media-src 'self' blob: {origin}; ")
    assert re.sub("nonce-[^']+", "", policies[1]) == with_store


def test_scripts_are_sent_compressed_and_kept_for_ever(folder: Path, client: httpx.Client) -> None:
    path = scripts(client.get("/", headers=HTML).text)[0]
    plain = client.get(f"/{path}", headers={"Accept-Encoding": "identity"})
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "Content-Encoding" not in plain.headers
    for encoding in ("gzip", "br"):
        with client.stream("GET", f"/{path}", headers={"Accept-Encoding": f"{encoding}, zstd;q=0"}) as answer:
            assert answer.headers["Content-Encoding"] == encoding
            assert answer.headers["Content-Type"] == plain.headers["Content-Type"]
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert len(b"".join(answer.iter_raw())) < len(plain.content)
    again = client.get(f"/{path}", headers={"Accept-Encoding": "identity", "If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304


def test_the_first_view_is_small(folder: Path, client: httpx.Client) -> None:
    """It should need at most 150 kB of compressed scripts until somebody chooses a video."""
    page = client.get("/", headers=HTML).text
    first = {*scripts(page)}
    names = {path.name for path in (folder / "page" / "assets").glob("*.js")}
    first |= {f"page/assets/{name}" for name in names if re.match(r"(Convert|SignIn|en)-", name)}
    # What those import is loaded with them.
    while (
        more := {
            f"page/assets/{name}"
            for path in first
            for name in re.findall(r'from\s*"\./([^"]+\.js)"', (folder / path).read_text())
        }
        - first
    ):
        first |= more
    assert len(first) >= 4
    compressed = ((folder / f"{path}.gz", folder / path) for path in first)  # a tiny file is only there as it is
    size_bytes = sum(next(filter(Path.exists, both)).stat().st_size for both in compressed)
    assert size_bytes <= 150_000, sorted(first)


@pytest.fixture
def prefixed(settings: Settings, services: Services, serve: Serve) -> Iterator[httpx.Client]:
    """A client of a service that people reach at a path of their server."""
    there = settings.model_copy(update={"public_url": "https://example.org/tools/mp3/", "registration": "open"})
    with httpx.Client(base_url=serve(replace(services, settings=there)), timeout=30) as client:
        yield client


@pytest.mark.parametrize("passed_on", ["", "/tools/mp3"], ids=["taken away", "passed on"])
def test_it_works_behind_a_prefix(folder: Path, prefixed: httpx.Client, passed_on: str) -> None:
    """It should name its own addresses with the prefix, whether the proxy takes it away or passes it on."""
    page = prefixed.get(f"{passed_on}/", headers=HTML)
    assert prefixed.get(f"{passed_on}/{scripts(page.text)[0]}").status_code == 200
    name = {"username": f"ada{len(passed_on)}", "password": PASSWORD}
    prefixed.post(f"{passed_on}/v1/accounts", json=name).raise_for_status()
    tokens = prefixed.post(f"{passed_on}/v1/sessions", json=name).raise_for_status().json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Tus-Resumable": "1.0.0", "Upload-Length": "3"}
    upload = prefixed.post(f"{passed_on}/v1/uploads", headers=headers)
    assert upload.headers["Location"].startswith("/tools/mp3/v1/uploads/")
    order = {"upload_id": upload.headers["Location"].rpartition("/")[2]}
    job = prefixed.post(f"{passed_on}/v1/conversions", headers=headers, json=order).raise_for_status().json()
    assert job["links"]["mp3"] == f"/tools/mp3/v1/conversions/{job['id']}/mp3"
    assert prefixed.head(f"{passed_on}/v1/me", headers=headers).status_code == 200


def test_it_can_be_installed(folder: Path, client: httpx.Client) -> None:
    """It should have a manifest whose icons are there."""
    page = client.get("/", headers=HTML).text
    (path,) = re.findall(r'rel="manifest" href="\./([^"]+)"', page)
    manifest = client.get(f"/{path}")
    assert manifest.headers["Content-Type"] == "application/manifest+json"
    assert manifest.headers["Cache-Control"] == "no-cache"
    for icon in manifest.json()["icons"]:
        answer = client.get(f"/page/{icon['src']}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, icon["type"])


def test_a_place_that_a_page_does_not_have_is_noticed(folder: Path) -> None:
    assert pages.built_page("share.html", {"{title}": "A talk"}).status_code == 200
    with pytest.raises(ValueError, match=r"share\.html has no \{titel\}"):
        pages.built_page("share.html", {"{titel}": "A talk"})


def test_without_a_page_the_service_says_how_to_get_one(folder: Path, client: httpx.Client) -> None:
    """It should be one sentence, while programs notice nothing."""
    shutil.rmtree(folder)
    page = client.get("/", headers=HTML)
    assert page.status_code == 503
    assert "run `make page`" in page.text
    assert client.get("/page/assets/index.js").status_code == 404
    assert client.get("/").json() == {"msg": "running."}
