"""Finds MP3 frames in a container's packets, which may contain other data between frames."""

from video2mp3.engine.mp3.frame import Frame
from video2mp3.engine.mp3.frames import FrameHeader, parse_header

_HEADER_BYTES = 4


class ChangedFormat(ValueError):
    """The sample rate or the number of channels changes within the stream."""


class FrameFinder:
    """Takes a stream cut anywhere. Skips other data, and counts it as a gap if frames follow."""

    def __init__(self) -> None:
        self.gaps = 0
        """Number of gaps between frames."""
        self.first: FrameHeader | None = None
        self._rest = b""
        self._in_step = False
        """True if the last frame ended where the next one must begin."""

    def feed(self, data: bytes, *, ended: bool = False) -> list[Frame]:
        """Returns the complete frames.

        Args:
            data: the next bytes.
            ended: True if these are the last bytes.

        Raises:
            ChangedFormat: frames of another format follow.
        """
        stream = self._rest + data
        place = 0
        frames: list[Frame] = []
        while True:
            header, place = self._look(stream, place, ended)
            if header is None:
                self._rest = stream[place:]
                return frames
            self.gaps += not self._in_step and self.first is not None
            self._in_step, self.first = True, self.first or header
            frames.append(Frame(stream[place : place + header.size_bytes], header))
            place += header.size_bytes

    def _look(self, stream: bytes, place: int, ended: bool) -> tuple[FrameHeader | None, int]:
        """Returns the next frame's header and position, or None and the position from which to continue."""
        while place + _HEADER_BYTES <= len(stream):
            header = parse_header(stream, place)
            if header is not None and self._in_step and self._is_like(header, self.first):
                return header if place + header.size_bytes <= len(stream) else None, place
            if header is not None:
                end = place + header.size_bytes
                following = parse_header(stream, end)
                if end + _HEADER_BYTES > len(stream) and not ended:
                    break
                confirmed = self._is_like(following, header) if following else ended and end == len(stream)
                if confirmed and self._is_like(header, self.first or header):
                    return header, place
                if confirmed and self._in_step and following:
                    raise ChangedFormat
            self._in_step = False
            place = stream.find(b"\xff", place + 1)
            if place < 0:
                place = len(stream)
        return None, place

    @staticmethod
    def _is_like(one: FrameHeader, other: FrameHeader | None) -> bool:
        return other is not None and (one.sample_rate_hz, one.channels) == (other.sample_rate_hz, other.channels)
