"""Writes a stream of MP3 frames as several MP3s, the segments. Runs in the child."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from video2mp3.engine.child.splitting.split_points import SplitPoint, SplitPoints
from video2mp3.engine.mp3.frame import Frame, FrameSplitter
from video2mp3.engine.mp3.info_tag import DECODER_DELAY, ENCODER_DELAY
from video2mp3.engine.mp3.segment import RecentFrames
from video2mp3.engine.mp3.writer import Mp3Writer
from video2mp3.errors import TooManySegments

OpenSegment = Callable[[int, int, str | None], Mp3Writer]
"""Takes the offset in bytes in the sink, the segment's number (from 1) and its chapter's title; returns the writer."""


@dataclass(frozen=True)
class WrittenSegment:
    """A completed segment."""

    number: int
    chapter_title: str | None
    offset_bytes: int
    size_bytes: int
    first_sample: int
    """The position in the whole audio at which it begins."""
    samples: int
    frames: int


class SegmentsPlan:
    """Takes the place of `SegmentsWriter` where nothing is encoded."""

    def __init__(self, split_points: SplitPoints, most: int) -> None:
        self.segments: list[WrittenSegment] = []
        """Without sizes and frames."""
        self.points: list[SplitPoint] = []
        self._split_points = split_points
        self._most = most

    def write(self, mp3: bytes) -> None:  # noqa: ARG002
        """Drops it; raises TooManySegments."""
        if len(self._split_points.known) > self._most:
            raise _too_many_segments(self._most)

    def finish(self, samples: int, delay: int = ENCODER_DELAY) -> None:  # noqa: ARG002
        """Plans the segments of so many samples per channel; raises TooManySegments."""
        self.write(b"")
        self.points = list(self._split_points.known)
        ends = [*(point.at for point in self.points[1:]), samples]
        self.segments = [
            WrittenSegment(number, point.title, 0, 0, point.at, end - point.at, 0)
            for number, (point, end) in enumerate(zip(self.points, ends, strict=True), 1)
        ]


class SegmentsWriter:
    """Takes frames like `Mp3Writer`, and writes one segment after the other.

    Raises:
        TooManySegments: from `write` and `finish`.
    """

    def __init__(
        self,
        split_points: SplitPoints,
        open_segment: OpenSegment,
        offset_bytes: int,
        most: int,
        first_position: int = ENCODER_DELAY + DECODER_DELAY,
    ) -> None:
        self.segments: list[WrittenSegment] = []
        self._split_points = split_points
        self._open_segment = open_segment
        self._most = most
        self._splitter = FrameSplitter()
        self._waiting: deque[Frame] = deque()
        """Frames before which a split point may still be found."""
        self._recent = RecentFrames()
        self._offset_bytes = offset_bytes
        self.first_position = first_position
        """The position of the first sample in the decoder's output for the whole stream. As long as no frame passes
        it, it may become smaller."""
        self._begun = SplitPoint(0)
        self._writer: Mp3Writer | None = None
        self._delay = 0

    def write(self, mp3: bytes) -> None:
        """Takes the encoder's next bytes, cut anywhere."""
        self._waiting.extend(self._splitter.feed(mp3))
        self._pass_on()

    def write_frames(self, frames: Iterable[Frame]) -> None:
        """Takes the next frames."""
        self._waiting.extend(frames)
        self._pass_on()

    def finish(self, samples: int, delay: int | None = None) -> None:
        """Completes the last segment. Call this once all split points are known.

        Args:
            samples: samples per channel of all segments.
            delay: encoder delay of the only segment, if it does not follow from the first sample's position.
        """
        self._pass_on()
        self._end_segment(samples, self._delay if delay is None or self.segments else delay)

    def _pass_on(self) -> None:
        points = self._split_points
        while self._waiting:
            frame_samples = self._waiting[0].header.samples
            if (self._recent.count + 1) * frame_samples >= self._position(points.confirmed_until):
                return
            frame = self._waiting.popleft()
            self._recent.take(frame)
            if self._writer:
                self._writer.write(frame.data)
            while points.known and self._position(points.known[0].at) <= self._recent.count * frame_samples:
                self._begin_segment(points.known.popleft())

    def _begin_segment(self, point: SplitPoint) -> None:
        if self._writer:
            self._end_segment(point.at, self._delay)
        if len(self.segments) >= self._most:
            raise _too_many_segments(self._most)
        self._begun = point
        start = self._recent.start_at(round(self._position(point.at)))
        self._delay = start.delay
        self._writer = self._open_segment(self._offset_bytes, len(self.segments) + 1, point.title)
        for frame in start.frames:
            self._writer.write(frame.data)

    def _end_segment(self, end: int, delay: int) -> None:
        assert self._writer is not None
        samples = end - self._begun.at
        self._writer.finish(samples, delay)
        written = WrittenSegment(
            number=len(self.segments) + 1,
            chapter_title=self._begun.title,
            offset_bytes=self._offset_bytes,
            size_bytes=self._writer.size_bytes,
            first_sample=self._begun.at,
            samples=samples,
            frames=self._writer.frames,
        )
        self._offset_bytes += written.size_bytes
        self.segments.append(written)

    def _position(self, sample: float) -> float:
        return sample + self.first_position


def _too_many_segments(most: int) -> TooManySegments:
    return TooManySegments(f"This would make more than {most} MP3s; choose longer segments.")
