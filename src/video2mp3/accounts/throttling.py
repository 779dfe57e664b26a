"""How often somebody may try: failed sign-ins, new accounts, letters that reset a password.

What is counted are rows of one table, so that all replicas count together and none forgets when it ends. Nothing is
locked. An attempt is counted, and committed, before it is answered, and then looked at again; so of many guesses that
are sent at once, no more than the limit are answered with anything but "too many".

Nobody is kept out by others for ever. What was refused does not count, so a closed counter opens again within 15
minutes. And where an account has signed in from an address before, its sign-ins from there have a counter of their own,
which nobody elsewhere, and no other name there, can fill.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Attempt, new_id
from video2mp3.errors import TooManyAttempts

WINDOW_S = 900
"""What was counted in this time counts."""

REGISTRATIONS = 30
"""Accounts that may be asked for from one address, within the window."""

RESETS = 5
"""Letters that one account gets, and that may be asked for from one address, within the window."""

VERIFICATIONS_PER_DAY = 3
"""Messages by one account that ask whose an e-mail address is; also to one address, but for the accounts' first."""

VERIFICATIONS_TO_ONE_ADDRESS = 10
"""Such messages to one address within a day, with each account's first: nobody keeps its owner from having one."""

VERIFICATIONS_FROM_ONE_PLACE = 100
"""Such messages, to whatever address, that are asked for from one network within a day."""

_DAY_S = 86_400

_KNOWN_S = 90 * 86_400


@dataclass(frozen=True)
class Gate:
    """What an attempt counts for, and how often each of that may have been counted."""

    counters: tuple[str, ...]
    limit: int
    """0: any number."""
    known: str = ""
    """The mark of an account that has signed in from that address; where it is there, it is the only counter too."""
    window_s: int = WINDOW_S
    """For so long an attempt counts."""


def sign_in(username_key: str, address: str | None, *, limit: int) -> Gate:
    """Counts failed sign-ins with that name, which may be nobody's, and from that address."""
    place = network_of(address)
    return Gate(
        (_counter("sign-in name", username_key), _counter("sign-in address", place)),
        limit,
        _counter("sign-in known", username_key, place),
    )


def refresh(address: str | None, *, limit: int) -> Gate:
    """Counts refresh tokens from that address that are none; good ones are never refused."""
    return Gate((_counter("refresh", network_of(address)),), limit)


def registration(address: str | None) -> Gate:
    """Counts accounts that are asked for."""
    return Gate((_counter("register", network_of(address)),), REGISTRATIONS)


def reset_from(address: str | None) -> Gate:
    """Counts resets of passwords that are asked for from an address."""
    return Gate((_counter("reset address", network_of(address)),), RESETS)


def reset_of(username_key: str) -> Gate:
    """Counts resets of one account's password; where it is closed no letter is sent, and the answer is as ever."""
    return Gate((_counter("reset name", username_key),), RESETS)


def verifications(session: Session, user_id: str, email: str, address: str | None) -> tuple[Gate, ...]:
    """Counts messages that verify an e-mail address: nobody is to be flooded with them, by however many accounts.

    An account's first message to an address in a day is sent also where others have asked for several.
    """
    own = _counter("verify by to", user_id, email.casefold())
    is_first = _nth_newest(session, own, 1) is None
    to_address = VERIFICATIONS_TO_ONE_ADDRESS if is_first else VERIFICATIONS_PER_DAY
    return (
        # Of several at once, only one is the first.
        Gate((own,), 1 if is_first else VERIFICATIONS_PER_DAY, window_s=_DAY_S),
        Gate((_counter("verify from", network_of(address)),), VERIFICATIONS_FROM_ONE_PLACE, window_s=_DAY_S),
        Gate((_counter("verify by", user_id),), VERIFICATIONS_PER_DAY, window_s=_DAY_S),
        Gate((_counter("verify to", email.casefold()),), to_address, window_s=_DAY_S),
    )


def narrowed(session: Session, gate: Gate) -> Gate:
    """Returns what counts for this attempt: of an account that is known at that address, only what it does there."""
    if gate.known and _nth_newest(session, gate.known, 1) is not None:
        # Two again: the time that counting takes must not tell who is known there.
        return replace(gate, counters=(_counter("failed", gate.known), _counter("failed, again", gate.known)))
    return gate


def require_open(session: Session, gate: Gate) -> None:
    """Raises TooManyAttempts, with the seconds to wait, where as many as may be have been counted."""
    _require_fewer(session, gate, gate.limit)


def require_counted(session: Session, gate: Gate) -> None:
    """Does as `require_open` for an attempt that was counted itself; that count has to be committed."""
    _require_fewer(session, gate, gate.limit + 1)


def is_full(session: Session, gate: Gate) -> bool:
    """Says whether the next attempt would be refused."""
    try:
        require_open(session, gate)
    except TooManyAttempts:
        return True
    return False


def count(session: Session, gate: Gate) -> tuple[str, ...]:
    """Counts an attempt, and returns the ids of the rows. Commit it before it is answered."""
    if not gate.limit:
        return ()
    ids = tuple(new_id() for _ in gate.counters)
    for id_, counter in zip(ids, gate.counters, strict=True):
        session.add(Attempt(id=id_, counter_sha256=counter, expires_at=now() + gate.window_s * SECOND))
    session.flush()
    return ids


def uncount(session: Session, ids: Sequence[str]) -> None:
    """Takes an attempt back that was counted, and then refused."""
    session.execute(delete(Attempt).where(Attempt.id.in_(ids)))


def note_success(session: Session, gate: Gate) -> None:
    """Remembers that the account has signed in from there. Failures stay counted: else one's own account would help
    to try others'.
    """
    remaining_us = session.scalar(
        select(Attempt.expires_at - now())
        .where(Attempt.counter_sha256 == gate.known, Attempt.expires_at > now())
        .order_by(Attempt.expires_at.desc())
        .limit(1)
    )
    # Not a row for each sign-in.
    if (remaining_us or 0) < _KNOWN_S * SECOND // 2:
        session.add(Attempt(id=new_id(), counter_sha256=gate.known, expires_at=now() + _KNOWN_S * SECOND))
        session.flush()


def delete_expired(session: Session) -> int:
    """Deletes what counts no more; returns how many rows."""
    return rows_changed(session, delete(Attempt).where(Attempt.expires_at < now()))


def _require_fewer(session: Session, gate: Gate, limit: int) -> None:
    if not gate.limit:
        return
    waits_us = [_nth_newest(session, counter, limit) or 0 for counter in gate.counters]
    if any(waits_us):
        raise TooManyAttempts(retry_after_s=-(-max(waits_us) // SECOND))


def _nth_newest(session: Session, counter: str, n: int) -> int | None:
    """Returns in how many microseconds the n-th newest row of the counter expires; None where there are fewer."""
    return session.scalar(
        select(Attempt.expires_at - now())
        .where(Attempt.counter_sha256 == counter, Attempt.expires_at > now())
        .order_by(Attempt.expires_at.desc())
        .offset(n - 1)
        .limit(1)
    )


def _counter(*facts: str) -> str:
    return hashlib.sha256("\0".join(facts).encode("utf-8", "replace")).hexdigest()


def network_of(address: str | None) -> str:
    """Returns what one client can be told by: a whole /64 of IPv6, for that is what each is given."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 6 and mapped is None:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(mapped or found)
