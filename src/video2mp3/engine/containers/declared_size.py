"""The size that a file declares, which identifies truncated files. Runs in the sandboxed child only.

Only the outermost structure is looked at. Sources: ISO/IEC 14496-12 §4.2 (boxes), RIFF, AIFF, CAF, RFC
8794 (EBML), RFC 3533 (Ogg), ISO/IEC 13818-1 §2.4.3 (TS packets), the ASF specification §3.2, FLV's onMetaData,
the Xing header of MP3.
"""

import struct
from typing import Literal

from video2mp3.engine.containers import matroska, mp4, ogg, riff
from video2mp3.engine.containers.window import Malformed, ReadAt
from video2mp3.engine.mp3.id3 import read_syncsafe
from video2mp3.engine.mp3.info_tag import FoundInfoTag, read_info_tag

_MAX_BOXES = 100_000
_MAX_CHUNKS = 1000
_TS_PACKET_BYTES = (188, 192, 204)
"""Plain, of recorders with a time code in front, and of receivers with error correction behind."""
_SECTOR_BYTES = 2048
_REALMEDIA_UNKNOWN = 0x3F000000
_DATA_HEADER_BYTES = 18
"""Some programs count the header of RealMedia's data twice."""
_VOC_LAST_KIND = 9
_CAF_CHUNKS = (
    b"desc", b"data", b"pakt", b"chan", b"cook", b"kuki", b"mark", b"regn", b"info", b"strg", b"free", b"uuid", b"ovvw",
    b"peak", b"edct", b"umid", b"midi", b"inst",
)  # fmt: skip
_DV_FRAME_BYTES = {0x00: 120_000, 0x80: 144_000}
"""By the flag for 625 lines. Source: IEC 61834-2. Frames of professional formats are multiples."""
_RIFF_SLACK_BYTES = 8
"""Some programs count an omitted padding byte, or the eight bytes of the header."""
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FLV_TAG_HEADER_BYTES = 11
_FLV_TAG_KINDS = (b"\x08", b"\x09", b"\x12")
_SEGMENT = b"\x18\x53\x80\x67"


def declared_size(read_at: ReadAt, size_bytes: int) -> int | None:
    """Returns the size in bytes that the file declares, or None.

    Args:
        read_at: as `Source.read_at`.
        size_bytes: its real size.
    """
    head = read_at(0, 64)
    if head[4:8] in mp4.TOP_LEVEL_KINDS:
        return _walk_boxes(read_at, size_bytes)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wave_data_end(read_at)
    if head[:4] in (b"RIFF", b"FORM"):
        return _walk_riff(read_at, size_bytes, "little" if head[:4] == b"RIFF" else "big")
    if head[:4] == b"caff":
        return _walk_caf(read_at, size_bytes)
    if head[:4] == matroska.SIGNATURE:
        return _segment_end(head)
    if head[:16] == _ASF_HEADER:
        return _asf_size(read_at(0, 64 * 1024))
    if head[:3] == b"FLV":
        return size_bytes if _ends_with_flv_tag(read_at, size_bytes) else _flv_size(read_at(0, 64 * 1024))
    if head[:4] == b"OggS":
        return size_bytes if _ogg_is_whole(read_at, size_bytes) else size_bytes + 1
    if head[:4] == b"\0\0\1\xba" and read_at(_SECTOR_BYTES, 4) == read_at(2 * _SECTOR_BYTES, 4) == head[:4]:
        return _whole_units(read_at, size_bytes, _SECTOR_BYTES, head[:4])
    if head[:3] == b"\x1f\x07\0":
        return _whole_units(read_at, size_bytes, _DV_FRAME_BYTES[head[3] & 0x80], head[:3])
    if head[:4] == b".RMF":
        return _realmedia_end(read_at(0, 64 * 1024))
    if head[:19] == b"Creative Voice File":
        return _walk_voc(read_at, size_bytes)
    if declared := _by_header(head):
        return declared
    for unit in _TS_PACKET_BYTES:
        start = 4 if unit == 192 else 0
        if read_at(start, 2 * unit + 1)[::unit] == b"GGG":
            return _whole_units(read_at, size_bytes, unit, b"G", start)
    return _xing_size(read_at)


def _by_header(head: bytes) -> int | None:
    """Returns the size by a field of a short header."""
    if head[:4] == b".snd":  # source: Sun's audio file format
        start, size = struct.unpack_from(">II", head, 4)
        return start + size if 0 < size < riff.UNKNOWN_SIZE else None
    if head[:4] == b"DSD ":  # source: Sony's DSF specification
        return int.from_bytes(head[12:20], "little") or None
    if head[:4] == b"FRM8":  # source: Philips' DSDIFF specification
        return 12 + int.from_bytes(head[4:12], "big")
    if head[:4] == b".SoX":  # source: SoX's soxformat(7); samples have 32 bits
        return 4 + int.from_bytes(head[4:8], "little") + 4 * int.from_bytes(head[8:16], "little")
    if head[:16] == _W64_RIFF:  # source: Sony's Wave64 specification
        return int.from_bytes(head[16:24], "little") or None
    return None


def _whole_units(read_at: ReadAt, size_bytes: int, unit: int, sync: bytes, sync_at: int = 0) -> int:
    """Returns where the last unit ends; what follows is garbage unless it has the units' sync bytes."""
    last = size_bytes // unit * unit
    return last + unit if size_bytes > last and read_at(last + sync_at, len(sync)) == sync else size_bytes


def _realmedia_end(head: bytes) -> int | None:
    """Returns where the packets end. Source: the RealMedia File Format, §2.5."""
    place = head.find(b"DATA")
    size = int.from_bytes(head[place + 4 : place + 8], "big")
    return place + size - _DATA_HEADER_BYTES if place > 0 and size < _REALMEDIA_UNKNOWN else None


def _walk_voc(read_at: ReadAt, size_bytes: int) -> int | None:
    """Returns where the blocks end. Source: the Creative Voice File Format."""
    place = int.from_bytes(read_at(20, 2), "little")
    for _ in range(_MAX_BOXES):
        head = read_at(place, 4)
        if place >= size_bytes or not 1 <= head[0] <= _VOC_LAST_KIND:
            return place
        place += 4 + int.from_bytes(head[1:], "little")
    return None


def top_level_kinds(read_at: ReadAt, size_bytes: int) -> frozenset[bytes]:
    """Returns the kinds of the outermost boxes of an MP4."""
    kinds, place = set(), 0
    for _ in range(_MAX_CHUNKS):
        try:
            box = mp4.box_in(read_at(place, mp4.MAX_HEADER_BYTES), place, size_bytes)
        except Malformed:
            break
        kinds.add(box.kind)
        place = box.end
    return frozenset(kinds)


def _walk_boxes(read_at: ReadAt, size_bytes: int) -> int | None:
    place = 0
    for _ in range(_MAX_BOXES):
        header = read_at(place, mp4.MAX_HEADER_BYTES)
        if place >= size_bytes or len(header) < 8:
            return place
        try:
            box = mp4.box_in(header, place, size_bytes)
        except Malformed:
            return None
        if (
            header[:4] == bytes(4) or not box.kind.isascii()
        ):  # size 0 extends to the end; other zeros are probably padding
            return None
        if box.end > size_bytes and box.kind not in mp4.TOP_LEVEL_KINDS:  # an ID3v1 or APE tag after the last box
            return None
        place = box.end
    return None


def _walk_riff(read_at: ReadAt, size_bytes: int, byteorder: Literal["little", "big"]) -> int | None:
    place = 0
    while place < size_bytes:  # a large AVI has several forms
        head = read_at(place, 8)
        size = int.from_bytes(head[4:8], byteorder)
        if head[:4] not in (b"RIFF", b"FORM") or size == 0 or size >= riff.UNKNOWN_SIZE:
            return place or None
        place += 8 + size
    return place if place > size_bytes + _RIFF_SLACK_BYTES else size_bytes


def _wave_data_end(read_at: ReadAt) -> int | None:
    place = 12
    for _ in range(_MAX_CHUNKS):
        head = read_at(place, 8)
        size = int.from_bytes(head[4:8], "little")
        if head[:4] == b"data":
            return place + 8 + size if 0 < size < riff.UNKNOWN_SIZE else None
        if len(head) < 8:
            return None
        place += 8 + size + size % 2
    return None


def _walk_caf(read_at: ReadAt, size_bytes: int) -> int | None:
    place = 8
    for _ in range(_MAX_CHUNKS):
        head = read_at(place, 12)
        if place >= size_bytes or len(head) < 12:
            return place
        size = int.from_bytes(head[4:12], "big", signed=True)
        if head[:4] not in _CAF_CHUNKS:  # garbage
            return place
        if size < 0:  # up to the end
            return None
        place += 12 + size
    return None


def _flv_size(head: bytes) -> int | None:
    place = head.find(b"\x00\x08filesize\x00") + 11
    return _whole(struct.unpack_from(">d", head, place)[0]) if 11 <= place <= len(head) - 8 else None


def _ends_with_flv_tag(read_at: ReadAt, size_bytes: int) -> bool:
    """Returns whether the last tag is complete; the size in the header is wrong in a file that was edited."""
    tag_bytes = int.from_bytes(read_at(size_bytes - 4, 4), "big")
    head = read_at(max(size_bytes - 4 - tag_bytes, 0), _FLV_TAG_HEADER_BYTES)
    return head[:1] in _FLV_TAG_KINDS and tag_bytes == _FLV_TAG_HEADER_BYTES + int.from_bytes(head[1:4], "big")


def _whole(number: float) -> int | None:
    return int(number) if 0 < number < 2**53 else None


def _ogg_is_whole(read_at: ReadAt, size_bytes: int) -> bool:
    """Returns whether the last page is complete. Recorders that were killed leave out the flag of the last page."""
    page = ogg.last_page(read_at, size_bytes)
    return page is not None and page.end <= size_bytes


def _segment_end(head: bytes) -> int | None:
    """Returns where the segment of a Matroska file ends; its head is short, so it begins within `head`."""
    place = 4
    size, width = _ebml_size(head[place:])
    place += width + (size or 0)
    if size is None or head[place : place + 4] != _SEGMENT:
        return None
    size, width = _ebml_size(head[place + 4 :])
    return None if size is None else place + 4 + width + size


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    if not data or not data[0]:
        return None, 0
    width = 9 - data[0].bit_length()
    value = int.from_bytes(data[:width], "big") & (1 << 7 * width) - 1
    return (None if value == (1 << 7 * width) - 1 else value), width


def _asf_size(head: bytes) -> int | None:
    place = head.find(_ASF_FILE_PROPERTIES)
    return int.from_bytes(head[place + 40 : place + 48], "little") or None if place >= 0 else None


def _xing_size(read_at: ReadAt) -> int | None:
    start, tag = info_tag_of(read_at)
    return start + tag.size_bytes if tag and tag.size_bytes else None


def info_tag_of(read_at: ReadAt) -> tuple[int, FoundInfoTag | None]:
    """Returns where the frames of an MP3 file begin, and its info tag."""
    head = read_at(0, 10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + read_syncsafe(head[6:10])
    return start, read_info_tag(read_at(start, 512), 0)
