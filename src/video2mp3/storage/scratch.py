"""The scratch folder: the room on its disk, and files that nobody will come back for."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from video2mp3.errors import StorageFull, StorageUnavailable


def free_bytes(folder: Path) -> int:
    """Returns how many bytes are free on the folder's disk. Raises StorageUnavailable where it cannot be used."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageUnavailable(f"The scratch folder cannot be used: {error.strerror}.") from error


def check_free_disk(folder: Path, size_bytes: int) -> None:
    """Raises StorageFull when fewer bytes than that are free on the folder's disk."""
    if free_bytes(folder) < size_bytes:
        raise StorageFull("The service has too little room left for this; try again later.")


def sweep_scratch(folder: Path, older_than_s: float) -> int:
    """Deletes the files in a scratch folder that nobody has written to for `older_than_s` seconds.

    They are what a killed process left. Returns how many were deleted.
    """
    deleted = 0
    oldest_s = time.time() - older_than_s
    # A file may end while this looks at it, and the folder may not be there yet.
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest_s:
                    path.unlink()
                    deleted += 1
    return deleted
