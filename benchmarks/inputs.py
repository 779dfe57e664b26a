"""The files that are converted: made once, outside the repository (VIDEO2MP3_BENCH_DIR, else ~/.cache)."""

import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FOLDER = Path(os.environ.get("VIDEO2MP3_BENCH_DIR", Path.home() / ".cache" / "video2mp3-bench"))
RATE_HZ = 48000
LOOP_S = 120
_ROOM_BYTES = 6 * 10**9
"""For the largest input and the MP3 of it."""
_SECONDS = {"3s": 3, "10s": 10, "3min": 180, "10min": 600, "60min": 3600, "10h": 36_000}
Signal: TypeAlias = npt.NDArray[np.float64]


def talk(seconds: int) -> Signal:
    """A voice: harmonics of a wandering pitch in syllables and pauses, hiss, and a room's noise."""
    chance, t = np.random.default_rng(1), np.arange(seconds * RATE_HZ) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(4.4 * t) + 10 * np.sin(19.5 * t)) / RATE_HZ
    voice = sum(np.sin(k * phase + k) / k**1.2 * (1 + 0.5 * np.sin((8 + k) * t)) for k in range(1, 25))
    syllables = np.clip(np.sin(25.8 * t + np.sin(t)), 0, 1) ** 0.7 * (t % 7 < 5.5)
    hiss = 0.3 * chance.standard_normal(len(t)) * (np.sin(14.5 * t) > 0.8) * (t % 7 < 5.5)
    left = 0.15 * (0.5 * voice * syllables + hiss) + 0.001 * chance.standard_normal(len(t))
    return np.stack([left, 0.8 * np.roll(left, 11) + 0.002 * chance.standard_normal(len(t))], 1)


def music(seconds: int) -> Signal:
    """Decaying notes with overtones, a bass drum and cymbals."""
    chance, t = np.random.default_rng(2), np.arange(seconds * RATE_HZ) / RATE_HZ
    drum = np.exp(-(t * 2 % 1) * 18) * np.sin(173 * (t % 0.5))
    cymbals = np.exp(-(t * 4 % 1) * 25) * chance.standard_normal(len(t))
    sides = []
    for side in range(2):
        notes = np.zeros(len(t))
        for number, pitch in enumerate((110, 146.8, 164.8, 220, 261.6, 329.6, 392)):
            fading = np.exp(-((t * (0.5 + 0.11 * number) + 0.13 * number) % 1) * 3)
            for overtone in range(1, 7):
                notes += fading * np.sin(2 * np.pi * pitch * overtone * t * (1 + 0.0005 * side)) / overtone
        sides.append(0.09 * notes + 0.35 * drum + (0.07 + 0.05 * side) * cymbals)
    return np.stack(sides, 1)


def noise(seconds: int) -> Signal:
    """Applause: noise of its own in each channel, rising and falling, with claps."""
    chance, t = np.random.default_rng(3), np.arange(seconds * RATE_HZ) / RATE_HZ
    swell = 0.6 + 0.4 * np.sin(0.9 * t)
    claps = np.repeat(chance.exponential(1, len(t) // 480), 480)[: len(t)]
    return np.stack([0.05 * swell * claps * chance.standard_normal(len(t)) for _ in range(2)], 1)


def seconds(name: str) -> int:
    """Returns the length of the audio, by the file's name."""
    return _SECONDS[name.partition(".")[0].partition("-")[2]]


def ensure(name: str) -> Path:
    """Returns the file of that name, made now where it is not there yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    if not path.exists():
        if shutil.disk_usage(FOLDER).free < _ROOM_BYTES:
            sys.exit(f"There is less than {_ROOM_BYTES / 1e9:.0f} GB of room in {FOLDER}; see VIDEO2MP3_BENCH_DIR.")
        print(f"making {path} …", flush=True)
        unfinished = path.with_name(f"unfinished-{name}")
        _RECIPES[name](unfinished)
        unfinished.rename(path)
    return path


def _ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def _wav(make: Callable[[int], Signal]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(np.clip(np.round(make(LOOP_S) * 32767), -32768, 32767).astype("<i2").tobytes())

    return write


def _picture(path: Path) -> None:
    picture = f"testsrc2=size=640x360:rate=10:duration={LOOP_S}"
    _ffmpeg("-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "400k", path)


def _video(sound: str, *audio: str) -> Callable[[Path], None]:
    """Ten minutes with a picture."""

    def make(path: Path) -> None:
        loop = ("-stream_loop", "-1", "-i")
        _ffmpeg(*loop, ensure("picture.mp4"), *loop, ensure(sound), "-t", "600", "-c:v", "copy", *audio, path)

    return make


def _webm(path: Path) -> None:
    _ffmpeg("-stream_loop", "-1", "-i", ensure("talk.wav"), "-t", "600", "-c:a", "libopus", "-b:a", "96k", path)


def _copy(source: str, *arguments: str, loops: int = 0) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        _ffmpeg("-stream_loop", str(loops), "-i", ensure(source), *arguments, "-c", "copy", path)

    return make


def _large(path: Path) -> None:
    """1.5 GB in three minutes: what reading costs."""
    picture = "testsrc2=size=640x360:rate=18:duration=180,format=uyvy422"
    sound = ("-stream_loop", "-1", "-i", ensure("talk.wav"))
    _ffmpeg("-f", "lavfi", "-i", picture, *sound, "-t", "180", "-c:v", "rawvideo", "-c:a", "aac", path)


def _interleaved(path: Path) -> None:
    """Pictures of 40 kB, with the sound of each between them."""
    picture = f"testsrc2=size=640x360:rate=25:duration={LOOP_S},noise=alls=60:allf=t"
    codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "8M")
    sound = ("-c:a", "aac", "-b:a", "192k")
    _ffmpeg("-f", "lavfi", "-i", picture, "-i", ensure("talk.wav"), "-t", str(LOOP_S), *codecs, *sound, path)


_AAC = ("-c:a", "aac", "-b:a", "160k", "-movflags", "+faststart")
_FAST = ("-movflags", "+faststart")
_RECIPES: dict[str, Callable[[Path], None]] = {
    "talk.wav": _wav(talk),
    "music.wav": _wav(music),
    "noise.wav": _wav(noise),
    "picture.mp4": _picture,
    "talk-10min.mp4": _video("talk.wav", *_AAC),
    "music-10min.mp4": _video("music.wav", *_AAC),
    "noise-10min.mp4": _video("noise.wav", *_AAC),
    "talk-60min.mp4": _copy("talk-10min.mp4", *_FAST, loops=5),
    "music-60min.mp4": _copy("music-10min.mp4", *_FAST, loops=5),
    "noise-60min.mp4": _copy("noise-10min.mp4", *_FAST, loops=5),
    "talk-10h.mp4": _copy("talk-10min.mp4", *_FAST, loops=59),
    "music-3min.mp4": _copy("music-10min.mp4", *_FAST, "-t", "180"),
    "noise-3min.mp4": _copy("noise-10min.mp4", *_FAST, "-t", "180"),
    "opus-3min.webm": _copy("opus-10min.webm", "-t", "180"),
    "pcm-3min.mov": _copy("pcm-10min.mov", "-t", "180"),
    "talk-3min.mp4": _copy("talk-10min.mp4", *_FAST, "-t", "180"),
    "talk-3s.mp4": _copy("talk-10min.mp4", *_FAST, "-t", "3"),
    "talk-10s.mp4": _copy("talk-10min.mp4", *_FAST, "-t", "10"),
    "opus-10min.webm": _webm,
    "pcm-10min.mov": _video("music.wav", "-c:a", "pcm_s16le"),
    "large-3min.mov": _large,
    "interleaved.mp4": _interleaved,
    "interleaved-10min.mp4": _copy("interleaved.mp4", *_FAST, loops=4),
    "interleaved-10min.mkv": _copy("interleaved.mp4", loops=4),
}
