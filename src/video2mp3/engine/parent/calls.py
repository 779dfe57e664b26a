"""The engine's public functions: convert, probe and measure a source. A sandboxed child does all parsing."""

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from video2mp3.engine.containers.streamability import MoreNeeded, StreamInfo
from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.limits import Limits
from video2mp3.engine.mp3.check import CheckedMp3, check_mp3
from video2mp3.engine.mp4_extract import Mp4Extract, ReceivedExtract
from video2mp3.engine.options import MAX_SEGMENTS, Options, ResolvedOptions
from video2mp3.engine.parent.child_messages import (
    ReportedSegment,
    error_of,
    file_warnings,
    loudness_of,
    loudness_warnings,
    probe_of,
    progress_of,
    segment_of,
    stream_of,
    timeline_of,
    timeline_warnings,
    tracks_of,
    waveform_of,
)
from video2mp3.engine.parent.fields import Fields
from video2mp3.engine.parent.process import Child
from video2mp3.engine.report import MAX_CHAPTERS, PlannedSegment, Probe, Progress, Report, Segment, Waveform
from video2mp3.engine.source import Source
from video2mp3.engine.stages import Stages
from video2mp3.errors import (
    EngineCrashed,
    EngineError,
    InvalidOption,
    ResultCheckFailed,
    StorageFull,
    UnsupportedFormat,
)

_OPTIONS, _LIMITS = Options(), Limits()
_NO_ROOM_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class VerifiedSink:
    """The verified MP3s in the sink."""

    reported: Sequence[ReportedSegment]
    mp3s: Sequence[CheckedMp3]
    sha256: str
    """SHA-256 of the whole sink."""

    def segments(self) -> tuple[Segment, ...]:
        """Returns the segments for the report."""
        return tuple(
            Segment(
                offset_bytes=segment.offset_bytes,
                size_bytes=mp3.size_bytes,
                sha256=mp3.sha256,
                track=segment.track,
                start_s=segment.start_s,
                samples=mp3.samples,
                duration_s=mp3.samples / mp3.sample_rate_hz,
                title=segment.title,
                waveform=segment.waveform,
            )
            for segment, mp3 in zip(self.reported, self.mp3s, strict=True)
        )


def convert(
    source: Source,
    sink: BinaryIO,
    options: Options | ResolvedOptions = _OPTIONS,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_stage: Callable[[str], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    limits: Limits = _LIMITS,
) -> Report:
    """Converts audio of `source`, in a separate process, and checks the result.

    Args:
        source: the media.
        sink: an empty file; complete on return, invalid after an error (the caller deletes it). Several MP3s follow
            each other without gaps; `Report.segments` has their offsets.
        options: the conversion options.
        on_progress: called from this thread, about five times a second, and at the end with 100 %.
        on_stage: called from this thread when a stage begins: `open` (the child starts and opens the source),
            `transcode` (the child decodes and encodes), `check` (this process verifies the result).
        should_stop: called from this thread at least every 0.5 s; True cancels the conversion.
        limits: limits of the conversion.

    Raises:
        MediaError: this file cannot be converted; see the subclasses.
        EngineError: the conversion failed; a retry may succeed.
        Canceled: `should_stop` returned True.
        Unavailable, NotFound: the source raised it.
        StorageFull: the disk has no room for the MP3.
    """
    _refuse_empty(source)
    sink.flush()
    resolved = _resolved(options)
    answer = None
    reported: list[ReportedSegment] = []
    with Stages(on_stage) as stages:
        with Child(source, sink.fileno(), {"task": "convert", "options": resolved.as_json()}, limits) as child:
            for message in child.messages(should_stop):
                if "error" in message:
                    _check_room(message.get("error"), sink.fileno())
                    raise error_of(message)
                stages.begin("transcode")
                if "progress" in message:
                    progress = progress_of(message["progress"])
                    if on_progress is not None:
                        on_progress(progress)
                elif "segment" in message:
                    reported.append(segment_of(message["segment"]))
                    if len(reported) > MAX_SEGMENTS:
                        raise EngineCrashed
                else:
                    answer = message.get("report")
        stages.begin("check")
        if answer is None:
            raise EngineCrashed
        fields = Fields(answer)
        size_bytes = sum(segment.size_bytes for segment in reported)
        if size_bytes < os.fstat(sink.fileno()).st_size:  # an earlier pass wrote more
            os.ftruncate(sink.fileno(), size_bytes)
        sink.seek(0, os.SEEK_END)
        report = _report(fields, _verified_sink(reported, sink.fileno()), resolved)
    if on_progress is not None:
        on_progress(Progress(report.duration_s, report.duration_s, is_finished=True))
    return report


def probe(source: Source, options: Options | ResolvedOptions = _OPTIONS, *, limits: Limits = _LIMITS) -> Probe:
    """Returns the contents of `source` without decoding it, with estimates for the given options.

    Raises:
        UnsupportedFormat: it is not a media file.
        EngineError: the child failed.
        Unavailable, NotFound: the source raised it.
    """
    _refuse_empty(source)
    threads = limits.threads or available_cpus()
    resolved = _resolved(options)
    wanted = replace(resolved, cover_picture=None)  # it says nothing about the source, and is large
    found = _ask("probe", source, limits, options=wanted.as_json())
    return probe_of(found, resolved, threads, source.size_bytes)


def plan_split(
    source: Source, options: Options | ResolvedOptions, *, limits: Limits = _LIMITS
) -> tuple[PlannedSegment, ...]:
    """Returns the segments that `convert` would make with these options, to the sample; the audio is decoded for that.

    Raises:
        InvalidOption: the options have no `split`.
        MediaError: this file cannot be converted so; see the subclasses.
        EngineError: the child failed or exceeded its limits.
        Unavailable, NotFound: the source raised it.
    """
    _refuse_empty(source)
    resolved = _resolved(options)
    if resolved.split is None:
        raise InvalidOption("split: must say where to split.")
    # What cannot move a cut, and takes time.
    wanted = replace(resolved, cover="none", cover_at_s=None, cover_picture=None, loudness_lufs=None)
    reported: list[ReportedSegment] = []
    with (
        Path(os.devnull).open("r+b", buffering=0) as sink,
        Child(source, sink.fileno(), {"task": "plan", "options": wanted.as_json()}, limits) as child,
    ):
        for message in child.messages():
            if "error" in message:
                raise error_of(message)
            if "segment" in message:
                reported.append(segment_of(message["segment"]))
                if len(reported) > MAX_SEGMENTS:
                    raise EngineCrashed
            if "plan" in message and reported:
                return tuple(map(_planned, reported))
    raise EngineCrashed


def _planned(segment: ReportedSegment) -> PlannedSegment:
    if not segment.sample_rate_hz:
        raise EngineCrashed
    return PlannedSegment(segment.track, segment.start_s, segment.samples / segment.sample_rate_hz, segment.title)


def waveform(source: Source, *, limits: Limits = _LIMITS) -> Waveform:
    """Returns how loud the first audio track of `source` is from its start to its end; it is decoded for that.

    Raises:
        MediaError: the audio cannot be decoded.
        EngineError: the child failed or exceeded its limits.
        Unavailable, NotFound: the source raised it.
    """
    _refuse_empty(source)
    return waveform_of(_ask("waveform", source, limits))


def inspect_stream(source: Source, full_size_bytes: int, *, limits: Limits = _LIMITS) -> StreamInfo | MoreNeeded:
    """Returns whether a file can be converted while it is received, or how many bytes are needed to decide.

    Args:
        source: the first bytes of the file.
        full_size_bytes: the size of the complete file.
        limits: limits of the child.

    Raises:
        EngineError: the child failed.
        Unavailable, NotFound: the source raised it.
    """
    return stream_of(_ask("stream", source, limits, full_size_bytes=full_size_bytes))


def find_mp4_audio(
    source: Source, *, should_stop: Callable[[], bool] | None = None, limits: Limits = _LIMITS
) -> Mp4Extract | None:
    """Returns which bytes of an MP4 are its audio, without reading its video; None if the whole file is needed.

    One thread at a time reads the source. After the return, at most one pending read finishes.

    Raises:
        EngineError: the child failed.
        Canceled: `should_stop` returned True.
        Video2mp3Error: the source raised it.
    """
    received = ReceivedExtract(source.size_bytes)
    with Child(source, None, {"task": "extract"}, limits) as child:
        for message in child.messages(should_stop):
            if "error" in message:
                raise error_of(message)
            received.take(message)
            if "extract" in message:
                return received.finish() if message["extract"] is True else None
    raise EngineCrashed


def _resolved(options: Options | ResolvedOptions) -> ResolvedOptions:
    return options.resolved() if isinstance(options, Options) else options


def _ask(task: str, source: Source, limits: Limits, **needs: Any) -> object:
    """Runs a child and returns its message for `task`. Raises the error that the child reports, or EngineCrashed."""
    with Child(source, None, {"task": task, **needs}, limits) as child:
        for message in child.messages():
            if "error" in message:
                raise error_of(message)
            if task in message:
                return message[task]
    raise EngineCrashed


def _refuse_empty(source: Source) -> None:
    if source.size_bytes == 0:
        raise UnsupportedFormat("The file is empty (0 bytes); check that it was copied whole.")


def _check_room(code: object, sink: int) -> None:
    """Accepts the child's report of a full disk only if it is true, because such jobs are retried without limit."""
    if code == StorageFull.code:
        room = os.fstatvfs(sink)
        if room.f_bavail * room.f_frsize > _NO_ROOM_BYTES:
            raise EngineError


def _verified_sink(reported: Sequence[ReportedSegment], sink: int) -> VerifiedSink:
    if not reported:
        raise EngineCrashed
    mp3s, offset_bytes = [], 0
    with _readable(sink) as descriptor:
        for segment in reported:
            if segment.offset_bytes != offset_bytes:
                raise ResultCheckFailed
            mp3s.append(_verified_segment(segment, descriptor))
            offset_bytes += segment.size_bytes
        sha256 = mp3s[0].sha256 if len(mp3s) == 1 else _sha256(descriptor)
    return VerifiedSink(reported, mp3s, sha256)


def _verified_segment(segment: ReportedSegment, descriptor: int) -> CheckedMp3:
    try:
        mp3 = check_mp3(descriptor, segment.offset_bytes, segment.size_bytes)
    except ValueError as error:
        raise ResultCheckFailed from error
    declared = [segment.frames, segment.samples, segment.sample_rate_hz, segment.channels]
    if declared != [mp3.frames, mp3.samples, mp3.sample_rate_hz, mp3.channels]:
        raise ResultCheckFailed
    return mp3


def _sha256(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _readable(sink: int) -> Iterator[int]:
    """Yields a descriptor for reading the sink. On Linux, the sink may be open only for writing.

    Raises:
        OSError: the sink is open only for writing, and the system cannot open it again.
    """
    if fcntl.fcntl(sink, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
        yield sink
        return
    try:
        descriptor = os.open(f"/proc/self/fd/{sink}", os.O_RDONLY)
    except FileNotFoundError:
        raise OSError(errno.EBADF, 'the sink cannot be read; open it for reading and writing, as in "w+b"') from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _report(fields: Fields, sink: VerifiedSink, options: ResolvedOptions) -> Report:
    segments = sink.segments()
    mode = {name: fields.optional_int_field(name) for name in ("bitrate_kbps", "vbr_quality", "average_kbps")}
    damaged_packets, truncated = fields.int_field("damaged_packets"), fields.bool_field("truncated")
    warnings = [*file_warnings(fields, options.track)]
    if left_out := fields.int_list_field("tracks_left_out"):
        numbers = ", ".join(map(str, left_out))
        warnings.append(f"Audio tracks that gave nothing are left out: {numbers}.")
    has_chapters = options.own_chapters is not None or fields.list_field("chapters", MAX_CHAPTERS)
    if options.split == "chapters" and not has_chapters:
        warnings.append("The file has no chapters to split it by.")
    if damaged_packets:
        warnings.append(f"The file is damaged: {damaged_packets} packets of audio could not be decoded.")
    if fields.optional_bool_field("canceled_in_mono"):
        warnings.append(
            "The left and right channels cancel each other out in mono, so the MP3 is much quieter than the source. "
            "Convert one of them alone, with channels left or right (--channels left)."
        )
    if truncated:
        warnings.append("The file ends too early: it was cut short, and so is the MP3.")
    duration_s = sum(segment.duration_s for segment in segments)
    if (fades_s := options.fade_in_s + options.fade_out_s) > duration_s:
        warnings.append(
            f"The fades take {fades_s:g} s, but the MP3 only {duration_s:.1f} s; shorter ones sound better."
        )
    return Report(
        container=fields.str_field("container"),
        tracks=tracks_of(fields),
        track=fields.int_field("track"),
        mixed_tracks=fields.int_list_field("tracks_mixed"),
        codec=fields.str_field("codec"),
        sample_rate_hz=fields.rate_field("sample_rate_hz"),
        channels=fields.int_field("channels"),
        samples_in=fields.int_field("samples_in"),
        mp3_sample_rate_hz=sink.mp3s[0].sample_rate_hz,
        mp3_channels=sink.mp3s[0].channels,
        samples=sum(segment.samples for segment in segments),
        duration_s=duration_s,
        frames=sum(mp3.frames for mp3 in sink.mp3s),
        size_bytes=sum(segment.size_bytes for segment in segments),
        sha256=sink.sha256,
        title=fields.optional_str_field("title"),
        segments=segments,
        damaged_packets=damaged_packets,
        silenced_samples=fields.int_field("silenced_samples"),
        timeline=timeline_of(fields),
        truncated=truncated,
        loudness=loudness_of(fields),
        encoder={**mode, "quality": fields.optional_int_field("quality")},
        decode_s=fields.seconds_field("decode_s"),
        encode_s=fields.seconds_field("encode_s"),
        warnings=(*warnings, *timeline_warnings(fields, options), *loudness_warnings(fields, options.loudness_lufs)),
    )
