"""The source's own picture for the MP3, without what cameras write into pictures. Runs in the child.

Nothing is decoded: only the outermost structure is walked. Sources: ITU-T T.81 annex B (JPEG markers), the PNG
specification §5.
"""

MAX_BYTES = 5_000_000

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN = 0xDA
_KEPT_APPLICATION_DATA = (0xE0, 0xEE)
"""JFIF, and Adobe's, which says how colours are meant."""
_COMMENT = 0xFE
_PRIVATE_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME")


def cleaned(picture: bytes) -> tuple[str, bytes] | None:
    """Returns the picture's type and its bytes without Exif, comments and the like; None where it is no good."""
    if len(picture) > MAX_BYTES:
        return None
    if picture.startswith(_JPEG):
        data = _clean_jpeg(picture)
        return ("image/jpeg", data) if data else None
    if picture.startswith(_PNG):
        data = _clean_png(picture)
        return ("image/png", data) if data else None
    return None


def _clean_jpeg(picture: bytes) -> bytes | None:
    kept, place = [picture[:2]], 2
    while place + 4 <= len(picture) and picture[place] == 0xFF:
        marker, size = picture[place + 1], int.from_bytes(picture[place + 2 : place + 4], "big")
        if marker == _START_OF_SCAN:
            return b"".join([*kept, picture[place:]])
        is_application_data = 0xE0 <= marker <= 0xEF and marker not in _KEPT_APPLICATION_DATA
        if not is_application_data and marker != _COMMENT:
            kept.append(picture[place : place + 2 + size])
        place += 2 + size
    return None


def _clean_png(picture: bytes) -> bytes | None:
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(picture):
        size, kind = int.from_bytes(picture[place : place + 4], "big"), picture[place + 4 : place + 8]
        if kind not in _PRIVATE_CHUNKS:
            kept.append(picture[place : place + 12 + size])
        place += 12 + size
        if kind == b"IEND":
            return b"".join(kept)
    return None
