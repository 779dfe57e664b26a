"""How often somebody may try, on every database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from video2mp3.accounts import throttling
from video2mp3.accounts.throttling import WINDOW_S, Throttle
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Attempt
from video2mp3.errors import TooManyAttempts

HERE, THERE = "192.0.2.1", "198.51.100.7"


def throttle(name: str = "ada", address: str | None = HERE, limit: int = 3) -> Throttle:
    return throttling.sign_in(name, address, limit=limit)


def fail(database: Database, throttle: Throttle, times: int = 1) -> None:
    for _ in range(times):
        with database.write() as session:
            throttle.for_known_client(session).count(session)


def is_full(database: Database, throttle: Throttle) -> bool:
    with database.read() as session:
        return throttle.for_known_client(session).is_full(session)


def succeed(database: Database, throttle: Throttle) -> None:
    with database.write() as session:
        throttle.record_success(session)


def pass_time(database: Database, seconds: float) -> None:
    with database.write() as session:
        session.execute(update(Attempt).values(expires_at=Attempt.expires_at - int(seconds * SECOND)))


def test_the_limit_counts_for_the_name_anywhere_and_for_the_address_with_any_name(database: Database) -> None:
    fail(database, throttle(), 2)
    assert not is_full(database, throttle())
    fail(database, throttle())
    assert is_full(database, throttle("ada", THERE))
    assert is_full(database, throttle("bob", HERE))
    assert not is_full(database, throttle("bob", THERE))


def test_it_opens_again_as_soon_as_fewer_count(database: Database) -> None:
    fail(database, throttle())
    pass_time(database, WINDOW_S / 2)
    fail(database, throttle(), 2)
    with database.read() as session, pytest.raises(TooManyAttempts) as refused:
        throttle().check(session)
    assert WINDOW_S / 2 - 60 < refused.value.retry_after_s <= WINDOW_S / 2 + 1
    pass_time(database, WINDOW_S / 2)
    assert not is_full(database, throttle())
    fail(database, throttle())
    assert is_full(database, throttle())


def test_who_has_signed_in_from_there_before_is_not_kept_out_by_others(database: Database) -> None:
    succeed(database, throttle("ada", HERE))
    fail(database, throttle("ada", THERE), 3)
    fail(database, throttle("bob", HERE), 3)
    assert is_full(database, throttle("ada", THERE))
    assert not is_full(database, throttle("ada", HERE))
    # Its own failures there count; and for nothing else.
    fail(database, throttle("ada", HERE), 3)
    assert is_full(database, throttle("ada", HERE))
    assert not is_full(database, throttle("cleo", "203.0.113.9"))


def test_a_sign_in_of_one_s_own_does_not_help_to_try_others(database: Database) -> None:
    for _ in range(3):
        fail(database, throttle("ada", THERE))
        succeed(database, throttle("eve", THERE))
    assert is_full(database, throttle("ada", THERE))
    assert is_full(database, throttle("bob", THERE))


def test_of_many_at_once_no_more_than_the_limit_are_answered(database: Database) -> None:
    def guess(_: int) -> bool:
        with database.write() as session:
            throttle(limit=10).count(session)
        with database.write() as session:
            try:
                throttle(limit=10).check_counted(session)
            except TooManyAttempts:
                return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(guess, range(40))) <= 10
    fail(database, throttle("bob", THERE))
    with database.read() as session:
        throttle("bob", THERE, limit=10).check_counted(session)


def test_a_network_of_ipv6_counts_as_one_address(database: Database) -> None:
    for host in ("1", "2:3:4:5", "ffff"):
        fail(database, throttle("ada", f"2001:db8::{host}"))
    assert is_full(database, throttle("bob", "2001:db8::9"))
    assert not is_full(database, throttle("bob", "2001:db8:0:1::9"))
    assert throttling.network_of("::ffff:192.0.2.1") == HERE
    assert throttling.network_of("fe80::1%eth0") == "fe80::/64"
    assert throttling.network_of(None) == throttling.network_of("unix:") == "unknown"


def test_no_limit_counts_nothing(database: Database) -> None:
    fail(database, throttle(limit=0), 20)
    assert not is_full(database, throttle(limit=0))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 0


def test_what_counts_no_more_is_deleted_and_what_is_known_stays(database: Database) -> None:
    for _ in range(3):
        succeed(database, throttle())
    fail(database, throttle("bob"))
    pass_time(database, WINDOW_S + 1)
    with database.write() as session:
        assert throttling.delete_expired(session) == 2
        assert session.scalar(select(func.count()).select_from(Attempt)) == 1
        left_s = session.scalars(select(Attempt.expires_at - now())).one() / SECOND
    assert left_s > 89 * 86_400 - WINDOW_S


@pytest.mark.parametrize("other", [throttling.registration(HERE), throttling.refresh(HERE, limit=3)])
def test_different_things_are_counted_apart(database: Database, other: Throttle) -> None:
    fail(database, other, other.limit)
    assert is_full(database, other)
    assert not is_full(database, throttle())
