"""From a stored upload to a job: what all the routes that convert have in common."""

import hashlib
import json
from typing import Any

import structlog

from video2mp3 import uploads
from video2mp3.api.services import Services
from video2mp3.database.tables import Job
from video2mp3.errors import Unavailable
from video2mp3.jobs import lifecycle

log = structlog.get_logger()

HIGH_PRIORITY = 0
NORMAL_PRIORITY = 1


def submit(
    services: Services,
    user_id: str,
    upload_id: str,
    options: dict[str, Any],
    *,
    tag: str | None = None,
    priority: int = NORMAL_PRIORITY,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Job:
    """Queues a conversion of the user's upload; blocking.

    Raises:
        NotFound: when the user has no such upload.
        IdempotencyKeyReused: when the key stands for another request.
    """
    with services.database.write() as session:
        upload = uploads.find(session, upload_id, user_id, lock=True)
        job = lifecycle.submit(
            session,
            user_id=user_id,
            upload=upload,
            options=options,
            tag=tag,
            priority=priority,
            idempotency_key=idempotency_key,
            request_sha256=request_sha256,
        )
    services.nudge()
    log.info("job_submitted", job_id=job.id, user_id=user_id, size_bytes=upload.size_bytes)
    return job


def request_sha256(*parts: Any) -> str:
    """Returns what tells one request from another that has the same Idempotency-Key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def delete_objects(services: Services, keys: list[str]) -> None:
    """Deletes objects that no row lists any more; what cannot be deleted now is swept later."""
    try:
        for key in keys:
            services.storage.delete(key)
    except Unavailable as error:
        log.warning("objects_not_deleted", count=len(keys), error=error.code)
