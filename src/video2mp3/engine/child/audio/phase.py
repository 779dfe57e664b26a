"""Finds antiphase stereo: channels that cancel each other out in mono, as if one of them were wired wrongly."""

from collections.abc import Sequence
from typing import Any

from av import AudioFrame

MAX_LOSS = 10
"""Mono mixes with less than a tenth of the channels' mean power (10 dB) count as canceled: those of one channel and
silence, or of two unrelated channels, have half of it (3 dB)."""
_EVERY = 127
"""One of so many samples is examined: a prime number, so that no usual tone is always met in the same phase."""
_TYPECODES: dict[str, Any] = {"u8": "B", "s16": "h", "s32": "i", "s64": "q", "flt": "f", "dbl": "d"}
_ZEROS = {"u8": 128}


class PhaseMeter:
    """Compares the power of two channels with that of their mono mix."""

    def __init__(self) -> None:
        self._channels = 0.0
        self._mix = 0.0

    def take(self, frame: AudioFrame) -> None:
        """Examines a frame of two channels."""
        left, right = _samples_of(frame)
        self._channels += (_power(left) + _power(right)) / 2
        self._mix += _power([(one + other) / 2 for one, other in zip(left, right, strict=True)])

    @property
    def is_canceled(self) -> bool:
        """Whether the mono mix loses most of the sound."""
        return self._channels > MAX_LOSS * self._mix


def _samples_of(frame: AudioFrame) -> tuple[Sequence[float], Sequence[float]]:
    name, planar, count = frame.format.packed.name, frame.format.is_planar, frame.samples
    zero, step = _ZEROS.get(name, 0), 1 if planar else 2
    size = frame.format.bytes * step * count
    planes = [memoryview(plane)[:size].cast("B").cast(_TYPECODES[name]) for plane in frame.planes[: 3 - step]]
    left, right = planes if planar else (planes[0], planes[0][1:])
    first, second = (channel[:: _EVERY * step].tolist() for channel in (left, right))
    return ([value - zero for value in first], [value - zero for value in second]) if zero else (first, second)


def _power(samples: Sequence[float]) -> float:
    return sum(sample * sample for sample in samples)
