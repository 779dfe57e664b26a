"""Passwords: Argon2id, with a limit on concurrent hashes.

The figures are OWASP's (Password Storage Cheat Sheet): 19 MiB of memory, 2 passes, 1 lane.
"""

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pwdlib.hashers.argon2 import Argon2Hasher

from video2mp3.errors import InvalidRequest, LoginOverloaded

MAX_LENGTH = 1024
"""Longest password taken, in characters."""

_MEMORY_KIB = 19_456
_hasher = Argon2Hasher(time_cost=2, memory_cost=_MEMORY_KIB, parallelism=1)
# The hash of a discarded password, with the same parameters: for users who do not exist.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$68cnUkhJip5EQE18E6gK4g$SBkys/ko6xyIqWDnCx6yARTf2nJ0hhZG95VFcf+rpyY"

T = TypeVar("T")

# Each hash takes 19 MiB; without a limit, fifty concurrent logins would take a gigabyte. In dedicated threads, because
# the C library keeps the memory for the thread that used it: in the server's forty threads, 450 MiB permanently.
_MAX_CONCURRENT = 4
_MAX_WAIT_S = 10.0
_hashers = ThreadPoolExecutor(_MAX_CONCURRENT, thread_name_prefix="password")


def check_password(password: str, *, min_length: int) -> None:
    """Raises InvalidRequest when a new password is too short or too long; both in characters."""
    if len(password) < min_length:
        raise InvalidRequest(f"The password needs at least {min_length} characters.")
    if len(password) > MAX_LENGTH:
        raise InvalidRequest(f"The password may have at most {MAX_LENGTH} characters.")


def hash_password(password: str) -> str:
    """Returns the Argon2id hash as text, with its parameters and salt.

    Takes some 30 ms and waits for a free thread; call it outside of transactions. Raises LoginOverloaded after 10 s.
    """
    return _in_turn(lambda: _hasher.hash(_normal(password)))


def verify_password(password: str, password_hash: str | None) -> bool:
    """Returns whether the password matches the hash; without a hash (no such user) it takes the same time.

    Waits for a free thread; call it outside of transactions. Raises LoginOverloaded after 10 s.
    """
    if password_hash is None or len(password) > MAX_LENGTH:
        password, password_hash = "", _NOBODY
    return _in_turn(lambda: _hasher.verify(_normal(password), password_hash))


def _normal(password: str) -> str:
    # The same letters typed on another system may arrive composed differently.
    return unicodedata.normalize("NFC", password)


def _in_turn(work: Callable[[], T]) -> T:
    future = _hashers.submit(work)
    try:
        return future.result(_MAX_WAIT_S)
    except TimeoutError:
        if future.cancel():
            raise LoginOverloaded from None
        # It has just started.
        return future.result()
