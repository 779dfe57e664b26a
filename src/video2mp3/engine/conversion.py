"""The engine's two calls: convert a source into an MP3, and look into one."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from video2mp3.engine.answers import (
    Fields,
    error_of,
    loudness_of,
    loudness_warnings,
    probe_of,
    progress_of,
    track_warnings,
    tracks_of,
)
from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.limits import Limits
from video2mp3.engine.mp3.check import CheckedMp3, check_mp3
from video2mp3.engine.options import Options
from video2mp3.engine.process import Child
from video2mp3.engine.report import Probe, Progress, Report
from video2mp3.engine.source import Source
from video2mp3.errors import EngineCrashed, EngineError, NotMedia, ResultCheckFailed, StorageFull

_NO_ROOM_BYTES = 16 * 1024**2


def convert(
    source: Source,
    sink: BinaryIO,
    options: Options = Options(),  # noqa: B008 frozen
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    limits: Limits = Limits(),  # noqa: B008 frozen
) -> Report:
    """Converts an audio track of `source`, in a process of its own, and checks the result.

    Args:
        source: the media.
        sink: a real, empty file; complete on return, garbage after an error (the caller deletes it).
        options: how the MP3 is to be made.
        on_progress: called from this thread, about five times a second while it goes on.
        should_stop: asked from this thread at least every 0.5 s; True ends the conversion.
        limits: what the conversion may use.

    Raises:
        MediaError: this file will not convert, now or later; see its subclasses.
        EngineError: the conversion failed; another try may help.
        Canceled: `should_stop` returned True.
        Unavailable, NotFound: what the source raised.
        StorageFull: there is no room for the MP3.
    """
    _refuse_empty(source)
    sink.flush()
    answer = None
    with Child(source, sink.fileno(), options.resolved(), limits) as child:
        for message in child.messages(should_stop):
            if "progress" in message:
                progress = progress_of(message["progress"])
                if on_progress is not None:
                    on_progress(progress)
            elif "error" in message:
                _check_room(message.get("error"), sink.fileno())
                raise error_of(message)
            else:
                answer = message.get("report")
    if answer is None:
        raise EngineCrashed
    fields = Fields(answer)
    if fields.count("size_bytes") < os.fstat(sink.fileno()).st_size:  # an earlier try at the same was longer
        os.ftruncate(sink.fileno(), fields.count("size_bytes"))
    sink.seek(0, os.SEEK_END)
    return _report(fields, _checked(fields, sink.fileno()), options)


def probe(
    source: Source,
    options: Options = Options(),  # noqa: B008 frozen
    *,
    limits: Limits = Limits(),  # noqa: B008 frozen
) -> Probe:
    """Returns what is in `source`, without decoding it; its estimates are for these options.

    Raises:
        NotMedia: it is not a media file.
        EngineError: the process that looked into it failed.
        Unavailable, NotFound: what the source raised.
    """
    _refuse_empty(source)
    with Child(source, None, {}, limits) as child:
        for message in child.messages():
            if "error" in message:
                raise error_of(message)
            if "probe" in message:
                return probe_of(message["probe"], options.resolved(), limits.threads or available_cpus())
    raise EngineCrashed


def _refuse_empty(source: Source) -> None:
    if source.size_bytes == 0:
        raise NotMedia("The file is empty.")


def _check_room(code: object, sink: int) -> None:
    """Lets the child say that the disk is full only where that is so: such a job is tried for ever."""
    if code == StorageFull.code:
        room = os.fstatvfs(sink)
        if room.f_bavail * room.f_frsize > _NO_ROOM_BYTES:
            raise EngineError


def _checked(fields: Fields, sink: int) -> CheckedMp3:
    promised = [fields.count(name) for name in ("frames", "samples", "mp3_sample_rate_hz", "mp3_channels")]
    with _readable(sink) as descriptor:
        try:
            mp3 = check_mp3(descriptor)
        except ValueError as error:
            raise ResultCheckFailed from error
    if promised != [mp3.frames, mp3.samples, mp3.sample_rate_hz, mp3.channels]:
        raise ResultCheckFailed
    return mp3


@contextlib.contextmanager
def _readable(sink: int) -> Iterator[int]:
    """Gives a descriptor to read the sink with, which may be open for writing only."""
    if fcntl.fcntl(sink, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
        yield sink
        return
    descriptor = os.open(f"/proc/self/fd/{sink}", os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _report(fields: Fields, mp3: CheckedMp3, options: Options) -> Report:
    mode = {name: fields.count_or_none(name) for name in ("bitrate_kbps", "vbr_quality", "average_kbps")}
    damaged_packets, truncated = fields.count("damaged_packets"), fields.truth("truncated")
    warnings = [*track_warnings(fields, options.track)]
    if damaged_packets:
        warnings.append(f"The file is damaged: {damaged_packets} packets of audio could not be decoded.")
    if truncated:
        warnings.append("The file ends too early: it was cut short, and so is the MP3.")
    return Report(
        container=fields.text("container"),
        tracks=tracks_of(fields),
        track=fields.count("track"),
        codec=fields.text("codec"),
        sample_rate_hz=fields.count("sample_rate_hz"),
        channels=fields.count("channels"),
        samples_in=fields.count("samples_in"),
        mp3_sample_rate_hz=mp3.sample_rate_hz,
        mp3_channels=mp3.channels,
        samples=mp3.samples,
        duration_s=mp3.samples / mp3.sample_rate_hz,
        frames=mp3.frames,
        size_bytes=mp3.size_bytes,
        sha256=mp3.sha256,
        title=fields.text_or_none("title"),
        damaged_packets=damaged_packets,
        silenced_samples=fields.count("silenced_samples"),
        truncated=truncated,
        loudness=loudness_of(fields),
        encoder={**mode, "quality": fields.count("quality")},
        decode_s=fields.seconds("decode_s"),
        encode_s=fields.seconds("encode_s"),
        warnings=(*warnings, *loudness_warnings(fields, options.resolved().get("loudness_lufs"))),
    )
