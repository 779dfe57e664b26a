"""Uploads. Each is an ordered list of immutable chunks; the database lists a chunk once it is durable."""

from video2mp3.uploads.chunks import (
    CHUNK_SIZE_BYTES,
    complete,
    complete_when_whole,
    create,
    declare_size,
    delete,
    delete_expired,
    extend_lifetime,
    find,
    require_unexpired,
    touch,
)
from video2mp3.uploads.growing import open_upload
from video2mp3.uploads.limits import UploadLimits, check_storage_quota, count_used
from video2mp3.uploads.names import clean_name
from video2mp3.uploads.source import UploadSource
from video2mp3.uploads.writer import ChunkWriter

__all__ = [
    "CHUNK_SIZE_BYTES",
    "ChunkWriter",
    "UploadLimits",
    "UploadSource",
    "check_storage_quota",
    "clean_name",
    "complete",
    "complete_when_whole",
    "count_used",
    "create",
    "declare_size",
    "delete",
    "delete_expired",
    "extend_lifetime",
    "find",
    "open_upload",
    "require_unexpired",
    "touch",
]
