"""Webhooks: what a receiver is told, and how it is signed (Standard Webhooks 1.0.0)."""

import json
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook as Signer

from video2mp3.database.clock import SECOND
from video2mp3.database.tables import Batch, Job
from video2mp3.jobs import batches
from video2mp3.jobs.results import media_type
from video2mp3.outbound import Guard, post
from video2mp3.outbox.webhooks import Receiver, event_of

TIMEOUT_S = 15.0


def message(job: Job, result_url: str) -> bytes:
    """Returns what is told about a job's end: the same bytes whenever it is asked for."""
    data: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "tag": job.tag,
        "source": {"name": job.source_name, "size_bytes": job.source_size_bytes},
        "created_at": _time(job.created_at),
        "ended_at": _time(job.ended_at or 0),
    }
    if job.state == "finished":
        data["result"] = {
            "media_type": media_type(job.options),
            "size_bytes": job.result_size_bytes,
            "sha256": job.result_sha256,
            "duration_s": job.result_duration_s,
            "url": result_url,
        }
    if job.state == "failed":
        data["error"] = {"code": job.error_code, "detail": job.error_detail}
    return json.dumps({"type": event_of(job), "timestamp": data["ended_at"], "data": data}).encode()


def batch_message(batch: Batch, jobs: Sequence[Job]) -> bytes:
    """Returns what is told about a batch's end. Conversions that are deleted meanwhile are not in it any more."""
    data = {
        "id": batch.id,
        "tag": batch.tag,
        "counts": batches.states(jobs),
        "conversions": [{"id": job.id, "tag": job.tag, "state": job.state} for job in jobs],
        "created_at": _time(batch.created_at),
        "ended_at": _time(batch.ended_at or 0),
    }
    return json.dumps({"type": "batch.ended", "timestamp": data["ended_at"], "data": data}).encode()


async def deliver(receiver: Receiver, message_id: str, body: bytes, *, guard: Guard, resolver: Executor) -> int:
    """Sends a message; returns the status that the receiver answered.

    Raises:
        UrlRejected: when the URL leads where nothing of ours may go.
        Unreachable: when no answer comes.
    """
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(receiver.secret).sign(message_id, now, body.decode()),
    }
    answer = await post(receiver.url, body, headers, guard=guard, timeout_s=TIMEOUT_S, resolver=resolver)
    return answer.status


def _time(microseconds: int) -> str:
    moment = datetime.fromtimestamp(microseconds // SECOND, UTC).replace(microsecond=microseconds % SECOND)
    return moment.isoformat().replace("+00:00", "Z")
