"""Those who convert. Each is a command, so that starting counts for all."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg

Command = Callable[[Path, Path], list[str]]


def ours(*mode: str, threads: int | None = None) -> Command:
    """video2mp3 on its command line."""
    program = str(Path(sys.executable).with_name("video2mp3"))
    chosen = [*mode, "--threads", str(threads)] if threads else list(mode)
    return lambda source, target: [program, "convert", str(source), "--output", str(target), "--force", *chosen]


def ours_only(flag: str) -> Command:
    """video2mp3 with a flag that converts nothing."""
    return lambda *_: [str(Path(sys.executable).with_name("video2mp3")), flag]


def debian_ffmpeg(*mode: str) -> Command:
    """The system's ffmpeg."""
    return _ffmpeg(shutil.which("ffmpeg") or "ffmpeg", *mode)


def wheel_ffmpeg(*mode: str) -> Command:
    """The ffmpeg of the imageio-ffmpeg wheel."""
    return _ffmpeg(imageio_ffmpeg.get_ffmpeg_exe(), *mode)


def _ffmpeg(program: str, *mode: str) -> Command:
    command = [program, "-v", "error", "-nostdin", "-y", "-i"]
    return lambda source, target: [*command, str(source), "-vn", "-c:a", "libmp3lame", *mode, str(target)]


_PYAV = """
import sys, av
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w") as target:
    sound = source.streams.audio[0]
    stream = target.add_stream("libmp3lame", rate=sound.rate)
    stream.bit_rate = 192000
    resampler = av.AudioResampler(stream.format, stream.layout, sound.rate, 1152)
    for frame in source.decode(sound):
        for part in resampler.resample(frame):
            target.mux(stream.encode(part))
    for part in resampler.resample(None):
        target.mux(stream.encode(part))
    target.mux(stream.encode(None))
"""


def pyav() -> Command:
    """PyAV's own encoder, as its documentation shows it."""
    return lambda source, target: [sys.executable, "-c", _PYAV, str(source), str(target)]


_MOVIEPY = """
import sys
from moviepy import VideoFileClip
with VideoFileClip(sys.argv[1]) as clip:
    clip.audio.write_audiofile(sys.argv[2], bitrate="192k", logger=None)
"""


def moviepy() -> Command:
    """The library that the first version of this service used."""
    return lambda source, target: [sys.executable, "-c", _MOVIEPY, str(source), str(target)]
