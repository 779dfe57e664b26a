"""Conversions of files, and what independent programs say of them."""

import array
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.engine.decoders import pcm_by_ffmpeg
from tests.servers import require_program
from video2mp3.engine import FileSource, Options, Report, convert


def converted(path: Path, target: Path, **options: Any) -> Report:
    """Converts with options by name."""
    with FileSource(path) as source, target.open("wb") as sink:
        return convert(source, sink, Options.from_dict(options))


def values(path: Path) -> "array.array[int]":
    """What ffmpeg decodes: 16-bit samples, the channels interleaved."""
    return array.array("h", pcm_by_ffmpeg(path))


def loudness_of(part: "array.array[int]") -> float:
    """The root of the mean square."""
    return float((sum(v * v for v in part) / max(len(part), 1)) ** 0.5)


def by_ffprobe(path: Path) -> dict[str, Any]:
    """The audio stream as ffprobe sees it, and the container's bit rate as `container_bit_rate`."""
    command = [require_program("ffprobe"), "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    audio = next(stream for stream in found["streams"] if stream["codec_type"] == "audio")
    return {**audio, "container_bit_rate": int(found["format"]["bit_rate"])}


def make(path: Path, *arguments: str) -> Path:
    """Makes a file with ffmpeg."""
    subprocess.run([require_program("ffmpeg"), "-v", "error", "-y", *arguments, str(path)], check=True)
    return path
