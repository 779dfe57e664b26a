"""Decoding in this very process, with the engine's own decoder and neither sandbox nor pipeline around it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from av import AudioFrame

from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.source import SourceFile

Frames = Iterator[tuple[AudioFrame, int, float]]


@contextmanager
def decoded(path: Path) -> Iterator[Frames]:
    """Gives the frames of the first audio track, as `TrackDecoder.frames` does."""
    with path.open("rb") as file:
        size = path.stat().st_size
        media = Media(SourceFile(lambda offset, length: os.pread(file.fileno(), length, offset), size), size)
        yield media.decoder().frames()
        media.close()
