"""Limits on attempts: failed logins, new accounts, password resets, address verifications.

Attempts are rows of one table, so all replicas count together and a restart forgets nothing. Nothing is locked. The
caller commits an attempt before it answers and checks the limit once more afterwards. So of many guesses that arrive at
once, no more than the limit get another answer than "too many attempts".

No client can lock another one out for good. A refused attempt does not count, so a full counter admits attempts again
within 15 minutes. An account that has logged in from a network before has a separate counter there, which no other
client and no other username can fill.
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
"""An attempt counts for this time, where the throttle sets no other."""

REGISTRATIONS = 30
"""Registrations from one network within the window."""

RESETS = 5
"""Password resets for one account, and from one network, within the window."""

VERIFICATIONS_PER_DAY = 3
"""Verification emails that one account requests in a day, and that one address gets, but for an account's first."""

VERIFICATIONS_TO_ONE_ADDRESS = 10
"""Verification emails to one address in a day, with each account's first: nobody can block its owner."""

VERIFICATIONS_FROM_ONE_PLACE = 100
"""Verification emails, to any address, that are requested from one network within a day."""

_DAY_S = 86_400

_KNOWN_S = 90 * 86_400


@dataclass(frozen=True)
class Throttle:
    """The counters that an attempt adds to, and their limit."""

    counters: tuple[str, ...]
    limit: int
    """0: no limit."""
    known: str = ""
    """The mark of an account that has logged in from this network; see `for_known_client`."""
    window_s: int = WINDOW_S
    """How long an attempt counts."""

    def for_known_client(self, session: Session) -> "Throttle":
        """Returns the separate counter of an account that is known in this network; else the throttle itself."""
        if self.known and _nth_newest(session, self.known, 1) is not None:
            # Two counters again: the time that counting takes must not reveal which account is known there.
            return replace(self, counters=(_counter("failed", self.known), _counter("failed, again", self.known)))
        return self

    def check(self, session: Session) -> None:
        """Raises TooManyAttempts, with the seconds to wait, if the limit is reached."""
        self._check_fewer_than(session, self.limit)

    def check_counted(self, session: Session) -> None:
        """Raises TooManyAttempts if the limit is exceeded by an attempt that was counted and committed before."""
        self._check_fewer_than(session, self.limit + 1)

    def is_full(self, session: Session) -> bool:
        """Returns whether the next attempt would be refused."""
        try:
            self.check(session)
        except TooManyAttempts:
            return True
        return False

    def count(self, session: Session) -> tuple[str, ...]:
        """Counts an attempt and returns the ids of its rows. Commit them before the attempt is answered."""
        if not self.limit:
            return ()
        ids = tuple(new_id() for _ in self.counters)
        for id_, counter in zip(ids, self.counters, strict=True):
            session.add(Attempt(id=id_, counter_sha256=counter, expires_at=now() + self.window_s * SECOND))
        session.flush()
        return ids

    def record_success(self, session: Session) -> None:
        """Marks the account as known in this network.

        Failures stay counted: else an attacker could reset the count of guesses by logging in to another account.
        """
        # One row for many logins: it is written again in the second half of its life.
        if (_nth_newest(session, self.known, 1) or 0) < _KNOWN_S * SECOND // 2:
            session.add(Attempt(id=new_id(), counter_sha256=self.known, expires_at=now() + _KNOWN_S * SECOND))
            session.flush()

    def _check_fewer_than(self, session: Session, limit: int) -> None:
        if not self.limit:
            return
        waits_us = [_nth_newest(session, counter, limit) or 0 for counter in self.counters]
        if any(waits_us):
            raise TooManyAttempts(retry_after_s=-(-max(waits_us) // SECOND))


def sign_in(username_key: str, address: str | None, *, limit: int) -> Throttle:
    """Counts failed logins by username, whether or not it exists, and by network."""
    network = network_of(address)
    return Throttle(
        (_counter("sign-in name", username_key), _counter("sign-in address", network)),
        limit,
        _counter("sign-in known", username_key, network),
    )


def refresh(address: str | None, *, limit: int) -> Throttle:
    """Counts invalid refresh tokens by network; valid ones are never refused."""
    return Throttle((_counter("refresh", network_of(address)),), limit)


def registration(address: str | None) -> Throttle:
    """Counts registrations by network."""
    return Throttle((_counter("register", network_of(address)),), REGISTRATIONS)


def reset_from(address: str | None) -> Throttle:
    """Counts requests for password resets by network."""
    return Throttle((_counter("reset address", network_of(address)),), RESETS)


def reset_of(username_key: str) -> Throttle:
    """Counts password resets by account; if it is full, no email is sent, and the response is the same."""
    return Throttle((_counter("reset name", username_key),), RESETS)


def verifications(session: Session, user_id: str, email: str, address: str | None) -> tuple[Throttle, ...]:
    """Counts verification emails, so that no address is flooded with them, by however many accounts.

    An account's first email to an address in a day is sent even if other accounts have requested several.
    """
    own = _counter("verify by to", user_id, email.casefold())
    is_first = _nth_newest(session, own, 1) is None
    to_address = VERIFICATIONS_TO_ONE_ADDRESS if is_first else VERIFICATIONS_PER_DAY
    return (
        # Of several requests at once, only one is the first.
        Throttle((own,), 1 if is_first else VERIFICATIONS_PER_DAY, window_s=_DAY_S),
        Throttle((_counter("verify from", network_of(address)),), VERIFICATIONS_FROM_ONE_PLACE, window_s=_DAY_S),
        Throttle((_counter("verify by", user_id),), VERIFICATIONS_PER_DAY, window_s=_DAY_S),
        Throttle((_counter("verify to", email.casefold()),), to_address, window_s=_DAY_S),
    )


def uncount(session: Session, ids: Sequence[str]) -> None:
    """Removes an attempt that was counted and then refused."""
    session.execute(delete(Attempt).where(Attempt.id.in_(ids)))


def delete_expired(session: Session) -> int:
    """Deletes attempts that no longer count; returns the number of rows."""
    return rows_changed(session, delete(Attempt).where(Attempt.expires_at < now()))


def network_of(address: str | None) -> str:
    """Returns what identifies a client: its IPv4 address, or its /64 of IPv6, as a client may use all of that."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 6 and mapped is None:
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(mapped or found)


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
