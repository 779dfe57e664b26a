"""MP3 frame headers, and a walker over a stream of frames. Source: ISO/IEC 11172-3 §2.4, 13818-3."""

from dataclasses import dataclass
from functools import cached_property

MPEG1_RATES_HZ = (44100, 48000, 32000)
MPEG2_RATES_HZ = (22050, 24000, 16000)
MPEG25_RATES_HZ = (11025, 12000, 8000)
RATES_HZ = tuple(sorted(MPEG1_RATES_HZ + MPEG2_RATES_HZ + MPEG25_RATES_HZ))
MPEG1_BITRATES_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG2_BITRATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG25_MAX_BITRATE_KBPS = 64
"""LAME's limit at 8 to 12 kHz."""

_RATES_HZ_BY_VERSION = {3: MPEG1_RATES_HZ, 2: MPEG2_RATES_HZ, 0: MPEG25_RATES_HZ}
_LAYER_3 = 1
_MONO = 3
_MAX_MARKS = 1024


def bitrates_kbps(sample_rate_hz: int) -> tuple[int, ...]:
    """Returns the bitrates that MP3 has at a sample rate."""
    if sample_rate_hz in MPEG1_RATES_HZ:
        return MPEG1_BITRATES_KBPS
    if sample_rate_hz in MPEG2_RATES_HZ:
        return MPEG2_BITRATES_KBPS
    return tuple(rate for rate in MPEG2_BITRATES_KBPS if rate <= MPEG25_MAX_BITRATE_KBPS)


def samples_per_frame(sample_rate_hz: int) -> int:
    """Returns the samples per channel in a frame: 1,152, or 576 at the lower rates."""
    return 1152 if sample_rate_hz in MPEG1_RATES_HZ else 576


@dataclass(frozen=True)
class FrameHeader:
    """The first four bytes of a frame."""

    sample_rate_hz: int
    bitrate_kbps: int
    channels: int
    padded: bool
    protected: bool = False
    """True if a CRC of two bytes follows the header."""

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return samples_per_frame(self.sample_rate_hz)

    @cached_property
    def size_bytes(self) -> int:
        """The frame's size, header included."""
        return self.samples // 8 * self.bitrate_kbps * 1000 // self.sample_rate_hz + self.padded

    @property
    def side_info_bytes(self) -> int:
        """The size of the side information that follows the header."""
        if self.sample_rate_hz in MPEG1_RATES_HZ:
            return 17 if self.channels == 1 else 32
        return 9 if self.channels == 1 else 17

    def to_bytes(self) -> bytes:
        """Returns the header's four bytes (joint stereo, original, no emphasis), as LAME writes them."""
        version = next(v for v, rates in _RATES_HZ_BY_VERSION.items() if self.sample_rate_hz in rates)
        table = MPEG1_BITRATES_KBPS if version == 3 else MPEG2_BITRATES_KBPS
        rate_index = _RATES_HZ_BY_VERSION[version].index(self.sample_rate_hz)
        second = 0xE0 | version << 3 | _LAYER_3 << 1 | (not self.protected)
        third = (table.index(self.bitrate_kbps) + 1) << 4 | rate_index << 2 | self.padded << 1
        fourth = (_MONO if self.channels == 1 else 1) << 6 | 0x04
        return bytes((0xFF, second, third, fourth))


def parse_header(data: bytes, offset: int = 0) -> FrameHeader | None:
    """Returns the layer III header at `offset`, or None."""
    if len(data) < offset + 4 or data[offset] != 0xFF or data[offset + 1] & 0xE0 != 0xE0:
        return None
    second, third, fourth = data[offset + 1 : offset + 4]
    rates = _RATES_HZ_BY_VERSION.get(second >> 3 & 3)
    bitrate_index, rate_index = third >> 4, third >> 2 & 3
    if rates is None or second >> 1 & 3 != _LAYER_3 or not 1 <= bitrate_index <= 14 or rate_index == 3:
        return None
    table = MPEG1_BITRATES_KBPS if rates is MPEG1_RATES_HZ else MPEG2_BITRATES_KBPS
    return FrameHeader(
        sample_rate_hz=rates[rate_index],
        bitrate_kbps=table[bitrate_index - 1],
        channels=1 if fourth >> 6 == _MONO else 2,
        padded=bool(third & 2),
        protected=not second & 1,
    )


class BrokenStream(ValueError):
    """A frame is missing where one must begin."""


class FrameWalker:
    """Walks a stream of frames of one format while it is written, and keeps positions for seeking.

    The work per frame is two lookups, because an hour of audio has 138,000 frames.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.size_bytes = 0
        """Bytes fed so far."""
        self.first: FrameHeader | None = None
        self._next = 0
        self._tail = b""
        self._sizes: list[int] = []
        self._second_byte = 0
        self._marks: list[int] = []
        self._frames_per_mark = 1

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the stream, cut anywhere.

        Raises:
            BrokenStream: a frame does not begin where the one before it ends.
        """
        buffer = self._tail + data
        base = self.size_bytes - len(self._tail)
        self.size_bytes += len(data)
        position = self._walk(buffer, self._next - base)
        self._next = base + position
        self._tail = buffer[position:] if position < len(buffer) else b""

    def _walk(self, buffer: bytes, position: int) -> int:
        base = self._next - position
        while position + 4 <= len(buffer):
            if self.first is None:
                self._learn(parse_header(buffer, position))
            size = self._sizes[buffer[position + 2]]
            if not size or buffer[position] != 0xFF or buffer[position + 1] | 1 != self._second_byte:
                raise BrokenStream(f"no frame {self.frames} at byte {base + position}")
            if self.frames % self._frames_per_mark == 0:
                self._mark(base + position)
            self.frames += 1
            position += size
        return position

    def _learn(self, header: FrameHeader | None) -> None:
        if header is None:
            raise BrokenStream("no frame at the start")
        self.first = header
        second = header.to_bytes()[1]
        self._second_byte = second | 1  # frames with and without CRC may alternate
        self._sizes = [self._size_of(bytes((0xFF, second, third, 0)), header) for third in range(256)]

    @staticmethod
    def _size_of(header_bytes: bytes, like: FrameHeader) -> int:
        header = parse_header(header_bytes)
        return header.size_bytes if header and header.sample_rate_hz == like.sample_rate_hz else 0

    def _mark(self, place: int) -> None:
        self._marks.append(place)
        if len(self._marks) > _MAX_MARKS:
            self._marks = self._marks[::2]
            self._frames_per_mark *= 2

    @property
    def complete(self) -> bool:
        """True if the last frame is complete."""
        return self.frames > 0 and self._next == self.size_bytes

    def place_of(self, share: float) -> int:
        """Returns the approximate offset in bytes of a share (0 to 1) of the frames."""
        if not self._marks:
            return 0
        return self._marks[min(int(share * self.frames) // self._frames_per_mark, len(self._marks) - 1)]
