"""Short videos, and what each becomes when nothing disturbs its conversion."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tests.media import make_video
from video2mp3.engine import convert
from video2mp3.engine.source import FileSource


@dataclass(frozen=True)
class Clip:
    """A video, with the SHA-256 of its MP3: a conversion is deterministic."""

    name: str
    content: bytes
    mp3_sha256: str


def make_clips(folder: Path, *seconds: float) -> list[Clip]:
    """Makes one clip of each length, and converts it once, here."""
    return [_make_clip(folder, length) for length in seconds]


def _make_clip(folder: Path, seconds: float) -> Clip:
    video = make_video(folder / f"clip-{seconds:g}.mp4", seconds)
    mp3 = folder / f"clip-{seconds:g}.mp3"
    with FileSource(video) as source, mp3.open("xb+") as sink:
        report = convert(source, sink)
    digest = hashlib.sha256(mp3.read_bytes()).hexdigest()
    assert digest == report.sha256
    return Clip(video.name, video.read_bytes(), digest)
