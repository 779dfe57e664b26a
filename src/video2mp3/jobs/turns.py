"""Fair queueing: who comes next among the jobs of one priority.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) with every job of cost 1: a user's jobs take turns one after the
other, and a user who was away begins at the turn that is being served, neither before nor after those who stayed.
"""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from video2mp3.database.tables import Job

# Jobs canceled before they were served have taken nobody's turn.
_SERVED = ("processing", "finished", "failed")


def next_turn(session: Session, user_id: str, priority: int) -> int:
    """Returns the turn of the user's next job: max(turn now served, the user's last turn + 1)."""
    last = session.scalar(
        select(Job.turn)
        .where(Job.user_id == user_id, Job.priority == priority, Job.state != "canceled")
        .order_by(Job.turn.desc())
        .limit(1)
    )
    return max(_served_turn(session, priority), (last or 0) + 1)


def _served_turn(session: Session, priority: int) -> int:
    # One look into the index for each state; one query for all states would read all rows that ever ended.
    highest = [
        session.scalar(select(func.max(Job.turn)).where(Job.state == state, Job.priority == priority))
        for state in _SERVED
    ]
    return max((turn for turn in highest if turn is not None), default=0)
