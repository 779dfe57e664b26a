"""Writes a stream of MP3 frames as several MP3s, cut where the sound is. Runs in the child."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from video2mp3.engine.child.split_points import Cut, Cuts
from video2mp3.engine.mp3.frame import Frame, FrameSplitter
from video2mp3.engine.mp3.info_tag import DECODER_DELAY, ENCODER_DELAY
from video2mp3.engine.mp3.part import RecentFrames
from video2mp3.engine.mp3.writer import Mp3Writer
from video2mp3.errors import TooManyParts

OpenPart = Callable[[int, int, str | None], Mp3Writer]
"""Opens the MP3 that stands from an offset in bytes on, and has a number, from 1 on, and a chapter's title."""


@dataclass(frozen=True)
class WrittenPart:
    """An MP3 that is complete."""

    number: int
    chapter_title: str | None
    offset_bytes: int
    size_bytes: int
    first_sample: int
    """Where in the whole sound it begins."""
    samples: int
    frames: int


class PartsWriter:
    """Takes frames as `Mp3Writer` does, and writes one MP3 after the other.

    Raises:
        TooManyParts: from `write` and `finish`.
    """

    def __init__(
        self,
        cuts: Cuts,
        open_part: OpenPart,
        offset_bytes: int,
        most: int,
        first_position: int = ENCODER_DELAY + DECODER_DELAY,
    ) -> None:
        self.parts: list[WrittenPart] = []
        self._cuts = cuts
        self._open_part = open_part
        self._most = most
        self._splitter = FrameSplitter()
        self._waiting: deque[Frame] = deque()
        """Frames before which a cut may still be found."""
        self._recent = RecentFrames()
        self._offset_bytes = offset_bytes
        self._first_position = first_position
        """Where a decoder gives out the first sample, counted from the first that it gives out for the whole stream."""
        self._begun = Cut(0)
        self._writer: Mp3Writer | None = None
        self._delay = 0
        cuts.known.appendleft(Cut(0, cuts.first_title))

    def write(self, mp3: bytes) -> None:
        """Takes the encoder's next bytes, cut anywhere."""
        self._waiting.extend(self._splitter.feed(mp3))
        self._pass_on()

    def write_frames(self, frames: Iterable[Frame]) -> None:
        """Takes the next frames."""
        self._waiting.extend(frames)
        self._pass_on()

    def finish(self, samples: int, delay: int | None = None) -> None:
        """Completes the last MP3, once all cuts are known.

        Args:
            samples: per channel, those of all MP3s.
            delay: of the only MP3, where it is another than follows from the place of the first sample.
        """
        self._pass_on()
        self._end_part(samples, self._delay if delay is None or self.parts else delay)

    def _pass_on(self) -> None:
        cuts = self._cuts
        while self._waiting and (self._recent.count + 1) * self._waiting[0].header.samples < self._position(cuts.safe):
            frame = self._waiting.popleft()
            self._recent.take(frame)
            if self._writer:
                self._writer.write(frame.data)
            while cuts.known and self._position(cuts.known[0].at) <= self._recent.count * frame.header.samples:
                self._begin_part(cuts.known.popleft())

    def _begin_part(self, cut: Cut) -> None:
        if self._writer:
            self._end_part(cut.at, self._delay)
        if len(self.parts) >= self._most:
            raise TooManyParts(f"This would make more than {self._most} MP3s; choose longer parts.")
        self._begun = cut
        start = self._recent.start_at(round(self._position(cut.at)))
        self._delay = start.delay
        self._writer = self._open_part(self._offset_bytes, len(self.parts) + 1, cut.title)
        for frame in start.frames:
            self._writer.write(frame.data)

    def _end_part(self, end: int, delay: int) -> None:
        assert self._writer is not None
        samples = end - self._begun.at
        self._writer.finish(samples, delay)
        written = WrittenPart(
            number=len(self.parts) + 1,
            chapter_title=self._begun.title,
            offset_bytes=self._offset_bytes,
            size_bytes=self._writer.size_bytes,
            first_sample=self._begun.at,
            samples=samples,
            frames=self._writer.frames,
        )
        self._offset_bytes += written.size_bytes
        self.parts.append(written)

    def _position(self, sample: float) -> float:
        return sample + self._first_position
