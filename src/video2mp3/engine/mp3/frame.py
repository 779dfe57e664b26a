"""One MP3 frame as bytes, and what its side information says. Source: ISO/IEC 11172-3 §2.4.1.7, 13818-3 §2.4.1."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from video2mp3.engine.mp3.frames import MPEG1_RATES_HZ, BrokenStream, FrameHeader, bitrates_kbps, parse_header

_HEADER_BYTES, _CRC_BYTES = 4, 2
_CRC_POLYNOMIAL = 0x8005


class Frame:
    """One frame, whose main data can be read and written. Nothing changes in place."""

    __slots__ = ("data", "header")

    def __init__(self, data: bytes, header: FrameHeader) -> None:
        self.data = data
        self.header = header

    @property
    def is_mpeg1(self) -> bool:
        """True for MPEG-1, False for 2 and 2.5, whose side information is another."""
        return self.header.sample_rate_hz in MPEG1_RATES_HZ

    @property
    def side_offset(self) -> int:
        """Where the side information begins."""
        return _HEADER_BYTES + _CRC_BYTES if self.header.protected else _HEADER_BYTES

    @property
    def main_offset(self) -> int:
        """Where the space for main data begins."""
        return self.side_offset + self.header.side_info_bytes

    @property
    def main_size(self) -> int:
        """The bytes of space for main data in this frame."""
        return len(self.data) - self.main_offset

    @property
    def main_data_begin(self) -> int:
        """How many bytes of main data before this frame's own its data begin."""
        side = self.side_offset
        return self.data[side] << 1 | self.data[side + 1] >> 7 if self.is_mpeg1 else self.data[side]

    @property
    def main_data(self) -> bytes:
        """The space for main data in this frame."""
        return self.data[self.main_offset :]

    def last_windows(self) -> tuple[int, ...]:
        """For each channel the last granule's window (flag, type, mixed flag); 0 is the normal long one."""
        granule_bits, before = (59, 33) if self.is_mpeg1 else (63, 38)
        side_bytes = self.header.side_info_bytes
        side = int.from_bytes(self.data[self.main_offset - side_bytes : self.main_offset], "big")
        windows = []
        for channel in range(self.header.channels):
            below = (self.header.channels - channel) * granule_bits - before - 4  # granules come last, without a rest
            window = side >> below & 0xF
            windows.append(window if window & 8 else 0)
        return tuple(windows)

    def without_main_data_begin(self) -> bytes:
        """Returns the side information without where the data begin: what the frame says, nearly surely."""
        return self.with_main_data_begin(0).data[self.side_offset : self.main_offset]

    def with_main_data(self, main_data: bytes) -> "Frame":
        """Returns the same frame with other main data of the same size."""
        return Frame(self.data[: self.main_offset] + main_data, self.header)

    def with_main_data_begin(self, begin: int) -> "Frame":
        """Returns the same frame with its data beginning elsewhere."""
        data = bytearray(self.data)
        side = self.side_offset
        if self.is_mpeg1:
            data[side] = begin >> 1
            data[side + 1] = data[side + 1] & 0x7F | (begin & 1) << 7
        else:
            data[side] = begin
        if self.header.protected:
            data[_HEADER_BYTES:side] = side_info_crc(self.data[:_HEADER_BYTES], bytes(data[side : self.main_offset]))
        return Frame(bytes(data), self.header)

    def silent(self, data_behind: int = 0) -> "Frame":
        """Returns a frame that says that it has no data, and decodes to silence; its space stays as it is.

        Args:
            data_behind: how far back the frames after it may say that their data begin. It says so too, as far as that
                can be said: decoders forget what is before the place that a frame names.
        """
        side = bytes(self.header.side_info_bytes)
        head = self.data[:_HEADER_BYTES]
        crc = side_info_crc(head, side) if self.header.protected else b""
        most = 511 if self.is_mpeg1 else 255
        return Frame(head + crc + side + self.main_data, self.header).with_main_data_begin(min(data_behind, most))

    def grown(self, least_bytes: int) -> "Frame | None":
        """Returns the same frame at the lowest bitrate that makes it `least_bytes` larger; None when none does."""
        for bitrate in bitrates_kbps(self.header.sample_rate_hz):
            header = replace(self.header, bitrate_kbps=bitrate)
            growth = header.size_bytes - len(self.data)
            if growth >= least_bytes:
                data = bytearray(self.data) + bytes(growth)
                data[2] = header.to_bytes()[2] | data[2] & 1  # the private bit stays
                return Frame(bytes(data), header)
        return None


def side_info_crc(head: bytes, side: bytes) -> bytes:
    """Returns the CRC that protects a frame. Source: ISO/IEC 11172-3 §2.4.3.1.

    Args:
        head: the frame's header, four bytes, of which the last two are covered.
        side: its side information.
    """
    crc = 0xFFFF
    for byte in head[2:4] + side:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ _CRC_POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "big")


def data_before(frames: Sequence[Frame], size_bytes: int) -> bytes:
    """Returns the last `size_bytes` of main data in frames, or all where there are fewer."""
    found: list[bytes] = []
    for frame in reversed(frames):
        if size_bytes <= 0:
            break
        found.append(frame.main_data[-size_bytes:])
        size_bytes -= len(found[-1])
    return b"".join(reversed(found))


class FrameSplitter:
    """Makes frames of a stream of our encoder as it comes.

    Raises:
        BrokenStream: from `feed`, if there is anything else in it.
    """

    def __init__(self) -> None:
        self.rest = b""
        """The beginning of a frame that has not come whole."""

    def feed(self, data: bytes) -> list[Frame]:
        """Takes the next bytes, cut anywhere, and returns the frames that are complete."""
        stream = self.rest + data
        position, frames = 0, []
        while position + _HEADER_BYTES <= len(stream):
            header = _header(stream[position : position + _HEADER_BYTES])
            if header is None:
                raise BrokenStream("no frame where one should begin")
            if position + header.size_bytes > len(stream):
                break
            frames.append(Frame(stream[position : position + header.size_bytes], header))
            position += header.size_bytes
        self.rest = stream[position:]
        return frames


@lru_cache(512)
def _header(head: bytes) -> FrameHeader | None:
    return parse_header(head)


def split(stream: bytes) -> list[Frame]:
    """Returns the frames of a stream.

    Raises:
        BrokenStream: there is anything else in it, or the last frame is cut.
    """
    splitter = FrameSplitter()
    frames = splitter.feed(stream)
    if splitter.rest or any(frame.header.protected for frame in frames):
        raise BrokenStream("not whole frames of ours")
    return frames
