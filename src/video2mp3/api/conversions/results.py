"""What a conversion has made, as JSON."""

from typing import Literal

from pydantic import BaseModel, Field

from video2mp3.database.tables import Job
from video2mp3.jobs.results import media_type, result_name, segments_of


class SegmentJSON(BaseModel):
    """One MP3 of several."""

    number: int = Field(description="From 1 on.")
    name: str = Field(description="Its name in the ZIP.")
    title: str | None = Field(description="As in its tag: of a chapter its title, else the whole title and the number.")
    track: int = Field(description="The number of the source's audio track that it is of.")
    start_s: float = Field(description="Where in the source it begins.")
    duration_s: float
    size_bytes: int
    sha256: str
    url: str | None = Field(description="null when it has expired.")


class ResultJSON(BaseModel):
    """The MP3; where the options ask for several, the ZIP."""

    name: str = Field(description="Its name when it is downloaded; with `?name=`, another one.")
    media_type: Literal["audio/mpeg", "application/zip"] = Field(
        description="A ZIP exactly where the options ask for several MP3s (`split`, `track=all`), even if it is one."
    )
    size_bytes: int
    sha256: str
    duration_s: float | None = Field(description="Of several MP3s together.")
    url: str | None = Field(description="null when it has expired.")
    tracks: int = Field(description="How many audio tracks the source has; the report describes them.")
    segments: list[SegmentJSON] | None = Field(description="The MP3s in the ZIP; null where there is none.")

    @classmethod
    def of(cls, job: Job, url: str) -> "ResultJSON | None":
        """Represents what a job has made; `url` is its address. None where there is none, and never was."""
        if job.state != "finished" or job.result_size_bytes is None or job.result_sha256 is None:
            return None
        return cls(
            name=result_name(job.source_name, job.options),
            media_type=media_type(job.options),
            size_bytes=job.result_size_bytes,
            sha256=job.result_sha256,
            duration_s=job.result_duration_s,
            url=url if job.result_key else None,
            tracks=len((job.report or {}).get("tracks", ())),
            segments=_segments(job, url) or None,
        )


def _segments(job: Job, url: str) -> list[SegmentJSON]:
    return [
        SegmentJSON(
            number=segment.number,
            name=segment.name,
            title=segment.title,
            track=segment.track,
            start_s=segment.start_s,
            duration_s=segment.duration_s,
            size_bytes=segment.size_bytes,
            sha256=segment.sha256,
            url=f"{url}?segment={segment.number}" if job.result_key else None,
        )
        for segment in segments_of(job)
    ]
