import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier, Event

import pytest

from video2mp3.accounts import passwords
from video2mp3.errors import InvalidRequest, LoginOverloaded


def test_a_password_matches_its_own_hash_only() -> None:
    password_hash = passwords.hash_password("correct horse")
    assert passwords.verify_password("correct horse", password_hash)
    assert not passwords.verify_password("correct horsf", password_hash)
    assert not passwords.verify_password("", password_hash)


def test_two_hashes_of_one_password_differ() -> None:
    assert passwords.hash_password("correct horse") != passwords.hash_password("correct horse")


def test_the_hash_is_argon2id_with_the_recommended_figures() -> None:
    assert passwords.hash_password("correct horse").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_the_same_letters_match_however_they_were_typed() -> None:
    assert passwords.verify_password("cafe\u0301-au-lait", passwords.hash_password("caf\u00e9-au-lait"))


def test_nobody_s_hash_costs_what_a_real_one_costs() -> None:
    real = passwords.hash_password("correct horse")
    nobody = passwords._NOBODY
    assert [len(part) for part in nobody.split("$")] == [len(part) for part in real.split("$")]
    assert nobody.split("$")[:4] == real.split("$")[:4]


def test_an_unknown_user_takes_the_time_of_a_known_one() -> None:
    password_hash = passwords.hash_password("correct horse")
    known = min(_cpu_s(password_hash) for _ in range(5))
    unknown = max(_cpu_s(None) for _ in range(5))
    assert unknown > known / 3


def _cpu_s(password_hash: str | None) -> float:
    """CPU time of all threads, because a busy machine stretches any other time."""
    started_s = time.process_time()
    assert not passwords.verify_password("wrong", password_hash)
    return time.process_time() - started_s


@pytest.mark.parametrize("length", [0, 7, passwords.MAX_LENGTH + 1])
def test_a_new_password_must_have_a_length_that_is_allowed(length: int) -> None:
    with pytest.raises(InvalidRequest):
        passwords.check_password("x" * length, min_length=8)


@pytest.mark.parametrize("length", [8, passwords.MAX_LENGTH])
def test_the_shortest_and_the_longest_password_are_taken(length: int) -> None:
    passwords.check_password("x" * length, min_length=8)
    assert passwords.verify_password("x" * length, passwords.hash_password("x" * length))


def test_a_longer_password_never_matches_by_its_beginning() -> None:
    longest = "x" * passwords.MAX_LENGTH
    assert not passwords.verify_password(longest + "x", passwords.hash_password(longest))


@contextmanager
def all_hashers_busy() -> Iterator[None]:
    """Every hash has to wait until the end of the block."""
    begun, ended = Barrier(passwords._MAX_CONCURRENT + 1), Event()

    def work() -> None:
        begun.wait(10)
        ended.wait(60)

    for _ in range(passwords._MAX_CONCURRENT):
        passwords._hashers.submit(work)
    begun.wait(10)
    try:
        yield
    finally:
        ended.set()


# Prints by how many MiB a process has grown after sign-ins in as many threads as a server has.
MANY_HASHES = """
import resource
from concurrent.futures import ThreadPoolExecutor
from video2mp3.accounts import passwords

def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

passwords.hash_password("x")
before = peak_mib()
with ThreadPoolExecutor(40) as threads:
    list(threads.map(passwords.hash_password, ["x"] * 120))
print(peak_mib() - before)
"""


def test_many_sign_ins_at_once_take_the_memory_of_a_few() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_HASHES], capture_output=True, check=True, text=True)
    assert int(done.stdout) < 120


def test_only_so_many_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAIT_S", 0.05)
    with all_hashers_busy(), pytest.raises(LoginOverloaded):
        passwords.hash_password("correct horse")
    assert passwords.hash_password("correct horse")
