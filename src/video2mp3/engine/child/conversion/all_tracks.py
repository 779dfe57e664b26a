"""Every audio track of a file, each as separate MP3s. Runs in the child."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from video2mp3.engine.child.conversion.conversion_job import ConversionJob, Converter
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.timeline import merged
from video2mp3.errors import AudioTooLong, StartOutOfRange, TooManySegments, UndecodableAudio, Video2mp3Error

_SUMS = ("samples_in", "damaged_packets", "silenced_samples", "decode_s", "encode_s")


class AllTracks:
    """Converts one track after the other, reading the file once for each. Skips tracks without output."""

    def __init__(
        self, media: Media, job: ConversionJob, convert_one: Callable[[Media, ConversionJob], Converter]
    ) -> None:
        media.find_track(None)
        self._media = media
        self._job = job
        self._convert_one = convert_one
        self._facts: list[dict[str, Any]] = []
        self._segments: list[dict[str, Any]] = []
        self._left_out: list[int] = []
        self._numbers = [number for number, track in enumerate(media.tracks, 1) if track.decodable]
        lengths_s = [media.length_s(number - 1, job.options.end_s) for number in self._numbers]
        self.total_s = None if None in lengths_s else sum(filter(None, lengths_s))
        """Total duration of the tracks in seconds, as the file claims."""

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done.

        Raises:
            MediaError: like one track; errors that skip a track are raised only if no track has output.
        """
        self._left_out = [n for n in range(1, len(self._media.tracks) + 1) if n not in self._numbers]
        reason: Video2mp3Error = UndecodableAudio()
        done_s = 0.0
        for number in self._numbers:
            media = self._media if number == self._numbers[0] else self._job.open_media()
            try:
                before_s = done_s
                for done in self._convert(media, number):
                    done_s = before_s + done
                    yield done_s
            except (UndecodableAudio, StartOutOfRange) as error:
                reason = error
                self._left_out.append(number)
            if media is not self._media:
                media.close()
        if not self._segments:
            raise reason

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report: sums, the lowest loudness, and otherwise the facts of the first track."""
        first = self._facts[0]
        sums = {name: sum(facts[name] for facts in self._facts) for name in _SUMS}
        loudness = [facts["loudness"] for facts in self._facts if "loudness" in facts]
        return {
            **first,
            **sums,
            **({"loudness": min(loudness, key=lambda found: found["lufs"])} if loudness else {}),
            "timeline": merged([facts["timeline"] for facts in self._facts]),
            "truncated": any(facts["truncated"] for facts in self._facts),
            "canceled_in_mono": any(facts.get("canceled_in_mono") for facts in self._facts),
            "tracks_left_out": sorted(self._left_out),
        }

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
        return self._segments

    def _convert(self, media: Media, number: int) -> Iterator[float]:
        job = self._job_for(number)
        converter = self._convert_one(media, job)
        yield from converter.run()
        self._facts.append(converter.facts())
        self._segments += converter.segments()

    def _job_for(self, number: int) -> ConversionJob:
        max_segments = self._job.max_segments - len(self._segments)
        done_s = sum(f["samples_in"] / f["sample_rate_hz"] + f["added_silence_s"] for f in self._facts)
        max_audio_s = self._job.max_audio_s - done_s
        if max_segments < 1:
            raise TooManySegments
        if max_audio_s <= 0:
            raise AudioTooLong
        offset_bytes = sum(segment["size_bytes"] for segment in self._segments)
        os.lseek(self._job.sink, offset_bytes, os.SEEK_SET)  # a skipped track may have written bytes
        return replace(
            self._job,
            options=replace(self._job.options, track=number),
            offset_bytes=offset_bytes,
            max_segments=max_segments,
            max_audio_s=max_audio_s,
        )
