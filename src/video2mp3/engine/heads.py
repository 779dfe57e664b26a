"""Which files can be converted while they are still coming, told from their first bytes.

Only the outermost structure is looked at. Sources: ISO/IEC 14496-12 §4.2 and §8 (boxes), RFC 9559 (Matroska), RIFF, RFC
3533 (Ogg), ISO/IEC 13818-1 §2.4.3 (TS packets).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from video2mp3.engine.extent import ReadAt

MAX_DURATION_S = 10**7
MAX_HEAD_BYTES = 64 * 1024**2
"""An index that is larger is waited for with all the rest."""
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT, _SEEK_HEAD, _INFO, _CLUSTER = 0x18538067, 0x114D9B74, 0x1549A966, 0x1F43B675
_SEEK, _SEEK_ID, _SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
_TIMESTAMP_SCALE, _DURATION = 0x2AD7B1, 0x4489
_CUES = 0x1C53BB6B
_TS_PACKET_BYTES = 188
_BOXES = (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip")
_UNKNOWN_RIFF_SIZE = 0x7FFF0000

_INDEX_AT_END = "the index of this MP4 (moov) is at its end"
_MORE_BEHIND = "tags or chapters may be at the end of this file"
_OTHER_KIND = "files of this kind are read as a whole"


@dataclass(frozen=True)
class Head:
    """What the first bytes of a file tell."""

    waits_for_end: str | None = None
    """Why it cannot be converted before its last byte; None where it can."""
    duration_s: float | None = None
    sequential: bool = False
    """It has to be read without seeking: a demuxer that can seek would look at its end first."""


def needs_end(options: Mapping[str, Any]) -> str | None:
    """Returns why a conversion with these options begins only when all of the file is there; None where it need not."""
    if options.get("loudness_lufs") is not None:
        return "the loudness of all of it is measured first"
    if options.get("split") == "silence":
        return "silences are looked for in all of it"
    if options.get("cover_at_s") is not None:
        return "the cover is a picture from the middle of the video"
    return None


def head_of(read_at: ReadAt, known_bytes: int, size_bytes: int) -> Head | None:
    """Returns what a file's first bytes tell; None where they are too few yet.

    Args:
        read_at: as `Source.read_at`; asked for the first `known_bytes` only.
        known_bytes: how many there are.
        size_bytes: how many there will be.
    """
    head = read_at(0, min(known_bytes, 4096))
    if len(head) < min(4096, size_bytes):
        return None
    if head[4:8] in _BOXES:
        found = _mp4(read_at, known_bytes, size_bytes)
    elif head[:4] == _EBML:
        found = _matroska(read_at(0, min(known_bytes, 1024**2)))
    elif head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        found = _wave(head, size_bytes)
    else:
        return Head(sequential=True) if _is_read_in_order(head) else Head(_OTHER_KIND)
    return Head(_INDEX_AT_END) if found is None and known_bytes > MAX_HEAD_BYTES else found


def _is_read_in_order(head: bytes) -> bool:
    """Says whether it is FLV, Ogg, AVI or MPEG-TS: what is at their ends is not needed to decode them."""
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return is_avi or head.startswith((b"FLV", b"OggS")) or head[: 3 * _TS_PACKET_BYTES : _TS_PACKET_BYTES] == b"GGG"


# -- MP4 ----------------------------------------------------------------------------------------------


def _mp4(read_at: ReadAt, known_bytes: int, size_bytes: int) -> Head | None:
    place, index = 0, b""
    while place + 16 <= known_bytes:
        header = read_at(place, 16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        size = int.from_bytes(header[8:16], "big") if size == 1 else size or size_bytes - place
        if size < 8:
            return Head(_OTHER_KIND)
        if kind == b"mdat":
            if not index:
                return Head(_INDEX_AT_END)
            return Head(_MORE_BEHIND if place + size < size_bytes else None, _mp4_duration_s(index))
        if kind == b"moov":
            if place + size > known_bytes:
                return None
            index = read_at(place, size)
            if b"chap" in index:
                return Head(_MORE_BEHIND)  # the chapters' titles are among the sound
            if b"mvex" in index:
                return Head(duration_s=_mp4_duration_s(index), sequential=True)
        place += size
    return None if place < size_bytes else Head(_OTHER_KIND)


def _mp4_duration_s(index: bytes) -> float | None:
    at = index.find(b"mvhd") + 4
    wide = index[at : at + 1] == b"\x01"
    scale_at, width = (at + 20, 8) if wide else (at + 12, 4)
    scale = int.from_bytes(index[scale_at : scale_at + 4], "big")
    duration = int.from_bytes(index[scale_at + 4 : scale_at + 4 + width], "big")
    return duration / scale if at >= 4 and scale and 0 < duration < (1 << 8 * width) - 1 else None


# -- Matroska and WebM --------------------------------------------------------------------------------


def _matroska(head: bytes) -> Head | None:
    places: list[tuple[int, int]] = []
    duration_s: float | None = None
    top = next((element for element in _elements(head, 0, len(head)) if element[0] == _SEGMENT), None)
    if top is None:
        return None
    for kind, start, end in _elements(head, top[1], len(head)):
        if kind == _CLUSTER:
            behind = any(kind != _CUES and top[1] + place > start for kind, place in places)
            return Head(_MORE_BEHIND if behind else None, duration_s)
        if end > len(head):
            return None
        if kind == _SEEK_HEAD:
            places += _seek_places(head, start, end)
        elif kind == _INFO:
            duration_s = _matroska_duration_s(head, start, end)
    return None


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yields the elements there: their ids, and where their contents begin and end (those of unknown size: never)."""
    while start < end and data[start]:
        width = 9 - data[start].bit_length()
        kind = int.from_bytes(data[start : start + width], "big")
        start += width
        if start >= end or not data[start]:
            return
        width = 9 - data[start].bit_length()
        size = int.from_bytes(data[start : start + width], "big") & (1 << 7 * width) - 1
        start += width
        content_end = start + size if size != (1 << 7 * width) - 1 else 1 << 63
        yield kind, start, content_end
        start = content_end


def _seek_places(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    for kind, seek_start, seek_end in _elements(data, start, end):
        if kind == _SEEK:
            found = {kind: data[first:last] for kind, first, last in _elements(data, seek_start, seek_end)}
            target = int.from_bytes(found.get(_SEEK_ID, b""), "big")
            yield target, int.from_bytes(found.get(_SEEK_POSITION, b""), "big")


def _matroska_duration_s(data: bytes, start: int, end: int) -> float | None:
    found = {kind: data[first:last] for kind, first, last in _elements(data, start, end)}
    duration = found.get(_DURATION, b"")
    if len(duration) not in (4, 8):
        return None
    value: float = struct.unpack(">f" if len(duration) == 4 else ">d", duration)[0]
    scale = int.from_bytes(found.get(_TIMESTAMP_SCALE, b""), "big") or 1_000_000
    seconds = value * scale / 1e9
    return seconds if 0 < seconds < MAX_DURATION_S else None


# -- WAV ----------------------------------------------------------------------------------------------


def _wave(head: bytes, size_bytes: int) -> Head:
    place, byte_rate = 12, 0
    while place + 8 <= len(head):
        kind, size = head[place : place + 4], int.from_bytes(head[place + 4 : place + 8], "little")
        if kind == b"fmt ":
            byte_rate = int.from_bytes(head[place + 16 : place + 20], "little")
        if kind == b"data":
            ends = 0 < size < _UNKNOWN_RIFF_SIZE and place + 8 + size + size % 2 < size_bytes
            return Head(_MORE_BEHIND if ends else None, (size_bytes - place) / byte_rate if byte_rate else None)
        place += 8 + size + size % 2
    return Head(_OTHER_KIND)
