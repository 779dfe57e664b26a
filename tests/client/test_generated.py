"""Clients that generators make of the API's description convert a video, and the generators warn of nothing."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import PASSWORD
from tests.acceptance.test_calls import node
from tests.client.conftest import Served
from tests.media import make_video, samples_by_ffmpeg
from tests.servers.programs import missing
from video2mp3.api.application import describe

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "clients" / "typescript"
SECONDS = 5


@pytest.fixture(scope="module")
def folder(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video and the description of the service."""
    folder = tmp_path_factory.mktemp("generated")
    make_video(folder / "talk.mp4", SECONDS)
    (folder / "openapi.json").write_text(json.dumps(describe(served.url)))
    return folder


@pytest.fixture(scope="module")
def api_key(served: Served) -> str:
    account = {"username": "generated", "password": PASSWORD}
    with httpx.Client(base_url=served.url, timeout=30) as client:
        client.post("/v1/accounts", json=account).raise_for_status()
        token = client.post("/v1/sessions", json=account).raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        new = {"name": "generated", "scopes": ["convert"]}
        key: str = client.post("/v1/api-keys", json=new, headers=headers).raise_for_status().json()["key"]
        return key


def run(command: list[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Runs a command; returns all that it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_python_generator_makes_a_client_that_converts(served: Served, folder: Path, api_key: str) -> None:
    programs = ROOT / ".venv-clients" / "bin"
    if not (programs / "openapi-python-client").exists():
        missing("the generator of Python clients (make tools)")
    command = [str(programs / "openapi-python-client"), "generate", "--path", "openapi.json", "--meta", "none"]
    command += ["--config", str(ROOT / "clients" / "openapi-python-client.yaml"), "--output-path", "video2mp3_api"]
    run([*command, "--fail-on-warning"], folder, {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"})
    script = Path(__file__).with_name("convert_generated.py")
    env = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    run([str(programs / "python"), str(script), served.url, api_key, "talk.mp4", "python.mp3"], folder, env)
    assert samples_by_ffmpeg(folder / "python.mp3") == SECONDS * 48_000


def test_the_typescript_client_converts_as_its_document_says(served: Served, folder: Path, api_key: str) -> None:
    """It should be generated, pass the compiler, and run the document's program as it stands there."""
    if not (TYPESCRIPT / "node_modules").exists():
        missing("the generator of the TypeScript client (make tools)")
    client = folder / "typescript"
    shutil.copytree(TYPESCRIPT, client, ignore=shutil.ignore_patterns("node_modules", "generated", "dist"))
    (client / "node_modules").symlink_to(TYPESCRIPT / "node_modules")
    shutil.copy(folder / "openapi.json", client)
    bin_folder = client / "node_modules" / ".bin"
    assert "warn" not in run([node(), str(bin_folder / "openapi-ts")], client).lower()
    run([node(), str(bin_folder / "tsc")], client)
    document = (ROOT / "docs" / "generated-clients.md").read_text()
    (program,) = re.findall(r"^```ts\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    program = program.replace('"video2mp3-client"', '"./typescript/dist/index.js"')
    (folder / "convert.mts").write_text(program.replace("http://localhost:8000", served.url))
    assert "100 % converted" in run([node(), "convert.mts"], folder, {"VIDEO2MP3_TOKEN": api_key})
    assert samples_by_ffmpeg(folder / "talk-128.mp3") == SECONDS * 48_000


def test_our_part_of_the_typescript_client_is_small() -> None:
    assert len((TYPESCRIPT / "src" / "index.ts").read_text().splitlines()) <= 150
