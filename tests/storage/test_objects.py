"""What only an object store can do wrong."""

import dataclasses
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Bucket, S3Server, free_port
from tests.storage.test_contract import KEY, put
from video2mp3.errors import ConfigurationError, StorageUnavailable
from video2mp3.storage import objects
from video2mp3.storage.objects import ObjectStorage


def open_storage(bucket: Bucket, tmp_path: Path) -> ObjectStorage:
    return ObjectStorage(
        bucket.url,
        endpoint_url=bucket.endpoint_url,
        region=bucket.region,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret_access_key,
        scratch_folder=tmp_path / "scratch",
    )


@pytest.fixture
def refusing_s3(s3: S3Server) -> Iterator[S3Server]:
    """The S3 server while it knows no account."""
    s3.refuse_credentials(True)
    yield s3
    s3.refuse_credentials(False)


def test_check_names_a_missing_bucket(bucket: Bucket, tmp_path: Path) -> None:
    open_storage(bucket, tmp_path).check()
    missing = dataclasses.replace(bucket, url="s3://nonesuch/some/prefix")
    with pytest.raises(StorageUnavailable, match="The bucket does not exist"):
        open_storage(missing, tmp_path).check()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_check_names_refused_keys_and_tells_none(bucket: Bucket, refusing_s3: S3Server, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="refuses the access keys") as caught:
        open_storage(bucket, tmp_path).check()
    assert bucket.secret_access_key not in str(caught.value)
    assert bucket.access_key_id not in str(caught.value)


def test_check_names_a_host_that_does_not_answer(bucket: Bucket, tmp_path: Path) -> None:
    nobody = dataclasses.replace(bucket, endpoint_url=f"http://127.0.0.1:{free_port()}")
    started_s = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1 cannot be reached"):
        open_storage(nobody, tmp_path).check()
    assert time.monotonic() - started_s < 15


def test_a_silent_store_is_given_up(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_SILENCE_TIMEOUT", "1s")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        storage = open_storage(
            dataclasses.replace(bucket, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}"), tmp_path
        )
        started_s = time.monotonic()
        with pytest.raises(StorageUnavailable):
            storage.read(KEY, 0, 1)
        assert time.monotonic() - started_s < 20


def test_a_store_that_comes_back_works_again(bucket: Bucket, tmp_path: Path) -> None:
    server = S3Server()
    try:
        server.start()
        storage = open_storage(server.new_bucket(), tmp_path)
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
    first = open_storage(bucket, tmp_path)
    second = open_storage(dataclasses.replace(bucket, url=f"s3://{bucket.name}/other"), tmp_path)
    put(first, KEY, b"first")
    assert list(second.list("")) == []
    put(second, KEY, b"second")
    assert first.read(KEY, 0, 10) == b"first"


def test_a_session_token_in_the_environment_is_not_mixed_with_our_keys(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another")
    open_storage(bucket, tmp_path).check()


@pytest.mark.parametrize("url", ["s3://", "az://container-only", "ftp://host/folder", "nonsense"])
def test_a_wrong_url_is_one_sentence(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ObjectStorage(url, scratch_folder=tmp_path)
    assert "\n" not in caught.value.detail


def test_half_of_the_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both"):
        ObjectStorage("s3://bucket", access_key_id="x", scratch_folder=tmp_path)
