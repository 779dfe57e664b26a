"""What the embedded service does before its loops start: nobody else works with its database then."""

from sqlalchemy import select

from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.statements import change
from video2mp3.database.tables import Job, Notification, OneTimeToken
from video2mp3.jobs.lifecycle import ENDED


def end_earlier_claims(database: Database) -> int:
    """Lets the leases of an earlier process expire now, and what waits for a later time be due; returns their number.

    That process cannot be alive. If the clock was set back meanwhile, its times would lie hours ahead.
    """
    with database.write() as session:
        jobs = session.execute(select(Job.id, Job.lease_until).where(Job.state.not_in(ENDED))).all()
        ended = sum(
            change(session, Job, row.id, Job.lease_until > now(), lease_until=now())
            or change(session, Job, row.id, Job.lease_until.is_(None), Job.not_before > now(), not_before=now())
            for row in jobs
        )
        for table in (Notification, OneTimeToken):
            rows = session.scalars(select(table.id).where(table.state.in_(("queued", "sending")))).all()
            ended += sum(
                change(session, table, row_id, table.lease_until > now(), lease_until=now())
                or change(
                    session, table, row_id, table.lease_until.is_(None), table.not_before > now(), not_before=now()
                )
                for row_id in rows
            )
    return ended
