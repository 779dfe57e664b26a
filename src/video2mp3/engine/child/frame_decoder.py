"""Decodes copied MP3 frames to find silences in them. Runs in the child."""

from collections.abc import Sequence

from av import AudioCodecContext, CodecContext, Packet
from av.error import FFmpegError

from video2mp3.engine.child.audio.pcm import PcmConverter
from video2mp3.engine.mp3.frame import Frame
from video2mp3.engine.mp3.frames import FrameHeader


class FrameDecoder:
    """Decodes frames to interleaved 16-bit PCM."""

    def __init__(self, header: FrameHeader) -> None:
        self._converter = PcmConverter(header.sample_rate_hz, header.channels)
        decoder = CodecContext.create("mp3float", "r")
        assert isinstance(decoder, AudioCodecContext)
        self._decoder = decoder

    def take(self, frame: Frame) -> Sequence[bytes]:
        """Takes the next frame, and returns the PCM that is ready: usually none."""
        try:
            decoded = self._decoder.decode(Packet(frame.data))
        except FFmpegError:
            return ()
        return [block for found in decoded for block in self._converter.convert(found, found.samples)]

    def finish(self) -> Sequence[bytes]:
        """Returns the remaining PCM."""
        return self._converter.finish()


class SilenceDecoder:
    """Replaces `FrameDecoder` if no silences are needed: returns silence of the same length."""

    def __init__(self, header: FrameHeader) -> None:
        self._silence = bytes(2 * header.channels * header.samples)

    def take(self, frame: Frame) -> Sequence[bytes]:  # noqa: ARG002
        """Returns silence of a frame's length."""
        return (self._silence,)

    def finish(self) -> Sequence[bytes]:
        """Returns nothing."""
        return ()
