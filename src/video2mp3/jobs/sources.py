"""A job's source: an upload, or a file at a URL that becomes one."""

from dataclasses import dataclass
from typing import Any

from video2mp3.database.tables import Upload
from video2mp3.engine import ResolvedOptions
from video2mp3.engine.containers.streamability import requires_full_input
from video2mp3.errors import BlockedReason

STALLS_LIMIT = 2
"""An upload that has stalled so often is converted when it is complete."""


@dataclass(frozen=True)
class RemoteSource:
    """A file that a worker fetches before it converts it."""

    url: str
    """http or https; its query may be a secret."""
    name: str
    """The displayed name: untrusted."""


def source_columns(upload: Upload | None, source: RemoteSource | None, options: ResolvedOptions) -> dict[str, Any]:
    """Returns the columns of a new job that tell what is converted, its state, and why it waits for the upload's end.

    Of both, the upload is what is converted, and the source is where it can be had again.
    """
    url = source.url if source else None
    if upload is None:
        assert source is not None
        columns = {"source_url": url, "source_name": source.name, "source_size_bytes": 0}
        return {**columns, "state": "waiting", "transfer": "fetch", "blocked_reason": "source_not_fetched"}
    return {
        "source_url": url,
        "upload_id": upload.id,
        "source_name": upload.name,
        "source_size_bytes": upload.received_bytes if upload.size_bytes is None else upload.size_bytes,
        "state": "queued" if upload.state == "complete" else "waiting",
        "blocked_reason": None if upload.state == "complete" else _blocked_reason(upload, options),
    }


def _blocked_reason(upload: Upload, options: ResolvedOptions) -> BlockedReason | None:
    return "upload_too_slow" if upload.stalls >= STALLS_LIMIT else requires_full_input(options)
