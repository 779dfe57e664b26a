"""Finds where MP3 frames start behind garbage, such as the headers of a web server or the end of another file."""

from video2mp3.engine.mp3.frames import parse_header
from video2mp3.engine.mp3.id3 import read_syncsafe

SEARCHED_BYTES = 512 * 1024
"""Enough for 256 KiB of garbage and a tag with a picture."""
_CONFIRMING_FRAMES = 8
_FEW_FRAMES = 3
"""Enough if the bytes end after them."""
_ID3_HEADER_BYTES = 10


def start_of_mp3(head: bytes) -> int | None:
    """Returns the offset of the first of several frames that follow each other, or of the ID3v2 tag before them.

    Args:
        head: the file's first `SEARCHED_BYTES`.
    """
    place = head.find(b"\xff")
    while place >= 0:
        if _are_frames(head, place):
            tag = head.rfind(b"ID3", 0, place)
            return tag if tag >= 0 and _end_of_tag(head, tag) == place else place
        place = head.find(b"\xff", place + 1)
    return None


def _are_frames(head: bytes, place: int) -> bool:
    first = parse_header(head, place)
    for number in range(_CONFIRMING_FRAMES):
        header = parse_header(head, place)
        if header is None or first is None or header.sample_rate_hz != first.sample_rate_hz:
            return number >= _FEW_FRAMES and place >= len(head)
        place += header.size_bytes
    return True


def _end_of_tag(head: bytes, start: int) -> int:
    return start + _ID3_HEADER_BYTES + read_syncsafe(head[start + 6 : start + _ID3_HEADER_BYTES])
