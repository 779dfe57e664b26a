"""Verifies a finished MP3 by reading it back."""

import hashlib
import os
from dataclasses import dataclass

from video2mp3.engine.mp3.frames import FrameWalker
from video2mp3.engine.mp3.id3 import read_syncsafe
from video2mp3.engine.mp3.info_tag import read_info_tag

_BLOCK_BYTES = 1024**2
_HEAD_BYTES = 8192


@dataclass(frozen=True)
class CheckedMp3:
    """The verified facts of an MP3."""

    size_bytes: int
    sha256: str
    frames: int
    """Frames of audio, without the info frame."""
    samples: int
    """Samples per channel that players output, by the info tag."""
    sample_rate_hz: int
    channels: int


def check_mp3(descriptor: int, offset_bytes: int, size_bytes: int) -> CheckedMp3:
    """Walks a complete MP3: an ID3 tag, an info frame, and frames of one format to the last byte.

    Args:
        descriptor: descriptor of the file.
        offset_bytes: offset of the MP3 in the file.
        size_bytes: size of the MP3.

    Raises:
        ValueError: the MP3 has another structure.
    """
    end = offset_bytes + size_bytes
    start = offset_bytes + _id3_size(os.pread(descriptor, 10, offset_bytes))
    tag = read_info_tag(os.pread(descriptor, _HEAD_BYTES, start), 0)
    if tag is None or tag.delay is None or tag.padding is None:
        raise ValueError("no info tag")
    walker, sha256 = FrameWalker(), hashlib.sha256()
    place = offset_bytes
    while block := os.pread(descriptor, min(_BLOCK_BYTES, end - place), place):
        sha256.update(block)
        walker.feed(block[max(0, start - place) :])
        place += len(block)
    first, frames = walker.first, walker.frames - 1
    if place < end or first is None or frames < 1 or not walker.complete:
        raise ValueError("no frames, or the last one is cut")
    if (tag.frames, tag.size_bytes) != (frames, min(walker.size_bytes, 0xFFFFFFFF)):
        raise ValueError("the info tag does not count what is there")
    samples = frames * first.samples - tag.delay - tag.padding
    if samples < 0:
        raise ValueError("more padding than audio")
    return CheckedMp3(size_bytes, sha256.hexdigest(), frames, samples, first.sample_rate_hz, first.channels)


def _id3_size(head: bytes) -> int:
    if head[:3] != b"ID3":
        return 0
    return 10 + read_syncsafe(head[6:10])
