from sqlalchemy import select

from tests.jobs.rows import change_job, claimed, finish, make_user, submit
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job


def _order(database: Database) -> list[str]:
    """The users of the queued jobs, as they come next."""
    with database.read() as session:
        queued = select(Job).where(Job.state == "queued").order_by(Job.priority, Job.turn, Job.id)
        return [job.user_id for job in session.scalars(queued)]


def test_users_take_turns_however_many_jobs_each_has(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for _ in range(4):
        submit(database, anna)
    for _ in range(2):
        submit(database, ben)
    assert _order(database) == [anna, ben, anna, ben, anna, anna]


def test_a_user_who_comes_late_begins_at_the_turn_that_is_served(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    jobs = [submit(database, anna).id for _ in range(6)]
    for job_id in jobs[:3]:
        finish(database, claimed(database, job_id))
    assert submit(database, ben).turn == 3
    assert _order(database) == [ben, anna, anna, anna]


def test_nobody_pays_for_what_was_served_while_nobody_waited(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for _ in range(5):
        finish(database, claimed(database, submit(database, anna).id))
    # Ben has never had a turn; that does not let him go before Anna five times.
    for _ in range(3):
        submit(database, ben)
    submit(database, anna)
    assert _order(database) == [ben, ben, anna, ben]


def test_jobs_canceled_in_the_queue_take_nobody_s_turn(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for _ in range(5):
        change_job(database, submit(database, anna).id, state="canceled")
    assert submit(database, ben).turn == 1
    assert submit(database, anna).turn == 1


def test_each_priority_has_its_own_turns(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for _ in range(3):
        submit(database, anna, priority=2)
    submit(database, ben, priority=1)
    submit(database, anna, priority=0)
    assert _order(database) == [anna, ben, anna, anna, anna]
    assert submit(database, anna, priority=1).turn == 1
