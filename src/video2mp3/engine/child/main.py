"""The program of a process that was forked for one job: it decodes and encodes.

The process reads one line of JSON from its socket, the job, and writes lines of JSON: `{"progress": …}` while it runs,
`{"segment": …}` for each MP3, and finally `{"report": …}`, `{"plan": …}`, `{"probe": …}`, `{"waveform": …}`,
`{"stream": …}`, `{"extract": …}` or `{"error": …}`. The parent trusts none of it.
"""

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from video2mp3.engine.child import sandbox_checks
from video2mp3.engine.child.audio.parallel import EncoderPool
from video2mp3.engine.child.audio.waveform import measure
from video2mp3.engine.child.conversion.all_tracks import AllTracks
from video2mp3.engine.child.conversion.conversion_job import ConversionJob, Converter
from video2mp3.engine.child.conversion.mix_conversion import MixConversion
from video2mp3.engine.child.conversion.normalize import NormalizingPipeline
from video2mp3.engine.child.conversion.pipeline import Pipeline
from video2mp3.engine.child.conversion.planning import PlanningPass
from video2mp3.engine.child.conversion.stream_copy import StreamCopy
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.metadata.tags import tags_for
from video2mp3.engine.child.pictures.cover import front_cover, with_cover_picture
from video2mp3.engine.child.refusals.soundless import better_reason
from video2mp3.engine.containers.mp4_audio import find_audio
from video2mp3.engine.containers.mp4_edits import replaced_empty_edits
from video2mp3.engine.containers.mp4_pictures import shortened_picture_indexes
from video2mp3.engine.containers.source_inspection import inspect_source
from video2mp3.engine.containers.streamability import StreamInfo
from video2mp3.engine.mp4_extract import messages as extract_messages
from video2mp3.engine.options import ResolvedOptions
from video2mp3.engine.sandbox import confine
from video2mp3.engine.source import RangeReader, SourceFile
from video2mp3.errors import CorruptAudio, EmptyAudio, EncryptedAudio, MediaError, NoAudio, UndecodableAudio

PROGRESS_INTERVAL_S = 0.2
_PICTURE_S = 1e-6
"""Progress per decoded video frame, so that the search for the cover counts as progress."""
_CHAPTER_TITLES = 280_000
"""Characters of all titles together, which fit into one message; of 4000 chapters each has 70."""
Send = Callable[[Mapping[str, Any]], None]


def do_job(zygote_pid: int, descriptors: Sequence[int]) -> None:
    """Does one job and ends the process.

    Args:
        zygote_pid: the parent process; this process ends with it.
        descriptors: the job's socket, the source and, for a conversion, the sink.
    """
    confine.separate(zygote_pid, descriptors)
    connection = socket.socket(fileno=descriptors[0])
    line = _read_line(connection)
    if line:  # otherwise the parent has canceled the job
        _run(json.loads(line), connection, descriptors[1:], zygote_pid)
    os._exit(0)  # the kernel releases all resources


def _run(job: Mapping[str, Any], connection: socket.socket, descriptors: Sequence[int], zygote_pid: int) -> None:
    def send(message: Mapping[str, Any]) -> None:
        try:
            connection.sendall(json.dumps(message).encode() + b"\n")
        except BrokenPipeError:  # the parent has ended, or has canceled the job
            os._exit(1)

    try:
        send(_answer(job, descriptors, zygote_pid, send))
    except Exception as error:
        send({"error": _code_of(error), "detail": str(error)[:300]})


def _answer(job: Mapping[str, Any], descriptors: Sequence[int], zygote_pid: int, send: Send) -> dict[str, Any]:
    guarded = job.get("guarded", True)
    guards = confine.guards()
    file = _source_file(job, descriptors[0]) if descriptors else None
    limited = confine.confine(job["limits"], job["threads"], guarded=guarded)
    pool = EncoderPool(job["threads"])  # not closed: the process ends with the job, even if an encoder hangs
    limited = confine.limit_memory(job["limits"], job["threads"]) and limited
    if guarded:
        confine.seal()
    if file is None:
        return {"self_test": guards | {"limits": limited, "threads": sandbox_checks.try_all(pool, zygote_pid)}}
    return answer(job, file, descriptors[1] if len(descriptors) > 1 else None, pool, send)


def _read_line(connection: socket.socket) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        received = connection.recv(65536)
        if not received:
            return b""
        line += received
    return bytes(line)


def answer(job: Mapping[str, Any], file: SourceFile, sink: int | None, pool: EncoderPool, send: Send) -> dict[str, Any]:
    """Does the job and returns the final message; sends progress."""
    size_bytes = job["source"]["size_bytes"]

    def open_media() -> Media:
        file.seek(0)
        return Media(file, size_bytes)

    try:
        if structural := _structure(job, file, send):
            return structural
        media = open_media()
        if job["task"] == "waveform":
            frames = media.decoder(media.find_track(None)).frames()
            return {"waveform": measure(frames, job["limits"]["max_audio_s"], _ProgressReporter(send).report)}
        if sink is None:  # the task is `probe`
            return {"probe": _probe(media, job) | {"no_sound": _why_no_sound(media, file, size_bytes)}}
        if job["task"] == "plan":
            return {"plan": _plan(media, open_media, job, sink, pool, send)}
        return {"report": _convert(media, open_media, job, sink, pool, send)}
    except MemoryError:
        raise
    except Exception as error:
        if file.failed:  # then the error says nothing about the file
            raise OSError("the source could not be read") from None
        if isinstance(error, MediaError) and type(error) in (
            NoAudio,
            EmptyAudio,
            CorruptAudio,
            EncryptedAudio,
            UndecodableAudio,
        ):
            raise better_reason(error, file.look_at, size_bytes) from error
        raise


def _structure(job: Mapping[str, Any], file: SourceFile, send: Send) -> dict[str, Any] | None:
    """Walks the file's container without libavformat; returns the final message if the job needs nothing else."""
    size_bytes = job["source"]["size_bytes"]
    if job["task"] == "extract":
        *pieces, last = extract_messages(find_audio(file.look_at, size_bytes))
        for piece in pieces:
            send(piece)
        return last
    if job["task"] == "stream":
        return {"stream": asdict(inspect_source(file.look_at, size_bytes, job["full_size_bytes"]))}
    if job["source"].get("growing"):
        info = inspect_source(file.look_at, size_bytes, size_bytes)
        file.sequential = isinstance(info, StreamInfo) and info.sequential
    elif job.get("options", {}).get("cover_at_s") is None:
        file.replaced = shortened_picture_indexes(file.look_at, size_bytes)
    file.replaced = [*file.replaced, *replaced_empty_edits(file.look_at, size_bytes)]
    return None


def _source_file(job: Mapping[str, Any], descriptor: int) -> SourceFile:
    source = job["source"]
    if source["ranges"]:
        reader = RangeReader(socket.socket(fileno=descriptor), source["size_bytes"])
        # The file is remote: read the index in few requests, and as little as possible of the rest.
        return SourceFile(reader.read_range if job["task"] == "extract" else reader.read_at, source["size_bytes"])

    def read_at(offset_bytes: int, size_bytes: int) -> bytes:
        return os.pread(descriptor, size_bytes, offset_bytes)

    def prefetch(offset_bytes: int, size_bytes: int) -> None:
        if sys.platform != "linux":
            return
        with contextlib.suppress(OSError):  # a file system that takes no advice: the file is read without
            os.posix_fadvise(descriptor, offset_bytes, size_bytes, os.POSIX_FADV_WILLNEED)

    return SourceFile(read_at, source["size_bytes"], prefetch)


def _code_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "storage_full"
    return getattr(error, "code", "engine_error")


def _probe(media: Media, job: Mapping[str, Any]) -> dict[str, Any]:
    options = ResolvedOptions.from_json(job["options"])
    cover, unusable_picture = front_cover(options, media)
    return {
        **_describe(media),
        "tags": tags_for(options, media.tags, job["source"]["name"]).by_name,
        "cover": cover[0] if cover else None,
        "unusable_picture": unusable_picture,
        "cut_short": media.is_cut_short,
    }


def _why_no_sound(media: Media, file: SourceFile, size_bytes: int) -> str | None:
    """Returns what a conversion will say about a file that has no audio, or none with a decoder."""
    if any(track.decodable for track in media.tracks):
        return None
    error = UndecodableAudio() if media.tracks else NoAudio()
    return str(better_reason(error, file.look_at, size_bytes))[:300]


def _describe(media: Media) -> dict[str, Any]:
    """Returns what the head of the file says: the end of an upload may still be on its way."""
    longest_title = _CHAPTER_TITLES // max(len(media.chapters), 1)
    return {
        "container": media.container,
        "tracks": [asdict(track) for track in media.tracks],
        "default_track": media.default_track + 1,
        "empty_tracks": media.empty_tracks,
        "duration_s": media.duration_s,
        "chapters": [{**asdict(chapter), "title": (chapter.title or "")[:longest_title]} for chapter in media.chapters],
        "chapters_left_out": media.chapters_left_out,
        "title": media.title,
        "has_video": media.has_video,
        "dependent_streams": media.dependent_streams,
    }


class _ProgressReporter:
    """Returns how far the work is, a few times in a second."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._reported_s = 0.0

    def report(self, done_s: float, total_s: float | None = None) -> None:
        if time.monotonic() - self._reported_s >= PROGRESS_INTERVAL_S:
            self._reported_s = time.monotonic()
            self._send({"progress": {"done_s": done_s, "total_s": total_s}})


def _convert(
    media: Media, reopen: Callable[[], Media], job: Mapping[str, Any], sink: int, pool: EncoderPool, send: Send
) -> dict[str, Any]:
    reporter = _ProgressReporter(send)
    asked = ResolvedOptions.from_json(job["options"])
    options = with_cover_picture(asked, reopen, lambda pictures: reporter.report(pictures * _PICTURE_S))
    if options.cover_at_s is not None:  # the search for the cover moved the file's position
        media.close()
        media = reopen()
    one = ConversionJob(reopen, sink, options, job["source"]["name"], job["limits"]["max_audio_s"], pool)
    converter = _converter(media, one, _one_track)
    _send_all(converter, reporter, send)
    return {**_describe(media), **converter.facts()}


def _plan(
    media: Media, reopen: Callable[[], Media], job: Mapping[str, Any], sink: int, pool: EncoderPool, send: Send
) -> bool:
    """Sends the segments that a conversion would make; the sink takes what a copy writes."""
    options = ResolvedOptions.from_json(job["options"])
    one = ConversionJob(reopen, sink, options, job["source"]["name"], job["limits"]["max_audio_s"], pool)
    _send_all(_converter(media, one, _plan_one_track), _ProgressReporter(send), send)
    return True


def _send_all(converter: Converter, reporter: _ProgressReporter, send: Send) -> None:
    """Sends the progress of a conversion or its plan, and then the segments."""
    for done_s in converter.run():
        reporter.report(done_s, converter.total_s)
    for segment in converter.segments():
        send({"segment": segment})


def _converter(media: Media, job: ConversionJob, one_track: Callable[[Media, ConversionJob], Converter]) -> Converter:
    if job.options.all_tracks:
        return AllTracks(media, job, one_track)
    return MixConversion(media, job, one_track) if job.options.mixes_tracks else one_track(media, job)


def _plan_one_track(media: Media, job: ConversionJob) -> Converter:
    return StreamCopy(media, job) if job.options.copy else PlanningPass(media, job)


def _one_track(media: Media, job: ConversionJob) -> Converter:
    if job.options.copy:
        return StreamCopy(media, job)
    return Pipeline(media, job) if job.options.loudness_lufs is None else NormalizingPipeline(media, job)
