"""The tags of a track's MP3s, and their facts for the report. Runs in the child."""

from collections.abc import Sequence
from typing import Any

from video2mp3.engine.chapters import chapters_to_use
from video2mp3.engine.child.conversion.conversion_job import ConversionJob
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.metadata.tags import Tags, chapters_for, chapters_within, tags_for, tags_of_segment
from video2mp3.engine.child.pictures.cover import front_cover
from video2mp3.engine.child.splitting.segments import WrittenSegment
from video2mp3.engine.child.timeline import LeftOut
from video2mp3.engine.mp3.id3 import id3_tag
from video2mp3.engine.mp3.writer import Mp3Writer


class OutputMetadata:
    """The tags of a track's MP3s. Create it before anything else is read from the file."""

    def __init__(self, media: Media, job: ConversionJob) -> None:
        self._options = job.options
        self._is_split = job.options.split is not None
        self._cover, self.unusable_picture = front_cover(job.options, media)
        self._tags = tags_for(job.options, media.tags, job.source_name)
        self._chapters = (
            []
            if self._is_split
            else chapters_for(job.options, chapters_to_use(job.options.own_chapters, media.chapters))
        )

    def id3(self, number: int = 1, chapter_title: str | None = None, *, least_bytes: int = 0) -> bytes:
        """Returns the ID3 tag of an MP3.

        Args:
            number: the segment's number within the track, from 1.
            chapter_title: the title of the segment's chapter, if any.
            least_bytes: size to which the tag is padded.
        """
        tags = self.tags(number, chapter_title)
        return id3_tag(
            tags.texts,
            tags.comment,
            tags.others,
            chapters=self._chapters,
            cover=self._cover,
            version=self._options.id3_version,
            least_bytes=least_bytes,
        )

    def place_chapters(self, mp3: Mp3Writer, sample_rate_hz: int, samples: int, left_out: LeftOut) -> None:
        """Corrects the chapters of the only MP3, once its length and the silence that is left out are known."""
        placed = chapters_within(self._chapters, sample_rate_hz, samples, left_out)
        if placed != self._chapters:
            size_bytes = len(self.id3())
            self._chapters = placed
            mp3.replace_id3(self.id3(least_bytes=size_bytes))

    def tags(self, number: int = 1, chapter_title: str | None = None) -> Tags:
        """Returns the tags that `id3` writes."""
        if not self._is_split:
            return self._tags
        first = self._options.track_number or 1
        return tags_of_segment(self._tags, first + number - 1, number, chapter_title)

    def segment_facts(
        self, segments: Sequence[WrittenSegment], track: int, sample_rate_hz: int, channels: int, left_out: LeftOut
    ) -> list[dict[str, Any]]:
        """Returns the facts of segments for the report."""
        return [
            {
                "offset_bytes": segment.offset_bytes,
                "size_bytes": segment.size_bytes,
                "track": track,
                "start_s": self._options.start_s + left_out.clock(segment.first_sample) / sample_rate_hz,
                "samples": segment.samples,
                "frames": segment.frames,
                "sample_rate_hz": sample_rate_hz,
                "channels": channels,
                "title": self.tags(segment.number, segment.chapter_title).title,
            }
            for segment in segments
        ]
