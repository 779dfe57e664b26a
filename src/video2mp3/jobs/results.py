"""A job's stored result: one MP3, or a ZIP if and only if the options ask for several MP3s."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from sqlalchemy import select

from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.engine import ResolvedOptions
from video2mp3.engine.file_names import fitted
from video2mp3.engine.segment_names import segment_suffixes
from video2mp3.errors import Expired
from video2mp3.storage import Storage
from video2mp3.storage.attachment import attachment
from video2mp3.storage.checksums import VerifiedObject

_MAX_STEM_BYTES = 200
# Characters that Windows forbids in names, and names that it reserves for devices.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class ResultSegment:
    """An MP3 in a stored ZIP. The title comes from the source: untrusted."""

    number: int
    """From 1 on, in the ZIP's order."""
    name: str
    title: str | None
    track: int
    start_s: float
    duration_s: float
    offset_bytes: int
    """The offset of its bytes in the ZIP."""
    size_bytes: int
    sha256: str


class StoredResult:
    """The stored bytes of a finished job, verified as they are read. Safe to use from several threads."""

    def __init__(self, database: Database, storage: Storage, job_id: str) -> None:
        """Reads nothing before the first `stream`."""
        self._database = database
        self._storage = storage
        self._job_id = job_id
        self._object: VerifiedObject | None = None

    def stream(self, start: int, end: int) -> Iterator[bytes]:
        """Yields the bytes from `start` up to `end` (exclusive), in pieces of at most 256 KiB.

        Raises:
            Expired: when the result was deleted.
            NotFound: when it was deleted while it was read.
            StoredDataDamaged: when it does not have the bytes that were stored.
        """
        if self._object is None:
            self._object = self._find()
        yield from self._object.stream(self._storage, start, end)

    def _find(self) -> VerifiedObject:
        columns = (Job.result_key, Job.result_size_bytes, Job.result_checksums)
        with self._database.read() as session:
            row = session.execute(select(*columns).where(Job.id == self._job_id)).one_or_none()
        if row is None or row.result_key is None:
            raise Expired
        return VerifiedObject(row.result_key, row.result_size_bytes, row.result_checksums)


def result_suffix(options: ResolvedOptions) -> str:
    """Returns `.zip` for a job with these options where it makes several MP3s, else `.mp3`."""
    return ".zip" if options.makes_segments else ".mp3"


def stored_attributes(source_name: str, options: ResolvedOptions) -> dict[str, str]:
    """Returns the HTTP headers with which an object store serves the result."""
    return {"Content-Type": media_type(options), "Content-Disposition": attachment(result_name(source_name, options))}


def media_type(options: ResolvedOptions) -> Literal["audio/mpeg", "application/zip"]:
    """Returns the media type of the result of a job with these options."""
    return "application/zip" if options.makes_segments else "audio/mpeg"


def result_name(source_name: str, options: ResolvedOptions) -> str:
    """Returns the name of what is made from a file of this name. As untrusted as that: for headers only."""
    return fitted(PurePosixPath(source_name).stem or "audio", result_suffix(options))


def chosen_name(name: str, suffix: str) -> str:
    """Returns a name that the user chose for a download, with the suffix, unless it has it already."""
    stem = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return fitted(stem if stem.strip(" .") else "audio", suffix)


def segment_names(source_name: str, options: ResolvedOptions, tracks: Sequence[int]) -> list[str]:
    """Returns the names of the MP3s in a ZIP, which every system can write: talk-01.mp3, talk-02.mp3 …

    Args:
        source_name: the source's, untrusted.
        options: the job's.
        tracks: the number of the track that each MP3 is of.
    """
    stem = _safe_stem(source_name)
    return [f"{stem}{ending}.mp3" for ending in segment_suffixes(tracks, options)]


def member_name(source_name: str) -> str:
    """Returns the name in a ZIP of the one MP3 that is made from a file of this name; every system can write it."""
    return f"{_safe_stem(source_name)}.mp3"


def _safe_stem(source_name: str) -> str:
    stem = _FORBIDDEN.sub("_", PurePosixPath(source_name).stem)
    stem = fitted(stem.encode("utf-8", "ignore").decode(), max_bytes=_MAX_STEM_BYTES).strip(" ")
    stem = f"_{stem}" if _DEVICE.fullmatch(stem) else stem
    return stem or "audio"


def segments_of(job: Job) -> list[ResultSegment]:
    """Returns the MP3s in a finished job's ZIP; none where its result is one MP3."""
    if job.report is None or not job.options.makes_segments:
        return []
    segments: list[dict[str, Any]] = job.report["segments"]
    names = segment_names(job.source_name, job.options, [segment["track"] for segment in segments])
    known = ("title", "track", "start_s", "duration_s", "offset_bytes", "size_bytes", "sha256")
    return [
        ResultSegment(number, name, **{field: segment[field] for field in known})
        for number, (name, segment) in enumerate(zip(names, segments, strict=True), 1)
    ]
