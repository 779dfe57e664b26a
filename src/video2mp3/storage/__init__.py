"""The storage: immutable objects under keys. Disk, S3, GCS and Azure behave the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """One object, as listed."""

    key: str
    size_bytes: int
    modified_at_s: float
    """Seconds since 1970, by the storage's clock."""


class Storage(Protocol):
    """Stores objects. The service creates the keys, never users: names of `[0-9a-zA-Z._-]` joined by `/`.

    Thread-safe. Every method raises StorageUnavailable when the storage does not answer.
    """

    scratch_folder: Path
    """Folder for files that `put_file` stores, so that the disk storage can rename instead of copying."""

    def put_file(self, key: str, path: Path, attributes: Mapping[str, str] | None = None) -> None:
        """Moves the file at `path` into the storage under `key`, durably.

        `attributes` are HTTP headers that the storage sends when it serves the object itself, see `signed_url`.

        The operation is atomic: readers never see an incomplete object. It replaces an existing object. Raises
        StorageFull when there is no room, and then also deletes the file at `path`.
        """

    def size_bytes(self, key: str) -> int:
        """Returns the object's size. Raises NotFound when there is none."""

    def read(self, key: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns up to `size_bytes` from `offset_bytes`; fewer only at the object's end.

        Raises NotFound when there is no such object.
        """

    def signed_url(self, key: str, lifetime_s: int) -> str | None:
        """Returns a URL from which anyone can download the object for `lifetime_s`; None if the storage has no URLs.

        Does not check whether the object exists.
        """

    def public_origin(self) -> str | None:
        """Returns the origin of signed URLs, such as `https://s3.example.org`; None if the storage has no URLs."""

    def delete(self, key: str) -> None:
        """Deletes the object; does nothing when there is none."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yields the objects whose keys begin with `prefix`, in no particular order."""

    def check(self) -> None:
        """Writes, reads and deletes a small object; raises StorageUnavailable, saying what failed."""

    def close(self) -> None:
        """Closes connections."""
