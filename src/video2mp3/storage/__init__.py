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
    """Keeps objects. Keys are made by us, never by users: segments of `[0-9a-zA-Z._-]` joined by `/`.

    Safe to use from several threads. Every method raises StorageUnavailable when the storage does not
    answer.
    """

    scratch_folder: Path
    """Where files for `put_file` are written, so that the disk store can rename instead of copying."""

    def put_file(self, key: str, path: Path, attributes: Mapping[str, str] | None = None) -> None:
        """Stores the file under `key`, durably, and takes it away from `path`.

        `attributes` are headers that go with the bytes where the store itself serves them, see `signed_url`.

        All of it is stored or none: no half-written object can ever be read. An object that has the key
        already is replaced. Raises StorageFull when there is no room; the file at `path` is gone then too.
        """

    def size_bytes(self, key: str) -> int:
        """Returns the object's size. Raises NotFound when there is none."""

    def read(self, key: str, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns up to `size_bytes` from `offset_bytes`; fewer only at the object's end.

        Raises NotFound when there is no such object.
        """

    def signed_url(self, key: str, lifetime_s: int) -> str | None:
        """Returns an address that the object can be fetched from, by whoever has it, for so long; None: there is none.

        Whether there is such an object is not looked at.
        """

    def delete(self, key: str) -> None:
        """Deletes the object; does nothing when there is none."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yields the objects whose keys begin with `prefix`, in no particular order."""

    def check(self) -> None:
        """Writes, reads and deletes a small object; raises StorageUnavailable, saying what failed."""

    def close(self) -> None:
        """Closes connections."""
