"""What a job is made of: a specification, and an upload, or a remote file that becomes one."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from video2mp3.database.tables import Upload
from video2mp3.engine import ResolvedOptions
from video2mp3.engine.containers.streamability import requires_full_input
from video2mp3.errors import BlockedReason
from video2mp3.outbox.webhooks import Receiver

STALLS_LIMIT = 2
"""An upload that has stalled so often is converted when it is complete."""


@dataclass(frozen=True)
class RemoteSource:
    """A file that a worker fetches before it converts it."""

    url: str
    """http or https; its query may be a secret."""
    name: str
    """The displayed name: untrusted."""


@dataclass(frozen=True)
class JobSpec:
    """What a new job does. Every entry point builds one, and submits it in the same way."""

    options: ResolvedOptions
    upload_id: str | None = None
    source: RemoteSource | None = None
    """Where the upload comes from; without an upload, the job waits until that is fetched."""
    cover_upload_id: str | None = None
    """The picture for the front cover."""
    result_url: str | None = None
    """Where the result is sent."""
    tag: str | None = None
    email_notifications: bool = True
    webhook: Receiver | None = None
    """Notified of this job's end only."""
    priority: int = 1
    """An index of `lifecycle.PRIORITIES`."""

    def sha256(self, *content: str | None) -> str:
        """Returns a fingerprint, to recognize the same request with the same Idempotency-Key.

        Args:
            content: identifies the file of a form, whose upload is a new one with each request.
        """
        # Only what was asked for: a later version, with more fields or other defaults, recognizes the request too.
        values = asdict(self)
        asked = {one.name: values[one.name] for one in fields(self) if getattr(self, one.name) != one.default}
        asked["options"] = self.options.requested()
        return hashlib.sha256(json.dumps([asked, *content], sort_keys=True).encode()).hexdigest()


def source_columns(upload: Upload | None, spec: JobSpec) -> dict[str, Any]:
    """Returns the columns of a new job that say what it converts, its state, and why it waits.

    If there are both, the job converts the upload, and the source is where it can be fetched again.
    """
    url = spec.source.url if spec.source else None
    if upload is None:
        assert spec.source is not None
        columns = {"source_url": url, "source_name": spec.source.name, "source_size_bytes": 0}
        return {**columns, "state": "waiting", "transfer": "fetch", "blocked_reason": "source_not_fetched"}
    return {
        "source_url": url,
        "upload_id": upload.id,
        "source_name": upload.name,
        "source_size_bytes": upload.received_bytes if upload.size_bytes is None else upload.size_bytes,
        "state": "queued" if upload.state == "complete" else "waiting",
        "blocked_reason": None if upload.state == "complete" else _blocked_reason(upload, spec.options),
    }


def _blocked_reason(upload: Upload, options: ResolvedOptions) -> BlockedReason | None:
    return "upload_too_slow" if upload.stalls >= STALLS_LIMIT else requires_full_input(options)
