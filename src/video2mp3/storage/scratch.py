"""Scratch files that nobody will come back for."""

import time
from contextlib import suppress
from pathlib import Path


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
