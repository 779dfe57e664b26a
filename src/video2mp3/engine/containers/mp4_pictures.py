"""Shortens the index of an MP4's pictures, of which a conversion of its sound needs none. Runs in the child only.

libavformat's index of ten hours of pictures takes 70 MiB. The beginning remains, so that it finds the same codec, start
and length. Sources: ISO/IEC 14496-12 §8.7.3.2 (`stsz`), §8.7.4 (`stsc`), §8.7.5 (`stco`, `co64`).
"""

import struct
from collections.abc import Iterator

from video2mp3.engine.containers import mp4
from video2mp3.engine.containers.mp4 import Box
from video2mp3.engine.containers.window import Malformed, ReadAt, Window

KEPT_PICTURES = 4096
"""Shorter indexes stay as they are."""
_MAX_STEPS = 4000
_COUNT = struct.Struct(">I")
_RUN = struct.Struct(">III")
"""Of `stsc`: the first chunk, the samples in each chunk from there on, the description."""
_FLAGS_BYTES = 4
_COMMON_SIZE_BYTES = 4
_HANDLER_AT = 8
_VIDEO = b"vide"


def shortened_picture_indexes(read_at: ReadAt, size_bytes: int) -> list[tuple[int, bytes]]:
    """Returns the bytes to replace, each with its offset, if the file is an MP4. Raises the errors of `read_at`."""
    window = Window(read_at, size_bytes, size_bytes, _MAX_STEPS)
    try:
        if window.read_up_to(0, mp4.MAX_HEADER_BYTES)[4:8] not in mp4.TOP_LEVEL_KINDS:
            return []
        index = next(box for box in mp4.boxes(window, 0, size_bytes) if box.kind == b"moov")
        return list(_replaced(window, index))
    except (Malformed, StopIteration):
        return []


def _replaced(window: Window, index: Box) -> Iterator[tuple[int, bytes]]:
    for track in mp4.children(window, index):
        if track.kind != b"trak":
            continue
        media = _child(window, track, b"mdia")
        handler = _child(window, media, b"hdlr")
        if window.read(handler.body + _HANDLER_AT, len(_VIDEO)) != _VIDEO:
            continue
        yield from _shortened(window, _child(window, _child(window, media, b"minf"), b"stbl"))


def _shortened(window: Window, table: Box) -> Iterator[tuple[int, bytes]]:
    """Yields smaller numbers of samples and chunks: libavformat ignores the edit list if they do not fit together."""
    boxes = {box.kind: box for box in mp4.children(window, table)}
    places = boxes.get(b"stco") or boxes.get(b"co64")
    if places is None or b"stsz" not in boxes or b"stsc" not in boxes:
        raise Malformed
    samples_at = boxes[b"stsz"].body + _FLAGS_BYTES + _COMMON_SIZE_BYTES
    chunks_at = places.body + _FLAGS_BYTES
    samples, chunks = _kept(window, boxes[b"stsc"], _number(window, chunks_at))
    if KEPT_PICTURES <= samples < _number(window, samples_at):
        yield samples_at, _COUNT.pack(samples)
        yield chunks_at, _COUNT.pack(chunks)


def _kept(window: Window, box: Box, all_chunks: int) -> tuple[int, int]:
    """Returns how many samples and chunks there are up to the end of the chunk with the last picture that is kept."""
    samples = chunks = 0
    number = min(_number(window, box.body + _FLAGS_BYTES), KEPT_PICTURES)
    runs = [*_RUN.iter_unpack(window.read(box.body + _FLAGS_BYTES + _COUNT.size, number * _RUN.size))]
    if not runs:
        raise Malformed
    for (first, per_chunk, _), (end, *_) in zip(runs, [*runs[1:], (all_chunks + 1,)], strict=True):
        if first != chunks + 1 or end <= first or not per_chunk:
            raise Malformed
        wanted = min(-(-(KEPT_PICTURES - samples) // per_chunk), end - first)
        samples += wanted * per_chunk
        chunks += wanted
        if samples >= KEPT_PICTURES:
            break
    return samples, chunks


def _number(window: Window, offset_bytes: int) -> int:
    (number,) = _COUNT.unpack(window.read(offset_bytes, _COUNT.size))
    return int(number)


def _child(window: Window, parent: Box, kind: bytes) -> Box:
    for box in mp4.children(window, parent):
        if box.kind == kind:
            return box
    raise Malformed
