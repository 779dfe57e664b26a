import threading
import time

import jwt
import pytest
from sqlalchemy import func, select, update

from video2mp3.accounts import tokens
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import SigningKey, User
from video2mp3.errors import Unauthenticated

SESSION_ID = "5" * 32


def _issue(database: Database, user: User, lifetime_s: int = 60) -> str:
    with database.write() as session:
        return tokens.issue(tokens.signer(session), user, SESSION_ID, lifetime_s=lifetime_s)


def _verify(database: Database, token: str) -> str:
    with database.read() as session:
        bearer = tokens.verify(session, token)
    assert bearer.session_id == SESSION_ID
    return bearer.user_id


def test_a_token_names_its_user(database: Database, ada: User) -> None:
    assert _verify(database, _issue(database, ada)) == ada.id


def test_a_token_says_what_rfc_9068_asks_for(database: Database, ada: User) -> None:
    token = _issue(database, ada, lifetime_s=900)
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert header["alg"] == "EdDSA"
    assert header["typ"] == "at+jwt"
    assert claims["exp"] - claims["iat"] == 900
    assert (claims["sub"], claims["username"], claims["sid"]) == (ada.id, "ada", SESSION_ID)
    assert claims["jti"] != jwt.decode(_issue(database, ada), options={"verify_signature": False})["jti"]


def test_another_service_can_check_a_token_with_the_public_keys_alone(database: Database, ada: User) -> None:
    token = _issue(database, ada)
    with database.read() as session:
        keys = tokens.jwks(session)
    assert set(keys["keys"][0]) == {"kty", "crv", "x", "kid", "use", "alg"}  # and no `d`
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["EdDSA"], audience="video2mp3", issuer="video2mp3")["sub"] == ada.id


def test_an_expired_token_is_refused(database: Database, ada: User) -> None:
    with pytest.raises(Unauthenticated):
        _verify(database, _issue(database, ada, lifetime_s=-tokens.EXPIRY_LEEWAY_S - 1))


def test_replicas_whose_clocks_differ_take_each_other_s_tokens(
    database: Database, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should take a token from a clock that is up to a minute ahead, and one that expired a moment ago here."""
    real_time = time.time

    def issued_ahead_by(seconds: float, lifetime_s: int = 60) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: real_time() + seconds)
            return _issue(database, ada, lifetime_s)

    for ahead_s in (2, tokens.CLOCK_LEEWAY_S - 5):
        assert _verify(database, issued_ahead_by(ahead_s)) == ada.id
    with pytest.raises(Unauthenticated):
        _verify(database, issued_ahead_by(tokens.CLOCK_LEEWAY_S + 5))
    assert _verify(database, issued_ahead_by(-62, lifetime_s=60)) == ada.id
    with pytest.raises(Unauthenticated):
        _verify(database, issued_ahead_by(-60 - tokens.EXPIRY_LEEWAY_S - 1, lifetime_s=60))


def test_a_token_outlives_the_process_that_made_it(database: Database, ada: User) -> None:
    token = _issue(database, ada)
    other = Database(database.engine.url.render_as_string(hide_password=False))
    try:
        assert _verify(other, token) == ada.id
        assert _issue(other, ada).split(".")[0] == token.split(".")[0]
    finally:
        other.close()


def test_processes_that_make_the_first_key_at_once_agree(database: Database, ada: User) -> None:
    started = threading.Barrier(6)
    issued: list[str] = []

    def first() -> None:
        started.wait()
        issued.append(_issue(database, ada))

    threads = [threading.Thread(target=first) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [_verify(database, token) for token in issued] == [ada.id] * 6
    kids = {jwt.get_unverified_header(_issue(database, ada))["kid"] for _ in range(3)}
    assert len(kids) == 1


def test_a_retired_key_signs_no_more_and_verifies_until_its_time(database: Database, ada: User) -> None:
    token = _issue(database, ada)
    _retire(database, in_s=60)
    assert _verify(database, token) == ada.id
    newer = _issue(database, ada)
    assert jwt.get_unverified_header(newer)["kid"] != jwt.get_unverified_header(token)["kid"]
    _retire(database, in_s=-1)
    for old in (token, newer):
        with pytest.raises(Unauthenticated):
            _verify(database, old)
    with database.read() as session:
        assert tokens.jwks(session) == {"keys": []}
        assert session.scalar(select(func.count()).select_from(SigningKey)) == 2


def _retire(database: Database, in_s: int) -> None:
    with database.write() as session:
        session.execute(update(SigningKey).values(retires_at=now() + in_s * SECOND))
