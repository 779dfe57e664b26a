"""The sound of an MP4 without its video: which bytes of a file hold it, and the smaller file that they make.

The index (`moov`) stays as it is, byte for byte, except that tracks of other kinds are called `free`, and that the
places of the chunks are written anew. So a decoder sees the same sound, tags and chapters. Source: ISO/IEC
14496-12, §8.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

Read = Callable[[int, int], bytes]
"""Takes an offset and a size; returns so many bytes, fewer only at the end of the file."""

# Some hours have less; a larger one would take much memory here.
_MAX_INDEX_BYTES = 8 * 1024**2
_MAX_SAMPLES = 2 * 1024**2
_MAX_BOXES = 64
_MAX_SIZE_BYTES = 2**32 - 1
# A chapter's title is in a track of text.
_KEPT_HANDLERS = (b"soun", b"text")
# Boxes beside the index that hold nothing of it. With any other (fragments, say) the whole file is needed.
_PASSED_OVER = (b"mdat", b"free", b"skip", b"wide")
_MDAT_HEAD = struct.Struct(">I4sQ")


@dataclass(frozen=True)
class Mp4Sound:
    """What to read of an MP4, and what to write."""

    head: bytes
    """The new file's beginning: all but the samples."""
    ranges: tuple[tuple[int, int], ...]
    """Offset and size of each piece of the old file; they follow the head in this order, which is their old one."""

    @property
    def size_bytes(self) -> int:
        """Of the new file."""
        return len(self.head) + sum(size for _, size in self.ranges)


class _Unfit(Exception):
    """A file that is no such MP4, or a damaged one: for the decoder, as it is."""


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


def find_sound(read: Read, size_bytes: int) -> Mp4Sound | None:
    """Reads the index of a file of that size; None when only the whole file will do. The file is untrusted."""
    try:
        type_box, index = _top_level(read, size_bytes)
        return _without_video(type_box, bytearray(index), size_bytes)
    except (_Unfit, struct.error, IndexError):
        return None


def _top_level(read: Read, size_bytes: int) -> tuple[bytes, bytes]:
    """Returns the boxes `ftyp` and `moov`; of all others only the heads are read."""
    found: dict[bytes, bytes] = {}
    offset = 0
    for _ in range(_MAX_BOXES):
        if offset == size_bytes:
            break
        box = _box(read(offset, 16), 0, size_bytes - offset)
        if box.kind in (b"ftyp", b"moov") and box.kind not in found and box.end <= _MAX_INDEX_BYTES:
            found[box.kind] = read(offset, box.end)
        elif box.kind not in _PASSED_OVER:
            raise _Unfit
        offset += box.end
    if offset != size_bytes or len(found) != 2:
        raise _Unfit
    return found[b"ftyp"], found[b"moov"]


def _without_video(type_box: bytes, index: bytearray, size_bytes: int) -> Mp4Sound:
    places: list[tuple[int, struct.Struct, list[int], list[int]]] = []
    for box in _children(index, _box(index, 0, len(index))):
        if box.kind == b"trak":
            media = _child(index, box, b"mdia")
            handler = _child(index, media, b"hdlr").body + 8
            kind = bytes(index[handler : handler + 4])
            if kind in _KEPT_HANDLERS:
                # In QuickTime's own files the one size of all samples of sound is not always in bytes.
                sized = kind != b"soun" or type_box[8:12] != b"qt  "
                places.append(_chunks(index, media, one_size_allowed=sized))
            else:
                index[box.start + 4 : box.start + 8] = b"free"
        elif box.kind in (b"mvex", b"cmov"):  # fragments, a compressed index
            raise _Unfit
    chunks = sorted({chunk for _, _, offsets, sizes in places for chunk in zip(offsets, sizes, strict=True)})
    before = [0, *accumulate(size for _, size in chunks)]
    base = len(type_box) + len(index) + _MDAT_HEAD.size
    if not chunks or base + before[-1] > _MAX_SIZE_BYTES:
        raise _Unfit
    ends_before = [*(offset for offset, _ in chunks[1:]), size_bytes]
    if any(offset + size > end for (offset, size), end in zip(chunks, ends_before, strict=True)):
        raise _Unfit
    moved = {chunk: base + start for chunk, start in zip(chunks, before, strict=False)}
    for table, number, offsets, sizes in places:
        for position, chunk in enumerate(zip(offsets, sizes, strict=True)):
            number.pack_into(index, table + position * number.size, moved[chunk])
    mdat = _MDAT_HEAD.pack(1, b"mdat", _MDAT_HEAD.size + before[-1])
    return Mp4Sound(type_box + bytes(index) + mdat, tuple(chunks))


def _chunks(
    index: bytearray, media: _Box, *, one_size_allowed: bool
) -> tuple[int, struct.Struct, list[int], list[int]]:
    """Returns of a track where the table of its chunks' offsets begins, how these are written, offsets and sizes."""
    information = _child(index, media, b"minf")
    samples = _child(index, information, b"stbl")
    boxes = {box.kind: box for box in _children(index, samples)}
    if b"stsz" not in boxes or b"stsc" not in boxes or not boxes.keys() & {b"stco", b"co64"}:
        raise _Unfit
    references = _child(index, _child(index, information, b"dinf"), b"dref")
    # One reference, whose flag says: in this file.
    if bytes(index[references.body + 4 : references.body + 8]) != b"\0\0\0\1" or not index[references.body + 19] & 1:
        raise _Unfit
    number = struct.Struct(">Q" if b"co64" in boxes else ">I")
    places = boxes.get(b"co64") or boxes[b"stco"]
    offsets = [offset for (offset,) in _table(index, places, 4, number)]
    one_size, samples_count = struct.unpack_from(">II", index, boxes[b"stsz"].body + 4)
    if one_size and (not one_size_allowed or samples_count > _MAX_SAMPLES):
        raise _Unfit
    if one_size:
        sizes = [one_size] * samples_count
    else:
        sizes = [size for (size,) in _table(index, boxes[b"stsz"], 8, struct.Struct(">I"))]
    return places.body + 8, number, offsets, _chunk_sizes(index, boxes[b"stsc"], sizes, len(offsets))


def _chunk_sizes(index: bytearray, box: _Box, sample_sizes: list[int], chunks: int) -> list[int]:
    runs = [(first, number) for first, number, _ in _table(index, box, 4, struct.Struct(">III"))]
    starts = [first for first, _ in runs]
    if not runs or starts != sorted(set(starts)) or starts[0] != 1 or starts[-1] > max(1, chunks):
        raise _Unfit
    sizes: list[int] = []
    sample = 0
    for (first, number), end in zip(runs, [*starts[1:], chunks + 1], strict=True):
        for _ in range(first, end):
            sizes.append(sum(sample_sizes[sample : sample + number]))
            sample += number
    if sample != len(sample_sizes):
        raise _Unfit
    return sizes


def _table(index: bytearray, box: _Box, skipped: int, entry: struct.Struct) -> Iterator[tuple[int, ...]]:
    """Yields the entries of a table that begins with version, flags and so many bytes, the last four its length."""
    (length,) = struct.unpack_from(">I", index, box.body + skipped)
    start = box.body + skipped + 4
    if start + length * entry.size > box.end:
        raise _Unfit
    return entry.iter_unpack(index[start : start + length * entry.size])


def _child(index: bytearray, parent: _Box, kind: bytes) -> _Box:
    found = [box for box in _children(index, parent) if box.kind == kind]
    if len(found) != 1:
        raise _Unfit
    return found[0]


def _children(index: bytearray, parent: _Box) -> Iterator[_Box]:
    start = parent.body
    while start < parent.end:
        box = _box(index[start : start + 16], start, parent.end)
        yield box
        start = box.end


def _box(head: bytes | bytearray, start: int, limit: int) -> _Box:
    """Reads a box's head, which is at `start`; it may reach up to `limit`."""
    size, kind = struct.unpack_from(">I4s", head)
    head_size = 8
    if size == 1:
        (size,) = struct.unpack_from(">Q", head, 8)
        head_size = 16
    elif size == 0:  # up to the end
        size = limit - start
    if size < head_size or start + size > limit:
        raise _Unfit
    return _Box(kind, start, start + head_size, start + size)
