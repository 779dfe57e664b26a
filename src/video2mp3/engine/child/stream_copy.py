"""Copies the MP3 frames of a source without decoding and encoding. Runs in the child.

Positions are samples per channel, counted from the first sample that a decoder returns for the source's frames. The
samples to skip (encoder delay and padding) come from FFmpeg's demuxers, which read the LAME tag and edit lists.
"""

import math
import struct
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from av import Packet

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.child.conversion_job import ConversionJob
from video2mp3.engine.child.frame_decoder import FrameDecoder, SilenceDecoder
from video2mp3.engine.child.media import Media
from video2mp3.engine.child.output_metadata import OutputMetadata
from video2mp3.engine.child.segments import SegmentsWriter
from video2mp3.engine.child.split_points import PcmFormat, split_points_for
from video2mp3.engine.child.timeline import LeftOut
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.finder import ChangedFormat, FrameFinder
from video2mp3.engine.mp3.frame import Frame
from video2mp3.engine.mp3.frames import FrameHeader, bitrates_kbps
from video2mp3.engine.mp3.info_tag import DECODER_DELAY, ENCODER_DELAY, MAX_PADDING
from video2mp3.engine.mp3.writer import Mp3Writer
from video2mp3.errors import AudioTooLong, DamagedAudio, NotMp3, StartOutOfRange

_HELD_FRAMES = 8
"""The end of the audio may lie this many frames before the last frame; the last packet shows where."""
_SKIPPED = struct.Struct("<II")
"""Samples to skip at the packet's start and end: AV_PKT_DATA_SKIP_SAMPLES of FFmpeg."""
_NO_ENCODER = b"Lavf\0\0\0\0\0"
"""ffmpeg's name for MP3 that it did not encode; players trust the delay only of known names."""
_UNKNOWN_QUALITY = 100


class StreamCopy:
    """Converts one audio track without encoding."""

    def __init__(self, media: Media, job: ConversionJob) -> None:
        self._job = job
        self._metadata = OutputMetadata(media, job)
        self._chapters = media.chapters
        self._encoder = _known_encoder(media.mp3_encoder)
        self._track = media.find_track(job.options.track)
        self._decoder = media.decoder(self._track)
        self.total_s = media.length_s(self._track, job.options.end_s)
        self._finder = FrameFinder()
        self._held: deque[Frame] = deque()
        self._bitrates: Counter[int] = Counter()
        self._started = False
        self._left_out = LeftOut()
        self._skipped, self._discarded = 0, 0
        self._found, self._passed, self._decoded_samples = 0, 0, 0
        self._first, self._end = 0, math.inf
        """The range of samples to keep."""
        self._last_begin = math.inf
        """Frames that begin there or later are dropped."""
        self._main_data: int | None = 0
        """Bytes of main data so far; None after the first frame that can be decoded."""
        self._written_bytes = 0

    def run(self) -> Iterator[float]:
        """Copies, and yields the seconds done.

        Raises:
            NotMp3: the audio is not MP3.
            AudioTooLong: the audio exceeds the limit.
            StartOutOfRange: the audio ends before the requested start.
            DamagedAudio: the audio is damaged, and `fail_on_damage` is set.
        """
        if self._decoder.codec != "mp3":
            raise NotMp3(f"Track {self._track + 1} is not MP3 but {self._decoder.codec}; convert it without copy.")
        try:
            for number, packet in enumerate(self._decoder.packets()):
                self._count_skipped_samples(packet, number)
                yield from self._take(self._finder.feed(bytes(packet)))
                if self._passed >= self._end:
                    break
            else:
                yield from self._take(self._finder.feed(b"", ended=True))
        except ChangedFormat as error:
            raise NotMp3(
                "The MP3 changes its sample rate or its channels on the way; convert it without copy."
            ) from error
        if not self._started:
            raise NotMp3("No MP3 frames of layer III with a declared bitrate were found; convert it without copy.")
        self._finish()
        yield self._passed / self._header.sample_rate_hz

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report."""
        average_kbps = self._written_bytes * 8 * self._header.sample_rate_hz / self._passed / 1000
        constant = len(self._bitrates) == 1
        return {
            "codec": self._decoder.codec,
            "sample_rate_hz": self._header.sample_rate_hz,
            "channels": self._header.channels,
            "samples_in": max(self._found - self._skipped - self._discarded, 0),
            "track": self._track + 1,
            "title": self._metadata.tags().title,
            "unusable_picture": self._metadata.unusable_picture,
            "damaged_packets": self._finder.gaps,
            "silenced_samples": 0,
            "truncated": self._decoder.truncated,
            "added_silence_s": 0.0,
            "timeline": self._decoder.timeline(),
            "bitrate_kbps": self._header.bitrate_kbps if constant else None,
            "vbr_quality": None,
            "average_kbps": None if constant else round(average_kbps),
            "quality": None,
            "decode_s": 0.0,
            "encode_s": 0.0,
        }

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
        header = self._header
        return self._metadata.segment_facts(
            self._writer.segments, self._track + 1, header.sample_rate_hz, header.channels, self._left_out
        )

    def _count_skipped_samples(self, packet: "Packet[Any]", number: int) -> None:
        start, end = 0, 0
        if packet.has_sidedata("skip_samples"):
            start, end = _SKIPPED.unpack_from(bytes(packet.get_sidedata("skip_samples")))
        if number == 0:
            self._skipped = min(start, MAX_PADDING)
        if packet.size:
            self._discarded = self._discarded + end if end else 0

    def _begin(self, header: FrameHeader) -> None:
        options, rate_hz = self._job.options, header.sample_rate_hz
        self._header = header
        self._first = self._skipped + round(Fraction(options.start_s) * rate_hz)
        if options.end_s is not None:
            end = self._skipped + round(Fraction(options.end_s) * rate_hz)
            self._end = max(end, self._first + header.samples)  # ffmpeg cannot play less: see split_points.py
            self._last_begin = self._end
        pcm = PcmFormat(rate_hz, header.channels)
        self._split_points = split_points_for(options, self._chapters, pcm, self._left_out)
        self._frame_decoder = FrameDecoder(header) if options.split == "silence" else SilenceDecoder(header)
        self._writer = SegmentsWriter(
            self._split_points, self._open_mp3, self._job.offset_bytes, self._job.max_segments, self._first
        )
        self._started = True

    def _open_mp3(self, offset_bytes: int, number: int, chapter_title: str | None) -> Mp3Writer:
        id3 = self._metadata.id3(number, chapter_title)
        return _CopyWriter(self._job.sink, self._header, self._encoder, id3, offset_bytes)

    def _take(self, frames: Sequence[Frame]) -> Iterator[float]:
        for frame in frames:
            if not self._started:
                self._begin(frame.header)
            self._held.append(self._decodable(frame))
            self._found += frame.header.samples
            if len(self._held) > _HELD_FRAMES:
                self._pass_on(self._held.popleft())
        if frames:
            yield self._passed / self._header.sample_rate_hz
            if self._found > self._job.max_audio_s * self._header.sample_rate_hz:
                raise AudioTooLong(f"The audio is longer than the {self._job.max_audio_s:.0f} s that are converted.")

    def _decodable(self, frame: Frame) -> Frame:
        """Silences the first frames if their main data begin before the stream and a filler frame precedes them."""
        if self._main_data is None:
            return frame
        before, missing = self._main_data, frame.main_data_begin > self._main_data
        self._main_data = before + frame.main_size if missing else None
        if not missing or self._first >= DECODER_DELAY:
            return frame
        return frame.silent(before)

    def _pass_on(self, frame: Frame) -> None:
        if self._passed < self._last_begin:
            self._passed += frame.header.samples
            self._written_bytes += len(frame.data)
            self._bitrates[frame.header.bitrate_kbps] += 1
            self._find_split_points(self._frame_decoder.take(frame))
            self._writer.write_frames([frame])

    def _find_split_points(self, blocks: Sequence[bytes]) -> None:
        frame_bytes = BYTES_PER_SAMPLE * self._header.channels
        for block in blocks:
            samples = len(block) // frame_bytes
            first, last = (round(min(max(at - self._decoded_samples, 0), samples)) for at in (self._first, self._end))
            self._decoded_samples += samples
            self._split_points.take(block[first * frame_bytes : last * frame_bytes])

    def _finish(self) -> None:
        frame_samples = self._header.samples
        self._discarded = min(self._discarded, _HELD_FRAMES * frame_samples)
        if self._passed < self._end:  # no end was requested, or the held frames come before it
            self._decoder.compare_with_declared_duration(self._header.sample_rate_hz)
        end = min(self._end, self._found - self._discarded)
        if end <= self._first:
            raise StartOutOfRange
        if self._job.options.fail_on_damage and (self._finder.gaps or self._decoder.truncated):
            raise DamagedAudio
        beyond = 0 if self._end < math.inf and self._end == end else MAX_PADDING - DECODER_DELAY - frame_samples
        self._end, self._last_begin = end, end + max(beyond, 0)
        for frame in self._held:
            self._pass_on(frame)
        self._find_split_points(self._frame_decoder.finish())
        self._split_points.finish()
        self._writer.finish(round(end) - self._first)


class _CopyWriter(Mp3Writer):
    """Writes an MP3 from copied frames."""

    def __init__(self, sink: int, header: FrameHeader, encoder: bytes, id3: bytes, offset_bytes: int) -> None:
        is_known = header.bitrate_kbps in bitrates_kbps(header.sample_rate_hz)
        settings = EncoderSettings(
            header.sample_rate_hz,
            header.channels,
            header.bitrate_kbps if is_known else None,
            vbr_quality=None,
            quality=_UNKNOWN_QUALITY,
        )
        super().__init__(sink, settings, id3=id3, offset_bytes=offset_bytes, encoder=encoder)
        self._bitrates: Counter[int] = Counter()
        self._audio_bytes = 0
        self._bits_per_frame = 8 * header.sample_rate_hz / header.samples

    def write(self, mp3: bytes) -> None:
        """Takes the next frame."""
        self._bitrates[mp3[2] >> 4] += 1
        self._audio_bytes += len(mp3)
        super().write(mp3)

    def finish(self, samples: int, delay: int = ENCODER_DELAY) -> None:
        """Completes the MP3; see `Mp3Writer`."""
        frames = self._bitrates.total()
        if frames - max(self._bitrates.values()) > 1:  # one may be a filler frame
            average_kbps = max(round(self._audio_bytes * self._bits_per_frame / frames / 1000), 1)
            self._settings = replace(self._settings, average_kbps=average_kbps)
        super().finish(samples, delay)


def _known_encoder(name: bytes | None) -> bytes:
    """Returns the encoder's name for the LAME tag, or ffmpeg's name if it is not valid."""
    name = (name or b"").rstrip(b"\0").ljust(9, b"\0")
    return name if len(name) == 9 and name.rstrip(b"\0").isascii() and name[:1].isalpha() else _NO_ENCODER
