"""The audio of an MP4 without its video: which bytes of a file hold it, and the smaller file that they make.

Runs in the sandboxed child only: the index is parsed by ranges, wherever it is, and may be some megabytes.

The index (`moov`) stays as it is, byte for byte, except that tracks of other kinds are called `free`, and that the
places of the chunks are written again. So a decoder sees the same audio, tags and chapters. Source: ISO/IEC
14496-12, §8.
"""

import struct
from collections.abc import Iterator
from itertools import accumulate

from video2mp3.engine.containers import mp4
from video2mp3.engine.containers.mp4 import Box
from video2mp3.engine.containers.window import Malformed, ReadAt, Window
from video2mp3.engine.mp4_extract import MAX_INDEX_BYTES, MAX_RANGES, MAX_TYPE_BYTES, Mp4Extract

_MAX_SAMPLES = 2 * 1024**2
_MAX_BOXES = 64
_MAX_INDEX_BOXES = 10_000
_MOST_BYTES = {b"ftyp": MAX_TYPE_BYTES, b"moov": MAX_INDEX_BYTES}
_MAX_SIZE_BYTES = 2**32 - 1
# A chapter's title is in a track of text.
_KEPT_HANDLERS = (b"soun", b"text")
# Boxes that hold no part of the index. With any other box, such as a fragment, the whole file is needed.
_PASSED_OVER = (b"mdat", b"free", b"skip", b"wide")
_MDAT_HEAD = struct.Struct(">I4sQ")
_LATE_S = 9
"""Where all sound starts this late, the video's start may be the zero of the file's clock, which is 10 s at most."""


def find_audio(read_at: ReadAt, size_bytes: int) -> Mp4Extract | None:
    """Reads the index of an MP4; returns None if the whole file is needed. Raises the errors of `read_at`."""
    try:
        type_box, index = _top_level(Window(read_at, size_bytes, size_bytes, 2 * _MAX_BOXES))
        return _without_video(type_box, bytearray(index), size_bytes)
    except (Malformed, struct.error, IndexError):
        return None


def _top_level(window: Window) -> tuple[bytes, bytes]:
    """Returns the boxes `ftyp` and `moov`; reads only the headers of all others."""
    found: dict[bytes, bytes] = {}
    for box in mp4.boxes(window, 0, window.size_bytes):
        size = box.end - box.start
        if box.kind in _MOST_BYTES and box.kind not in found and size <= _MOST_BYTES[box.kind]:
            found[box.kind] = window.read(box.start, size)
        elif box.kind not in _PASSED_OVER or box.end > window.size_bytes:
            raise Malformed
    if len(found) != len(_MOST_BYTES):
        raise Malformed
    return found[b"ftyp"], found[b"moov"]


def _without_video(type_box: bytes, index: bytearray, size_bytes: int) -> Mp4Extract:
    places: list[tuple[int, struct.Struct, list[int], list[int]]] = []
    starts: list[int] = []
    time_scale = 0
    for box in _boxes(index, mp4.box_in(index, 0, len(index))):
        if box.kind == b"mvhd":
            (time_scale,) = struct.unpack_from(">I", index, box.body + (20 if index[box.body] == 1 else 12))
        elif box.kind == b"trak":
            media = _child(index, box, b"mdia")
            handler = _child(index, media, b"hdlr").body + 8
            kind = bytes(index[handler : handler + 4])
            if kind == b"soun":
                starts.append(_empty_edits(index, box))
            if kind in _KEPT_HANDLERS:
                # In QuickTime files, the common size of all audio samples is not always in bytes.
                sized = kind != b"soun" or type_box[8:12] != b"qt  "
                places.append(_chunks(index, media, one_size_allowed=sized))
            else:
                index[box.start + 4 : box.start + 8] = b"free"
        elif box.kind in (b"mvex", b"cmov"):  # fragments, a compressed index
            raise Malformed
    if not starts or min(starts) > _LATE_S * time_scale:
        raise Malformed
    chunks = sorted({chunk for _, _, offsets, sizes in places for chunk in zip(offsets, sizes, strict=True)})
    before = [0, *accumulate(size for _, size in chunks)]
    base = len(type_box) + len(index) + _MDAT_HEAD.size
    if not before[-1] or len(chunks) > MAX_RANGES or base + before[-1] > _MAX_SIZE_BYTES:
        raise Malformed
    ends_before = [*(offset for offset, _ in chunks[1:]), size_bytes]
    if any(offset + size > end for (offset, size), end in zip(chunks, ends_before, strict=True)):
        raise Malformed
    moved = {chunk: base + start for chunk, start in zip(chunks, before, strict=False)}
    for table, number, offsets, sizes in places:
        for position, chunk in enumerate(zip(offsets, sizes, strict=True)):
            number.pack_into(index, table + position * number.size, moved[chunk])
    mdat = _MDAT_HEAD.pack(1, b"mdat", _MDAT_HEAD.size + before[-1])
    return Mp4Extract(type_box + bytes(index) + mdat, tuple(chunk for chunk in chunks if chunk[1]))


def _empty_edits(index: bytearray, track: Box) -> int:
    """Returns how long after the movie's start the edit list lets a track start, in units of the movie."""
    length = 0
    for edits in (box for box in _boxes(index, track) if box.kind == b"edts"):
        edit_list = _child(index, edits, b"elst")
        entry = struct.Struct(">QqI" if index[edit_list.body] == 1 else ">IiI")
        for duration, media_time, _ in _table(index, edit_list, 4, entry):
            if media_time != -1:
                break
            length += duration
    return length


def _chunks(index: bytearray, media: Box, *, one_size_allowed: bool) -> tuple[int, struct.Struct, list[int], list[int]]:
    """Returns the position of a track's chunk offset table, the format of its entries, the offsets and the sizes."""
    information = _child(index, media, b"minf")
    samples = _child(index, information, b"stbl")
    boxes = {box.kind: box for box in _boxes(index, samples)}
    if b"stsz" not in boxes or b"stsc" not in boxes or not boxes.keys() & {b"stco", b"co64"}:
        raise Malformed
    references = _child(index, _child(index, information, b"dinf"), b"dref")
    # One reference, whose flag says: in this file.
    if bytes(index[references.body + 4 : references.body + 8]) != b"\0\0\0\1" or not index[references.body + 19] & 1:
        raise Malformed
    number = struct.Struct(">Q" if b"co64" in boxes else ">I")
    places = boxes.get(b"co64") or boxes[b"stco"]
    offsets = [offset for (offset,) in _table(index, places, 4, number)]
    one_size, samples_count = struct.unpack_from(">II", index, boxes[b"stsz"].body + 4)
    if one_size and (not one_size_allowed or samples_count > _MAX_SAMPLES):
        raise Malformed
    if one_size:
        sizes = [one_size] * samples_count
    else:
        sizes = [size for (size,) in _table(index, boxes[b"stsz"], 8, struct.Struct(">I"))]
    return places.body + 8, number, offsets, _chunk_sizes(index, boxes[b"stsc"], sizes, len(offsets))


def _chunk_sizes(index: bytearray, box: Box, sample_sizes: list[int], chunks: int) -> list[int]:
    runs = [(first, number) for first, number, _ in _table(index, box, 4, struct.Struct(">III"))]
    starts = [first for first, _ in runs]
    if not runs or starts != sorted(set(starts)) or starts[0] != 1 or starts[-1] > max(1, chunks):
        raise Malformed
    sizes: list[int] = []
    sample = 0
    for (first, number), end in zip(runs, [*starts[1:], chunks + 1], strict=True):
        for _ in range(first, end):
            sizes.append(sum(sample_sizes[sample : sample + number]))
            sample += number
    if sample != len(sample_sizes):
        raise Malformed
    return sizes


def _table(index: bytearray, box: Box, skipped: int, entry: struct.Struct) -> Iterator[tuple[int, ...]]:
    """Yields the entries of a table. Version, flags, `skipped` bytes and the length of four bytes precede them."""
    (length,) = struct.unpack_from(">I", index, box.body + skipped)
    start = box.body + skipped + 4
    if start + length * entry.size > box.end:
        raise Malformed
    return entry.iter_unpack(index[start : start + length * entry.size])


def _child(index: bytearray, parent: Box, kind: bytes) -> Box:
    found = [box for box in _boxes(index, parent) if box.kind == kind]
    if len(found) != 1:
        raise Malformed
    return found[0]


def _boxes(index: bytearray, parent: Box) -> Iterator[Box]:
    window = Window(lambda at, size: bytes(index[at : at + size]), len(index), len(index), _MAX_INDEX_BOXES)
    return mp4.children(window, parent)
