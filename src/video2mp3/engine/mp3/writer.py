"""Writes an MP3 file as a stream: ID3 tag, info frame, frames. Memory does not grow with the length."""

import os

from fastcrc import crc16

from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frames import FrameWalker
from video2mp3.engine.mp3.info_tag import (
    ENCODER_DELAY,
    LAME_VERSION,
    InfoTag,
    info_frame,
    info_frame_header,
    padding_for,
    placeholder,
    table_of_contents,
)

_BLOCK_BYTES = 256 * 1024


class Mp3Writer:
    """Writes one MP3 to a descriptor, at its position."""

    def __init__(
        self,
        descriptor: int,
        settings: EncoderSettings,
        *,
        id3: bytes,
        offset_bytes: int = 0,
        encoder: bytes = LAME_VERSION,
    ) -> None:
        self.offset_bytes = offset_bytes
        """Offset of the MP3 in the file."""
        self._encoder = encoder
        self._descriptor = descriptor
        self._settings = settings
        self._header = info_frame_header(settings.sample_rate_hz, settings.channels, settings.bitrate_kbps)
        self._walker = FrameWalker()
        self._crc = 0
        self._block = bytearray()
        self._info_offset = len(id3)
        _write_all(descriptor, id3 + placeholder(self._header))

    @property
    def frames(self) -> int:
        """Frames of audio written so far."""
        return self._walker.frames

    @property
    def size_bytes(self) -> int:
        """Size of the MP3, valid once it is complete."""
        return self._info_offset + self._header.size_bytes + self._walker.size_bytes

    def write(self, mp3: bytes) -> None:
        """Takes the encoder's next bytes, cut anywhere."""
        self._block += mp3
        if len(self._block) >= _BLOCK_BYTES:
            self._write_block()

    def finish(self, samples: int, delay: int = ENCODER_DELAY) -> None:
        """Completes the MP3.

        Args:
            samples: samples per channel that players must output.
            delay: samples to skip at the start, without the decoder's delay.
        """
        self._write_block()
        frame = info_frame(self._header, self._tag(samples, delay))
        os.pwrite(self._descriptor, frame, self.offset_bytes + self._info_offset)

    def replace_id3(self, id3: bytes) -> None:
        """Replaces the ID3 tag by another of the same size."""
        assert len(id3) == self._info_offset
        os.pwrite(self._descriptor, id3, self.offset_bytes)

    def _write_block(self) -> None:
        block = bytes(self._block)
        self._block.clear()
        self._walker.feed(block)
        self._crc = crc16.arc(block, self._crc)
        _write_all(self._descriptor, block)

    def _tag(self, samples: int, delay: int) -> InfoTag:
        return InfoTag(
            vbr_quality=self._settings.vbr_quality,
            quality=self._settings.quality,
            frames=self.frames,
            size_bytes=self._walker.size_bytes + self._header.size_bytes,
            toc=table_of_contents(self._walker, self._header.size_bytes),
            delay=delay,
            padding=padding_for(self.frames, self._header.samples, delay, samples),
            music_crc=self._crc,
            average_kbps=self._settings.average_kbps,
            encoder=self._encoder,
        )


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
