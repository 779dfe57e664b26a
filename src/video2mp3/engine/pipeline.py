"""Decode → convert to PCM → encode → write, a block at a time. Runs in the child."""

import time
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from av import AudioFrame

from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.decode import Media
from video2mp3.engine.encode import lead_in_samples, settings_for
from video2mp3.engine.mp3.id3 import id3_tag
from video2mp3.engine.mp3.writer import Mp3Writer
from video2mp3.engine.parallel import EncoderPool, ParallelEncoder
from video2mp3.engine.pcm import BYTES_PER_SAMPLE, PcmConverter, mp3_rate_for
from video2mp3.errors import AudioTooLong

PCM_BLOCK_BYTES = 128 * 1024
"""PCM given to the encoder at once: 0.7 s of CD audio."""
ENCODER_NAME = "video2mp3, LAME 4.0"


class Pipeline:
    """One conversion of one file's first audio track."""

    def __init__(
        self,
        media: Media,
        sink: int,
        options: Mapping[str, Any],
        source_name: str,
        max_audio_s: float,
        pool: EncoderPool | None = None,
    ) -> None:
        self._pool = pool or EncoderPool(available_cpus())
        self._options = options
        self._sink = sink
        self._max_audio_s = max_audio_s
        self._decoder = media.decoder()
        self._title = _title(options.get("title"), media.title, source_name)
        self._encode_s = 0.0
        self._started_s = time.monotonic()
        self._source_format: tuple[int, int] = (0, 0)
        self.total_s = media.tracks[0].duration_s or media.duration_s
        """The length that the file claims, in seconds."""

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done after each frame.

        Raises:
            AudioTooLong: more came out than may be converted.
            UndecodableAudio: nothing came out.
        """
        frames = self._decoder.frames()
        first, samples = next(frames)
        self._set_up(first)
        self._take(first, samples)
        done_s = samples / first.sample_rate
        for frame, samples in frames:
            self._take(frame, samples)
            done_s += samples / frame.sample_rate
            if done_s > self._max_audio_s:
                raise AudioTooLong(f"The audio is longer than the {self._max_audio_s:.0f} s that are converted.")
            yield done_s
        for block in self._converter.finish():
            self._block += block
        samples = self._converter.samples
        lead_in = lead_in_samples(self._settings.sample_rate_hz, samples)
        if lead_in:  # so short that all of it is still here
            self._block[:0] = bytes(BYTES_PER_SAMPLE * self._settings.channels * lead_in)
        self._encode()
        self._writer.write(self._encoder.finish())
        self._writer.finish(samples, lead_in)

    def facts(self) -> dict[str, Any]:
        """Returns what is to be reported."""
        total_s = time.monotonic() - self._started_s
        return {
            "codec": self._decoder.codec,
            "sample_rate_hz": self._source_format[0],
            "channels": self._source_format[1],
            "samples_in": self._decoder.samples,
            "mp3_sample_rate_hz": self._settings.sample_rate_hz,
            "mp3_channels": self._settings.channels,
            "samples": self._converter.samples,
            "frames": self._writer.frames,
            "title": self._title,
            "damaged_packets": self._decoder.damage.packets,
            "truncated": self._decoder.damage.truncated,
            "bitrate_kbps": self._settings.bitrate_kbps,
            "vbr_quality": self._settings.vbr_quality,
            "quality": self._settings.quality,
            "decode_s": round(total_s - self._encode_s, 3),
            "encode_s": round(self._encode_s, 3),
        }

    def _set_up(self, first: AudioFrame) -> None:
        """Makes the stages for what the decoder really gives: headers are often wrong."""
        self._source_format = (first.sample_rate, first.layout.nb_channels)
        sample_rate_hz = mp3_rate_for(first.sample_rate)
        channels = min(first.layout.nb_channels, 2)
        options = self._options
        self._settings = settings_for(sample_rate_hz, channels, options.get("bitrate_kbps"), options.get("vbr_quality"))
        self._converter = PcmConverter(sample_rate_hz, channels)
        self._encoder = ParallelEncoder(self._settings, self._pool)
        self._writer = Mp3Writer(
            self._sink,
            sample_rate_hz=sample_rate_hz,
            channels=channels,
            bitrate_kbps=self._settings.bitrate_kbps,
            vbr_quality=self._settings.vbr_quality,
            quality=self._settings.quality,
            id3=id3_tag({"TIT2": self._title or "", "TSSE": ENCODER_NAME}),
        )
        self._block = bytearray()

    def _take(self, frame: AudioFrame, samples: int) -> None:
        for block in self._converter.convert(frame, samples):
            self._block += block
        if len(self._block) >= PCM_BLOCK_BYTES:
            self._encode()

    def _encode(self) -> None:
        started_s = time.monotonic()
        self._writer.write(self._encoder.encode(bytes(self._block)))
        self._block.clear()
        self._encode_s += time.monotonic() - started_s


def _title(wanted: str | None, own: str | None, source_name: str) -> str | None:
    if wanted is not None:
        return wanted or None
    return own or PurePosixPath(source_name).stem or None
