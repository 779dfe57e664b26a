"""The same inspection over all that there is of a file, by ranges. Runs in the sandboxed child only."""

from video2mp3.engine.containers.streamability import MAX_INDEX_BYTES, MoreNeeded, StreamInfo, inspect_window
from video2mp3.engine.containers.window import ReadAt, Window

_MAX_STEPS = 100_000


def inspect_source(read_at: ReadAt, known_bytes: int, size_bytes: int) -> StreamInfo | MoreNeeded:
    """Inspects a file of which `known_bytes` are there, and which will have `size_bytes`. Raises what reading does."""
    return inspect_window(Window(read_at, min(known_bytes, MAX_INDEX_BYTES), size_bytes, _MAX_STEPS))
