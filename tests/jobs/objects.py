"""Stores objects, and sets them back in time."""

import os
import time
from pathlib import Path

from video2mp3.storage import Storage
from video2mp3.storage.disk import DiskStorage


def put(storage: Storage, key: str, content: bytes = b"mp3") -> str:
    path = storage.scratch_folder / "object-of-a-test"
    path.write_bytes(content)
    storage.put_file(key, path)
    return key


def make_old(storage: DiskStorage, *keys: str, age_s: float = 7200) -> None:
    """Lets objects on disk look as if they were stored that long ago."""
    then = time.time() - age_s
    for path in Path(storage.scratch_folder).parent.rglob("*"):
        if any(str(path).endswith(key) for key in keys):
            os.utime(path, (then, then))


def keys_in(storage: Storage) -> set[str]:
    return {stored.key for stored in storage.list("")}
