"""Finds the points at which audio is split into segments: at given times, or in silences. Runs in the child.

A split point is a number of samples per channel from the first sample of the MP3. It is reported only when enough
audio follows it, because no segment is shorter than a frame. (If audio begins and ends in the same frame, ffmpeg
overwrites the samples to skip at the start with those to skip at the end.)
"""

import array
import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Protocol

from video2mp3.engine.chapters import Chapter
from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.child.timeline import LeftOut
from video2mp3.engine.mp3.frames import samples_per_frame
from video2mp3.engine.options import ResolvedOptions

_FULL_SCALE = 32768
_LONGEST_TAIL_S = 60
"""A longer silence at the end becomes a separate segment: frames must not be buffered without limit."""
_SHORTEST_REST_S = 1
"""What is left of the audio after equally long segments; a shorter rest belongs to the last of them."""
_WINDOW = 512


@dataclass(frozen=True)
class PcmFormat:
    """The format of interleaved 16-bit PCM."""

    sample_rate_hz: int
    channels: int

    @property
    def bytes_per_sample(self) -> int:
        """Of all channels."""
        return BYTES_PER_SAMPLE * self.channels

    @property
    def frame_samples(self) -> int:
        """Samples per channel in an MP3 frame: no segment is shorter."""
        return samples_per_frame(self.sample_rate_hz)


@dataclass(frozen=True)
class SplitPoint:
    """Where a segment begins."""

    at: int
    title: str | None = None
    """Title of the chapter that begins there."""


class SplitPoints(Protocol):
    """Finds split points in audio as it streams; the first one is at its beginning."""

    known: deque[SplitPoint]
    """Split points that were found and that no caller has removed yet, in order."""

    @property
    def confirmed_until(self) -> float:
        """All split points before this sample are in `known`."""

    def take(self, pcm: bytes) -> None:
        """Takes the next interleaved 16-bit PCM."""

    def skip(self, samples: int) -> None:
        """Takes silence that is left out of the MP3, and that `left_out` has."""

    def finish(self) -> None:
        """Marks the end of the audio."""


def split_points_for(
    options: ResolvedOptions, chapters: Sequence[Chapter], pcm: PcmFormat, left_out: LeftOut, gain_db: float = 0.0
) -> SplitPoints:
    """Returns the finder of split points that the options ask for.

    Args:
        options: with `split`.
        chapters: for `split` `chapters`.
        pcm: the format of the audio to split.
        left_out: the silence that is left out of the kept audio.
        gain_db: the gain that was applied to the source; the silence threshold refers to the source.
    """
    rate_hz = pcm.sample_rate_hz
    if options.split == "silence":
        quiet = 10 ** ((options.silence_db + gain_db) / 20) * _FULL_SCALE
        return SilenceSplitPoints(pcm, options.silence_s, quiet, left_out)
    if options.split == "chapters":
        starts = ChapterStarts(chapters, options.start_s, rate_hz)
        return TimeSplitPoints(starts, pcm.frame_samples, pcm, left_out)
    interval = Fraction(options.split or 0) * rate_hz
    shortest = max(pcm.frame_samples, min(_SHORTEST_REST_S * rate_hz, math.floor(interval / 2)))
    return TimeSplitPoints(Intervals(interval), shortest, pcm, left_out)


class Starts(Protocol):
    """Positions on the clock of the kept audio at which segments are to begin, apart from its beginning."""

    def after(self, at: int) -> int | None:
        """Returns the first position after another."""

    def title_at(self, at: int) -> str | None:
        """Returns the title that belongs to a position."""


class Intervals:
    """Equally long segments; none if the length is 0."""

    def __init__(self, samples: Fraction) -> None:
        self._samples = samples

    def after(self, at: int) -> int | None:
        """Returns the first position after another."""
        if not self._samples:
            return None
        number = math.floor(at / self._samples)
        return next(found for n in count(number) if (found := round(n * self._samples)) > at)

    def title_at(self, at: int) -> None:  # noqa: ARG002
        """Returns no title."""
        return


class ChapterStarts:
    """The beginnings of chapters, in the order of time."""

    def __init__(self, chapters: Sequence[Chapter], start_s: float, sample_rate_hz: int) -> None:
        start = round(Fraction(start_s) * sample_rate_hz)
        self._starts = [max(round(Fraction(chapter.start_s) * sample_rate_hz) - start, 0) for chapter in chapters]
        self._titles = [chapter.title for chapter in chapters]

    def after(self, at: int) -> int | None:
        """Returns the first position after another."""
        found = bisect_right(self._starts, at)
        return self._starts[found] if found < len(self._starts) else None

    def title_at(self, at: int) -> str | None:
        """Returns the title of the last chapter that has begun."""
        found = bisect_right(self._starts, at)
        return self._titles[found - 1] if found else None


class TimeSplitPoints:
    """Split points at times that are known beforehand, with at least `shortest` samples between them and at the end."""

    def __init__(self, starts: Starts, shortest: int, pcm: PcmFormat, left_out: LeftOut) -> None:
        self.known: deque[SplitPoint] = deque()
        self._starts = starts
        self._shortest = shortest
        self._pcm = pcm
        self._left_out = left_out
        self._passed = 0
        self._next: int | None = 0
        """Contains what is left out, as `_passed`."""

    @property
    def confirmed_until(self) -> float:
        """All split points before this sample are in `known`."""
        return math.inf if self._next is None else self._left_out.position(self._next)

    def take(self, pcm: bytes) -> None:
        """Counts the samples."""
        self._passed += len(pcm) // self._pcm.bytes_per_sample
        passed, least = self._left_out.position(self._passed), self._shortest
        while self._next is not None and self._left_out.position(self._next) + least <= passed:
            at = self._left_out.position(self._next)
            end = self._left_out.clock(at + least)  # what begins before is too short for a segment
            self.known.append(SplitPoint(at, self._starts.title_at(end - 1)))
            self._next = self._starts.after(end - 1)

    def skip(self, samples: int) -> None:
        """Counts the samples."""
        self._passed += samples

    def finish(self) -> None:
        """Drops the remaining split points: too little audio follows them."""
        if self._next == 0:
            self.known.append(SplitPoint(0, self._starts.title_at(self._passed)))
        self._next = None


class KnownSplitPoints:
    """Split points that an earlier pass over the same audio has found."""

    def __init__(self, points: Sequence[SplitPoint]) -> None:
        self.known = deque(points)
        self.confirmed_until = math.inf

    def take(self, pcm: bytes) -> None:
        """Finds nothing more."""

    def skip(self, samples: int) -> None:
        """Finds nothing more."""

    def finish(self) -> None:
        """Finds nothing more."""


class SilenceSplitPoints:
    """Split points in silences: half the minimum length after the sound ends, if sound follows."""

    def __init__(self, pcm: PcmFormat, silence_s: float, quiet: float, left_out: LeftOut) -> None:
        self.known: deque[SplitPoint] = deque()
        self._pcm = pcm
        self._channels = pcm.channels
        self._left_out = left_out
        self._quiet = math.floor(min(quiet, _FULL_SCALE))
        self._silence = round(silence_s * pcm.sample_rate_hz)
        self._longest = self._silence + _LONGEST_TAIL_S * pcm.sample_rate_hz
        self._passed = 0
        """This and the other positions contain what is left out; those of split points do not."""
        self._quiet_since = 0
        self._may_split = False
        """There was sound since the last split point, so the present silence may contain one."""
        self._pending: int | None = 0
        """A split point that enough audio does not follow yet."""
        self._finished = False

    @property
    def confirmed_until(self) -> float:
        """All split points before this sample are in `known`."""
        if self._finished:
            return math.inf
        if self._pending is not None:
            return self._pending
        may_be = min(self._passed, self._quiet_since + self._silence // 2) if self._may_split else self._passed
        return self._left_out.position(may_be)

    def take(self, pcm: bytes) -> None:
        """Searches for silences that have ended."""
        values = array.array("h", pcm)
        base, end = self._passed, self._passed + len(values) // self._channels
        self._passed = end
        self._search(values, base, end)
        self._settle()

    def skip(self, samples: int) -> None:
        """Counts the samples as a part of a silence."""
        self._passed += samples
        if self._passed - self._quiet_since > self._longest:
            self._split()

    def finish(self) -> None:
        """Adds the silence at the end to the last segment."""
        if self._pending == 0:
            self.known.append(SplitPoint(0))
        self._finished = True

    def _search(self, values: "array.array[int]", base: int, end: int) -> None:
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
                if loud is not None or end - self._quiet_since > self._longest:
                    self._split()
                if loud is None:
                    return
            self._may_split = True
            place = self._quiet_since = base + loud + 1

    def _split(self) -> None:
        self._settle()
        if self._may_split and self._pending is None:  # else what comes between is too short for a segment
            self._pending = self._left_out.position(self._quiet_since + self._silence // 2)
        self._may_split = False

    def _settle(self) -> None:
        passed = self._left_out.position(self._passed)
        if self._pending is not None and self._pending + self._pcm.frame_samples <= passed:
            self.known.append(SplitPoint(self._pending))
            self._pending = None

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
