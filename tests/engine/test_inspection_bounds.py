"""The inspection outside the sandbox is bounded, whatever the bytes."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.engine import fuzz_heads, heads
from video2mp3.engine.containers.streamability import (
    HEAD_BYTES,
    MAX_HEAD_STEPS,
    MAX_INDEX_BYTES,
    MoreNeeded,
    StreamInfo,
    inspect_head,
    inspect_window,
)
from video2mp3.engine.containers.window import Window

STARTS = (b"", b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0AVI ", b"OggS", b"GFLV")


def test_generated_heads_are_inspected_within_bounds() -> None:
    """It should raise nothing; 5 ms and 1 MiB are enough for each. `make abuse` tries a million."""
    figures = fuzz_heads.run(0, 4000)
    assert figures.too_slow == 0, f"head {figures.slowest}: {figures.slowest_s} s"
    assert figures.peak_bytes <= fuzz_heads.MAX_MEMORY_BYTES, figures.most_memory
    assert len(figures.outcomes) == 5  # heads of every outcome are among them


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(STARTS), st.sampled_from(heads.VALID), st.binary(max_size=600), st.integers(0, 2**63), st.data())
@example(b"", heads.matroska(), b"", 0, None)
def test_any_bytes_are_inspected(
    start: bytes, valid: bytes, filler: bytes, more: int, data: st.DataObject | None
) -> None:
    """It should answer with a known reason, or with a number of bytes that there will be."""
    cut = len(valid) if data is None else data.draw(st.integers(0, len(valid)))
    for head in (start + filler, valid[:cut] + filler, filler + valid[cut:]):
        answer = inspect_head(head, len(head) + more)
        if isinstance(answer, MoreNeeded):
            assert len(head) < answer.needed_bytes <= min(MAX_INDEX_BYTES, len(head) + more)


@pytest.mark.parametrize("small", [heads.box(b"free"), heads.box(b"moov"), heads.box(b"moov", heads.box(b"trak"))])
def test_an_upload_of_the_smallest_boxes_ends_after_its_steps(small: bytes) -> None:
    """It should be read a bounded number of times. The control, without that bound, reads each of the boxes."""
    content = heads.box(b"ftyp") + small * (HEAD_BYTES // len(small) - 1)

    def reads(max_steps: int) -> int:
        count = 0

        def read_at(offset: int, size: int) -> bytes:
            nonlocal count
            count += 1
            return content[offset : offset + size]

        answer = inspect_window(Window(read_at, len(content), 10**9, max_steps))
        assert isinstance(answer, StreamInfo) == (max_steps < 10**6)
        return count

    assert reads(MAX_HEAD_STEPS) <= MAX_HEAD_STEPS
    assert reads(10**9) > 10 * MAX_HEAD_STEPS


def test_no_more_than_the_head_is_looked_at() -> None:
    """It should need more bytes, also where these are at hand."""
    content = heads.box(b"ftyp") + heads.box(b"moov", heads.box(b"free", bytes(HEAD_BYTES))) + heads.box(b"mdat")
    answer = inspect_head(content, len(content))
    assert answer == MoreNeeded(len(content))


def test_what_is_damaged_waits_for_its_end() -> None:
    """It should be so with the file that once ended a request: an element beyond its data."""
    damaged = heads.matroska().replace(b"\x4d\xbb\x8e", b"\x4d\xbb\x8f", 1)
    for seek in (heads.element(0x4DBB, b"", 9), heads.element(0x4DBB, b"\x53\xac")):
        segment = heads.element(0x18538067, heads.element(0x114D9B74, seek), 10**9, 8)
        answer = inspect_head(heads.element(0x1A45DFA3) + segment + bytes(5000), 10**9)
        assert isinstance(answer, StreamInfo)
        assert answer.blocked_reason
    assert isinstance(inspect_head(damaged, 10**9), StreamInfo | MoreNeeded)
