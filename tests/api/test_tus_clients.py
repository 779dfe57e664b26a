"""The tus protocol's own clients, with the options that people set."""

import hashlib
import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import tusclient.client
from tusclient.exceptions import TusCommunicationError

from tests.acceptance.test_calls import node
from tests.api.conftest import SignedIn
from tests.servers.programs import missing

SCRIPT = Path(__file__).parents[1] / "tus" / "upload.js"
FILE_BYTES, CHUNK_BYTES = 250_000, 100_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"not really a video" * (FILE_BYTES // 18))
    return path


def upload(ada: SignedIn, file: Path, path: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """Uploads as browsers do, with tus-js-client."""
    if not (SCRIPT.parent / "node_modules" / "tus-js-client").exists():
        missing("the tus client (make tools)")
    endpoint = str(ada.http.base_url.join(path))
    command = [node(), str(SCRIPT), endpoint, ada.access_token, str(file), str(CHUNK_BYTES), json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=file.parent)


def check_stored(ada: SignedIn, url: str, file: Path) -> None:
    upload_id = urlsplit(url).path.rpartition("/")[2]
    stored = ada.http.get(f"/v1/uploads/{upload_id}").raise_for_status().json()
    assert (stored["state"], stored["received_bytes"]) == ("complete", file.stat().st_size)
    job = ada.http.post("/v1/conversions", json={"upload_id": upload_id}).raise_for_status().json()
    source = ada.http.get(f"/v1/conversions/{job['id']}/source").raise_for_status()
    assert hashlib.sha256(source.content).digest() == hashlib.sha256(file.read_bytes()).digest()


@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/uploads/"])
@pytest.mark.parametrize("deferred", [False, True], ids=["length", "deferred length"])
def test_a_file_is_uploaded_in_chunks(ada: SignedIn, file: Path, path: str, deferred: bool) -> None:
    done = upload(ada, file, path, uploadLengthDeferred=deferred)
    assert done.returncode == 0, done.stderr
    check_stored(ada, done.stdout.strip(), file)


def test_parallel_uploads_are_refused_with_the_reason(ada: SignedIn, file: Path) -> None:
    """It should not be a missing header that is named, of which no user has heard."""
    done = upload(ada, file, "/v1/uploads", parallelUploads=2)
    assert done.returncode == 1
    assert "this service does not put uploads together" in done.stderr


@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/uploads/"])
def test_the_python_client_uploads_in_chunks(ada: SignedIn, file: Path, path: str) -> None:
    headers = {"Authorization": f"Bearer {ada.access_token}"}
    client = tusclient.client.TusClient(str(ada.http.base_url.join(path)), headers=headers)
    sender = client.uploader(str(file), chunk_size=CHUNK_BYTES)
    try:
        sender.upload()
    except TusCommunicationError as error:
        pytest.fail(f"{error}: {error.response_content!r}")
    check_stored(ada, str(sender.url), file)
