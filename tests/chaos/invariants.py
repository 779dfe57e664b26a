"""What must hold at the end: over the client's log, the rows, their changes, the objects and the emails."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from unittest.mock import patch

from sqlalchemy import select

from tests.chaos import audit
from tests.chaos.audit import Change
from tests.chaos.client import Accepted, ClientLog
from tests.chaos.cluster import Cluster
from video2mp3.database.tables import Job, Notification, UploadChunk
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping import sweeper

ENDED = ("finished", "failed", "canceled")
_ALLOWED = {
    ("", "queued"),
    ("", "waiting"),
    ("waiting", "queued"),
    ("waiting", "canceled"),
    ("waiting", "failed"),
    ("queued", "processing"),
    ("queued", "canceled"),
    ("processing", "finished"),
    ("processing", "failed"),
    ("processing", "queued"),
    ("processing", "canceled"),
}
_READ_BYTES = 64 * 1024**2


def check(
    cluster: Cluster, log: ClientLog, *, outages: bool = True, failures: bool = False, notifiers_died: bool = False
) -> list[str]:
    """Returns everything that is wrong, one sentence each. Call it when nothing goes on any more.

    Args:
        cluster: The service, with what it has left behind.
        log: What its clients were promised.
        outages: A server was away, so that claims may have ended without counting.
        failures: Engines died, so that claims may have ended as the engine's failure.
        notifiers_died: An email may have gone out twice.
    """
    with cluster.database.read() as session:
        jobs = {job.id: job for job in session.scalars(select(Job))}
        notifications = list(session.scalars(select(Notification)))
    return [
        *_promises(jobs, log),
        *_seen(log),
        *_changes(audit.changes(cluster.database), jobs),
        *_counters(jobs.values(), outages=outages, failures=failures),
        *_objects(cluster, jobs, log.accepted),
        *_notifications(jobs, notifications),
        *_emails(cluster, notifications, exactly_once=not notifiers_died),
    ]


def _promises(jobs: dict[str, Job], log: ClientLog) -> Iterator[str]:
    for promise in log.accepted.values():
        job = jobs.get(promise.job_id)
        if job is None and not promise.may_end:
            continue
        if job is None:
            yield f"lost: job {promise.job_id} was accepted and has no row"
        elif job.state not in promise.may_end:
            yield f"job {job.id} was accepted and is {job.state} ({job.error_code}) at the end"
    for job in jobs.values():
        if job.state not in ENDED:
            yield f"job {job.id} is {job.state} at the end"
        if job.state == "finished" and job.cancel_requested:
            yield f"job {job.id} is finished, although its cancel was accepted before"
        if job.state == "failed":
            yield f"job {job.id} has failed: {job.error_code}: {job.error_detail}"
    keys = Counter((job.user_id, job.idempotency_key) for job in jobs.values() if job.idempotency_key)
    yield from (f"{count} jobs of one Idempotency-Key" for count in keys.values() if count > 1)


def _seen(log: ClientLog) -> Iterator[str]:
    """No client ever saw a job leave the state that it ended in."""
    ends: dict[str, str] = {}
    for job_id, state in log.seen:
        if ends.get(job_id, state) != state:
            yield f"a client saw job {job_id} as {ends[job_id]} and later as {state}"
        if state in ENDED:
            ends[job_id] = state


def _changes(changes: Iterable[Change], jobs: dict[str, Job]) -> Iterator[str]:
    claims: Counter[str] = Counter()
    states: dict[str, str] = defaultdict(str)
    for change in changes:
        job_id = change.job_id
        if change.old_state in ENDED and change.old_state != change.new_state:
            yield f"job {job_id} had ended as {change.old_state} and became {change.new_state}"
        elif change.old_state != change.new_state and (change.old_state, change.new_state) not in _ALLOWED:
            yield f"job {job_id} went from {change.old_state} to {change.new_state}"
        if states[job_id] != change.old_state:
            yield f"job {job_id} was {states[job_id]}, then {change.old_state}, without a change in between"
        states[job_id] = change.new_state
        is_claim = (change.old_state, change.new_state) == ("queued", "processing")
        claims[job_id] += is_claim
        if change.new_fence != change.old_fence + is_claim:
            yield f"job {job_id}: the fence went from {change.old_fence} to {change.new_fence} as {change.new_state}"
        if change.new_key != change.old_key and change.new_key is not None and change.old_state != "processing":
            yield f"job {job_id} got a result as {change.old_state}"
    for job in jobs.values():
        if claims[job.id] != job.fence:
            yield f"job {job.id} was claimed {claims[job.id]} times and has fence {job.fence}"


def _counters(jobs: Iterable[Job], *, outages: bool, failures: bool) -> Iterator[str]:
    for job in jobs:
        others = job.fence - job.lost_leases - job.failures
        # The last claim has ended the job; a cancel may end one between two claims.
        last = 1 if job.state in ("finished", "failed") else 0
        if others < last or (not outages and job.state == "finished" and others != 1):
            yield (
                f"job {job.id} is {job.state} with fence {job.fence}, {job.lost_leases} leases lost and "
                f"{job.failures} failures"
            )
        if job.failures and not failures:
            yield f"job {job.id} counts {job.failures} failures of the engine"
        if job.lost_leases >= lifecycle.LOST_LEASES_LIMIT:
            yield f"job {job.id} has lost {job.lost_leases} leases"
        if job.state in ENDED and (job.lease_owner is not None or job.lease_until is not None):
            yield f"job {job.id} is {job.state} and leased"


def _objects(cluster: Cluster, jobs: dict[str, Job], accepted: dict[str, Accepted]) -> Iterator[str]:
    # Its grace is for jobs that go on; nothing does.
    with patch.object(sweeper, "ORPHAN_AGE_S", -60):
        sweeper.delete_orphans(cluster.database, cluster.storage)
    stored = {entry.key for entry in cluster.storage.list("")}
    with cluster.database.read() as session:
        chunks = set(session.scalars(select(UploadChunk.storage_key)))
    results = {job.result_key: job for job in jobs.values() if job.result_key}
    if len(results) != sum(job.result_key is not None for job in jobs.values()):
        yield "two jobs share an object"
    yield from (f"orphan: no row refers to {key}" for key in stored - chunks - results.keys())
    yield from (f"a row refers to {key}, which is not there" for key in (chunks | results.keys()) - stored)
    for job in jobs.values():
        if (job.state == "finished") != (job.result_key is not None):
            yield f"job {job.id} is {job.state} with the result {job.result_key}"
    for key in stored & results.keys():
        yield from _result(cluster, results[key], accepted.get(results[key].id))


def _result(cluster: Cluster, job: Job, promise: Accepted | None) -> Iterator[str]:
    assert job.result_key is not None
    if job.result_key != f"results/{job.id}/{job.fence}.mp3":
        yield f"job {job.id} has fence {job.fence} and the result of another claim: {job.result_key}"
    content = cluster.storage.read(job.result_key, 0, _READ_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if (digest, len(content)) != (job.result_sha256, job.result_size_bytes):
        yield f"job {job.id}: the object is not what its row says"
    if promise is not None and digest != promise.mp3_sha256:
        yield f"job {job.id}: the MP3 differs from an undisturbed one"


def _notifications(jobs: dict[str, Job], notifications: Iterable[Notification]) -> Iterator[str]:
    counts = Counter(notification.job_id for notification in notifications)
    for job in jobs.values():
        expected = 1 if job.state in ("finished", "failed") else 0
        if counts[job.id] != expected:
            yield f"job {job.id} is {job.state} and has {counts[job.id]} notifications"
    for notification in notifications:
        if notification.state != "sent":
            yield f"the notification of job {notification.job_id} is {notification.state}"


def _emails(cluster: Cluster, notifications: Iterable[Notification], *, exactly_once: bool) -> Iterator[str]:
    emails = Counter(str(email["Message-ID"]) for email in cluster.servers.smtp.messages)
    for notification in notifications:
        count = emails[f"<{notification.id}@localhost>"]
        if count == 0 or (exactly_once and count > 1):
            yield f"{count} emails went out about job {notification.job_id}"
