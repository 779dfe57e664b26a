"""A sound in which every second can be told from every other, and what an independent decoder hears of it.

Second n is a tone of 400 + 100·n Hz from 0.1 s to 0.9 s, between silences.
"""

import array
import math
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

import av
from av import AudioFrame, AudioResampler

RATE_HZ = 48_000
TONE_START_S = 0.1
TONE_S = 0.8
_FADE_S = 0.005
_HEARD_RATE_HZ = 16_000
_STEP = _HEARD_RATE_HZ // 200
_AUDIBLE = 1500
"""Peak of 16-bit samples: a quarter of the tones' own."""


class Tone(NamedTuple):
    """One tone as it was heard."""

    second: int
    start_s: float
    end_s: float


def frequency_hz(second: int) -> int:
    return 400 + 100 * second


def second_of_sound(second: int, rate_hz: int = RATE_HZ) -> "array.array[int]":
    """16-bit mono PCM of one second."""
    samples = array.array("h", bytes(2 * rate_hz))
    first, count = round(TONE_START_S * rate_hz), round(TONE_S * rate_hz)
    step = 2 * math.pi * frequency_hz(second) / rate_hz
    fade = _FADE_S * rate_hz
    for place in range(count):
        level = min(1.0, place / fade, (count - place) / fade)
        samples[first + place] = int(8000 * level * math.sin(step * place))
    return samples


def heard(path: Path) -> list[Tone]:
    """The tones of a file, in order."""
    samples = _decoded(path)
    peaks = [max(map(abs, samples[place : place + _STEP])) for place in range(0, len(samples), _STEP)]
    tones, place = [], 0
    for audible, steps in groupby(peaks, lambda peak: peak > _AUDIBLE):
        end = place + len(list(steps)) * _STEP
        if audible:
            tones.append(Tone(_second_in(samples[place:end]), place / _HEARD_RATE_HZ, end / _HEARD_RATE_HZ))
        place = end
    return tones


def _second_in(samples: "array.array[int]") -> int:
    inner = samples[len(samples) // 4 : -(len(samples) // 4) or None]
    crossings = sum(1 for one, following in pairwise(inner) if (one < 0) != (following < 0))
    return round((crossings * _HEARD_RATE_HZ / 2 / max(1, len(inner)) - frequency_hz(0)) / 100)


def _decoded(path: Path) -> "array.array[int]":
    samples = array.array("h")
    resampler = AudioResampler("s16", "mono", _HEARD_RATE_HZ)
    with av.open(str(path)) as file:
        for frame in [*file.decode(audio=0), None]:
            assert frame is None or isinstance(frame, AudioFrame)
            for made in resampler.resample(frame):
                samples.frombytes(bytes(made.planes[0])[: 2 * made.samples])
    return samples
