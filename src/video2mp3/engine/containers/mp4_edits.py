"""Finds the empty edits in the middle of an MP4's edit lists. Runs in the sandboxed child only.

libavformat plays the start of the track again for them, as for ordinary edits. Source: ISO/IEC 14496-12 §8.6.6.
"""

import struct
from collections.abc import Iterator

from video2mp3.engine.containers import mp4
from video2mp3.engine.containers.window import Malformed, ReadAt, Window

_MAX_STEPS = 20_000
_MAX_EDITS = 10_000
_EMPTY = -1
_WITHOUT_SAMPLES = {0: struct.pack(">i", 2**31 - 1), 1: struct.pack(">q", 2**62)}
"""A time after the last sample, by the version of the list."""


def replaced_empty_edits(read_at: ReadAt, size_bytes: int) -> list[tuple[int, bytes]]:
    """Returns edit lists whose empty edits have no samples, each with the offset in the file.

    Raises the errors of `read_at`.
    """
    window = Window(read_at, size_bytes, size_bytes, _MAX_STEPS)
    try:
        if window.read_up_to(0, mp4.MAX_HEADER_BYTES)[4:8] not in mp4.TOP_LEVEL_KINDS:
            return []
        return [one for edit_list in _edit_lists(window) for one in _replaced(window, edit_list)]
    except Malformed:
        return []


def _edit_lists(window: Window) -> Iterator[mp4.Box]:
    for moov in mp4.boxes(window, 0, window.size_bytes):
        if moov.kind != b"moov":
            continue
        for track in _children(window, moov, b"trak"):
            for edits in _children(window, track, b"edts"):
                yield from _children(window, edits, b"elst")
        return


def _children(window: Window, parent: mp4.Box, kind: bytes) -> Iterator[mp4.Box]:
    return (box for box in mp4.children(window, parent) if box.kind == kind)


def _replaced(window: Window, edit_list: mp4.Box) -> Iterator[tuple[int, bytes]]:
    version, count = struct.unpack(">B3xI", window.read(edit_list.body, 8))
    entry = struct.Struct(">QqI" if version == 1 else ">IiI")
    table = edit_list.body + 8
    if count > _MAX_EDITS or table + count * entry.size > edit_list.end:
        raise Malformed
    content = bytearray(window.read(table, count * entry.size))
    times = [media_time for _, media_time, _ in entry.iter_unpack(content)]
    first = next((number for number, time in enumerate(times) if time != _EMPTY), count)
    for number in range(first, count):
        if times[number] == _EMPTY:
            without = _WITHOUT_SAMPLES[int(version == 1)]
            place = number * entry.size + len(without)  # after a length of the same width
            content[place : place + len(without)] = without
    if _EMPTY in times[first:]:
        yield table, bytes(content)
