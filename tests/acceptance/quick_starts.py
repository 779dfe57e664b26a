"""Imported last by the process that starts the tests' programs (`preloaded`): it makes starts and users cheap."""

import gc
import os

from pwdlib.hashers.argon2 import Argon2Hasher

from video2mp3.accounts import passwords

if not os.environ.get("TESTS_ABUSE"):  # `make abuse` measures sign-ins
    # Hashes of 1 ms instead of 30; tests/accounts/test_passwords.py checks the true figures.
    passwords._hasher = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    passwords._NOBODY = passwords._hasher.hash("nobody's password")

# A collection in a forked process would copy all memory that it shares with this one.
gc.collect()
gc.freeze()
