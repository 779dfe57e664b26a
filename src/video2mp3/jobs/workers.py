"""The rows of the worker processes, which their heartbeats write."""

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change
from video2mp3.database.tables import Worker
from video2mp3.errors import NotFound

SEEN_S = 35
"""The slots of a worker with an older heartbeat do not count."""
_FORGOTTEN_S = 86_400


def beat(session: Session, worker_id: str, *, host: str, slots: int, draining: bool) -> bool:
    """Records a worker's heartbeat; returns whether an administrator wants it to drain."""
    if not change(session, Worker, worker_id, heartbeat_at=now(), slots=slots, draining=draining):
        session.add(
            Worker(id=worker_id, host=host, slots=slots, draining=draining, started_at=now(), heartbeat_at=now())
        )
        session.flush()
    return bool(session.scalar(select(Worker.drain_requested).where(Worker.id == worker_id)))


def request_drain(session: Session, worker_id: str) -> None:
    """Asks a worker to drain; it reads that with its next heartbeat.

    Raises:
        NotFound: when there is no such worker.
    """
    if not change(session, Worker, worker_id, drain_requested=True):
        raise NotFound


def leave(session: Session, worker_id: str) -> None:
    """Deletes the row of a worker that has ended."""
    session.execute(delete(Worker).where(Worker.id == worker_id))


def forget_dead(session: Session) -> None:
    """Deletes the rows of workers without a heartbeat for a day."""
    session.execute(delete(Worker).where(Worker.heartbeat_at < now() - _FORGOTTEN_S * SECOND))


def is_alive(session: Session, host: str) -> bool:
    """Returns whether a worker on that machine had a recent heartbeat."""
    alive = (Worker.host == host, Worker.heartbeat_at > now() - SEEN_S * SECOND)
    return session.scalar(select(Worker.id).where(*alive).limit(1)) is not None


def open_slots(session: Session, *, lock: bool = False) -> int:
    """Returns the slots of all workers that are alive and take jobs; with `lock`, locks the workers' rows."""
    if lock:
        session.execute(select(Worker.id).order_by(Worker.id).with_for_update())
    takes = (Worker.draining.is_(False), Worker.drain_requested.is_(False))
    alive = (Worker.heartbeat_at > now() - SEEN_S * SECOND, *takes)
    return int(session.scalar(select(func.sum(Worker.slots)).where(*alive)) or 0)
