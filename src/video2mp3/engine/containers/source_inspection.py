"""Inspects the whole available part of a file, by ranges. Runs only in the sandboxed child."""

from video2mp3.engine.containers.streamability import MAX_INDEX_BYTES, MoreNeeded, StreamInfo, inspect_window
from video2mp3.engine.containers.window import ReadAt, Window

_MAX_STEPS = 100_000


def inspect_source(read_at: ReadAt, known_bytes: int, size_bytes: int) -> StreamInfo | MoreNeeded:
    """Inspects a file of `size_bytes` of which `known_bytes` are available. Raises the errors of `read_at`."""
    return inspect_window(Window(read_at, min(known_bytes, MAX_INDEX_BYTES), size_bytes, _MAX_STEPS))
