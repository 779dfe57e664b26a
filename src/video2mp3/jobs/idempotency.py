"""Requests that a client repeats with the same Idempotency-Key."""

from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.database.tables import Batch, Job
from video2mp3.errors import IdempotencyKeyReused

Created = TypeVar("Created", Job, Batch)


@dataclass(frozen=True)
class Idempotency:
    """A request with an Idempotency-Key."""

    key: str
    request_sha256: str | None
    """The fingerprint of the request; None: its body has not been read yet."""


def find_earlier(
    session: Session, table: type[Created], user_id: str, idempotency: Idempotency | None
) -> Created | None:
    """Returns what the same request of the user created before; None if there is nothing, or no key.

    Raises:
        IdempotencyKeyReused: when the key was used for another request.
    """
    if idempotency is None:
        return None
    mine = (table.user_id == user_id, table.idempotency_key == idempotency.key)
    earlier = session.scalar(select(table).where(*mine))
    if earlier is not None and idempotency.request_sha256 not in (None, earlier.request_sha256):
        raise IdempotencyKeyReused
    return earlier
