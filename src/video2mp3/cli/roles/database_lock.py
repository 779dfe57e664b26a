"""A lock on an SQLite database: `serve` uses it alone, because it ends the claims of earlier processes at its start.

The file of the lock also says where `serve` listens. The system releases the lock when its process ends in any way.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from video2mp3.errors import ConfigurationError
from video2mp3.settings import Settings

# A process that ends releases it within this time; so does `sign-in-link`, which looks whether anybody holds it.
_WAIT_S = 1.0
_PAUSE_S = 0.05


@contextmanager
def hold_alone(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Holds the database until the end of the block; yields a function that records where the service is reached.

    Raises:
        ConfigurationError: when another process holds it, or the system refuses the lock.
    """
    path = _path(settings)
    if path is None:
        yield lambda _: None
        return
    with _locked(path, fcntl.LOCK_EX) as descriptor:
        os.ftruncate(descriptor, 0)
        yield lambda url: os.ftruncate(descriptor, os.pwrite(descriptor, url.encode(), 0))


@contextmanager
def hold_with_others(settings: Settings) -> Iterator[None]:
    """Holds the database together with others of its kind until the end of the block.

    Raises:
        ConfigurationError: when `serve` holds it, or the system refuses the lock.
    """
    path = _path(settings)
    if path is None:
        yield
        return
    with _locked(path, fcntl.LOCK_SH):
        yield


def recorded_url(settings: Settings) -> str | None:
    """Returns where the running `serve` is reached; None if none runs, if its database is no file of SQLite, or if the
    system does not tell.
    """
    path = _path(settings)
    if path is None:
        return None
    try:
        with _opened(path, os.O_RDONLY) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return path.read_text("utf-8") or None
    except OSError:
        return None
    return None


def _path(settings: Settings) -> Path | None:
    url = make_url(settings.effective_database_url)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or "uri" in url.query:
        return None
    return Path(f"{url.database}.lock").absolute()


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[int]:
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(_opened(path, os.O_RDWR | os.O_CREAT))
            _lock(descriptor, kind, path)
        except OSError as error:
            raise ConfigurationError(
                f"The lock {path} cannot be used ({error.strerror}); make it a file that this user may write, on a "
                "file system with locks, or choose another folder with --data-dir (VIDEO2MP3_DATA_DIR)."
            ) from None
        yield descriptor


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int, path: Path) -> None:
    deadline_s = time.monotonic() + _WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise ConfigurationError(
                    f"Another process of this service uses {path.with_suffix('')}; stop it, "
                    "or choose another folder with --data-dir (VIDEO2MP3_DATA_DIR)."
                ) from None
        else:
            return
        time.sleep(_PAUSE_S)
