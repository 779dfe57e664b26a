import threading

import jwt
import pytest
from sqlalchemy import select, update

from tests.servers import wait_until
from video2mp3.accounts import signing_keys, tokens
from video2mp3.database.clock import SECOND
from video2mp3.database.connection import Database
from video2mp3.database.tables import SigningKey, User
from video2mp3.errors import Unauthenticated

LIFETIME_S = 900


def issue(database: Database, user: User) -> str:
    with database.write() as session:
        return tokens.issue(tokens.signer(session), user, "5" * 32, lifetime_s=LIFETIME_S)


def is_taken(database: Database, token: str) -> bool:
    with database.read() as session:
        try:
            tokens.verify(session, token)
        except Unauthenticated:
            return False
    return True


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def rotate(database: Database) -> str:
    with database.write() as session:
        return signing_keys.rotate(session, lifetime_s=LIFETIME_S).id


def rotate_old(database: Database, age_s: int) -> bool:
    with database.write() as session:
        return signing_keys.rotate_old(session, age_s=age_s, lifetime_s=LIFETIME_S)


def grow_older(database: Database, by_s: int) -> None:
    with database.write() as session:
        values = {
            "created_at": SigningKey.created_at - by_s * SECOND,
            "retires_at": SigningKey.retires_at - by_s * SECOND,
        }
        session.execute(update(SigningKey).values(values))


def published(database: Database) -> set[str]:
    with database.read() as session:
        return {key["kid"] for key in tokens.jwks(session)["keys"]}


def test_after_a_rotation_the_new_key_signs_and_both_verify(database: Database, ada: User) -> None:
    old = issue(database, ada)
    new_kid = rotate(database)
    new = issue(database, ada)
    assert kid(new) == new_kid != kid(old)
    assert is_taken(database, old)
    assert is_taken(database, new)
    assert published(database) == {kid(old), kid(new)}


def test_a_retired_key_verifies_as_long_as_its_last_token_lives_and_then_no_more(database: Database, ada: User) -> None:
    old = issue(database, ada)
    rotate(database)
    new = issue(database, ada)
    grow_older(database, LIFETIME_S)
    assert is_taken(database, old)
    grow_older(database, signing_keys.MARGIN_S)
    # The token itself has minutes left by this machine's clock: it is the key that is refused.
    assert not is_taken(database, old)
    assert is_taken(database, new)
    assert published(database) == {kid(new)}


def test_housekeeping_removes_the_keys_that_verify_nothing_and_no_others(database: Database, ada: User) -> None:
    old = issue(database, ada)
    rotate(database)
    with database.write() as session:
        assert signing_keys.remove_retired(session) == 0
    grow_older(database, LIFETIME_S + signing_keys.MARGIN_S)
    with database.write() as session:
        assert signing_keys.remove_retired(session) == 1
        assert kid(old) not in session.scalars(select(SigningKey.id)).all()
    assert kid(issue(database, ada)) in published(database)


def test_a_key_is_replaced_by_its_age_and_by_one_process_of_many(database: Database, ada: User) -> None:
    issue(database, ada)
    assert not rotate_old(database, age_s=3600)
    grow_older(database, 3601)
    started = threading.Barrier(6)
    rotated: list[bool] = []

    def housekeeping() -> None:
        started.wait()
        rotated.append(rotate_old(database, age_s=3600))

    threads = [threading.Thread(target=housekeeping) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rotated) == [False] * 5 + [True]
    with database.read() as session:
        states = [key.retires_at is None for key in signing_keys.list_all(session)]
    assert states == [True, False]


def test_a_service_that_never_signed_has_no_key_to_replace(database: Database) -> None:
    assert not rotate_old(database, age_s=60)


def test_no_good_token_is_refused_while_keys_rotate_under_load(database: Database, ada: User) -> None:
    """It should hold for processes that sign and verify beside the one that rotates."""
    other = Database(database.engine.url.render_as_string(hide_password=False))
    ended = threading.Event()
    issued: list[str] = []
    refused: list[str] = []

    def work(signing: Database, verifying: Database) -> None:
        while not ended.is_set():
            token = issue(signing, ada)
            issued.append(token)
            if not is_taken(verifying, token):
                refused.append(token)

    threads = [threading.Thread(target=work, args=pair) for pair in ((database, other), (other, database))]
    for thread in threads:
        thread.start()

    def wait_for_more(than: int) -> None:
        wait_until(lambda: len(issued) > than, 60, "more tokens")

    kids = []
    try:
        for _ in range(10):
            kids.append(rotate(database))
            # Both go on meanwhile; what was begun before is among the first of these.
            wait_for_more(len(issued) + 3)
    finally:
        ended.set()
    for thread in threads:
        thread.join()
    assert refused == []
    assert all(is_taken(other, token) for token in issued)
    assert kid(issued[-1]) == kids[-1]
    assert len({kid(token) for token in issued}) > 1
    other.close()


def test_a_key_that_leaked_is_revoked_at_once(database: Database, ada: User) -> None:
    old = issue(database, ada)
    with database.write() as session:
        signing_keys.revoke(session)
    assert not is_taken(database, old)
    assert is_taken(database, issue(database, ada))
    with pytest.raises(Unauthenticated), database.read() as session:
        tokens.verify(session, old)
