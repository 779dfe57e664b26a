"""What only an object store can do wrong."""

import dataclasses
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import Bucket, S3Server, free_port
from tests.storage.test_contract import KEY, put
from video2mp3.errors import ConfigurationError, StorageUnavailable
from video2mp3.storage import objects
from video2mp3.storage.attachment import attachment
from video2mp3.storage.objects import ObjectStorage


@pytest.fixture
def refusing_s3(s3: S3Server) -> Iterator[S3Server]:
    """The S3 server while it knows no account."""
    s3.refuse_credentials(True)
    yield s3
    s3.refuse_credentials(False)


def test_check_names_a_missing_bucket(bucket: Bucket, tmp_path: Path) -> None:
    bucket.open(tmp_path / "scratch").check()
    missing = dataclasses.replace(bucket, url="s3://nonesuch/some/prefix")
    with pytest.raises(StorageUnavailable, match="The bucket does not exist"):
        missing.open(tmp_path / "scratch").check()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_check_names_refused_keys_and_tells_none(bucket: Bucket, refusing_s3: S3Server, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="does not know the access key") as caught:
        bucket.open(tmp_path / "scratch").check()
    assert bucket.secret_access_key not in str(caught.value)
    assert bucket.access_key_id not in str(caught.value)


def test_check_names_a_host_that_does_not_answer(bucket: Bucket, tmp_path: Path) -> None:
    nobody = dataclasses.replace(bucket, endpoint_url=f"http://127.0.0.1:{free_port()}")
    started_s = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
        nobody.open(tmp_path / "scratch").check()
    assert time.monotonic() - started_s < 15


def test_a_silent_store_is_given_up(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SILENCE_TIMEOUT", "1s")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        elsewhere = dataclasses.replace(bucket, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        storage = elsewhere.open(tmp_path / "scratch")
        started_s = time.monotonic()
        with pytest.raises(StorageUnavailable):
            storage.read(KEY, 0, 1)
        assert time.monotonic() - started_s < 20


def test_a_store_that_comes_back_works_again(bucket: Bucket, tmp_path: Path) -> None:
    server = S3Server()
    try:
        server.start()
        storage = server.new_bucket().open(tmp_path / "scratch")
        put(storage, KEY, b"x")
        server.kill()
        path = tmp_path / "scratch" / "kept"
        path.write_bytes(b"y")
        with pytest.raises(StorageUnavailable):
            storage.put_file(KEY, path)
        with pytest.raises(StorageUnavailable):
            storage.read(KEY, 0, 1)
        with pytest.raises(StorageUnavailable):
            list(storage.list(""))
        # Its data is gone with the process; it should be told as an outage, not as a missing object.
        server.start()
        with pytest.raises(StorageUnavailable, match="bucket"):
            storage.put_file(KEY, path)
        server.create_bucket(1)
        storage.put_file(KEY, path)
        assert storage.read(KEY, 0, 10) == b"y"
    finally:
        server.close()


def test_two_prefixes_in_one_bucket_are_apart(bucket: Bucket, tmp_path: Path) -> None:
    first = bucket.open(tmp_path / "scratch")
    second = dataclasses.replace(bucket, url=f"s3://{bucket.name}/other").open(tmp_path / "scratch")
    put(first, KEY, b"first")
    assert list(second.list("")) == []
    put(second, KEY, b"second")
    assert first.read(KEY, 0, 10) == b"first"


def test_a_session_token_in_the_environment_is_not_mixed_with_our_keys(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another")
    bucket.open(tmp_path / "scratch").check()


@pytest.mark.parametrize("url", ["s3://", "az://container-only", "ftp://host/folder", "nonsense"])
def test_a_wrong_url_is_one_sentence(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ObjectStorage(url, scratch_folder=tmp_path)
    assert "\n" not in caught.value.detail


def test_half_of_the_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both"):
        ObjectStorage("s3://bucket", access_key_id="x", scratch_folder=tmp_path)


def test_whoever_has_a_signed_address_can_fetch_the_object_for_a_while(bucket: Bucket, tmp_path: Path) -> None:
    storage = bucket.open(tmp_path / "scratch")
    path = tmp_path / "scratch" / "mp3"
    path.write_bytes(b"ID3 and so on")
    storage.put_file(KEY, path, {"Content-Type": "audio/mpeg", "Content-Disposition": attachment("Größe.mp3")})
    address = storage.signed_url(KEY, 60)
    answer = httpx.get(address, headers={"Range": "bytes=0-2"})
    assert (answer.status_code, answer.content) == (206, b"ID3")
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-disposition"] == attachment("Größe.mp3")
    assert httpx.get(address.partition("?")[0]).status_code == 403
