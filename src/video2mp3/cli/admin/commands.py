"""`video2mp3 admin`: shows and controls jobs, workers and the queue. Needs only the database."""

import time
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from video2mp3.cli.admin.db import format_time, open_database_only, read_session, write_session
from video2mp3.cli.admin.verify import verify_command
from video2mp3.cli.terminal import shown
from video2mp3.errors import InvalidRequest

if TYPE_CHECKING:
    from video2mp3.database.tables import Job
    from video2mp3.jobs.administration import OwnedJob, WorkerStatus

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show and control jobs, workers and the queue.")
app.command("verify")(verify_command)

_WAIT_EVERY_S = 1.0

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The conversion's id.", show_default=False)]
WorkerId = Annotated[str, typer.Argument(metavar="WORKER", help="The worker's id.", show_default=False)]
State = Annotated[str | None, typer.Option(metavar="STATE", help="Only those in this state, such as failed.")]
User = Annotated[str | None, typer.Option(metavar="NAME", help="Only this user's.")]
OfWorker = Annotated[str | None, typer.Option("--worker", metavar="ID", help="Only jobs that this worker converts.")]
Limit = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=100_000, help="How many.")]
Before = Annotated[str | None, typer.Option(metavar="JOB", help="Only jobs that are older than this one.")]
OfAction = Annotated[str | None, typer.Option("--action", metavar="ACTION", help="Only these, such as login.failed.")]
OfUser = Annotated[str | None, typer.Option("--user", metavar="NAME", help="What this user did, or was done to it.")]
BeforeEntry = Annotated[
    str | None, typer.Option("--before", metavar="ENTRY", help="Only those that are older than this one.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the worker has finished its jobs.")]


@app.command("jobs")
def list_jobs(
    state: State = None, user: User = None, worker: OfWorker = None, limit: Limit = 20, before: Before = None
) -> None:
    """List all users' conversions, the newest first."""
    from video2mp3.jobs import administration

    with read_session() as session:
        jobs = administration.list_jobs(
            session, state=_known_state(state), username=user, worker_id=worker, before_id=before, limit=limit
        )
    for owned in jobs:
        job = owned.job
        created = format_time(job.created_at)
        typer.echo(f"{job.id}  {_state(job):<16} {created}  {shown(owned.username)}  {shown(job.source_name)}")


@app.command("job")
def show_job(job_id: JobId) -> None:
    """Show a conversion."""
    from video2mp3.jobs import administration

    with read_session() as session:
        _print_job(administration.find_job(session, job_id))


@app.command("retry")
def retry_job(job_id: JobId) -> None:
    """Convert a failed or canceled job again, as a new conversion of the same user."""
    from video2mp3.accounts import audit
    from video2mp3.jobs import administration

    with write_session() as session:
        _print_job(administration.retry_job(session, job_id))
        audit.record(session, "job.retried", by=None, about=job_id)


@app.command("cancel")
def cancel_job(job_id: JobId) -> None:
    """Cancel a conversion; its worker stops within seconds."""
    from video2mp3.accounts import audit
    from video2mp3.jobs import administration

    with write_session() as session:
        _print_job(administration.cancel_job(session, job_id))
        audit.record(session, "job.canceled", by=None, about=job_id)


@app.command("workers")
def list_workers() -> None:
    """List the workers that were active within a day, with their jobs."""
    from video2mp3.jobs import administration

    with read_session() as session:
        for status in administration.list_workers(session):
            _print_worker(status)


@app.command("drain")
def drain_worker(worker_id: WorkerId, wait: Wait = False) -> None:
    """Let a worker finish its jobs and claim no more; then its state is `drained`."""
    from video2mp3.accounts import audit
    from video2mp3.jobs import administration

    with open_database_only() as database:
        with database.write() as session:
            status = administration.drain_worker(session, worker_id)
            audit.record(session, "worker.drained", by=None, about=worker_id)
        while wait and status.state not in ("drained", "lost"):
            time.sleep(_WAIT_EVERY_S)
            with database.read() as session:
                found = [one for one in administration.list_workers(session) if one.worker.id == worker_id]
            if not found:
                typer.echo(f"{worker_id}  ended")
                return
            status = found[0]
        _print_worker(status)


@app.command("queue")
def show_queue() -> None:
    """Show how many jobs wait, and for how long."""
    from video2mp3.jobs import administration

    with read_session() as session:
        backlog = administration.backlog(session)
    queued = ", ".join(f"{count} {name}" for name, count in backlog.queued.items())
    typer.echo(f"waiting for uploads    {backlog.waiting}")
    typer.echo(f"queued                 {sum(backlog.queued.values())} ({queued}; {backlog.delayed} delayed)")
    typer.echo(f"oldest queued          {_age(backlog.oldest_queued_s)}")
    typer.echo(f"announced              {backlog.announced}")
    typer.echo(f"processing             {backlog.processing}, {backlog.open_slots} slots")
    typer.echo(f"notifications          {backlog.notifications}, oldest email {_age(backlog.oldest_notification_s)}")


@app.command("audit")
def list_audit(action: OfAction = None, user: OfUser = None, limit: Limit = 20, before: BeforeEntry = None) -> None:
    """List who did what to accounts and secrets, and from where; the newest first."""
    from video2mp3.accounts import audit, names

    if action is not None and action not in get_args(audit.Action):
        raise InvalidRequest(f"There is no action {shown(action)}; they are {', '.join(get_args(audit.Action))}.")
    key = None if user is None else names.key(user)
    with read_session() as session:
        for named in audit.entries(session, action=action, username_key=key, before_id=before, limit=limit):
            entry = named.entry
            who = named.username or entry.user_id or "-"
            source = entry.address or ("-" if entry.request_id else "command line")
            facts = (entry.action, shown(who), entry.subject_id or "-", entry.detail or "-", shown(source))
            typer.echo("  ".join((entry.id, format_time(entry.at), *facts)))


def _known_state(state: str | None) -> str | None:
    known = ("waiting", "queued", "processing", "finished", "failed", "canceled")
    if state is not None and state not in known:
        raise InvalidRequest(f"There is no state {shown(state)}; the states are {', '.join(known)}.")
    return state


def _print_job(owned: "OwnedJob") -> None:
    from video2mp3.jobs.lifecycle import PRIORITIES

    job = owned.job
    facts = {
        "id": job.id,
        "user": shown(owned.username),
        "state": _state(job),
        "priority": PRIORITIES[job.priority],
        "file": f"{shown(job.source_name)}, {job.source_size_bytes} bytes",
        "options": job.options.requested(),
        "created": format_time(job.created_at),
        "started": job.started_at and format_time(job.started_at),
        "ended": job.ended_at and format_time(job.ended_at),
        "worker": job.lease_owner,
        "tries": f"{job.fence} claims, {job.failures} failures, {job.lost_leases} lost workers",
        "error": job.error_code and f"{job.error_code}: {shown(job.error_detail or '')}",
    }
    for name, value in facts.items():
        if value is not None:
            typer.echo(f"{name:<10}{value}")


def _print_worker(status: "WorkerStatus") -> None:
    worker = status.worker
    jobs = ", ".join(f"{job.id} {job.percent} %" for job in status.jobs) or "nothing"
    heartbeat = f"{status.heartbeat_age_s:.0f} s ago"
    typer.echo(f"{worker.id}  {status.state:<9} {worker.slots} slots  {shown(worker.host)}  {heartbeat}  {jobs}")


def _state(job: "Job") -> str:
    if job.state != "processing":
        return job.state
    return "being canceled" if job.cancel_requested else f"processing {job.percent} %"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f} s"
