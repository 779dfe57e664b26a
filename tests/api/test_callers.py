"""It should tell whose request one is, and gain nobody anything who invents credentials."""

from starlette.types import Scope

from video2mp3.api.fairness.callers import Callers


def scope(**headers: str) -> Scope:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": raw, "client": ("192.0.2.1", 50_000)}


def test_a_credential_that_was_good_stands_for_its_account() -> None:
    callers = Callers()
    callers.learn(scope(authorization="Bearer one"), "account")
    callers.learn(scope(cookie="session=two"), "account")
    assert callers.caller_of(scope(authorization="Bearer one")) == "account"
    assert callers.caller_of(scope(cookie="session=two")) == "account"


def test_unknown_credentials_and_none_stand_for_their_address() -> None:
    callers = Callers()
    callers.learn(scope(), "account")
    invented = {callers.caller_of(scope(authorization=f"Bearer {number}")) for number in range(100)}
    assert invented == {callers.caller_of(scope())}
    assert "account" not in invented


def test_credentials_are_forgotten_when_there_are_too_many() -> None:
    callers = Callers()
    callers.learn(scope(authorization="Bearer first"), "account")
    for number in range(20_000):
        callers.learn(scope(authorization=f"Bearer {number}"), "other")
    assert callers.caller_of(scope(authorization="Bearer first")) != "account"
    assert callers.caller_of(scope(authorization="Bearer 19999")) == "other"
