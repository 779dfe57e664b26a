"""What a store refuses is said with its code and what to do, at the start and by `doctor`."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tests.jobs.test_clocks import LIBRARY
from tests.servers import Bucket, S3Server
from tests.servers.programs import missing
from tests.servers.s3_proxy import Refuse, S3Proxy, always, delete_objects, other_regions, wrong_clocks
from tests.storage.test_contract import KEY, put
from video2mp3.cli.roles.doctor import check_storage
from video2mp3.errors import ConfigurationError, StorageFull, StorageUnavailable
from video2mp3.settings import Settings, load_settings
from video2mp3.wiring import open_backends

if TYPE_CHECKING:
    from obstore.store import RetryConfig


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[S3Proxy]:
    with S3Proxy(s3.port) as proxy:
        yield proxy


@pytest.fixture
def settings(bucket: Bucket, proxy: S3Proxy, tmp_path: Path) -> Settings:
    """Of a service that uses the bucket through the proxy."""
    return load_settings(
        data_dir=tmp_path,
        storage_url=bucket.url,
        s3_endpoint_url=proxy.url,
        s3_access_key_id=bucket.access_key_id,
        s3_secret_access_key=bucket.secret_access_key,
    )


_REFUSALS = {
    "region": (other_regions("eu-central-1"), "is in the region eu-central-1; set VIDEO2MP3_S3_REGION to it (Auth"),
    "redirect": (always(301, "PermanentRedirect"), "is in another region; set VIDEO2MP3_S3_REGION to it (Permanent"),
    "key": (always(403, "InvalidAccessKeyId"), "does not know the access key; check VIDEO2MP3_S3_ACCESS_KEY_ID"),
    "secret": (always(403, "SignatureDoesNotMatch"), "check VIDEO2MP3_S3_SECRET_ACCESS_KEY"),
    "rights": (always(403, "AccessDenied", "Access Denied"), "to read, write and delete objects below the prefix"),
    "bucket": (always(404, "NoSuchBucket"), "The bucket does not exist; create it, or name another"),
    "unknown": (always(400, "InvalidDigest", "No such digest"), "refuses an operation (InvalidDigest: No such digest)"),
}


@pytest.mark.parametrize("name", _REFUSALS)
def test_a_refusal_is_said_at_the_start_and_by_doctor(name: str, proxy: S3Proxy, settings: Settings) -> None:
    """It should reach the operator with what to do, and keep names of servers and settings from the API's users."""
    assert check_storage(settings) == "an object was written, read and deleted"
    proxy.refuse, said = _REFUSALS[name]
    with pytest.raises(StorageUnavailable) as told:
        check_storage(settings)
    assert said in str(told.value)
    with pytest.raises(ConfigurationError) as raised, open_backends(settings):
        pass
    assert said in raised.value.detail
    assert settings.s3_secret_access_key.get_secret_value() not in raised.value.detail + str(told.value)
    cause = raised.value.__cause__
    assert isinstance(cause, StorageUnavailable)
    assert cause.detail == "The storage is unavailable; try again soon."


@pytest.mark.parametrize("refuse", [always(507, "XMinioStorageFull"), always(403, "QuotaExceeded")])
def test_a_full_store_is_full(refuse: Refuse, bucket: Bucket, proxy: S3Proxy, tmp_path: Path) -> None:
    storage = dataclasses.replace(bucket, endpoint_url=proxy.url).open(tmp_path)
    proxy.refuse = refuse
    with pytest.raises(StorageFull):
        put(storage, KEY, b"x")


def test_a_wrong_clock_is_said(proxy: S3Proxy, settings: Settings, tmp_path: Path) -> None:
    """It should be told by a real process whose clock is an hour ahead."""
    if not LIBRARY.exists():
        missing("libfaketime (make tools)")
    proxy.refuse = wrong_clocks
    assert check_storage(settings)
    env = os.environ | {
        "VIDEO2MP3_DATA_DIR": str(tmp_path),
        "VIDEO2MP3_STORAGE_URL": settings.storage_url,
        "VIDEO2MP3_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "VIDEO2MP3_S3_ACCESS_KEY_ID": settings.s3_access_key_id,
        "VIDEO2MP3_S3_SECRET_ACCESS_KEY": settings.s3_secret_access_key.get_secret_value(),
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": "+1h",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command = [sys.executable, "-m", "video2mp3", "worker"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "is wrong by more than 15 minutes" in done.stderr
    assert "set it (NTP) (RequestTimeTooSkewed: The difference between the request time" in done.stderr


def test_a_store_without_delete_objects_deletes(bucket: Bucket, proxy: S3Proxy, tmp_path: Path) -> None:
    storage = dataclasses.replace(bucket, endpoint_url=proxy.url).open(tmp_path)
    proxy.refuse = delete_objects
    put(storage, KEY, b"x")
    storage.check()
    storage.delete(KEY)
    assert list(storage.list("")) == []
    # The library's default is refused.
    once: RetryConfig = {"max_retries": 0}
    default = S3Store(
        bucket.name,
        endpoint=proxy.url,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret_access_key,
        client_options={"allow_http": True},
        retry_config=once,
    )
    with pytest.raises(BaseError, match="NotImplemented"):
        obstore.delete(default, KEY)
