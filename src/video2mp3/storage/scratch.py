"""The scratch folder: free space on its disk, and the deletion of abandoned files."""

import errno
import shutil
import time
from contextlib import suppress
from pathlib import Path

from video2mp3.errors import StorageFull, StorageUnavailable


def free_bytes(folder: Path) -> int:
    """Returns the free bytes on the folder's disk. Raises StorageUnavailable if the folder cannot be used."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageUnavailable(f"The scratch folder cannot be used: {error.strerror}.") from error


def check_free_disk(folder: Path, size_bytes: int) -> None:
    """Raises StorageFull if fewer than `size_bytes` are free on the folder's disk."""
    if free_bytes(folder) < size_bytes:
        raise StorageFull("The service has too little room left for this; try again later.")


def write_error(error: OSError) -> StorageFull | StorageUnavailable:
    """Returns what the failure to write a scratch file means for the caller."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull()
    return StorageUnavailable(f"The scratch folder cannot be written to: {error.strerror}.")


def sweep_scratch(folder: Path, older_than_s: float) -> int:
    """Deletes the scratch files that were not modified for `older_than_s` seconds.

    Killed processes leave such files. Returns the number of deleted files.
    """
    deleted = 0
    oldest_s = time.time() - older_than_s
    # Another process may delete a file meanwhile, and the folder may not exist yet.
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest_s:
                    path.unlink()
                    deleted += 1
    return deleted
