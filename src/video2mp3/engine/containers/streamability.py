"""Decides whether a file can be converted while it is received: the only parser of untrusted bytes outside the sandbox.

It walks the outermost structure in the first 256 KiB, in memory, with a bounded number of steps. If these bytes do not
suffice, the sandboxed child continues (see `source_inspection`). Sources: ISO/IEC 14496-12 §4.2 and §8 (MP4),
RFC 9559 (Matroska), RIFF, RFC 3533 (Ogg), ISO/IEC 13818-1 §2.4.3 (TS packets).
"""

import struct
from dataclasses import dataclass

from video2mp3.engine.containers import matroska, mp4, riff
from video2mp3.engine.containers.window import Malformed, Missing, Window
from video2mp3.engine.options import ResolvedOptions
from video2mp3.errors import BlockedReason

HEAD_BYTES = 256 * 1024
"""Maximum number of bytes inspected outside the sandbox."""
MAX_HEAD_STEPS = 500
MAX_INDEX_BYTES = 64 * 1024**2
"""If the index ends later, the conversion waits for the whole file."""
MAX_DURATION_S = 10**7
_LEAST_BYTES = 4096
_TS_PACKET_BYTES = 188


@dataclass(frozen=True)
class StreamInfo:
    """Whether and how a file can be converted while it is received."""

    blocked_reason: BlockedReason | None = None
    """Why the conversion needs the complete file; None if it does not."""
    duration_s: float | None = None
    """As the file claims."""
    sequential: bool = False
    """True if the file must be opened as not seekable, because the demuxer would otherwise read its end first."""


@dataclass(frozen=True)
class MoreNeeded:
    """The available bytes do not suffice for a decision."""

    needed_bytes: int
    """Bytes from the start of the file that the next inspection needs, at most `MAX_INDEX_BYTES`."""


def requires_full_input(options: ResolvedOptions) -> BlockedReason | None:
    """Returns why a conversion with these options starts only when the whole file is there; None: it can before."""
    if options.loudness_lufs is not None:
        return "loudness"
    if options.split == "silence":
        return "split_silence"
    if options.mixes_tracks:
        return "mix"
    return None if options.cover_at_s is None else "cover_at"


def inspect_head(head: bytes, size_bytes: int) -> StreamInfo | MoreNeeded:
    """Inspects the first bytes of a file. Raises nothing: malformed files are converted when complete.

    Args:
        head: the available first bytes; at most 256 KiB of them are inspected.
        size_bytes: the size of the complete file.
    """
    known_bytes = min(len(head), HEAD_BYTES)
    return inspect_window(Window(lambda at, size: head[at : at + size], known_bytes, size_bytes, MAX_HEAD_STEPS))


def inspect_window(window: Window) -> StreamInfo | MoreNeeded:
    """Inspects a window. Raises the errors of its reads, except `Malformed` and `Missing`."""
    try:
        return _by_kind(window)
    except Missing as missing:
        if missing.needed_bytes > MAX_INDEX_BYTES:
            return StreamInfo("mp4_index_at_end")
        return MoreNeeded(missing.needed_bytes)
    except Malformed:
        return StreamInfo("format_not_streamable")


def _by_kind(window: Window) -> StreamInfo:
    start = window.read_up_to(0, _LEAST_BYTES)
    if start[4:8] in mp4.TOP_LEVEL_KINDS:
        return _mp4(window)
    if start[:4] == matroska.SIGNATURE:
        return _matroska(window)
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return _wave(window)
    if start.startswith(b"OggS") and b"CHAPTER" in start.upper():  # the last of them ends with the file
        return StreamInfo("metadata_at_end")
    return StreamInfo(sequential=True) if _is_read_in_order(start) else StreamInfo("format_not_streamable")


def _is_read_in_order(start: bytes) -> bool:
    """Returns whether it is FLV, Ogg, AVI or MPEG-TS, which can be decoded without their end."""
    is_avi = start[:4] == b"RIFF" and start[8:12] == b"AVI "
    return is_avi or start.startswith((b"FLV", b"OggS")) or start[: 3 * _TS_PACKET_BYTES : _TS_PACKET_BYTES] == b"GGG"


# -- MP4 ----------------------------------------------------------------------------------------------


@dataclass
class _Index:
    duration_s: float | None = None
    fragmented: bool = False
    has_chapter_track: bool = False


def _mp4(window: Window) -> StreamInfo:
    index: _Index | None = None
    for box in mp4.boxes(window, 0, window.size_bytes):
        if box.kind == b"mdat":
            if index is None:
                return StreamInfo("mp4_index_at_end")
            return StreamInfo("metadata_at_end" if box.end < window.size_bytes else None, index.duration_s)
        if box.kind == b"moov":
            index = _mp4_index(window, box)
            if index.has_chapter_track:
                return StreamInfo("metadata_at_end")  # the chapter titles are interleaved with the audio
            if index.fragmented:
                return StreamInfo(duration_s=index.duration_s, sequential=True)
    raise Malformed


def _mp4_index(window: Window, moov: mp4.Box) -> _Index:
    if moov.end > window.size_bytes:
        raise Malformed
    found = _Index()
    try:
        for box in mp4.children(window, moov):
            if box.kind == b"mvhd":
                found.duration_s = _mp4_duration_s(window.read(box.body, min(32, box.end - box.body)))
            elif box.kind == b"trak":
                found.has_chapter_track |= _has_chapters(window, box)
            elif box.kind == b"cmov":  # a compressed index
                raise Malformed
            found.fragmented |= box.kind == b"mvex"
    except Missing:
        raise Missing(moov.end) from None
    return found


def _has_chapters(window: Window, track: mp4.Box) -> bool:
    references = (box for box in mp4.children(window, track) if box.kind == b"tref")
    return any(box.kind == b"chap" for reference in references for box in mp4.children(window, reference))


def _mp4_duration_s(header: bytes) -> float | None:
    scale_at, width = (20, 8) if header[:1] == b"\x01" else (12, 4)
    scale = int.from_bytes(header[scale_at : scale_at + 4], "big")
    duration = int.from_bytes(header[scale_at + 4 : scale_at + 4 + width], "big")
    return _seconds(duration / scale) if scale and duration < (1 << 8 * width) - 1 else None


# -- Matroska and WebM --------------------------------------------------------------------------------

_SEGMENT, _SEEK_HEAD, _INFO, _CLUSTER, _CUES = 0x18538067, 0x114D9B74, 0x1549A966, 0x1F43B675, 0x1C53BB6B
_SEEK, _SEEK_ID, _SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
_TIMESTAMP_SCALE, _DURATION = 0x2AD7B1, 0x4489
_DEFAULT_SCALE_NS = 1_000_000


def _matroska(window: Window) -> StreamInfo:
    segment = _segment(window)
    last_place = -1
    duration_s: float | None = None
    for element in matroska.elements(window, segment.body, window.size_bytes):
        if element.kind == _CLUSTER:
            behind = segment.body + last_place > element.body
            return StreamInfo("metadata_at_end" if behind else None, duration_s)
        if element.kind == _SEEK_HEAD:
            last_place = max(last_place, _last_place(window, element))
        elif element.kind == _INFO:
            duration_s = _matroska_duration_s(window, element)
    raise Malformed


def _segment(window: Window) -> matroska.Element:
    for element in matroska.elements(window, 0, window.size_bytes):
        if element.kind == _SEGMENT:
            return element
    raise Malformed


def _last_place(window: Window, seek_head: matroska.Element) -> int:
    """Returns the largest offset in the seek head, except for cues, from the segment's start; -1 if there is none."""
    last = -1
    for seek in matroska.children(window, seek_head):
        if seek.kind != _SEEK:
            continue
        found = _numbers(window, seek, (_SEEK_ID, _SEEK_POSITION))
        if int.from_bytes(found.get(_SEEK_ID, b""), "big") != _CUES:
            last = max(last, int.from_bytes(found.get(_SEEK_POSITION, b""), "big"))
    return last


def _numbers(window: Window, parent: matroska.Element, kinds: tuple[int, ...]) -> dict[int, bytes]:
    return {
        element.kind: matroska.value(window, element)
        for element in matroska.children(window, parent)
        if element.kind in kinds
    }


def _matroska_duration_s(window: Window, info: matroska.Element) -> float | None:
    found = _numbers(window, info, (_TIMESTAMP_SCALE, _DURATION))
    duration = found.get(_DURATION, b"")
    if len(duration) not in (4, 8):
        return None
    value: float = struct.unpack(">f" if len(duration) == 4 else ">d", duration)[0]
    return _seconds(value * (int.from_bytes(found.get(_TIMESTAMP_SCALE, b""), "big") or _DEFAULT_SCALE_NS) / 1e9)


# -- WAV ----------------------------------------------------------------------------------------------


def _wave(window: Window) -> StreamInfo:
    byte_rate = 0
    for chunk in riff.chunks(window):
        if chunk.kind == b"fmt ":
            byte_rate = int.from_bytes(window.read(chunk.body, 12)[8:], "little")
        if chunk.kind == b"data":
            more = 0 < chunk.size < riff.UNKNOWN_SIZE and chunk.end < window.size_bytes
            duration_s = _seconds((window.size_bytes - chunk.body) / byte_rate) if byte_rate else None
            return StreamInfo("metadata_at_end" if more else None, duration_s)
    raise Malformed


def _seconds(claimed_s: float) -> float | None:
    return claimed_s if 0 < claimed_s < MAX_DURATION_S else None
