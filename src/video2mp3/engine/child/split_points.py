"""Where sound is cut into parts: at times known beforehand, or in its silences. Runs in the child.

Cuts are samples per channel from the first that is kept. A cut is known only when there is a part after it that is
worth being one: no part is shorter than a frame. (In such a short one ffmpeg forgets to cut the start: where a sound
ends in the frame that it begins in, what it says about the end replaces what it said about the start.)
"""

import array
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any, Protocol

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.mp3.frames import samples_per_frame
from video2mp3.engine.options import DEFAULT_SILENCE_DB, DEFAULT_SILENCE_S, interval_s
from video2mp3.engine.report import Chapter

_FULL_SCALE = 32768
_LONGEST_TAIL_S = 60
"""A longer silence is a part of its own where no sound comes after it: frames cannot wait for ever."""
_WINDOW = 512


@dataclass(frozen=True)
class Cut:
    """Where a part begins."""

    at: int
    title: str | None = None
    """Of the chapter that begins there."""


class Cuts(Protocol):
    """What finds cuts in the sound as it passes."""

    first_title: str | None
    """Of the part before the first cut."""
    known: deque[Cut]
    """Those that were found and not taken yet, in order."""

    @property
    def safe(self) -> float:
        """All cuts before this sample are known."""

    def take(self, pcm: bytes) -> None:
        """Looks at the next interleaved 16-bit PCM."""

    def finish(self) -> None:
        """Learns that this was all."""


def cuts_for(
    options: Mapping[str, Any], chapters: Sequence[Chapter], sample_rate_hz: int, channels: int, gain_db: float = 0.0
) -> Cuts:
    """Returns what cuts as the options say.

    Args:
        options: as `Options.resolved()`, with `split`.
        chapters: the source's.
        sample_rate_hz: of the sound that is cut.
        channels: of it.
        gain_db: by which it is louder than the source, whose silences count.
    """
    least = samples_per_frame(sample_rate_hz)
    split = options["split"]
    if split == "silence":
        quiet = 10 ** ((options.get("silence_db", DEFAULT_SILENCE_DB) + gain_db) / 20) * _FULL_SCALE
        return SilenceCuts(sample_rate_hz, channels, options.get("silence_s", DEFAULT_SILENCE_S), quiet)
    if split == "chapters":
        first, *others = _chapter_cuts(chapters, options.get("start_s", 0.0), sample_rate_hz, least)
        return TimeCuts(iter(others), channels, least, first.title)
    length_s = Fraction(interval_s(split) or 0)
    return TimeCuts((Cut(round(n * length_s * sample_rate_hz)) for n in count(1)), channels, least)


def _chapter_cuts(chapters: Sequence[Chapter], start_s: float, sample_rate_hz: int, least: int) -> list[Cut]:
    start = round(Fraction(start_s) * sample_rate_hz)
    cuts = [Cut(0)]
    for chapter in chapters:  # in order of time
        cut = Cut(max(round(Fraction(chapter.start_s) * sample_rate_hz) - start, 0), chapter.title)
        if cut.at < cuts[-1].at + least:  # what is left of the one before is too short to be a part
            cut = Cut(cuts.pop().at, chapter.title)
        cuts.append(cut)
    return cuts


class TimeCuts:
    """Cuts at times that are known beforehand."""

    def __init__(self, cuts: Iterator[Cut], channels: int, least: int, first_title: str | None = None) -> None:
        self.first_title = first_title
        self.known: deque[Cut] = deque()
        self._cuts = cuts
        self._least = least
        self._bytes_per_sample = BYTES_PER_SAMPLE * channels
        self._passed = 0
        self._next = next(cuts, None)
        self.safe = self._next.at if self._next else math.inf

    def take(self, pcm: bytes) -> None:
        """Counts."""
        self._passed += len(pcm) // self._bytes_per_sample
        while self._next and self._next.at + self._least <= self._passed:
            self.known.append(self._next)
            self._next = next(self._cuts, None)
            self.safe = self._next.at if self._next else math.inf

    def finish(self) -> None:
        """Forgets the cuts that are left: there is too little sound after them, or none."""
        self.safe = math.inf


class SilenceCuts:
    """Cuts in silences: half of what counts as one after the sound has ended, and only where sound comes again."""

    def __init__(self, sample_rate_hz: int, channels: int, silence_s: float, quiet: float) -> None:
        self.first_title: str | None = None
        self.known: deque[Cut] = deque()
        self._channels = channels
        self._quiet = math.floor(min(quiet, _FULL_SCALE))
        self._silence = round(silence_s * sample_rate_hz)
        self._longest = self._silence + _LONGEST_TAIL_S * sample_rate_hz
        self._passed = 0
        self._quiet_since = 0
        self._in_need = False
        """There was a sound since the last cut, and so there may be one in the silence that is now."""
        self._finished = False

    @property
    def safe(self) -> float:
        """All cuts before this sample are known."""
        if self._finished:
            return math.inf
        return min(self._passed, self._quiet_since + self._silence // 2) if self._in_need else self._passed

    def take(self, pcm: bytes) -> None:
        """Looks for silences that end."""
        values = array.array("h", pcm)
        base, end = self._passed, self._passed + len(values) // self._channels
        self._passed = end
        place = base
        while place < end:
            silent_from = self._quiet_since + self._silence
            if place < silent_from:  # it is a silence only where no sound comes before that
                loud = self._last_loud(values, place - base, min(silent_from, end) - base)
                if loud is None:
                    place = min(silent_from, end)
                    continue
            else:
                loud = self._first_loud(values, place - base, end - base)
                if self._in_need and (loud is not None or end - self._quiet_since > self._longest):
                    self.known.append(Cut(self._quiet_since + self._silence // 2))
                    self._in_need = False
                if loud is None:
                    return
            self._in_need = True
            place = self._quiet_since = base + loud + 1

    def finish(self) -> None:
        """Leaves the silence at the end to the part before it."""
        self._finished = True

    def _last_loud(self, values: "array.array[int]", first: int, last: int) -> int | None:
        """Returns the last sample that is loud, of those from `first` to before `last`."""
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
