"""Work that the zygote does once for all forks, some of which a sealed process could not do.

It covers modules that are imported on first use, the codecs' tables, and the time zone file.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import struct
import sys
import tempfile
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from av import CodecContext, FFmpegError, VideoFrame

from video2mp3.engine.child.audio.parallel import EncoderPool
from video2mp3.engine.child.main import answer
from video2mp3.engine.child.pictures.jpeg import jpeg_of
from video2mp3.engine.limits import Limits
from video2mp3.engine.options import Options
from video2mp3.engine.source import SourceFile

_IMPORTED_LATE = (
    "av.subtitles.codeccontext",
    "av.subtitles.stream",
    "encodings.latin_1",
    "encodings.utf_16",
    "encodings.utf_16_le",
)
_COMMON_DECODERS = ("aac", "opus", "vorbis", "mp3float", "ac3", "flac")
_SAMPLES = 4410
_M_ARENA_MAX = -8
"""Source: glibc's malloc.h."""
_THREAD_END_TIMEOUT_S = 5.0
_TASKS = Path("/proc/self/task")


def warm_up() -> None:
    """Warms up. Leaves no thread running, because a fork copies only the forking thread.

    Raises:
        RuntimeError: another thread still runs.
    """
    _share_arenas()
    time.localtime()
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    for name in _COMMON_DECODERS:
        with contextlib.suppress(
            FFmpegError
        ):  # some decoders need a header, and fail after their tables are initialized
            CodecContext.create(name, "r").open()
    picture = jpeg_of(VideoFrame(64, 36, "yuv420p"), Fraction(1))
    with contextlib.closing(_Scratch()) as sink, EncoderPool(1) as pool:
        for sound in (_wav(44100), _wav(96000), _wav(0), b"no media"):
            with contextlib.suppress(Exception):
                _convert(sound, sink.descriptor, pool)
        options = Options(loudness_lufs=-23, fade_in_s=0.1, fade_out_s=0.1, cover_picture=picture)
        _convert(_wav(44100), sink.descriptor, pool, options)
    _require_one_thread()
    gc.collect()
    _return_freed_memory()


def _return_freed_memory() -> None:
    """Returns what the warm-up has freed to the system: 3 MiB, which each fork would share."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if sys.platform == "linux" and trim is not None:
        trim(0)


def _share_arenas() -> None:
    """Limits glibc to two arenas; otherwise it reserves 64 MiB of address space per thread."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


class _Scratch:
    """An anonymous empty file."""

    def __init__(self) -> None:
        if sys.platform == "linux" and hasattr(os, "memfd_create"):
            self.descriptor = os.memfd_create("warm-up")
        else:
            with tempfile.TemporaryFile() as file:
                self.descriptor = os.dup(file.fileno())

    def close(self) -> None:
        os.close(self.descriptor)


def _convert(sound: bytes, sink: int, pool: EncoderPool, options: Options = Options()) -> None:  # noqa: B008 frozen
    def read_at(offset_bytes: int, size_bytes: int) -> bytes:
        return sound[offset_bytes : offset_bytes + size_bytes]

    def ignore(message: Mapping[str, Any]) -> None:
        json.dumps(message)

    job = {
        "source": {"name": "warm-up", "size_bytes": len(sound)},
        "task": "convert",
        "options": options.resolved().as_json(),
        "limits": Limits().as_dict(),
    }
    ignore(answer(job, SourceFile(read_at, len(sound)), None, pool, ignore))
    ignore(answer(job, SourceFile(read_at, len(sound)), sink, pool, ignore))


def _wav(sample_rate_hz: int) -> bytes:
    pcm = bytes(2 * _SAMPLES)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate_hz, 2 * sample_rate_hz, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", len(head + pcm) + 12, b"WAVE")
        + head
        + struct.pack("<4sI", b"data", len(pcm))
        + pcm
    )


def _require_one_thread() -> None:
    """Waits until no other thread runs: a joined thread may still be ending."""
    deadline_s = time.monotonic() + _THREAD_END_TIMEOUT_S
    while _TASKS.exists() and len(list(_TASKS.iterdir())) > 1:
        if time.monotonic() > deadline_s:
            raise RuntimeError("a thread still runs after the warm-up; a fork would not have it")
        time.sleep(0.001)
