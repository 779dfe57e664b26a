"""Copies the MP3 frames of a source without decoding and encoding. Runs in the child.

Positions are samples per channel, counted from the first sample that a decoder returns for the source's frames. The
samples to skip (encoder delay and padding) come from FFmpeg's demuxers, which read the LAME tag and edit lists.
"""

import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from av import Packet

from video2mp3.engine.chapters import chapters_to_use
from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.child.conversion.conversion_job import ConversionJob
from video2mp3.engine.child.conversion.output_metadata import OutputMetadata
from video2mp3.engine.child.conversion.silent_frames import SilentFrames, frames_in
from video2mp3.engine.child.decoding.decode import SKIPPED_SAMPLES
from video2mp3.engine.child.decoding.frame_decoder import FrameDecoder, SilenceDecoder
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.splitting.segments import SegmentsWriter
from video2mp3.engine.child.splitting.split_points import PcmFormat, split_points_for
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
_FRAMES_PER_REPORT = 1000
_NEVER_S = 1e9
_NO_ENCODER = b"Lavf\0\0\0\0\0"
"""ffmpeg's name for MP3 that it did not encode; players trust the delay only of known names."""
_UNKNOWN_QUALITY = 100


class StreamCopy:
    """Converts one audio track without encoding."""

    def __init__(self, media: Media, job: ConversionJob) -> None:
        self._job = job
        self._metadata = OutputMetadata(media, job)
        self._chapters = chapters_to_use(job.options.own_chapters, media.chapters)
        self._encoder = _known_encoder(media.mp3_encoder)
        self._track = media.find_track(job.options.track)
        self._decoder = media.decoder(self._track)
        self.total_s = media.length_s(self._track, job.options.end_s)
        self._finder = FrameFinder()
        self._held: deque[Frame | int] = deque()
        """Frames, and the samples of silence that is left out between them."""
        self._bitrates: Counter[int] = Counter()
        self._started = False
        self._is_packed = job.options.timing == "packed"
        self._silent_frames = SilentFrames()
        self._lead_s = 0.0
        self._gaps = LeftOut()
        """The silence that is left out, on the file's clock."""
        self._left_out = LeftOut()
        """The part of it that lies in the kept range, counted from the range's start."""
        self._zero = 0
        """The position of the file's zero."""
        self._skipped, self._discarded = 0, 0
        self._end_s = Fraction(0)
        """Where the last packet ends on the file's clock."""
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
                data = bytes(packet)
                if silence_s := self._silence_before(packet, data):
                    yield from self._take(self._finder.feed(b"", ended=True))
                    self._add_silence(silence_s)
                yield from self._take(self._finder.feed(data))
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
            "samples_in": max(self._found - self._silent_frames.samples - self._skipped - self._discarded, 0),
            "track": self._track + 1,
            "title": self._metadata.tags().title,
            "unusable_picture": self._metadata.unusable_picture,
            "damaged_packets": self._finder.gaps,
            "silenced_samples": 0,
            "truncated": self._decoder.truncated,
            "added_silence_s": self._silent_frames.samples / self._header.sample_rate_hz,
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
            start, end = SKIPPED_SAMPLES.unpack_from(bytes(packet.get_sidedata("skip_samples")))
        if number == 0:
            self._skipped = min(start, MAX_PADDING)
        if packet.size:
            self._discarded = self._discarded + end if end else 0

    def _silence_before(self, packet: "Packet[Any]", data: bytes) -> float:
        header, frames = frames_in(data)
        if header is None:
            return 0.0
        if packet.pts is not None and packet.time_base:
            self._end_s = packet.pts * packet.time_base + Fraction(frames * header.samples, header.sample_rate_hz)
        if self._decoder.clock is None:
            return 0.0
        return self._decoder.clock.take(packet.pts, frames * header.samples, header.sample_rate_hz)

    def _add_silence(self, seconds: float) -> None:
        if not self._started:
            self._lead_s = seconds
        elif self._is_packed:
            self._leave_out(round(seconds * self._header.sample_rate_hz))
        else:
            samples = min(seconds * self._header.sample_rate_hz, self._until_end())
            self._refuse_too_long(self._found + samples)
            self._silent_frames.add(samples)

    def _leave_out(self, samples: int) -> None:
        start, end = self._kept_range()
        at = self._found - self._zero + self._gaps.samples
        self._gaps.add(at, samples)
        first, last = max(at, start), min(at + samples, end)
        if first < last:
            self._left_out.add(first - start, last - first)
            self._held.append(last - first)
        self._set_range()

    def _until_end(self) -> float:
        """Returns the samples up to the end of the range, and somewhat more."""
        return max(self._end - self._found, 0) + 2 * _HELD_FRAMES * self._header.samples

    def _kept_range(self) -> tuple[int, int]:
        """Returns the range to keep, in samples on the file's clock."""
        options, rate_hz = self._job.options, self._header.sample_rate_hz
        end_s = _NEVER_S if options.end_s is None else options.end_s
        return round(Fraction(options.start_s) * rate_hz), round(Fraction(end_s) * rate_hz)

    def _set_range(self) -> None:
        """Sets the range of samples to keep. What is left out later can only move it forward."""
        start, end = self._kept_range()
        self._first = self._zero + self._gaps.position(start)
        if self._job.options.end_s is not None:
            # ffmpeg cannot play less than a frame: see split_points.py
            self._end = max(self._zero + self._gaps.position(end), self._first + self._header.samples)
            self._last_begin = self._end
        if self._started:
            self._writer.first_position = self._first

    def _begin(self, header: FrameHeader) -> None:
        options, rate_hz = self._job.options, header.sample_rate_hz
        self._header = header
        self._zero = self._skipped
        self._set_range()
        if self._lead_s and not self._is_packed:
            lead = round(min(self._lead_s * rate_hz, self._until_end()))
            self._refuse_too_long(lead)
            frames = math.ceil(lead / header.samples)
            self._silent_frames.lead_in(frames)
            self._zero = frames * header.samples - lead
            self._set_range()
        pcm = PcmFormat(rate_hz, header.channels)
        self._split_points = split_points_for(options, self._chapters, pcm, self._left_out)
        self._frame_decoder = FrameDecoder(header) if options.split == "silence" else SilenceDecoder(header)
        self._writer = SegmentsWriter(
            self._split_points, self._open_mp3, self._job.offset_bytes, self._job.max_segments, self._first
        )
        self._started = True
        if self._lead_s and self._is_packed:
            self._leave_out(round(self._lead_s * rate_hz) + self._skipped)

    def _open_mp3(self, offset_bytes: int, number: int, chapter_title: str | None) -> Mp3Writer:
        id3 = self._metadata.id3(number, chapter_title)
        self._mp3 = _CopyWriter(self._job.sink, self._header, self._encoder, id3, offset_bytes)
        return self._mp3

    def _take(self, frames: Sequence[Frame]) -> Iterator[float]:
        for frame in frames:
            if not self._started:
                self._begin(frame.header)
            for number, silent in enumerate(self._silent_frames.before(frame)):
                self._hold(silent)
                if number % _FRAMES_PER_REPORT == 0:
                    yield self._passed / self._header.sample_rate_hz
            self._hold(self._decodable(frame))
        if frames:
            yield self._passed / self._header.sample_rate_hz
            self._refuse_too_long(self._found)

    def _hold(self, frame: Frame) -> None:
        self._held.append(frame)
        self._found += frame.header.samples
        while len(self._held) > _HELD_FRAMES:
            self._pass_on(self._held.popleft())

    def _refuse_too_long(self, samples: float) -> None:
        if samples > self._job.max_audio_s * self._header.sample_rate_hz:
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

    def _pass_on(self, frame: Frame | int) -> None:
        if isinstance(frame, int):
            self._find_split_points(self._frame_decoder.skip(frame))
        elif self._passed < self._last_begin:
            self._passed += frame.header.samples
            self._written_bytes += len(frame.data)
            self._bitrates[frame.header.bitrate_kbps] += 1
            self._find_split_points(self._frame_decoder.take(frame))
            self._writer.write_frames([frame])

    def _find_split_points(self, blocks: Sequence[bytes | int]) -> None:
        frame_bytes = BYTES_PER_SAMPLE * self._header.channels
        for block in blocks:
            if isinstance(block, int):
                self._split_points.skip(block)
                continue
            samples = len(block) // frame_bytes
            first, last = (round(min(max(at - self._decoded_samples, 0), samples)) for at in (self._first, self._end))
            self._decoded_samples += samples
            self._split_points.take(block[first * frame_bytes : last * frame_bytes])

    def _finish(self) -> None:
        frame_samples = self._header.samples
        self._discarded = max(self._discarded, self._decoder.beyond_edit_list(self._end_s, self._header.sample_rate_hz))
        self._discarded = min(self._discarded, _HELD_FRAMES * frame_samples)
        if self._passed < self._end:  # no end was requested, or the held frames come before it
            self._decoder.compare_with_declared_duration(self._header.sample_rate_hz)
        end = min(self._end, self._found - self._discarded)
        start, range_end = self._kept_range()
        if end <= self._first or self._left_out.samples >= range_end - start:
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
        if self._job.options.split is None:
            samples = round(end) - self._first
            self._metadata.place_chapters(self._mp3, self._header.sample_rate_hz, samples, self._left_out)


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
