"""Loudness normalization in passes: measure the source, encode with the resulting gain, measure the MP3.

The first pass also finds the split points: what is silent is said of the source, not of what a gain makes of it.

Encoding raises the true peak, usually by 0.2 to 0.6 dB. If the peak then exceeds the limit, or the loudness is off, the
audio is encoded once more with a corrected gain.

Source: EBU R 128 and its Tech 3343, for the gain and the limit.
"""

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

from video2mp3.engine.child.audio.loudness import (
    GATING_BLOCK_S,
    SILENCE_LUFS,
    LoudnessMeter,
    MeasuringEncoder,
    Mp3LoudnessMeter,
)
from video2mp3.engine.child.conversion.conversion_job import ConversionJob
from video2mp3.engine.child.conversion.pipeline import NoWriter, PcmEncoder, Pipeline, Writer
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.splitting.segments import SegmentsPlan
from video2mp3.engine.child.splitting.split_points import KnownSplitPoints, SplitPoint, SplitPoints

TRUE_PEAK_LIMIT_DBTP = -1.0
_PASSES = 3
_PEAK_MARGIN_DB = 0.1
"""Frames encoded with a lower gain differ, so their peaks are not lower by exactly that gain."""
_TOLERANCE_DB = 0.2
_ENCODER_GAIN_DB = ((176, -0.45), (208, -0.27), (240, -0.18), (math.inf, 0.0))
"""By bitrate in kbit/s, for CBR and ABR."""
_REACHED_LU = 0.3
"""The loudness counts as reached within so much."""
_INAUDIBLE_DBTP = -150.0


class NormalizingPipeline:
    """Converts to `loudness_lufs`; it has the interface of `Pipeline`."""

    def __init__(self, media: Media, job: ConversionJob) -> None:
        self._job = job
        self._measuring = _MeasuringPass(media, job)
        self._encoding: _EncodingPass | None = None
        self._gain_db = 0.0
        self.total_s = self._measuring.total_s

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done, a third for each pass."""
        done_s = 0.0
        for done_s in self._measuring.run():
            yield done_s / _PASSES
        self._gain_db = self._first_gain_db()
        length_s = done_s
        yield from self._encode(length_s)
        missing_db = self._missing_db()
        if self._meter.true_peak_dbtp > TRUE_PEAK_LIMIT_DBTP or abs(missing_db) > _TOLERANCE_DB:
            self._gain_db += missing_db
            yield from self._encode(2 * length_s)

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report."""
        assert self._encoding is not None
        before, after = self._measuring.meter, self._meter
        loudness = {
            "source_lufs": before.lufs,
            "source_true_peak_dbtp": before.true_peak_dbtp,
            "gain_db": self._gain_db,
            "lufs": after.lufs,
            "true_peak_dbtp": after.true_peak_dbtp,
        }
        return {
            **self._encoding.facts(),
            "loudness": {
                **{name: round(max(value, _INAUDIBLE_DBTP), 2) for name, value in loudness.items()},
                "limited_by": self._limited_by(),
            },
        }

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
        assert self._encoding is not None
        return self._encoding.segments()

    def _limited_by(self) -> str | None:
        """Returns why the MP3 has another loudness than requested; None if it has that."""
        before, after, wanted_lufs = self._measuring.meter, self._meter, self._job.options.loudness_lufs
        assert wanted_lufs is not None
        missing_lu = wanted_lufs - after.lufs
        if abs(missing_lu) <= _REACHED_LU:
            return None
        if before.duration_s < GATING_BLOCK_S:
            return "short"
        if before.lufs <= SILENCE_LUFS:
            return "silence" if before.is_silent else "quiet"
        return "peaks" if after.true_peak_dbtp + missing_lu > TRUE_PEAK_LIMIT_DBTP else "encoder"

    @property
    def _meter(self) -> LoudnessMeter:
        assert self._encoding is not None
        return self._encoding.mp3_meter.meter

    def _first_gain_db(self) -> float:
        measured = self._measuring.meter
        if _is_silent(measured):
            return 0.0
        return self._reachable_db(measured, TRUE_PEAK_LIMIT_DBTP) - self._measuring.encoder_gain_db

    def _missing_db(self) -> float:
        if _is_silent(self._meter):
            return 0.0
        return self._reachable_db(self._meter, TRUE_PEAK_LIMIT_DBTP - _PEAK_MARGIN_DB)

    def _reachable_db(self, measured: LoudnessMeter, limit_dbtp: float) -> float:
        wanted_lufs = self._job.options.loudness_lufs
        assert wanted_lufs is not None
        return min(wanted_lufs - measured.lufs, limit_dbtp - measured.true_peak_dbtp)

    def _encode(self, before_s: float) -> Iterator[float]:
        os.lseek(self._job.sink, self._job.offset_bytes, os.SEEK_SET)
        self._encoding = _EncodingPass(self._job.open_media(), self._job, gain_db=self._gain_db)
        self._encoding.points = self._measuring.points
        for done_s in self._encoding.run():
            yield (before_s + done_s) / _PASSES


def _is_silent(measured: LoudnessMeter) -> bool:
    return measured.lufs <= SILENCE_LUFS or not math.isfinite(measured.true_peak_dbtp)


class _MeasuringPass(Pipeline):
    """A pass that only measures the source."""

    meter: LoudnessMeter

    def _make_waveform_peaks(self) -> None:
        return None

    @property
    def encoder_gain_db(self) -> float:
        """LAME's gain, measured: at low bitrates it attenuates to leave room for its peaks."""
        kbps = self._settings.bitrate_kbps or self._settings.average_kbps or math.inf
        return next(gain_db for most_kbps, gain_db in _ENCODER_GAIN_DB if kbps <= most_kbps)

    def _make_encoder(self) -> PcmEncoder:
        encoder = MeasuringEncoder(self._settings)
        self.meter = encoder.meter
        return encoder

    def _make_writer(self) -> Writer:
        return SegmentsPlan(self._split_points, self._job.max_segments) if self._split_points else NoWriter()

    @property
    def points(self) -> Sequence[SplitPoint]:
        """The split points, once the pass has ended."""
        return self._writer.points if isinstance(self._writer, SegmentsPlan) else ()


class _EncodingPass(Pipeline):
    """A pass that encodes and measures the MP3."""

    mp3_meter: Mp3LoudnessMeter
    points: Sequence[SplitPoint] = ()
    """The split points that the measuring pass has found."""

    def _make_split_points(self) -> SplitPoints | None:
        return None if self._options.split is None else KnownSplitPoints(self.points)

    def _make_encoder(self) -> PcmEncoder:
        self.mp3_meter = Mp3LoudnessMeter(self._settings)
        return super()._make_encoder()

    def _write(self, blocks: Iterator[bytes]) -> Iterator[float]:
        return super()._write(self._heard(blocks))

    def _heard(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.mp3_meter.take(block)
            yield block

    def _finish(self) -> None:
        self.mp3_meter.finish()
