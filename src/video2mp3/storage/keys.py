"""The names of stored objects."""

import re
import secrets

from video2mp3.errors import Video2mp3Error

_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[0-9a-zA-Z._-]{1,200}")


def check_key(key: str) -> str:
    """Returns `key` when it is one: segments of `[0-9a-zA-Z._-]`, none of them `.` or `..`, joined by `/`.

    Raises:
        Video2mp3Error: when it is not; keys are made by us, so that is a bug.
    """
    if not all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
        raise Video2mp3Error(f"Not a storage key: {key[:300]!r}.")
    return key


def new_check_key() -> str:
    """Returns a key for the object that `Storage.check` writes; the sweeper knows what a killed process left."""
    return f"checks/{secrets.token_hex(8)}"


def split_prefix(prefix: str) -> str:
    """Returns the folder that holds everything whose key begins with `prefix`; empty for the top."""
    folder = prefix.rpartition("/")[0]
    return check_key(folder) if folder else ""
