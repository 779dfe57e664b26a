"""The storage in an object store: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from video2mp3.errors import ConfigurationError, NotFound, StorageFull, StorageUnavailable
from video2mp3.storage import StoredObject
from video2mp3.storage.keys import check_key, new_check_key, split_prefix
from video2mp3.storage.private import make_folder
from video2mp3.storage.refusals import http_status, translate

if TYPE_CHECKING:
    from obstore import SignCapableStore
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

# An upload's chunk is one request. Larger files are multipart uploads with parts of this size, two at a time.
_PART_SIZE_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2
# Parts are held in memory: this many files at once bound that to 64 MiB.
_FILES_AT_ONCE = 4

# A store that is out of reach is known to be so within ten seconds.
_RETRIES: "RetryConfig" = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=5),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
_CONNECT_TIMEOUT = "3s"
# The longest silence of the store: before an answer, and within one.
_SILENCE_TIMEOUT = "8s"
# Time for one part over a slow connection.
_TRANSFER_TIMEOUT = "90s"


class ObjectStorage:
    """Keeps objects in a bucket, under the prefix that the URL names.

    Where no keys are given, those of the machine are used, found by the store's own rules (for S3: the
    variables AWS_*, the web identity, the instance's role).
    """

    def __init__(
        self,
        url: str,
        *,
        scratch_folder: Path,
        endpoint_url: str | None = None,
        public_endpoint_url: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> None:
        """Prepares the client; connects only when first used.

        Signed URLs lead to `public_endpoint_url`, if it is given: clients may reach the store by another address.

        Raises:
            ConfigurationError: when the URL, or the keys, cannot be right.
        """
        self.scratch_folder = scratch_folder
        address = urlsplit(endpoint_url or "")
        self._name = f"The object store at {address.hostname}" if address.hostname else "The object store"
        options: dict[str, Any] = {"retry_config": _RETRIES}
        if urlsplit(url).scheme == "s3":
            options |= _credentials(access_key_id, secret_access_key)
            # One object is deleted at a time, and not every store has DeleteObjects.
            config = {"endpoint": endpoint_url, "region": region, "disable_bulk_delete": True}
            options["config"] = {name: value for name, value in config.items() if value is not None}
        client: ClientConfig = {
            "allow_http": (endpoint_url or "").startswith("http:"),
            "connect_timeout": _CONNECT_TIMEOUT,
            "timeout": _TRANSFER_TIMEOUT,
        }
        # The read timeout includes the time for sending the request, so it does not suit uploads.
        self._puts = _open(url, client_options=client, **options)
        self._store = _open(url, client_options={**client, "read_timeout": _SILENCE_TIMEOUT}, **options)
        self._signing = self._store
        if public_endpoint_url and "config" in options:
            public = options["config"] | {"endpoint": public_endpoint_url}
            self._signing = _open(url, **{**options, "config": public})
        self._public_origin: str | None = None
        self._room = threading.BoundedSemaphore(_FILES_AT_ONCE)
        # If this fails, `check` reports why.
        with suppress(OSError):
            make_folder(scratch_folder)

    def put_file(self, key: str, path: Path, attributes: Mapping[str, str] | None = None) -> None:
        """See `Storage`. After StorageUnavailable, the file is still at `path`, for a retry."""
        check_key(key)
        try:
            with self._errors(), self._room:
                obstore.put(
                    self._puts,
                    key,
                    path,
                    attributes=dict(attributes) if attributes else None,
                    chunk_size=_PART_SIZE_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        except NotFound as error:
            what = "The bucket was deleted" if path.exists() else "The scratch file to store was deleted"
            raise StorageUnavailable(reason=f"{what}.") from error
        except StorageFull:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)

    def size_bytes(self, key: str) -> int:
        """See `Storage`."""
        with self._errors():
            return obstore.head(self._store, check_key(key))["size"]

    def read(self, key: str, offset_bytes: int, size_bytes: int) -> bytes:
        """See `Storage`."""
        check_key(key)
        with self._errors():
            try:
                if size_bytes > 0:
                    return bytes(obstore.get_range(self._store, key, start=offset_bytes, length=size_bytes))
            except BaseError as error:
                # Object stores answer 416 if a range begins at or after the object's end.
                if http_status(error) != 416:
                    raise
        self.size_bytes(key)
        return b""

    def signed_url(self, key: str, lifetime_s: int) -> str:
        """See `Storage`."""
        with self._errors():
            store = cast("SignCapableStore", self._signing)
            return obstore.sign(store, "GET", check_key(key), timedelta(seconds=lifetime_s))

    def public_origin(self) -> str:
        """See `Storage`. The library knows the rules for hosts of each store, so it is asked for a URL."""
        if self._public_origin is None:
            parts = urlsplit(self.signed_url(new_check_key(), 1))
            self._public_origin = f"{parts.scheme}://{parts.netloc}"
        return self._public_origin

    def delete(self, key: str) -> None:
        """See `Storage`."""
        with suppress(NotFound), self._errors():
            obstore.delete(self._store, check_key(key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Storage`."""
        # The library accepts only whole path components as a prefix.
        pages = iter(obstore.list(self._store, prefix=split_prefix(prefix) or None))
        while True:
            with self._errors():
                page = next(pages, None)
            if page is None:
                return
            for entry in page:
                if entry["path"].startswith(prefix):
                    yield StoredObject(entry["path"], entry["size"], entry["last_modified"].timestamp())

    def check(self) -> None:
        """See `Storage`. The error says whether bucket, keys or address are wrong."""
        key = new_check_key()
        scratch = self.scratch_folder / key.replace("/", "-")
        try:
            self._write_scratch(scratch)
            self.put_file(key, scratch)
            if self.read(key, 0, 100) != b"video2mp3":
                raise StorageUnavailable(reason=f"{self._name} does not return what was stored.")
            self.delete(key)
        finally:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    def _write_scratch(self, path: Path) -> None:
        try:
            make_folder(self.scratch_folder)
            path.write_bytes(b"video2mp3")
        except OSError as error:
            raise StorageUnavailable(
                reason=f"The scratch folder {self.scratch_folder} cannot be written to: {error.strerror}."
            ) from error

    def close(self) -> None:
        """See `Storage`."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise translate(error, self._name) from error


def _credentials(access_key_id: str | None, secret_access_key: str | None) -> dict[str, Any]:
    """Returns the library's option for these keys; nothing if there are none."""
    if access_key_id and secret_access_key:
        # Not in `config`: the library would combine it with a session token from the environment.
        keys = {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
        return {"credential_provider": lambda: {**keys, "token": None, "expires_at": None}}
    if access_key_id or secret_access_key:
        raise ConfigurationError("The S3 access key and the S3 secret key belong together: set both, or none.")
    return {}


def _open(url: str, **options: Any) -> "ObjectStore":
    try:
        return from_url(url, **options)
    except (BaseError, ValueError) as error:
        # Only the first line: the rest is for the library's developers.
        why = str(error).splitlines()[0].replace(url, "the URL")
        raise ConfigurationError(f"VIDEO2MP3_STORAGE_URL cannot be used: {why}.") from None
