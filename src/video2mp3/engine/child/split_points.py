"""Finds the points at which audio is split into segments: at given times, or in silences. Runs in the child.

A split point is a number of samples per channel from the first sample that is kept. It is reported only when enough
audio follows it, because no segment is shorter than a frame. (If audio begins and ends in the same frame, ffmpeg
overwrites the samples to skip at the start with those to skip at the end.)
"""

import array
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Protocol

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.mp3.frames import samples_per_frame
from video2mp3.engine.options import ResolvedOptions
from video2mp3.engine.report import Chapter

_FULL_SCALE = 32768
_LONGEST_TAIL_S = 60
"""A longer silence at the end becomes a separate segment: frames must not be buffered without limit."""
_WINDOW = 512


@dataclass(frozen=True)
class SplitPoint:
    """Where a segment begins."""

    at: int
    title: str | None = None
    """Title of the chapter that begins there."""


class SplitPoints(Protocol):
    """Finds split points in audio as it streams."""

    first_title: str | None
    """Title of the segment before the first split point."""
    known: deque[SplitPoint]
    """Split points that were found and that no caller has removed yet, in order."""

    @property
    def confirmed_until(self) -> float:
        """All split points before this sample are in `known`."""

    def take(self, pcm: bytes) -> None:
        """Takes the next interleaved 16-bit PCM."""

    def finish(self) -> None:
        """Marks the end of the audio."""


def split_points_for(
    options: ResolvedOptions, chapters: Sequence[Chapter], sample_rate_hz: int, channels: int, gain_db: float = 0.0
) -> SplitPoints:
    """Returns the finder of split points that the options ask for.

    Args:
        options: with `split`.
        chapters: the source's.
        sample_rate_hz: of the audio to split.
        channels: of the audio to split.
        gain_db: the gain that was applied to the source; the silence threshold refers to the source.
    """
    least = samples_per_frame(sample_rate_hz)
    if options.split == "silence":
        quiet = 10 ** ((options.silence_db + gain_db) / 20) * _FULL_SCALE
        return SilenceSplitPoints(sample_rate_hz, channels, options.silence_s, quiet)
    if options.split == "chapters":
        first, *others = _chapter_split_points(chapters, options.start_s, sample_rate_hz, least)
        return TimeSplitPoints(iter(others), channels, least, first.title)
    length_s = Fraction(options.split or 0)
    return TimeSplitPoints((SplitPoint(round(n * length_s * sample_rate_hz)) for n in count(1)), channels, least)


def _chapter_split_points(
    chapters: Sequence[Chapter], start_s: float, sample_rate_hz: int, least: int
) -> list[SplitPoint]:
    start = round(Fraction(start_s) * sample_rate_hz)
    points = [SplitPoint(0)]
    for chapter in chapters:  # in order of time
        point = SplitPoint(max(round(Fraction(chapter.start_s) * sample_rate_hz) - start, 0), chapter.title)
        if point.at < points[-1].at + least:  # the rest of the previous chapter is too short for a segment
            point = SplitPoint(points.pop().at, chapter.title)
        points.append(point)
    return points


class TimeSplitPoints:
    """Split points at times that are known beforehand."""

    def __init__(self, points: Iterator[SplitPoint], channels: int, least: int, first_title: str | None = None) -> None:
        self.first_title = first_title
        self.known: deque[SplitPoint] = deque()
        self._points = points
        self._least = least
        self._bytes_per_sample = BYTES_PER_SAMPLE * channels
        self._passed = 0
        self._next = next(points, None)
        self.confirmed_until = self._next.at if self._next else math.inf

    def take(self, pcm: bytes) -> None:
        """Counts the samples."""
        self._passed += len(pcm) // self._bytes_per_sample
        while self._next and self._next.at + self._least <= self._passed:
            self.known.append(self._next)
            self._next = next(self._points, None)
            self.confirmed_until = self._next.at if self._next else math.inf

    def finish(self) -> None:
        """Drops the remaining split points: too little audio follows them."""
        self.confirmed_until = math.inf


class SilenceSplitPoints:
    """Split points in silences: half the minimum length after the sound ends, if sound follows."""

    def __init__(self, sample_rate_hz: int, channels: int, silence_s: float, quiet: float) -> None:
        self.first_title: str | None = None
        self.known: deque[SplitPoint] = deque()
        self._channels = channels
        self._quiet = math.floor(min(quiet, _FULL_SCALE))
        self._silence = round(silence_s * sample_rate_hz)
        self._longest = self._silence + _LONGEST_TAIL_S * sample_rate_hz
        self._passed = 0
        self._quiet_since = 0
        self._may_split = False
        """There was sound since the last split point, so the present silence may contain one."""
        self._finished = False

    @property
    def confirmed_until(self) -> float:
        """All split points before this sample are in `known`."""
        if self._finished:
            return math.inf
        return min(self._passed, self._quiet_since + self._silence // 2) if self._may_split else self._passed

    def take(self, pcm: bytes) -> None:
        """Searches for silences that have ended."""
        values = array.array("h", pcm)
        base, end = self._passed, self._passed + len(values) // self._channels
        self._passed = end
        place = base
        while place < end:
            silent_from = self._quiet_since + self._silence
            if place < silent_from:  # not yet long enough for a silence
                loud = self._last_loud(values, place - base, min(silent_from, end) - base)
                if loud is None:
                    place = min(silent_from, end)
                    continue
            else:
                loud = self._first_loud(values, place - base, end - base)
                if self._may_split and (loud is not None or end - self._quiet_since > self._longest):
                    self.known.append(SplitPoint(self._quiet_since + self._silence // 2))
                    self._may_split = False
                if loud is None:
                    return
            self._may_split = True
            place = self._quiet_since = base + loud + 1

    def finish(self) -> None:
        """Adds the silence at the end to the last segment."""
        self._finished = True

    def _last_loud(self, values: "array.array[int]", first: int, last: int) -> int | None:
        """Returns the last loud sample in the range from `first` to `last` (exclusive)."""
        for end in range(last * self._channels, first * self._channels, -_WINDOW):
            start = max(end - _WINDOW, first * self._channels)
            if loud := self._loud(values[start:end]):
                return (start + loud[-1]) // self._channels
        return None

    def _first_loud(self, values: "array.array[int]", first: int, last: int) -> int | None:
        for start in range(first * self._channels, last * self._channels, _WINDOW):
            if loud := self._loud(values[start : min(start + _WINDOW, last * self._channels)]):
                return (start + loud[0]) // self._channels
        return None

    def _loud(self, window: "array.array[int]") -> list[int]:
        if max(window) <= self._quiet and min(window) >= -self._quiet:
            return []
        return [place for place, value in enumerate(window) if abs(value) > self._quiet]
