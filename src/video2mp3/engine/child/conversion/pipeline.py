"""Decode → convert to PCM → encode → write, a block at a time. Runs in the child."""

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from av import AudioFrame

from video2mp3.engine.chapters import chapters_to_use
from video2mp3.engine.child.audio.encode import lead_in_samples, settings_for
from video2mp3.engine.child.audio.fade import Fade
from video2mp3.engine.child.audio.parallel import ParallelEncoder
from video2mp3.engine.child.audio.pcm import PcmConverter, mp3_rate_for
from video2mp3.engine.child.audio.silence import SoundAndSilence, silent_blocks
from video2mp3.engine.child.audio.trim import Trim
from video2mp3.engine.child.audio.waveform import WaveformPeaks
from video2mp3.engine.child.conversion.conversion_job import ConversionJob
from video2mp3.engine.child.conversion.output_metadata import OutputMetadata
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.decoding.mixing import MixedTracks
from video2mp3.engine.child.decoding.parts import PartsDecoder
from video2mp3.engine.child.splitting.segments import SegmentsPlan, SegmentsWriter, WrittenSegment
from video2mp3.engine.child.splitting.split_points import PcmFormat, SplitPoints, split_points_for
from video2mp3.engine.child.timeline import LeftOut
from video2mp3.engine.mp3.info_tag import ENCODER_DELAY
from video2mp3.engine.mp3.writer import Mp3Writer
from video2mp3.errors import AudioTooLong, DamagedAudio, StartOutOfRange

_DECODING_SHARE = 0.1
"""Share of decoding in the work; encoding is the rest."""


class PcmEncoder(Protocol):
    """Encodes PCM: see `ParallelEncoder`."""

    @property
    def samples(self) -> int:
        """Samples per channel taken so far."""

    @property
    def cpu_s(self) -> float:
        """CPU time taken so far, in seconds."""

    def encode(self, pcm: bytes) -> Iterator[bytes]:
        """Takes PCM and yields complete frames."""

    def finish(self, lead_in: int = 0) -> Iterator[bytes]:
        """Yields the remaining frames."""


class Writer(Protocol):
    """Writes MP3: see `Mp3Writer`."""

    def write(self, mp3: bytes) -> None:
        """Takes the next bytes."""

    def finish(self, samples: int, delay: int = ENCODER_DELAY) -> None:
        """Completes the file."""


class NoWriter:
    """Writes nothing."""

    def write(self, mp3: bytes) -> None:
        """Drops it."""

    def finish(self, samples: int, delay: int = ENCODER_DELAY) -> None:
        """Does nothing."""


class Pipeline:
    """Converts one audio track."""

    def __init__(self, media: Media, job: ConversionJob, *, gain_db: float = 0.0) -> None:
        self._gain_db = gain_db + job.mix_gain_db
        self._job = job
        self._options = options = job.options
        self._metadata = OutputMetadata(media, job)
        self._chapters = chapters_to_use(job.options.own_chapters, media.chapters)
        self._track = media.find_track(options.track)
        self._streams = media.audio_streams
        self._decoder = media.mixed(options.sample_rate_hz) if options.mixes_tracks else media.decoder(self._track)
        self._started_cpu_s = time.process_time()
        self._source_format: tuple[int, int] = (0, 0)
        self._left_out = LeftOut()
        """The silence within the kept range that `timing` leaves out."""
        self._added_silence = 0
        """Samples per channel of silence in the sound's gaps, as far as they were needed."""
        self.total_s = media.length_s(self._track, options.end_s)
        """Duration to decode in seconds, as the file claims."""

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done whenever they change.

        Raises:
            AudioTooLong: the audio exceeds the limit.
            UndecodableAudio: the decoder returned nothing.
            StartOutOfRange: the audio ends before the requested start.
            DamagedAudio: the audio is damaged, and `fail_on_damage` is set.
        """
        frames = self._decoder.frames()
        first = next(frames)
        self._set_up(first[0])
        for frame, count, silence_s in chain([first], frames):
            if silence_s:
                self._sound.add_silence(silence_s)
            if blocks := self._converter.convert(frame, count):  # most frames are only buffered
                yield from self._take(blocks)
                if self._trim.ended:
                    break
        yield from self._take(self._converter.finish())
        self._trim.finish()
        self._refuse_damage(self._truncated)
        if self._split_points:
            self._split_points.finish()
        samples = self._trim.samples - self._left_out.samples
        if not samples:
            raise StartOutOfRange
        yield from self._encode(self._fade.finish())
        if self._waveform_peaks:
            self._waveform_peaks.finish()
        lead_in = lead_in_samples(self._settings.sample_rate_hz, samples)
        yield from self._write(self._encoder.finish(lead_in))
        self._writer.finish(samples, ENCODER_DELAY + lead_in)
        if isinstance(self._writer, Mp3Writer):
            self._metadata.place_chapters(self._writer, self._settings.sample_rate_hz, samples, self._left_out)
        self._finish()

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report."""
        return {
            "codec": self._decoder.codec,
            "sample_rate_hz": self._source_format[0],
            "channels": self._source_format[1],
            "samples_in": self._decoder.samples,
            **self._tracks(),
            "title": self._metadata.tags().title,
            "unusable_picture": self._metadata.unusable_picture,
            "damaged_packets": self._decoder.damage.packets,
            "silenced_samples": self._decoder.damage.silenced_samples,
            "truncated": self._truncated,
            "canceled_in_mono": self._converter.is_canceled,
            "added_silence_s": self._added_silence / self._settings.sample_rate_hz,
            "timeline": self._decoder.timeline(),
            "bitrate_kbps": self._settings.bitrate_kbps,
            "vbr_quality": self._settings.vbr_quality,
            "average_kbps": self._settings.average_kbps,
            "quality": self._settings.quality,
            "decode_s": round(time.process_time() - self._started_cpu_s - self._encoder.cpu_s, 3),
            "encode_s": round(self._encoder.cpu_s, 3),
        }

    def _tracks(self) -> dict[str, Any]:
        if isinstance(self._decoder, MixedTracks):
            mixed = self._decoder.mixed
            return {"track": mixed[0], "tracks_mixed": mixed, "tracks_left_out": self._decoder.left_out}
        pids = self._decoder.pids if isinstance(self._decoder, PartsDecoder) else ()
        continued = [number for number, stream in enumerate(self._streams, 1) if stream.id in pids]
        return {"track": self._track + 1, "tracks_continued": continued}

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
        settings, written = self._settings, self._written()
        facts = self._metadata.segment_facts(
            written, self._tracks()["track"], settings.sample_rate_hz, settings.channels, self._left_out
        )
        if self._waveform_peaks is None:
            return facts
        return [
            {**fact, "waveform": self._waveform_peaks.waveform_of(segment.first_sample, segment.samples)}
            for fact, segment in zip(facts, written, strict=True)
        ]

    def _written(self) -> Sequence[WrittenSegment]:
        if isinstance(self._writer, (SegmentsWriter, SegmentsPlan)):
            return self._writer.segments
        assert isinstance(self._writer, Mp3Writer)
        size_bytes, frames = self._writer.size_bytes, self._writer.frames
        samples = self._trim.samples - self._left_out.samples
        return [WrittenSegment(1, None, self._job.offset_bytes, size_bytes, 0, samples, frames)]

    def _set_up(self, first: AudioFrame) -> None:
        """Creates the stages for the format of the first decoded frame: headers are often wrong."""
        self._source_format = (first.sample_rate, first.layout.nb_channels)
        options = self._options
        sample_rate_hz = options.sample_rate_hz or mp3_rate_for(first.sample_rate)
        of_source = options.channels_for(first.layout.nb_channels)
        channels = 2 if of_source == 2 else 1
        mode = (options.bitrate_kbps, options.vbr_quality, options.average_kbps)
        self._settings = settings_for(sample_rate_hz, channels, *mode)
        self._trim = Trim(sample_rate_hz, channels, options.start_s, options.end_s)
        self._fade = Fade(sample_rate_hz, channels, options.fade_in_s, options.fade_out_s)
        self._pcm = PcmFormat(sample_rate_hz, channels)
        self._converter = PcmConverter(sample_rate_hz, of_source, self._gain_db)
        self._sound = SoundAndSilence(self._converter)
        self._split_points = self._make_split_points()
        self._waveform_peaks = self._make_waveform_peaks()
        self._encoder = self._make_encoder()
        self._writer = self._make_writer()

    def _make_encoder(self) -> PcmEncoder:
        return ParallelEncoder(self._settings, self._job.pool)

    def _make_waveform_peaks(self) -> WaveformPeaks | None:
        return WaveformPeaks(self._settings.channels, fine=self._options.split is not None)

    def _make_split_points(self) -> SplitPoints | None:
        if self._options.split is None:
            return None
        return split_points_for(self._options, self._chapters, self._pcm, self._left_out, self._gain_db)

    def _make_writer(self) -> Writer:
        if self._split_points:
            return SegmentsWriter(self._split_points, self._open_mp3, self._job.offset_bytes, self._job.max_segments)
        return self._open_mp3(self._job.offset_bytes)

    def _open_mp3(self, offset_bytes: int, number: int = 1, chapter_title: str | None = None) -> Mp3Writer:
        return Mp3Writer(
            self._job.sink, self._settings, id3=self._metadata.id3(number, chapter_title), offset_bytes=offset_bytes
        )

    def _take(self, blocks: Sequence[bytes]) -> Iterator[float]:
        self._refuse_damage(self._decoder.damage.packets > 0)
        self._refuse_too_long()
        for piece in self._sound.of(blocks):
            if isinstance(piece, bytes):
                yield from self._keep(self._trim.take(piece))
            elif self._options.timing == "packed":
                self._leave_out(piece)
            else:
                yield from self._add_silence(piece)

    def _keep(self, pcm: bytes) -> Iterator[float]:
        if self._split_points:
            self._split_points.take(pcm)
        yield from self._encode(self._fade.take(pcm))
        yield self._done_s()

    def _add_silence(self, samples: int) -> Iterator[float]:
        samples = self._trim.until_end(samples)
        self._added_silence += samples
        self._refuse_too_long()
        for block in silent_blocks(self._trim.skip(samples), self._pcm.bytes_per_sample):
            yield from self._keep(block)

    def _leave_out(self, samples: int) -> None:
        at = self._trim.samples
        if kept := self._trim.skip(samples):
            self._left_out.add(at, kept)
            self._fade.skip(kept)
            if self._split_points:
                self._split_points.skip(kept)

    def _refuse_too_long(self) -> None:
        max_audio_s = self._job.max_audio_s
        if self._converter.samples + self._added_silence > max_audio_s * self._settings.sample_rate_hz:
            raise AudioTooLong(f"The audio is longer than the {max_audio_s:.0f} s that are converted.")

    def _encode(self, pcm: bytes) -> Iterator[float]:
        if self._waveform_peaks:
            self._waveform_peaks.take(pcm)
        yield from self._write(self._encoder.encode(pcm))

    def _write(self, blocks: Iterator[bytes]) -> Iterator[float]:
        for block in blocks:
            self._writer.write(block)
            yield self._done_s()

    def _finish(self) -> None:
        """Hook for subclasses, called after the MP3 is complete."""

    def _done_s(self) -> float:
        decoded = self._converter.samples + self._added_silence
        encoded = min(self._encoder.samples, decoded)
        done = decoded * _DECODING_SHARE + encoded * (1 - _DECODING_SHARE) + self._left_out.samples
        return done / self._settings.sample_rate_hz

    @property
    def _truncated(self) -> bool:
        return not self._trim.ended and self._decoder.truncated

    def _refuse_damage(self, damaged: bool) -> None:
        if damaged and self._options.fail_on_damage:
            raise DamagedAudio
