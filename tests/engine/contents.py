"""What MP3 frames say, wherever in the bit reservoir they say it. Written from ISO/IEC 11172-3 and 13818-3 alone."""

from collections.abc import Iterator
from typing import NamedTuple

from video2mp3.engine.mp3.frames import FrameHeader, parse_header


class Content(NamedTuple):
    """One frame: side information without main_data_begin, and its main data as a number."""

    side: int
    data: int


def contents_of(mp3: bytes) -> list[Content]:
    """The contents of a stream without a tag; fails where one frame's data overlap another's, or lie beyond it."""
    found: list[Content] = []
    main, taken = b"", 0
    for header, frame in _frames(mp3):
        mpeg1 = header.samples == 1152
        begin_bits = 9 if mpeg1 else 8
        side_end = 4 + header.side_info_bytes
        side = int.from_bytes(frame[4:side_end], "big")
        begin = side >> 8 * header.side_info_bytes - begin_bits
        start = len(main) - begin
        assert start >= taken, f"frame {len(found)}: its data begin in those of the frame before"
        main += frame[side_end:]
        bits = sum(_data_lengths(side, header))
        taken = start + (bits + 7) // 8
        assert taken <= len(main), f"frame {len(found)}: its data end after it"
        data = int.from_bytes(main[start:taken], "big") >> -bits % 8
        found.append(Content(side & (1 << 8 * header.side_info_bytes - begin_bits) - 1, data))
    return found


def _frames(mp3: bytes) -> Iterator[tuple[FrameHeader, bytes]]:
    place = 0
    while place < len(mp3):
        header = parse_header(mp3, place)
        assert header is not None
        frame = mp3[place : place + header.size_bytes]
        assert len(frame) == header.size_bytes
        yield header, frame
        place += header.size_bytes


def _data_lengths(side: int, header: FrameHeader) -> Iterator[int]:
    granules, granule_bits = (2, 59) if header.samples == 1152 else (1, 63)
    for number in range(granules * header.channels):
        granule = side >> number * granule_bits & (1 << granule_bits) - 1
        yield granule >> granule_bits - 12
