"""Creates files and folders that only the service's account may open, regardless of the umask."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()


def make_folder(folder: Path) -> None:
    """Creates the folder with mode 0700; removes other accounts' rights from an existing one. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    close_to_others(folder)


def make_file(path: Path) -> None:
    """Creates an empty file with mode 0600; removes other accounts' rights from an existing one.

    Ignores errors: opening the file will report them.
    """
    with suppress(OSError):
        # Only if it does not exist: closing SQLite's file would drop this process's locks on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    close_to_others(path)


def close_to_others(path: Path) -> None:
    """Removes all rights of the group and of others, if this account owns the file."""
    with suppress(OSError):
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(mode & 0o700)
            log.warning("file_mode_tightened", path=str(path), mode=f"{mode:04o}", now=f"{mode & 0o700:04o}")
