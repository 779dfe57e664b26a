"""Files and folders that only the service's own account may open, whatever the umask says."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()


def make_folder(folder: Path) -> None:
    """Makes the folder with mode 0700; closes one that is there to other accounts. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    close_to_others(folder)


def make_file(path: Path) -> None:
    """Makes an empty file with mode 0600; closes one that is there to other accounts.

    Where that is not possible nothing happens: opening the file then says why.
    """
    with suppress(OSError):
        # Only where there is none: to open and close SQLite's file would drop the locks that this process has on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    close_to_others(path)


def close_to_others(path: Path) -> None:
    """Takes all rights of the group and of others away, where the file is this account's own."""
    with suppress(OSError):
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(mode & 0o700)
            log.warning("file_mode_tightened", path=str(path), mode=f"{mode:04o}", now=f"{mode & 0o700:04o}")
