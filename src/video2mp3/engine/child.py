"""The program of the process that decodes and encodes: ``python -I -m video2mp3.engine.child``.

It reads one line of JSON from stdin, the job, and answers on the status descriptor with lines of JSON:
`{"progress": …}` while it runs and at last `{"report": …}`, `{"probe": …}` or `{"error": …}`. The parent
trusts none of it.
"""

import contextlib
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from video2mp3.engine.sandbox import confine

PROGRESS_INTERVAL_S = 0.2


def main() -> None:
    """Does the job on stdin."""
    job = json.loads(sys.stdin.buffer.readline())
    confine(job["limits"], job["parent_pid"])
    send = _sender(job["status"])
    try:
        send(_answer(job, send))
    except Exception as error:
        send({"error": _code_of(error), "detail": str(error)[:300]})


def _sender(descriptor: int) -> Callable[[Mapping[str, Any]], None]:
    def send(message: Mapping[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            data = json.dumps(message).encode() + b"\n"
            while data:
                data = data[os.write(descriptor, data) :]

    return send


def _answer(job: Mapping[str, Any], send: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    # after confine: what the libraries do while they load is confined too
    from video2mp3.engine.decode import Media
    from video2mp3.engine.source import SourceFile

    file = SourceFile(_read_at(job["source"]), job["source"]["size_bytes"])
    try:
        media = Media(file, job["source"]["size_bytes"])
        return {"probe": _probe(media)} if job["sink"] is None else {"report": _convert(media, job, send)}
    except MemoryError:
        raise
    except Exception:
        if file.failed:  # what became of the file then says nothing about it
            raise OSError("the source could not be read") from None
        raise


def _read_at(source: Mapping[str, Any]) -> Callable[[int, int], bytes]:
    from video2mp3.engine.source import RangeReader

    descriptor = source["descriptor"]
    if source["ranges"]:
        return RangeReader(socket.socket(fileno=descriptor), source["size_bytes"]).read_at
    return lambda offset_bytes, size_bytes: os.pread(descriptor, size_bytes, offset_bytes)


def _code_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "storage_full"
    return getattr(error, "code", "engine_error")


def _probe(media: Any) -> dict[str, Any]:
    return {
        "container": media.container,
        "tracks": [asdict(track) for track in media.tracks],
        "duration_s": media.duration_s,
        "chapters": media.chapters,
        "title": media.title,
        "has_video": media.has_video,
        "parts_left_out": media.parts_left_out,
    }


def _convert(media: Any, job: Mapping[str, Any], send: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    from video2mp3.engine.pipeline import Pipeline

    pipeline = Pipeline(media, job["sink"], job["options"], job["source"]["name"], job["limits"]["max_audio_s"])
    announced_s = 0.0
    for done_s in pipeline.run():
        if time.monotonic() - announced_s >= PROGRESS_INTERVAL_S:
            announced_s = time.monotonic()
            send({"progress": {"done_s": done_s, "total_s": pipeline.total_s}})
    return {**_probe(media), **pipeline.facts()}


if __name__ == "__main__":
    main()
