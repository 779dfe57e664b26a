"""Finds the pictures in ID3v2 tags and FLAC files. libavformat leaves out those of media types that it does not know.

Sources: ID3v2.2.0, ID3v2.3.0 and ID3v2.4.0 (id3.org); RFC 9639 §8.8 (FLAC).
"""

import struct
from collections.abc import Iterator

from video2mp3.engine.containers.window import ReadAt
from video2mp3.engine.mp3.id3 import read_syncsafe

FRONT_COVER = 3
MAX_PICTURE_BYTES = 32 * 1024**2
_MAX_PARTS = 10_000
_UNSYNCHRONISED, _EXTENDED = 0x80, 0x40
_FRAME_UNSYNCHRONISED, _FRAME_HAS_LENGTH, _FRAME_PACKED = 0x02, 0x01, 0x0C
_FLAC_PICTURE = 6
_UTF_16 = (1, 2)


def attached_pictures(look_at: ReadAt) -> list[tuple[int, bytes]]:
    """Returns the type (see ID3v2 APIC) and the bytes of each picture; nothing if the file has another format."""
    try:
        head = look_at(0, 10)
        if head.startswith(b"ID3") and len(head) == 10:
            found = list(_in_id3(look_at, head))
            return found or list(_in_flac(look_at, 10 + read_syncsafe(head[6:10])))
        return list(_in_flac(look_at, 0))
    except (IndexError, ValueError, struct.error):
        return []


def _in_id3(look_at: ReadAt, head: bytes) -> Iterator[tuple[int, bytes]]:
    version, flags = head[3], head[5]
    tag = look_at(10, min(read_syncsafe(head[6:10]), MAX_PICTURE_BYTES))
    if flags & _UNSYNCHRONISED and version < 4:
        tag = _synchronised(tag)
    place = _extended_header_bytes(version, tag) if flags & _EXTENDED and version > 2 else 0
    header_bytes = 6 if version == 2 else 10
    for _ in range(_MAX_PARTS):
        header = tag[place : place + header_bytes]
        if len(header) < header_bytes or not header[0]:
            return
        size = _frame_bytes(version, header)
        content = tag[place + header_bytes : place + header_bytes + size]
        place += header_bytes + size
        if header[:4] == b"APIC" or (version == 2 and header[:3] == b"PIC"):
            frame_flags = header[9] if version == 4 else 0
            if not frame_flags & _FRAME_PACKED:
                yield _picture_of(content[4:] if frame_flags & _FRAME_HAS_LENGTH else content, version, frame_flags)


def _extended_header_bytes(version: int, tag: bytes) -> int:
    return read_syncsafe(tag[:4]) if version == 4 else 4 + int.from_bytes(tag[:4], "big")


def _frame_bytes(version: int, header: bytes) -> int:
    if version == 4:
        return read_syncsafe(header[4:8])
    return int.from_bytes(header[4:8] if version == 3 else header[3:6], "big")


def _picture_of(content: bytes, version: int, flags: int) -> tuple[int, bytes]:
    if flags & _FRAME_UNSYNCHRONISED:
        content = _synchronised(content)
    media_type_end = 4 if version == 2 else content.index(b"\0", 1) + 1
    picture_type, rest = content[media_type_end], content[media_type_end + 1 :]
    if content[0] not in _UTF_16:
        return picture_type, rest[rest.index(b"\0") + 1 :]
    end = rest.index(b"\0\0")
    while end % 2:  # halves of two characters
        end = rest.index(b"\0\0", end + 1)
    return picture_type, rest[end + 2 :]


def _in_flac(look_at: ReadAt, start: int) -> Iterator[tuple[int, bytes]]:
    if look_at(start, 4) != b"fLaC":
        return
    place = start + 4
    for _ in range(_MAX_PARTS):
        header = look_at(place, 4)
        size = int.from_bytes(header[1:4], "big")
        if header[0] & 0x7F == _FLAC_PICTURE:
            block = look_at(place + 4, size)
            picture_type, media_type_bytes = struct.unpack_from(">II", block)
            (description_bytes,) = struct.unpack_from(">I", block, 8 + media_type_bytes)
            data = 8 + media_type_bytes + 4 + description_bytes + 16
            (data_bytes,) = struct.unpack_from(">I", block, data)
            yield picture_type, block[data + 4 : data + 4 + data_bytes]
        if header[0] & 0x80:
            return
        place += 4 + size


def _synchronised(data: bytes) -> bytes:
    return data.replace(b"\xff\0", b"\xff")
