"""All tracks of a file mixed into one MP3. Runs in the child.

The tracks are added at their own levels. The first pass finds the peak of the sum; if it is too high, one gain lowers
the whole mix. So nothing is clipped, and the balance of the tracks does not change.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from video2mp3.engine.child.conversion.conversion_job import ConversionJob, Converter
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.decoding.mixing import PEAK
from video2mp3.errors import AudioTooLong

PEAK_LIMIT_DBFS = -1.0
"""The encoder raises peaks by less than that, usually."""
_PEAK_SHARE = 0.2
"""Share of the first pass in the work."""


class MixConversion:
    """Mixes the tracks; it has the interface of `Pipeline`."""

    def __init__(
        self, media: Media, job: ConversionJob, convert_one: Callable[[Media, ConversionJob], Converter]
    ) -> None:
        media.find_track(job.options.track)
        self._media = media
        self._job = job
        self._convert_one = convert_one
        self._converter: Converter | None = None
        self._peaks_cpu_s = 0.0
        lengths_s = [media.length_s(place, job.options.end_s) for place in range(len(media.tracks))]
        self.total_s = max(filter(None, lengths_s), default=None)
        """Duration of the longest track in seconds, as the file claims."""

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done.

        Raises:
            MediaError: like one track.
        """
        started_cpu_s = time.process_time()
        done_s, peak_dbfs = 0.0, PEAK_LIMIT_DBFS
        for done_s, found_dbfs in self._peaks():
            peak_dbfs = max(peak_dbfs, found_dbfs)
            yield done_s * _PEAK_SHARE
        self._peaks_cpu_s = time.process_time() - started_cpu_s
        job = replace(self._job, mix_gain_db=PEAK_LIMIT_DBFS - peak_dbfs)
        self._converter = self._convert_one(self._job.open_media(), job)
        for converted_s in self._converter.run():
            yield done_s * _PEAK_SHARE + converted_s * (1 - _PEAK_SHARE)

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report."""
        assert self._converter is not None
        facts = self._converter.facts()
        return {**facts, "decode_s": round(facts["decode_s"] + self._peaks_cpu_s, 3)}

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
        assert self._converter is not None
        return self._converter.segments()

    def _peaks(self) -> Iterator[tuple[float, float]]:
        """Yields the end of each mixed frame in seconds, and its peak in dBFS; of frames that are wanted."""
        options = self._job.options
        mixed, done_s = self._media.mixed(options.sample_rate_hz), 0.0
        for frame, samples, _ in mixed.frames():
            if options.end_s is not None and done_s >= options.end_s:
                return
            done_s += samples / frame.sample_rate
            if min(mixed.decoded_s, options.end_s or math.inf) > self._job.max_audio_s:  # before silence of years
                raise AudioTooLong(f"The audio is longer than the {self._job.max_audio_s:.0f} s that are converted.")
            if done_s > options.start_s:
                yield done_s, float(frame.metadata[PEAK])
