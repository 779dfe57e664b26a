import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.mp3.test_segment import MODES, stream_of
from video2mp3.engine.mp3.finder import ChangedFormat, FrameFinder

FRAMES = [frame.data for frame in stream_of(MODES[0])]


def found_in(stream: bytes, size: int) -> tuple[list[bytes], int]:
    finder = FrameFinder()
    frames = [frame for place in range(0, len(stream), size) for frame in finder.feed(stream[place : place + size])]
    frames += finder.feed(b"", ended=True)
    return [frame.data for frame in frames], finder.gaps


@settings(deadline=None)
@given(size=st.integers(1, 3000), count=st.integers(1, 20))
def test_frames_are_found_however_the_stream_is_cut(size: int, count: int) -> None:
    assert found_in(b"".join(FRAMES[:count]), size) == (FRAMES[:count], 0)


@settings(deadline=None)
@given(size=st.integers(1, 3000), at=st.integers(2, 10), garbage=st.binary(min_size=1, max_size=2000))
def test_what_is_between_frames_is_left_out_and_counted(size: int, at: int, garbage: bytes) -> None:
    stream = b"".join([*FRAMES[:at], garbage, *FRAMES[at:20]])
    assert found_in(stream, size) == (FRAMES[:20], 1)


@settings(deadline=None)
@given(size=st.integers(1, 3000), before=st.binary(max_size=500), seed=st.integers(0, 2**32))
def test_what_is_before_and_after_is_left_out(size: int, before: bytes, seed: int) -> None:
    after = random.Random(seed).randbytes(300)
    assert found_in(before + b"".join(FRAMES[:9]) + after, size) == (FRAMES[:9], 0)


def test_a_cut_last_frame_is_left_out() -> None:
    assert found_in(b"".join(FRAMES[:9])[:-1], 500) == (FRAMES[:8], 0)


def test_a_change_of_the_format_is_told() -> None:
    others = [frame.data for frame in stream_of(MODES[2])]
    with pytest.raises(ChangedFormat):
        found_in(b"".join([*FRAMES[:9], *others[:9]]), 700)


def test_nothing_is_found_in_nothing() -> None:
    assert found_in(b"\xff\xfb" * 5000, 1000) == ([], 0)
    assert found_in(b"", 1) == ([], 0)
