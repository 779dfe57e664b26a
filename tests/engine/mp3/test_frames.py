from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.sounds import tone
from video2mp3.engine.child.audio.encode import Encoder, settings_for
from video2mp3.engine.mp3.frames import RATES_HZ, BrokenStream, FrameHeader, FrameWalker, bitrates_kbps, parse_header


def every_header() -> Iterator[FrameHeader]:
    for rate_hz in RATES_HZ:
        for bitrate_kbps in bitrates_kbps(rate_hz):
            for channels in (1, 2):
                for padded in (False, True):
                    yield FrameHeader(rate_hz, bitrate_kbps, channels, padded)


def test_every_header_is_read_as_it_was_written() -> None:
    headers = list(every_header())
    assert len(headers) > 300
    assert [parse_header(header.to_bytes()) for header in headers] == headers


@pytest.mark.parametrize(
    ("header", "size_bytes"),
    [
        (FrameHeader(44100, 128, 2, False), 417),
        (FrameHeader(44100, 128, 2, True), 418),
        (FrameHeader(48000, 320, 2, False), 960),
        (FrameHeader(22050, 64, 1, False), 208),
        (FrameHeader(8000, 8, 1, False), 72),
    ],
)
def test_frames_have_the_sizes_of_the_standard(header: FrameHeader, size_bytes: int) -> None:
    assert header.size_bytes == size_bytes


@given(st.binary(max_size=8), st.integers(0, 8))
def test_no_bytes_upset_the_parser(data: bytes, offset: int) -> None:
    header = parse_header(data, offset)
    assert header is None or header.size_bytes > 20


@pytest.fixture(scope="module")
def stream() -> bytes:
    encoder = Encoder(settings_for(44100, 2, None, 4))
    return encoder.encode(tone(40_000, 2)) + encoder.finish()


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 16_000), max_size=40))
def test_it_does_not_matter_where_a_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    whole = FrameWalker()
    whole.feed(stream)
    assert whole.complete
    assert whole.frames > 30
    pieces = FrameWalker()
    for start, end in pairwise([0, *sorted(cuts), len(stream)]):
        pieces.feed(stream[start:end])
    assert (pieces.frames, pieces.size_bytes, pieces.complete) == (whole.frames, len(stream), True)
    assert pieces.place_of(0.5) == whole.place_of(0.5)


def test_a_hole_in_a_stream_is_found(stream: bytes) -> None:
    walker = FrameWalker()
    with pytest.raises(BrokenStream):
        walker.feed(stream[:5000] + stream[5001:])


def test_a_stream_that_ends_in_a_frame_is_not_complete(stream: bytes) -> None:
    walker = FrameWalker()
    walker.feed(stream[:-1])
    assert not walker.complete
