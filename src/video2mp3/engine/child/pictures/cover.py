"""Chooses the front cover, and removes metadata from pictures. Runs in the child.

Cleaning does not decode a picture; it only walks the outermost structure. Sources: ITU-T T.81 annex B (JPEG
markers), the PNG specification §5.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import replace

from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.child.pictures.decode_picture import as_jpeg, kind_of, why_unusable
from video2mp3.engine.child.pictures.frame import picture_at, require_picture
from video2mp3.engine.options import MAX_COVER_BYTES, ResolvedOptions
from video2mp3.errors import InvalidCover

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_END_OF_SCAN = re.compile(rb"\xff+(?![\x00\xd0-\xd7\xff])")
"""In compressed data, 0xFF is followed by 0 or belongs to a restart marker."""
_KEPT_APPLICATION_DATA = (0xE0, 0xEE)
"""JFIF, and Adobe's segment, which declares the color transform."""
_COMMENT = 0xFE
_MAX_TRIED = 4
"""Attached pictures that are tried, the best first."""
_PRIVATE_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME")


def with_cover_picture(
    options: ResolvedOptions, open_media: Callable[[], Media], tell: Callable[[int], None]
) -> ResolvedOptions:
    """Returns the options with a verified picture in `cover_picture`, if they request one.

    Args:
        options: of the conversion.
        open_media: see `picture_at`, and `tell` too.

    Raises:
        InvalidCover: the given picture is not valid.
        NoPicture: the video has no frame at `cover_at_s`.
    """
    if options.cover_picture is not None:
        return replace(options, cover_picture=_given(options.cover_picture))
    if options.cover_at_s is not None:
        return replace(options, cover_picture=picture_at(open_media, options.cover_at_s, tell))
    return options


def _given(picture: bytes) -> bytes:
    if kind_of(picture) in ("JPEG", "PNG"):
        require_picture(picture)
        if cleaned(picture) is None:
            raise InvalidCover
        return picture
    if (jpeg := as_jpeg(picture)) is None:
        raise InvalidCover
    return jpeg


def front_cover(options: ResolvedOptions, media: Media) -> tuple[tuple[str, bytes] | None, str | None]:
    """Returns the cover's media type and bytes, or None, and why a better picture is not used (see `why_unusable`).

    Call this before anything else is read from the file.

    Args:
        options: from `with_cover_picture`.
        media: the source.
    """
    if options.cover_picture is not None:
        return cleaned(options.cover_picture), None
    unusable = None
    for picture in media.pictures()[:_MAX_TRIED] if options.cover == "source" else ():
        if cover := cleaned(picture) or _converted(picture):
            return cover, unusable
        unusable = unusable or why_unusable(picture)
    return None, unusable


def _converted(picture: bytes) -> tuple[str, bytes] | None:
    jpeg = as_jpeg(picture)
    return ("image/jpeg", jpeg) if jpeg else None


def cleaned(picture: bytes) -> tuple[str, bytes] | None:
    """Returns the picture's media type and its bytes without metadata; None if it is not valid."""
    if len(picture) > MAX_COVER_BYTES:
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
    scans = 0
    while place + 4 <= len(picture) and picture[place] == 0xFF and picture[place + 1] != _END_OF_IMAGE:
        marker, size = picture[place + 1], int.from_bytes(picture[place + 2 : place + 4], "big")
        if marker == 0xFF:  # any number of fill bytes may precede a marker
            place += 1
            continue
        end = place + 2 + size
        if marker == _START_OF_SCAN:
            found = _END_OF_SCAN.search(picture, end)
            end = found.end() - 1 if found else len(picture)
            scans += 1
        is_application_data = 0xE0 <= marker <= 0xEF and marker not in _KEPT_APPLICATION_DATA
        if not is_application_data and marker != _COMMENT:
            kept.append(picture[place:end])
        place = end
    if not scans:
        return None
    return b"".join([*kept, bytes([0xFF, _END_OF_IMAGE])])  # drops trailing data: phones append whole videos


def _clean_png(picture: bytes) -> bytes | None:
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(picture):
        size, kind = int.from_bytes(picture[place : place + 4], "big"), picture[place + 4 : place + 8]
        chunk = picture[place : place + 12 + size]
        if kind not in _PRIVATE_CHUNKS:
            if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                return None
            kept.append(chunk)
        place += 12 + size
        if kind == b"IEND":
            return b"".join(kept)
    return None
