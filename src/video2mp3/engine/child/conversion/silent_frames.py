"""Silent MP3 frames for the gaps between copied frames. Runs in the child."""

from collections.abc import Iterator

from video2mp3.engine.mp3.frame import Frame
from video2mp3.engine.mp3.frames import FrameHeader, parse_header
from video2mp3.engine.mp3.segment import filler_frame

_MOST_DATA_BEHIND = 511
"""Bytes of main data that a frame can reach back."""


class SilentFrames:
    """Makes the silent frames that belong between the frames of a stream.

    The last one before a frame carries the main data that the frame reaches back to, so the frame decodes as if it
    followed the frame before the gap.
    """

    def __init__(self) -> None:
        self.samples = 0
        """Samples per channel of all silent frames so far."""
        self._due = 0.0
        self._next_frames: int | None = None
        self._main_data = b""

    def add(self, samples: float) -> None:
        """Adds silence before the next frame; it is rounded to frames, and the rest goes to the next silence."""
        self._due += samples

    def lead_in(self, frames: int) -> None:
        """Puts silent frames before the first frame."""
        self._next_frames = frames

    def before(self, frame: Frame) -> Iterator[Frame]:
        """Takes the next frame, and yields the silent frames before it."""
        if self._due or self._next_frames:
            yield from self._silence_before(frame)
        self._main_data = (self._main_data + frame.main_data)[-_MOST_DATA_BEHIND:]

    def _silence_before(self, frame: Frame) -> Iterator[Frame]:
        frame_samples = frame.header.samples
        count, self._next_frames = self._next_frames, None
        if count is None:
            count = max(round(self._due / frame_samples), 0)
            self._due -= count * frame_samples
        self.samples += count * frame_samples
        if count:
            empty = filler_frame(frame, b"")
            for _ in range(count - 1):
                yield empty
            behind = frame.main_data_begin
            yield filler_frame(frame, self._main_data[-behind:] if behind else b"")


def frames_in(packet: bytes) -> tuple[FrameHeader | None, int]:
    """Returns the first frame's header and the number of frames, if a packet begins with a frame."""
    first = header = parse_header(packet)
    place = count = 0
    while header is not None and place + header.size_bytes <= len(packet):
        count += 1
        place += header.size_bytes
        header = parse_header(packet, place)
    return first, max(count, 1)
