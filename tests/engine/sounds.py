"""Sounds made from nothing, as WAV files, and sources to read them from."""

import array
import math
import struct
import wave
from collections.abc import Callable
from pathlib import Path


def tone(samples: int, channels: int = 1, rate_hz: int = 44100, frequency_hz: float = 997.0) -> bytes:
    """16-bit PCM of a tone that swells and fades, a little different in each channel."""
    step = 2 * math.pi * frequency_hz / rate_hz
    values = (
        int(9000 * math.sin(step * i + channel) * (1 + math.sin(i / 3000)))
        for i in range(samples)
        for channel in range(channels)
    )
    return array.array("h", values).tobytes()


def write_wav(path: Path, samples: int, channels: int = 1, rate_hz: int = 44100) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(tone(samples, channels, rate_hz))
    return path


def wav_with(
    data: bytes,
    *,
    channels: int = 1,
    rate_hz: int = 8000,
    bits: int = 16,
    kind: int = 1,
    claimed_bytes: int | None = None,
) -> bytes:
    """A WAV file whose header may say anything."""
    frame_bytes = channels * bits // 8
    head = b"WAVEfmt " + struct.pack(
        "<IHHIIHH", 16, kind, channels, rate_hz, rate_hz * frame_bytes & 0xFFFFFFFF, frame_bytes & 0xFFFF, bits
    )
    size = len(data) if claimed_bytes is None else claimed_bytes
    body = head + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


class BytesSource:
    """A source without a descriptor, as an upload in pieces is: all of it goes through ranges."""

    def __init__(self, data: bytes, before_read: Callable[[int], None] = lambda count: None) -> None:
        self.name = "talk.mp4"
        self.size_bytes = len(data)
        self._data = data
        self._before_read = before_read
        self.requests: list[tuple[int, int]] = []

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        self.requests.append((offset_bytes, size_bytes))
        self._before_read(len(self.requests))
        return self._data[offset_bytes : offset_bytes + size_bytes]
