"""Whose notifications go out now: users take turns, and few go to one user or to one host at a time.

The bounds hold for the whole deployment, since the relay announces no more than they allow and only what is announced
can be claimed. So a notifier has as much as it can send, and no message of one user waits behind those of another.
Email and webhooks have separate bounds: neither waits for the other.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Destination, Notification
from video2mp3.outbox.claims import LEASE_S
from video2mp3.outbox.destinations import SLOWED_AFTER

# Of so many rows a choice is made; those that would come first are among them.
_CANDIDATES = 2000
# An attempt takes less, as a rule. What was claimed earlier belongs to a notifier that has died, most likely, and its
# place is not kept for the whole of its lease. Where it lives and is slow, it keeps to the bounds itself.
_COUNTED_S = 20


@dataclass(frozen=True)
class Bounds:
    """How many notifications may be under way at once: announced, or being sent."""

    total: int
    per_user: int
    per_destination: int
    """For all users together."""


EMAIL = Bounds(total=8, per_user=2, per_destination=8)
"""All email goes to one server; a notifier has a thread for each."""
WEBHOOKS = Bounds(total=200, per_user=8, per_destination=2)


@dataclass(frozen=True)
class Candidate:
    """A notification that is due."""

    id: str
    job_id: str
    user_id: str
    destination: str
    is_probe: bool
    """Its destination has not answered lately: one attempt at a time is enough."""


class UnderWay:
    """How many notifications are under way, and whether there is room for one more."""

    def __init__(self, bounds: Bounds) -> None:
        """None are."""
        self._bounds = bounds
        self._pairs: Counter[tuple[str, str]] = Counter()
        self.users: Counter[str] = Counter()
        self.destinations: Counter[str] = Counter()

    def add(self, user_id: str, destination: str, number: int = 1) -> None:
        """Counts some more; a negative number: so many have ended."""
        for counter, key in ((self.users, user_id), (self.destinations, destination)):
            counter[key] += number
            if not counter[key]:
                del counter[key]
        self._pairs[user_id, destination] += number
        if not self._pairs[user_id, destination]:
            del self._pairs[user_id, destination]

    def has_room(self, user_id: str, destination: str, *, is_probe: bool = False) -> bool:
        """Returns whether one more may go; a probe goes alone."""
        return (
            self.users.total() < self._bounds.total
            and self.users[user_id] < self._bounds.per_user
            and self.destinations[destination] < self._bounds.per_destination
            and not (is_probe and self._pairs[user_id, destination])
        )


def choose(candidates: Iterable[Candidate], under_way: UnderWay) -> list[Candidate]:
    """Returns those that go now: each time one of the user who has the fewest under way; counts them in `under_way`.

    Among equals, and of one user, the earlier candidate goes first.
    """
    waiting: dict[str, deque[Candidate]] = {}
    for candidate in candidates:
        waiting.setdefault(candidate.user_id, deque()).append(candidate)
    turns = [(under_way.users[user_id], place, user_id) for place, user_id in enumerate(waiting)]
    heapify(turns)
    chosen = []
    while turns:
        _, place, user_id = turns[0]
        candidate = waiting[user_id].popleft()
        if under_way.has_room(candidate.user_id, candidate.destination, is_probe=candidate.is_probe):
            under_way.add(candidate.user_id, candidate.destination)
            chosen.append(candidate)
        if waiting[user_id]:
            heapreplace(turns, (under_way.users[user_id], place, user_id))
        else:
            heappop(turns)
    return chosen


def candidates(session: Session, *, email: bool) -> Sequence[Candidate]:
    """Returns notifications that are due, the first ones of each user and destination."""
    bounds = EMAIL if email else WEBHOOKS
    pair = (Notification.user_id, Notification.destination)
    place = _place(pair, (Notification.not_before, Notification.id)).label("place")
    columns = (Notification.id, Notification.job_id, *pair, Notification.not_before)
    due = select(*columns, place).where(*is_due(), _is_email(email)).subquery()

    its_own = and_(Destination.user_id == due.c.user_id, Destination.host == due.c.destination)
    is_slowed = func.coalesce(Destination.failures, 0) >= SLOWED_AFTER
    turn = _place((due.c.user_id,), (due.c.place, due.c.not_before, due.c.id)).label("turn")
    open_ones = (
        select(due, is_slowed.label("is_probe"), turn)
        .outerjoin(Destination, its_own)
        .where(due.c.place <= bounds.per_destination, or_(~is_slowed, Destination.not_before <= now()))
        .subquery()
    )
    row = open_ones.c
    found = select(row.id, row.job_id, row.user_id, row.destination, row.is_probe).order_by(row.turn, row.not_before)
    # Some more of each user than there can be room for: a host may be full with others'.
    rows = session.execute(found.where(row.turn <= 4 * bounds.per_user).limit(_CANDIDATES))
    return [Candidate(id_, job_id, user_id, host, bool(is_probe)) for id_, job_id, user_id, host, is_probe in rows]


def _place(within: Sequence[Any], order: Sequence[Any]) -> ColumnElement[int]:
    return func.row_number().over(partition_by=within, order_by=order)


def under_way(session: Session, *, email: bool) -> UnderWay:
    """Counts what is announced or being sent."""
    counted = UnderWay(EMAIL if email else WEBHOOKS)
    pair = (Notification.user_id, Notification.destination)
    claimed_lately = Notification.lease_until > now() + (LEASE_S - _COUNTED_S) * SECOND
    for condition in (
        (Notification.state == "sending", claimed_lately),
        (Notification.state == "queued", Notification.announced_until > now()),
    ):
        numbers = select(*pair, func.count()).where(*condition, _is_email(email)).group_by(*pair)
        for user_id, destination, number in session.execute(numbers):
            counted.add(user_id, destination, number)
    return counted


def is_due() -> tuple[ColumnElement[bool], ...]:
    """The conditions on a row that may be announced."""
    return (Notification.state == "queued", Notification.not_before <= now(), Notification.announced_until <= now())


def _is_email(email: bool) -> ColumnElement[bool]:
    return Notification.destination == "" if email else Notification.destination != ""
