"""The file's clock: where decoded sound belongs, by the time stamps of its packets, and what is missing between them.

Times are seconds from the file's zero. `Clock` takes the frames of a track in the order of decoding and returns the
silence that belongs before each. `LeftOut` is the piecewise map from the file's clock to an MP3 from which that silence
is left out. docs/timeline.md describes the rules.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from video2mp3.engine.report import MAX_REPORTED_GAPS, Gap

LEAST_GAP_S = Fraction(1, 20)
"""Shorter jumps are jitter; so is a jump of at most two packets."""
MAX_TRANSPORT_GAP_S = 600
"""A longer jump in MPEG-TS and PS is a new clock, not a gap."""
_WRAP = 2**33
"""Time stamps of MPEG-TS and PS have 33 bits. Source: ISO/IEC 13818-1 §2.4.3.7."""
_MAX_KNOTS = 2**16


@dataclass
class TimelineFacts:
    """What a track's time stamps say."""

    leading_silence_s: float = 0.0
    """From the file's zero to the first sound, if that is a gap."""
    gap_count: int = 0
    gaps_s: float = 0.0
    """Sum of all gaps, without the leading silence."""
    gaps: list[Gap] = field(default_factory=list)
    """The first ones."""
    discontinuities: int = 0
    drift_s: float = 0.0
    """By how much the time stamps advance more than the samples, without the gaps."""


def merged(tracks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the facts of several tracks as those of one: what is longest at the start, and sums of the rest.

    Args:
        tracks: facts as dictionaries, at least one.
    """
    gaps = [gap for facts in tracks for gap in facts["gaps"]]
    return {
        **{name: sum(facts[name] for facts in tracks) for name in ("gap_count", "gaps_s", "discontinuities")},
        "leading_silence_s": max(facts["leading_silence_s"] for facts in tracks),
        "gaps": gaps[:MAX_REPORTED_GAPS],
        "drift_s": max((facts["drift_s"] for facts in tracks), key=abs),
    }


class Clock:
    """Compares time stamps with the number of decoded samples.

    Time stamps are in ticks of the track's time base.
    """

    def __init__(self, time_base: Fraction, zero_s: Fraction, *, is_transport: bool = False) -> None:
        """Starts at the file's zero.

        Args:
            time_base: seconds per tick.
            zero_s: the file's zero on its own scale.
            is_transport: True for MPEG-TS and PS, whose time stamps have 33 bits and may begin anew.
        """
        self.facts = TimelineFacts()
        self._time_base = time_base
        self._is_transport = is_transport
        self._least = float(LEAST_GAP_S / time_base)
        self._offset = 0.0
        """Ticks to add to a time stamp to get the position on the file's clock."""
        self._expected = float(zero_s / time_base)
        self._packet_at = self._expected
        self._drift = 0.0
        self._run_start: int | None = None
        self._rate_hz = 0
        self._ticks_per_sample = 0.0

    def trim_start(self, at: int, trimmed_s: float) -> None:
        """Moves zero to the end of what is trimmed, if the first time stamp counts from the untrimmed start.

        Args:
            at: the first packet's time stamp.
            trimmed_s: what is cut off at the track's start; infinite if only the decoder knows.
        """
        if at == round(self._expected):
            self._expected += trimmed_s / float(self._time_base)

    def take(self, at: int | None, samples: int, rate_hz: int) -> float:
        """Takes the next frame, and returns the seconds of silence that belong before it.

        Args:
            at: its time stamp; None: it follows the previous frame.
            samples: samples per channel.
            rate_hz: its sample rate.
        """
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._ticks_per_sample = 1 / (rate_hz * float(self._time_base))
        silence_s = 0.0
        if at is not None:
            jump = at - self._expected
            if self._run_start is None:
                silence_s = self._begin(at, jump)
            elif jump:
                if -self._least <= jump <= self._least:
                    self._drift += jump
                else:
                    if self._is_transport and (
                        wraps := round(jump / _WRAP)
                    ):  # another demuxer may count from elsewhere
                        at, jump = at - wraps * _WRAP, jump - wraps * _WRAP
                    silence_s = self._judge(at, jump)
            self._packet_at = at
            self._expected = at + samples * self._ticks_per_sample
        else:
            self._expected += samples * self._ticks_per_sample
        return silence_s

    def finish(self) -> TimelineFacts:
        """Returns the facts of the whole track."""
        self._count_wraps(self._expected)
        self._run_start = None
        self.facts.drift_s = self._drift * float(self._time_base)
        return self.facts

    def _begin(self, at: int, late: float) -> float:
        self._run_start = at
        self._offset = -at  # sound before zero is kept: then the clock begins with it
        if late <= self._least:
            return 0.0
        self.facts.leading_silence_s = late * float(self._time_base)
        self._offset += late
        return self.facts.leading_silence_s

    def _judge(self, at: int, jump: float) -> float:
        """Returns the silence for a jump that is longer than jitter."""
        packet = self._expected - self._packet_at
        if abs(jump) <= 2 * packet:
            self._drift += jump
            return 0.0
        self._count_wraps(self._expected)
        self._run_start = at
        length_s = jump * float(self._time_base)
        if jump < 0 or (self._is_transport and length_s > MAX_TRANSPORT_GAP_S):
            self.facts.discontinuities += 1
            self._offset -= jump
            return 0.0
        if self._is_transport and _epoch(at) > _epoch(self._expected):
            self.facts.discontinuities += 1
        self._add_gap(self._expected + self._offset, length_s)
        return length_s

    def _add_gap(self, start: float, length_s: float) -> None:
        facts = self.facts
        facts.gap_count += 1
        facts.gaps_s += length_s
        if len(facts.gaps) < MAX_REPORTED_GAPS:
            facts.gaps.append(Gap(max(start, 0) * float(self._time_base), length_s))

    def _count_wraps(self, end: float) -> None:
        if self._is_transport and self._run_start is not None:
            self.facts.discontinuities += _epoch(end) - _epoch(self._run_start)


class StartClock(Clock):
    """Compares the first time stamp only."""

    def take(self, at: int | None, samples: int, rate_hz: int) -> float:
        """See `Clock`."""
        return super().take(at if self._run_start is None else None, samples, rate_hz)


def _epoch(ticks: float) -> int:
    """Returns how often the 33 bits have wrapped, if the demuxer goes on counting."""
    return math.floor(ticks / _WRAP)


class LeftOut:
    """Maps the file's clock to an MP3 from which silences are left out. Positions are samples per channel."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._lengths: list[int] = []
        self._before: list[int] = []
        """Sum of the silences before each."""

    def add(self, start: int, samples: int) -> None:
        """Adds a silence; call this in the order of time.

        Args:
            start: its start on the file's clock.
            samples: its length.
        """
        self._before.append(self.samples)
        self._starts.append(start)
        self._lengths.append(samples)
        if len(self._starts) > _MAX_KNOTS:
            self._coarsen()

    @property
    def samples(self) -> int:
        """Sum of all silences so far."""
        return self._before[-1] + self._lengths[-1] if self._before else 0

    def position(self, at: int) -> int:
        """Returns the position in the MP3; within a silence, that of the sound after it."""
        found = bisect_right(self._starts, at) - 1
        if found < 0:
            return at
        return at - self._before[found] - min(at - self._starts[found], self._lengths[found])

    def clock(self, position: int) -> int:
        """Returns the position on the file's clock; at a silence, that of the sound after it."""
        found = bisect_right(range(len(self._starts)), position, key=lambda n: self._starts[n] - self._before[n]) - 1
        return position if found < 0 else position + self._before[found] + self._lengths[found]

    def _coarsen(self) -> None:
        """Merges pairs of silences, because hostile files have millions."""
        self._lengths = [sum(self._lengths[n : n + 2]) for n in range(0, len(self._lengths), 2)]
        self._before = self._before[::2]
        self._starts = [*self._starts[1::2], *self._starts[len(self._starts) // 2 * 2 :]]
