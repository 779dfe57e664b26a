"""Decodes copied MP3 frames to find silences in them. Runs in the child."""

from collections.abc import Sequence

from av import AudioCodecContext, CodecContext, Packet
from av.error import FFmpegError

from video2mp3.engine.child.audio.pcm import PcmConverter
from video2mp3.engine.child.audio.silence import SoundAndSilence
from video2mp3.engine.mp3.frame import Frame
from video2mp3.engine.mp3.frames import FrameHeader


class FrameDecoder:
    """Decodes frames to interleaved 16-bit PCM."""

    def __init__(self, header: FrameHeader) -> None:
        self._converter = PcmConverter(header.sample_rate_hz, header.channels)
        self._sound = SoundAndSilence(self._converter)
        decoder = CodecContext.create("mp3float", "r")
        assert isinstance(decoder, AudioCodecContext)
        self._decoder = decoder

    def skip(self, samples: int) -> Sequence[bytes | int]:
        """Takes silence without frames."""
        self._sound.add_silent_samples(samples)
        return ()

    def take(self, frame: Frame) -> Sequence[bytes | int]:
        """Takes the next frame, and returns the PCM and the silence that are ready: usually none."""
        try:
            decoded = self._decoder.decode(Packet(frame.data))
        except FFmpegError:
            return ()
        return [piece for found in decoded for piece in self._sound.of(self._converter.convert(found, found.samples))]

    def finish(self) -> Sequence[bytes | int]:
        """Returns the remaining PCM and silence."""
        return list(self._sound.of(self._converter.finish()))


class SilenceDecoder:
    """Replaces `FrameDecoder` if no silences are needed: returns silence of the same length."""

    def __init__(self, header: FrameHeader) -> None:
        self._silence = bytes(2 * header.channels * header.samples)

    def skip(self, samples: int) -> Sequence[bytes | int]:
        """Returns silence without frames."""
        return (samples,)

    def take(self, frame: Frame) -> Sequence[bytes | int]:  # noqa: ARG002
        """Returns silence of a frame's length."""
        return (self._silence,)

    def finish(self) -> Sequence[bytes | int]:
        """Returns nothing."""
        return ()
