"""One MP3 frame as bytes, with access to its side information. Source: ISO/IEC 11172-3 §2.4.1.7, 13818-3 §2.4.1."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from video2mp3.engine.mp3.frames import MPEG1_RATES_HZ, BrokenStream, FrameHeader, bitrates_kbps, parse_header

_HEADER_BYTES, _CRC_BYTES = 4, 2
_CRC_POLYNOMIAL = 0x8005


class Frame:
    """One immutable frame; its methods return changed copies."""

    __slots__ = ("data", "header")

    def __init__(self, data: bytes, header: FrameHeader) -> None:
        self.data = data
        self.header = header

    @property
    def is_mpeg1(self) -> bool:
        """True for MPEG-1, False for MPEG-2 and 2.5, whose side information differs."""
        return self.header.sample_rate_hz in MPEG1_RATES_HZ

    @property
    def side_offset(self) -> int:
        """Offset of the side information."""
        return _HEADER_BYTES + _CRC_BYTES if self.header.protected else _HEADER_BYTES

    @property
    def main_offset(self) -> int:
        """Offset of the space for main data."""
        return self.side_offset + self.header.side_info_bytes

    @property
    def main_size(self) -> int:
        """Size of the space for main data in this frame."""
        return len(self.data) - self.main_offset

    @property
    def main_data_begin(self) -> int:
        """Distance in main data bytes from the start of the frame's data to this frame."""
        side = self.side_offset
        return self.data[side] << 1 | self.data[side + 1] >> 7 if self.is_mpeg1 else self.data[side]

    @property
    def main_data(self) -> bytes:
        """The space for main data in this frame."""
        return self.data[self.main_offset :]

    def last_windows(self) -> tuple[int, ...]:
        """For each channel, the last granule's window (flag, type, mixed flag); 0 is the long window."""
        granule_bits, before = (59, 33) if self.is_mpeg1 else (63, 38)
        side_bytes = self.header.side_info_bytes
        side = int.from_bytes(self.data[self.main_offset - side_bytes : self.main_offset], "big")
        windows = []
        for channel in range(self.header.channels):
            below = (
                (self.header.channels - channel) * granule_bits - before - 4
            )  # the granules are the end of the side information
            window = side >> below & 0xF
            windows.append(window if window & 8 else 0)
        return tuple(windows)

    def without_main_data_begin(self) -> bytes:
        """Returns the side information with `main_data_begin` zeroed: equal values mean equal frames, almost surely."""
        return self.with_main_data_begin(0).data[self.side_offset : self.main_offset]

    def with_main_data(self, main_data: bytes) -> "Frame":
        """Returns the same frame with other main data of the same size."""
        return Frame(self.data[: self.main_offset] + main_data, self.header)

    def with_main_data_begin(self, begin: int) -> "Frame":
        """Returns the same frame with another `main_data_begin`."""
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
        """Returns a frame without data, which decodes to silence; its space for main data is unchanged.

        Args:
            data_behind: how far back the following frames' data may begin. The frame declares the same, as far as
                possible: decoders drop data before the position that a frame declares.
        """
        side = bytes(self.header.side_info_bytes)
        head = self.data[:_HEADER_BYTES]
        crc = side_info_crc(head, side) if self.header.protected else b""
        most = 511 if self.is_mpeg1 else 255
        return Frame(head + crc + side + self.main_data, self.header).with_main_data_begin(min(data_behind, most))

    def grown(self, least_bytes: int) -> "Frame | None":
        """Returns the same frame at the lowest bitrate that makes it `least_bytes` larger, or None."""
        for bitrate in bitrates_kbps(self.header.sample_rate_hz):
            header = replace(self.header, bitrate_kbps=bitrate)
            growth = header.size_bytes - len(self.data)
            if growth >= least_bytes:
                data = bytearray(self.data) + bytes(growth)
                data[2] = header.to_bytes()[2] | data[2] & 1  # keeps the private bit
                return Frame(bytes(data), header)
        return None


def side_info_crc(head: bytes, side: bytes) -> bytes:
    """Returns the CRC that protects a frame. Source: ISO/IEC 11172-3 §2.4.3.1.

    Args:
        head: the frame's header of four bytes, of which the CRC covers the last two.
        side: the side information.
    """
    crc = 0xFFFF
    for byte in head[2:4] + side:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ _CRC_POLYNOMIAL if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "big")


def data_before(frames: Sequence[Frame], size_bytes: int) -> bytes:
    """Returns the last `size_bytes` of main data in the frames, or all if there are fewer."""
    found: list[bytes] = []
    for frame in reversed(frames):
        if size_bytes <= 0:
            break
        found.append(frame.main_data[-size_bytes:])
        size_bytes -= len(found[-1])
    return b"".join(reversed(found))


class FrameSplitter:
    """Splits the encoder's stream into frames.

    Raises:
        BrokenStream: from `feed`, if the stream contains other data.
    """

    def __init__(self) -> None:
        self.rest = b""
        """The start of an incomplete frame."""

    def feed(self, data: bytes) -> list[Frame]:
        """Takes the next bytes, cut anywhere, and returns the complete frames."""
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
        BrokenStream: the stream contains other data, or the last frame is truncated.
    """
    splitter = FrameSplitter()
    frames = splitter.feed(stream)
    if splitter.rest or any(frame.header.protected for frame in frames):
        raise BrokenStream("not whole frames of ours")
    return frames
